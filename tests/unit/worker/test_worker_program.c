/* The real program kitty-worker, with this test in the supervisor's place. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/client.h"
#include "ipc/clock.h"
#include "ipc/fd.h"
#include "ipc/file.h"
#include "ipc/frame.h"
#include "ipc/message.h"
#include "ipc/socket.h"
#include "ipc/subreaper.h"

enum { PATIENCE_MS = 9000, GRACE_MS = 400 };

/* A supervisor for one worker: over pipes, or over a socket that the worker found by itself. */
struct boss {
	char folder[64];
	struct kt_child worker;
	int in, out; /* one descriptor when it is a socket */
	int listener;
	char *socket_path;
	struct kt_frame_decoder decoder;
	struct kt_buffer bytes;
	uint64_t last_request;
};

static struct kt_json *parse(const char *text)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *json = NULL;

	assert_int_equal(kt_json_parse(text, strlen(text), 0, &json, &err), KT_E_OK);
	return json;
}

static int set_up(void **state)
{
	struct boss *boss = kt_alloc(sizeof(*boss));

	struct kt_error err = KT_ERROR_INIT;

	(void)strcpy(boss->folder, "/tmp/kitty-boss-XXXXXX");
	if (mkdtemp(boss->folder) == NULL || kt_subreaper_enable(&err) != KT_E_OK)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	boss->in = boss->out = boss->listener = boss->worker.pidfd = -1;
	*state = boss;
	return 0;
}

static void hang_up(struct boss *boss)
{
	if (boss->in == boss->out)
		boss->out = -1;
	kt_fd_close(&boss->in);
	kt_fd_close(&boss->out);
}

static int tear_down(void **state)
{
	struct boss *boss = *state;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child_status status;

	hang_up(boss);
	if (boss->worker.pid != 0) {
		kt_child_wait(&boss->worker, PATIENCE_MS, &status);
		kt_child_release(&boss->worker);
	}
	(void)kt_descendants_signal(SIGKILL);
	kt_fd_close(&boss->listener);
	if (boss->socket_path != NULL)
		(void)unlink(boss->socket_path);
	free(boss->socket_path);
	kt_frame_decoder_release(&boss->decoder);
	kt_buffer_release(&boss->bytes);
	if (kt_folder_remove_tree(boss->folder, &err) != KT_E_OK)
		return -1;
	free(boss);
	return 0;
}

static void spawn(struct boss *boss, const char *const *argv, const int *pass, size_t pass_len)
{
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;

	spec.path = KITTY_BINARY_DIR "/kitty-worker";
	spec.argv = argv;
	spec.cwd = boss->folder;
	spec.stderr_fd = STDERR_FILENO;
	spec.pass_fds = pass;
	spec.pass_len = pass_len;
	spec.new_session = true;
	assert_int_equal(kt_child_start(&spec, &boss->worker, &err), KT_E_OK);
}

static void spawn_with_pipes(struct boss *boss)
{
	static const char *const ARGV[] = {
		"kitty-worker", "--mission", "demo", "--lane", "lane-a", "--channel", NULL};
	int to[2], from[2];

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	spawn(boss, ARGV, (int[]){to[0], from[1]}, 2);
	(void)close(to[0]);
	(void)close(from[1]);
	boss->in = from[0];
	boss->out = to[1];
}

static void send_frame(struct boss *boss, unsigned type, uint64_t request, struct kt_json *body)
{
	struct kt_error err = KT_ERROR_INIT;

	kt_buffer_clear(&boss->bytes);
	assert_int_equal(
		kt_frame_encode((uint16_t)type, request, body, &boss->bytes, &err), KT_E_OK);
	assert_int_equal(kt_file_write_all(boss->out, boss->bytes.data, boss->bytes.len), 0);
	kt_json_free(body);
}

static uint64_t ask(struct boss *boss, unsigned type, struct kt_json *body)
{
	send_frame(boss, type, ++boss->last_request, body);
	return boss->last_request;
}

static bool read_more(struct boss *boss)
{
	char bytes[4096];
	ssize_t n;

	if (!kt_fd_wait(boss->in, POLLIN, PATIENCE_MS))
		fail_msg("the worker says nothing");
	n = read(boss->in, bytes, sizeof(bytes));
	if (n > 0)
		kt_frame_decoder_feed(&boss->decoder, bytes, (size_t)n);
	return n > 0;
}

/* The next frame, whatever it is. */
static struct kt_frame receive(struct boss *boss)
{
	struct kt_frame frame = KT_FRAME_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool has_frame = false;

