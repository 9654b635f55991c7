/*
 * orchestrator-api accept-mission and merge-mission. Process: a command.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "supervisor/cli/api.h"
#include "supervisor/cli/submit.h"
#include "supervisor/git/environment.h"
#include "supervisor/merge.h"
#include "supervisor/status/event.h"
#include "supervisor/transaction/reader.h"
#include "supervisor/transaction/request.h"

enum { ACCEPTANCE_HISTORY_MAX = 20 };

/* ---- which work packages stand where ---- */

struct standing {
	struct kt_json *accepted, *approved, *done, *incomplete, *unproven;
};

static void standing_open(struct standing *s)
{
	s->accepted = kt_json_new_array();
	s->approved = kt_json_new_array();
	s->done = kt_json_new_array();
	s->incomplete = kt_json_new_array();
	s->unproven = kt_json_new_array();
}

static void standing_release(struct standing *s)
{
	kt_json_free(s->accepted);
	kt_json_free(s->approved);
	kt_json_free(s->done);
	kt_json_free(s->incomplete);
	kt_json_free(s->unproven);
}

static void id_add(struct kt_json *list, const char *wp_id)
{
	kt_json_append(list, kt_json_new_string(wp_id));
}

/* What a row into approved leans on: a verdict, evidence, or a named override. */
static bool is_proof(const struct kt_event *event)
{
	const char *reason = kt_json_get_string(event->row, "reason");

	return kt_json_is_truthy(kt_json_get(event->row, "review_result")) ||
	       kt_json_is_truthy(kt_json_get(event->row, "evidence")) ||
	       (event->force && reason != NULL && reason[0] != '\0');
}

/* The latest row that brought the WP to approved (or straight to done) has its reasons on record.
 */
static bool is_proven(const struct kt_view *view, const char *wp_id)
{
	const char *at = view->log;
	const char *end = view->log + view->log_len;
	bool is_known = false;

	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		size_t len = line_end == NULL ? (size_t)(end - at) : (size_t)(line_end - at);
		struct kt_event event = {0};
		struct kt_error ignored = KT_ERROR_INIT;

		if (kt_event_decode(at, len, &event, &ignored) == KT_E_OK &&
			event.kind == KT_EVENT_MOVE && strcmp(event.wp_id, wp_id) == 0 &&
			(event.to == KT_STATUS_APPROVED ||
				(event.to == KT_STATUS_DONE && event.from != KT_STATUS_APPROVED)))
			is_known = is_proof(&event);
		kt_event_release(&event);
		at += len + 1;
	}
	return is_known;
}

static void standing_add(struct standing *s, const struct kt_view *view, const char *wp_id)
{
	struct kt_wp_state state = {0};
	bool is_known = kt_reducer_wp(view->state, wp_id, &state);

	if (is_known && state.status == KT_STATUS_CANCELED)
		return;
	if (!is_known || !kt_status_satisfies_dependency(state.status)) {
		id_add(s->incomplete, wp_id);
		return;
	}
	id_add(s->accepted, wp_id);
	id_add(state.status == KT_STATUS_DONE ? s->done : s->approved, wp_id);
	if (!is_proven(view, wp_id))
		id_add(s->unproven, wp_id);
}

static enum kt_code standing_check(
	struct kt_api *api, const struct standing *s, struct kt_error *err)
{
	if (kt_json_size(s->incomplete) > 0 || kt_json_size(s->accepted) == 0) {
		api->error_code = "MISSION_NOT_READY";
		kt_json_set(api->data, "incomplete_wps", kt_json_copy(s->incomplete));
		return kt_error_set(err, KT_E_TRANSITION_REJECTED,
			"%zu work packages are neither approved nor done",
			kt_json_size(s->incomplete));
	}
	if (kt_json_size(s->unproven) > 0) {
		api->error_code = "WORKFLOW_EVIDENCE_REQUIRED";
		kt_json_set(api->data, "unproven_wps", kt_json_copy(s->unproven));
		return kt_error_set(err, KT_E_TRANSITION_REJECTED,
			"%zu work packages have no review on record", kt_json_size(s->unproven));
	}
	return KT_E_OK;
}

static enum kt_code standing_load(
	struct kt_api *api, struct standing *s, struct kt_view **view, struct kt_error *err)
{
	enum kt_code code = kt_api_mission(api, err);

	if (code == KT_E_OK)
		code = kt_view_load(api->context.repo, api->context.mission, view, err);
	if (code != KT_E_OK)
		return code;
	kt_api_identity(api, (*view)->meta);
	for (size_t i = 0; (*view)->plan != NULL && i < (*view)->plan->wps_len; i++)
		standing_add(s, *view, (*view)->plan->wps[i].id);
	/* What is missing does not matter any more; whether it was merged before is for merge to
	 * say. */
	if (api->context.mission->is_discarded && kt_json_size(s->incomplete) > 0)
		return kt_mission_check_open(api->context.mission, err);
	return standing_check(api, s, err);
}

/* ---- accept-mission ---- */

