/*
 * The status report: state, plan and what the supervisor knows, as one JSON object. Runs in the
 * supervisor and in commands alike. Pure: reads what it is given, writes nothing.
 */
#include "supervisor/report.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"

static const int weights[KT_STATUS_COUNT] = {
	[KT_STATUS_CLAIMED] = 5,
	[KT_STATUS_IN_PROGRESS] = 30,
	[KT_STATUS_FOR_REVIEW] = 60,
	[KT_STATUS_IN_REVIEW] = 70,
	[KT_STATUS_APPROVED] = 80,
	[KT_STATUS_DONE] = 100,
};

double kt_progress_weight(enum kt_status status)
{
	return (double)weights[status];
}

struct report {
	const struct kt_mission *mission;
	const struct kt_plan *plan;
	const struct kt_reducer *state;
	const struct kt_json *live;
	struct kt_json *work_packages;
	size_t counts[KT_STATUS_COUNT];
	size_t total;
};

static enum kt_status status_of(const struct kt_reducer *state, const char *wp_id)
{
	struct kt_wp_state wp;

	return kt_reducer_wp(state, wp_id, &wp) ? wp.status : KT_STATUS_GENESIS;
}

static struct kt_json *strings_to_json(char *const *strings)
{
	struct kt_json *list = kt_json_new_array();

	for (; strings != NULL && *strings != NULL; strings++)
		kt_json_append(list, kt_json_new_string(*strings));
	return list;
}

static void wait_add(struct kt_json *waits, const char *wp_id, enum kt_status status)
{
	char *text = kt_format("%s is %s", wp_id, kt_status_name(status));

	kt_json_append(waits, kt_json_new_string(text));
	free(text);
}

/* What keeps a WP that has not started: its dependencies, and the WP before it in its lane. */
static struct kt_json *waits_build(
	const struct report *report, const struct kt_wp *wp, const struct kt_lane_plan *lane)
{
	struct kt_json *waits = kt_json_new_array();
	const char *before = NULL;

	for (char **dependency = wp->dependencies; dependency != NULL && *dependency != NULL;
		dependency++) {
		enum kt_status status = status_of(report->state, *dependency);

		if (!kt_status_satisfies_dependency(status))
			wait_add(waits, *dependency, status);
	}
	for (char **id = lane == NULL ? NULL : lane->wp_ids;
		id != NULL && *id != NULL && strcmp(*id, wp->id) != 0; id++)
		before = *id;
	if (before != NULL) {
		enum kt_status status = status_of(report->state, before);

		if (!kt_status_satisfies_dependency(status) && status != KT_STATUS_CANCELED &&
			kt_json_size(waits) == 0)
			wait_add(waits, before, status);
	}
	return waits;
}

static struct kt_json *holder_build(const struct kt_wp_state *state)
{
	struct kt_json *holder = NULL;

	if (state->claim_actor == NULL ||
		(state->status != KT_STATUS_CLAIMED && state->status != KT_STATUS_IN_PROGRESS))
		return kt_json_new_null();
	holder = kt_json_new_object();
	kt_json_set_string(holder, "actor", state->claim_actor);
	if (kt_json_get(state->claim_metadata, "shell_pid") != NULL)
		kt_json_set(holder, "shell_pid",
			kt_json_copy(kt_json_get(state->claim_metadata, "shell_pid")));
	return holder;
}

static void state_set(struct kt_json *row, const struct kt_wp_state *state)
{
	kt_json_set_string(row, "agent", kt_json_get_string(state->entry, "agent"));
	kt_json_set_string(row, "actor", state->actor);
	kt_json_set_string(row, "last_transition_at", state->last_transition_at);
	kt_json_set_string(row, "last_event_id", state->last_event_id);
	kt_json_set_string(row, "reason", state->last_reason);
	kt_json_set(row, "holder", holder_build(state));
}

