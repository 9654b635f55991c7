/*
 * Handing requests over: to a supervisor played by a child process, and what happens when the
 * connection breaks.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/frame.h"
#include "ipc/message.h"
#include "ipc/socket.h"
#include "supervisor/cli/submit.h"
#include "supervisor/transaction/holder.h"
#include "supervisor/transaction/request.h"
#include "support/sandbox.h"

/* ---- the supervisor's part, in the child ---- */

static struct kt_frame frame_read(int fd, struct kt_frame_decoder *decoder)
{
	struct kt_frame frame = KT_FRAME_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool has_frame = false;
	char bytes[4096];

	while (!has_frame) {
		ssize_t got = 0;

		if (kt_frame_decoder_next(decoder, &frame, &has_frame, &err) != KT_E_OK)
			_exit(3);
		if (has_frame)
			break;
		got = read(fd, bytes, sizeof bytes);
		if (got <= 0)
			_exit(4);
		kt_frame_decoder_feed(decoder, bytes, (size_t)got);
	}
	return frame;
}

static void frame_write(int fd, unsigned type, uint64_t id, const struct kt_json *body)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_frame_encode((uint16_t)type, id, body, &out, &err) != KT_E_OK ||
		write(fd, out.data, out.len) != (ssize_t)out.len)
		_exit(5);
	kt_buffer_release(&out);
}

/* Takes one connection up to its APPEND, whose first event id it gives. */
static char *append_take(int listener, int *fd, uint64_t *request_id)
{
	struct kt_frame_decoder decoder = KT_FRAME_DECODER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *hello = kt_json_new_object();
	struct kt_frame frame = KT_FRAME_INIT;
	char *id = NULL;

	*fd = -1;
	while (*fd < 0) {
		if (kt_socket_accept(listener, fd, &err) != KT_E_OK)
			_exit(6);
		(void)usleep(2000);
	}
	(void)fcntl(*fd, F_SETFL, 0); /* the socket comes non-blocking; the child has time */
	kt_json_set_int(hello, "version", KT_PROTOCOL_VERSION);
	frame = frame_read(*fd, &decoder);
	frame_write(*fd, KT_MSG_HELLO_ANSWER, frame.request_id, hello);
	kt_frame_release(&frame);
	frame = frame_read(*fd, &decoder);
	*request_id = frame.request_id;
	id = kt_strdup(
		kt_json_get_string(kt_json_first(kt_json_get(frame.body, "ops")), "event_id"));
	kt_frame_release(&frame);
	kt_frame_decoder_release(&decoder);
	kt_json_free(hello);
	return id;
}

/* The first `broken` connections end after their request; the next gets a receipt that names all
 * ids seen. */
static void serve(const struct kt_mission *mission, const char *identity, int broken, int ready)
{
	struct kt_json *outcome = kt_json_new_object();
	struct kt_json *receipt = kt_json_new_object();
	struct kt_json *ids = kt_json_new_array();
	struct kt_error err = KT_ERROR_INIT;
	uint64_t request_id = 0;
	char *path = NULL;
	int listener = -1;
	int fd = -1;

	if (kt_socket_listen(identity, &path, &listener, &err) != KT_E_OK ||
		kt_holder_write(mission, "test", path, &err) != KT_E_OK ||
		write(ready, "x", 1) != 1)
		_exit(2);
	for (int i = 0; i <= broken; i++) {
		char *id = append_take(listener, &fd, &request_id);

		kt_json_append(ids, kt_json_new_string(id));
		free(id);
		if (i < broken)
			(void)close(fd);
	}
	kt_json_set(receipt, "event_ids", ids);
	kt_json_set_string(outcome, "result", "success");
	kt_json_set(outcome, "receipt", receipt);
	frame_write(fd, KT_MSG_APPEND_ANSWER, request_id, outcome);
	(void)pause();
}

/* ---- the command's part ---- */

struct scene {
	struct kt_sandbox *box;
	struct kt_context context;
	pid_t supervisor;
};

static int scene_open(void **state)
{
	struct scene *scene = kt_alloc(sizeof *scene);
	char *home = NULL;

	scene->box = kt_sandbox_new();
	home = kt_format("%s/run", scene->box->root);
	kt_sandbox_write(scene->box, "../run/.keep", "");
	(void)setenv("XDG_RUNTIME_DIR", home, 1);
	(void)unsetenv("SPEC_KITTY_MISSION");
	(void)unsetenv("SPEC_KITTY_SOCKET");
	(void)unsetenv("SPEC_KITTY_IN_HOOK");
	free(home);
	scene->context = (struct kt_context)KT_CONTEXT_INIT;
	scene->context.mission = kt_alloc(sizeof *scene->context.mission);
	scene->context.mission->slug = kt_strdup("upsell-01J6XW9K");
	scene->context.mission->run_dir = kt_sandbox_path(scene->box, ".git/kitty/upsell-01J6XW9K");
	*state = scene;
	return 0;
}

static int scene_close(void **state)
{
	struct scene *scene = *state;

	if (scene->supervisor > 0) {
		(void)kill(scene->supervisor, SIGKILL);
		(void)waitpid(scene->supervisor, NULL, 0);
	}
	kt_context_release(&scene->context);
	kt_sandbox_free(scene->box);
	free(scene);
	return 0;
}

