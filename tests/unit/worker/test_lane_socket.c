/*
 * The lane's socket against clients that do not keep to the protocol: each costs itself, and what
 * it is told names why.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/fd.h"
#include "ipc/file.h"
#include "ipc/frame.h"
#include "ipc/message.h"
#include "ipc/socket.h"
#include "worker/lane_socket.h"

enum { ROUNDS_MAX = 100000 };

struct bench {
	char folder[64];
	struct event_base *base;
	struct kt_lane_socket *socket;
	struct kt_lane_call last; /* its body is not kept */
	unsigned requests, gone;
};

/* One program at the socket. */
struct visitor {
	int fd;
	bool is_at_end;
	struct kt_frame_decoder decoder;
};

static void on_request(const struct kt_lane_call *call, void *arg)
{
	struct bench *bench = arg;

	bench->last = *call;
	bench->requests++;
}

static void on_gone(uint64_t client, void *arg)
{
	struct bench *bench = arg;

	assert_true(client > 0);
	bench->gone++;
}

static int set_up(void **state)
{
	struct bench *bench = kt_alloc(sizeof *bench);
	struct kt_lane_socket_spec spec = {.identity = "a lane of a test",
		.callbacks = {.on_request = on_request, .on_gone = on_gone},
		.arg = bench};
	struct kt_error err = KT_ERROR_INIT;

	(void)strcpy(bench->folder, "/tmp/kitty-lane-XXXXXX");
	if (mkdtemp(bench->folder) == NULL || setenv("XDG_RUNTIME_DIR", bench->folder, 1) != 0)
		return -1;
	bench->base = event_base_new();
	spec.hello = kt_json_new_object();
	kt_json_set_string(spec.hello, "lane", "lane-a");
	if (kt_lane_socket_open(bench->base, &spec, &bench->socket, &err) != KT_E_OK)
		return -1;
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	struct kt_error err = KT_ERROR_INIT;

	kt_lane_socket_close(bench->socket);
	event_base_free(bench->base);
	if (kt_folder_remove_tree(bench->folder, &err) != KT_E_OK)
		return -1;
	free(bench);
	return 0;
}

static struct visitor visit(const struct bench *bench)
{
	struct visitor visitor = {.fd = -1};
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(
		kt_socket_connect(kt_lane_socket_path(bench->socket), &visitor.fd, &err), KT_E_OK);
	assert_int_equal(fcntl(visitor.fd, F_SETFL, O_NONBLOCK), 0);
	return visitor;
}

static void leave(struct visitor *visitor)
{
	kt_fd_close(&visitor->fd);
	kt_frame_decoder_release(&visitor->decoder);
}

static void say(const struct visitor *visitor, unsigned type, const char *body)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_json *json = NULL;
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_json_parse(body, strlen(body), 0, &json, &err), KT_E_OK);
	assert_int_equal(kt_frame_encode((uint16_t)type, 7, json, &bytes, &err), KT_E_OK);
	assert_int_equal(kt_file_write_all(visitor->fd, bytes.data, bytes.len), 0);
	kt_json_free(json);
	kt_buffer_release(&bytes);
}

/* One turn of the worker's loop, then whatever it has written. */
static bool turn(struct bench *bench, struct visitor *visitor, struct kt_frame *frame)
{
	bool has_frame = false;
	char piece[4096];
	ssize_t len;
	struct kt_error err = KT_ERROR_INIT;

	(void)event_base_loop(bench->base, EVLOOP_NONBLOCK);
	len = read(visitor->fd, piece, sizeof piece);
	if (len > 0)
		kt_frame_decoder_feed(&visitor->decoder, piece, (size_t)len);
	/* A socket closed with bytes that nobody read says so. */
	visitor->is_at_end = len == 0 || (len < 0 && errno == ECONNRESET);
	assert_int_equal(
		kt_frame_decoder_next(&visitor->decoder, frame, &has_frame, &err), KT_E_OK);
	if (!has_frame && !visitor->is_at_end)
		(void)poll(&(struct pollfd){.fd = visitor->fd, .events = POLLIN}, 1, 1);
	return has_frame;
}

static struct kt_frame hear(struct bench *bench, struct visitor *visitor)
{
	struct kt_frame frame = {0};

