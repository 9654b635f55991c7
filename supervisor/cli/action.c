/*
 * kitty agent action implement|review: the claim, the lane, a prompt, the summary of commits.
 * Process: a command.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/diagnostics.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/pick.h"
#include "supervisor/cli/start.h"
#include "supervisor/cli/write.h"

static const struct kt_option options[] = {
	{"agent", 0, "NAME", false, "who works on it"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

struct doing {
	const struct kt_invocation *invocation;
	const char *action; /* implement or review */
	const char *agent;
	struct kt_context context;
	struct kt_start start;
	char *prompt;
};

/* Whoever stands in a lane works there. */
static enum kt_code place_check(const struct doing *doing, struct kt_error *err)
{
	const char *here = doing->context.lane;
	const char *wanted = doing->start.lane == NULL ? NULL : doing->start.lane->id;

	if (here == NULL || wanted == NULL || strcmp(here, wanted) == 0)
		return KT_E_OK;
	return kt_error_set(err, KT_E_LANE_FOREIGN_WP, "this is %s; %s belongs to %s", here,
		doing->start.wp->id, wanted);
}

static enum kt_code act(struct doing *doing, struct kt_error *err)
{
	const struct kt_invocation *invocation = doing->invocation;
	struct kt_start_wish wish = {
		.actor = doing->agent, .command = invocation->path, .is_claim_only = true};
	char *wp_id = NULL;
	enum kt_code code = kt_context_open_mission(
		&doing->context, kt_invocation_value(invocation, "mission"), err);

	if (code == KT_E_OK)
		code = kt_pick_wp(&doing->context, doing->action,
			invocation->arguments_len > 0 ? invocation->arguments[0] : NULL,
			doing->agent, &wp_id, err);
	if (code == KT_E_OK)
		code = kt_start_open(&doing->start, &doing->context, wp_id, err);
	if (code == KT_E_OK)
		code = place_check(doing, err);
	if (code == KT_E_OK)
		code = strcmp(doing->action, "review") == 0
			       ? kt_start_review(&doing->start, &wish, err)
			       : kt_start_implementation(&doing->start, &wish, err);
	if (code == KT_E_OK)
		code = kt_start_prompt_write(&doing->start, doing->action, &doing->prompt, err);
	free(wp_id);
	return code;
}

static void report_json(const struct doing *doing)
{
	const struct kt_start *start = &doing->start;
	struct kt_json *answer = kt_json_new_object();

	kt_json_set_string(answer, "result", "success");
	kt_json_set_string(answer, "action", doing->action);
	kt_json_set_string(answer, "mission_slug", doing->context.mission->slug);
	kt_json_set_string(answer, "wp_id", start->wp->id);
	kt_json_set_string(answer, "lane_id", start->lane == NULL ? NULL : start->lane->id);
	kt_json_set_string(answer, "agent", doing->agent);
	kt_json_set_string(answer, "from_lane", kt_status_name(start->from));
	kt_json_set_string(answer, "to_lane", kt_status_name(start->to));
	kt_json_set_string(answer, "workspace_path", start->workspace);
	kt_json_set_string(answer, "branch", start->branch);
	kt_json_set_string(answer, "prompt_file", doing->prompt);
	kt_json_set(answer, "commits", kt_start_commits(start));
	kt_print_json(answer);
	kt_json_free(answer);
}

static void report_text(const struct doing *doing)
{
	const struct kt_start *start = &doing->start;
	struct kt_json *commits = kt_start_commits(start);

	kt_print("[%s] %s %s for %s\n", doing->action, start->wp->id, kt_status_name(start->to),
		start->lane == NULL ? "nobody's lane" : start->lane->id);
	kt_print("[%s] Workspace: %s\n", doing->action, start->workspace);
	kt_print("[%s] Prompt: %s\n", doing->action, doing->prompt);
	kt_print("[%s] Commits recorded:\n", doing->action);
	for (const struct kt_json *c = kt_json_first(commits); c != NULL; c = kt_json_next(c))
		kt_print("- %s %s ✓\n", kt_json_get_string(c, "destination_ref"),
			kt_json_get_string(c, "message"));
	if (kt_json_size(commits) == 0)
		kt_print("- none: it was recorded before\n");
	kt_json_free(commits);
}

static int doing_run(struct kt_invocation *invocation, const char *action)
{
	struct doing doing = {.invocation = invocation,
		.action = action,
		.agent = kt_invocation_value(invocation, "agent"),
		.context = KT_CONTEXT_INIT};
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (doing.agent == NULL) {
		(void)kt_error_set(&err, KT_E_USAGE, "--agent NAME is needed");
		return kt_fail(invocation->json, &err);
	}
	if (act(&doing, &err) != KT_E_OK)
		status = doing.start.outcome != NULL
				 ? kt_fail_outcome(invocation->json, doing.start.outcome, &err)
				 : kt_context_fail(&doing.context, invocation->json, &err);
	else if (invocation->json)
		report_json(&doing);
	else
		report_text(&doing);
	free(doing.prompt);
	kt_start_release(&doing.start);
	kt_context_release(&doing.context);
	return status;
}

static int run_implement(struct kt_invocation *invocation)
{
	return doing_run(invocation, "implement");
}

static int run_review(struct kt_invocation *invocation)
{
	return doing_run(invocation, "review");
}

const struct kt_command kt_command_action_implement = {
	.summary = "claim a work package, prepare its lane, write its prompt",
	.arguments = "[WP] --agent NAME",
	.help = "Without WP: the agent's own work, else the first planned work package whose "
		"dependencies are\n"
		"approved or done. The same agent again resumes.",
	.options = options,
	.max_arguments = 1,
	.run = run_implement,
};

const struct kt_command kt_command_action_review = {
	.summary = "start the review of a work package and write its prompt",
	.arguments = "[WP] --agent NAME",
	.options = options,
	.max_arguments = 1,
	.run = run_review,
};
