/*
 * The blocking client. Commands only; never used in a process that runs an event loop.
 * Must never wait without an end the caller named, and never call a request failed that may have
 * been carried out.
 */
#include "ipc/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include <kitty/json.h>
#include <kitty/limits.h>

#include "ipc/clock.h"
#include "ipc/fd.h"
#include "ipc/message.h"
#include "ipc/socket.h"

#define READ_SIZE 65536
#define PUSHED_MAX 4096 /* messages kept while an answer is awaited */

struct kt_client {
	int fd;
	uint64_t last_id;
	struct kt_frame_decoder decoder;
	struct kt_frame *pushed; /* came while an answer was awaited, oldest first */
	size_t pushed_len;
	struct kt_json *hello;
};

/* -1: never. */
static int64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : kt_clock_monotonic_ms() + timeout_ms;
}

static bool wait_until(int fd, short events, int64_t deadline_ms)
{
	int64_t left = deadline_ms < 0 ? -1 : deadline_ms - kt_clock_monotonic_ms();

	return kt_fd_wait(fd, events, deadline_ms >= 0 && left < 0 ? 0 : (int)left);
}

static enum kt_code broken(struct kt_error *err, const char *why)
{
	return kt_error_set(err, KT_E_SUPERVISOR_ABSENT, "%s", why);
}

static enum kt_code send_all(struct kt_client *client, const struct kt_buffer *bytes,
	int64_t deadline_ms, struct kt_error *err)
{
	size_t sent = 0;

	while (sent < bytes->len) {
		ssize_t written =
			kt_fd_write_quietly(client->fd, bytes->data + sent, bytes->len - sent);

		if (written > 0)
			sent += (size_t)written;
		else if (errno == EAGAIN && !wait_until(client->fd, POLLOUT, deadline_ms))
			return broken(err, "the peer does not read");
		else if (errno != EAGAIN && errno != EINTR)
			return kt_error_sys(err, KT_E_SUPERVISOR_ABSENT, errno, "sending");
	}
	return KT_E_OK;
}

static enum kt_code send_frame(struct kt_client *client, unsigned type, const struct kt_json *body,
	int64_t deadline_ms, struct kt_error *err)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	enum kt_code code = kt_frame_encode((uint16_t)type, ++client->last_id, body, &bytes, err);

	if (code == KT_E_OK)
		code = send_all(client, &bytes, deadline_ms, err);
	kt_buffer_release(&bytes);
	return code;
}

/* One read into the decoder. */
static enum kt_code read_more(struct kt_client *client, struct kt_error *err)
{
	char bytes[READ_SIZE];
	ssize_t len = read(client->fd, bytes, sizeof bytes);

	if (len == 0)
		return broken(err, "the connection was closed");
	if (len < 0 && errno != EAGAIN && errno != EINTR)
		return kt_error_sys(err, KT_E_SUPERVISOR_ABSENT, errno, "receiving");
	if (len > 0)
		kt_frame_decoder_feed(&client->decoder, bytes, (size_t)len);
	return KT_E_OK;
}

/* The next frame of any kind; *has_frame is false at the deadline. */
static enum kt_code next_frame(struct kt_client *client, int64_t deadline_ms,
	struct kt_frame *frame, bool *has_frame, struct kt_error *err)
{
	for (;;) {
		enum kt_code code = kt_frame_decoder_next(&client->decoder, frame, has_frame, err);

		if (code != KT_E_OK || *has_frame)
			return code;
		if (!wait_until(client->fd, POLLIN, deadline_ms))
			return KT_E_OK;
		code = read_more(client, err);
		if (code != KT_E_OK)
			return code;
	}
}

/* Takes the frame. */
static enum kt_code keep_pushed(
	struct kt_client *client, struct kt_frame *frame, struct kt_error *err)
{
	if (client->pushed_len == PUSHED_MAX) {
		kt_frame_release(frame);
		return kt_error_set(err, KT_E_LIMIT, "more than %d pushed messages", PUSHED_MAX);
	}
	client->pushed =
		kt_realloc_array(client->pushed, client->pushed_len + 1, sizeof *client->pushed);
	client->pushed[client->pushed_len++] = *frame;
	return KT_E_OK;
}

/* A peer that could not read us says so in an answer without request id. */
static bool is_refusal(const struct kt_frame *frame, struct kt_error *err)
{
	return frame->request_id == 0 && frame->type == KT_MSG_HELLO_ANSWER &&
	       kt_message_error_decode(frame->body, err);
}

