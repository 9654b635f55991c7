/*
 * Who may send what, and the answers. Runs in the supervisor. Identity comes from the channel and
 * from the peer's process, never from a message.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "supervisor/dispatch_private.h"
#include "supervisor/report.h"
#include "supervisor/transaction/request.h"

/* ---- answers ---- */

static void answer_worker(const struct kt_call *call, const struct kt_json *body)
{
	struct kt_json *wrapped = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (call->run->channel == NULL || call->run->worker_serial != call->worker)
		return;
	wrapped = kt_json_new_object();
	kt_json_set_int(wrapped, "type", kt_message_answer_of(call->type));
	kt_json_set(wrapped, "body", kt_json_copy(body));
	if (kt_channel_send(call->run->channel, KT_MSG_LANE_ANSWER, call->request_id, wrapped,
		    &err) != KT_E_OK)
		kt_channel_send_error(
			call->run->channel, KT_MSG_LANE_ANSWER, call->request_id, &err);
	kt_json_free(wrapped);
}

static void answer_peer(const struct kt_call *call, const struct kt_json *body)
{
	struct kt_peer *peer = kt_peer_find(call->supervisor, call->peer);
	unsigned type = kt_message_answer_of(call->type);
	struct kt_error err = KT_ERROR_INIT;

	if (peer == NULL)
		return;
	kt_peer_count(peer, -1);
	if (kt_channel_send(peer->channel, type, call->request_id, body, &err) != KT_E_OK)
		kt_channel_send_error(peer->channel, type, call->request_id, &err);
}

void kt_call_answer(const struct kt_call *call, const struct kt_json *body)
{
	if (call->run != NULL)
		answer_worker(call, body);
	else
		answer_peer(call, body);
}

void kt_call_answer_error(const struct kt_call *call, const struct kt_error *err)
{
	struct kt_json *body = kt_message_error_encode(err);

	kt_call_answer(call, body);
	kt_json_free(body);
}

/* ---- APPEND ---- */

static void on_appended(const struct kt_json *outcome, void *arg)
{
	struct kt_call *call = arg;

	kt_call_answer(call, outcome);
	free(call);
}

/* What a lane may ask for: work, no reviews. Nobody approves from inside a lane, whatever name it
 * gives: the supervisor runs the reviewer and takes its exit status for the verdict. */
static enum kt_code lane_op_check(const struct kt_lane_run *run,
	const struct kt_supervisor *supervisor, const struct kt_json *op, struct kt_error *err)
{
	static const enum kt_status reviews[] = {
		KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED, KT_STATUS_DONE};
	const char *kind = kt_json_get_string(op, "op");
	const char *to = kt_json_get_string(op, "to");
	const char *wp = kt_json_get_string(op, "wp");

	if (kind == NULL || strcmp(kind, "move") != 0 || to == NULL || wp == NULL)
		return KT_E_OK;
	if (run != NULL && run->job.is_review)
		return kt_error_set(err, KT_E_TRANSITION_REJECTED,
			"a reviewer moves nothing: its exit status is the verdict");
	for (size_t i = 0; i < sizeof reviews / sizeof reviews[0]; i++)
		if (kt_status_from_name(to) == reviews[i])
			return kt_error_set(err, KT_E_TRANSITION_REJECTED,
				"%.20s -> %s: a lane does not review its own work", wp, to);
	if (kt_sup_status(supervisor, wp, NULL) == KT_STATUS_IN_REVIEW)
		return kt_error_set(err, KT_E_TRANSITION_REJECTED,
			"%.20s is in review: its reviewer decides", wp);
	return KT_E_OK;
}

