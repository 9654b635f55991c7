/*
 * Options and arguments of one command, read by its table. Process: every command. Never prints.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"

static const struct kt_option common[] = {
	{"json", 0, NULL, true, "print one JSON object"},
	{"help", 'h', NULL, true, "show this help"},
	{"no-color", 0, NULL, true, "no colours"},
	{"directory", 'C', "DIR", false, "run as if started in DIR"},
	KT_OPTION_END,
};

static const struct kt_option *table_find(
	const struct kt_option *table, const char *name, size_t len)
{
	for (; table != NULL && table->name != NULL; table++)
		if (strlen(table->name) == len && strncmp(table->name, name, len) == 0)
			return table;
	return NULL;
}

static const struct kt_option *letter_find(const struct kt_option *table, char letter)
{
	for (; table != NULL && table->name != NULL; table++)
		if (table->letter == letter)
			return table;
	return NULL;
}

static void nearest_in(
	const struct kt_option *table, const char *name, const char **nearest, size_t *least)
{
	for (; table != NULL && table->name != NULL; table++) {
		size_t distance = kt_edit_distance(name, table->name);

		if (distance < *least) {
			*least = distance;
			*nearest = table->name;
		}
	}
}

static enum kt_code unknown_option(
	const struct kt_invocation *invocation, const char *word, struct kt_error *err)
{
	const char *nearest = "help";
	size_t least = SIZE_MAX;
	char *name = kt_strndup(word + strspn(word, "-"), strcspn(word + strspn(word, "-"), "="));

	nearest_in(invocation->command->options, name, &nearest, &least);
	nearest_in(common, name, &nearest, &least);
	(void)kt_error_set(err, KT_E_USAGE, "`%s` has no option `%.60s`; the nearest is --%s",
		invocation->path, word, nearest);
	kt_error_next(err, "kitty help %s", invocation->path);
	free(name);
	return KT_E_USAGE;
}

static enum kt_code usage_error(const struct kt_invocation *invocation, struct kt_error *err,
	const char *what, const char *which)
{
	(void)kt_error_set(err, KT_E_USAGE, "%s%.80s", what, which);
	kt_error_next(err, "kitty help %s", invocation->path);
	return KT_E_USAGE;
}

static bool is_common(const struct kt_option *option)
{
	return option >= common && option < common + sizeof common / sizeof common[0];
}

static enum kt_code option_add(struct kt_invocation *invocation, const struct kt_option *option,
	const char *value, struct kt_error *err)
{
	if (is_common(option)) {
		invocation->json |= strcmp(option->name, "json") == 0;
		invocation->help |= strcmp(option->name, "help") == 0;
		invocation->no_color |= strcmp(option->name, "no-color") == 0;
		if (option->value != NULL)
			invocation->directory = value;
		return KT_E_OK;
	}
	for (size_t i = 0; i < invocation->given_len; i++)
		if (!option->repeats && invocation->given[i].option == option)
			return usage_error(invocation, err, "given twice: --", option->name);
	invocation->given = kt_realloc_array(
		invocation->given, invocation->given_len + 1, sizeof *invocation->given);
	invocation->given[invocation->given_len++] = (struct kt_given){option, value};
	return KT_E_OK;
}

static const struct kt_option *long_find(
	const struct kt_invocation *invocation, const char *word, const char **value)
{
	const char *equals = strchr(word, '=');
	size_t len = equals == NULL ? strlen(word) : (size_t)(equals - word);
	const struct kt_option *option =
		table_find(invocation->command->options, word + 2, len - 2);

	*value = equals == NULL ? NULL : equals + 1;
	return option != NULL ? option : table_find(common, word + 2, len - 2);
}

/* -f, -fVALUE; flags are not bundled. */
static const struct kt_option *short_find(
	const struct kt_invocation *invocation, const char *word, const char **value)
{
	const struct kt_option *option = letter_find(invocation->command->options, word[1]);

	if (option == NULL)
		option = letter_find(common, word[1]);
	*value = word[2] == '\0' ? NULL : word + 2;
	return option != NULL && option->value == NULL && *value != NULL ? NULL : option;
}

