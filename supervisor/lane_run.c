/*
 * A lane at work: the table of lanes/lane.h tied to processes, timers and frames. Runs in the
 * supervisor. Every change of a lane's state goes through kt_lane_run_input.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "supervisor/supervisor_private.h"

enum {
	DRAIN_EXTRA_MS = 3000, /* beyond the agent's grace, until the worker itself is killed */
	HAUNTED_LOOK_MS = 100,
	SWEEP_LOOK_MS = 50
};

void kt_lane_run_arm(struct kt_lane_run *run, int64_t delay_ms)
{
	struct timeval wait = {(time_t)(delay_ms / 1000), (suseconds_t)(delay_ms % 1000) * 1000};

	(void)event_add(run->timer, &wait);
}

void kt_lane_run_disarm(struct kt_lane_run *run)
{
	(void)event_del(run->timer);
}

/* ---- actions ---- */

static void do_nothing(struct kt_lane_run *run)
{
	if (run->lane.state == KT_LANE_READY || run->lane.state == KT_LANE_STOPPED)
		(void)event_del(run->timer);
}

static void on_prepared(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_lane_run *run = arg;

	(void)facts;
	if (err == NULL) {
		kt_lane_run_input(run, KT_LANE_IN_PREPARED);
		return;
	}
	if (run->lane.state == KT_LANE_PREPARING) {
		kt_log_failure(KT_LOG_ERROR, err, "%s: the worktree cannot be made", run->id);
		free(run->trouble);
		run->trouble = kt_format("worktree_alloc_failed: %s: %s [%s]",
			kt_error_summary(err->code), err->detail, kt_error_text(err->code));
	}
	kt_lane_run_input(run, KT_LANE_IN_PREPARE_FAILED);
}

static void do_prepare(struct kt_lane_run *run)
{
	const char *args[] = {"lane-prepare", "--mission", run->supervisor->launch->mission->slug,
		"--lane", run->id, NULL};

	kt_helper_start(&run->supervisor->helpers, args, KT_GIT_TIMEOUT_MS, on_prepared, run);
}

static void do_spawn(struct kt_lane_run *run)
{
	struct kt_error err = KT_ERROR_INIT;

	kt_lane_run_arm(run, KT_HELLO_TIMEOUT_MS);
	if (kt_lane_worker_start(run, &err) == KT_E_OK)
		return;
	kt_log_failure(KT_LOG_ERROR, &err, "%s: the worker cannot be started", run->id);
	kt_supervisor_say(run->supervisor, run, "the worker cannot be started: %s", err.detail);
	kt_lane_run_input(run, KT_LANE_IN_GONE);
}

static void do_shutdown(struct kt_lane_run *run)
{
	struct kt_error ignored = KT_ERROR_INIT;

	kt_lane_run_arm(run, run->supervisor->launch->config->agent_grace_ms + DRAIN_EXTRA_MS);
	if (run->channel == NULL ||
		kt_channel_send(run->channel, KT_MSG_SHUTDOWN_REQUEST,
			kt_channel_next_id(run->channel), NULL, &ignored) != KT_E_OK)
		kt_lane_run_kill(run);
}

static void do_kill(struct kt_lane_run *run)
{
	kt_lane_run_kill(run);
	/* By hand: there is no child to wait for; its connection is cut instead. */
	if (run->peer != NULL)
		kt_peer_close(run->peer);
	else
		kt_lane_run_arm(run, DRAIN_EXTRA_MS);
}

void kt_lane_run_kill(struct kt_lane_run *run)
{
	if (run->job.agent_pid > 0 && run->job.phase == KT_JOB_AGENT)
		(void)kill(-run->job.agent_pid, SIGKILL);
	if (run->worker.pid > 0)
		kt_child_signal(&run->worker, SIGKILL, true);
}

/* What the worker left: its agent's session, and what carries our marker and the lane's name. */
static void do_sweep(struct kt_lane_run *run)
{
	size_t left = 0;

	if (run->worker_event != NULL)
		(void)event_del(run->worker_event);
	kt_channel_free(run->channel);
	run->channel = NULL;
	run->has_hello = false;
	if (run->job.agent_pid > 0 && run->job.phase == KT_JOB_AGENT)
		(void)kill(-run->job.agent_pid, SIGKILL);
	if (!run->lane.is_by_hand)
		left = kt_lane_sweep(run->supervisor->marker, run->id) +
		       kt_orphans_kill(&run->supervisor->orphans, "SPEC_KITTY_IN_HOOK");
	kt_job_worker_gone(run);
	if (left > 0) {
		kt_log(KT_LOG_WARN, "%s: killed %zu process(es) that the worker left", run->id,
			left);
		kt_lane_run_arm(run, SWEEP_LOOK_MS);
		return;
	}
	run->worker_pid = 0;
	kt_lane_run_input(run, KT_LANE_IN_SWEPT);
}