/* A lane's agent is who the supervisor started, whatever its messages say. */
static enum kt_code lane_request_check(
	const struct kt_call *call, struct kt_json *request, struct kt_error *err)
{
	const struct kt_lane_run *run = kt_sup_lane_find(call->supervisor, call->lane);
	bool has_job = run != NULL && run->job.phase != KT_JOB_NONE && run->job.actor != NULL;
	enum kt_code code = KT_E_OK;

	if (kt_json_get(request, "files") != NULL || kt_json_get(request, "integrate") != NULL)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"a lane commits no planning files and integrates nothing");
	for (struct kt_json *op = kt_json_first(kt_json_get(request, "ops"));
		op != NULL && code == KT_E_OK; op = kt_json_next(op)) {
		code = lane_op_check(run, call->supervisor, op, err);
		if (has_job && kt_json_get_string(op, "actor") != NULL)
			kt_json_set_string(op, "actor", run->job.actor);
	}
	return code;
}

static void do_append(struct kt_call *call)
{
	struct kt_call *kept = NULL;
	struct kt_json *request = kt_json_copy(call->body);
	struct kt_error err = KT_ERROR_INIT;

	if (call->lane != NULL && lane_request_check(call, request, &err) != KT_E_OK) {
		kt_json_free(request);
		kt_call_answer_error(call, &err);
		return;
	}
	kept = kt_alloc(sizeof *kept);
	*kept = *call;
	kept->body = NULL;
	kept->lane = NULL;
	kt_json_remove(request, "lane");
	kt_sup_submit(call->supervisor, request, call->lane, on_appended, kept);
}

/* ---- STATUS, PS, REPORT ---- */

/* Gives. */
static struct kt_json *live_build(const struct kt_supervisor *supervisor)
{
	struct kt_json *live = kt_json_new_object();
	struct kt_json *self = kt_json_new_object();
	struct kt_json *lanes = kt_json_new_array();
	size_t waiting = 0;
	const char *hook = kt_writer_hook(supervisor->writer, &waiting);

	kt_json_set_int(self, "pid", getpid());
	kt_json_set_int(self, "start_time", (int64_t)kt_process_start_time(getpid()));
	kt_json_set_string(self, "command", "kitty launch");
	kt_json_set_int(self, "since", supervisor->started_us / 1000000);
	kt_json_set_string(self, "mission", supervisor->launch->mission->slug);
	kt_json_set_bool(self, "stopping", supervisor->is_stopping);
	kt_json_set_int(self, "watchers", (int64_t)kt_publisher_watchers(supervisor->publisher));
	kt_json_set_int(self, "commits", (int64_t)kt_writer_commits(supervisor->writer));
	kt_json_set_string(self, "hook", hook);
	kt_json_set_int(self, "waiting", (int64_t)waiting);
	for (size_t i = 0; i < supervisor->lanes_len; i++)
		if (supervisor->lanes[i]->is_selected ||
			supervisor->lanes[i]->lane.state != KT_LANE_STOPPED)
			kt_json_append(lanes, kt_lane_run_json(supervisor->lanes[i]));
	kt_json_set(live, "supervisor", self);
	kt_json_set(live, "lanes", lanes);
	return live;
}

struct kt_json *kt_sup_report(const struct kt_supervisor *supervisor)
{
	struct kt_json *live = live_build(supervisor);
	struct kt_json *report = kt_report_build(supervisor->launch->mission, supervisor->plan,
		kt_writer_state(supervisor->writer), kt_writer_tip(supervisor->writer), live);

	kt_json_free(live);
	return report;
}

static void do_status(struct kt_call *call)
{
	struct kt_json *report = kt_sup_report(call->supervisor);

	kt_call_answer(call, report);
	kt_json_free(report);
}

static void do_ps(struct kt_call *call)
{
	struct kt_json *live = live_build(call->supervisor);

	kt_call_answer(call, live);
	kt_json_free(live);
}

