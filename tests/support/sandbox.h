/*
 * A real repository in a folder of its own under TMPDIR, made with the git command: branch main,
 * one commit, an identity, no user or system configuration. Failures of anything here fail the
 * test.
 *
 *   struct kt_sandbox *box = kt_sandbox_new();
 *   free(kt_sandbox_run(box, "git commit -q --allow-empty -m %s", "two"));
 *   kt_sandbox_free(box);
 */
#ifndef KITTY_TESTS_SUPPORT_SANDBOX_H
#define KITTY_TESTS_SUPPORT_SANDBOX_H

#include <stdbool.h>

#include "ipc/buffer.h"

struct kt_sandbox {
	char *root; /* removed at the end; HOME of everything that runs */
	char *repo; /* <root>/repo: the primary checkout; current folder of kt_sandbox_run */
};

/* Also sets HOME, GIT_CONFIG_GLOBAL=/dev/null and GIT_CONFIG_NOSYSTEM of this process, and drops
 * its other GIT_*. */
struct kt_sandbox *kt_sandbox_new(void);
/* The same without a repository: repo is an empty folder. */
struct kt_sandbox *kt_sandbox_new_empty(void);
void kt_sandbox_free(struct kt_sandbox *box);

/* A shell command in the repository. Gives its standard output, less one final line end. Must exit
 * 0. */
char *kt_sandbox_run(const struct kt_sandbox *box, const char *format, ...) KT_PRINTF(2, 3);
/* Exit status of a shell command; out (may be NULL) gets both outputs. */
int kt_sandbox_try(const struct kt_sandbox *box, struct kt_buffer *out, const char *format, ...)
	KT_PRINTF(3, 4);
/* Runs a command whose output must be exactly that. */
void kt_sandbox_expect(const struct kt_sandbox *box, const char *output, const char *format, ...)
	KT_PRINTF(3, 4);

/* Path below the repository; gives. */
char *kt_sandbox_path(const struct kt_sandbox *box, const char *relative);
void kt_sandbox_write(const struct kt_sandbox *box, const char *relative, const char *text);
/* Content of a file below the repository; gives; NULL when there is none. */
char *kt_sandbox_read(const struct kt_sandbox *box, const char *relative);
bool kt_sandbox_has(const struct kt_sandbox *box, const char *relative);

#endif
