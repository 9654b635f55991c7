/*
 * Plan and statuses to decisions: which lane starts what now, whether it is over, and what the
 * closing summary says. Runs in the supervisor.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/supervisor_private.h"

enum { CONFLICTS_MAX = 5 };

static const char PLANNING_LANE[] = "lane-planning";

enum kt_status kt_sup_status(
	const struct kt_supervisor *supervisor, const char *wp_id, struct kt_wp_state *state)
{
	const struct kt_reducer *reducer = kt_writer_state(supervisor->writer);
	struct kt_wp_state own = {0};

	if (reducer == NULL || !kt_reducer_wp(reducer, wp_id, &own))
		return KT_STATUS_GENESIS;
	if (state != NULL)
		*state = own;
	return own.status;
}

struct kt_lane_run *kt_sup_lane_find(const struct kt_supervisor *supervisor, const char *lane_id)
{
	for (size_t i = 0; i < supervisor->lanes_len; i++)
		if (strcmp(supervisor->lanes[i]->id, lane_id) == 0)
			return supervisor->lanes[i];
	return NULL;
}

/* ---- the plan ---- */

static bool is_selected(const struct kt_supervisor *supervisor, const char *lane_id)
{
	for (const char *const *at = supervisor->launch->lanes; *at != NULL; at++)
		if (strcmp(*at, lane_id) == 0)
			return true;
	return false;
}

/* Lanes are never taken away: finalisation keeps their ids for ever. */
static void lanes_add(struct kt_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->plan->lanes->len; i++) {
		const char *id = supervisor->plan->lanes->lanes[i].id;
		struct kt_lane_run *run = NULL;

		if (strcmp(id, PLANNING_LANE) == 0 || kt_sup_lane_find(supervisor, id) != NULL)
			continue;
		run = kt_lane_run_new(supervisor, id);
		run->is_selected = is_selected(supervisor, id);
		supervisor->lanes = kt_realloc_array(
			supervisor->lanes, supervisor->lanes_len + 1, sizeof(struct kt_lane_run *));
		supervisor->lanes[supervisor->lanes_len++] = run;
	}
}

enum kt_code kt_sup_plan_load(struct kt_supervisor *supervisor, struct kt_error *err)
{
	struct kt_plan *fresh = NULL;
	enum kt_code code = kt_plan_load(supervisor->store, supervisor->launch->mission,
		kt_writer_tip(supervisor->writer), &fresh, err);

	supervisor->plan_is_stale = false;
	if (code != KT_E_OK)
		return code;
	kt_plan_free(supervisor->plan);
	supervisor->plan = fresh;
	lanes_add(supervisor);
	supervisor->wants_schedule = true;
	return KT_E_OK;
}

/* ---- the schedule's input ---- */

struct board {
	struct kt_schedule_wp *wps;
	size_t **dependencies;
	size_t len;
};

static bool is_own_worker(const struct kt_supervisor *supervisor, int64_t pid)
{
	for (size_t i = 0; i < supervisor->lanes_len; i++)
		if (supervisor->lanes[i]->worker_pid > 0 &&
			(int64_t)supervisor->lanes[i]->worker_pid == pid)
			return true;
	return false;
}

/* A claim with a recorded worker is a lease; one without is a person's, and nobody touches it. */
static enum kt_schedule_holder holder_of(
	const struct kt_supervisor *supervisor, const char *wp_id, const struct kt_wp_state *state)
{
	struct kt_lease lease = {0};
	bool has_lease = kt_lease_read(supervisor->launch->mission, wp_id, &lease);
	int64_t pid = 0;
	const char *start = kt_json_get_string(state->claim_metadata, "shell_pid_created_at");

	has_lease = has_lease && !lease.has_ended;
	kt_lease_release(&lease);
	if (has_lease)
		return KT_HOLDER_LAUNCH;
	/* A review by a launch has a lease; one by a person has none. */
	if (state->status == KT_STATUS_IN_REVIEW)
		return KT_HOLDER_OTHER;
	if (!kt_json_get_int(state->claim_metadata, "shell_pid", &pid) || pid <= 0)
		return KT_HOLDER_OTHER;
	if (is_own_worker(supervisor, pid))
		return KT_HOLDER_LAUNCH;
	return kt_process_is_alive((pid_t)pid, start == NULL ? 0 : strtoull(start, NULL, 10))
		       ? KT_HOLDER_OTHER
		       : KT_HOLDER_LAUNCH;
}