static void do_report(struct kt_call *call)
{
	struct kt_json *facts = kt_json_new_object();
	const struct kt_lane_run *run =
		call->lane == NULL ? NULL : kt_sup_lane_find(call->supervisor, call->lane);

	kt_json_set_string(facts, "mission", call->supervisor->launch->mission->slug);
	kt_json_set_string(facts, "lane", call->lane);
	kt_json_set_string(facts, "wp", run == NULL ? NULL : run->job.wp_id);
	kt_json_set_string(facts, "agent", run == NULL ? NULL : run->job.actor);
	kt_json_set_string(facts, "branch", run == NULL ? NULL : run->branch);
	kt_json_set_string(facts, "worktree", run == NULL ? NULL : run->worktree);
	kt_json_set_int(facts, "attempt", run == NULL ? 0 : run->job.attempt);
	kt_call_answer(call, facts);
	kt_json_free(facts);
}

/* ---- WATCH ---- */

static void do_watch(struct kt_call *call)
{
	struct kt_supervisor *supervisor = call->supervisor;
	struct kt_peer *peer = kt_peer_find(supervisor, call->peer);
	const char *since = kt_json_get_string(call->body, "since");
	struct kt_json *body = NULL;
	struct kt_error err = KT_ERROR_INIT;
	size_t from = 0;
	size_t len = 0;
	int64_t seq = -1;

	if (peer == NULL)
		return;
	(void)kt_writer_log(supervisor->writer, &from);
	if (kt_json_get_int(call->body, "seq", &seq) && seq >= 0 && (size_t)seq < from)
		from = (size_t)seq;
	if (since != NULL) {
		if (!kt_reducer_find_event(
			    kt_writer_state(supervisor->writer), since, &from, &len)) {
			(void)kt_error_set(
				&err, KT_E_INVALID_ARGUMENT, "the log holds no event %.40s", since);
			kt_call_answer_error(call, &err);
			return;
		}
		from += len;
	}
	body = kt_json_new_object();
	kt_json_set_string(body, "tip", kt_oid_format(kt_writer_tip(supervisor->writer)).text);
	kt_json_set(body, "snapshot",
		kt_json_get_bool(call->body, "snapshot", false) ? kt_sup_report(supervisor)
								: kt_json_new_null());
	kt_json_set_string(body, "last_event_id",
		kt_reducer_max_event_id(kt_writer_state(supervisor->writer)));
	kt_json_set_int(body, "seq", (int64_t)from);
	kt_call_answer(call, body);
	kt_json_free(body);
	kt_publisher_remove(supervisor->publisher, peer);
	kt_publisher_add(supervisor->publisher, peer, from);
}

/* ---- HELLO ---- */

static void do_hello(struct kt_call *call)
{
	static const struct {
		const char *name;
		enum kt_role role;
	} roles[] = {{"client", KT_ROLE_CLIENT}, {"watcher", KT_ROLE_WATCHER},
		{"worker", KT_ROLE_WORKER}, {"lane", KT_ROLE_CLIENT}};
	struct kt_peer *peer = kt_peer_find(call->supervisor, call->peer);
	const char *wanted = kt_json_get_string(call->body, "role");
	const char *slug = call->supervisor->launch->mission->slug;
	struct kt_json *body = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int64_t version = 0;

	if (peer == NULL)
		return;
	if (!kt_json_get_int(call->body, "version", &version) || version != KT_PROTOCOL_VERSION) {
		(void)kt_error_set(&err, KT_E_PROTOCOL_VERSION, "this supervisor speaks version %d",
			KT_PROTOCOL_VERSION);
		kt_call_answer_error(call, &err);
		return;
	}
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
		if (wanted != NULL && strcmp(roles[i].name, wanted) == 0)
			peer->role = roles[i].role;
	if (peer->role == KT_ROLE_NEW) {
		(void)kt_error_set(&err, KT_E_MESSAGE_UNEXPECTED, "role `%.40s`",
			wanted == NULL ? "" : wanted);
		kt_call_answer_error(call, &err);
		return;
	}
	body = kt_json_new_object();
	kt_json_set_int(body, "version", KT_PROTOCOL_VERSION);
	kt_json_set_string(body, "mission", slug);
	kt_json_set_string(body, "lane", peer->lane);
	kt_json_set_int(body, "pid", getpid());
	kt_json_set_int(body, "start_time", (int64_t)kt_process_start_time(getpid()));
	kt_call_answer(call, body);
	kt_json_free(body);
}

