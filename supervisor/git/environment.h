/*
 * The one place that builds the environment and the command line of git children.
 *
 * Two profiles. Plumbing: an allow-listed environment, LC_ALL=C, no prompts, no optional locks,
 * hooks off. User: the user's own environment less every GIT_* variable, for hooks, signing and
 * commits of a lane's work, plus the variables given. GIT_CONFIG_GLOBAL, GIT_CONFIG_SYSTEM and
 * GIT_CONFIG_NOSYSTEM stay in every profile: they say where the user's configuration is, not which
 * repository is meant.
 */
#ifndef KITTY_SUPERVISOR_GIT_ENVIRONMENT_H
#define KITTY_SUPERVISOR_GIT_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

#include "ipc/child.h"

struct kt_buffer;

enum kt_git_profile { KT_GIT_PLUMBING, KT_GIT_USER };

/* NULL-terminated environment; gives, free with kt_environment_free. extra: "NAME=value" strings or
 * NULL. */
char **kt_git_environment(enum kt_git_profile profile, const char *const *extra);
/* Environment of agents: the user's less GIT_* (but where configuration files are), with git's
 * automatic gc and maintenance off: their daemon would leave the lane's process group. Gives. */
char **kt_agent_environment(const char *const *extra);
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
	bool no_terminal;               /* a session of its own, where nobody can be asked */
};
KT_MUST_CHECK enum kt_code kt_git_run(const struct kt_git_call *call, struct kt_error *err);

/* Starts the same without waiting: the caller owns the child and its deadline. input, out, errors,
 * exit_code and timeout_ms of the call are not used; descriptors are borrowed, KT_CHILD_NULL_FD is
 * /dev/null. Errors: KT_E_SPAWN_FAILED. */
struct kt_git_descriptors {
	int input, output, errors;
	int nice; /* added to the child's niceness */
};
KT_MUST_CHECK enum kt_code kt_git_start(const struct kt_git_call *call,
	const struct kt_git_descriptors *descriptors, struct kt_child *out, struct kt_error *err);

/* Parses `git --version` once. Errors: KT_E_GIT_MISSING, KT_E_GIT_TOO_OLD (below 2.25). */
KT_MUST_CHECK enum kt_code kt_git_version(int *major, int *minor, struct kt_error *err);

#endif
