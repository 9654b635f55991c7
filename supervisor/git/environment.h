/*
 * The one place that builds the environment and the command line of git children (traps.md, 7).
 *
 * Two profiles. Plumbing: an allow-listed environment, LC_ALL=C, no prompts, no optional locks,
 * hooks off. User: the user's own environment less every GIT_* variable, for hooks, signing and
 * commits of a lane's work, plus the variables given.
 */
#ifndef KITTY_SUPERVISOR_GIT_ENVIRONMENT_H
#define KITTY_SUPERVISOR_GIT_ENVIRONMENT_H

#include <stddef.h>

#include <kitty/error.h>

#include "ipc/child.h"

struct kt_buffer;

enum kt_git_profile { KT_GIT_PLUMBING, KT_GIT_USER };

/* NULL-terminated environment; gives, free with kt_environment_free. extra: "NAME=value" strings or
 * NULL. */
char **kt_git_environment(enum kt_git_profile profile, const char *const *extra);
void kt_environment_free(char **environment);

/*
 * Runs `git -C cwd <profile's -c options> args...` to the end; blocks; for commands and for kitty's
 * own helper processes, never in the supervisor's loop. Exit status other than 0 is KT_E_GIT_FAILED
 * with the last line of standard error, unless exit_code is not NULL (then the caller looks). out
 * may be NULL.
 */
struct kt_git_call {
	const char *cwd;
	const char *const *args; /* NULL-terminated, without "git" */
	enum kt_git_profile profile;
	const char *const *extra_env; /* NULL: none */
	const void *input;
	size_t input_len;
	struct kt_buffer *out, *errors; /* may be NULL */
	int *exit_code;                 /* may be NULL */
	int timeout_ms;                 /* 0: KT_GIT_TIMEOUT_MS */
};
KT_MUST_CHECK enum kt_code kt_git_run(const struct kt_git_call *call, struct kt_error *err);

/* Parses `git --version` once. Errors: KT_E_GIT_MISSING, KT_E_GIT_TOO_OLD (below 2.25). */
KT_MUST_CHECK enum kt_code kt_git_version(int *major, int *minor, struct kt_error *err);

#endif