/* ---- the table ---- */

static const struct {
	unsigned message;
	unsigned roles;
	bool from_lane; /* also a process of a lane */
	void (*handle)(struct kt_call *call);
} permits[] = {
	{KT_MSG_HELLO_REQUEST, KT_ROLE_NEW, true, do_hello},
	{KT_MSG_APPEND_REQUEST, KT_ROLE_CLIENT | KT_ROLE_LANE, true, do_append},
	{KT_MSG_STATUS_REQUEST, KT_ROLE_CLIENT | KT_ROLE_WATCHER | KT_ROLE_LANE, true, do_status},
	{KT_MSG_PS_REQUEST, KT_ROLE_CLIENT | KT_ROLE_WATCHER | KT_ROLE_LANE, true, do_ps},
	{KT_MSG_REPORT_REQUEST, KT_ROLE_CLIENT | KT_ROLE_LANE, true, do_report},
	{KT_MSG_WATCH_REQUEST, KT_ROLE_CLIENT | KT_ROLE_WATCHER, false, do_watch},
	{KT_MSG_STOP_REQUEST, KT_ROLE_CLIENT, false, kt_call_stop},
	{KT_MSG_CLAIM_LANE_REQUEST, KT_ROLE_WORKER, false, kt_call_claim_lane},
};

static void call_handle(struct kt_call *call, unsigned role)
{
	struct kt_error err = KT_ERROR_INIT;

	for (size_t i = 0; i < sizeof permits / sizeof permits[0]; i++)
		if (permits[i].message == call->type && (permits[i].roles & role) != 0 &&
			(permits[i].from_lane || call->lane == NULL)) {
			permits[i].handle(call);
			return;
		}
	(void)kt_error_set(&err,
		call->lane == NULL ? KT_E_MESSAGE_UNEXPECTED : KT_E_LANE_REQUEST_REFUSED, "%s%s",
		kt_message_name(call->type), call->lane == NULL ? "" : " from a lane");
	kt_call_answer_error(call, &err);
}

void kt_dispatch_peer(struct kt_peer *peer, struct kt_frame *frame)
{
	struct kt_call call = {
		.supervisor = peer->supervisor,
		.peer = peer->serial,
		.lane = peer->lane,
		.type = frame->type,
		.request_id = frame->request_id,
		.body = frame->body,
	};

	if (!kt_message_is_request(frame->type)) {
		kt_log(KT_LOG_WARN, "pid %ld sent %s", (long)peer->pid,
			kt_message_name(frame->type));
		kt_peer_close(peer);
		return;
	}
	kt_peer_count(peer, 1);
	call_handle(&call, peer->role);
}

void kt_dispatch_lane(struct kt_lane_run *run, struct kt_frame *frame)
{
	struct kt_call call = {
		.supervisor = run->supervisor,
		.run = run,
		.worker = run->worker_serial,
		.lane = run->id,
		.request_id = frame->request_id,
	};
	int64_t type = 0;

	if (!kt_json_get_int(frame->body, "type", &type) || type <= 0 || type > UINT16_MAX ||
		!kt_message_is_request((unsigned)type) || type == KT_MSG_HELLO_REQUEST) {
		struct kt_error err = KT_ERROR_INIT;

		(void)kt_error_set(
			&err, KT_E_MESSAGE_UNEXPECTED, "%lld from %s", (long long)type, run->id);
		kt_channel_send_error(run->channel, KT_MSG_LANE_ANSWER, frame->request_id, &err);
		return;
	}
	call.type = (unsigned)type;
	call.body = kt_json_get(frame->body, "body");
	call_handle(&call, KT_ROLE_LANE);
}