static struct kt_json *history_with(
	const struct kt_json *meta, const char *at, const char *actor, const char *from)
{
	const struct kt_json *old = kt_json_get(meta, "acceptance_history");
	struct kt_json *history = kt_json_new_array();
	struct kt_json *entry = kt_json_new_object();
	size_t skip = kt_json_size(old) >= ACCEPTANCE_HISTORY_MAX
			      ? kt_json_size(old) - ACCEPTANCE_HISTORY_MAX + 1
			      : 0;

	for (const struct kt_json *e = kt_json_first(old); e != NULL; e = kt_json_next(e))
		if (skip > 0)
			skip--;
		else
			kt_json_append(history, kt_json_copy(e));
	kt_json_set_string(entry, "accepted_at", at);
	kt_json_set_string(entry, "accepted_by", actor);
	kt_json_set_string(entry, "acceptance_mode", "auto");
	kt_json_set_string(entry, "accepted_from_commit", from);
	kt_json_append(history, entry);
	return history;
}

/* The blob of the accepted meta.json. Gives *blob. */
static enum kt_code meta_store(const struct kt_api *api, const struct kt_view *view,
	const char *accepted_at, char **blob, struct kt_error *err)
{
	static const char *const args[] = {"hash-object", "-w", "--stdin", NULL};
	const char *actor = kt_invocation_value(api->invocation, "actor");
	struct kt_oid_text tip = kt_oid_format(&view->tip);
	struct kt_json *meta = kt_json_copy(view->meta);
	struct kt_buffer text = KT_BUFFER_INIT, out = KT_BUFFER_INIT;
	struct kt_git_call call = {.cwd = api->context.repo->primary, .args = args, .out = &out};
	enum kt_code code = KT_E_OK;

	kt_json_set(
		meta, "acceptance_history", history_with(view->meta, accepted_at, actor, tip.text));
	kt_json_set_string(meta, "accepted_at", accepted_at);
	kt_json_set_string(meta, "accepted_by", actor);
	kt_json_set_string(meta, "acceptance_mode", "auto");
	kt_json_set_string(meta, "accepted_from_commit", tip.text);
	kt_json_write(meta, KT_JSON_PRETTY_SORTED, &text);
	kt_buffer_putc(&text, '\n');
	call.input = text.data;
	call.input_len = text.len;
	code = kt_git_run(&call, err);
	if (code == KT_E_OK)
		*blob = kt_strndup(kt_buffer_text(&out), strcspn(kt_buffer_text(&out), "\n"));
	kt_buffer_release(&text);
	kt_buffer_release(&out);
	kt_json_free(meta);
	return code;
}

static enum kt_code accept_write(struct kt_api *api, const struct kt_view *view,
	const char *accepted_at, struct kt_error *err)
{
	const struct kt_mission *mission = api->context.mission;
	struct kt_json *request = kt_request_new("orchestrator-api");
	struct kt_json *files = kt_json_new_array();
	struct kt_json *file = kt_json_new_object();
	struct kt_json *outcome = NULL;
	char *path = kt_format("%s/meta.json", mission->folder);
	char *blob = NULL;
	char *message = kt_format("chore: accept %s [%s]", mission->slug,
		kt_invocation_value(api->invocation, "actor"));
	enum kt_code code = meta_store(api, view, accepted_at, &blob, err);

	kt_json_set_string(file, "path", path);
	kt_json_set_string(file, "blob", blob);
	kt_json_append(files, file);
	kt_json_set(request, "files", files);
	kt_json_set_string(request, "message", message);
	if (code == KT_E_OK)
		code = kt_submit(&api->context, request, "orchestrator-api", &outcome, err);
	kt_json_free(outcome);
	kt_json_free(request);
	free(message);
	free(blob);
	free(path);
	return code;
}

static void accept_answer(struct kt_api *api, const struct standing *s, const char *accepted_at)
{
	kt_json_set_bool(api->data, "accepted", true);
	kt_json_set_string(api->data, "mode", "auto");
	kt_json_set_string(api->data, "accepted_at", accepted_at);
	kt_json_set(api->data, "accepted_wps", kt_json_copy(s->accepted));
	kt_json_set(api->data, "approved_wps", kt_json_copy(s->approved));
	kt_json_set(api->data, "done_wps", kt_json_copy(s->done));
	kt_json_set(api->data, "merge_pending_wps", kt_json_copy(s->approved));
}

/* A repeated acceptance finds the first one's time. */
static enum kt_code accept_mission(struct kt_api *api, struct kt_error *err)
{
	struct standing s;
	struct kt_view *view = NULL;
	char now[33];
	const char *accepted_at = NULL;
	enum kt_code code = KT_E_OK;

	standing_open(&s);
	code = standing_load(api, &s, &view, err);
	kt_time_format(kt_clock_wall_us(), now);
	if (code == KT_E_OK) {
		accepted_at = kt_json_get_string(view->meta, "accepted_at");
		if (accepted_at == NULL) {
			accepted_at = now;
			code = accept_write(api, view, now, err);
		}
	}
	if (code == KT_E_OK)
		accept_answer(api, &s, accepted_at);
	standing_release(&s);
	kt_view_free(view);
	return code;
}

/* ---- merge-mission ---- */