static size_t wp_index(const struct kt_plan *plan, const char *id)
{
	for (size_t i = 0; i < plan->wps_len; i++)
		if (strcmp(plan->wps[i].id, id) == 0)
			return i;
	return SIZE_MAX;
}

/* Indices of the ids that the plan knows. Gives. */
static size_t *indices_of(const struct kt_plan *plan, char *const *ids, size_t *len)
{
	size_t room = 0;
	size_t *out = NULL;

	*len = 0;
	while (ids != NULL && ids[room] != NULL)
		room++;
	out = kt_realloc_array(NULL, room + 1, sizeof *out);
	for (size_t i = 0; i < room; i++) {
		size_t index = wp_index(plan, ids[i]);

		if (index != SIZE_MAX)
			out[(*len)++] = index;
	}
	return out;
}

static bool is_running(const struct kt_supervisor *supervisor, const char *wp_id)
{
	for (size_t i = 0; i < supervisor->lanes_len; i++) {
		const char *running = supervisor->lanes[i]->job.wp_id;

		if (running != NULL && strcmp(running, wp_id) == 0)
			return true;
	}
	return false;
}

static void board_fill(const struct kt_supervisor *supervisor, struct board *board, size_t i)
{
	const struct kt_wp *wp = &supervisor->plan->wps[i];
	struct kt_schedule_wp *row = &board->wps[i];
	struct kt_wp_state state = {0};

	row->id = wp->id;
	row->status = kt_sup_status(supervisor, wp->id, &state);
	row->status_name = kt_status_name(row->status);
	/* What runs is asked for at every commit: no files are read for it. */
	if (is_running(supervisor, wp->id))
		row->holder = KT_HOLDER_LAUNCH;
	else if (row->status == KT_STATUS_CLAIMED || row->status == KT_STATUS_IN_PROGRESS ||
		 row->status == KT_STATUS_IN_REVIEW)
		row->holder = holder_of(supervisor, wp->id, &state);
	row->review = kt_review_of(supervisor, wp->id, &state);
	row->may_retry = supervisor->launch->retry_blocked &&
			 kt_json_get(supervisor->tried, wp->id) == NULL &&
			 !kt_job_is_permanent(state.last_reason);
	board->dependencies[i] =
		indices_of(supervisor->plan, wp->dependencies, &row->dependencies_len);
	row->dependencies = board->dependencies[i];
}

static void board_open(const struct kt_supervisor *supervisor, struct board *board)
{
	board->len = supervisor->plan->wps_len;
	board->wps = kt_alloc((board->len + 1) * sizeof *board->wps);
	board->dependencies = kt_alloc((board->len + 1) * sizeof(size_t *));
	for (size_t i = 0; i < board->len; i++)
		board_fill(supervisor, board, i);
}

static void board_release(struct board *board)
{
	for (size_t i = 0; i < board->len; i++)
		free(board->dependencies[i]);
	free(board->dependencies);
	free(board->wps);
}

/* The lane's row; its indices are given. */
static struct kt_schedule_lane lane_row(const struct kt_lane_run *run)
{
	const struct kt_plan *plan = run->supervisor->plan;
	const struct kt_lane_plan *lane = kt_lanes_find(plan->lanes, run->id);
	struct kt_schedule_lane row = {NULL, 0, run->job.phase != KT_JOB_NONE,
		run->is_held || run->supervisor->is_stopping};

	row.wps = indices_of(plan, lane == NULL ? NULL : lane->wp_ids, &row.wps_len);
	return row;
}

static void lane_row_release(struct kt_schedule_lane *row)
{
	free((void *)(uintptr_t)row->wps);
}

/* ---- deciding ---- */

bool kt_sup_takes_work(const struct kt_lane_run *run)
{
	return run->is_selected || run->lane.is_by_hand;
}

