/*
 * kitty internal lane-gate: may what the lane authored go to review? The writer asks before it
 * commits a move to for_review, because the answer needs git. Process: a short-lived helper below
 * whoever writes. One JSON object on standard output: {"warnings": [...]}, or the error.
 */
#include <stdlib.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/integrate.h"
#include "supervisor/lane_owned.h"
#include "supervisor/transaction/reader.h"

static const struct kt_option options[] = {
	KT_OPTION_MISSION,
	{"lane", 0, "LANE", false, "lane-a"},
	{"commit", 0, "SHA", false, "the lane's tip"},
	KT_OPTION_END,
};

static enum kt_code warn(struct kt_context *context, const struct kt_plan *plan, const char *lane,
	struct kt_lane_outside *outside, struct kt_json *warnings, struct kt_error *err)
{
	enum kt_code code =
		kt_lane_outside_owned(context->repo, context->mission, plan, lane, outside, err);

	if (code == KT_E_OK && kt_json_size(outside->paths) > 0) {
		char *text = kt_lane_outside_tell(lane, outside->paths);

		kt_json_append(warnings, kt_json_new_string(text));
		free(text);
	}
	kt_json_free(outside->paths);
	return code;
}

static enum kt_code judge_owned(struct kt_context *context, const char *lane, const char *commit,
	struct kt_json *warnings, struct kt_error *err)
{
	struct kt_view *view = NULL;
	struct kt_lane_outside outside = {.paths = NULL};
	enum kt_code code = kt_context_config(context, err);

	(void)kt_oid_parse(commit, &outside.tip); /* the lane gate has read it */
	if (code == KT_E_OK)
		code = kt_view_load(context->repo, context->mission, &view, err);
	if (code == KT_E_OK && view->plan != NULL)
		code = context->config->owned_required
			       ? kt_lane_owned_gate(context->repo, context->mission, view->plan,
					 lane, &outside, err)
			       : warn(context, view->plan, lane, &outside, warnings, err);
	kt_view_free(view);
	return code;
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *facts = kt_json_new_object(), *warnings = kt_json_new_array();
	const char *lane = kt_invocation_value(invocation, "lane");
	const char *commit = kt_invocation_value(invocation, "commit");
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	kt_json_set(facts, "warnings", warnings);
	if (lane == NULL || commit == NULL)
		code = kt_error_set(&err, KT_E_USAGE, "--lane LANE and --commit SHA are needed");
	if (code == KT_E_OK)
		code = kt_context_mission(
			&context, kt_invocation_value(invocation, "mission"), &err);
	if (code == KT_E_OK)
		code = kt_integration_gate(context.repo, context.mission, lane, commit, &err);
	if (code == KT_E_OK)
		code = judge_owned(&context, lane, commit, warnings, &err);
	return kt_context_answer(&context, true, facts, NULL, code == KT_E_OK ? NULL : &err);
}

const struct kt_command kt_command_internal_lane_gate = {
	.summary = "judge what a lane authored",
	.arguments = "--mission SLUG --lane LANE --commit SHA",
	.options = options,
	.is_hidden = true,
	.run = run,
};
