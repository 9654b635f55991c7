/*
 * What a lane changed outside the files that its work packages own. Blocks on git children:
 * commands and helper processes only. Read-only.
 */
#ifndef KITTY_SUPERVISOR_LANE_OWNED_H
#define KITTY_SUPERVISOR_LANE_OWNED_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/plan.h"

struct kt_lane_outside {
	struct kt_oid tip; /* in: the commit that is judged; zero: the tip of the lane's branch */
	const char *const *environment; /* in: of git, which finds the commit there; NULL: none */
	struct kt_json *paths;          /* array of distinct repo-relative paths, at most 100 */
	struct kt_oid base; /* the merge base with the branch that the lane comes from */
};

/*
 * The paths that the lane's own commits (merges, and
 * what other lanes brought in, are not its own) changed and that still differ from the base, that
 * no work package of the lane owns, kitty-specs/ left out (the lane gate's affair). A lane without
 * a branch, or whose work packages name no files, has none. Gives outside->paths when the result is
 * KT_E_OK, leaves it NULL otherwise.
 */
KT_MUST_CHECK enum kt_code kt_lane_outside_owned(const struct kt_repository *repo,
	const struct kt_mission *mission, const struct kt_plan *plan, const char *lane_id,
	struct kt_lane_outside *outside, struct kt_error *err);

/* One line about such paths, for people. Gives. */
char *kt_lane_outside_tell(const char *lane_id, const struct kt_json *paths);

/* `owned_files: refuse`, the one predicate for the move to for_review and for integration: the
 * commit brings no such path. Uses up outside->paths. Errors: KT_E_LANE_OUTSIDE_OWNED naming them.
 */
KT_MUST_CHECK enum kt_code kt_lane_owned_gate(const struct kt_repository *repo,
	const struct kt_mission *mission, const struct kt_plan *plan, const char *lane_id,
	struct kt_lane_outside *outside, struct kt_error *err);

#endif
