/*
 * Sockets and the blocking client, against servers in forked processes that behave and misbehave.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "ipc/client.h"
#include "ipc/clock.h"
#include "ipc/fd.h"
#include "ipc/file.h"
#include "ipc/message.h"
#include "ipc/socket.h"

static char *sandbox;

struct server {
	char *path;
	pid_t pid;
};

/* What the server does with one connection after HELLO; runs in the server's process. */
typedef void (*serve_cb)(int fd, struct kt_frame_decoder *decoder);

/* The server's waits have an end, so that a failing test leaves no process. */
static struct kt_frame next_request(int fd, struct kt_frame_decoder *decoder)
{
	struct kt_frame frame = KT_FRAME_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool has_frame = false;
	char bytes[4096];

	for (;;) {
		ssize_t len;

		if (kt_frame_decoder_next(decoder, &frame, &has_frame, &err) != KT_E_OK)
			_exit(3);
		if (has_frame)
			return frame;
		if (!kt_fd_wait(fd, POLLIN, 10000))
			_exit(4);
		len = read(fd, bytes, sizeof bytes);
		if (len <= 0)
			_exit(0);
		kt_frame_decoder_feed(decoder, bytes, (size_t)len);
	}
}

static void reply(int fd, unsigned type, uint64_t id, const struct kt_json *body)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_frame_encode((uint16_t)type, id, body, &bytes, &err) != KT_E_OK)
		_exit(5);
	if (kt_file_write_all(fd, bytes.data, bytes.len) != 0)
		_exit(6);
	kt_buffer_release(&bytes);
}

static void answer_hello(int fd, struct kt_frame_decoder *decoder)
{
	struct kt_frame frame = next_request(fd, decoder);

	if (frame.type != KT_MSG_HELLO_REQUEST)
		_exit(7);
	reply(fd, KT_MSG_HELLO_ANSWER, frame.request_id, frame.body);
	kt_frame_release(&frame);
}

static struct server start_server(serve_cb serve, bool says_hello)
{
	struct kt_frame_decoder decoder = KT_FRAME_DECODER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct server server = {NULL, 0};
	int listener = -1, fd = -1;

	assert_int_equal(kt_socket_listen("test", &server.path, &listener, &err), KT_E_OK);
	server.pid = fork();
	if (server.pid == 0) {
		(void)kt_fd_wait(listener, POLLIN, 10000);
		if (kt_socket_accept(listener, &fd, &err) != KT_E_OK || fd < 0)
			_exit(2);
		(void)fcntl(fd, F_SETFL, 0);
		if (says_hello)
			answer_hello(fd, &decoder);
		serve(fd, &decoder);
		_exit(0);
	}
	(void)close(listener);
	return server;
}

static void end_server(struct server *server)
{
	int status = -1;

	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	assert_int_equal(status, 0);
	(void)unlink(server->path);
	free(server->path);
}

static enum kt_code open_client(const char *path, struct kt_client **client, struct kt_error *err)
{
	struct kt_json *hello = kt_json_new_object();
	enum kt_code code;

	kt_json_set_string(hello, "role", "client");
	code = kt_client_open(path, hello, client, err);
	kt_json_free(hello);
	return code;
}

static struct kt_client *connected(const struct server *server)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_client *client = NULL;

	if (open_client(server->path, &client, &err) != KT_E_OK)
		fail_msg("%s: %s", kt_error_text(err.code), err.detail);
	return client;
}

/* Pushes an event before the answer and one after it. */
static void serve_one_with_pushes(int fd, struct kt_frame_decoder *decoder)
{
	struct kt_frame frame = next_request(fd, decoder);

	reply(fd, KT_MSG_EVENT, 0, NULL);
	reply(fd, kt_message_answer_of(frame.type), frame.request_id, frame.body);
	reply(fd, KT_MSG_SNAPSHOT, 0, NULL);
	(void)next_request(fd, decoder);
}

static void a_call_gets_its_answer_and_pushed_frames_are_kept_in_order(void **state)
{
	struct server server = start_server(serve_one_with_pushes, true);
	struct kt_client *client = connected(&server);
	struct kt_json *body = kt_json_new_object(), *answer = NULL;
	struct kt_frame frame = KT_FRAME_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool has_frame = false;
	int64_t pid = 0;

	(void)state;
	assert_true(kt_json_get_int(kt_client_hello(client), "pid", &pid));
	assert_int_equal(pid, getpid());
	assert_string_equal(kt_json_get_string(kt_client_hello(client), "role"), "client");
	kt_json_set_int(body, "n", 42);
	assert_int_equal(
		kt_client_call(client, KT_MSG_STATUS_REQUEST, body, 10000, &answer, &err), KT_E_OK);
	assert_true(kt_json_equal(answer, body));
	assert_int_equal(kt_client_receive(client, 10000, &frame, &has_frame, &err), KT_E_OK);
	assert_true(has_frame && frame.type == KT_MSG_EVENT);
	kt_frame_release(&frame);
	assert_int_equal(kt_client_receive(client, 10000, &frame, &has_frame, &err), KT_E_OK);
	assert_true(has_frame && frame.type == KT_MSG_SNAPSHOT);
	kt_frame_release(&frame);
	assert_int_equal(kt_client_receive(client, 20, &frame, &has_frame, &err), KT_E_OK);
	assert_false(has_frame);
	kt_json_free(body);
	kt_json_free(answer);
	kt_client_close(client);
	end_server(&server);
}