	for (int i = 0; i < ROUNDS_MAX && !visitor->is_at_end; i++)
		if (turn(bench, visitor, &frame))
			return frame;
	fail_msg("no answer");
	return frame;
}

static void expect_error(
	struct bench *bench, struct visitor *visitor, unsigned type, enum kt_code code)
{
	struct kt_frame frame = hear(bench, visitor);
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(frame.type, type);
	assert_int_equal(frame.request_id, 7);
	assert_true(kt_message_error_decode(frame.body, &err));
	assert_string_equal(kt_error_text(err.code), kt_error_text(code));
	kt_frame_release(&frame);
}

static void expect_end(struct bench *bench, struct visitor *visitor)
{
	struct kt_frame frame = {0};

	for (int i = 0; i < ROUNDS_MAX && !visitor->is_at_end; i++)
		assert_false(turn(bench, visitor, &frame));
	assert_true(visitor->is_at_end);
}

static void greet(struct bench *bench, struct visitor *visitor)
{
	struct kt_frame frame;
	char *hello = kt_format("{\"version\": %d}", KT_PROTOCOL_VERSION);

	say(visitor, KT_MSG_HELLO_REQUEST, hello);
	frame = hear(bench, visitor);
	assert_int_equal(frame.type, KT_MSG_HELLO_ANSWER);
	assert_string_equal(kt_json_get_string(frame.body, "lane"), "lane-a");
	kt_frame_release(&frame);
	free(hello);
}

/* The socket still serves: a request arrives, its answer and a refusal reach the one who asked. */
static void expect_service(struct bench *bench, struct visitor *visitor)
{
	unsigned before = bench->requests;
	struct kt_json *body = kt_json_new_object();
	struct kt_error refusal = KT_ERROR_INIT;
	struct kt_frame frame = {0};

	say(visitor, KT_MSG_PS_REQUEST, "{}");
	for (int i = 0; i < ROUNDS_MAX && bench->requests == before; i++)
		assert_false(turn(bench, visitor, &frame));
	assert_int_equal(bench->last.type, KT_MSG_PS_REQUEST);
	assert_int_equal(bench->last.peer_pid, getpid());
	kt_json_set_int(body, "n", 5);
	kt_lane_socket_answer(bench->socket, &bench->last, body);
	frame = hear(bench, visitor);
	assert_int_equal(frame.type, KT_MSG_PS_ANSWER);
	kt_frame_release(&frame);
	(void)kt_error_set(&refusal, KT_E_WP_NOT_FOUND, "WP99");
	kt_lane_socket_refuse(bench->socket, &bench->last, &refusal);
	expect_error(bench, visitor, KT_MSG_PS_ANSWER, KT_E_WP_NOT_FOUND);
	kt_json_free(body);
}

static void another_version_is_told_and_let_go(void **state)
{
	static const char *const hellos[] = {
		"{}", "{\"version\": 99}", "{\"version\": \"1\"}", "{\"version\": null}"};
	struct bench *bench = *state;

	for (size_t i = 0; i < sizeof hellos / sizeof hellos[0]; i++) {
		struct visitor visitor = visit(bench);

		say(&visitor, KT_MSG_HELLO_REQUEST, hellos[i]);
		expect_error(bench, &visitor, KT_MSG_HELLO_ANSWER, KT_E_PROTOCOL_VERSION);
		expect_end(bench, &visitor);
		leave(&visitor);
	}
	assert_int_equal(bench->requests, 0);
}

static void who_does_not_greet_is_let_go(void **state)
{
	struct bench *bench = *state;
	struct visitor asks = visit(bench), answers = visit(bench), babbles = visit(bench);

	say(&asks, KT_MSG_APPEND_REQUEST, "{}");
	expect_error(bench, &asks, KT_MSG_APPEND_ANSWER, KT_E_MESSAGE_UNEXPECTED);
	expect_end(bench, &asks);
	say(&answers, KT_MSG_PS_ANSWER, "{}");
	expect_end(bench, &answers);
	assert_int_equal(kt_file_write_all(babbles.fd, "GET / HTTP/1.1\r\n\r\n", 18), 0);
	for (int i = 0; i < ROUNDS_MAX && bench->gone < 3; i++)
		(void)event_base_loop(bench->base, EVLOOP_ONCE);
	assert_int_equal(bench->gone, 3);
	assert_int_equal(bench->requests, 0);
	leave(&asks);
	leave(&answers);
	leave(&babbles);
}

