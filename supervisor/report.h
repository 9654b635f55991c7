/*
 * The answer to "what state is everything in?", the same JSON from a running supervisor and from a command alone.
 *
 * {"mission": {slug, mission_id, mid8, friendly_name, target_branch, coordination_branch, tip}, "supervisor": null | {...},
 *  "total_wps", "done_count", "done_percentage", "weighted_percentage", "by_lane": {status: n}, "work_packages": [{"id", "title", "lane" (its status), "lane_id", "agent", "actor",
 *  "dependencies", "last_transition_at", "reason", "waits_for": [...], "holder": null|{...}}], "lanes": [{"lane_id", "branch", "worktree", "wp_ids", "agent", "pid", "running_wp", "last_output"}],
 *  "last_event_id", "event_count"}
 * kitty status adds "interrupted": ids of work packages that a launch left behind with a dead worker, empty while a supervisor runs.
 */
#ifndef KITTY_SUPERVISOR_REPORT_H
#define KITTY_SUPERVISOR_REPORT_H

#include <kitty/json.h>

#include "supervisor/mission/mission.h"
#include "supervisor/mission/plan.h"
#include "supervisor/status/reduce.h"

/* How far a work package with that status is, in percent. */
double kt_progress_weight(enum kt_status status);

/* plan may be NULL (not finalised). live: the supervisor's members, merged in by lane id; NULL without one. Gives. */
struct kt_json *kt_report_build(const struct kt_mission *mission, const struct kt_plan *plan,
	const struct kt_reducer *state, const struct kt_oid *tip, const struct kt_json *live);

#endif
