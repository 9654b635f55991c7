/*
 * implement WP -- COMMAND: the command in the lane, in the foreground, and what its end means.
 * Process: a command. Leaves the lane's files as the command left them, whatever happens.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/file.h"
#include "supervisor/cli/implement.h"
#include "supervisor/cli/submit.h"
#include "supervisor/git/environment.h"
#include "supervisor/lane_ops.h"
#include "supervisor/prompt.h"
#include "supervisor/transaction/request.h"

static enum kt_code send(struct kt_implement *implement, struct kt_json *request,
	struct kt_json **outcome, struct kt_error *err)
{
	enum kt_code code = kt_request_check(request, err);

	kt_json_free(*outcome);
	*outcome = NULL;
	if (code == KT_E_OK)
		code = kt_submit(implement->context, request, "implement", outcome, err);
	if (code == KT_E_OK &&
		!kt_json_get_bool(kt_json_get(*outcome, "receipt"), "is_noop", false))
		kt_implement_add_commit(implement, *outcome);
	kt_json_free(request);
	return code;
}

static struct kt_json *move_request(
	const struct kt_implement *implement, enum kt_status to, const char *reason)
{
	struct kt_json *request = kt_request_new("implement");
	struct kt_json *op = kt_request_add_move(request, implement->wp->id, to, implement->actor);

	kt_json_set_bool(op, "if_needed", true);
	if (reason != NULL)
		kt_json_set_string(op, "reason", reason);
	return request;
}

/* A folder with this program under both its names, first on the command's PATH. */
static enum kt_code programs_link(
	const struct kt_implement *implement, char **out, struct kt_error *err)
{
	static const char *const names[] = {"kitty", "spec-kitty"};
	char *folder = kt_format("%s/bin", implement->context->mission->run_dir);
	char program[4096];
	ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
	enum kt_code code = kt_folder_make(folder, 0700, err);

	for (size_t i = 0; len > 0 && code == KT_E_OK && i < 2; i++) {
		char *link = kt_format("%s/%s", folder, names[i]);
		char *fresh = kt_format("%s.%ld", link, (long)getpid());

		program[len] = '\0';
		(void)unlink(fresh);
		if (symlink(program, fresh) != 0 || rename(fresh, link) != 0)
			code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%.300s", link);
		free(link);
		free(fresh);
	}
	if (code == KT_E_OK)
		*out = folder;
	else
		free(folder);
	return code;
}

/* What an agent of `kitty launch` is told, too. */
static void prompt_build(const struct kt_implement *implement, struct kt_buffer *text)
{
	const struct kt_mission *mission = implement->context->mission;
	char *branch = kt_mission_lane_branch(mission, implement->lane->id);
	struct kt_prompt prompt = {.mission = mission,
		.wp = implement->wp,
		.lane_id = implement->lane->id,
		.branch = branch,
		.worktree = implement->worktree,
		.attempt = implement->is_resumed ? 2 : 1,
		.before = implement->is_resumed ? "It was claimed before." : NULL};

	kt_prompt_build(&prompt, text);
	free(branch);
}

static enum kt_code prompt_write(
	const struct kt_implement *implement, char **path, struct kt_error *err)
{
	char *folder = kt_format("%s/prompts", implement->context->mission->run_dir);
	char *file = kt_format("%s/%s.md", folder, implement->wp->id);
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = kt_folder_make(folder, 0700, err);

	prompt_build(implement, &text);
	if (code == KT_E_OK)
		code = kt_file_write_atomic(file, text.data, text.len, 0600, false, err);
	kt_buffer_release(&text);
	free(folder);
	if (code == KT_E_OK)
		*path = file;
	else
		free(file);
	return code;
}

#define EXTRA_LEN 5 /* variables that tell the command where it is */

