/*
 * The worker's life: connect, greet, serve, leave. Process kitty-worker. It must never outlive its
 * connection by more than ten seconds, never leave an agent behind, and never touch the lane's
 * files or git's data itself.
 */
#include "worker/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/channel.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "ipc/socket.h"
#include "ipc/subreaper.h"
#include "worker/hand.h"
#include "worker/worker_private.h"

#define CHANNEL_IN 3
#define CHANNEL_OUT 4
#define GRACE_MAX_MS 3600000

/* ---- leaving
 * --------------------------------------------------------------------------------------- */

static void on_leave_late(evutil_socket_t fd, short what, void *arg)
{
	struct kt_worker *worker = arg;

	(void)fd;
	(void)what;
	(void)event_base_loopbreak(worker->base);
}

/* The agent is gone: say what is left to say, let it be read, end the loop. */
void kt_worker_leave_when_idle(struct kt_worker *worker)
{
	if (worker->state != KT_WORKER_LEAVING || !kt_agent_is_idle(&worker->agent))
		return;
	if (worker->has_shutdown)
		kt_worker_send(worker, KT_MSG_SHUTDOWN_ANSWER, worker->shutdown_request, NULL);
	worker->has_shutdown = false;
	if (!worker->is_connected) {
		(void)event_base_loopbreak(worker->base);
		return;
	}
	kt_channel_finish(worker->channel);
	kt_agent_arm(worker->leave_timer, KT_WORKER_FLUSH_MS);
}

/* No new work; stops the agent; the loop ends when all is said. */
static void worker_leave(struct kt_worker *worker)
{
	int grace = worker->grace_ms;

	/* Nobody waits for a patient end any more: ten seconds are all there is. */
	if (!worker->is_connected && grace > KT_AGENT_GRACE_MS)
		grace = KT_AGENT_GRACE_MS;
	worker->state = KT_WORKER_LEAVING;
	kt_agent_stop(&worker->agent, grace);
	kt_worker_leave_when_idle(worker);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	kt_log(KT_LOG_INFO, "signal %d: leaving", (int)number);
	worker_leave(arg);
}

static void fail(struct kt_worker *worker, const struct kt_error *err)
{
	if (worker->failure.code == KT_E_OK)
		worker->failure = *err;
	worker_leave(worker);
}

void kt_worker_on_shutdown(struct kt_worker *worker, struct kt_frame *frame)
{
	if (worker->has_shutdown) {
		kt_worker_send(worker, KT_MSG_SHUTDOWN_ANSWER, frame->request_id, NULL);
		return;
	}
	worker->has_shutdown = true;
	worker->shutdown_request = frame->request_id;
	worker_leave(worker);
}

/* ---- the supervisor's frames
 * ------------------------------------------------------------------------ */

void kt_worker_send(struct kt_worker *worker, unsigned type, uint64_t request, struct kt_json *body)
{
	struct kt_error err = KT_ERROR_INIT;

	if (worker->is_connected &&
		kt_channel_send(worker->channel, type, request, body, &err) != KT_E_OK)
		kt_log_failure(KT_LOG_WARN, &err, "%s not sent", kt_message_name(type));
	kt_json_free(body);
}

static void on_frame(struct kt_channel *channel, struct kt_frame *frame, void *arg)
{
	struct kt_worker *worker = arg;
	struct kt_error err = KT_ERROR_INIT;
	kt_inbox_handler handler = NULL;

	if (kt_inbox_find(frame->type, worker->state, &handler, &err) == KT_E_OK) {
		handler(worker, frame);
		return;
	}
	kt_log_failure(KT_LOG_WARN, &err, "message refused");
	if (kt_message_is_request(frame->type))
		kt_channel_send_error(
			channel, kt_message_answer_of(frame->type), frame->request_id, &err);
}

/* By hand, the end without SHUTDOWN is worth telling the person. */
static void on_closed(struct kt_channel *channel, const struct kt_error *err, void *arg)
{
	struct kt_worker *worker = arg;
	struct kt_error absent = KT_ERROR_INIT;

	(void)channel;
	worker->is_connected = false;
	kt_worker_lane_refuse_all(worker);
	if (err->code != KT_E_OK)
		kt_log_failure(KT_LOG_WARN, err, "connection to the supervisor");
	if (worker->state == KT_WORKER_LEAVING) {
		worker_leave(worker);
		return;
	}
	kt_log(KT_LOG_INFO, "the supervisor is gone: leaving");
	(void)kt_error_set(&absent, KT_E_SUPERVISOR_ABSENT, "the connection ended");
	if (worker->options->has_channel && worker->lane_socket != NULL)
		worker_leave(worker);
	else
		fail(worker, &absent);
}