static void what_is_not_for_agents_is_refused_and_the_connection_stays(void **state)
{
	static const unsigned refused[] = {KT_MSG_STOP_REQUEST, KT_MSG_WATCH_REQUEST,
		KT_MSG_RUN_REQUEST, KT_MSG_KILL_REQUEST, KT_MSG_SHUTDOWN_REQUEST,
		KT_MSG_LANE_REQUEST, KT_MSG_CLAIM_LANE_REQUEST, KT_MSG_HELLO_REQUEST};
	struct bench *bench = *state;
	struct visitor visitor = visit(bench);

	greet(bench, &visitor);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		say(&visitor, refused[i], "{}");
		expect_error(bench, &visitor, kt_message_answer_of(refused[i]),
			KT_E_LANE_REQUEST_REFUSED);
	}
	say(&visitor, KT_MSG_EXITED, "{}"); /* no request: nothing to answer */
	expect_service(bench, &visitor);
	leave(&visitor);
}

static void an_answer_to_one_who_is_gone_harms_nobody(void **state)
{
	struct bench *bench = *state;
	struct visitor first = visit(bench), second = visit(bench);
	struct kt_json *body = kt_json_new_object();
	struct kt_lane_call call;
	struct kt_error refusal = KT_ERROR_INIT;

	greet(bench, &second);
	greet(bench, &first);
	expect_service(bench, &first);
	call = bench->last;
	leave(&first);
	for (int i = 0; i < ROUNDS_MAX && bench->gone == 0; i++)
		(void)event_base_loop(bench->base, EVLOOP_ONCE);
	assert_int_equal(bench->gone, 1);
	kt_lane_socket_answer(bench->socket, &call, body);
	kt_lane_socket_refuse(bench->socket, &call, &refusal);
	expect_service(bench, &second);
	leave(&second);
	kt_json_free(body);
}

/* An answer that is larger than a frame may be becomes the error that says so. */
static void an_answer_that_is_too_large_becomes_a_refusal(void **state)
{
	struct bench *bench = *state;
	struct visitor visitor = visit(bench);
	struct kt_json *body = kt_json_new_object();
	char *text = malloc(KT_FRAME_MAX + 1);

	assert_non_null(text);
	memset(text, 'x', KT_FRAME_MAX);
	text[KT_FRAME_MAX] = '\0';
	kt_json_set_string(body, "text", text);
	greet(bench, &visitor);
	expect_service(bench, &visitor);
	kt_lane_socket_answer(bench->socket, &bench->last, body);
	expect_error(bench, &visitor, KT_MSG_PS_ANSWER, KT_E_FRAME_TOO_LARGE);
	expect_service(bench, &visitor);
	leave(&visitor);
	kt_json_free(body);
	free(text);
}

static void the_file_of_the_next_worker_is_not_taken_away(void **state)
{
	struct bench *bench = *state;
	struct kt_lane_socket_spec spec = {.identity = "a lane of a test",
		.callbacks = {.on_request = on_request, .on_gone = on_gone},
		.arg = bench};
	struct kt_lane_socket *next = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct visitor visitor;

	spec.hello = kt_json_new_object();
	kt_json_set_string(spec.hello, "lane", "lane-a");
	assert_int_equal(kt_lane_socket_open(bench->base, &spec, &next, &err), KT_E_OK);
	kt_lane_socket_close(bench->socket);
	bench->socket = next;
	visitor = visit(bench);
	greet(bench, &visitor);
	leave(&visitor);
	kt_lane_socket_close(NULL);
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(another_version_is_told_and_let_go),
		BENCH_TEST(who_does_not_greet_is_let_go),
		BENCH_TEST(what_is_not_for_agents_is_refused_and_the_connection_stays),
		BENCH_TEST(an_answer_to_one_who_is_gone_harms_nobody),
		BENCH_TEST(an_answer_that_is_too_large_becomes_a_refusal),
		BENCH_TEST(the_file_of_the_next_worker_is_not_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
