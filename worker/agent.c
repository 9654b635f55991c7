/*
 * Starting an agent, feeding it its prompt, reading what it prints. Runs in the worker's loop. It
 * must never block on the agent: neither on one that does not read its input nor on a background
 * process that keeps its output open.
 */
#include "worker/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <event2/event.h>

#include "ipc/clock.h"
#include "ipc/fd.h"

#define READ_SIZE (64 << 10)
#define DRAIN_MAX (4 << 20)
#define AGENT_OOM_SCORE 500

void kt_agent_arm(struct event *event, int64_t delay_ms)
{
	struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = (delay_ms % 1000) * 1000};

	KT_BUG_UNLESS(event_add(event, &delay) == 0);
}

static void drop_event(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

/* ---- input
 * ---------------------------------------------------------------------------------------- */

static void close_input(struct kt_agent_process *agent)
{
	drop_event(&agent->input_event);
	kt_fd_close(&agent->input_fd);
	kt_buffer_release(&agent->input);
}

/* Writes what fits. An agent that closes its input without reading is none of our business. */
static void on_input_writable(evutil_socket_t fd, short what, void *arg)
{
	struct kt_agent_process *agent = arg;
	ssize_t n = kt_fd_write_quietly(
		fd, agent->input.data + agent->input_at, agent->input.len - agent->input_at);

	(void)what;
	if (n > 0)
		agent->input_at += (size_t)n;
	if (agent->input_at == agent->input.len || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_input(agent);
}

/* ---- output
 * --------------------------------------------------------------------------------------- */

/* Reads once; 0 at the end, -1 when nothing is there. */
static ssize_t read_some(struct kt_agent_process *agent)
{
	char bytes[READ_SIZE];
	ssize_t n = read(agent->output_fd, bytes, sizeof(bytes));

	if (n > 0)
		kt_output_write(&agent->output, bytes, (size_t)n);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return 0;
	return n;
}

static void close_output(struct kt_agent_process *agent)
{
	drop_event(&agent->output_event);
	kt_fd_close(&agent->output_fd);
}

static void on_output_readable(evutil_socket_t fd, short what, void *arg)
{
	struct kt_agent_process *agent = arg;
	ssize_t n = read_some(agent);

	(void)fd;
	(void)what;
	if (n == 0)
		close_output(agent);
	if (n > 0)
		agent->on_output(agent->arg);
}

/* What was printed before the end is there already: everything that could write is gone, or was
 * given up. */
static void drain(struct kt_agent_process *agent)
{
	for (ssize_t n = 1, sum = 0; agent->output_fd >= 0 && n > 0 && sum < DRAIN_MAX; sum += n)
		n = read_some(agent);
	close_output(agent);
}

/* ---- start
 * ---------------------------------------------------------------------------------------- */

static void on_child_end(evutil_socket_t fd, short what, void *arg)
{
	struct kt_agent_process *agent = arg;

	(void)fd;
	(void)what;
	if (agent->stage == KT_AGENT_RUNNING)
		kt_agent_ladder_begin(agent);
	kt_agent_ladder_step(agent);
}

static void on_time_out(evutil_socket_t fd, short what, void *arg)
{
	struct kt_agent_process *agent = arg;

	(void)fd;
	(void)what;
	if (agent->stage != KT_AGENT_RUNNING)
		return;
	agent->end.is_timed_out = true;
	kt_agent_ladder_begin(agent);
	kt_agent_ladder_step(agent);
}

static void on_ladder(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	kt_agent_ladder_step(arg);
}

static struct event *new_event(
	struct kt_agent_process *agent, int fd, short what, event_callback_fn call)
{
	struct event *event = event_new(agent->base, fd, what, call, agent);

	KT_BUG_UNLESS(event != NULL);
	return event;
}

static void watch(struct kt_agent_process *agent, const struct kt_agent_spec *spec)
{
	agent->child_event = new_event(agent, agent->child.pidfd, EV_READ, on_child_end);
	agent->output_event =
		new_event(agent, agent->output_fd, EV_READ | EV_PERSIST, on_output_readable);
	agent->ladder_event = new_event(agent, -1, EV_TIMEOUT, on_ladder);
	agent->timeout_event = new_event(agent, -1, EV_TIMEOUT, on_time_out);
	KT_BUG_UNLESS(event_add(agent->child_event, NULL) == 0);
	KT_BUG_UNLESS(event_add(agent->output_event, NULL) == 0);
	if (spec->timeout_ms > 0)
		kt_agent_arm(agent->timeout_event, spec->timeout_ms);
	if (agent->input_fd < 0)
		return;
	kt_buffer_append(&agent->input, spec->input, spec->input_len);
	agent->input_at = 0;
	agent->input_event =
		new_event(agent, agent->input_fd, EV_WRITE | EV_PERSIST, on_input_writable);
	KT_BUG_UNLESS(event_add(agent->input_event, NULL) == 0);
}

/* Our end does not block; the agent's end is an ordinary pipe. */
static enum kt_code make_pipe(int *ours, int *theirs, bool is_input, struct kt_error *err)
{
	int ends[2] = {-1, -1};

	if (pipe2(ends, O_CLOEXEC) != 0)
		return kt_error_sys(err, KT_E_SPAWN_FAILED, errno, "pipe for the agent");
	*ours = ends[is_input ? 1 : 0];
	*theirs = ends[is_input ? 0 : 1];
	if (!kt_fd_set_nonblocking(*ours))
		return kt_error_sys(err, KT_E_SPAWN_FAILED, errno, "pipe for the agent");
	return KT_E_OK;
}

/* When memory runs out, the agent goes before the worker and the supervisor. Best effort. */
static void offer_to_oom_killer(pid_t pid)
{
	char *path = kt_format("/proc/%d/oom_score_adj", (int)pid);
	char *text = kt_format("%d", (int)AGENT_OOM_SCORE);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
	kt_fd_close(&fd);
	free(text);
	free(path);
}

static enum kt_code spawn(
	struct kt_agent_process *agent, const struct kt_agent_spec *spec, struct kt_error *err)
{
	struct kt_child_spec child = KT_CHILD_SPEC_INIT;
	int stdin_fd = -1, stdout_fd = -1;
	enum kt_code code = make_pipe(&agent->output_fd, &stdout_fd, false, err);

	if (code == KT_E_OK && spec->input != NULL)
		code = make_pipe(&agent->input_fd, &stdin_fd, true, err);
	if (code == KT_E_OK) {
		child.path = spec->argv[0];
		child.argv = spec->argv;
		child.envp = spec->envp;
		child.cwd = spec->cwd;
		child.stdin_fd = stdin_fd >= 0 ? stdin_fd : KT_CHILD_NULL_FD;
		child.stdout_fd = child.stderr_fd = stdout_fd;
		child.new_session = true;
		code = kt_child_start(&child, &agent->child, err);
	}
	kt_fd_close(&stdin_fd);
	kt_fd_close(&stdout_fd);
	return code;
}

void kt_agent_init(struct kt_agent_process *agent, struct event_base *base,
	kt_agent_output_cb on_output, kt_agent_end_cb on_end, void *arg)
{
	memset(agent, 0, sizeof(*agent));
	agent->base = base;
	agent->on_output = on_output;
	agent->on_end = on_end;
	agent->arg = arg;
	agent->child.pidfd = -1;
	agent->input_fd = agent->output_fd = agent->output.fd = -1;
}

enum kt_code kt_agent_start(
	struct kt_agent_process *agent, const struct kt_agent_spec *spec, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	KT_BUG_UNLESS(agent->stage == KT_AGENT_IDLE);
	memset(&agent->end, 0, sizeof(agent->end));
	agent->is_child_gone = false;
	agent->grace_ms = spec->grace_ms;
	kt_output_close(&agent->output);
	code = kt_output_open(&agent->output, spec->log_dir, spec->log_name, 0, err);
	if (code == KT_E_OK)
		code = spawn(agent, spec, err);
	if (code != KT_E_OK) {
		close_input(agent);
		close_output(agent);
		kt_output_close(&agent->output);
		return code;
	}
	free(agent->marker);
	agent->marker = kt_strdup(spec->marker);
	agent->stage = KT_AGENT_RUNNING;
	offer_to_oom_killer(agent->child.pid);
	watch(agent, spec);
	return KT_E_OK;
}

void kt_agent_stop(struct kt_agent_process *agent, int grace_ms)
{
	int64_t kill_at_ms = kt_clock_monotonic_ms() + grace_ms;

	if (agent->stage == KT_AGENT_TERM && kill_at_ms < agent->kill_at_ms)
		agent->kill_at_ms = kill_at_ms;
	if (agent->stage != KT_AGENT_RUNNING)
		return;
	agent->end.is_stopped = true;
	agent->grace_ms = grace_ms;
	kt_agent_ladder_begin(agent);
	kt_agent_arm(agent->ladder_event, 0); /* not from inside the caller's own work */
}

bool kt_agent_is_idle(const struct kt_agent_process *agent)
{
	return agent->stage == KT_AGENT_IDLE;
}

/* End of the ladder. The events are freed here, last thing before the owner hears of it. */
void kt_agent_finish(struct kt_agent_process *agent)
{
	drain(agent);
	close_input(agent);
	drop_event(&agent->child_event);
	drop_event(&agent->timeout_event);
	drop_event(&agent->ladder_event);
	kt_child_release(&agent->child);
	agent->child.pid = 0;
	agent->stage = KT_AGENT_IDLE;
	agent->on_end(&agent->end, agent->arg);
}

void kt_agent_release(struct kt_agent_process *agent)
{
	KT_BUG_UNLESS(agent->stage == KT_AGENT_IDLE);
	kt_output_close(&agent->output);
	free(agent->marker);
	agent->marker = NULL;
}
