/*
 * A command of kitty: one `struct kt_command` in a small file of its own, and one row in
 * commands.def that gives it its path on the command line (aliases are rows too). The longest path
 * wins.
 *
 *   KT_COMMAND("agent mission create", mission_create)	-> const struct kt_command
 * kt_command_mission_create KT_ALIAS("mission create", mission_create)
 *
 * main -> kt_cli_main -> options parsed by the command's table -> run() -> exit status. run()
 * prints its own result through output.h: with --json exactly one object on standard output,
 * whatever happens. Everybody has --json, --help, --no-color and -C DIR; they do not stand in the
 * commands' tables.
 */
#ifndef KITTY_SUPERVISOR_CLI_COMMAND_H
#define KITTY_SUPERVISOR_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

struct kt_invocation;

/* In the order it is written. NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct kt_option {
	const char *name;  /* without the dashes */
	char letter;       /* -f; 0: none */
	const char *value; /* what it takes, for the help: "HANDLE"; NULL: a flag */
	bool repeats;      /* may be given more than once */
	const char *help;
};
#define KT_OPTION_END \
	{ \
		NULL, 0, NULL, false, NULL \
	}
#define KT_OPTION_MISSION \
	{ \
		"mission", 0, "HANDLE", false, "mission: its slug, id or the id's first 8 letters" \
	}
#define KT_OPTION_EVENT_ID \
	{ \
		"event-id", 0, "ULID", false, \
			"id of the event; the same id again is the same event" \
	}

struct kt_command {
	const char *summary;   /* one line, for the list of commands */
	const char *arguments; /* "WP [-- COMMAND ARG...]", for the usage line; "" for none */
	const char *help;      /* paragraphs below the usage line; NULL: the summary says it all */
	const struct kt_option *options; /* ends with KT_OPTION_END; NULL: none of its own */
	size_t min_arguments, max_arguments;
	bool takes_rest; /* `-- COMMAND ARG...` is allowed */
	bool is_hidden;  /* not in the list (helpers of the supervisor) */
	bool is_stream;  /* with --json: JSON lines instead of one object */
	/* How a command line that is not understood is told; NULL: kt_fail. Gives the exit status.
	 */
	int (*fail)(const struct kt_error *err);
	int (*run)(struct kt_invocation *invocation); /* gives the exit status */
};

#define KT_ARGUMENTS_MAX 4096 /* max_arguments of commands that take any number */

#define KT_COMMAND(path, name) extern const struct kt_command kt_command_##name;
#define KT_ALIAS(path, name)
#include "supervisor/cli/commands.def"
#undef KT_COMMAND
#undef KT_ALIAS

/* One run of a command. Strings borrow from argv. */
struct kt_given {
	const struct kt_option *option;
	const char *value; /* NULL: a flag */
};

struct kt_invocation {
	const struct kt_command *command;
	const char *path;       /* as the row spells it: "agent mission create" */
	const char **arguments; /* without options, without what follows -- */
	size_t arguments_len;
	const char *const *rest; /* after --, NULL-terminated; NULL without a -- */
	struct kt_given *given;
	size_t given_len;
	const char *
		directory; /* -C; NULL: the current one (kt_cli_main has changed into it already) */
	bool json, help, no_color;
};

/* Options by name, without dashes. An option that is not in the command's table is a bug. */
bool kt_invocation_has(const struct kt_invocation *invocation, const char *name);
const char *kt_invocation_value(const struct kt_invocation *invocation, const char *name);
/* The i-th value of an option that repeats; NULL past the end. */
const char *kt_invocation_nth(const struct kt_invocation *invocation, const char *name, size_t i);
/* A value as a number >= 0, or `fallback` when it is not given. Errors: KT_E_INVALID_ARGUMENT. */
KT_MUST_CHECK enum kt_code kt_invocation_number(const struct kt_invocation *invocation,
	const char *name, long fallback, long *out, struct kt_error *err);

/* Parses what follows the command's path. Errors: KT_E_USAGE, naming the nearest option. The
 * contents are given. */
KT_MUST_CHECK enum kt_code kt_invocation_parse(
	struct kt_invocation *invocation, int argc, const char *const *argv, struct kt_error *err);
void kt_invocation_release(struct kt_invocation *invocation);

struct kt_command_row {
	const char *path;
	const struct kt_command *command;
	bool is_alias;
};
extern const struct kt_command_row kt_commands[];
extern const size_t kt_commands_len;

/* The row with the longest path that the words begin with; *words_used tells how many. NULL: none.
 */
const struct kt_command_row *kt_command_find(
	size_t words_len, const char *const *words, size_t *words_used);
/* The path nearest to the words (one that ends in the first of them, else by edit distance), never
 * a hidden one. NULL: none is near. */
const char *kt_command_nearest(size_t words_len, const char *const *words);
/* The error for words that begin with no command: a group alone, a typo with what is nearest, or
 * neither; the next step is a help that exists. Always KT_E_USAGE. */
enum kt_code kt_command_unknown(size_t words_len, const char *const *words, struct kt_error *err);
/* Do the words name a group ("agent mission")? */
bool kt_command_is_group(size_t words_len, const char *const *words);

/* Levenshtein; a pure function. */
size_t kt_edit_distance(const char *left, const char *right);

/* Texts of help. */
char *kt_usage_line(const char *path, const struct kt_command *command); /* gives */
int kt_help_overview(bool json);
int kt_help_group(size_t words_len, const char *const *words, bool json);
int kt_help_command(const char *path, const struct kt_command *command, bool json);

/* The whole program. */
int kt_cli_main(int argc, char **argv);

#endif
