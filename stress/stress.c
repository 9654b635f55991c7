/*
 * kitty-stress: many lanes on a real repository, real workers, real pipes; then every promise is
 * checked by reading git. Must exit non-zero when one is broken, and leave no process and, without
 * --keep, no file behind.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "stress/checker.h"
#include "stress/drive.h"
#include "stress/report.h"
#include "stress/run.h"
#include "stress/scenario.h"
#include "stress/workspace.h"

static const char USAGE[] =
	"usage: kitty-stress [--lanes N] [--events N] [--seed N] [--kill-supervisor N] "
	"[--no-baseline]\n"
	"                    [--json] [--keep]\n"
	"       kitty-stress --check FOLDER [--json]     a folder that --keep left\n"
	"       kitty-stress --scenario NAME|all [--quick] [--lanes N] [--events N] [--rounds N]\n"
	"                    [--seconds N] [--seed N] [--json] [--keep]\n"
	"       kitty-stress --list                      the scenarios\n"
	"exit: 0 every promise held, 1 one is broken or the mission did not finish, 2 it could not "
	"run\n";

struct options {
	unsigned long lanes, events, seed, kills;
	unsigned long is_json, keeps, skips_baseline;
	unsigned long rounds, seconds, is_quick, lists;
	const char *check, *scenario;
};

struct option {
	const char *name;
	size_t offset;          /* of an unsigned long */
	unsigned long min, max; /* max 0: a flag without value */
};

static const struct option OPTIONS[] = {
	{"--lanes", offsetof(struct options, lanes), 1, 200},
	{"--events", offsetof(struct options, events), 1, 100000},
	{"--seed", offsetof(struct options, seed), 0, 1UL << 62},
	{"--kill-supervisor", offsetof(struct options, kills), 0, 1000},
	{"--rounds", offsetof(struct options, rounds), 1, 100000},
	{"--seconds", offsetof(struct options, seconds), 1, 1UL << 30},
	{"--quick", offsetof(struct options, is_quick), 0, 0},
	{"--list", offsetof(struct options, lists), 0, 0},
	{"--json", offsetof(struct options, is_json), 0, 0},
	{"--keep", offsetof(struct options, keeps), 0, 0},
	{"--no-baseline", offsetof(struct options, skips_baseline), 0, 0},
};

static void usage(void)
{
	(void)fputs(USAGE, stderr);
	exit(2);
}

static const struct option *find_option(const char *name)
{
	for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++)
		if (strcmp(OPTIONS[i].name, name) == 0)
			return &OPTIONS[i];
	return NULL;
}

static unsigned long parse_number(const struct option *option, const char *text)
{
	char *end = NULL;
	unsigned long value = 0;

	errno = 0;
	if (!text || text[0] < '0' || text[0] > '9')
		usage();
	value = strtoul(text, &end, 10);
	if (errno || *end || value < option->min || value > option->max)
		usage();
	return value;
}

static void parse(int argc, char **argv, struct options *out)
{
	for (int i = 1; i < argc; i++) {
		const struct option *option = find_option(argv[i]);
		unsigned long *member = NULL;
		if (!option && strcmp(argv[i], "--check") == 0 && i + 1 < argc) {
			out->check = argv[++i];
			continue;
		}
		if (!option && strcmp(argv[i], "--scenario") == 0 && i + 1 < argc) {
			out->scenario = argv[++i];
			continue;
		}
		if (!option)
			usage();
		member = (unsigned long *)(void *)((char *)out + option->offset);
		*member = option->max ? parse_number(option, i + 1 < argc ? argv[++i] : NULL) : 1;
	}
}

static void show_launch_log(const struct kt_workspace *workspace)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path = kt_format("%s/launch.log", workspace->folder);
	size_t from = 0;

	if (kt_run_read_file(path, &text)) {
		from = text.len > 4000 ? text.len - 4000 : 0;
		(void)fprintf(stderr, "the end of kitty launch's output:\n%s\n",
			kt_buffer_text(&text) + from);
	}
	kt_buffer_release(&text);
	free(path);
}

static void show(const struct kt_report *report, const struct options *options)
{
	if (options->is_json)
		kt_report_print_json(report);
	else
		kt_report_print(report);
}

