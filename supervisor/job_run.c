/*
 * RUN: what a worker is told to start, for an implementation and for a review. Runs in the
 * supervisor. Must never decide what the end of it means.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "supervisor/git/environment.h"
#include "supervisor/prompt.h"
#include "supervisor/review.h"
#include "supervisor/supervisor_private.h"

/* kt_job_block, or for a review what a failed reviewer means. */
static void job_fail(struct kt_lane_run *run, const char *reason)
{
	if (run->job.is_review)
		kt_review_failed(run, reason);
	else
		kt_job_block(run, reason);
}

bool kt_job_is_permanent(const char *reason)
{
	const char *end = reason == NULL ? NULL : strstr(reason, KT_JOB_PERMANENT);

	return end != NULL && strncmp(reason, "exit status ", strlen("exit status ")) == 0;
}

const struct kt_agent *kt_job_agent(const struct kt_lane_run *run)
{
	const struct kt_launch *launch = run->supervisor->launch;

	if (!run->job.has_agent)
		return NULL;
	return run->job.agent < launch->agents_len ? launch->agents[run->job.agent].agent
						   : launch->reviewer;
}

static struct kt_json *strings_json(char *const *strings)
{
	struct kt_json *list = kt_json_new_array();

	for (; strings != NULL && *strings != NULL; strings++)
		kt_json_append(list, kt_json_new_string(*strings));
	return list;
}

static struct kt_json *environment_json(
	const struct kt_lane_run *run, const struct kt_agent *agent, const char *prompt_file)
{
	enum { OWN = 7 };
	const struct kt_supervisor *supervisor = run->supervisor;
	const char *path = getenv("PATH");
	char *own[OWN] = {NULL};
	const char **extra = NULL;
	char **environment = NULL;
	struct kt_json *list = NULL;
	size_t len = 0;
	size_t room = OWN + 1;

	own[0] =
		kt_format("PATH=%s:%s", supervisor->bin_dir, path == NULL ? "/usr/bin:/bin" : path);
	own[1] = kt_format("SPEC_KITTY_MISSION=%s", supervisor->launch->mission->slug);
	own[2] = kt_format("SPEC_KITTY_WP=%s", run->job.wp_id);
	own[3] = kt_format("SPEC_KITTY_LANE=%s", run->id);
	own[4] = kt_format("SPEC_KITTY_PROMPT=%s", prompt_file);
	own[5] = kt_strdup(supervisor->marker);
	own[6] = kt_format("SPEC_KITTY_ROLE=%s", run->job.is_review ? "reviewer" : "implementer");
	for (char **at = agent == NULL ? NULL : agent->environment; at != NULL && *at; at++)
		room++;
	extra = kt_realloc_array(NULL, room, sizeof *extra);
	for (char **at = agent == NULL ? NULL : agent->environment; at != NULL && *at; at++)
		extra[len++] = *at;
	for (size_t i = 0; i < OWN; i++)
		extra[len++] = own[i];
	extra[len] = NULL;
	environment = kt_agent_environment(extra);
	list = strings_json(environment);
	kt_environment_free(environment);
	free(extra);
	for (size_t i = 0; i < OWN; i++)
		free(own[i]);
	return list;
}

static void prompt_set(const struct kt_lane_run *run, struct kt_json *body, const char *prompt_file)
{
	const struct kt_supervisor *supervisor = run->supervisor;
	struct kt_prompt prompt = {
		.mission = supervisor->launch->mission,
		.wp = kt_plan_find_wp(supervisor->plan, run->job.wp_id),
		.lane_id = run->id,
		.branch = run->branch,
		.worktree = run->worktree,
		.attempt = run->job.attempt,
		.before = run->job.before,
	};
	struct kt_buffer text = KT_BUFFER_INIT;

	if (prompt.wp != NULL && run->job.is_review)
		kt_review_prompt(run, &prompt, &text);
	else if (prompt.wp != NULL)
		kt_prompt_build(&prompt, &text);
	kt_json_set_string(body, "prompt", kt_buffer_text(&text));
	kt_json_set_string(body, "prompt_file", prompt_file);
	kt_buffer_release(&text);
}

