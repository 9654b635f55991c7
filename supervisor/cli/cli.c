/*
 * From the command line to a command: global options, look-up, help, usage errors. Process: every
 * one of kitty's. Reads argv only; the commands do the work.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/output.h"

/* Descriptors 0 to 2 must be open, or the next file opened would become standard output. */
static void descriptors_secure(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open(
				"/dev/null", O_RDWR | O_NOCTTY); /* NOLINT: stays open on purpose */
}

/* Is --json among the words that belong to kitty? Asked before they are understood. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

static enum kt_code directory_enter(const char *directory, struct kt_error *err)
{
	if (directory == NULL || chdir(directory) == 0)
		return KT_E_OK;
	return kt_error_sys(err, KT_E_INVALID_ARGUMENT, errno, "-C %.200s", directory);
}

/* Options before the command: -C DIR, --json, --no-color; --version and --help become commands. */
struct lead {
	int next; /* index of the first word of the command */
	const char *directory;
	bool version, help, json, no_color;
};

static enum kt_code lead_parse(int argc, char **argv, struct lead *lead, struct kt_error *err)
{
	const struct {
		const char *word, *letter;
		bool *flag;
	} flags[] = {
		{"--version", "-V", &lead->version},
		{"--help", "-h", &lead->help},
		{"--json", "--json", &lead->json},
		{"--no-color", "--no-color", &lead->no_color},
	};
	const size_t len = sizeof flags / sizeof flags[0];

	for (lead->next = 1; lead->next < argc && argv[lead->next][0] == '-'; lead->next++) {
		const char *word = argv[lead->next];
		size_t i = 0;

		while (i < len && strcmp(word, flags[i].word) != 0 &&
			strcmp(word, flags[i].letter) != 0)
			i++;
		if (i < len)
			*flags[i].flag = true;
		else if (strcmp(word, "-C") == 0 && lead->next + 1 < argc)
			lead->directory = argv[++lead->next];
		else if (strncmp(word, "-C", 2) == 0 && word[2] != '\0')
			lead->directory = word + 2;
		else
			return kt_error_set(err, KT_E_USAGE,
				"`%.60s` is no option that comes before a command", word);
	}
	kt_output_set_colour(!lead->no_color);
	return KT_E_OK;
}

static int command_run(const struct kt_command_row *row, const struct lead *lead, int argc,
	const char *const *argv)
{
	struct kt_invocation invocation = {
		.command = row->command, .path = row->path, .json = lead->json, .help = lead->help};
	struct kt_error err = KT_ERROR_INIT;
	int status = 0;
	enum kt_code code = kt_invocation_parse(&invocation, argc, argv, &err);

	kt_output_set_command(row->path);
	if (invocation.no_color)
		kt_output_set_colour(false);
	if (code == KT_E_OK && !invocation.help)
		code = directory_enter(lead->directory, &err);
	if (code == KT_E_OK && !invocation.help)
		code = directory_enter(invocation.directory, &err);
	if (code != KT_E_OK && row->command->fail != NULL)
		status = row->command->fail(&err);
	else if (code != KT_E_OK)
		status = kt_fail(invocation.json, &err);
	else if (invocation.help)
		status = kt_help_command(row->path, row->command, invocation.json);
	else
		status = row->command->run(&invocation);
	kt_invocation_release(&invocation);
	return status;
}

static const struct kt_command_row version_row = {"version", &kt_command_version, false};

/* `kitty agent mission --help`, and `kitty --help agent`. */
static bool is_group_help(const struct lead *lead, int argc, size_t words_len, char **words)
{
	bool asked = lead->help || (lead->next + (int)words_len < argc &&
					   strcmp(words[words_len], "--help") == 0);

	return asked && words_len > 0 && kt_command_is_group(words_len, (const char *const *)words);
}

static int dispatch(int argc, char **argv)
{
	struct lead lead = {.json = wants_json(argc, argv)};
	struct kt_error err = KT_ERROR_INIT;
	const char *const *words = NULL;
	const struct kt_command_row *row = NULL;
	size_t words_len = 0;
	size_t used = 0;

	kt_out_of_memory_is_json(lead.json);
	if (lead_parse(argc, argv, &lead, &err) != KT_E_OK)
		return kt_fail(lead.json, &err);
	words = (const char *const *)argv + lead.next;
	while (lead.next + (int)words_len < argc && words[words_len][0] != '-')
		words_len++;
	if (lead.version)
		return command_run(&version_row, &lead, argc - lead.next, words);
	if (lead.help && words_len == 0)
		return kt_help_overview(lead.json);
	row = kt_command_find(words_len, words, &used);
	if (row != NULL)
		return command_run(row, &lead, argc - lead.next - (int)used, words + used);
	if (is_group_help(&lead, argc, words_len, argv + lead.next))
		return kt_help_group(words_len, words, lead.json);
	(void)kt_command_unknown(words_len, words, &err);
	return kt_fail(lead.json, &err);
}

int kt_cli_main(int argc, char **argv)
{
	descriptors_secure();
	/* A reader that went away shows as EPIPE where it is written, and children get the default
	 * back. */
	(void)signal(SIGPIPE, SIG_IGN);
	/* A file that may not grow shows as EFBIG. */
	(void)signal(SIGXFSZ, SIG_IGN);
	return kt_output_finish(dispatch(argc, argv));
}
