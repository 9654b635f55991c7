/*
 * The sync points of a lane: exactly two, the first claim and the first
 * for_review -> in_review of the lane, bring the coordination tip into a clean lane; a claim also
 * brings in the approved tips of the work package's dependencies. Blocking: for commands and `kitty
 * internal lane-sync`, which the supervisor runs before it claims and before a review begins.
 *
 * Everything is computed first; a conflict moves nothing and leaves the lane as it was.
 */
#ifndef KITTY_SUPERVISOR_LANE_SYNC_H
#define KITTY_SUPERVISOR_LANE_SYNC_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/mission.h"

enum kt_sync_point { KT_SYNC_CLAIM, KT_SYNC_REVIEW };

struct kt_lane_sync {
	const char *lane_id, *wp_id;
	enum kt_sync_point point;
};

/*
 * *facts: {"lane", "wp_id", "before", "after", "merged": [{"name", "commit", "how":
 * "fast_forward"|"merge"}]}; an empty list: nothing was needed. Called again, nothing more happens.
 * Errors: KT_E_MERGE_CONFLICT (*facts has "conflict", both tips named), KT_E_MERGE_CHECKOUT_BLOCKED
 * (uncommitted files in the lane), KT_E_LANE_TOUCHES_KITTY_SPECS, and those of a lane that is not
 * usable. Gives *facts.
 */
KT_MUST_CHECK enum kt_code kt_lane_sync(const struct kt_repository *repo,
	const struct kt_mission *mission, const struct kt_lane_sync *wish, struct kt_json **facts,
	struct kt_error *err);

/*
 * A lane ready for a claim: kt_lane_prepare, then the sync. What this call made is taken away again
 * when the sync fails, so that a retry takes the same path. *prepared: facts of kt_lane_prepare,
 * *synced: of the sync (NULL when it did not come to that). Gives both.
 */
KT_MUST_CHECK enum kt_code kt_lane_ready(const struct kt_repository *repo,
	const struct kt_mission *mission, const struct kt_lane_sync *wish,
	struct kt_json **prepared, struct kt_json **synced, struct kt_error *err);

#endif
