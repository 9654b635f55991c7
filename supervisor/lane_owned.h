/*
 * What a lane changed outside the files that its work packages own. Blocks on git children:
 * commands and helper processes only. Read-only.
 */
#ifndef KITTY_SUPERVISOR_LANE_OWNED_H
#define KITTY_SUPERVISOR_LANE_OWNED_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/plan.h"

/*
 * paths: array of distinct repo-relative paths that the lane's own commits (merges, and what other
 * lanes brought in, are not its own) changed and that still differ from *base, that no work package
 * of the lane owns, kitty-specs/ left out (the lane gate's affair); at most 100. A lane without a
 * branch, or whose work packages name no files, has none. base: the merge base with the branch that
 * the lane comes from. Gives an array when the result is KT_E_OK.
 */
KT_MUST_CHECK enum kt_code kt_lane_outside_owned(const struct kt_repository *repo,
	const struct kt_mission *mission, const struct kt_plan *plan, const char *lane_id,
	struct kt_json **paths, struct kt_oid *base, struct kt_error *err);

#endif
