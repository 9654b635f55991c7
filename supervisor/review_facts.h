/*
 * What a reviewer is shown, and what must be the same after it: read before and after a review.
 * Blocks on git: the helper process `kitty internal lane-review` calls it. Read-only.
 */
#ifndef KITTY_SUPERVISOR_REVIEW_FACTS_H
#define KITTY_SUPERVISOR_REVIEW_FACTS_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/mission.h"

/*
 * Facts of kt_lane_inspect, and "fork": where what the lane authored begins (null: no history in
 * common with the coordination branch), "files": digest over what differs from HEAD, contents
 * included. Ignored files do not count: tests may build. Gives.
 */
KT_MUST_CHECK enum kt_code kt_review_facts(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane_id, struct kt_json **facts,
	struct kt_error *err);

/* What a review changed in the lane; NULL: nothing. Gives. */
char *kt_review_difference(const struct kt_json *before, const struct kt_json *after);

#endif
