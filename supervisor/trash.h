/*
 * What was discarded, kept under refs/kitty/trash/<mission>/ for 30 days:
 *
 *   manifest        a commit without files; its date is when the mission was discarded
 *   coordination    tip of the coordination branch
 *   heads/<lane>    tip of a lane's branch
 *   <lane>          a commit with the lane's files that were not committed, on top of its HEAD;
 *                   `coord` for the coordination worktree
 *
 * Blocks on git children: commands only.
 */
#ifndef KITTY_SUPERVISOR_TRASH_H
#define KITTY_SUPERVISOR_TRASH_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

#include "supervisor/mission/mission.h"

struct kt_buffer;

#define KT_TRASH_DAYS 30

/* "refs/kitty/trash/<slug>/<name>"; gives. */
char *kt_trash_ref(const struct kt_mission *mission, const char *name);

/* Runs git in `cwd`; out may be NULL, environment too. Output loses its last line end. */
KT_MUST_CHECK enum kt_code kt_trash_git(const char *cwd, const char *const *args,
	const char *const *environment, struct kt_buffer *out, struct kt_error *err);

/* The commit a ref names; gives 40 hex digits in *oid, NULL when there is no such ref. */
KT_MUST_CHECK enum kt_code kt_trash_read(
	const struct kt_repository *repo, const char *ref, char **oid, struct kt_error *err);

/* The date of the discard, durable before anything is taken away. Keeps an existing one. */
KT_MUST_CHECK enum kt_code kt_trash_open(
	const struct kt_repository *repo, const struct kt_mission *mission, struct kt_error *err);

/* Points the trash ref at a commit. */
KT_MUST_CHECK enum kt_code kt_trash_keep(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *name, const char *oid, struct kt_error *err);

/* Commits what is not committed in a worktree, index and branch untouched; *is_kept tells whether
 * there was anything. Ignored files are not kept. */
KT_MUST_CHECK enum kt_code kt_trash_files(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *worktree, const char *name, bool *is_kept,
	struct kt_error *err);

/* Deletes the mission's trash, the manifest last. */
KT_MUST_CHECK enum kt_code kt_trash_empty(
	const struct kt_repository *repo, const char *slug, struct kt_error *err);

/* Empties what was discarded more than KT_TRASH_DAYS days before `now` (seconds). pruned: number of
 * missions. */
KT_MUST_CHECK enum kt_code kt_trash_prune(
	const struct kt_repository *repo, long long now, size_t *pruned, struct kt_error *err);

#endif
