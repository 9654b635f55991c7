/*
 * A lane as it was before a review: what the reviewer committed or left in files is kept under
 * refs/kitty/rescue/<slug>/<lane>/, then branch, HEAD, index and files go back to the commit that
 * was reviewed. Blocks on git children: helper processes only.
 */
#ifndef KITTY_SUPERVISOR_REVIEW_UNDO_H
#define KITTY_SUPERVISOR_REVIEW_UNDO_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/mission.h"

/*
 * before: the lane's tip when the review began, 40 hex digits; its worktree was clean. Facts:
 * {"kept": [refs]}. Files that git ignores stay. Whatever fails, nothing of the lane is lost:
 * everything is kept before anything moves. Errors: KT_E_LANE_BUSY when the reviewer left a merge
 * or rebase, KT_E_LANE_ALLOCATION_FAILED without a worktree, KT_E_LANE_HEAD_MISMATCH when the
 * branch moved meanwhile or the lane is not clean afterwards. Gives *facts.
 */
KT_MUST_CHECK enum kt_code kt_review_undo(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane_id, const char *before,
	struct kt_json **facts, struct kt_error *err);

#endif