	while (!has_frame) {
		assert_int_equal(
			kt_frame_decoder_next(&boss->decoder, &frame, &has_frame, &err), KT_E_OK);
		if (!has_frame && !read_more(boss))
			fail_msg("the worker hung up");
	}
	return frame;
}

/* The next frame of a type; OUTPUT in between is passed over. Gives the body. */
static struct kt_json *expect(struct boss *boss, unsigned type, uint64_t *request)
{
	struct kt_frame frame = receive(boss);

	while (frame.type == KT_MSG_OUTPUT && type != KT_MSG_OUTPUT) {
		kt_frame_release(&frame);
		frame = receive(boss);
	}
	assert_string_equal(kt_message_name(frame.type), kt_message_name(type));
	if (request != NULL)
		*request = frame.request_id;
	return frame.body;
}

static void expect_answer(struct boss *boss, unsigned type, uint64_t request)
{
	uint64_t answered = 0;
	struct kt_json *body = expect(boss, type, &answered);
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(answered, request);
	assert_false(kt_message_error_decode(body, &err));
	kt_json_free(body);
}

static struct kt_json *lane_facts(const struct boss *boss)
{
	struct kt_json *facts = kt_json_new_object();
	char *logs = kt_path_join(boss->folder, "logs/lane-a");

	kt_json_set_int(facts, "version", KT_PROTOCOL_VERSION);
	kt_json_set_string(facts, "lane", "lane-a");
	kt_json_set_string(facts, "mission", "demo");
	kt_json_set_string(facts, "worktree", boss->folder);
	kt_json_set_string(facts, "log_dir", logs);
	kt_json_set_string(facts, "lane_socket", boss->folder); /* unique, and that is all */
	kt_json_set_int(facts, "grace_ms", GRACE_MS);
	free(logs);
	return facts;
}

static void greet(struct boss *boss)
{
	uint64_t request = 0;
	struct kt_json *hello = expect(boss, KT_MSG_HELLO_REQUEST, &request);

	assert_string_equal(kt_json_get_string(hello, "role"), "worker");
	assert_string_equal(kt_json_get_string(hello, "lane"), "lane-a");
	kt_json_free(hello);
	send_frame(boss, KT_MSG_HELLO_ANSWER, request, lane_facts(boss));
}

static struct kt_json *run_body(const struct boss *boss, const char *script, const char *prompt)
{
	struct kt_json *body =
		parse("{\"wp\":\"WP01\",\"attempt\":1,\"log\":\"WP01-1.log\","
		      "\"prompt_by\":\"stdin\",\"environment\":[\"PATH=/usr/bin:/bin\"]}");
	struct kt_json *argv = kt_json_new_array();

	kt_json_append(argv, kt_json_new_string("/bin/bash"));
	kt_json_append(argv, kt_json_new_string("-c"));
	kt_json_append(argv, kt_json_new_string(script));
	kt_json_set(body, "argv", argv);
	kt_json_set_string(body, "cwd", boss->folder);
	kt_json_set_string(body, "prompt", prompt);
	return body;
}

static pid_t start_agent(struct boss *boss, const char *script)
{
	uint64_t request = ask(boss, KT_MSG_RUN_REQUEST, run_body(boss, script, "prompt\n"));
	uint64_t answered = 0;
	struct kt_json *body = expect(boss, KT_MSG_RUN_ANSWER, &answered);
	int64_t pid = 0;

	assert_int_equal(answered, request);
	assert_true(kt_json_get_int(body, "pid", &pid));
	kt_json_free(body);
	return (pid_t)pid;
}

static void shut_down(struct boss *boss)
{
	struct kt_child_status status;

	expect_answer(boss, KT_MSG_SHUTDOWN_ANSWER,
		ask(boss, KT_MSG_SHUTDOWN_REQUEST, kt_json_new_object()));
	kt_child_wait(&boss->worker, PATIENCE_MS, &status);
	assert_true(status.exited);
	assert_int_equal(status.exit_code, 0);
	assert_int_equal(kt_descendants_signal(0), 0);
}

/* ---- over the pipes
 * -------------------------------------------------------------------------------- */