/* Every agent's every event is acknowledged, every supervisor was killed that should be. */
static bool is_finished(const struct kt_workspace *workspace, const struct kt_verdicts *verdicts,
	const struct kt_drive_result *drive, size_t kills)
{
	if (drive->exit_code != 0)
		(void)fprintf(stderr, "kitty launch ended with status %d\n", drive->exit_code);
	if (verdicts->acknowledged != workspace->lanes * workspace->events)
		(void)fprintf(stderr, "%zu of %zu events were acknowledged\n",
			verdicts->acknowledged, workspace->lanes * workspace->events);
	if (drive->kills != kills)
		(void)fprintf(stderr, "%zu of %zu kills were done\n", drive->kills, kills);
	return drive->exit_code == 0 && drive->kills == kills &&
	       verdicts->acknowledged == workspace->lanes * workspace->events;
}

static void measure_baseline(struct kt_report *report)
{
	char *repo = kt_format("%s/baseline", report->workspace->folder);
	char *records = kt_drive_baseline(report->workspace);

	kt_speed_measure(report->workspace, records, &report->baseline);
	report->has_baseline = true;
	report->baseline_growth_kib += kt_report_disk_kib(repo);
	free(records);
	free(repo);
}

static int run(const struct options *options)
{
	struct kt_workspace workspace;
	struct kt_verdicts verdicts = {0};
	struct kt_drive_result drive = {0};
	struct kt_report report = {.workspace = &workspace, .verdicts = &verdicts, .drive = &drive};
	struct kt_workspace_size size = {options->lanes ? options->lanes : 20,
		options->events ? options->events : 50, 100, options->seed ? options->seed : 1};
	char *folder = kt_workspace_folder("stress");
	bool is_good = false;

	if (!options->keeps)
		kt_run_doom(folder);
	kt_workspace_make(&workspace, folder, &size);
	report.growth_kib = -kt_report_disk_kib(workspace.repo);
	report.baseline_growth_kib = report.growth_kib;
	kt_drive_kitty(&workspace, options->kills, &verdicts, &drive);
	report.growth_kib += kt_report_disk_kib(workspace.repo);
	kt_check(&workspace, &verdicts);
	kt_speed_measure(&workspace, workspace.records, &report.kitty);
	kt_report_batches(&report);
	if (!options->skips_baseline)
		measure_baseline(&report);
	else
		report.baseline_growth_kib = 0;
	show(&report, options);
	is_good = is_finished(&workspace, &verdicts, &drive, options->kills);
	if (!is_good)
		show_launch_log(&workspace);
	if (options->keeps)
		(void)fprintf(stderr, "kept: %s\n", workspace.folder);
	is_good = is_good && kt_verdicts_all_hold(&verdicts);
	kt_workspace_release(&workspace);
	return is_good ? 0 : 1;
}

static int check(const struct options *options)
{
	struct kt_workspace workspace;
	struct kt_verdicts verdicts = {0};
	struct kt_drive_result drive = {0};
	struct kt_report report = {.workspace = &workspace, .verdicts = &verdicts, .drive = &drive};
	char *bin = kt_workspace_bin();
	char *home = kt_format("%s/home", options->check);

	kt_run_setup(home, bin);
	kt_workspace_open(&workspace, kt_strdup(options->check));
	kt_check(&workspace, &verdicts);
	kt_speed_measure(&workspace, workspace.records, &report.kitty);
	kt_report_batches(&report);
	show(&report, options);
	kt_workspace_release(&workspace);
	free(home);
	free(bin);
	return kt_verdicts_all_hold(&verdicts) ? 0 : 1;
}

static int list(void)
{
	for (size_t i = 0; i < kt_scenarios_len; i++)
		printf("%-12s %s\n", kt_scenarios[i].name, kt_scenarios[i].what);
	return 0;
}

static int run_scenarios(const struct options *options)
{
	struct kt_scenario_size size = {
		.lanes = options->lanes,
		.events = options->events,
		.rounds = options->rounds,
		.seconds = options->seconds,
		.seed = options->seed,
		.is_quick = options->is_quick,
		.keeps = options->keeps,
	};

	if (!kt_scenario_exists(options->scenario))
		usage();
	return kt_scenarios_run(options->scenario, &size, options->is_json) ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct options options = {0};

	parse(argc, argv, &options);
	kt_run_end_children_at_exit();
	if (options.lists)
		return list();
	if (options.scenario)
		return run_scenarios(&options);
	return options.check ? check(&options) : run(&options);
}
