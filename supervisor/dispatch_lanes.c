/*
 * Requests about lanes: STOP, and CLAIM_LANE of a worker that was started by hand. Runs in the
 * supervisor. Neither is ever allowed to a lane.
 */
#include <stdlib.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/message.h"
#include "supervisor/dispatch_private.h"

/* ---- STOP ---- */

static bool has_lane(const struct kt_call *call, const char *text, struct kt_error *err)
{
	char *id = text == NULL ? NULL : kt_lane_id_parse(text);
	struct kt_lane_run *run = id == NULL ? NULL : kt_sup_lane_find(call->supervisor, id);

	free(id);
	if (run == NULL) {
		(void)kt_error_set(err, KT_E_LANE_NOT_FOUND, "`%.40s`", text == NULL ? "" : text);
		return false;
	}
	return true;
}

void kt_call_stop(struct kt_call *call)
{
	struct kt_supervisor *supervisor = call->supervisor;
	struct kt_peer *peer = kt_peer_find(supervisor, call->peer);
	const struct kt_json *lanes = kt_json_get(call->body, "lanes");
	struct kt_error err = KT_ERROR_INIT;

	if (peer == NULL)
		return;
	for (const struct kt_json *at = kt_json_first(lanes); at != NULL; at = kt_json_next(at))
		if (!has_lane(call, kt_json_string(at), &err)) {
			kt_call_answer_error(call, &err);
			return;
		}
	peer->waits_for_stop = true;
	peer->stop_id = call->request_id;
	kt_json_free(peer->stop_lanes);
	peer->stop_lanes = kt_json_size(lanes) == 0 ? NULL : kt_json_copy(lanes);
	if (peer->stop_lanes == NULL) {
		supervisor->is_stop_by_command = !supervisor->is_stopping;
		kt_supervisor_stop(supervisor, 0);
		return;
	}
	for (const struct kt_json *at = kt_json_first(lanes); at != NULL; at = kt_json_next(at)) {
		char *id = kt_lane_id_parse(kt_json_string(at));
		struct kt_lane_run *run = kt_sup_lane_find(supervisor, id);

		kt_supervisor_say(supervisor, run, "stopped by an operator");
		kt_lane_run_hold(run, NULL);
		kt_lane_run_input(run, KT_LANE_IN_STOP);
		free(id);
	}
}

static bool are_stopped(const struct kt_supervisor *supervisor, const struct kt_json *lanes)
{
	for (const struct kt_json *at = kt_json_first(lanes); at != NULL; at = kt_json_next(at)) {
		char *id = kt_lane_id_parse(kt_json_string(at));
		const struct kt_lane_run *run = kt_sup_lane_find(supervisor, id);
		bool is_stopped = run == NULL || (run->lane.state == KT_LANE_STOPPED &&
							 run->job.phase == KT_JOB_NONE);

		free(id);
		if (!is_stopped)
			return false;
	}
	return true;
}

void kt_dispatch_stopped(struct kt_supervisor *supervisor, bool is_over)
{
	for (struct kt_peer *peer = supervisor->peers; peer != NULL; peer = peer->next) {
		struct kt_call call = {.supervisor = supervisor,
			.peer = peer->serial,
			.type = KT_MSG_STOP_REQUEST,
			.request_id = peer->stop_id};
		struct kt_json *body = NULL;

		if (peer->is_closing || !peer->waits_for_stop ||
			(!is_over && (peer->stop_lanes == NULL ||
					     !are_stopped(supervisor, peer->stop_lanes))))
			continue;
		peer->waits_for_stop = false;
		body = kt_json_new_object();
		kt_json_set_string(body, "result", "success");
		kt_json_set_int(body, "pid", getpid());
		kt_json_set(body, "lanes",
			peer->stop_lanes == NULL ? kt_json_new_null()
						 : kt_json_copy(peer->stop_lanes));
		kt_call_answer(&call, body);
		kt_json_free(body);
	}
}

/* ---- CLAIM_LANE ---- */

static char **argv_copy(const struct kt_json *list)
{
	char **argv = kt_realloc_array(NULL, kt_json_size(list) + 1, sizeof *argv);
	size_t len = 0;

	for (const struct kt_json *at = kt_json_first(list); at != NULL; at = kt_json_next(at))
		if (kt_json_string(at) != NULL)
			argv[len++] = kt_strdup(kt_json_string(at));
	argv[len] = NULL;
	return argv;
}

