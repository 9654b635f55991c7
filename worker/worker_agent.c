/*
 * RUN, KILL, OUTPUT, EXITED: the worker's side of an agent's life. It must send exactly one EXITED
 * per RUN that was answered with a pid, and that only when nothing of the agent is left.
 */
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "ipc/buffer.h"
#include "ipc/channel.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "worker/worker_private.h"

static char *last_line(const struct kt_worker *worker)
{
	struct kt_buffer line = KT_BUFFER_INIT;

	kt_output_last_line(&worker->agent.output, &line);
	return kt_buffer_take(&line);
}

/* ---- output
 * ---------------------------------------------------------------------------------------- */

static void send_output(struct kt_worker *worker)
{
	struct kt_json *body = kt_json_new_object();
	char *line = last_line(worker);

	worker->has_new_output = false;
	kt_json_set_string(body, "wp", worker->run->wp);
	kt_json_set_string(body, "line", line);
	kt_json_set_int(body, "bytes", (int64_t)worker->agent.output.total);
	kt_worker_send(worker, KT_MSG_OUTPUT, 0, body);
	kt_agent_arm(worker->output_timer, KT_WORKER_OUTPUT_MS);
	free(line);
}

static void on_output_timer(evutil_socket_t fd, short what, void *arg)
{
	struct kt_worker *worker = arg;

	(void)fd;
	(void)what;
	if (worker->has_new_output && worker->run != NULL)
		send_output(worker);
}

/* The first piece at once, then one message per interval for whatever comes in it. */
static void on_output(void *arg)
{
	struct kt_worker *worker = arg;

	worker->has_new_output = true;
	if (!evtimer_pending(worker->output_timer, NULL))
		send_output(worker);
}

/* ---- end
 * ------------------------------------------------------------------------------------------- */

static struct kt_json *describe_end(const struct kt_worker *worker, const struct kt_agent_end *end)
{
	struct kt_json *body = kt_json_new_object();
	char *line = last_line(worker);

	kt_json_set_string(body, "wp", worker->run->wp);
	kt_json_set_int(body, "attempt", worker->run->attempt);
	kt_json_set_bool(body, "exited", end->status.exited);
	kt_json_set_int(body, "exit_code", end->status.exited ? end->status.exit_code : 0);
	kt_json_set_int(body, "signal", end->status.exited ? 0 : end->status.signal);
	kt_json_set_bool(body, "timed_out", end->is_timed_out);
	kt_json_set_bool(body, "stopped", end->is_stopped);
	kt_json_set_string(body, "last_output", line);
	free(line);
	return body;
}

static void log_end(const struct kt_worker *worker, const struct kt_agent_end *end)
{
	const struct kt_output *output = &worker->agent.output;
	char text[64];

	kt_child_describe(&end->status, text, sizeof(text));
	kt_log(KT_LOG_INFO, "agent of %s ended: %s%s%s, %llu bytes of output", worker->run->wp,
		text, end->is_timed_out ? ", timed out" : "", end->is_stopped ? ", stopped" : "",
		(unsigned long long)output->total);
	if (end->left_over > 0)
		kt_log(KT_LOG_ERROR, "%zu processes of %s cannot be killed", end->left_over,
			worker->run->wp);
	if (output->dropped > 0)
		kt_log(KT_LOG_WARN, "%llu bytes of output are not in the log of %s (errno %d)",
			(unsigned long long)output->dropped, worker->run->wp, output->write_errno);
}

static void on_end(const struct kt_agent_end *end, void *arg)
{
	struct kt_worker *worker = arg;

	(void)evtimer_del(worker->output_timer);
	log_end(worker, end);
	kt_worker_send(worker, KT_MSG_EXITED, 0, describe_end(worker, end));
	for (size_t i = 0; i < worker->kills_len; i++)
		kt_worker_send(worker, KT_MSG_KILL_ANSWER, worker->kills[i], NULL);
	worker->kills_len = 0;
	kt_run_free(worker->run);
	worker->run = NULL;
	if (worker->state == KT_WORKER_RUNNING)
		worker->state = KT_WORKER_READY;
	kt_worker_leave_when_idle(worker);
}

/* ---- requests
 * -------------------------------------------------------------------------------------- */

static enum kt_code start(struct kt_worker *worker, const struct kt_run *run, struct kt_error *err)
{
	struct kt_agent_spec spec = {.argv = (const char *const *)run->argv,
		.envp = (const char *const *)run->environment,
		.cwd = run->cwd,
		.input = run->input,
		.input_len = run->input != NULL ? strlen(run->input) : 0,
		.log_dir = worker->log_dir,
		.log_name = run->log,
		.marker = run->marker,
		.timeout_ms = run->timeout_ms,
		.grace_ms = worker->grace_ms};
	enum kt_code code = kt_run_write_prompt(run, err);

	return code == KT_E_OK ? kt_agent_start(&worker->agent, &spec, err) : code;
}

void kt_worker_on_run(struct kt_worker *worker, struct kt_frame *frame)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_run *run = NULL;
	struct kt_json *body = NULL;
	enum kt_code code =
		kt_run_decode(frame->body, kt_lane_socket_path(worker->lane_socket), &run, &err);

	if (code == KT_E_OK)
		code = start(worker, run, &err);
	if (code != KT_E_OK) {
		kt_log_failure(KT_LOG_WARN, &err, "agent not started");
		kt_channel_send_error(worker->channel, KT_MSG_RUN_ANSWER, frame->request_id, &err);
		kt_run_free(run);
		return;
	}
	worker->run = run;
	worker->has_new_output = false;
	worker->state = KT_WORKER_RUNNING;
	body = kt_json_new_object();
	kt_json_set_int(body, "pid", worker->agent.child.pid);
	kt_worker_send(worker, KT_MSG_RUN_ANSWER, frame->request_id, body);
}

/* Answered when the agent is gone; at once when there is none, or when it runs another WP by now.
 */
void kt_worker_on_kill(struct kt_worker *worker, struct kt_frame *frame)
{
	const char *wp = kt_json_get_string(frame->body, "wp");
	struct kt_error err = KT_ERROR_INIT;

	if (worker->run == NULL || (wp != NULL && strcmp(wp, worker->run->wp) != 0)) {
		kt_worker_send(worker, KT_MSG_KILL_ANSWER, frame->request_id, NULL);
	} else if (worker->kills_len == KT_WORKER_KILLS_MAX) {
		(void)kt_error_set(
			&err, KT_E_LIMIT, "%d requests to stop wait already", KT_WORKER_KILLS_MAX);
		kt_channel_send_error(worker->channel, KT_MSG_KILL_ANSWER, frame->request_id, &err);
	} else {
		worker->kills[worker->kills_len++] = frame->request_id;
		kt_agent_stop(&worker->agent, worker->grace_ms);
	}
}

void kt_worker_agent_init(struct kt_worker *worker)
{
	kt_agent_init(&worker->agent, worker->base, on_output, on_end, worker);
	worker->output_timer = evtimer_new(worker->base, on_output_timer, worker);
	KT_BUG_UNLESS(worker->output_timer != NULL);
}

void kt_worker_agent_release(struct kt_worker *worker)
{
	kt_agent_release(&worker->agent);
	event_free(worker->output_timer);
	kt_run_free(worker->run);
}