/* One word that starts with a dash; *i moves on when it takes the next word as its value. */
static enum kt_code option_parse(struct kt_invocation *invocation, int argc,
	const char *const *argv, int *i, struct kt_error *err)
{
	const char *word = argv[*i];
	const char *value = NULL;
	const struct kt_option *option = word[1] == '-' ? long_find(invocation, word, &value)
							: short_find(invocation, word, &value);

	if (option == NULL)
		return unknown_option(invocation, word, err);
	if (option->value == NULL && value != NULL)
		return usage_error(invocation, err, "takes no value: --", option->name);
	if (option->value != NULL && value == NULL) {
		if (*i + 1 >= argc)
			return usage_error(invocation, err, "needs a value: --", option->name);
		value = argv[++*i];
	}
	return option_add(invocation, option, value, err);
}

static enum kt_code argument_missing(const struct kt_invocation *invocation, struct kt_error *err)
{
	char *usage = kt_usage_line(invocation->path, invocation->command);
	enum kt_code code = usage_error(
		invocation, err, "an argument is missing; the command is: kitty ", usage);

	free(usage);
	return code;
}

static enum kt_code arguments_check(const struct kt_invocation *invocation, struct kt_error *err)
{
	const struct kt_command *command = invocation->command;

	if (invocation->help)
		return KT_E_OK;
	if (invocation->rest != NULL && !command->takes_rest)
		return usage_error(
			invocation, err, "takes no command after --: ", invocation->path);
	if (invocation->rest != NULL && invocation->rest[0] == NULL)
		return usage_error(
			invocation, err, "no command follows the -- of ", invocation->path);
	if (invocation->arguments_len < command->min_arguments)
		return argument_missing(invocation, err);
	if (invocation->arguments_len > command->max_arguments)
		return usage_error(invocation, err,
			"one argument too many: ", invocation->arguments[command->max_arguments]);
	return KT_E_OK;
}

enum kt_code kt_invocation_parse(
	struct kt_invocation *invocation, int argc, const char *const *argv, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (int i = 0; i < argc && code == KT_E_OK; i++) {
		if (strcmp(argv[i], "--") == 0) {
			invocation->rest = argv + i + 1;
			break;
		}
		if (argv[i][0] == '-' && argv[i][1] != '\0') {
			code = option_parse(invocation, argc, argv, &i, err);
			continue;
		}
		invocation->arguments = kt_realloc_array(invocation->arguments,
			invocation->arguments_len + 1, sizeof *invocation->arguments);
		invocation->arguments[invocation->arguments_len++] = argv[i];
	}
	return code != KT_E_OK ? code : arguments_check(invocation, err);
}

void kt_invocation_release(struct kt_invocation *invocation)
{
	free(invocation->arguments);
	free(invocation->given);
	*invocation = (struct kt_invocation){0};
}

const char *kt_invocation_nth(const struct kt_invocation *invocation, const char *name, size_t i)
{
	KT_BUG_UNLESS(table_find(invocation->command->options, name, strlen(name)) != NULL);
	for (size_t at = 0; at < invocation->given_len; at++)
		if (strcmp(invocation->given[at].option->name, name) == 0 && i-- == 0)
			return invocation->given[at].value == NULL ? ""
								   : invocation->given[at].value;
	return NULL;
}

const char *kt_invocation_value(const struct kt_invocation *invocation, const char *name)
{
	return kt_invocation_nth(invocation, name, 0);
}

bool kt_invocation_has(const struct kt_invocation *invocation, const char *name)
{
	return kt_invocation_nth(invocation, name, 0) != NULL;
}

enum kt_code kt_invocation_number(const struct kt_invocation *invocation, const char *name,
	long fallback, long *out, struct kt_error *err)
{
	const char *text = kt_invocation_value(invocation, name);
	char *end = NULL;
	long value = 0;

	if (text == NULL) {
		*out = fallback;
		return KT_E_OK;
	}
	errno = 0;
	value = strtol(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value == LONG_MAX)
		return kt_error_set(
			err, KT_E_INVALID_ARGUMENT, "--%s takes a number, not `%.40s`", name, text);
	*out = value;
	return KT_E_OK;
}
