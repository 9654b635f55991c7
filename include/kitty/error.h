/*
 * Errors: one flat table of stable codes (errors.def), one struct that carries them.
 *
 * Every function that can fail returns enum kt_code (KT_E_OK is 0) and takes a caller-owned
 * struct kt_error as its last argument: never NULL, untouched on success, filled on failure.
 * Outputs are untouched on failure. The table row supplies the stable code text, the exit
 * status, the retry class, the summary and the next step; the code that fails adds `detail`.
 *
 * Codes are never renamed or reused; tests/unit/ipc/errors.golden pins them.
 */
#ifndef KITTY_ERROR_H
#define KITTY_ERROR_H

#include <kitty/attributes.h>

enum kt_code {
	KT_E_OK = 0,
#define KT_ERROR(name, text, exit_status, retry, summary, next_step) KT_E_##name,
#include <kitty/errors.def>
#undef KT_ERROR
	KT_E_COUNT
};

/* Is it worth trying again? */
enum kt_retry { KT_RETRY_NEVER, KT_RETRY_LATER, KT_RETRY_NOW };

/* Exit statuses of both programs. */
enum kt_exit {
	KT_EXIT_OK = 0,
	KT_EXIT_FAILED = 1,
	KT_EXIT_USAGE = 2,
	KT_EXIT_NOT_FOUND = 3,
	KT_EXIT_REFUSED = 4,
	KT_EXIT_CONFLICT = 5,
	KT_EXIT_TIMEOUT = 6,
	KT_EXIT_NO_SUPERVISOR = 7,
	KT_EXIT_ROLLED_BACK = 8
};

struct kt_error {
	enum kt_code code;
	int sys_errno; /* 0 when no system call was at fault */
	char detail[512];
	char next_step[1024]; /* empty: the table's next step holds */
};

#define KT_ERROR_INIT \
	{ \
		KT_E_OK, 0, "", "" \
	}

/* Fills err and returns code, so that `return kt_error_set(...)` reads well. */
enum kt_code kt_error_set(struct kt_error *err, enum kt_code code, const char *format, ...)
	KT_PRINTF(3, 4);

/* Same, with errno remembered and its text appended to the detail. */
enum kt_code kt_error_sys(struct kt_error *err, enum kt_code code, int sys_errno,
	const char *format, ...) KT_PRINTF(4, 5);

/* Replaces the table's next step by one with the mission's or file's own names in it. */
void kt_error_next(struct kt_error *err, const char *format, ...) KT_PRINTF(2, 3);
/* The same for a git command in a folder, which is quoted where a shell needs it. */
void kt_error_next_git(struct kt_error *err, const char *folder, const char *format, ...)
	KT_PRINTF(3, 4);

const char *kt_error_text(enum kt_code code);    /* "BOOKKEEPING_LOCK_TIMEOUT" */
const char *kt_error_summary(enum kt_code code); /* one sentence, no final stop */
const char *kt_error_next_step(const struct kt_error *err);
int kt_error_exit(enum kt_code code); /* enum kt_exit */
enum kt_retry kt_error_retry(enum kt_code code);

/* The code with that text; KT_E_INTERNAL when there is none (a newer peer's code). */
enum kt_code kt_error_from_text(const char *text);

#endif
