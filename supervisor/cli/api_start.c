/*
 * orchestrator-api start-implementation and start-review. Process: a command.
 */
#include <stdlib.h>

#include "ipc/buffer.h"
#include "supervisor/cli/api.h"
#include "supervisor/cli/start.h"
#include "supervisor/cli/write.h"

static const struct kt_option options[] = {
	KT_OPTION_MISSION,
	KT_API_OPTION_WP,
	KT_API_OPTION_ACTOR,
	KT_API_OPTION_POLICY,
	{"review-ref", 0, "REF", false, "what the review refers to"},
	KT_OPTION_END,
};
static const char *const needed[] = {"mission", "wp", "actor", NULL};

void kt_api_workspace(struct kt_api *api, const struct kt_start *start)
{
	char *prompt = kt_start_wp_file(start);

	kt_json_set_string(api->data, "wp_id", start->wp->id);
	kt_json_set_string(api->data, "workspace_path", start->workspace);
	kt_json_set_string(api->data, "prompt_path", prompt);
	if (start->branch != NULL) {
		const struct kt_mission *mission = start->context->mission;

		kt_json_set_string(api->data, "lane_id", start->lane->id);
		kt_json_set_string(api->data, "lane_branch", start->branch);
		kt_json_set_string(api->data, "lane_base_ref",
			mission->coordination_branch != NULL ? mission->coordination_branch
							     : mission->target_branch);
	}
	free(prompt);
}

static void holder_set(struct kt_api *api, const struct kt_start *start)
{
	const char *holder = kt_wp_holder(&start->state);
	const char *observed = NULL;

	/* The writer knows better than what was read before. */
	observed = kt_json_get_string(kt_json_get(start->outcome, "holder"), "actor");
	if (observed == NULL)
		observed = kt_json_get_string(start->outcome, "holder");
	kt_json_set_string(api->data, "claimed_by", observed != NULL ? observed : holder);
	kt_json_set_string(api->data, "requesting_actor", kt_api_value(api, "actor"));
	api->error_code = "WP_ALREADY_CLAIMED";
}

typedef enum kt_code (*start_cb)(
	struct kt_start *start, const struct kt_start_wish *wish, struct kt_error *err);

/* The state moved between reading and writing: the same start may have come twice at once, and then
 * the second finds its work begun. So it is looked at once more. */
static enum kt_code start_try(struct kt_api *api, start_cb act, const struct kt_start_wish *wish,
	struct kt_start *start, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (int round = 0; round < 2; round++) {
		kt_start_release(start);
		code = kt_start_open(start, &api->context, kt_api_value(api, "wp"), err);
		if (code == KT_E_OK)
			code = act(start, wish, err);
		if (code != KT_E_STATUS_CONFLICT && code != KT_E_WP_ALREADY_CLAIMED)
			break;
	}
	return code;
}

static void start_answer(struct kt_api *api, const struct kt_start *start)
{
	kt_json_set_string(api->data, "from_lane", kt_status_name(start->from));
	kt_json_set_string(api->data, "to_lane", kt_status_name(start->to));
	kt_api_workspace(api, start);
	kt_json_set_bool(api->data, "policy_metadata_recorded", !start->is_noop);
	kt_json_set_bool(api->data, "no_op", start->is_noop);
}

static enum kt_code start_run(struct kt_api *api, start_cb act, struct kt_error *err)
{
	struct kt_start_wish wish = {.actor = kt_api_value(api, "actor"),
		.review_ref = kt_api_value(api, "review-ref"),
		.command = "orchestrator-api"};
	struct kt_start start = {0};
	struct kt_json *policy = NULL;
	enum kt_code code =
		kt_api_policy(kt_api_value(api, "policy"), true, &policy, &api->error_code, err);

	wish.policy = policy;
	if (code == KT_E_OK)
		code = kt_api_mission(api, err);
	if (code == KT_E_OK && act == kt_start_implementation)
		code = kt_api_finalize(api, err);
	if (code == KT_E_OK)
		code = start_try(api, act, &wish, &start, err);
	if (start.view != NULL)
		kt_api_identity(api, start.view->meta);
	kt_json_set_string(api->data, "wp_id", kt_api_value(api, "wp"));
	if (start.is_conflict)
		holder_set(api, &start);
	if (code == KT_E_OK)
		start_answer(api, &start);
	kt_start_release(&start);
	kt_json_free(policy);
	return code;
}

static enum kt_code start_implementation(struct kt_api *api, struct kt_error *err)
{
	return start_run(api, kt_start_implementation, err);
}

static enum kt_code start_review(struct kt_api *api, struct kt_error *err)
{
	return start_run(api, kt_start_review, err);
}

static const struct kt_api_command implementation_command = {
	"start-implementation", needed, "TRANSITION_REJECTED", start_implementation};
static const struct kt_api_command review_command = {
	"start-review", needed, "TRANSITION_REJECTED", start_review};

static int run_implementation(struct kt_invocation *invocation)
{
	return kt_api_run(invocation, &implementation_command);
}

static int run_review(struct kt_invocation *invocation)
{
	return kt_api_run(invocation, &review_command);
}

const struct kt_command kt_command_api_start_implementation = {
	.summary = "claim a work package, prepare its lane and start it",
	.arguments = "--mission HANDLE --wp WP --actor NAME --policy JSON",
	.options = options,
	.fail = kt_api_fail_usage,
	.run = run_implementation,
};

const struct kt_command kt_command_api_start_review = {
	.summary = "start the review of a work package",
	.arguments = "--mission HANDLE --wp WP --actor NAME --policy JSON",
	.options = options,
	.fail = kt_api_fail_usage,
	.run = run_review,
};