static void agents_run_one_after_the_other(void **state)
{
	struct boss *boss = *state;

	spawn_with_pipes(boss);
	greet(boss);
	for (int i = 0; i < 3; i++) {
		struct kt_json *end = NULL;
		int64_t code = 0;

		assert_true(start_agent(boss, "read -r line; echo \"got $line\"; exit 3") > 0);
		end = expect(boss, KT_MSG_EXITED, NULL);
		assert_string_equal(kt_json_get_string(end, "wp"), "WP01");
		assert_true(kt_json_get_bool(end, "exited", false));
		assert_true(kt_json_get_int(end, "exit_code", &code) && code == 3);
		assert_false(kt_json_get_bool(end, "stopped", true));
		assert_false(kt_json_get_bool(end, "timed_out", true));
		assert_string_equal(kt_json_get_string(end, "last_output"), "got prompt");
		kt_json_free(end);
	}
	shut_down(boss);
}

static void output_is_told_now_and_then(void **state)
{
	struct boss *boss = *state;
	struct kt_frame frame;
	int outputs = 0;

	spawn_with_pipes(boss);
	greet(boss);
	(void)start_agent(boss, "for i in {1..50}; do echo line $i; sleep 0.01; done");
	for (frame = receive(boss); frame.type == KT_MSG_OUTPUT; frame = receive(boss)) {
		assert_int_equal(strncmp(kt_json_get_string(frame.body, "line"), "line ", 5), 0);
		outputs++;
		kt_frame_release(&frame);
	}
	assert_int_equal(frame.type, KT_MSG_EXITED);
	assert_in_range(outputs, 2, 12);
	kt_frame_release(&frame);
	shut_down(boss);
}

static void kill_is_answered_after_the_end_was_told(void **state)
{
	struct boss *boss = *state;
	struct kt_json *end = NULL;
	uint64_t request = 0;

	spawn_with_pipes(boss);
	greet(boss);
	(void)start_agent(boss, "trap '' TERM; (setsid sleep 60 &); while :; do sleep 1; done");
	request = ask(boss, KT_MSG_KILL_REQUEST, parse("{\"wp\":\"WP01\"}"));
	end = expect(boss, KT_MSG_EXITED, NULL);
	assert_true(kt_json_get_bool(end, "stopped", false));
	kt_json_free(end);
	expect_answer(boss, KT_MSG_KILL_ANSWER, request);
	request = ask(boss, KT_MSG_KILL_REQUEST, parse("{\"wp\":\"WP01\"}"));
	expect_answer(boss, KT_MSG_KILL_ANSWER, request); /* nothing runs: at once */
	shut_down(boss);
}

static void a_second_run_is_refused_and_a_bad_one_too(void **state)
{
	struct boss *boss = *state;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *body = NULL;

	spawn_with_pipes(boss);
	greet(boss);
	(void)ask(boss, KT_MSG_RUN_REQUEST, parse("{\"wp\":\"WP01\"}"));
	body = expect(boss, KT_MSG_RUN_ANSWER, NULL);
	assert_true(kt_message_error_decode(body, &err));
	assert_int_equal(err.code, KT_E_INVALID_ARGUMENT);
	kt_json_free(body);
	(void)start_agent(boss, "sleep 60");
	(void)ask(boss, KT_MSG_RUN_REQUEST, run_body(boss, "true", NULL));
	body = expect(boss, KT_MSG_RUN_ANSWER, NULL);
	assert_true(kt_message_error_decode(body, &err));
	assert_int_equal(err.code, KT_E_MESSAGE_UNEXPECTED);
	kt_json_free(body);
	(void)ask(boss, KT_MSG_SHUTDOWN_REQUEST, kt_json_new_object());
	body = expect(boss, KT_MSG_EXITED, NULL);
	kt_json_free(body);
	body = expect(boss, KT_MSG_SHUTDOWN_ANSWER, NULL);
	kt_json_free(body);
}

static void when_the_supervisor_dies_the_agent_ends_within_ten_seconds(void **state)
{
	struct boss *boss = *state;
	struct kt_child_status status;
	int64_t before = 0;
	pid_t agent = 0;

	spawn_with_pipes(boss);
	greet(boss);
	agent = start_agent(boss, "trap '' TERM; (setsid sleep 60 &); while :; do sleep 1; done");
	before = kt_clock_monotonic_ms();
	hang_up(boss);
	kt_child_wait(&boss->worker, PATIENCE_MS, &status);
	assert_true(kt_clock_monotonic_ms() - before < 20000);
	assert_true(status.exited);
	assert_int_equal(status.exit_code, 0);
	assert_false(kt_process_is_alive(agent, 0));
	assert_int_equal(kt_descendants_signal(0), 0);
}

