/*
 * kitty help, kitty help COMMAND, kitty COMMAND --help: written from the tables. Process: a
 * command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/output.h"

static const char *const exit_statuses =
	"Exit status: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused by policy, 5 conflict,\n"
	"6 timed out, 7 no supervisor, 8 rolled back.\n";

char *kt_usage_line(const char *path, const struct kt_command *command)
{
	return kt_format(
		"%s%s%s", path, command->arguments[0] == '\0' ? "" : " ", command->arguments);
}

static void row_print(const struct kt_command_row *row)
{
	kt_print("  %-29s %s\n", row->path, row->command->summary);
}

/* Do the words lead to the command? No word leads to all. */
static bool is_below(const struct kt_command_row *row, size_t words_len, const char *const *words)
{
	const char *path = row->path;
	size_t at = 0;

	for (; at < words_len && strncmp(path, words[at], strlen(words[at])) == 0 &&
		path[strlen(words[at])] == ' ';
		at++)
		path += strlen(words[at]) + 1;
	return at == words_len;
}

/* {"commands": {path: summary}} of those below the words. */
static int list_print(size_t words_len, const char *const *words)
{
	struct kt_json *list = kt_json_new_object();

	kt_json_set(list, "commands", kt_json_new_object());
	for (size_t i = 0; i < kt_commands_len; i++)
		if (!kt_commands[i].command->is_hidden &&
			is_below(&kt_commands[i], words_len, words))
			kt_json_set_string(kt_json_get(list, "commands"), kt_commands[i].path,
				kt_commands[i].command->summary);
	kt_print_json(list);
	kt_json_free(list);
	return KT_EXIT_OK;
}

int kt_help_overview(bool json)
{
	if (json)
		return list_print(0, NULL);
	kt_print("kitty runs many coding agents at once on one git repository.\n\n"
		 "usage: kitty [-C DIR] COMMAND [--json] [OPTIONS]\n\n");
	for (size_t i = 0; i < kt_commands_len; i++)
		if (!kt_commands[i].command->is_hidden && !kt_commands[i].is_alias)
			row_print(&kt_commands[i]);
	kt_print("\nkitty help COMMAND tells more about one. %s", exit_statuses);
	return KT_EXIT_OK;
}

int kt_help_group(size_t words_len, const char *const *words, bool json)
{
	if (json)
		return list_print(words_len, words);
	for (size_t i = 0; i < kt_commands_len; i++)
		if (!kt_commands[i].command->is_hidden &&
			is_below(&kt_commands[i], words_len, words))
			row_print(&kt_commands[i]);
	return KT_EXIT_OK;
}

static void option_print(const struct kt_option *option)
{
	char *left = kt_format("%s%c%s--%s%s%s", option->letter != 0 ? "-" : "",
		option->letter != 0 ? option->letter : ' ', option->letter != 0 ? ", " : "",
		option->name, option->value == NULL ? "" : " ",
		option->value == NULL ? "" : option->value);

	kt_print("  %-30s %s%s\n", left[0] == ' ' ? left + 1 : left, option->help,
		option->repeats ? " (may be repeated)" : "");
	free(left);
}

static struct kt_json *option_json(const struct kt_option *option)
{
	struct kt_json *row = kt_json_new_object();
	char letter[] = {option->letter, '\0'};

	kt_json_set_string(row, "name", option->name);
	kt_json_set_string(row, "letter", option->letter == 0 ? NULL : letter);
	kt_json_set_string(row, "value", option->value);
	kt_json_set_bool(row, "repeats", option->repeats);
	kt_json_set_string(row, "help", option->help);
	return row;
}

static int command_json(const char *path, const struct kt_command *command)
{
	struct kt_json *object = kt_json_new_object();
	struct kt_json *list = kt_json_new_array();
	struct kt_json *also = kt_json_new_array();
	char *usage = kt_usage_line(path, command);

	for (const struct kt_option *option = command->options;
		option != NULL && option->name != NULL; option++)
		kt_json_append(list, option_json(option));
	for (size_t i = 0; i < kt_commands_len; i++)
		if (kt_commands[i].command == command && strcmp(kt_commands[i].path, path) != 0)
			kt_json_append(also, kt_json_new_string(kt_commands[i].path));
	kt_json_set_string(object, "command", path);
	kt_json_set_string(object, "summary", command->summary);
	kt_json_set_string(object, "usage", usage);
	kt_json_set_string(object, "help", command->help);
	kt_json_set(object, "options", list);
	kt_json_set(object, "also", also);
	kt_print_json(object);
	kt_json_free(object);
	free(usage);
	return KT_EXIT_OK;
}

/* A command that is a group too, orchestrator-api, names the commands below it. */
static void below_print(const char *path)
{
	const char *const words[] = {path};

	if (strchr(path, ' ') != NULL || !kt_command_is_group(1, words))
		return;
	kt_print("\ncommands:\n");
	for (size_t i = 0; i < kt_commands_len; i++)
		if (is_below(&kt_commands[i], 1, words) && strcmp(kt_commands[i].path, path) != 0)
			row_print(&kt_commands[i]);
}

int kt_help_command(const char *path, const struct kt_command *command, bool json)
{
	char *usage = NULL;

	if (json)
		return command_json(path, command);
	usage = kt_usage_line(path, command);
	kt_print("%s\n\nusage: kitty %s\n", command->summary, usage);
	free(usage);
	if (command->help != NULL)
		kt_print("\n%s\n", command->help);
	below_print(path);
	kt_print("\noptions:\n");
	for (const struct kt_option *option = command->options;
		option != NULL && option->name != NULL; option++)
		option_print(option);
	kt_print("  %-30s %s\n", "--json",
		command->is_stream ? "print JSON lines" : "print one JSON object, also on failure");
	kt_print("  %-30s %s\n", "-C DIR", "run as if started in DIR");
	for (size_t i = 0; i < kt_commands_len; i++)
		if (kt_commands[i].command == command && strcmp(kt_commands[i].path, path) != 0)
			kt_print("\nalso: kitty %s", kt_commands[i].path);
	kt_print("\n");
	return KT_EXIT_OK;
}

static int fail_unknown(const struct kt_invocation *invocation)
{
	struct kt_error err = KT_ERROR_INIT;

	(void)kt_command_unknown(invocation->arguments_len, invocation->arguments, &err);
	return kt_fail(invocation->json, &err);
}

static int run(struct kt_invocation *invocation)
{
	size_t used = 0;
	const struct kt_command_row *row =
		kt_command_find(invocation->arguments_len, invocation->arguments, &used);

	if (invocation->arguments_len == 0)
		return kt_help_overview(invocation->json);
	if (row != NULL && used == invocation->arguments_len)
		return kt_help_command(row->path, row->command, invocation->json);
	if (kt_command_is_group(invocation->arguments_len, invocation->arguments))
		return kt_help_group(
			invocation->arguments_len, invocation->arguments, invocation->json);
	return fail_unknown(invocation);
}

const struct kt_command kt_command_help = {
	.summary = "tell about kitty, or about one command",
	.arguments = "[COMMAND]",
	.max_arguments = 4,
	.run = run,
};
