/*
 * What the files of lane_ops share: a lane's names, the facts of its worktree, one-line questions
 * to git, and the record of a lane (<run_dir>/lanes/<lane>.json), which tells a lane that was never
 * made from one whose branch is gone.
 */
#ifndef KITTY_SUPERVISOR_LANE_OPS_PRIVATE_H
#define KITTY_SUPERVISOR_LANE_OPS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

#include "ipc/buffer.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/worktree.h"
#include "supervisor/mission/mission.h"

struct kt_lane_place {
	char *id;       /* lane-a */
	char *branch;   /* short */
	char *ref;      /* refs/heads/<branch> */
	char *worktree; /* absolute */
	struct kt_worktree_facts facts;
};

/* Errors: KT_E_LANE_NOT_FOUND for a text that is no lane id. */
KT_MUST_CHECK enum kt_code kt_lane_place_find(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane_id, struct kt_lane_place *out,
	struct kt_error *err);
void kt_lane_place_release(struct kt_lane_place *place);

/* The worktree is there, on the lane's branch, with nothing under way. Errors:
 * KT_E_LANE_ALLOCATION_FAILED (not there), KT_E_LANE_BUSY, KT_E_LANE_HEAD_MISMATCH. `since` (may be
 * NULL) lets the mismatch name the commits made elsewhere. */
KT_MUST_CHECK enum kt_code kt_lane_place_check(
	const struct kt_lane_place *place, const char *since, struct kt_error *err);

/* Standard output of a plumbing git call without its last line end; *exit_code as given by git. */
KT_MUST_CHECK enum kt_code kt_lane_git_text(
	const char *cwd, const char *const *args, char **out, int *exit_code, struct kt_error *err);

/* 40 hex digits of a revision, or *out NULL when there is none. Gives. */
KT_MUST_CHECK enum kt_code kt_lane_revision(
	const char *cwd, const char *revision, char **out, struct kt_error *err);

/* Commits of the lane since `since` that are the lane's own: merges and what the coordination
 * branch has do not count. */
KT_MUST_CHECK enum kt_code kt_lane_count_commits(const struct kt_lane_place *place,
	const struct kt_mission *mission, const char *since, long long *out, struct kt_error *err);

/* The same commits as [{sha, message}], oldest first, the newest hundred. Best effort: they only
 * make the summary better. Gives; never NULL. */
struct kt_json *kt_lane_list_commits(
	const struct kt_lane_place *place, const struct kt_mission *mission, const char *since);

/* JSON array of the commits that the lane's reflog says were made on other branches or on a
 * detached HEAD since `since` and that the lane's branch does not hold. Gives; never NULL. */
struct kt_json *kt_lane_commits_elsewhere(const struct kt_lane_place *place, const char *since);

/* fork may be NULL: keep what the record says. Best effort: the record only makes messages better.
 */
void kt_lane_record_write(const struct kt_mission *mission, const struct kt_lane_place *place,
	const char *fork, const char *tip);
char *kt_lane_record_tip(
	const struct kt_mission *mission, const char *lane_id); /* gives; NULL: no record */

#endif
