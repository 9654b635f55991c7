/*
 * kitty agent context resolve: what an action would work on, and where. Process: a command. Never
 * writes.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/pick.h"
#include "supervisor/cli/start.h"
#include "supervisor/cli/write.h"

static const struct kt_option options[] = {
	{"action", 0, "ACTION", false, "specify, plan, tasks, implement, review, accept, ..."},
	{"wp-id", 0, "WP", false, "work package (the first that fits, when not given)"},
	{"agent", 0, "NAME", false, "who asks"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

static const struct action {
	const char *name;
	const char *command; /* what carries it out */
	bool has_wp;
} actions[] = {
	{"specify", "kitty agent mission finalize-tasks --validate-only", false},
	{"plan", "kitty agent mission finalize-tasks --validate-only", false},
	{"analyze", "kitty agent mission finalize-tasks --validate-only", false},
	{"tasks", "kitty agent mission finalize-tasks --validate-only", false},
	{"tasks_outline", "kitty agent mission finalize-tasks --validate-only", false},
	{"tasks_packages", "kitty agent mission finalize-tasks --validate-only", false},
	{"tasks_finalize", "kitty agent mission finalize-tasks", false},
	{"implement", "kitty agent action implement", true},
	{"review", "kitty agent action review", true},
	{"accept", "kitty merge --dry-run", false},
	{"status", "kitty status", false},
};