/* The actor of a WP that was claimed before keeps it. */
static const char *holder_actor(const struct kt_supervisor *supervisor, const char *wp_id)
{
	struct kt_wp_state state = {0};

	(void)kt_sup_status(supervisor, wp_id, &state);
	return state.claim_actor;
}

static bool agent_take(struct kt_lane_run *run, const struct kt_schedule_step *step,
	const char *preferred, size_t *agent)
{
	struct kt_supervisor *supervisor = run->supervisor;

	if (step->verdict == KT_NEXT_REVIEW)
		return kt_pool_take_named(
			&supervisor->pool, supervisor->launch->reviewer->name, agent);
	return run->hand_argv != NULL || kt_pool_take(&supervisor->pool, preferred, agent);
}

static void lane_begin(
	struct kt_lane_run *run, const struct board *board, const struct kt_schedule_step *step)
{
	struct kt_supervisor *supervisor = run->supervisor;
	const char *wp_id = board->wps[step->wp].id;
	const char *preferred =
		step->verdict == KT_NEXT_CLAIM ? NULL : holder_actor(supervisor, wp_id);
	size_t agent = SIZE_MAX;

	if (!agent_take(run, step, preferred, &agent))
		return;
	if (step->verdict == KT_NEXT_RETRY)
		kt_json_set_bool(supervisor->tried, wp_id, true);
	kt_job_start(run, step, wp_id, agent);
}

static void lane_schedule(struct kt_lane_run *run, const struct board *board)
{
	struct kt_schedule_lane row = lane_row(run);
	struct kt_schedule_step step = kt_schedule_next(board->wps, &row);

	lane_row_release(&row);
	if (!kt_sup_takes_work(run) || !kt_schedule_can_start(&step))
		return;
	if (run->conflicts > CONFLICTS_MAX)
		kt_lane_run_hold(run, "its work package changed hands again and again");
	else if (run->lane.state == KT_LANE_STOPPED && !kt_lane_run_is_haunted(run))
		kt_lane_run_input(run, KT_LANE_IN_START);
	else if (run->lane.state == KT_LANE_READY)
		lane_begin(run, board, &step);
}

void kt_sup_schedule(struct kt_supervisor *supervisor)
{
	struct board board = {NULL, NULL, 0};

	supervisor->wants_schedule = false;
	kt_sup_claims_release(supervisor);
	board_open(supervisor, &board);
	for (size_t i = 0; i < supervisor->lanes_len; i++)
		lane_schedule(supervisor->lanes[i], &board);
	board_release(&board);
}

static bool is_calm(const struct kt_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->lanes_len; i++) {
		const struct kt_lane_run *run = supervisor->lanes[i];

		if (run->job.phase != KT_JOB_NONE || run->lane.state == KT_LANE_DEAD ||
			run->lane.state == KT_LANE_DRAINING)
			return false;
	}
	return true;
}

static bool lane_is_done(const struct kt_lane_run *run, const struct board *board)
{
	struct kt_schedule_lane row = {NULL, 0, false, false};
	struct kt_schedule_step step = {KT_NEXT_FINISHED, 0, 0};

	if (!kt_sup_takes_work(run))
		return true;
	row = lane_row(run);
	step = kt_schedule_next(board->wps, &row);
	lane_row_release(&row);
	return !kt_schedule_can_start(&step);
}

bool kt_sup_is_done(struct kt_supervisor *supervisor)
{
	struct board board = {NULL, NULL, 0};
	bool is_done = true;

	if (supervisor->wants_schedule || !is_calm(supervisor))
		return false;
	board_open(supervisor, &board);
	for (size_t i = 0; i < supervisor->lanes_len && is_done; i++)
		is_done = lane_is_done(supervisor->lanes[i], &board);
	board_release(&board);
	return is_done;
}

/* ---- the closing summary ---- */

static void wp_summarise(
	const struct kt_lane_run *run, const struct kt_schedule_wp *wp, struct kt_json *rows)
{
	struct kt_json *row = kt_json_new_object();
	struct kt_wp_state state = {0};

	(void)kt_sup_status(run->supervisor, wp->id, &state);
	kt_json_set_string(row, "id", wp->id);
	kt_json_set_string(row, "lane_id", run->id);
	kt_json_set_string(row, "lane", wp->status_name);
	kt_json_set_string(row, "agent", state.claim_actor);
	kt_json_set_string(row, "reason", state.last_reason);
	kt_json_append(rows, row);
}

