/*
 * kitty init: the configuration file and git's own local exclude and attributes. Process: a
 * command.
 */
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/mission/create.h"

static void report(bool json, char **changed)
{
	struct kt_json *answer = kt_json_new_object();
	struct kt_json *list = kt_json_new_array();

	for (char **path = changed; *path != NULL; path++)
		kt_json_append(list, kt_json_new_string(*path));
	kt_json_set_string(answer, "result", "success");
	kt_json_set(answer, "changed", list);
	if (json)
		kt_print_json(answer);
	else if (changed[0] == NULL)
		kt_print("everything is in place already\n");
	for (char **path = changed; !json && *path != NULL; path++)
		kt_print("wrote %s\n", *path);
	kt_json_free(answer);
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_error err = KT_ERROR_INIT;
	char **changed = NULL;
	int status = KT_EXIT_OK;

	if (kt_context_open(&context, &err) != KT_E_OK ||
		kt_project_init(context.repo, &changed, &err) != KT_E_OK)
		status = kt_fail(invocation->json, &err);
	else
		report(invocation->json, changed);
	kt_strings_free(changed);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_init = {
	.summary = "prepare a repository for kitty",
	.arguments = "",
	.help = "Writes .kittify/config.yaml with comments, /.worktrees/ in .git/info/exclude and "
		"one line\n"
		"in .git/info/attributes. Touches nothing else and may be run again.",
	.run = run,
};
