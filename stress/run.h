/*
 * Programs that the harness runs: git and kitty, by name, in a folder, to the end.
 *
 * The harness's own environment is set up once (kt_run_setup): no git settings of the user, an
 * identity, no optional locks, so that looking at a checkout never changes it.
 */
#ifndef KITTY_STRESS_RUN_H
#define KITTY_STRESS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kitty/attributes.h>

struct kt_buffer;

/* home: an empty folder of ours; bin: where kitty lies, put first on the PATH. */
void kt_run_setup(const char *home, const char *bin);

/* Exit status of the program, -1 when it was killed or did not start. output may be NULL; errors go
 * to ours. */
int kt_run_status(const char *cwd, struct kt_buffer *output, const char *const *argv);

/* The same; its errors are added to the output. */
int kt_run_quiet(const char *cwd, struct kt_buffer *output, const char *const *argv);

/* The program must succeed: else says what failed and ends the harness with status 2. */
void kt_run_must(const char *cwd, struct kt_buffer *output, const char *const *argv);

#define KT_RUN(cwd, ...) kt_run_must(cwd, NULL, (const char *const[]){__VA_ARGS__, NULL})
#define KT_RUN_OUT(cwd, output, ...) \
	kt_run_must(cwd, output, (const char *const[]){__VA_ARGS__, NULL})
#define KT_TRY(cwd, output, ...) \
	kt_run_status(cwd, output, (const char *const[]){__VA_ARGS__, NULL})

/* Says why and ends the harness with status 2: it could not be set up, which says nothing about a
 * promise. */
KT_NORETURN void kt_run_die(const char *format, ...) KT_PRINTF(1, 2);

/*
 * However this program ends from now on, kt_run_die and signals included, what it started ends
 * first: TERM, half a minute for a supervisor to stop its lanes, KILL. Then the doomed folder goes.
 */
void kt_run_end_children_at_exit(void);
void kt_run_doom(const char *folder); /* the one before is forgotten; NULL: none */

/* Whole files. read: false when there is none (output stays empty). write replaces and must
 * succeed. */
bool kt_run_read_file(const char *path, struct kt_buffer *output);
void kt_run_write_file(const char *path, const void *bytes, size_t len);
void kt_run_make_folder(const char *path);
void kt_run_chomp(struct kt_buffer *buffer); /* drops newlines at the end */

int64_t kt_run_now_ns(void); /* CLOCK_MONOTONIC, the same in every process */
void kt_run_pause_ms(int64_t milliseconds);

/* A small generator whose numbers depend on the seed only. */
uint64_t kt_run_random(uint64_t *state);

#endif