static const struct action *action_find(const char *name)
{
	for (size_t i = 0; name != NULL && i < sizeof actions / sizeof actions[0]; i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return NULL;
}

static void null_members(struct kt_json *answer)
{
	static const char *const names[] = {"wp_id", "wp_file", "lane", "lane_id", "branch_name",
		"execution_mode", "resolved_base", "workspace_path"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		kt_json_set(answer, names[i], kt_json_new_null());
	kt_json_set(answer, "dependencies", kt_json_new_array());
}

static void wp_members(struct kt_json *answer, struct kt_start *start)
{
	struct kt_json *dependencies = kt_json_new_array();
	char *file = kt_start_wp_file(start);

	kt_start_place(start);
	for (char **id = start->wp->dependencies; id != NULL && *id != NULL; id++)
		kt_json_append(dependencies, kt_json_new_string(*id));
	kt_json_set_string(answer, "wp_id", start->wp->id);
	kt_json_set_string(answer, "wp_file", file);
	kt_json_set_string(answer, "lane", kt_status_name(start->from));
	kt_json_set_string(answer, "lane_id", start->lane == NULL ? NULL : start->lane->id);
	kt_json_set_string(answer, "branch_name", start->branch);
	kt_json_set_string(
		answer, "execution_mode", start->branch == NULL ? "direct_repo" : "worktree");
	kt_json_set_string(answer, "resolved_base",
		start->context->mission->coordination_branch != NULL
			? start->context->mission->coordination_branch
			: start->context->mission->target_branch);
	kt_json_set_string(answer, "workspace_path", start->workspace);
	kt_json_set(answer, "dependencies", dependencies);
	free(file);
}

/* Who would do it: who asks, who holds the work package, or whom `implement` takes. */
static const char *agent_of(const struct kt_start *start, const char *asking)
{
	const char *holder = start->state.has_transition ? kt_wp_holder(&start->state) : NULL;

	if (asking != NULL)
		return asking;
	return holder != NULL ? holder : "operator";
}

static struct kt_json *commands_of(const struct action *action, const struct kt_mission *mission,
	const struct kt_start *start, const char *asking)
{
	struct kt_json *commands = kt_json_new_array();
	char *agent = action->has_wp ? kt_shell_word(agent_of(start, asking)) : NULL;
	char *text = kt_format("%s%s%s --mission %s%s%s", action->command,
		start->wp == NULL ? "" : " ", start->wp == NULL ? "" : start->wp->id, mission->slug,
		agent == NULL ? "" : " --agent ", agent == NULL ? "" : agent);

	kt_json_append(commands, kt_json_new_string(text));
	free(agent);
	free(text);
	return commands;
}

static enum kt_code resolve(const struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json *answer, struct kt_error *err)
{
	const struct action *action = action_find(kt_invocation_value(invocation, "action"));
	const char *wp_id = kt_invocation_value(invocation, "wp-id");
	const char *handle = kt_invocation_value(invocation, "mission");
	struct kt_start start = {0};
	char *picked = NULL;
	enum kt_code code = KT_E_OK;

	if (action == NULL)
		return kt_error_set(err, KT_E_INVALID_ACTION, "`%.40s`",
			kt_invocation_value(invocation, "action") == NULL
				? ""
				: kt_invocation_value(invocation, "action"));
	code = kt_context_mission(context, handle, err);
	if (code != KT_E_OK)
		return code;
	null_members(answer);
	if (action->has_wp)
		code = kt_pick_wp(context, action->name, wp_id,
			kt_invocation_value(invocation, "agent"), &picked, err);
	if (code == KT_E_OK && action->has_wp)
		code = kt_start_open(&start, context, picked, err);
	if (code == KT_E_OK && action->has_wp)
		wp_members(answer, &start);
	if (code == KT_E_OK) {
		const struct kt_mission *mission = context->mission;

		kt_json_set_string(answer, "action", action->name);
		kt_json_set_string(answer, "mission_slug", mission->slug);
		kt_json_set_string(answer, "feature_dir", mission->draft_dir);
		kt_json_set_string(answer, "target_branch", mission->target_branch);
		kt_json_set_string(answer, "detection_method",
			handle != NULL             ? "explicit"
			: context->repo->is_linked ? "worktree"
						   : "only_mission");
		kt_json_set_string(
			answer, "resolution_kind", action->has_wp ? "work_package" : "mission");
		kt_json_set_bool(answer, "auto_merge", false);
		kt_json_set(answer, "commands",
			commands_of(
				action, mission, &start, kt_invocation_value(invocation, "agent")));
		kt_json_set(answer, "warnings", kt_json_new_array());
	}
	kt_start_release(&start);
	free(picked);
	return code;
}

static int fail(const struct kt_invocation *invocation, const struct kt_context *context,
	const struct kt_error *err)
{
	struct kt_json *extra = NULL;

	if (!invocation->json)
		return kt_context_fail(context, false, err);
	extra = kt_json_new_object();
	kt_json_set_bool(extra, "success", false);
	kt_json_set_string(extra, "error_code",
		err->code == KT_E_WP_NOT_FOUND ? "WORK_PACKAGE_UNRESOLVED"
					       : kt_error_text(err->code));
	if (context->candidates != NULL)
		kt_json_set(extra, "candidates", kt_json_copy(context->candidates));
	return kt_fail_with(true, err, extra);
}

static void answer_print(const struct kt_json *answer)
{
	const struct kt_json *command = kt_json_first(kt_json_get(answer, "commands"));
	const char *wp = kt_json_get_string(answer, "wp_id");

	kt_print("mission   %s -> %s\n", kt_json_get_string(answer, "mission_slug"),
		kt_json_get_string(answer, "target_branch"));
	if (wp != NULL)
		kt_print("wp        %s  %s\nworkspace %s\n", wp, kt_json_get_string(answer, "lane"),
			kt_json_get_string(answer, "workspace_path"));
	kt_print("next      %s\n", kt_json_string(command));
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *answer = kt_json_new_object();
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	kt_json_set_bool(answer, "success", true);
	if (resolve(invocation, &context, answer, &err) != KT_E_OK)
		status = fail(invocation, &context, &err);
	else if (invocation->json)
		kt_print_json(answer);
	else
		answer_print(answer);
	kt_json_free(answer);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_context_resolve = {
	.summary = "what an action would work on, and where",
	.arguments = "--action ACTION",
	.options = options,
	.run = run,
};
