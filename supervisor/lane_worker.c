/*
 * The worker's process and the frames it sends. Runs in the supervisor. A bad frame costs the lane
 * its worker, never the supervisor.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/fd.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "ipc/socket.h"
#include "ipc/subreaper.h"
#include "supervisor/supervisor_private.h"

enum { OUTPUT_LINE_MAX = 400, SWEEP_ROUNDS = 20, SWEEP_WAIT_MS = 20 };

/* ---- spawning ---- */

/* A killed worker leaves its lane's socket; its name comes from the lane's folder of logs. */
static void socket_remove(const struct kt_lane_run *run)
{
	char *log_dir = kt_format("%s/logs/%s", run->supervisor->launch->mission->run_dir, run->id);

	kt_socket_remove_stale(log_dir);
	free(log_dir);
}

static void on_worker_ended(evutil_socket_t fd, short what, void *arg)
{
	struct kt_lane_run *run = arg;
	struct kt_child_status status = {false, 0, 0, false};
	char text[64];

	(void)fd;
	(void)what;
	if (!kt_child_reap(&run->worker, &status)) {
		(void)event_add(run->worker_event, NULL);
		return;
	}
	kt_child_release(&run->worker);
	if (!status.exited)
		socket_remove(run);
	kt_child_describe(&status, text, sizeof text);
	kt_log(run->lane.state == KT_LANE_DRAINING ? KT_LOG_INFO : KT_LOG_WARN,
		"%s: worker %ld ended: %s", run->id, (long)run->worker_pid, text);
	kt_lane_run_input(run, KT_LANE_IN_GONE);
}

static void on_frame(struct kt_channel *channel, struct kt_frame *frame, void *arg)
{
	(void)channel;
	kt_lane_run_frame(arg, frame);
}

/* The end of the channel is the end of the worker: its pidfd tells when. */
static void on_closed(struct kt_channel *channel, const struct kt_error *err, void *arg)
{
	struct kt_lane_run *run = arg;

	(void)channel;
	if (err->code != KT_E_OK)
		kt_log_failure(KT_LOG_ERROR, err, "%s: the worker's channel", run->id);
	if (err->code != KT_E_OK && run->worker.pid > 0)
		kt_child_signal(&run->worker, SIGKILL, true);
}

/* Our environment and the marker by which everything below the worker is found. */
static char **environment_make(const char *marker)
{
	size_t len = 0;
	size_t kept = 0;
	char **out = NULL;

	while (environ[len] != NULL)
		len++;
	out = kt_realloc_array(NULL, len + 2, sizeof *out);
	for (size_t i = 0; i < len; i++)
		if (strncmp(environ[i], "SPEC_KITTY_SUPERVISOR=", 22) != 0)
			out[kept++] = environ[i];
	out[kept++] = (char *)(uintptr_t)marker;
	out[kept] = NULL;
	return out;
}

static enum kt_code spawn(struct kt_lane_run *run, const int fds[2], struct kt_error *err)
{
	struct kt_supervisor *supervisor = run->supervisor;
	const char *argv[] = {"kitty-worker", "--mission", supervisor->launch->mission->slug,
		"--lane", run->id, "--channel", NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	char **environment = environment_make(supervisor->marker);
	enum kt_code code = KT_E_OK;

	spec.path = supervisor->launch->worker;
	spec.argv = argv;
	spec.envp = (const char *const *)environment;
	spec.cwd = supervisor->launch->mission->repo_root;
	spec.stdout_fd = supervisor->log_fd;
	spec.stderr_fd = supervisor->log_fd;
	spec.pass_fds = fds;
	spec.pass_len = 2;
	spec.new_session = true;
	code = kt_child_start(&spec, &run->worker, err);
	free(environment);
	return code;
}

static void worker_adopt(struct kt_lane_run *run, int read_fd, int write_fd)
{
	static const struct kt_channel_callbacks callbacks = {on_frame, on_closed};

	run->channel = kt_channel_new(run->supervisor->base, read_fd, write_fd, &callbacks, run);
	run->worker_pid = run->worker.pid;
	run->worker_start_time = run->worker.start_time;
	run->worker_serial = ++run->supervisor->serial;
	run->has_hello = false;
	if (run->worker_event != NULL)
		event_free(run->worker_event);
	run->worker_event =
		event_new(run->supervisor->base, run->worker.pidfd, EV_READ, on_worker_ended, run);
	(void)event_add(run->worker_event, NULL);
}

enum kt_code kt_lane_worker_start(struct kt_lane_run *run, struct kt_error *err)
{
	int down[2] = {-1, -1}; /* supervisor -> worker */
	int up[2] = {-1, -1};
	int passed[2] = {-1, -1};
	enum kt_code code = KT_E_OK;

