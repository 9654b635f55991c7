/*
 * The repository: found from a folder, never from GIT_* variables.
 *
 * kt_repository_find is cheap: it reads .git, commondir and config files itself and does not start
 * libgit2 (10 ms with the shared library). kt_repository_check refuses the shapes that kitty does
 * not support. One handle per process; never used after a fork.
 */
#ifndef KITTY_SUPERVISOR_GIT_REPOSITORY_H
#define KITTY_SUPERVISOR_GIT_REPOSITORY_H

#include <stdbool.h>

#include <kitty/error.h>

#include "supervisor/git/oid.h"

struct kt_repository {
	char *common_dir; /* absolute, real path: .git of the primary checkout */
	char *primary;    /* absolute path of the primary checkout */
	char *worktree;   /* top of the worktree one stands in (may be primary) */
	char *git_dir;    /* of that worktree */
	bool is_linked;   /* worktree is not the primary */
};

/* Finds the repository that holds `start` (a folder). Gives. Errors: KT_E_NOT_A_REPOSITORY,
 * KT_E_REPO_BARE. */
KT_MUST_CHECK enum kt_code kt_repository_find(
	const char *start, struct kt_repository **out, struct kt_error *err);
void kt_repository_free(struct kt_repository *repo);

/* Refuses bare, SHA-256, reftable, unknown extensions, foreign owner, no commit yet (codes
 * KT_E_REPO_*). */
KT_MUST_CHECK enum kt_code kt_repository_check(
	const struct kt_repository *repo, struct kt_error *err);

/* Full symbolic HEAD ("refs/heads/x") of a git dir, read from its file; gives; NULL when detached
 * or unreadable. */
char *kt_head_read(const char *git_dir);

/* "" when nothing is under way in that git dir; else merge, rebase, cherry-pick, revert, bisect. */
const char *kt_repository_state(const char *git_dir);

/* git dir of a worktree path, from its .git file or folder; gives; NULL when there is none. */
char *kt_worktree_git_dir(const char *worktree);

/* Sets protected names: configured globs are applied by the caller. Gives the local origin/HEAD's
 * branch or NULL. */
char *kt_repository_default_branch(const struct kt_repository *repo);

/* user.name / user.email as git would use them (config only, all scopes); NULL when unset. Gives.
 */
char *kt_repository_config_get(const struct kt_repository *repo, const char *key);

/* Repository-wide lock for worktree creation and removal: flock on <common>/kitty/worktrees.lock.
 * Errors: KT_E_TIMEOUT naming the holder. *fd is close-on-exec; kt_repository_unlock closes it. */
KT_MUST_CHECK enum kt_code kt_repository_lock(
	const struct kt_repository *repo, int timeout_ms, int *fd, struct kt_error *err);
void kt_repository_unlock(int fd);

/* The same lock for who only looks: nothing is written, on a read-only file system too. -1 when
 * nobody has ever made a worktree here, or one takes longer than that; kt_repository_unlock. */
int kt_repository_still(const struct kt_repository *repo, int timeout_ms);

#endif