static void supervisor_start(struct scene *scene, int broken)
{
	int ready[2] = {-1, -1};
	char byte = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	scene->supervisor = fork();
	assert_true(scene->supervisor >= 0);
	if (scene->supervisor == 0)
		serve(scene->context.mission, scene->box->root, broken, ready[1]);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
}

static struct kt_json *claim_request(void)
{
	struct kt_json *request = kt_request_new("test");

	(void)kt_request_add_move(request, "WP01", KT_STATUS_CLAIMED, "claude");
	return request;
}

static void a_request_goes_to_the_supervisor_with_an_id(void **state)
{
	struct scene *scene = *state;
	struct kt_json *request = claim_request();
	struct kt_json *outcome = NULL;
	struct kt_error err = KT_ERROR_INIT;
	const struct kt_json *ids = NULL;

	supervisor_start(scene, 0);
	assert_int_equal(kt_submit(&scene->context, request, "test", &outcome, &err), KT_E_OK);
	ids = kt_json_get(kt_json_get(outcome, "receipt"), "event_ids");
	assert_int_equal(kt_json_size(ids), 1);
	assert_int_equal(strlen(kt_json_string(kt_json_first(ids))), 26);
	kt_json_free(outcome);
	kt_json_free(request);
}

static void a_lost_answer_is_asked_for_again_with_the_same_id(void **state)
{
	struct scene *scene = *state;
	struct kt_json *request = claim_request();
	struct kt_json *outcome = NULL;
	struct kt_error err = KT_ERROR_INIT;
	const struct kt_json *first = NULL;

	supervisor_start(scene, 1);
	assert_int_equal(kt_submit(&scene->context, request, "test", &outcome, &err), KT_E_OK);
	first = kt_json_first(kt_json_get(kt_json_get(outcome, "receipt"), "event_ids"));
	assert_string_equal(kt_json_string(first), kt_json_string(kt_json_next(first)));
	kt_json_free(outcome);
	kt_json_free(request);
}

static void an_answer_lost_twice_is_told_as_unknown(void **state)
{
	struct scene *scene = *state;
	struct kt_json *request = claim_request();
	struct kt_json *outcome = NULL;
	struct kt_error err = KT_ERROR_INIT;

	supervisor_start(scene, 2);
	assert_int_equal(
		kt_submit(&scene->context, request, "test", &outcome, &err), KT_E_OUTCOME_UNKNOWN);
	assert_null(outcome);
	/* By the id that the message names the same request can be sent again. */
	assert_non_null(strstr(err.detail,
		kt_json_get_string(kt_json_first(kt_json_get(request, "ops")), "event_id")));
	kt_json_free(request);
}

static void one_event_id_tells_all_of_a_request(void **state)
{
	struct scene *scene = *state;
	struct kt_json *request = claim_request();
	struct kt_json *op = kt_json_first(kt_json_get(request, "ops"));
	struct kt_json *outcome = NULL;
	struct kt_error err = KT_ERROR_INIT;

	(void)kt_request_add_move(request, "WP02", KT_STATUS_CLAIMED, "claude");
	(void)kt_request_add_move(request, "WP03", KT_STATUS_CLAIMED, "claude");
	kt_json_set_string(op, "event_id", "01ARYZ6S410000000000000009");
	supervisor_start(scene, 0);
	assert_int_equal(kt_submit(&scene->context, request, "test", &outcome, &err), KT_E_OK);
	assert_string_equal(kt_json_get_string(op, "event_id"), "01ARYZ6S410000000000000009");
	op = kt_json_next(op);
	assert_string_equal(kt_json_get_string(op, "event_id"), "01ARYZ6S41000000000000000A");
	op = kt_json_next(op);
	assert_string_equal(kt_json_get_string(op, "event_id"), "01ARYZ6S41000000000000000B");
	kt_json_free(outcome);
	kt_json_free(request);
}

static void inside_a_hook_nothing_is_written(void **state)
{
	struct scene *scene = *state;
	struct kt_json *request = claim_request();
	struct kt_json *outcome = NULL;
	struct kt_error err = KT_ERROR_INIT;

	(void)setenv("SPEC_KITTY_IN_HOOK", "1", 1);
	assert_int_equal(
		kt_submit(&scene->context, request, "test", &outcome, &err), KT_E_HOOK_REENTRY);
	assert_null(outcome);
	kt_json_free(request);
}

static void without_a_supervisor_a_watcher_is_told_so(void **state)
{
	struct scene *scene = *state;
	struct kt_client *client = NULL;
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_supervisor_connect(&scene->context, "watcher", &client, &err),
		KT_E_SUPERVISOR_ABSENT);
	assert_int_equal(kt_error_exit(err.code), KT_EXIT_NO_SUPERVISOR);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_request_goes_to_the_supervisor_with_an_id),
		SCENE_TEST(a_lost_answer_is_asked_for_again_with_the_same_id),
		SCENE_TEST(an_answer_lost_twice_is_told_as_unknown),
		SCENE_TEST(one_event_id_tells_all_of_a_request),
		SCENE_TEST(inside_a_hook_nothing_is_written),
		SCENE_TEST(without_a_supervisor_a_watcher_is_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