static void serve_push_then_answer_together(int fd, struct kt_frame_decoder *decoder)
{
	struct kt_frame frame = next_request(fd, decoder);
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_frame_encode((uint16_t)kt_message_answer_of(frame.type), frame.request_id, NULL,
		    &bytes, &err) != KT_E_OK ||
		kt_frame_encode(KT_MSG_RUN_REQUEST, 77, NULL, &bytes, &err) != KT_E_OK)
		_exit(8);
	(void)kt_file_write_all(fd, bytes.data, bytes.len);
	(void)next_request(fd, decoder);
}

static void a_descriptor_taken_over_loses_no_byte(void **state)
{
	struct server server = start_server(serve_push_then_answer_together, true);
	struct kt_client *client = connected(&server);
	struct kt_frame_decoder decoder = KT_FRAME_DECODER_INIT;
	struct kt_buffer received = KT_BUFFER_INIT;
	struct kt_frame frame = KT_FRAME_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *answer = NULL;
	bool has_frame = false;
	int fd;

	(void)state;
	assert_int_equal(
		kt_client_call(client, KT_MSG_CLAIM_LANE_REQUEST, NULL, 10000, &answer, &err),
		KT_E_OK);
	fd = kt_client_take_fd(client, &received);
	kt_frame_decoder_feed(&decoder, kt_buffer_text(&received), received.len);
	assert_int_equal(kt_frame_decoder_next(&decoder, &frame, &has_frame, &err), KT_E_OK);
	assert_true(has_frame && frame.type == KT_MSG_RUN_REQUEST && frame.request_id == 77);
	kt_frame_release(&frame);
	kt_frame_decoder_release(&decoder);
	kt_buffer_release(&received);
	kt_json_free(answer);
	(void)close(fd);
	end_server(&server);
}

static void serve_by_leaving_after_the_request(int fd, struct kt_frame_decoder *decoder)
{
	struct kt_frame frame = next_request(fd, decoder);

	kt_frame_release(&frame);
	(void)close(fd);
}

static void a_connection_that_breaks_after_sending_leaves_the_outcome_unknown(void **state)
{
	struct server server = start_server(serve_by_leaving_after_the_request, true);
	struct kt_client *client = connected(&server);
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *answer = NULL;

	(void)state;
	assert_int_equal(kt_client_call(client, KT_MSG_APPEND_REQUEST, NULL, 10000, &answer, &err),
		KT_E_OUTCOME_UNKNOWN);
	assert_null(answer);
	kt_client_close(client);
	end_server(&server);
}

static void serve_garbage(int fd, struct kt_frame_decoder *decoder)
{
	(void)next_request(fd, decoder);
	(void)kt_file_write_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	(void)next_request(fd, decoder);
}

static void serve_pushes_without_end(int fd, struct kt_frame_decoder *decoder)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	(void)next_request(fd, decoder);
	for (int i = 0; i < 5000; i++)
		if (kt_frame_encode(KT_MSG_EVENT, 0, NULL, &bytes, &err) != KT_E_OK)
			_exit(8);
	(void)kt_file_write_all(fd, bytes.data, bytes.len); /* the client may leave before */
	(void)next_request(fd, decoder);
}

static void serve_what_it_cannot_read(int fd, struct kt_frame_decoder *decoder)
{
	struct kt_error refusal = KT_ERROR_INIT;

	(void)next_request(fd, decoder);
	(void)kt_error_set(&refusal, KT_E_FRAME_TOO_LARGE, "too much");
	reply(fd, KT_MSG_HELLO_ANSWER, 0, kt_message_error_encode(&refusal));
	(void)next_request(fd, decoder);
}