static void term_stops_the_agent_and_ends_the_worker(void **state)
{
	struct boss *boss = *state;
	struct kt_child_status status;
	struct kt_json *end = NULL;

	spawn_with_pipes(boss);
	greet(boss);
	(void)start_agent(boss, "sleep 60");
	kt_child_signal(&boss->worker, SIGHUP, false); /* not ours to heed */
	kt_child_signal(&boss->worker, SIGINT, false);
	kt_child_signal(&boss->worker, SIGTERM, false);
	end = expect(boss, KT_MSG_EXITED, NULL);
	assert_true(kt_json_get_bool(end, "stopped", false));
	kt_json_free(end);
	kt_child_wait(&boss->worker, PATIENCE_MS, &status);
	assert_true(status.exited);
	assert_int_equal(status.exit_code, 0);
}

static void an_answer_of_another_version_ends_the_worker(void **state)
{
	struct boss *boss = *state;
	struct kt_child_status status;
	struct kt_json *answer = parse("{\"version\":99}");
	uint64_t request = 0;

	/* Nothing else is wrong with it. */
	kt_json_set_string(answer, "log_dir", boss->folder);
	spawn_with_pipes(boss);
	kt_json_free(expect(boss, KT_MSG_HELLO_REQUEST, &request));
	send_frame(boss, KT_MSG_HELLO_ANSWER, request, answer);
	kt_child_wait(&boss->worker, PATIENCE_MS, &status);
	assert_true(status.exited);
	assert_int_equal(status.exit_code, 1);
}

/* ---- the lane's socket
 * ------------------------------------------------------------------------------ */

/* The agent tells where its socket is, so that this test can play the agent's kitty. */
static struct kt_client *connect_as_agent(struct boss *boss)
{
	struct kt_client *client = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *hello = parse("{\"role\":\"lane\",\"mission\":\"demo\"}");
	struct kt_json *output = NULL;

	(void)start_agent(boss, "echo $SPEC_KITTY_SOCKET; sleep 60");
	output = expect(boss, KT_MSG_OUTPUT, NULL);
	assert_int_equal(
		kt_client_open(kt_json_get_string(output, "line"), hello, &client, &err), KT_E_OK);
	assert_string_equal(kt_json_get_string(kt_client_hello(client), "lane"), "lane-a");
	kt_json_free(output);
	kt_json_free(hello);
	return client;
}

/* One frame written by hand: kt_client_call would block while this process must also answer. */
static void ask_as_agent(const struct kt_client *client, unsigned type, uint64_t request)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *body = parse("{\"wp\":\"WP02\"}");

	assert_int_equal(kt_frame_encode((uint16_t)type, request, body, &bytes, &err), KT_E_OK);
	assert_int_equal(kt_file_write_all(kt_client_fd(client), bytes.data, bytes.len), 0);
	kt_buffer_release(&bytes);
	kt_json_free(body);
}

static struct kt_json *answer_to_agent(struct kt_client *client, unsigned type, uint64_t request)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_frame_decoder decoder = KT_FRAME_DECODER_INIT;
	struct kt_frame frame = KT_FRAME_INIT;
	bool has_frame = false;
	char bytes[4096];

	while (!has_frame) {
		ssize_t n = 0;

		assert_true(kt_fd_wait(kt_client_fd(client), POLLIN, PATIENCE_MS));
		n = read(kt_client_fd(client), bytes, sizeof(bytes));
		assert_true(n > 0);
		kt_frame_decoder_feed(&decoder, bytes, (size_t)n);
		assert_int_equal(
			kt_frame_decoder_next(&decoder, &frame, &has_frame, &err), KT_E_OK);
	}
	assert_int_equal(frame.type, type);
	assert_int_equal(frame.request_id, request);
	kt_frame_decoder_release(&decoder);
	return frame.body;
}