static struct kt_json *run_body(const struct kt_lane_run *run)
{
	static const char *const ways[] = {
		[KT_PROMPT_STDIN] = "stdin",
		[KT_PROMPT_ARGUMENT] = "argument",
		[KT_PROMPT_FILE] = "file",
	};
	const struct kt_agent *agent = kt_job_agent(run);
	struct kt_json *body = kt_json_new_object();
	const char *suffix = run->job.is_review ? KT_REVIEW_SUFFIX : "";
	char *prompt_file = kt_format("%s/prompts/%s%s.md",
		run->supervisor->launch->mission->run_dir, run->job.wp_id, suffix);
	char *log = kt_format("%s%s-%ld.log", run->job.wp_id, suffix, run->job.attempt);

	kt_json_set_string(body, "wp", run->job.wp_id);
	kt_json_set_int(body, "attempt", run->job.attempt);
	kt_json_set(body, "argv", strings_json(agent == NULL ? run->hand_argv : agent->argv));
	kt_json_set_string(
		body, "prompt_by", ways[agent == NULL ? KT_PROMPT_STDIN : agent->prompt_by]);
	prompt_set(run, body, prompt_file);
	kt_json_set_string(body, "cwd", run->worktree);
	kt_json_set(body, "environment", environment_json(run, agent, prompt_file));
	kt_json_set_int(body, "timeout_ms", agent == NULL ? 0 : (int64_t)agent->timeout_s * 1000);
	kt_json_set_string(body, "log", log);
	free(log);
	free(prompt_file);
	return body;
}

void kt_job_agent_start(struct kt_lane_run *run)
{
	struct kt_json *body = run_body(run);
	struct kt_error err = KT_ERROR_INIT;
	char *reason = NULL;

	run->job.phase = KT_JOB_START;
	free(run->last_output);
	run->last_output = NULL;
	/* The worker may be gone by now; then its end takes the job away. */
	if (run->channel == NULL) {
		kt_json_free(body);
		return;
	}
	run->job.run_id = kt_channel_next_id(run->channel);
	if (kt_channel_send(run->channel, KT_MSG_RUN_REQUEST, run->job.run_id, body, &err) !=
		KT_E_OK) {
		reason = kt_format("the agent could not be started: %s [%s]", err.detail,
			kt_error_text(err.code));
		job_fail(run, reason);
		free(reason);
	} else {
		kt_lane_run_arm(run, KT_RUN_TIMEOUT_MS);
	}
	kt_json_free(body);
}

/* The worker watches the agent's time limit; this is for a worker that has stopped watching. */
static void watch_agent(struct kt_lane_run *run)
{
	const struct kt_agent *agent = kt_job_agent(run);

	if (agent != NULL && agent->timeout_s > 0 && run->lane.state == KT_LANE_RUNNING)
		kt_lane_run_arm(run, (int64_t)agent->timeout_s * 1000 +
					     run->supervisor->launch->config->agent_grace_ms +
					     KT_RUN_TIMEOUT_MS);
}

void kt_job_run_answer(struct kt_lane_run *run, const struct kt_frame *frame)
{
	struct kt_error err = KT_ERROR_INIT;
	int64_t pid = 0;
	char *reason = NULL;

	if (run->job.phase != KT_JOB_START || frame->request_id != run->job.run_id)
		return;
	if (run->lane.state == KT_LANE_RUNNING)
		kt_lane_run_disarm(run);
	if (kt_message_error_decode(frame->body, &err)) {
		if (kt_job_is_called_off(run))
			return;
		reason = kt_format("the agent could not be started: %s [%s]", err.detail,
			kt_error_text(err.code));
		job_fail(run, reason);
		free(reason);
		return;
	}
	(void)kt_json_get_int(frame->body, "pid", &pid);
	run->job.agent_pid = (pid_t)pid;
	run->job.phase = KT_JOB_AGENT;
	run->job.started_us = kt_clock_wall_us();
	watch_agent(run);
	kt_log(KT_LOG_INFO, "%s: agent %s %s %s, pid %lld, attempt %ld", run->id, run->job.actor,
		run->job.is_review ? "reviews" : "runs", run->job.wp_id, (long long)pid,
		run->job.attempt);
}