static void an_answer_that_is_none_leaves_the_outcome_unknown_a_refusal_does_not(void **state)
{
	static const struct {
		serve_cb serve;
		enum kt_code code;
	} rows[] = {
		{serve_garbage, KT_E_OUTCOME_UNKNOWN},
		{serve_pushes_without_end, KT_E_OUTCOME_UNKNOWN},
		{serve_what_it_cannot_read, KT_E_FRAME_TOO_LARGE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct server server = start_server(rows[i].serve, true);
		struct kt_client *client = connected(&server);
		struct kt_error err = KT_ERROR_INIT;
		struct kt_json *answer = NULL;

		assert_int_equal(
			kt_client_call(client, KT_MSG_APPEND_REQUEST, NULL, 30000, &answer, &err),
			rows[i].code);
		assert_null(answer);
		kt_client_close(client);
		end_server(&server);
	}
}

static void serve_by_silence(int fd, struct kt_frame_decoder *decoder)
{
	(void)next_request(fd, decoder);
	(void)next_request(fd, decoder);
}

static void an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown(void **state)
{
	struct server server = start_server(serve_by_silence, true);
	struct kt_client *client = connected(&server);
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *answer = NULL;
	int64_t start = kt_clock_monotonic_ms();

	(void)state;
	assert_int_equal(kt_client_call(client, KT_MSG_APPEND_REQUEST, NULL, 50, &answer, &err),
		KT_E_OUTCOME_UNKNOWN);
	assert_true(kt_clock_monotonic_ms() - start < 10000);
	kt_client_close(client);
	end_server(&server);
}

static void serve_by_leaving(int fd, struct kt_frame_decoder *decoder)
{
	(void)decoder;
	(void)close(fd);
}

static void a_peer_that_leaves_before_hello_is_no_supervisor(void **state)
{
	struct server server = start_server(serve_by_leaving, false);
	struct kt_client *client = NULL;
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(open_client(server.path, &client, &err), KT_E_SUPERVISOR_ABSENT);
	assert_null(client);
	end_server(&server);
}

static void serve_a_refusal(int fd, struct kt_frame_decoder *decoder)
{
	struct kt_error refusal = KT_ERROR_INIT;

	(void)decoder;
	(void)kt_error_set(&refusal, KT_E_SUPERVISOR_STOPPING, "soon");
	reply(fd, KT_MSG_HELLO_ANSWER, 0, kt_message_error_encode(&refusal));
	(void)next_request(fd, decoder);
}

static void a_refused_hello_gives_the_peers_own_error(void **state)
{
	struct server server = start_server(serve_a_refusal, false);
	struct kt_client *client = NULL;
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(open_client(server.path, &client, &err), KT_E_SUPERVISOR_STOPPING);
	assert_string_equal(err.detail, "soon");
	end_server(&server);
}

static void serve_another_version(int fd, struct kt_frame_decoder *decoder)
{
	static const char other[] = "\0\0\0\2\0\3\0\2\0\0\0\0\0\0\0\1{}";

	(void)kt_file_write_all(fd, other, sizeof other - 1);
	(void)next_request(fd, decoder);
	(void)next_request(fd, decoder);
}

static void a_peer_of_another_version_is_told_as_such(void **state)
{
	struct server server = start_server(serve_another_version, false);
	struct kt_client *client = NULL;
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(open_client(server.path, &client, &err), KT_E_PROTOCOL_VERSION);
	end_server(&server);
}

static void nobody_listening_means_no_supervisor(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_client *client = NULL;
	char *path = NULL;
	int listener = -1;

	(void)state;
	assert_int_equal(open_client("/no/such/socket", &client, &err), KT_E_SUPERVISOR_ABSENT);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_int_equal(kt_socket_listen("stale", &path, &listener, &err), KT_E_OK);
	(void)close(listener);
	assert_int_equal(open_client(path, &client, &err), KT_E_SUPERVISOR_ABSENT);
	assert_int_equal(err.sys_errno, ECONNREFUSED);
	/* A stale socket is no obstacle to the next supervisor. */
	free(path);
	assert_int_equal(kt_socket_listen("stale", &path, &listener, &err), KT_E_OK);
	(void)close(listener);
	(void)unlink(path);
	free(path);
}

static void a_socket_is_private_short_named_and_closed_on_exec(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	char *first = NULL, *second = NULL, *parent;
	int one = -1, two = -1, none = 0;
	struct stat found;

	(void)state;
	assert_int_equal(kt_socket_listen("/repo a", &first, &one, &err), KT_E_OK);
	assert_int_equal(kt_socket_listen("/repo b", &second, &two, &err), KT_E_OK);
	assert_string_not_equal(first, second);
	assert_int_equal(stat(first, &found), 0);
	assert_true(S_ISSOCK(found.st_mode) && (found.st_mode & 0777) == 0600);
	parent = kt_path_parent(first);
	assert_int_equal(stat(parent, &found), 0);
	assert_int_equal(found.st_mode & 0777, 0700);
	assert_true(fcntl(one, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(kt_socket_accept(one, &none, &err), KT_E_OK);
	assert_int_equal(none, -1);
	(void)close(one);
	(void)close(two);
	assert_int_equal(unlink(first) + unlink(second), 0);
	free(parent);
	free(first);
	free(second);
}

static void a_path_longer_than_an_address_is_listened_on_and_reached(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	char *runtime, *path = NULL;
	int listener = -1, client = -1, server = -1;
	pid_t pid = 0;
	uid_t uid = 0;
	char name[120];

	(void)state;
	memset(name, 'd', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	runtime = kt_path_join(sandbox, name);
	assert_int_equal(kt_folder_make(runtime, 0700, &err), KT_E_OK);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", runtime, 1), 0);
	assert_int_equal(kt_socket_listen("long", &path, &listener, &err), KT_E_OK);
	assert_true(strlen(path) > 108);
	assert_int_equal(kt_socket_connect(path, &client, &err), KT_E_OK);
	assert_int_equal(kt_socket_accept(listener, &server, &err), KT_E_OK);
	assert_true(kt_peer_credentials(server, &pid, &uid));
	assert_int_equal(pid, getpid());
	assert_int_equal(uid, geteuid());
	(void)close(client);
	(void)close(server);
	(void)close(listener);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", sandbox, 1), 0);
	free(path);
	free(runtime);
}

static void a_folder_that_is_not_ours_alone_is_refused(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	char *runtime = kt_path_join(sandbox, "foreign"), *folder = kt_path_join(runtime, "kitty");
	char *path = NULL;
	int listener = -1;

	(void)state;
	assert_int_equal(kt_folder_make(folder, 0700, &err), KT_E_OK);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", runtime, 1), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(kt_socket_listen("x", &path, &listener, &err), KT_E_PEER_REFUSED);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(symlink(sandbox, folder), 0);
	assert_int_equal(kt_socket_listen("x", &path, &listener, &err), KT_E_PEER_REFUSED);
	if (geteuid() == 0) {
		assert_int_equal(unlink(folder), 0);
		assert_int_equal(mkdir(folder, 0700), 0);
		assert_int_equal(chown(folder, 12345, 12345), 0);
		assert_int_equal(kt_socket_listen("x", &path, &listener, &err), KT_E_PEER_REFUSED);
	}
	assert_null(path);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", sandbox, 1), 0);
	free(runtime);
	free(folder);
}

/* Whoever got hold of the socket all the same, its modes changed: the kernel says who they are. */
static void another_users_process_is_not_accepted(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	char *path = NULL, *folder;
	int listener = -1, fd = -1, peer = -1, status = 0;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip(); /* only root can be somebody else */
	assert_int_equal(kt_socket_listen("/repo peer", &path, &listener, &err), KT_E_OK);
	folder = kt_path_parent(path);
	assert_int_equal(chmod(sandbox, 0711) + chmod(folder, 0711) + chmod(path, 0666), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};

		(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (setresuid(12345, 12345, 12345) != 0 ||
			connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(kt_socket_accept(listener, &peer, &err), KT_E_PEER_REFUSED);
	assert_int_equal(peer, -1);
	assert_int_equal(chmod(folder, 0700) + chmod(sandbox, 0700), 0);
	(void)close(listener);
	assert_int_equal(unlink(path), 0);
	free(folder);
	free(path);
}

static int make_sandbox(void **state)
{
	char template[] = "/tmp/kitty-test-XXXXXX";

	(void)state;
	sandbox = kt_strdup(mkdtemp(template));
	return sandbox == NULL ? -1 : setenv("XDG_RUNTIME_DIR", sandbox, 1);
}

static int remove_sandbox(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = kt_folder_remove_tree(sandbox, &err);

	(void)state;
	free(sandbox);
	return code == KT_E_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_gets_its_answer_and_pushed_frames_are_kept_in_order),
		cmocka_unit_test(a_descriptor_taken_over_loses_no_byte),
		cmocka_unit_test(a_connection_that_breaks_after_sending_leaves_the_outcome_unknown),
		cmocka_unit_test(an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown),
		cmocka_unit_test(
			an_answer_that_is_none_leaves_the_outcome_unknown_a_refusal_does_not),
		cmocka_unit_test(a_peer_that_leaves_before_hello_is_no_supervisor),
		cmocka_unit_test(a_refused_hello_gives_the_peers_own_error),
		cmocka_unit_test(a_peer_of_another_version_is_told_as_such),
		cmocka_unit_test(nobody_listening_means_no_supervisor),
		cmocka_unit_test(a_socket_is_private_short_named_and_closed_on_exec),
		cmocka_unit_test(a_path_longer_than_an_address_is_listened_on_and_reached),
		cmocka_unit_test(a_folder_that_is_not_ours_alone_is_refused),
		cmocka_unit_test(another_users_process_is_not_accepted),
	};

	return cmocka_run_group_tests(tests, make_sandbox, remove_sandbox);
}