static void requests_of_the_agents_kitty_reach_the_supervisor_and_back(void **state)
{
	struct boss *boss = *state;
	struct kt_client *client = NULL;
	struct kt_json *body = NULL;
	struct kt_error err = KT_ERROR_INIT;
	uint64_t first = 0, second = 0;
	int64_t number = 0;

	spawn_with_pipes(boss);
	greet(boss);
	client = connect_as_agent(boss);
	ask_as_agent(client, KT_MSG_APPEND_REQUEST, 41);
	ask_as_agent(client, KT_MSG_STATUS_REQUEST, 42);
	body = expect(boss, KT_MSG_LANE_REQUEST, &first);
	assert_true(kt_json_get_int(body, "type", &number) && number == KT_MSG_APPEND_REQUEST);
	assert_true(kt_json_get_int(body, "peer_pid", &number) && number == getpid());
	assert_string_equal(kt_json_get_string(kt_json_get(body, "body"), "wp"), "WP02");
	kt_json_free(body);
	kt_json_free(expect(boss, KT_MSG_LANE_REQUEST, &second));
	assert_int_equal(second, first + 1);
	send_frame(
		boss, KT_MSG_LANE_ANSWER, second, parse("{\"type\":7,\"body\":{\"tip\":\"x\"}}"));
	body = answer_to_agent(client, KT_MSG_STATUS_ANSWER, 42);
	assert_string_equal(kt_json_get_string(body, "tip"), "x");
	kt_json_free(body);
	send_frame(boss, KT_MSG_LANE_ANSWER, first,
		parse("{\"type\":5,\"body\":{\"error\":{\"code\":\"LANE_FOREIGN_WP\",\"detail\":"
		      "\"d\"}}}"));
	body = answer_to_agent(client, KT_MSG_APPEND_ANSWER, 41);
	assert_true(kt_message_error_decode(body, &err));
	assert_int_equal(err.code, KT_E_LANE_FOREIGN_WP);
	kt_json_free(body);
	kt_client_close(client);
}

static void a_lane_may_neither_watch_nor_stop(void **state)
{
	struct boss *boss = *state;
	struct kt_client *client = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *body = NULL;

	spawn_with_pipes(boss);
	greet(boss);
	client = connect_as_agent(boss);
	ask_as_agent(client, KT_MSG_WATCH_REQUEST, 1);
	body = answer_to_agent(client, KT_MSG_WATCH_ANSWER, 1);
	assert_true(kt_message_error_decode(body, &err));
	assert_int_equal(err.code, KT_E_LANE_REQUEST_REFUSED);
	kt_json_free(body);
	ask_as_agent(client, KT_MSG_STOP_REQUEST, 2);
	kt_json_free(answer_to_agent(client, KT_MSG_STOP_ANSWER, 2));
	kt_client_close(client);
}

static void without_a_supervisor_the_agents_kitty_is_told(void **state)
{
	struct boss *boss = *state;
	struct kt_client *client = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *body = NULL;

	spawn_with_pipes(boss);
	greet(boss);
	client = connect_as_agent(boss);
	ask_as_agent(client, KT_MSG_STATUS_REQUEST, 1);
	kt_json_free(expect(boss, KT_MSG_LANE_REQUEST, NULL));
	hang_up(boss);
	body = answer_to_agent(client, KT_MSG_STATUS_ANSWER, 1);
	assert_true(kt_message_error_decode(body, &err));
	assert_int_equal(err.code, KT_E_SUPERVISOR_ABSENT);
	kt_json_free(body);
	kt_client_close(client);
}

/* ---- by hand
 * ---------------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
	struct kt_error err = KT_ERROR_INIT;
	char *folder = kt_path_parent(path);

	assert_int_equal(kt_folder_make(folder, 0700, &err), KT_E_OK);
	assert_int_equal(
		kt_file_write_atomic(path, text, strlen(text), 0600, false, &err), KT_E_OK);
	free(folder);
}

/* This process is the supervisor that the holder file names. */
static void pretend_to_hold(struct boss *boss, bool is_alive)
{
	struct kt_error err = KT_ERROR_INIT;
	char *path = kt_path_join(boss->folder, ".git/kitty/demo-01J6XW9K/holder");
	char *text = NULL;

	assert_int_equal(
		kt_socket_listen(boss->folder, &boss->socket_path, &boss->listener, &err), KT_E_OK);
	text = kt_format("{\"pid\":%d,\"start_time\":%llu,\"boot_id\":\"%s\",\"socket\":\"%s\","
			 "\"slug\":\"demo-01J6XW9K\",\"mid8\":\"01J6XW9K\"}",
		(int)getpid(),
		(unsigned long long)kt_process_start_time(getpid()) + (is_alive ? 0 : 1),
		kt_boot_id(), boss->socket_path);
	write_file(path, text);
	free(text);
	free(path);
}

static int exit_code_of_hand_worker(struct boss *boss)
{
	static const char *const ARGV[] = {
		"kitty-worker", "--mission", "demo", "--lane=a", "--", "true", NULL};
	struct kt_child_status status;

	spawn(boss, ARGV, NULL, 0);
	kt_child_wait(&boss->worker, PATIENCE_MS, &status);
	kt_child_release(&boss->worker);
	boss->worker.pid = 0;
	assert_true(status.exited);
	return status.exit_code;
}

