/*
 * Which hooks would run for a commit in a worktree, and how to start one. Start only: the
 * transaction's step machine waits for the child's pidfd with its own deadline.
 */
#ifndef KITTY_SUPERVISOR_GIT_HOOKS_H
#define KITTY_SUPERVISOR_GIT_HOOKS_H

#include <stdbool.h>

#include "ipc/child.h"
#include "supervisor/git/repository.h"

enum kt_hook {
	KT_HOOK_PRE_COMMIT,
	KT_HOOK_PREPARE_COMMIT_MSG,
	KT_HOOK_COMMIT_MSG,
	KT_HOOK_POST_COMMIT,
	KT_HOOK_REFERENCE_TRANSACTION,
	KT_HOOK_COUNT
};

struct kt_hooks {
	char *path[KT_HOOK_COUNT]; /* NULL: not there or not executable */
};

/* core.hooksPath honoured (relative: inside the worktree). Gives the paths. Cheap: a few stat
 * calls. */
KT_MUST_CHECK enum kt_code kt_hooks_find(const struct kt_repository *repo, const char *worktree,
	struct kt_hooks *out, struct kt_error *err);
void kt_hooks_release(struct kt_hooks *hooks);
bool kt_hooks_any_before_commit(
	const struct kt_hooks *hooks); /* pre-commit, prepare-commit-msg, commit-msg */

struct kt_hook_call {
	enum kt_hook hook;
	const char *worktree, *git_dir;         /* cwd and GIT_DIR */
	const char *index_file;                 /* GIT_INDEX_FILE; NULL: the worktree's own */
	const char *message_file;               /* for the two message hooks */
	const char *author_name, *author_email; /* GIT_AUTHOR_* and GIT_COMMITTER_* */
	int output_fd;                          /* hook's stdout and stderr; borrowed */
};
/* Own session, user's environment less GIT_*, SPEC_KITTY_IN_HOOK=<pid> set. Errors:
 * KT_E_SPAWN_FAILED. */
KT_MUST_CHECK enum kt_code kt_hook_start(const struct kt_hooks *hooks,
	const struct kt_hook_call *call, struct kt_child *out, struct kt_error *err);

/*
 * A private index file at `path` (made anew), for GIT_INDEX_FILE: the tree of `commit` with the
 * entries on top, what the hook's commit would be; foreign staging in the worktree is left out of
 * it. start copies the worktree's index and starts git's two-way read; when that child has ended
 * with exit status 0, finish puts the entries in (their blobs must be stored).
 */
struct kt_index_entry;
KT_MUST_CHECK enum kt_code kt_private_index_start(const char *worktree, const struct kt_oid *commit,
	const char *path, struct kt_child *out, struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_private_index_finish(const char *worktree,
	const struct kt_index_entry *entries, size_t len, const char *path, struct kt_error *err);

#endif
