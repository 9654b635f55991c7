/*
 * kitty-worker's command line. Process kitty-worker, nothing else. It must never do more than
 * parse, run, and say how it ended: two lines on standard error and an exit status as of kitty.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/worker.h"

struct arguments {
	struct kt_worker_options options;
	const char *lane;
	bool wants_help, wants_version;
};

enum kt_option_kind {
	KT_OPTION_MISSION,
	KT_OPTION_LANE,
	KT_OPTION_CHANNEL,
	KT_OPTION_HELP,
	KT_OPTION_VERSION
};

static const struct {
	const char *name;
	enum kt_option_kind kind;
	bool has_value;
} OPTIONS[] = {
	{"--mission", KT_OPTION_MISSION, true},
	{"--lane", KT_OPTION_LANE, true},
	{"--channel", KT_OPTION_CHANNEL, false},
	{"--help", KT_OPTION_HELP, false},
	{"--version", KT_OPTION_VERSION, false},
};

static const char USAGE[] =
	"Usage: kitty-worker [--mission MISSION] --lane LANE -- COMMAND [ARGUMENT...]\n"
	"\n"
	"Runs one lane of a mission that a supervisor (kitty launch) is running. It takes a lane "
	"that\n"
	"no worker holds, and runs COMMAND for each of its work packages.\n"
	"\n"
	"  --mission MISSION  id, short id or name; without it, the only supervisor that runs "
	"here\n"
	"  --lane LANE        a or lane-a\n"
	"  --channel          for kitty itself: speak on descriptors 3 and 4\n"
	"  --version, --help\n";

static void apply(struct arguments *arguments, enum kt_option_kind kind, const char *value)
{
	if (kind == KT_OPTION_MISSION)
		arguments->options.mission = value;
	else if (kind == KT_OPTION_LANE)
		arguments->lane = value;
	else if (kind == KT_OPTION_CHANNEL)
		arguments->options.has_channel = true;
	else if (kind == KT_OPTION_HELP)
		arguments->wants_help = true;
	else
		arguments->wants_version = true;
}

static size_t find_option(const char *word, size_t len)
{
	size_t i = 0;

	while (i < sizeof(OPTIONS) / sizeof(OPTIONS[0]) &&
		(strlen(OPTIONS[i].name) != len || strncmp(OPTIONS[i].name, word, len) != 0))
		i++;
	return i;
}

/* One option at words[0]; gives the number of words used, 0 when it is not understood. */
static int take_option(struct arguments *arguments, char *const *words, struct kt_error *err)
{
	const char *equals = strchr(words[0], '=');
	size_t len = equals != NULL ? (size_t)(equals - words[0]) : strlen(words[0]);
	size_t at = find_option(words[0], len);

	if (at == sizeof(OPTIONS) / sizeof(OPTIONS[0])) {
		(void)kt_error_set(err, KT_E_USAGE, "unknown argument \"%s\"", words[0]);
		return 0;
	}
	if (OPTIONS[at].has_value != (equals != NULL) &&
		(equals != NULL || words[1] == NULL || strcmp(words[1], "--") == 0)) {
		(void)kt_error_set(err, KT_E_USAGE, "%s takes %s value", OPTIONS[at].name,
			OPTIONS[at].has_value ? "a" : "no");
		return 0;
	}
	apply(arguments, OPTIONS[at].kind, equals != NULL ? equals + 1 : words[1]);
	return OPTIONS[at].has_value && equals == NULL ? 2 : 1;
}

static enum kt_code parse(struct arguments *arguments, char *const *words, struct kt_error *err)
{
	while (*words != NULL && strcmp(*words, "--") != 0) {
		int used = take_option(arguments, words, err);

		if (used == 0)
			return err->code;
		words += used;
	}
	if (arguments->wants_help || arguments->wants_version)
		return KT_E_OK;
	if (arguments->lane == NULL)
		return kt_error_set(err, KT_E_USAGE, "--lane is missing");
	if (*words != NULL && words[1] != NULL)
		arguments->options.argv = (const char *const *)(words + 1);
	if (arguments->options.has_channel ? arguments->options.mission == NULL
					   : arguments->options.argv == NULL)
		return kt_error_set(err, KT_E_USAGE,
			arguments->options.has_channel ? "--mission is missing"
						       : "no command after --");
	return KT_E_OK;
}

static enum kt_code run(struct arguments *arguments, struct kt_error *err)
{
	char *lane = kt_worker_lane_id(arguments->lane);
	enum kt_code code = KT_E_OK;

	if (lane == NULL)
		return kt_error_set(
			err, KT_E_INVALID_ARGUMENT, "\"%s\" is no lane", arguments->lane);
	arguments->options.lane = lane;
	code = kt_worker_run(&arguments->options, err);
	free(lane);
	return code;
}

static int report(const struct kt_error *err)
{
	const char *next = err->code == KT_E_USAGE || err->code == KT_E_INVALID_ARGUMENT
				   ? "kitty-worker --help"
				   : kt_error_next_step(err);

	(void)fprintf(stderr, "kitty-worker: %s: %s [%s]\nnext: %s\n", kt_error_summary(err->code),
		err->detail, kt_error_text(err->code), next);
	return kt_error_exit(err->code);
}

int main(int argc, char **argv)
{
	struct arguments arguments = {0};
	struct kt_error err = KT_ERROR_INIT;

	(void)argc;
	if (parse(&arguments, argv + 1, &err) != KT_E_OK)
		return report(&err);
	if (arguments.wants_help)
		return fputs(USAGE, stdout) < 0 ? KT_EXIT_FAILED : KT_EXIT_OK;
	if (arguments.wants_version)
		return printf("kitty-worker %s\n", KITTY_VERSION) < 0 ? KT_EXIT_FAILED : KT_EXIT_OK;
	return run(&arguments, &err) == KT_E_OK ? KT_EXIT_OK : report(&err);
}