	if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0)
		code = kt_error_sys(err, KT_E_SPAWN_FAILED, errno, "pipes of %s", run->id);
	passed[0] = down[0];
	passed[1] = up[1];
	if (code == KT_E_OK)
		code = spawn(run, passed, err);
	kt_fd_close(&down[0]);
	kt_fd_close(&up[1]);
	if (code == KT_E_OK) {
		worker_adopt(run, up[0], down[1]);
	} else {
		kt_fd_close(&up[0]);
		kt_fd_close(&down[1]);
	}
	return code;
}

/* ---- frames ---- */

static void on_hello(struct kt_lane_run *run, struct kt_frame *frame)
{
	const struct kt_launch *launch = run->supervisor->launch;
	struct kt_json *answer = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int64_t version = 0;
	char *log_dir = NULL;

	if (!kt_json_get_int(frame->body, "version", &version) || version != KT_PROTOCOL_VERSION) {
		(void)kt_error_set(&err, KT_E_PROTOCOL_VERSION, "the worker of %s", run->id);
		kt_channel_send_error(run->channel, KT_MSG_HELLO_ANSWER, frame->request_id, &err);
		return;
	}
	answer = kt_json_new_object();
	log_dir = kt_format("%s/logs/%s", launch->mission->run_dir, run->id);
	kt_json_set_int(answer, "version", KT_PROTOCOL_VERSION);
	kt_json_set_string(answer, "lane", run->id);
	kt_json_set_string(answer, "mission", launch->mission->slug);
	kt_json_set_string(answer, "worktree", run->worktree);
	kt_json_set_string(answer, "log_dir", log_dir);
	kt_json_set_int(answer, "grace_ms", launch->config->agent_grace_ms);
	if (kt_json_get_string(frame->body, "lane_socket") != NULL)
		kt_json_set_string(
			answer, "lane_socket", kt_json_get_string(frame->body, "lane_socket"));
	if (kt_channel_send(run->channel, KT_MSG_HELLO_ANSWER, frame->request_id, answer, &err) ==
		KT_E_OK) {
		run->has_hello = true;
		kt_lane_run_input(run, KT_LANE_IN_HELLO);
	}
	kt_json_free(answer);
	free(log_dir);
}

static void on_output(struct kt_lane_run *run, struct kt_frame *frame)
{
	const char *line = kt_json_get_string(frame->body, "line");

	if (line == NULL)
		return;
	free(run->last_output);
	run->last_output = kt_strndup(line, strnlen(line, OUTPUT_LINE_MAX));
}

static void on_exited(struct kt_lane_run *run, struct kt_frame *frame)
{
	kt_job_ended(run, frame->body);
	frame->body = NULL;
}

static void on_ignored(struct kt_lane_run *run, struct kt_frame *frame)
{
	(void)run;
	(void)frame;
}

static void on_run_answer(struct kt_lane_run *run, struct kt_frame *frame)
{
	kt_job_run_answer(run, frame);
}

