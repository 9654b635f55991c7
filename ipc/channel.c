/*
 * Frames over descriptors in a libevent loop. Supervisor and worker.
 * Must never block, never free a channel while one of its callbacks runs, never hand out a frame
 * after on_closed, and never hold more input than one frame and one read.
 */
#include "ipc/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include <event2/event.h>

#include <kitty/json.h>
#include <kitty/limits.h>

#include "ipc/fd.h"
#include "ipc/message.h"

#define MAGIC 0x6B744368U /* "ktCh": callbacks get the right object */
#define READ_SIZE 65536
#define FRAMES_PER_TURN 64 /* then the other channels have their turn */
#define COMPACT_AT (256U << 10)
#define LAST_READS_MS 200 /* after a failed write: time to read what the peer still said */

struct kt_channel {
	unsigned magic;
	int read_fd, write_fd; /* -1: closed */
	struct event *on_readable, *on_writable;
	struct event *on_turn; /* continues with frames that are in the decoder already */
	struct event *on_late; /* a failed write ends the channel at the latest here */
	struct kt_channel_callbacks callbacks;
	void *arg;
	struct kt_frame_decoder decoder;
	struct kt_buffer queue;
	size_t sent; /* bytes at the queue's head that are gone */
	size_t queue_max;
	int age_ms;
	uint64_t last_id;
	unsigned depth; /* callbacks of ours that are running */
	bool is_paused, is_finishing, is_closed, is_freed;
	bool has_more;           /* the decoder may hold another frame */
	struct kt_error failure; /* of a write */
};

static void update_interest(struct kt_channel *channel);

static struct timeval timeval_of(int ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

static struct kt_channel *enter(void *arg)
{
	struct kt_channel *channel = arg;

	KT_BUG_UNLESS(channel->magic == MAGIC);
	channel->depth++;
	return channel;
}

static void destroy(struct kt_channel *channel)
{
	event_free(channel->on_turn);
	event_free(channel->on_late);
	kt_frame_decoder_release(&channel->decoder);
	kt_buffer_release(&channel->queue);
	channel->magic = 0;
	free(channel);
}

/* The end of every entry from the loop: now the owner's wishes can be granted. */
static void leave(struct kt_channel *channel)
{
	channel->depth--;
	if (channel->is_freed && channel->depth == 0)
		destroy(channel);
	else if (!channel->is_closed)
		update_interest(channel);
}

static void release_events(struct kt_channel *channel)
{
	if (channel->on_readable != NULL)
		event_free(channel->on_readable);
	if (channel->on_writable != NULL)
		event_free(channel->on_writable);
	channel->on_readable = channel->on_writable = NULL;
	(void)event_del(channel->on_turn);
	(void)event_del(channel->on_late);
}

static void close_descriptors(struct kt_channel *channel)
{
	channel->is_closed = true;
	release_events(channel);
	if (channel->write_fd == channel->read_fd)
		channel->write_fd = -1;
	kt_fd_close(&channel->read_fd);
	kt_fd_close(&channel->write_fd);
	kt_buffer_release(&channel->queue);
	channel->sent = 0;
}

static void close_channel(struct kt_channel *channel, const struct kt_error *err)
{
	if (channel->is_closed)
		return;
	close_descriptors(channel);
	if (!channel->is_freed)
		channel->callbacks.on_closed(channel, err, channel->arg);
}

static void close_with(struct kt_channel *channel, enum kt_code code, const char *why)
{
	struct kt_error err = KT_ERROR_INIT;

	(void)kt_error_set(&err, code, "%s", why);
	close_channel(channel, &err);
}

/* End-of-file. A write that failed before it is the better reason. */
static void close_at_end(struct kt_channel *channel)
{
	close_channel(channel, &channel->failure);
}

size_t kt_channel_queued(const struct kt_channel *channel)
{
	return channel->queue.len - channel->sent;
}

static void drop_sent(struct kt_channel *channel, size_t len)
{
	channel->sent += len;
	if (channel->sent != channel->queue.len && channel->sent < COMPACT_AT)
		return;
	kt_buffer_consume(&channel->queue, channel->sent);
	channel->sent = 0;
}

/* The other direction may still hold frames, so the channel is closed only at their end, or late.
 */
static void fail_writing(struct kt_channel *channel)
{
	const struct timeval last_reads = timeval_of(LAST_READS_MS);

	(void)kt_error_sys(&channel->failure, KT_E_IO, errno, "writing to the peer");
	kt_buffer_clear(&channel->queue);
	channel->sent = 0;
	(void)event_add(channel->on_late, &last_reads);
}

static void write_some(struct kt_channel *channel)
{
	ssize_t written = kt_fd_write_quietly(
		channel->write_fd, channel->queue.data + channel->sent, kt_channel_queued(channel));

	if (written >= 0)
		drop_sent(channel, (size_t)written);
	else if (errno != EAGAIN && errno != EINTR)
		fail_writing(channel);
}

static void on_channel_writable(evutil_socket_t fd, short events, void *arg)
{
	struct kt_channel *channel = enter(arg);

	(void)fd;
	if (events & EV_TIMEOUT)
		close_with(channel, KT_E_LIMIT, "the peer has stopped reading");
	else if (kt_channel_queued(channel) > 0)
		write_some(channel);
	if (!channel->is_closed && channel->is_finishing && kt_channel_queued(channel) == 0)
		close_at_end(channel);
	leave(channel);
}

static void on_channel_late(evutil_socket_t fd, short events, void *arg)
{
	struct kt_channel *channel = enter(arg);

	(void)fd;
	(void)events;
	close_at_end(channel);
	leave(channel);
}

/* One attempt to tell the peer: it may be of another version and would wait for an answer. */
static void refuse_frame(struct kt_channel *channel, const struct kt_error *err)
{
	kt_channel_send_error(channel, KT_MSG_HELLO_ANSWER, 0, err);
	if (kt_channel_queued(channel) > 0)
		write_some(channel);
	close_channel(channel, err);
}

static bool may_hand_out(const struct kt_channel *channel)
{
	return channel->has_more && !channel->is_closed && !channel->is_freed &&
	       !channel->is_paused && !channel->is_finishing;
}

static void hand_out_one(struct kt_channel *channel)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_frame frame = KT_FRAME_INIT;

	if (kt_frame_decoder_next(&channel->decoder, &frame, &channel->has_more, &err) != KT_E_OK) {
		channel->has_more = false;
		refuse_frame(channel, &err);
	} else if (channel->has_more) {
		channel->callbacks.on_frame(channel, &frame, channel->arg);
		kt_frame_release(&frame);
	}
}