/* One WP; wp NULL: the plan does not know it. */
static void row_add(struct report *report, const char *wp_id, const struct kt_wp *wp)
{
	const struct kt_lane_plan *lane =
		report->plan == NULL ? NULL : kt_lanes_of_wp(report->plan->lanes, wp_id);
	struct kt_json *row = kt_json_new_object();
	struct kt_wp_state state = {0};
	bool is_known = kt_reducer_wp(report->state, wp_id, &state);
	enum kt_status status = is_known ? state.status : KT_STATUS_GENESIS;

	kt_json_set_string(row, "id", wp_id);
	kt_json_set_string(row, "title", wp == NULL ? NULL : wp->title);
	kt_json_set_string(row, "lane", kt_status_name(status));
	kt_json_set_string(row, "lane_id", lane == NULL ? NULL : lane->id);
	if (is_known) {
		state_set(row, &state);
	} else {
		kt_json_set_string(row, "agent", NULL);
		kt_json_set_string(row, "actor", NULL);
		kt_json_set_string(row, "last_transition_at", NULL);
		kt_json_set_string(row, "last_event_id", NULL);
		kt_json_set_string(row, "reason", NULL);
		kt_json_set(row, "holder", kt_json_new_null());
	}
	kt_json_set(row, "dependencies", strings_to_json(wp == NULL ? NULL : wp->dependencies));
	kt_json_set_string(row, "file", wp == NULL ? NULL : wp->path);
	kt_json_set(row, "waits_for",
		wp != NULL && (status == KT_STATUS_PLANNED || status == KT_STATUS_GENESIS)
			? waits_build(report, wp, lane)
			: kt_json_new_array());
	kt_json_append(report->work_packages, row);
	report->counts[status]++;
	report->total++;
}

static void on_state_wp(const struct kt_wp_state *wp, void *arg)
{
	struct report *report = arg;

	if (report->plan == NULL || kt_plan_find_wp(report->plan, wp->wp_id) == NULL)
		row_add(report, wp->wp_id, NULL);
}

static const struct kt_json *live_lane(const struct kt_json *live, const char *lane_id)
{
	const struct kt_json *lane = kt_json_first(kt_json_get(live, "lanes"));

	for (; lane != NULL; lane = kt_json_next(lane)) {
		const char *id = kt_json_get_string(lane, "lane_id");

		if (id != NULL && strcmp(id, lane_id) == 0)
			return lane;
	}
	return NULL;
}

static void live_set(
	struct kt_json *lane, const char *key, const struct kt_json *live, const char *from)
{
	const struct kt_json *value = kt_json_get(live, from);

	kt_json_set(lane, key, value == NULL ? kt_json_new_null() : kt_json_copy(value));
}

static struct kt_json *lane_build(const struct report *report, const struct kt_lane_plan *plan)
{
	const struct kt_json *live = live_lane(report->live, plan->id);
	struct kt_json *lane = kt_json_new_object();
	char *branch = kt_mission_lane_branch(report->mission, plan->id);
	char *worktree = kt_mission_lane_worktree(report->mission, plan->id);

	kt_json_set_string(lane, "lane_id", plan->id);
	kt_json_set_string(lane, "branch", branch);
	kt_json_set_string(lane, "worktree", worktree);
	kt_json_set(lane, "wp_ids", strings_to_json(plan->wp_ids));
	kt_json_set(lane, "depends_on_lanes", strings_to_json(plan->depends_on_lanes));
	live_set(lane, "state", live, "state");
	live_set(lane, "agent", live, "agent");
	live_set(lane, "pid", live, "agent_pid");
	live_set(lane, "worker_pid", live, "worker_pid");
	live_set(lane, "running_wp", live, "wp");
	live_set(lane, "since", live, "since");
	live_set(lane, "attempt", live, "attempt");
	live_set(lane, "last_output", live, "last_output");
	free(branch);
	free(worktree);
	return lane;
}

static struct kt_json *lanes_build(const struct report *report)
{
	struct kt_json *lanes = kt_json_new_array();

