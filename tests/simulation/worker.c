/*
 * kitty-worker and its agent as the supervisor meets them: what they say, when they say it, and how
 * they go wrong. Test program only. A worker that is killed leaves its agent behind; that one goes
 * on until somebody finds it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/fd.h"
#include "ipc/message.h"
#include "simulation/simulation.h"
#include "supervisor/transaction/request.h"

enum { GRACE_MS = 5000, AGENT_MS_MAX = 20000, NOTES_MAX = 3, AGAIN_MS = 2, TIMEOUT_MS = 900000 };

struct agent;

struct worker {
	struct sim_process *process;
	int read_fd, write_fd;
	struct kt_frame_decoder decoder;
	struct kt_buffer out; /* not written yet */
	bool is_flushing, is_stopping, is_deaf;
	uint64_t last_id, shutdown_id;
	struct agent *agent;
};

struct agent {
	struct sim_process *process;
	struct worker *worker; /* NULL: it is gone */
	char *wp;
	int64_t attempt;
	bool is_review, is_stopped, is_timed_out, ignores_term;
	unsigned notes;
	uint64_t asked;  /* the request that waits for its answer; 0: none */
	bool is_foreign; /* that request touches somebody else's work package */
};

/* ---- sending ---- */

static void flush(void *arg)
{
	struct worker *worker = arg;
	/* Now and then in pieces: the other end must put frames together again. */
	size_t len = worker->out.len > 1 && sim_chance(20) ? 1 + sim_below(worker->out.len)
							   : worker->out.len;
	ssize_t written = len == 0 ? 0 : write(worker->write_fd, worker->out.data, len);

	worker->is_flushing = false;
	if (written > 0)
		kt_buffer_consume(&worker->out, (size_t)written);
	else if (written < 0 && errno != EAGAIN)
		kt_buffer_clear(&worker->out);
	if (worker->out.len > 0) {
		worker->is_flushing = true;
		sim_later(AGAIN_MS, flush, worker);
	}
}

static void send(struct worker *worker, unsigned type, uint64_t id, const struct kt_json *body)
{
	struct kt_error err = KT_ERROR_INIT;

	sim_trace("worker %d: %s", (int)worker->process->pid, kt_message_name(type));
	if (kt_frame_encode((uint16_t)type, id, body, &worker->out, &err) != KT_E_OK)
		sim_broken("a worker cannot say %s", kt_message_name(type));
	if (!worker->is_flushing)
		flush(worker);
}

static void garbage(struct worker *worker)
{
	static const char *const kinds[] = {"\377\377\377\377garbage, and more of it",
		"\0\0\0\5\0\30\0\1\0\0\0\0\0\0\0\1{\"a\"}", "\0\0\0\2\0\2\0\7\0\0\0\0\0\0\0\1{}"};
	static const size_t lens[] = {28, 21, 18};
	size_t which = sim_below(3);

	sim_trace("worker %d: garbage %zu", (int)worker->process->pid, which);
	kt_buffer_append(&worker->out, kinds[which], lens[which]);
	if (!worker->is_flushing)
		flush(worker);
}

/* ---- the agent ---- */

static void agent_gone(struct sim_process *process)
{
	struct agent *agent = process->model;

	sim_forget(agent);
	process->model = NULL;
	if (agent->worker != NULL)
		agent->worker->agent = NULL;
	free(agent->wp);
	free(agent);
}

static void worker_exit(void *arg)
{
	struct worker *worker = arg;

	sim_process_end(worker->process, 0, 0);
}

static void worker_finish(struct worker *worker)
{
	if (worker->shutdown_id != 0)
		send(worker, KT_MSG_SHUTDOWN_ANSWER, worker->shutdown_id, NULL);
	sim_later(5 + (int64_t)sim_below(20), worker_exit, worker);
}

