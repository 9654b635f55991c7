/*
 * Merging two commits without a checkout: `git merge-tree --write-tree`. Run in the
 * coordination worktree, so that its attributes apply. Nothing is moved: the result is a tree.
 *
 *   kt_merge_check_git -> kt_merge_compute (blocks), or: kt_merge_command -> start it ->
 * kt_merge_parse
 */
#ifndef KITTY_SUPERVISOR_GIT_MERGE_H
#define KITTY_SUPERVISOR_GIT_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

#include "supervisor/git/environment.h"
#include "supervisor/git/oid.h"

/* Errors: KT_E_GIT_TOO_OLD_FOR_MERGE below 2.38, and those of kt_git_version. */
KT_MUST_CHECK enum kt_code kt_merge_check_git(struct kt_error *err);

/* The arguments for kt_git_run or kt_git_start; standard output goes to kt_merge_parse. */
struct kt_merge_command {
	struct kt_oid_text ours, theirs;
	const char *args[8]; /* NULL-terminated, without "git" */
};
void kt_merge_command(
	struct kt_merge_command *command, const struct kt_oid *ours, const struct kt_oid *theirs);

struct kt_merge_result {
	bool is_clean;
	struct kt_oid tree; /* with conflict marks when it is not clean */
	char **files;       /* in conflict, each once, NULL-terminated; empty when clean */
	size_t files_len;
	char **messages; /* git's own words for people, NULL-terminated; empty when clean */
};

/* Judges output and exit status; exit status 1 counts as a conflict only when the output begins
 * with a tree id (a bad revision ends with 1, too). Errors: KT_E_GIT_FAILED. Gives the content. */
KT_MUST_CHECK enum kt_code kt_merge_parse(const char *output, size_t len, int exit_code,
	struct kt_merge_result *out, struct kt_error *err);
void kt_merge_result_release(struct kt_merge_result *result);

/* The whole, blocking: helpers and commands only. extra_env: "NAME=value" strings or NULL. */
KT_MUST_CHECK enum kt_code kt_merge_compute(const char *cwd, const struct kt_oid *ours,
	const struct kt_oid *theirs, const char *const *extra_env, struct kt_merge_result *out,
	struct kt_error *err);

#endif