static void hand_out(struct kt_channel *channel)
{
	for (int i = 0; i < FRAMES_PER_TURN && may_hand_out(channel); i++)
		hand_out_one(channel);
}

static void on_channel_turn(evutil_socket_t fd, short events, void *arg)
{
	struct kt_channel *channel = enter(arg);

	(void)fd;
	(void)events;
	hand_out(channel);
	leave(channel);
}

static void on_channel_readable(evutil_socket_t fd, short events, void *arg)
{
	struct kt_channel *channel = enter(arg);
	char bytes[READ_SIZE];
	ssize_t len = read(channel->read_fd, bytes, sizeof bytes);

	(void)fd;
	(void)events;
	if (len > 0) {
		kt_frame_decoder_feed(&channel->decoder, bytes, (size_t)len);
		channel->has_more = true;
		hand_out(channel);
	} else if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
		close_at_end(channel); /* a reset is an end, too */
	}
	leave(channel);
}

/* The one place that decides which events are wanted. */
static void update_interest(struct kt_channel *channel)
{
	const struct timeval age = timeval_of(channel->age_ms);
	bool is_open = !channel->is_paused && !channel->is_finishing;
	bool wants_read = is_open && !channel->has_more;
	bool wants_write = kt_channel_queued(channel) > 0 || channel->is_finishing;

	if (wants_read)
		(void)event_add(channel->on_readable, NULL);
	else
		(void)event_del(channel->on_readable);
	if (is_open && channel->has_more)
		event_active(channel->on_turn, EV_TIMEOUT, 0);
	/* Added only once per wait: adding again would start the age from anew. */
	if (!wants_write)
		(void)event_del(channel->on_writable);
	else if (!event_pending(channel->on_writable, EV_WRITE, NULL))
		(void)event_add(channel->on_writable, &age);
}