static const struct {
	unsigned message;
	bool before_hello;
	void (*handle)(struct kt_lane_run *run, struct kt_frame *frame);
} handlers[] = {
	{KT_MSG_HELLO_REQUEST, true, on_hello},
	{KT_MSG_RUN_ANSWER, false, on_run_answer},
	{KT_MSG_OUTPUT, false, on_output},
	{KT_MSG_EXITED, false, on_exited},
	{KT_MSG_KILL_ANSWER, false, on_ignored},
	{KT_MSG_SHUTDOWN_ANSWER, false, on_ignored},
	{KT_MSG_LANE_REQUEST, false, kt_dispatch_lane},
};

void kt_lane_run_frame(struct kt_lane_run *run, struct kt_frame *frame)
{
	for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
		if (handlers[i].message == frame->type &&
			handlers[i].before_hello == !run->has_hello) {
			handlers[i].handle(run, frame);
			return;
		}
	kt_log(KT_LOG_ERROR, "%s: the worker sent %s, which is not allowed here", run->id,
		kt_message_name(frame->type));
	if (run->worker.pid > 0)
		kt_child_signal(&run->worker, SIGKILL, true);
	else if (run->peer != NULL)
		kt_peer_close(run->peer);
}

/* ---- what a worker leaves behind ---- */

struct found {
	pid_t pids[1024];
	size_t len;
};

static void on_found(pid_t pid, void *arg)
{
	struct found *found = arg;

	if (found->len < sizeof found->pids / sizeof found->pids[0])
		found->pids[found->len++] = pid;
}

static bool is_among(const struct found *found, pid_t pid)
{
	for (size_t i = 0; i < found->len; i++)
		if (found->pids[i] == pid)
			return true;
	return false;
}

size_t kt_lane_sweep(const char *marker, const char *lane_id)
{
	struct found marked = {{0}, 0};
	struct found of_lane = {{0}, 0};
	char *lane = NULL;
	size_t killed = 0;

	if (marker == NULL || kt_processes_with_marker(marker, on_found, &marked) == 0)
		return 0;
	if (lane_id != NULL) {
		lane = kt_format("SPEC_KITTY_LANE=%s", lane_id);
		(void)kt_processes_with_marker(lane, on_found, &of_lane);
		free(lane);
	}
	for (size_t i = 0; i < marked.len; i++)
		if (marked.pids[i] != getpid() &&
			(lane_id == NULL || is_among(&of_lane, marked.pids[i]))) {
			(void)kill(marked.pids[i], SIGKILL);
			(void)kt_orphan_reap(marked.pids[i]);
			killed++;
		}
	return killed;
}

/* Marked, and below nobody that is ours: its end is no news to us. */
static void on_marked_killed(pid_t pid, void *arg)
{
	int64_t left = *(const int64_t *)arg - kt_clock_monotonic_ms();

	(void)kt_process_await(pid, 0, left > 0 ? (int)left : 0);
}

void kt_lane_sweep_all(const char *marker)
{
	for (int i = 0; i < SWEEP_ROUNDS; i++) {
		int64_t until = kt_clock_monotonic_ms() + SWEEP_WAIT_MS;
		size_t left = kt_lane_sweep(marker, NULL);

		left += kt_descendants_signal(SIGKILL);
		(void)kt_orphans_reap(NULL, 0);
		if (left == 0)
			return;
		kt_descendants_await(SWEEP_WAIT_MS);
		if (marker != NULL)
			(void)kt_processes_with_marker(marker, on_marked_killed, &until);
	}
}

/* What came to us while every worker was alive is no worker's: a worker keeps its own orphans. */
void kt_lane_orphans_note(struct kt_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->lanes_len; i++) {
		const struct kt_lane_run *run = supervisor->lanes[i];

		if (run->lane.state == KT_LANE_DEAD ||
			(run->worker.pid > 0 &&
				!kt_process_is_alive(run->worker.pid, run->worker.start_time)))
			return;
	}
	kt_orphans_note(&supervisor->orphans);
}
