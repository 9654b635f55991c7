/*
 * The coordination worktree's index: exactly the given entries are brought to the given blobs, with
 * the stat data of the files on disk, so that `git status` there is clean. libgit2 where it can
 * read the index; git update-index where it cannot (split, sparse, skipHash).
 */
#ifndef KITTY_SUPERVISOR_GIT_INDEX_H
#define KITTY_SUPERVISOR_GIT_INDEX_H

#include "supervisor/git/store.h"

struct kt_index_entry {
	const char *path; /* relative to the worktree */
	struct kt_oid blob;
};

/* index.lock held by another process: bounded retry, then KT_E_INDEX_LOCKED. */
KT_MUST_CHECK enum kt_code kt_index_update(struct kt_store *store, const char *worktree,
	const struct kt_index_entry *entries, size_t len, struct kt_error *err);

/* The same through git alone: for an index that is not kitty's own, whose extensions (untracked
 * cache, fsmonitor, split) must survive. Blocks on git children. */
KT_MUST_CHECK enum kt_code kt_index_update_by_git(const char *worktree,
	const struct kt_index_entry *entries, size_t len, struct kt_error *err);

/* True when the index holds exactly these blobs at these paths, stage 0. Read-only. */
KT_MUST_CHECK enum kt_code kt_index_matches(const char *worktree,
	const struct kt_index_entry *entries, size_t len, bool *out, struct kt_error *err);

/*
 * Makes an index anew from HEAD that nobody can read any more (zeros or half of it, after a power
 * loss: git does not sync it before its rename). What was there is kept beside it as index.damaged.
 * For kitty's own worktrees only: coordination, lanes. Blocks on a git child.
 */
KT_MUST_CHECK enum kt_code kt_index_rebuild(const char *worktree, struct kt_error *err);

/* Two-tree read: index and files of the worktree from commit `from` to commit `to` (git read-tree
 * -m -u). Local changes in other files stay; a collision is KT_E_GIT_FAILED and changes nothing.
 * Blocks on a git child. */
KT_MUST_CHECK enum kt_code kt_worktree_sync(const char *worktree, const struct kt_oid *from,
	const struct kt_oid *to, struct kt_error *err);

#endif