	for (size_t i = 0; report->plan != NULL && i < report->plan->lanes->len; i++)
		kt_json_append(lanes, lane_build(report, &report->plan->lanes->lanes[i]));
	return lanes;
}

static struct kt_json *mission_build(const struct kt_mission *mission, const struct kt_oid *tip)
{
	struct kt_json *json = kt_json_new_object();

	kt_json_set_string(json, "slug", mission->slug);
	kt_json_set_string(json, "mission_id", mission->mission_id);
	kt_json_set_string(json, "mid8", mission->mid8);
	kt_json_set_string(
		json, "friendly_name", kt_json_get_string(mission->meta, "friendly_name"));
	kt_json_set_string(json, "target_branch", mission->target_branch);
	kt_json_set_string(json, "coordination_branch", mission->coordination_branch);
	kt_json_set_bool(json, "closed", mission->is_closed);
	kt_json_set_bool(json, "discarded", mission->is_discarded);
	kt_json_set_string(json, "tip", tip == NULL ? NULL : kt_oid_format(tip).text);
	return json;
}

static struct kt_json *percentage(double part, size_t total)
{
	double value = total == 0 ? 0.0 : part / (double)total;

	return kt_json_new_double((double)(int64_t)(value * 10.0 + 0.5) / 10.0);
}

static void progress_set(const struct report *report, struct kt_json *json)
{
	struct kt_json *by_lane = kt_json_new_object();
	double weighted = 0.0;

	for (int i = 0; i < KT_STATUS_COUNT; i++) {
		weighted += kt_progress_weight((enum kt_status)i) * (double)report->counts[i];
		if (kt_status_is_displayed((enum kt_status)i) || report->counts[i] > 0)
			kt_json_set_int(by_lane, kt_status_name((enum kt_status)i),
				(int64_t)report->counts[i]);
	}
	kt_json_set_int(json, "total_wps", (int64_t)report->total);
	kt_json_set_int(json, "done_count", (int64_t)report->counts[KT_STATUS_DONE]);
	kt_json_set(json, "done_percentage",
		percentage(100.0 * (double)report->counts[KT_STATUS_DONE], report->total));
	kt_json_set(json, "progress_percentage", percentage(weighted, report->total));
	kt_json_set_string(json, "progress_semantics", "weighted_readiness");
	kt_json_set(json, "weighted_percentage", percentage(weighted, report->total));
	kt_json_set(json, "by_lane", by_lane);
}

static void identity_set(struct kt_json *json, const struct kt_mission *mission)
{
	const struct kt_json *number = kt_json_get(mission->meta, "mission_number");

	kt_json_set_string(json, "mission_slug", mission->slug);
	kt_json_set(
		json, "mission_number", number == NULL ? kt_json_new_null() : kt_json_copy(number));
	kt_json_set_string(json, "mission_type", kt_json_get_string(mission->meta, "mission_type"));
}

struct kt_json *kt_report_build(const struct kt_mission *mission, const struct kt_plan *plan,
	const struct kt_reducer *state, const struct kt_oid *tip, const struct kt_json *live)
{
	struct report report = {mission, plan, state, live, kt_json_new_array(), {0}, 0};
	const struct kt_json *supervisor = kt_json_get(live, "supervisor");
	struct kt_json *json = kt_json_new_object();

	for (size_t i = 0; plan != NULL && i < plan->wps_len; i++)
		row_add(&report, plan->wps[i].id, &plan->wps[i]);
	kt_reducer_each_wp(state, on_state_wp, &report);
	identity_set(json, mission);
	kt_json_set(json, "mission", mission_build(mission, tip));
	kt_json_set(json, "supervisor",
		supervisor == NULL ? kt_json_new_null() : kt_json_copy(supervisor));
	progress_set(&report, json);
	kt_json_set(json, "work_packages", report.work_packages);
	kt_json_set(json, "lanes", lanes_build(&report));
	kt_json_set_string(json, "last_event_id", kt_reducer_max_event_id(state));
	kt_json_set_int(json, "event_count", (int64_t)kt_reducer_rows(state));
	return json;
}
