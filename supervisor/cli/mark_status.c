/*
 * kitty agent tasks mark-status: subtasks done or open again, as annotations of their work package.
 * Process: a command (people, and agents in their lane).
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/write.h"
#include "supervisor/transaction/reader.h"
#include "supervisor/transaction/request.h"

static const struct kt_option options[] = {
	{"status", 0, "done|pending", false, "what the subtasks are"},
	{"wp", 0, "WP", false, "their work package, when an id stands in more than one"},
	{"agent", 0, "NAME", false, "who says so (who holds the work package, when not given)"},
	KT_OPTION_EVENT_ID,
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

static const struct {
	const char *given;
	enum kt_status status;
} states[] = {
	{"done", KT_STATUS_DONE},
	{"pending", KT_STATUS_PLANNED},
};

static enum kt_code state_parse(const char *text, enum kt_status *out, struct kt_error *err)
{
	for (size_t i = 0; text != NULL && i < sizeof states / sizeof states[0]; i++) {
		if (strcmp(states[i].given, text) == 0) {
			*out = states[i].status;
			return KT_E_OK;
		}
	}
	return kt_error_set(err, KT_E_USAGE, "--status is done or pending");
}

static bool has_subtask(const struct kt_wp *wp, const char *id)
{
	for (char **subtask = wp->subtasks; subtask != NULL && *subtask != NULL; subtask++)
		if (strcmp(*subtask, id) == 0)
			return true;
	return false;
}

/* The one WP whose roster holds the subtask. */
static enum kt_code owner_find(const struct kt_plan *plan, const char *subtask, const char *wp_id,
	const struct kt_wp **out, struct kt_error *err)
{
	const struct kt_wp *owner = NULL;

	for (size_t i = 0; i < plan->wps_len; i++) {
		if (!has_subtask(&plan->wps[i], subtask) ||
			(wp_id != NULL && strcmp(plan->wps[i].id, wp_id) != 0))
			continue;
		if (owner != NULL)
			return kt_error_set(err, KT_E_INVALID_ARGUMENT,
				"%.40s stands in %s and %s; name one with --wp", subtask, owner->id,
				plan->wps[i].id);
		owner = &plan->wps[i];
	}
	if (owner == NULL)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT, "%s%s has no subtask %.40s",
			wp_id == NULL ? "the mission" : "", wp_id == NULL ? "" : wp_id, subtask);
	*out = owner;
	return KT_E_OK;
}

static struct kt_json *delta_of(struct kt_json *deltas, const char *wp_id)
{
	struct kt_json *delta = kt_json_get(deltas, wp_id);

	if (delta != NULL)
		return delta;
	delta = kt_json_new_object();
	kt_json_set(delta, "subtasks", kt_json_new_object());
	kt_json_set(deltas, wp_id, delta);
	return delta;
}

static const char *actor_of(
	const struct kt_invocation *invocation, const struct kt_reducer *state, const char *wp_id)
{
	const char *agent = kt_invocation_value(invocation, "agent");
	struct kt_wp_state wp = {0};

	if (agent != NULL)
		return agent;
	if (kt_reducer_wp(state, wp_id, &wp) && wp.claim_actor != NULL)
		return wp.claim_actor;
	return KT_OPERATOR;
}

/* The subtasks by work package: WP -> {"subtasks": {id: status}}. */
static enum kt_code deltas_build(const struct kt_invocation *invocation, const struct kt_plan *plan,
	struct kt_json *deltas, struct kt_error *err)
{
	const char *wp_id = kt_invocation_value(invocation, "wp");
	enum kt_status status = KT_STATUS_NONE;
	enum kt_code code = state_parse(kt_invocation_value(invocation, "status"), &status, err);

	for (size_t i = 0; i < invocation->arguments_len && code == KT_E_OK; i++) {
		const struct kt_wp *owner = NULL;

		code = owner_find(plan, invocation->arguments[i], wp_id, &owner, err);
		if (code == KT_E_OK && owner != NULL)
			kt_json_set_string(kt_json_get(delta_of(deltas, owner->id), "subtasks"),
				invocation->arguments[i], kt_status_name(status));
	}
	return code;
}

static enum kt_code request_build(const struct kt_invocation *invocation,
	const struct kt_view *view, struct kt_json *request, struct kt_error *err)
{
	struct kt_json *deltas = kt_json_new_object();
	enum kt_code code = KT_E_OK;

	if (view->plan == NULL)
		code = kt_error_set(err, KT_E_MISSION_NOT_FINALIZED, "no work packages yet");
	else
		code = deltas_build(invocation, view->plan, deltas, err);
	for (const struct kt_json *delta = kt_json_first(deltas); delta != NULL && code == KT_E_OK;
		delta = kt_json_next(delta))
		(void)kt_request_add_annotation(request, kt_json_key(delta),
			actor_of(invocation, view->state, kt_json_key(delta)), kt_json_copy(delta));
	kt_json_free(deltas);
	if (code == KT_E_OK && kt_invocation_has(invocation, "event-id"))
		kt_json_set_string(kt_json_first(kt_json_get(request, "ops")), "event_id",
			kt_invocation_value(invocation, "event-id"));
	return code;
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *request = kt_request_new("mark-status");
	struct kt_view *view = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code =
		kt_context_open_mission(&context, kt_invocation_value(invocation, "mission"), &err);
	int status = KT_EXIT_OK;

	if (code == KT_E_OK)
		code = kt_view_load(context.repo, context.mission, &view, &err);
	if (code == KT_E_OK)
		code = request_build(invocation, view, request, &err);
	if (code != KT_E_OK)
		status = kt_context_fail(&context, invocation->json, &err);
	else
		status = kt_submit_and_report(invocation, &context, request);
	kt_view_free(view);
	kt_json_free(request);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_mark_status = {
	.summary = "record subtasks as done, or as pending again",
	.arguments = "SUBTASK... --status done|pending",
	.help = "One event per work package. Repeated with the same --event-id (after "
		"OUTCOME_UNKNOWN, or\n"
		"by a script), it answers with the first one's receipt and writes nothing.",
	.options = options,
	.min_arguments = 1,
	.max_arguments = KT_ARGUMENTS_MAX,
	.run = run,
};