static void update_outside(struct kt_channel *channel)
{
	if (channel->depth == 0 && !channel->is_closed)
		update_interest(channel);
}

struct kt_channel *kt_channel_new(struct event_base *base, int read_fd, int write_fd,
	const struct kt_channel_callbacks *callbacks, void *arg)
{
	struct kt_channel *channel = kt_alloc(sizeof *channel);

	KT_BUG_UNLESS(kt_fd_set_nonblocking(read_fd) && kt_fd_set_nonblocking(write_fd));
	channel->magic = MAGIC;
	channel->read_fd = read_fd;
	channel->write_fd = write_fd;
	channel->callbacks = *callbacks;
	channel->arg = arg;
	channel->queue_max = KT_QUEUE_BYTES_MAX;
	channel->age_ms = KT_QUEUE_AGE_MS;
	channel->on_readable =
		event_new(base, read_fd, EV_READ | EV_PERSIST, on_channel_readable, channel);
	/* Not persistent: each write that succeeds starts the age again. */
	channel->on_writable = event_new(base, write_fd, EV_WRITE, on_channel_writable, channel);
	channel->on_turn = event_new(base, -1, 0, on_channel_turn, channel);
	channel->on_late = event_new(base, -1, 0, on_channel_late, channel);
	KT_BUG_UNLESS(channel->on_readable != NULL && channel->on_writable != NULL);
	KT_BUG_UNLESS(channel->on_turn != NULL && channel->on_late != NULL);
	update_interest(channel);
	return channel;
}

void kt_channel_free(struct kt_channel *channel)
{
	if (channel == NULL || channel->is_freed)
		return;
	channel->is_freed = true;
	if (!channel->is_closed)
		close_descriptors(channel);
	if (channel->depth == 0)
		destroy(channel);
}

enum kt_code kt_channel_send(struct kt_channel *channel, unsigned type, uint64_t request_id,
	const struct kt_json *body, struct kt_error *err)
{
	size_t before = channel->queue.len;
	enum kt_code code;

	if (channel->is_closed || channel->failure.code != KT_E_OK)
		return kt_error_set(err, KT_E_IO, "the connection is closed");
	code = kt_frame_encode((uint16_t)type, request_id, body, &channel->queue, err);
	if (code != KT_E_OK)
		return code;
	if (kt_channel_queued(channel) > channel->queue_max) {
		channel->queue.len = before;
		channel->queue.data[before] = '\0';
		return kt_error_set(err, KT_E_LIMIT, "%zu bytes wait for the peer already",
			kt_channel_queued(channel));
	}
	update_outside(channel);
	return KT_E_OK;
}

void kt_channel_send_error(struct kt_channel *channel, unsigned type, uint64_t request_id,
	const struct kt_error *failure)
{
	struct kt_json *body = kt_message_error_encode(failure);
	struct kt_error ignored = KT_ERROR_INIT;

	enum kt_code code = kt_channel_send(channel, type, request_id, body, &ignored);

	(void)code; /* a peer that takes no error has another way to notice: its time limit */
	kt_json_free(body);
}

uint64_t kt_channel_next_id(struct kt_channel *channel)
{
	return ++channel->last_id;
}

void kt_channel_feed(struct kt_channel *channel, const void *bytes, size_t len)
{
	kt_frame_decoder_feed(&channel->decoder, bytes, len);
	channel->has_more = true;
	update_outside(channel);
}

void kt_channel_finish(struct kt_channel *channel)
{
	channel->is_finishing = true;
	update_outside(channel);
}

void kt_channel_pause(struct kt_channel *channel)
{
	channel->is_paused = true;
	update_outside(channel);
}

void kt_channel_resume(struct kt_channel *channel)
{
	channel->is_paused = false;
	update_outside(channel);
}

bool kt_channel_is_closed(const struct kt_channel *channel)
{
	return channel->is_closed;
}

void kt_channel_set_limits(struct kt_channel *channel, size_t queue_bytes, int age_ms)
{
	channel->queue_max = queue_bytes;
	channel->age_ms = age_ms;
}