/* What stands in the lane behind the one that waits. */
static void queue_summarise(const struct kt_lane_run *run, const struct board *board,
	const struct kt_schedule_lane *row, size_t first, struct kt_json *waits)
{
	bool is_behind = false;

	for (size_t i = 0; i < row->wps_len; i++) {
		const struct kt_schedule_wp *wp = &board->wps[row->wps[i]];
		char *text = NULL;

		if (is_behind && wp->status == KT_STATUS_PLANNED) {
			text = kt_format("%s waits for %s, which stands before it in %s", wp->id,
				board->wps[first].id, run->id);
			kt_json_append(waits, kt_json_new_string(text));
			free(text);
		}
		is_behind = is_behind || row->wps[i] == first;
	}
}

static void wait_summarise(const struct kt_lane_run *run, const struct board *board,
	const struct kt_schedule_lane *row, struct kt_json *waits)
{
	struct kt_schedule_lane calm = *row;
	struct kt_schedule_step step = {KT_NEXT_FINISHED, 0, 0};
	char *text = NULL;

	calm.is_busy = false;
	step = kt_schedule_next(board->wps, &calm);
	text = run->trouble != NULL && step.verdict != KT_NEXT_FINISHED
		       ? kt_format("%s: %s", run->id, run->trouble)
		       : kt_schedule_describe(board->wps, &calm, &step);
	if (text != NULL) {
		kt_json_append(waits, kt_json_new_string(text));
		queue_summarise(run, board, row, step.wp, waits);
	}
	free(text);
}

/* Is every WP of the lane for_review or later? */
static bool lane_summarise(const struct kt_lane_run *run, const struct board *board,
	struct kt_json *rows, struct kt_json *waits)
{
	struct kt_schedule_lane row = lane_row(run);
	bool is_handed_over = true;

	for (size_t i = 0; i < row.wps_len; i++) {
		const struct kt_schedule_wp *wp = &board->wps[row.wps[i]];

		wp_summarise(run, wp, rows);
		if (!kt_schedule_is_handed_over(wp->status))
			is_handed_over = false;
	}
	wait_summarise(run, board, &row, waits);
	lane_row_release(&row);
	return is_handed_over;
}

static int exit_status(const struct kt_supervisor *supervisor, bool is_handed_over)
{
	if (supervisor->stop_signal != 0)
		return 128 + supervisor->stop_signal;
	if (supervisor->is_stop_by_command)
		return KT_EXIT_OK;
	return is_handed_over ? KT_EXIT_OK : KT_EXIT_FAILED;
}

struct kt_json *kt_sup_summary(struct kt_supervisor *supervisor)
{
	struct board board = {NULL, NULL, 0};
	struct kt_json *summary = kt_json_new_object();
	struct kt_json *rows = kt_json_new_array();
	struct kt_json *waits = kt_json_new_array();
	bool is_stopped = supervisor->stop_signal != 0 || supervisor->is_stop_by_command;
	bool is_handed_over = true;

	board_open(supervisor, &board);
	for (size_t i = 0; i < supervisor->lanes_len; i++)
		if (supervisor->lanes[i]->is_selected &&
			!lane_summarise(supervisor->lanes[i], &board, rows, waits))
			is_handed_over = false;
	board_release(&board);
	kt_sup_integration_waits(supervisor, waits);
	kt_json_set_string(summary, "result",
		is_stopped       ? "stopped"
		: is_handed_over ? "success"
				 : "incomplete");
	kt_json_set_string(summary, "mission_slug", supervisor->launch->mission->slug);
	kt_json_set_int(summary, "exit_status", exit_status(supervisor, is_handed_over));
	kt_json_set_int(summary, "signal", supervisor->stop_signal);
	kt_json_set(summary, "commits", kt_json_copy(supervisor->commits));
	kt_json_set_int(summary, "commits_left_out", (int64_t)supervisor->commits_left_out);
	kt_json_set(summary, "work_packages", rows);
	kt_json_set(summary, "waits", waits);
	return summary;
}