static void do_wait(struct kt_lane_run *run)
{
	int64_t delay = kt_lane_delay_ms(&run->lane, kt_clock_monotonic_ms());

	kt_supervisor_say(run->supervisor, run, "the worker is gone; starting it again in %lld ms",
		(long long)delay);
	kt_lane_run_arm(run, delay);
}

/* The WP that the lane stands at; gives; NULL when there is none that could be blocked. */
static char *current_wp(const struct kt_lane_run *run)
{
	const struct kt_lane_plan *plan = kt_lanes_find(run->supervisor->plan->lanes, run->id);

	for (char **id = plan == NULL ? NULL : plan->wp_ids; id != NULL && *id != NULL; id++) {
		enum kt_status status = kt_sup_status(run->supervisor, *id, NULL);

		if (status == KT_STATUS_PLANNED || status == KT_STATUS_CLAIMED ||
			status == KT_STATUS_IN_PROGRESS)
			return kt_strdup(*id);
		if (status != KT_STATUS_APPROVED && status != KT_STATUS_DONE &&
			status != KT_STATUS_CANCELED)
			return NULL;
	}
	return NULL;
}

/* Gives. */
static char *deaths_tell(const struct kt_lane *lane)
{
	if (lane->silences >= KT_LANE_SILENCES_MAX)
		return kt_format("the lane's worker fell silent at work %d times in a row",
			KT_LANE_SILENCES_MAX);
	return kt_format("the lane's worker died %d times within %d s", KT_LANE_DEATHS_MAX,
		KT_LANE_DEATHS_WINDOW_MS / 1000);
}

static void do_give_up(struct kt_lane_run *run)
{
	char *wp = current_wp(run);
	char *reason = run->trouble != NULL ? kt_strdup(run->trouble) : deaths_tell(&run->lane);

	(void)event_del(run->timer);
	kt_lane_run_hold(run, reason);
	/* A review that was under way has nobody to go on with it. */
	run->supervisor->looks_for_claims = true;
	if (wp != NULL && run->job.phase == KT_JOB_NONE) {
		run->job.serial++;
		run->job.wp_id = kt_strdup(wp);
		kt_job_block(run, reason);
	}
	free(reason);
	free(wp);
}

static void do_ignore(struct kt_lane_run *run)
{
	(void)run;
}

static void (*const actions[])(struct kt_lane_run *) = {
	[KT_LANE_DO_NOTHING] = do_nothing,
	[KT_LANE_DO_PREPARE] = do_prepare,
	[KT_LANE_DO_SPAWN] = do_spawn,
	[KT_LANE_DO_SHUTDOWN] = do_shutdown,
	[KT_LANE_DO_KILL] = do_kill,
	[KT_LANE_DO_SWEEP] = do_sweep,
	[KT_LANE_DO_WAIT] = do_wait,
	[KT_LANE_DO_GIVE_UP] = do_give_up,
	[KT_LANE_DO_IGNORE] = do_ignore,
};

void kt_lane_run_input(struct kt_lane_run *run, enum kt_lane_input input)
{
	enum kt_lane_state before = run->lane.state;
	enum kt_lane_action action = kt_lane_input(&run->lane, input, kt_clock_monotonic_ms());

	if (run->lane.state != before)
		kt_log(KT_LOG_DEBUG, "%s: %s -> %s", run->id, kt_lane_state_name(before),
			kt_lane_state_name(run->lane.state));
	actions[action](run);
	run->supervisor->wants_schedule = true;
}

void kt_lane_run_hold(struct kt_lane_run *run, const char *trouble)
{
	char *copy = kt_strdup(trouble);

	free(run->trouble);
	run->trouble = copy;
	run->is_held = true;
	if (trouble != NULL)
		kt_supervisor_say(run->supervisor, run, "%s", trouble);
}

/* ---- the worker of a supervisor that died ---- */

bool kt_lane_run_is_haunted(struct kt_lane_run *run)
{
	const struct kt_lane_plan *plan = kt_lanes_find(run->supervisor->plan->lanes, run->id);
	int64_t now = kt_clock_monotonic_ms();
	bool is_haunted = false;

	for (char **id = plan == NULL ? NULL : plan->wp_ids;
		id != NULL && *id != NULL && !is_haunted; id++) {
		struct kt_lease lease = {0};

		if (!kt_lease_read(run->supervisor->launch->mission, *id, &lease))
			continue;
		is_haunted = kt_lease_is_alive(&lease);
		if (run->haunted_until_ms == 0 && is_haunted)
			run->haunted_until_ms = now + KT_HAUNTED_MS;
		if (is_haunted && now >= run->haunted_until_ms)
			(void)kill(-lease.worker_pid, SIGKILL);
		/* Its worker is gone: so is what it may have left behind. */
		if (!is_haunted && lease.marker != NULL && kt_lane_sweep(lease.marker, run->id) > 0)
			is_haunted = true;
		kt_lease_release(&lease);
	}
	if (is_haunted)
		kt_lane_run_arm(run, HAUNTED_LOOK_MS);
	else
		run->haunted_until_ms = 0;
	return is_haunted;
}