static const char *const strategies[] = {"merge", "squash", "rebase", NULL};

static enum kt_code strategy_check(struct kt_api *api, const char **strategy, struct kt_error *err)
{
	const char *given = kt_api_value(api, "strategy");

	*strategy = given == NULL ? strategies[0] : given;
	for (size_t i = 0; strategies[i] != NULL; i++)
		if (strcmp(strategies[i], *strategy) == 0)
			return KT_E_OK;
	api->error_code = "UNSUPPORTED_STRATEGY";
	return kt_error_set(err, KT_E_INVALID_ARGUMENT,
		"strategy `%.40s`; merge, squash and rebase are supported", given);
}

static enum kt_code preflight_failed(struct kt_api *api, struct kt_error *err, const char *why)
{
	struct kt_json *errors = kt_json_new_array();

	api->error_code = "PREFLIGHT_FAILED";
	kt_json_append(errors, kt_json_new_string(why));
	kt_json_set(api->data, "errors", errors);
	return kt_error_set(err, KT_E_PREFLIGHT_FAILED, "%s", why);
}

static enum kt_code submit(
	struct kt_json *request, struct kt_json **outcome, void *arg, struct kt_error *err)
{
	return kt_submit(arg, request, "orchestrator-api", outcome, err);
}

/* What the merge found in the way, as the contract's list of errors. */
static void merge_failed(struct kt_api *api, const struct kt_json *report, struct kt_error *err)
{
	struct kt_error cause = *err;
	const struct kt_json *conflict = kt_json_get(report, "conflict");

	(void)preflight_failed(api, err, cause.detail);
	*err = cause;
	if (conflict != NULL)
		kt_json_set(api->data, "conflict", kt_json_copy(conflict));
}

static enum kt_code merge_run(struct kt_api *api, const char *strategy, struct kt_error *err)
{
	/* The contract says that worktrees stay; `kitty mission close` takes them away. */
	struct kt_merge_options wish = {.repo = api->context.repo,
		.mission = api->context.mission,
		.strategy = strategy,
		.keep_worktrees = true,
		.submit = submit,
		.arg = &api->context};
	struct kt_json *report = NULL;
	enum kt_code code = kt_merge(&wish, &report, err);

	if (code == KT_E_OK) {
		kt_json_set_bool(api->data, "merged", true);
		kt_json_set_string(api->data, "target_branch", api->context.mission->target_branch);
		kt_json_set_string(api->data, "strategy", strategy);
		kt_json_set_bool(api->data, "worktree_removed", false);
	} else {
		merge_failed(api, report, err);
	}
	kt_json_free(report);
	return code;
}

static enum kt_code merge_mission(struct kt_api *api, struct kt_error *err)
{
	const char *strategy = NULL;
	const char *target = kt_api_value(api, "target");
	struct standing s;
	struct kt_view *view = NULL;
	enum kt_code code = strategy_check(api, &strategy, err);

	if (code != KT_E_OK)
		return code;
	if (kt_invocation_has(api->invocation, "push"))
		return preflight_failed(
			api, err, "kitty never pushes; merge without --push, then: git push");
	standing_open(&s);
	code = standing_load(api, &s, &view, err);
	standing_release(&s);
	kt_view_free(view);
	if (code != KT_E_OK)
		return code;
	if (target != NULL && strcmp(target, api->context.mission->target_branch) != 0)
		return preflight_failed(api, err, "--target is not the mission's target branch");
	return merge_run(api, strategy, err);
}

/* ---- the tables ---- */

static const struct kt_option accept_options[] = {
	KT_OPTION_MISSION, KT_API_OPTION_ACTOR, KT_OPTION_END};
static const struct kt_option merge_options[] = {
	KT_OPTION_MISSION,
	{"target", 0, "BRANCH", false, "branch the mission ends on (the mission's own)"},
	{"strategy", 0, "NAME", false, "merge, squash or rebase"},
	{"push", 0, NULL, false, "refused: kitty never pushes"},
	KT_OPTION_END,
};
static const char *const accept_needed[] = {"mission", "actor", NULL};
static const char *const merge_needed[] = {"mission", NULL};

static const struct kt_api_command accept_command = {
	"accept-mission", accept_needed, "MISSION_NOT_READY", accept_mission};
static const struct kt_api_command merge_command = {
	"merge-mission", merge_needed, "PREFLIGHT_FAILED", merge_mission};

static int run_accept(struct kt_invocation *invocation)
{
	return kt_api_run(invocation, &accept_command);
}

static int run_merge(struct kt_invocation *invocation)
{
	return kt_api_run(invocation, &merge_command);
}

const struct kt_command kt_command_api_accept_mission = {
	.summary = "accept a mission whose work packages are all approved or done",
	.arguments = "--mission HANDLE --actor NAME",
	.options = accept_options,
	.fail = kt_api_fail_usage,
	.run = run_accept,
};

const struct kt_command kt_command_api_merge_mission = {
	.summary = "merge a mission into its target",
	.arguments = "--mission HANDLE",
	.options = merge_options,
	.fail = kt_api_fail_usage,
	.run = run_merge,
};