/* The worker's SIGCHLD: it says how the agent ended. */
static void agent_end(struct agent *agent, int exit_code, int signal_number)
{
	struct worker *worker = agent->worker;
	struct kt_json *body = kt_json_new_object();

	kt_json_set_string(body, "wp", agent->wp);
	kt_json_set_int(body, "attempt", agent->attempt);
	kt_json_set_bool(body, "exited", signal_number == 0);
	kt_json_set_int(body, "exit_code", exit_code);
	kt_json_set_int(body, "signal", signal_number);
	kt_json_set_bool(body, "timed_out", agent->is_timed_out);
	kt_json_set_bool(body, "stopped", agent->is_stopped);
	sim_process_end(agent->process, exit_code, signal_number);
	if (worker != NULL && worker->process->is_alive) {
		send(worker, KT_MSG_EXITED, ++worker->last_id, body);
		if (worker->is_stopping)
			worker_finish(worker);
	}
	kt_json_free(body);
}

static void agent_kill(void *arg)
{
	struct agent *agent = arg;

	agent_end(agent, 0, SIGKILL);
}

static void agent_obey(void *arg)
{
	struct agent *agent = arg;

	agent_end(agent, 0, SIGTERM);
}

/* TERM, grace, KILL: the worker's ladder. */
static void agent_stop(struct agent *agent)
{
	if (!agent->ignores_term)
		sim_later((int64_t)sim_below(200), agent_obey, agent);
	sim_later(GRACE_MS, agent_kill, agent);
}

static void agent_time_out(void *arg)
{
	struct agent *agent = arg;

	agent->is_timed_out = true;
	agent_stop(agent);
}

static struct kt_json *agent_note(struct agent *agent, const char *wp)
{
	struct kt_json *request = kt_request_new("note");
	struct kt_json *delta = kt_json_new_object();

	kt_json_set_string(delta, "note", "from the agent");
	(void)kt_request_add_annotation(request, wp, "agent", delta);
	agent->is_foreign = strcmp(wp, agent->wp) != 0;
	return request;
}

static struct kt_json *agent_move(struct agent *agent)
{
	struct kt_json *request = kt_request_new("move");
	enum kt_status to = sim_chance(70) ? KT_STATUS_FOR_REVIEW : KT_STATUS_APPROVED;

	(void)kt_request_add_move(request, agent->wp, to, "agent");
	/* Nobody approves from inside a lane; a reviewer moves nothing. */
	agent->is_foreign = to == KT_STATUS_APPROVED || agent->is_review;
	return request;
}

/* A work package of another lane; its own where there is none. */
static const char *foreign_wp(const struct agent *agent)
{
	size_t own = sim_lane_index(agent->process->lane);

	for (size_t i = 0; i < sim.plan.wps_len; i++)
		if (sim.plan.lane_of[i] != own)
			return sim_wp(i);
	return agent->wp;
}

static void agent_ask(void *arg)
{
	struct agent *agent = arg;
	struct kt_json *body = NULL;
	struct kt_json *request = NULL;

	if (agent->worker == NULL || agent->asked != 0 || agent->worker->is_stopping)
		return;
	body = kt_json_new_object();
	if (sim_fault(8))
		request = agent_move(agent);
	else
		request = agent_note(agent, sim_fault(6) ? foreign_wp(agent) : agent->wp);
	agent->asked = ++agent->worker->last_id;
	kt_json_set_int(body, "type", KT_MSG_APPEND_REQUEST);
	kt_json_set(body, "body", request);
	kt_json_set_int(body, "peer_pid", agent->process->pid);
	send(agent->worker, KT_MSG_LANE_REQUEST, agent->asked, body);
	kt_json_free(body);
}

static void on_lane_answer(struct worker *worker, const struct kt_frame *frame)
{
	struct agent *agent = worker->agent;
	const struct kt_json *outcome = kt_json_get(frame->body, "body");
	const struct kt_json *ids = kt_json_get(kt_json_get(outcome, "receipt"), "event_ids");

	for (const struct kt_json *id = kt_json_first(ids); id != NULL; id = kt_json_next(id))
		sim_check_acknowledged(kt_json_string(id));
	if (agent == NULL || frame->request_id != agent->asked)
		return;
	if (agent->is_foreign && ids != NULL)
		sim_broken("the agent of %s was allowed what its lane may not", agent->wp);
	agent->asked = 0;
}

