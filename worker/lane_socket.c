/*
 * Listening for the agent's kitty. Runs in the worker's loop. It must never believe what a client
 * says about its lane: the lane is the socket that it came in by, and the supervisor knows it by
 * the worker's channel.
 */
#include "worker/lane_socket.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <event2/event.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/channel.h"
#include "ipc/fd.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "ipc/socket.h"

#define CLIENTS_MAX 64
#define PAUSE_US 100000

struct client {
	struct kt_lane_socket *socket;
	struct kt_channel *channel;
	struct event *hello_timer; /* NULL once it has said HELLO */
	uint64_t number;
	pid_t pid;
	struct client *next;
};

struct kt_lane_socket {
	struct event_base *base;
	struct kt_lane_socket_callbacks callbacks;
	void *arg;
	struct kt_json *hello;
	char *path;
	struct stat file; /* as we made it */
	int fd;
	struct event *listen_event, *pause_timer;
	struct client *clients;
	size_t clients_len;
	uint64_t last_number;
};

/* ---- one client
 * ------------------------------------------------------------------------------------ */

static void drop_hello_timer(struct client *client)
{
	if (client->hello_timer != NULL)
		event_free(client->hello_timer);
	client->hello_timer = NULL;
}

static void release_client(struct client *client)
{
	drop_hello_timer(client);
	kt_channel_free(client->channel);
	free(client);
}

static void remove_client(struct client *client)
{
	struct kt_lane_socket *socket = client->socket;
	struct client **at = &socket->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	socket->clients_len--;
	release_client(client);
}

static void answer_hello(struct client *client, const struct kt_frame *frame)
{
	struct kt_error err = KT_ERROR_INIT;
	int64_t version = 0;

	if (!kt_json_get_int(frame->body, "version", &version) || version != KT_PROTOCOL_VERSION) {
		(void)kt_error_set(&err, KT_E_PROTOCOL_VERSION, "this worker speaks version %d",
			KT_PROTOCOL_VERSION);
		kt_channel_send_error(
			client->channel, KT_MSG_HELLO_ANSWER, frame->request_id, &err);
		kt_channel_finish(client->channel);
		return;
	}
	drop_hello_timer(client);
	if (kt_channel_send(client->channel, KT_MSG_HELLO_ANSWER, frame->request_id,
		    client->socket->hello, &err) != KT_E_OK)
		kt_channel_finish(client->channel);
}

/* What an agent may ask through its lane. Streams and stopping are for people, outside. */
static bool may_pass(unsigned type)
{
	static const unsigned PASSED[] = {KT_MSG_APPEND_REQUEST, KT_MSG_STATUS_REQUEST,
		KT_MSG_PS_REQUEST, KT_MSG_REPORT_REQUEST};

	for (size_t i = 0; i < sizeof(PASSED) / sizeof(PASSED[0]); i++)
		if (PASSED[i] == type)
			return true;
	return false;
}

static void on_client_frame(struct kt_channel *channel, struct kt_frame *frame, void *arg)
{
	struct client *client = arg;
	struct kt_lane_call call = {.client = client->number,
		.request = frame->request_id,
		.type = frame->type,
		.body = frame->body,
		.peer_pid = client->pid};
	struct kt_error err = KT_ERROR_INIT;
	bool is_greeted = client->hello_timer == NULL;

	if (frame->type == KT_MSG_HELLO_REQUEST && !is_greeted) {
		answer_hello(client, frame);
	} else if (is_greeted && may_pass(frame->type)) {
		client->socket->callbacks.on_request(&call, client->socket->arg);
	} else {
		(void)kt_error_set(&err,
			is_greeted && kt_message_is_request(frame->type) ? KT_E_LANE_REQUEST_REFUSED
									 : KT_E_MESSAGE_UNEXPECTED,
			"%s on a lane's socket", kt_message_name(frame->type));
		if (kt_message_is_request(frame->type))
			kt_channel_send_error(channel, kt_message_answer_of(frame->type),
				frame->request_id, &err);
		if (!is_greeted)
			kt_channel_finish(channel);
	}
}

static void on_client_closed(struct kt_channel *channel, const struct kt_error *err, void *arg)
{
	struct client *client = arg;

	(void)channel;
	if (err->code != KT_E_OK)
		kt_log_failure(KT_LOG_INFO, err, "connection of process %d", (int)client->pid);
	client->socket->callbacks.on_gone(client->number, client->socket->arg);
	remove_client(client);
}

static void on_hello_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	remove_client(arg);
}

