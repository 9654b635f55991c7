/*
 * Channels in an event loop: frames, back-pressure, limits, and every way to end.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include <kitty/json.h>

#include "ipc/channel.h"
#include "ipc/message.h"

/* What a side saw; each side of a pair has one. */
struct seen {
	struct kt_channel *channel;
	struct event_base *base;
	unsigned frames, closes;
	uint64_t last_id;
	enum kt_code closed_with;
	unsigned stop_at;  /* leave the loop after so many frames */
	unsigned pause_at; /* pause after so many frames */
	bool frees_in_frame, frees_in_closed, echoes;
};

static void on_side_frame(struct kt_channel *channel, struct kt_frame *frame, void *arg)
{
	struct seen *seen = arg;
	struct kt_error err = KT_ERROR_INIT;

	seen->frames++;
	assert_true(frame->request_id == seen->last_id + 1);
	seen->last_id = frame->request_id;
	assert_int_equal(seen->closes, 0);
	if (seen->echoes)
		assert_int_equal(kt_channel_send(channel, frame->type + 1U, frame->request_id,
					 frame->body, &err),
			KT_E_OK);
	if (seen->frames == seen->pause_at)
		kt_channel_pause(channel);
	if (seen->frames == seen->stop_at)
		(void)event_base_loopbreak(seen->base);
	if (seen->frees_in_frame) {
		kt_channel_free(channel);
		seen->channel = NULL;
		(void)event_base_loopbreak(seen->base);
	}
}

static void on_side_closed(struct kt_channel *channel, const struct kt_error *err, void *arg)
{
	struct seen *seen = arg;

	seen->closes++;
	seen->closed_with = err->code;
	assert_true(kt_channel_is_closed(channel));
	if (seen->frees_in_closed) {
		kt_channel_free(channel);
		seen->channel = NULL;
	}
	(void)event_base_loopbreak(seen->base);
}

static const struct kt_channel_callbacks callbacks = {on_side_frame, on_side_closed};

static struct kt_channel *new_channel(struct seen *seen, int read_fd, int write_fd)
{
	seen->channel = kt_channel_new(seen->base, read_fd, write_fd, &callbacks, seen);
	return seen->channel;
}

/* Runs until a callback breaks the loop; a test that waits in vain fails by its time limit. */
static void run_loop(struct event_base *base, int limit_ms)
{
	const struct timeval limit = {limit_ms / 1000, (suseconds_t)(limit_ms % 1000) * 1000};

	(void)event_base_loopexit(base, &limit);
	(void)event_base_dispatch(base);
}

static void run_quick(struct event_base *base)
{
	run_loop(base, 50);
}

static void send_frames(struct kt_channel *channel, unsigned count)
{
	struct kt_error err = KT_ERROR_INIT;

	for (unsigned i = 0; i < count; i++)
		assert_int_equal(kt_channel_send(channel, KT_MSG_PS_REQUEST,
					 kt_channel_next_id(channel), NULL, &err),
			KT_E_OK);
}

/* One side is a channel, the other a plain descriptor of the test. */
static int open_side(struct seen *seen)
{
	int ends[2];

	*seen = (struct seen){.base = event_base_new()};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	(void)new_channel(seen, ends[0], ends[0]);
	return ends[1];
}

static void close_side(struct seen *seen, int peer)
{
	if (peer >= 0)
		(void)close(peer);
	kt_channel_free(seen->channel);
	event_base_free(seen->base);
}

static struct kt_buffer encoded(unsigned count)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	for (unsigned i = 1; i <= count; i++)
		assert_int_equal(
			kt_frame_encode(KT_MSG_PS_REQUEST, i, NULL, &bytes, &err), KT_E_OK);
	return bytes;
}

static void peer_writes(int peer, unsigned count)
{
	struct kt_buffer bytes = encoded(count);

	assert_int_equal(write(peer, bytes.data, bytes.len), bytes.len);
	kt_buffer_release(&bytes);
}

static void a_thousand_requests_over_two_pipes_get_their_answers_in_order(void **state)
{
	struct seen client = {.base = event_base_new(), .stop_at = 1000};
	struct seen server = {.base = client.base, .echoes = true};
	int there[2], back[2];

	(void)state;
	assert_int_equal(pipe2(there, O_CLOEXEC) + pipe2(back, O_CLOEXEC), 0);
	(void)new_channel(&client, back[0], there[1]);
	(void)new_channel(&server, there[0], back[1]);
	send_frames(client.channel, 1000);
	run_loop(client.base, 10000);
	assert_int_equal(server.frames, 1000);
	assert_int_equal(client.frames, 1000);
	assert_int_equal(kt_channel_queued(client.channel), 0);
	kt_channel_free(client.channel);
	run_loop(client.base, 10000);
	assert_int_equal(server.closes, 1);
	assert_int_equal(server.closed_with, KT_E_OK);
	kt_channel_free(server.channel);
	event_base_free(client.base);
}

