/*
 * kitty agent mission create: id, drafts and coordination branch of a new mission. Process: a
 * command.
 */
#include <stdlib.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/mission/create.h"

static const struct kt_option options[] = {
	{"friendly-name", 0, "TEXT", false, "name for people"},
	{"purpose-tldr", 0, "TEXT", false, "purpose in one line"},
	{"purpose-context", 0, "TEXT", false, "purpose in a few sentences"},
	{"target-branch", 0, "BRANCH", false, "branch the mission ends on"},
	{"new", 0, NULL, false, "make a second mission of that name"},
	KT_OPTION_END,
};

static void meta_copy(struct kt_json *answer, const struct kt_json *meta, const char *key)
{
	const struct kt_json *value = kt_json_get(meta, key);

	kt_json_set(answer, key, value == NULL ? kt_json_new_null() : kt_json_copy(value));
}

static void path_set(struct kt_json *answer, const char *key, const char *folder, const char *name)
{
	char *path = kt_format("%s/%s", folder, name);

	kt_json_set_string(answer, key, path);
	free(path);
}

static struct kt_json *answer_build(const struct kt_mission_made *made)
{
	const struct kt_mission *mission = made->mission;
	struct kt_json *answer = kt_json_new_object();
	struct kt_json *files = kt_json_new_array();
	char *next_step = kt_format("write spec.md, plan.md and tasks/WPnn-*.md, then: kitty agent "
				    "mission finalize-tasks --mission %s",
		mission->slug);

	for (char **path = made->created_files; path != NULL && *path != NULL; path++)
		kt_json_append(files, kt_json_new_string(*path));
	kt_json_set_string(answer, "result", "success");
	kt_json_set_string(answer, "mission_slug", mission->slug);
	meta_copy(answer, mission->meta, "mission_number");
	kt_json_set_string(answer, "mission_id", mission->mission_id);
	meta_copy(answer, mission->meta, "mission_type");
	meta_copy(answer, mission->meta, "slug");
	meta_copy(answer, mission->meta, "friendly_name");
	meta_copy(answer, mission->meta, "purpose_tldr");
	meta_copy(answer, mission->meta, "purpose_context");
	kt_json_set_string(answer, "feature_dir", mission->draft_dir);
	path_set(answer, "spec_file", mission->draft_dir, "spec.md");
	path_set(answer, "meta_file", mission->draft_dir, "meta.json");
	meta_copy(answer, mission->meta, "created_at");
	kt_json_set_bool(answer, "created", made->created);
	kt_json_set(answer, "created_files", files);
	kt_json_set_string(answer, "target_branch", mission->target_branch);
	kt_json_set_string(answer, "planning_base_branch", mission->target_branch);
	kt_json_set_string(answer, "merge_target_branch", mission->target_branch);
	kt_json_set_string(answer, "coordination_branch", mission->coordination_branch);
	kt_json_set_bool(answer, "coordination_branch_created", made->branch_created);
	meta_copy(answer, mission->meta, "topology");
	kt_json_set_string(answer, "next_step", next_step);
	free(next_step);
	kt_json_set_string(answer, "spec_kitty_version", KITTY_VERSION);
	return answer;
}

static void report(bool json, const struct kt_mission_made *made)
{
	struct kt_json *answer = answer_build(made);

	if (json) {
		kt_print_json(answer);
	} else {
		kt_print("%s mission %s (%s)\n", made->created ? "created" : "found",
			made->mission->slug, made->mission->mission_id);
		kt_print("drafts:              %s/\n", made->mission->folder);
		kt_print("coordination branch: %s, off %s\n", made->mission->coordination_branch,
			made->mission->target_branch);
		kt_print("next: %s\n", kt_json_get_string(answer, "next_step"));
	}
	kt_json_free(answer);
}

static int run(struct kt_invocation *invocation)
{
	struct kt_mission_request request = {
		.slug = invocation->arguments[0],
		.friendly_name = kt_invocation_value(invocation, "friendly-name"),
		.purpose_tldr = kt_invocation_value(invocation, "purpose-tldr"),
		.purpose_context = kt_invocation_value(invocation, "purpose-context"),
		.target_branch = kt_invocation_value(invocation, "target-branch"),
		.make_new = kt_invocation_has(invocation, "new"),
	};
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_mission_made made = {0};
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (kt_context_open(&context, &err) != KT_E_OK ||
		kt_mission_create(context.repo, &request, &made, &err) != KT_E_OK)
		status = kt_fail(invocation->json, &err);
	else
		report(invocation->json, &made);
	kt_mission_made_release(&made);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_mission_create = {
	.summary = "start a mission: its id, drafts and coordination branch",
	.arguments = "SLUG",
	.help = "Scaffolds kitty-specs/<mission>/ in the primary checkout (uncommitted) and makes "
		"the branch\n"
		"kitty/mission-<mission> off the target. Commits nothing to the target. Run again "
		"before\n"
		"finalize-tasks, it completes or reports the same mission; --new makes a second "
		"one.",
	.options = options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
