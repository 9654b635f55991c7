/*
 * kitty internal lane-review: the lane as a review finds it, for the supervisor because it blocks
 * on git. Process: a short-lived helper below the supervisor. One JSON object on standard output.
 */
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/review_facts.h"
#include "supervisor/review_undo.h"

static const struct kt_option options[] = {
	KT_OPTION_MISSION,
	{"lane", 0, "LANE", false, "lane-a"},
	{"restore", 0, "SHA", false, "keep what the review changed and go back to this commit"},
	KT_OPTION_END,
};

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	const char *lane = kt_invocation_value(invocation, "lane");
	const char *before = kt_invocation_value(invocation, "restore");
	struct kt_json *facts = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code =
		lane != NULL ? KT_E_OK : kt_error_set(&err, KT_E_USAGE, "--lane LANE is needed");

	if (code == KT_E_OK)
		code = kt_context_mission(
			&context, kt_invocation_value(invocation, "mission"), &err);
	if (code == KT_E_OK)
		code = before != NULL
			       ? kt_review_undo(
					 context.repo, context.mission, lane, before, &facts, &err)
			       : kt_review_facts(context.repo, context.mission, lane, &facts, &err);
	return kt_context_answer(&context, true, facts, NULL, code == KT_E_OK ? NULL : &err);
}

const struct kt_command kt_command_internal_lane_review = {
	.summary = "say what a review finds in a lane",
	.arguments = "",
	.options = options,
	.is_hidden = true,
	.run = run,
};