static void frames_before_the_end_of_file_arrive_and_a_partial_one_does_not(void **state)
{
	struct kt_buffer bytes = encoded(3);
	struct seen seen;
	int peer = open_side(&seen);

	(void)state;
	assert_int_equal(write(peer, bytes.data, bytes.len - 1), bytes.len - 1);
	(void)close(peer);
	run_loop(seen.base, 10000);
	assert_int_equal(seen.frames, 2);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(seen.closed_with, KT_E_OK);
	kt_buffer_release(&bytes);
	close_side(&seen, -1);
}

static void a_frame_byte_by_byte_arrives_once(void **state)
{
	struct kt_buffer bytes = encoded(1);
	struct seen seen;
	int peer = open_side(&seen);

	(void)state;
	for (size_t i = 0; i < bytes.len; i++) {
		assert_int_equal(seen.frames, 0);
		assert_int_equal(write(peer, bytes.data + i, 1), 1);
		(void)event_base_loop(seen.base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(seen.frames, 1);
	kt_buffer_release(&bytes);
	close_side(&seen, peer);
}

static void a_malformed_frame_closes_and_tells_the_peer_why(void **state)
{
	static const char garbage[] = "\0\0\0\2\0\4\0\x63\0\0\0\0\0\0\0\1{}";
	struct kt_frame_decoder decoder = KT_FRAME_DECODER_INIT;
	struct kt_error err = KT_ERROR_INIT, told = KT_ERROR_INIT;
	struct kt_frame frame = KT_FRAME_INIT;
	bool has_frame = false;
	char bytes[4096];
	struct seen seen;
	int peer = open_side(&seen);
	ssize_t len;

	(void)state;
	assert_int_equal(write(peer, garbage, sizeof garbage - 1), sizeof garbage - 1);
	peer_writes(peer, 1);
	run_loop(seen.base, 10000);
	assert_int_equal(seen.frames, 0);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(seen.closed_with, KT_E_PROTOCOL_VERSION);
	len = read(peer, bytes, sizeof bytes);
	assert_true(len > 0);
	kt_frame_decoder_feed(&decoder, bytes, (size_t)len);
	assert_int_equal(kt_frame_decoder_next(&decoder, &frame, &has_frame, &err), KT_E_OK);
	assert_true(has_frame && kt_message_error_decode(frame.body, &told));
	assert_int_equal(told.code, KT_E_PROTOCOL_VERSION);
	kt_frame_release(&frame);
	kt_frame_decoder_release(&decoder);
	close_side(&seen, peer);
}

static void a_paused_channel_hands_out_nothing_until_it_is_resumed(void **state)
{
	struct seen seen;
	int peer = open_side(&seen);

	(void)state;
	seen.pause_at = 2;
	seen.stop_at = 500;
	peer_writes(peer, 500);
	run_quick(seen.base);
	assert_int_equal(seen.frames, 2);
	kt_channel_resume(seen.channel);
	assert_int_equal(seen.frames, 2); /* not from inside resume */
	run_loop(seen.base, 10000);
	assert_int_equal(seen.frames, 500);
	close_side(&seen, peer);
}

static void a_paused_channel_makes_a_fast_writer_wait(void **state)
{
	struct kt_buffer bytes = encoded(1000);
	struct seen seen;
	int peer = open_side(&seen);
	size_t written = 0;
	ssize_t len;

	(void)state;
	kt_channel_pause(seen.channel);
	assert_int_equal(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; i < 2000; i++) {
		len = write(peer, bytes.data, bytes.len);
		(void)event_base_loop(seen.base, EVLOOP_NONBLOCK);
		if (len < 0)
			break;
		written += (size_t)len;
	}
	assert_true(len < 0 && written < 4 << 20);
	kt_buffer_release(&bytes);
	close_side(&seen, peer);
}

static void a_full_queue_refuses_whole_frames_and_stays_usable(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	struct seen seen;
	int peer = open_side(&seen);
	size_t queued;

	(void)state;
	kt_channel_set_limits(seen.channel, 100, 10000);
	send_frames(seen.channel, 5); /* 18 bytes each */
	queued = kt_channel_queued(seen.channel);
	assert_int_equal(queued, 90);
	assert_int_equal(kt_channel_send(seen.channel, 4, 9, NULL, &err), KT_E_LIMIT);
	assert_int_equal(kt_channel_queued(seen.channel), queued);
	run_quick(seen.base);
	assert_int_equal(kt_channel_queued(seen.channel), 0);
	send_frames(seen.channel, 1);
	assert_int_equal(seen.closes, 0);
	close_side(&seen, peer);
}

static struct kt_json *body_of(size_t size)
{
	struct kt_json *body = kt_json_new_object();
	char *text = calloc(1, size + 1);

	memset(text, 'x', size);
	kt_json_set_string(body, "text", text);
	free(text);
	return body;
}

static void a_peer_that_does_not_read_is_given_up_by_age(void **state)
{
	struct kt_json *body = body_of(900000);
	struct kt_error err = KT_ERROR_INIT;
	struct seen seen;
	int peer = open_side(&seen);

	(void)state;
	kt_channel_set_limits(seen.channel, 4 << 20, 100);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
			kt_channel_send(seen.channel, KT_MSG_EVENT, i, body, &err), KT_E_OK);
	run_loop(seen.base, 10000);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(seen.closed_with, KT_E_LIMIT);
	kt_json_free(body);
	close_side(&seen, peer);
}

static void a_broken_pipe_closes_without_a_signal_after_the_last_frames(void **state)
{
	struct seen seen = {.base = event_base_new()};
	int there[2], back[2];

	(void)state;
	(void)signal(SIGPIPE, SIG_DFL);
	assert_int_equal(pipe2(there, O_CLOEXEC) + pipe2(back, O_CLOEXEC), 0);
	(void)new_channel(&seen, back[0], there[1]);
	(void)close(there[0]);
	send_frames(seen.channel, 1);
	run_quick(seen.base);
	assert_int_equal(seen.closes, 0);
	peer_writes(back[1], 2); /* what the peer had still to say */
	(void)close(back[1]);
	run_loop(seen.base, 10000);
	assert_int_equal(seen.frames, 2);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(seen.closed_with, KT_E_IO);
	close_side(&seen, -1);
}

static void a_peer_that_only_stops_reading_its_pipe_is_closed_soon(void **state)
{
	struct seen seen = {.base = event_base_new()};
	int there[2], back[2];

	(void)state;
	assert_int_equal(pipe2(there, O_CLOEXEC) + pipe2(back, O_CLOEXEC), 0);
	(void)new_channel(&seen, back[0], there[1]);
	(void)close(there[0]);
	send_frames(seen.channel, 1);
	run_loop(seen.base, 10000);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(seen.closed_with, KT_E_IO);
	close_side(&seen, back[1]);
}

static void a_channel_may_be_freed_inside_its_own_callbacks(void **state)
{
	struct seen seen;
	int peer = open_side(&seen);

	(void)state;
	seen.frees_in_frame = true;
	peer_writes(peer, 10);
	run_loop(seen.base, 10000);
	assert_int_equal(seen.frames, 1);
	assert_int_equal(seen.closes, 0);
	close_side(&seen, peer);
	peer = open_side(&seen);
	seen.frees_in_closed = true;
	(void)close(peer);
	run_loop(seen.base, 10000);
	assert_int_equal(seen.closes, 1);
	assert_null(seen.channel);
	close_side(&seen, -1);
}

static void finish_sends_everything_before_it_closes(void **state)
{
	struct kt_json *body = body_of(500000);
	struct kt_error err = KT_ERROR_INIT;
	struct seen seen, other;
	int peer = open_side(&seen);

	(void)state;
	other = (struct seen){.base = seen.base};
	(void)new_channel(&other, peer, peer);
	assert_int_equal(kt_channel_send(seen.channel, KT_MSG_EVENT, 1, body, &err), KT_E_OK);
	kt_channel_finish(seen.channel);
	run_loop(seen.base, 10000);
	run_loop(seen.base, 10000);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(seen.closed_with, KT_E_OK);
	assert_int_equal(other.frames, 1);
	assert_int_equal(other.closes, 1);
	assert_int_equal(kt_channel_send(seen.channel, KT_MSG_EVENT, 2, NULL, &err), KT_E_IO);
	kt_json_free(body);
	kt_channel_free(other.channel);
	close_side(&seen, -1);
}

static void bytes_read_by_somebody_else_are_handed_out_first(void **state)
{
	struct kt_buffer bytes = encoded(2);
	struct seen seen;
	int peer = open_side(&seen);

	(void)state;
	seen.stop_at = 2;
	kt_channel_feed(seen.channel, bytes.data, bytes.len - 3);
	assert_int_equal(seen.frames, 0);
	assert_int_equal(write(peer, bytes.data + bytes.len - 3, 3), 3);
	run_loop(seen.base, 10000);
	assert_int_equal(seen.frames, 2);
	kt_buffer_release(&bytes);
	close_side(&seen, peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_requests_over_two_pipes_get_their_answers_in_order),
		cmocka_unit_test(frames_before_the_end_of_file_arrive_and_a_partial_one_does_not),
		cmocka_unit_test(a_frame_byte_by_byte_arrives_once),
		cmocka_unit_test(a_malformed_frame_closes_and_tells_the_peer_why),
		cmocka_unit_test(a_paused_channel_hands_out_nothing_until_it_is_resumed),
		cmocka_unit_test(a_paused_channel_makes_a_fast_writer_wait),
		cmocka_unit_test(a_full_queue_refuses_whole_frames_and_stays_usable),
		cmocka_unit_test(a_peer_that_does_not_read_is_given_up_by_age),
		cmocka_unit_test(a_broken_pipe_closes_without_a_signal_after_the_last_frames),
		cmocka_unit_test(a_peer_that_only_stops_reading_its_pipe_is_closed_soon),
		cmocka_unit_test(a_channel_may_be_freed_inside_its_own_callbacks),
		cmocka_unit_test(finish_sends_everything_before_it_closes),
		cmocka_unit_test(bytes_read_by_somebody_else_are_handed_out_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