static void agent_end_by_itself(void *arg)
{
	struct agent *agent = arg;
	/* Not 125: such an agent is not tried again, and the mission would rightly stay open. */
	static const int codes[] = {1, 3, 124, 0};

	if (sim_fault(10))
		agent_end(agent, 0, sim_chance(50) ? SIGSEGV : SIGKILL);
	else if (sim_fault(20))
		agent_end(agent, codes[sim_below(4)], 0);
	else
		agent_end(agent, 0, 0);
}

static char *environment_get(const struct kt_json *body, const char *name)
{
	size_t len = strlen(name);

	for (const struct kt_json *at = kt_json_first(kt_json_get(body, "environment")); at != NULL;
		at = kt_json_next(at))
		if (strncmp(kt_json_string(at), name, len) == 0)
			return kt_strdup(kt_json_string(at));
	return NULL;
}

static struct agent *agent_new(struct worker *worker, const struct kt_json *body)
{
	struct agent *agent = kt_alloc(sizeof *agent);
	char *role = environment_get(body, "SPEC_KITTY_ROLE=");
	char *lane = environment_get(body, "SPEC_KITTY_LANE=");

	agent->process = sim_process_new(SIM_AGENT, worker->process->pid);
	agent->process->model = agent;
	agent->process->on_gone = agent_gone;
	agent->process->marker = environment_get(body, "SPEC_KITTY_SUPERVISOR=");
	agent->process->lane = kt_strdup(lane == NULL ? "?" : lane + 16);
	agent->worker = worker;
	agent->wp = kt_strdup(kt_json_get_string(body, "wp"));
	(void)kt_json_get_int(body, "attempt", &agent->attempt);
	agent->is_review = role != NULL && strstr(role, "reviewer") != NULL;
	agent->ignores_term = sim_fault(20);
	free(lane);
	free(role);
	return agent;
}

static void worker_die(void *arg);

static void on_run(struct worker *worker, const struct kt_frame *frame)
{
	struct kt_json *answer = kt_json_new_object();
	struct kt_error err = KT_ERROR_INIT;
	struct agent *agent = NULL;

	if (worker->agent != NULL)
		sim_broken("a second RUN to a worker whose agent runs");
	if (sim_fault(6)) {
		struct kt_json *body = NULL;

		(void)kt_error_set(&err, KT_E_SPAWN_FAILED, "no such agent");
		body = kt_message_error_encode(&err);
		send(worker, KT_MSG_RUN_ANSWER, frame->request_id, body);
		kt_json_free(body);
		kt_json_free(answer);
		return;
	}
	agent = worker->agent = agent_new(worker, frame->body);
	sim_trace("agent %d: %s of %s attempt %lld", (int)agent->process->pid,
		agent->is_review ? "review" : "work", agent->wp, (long long)agent->attempt);
	kt_json_set_int(answer, "pid", agent->process->pid);
	/* Dead before it could say whom it started: nobody knows that agent's pid. */
	if (sim_fault(3))
		sim_later(0, worker_die, worker);
	else
		send(worker, KT_MSG_RUN_ANSWER, frame->request_id, answer);
	kt_json_free(answer);
	for (unsigned i = (unsigned)sim_below(NOTES_MAX + 1); i > 0; i--)
		sim_later((int64_t)sim_below(AGENT_MS_MAX), agent_ask, agent);
	if (sim_fault(8))
		sim_later(TIMEOUT_MS, agent_time_out, agent);
	else
		sim_later((int64_t)sim_below(AGENT_MS_MAX), agent_end_by_itself, agent);
}

/* ---- the worker ---- */

static void worker_stop(struct worker *worker)
{
	if (worker->is_stopping)
		return;
	worker->is_stopping = true;
	if (worker->agent == NULL) {
		worker_finish(worker);
		return;
	}
	worker->agent->is_stopped = true;
	agent_stop(worker->agent);
}

static void on_shutdown(struct worker *worker, const struct kt_frame *frame)
{
	worker->shutdown_id = frame->request_id;
	worker_stop(worker);
}

static void on_nothing(struct worker *worker, const struct kt_frame *frame)
{
	(void)worker;
	(void)frame;
}