static enum kt_code environment_build(
	const struct kt_implement *implement, char ***out, struct kt_error *err)
{
	const char *path = kt_environment_value("PATH");
	char *bin = NULL;
	char *prompt = NULL;
	char *extra[EXTRA_LEN + 1] = {NULL};
	enum kt_code code = programs_link(implement, &bin, err);

	if (code == KT_E_OK)
		code = prompt_write(implement, &prompt, err);
	if (code == KT_E_OK) {
		extra[0] = kt_format("PATH=%s:%s", bin, path == NULL ? "/usr/bin:/bin" : path);
		extra[1] = kt_format("SPEC_KITTY_MISSION=%s", implement->context->mission->slug);
		extra[2] = kt_format("SPEC_KITTY_WP=%s", implement->wp->id);
		extra[3] = kt_format("SPEC_KITTY_LANE=%s", implement->lane->id);
		extra[4] = kt_format("SPEC_KITTY_PROMPT=%s", prompt);
		*out = kt_agent_environment((const char *const *)extra);
	}
	for (size_t i = 0; i < EXTRA_LEN; i++)
		free(extra[i]);
	free(bin);
	free(prompt);
	return code;
}

/* In the foreground, with the terminal; Ctrl-C is the command's, its end is recorded in any case.
 */
static enum kt_code command_run(
	const struct kt_implement *implement, struct kt_child_status *status, struct kt_error *err)
{
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_child child = KT_CHILD_INIT;
	char **environment = NULL;
	enum kt_code code = environment_build(implement, &environment, err);

	if (code != KT_E_OK)
		return code;
	spec.path = implement->invocation->rest[0];
	spec.argv = implement->invocation->rest;
	spec.envp = (const char *const *)environment;
	spec.cwd = implement->worktree;
	spec.stdin_fd = STDIN_FILENO;
	/* With --json standard output holds one object and nothing else. */
	spec.stdout_fd = implement->invocation->json ? STDERR_FILENO : STDOUT_FILENO;
	spec.stderr_fd = STDERR_FILENO;
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	code = kt_child_start(&spec, &child, err);
	if (code == KT_E_OK) {
		kt_child_wait(&child, -1, status);
		kt_child_release(&child);
	}
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGQUIT, SIG_DFL);
	kt_environment_free(environment);
	return code;
}

/* How the work package stands once the command has ended: it may have moved it itself. */
struct standing {
	struct kt_view *view;
	struct kt_wp_state state;
	struct kt_json
		*open; /* subtasks that are not done, {"T001": "done", ...} to record; NULL: none */
	struct kt_buffer names; /* of them, for people */
};

static void standing_read(const struct kt_implement *implement, struct standing *out)
{
	struct kt_error ignored = KT_ERROR_INIT;

	*out = (struct standing){
		.state = {.status = KT_STATUS_IN_PROGRESS}, .names = KT_BUFFER_INIT};
	if (kt_view_load(implement->context->repo, implement->context->mission, &out->view,
		    &ignored) == KT_E_OK)
		(void)kt_reducer_wp(out->view->state, implement->wp->id, &out->state);
	for (char **id = implement->wp->subtasks; id != NULL && *id != NULL; id++) {
		const char *now =
			kt_json_get_string(kt_json_get(out->state.entry, "subtasks"), *id);

		if (now != NULL && strcmp(now, kt_status_name(KT_STATUS_DONE)) == 0)
			continue;
		if (out->open == NULL)
			out->open = kt_json_new_object();
		kt_json_set_string(out->open, *id, kt_status_name(KT_STATUS_DONE));
		kt_buffer_printf(&out->names, "%s%s", out->names.len == 0 ? "" : ", ", *id);
	}
}

static void standing_release(struct standing *standing)
{
	kt_json_free(standing->open);
	kt_buffer_release(&standing->names);
	kt_view_free(standing->view);
}

/* for_review, with the open subtasks recorded as done in the same commit. */
static struct kt_json *finish_request(
	const struct kt_implement *implement, const struct standing *standing)
{
	struct kt_json *request = kt_request_new("implement");
	struct kt_json *delta = NULL;
	struct kt_json *op = NULL;

	if (standing->open != NULL) {
		delta = kt_json_new_object();
		kt_json_set(delta, "subtasks", kt_json_copy(standing->open));
		(void)kt_request_add_annotation(
			request, implement->wp->id, implement->actor, delta);
	}
	op = kt_request_add_move(
		request, implement->wp->id, KT_STATUS_FOR_REVIEW, implement->actor);
	kt_json_set_bool(op, "if_needed", true);
	return request;
}

