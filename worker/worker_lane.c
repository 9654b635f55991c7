/*
 * Requests of the agent's kitty: numbered, passed on, answered. Part of the worker. It must never
 * answer for the supervisor: a request whose answer cannot come any more is refused with
 * SUPERVISOR_ABSENT.
 */
#include <stdlib.h>

#include "ipc/buffer.h"
#include "ipc/channel.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "worker/worker_private.h"

#define CLIENT_REQUESTS_MAX 64

static void refuse(struct kt_worker *worker, const struct kt_lane_call *call, enum kt_code code,
	const char *why)
{
	struct kt_error err = KT_ERROR_INIT;

	(void)kt_error_set(&err, code, "%s", why);
	kt_lane_socket_refuse(worker->lane_socket, call, &err);
}

static void pass_on(struct kt_worker *worker, const struct kt_lane_call *call)
{
	struct kt_json *body = kt_json_new_object();
	struct kt_error err = KT_ERROR_INIT;
	struct kt_request undone = {0};
	uint64_t number =
		kt_requests_add(&worker->requests, call->client, call->request, call->type);

	kt_json_set_int(body, "type", call->type);
	kt_json_set(body, "body", kt_json_copy(call->body));
	kt_json_set_int(body, "peer_pid", call->peer_pid);
	if (number == 0) {
		refuse(worker, call, KT_E_LIMIT, "too many requests of this lane wait");
	} else if (kt_channel_send(worker->channel, KT_MSG_LANE_REQUEST, number, body, &err) !=
		   KT_E_OK) {
		(void)kt_requests_take(&worker->requests, number, &undone);
		kt_lane_socket_refuse(worker->lane_socket, call, &err);
	}
	kt_json_free(body);
}

static void on_request(const struct kt_lane_call *call, void *arg)
{
	struct kt_worker *worker = arg;

	if (!worker->is_connected)
		refuse(worker, call, KT_E_SUPERVISOR_ABSENT, "the lane's supervisor is gone");
	else if (kt_requests_of_client(&worker->requests, call->client) >= CLIENT_REQUESTS_MAX)
		refuse(worker, call, KT_E_LIMIT, "too many requests of this connection wait");
	else
		pass_on(worker, call);
}

static void on_gone(uint64_t client, void *arg)
{
	struct kt_worker *worker = arg;

	kt_requests_forget_client(&worker->requests, client);
}

enum kt_code kt_worker_lane_open(
	struct kt_worker *worker, const char *identity, struct kt_error *err)
{
	struct kt_lane_socket_spec spec = {.identity = identity,
		.hello = kt_json_new_object(),
		.callbacks = {.on_request = on_request, .on_gone = on_gone},
		.arg = worker};

	kt_json_set_int(spec.hello, "version", KT_PROTOCOL_VERSION);
	kt_json_set_string(spec.hello, "lane", worker->options->lane);
	kt_json_set_string(spec.hello, "mission", worker->mission);
	return kt_lane_socket_open(worker->base, &spec, &worker->lane_socket, err);
}

static struct kt_lane_call call_of(const struct kt_request *request)
{
	return (struct kt_lane_call){.client = request->client,
		.request = request->client_request,
		.type = request->type};
}

void kt_worker_lane_refuse_all(struct kt_worker *worker)
{
	struct kt_request request = {0};

	while (kt_requests_take_oldest(&worker->requests, &request)) {
		struct kt_lane_call call = call_of(&request);

		if (worker->lane_socket != NULL && call.client != 0)
			refuse(worker, &call,
				call.type == KT_MSG_APPEND_REQUEST ? KT_E_OUTCOME_UNKNOWN
								   : KT_E_SUPERVISOR_ABSENT,
				"the supervisor went away before it answered");
	}
}

/* {"type", "body"} or {"error"}: both reach the one who asked. */
void kt_worker_on_lane_answer(struct kt_worker *worker, struct kt_frame *frame)
{
	struct kt_request request = {0};
	struct kt_error failure = KT_ERROR_INIT;
	struct kt_lane_call call = {0};
	const struct kt_json *body = kt_json_get(frame->body, "body");
	int64_t type = 0;

	if (!kt_requests_take(&worker->requests, frame->request_id, &request)) {
		kt_log(KT_LOG_WARN, "an answer to no request: %llu",
			(unsigned long long)frame->request_id);
		return;
	}
	if (request.client == 0) /* nobody waits for it any more */
		return;
	call = call_of(&request);
	if (kt_message_error_decode(frame->body, &failure))
		kt_lane_socket_refuse(worker->lane_socket, &call, &failure);
	else if (kt_json_is(body, KT_JSON_OBJECT) && kt_json_get_int(frame->body, "type", &type) &&
		 type == (int64_t)kt_message_answer_of(request.type))
		kt_lane_socket_answer(worker->lane_socket, &call, body);
	else
		refuse(worker, &call, KT_E_FRAME_INVALID, "the supervisor's answer is malformed");
}