static void add_client(struct kt_lane_socket *socket, int fd)
{
	static const struct kt_channel_callbacks CALLBACKS = {
		.on_frame = on_client_frame, .on_closed = on_client_closed};
	struct timeval limit = {.tv_sec = KT_HELLO_TIMEOUT_MS / 1000};
	struct client *client = kt_alloc(sizeof(*client));
	uid_t uid = 0;

	client->socket = socket;
	client->number = ++socket->last_number;
	(void)kt_peer_credentials(fd, &client->pid, &uid);
	client->channel = kt_channel_new(socket->base, fd, fd, &CALLBACKS, client);
	client->hello_timer = evtimer_new(socket->base, on_hello_late, client);
	KT_BUG_UNLESS(client->hello_timer != NULL && evtimer_add(client->hello_timer, &limit) == 0);
	client->next = socket->clients;
	socket->clients = client;
	socket->clients_len++;
}

/* ---- listening
 * ------------------------------------------------------------------------------------- */

/* Out of descriptors, or full: new ones wait in the kernel's queue for a moment. */
static void pause_listening(struct kt_lane_socket *socket)
{
	struct timeval delay = {.tv_usec = PAUSE_US};

	(void)event_del(socket->listen_event);
	KT_BUG_UNLESS(evtimer_add(socket->pause_timer, &delay) == 0);
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct kt_lane_socket *socket = arg;

	(void)fd;
	(void)what;
	KT_BUG_UNLESS(event_add(socket->listen_event, NULL) == 0);
}

static void on_connection(evutil_socket_t listener, short what, void *arg)
{
	struct kt_lane_socket *socket = arg;
	struct kt_error err = KT_ERROR_INIT;
	int fd = -1;

	(void)what;
	if (socket->clients_len >= CLIENTS_MAX) {
		pause_listening(socket);
		return;
	}
	if (kt_socket_accept((int)listener, &fd, &err) != KT_E_OK) {
		kt_log_failure(KT_LOG_WARN, &err, "connection to the lane's socket");
		if (err.code != KT_E_PEER_REFUSED)
			pause_listening(socket);
	} else if (fd >= 0) {
		add_client(socket, fd);
	}
}

enum kt_code kt_lane_socket_open(struct event_base *base, const struct kt_lane_socket_spec *spec,
	struct kt_lane_socket **out, struct kt_error *err)
{
	struct kt_lane_socket *socket = kt_alloc(sizeof(*socket));
	enum kt_code code = kt_socket_listen(spec->identity, &socket->path, &socket->fd, err);

	if (code != KT_E_OK) {
		kt_json_free(spec->hello);
		free(socket);
		return code;
	}
	(void)stat(socket->path, &socket->file);
	socket->base = base;
	socket->hello = spec->hello;
	socket->callbacks = spec->callbacks;
	socket->arg = spec->arg;
	socket->listen_event =
		event_new(base, socket->fd, EV_READ | EV_PERSIST, on_connection, socket);
	socket->pause_timer = evtimer_new(base, on_pause_over, socket);
	KT_BUG_UNLESS(socket->listen_event != NULL && socket->pause_timer != NULL);
	KT_BUG_UNLESS(event_add(socket->listen_event, NULL) == 0);
	*out = socket;
	return KT_E_OK;
}

const char *kt_lane_socket_path(const struct kt_lane_socket *socket)
{
	return socket->path;
}

/* The next worker of this lane may have put its own socket there already. */
static void remove_file(const struct kt_lane_socket *socket)
{
	struct stat now = {0};

	if (stat(socket->path, &now) == 0 && now.st_ino == socket->file.st_ino &&
		now.st_dev == socket->file.st_dev)
		(void)unlink(socket->path);
}

void kt_lane_socket_close(struct kt_lane_socket *socket)
{
	struct client *next = NULL;

	if (socket == NULL)
		return;
	for (struct client *at = socket->clients; at != NULL; at = next) {
		next = at->next;
		release_client(at);
	}
	event_free(socket->listen_event);
	event_free(socket->pause_timer);
	remove_file(socket); /* before the close: an inode in use is not given to another file */
	kt_fd_close(&socket->fd);
	kt_json_free(socket->hello);
	free(socket->path);
	free(socket);
}

/* ---- answers
 * --------------------------------------------------------------------------------------- */

static struct client *find_client(const struct kt_lane_socket *socket, uint64_t number)
{
	struct client *at = socket->clients;

	while (at != NULL && at->number != number)
		at = at->next;
	return at;
}

void kt_lane_socket_answer(
	struct kt_lane_socket *socket, const struct kt_lane_call *call, const struct kt_json *body)
{
	struct client *client = find_client(socket, call->client);
	struct kt_error err = KT_ERROR_INIT;

	if (client != NULL && kt_channel_send(client->channel, kt_message_answer_of(call->type),
				      call->request, body, &err) != KT_E_OK)
		kt_lane_socket_refuse(socket, call, &err);
}

void kt_lane_socket_refuse(struct kt_lane_socket *socket, const struct kt_lane_call *call,
	const struct kt_error *failure)
{
	struct client *client = find_client(socket, call->client);

	if (client != NULL)
		kt_channel_send_error(
			client->channel, kt_message_answer_of(call->type), call->request, failure);
}