/* ---- events ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct kt_lane_run *run = arg;

	(void)fd;
	(void)what;
	run->supervisor->wants_schedule = true;
	if (run->lane.state == KT_LANE_RUNNING)
		kt_supervisor_say(
			run->supervisor, run, "the worker does not answer any more: it is killed");
	if (run->lane.state == KT_LANE_DEAD)
		do_sweep(run);
	else if (run->lane.state != KT_LANE_STOPPED)
		kt_lane_run_input(run, KT_LANE_IN_TIMER);
}

void kt_lane_run_peer_gone(struct kt_lane_run *run)
{
	/* The channel is the peer's to free. */
	run->channel = NULL;
	run->peer = NULL;
	for (char **at = run->hand_argv; at != NULL && *at != NULL; at++)
		free(*at);
	free(run->hand_argv);
	run->hand_argv = NULL;
	kt_supervisor_say(run->supervisor, run, "the worker that was started by hand is gone");
	kt_lane_run_input(run, KT_LANE_IN_GONE);
}

/* ---- life ---- */

struct kt_lane_run *kt_lane_run_new(struct kt_supervisor *supervisor, const char *lane_id)
{
	struct kt_lane_run *run = kt_alloc(sizeof *run);

	run->supervisor = supervisor;
	run->id = kt_strdup(lane_id);
	run->branch = kt_mission_lane_branch(supervisor->launch->mission, lane_id);
	run->worktree = kt_mission_lane_worktree(supervisor->launch->mission, lane_id);
	run->worker = (struct kt_child)KT_CHILD_INIT;
	run->timer = event_new(supervisor->base, -1, 0, on_timer, run);
	kt_lane_init(&run->lane);
	return run;
}

void kt_lane_run_free(struct kt_lane_run *run)
{
	if (run == NULL)
		return;
	if (run->worker_event != NULL)
		event_free(run->worker_event);
	event_free(run->timer);
	kt_channel_free(run->channel);
	kt_child_release(&run->worker);
	for (char **at = run->hand_argv; at != NULL && *at != NULL; at++)
		free(*at);
	free(run->hand_argv);
	free(run->id);
	free(run->branch);
	free(run->worktree);
	free(run->trouble);
	free(run->last_output);
	free(run->job.wp_id);
	free(run->job.actor);
	free(run->job.before);
	free(run->job.since);
	kt_json_free(run->job.seen);
	free(run->job.difference);
	kt_json_free(run->job.ended);
	free(run);
}

struct kt_json *kt_lane_run_json(const struct kt_lane_run *run)
{
	struct kt_json *json = kt_json_new_object();
	bool is_running = run->job.phase == KT_JOB_AGENT && run->job.agent_pid > 0;

	kt_json_set_string(json, "lane_id", run->id);
	kt_json_set_string(
		json, "state", is_running ? "running" : kt_lane_state_name(run->lane.state));
	kt_json_set_bool(json, "by_hand", run->lane.is_by_hand);
	kt_json_set(json, "worker_pid",
		run->worker_pid > 0 ? kt_json_new_int(run->worker_pid) : kt_json_new_null());
	kt_json_set_string(json, "agent", run->job.actor);
	kt_json_set(json, "agent_pid",
		is_running ? kt_json_new_int(run->job.agent_pid) : kt_json_new_null());
	kt_json_set_string(json, "role",
		run->job.phase == KT_JOB_NONE ? NULL
		: run->job.is_review          ? "reviewer"
					      : "implementer");
	kt_json_set_string(json, "wp", run->job.wp_id);
	kt_json_set_string(json, "phase",
		run->job.phase == KT_JOB_NONE ? NULL : kt_job_phase_name(run->job.phase));
	kt_json_set(json, "since",
		is_running ? kt_json_new_int(run->job.started_us / 1000000) : kt_json_new_null());
	kt_json_set(json, "attempt",
		run->job.phase == KT_JOB_NONE ? kt_json_new_null()
					      : kt_json_new_int(run->job.attempt));
	kt_json_set_string(json, "last_output", run->last_output);
	kt_json_set_string(json, "trouble", run->trouble);
	return json;
}