static void send_request(struct kt_worker *worker, unsigned type, struct kt_json *body)
{
	kt_worker_send(worker, type, kt_requests_add(&worker->requests, 0, 0, type), body);
}

static void on_hello_late(evutil_socket_t fd, short what, void *arg)
{
	struct kt_worker *worker = arg;
	struct kt_error err = KT_ERROR_INIT;

	(void)fd;
	(void)what;
	(void)kt_error_set(&err, KT_E_TIMEOUT, "the supervisor did not answer within %d ms",
		KT_HELLO_TIMEOUT_MS);
	fail(worker, &err);
}

static void greet(struct kt_worker *worker)
{
	struct kt_json *body = kt_json_new_object();

	kt_json_set_int(body, "version", KT_PROTOCOL_VERSION);
	kt_json_set_string(body, "role", "worker");
	kt_json_set_int(body, "pid", getpid());
	kt_json_set_string(body, "lane", worker->options->lane);
	kt_json_set_string(body, "mission", worker->mission);
	worker->state = KT_WORKER_GREETING;
	send_request(worker, KT_MSG_HELLO_REQUEST, body);
	kt_agent_arm(worker->hello_timer, KT_HELLO_TIMEOUT_MS);
}

static void take_string(char **out, const struct kt_json *body, const char *key)
{
	const char *text = kt_json_get_string(body, key);

	if (text == NULL)
		return;
	free(*out);
	*out = kt_strdup(text);
}

/* The lane's facts: from HELLO's answer through the pipes, from CLAIM_LANE's by hand. */
static enum kt_code become_ready(
	struct kt_worker *worker, const struct kt_json *body, struct kt_error *err)
{
	const char *identity = kt_json_get_string(body, "lane_socket");
	int64_t grace = KT_AGENT_GRACE_MS;

	take_string(&worker->mission, body, "mission");
	take_string(&worker->worktree, body, "worktree");
	take_string(&worker->log_dir, body, "log_dir");
	if (kt_json_get_int(body, "grace_ms", &grace) && grace >= 0 && grace <= GRACE_MAX_MS)
		worker->grace_ms = (int)grace;
	if (worker->log_dir == NULL)
		return kt_error_set(
			err, KT_E_FRAME_INVALID, "the supervisor's answer names no log_dir");
	if (identity == NULL) /* no other lane has this folder, in any repository */
		identity = worker->log_dir;
	(void)evtimer_del(worker->hello_timer);
	worker->state = KT_WORKER_READY;
	return kt_worker_lane_open(worker, identity, err);
}

static bool take_answer(struct kt_worker *worker, const struct kt_frame *frame)
{
	struct kt_request request = {0};
	struct kt_error err = KT_ERROR_INIT;

	(void)kt_requests_take(&worker->requests, frame->request_id, &request);
	if (!kt_message_error_decode(frame->body, &err))
		return true;
	fail(worker, &err);
	return false;
}

static struct kt_json *describe_claim(const struct kt_worker *worker)
{
	struct kt_json *body = kt_json_new_object();
	struct kt_json *argv = kt_json_new_array();

	for (const char *const *word = worker->options->argv; *word != NULL; word++)
		kt_json_append(argv, kt_json_new_string(*word));
	kt_json_set_string(body, "lane", worker->options->lane);
	kt_json_set(body, "argv", argv);
	return body;
}

void kt_worker_on_hello(struct kt_worker *worker, struct kt_frame *frame)
{
	struct kt_error err = KT_ERROR_INIT;
	int64_t version = 0;

	if (!take_answer(worker, frame))
		return;
	if (!kt_json_get_int(frame->body, "version", &version) || version != KT_PROTOCOL_VERSION) {
		(void)kt_error_set(&err, KT_E_PROTOCOL_VERSION,
			"the supervisor speaks version %lld", (long long)version);
		fail(worker, &err);
	} else if (!worker->options->has_channel) {
		take_string(&worker->mission, frame->body, "mission");
		worker->state = KT_WORKER_CLAIMING;
		send_request(worker, KT_MSG_CLAIM_LANE_REQUEST, describe_claim(worker));
	} else if (become_ready(worker, frame->body, &err) != KT_E_OK) {
		fail(worker, &err);
	}
}

void kt_worker_on_claim(struct kt_worker *worker, struct kt_frame *frame)
{
	struct kt_error err = KT_ERROR_INIT;

	if (take_answer(worker, frame) && become_ready(worker, frame->body, &err) != KT_E_OK)
		fail(worker, &err);
}

/* ---- start and end
 * ----------------------------------------------------------------------------------- */

static enum kt_code connect_by_hand(struct kt_worker *worker, int *fd, struct kt_error *err)
{
	char *common = NULL;
	struct kt_json *holder = NULL;
	enum kt_code code = kt_hand_common_dir(".", &common, err);