static enum kt_code await_answer(struct kt_client *client, unsigned type, int64_t deadline_ms,
	struct kt_json **answer, bool *is_refused, struct kt_error *err)
{
	*is_refused = false;
	for (;;) {
		struct kt_frame frame = KT_FRAME_INIT;
		bool has_frame = false;
		enum kt_code code = next_frame(client, deadline_ms, &frame, &has_frame, err);

		if (code != KT_E_OK)
			return code;
		if (!has_frame)
			return broken(err, "no answer in time");
		if (frame.request_id == client->last_id && frame.type == type) {
			*answer = frame.body;
			return KT_E_OK;
		}
		if (is_refusal(&frame, err)) {
			kt_frame_release(&frame);
			*is_refused = true;
			return err->code;
		}
		code = keep_pushed(client, &frame, err);
		if (code != KT_E_OK)
			return code;
	}
}

/* From here on the request may have been carried out, whatever broke: the connection, or what came
 * over it. Only a peer that says that it could not read us has done nothing. */
static enum kt_code mark_unknown(struct kt_error *err)
{
	struct kt_error cause = *err;

	return kt_error_set(err, KT_E_OUTCOME_UNKNOWN, "%.400s", cause.detail);
}

enum kt_code kt_client_call(struct kt_client *client, unsigned type, const struct kt_json *body,
	int timeout_ms, struct kt_json **answer, struct kt_error *err)
{
	int64_t deadline_ms = deadline_of(timeout_ms);
	bool is_refused = false;
	enum kt_code code;

	KT_BUG_UNLESS(kt_message_is_request(type));
	code = send_frame(client, type, body, deadline_ms, err);
	if (code != KT_E_OK)
		return code;
	code = await_answer(
		client, kt_message_answer_of(type), deadline_ms, answer, &is_refused, err);
	return code == KT_E_OK || is_refused ? code : mark_unknown(err);
}

static enum kt_code say_hello(
	struct kt_client *client, const struct kt_json *hello, struct kt_error *err)
{
	int64_t deadline_ms = deadline_of(KT_HELLO_TIMEOUT_MS);
	struct kt_json *body = kt_json_copy(hello);
	bool is_refused = false;
	enum kt_code code;

	kt_json_set_int(body, "version", KT_PROTOCOL_VERSION);
	kt_json_set_int(body, "pid", getpid());
	code = send_frame(client, KT_MSG_HELLO_REQUEST, body, deadline_ms, err);
	if (code == KT_E_OK)
		code = await_answer(
			client, KT_MSG_HELLO_ANSWER, deadline_ms, &client->hello, &is_refused, err);
	kt_json_free(body);
	if (code == KT_E_OK && kt_message_error_decode(client->hello, err))
		code = err->code;
	return code;
}

enum kt_code kt_client_open(
	const char *path, const struct kt_json *hello, struct kt_client **out, struct kt_error *err)
{
	struct kt_client *client;
	int fd = -1;
	enum kt_code code = kt_socket_connect(path, &fd, err);

	if (code != KT_E_OK)
		return code;
	KT_BUG_UNLESS(kt_fd_set_nonblocking(fd));
	client = kt_alloc(sizeof *client);
	client->fd = fd;
	code = say_hello(client, hello, err);
	if (code == KT_E_OK)
		*out = client;
	else
		kt_client_close(client);
	return code;
}

static void client_free(struct kt_client *client)
{
	for (size_t i = 0; i < client->pushed_len; i++)
		kt_frame_release(&client->pushed[i]);
	free(client->pushed);
	kt_frame_decoder_release(&client->decoder);
	kt_json_free(client->hello);
	free(client);
}

void kt_client_close(struct kt_client *client)
{
	if (client == NULL)
		return;
	kt_fd_close(&client->fd);
	client_free(client);
}

const struct kt_json *kt_client_hello(const struct kt_client *client)
{
	return client->hello;
}

static void take_pushed(struct kt_client *client, struct kt_frame *frame)
{
	*frame = client->pushed[0];
	client->pushed_len--;
	for (size_t i = 0; i < client->pushed_len; i++)
		client->pushed[i] = client->pushed[i + 1];
}

enum kt_code kt_client_receive(struct kt_client *client, int timeout_ms, struct kt_frame *frame,
	bool *has_frame, struct kt_error *err)
{
	if (client->pushed_len > 0) {
		take_pushed(client, frame);
		*has_frame = true;
		return KT_E_OK;
	}
	return next_frame(client, deadline_of(timeout_ms), frame, has_frame, err);
}

int kt_client_fd(const struct kt_client *client)
{
	return client->fd;
}

/* Frames of this size were read once, so they can be written. */
static void put_back(const struct kt_frame *frame, struct kt_buffer *out)
{
	struct kt_error err = KT_ERROR_INIT;

	KT_BUG_UNLESS(
		kt_frame_encode(frame->type, frame->request_id, frame->body, out, &err) == KT_E_OK);
}

int kt_client_take_fd(struct kt_client *client, struct kt_buffer *received)
{
	int fd = client->fd;

	for (size_t i = 0; i < client->pushed_len; i++)
		put_back(&client->pushed[i], received);
	kt_buffer_append(
		received, kt_buffer_text(&client->decoder.pending), client->decoder.pending.len);
	client_free(client);
	return fd;
}
