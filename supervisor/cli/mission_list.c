/*
 * kitty mission list: every mission the repository knows. Process: a command. Never writes.
 */
#include <stdlib.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"

static struct kt_json *row_build(const struct kt_mission *mission)
{
	struct kt_json *row = kt_json_new_object();

	kt_json_set_string(row, "mission_slug", mission->slug);
	kt_json_set_string(row, "mission_id", mission->mission_id);
	kt_json_set_string(row, "mid8", mission->mid8);
	kt_json_set_string(row, "target_branch", mission->target_branch);
	kt_json_set_string(row, "coordination_branch", mission->coordination_branch);
	kt_json_set_bool(row, "closed", mission->is_closed);
	kt_json_set_bool(row, "discarded", mission->is_discarded);
	return row;
}

static const char *state_of(const struct kt_mission *mission)
{
	if (mission->is_discarded)
		return "  (discarded)";
	return mission->is_closed ? "  (closed)" : "";
}

static void report(bool json, struct kt_mission **missions, size_t len)
{
	struct kt_json *answer = kt_json_new_object();
	struct kt_json *list = kt_json_new_array();

	for (size_t i = 0; i < len; i++)
		kt_json_append(list, row_build(missions[i]));
	kt_json_set(answer, "missions", list);
	if (json)
		kt_print_json(answer);
	else if (len == 0)
		kt_print("no missions; start one with: kitty agent mission create SLUG\n");
	for (size_t i = 0; !json && i < len; i++)
		kt_print("%-44s %s  -> %s%s\n", missions[i]->slug, missions[i]->mission_id,
			missions[i]->target_branch, state_of(missions[i]));
	kt_json_free(answer);
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_mission **missions = NULL;
	struct kt_error err = KT_ERROR_INIT;
	size_t len = 0;
	int status = KT_EXIT_OK;

	if (kt_context_open(&context, &err) != KT_E_OK ||
		kt_mission_list(context.repo, &missions, &len, &err) != KT_E_OK)
		status = kt_fail(invocation->json, &err);
	else
		report(invocation->json, missions, len);
	for (size_t i = 0; i < len; i++)
		kt_mission_free(missions[i]);
	free(missions);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_mission_list = {
	.summary = "list the missions of this repository",
	.arguments = "",
	.run = run,
};