/* The end as a status: for_review with work, blocked otherwise; *reason is given when blocked. */
static enum kt_status judge(struct kt_implement *implement, const struct kt_child_status *ended,
	const char *since, char **reason)
{
	struct kt_lane_finish finish = {.lane_id = implement->lane->id,
		.wp_id = implement->wp->id,
		.wp_title = implement->wp->title,
		.agent = implement->actor,
		.since = since,
		.max_bytes = (long long)implement->context->config->lane_commit_max_bytes};
	struct kt_json *facts = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_status status = KT_STATUS_BLOCKED;
	char text[64];

	if (!ended->exited || ended->exit_code != 0) {
		kt_child_describe(ended, text, sizeof text);
		*reason = kt_strdup(text);
	} else if (implement->facts != NULL &&
		   kt_lane_commit(implement->context->repo, implement->context->mission, &finish,
			   &facts, &err) != KT_E_OK) {
		*reason = kt_format("%s: %s", kt_error_text(err.code), err.detail);
	} else if (facts != NULL && !kt_json_get_bool(facts, "has_work", false)) {
		*reason = kt_strdup("agent exited 0 without work");
	} else {
		status = KT_STATUS_FOR_REVIEW; /* planning work has no lane: people commit it */
	}
	kt_json_free(facts);
	return status;
}

static enum kt_code record(struct kt_implement *implement, enum kt_status *judged,
	struct standing *standing, struct kt_json **outcome, struct kt_error *err)
{
	if (*judged == KT_STATUS_FOR_REVIEW && standing->open != NULL &&
		implement->context->config->subtasks_required) {
		*judged = KT_STATUS_BLOCKED;
		implement->reason = kt_format(
			"agent exited 0 with open subtasks: %s", kt_buffer_text(&standing->names));
	}
	if (*judged == KT_STATUS_FOR_REVIEW)
		return send(implement, finish_request(implement, standing), outcome, err);
	return send(implement, move_request(implement, KT_STATUS_BLOCKED, implement->reason),
		outcome, err);
}

/* What the command wrote holds; else its end says what becomes of the work package. */
static enum kt_code conclude(struct kt_implement *implement, enum kt_status judged,
	const char **result, struct kt_json **outcome, struct kt_error *err)
{
	struct standing standing;
	enum kt_code code = KT_E_OK;

	standing_read(implement, &standing);
	if (standing.state.status == KT_STATUS_IN_PROGRESS) {
		code = record(implement, &judged, &standing, outcome, err);
	} else {
		judged = standing.state.status;
		free(implement->reason);
		implement->reason =
			judged == KT_STATUS_BLOCKED && standing.state.last_reason != NULL
				? kt_strdup(standing.state.last_reason)
				: NULL;
	}
	if (code == KT_E_OK)
		*result = kt_status_name(judged);
	standing_release(&standing);
	return code;
}

enum kt_code kt_implement_run(struct kt_implement *implement, const char **result,
	struct kt_json **outcome, struct kt_error *err)
{
	struct kt_child_status ended = {0};
	struct kt_error spawn_error = KT_ERROR_INIT;
	struct kt_oid_text tip = kt_oid_format(&implement->view->tip);
	/* Resumed work may be committed already: all that the coordination branch does not hold
	 * counts. */
	const char *since =
		implement->is_resumed ? tip.text : kt_json_get_string(implement->facts, "head");
	enum kt_status judged = KT_STATUS_BLOCKED;
	enum kt_code code = kt_context_config(implement->context, err);

	if (code == KT_E_OK)
		code = send(implement, move_request(implement, KT_STATUS_IN_PROGRESS, NULL),
			outcome, err);
	if (code != KT_E_OK)
		return code;
	if (command_run(implement, &ended, &spawn_error) == KT_E_OK)
		judged = judge(implement, &ended, since, &implement->reason);
	else
		implement->reason =
			kt_format("%s: %s", kt_error_text(spawn_error.code), spawn_error.detail);
	return conclude(implement, judged, result, outcome, err);
}
