/*
 * Worktrees: made, verified, rolled back, inspected by the git command, always from
 * the primary checkout and always under the repository lock, which these functions take themselves.
 * They block on git children: the supervisor runs them in a helper process (kitty internal ...).
 */
#ifndef KITTY_SUPERVISOR_GIT_WORKTREE_H
#define KITTY_SUPERVISOR_GIT_WORKTREE_H

#include <stdbool.h>

#include "supervisor/git/repository.h"

struct kt_buffer;

struct kt_worktree_plan {
	const char *path;        /* absolute */
	const char *branch;      /* short name */
	const char *start;       /* 40 hex digits; NULL: the branch must exist already */
	const char *needs_ref;   /* full name; without it nothing is made: the mission was closed
				    meanwhile. NULL: none */
	const char *lock_reason; /* "kitty:<mission>" */
	const char *const *sparse_patterns; /* NULL-terminated lines of info/sparse-checkout; NULL:
					       full checkout */
	const char *const
		*absent_paths;  /* NULL-terminated paths that must not be on disk after creation */
	const char *remains_to; /* where a registered folder that lost its .git goes, with all it
				   holds; NULL: such a folder is in the way */
};

/*
 * Idempotent: a healthy worktree of that path on that branch is KT_E_OK with *created false. A
 * stale registration of exactly this path is dropped first. On any failure worktree and (if this
 * call made it) branch are removed again. Errors: KT_E_BRANCH_CHECKED_OUT_ELSEWHERE,
 * KT_E_COORDINATION_BRANCH_DELETED (needs_ref is gone),
 * KT_E_LANE_HEAD_MISMATCH (path exists on another branch), KT_E_GIT_FAILED, KT_E_TIMEOUT.
 */
KT_MUST_CHECK enum kt_code kt_worktree_create(const struct kt_repository *repo,
	const struct kt_worktree_plan *plan, bool *created, struct kt_error *err);

/* Removes what a killed `git worktree add` left half registered, whoever's path it was for, because
 * git refuses all worktree commands beside it. Under the repository lock; the two calls here that
 * change worktrees do it first. */
void kt_worktree_sweep(const struct kt_repository *repo);

/* The worktree of this git dir is being made at this moment, or its making was killed: HEAD and
 * files mean nothing yet. To tell the two apart, take the repository lock first. */
bool kt_worktree_is_unfinished(const char *git_dir);

/* Removes registration and folder of exactly that path. Refuses (KT_E_GIT_FAILED) when it holds
 * uncommitted or untracked (ignored included) files, unless `force`. */
KT_MUST_CHECK enum kt_code kt_worktree_remove(
	const struct kt_repository *repo, const char *path, bool force, struct kt_error *err);

/* What is at a worktree's path. Reads files only: cheap enough for every transaction. */
struct kt_worktree_facts {
	bool exists;       /* the folder is there */
	bool is_linked;    /* its .git file points to a registration of this repository, and back */
	char *head;        /* gives: "refs/heads/x", NULL when detached */
	char *git_dir;     /* gives: <common>/worktrees/<id>, NULL when none */
	const char *state; /* "", merge, rebase, ... */
};
void kt_worktree_inspect(
	const struct kt_repository *repo, const char *path, struct kt_worktree_facts *out);
void kt_worktree_facts_release(struct kt_worktree_facts *facts);
/* A lock of somebody else's is a wish to keep it; kitty's own reasons start with its name. Gives
 * what to tell people, NULL: no such lock. */
char *kt_worktree_foreign_lock(const struct kt_worktree_facts *facts);

/* The registration (<common>/worktrees/<id>) that names this path, there or gone; gives; NULL:
 * none. */
char *kt_worktree_registration(const struct kt_repository *repo, const char *path);

/* `git status --porcelain=v2 -z` of a worktree, paths that are changed or untracked, NUL-separated
 * in *paths. */
KT_MUST_CHECK enum kt_code kt_worktree_changes(
	const char *path, struct kt_buffer *paths, struct kt_error *err);

/*
 * kt_worktree_remove marks a registration before git takes the files away. Killed in the middle, it
 * leaves a worktree without files that nobody deleted: of such a one kt_worktree_work gives only
 * the changes that are still there to be seen, of any other all.
 */
KT_MUST_CHECK enum kt_code kt_worktree_work(
	const char *path, struct kt_buffer *paths, struct kt_error *err);
bool kt_worktree_removal_is_begun(const char *path);
/* A removal that was killed after the .git file had gone: the file comes back, so that the rest can
 * be judged and removed as it would have been. Only where the registration bears the mark. */
void kt_worktree_removal_resume(const struct kt_repository *repo, const char *path);
KT_MUST_CHECK enum kt_code kt_worktree_removal_begin(
	const char *registration, struct kt_error *err);

/* The same from git's output; a record that makes no sense is passed over. */
void kt_worktree_changes_parse(const struct kt_buffer *status, struct kt_buffer *paths);

/* Path of the worktree (other than `except`, may be NULL) that has refs/heads/<branch> checked out;
 * gives; NULL: none. */
char *kt_branch_checked_out_at(
	const struct kt_repository *repo, const char *branch, const char *except);

#endif