static const struct {
	unsigned type;
	void (*handle)(struct worker *worker, const struct kt_frame *frame);
} handlers[] = {
	{KT_MSG_HELLO_ANSWER, on_nothing},
	{KT_MSG_RUN_REQUEST, on_run},
	{KT_MSG_SHUTDOWN_REQUEST, on_shutdown},
	{KT_MSG_LANE_ANSWER, on_lane_answer},
};

static void frame_handle(struct worker *worker, const struct kt_frame *frame)
{
	for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
		if (handlers[i].type == frame->type) {
			handlers[i].handle(worker, frame);
			return;
		}
	sim_broken("a worker is sent %s", kt_message_name(frame->type));
}

static void on_readable(void *arg)
{
	struct worker *worker = arg;
	char bytes[65536];
	ssize_t len = read(worker->read_fd, bytes, sizeof bytes);
	struct kt_frame frame = KT_FRAME_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool has_frame = true;

	if (len <= 0) {
		sim_unwatch(worker->read_fd);
		worker_stop(worker);
		return;
	}
	kt_frame_decoder_feed(&worker->decoder, bytes, (size_t)len);
	while (worker->process->is_alive && has_frame) {
		if (kt_frame_decoder_next(&worker->decoder, &frame, &has_frame, &err) != KT_E_OK)
			sim_broken("the supervisor sent a bad frame: %s", err.detail);
		if (has_frame && !worker->is_deaf)
			frame_handle(worker, &frame);
		kt_frame_release(&frame);
	}
}

static void worker_gone(struct sim_process *process)
{
	struct worker *worker = process->model;

	sim_forget(worker);
	if (worker->agent != NULL)
		worker->agent->worker = NULL;
	kt_fd_close(&worker->read_fd);
	kt_fd_close(&worker->write_fd);
	kt_frame_decoder_release(&worker->decoder);
	kt_buffer_release(&worker->out);
	process->model = NULL;
	free(worker);
}

static void worker_die(void *arg)
{
	struct worker *worker = arg;

	if (sim_chance(50))
		sim_process_end(worker->process, 0, SIGKILL);
	else
		sim_process_end(worker->process, 70, 0);
}

static void worker_babble(void *arg)
{
	garbage(arg);
}

static void worker_hello(void *arg)
{
	struct worker *worker = arg;
	struct kt_json *body = kt_json_new_object();

	kt_json_set_int(body, "version", sim_fault(1) ? 99 : KT_PROTOCOL_VERSION);
	kt_json_set_string(body, "role", "worker");
	kt_json_set_int(body, "pid", worker->process->pid);
	send(worker, KT_MSG_HELLO_REQUEST, ++worker->last_id, body);
	kt_json_free(body);
	if (sim_fault(10))
		sim_later((int64_t)sim_below(AGENT_MS_MAX), worker_die, worker);
	else if (sim_fault(4))
		sim_later((int64_t)sim_below(AGENT_MS_MAX), worker_babble, worker);
}

static void worker_term(struct sim_process *process, int number)
{
	if (number == SIGTERM || number == SIGINT || number == SIGHUP)
		worker_stop(process->model);
}

void sim_worker_start(struct sim_process *process, const struct kt_child_spec *spec)
{
	struct worker *worker = kt_alloc(sizeof *worker);

	KT_BUG_UNLESS(spec->pass_len == 2);
	worker->process = process;
	worker->read_fd = sim_fd_keep(spec->pass_fds[0], false);
	worker->write_fd = sim_fd_keep(spec->pass_fds[1], false);
	(void)fcntl(worker->write_fd, F_SETFL, O_NONBLOCK);
	process->model = worker;
	process->on_gone = worker_gone;
	process->on_signal = worker_term;
	worker->is_deaf = sim_fault(2);
	sim_watch(worker->read_fd, on_readable, worker);
	if (sim_fault(5))
		sim_later((int64_t)sim_below(100), worker_die, worker);
	else if (sim_fault(3))
		sim_trace("worker %d never says hello", (int)process->pid);
	else
		sim_later((int64_t)sim_below(100), worker_hello, worker);
}