	if (code == KT_E_OK)
		code = kt_hand_find_supervisor(common, worker->options->mission, &holder, err);
	if (code == KT_E_OK)
		code = kt_socket_connect(kt_json_get_string(holder, "socket"), fd, err);
	if (code == KT_E_OK)
		take_string(&worker->mission, holder, "slug");
	kt_json_free(holder);
	free(common);
	return code;
}

static enum kt_code check_channel(struct kt_error *err)
{
	struct stat facts = {0};

	for (int fd = CHANNEL_IN; fd <= CHANNEL_OUT; fd++)
		if (fstat(fd, &facts) != 0 ||
			!(S_ISFIFO(facts.st_mode) || S_ISSOCK(facts.st_mode)) ||
			fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
			return kt_error_set(err, KT_E_USAGE,
				"--channel is for kitty itself: descriptor %d is no pipe", fd);
	/* Only a back-up: the end of the connection is what counts. */
	(void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGTERM, 0UL, 0UL, 0UL);
	return KT_E_OK;
}

static enum kt_code open_channel(struct kt_worker *worker, struct kt_error *err)
{
	static const struct kt_channel_callbacks CALLBACKS = {
		.on_frame = on_frame, .on_closed = on_closed};
	int in = CHANNEL_IN, out = CHANNEL_OUT;
	enum kt_code code = KT_E_OK;

	if (worker->options->has_channel) {
		code = check_channel(err);
	} else {
		code = connect_by_hand(worker, &in, err);
		out = in;
	}
	if (code != KT_E_OK)
		return code;
	worker->channel = kt_channel_new(worker->base, in, out, &CALLBACKS, worker);
	worker->is_connected = true;
	return KT_E_OK;
}

/* With a channel the terminal's signals are for the supervisor, which then tells us. */
static void watch_signals(struct kt_worker *worker)
{
	static const int NUMBERS[] = {SIGTERM, SIGINT, SIGHUP};

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
		if (worker->options->has_channel && NUMBERS[i] != SIGTERM) {
			(void)signal(NUMBERS[i], SIG_IGN);
			continue;
		}
		worker->signals[i] = evsignal_new(worker->base, NUMBERS[i], on_signal, worker);
		KT_BUG_UNLESS(
			worker->signals[i] != NULL && evsignal_add(worker->signals[i], NULL) == 0);
	}
}

static void init(struct kt_worker *worker, const struct kt_worker_options *options)
{
	memset(worker, 0, sizeof(*worker));
	worker->options = options;
	worker->mission = kt_strdup(options->mission);
	worker->grace_ms = KT_AGENT_GRACE_MS;
	worker->base = event_base_new();
	KT_BUG_UNLESS(worker->base != NULL);
	worker->hello_timer = evtimer_new(worker->base, on_hello_late, worker);
	worker->leave_timer = evtimer_new(worker->base, on_leave_late, worker);
	KT_BUG_UNLESS(worker->hello_timer != NULL && worker->leave_timer != NULL);
	kt_worker_agent_init(worker);
}

static void release(struct kt_worker *worker)
{
	kt_lane_socket_close(worker->lane_socket);
	kt_channel_free(worker->channel);
	kt_worker_agent_release(worker);
	event_free(worker->hello_timer);
	event_free(worker->leave_timer);
	for (size_t i = 0; i < sizeof(worker->signals) / sizeof(worker->signals[0]); i++)
		if (worker->signals[i] != NULL)
			event_free(worker->signals[i]);
	event_base_free(worker->base);
	kt_requests_release(&worker->requests);
	free(worker->mission);
	free(worker->worktree);
	free(worker->log_dir);
}

enum kt_code kt_worker_run(const struct kt_worker_options *options, struct kt_error *err)
{
	struct kt_worker worker;
	enum kt_code code = KT_E_OK;

	kt_log_open("kitty-worker", options->lane);
	init(&worker, options);
	code = open_channel(&worker, err);
	if (code == KT_E_OK)
		code = kt_subreaper_enable(err);
	if (code == KT_E_OK) {
		watch_signals(&worker);
		greet(&worker);
		(void)event_base_dispatch(worker.base);
		code = worker.failure.code;
		if (code != KT_E_OK)
			*err = worker.failure;
	}
	release(&worker);
	return code;
}

char *kt_worker_lane_id(const char *text)
{
	static const char PREFIX[] = "lane-";
	const char *name =
		strncmp(text, PREFIX, sizeof(PREFIX) - 1) == 0 ? text + sizeof(PREFIX) - 1 : text;

	if (name[0] == '\0' || strlen(name) > 16 ||
		strspn(name, "abcdefghijklmnopqrstuvwxyz") != strlen(name))
		return NULL;
	return kt_format("%s%s", PREFIX, name);
}
