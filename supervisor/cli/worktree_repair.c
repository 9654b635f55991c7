/*
 * kitty agent worktree repair: a mission's worktrees, brought back to what they must be. Process: a
 * command. Touches no committed row and moves no branch.
 */
#include "supervisor/worktree_repair.h"

#include <stdio.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"

static const struct kt_option options[] = {
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

static void on_notice(const char *line, void *arg)
{
	(void)arg;
	kt_print_notice("%s", line);
}

static void action_print(const struct kt_json *action)
{
	const struct kt_json *done = kt_json_first(kt_json_get(action, "done"));
	const struct kt_json *error = kt_json_get(action, "error");
	const char *problem = kt_json_get_string(action, "problem");

	kt_print("%s: %s\n", kt_json_get_string(action, "subject"),
		problem == NULL ? "repaired" : problem);
	for (; done != NULL; done = kt_json_next(done)) {
		kt_print("  ");
		kt_print_safe(stdout, kt_json_string(done));
		kt_print("\n");
	}
	if (error == NULL)
		return;
	kt_print("  not repaired: %s: ", kt_json_get_string(error, "message"));
	kt_print_safe(stdout, kt_json_get_string(error, "detail"));
	kt_print(" [%s]\n  next: ", kt_json_get_string(error, "code"));
	kt_print_safe(stdout, kt_json_get_string(error, "next_step"));
	kt_print("\n");
}

static void report_print(const struct kt_json *report)
{
	const struct kt_json *action = kt_json_first(kt_json_get(report, "actions"));

	if (action == NULL)
		kt_print("%s: nothing to repair\n", kt_json_get_string(report, "mission"));
	for (; action != NULL; action = kt_json_next(action))
		action_print(action);
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_repair_options wish = {
		.holder_command = "kitty agent worktree repair", .on_notice = on_notice};
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *report = NULL;
	enum kt_code code =
		kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err);

	if (code == KT_E_OK)
		code = kt_context_config(&context, &err);
	if (code == KT_E_OK) {
		wish.repo = context.repo;
		wish.mission = context.mission;
		if (context.config->has_protected)
			wish.protected_branches =
				(const char *const *)context.config->protected_branches;
		code = kt_worktree_repair(&wish, &report, &err);
	}
	return kt_context_answer(
		&context, invocation->json, report, report_print, code == KT_E_OK ? NULL : &err);
}

const struct kt_command kt_command_worktree_repair = {
	.summary = "bring a mission's worktrees back to what they must be",
	.arguments = "[--mission HANDLE]",
	.help = "Applies the sparse policy of the lanes again, restores the coordination worktree, "
		"makes\n"
		"lane worktrees again from their branches, and drops stale registrations. "
		"Unfinished "
		"files\n"
		"of a lane that is beyond saving are kept under refs/kitty/rescue/ first. Run "
		"twice, "
		"it\n"
		"does nothing the second time. Exit 1 when something is left that only a person "
		"can "
		"end.",
	.options = options,
	.run = run,
};