static enum kt_code claim_check(
	const struct kt_call *call, struct kt_lane_run **out, struct kt_error *err)
{
	const char *text = kt_json_get_string(call->body, "lane");
	char *id = text == NULL ? NULL : kt_lane_id_parse(text);
	struct kt_lane_run *run = id == NULL ? NULL : kt_sup_lane_find(call->supervisor, id);

	free(id);
	if (run == NULL)
		return kt_error_set(err, KT_E_LANE_NOT_FOUND, "`%.40s`", text == NULL ? "" : text);
	if (call->supervisor->is_stopping)
		return kt_error_set(err, KT_E_SUPERVISOR_STOPPING, "%s",
			call->supervisor->launch->mission->slug);
	if (kt_json_size(kt_json_get(call->body, "argv")) == 0)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT, "argv of %s is empty", run->id);
	if (run->lane.state != KT_LANE_STOPPED || run->job.phase != KT_JOB_NONE)
		return kt_error_set(err, KT_E_LANE_TAKEN, "%s is %s", run->id,
			kt_lane_state_name(run->lane.state));
	*out = run;
	return KT_E_OK;
}

/* The lane's worktree is made before the worker is told that the lane is its own. */
static void on_hand_prepared(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_call *call = arg;
	struct kt_peer *peer = kt_peer_find(call->supervisor, call->peer);
	struct kt_lane_run *run = peer == NULL ? NULL : peer->is_worker_of;
	struct kt_json *body = NULL;
	char *log_dir = NULL;

	(void)facts;
	if (run == NULL) {
		free(call);
		return;
	}
	if (err != NULL) {
		/* The lane is free again; the connection ends once the answer is out. */
		kt_call_answer_error(call, err);
		peer->is_worker_of = NULL;
		kt_lane_run_peer_gone(run);
		kt_channel_finish(peer->channel);
		free(call);
		return;
	}
	log_dir = kt_format("%s/logs/%s", run->supervisor->launch->mission->run_dir, run->id);
	body = kt_json_new_object();
	kt_json_set_int(body, "version", KT_PROTOCOL_VERSION);
	kt_json_set_string(body, "lane", run->id);
	kt_json_set_string(body, "mission", run->supervisor->launch->mission->slug);
	kt_json_set_string(body, "worktree", run->worktree);
	kt_json_set_string(body, "log_dir", log_dir);
	kt_json_set_int(body, "grace_ms", run->supervisor->launch->config->agent_grace_ms);
	kt_call_answer(call, body);
	run->channel = peer->channel;
	run->has_hello = true;
	kt_lane_run_input(run, KT_LANE_IN_HELLO);
	kt_json_free(body);
	free(log_dir);
	free(call);
}

void kt_call_claim_lane(struct kt_call *call)
{
	struct kt_supervisor *supervisor = call->supervisor;
	struct kt_peer *peer = kt_peer_find(supervisor, call->peer);
	struct kt_lane_run *run = NULL;
	struct kt_call *kept = NULL;
	const char *args[] = {"lane-prepare", "--mission", supervisor->launch->mission->slug,
		"--lane", NULL, NULL};
	struct kt_error err = KT_ERROR_INIT;

	if (peer == NULL)
		return;
	if (claim_check(call, &run, &err) != KT_E_OK || run == NULL) {
		kt_call_answer_error(call, &err);
		return;
	}
	run->hand_argv = argv_copy(kt_json_get(call->body, "argv"));
	run->peer = peer;
	run->is_held = false;
	run->worker_pid = peer->pid;
	run->worker_start_time = kt_process_start_time(peer->pid);
	run->worker_serial = peer->serial;
	peer->is_worker_of = run;
	kt_lane_run_input(run, KT_LANE_IN_ADOPT);
	kt_supervisor_say(
		supervisor, run, "taken by a worker started by hand, pid %ld", (long)peer->pid);
	kept = kt_alloc(sizeof *kept);
	*kept = *call;
	kept->body = NULL;
	kept->lane = NULL;
	args[4] = run->id;
	kt_helper_start(&supervisor->helpers, args, KT_GIT_TIMEOUT_MS, on_hand_prepared, kept);
}