static void by_hand_without_a_supervisor_it_says_so(void **state)
{
	struct boss *boss = *state;
	char *git = kt_path_join(boss->folder, ".git/config");

	assert_int_equal(exit_code_of_hand_worker(boss), 3); /* no repository */
	write_file(git, "");
	assert_int_equal(exit_code_of_hand_worker(boss), 7);
	pretend_to_hold(boss, false);
	assert_int_equal(exit_code_of_hand_worker(boss), 7); /* that supervisor is dead */
	free(git);
}

static void accept_by_hand(struct boss *boss)
{
	struct kt_error err = KT_ERROR_INIT;

	assert_true(kt_fd_wait(boss->listener, POLLIN, PATIENCE_MS));
	assert_int_equal(kt_socket_accept(boss->listener, &boss->in, &err), KT_E_OK);
	assert_true(boss->in >= 0);
	boss->out = boss->in;
}

static void by_hand_it_claims_its_lane_and_serves(void **state)
{
	static const char *const ARGV[] = {
		"kitty-worker", "--mission", "demo", "--lane", "a", "--", "my-agent", "-x", NULL};
	struct boss *boss = *state;
	struct kt_json *claim = NULL, *end = NULL;
	uint64_t request = 0;

	pretend_to_hold(boss, true);
	spawn(boss, ARGV, NULL, 0);
	accept_by_hand(boss);
	kt_json_free(expect(boss, KT_MSG_HELLO_REQUEST, &request));
	send_frame(
		boss, KT_MSG_HELLO_ANSWER, request, parse("{\"version\":1,\"mission\":\"demo\"}"));
	claim = expect(boss, KT_MSG_CLAIM_LANE_REQUEST, &request);
	assert_string_equal(kt_json_get_string(claim, "lane"), "lane-a");
	assert_int_equal(kt_json_size(kt_json_get(claim, "argv")), 2);
	kt_json_free(claim);
	send_frame(boss, KT_MSG_CLAIM_LANE_ANSWER, request, lane_facts(boss));
	(void)start_agent(boss, "echo by hand");
	end = expect(boss, KT_MSG_EXITED, NULL);
	assert_string_equal(kt_json_get_string(end, "last_output"), "by hand");
	kt_json_free(end);
	shut_down(boss);
}

static void by_hand_a_taken_lane_is_a_conflict(void **state)
{
	static const char *const ARGV[] = {
		"kitty-worker", "--mission", "01J6XW9K", "--lane", "a", "--", "x", NULL};
	struct boss *boss = *state;
	struct kt_child_status status;
	uint64_t request = 0;

	pretend_to_hold(boss, true);
	spawn(boss, ARGV, NULL, 0);
	accept_by_hand(boss);
	kt_json_free(expect(boss, KT_MSG_HELLO_REQUEST, &request));
	send_frame(
		boss, KT_MSG_HELLO_ANSWER, request, parse("{\"version\":1,\"mission\":\"demo\"}"));
	kt_json_free(expect(boss, KT_MSG_CLAIM_LANE_REQUEST, &request));
	send_frame(boss, KT_MSG_CLAIM_LANE_ANSWER, request,
		parse("{\"error\":{\"code\":\"LANE_TAKEN\",\"detail\":\"lane-a\"}}"));
	kt_child_wait(&boss->worker, PATIENCE_MS, &status);
	assert_true(status.exited);
	assert_int_equal(status.exit_code, 5);
}

#define BOSS_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOSS_TEST(agents_run_one_after_the_other),
		BOSS_TEST(output_is_told_now_and_then),
		BOSS_TEST(kill_is_answered_after_the_end_was_told),
		BOSS_TEST(a_second_run_is_refused_and_a_bad_one_too),
		BOSS_TEST(when_the_supervisor_dies_the_agent_ends_within_ten_seconds),
		BOSS_TEST(term_stops_the_agent_and_ends_the_worker),
		BOSS_TEST(an_answer_of_another_version_ends_the_worker),
		BOSS_TEST(requests_of_the_agents_kitty_reach_the_supervisor_and_back),
		BOSS_TEST(a_lane_may_neither_watch_nor_stop),
		BOSS_TEST(without_a_supervisor_the_agents_kitty_is_told),
		BOSS_TEST(by_hand_without_a_supervisor_it_says_so),
		BOSS_TEST(by_hand_it_claims_its_lane_and_serves),
		BOSS_TEST(by_hand_a_taken_lane_is_a_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
