/*
 * The scenarios in which many lanes send events: alone, with killed supervisors, with killed
 * workers and agents, with lanes integrated meanwhile. Runs in kitty-stress. Must kill only what
 * belongs to its own mission.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "stress/run.h"
#include "stress/scenario.h"

enum { MARKED_MAX = 512, P99_LIMIT_MS = 1000, RECORD_BYTES = 133, TICK_MS = 20 };

static void expect_all_acknowledged(struct kt_scenario_run *run)
{
	size_t wanted = run->workspace.lanes * run->workspace.events;

	kt_scenario_expect(run, run->verdicts.acknowledged == wanted,
		"%zu of %zu events were acknowledged", run->verdicts.acknowledged, wanted);
}

/* ---- load, kills ---- */

static void drive(struct kt_scenario_run *run, size_t kills)
{
	kt_scenario_open(run, run->size.lanes, run->size.events);
	kt_drive_kitty(&run->workspace, kills, &run->verdicts, &run->drive);
	kt_scenario_check(run);
	expect_all_acknowledged(run);
	kt_scenario_expect(run, run->drive.exit_code == 0, "kitty launch ended with status %d",
		run->drive.exit_code);
	kt_scenario_note(run, "supervisor's memory at most %ld KiB, %zu requests sent again",
		run->drive.peak_rss_kib, run->speed.resubmitted);
}

void kt_scenario_load(struct kt_scenario_run *run)
{
	drive(run, 0);
	run->done = run->verdicts.acknowledged;
	/* A promise about time is one about a quiet machine: judged in the long form only. */
	if (!run->size.is_quick)
		kt_scenario_expect(run, run->speed.p99_ms < P99_LIMIT_MS,
			"the 99th percentile of acknowledgements is %.0f ms", run->speed.p99_ms);
}

void kt_scenario_kills(struct kt_scenario_run *run)
{
	drive(run, run->size.rounds);
	run->done = run->drive.kills;
	kt_scenario_expect(run, run->drive.kills == run->size.rounds, "%zu of %zu kills were done",
		run->drive.kills, run->size.rounds);
	kt_scenario_note(run, "slowest end of a killed supervisor's processes %lld ms",
		(long long)run->drive.slowest_end_ms);
}

/* ---- workers and agents ---- */

static bool is_target(int pid)
{
	struct kt_buffer name = KT_BUFFER_INIT;
	char path[64];
	bool is_one = false;

	(void)snprintf(path, sizeof path, "/proc/%d/comm", pid);
	if (kt_run_read_file(path, &name))
		is_one = strcmp(kt_buffer_text(&name), "kitty-worker\n") == 0 ||
			 strncmp(kt_buffer_text(&name), "kitty-stress-ag", 15) == 0;
	kt_buffer_release(&name);
	return is_one;
}

/* False: none is there at the moment. */
static bool kill_one(struct kt_scenario_run *run, uint64_t *random)
{
	static int pids[MARKED_MAX];
	size_t len = kt_marked_processes(run->workspace.slug, 0, pids, MARKED_MAX);
	size_t kept = 0;

	for (size_t i = 0; i < len && i < MARKED_MAX; i++)
		if (is_target(pids[i]))
			pids[kept++] = pids[i];
	return kept > 0 && kill((pid_t)pids[kt_run_random(random) % kept], SIGKILL) == 0;
}

/* One launch: kills as its agents' progress comes by, until it ends by itself. */
static int launch_and_kill(struct kt_scenario_run *run, uint64_t *random, size_t step)
{
	struct kt_child supervisor = KT_CHILD_INIT;
	int exit_code = -1;

	kt_scenario_launch(run, &supervisor);
	while (!kt_scenario_wait(&supervisor, TICK_MS, &exit_code))
		if (run->done < run->size.rounds &&
			kt_scenario_progress(run) >= (run->done + 1) * step &&
			kill_one(run, random))
			run->done++;
	return exit_code;
}

void kt_scenario_workers(struct kt_scenario_run *run)
{
	uint64_t random = run->size.seed ^ 0x776f726bU;
	size_t step =
		run->size.lanes * run->size.events * RECORD_BYTES * 4 / 5 / (run->size.rounds + 1);
	size_t launches = 0;
	int exit_code = -1;

	kt_scenario_open(run, run->size.lanes, run->size.events);
	while (exit_code != 0 && launches < run->size.rounds + 2) {
		exit_code = launch_and_kill(run, &random, step);
		launches++;
	}
	kt_scenario_check(run);
	expect_all_acknowledged(run);
	kt_scenario_expect(run, exit_code == 0, "the last launch ended with status %d", exit_code);
	kt_scenario_expect(run, run->done == run->size.rounds, "%zu of %zu kills were done",
		run->done, run->size.rounds);
	kt_scenario_note(
		run, "%zu launches, %zu requests sent again", launches, run->speed.resubmitted);
}

/* ---- merges ---- */

/* Agents and a reviewer that approves; part of the checkout as the user left it. */
static void write_config(struct kt_scenario_run *run)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *bin = kt_workspace_bin();
	char *folder = kt_format("%s/.kittify", run->workspace.repo);
	char *path = kt_format("%s/config.yaml", folder);

	kt_run_make_folder(folder);
	kt_buffer_printf(&text,
		"kitty:\n  agents:\n    sender:\n      command: [\"%s/kitty-stress-agent\"]\n"
		"      capacity: %zu\n    judge:\n      command: [\"sh\", \"-c\", \"cat "
		">/dev/null\"]\n"
		"      capacity: %zu\n",
		bin, run->workspace.lanes, run->workspace.lanes);
	kt_run_write_file(path, text.data, text.len);
	kt_workspace_photograph(run->workspace.repo, run->workspace.before);
	kt_buffer_release(&text);
	free(path);
	free(folder);
	free(bin);
}

static size_t count_lines(const char *cwd, const char *script)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	size_t count = 0;

	KT_RUN_OUT(cwd, &text, "sh", "-c", script);
	for (size_t i = 0; i < text.len; i++)
		count += text.data[i] == '\n';
	kt_buffer_release(&text);
	return count;
}

void kt_scenario_merges(struct kt_scenario_run *run)
{
	char *lanes = NULL;
	char *script = NULL;
	size_t merges = 0, overtaken = 0;
	int status = 0;

	kt_scenario_open(run, run->size.lanes, run->size.events);
	/* More than the average is sent by some: the checker looks that far. */
	run->workspace.events = 2 * run->size.events;
	write_config(run);
	/* The first lane sends few events, the last one twice the average: lanes are merged while
	 * others send. */
	lanes = kt_format("%zu", run->workspace.lanes);
	(void)setenv("SPEC_KITTY_STRESS_STAGGER", lanes, 1);
	free(lanes);
	status = KT_TRY(run->workspace.repo, NULL, "sh", "-c",
		"kitty launch --lanes all --agent sender --review judge >../launch.log 2>&1");
	(void)unsetenv("SPEC_KITTY_STRESS_STAGGER");
	kt_scenario_check(run);
	script =
		kt_format("git log --first-parent --merges --format=%%H %s", run->workspace.branch);
	merges = count_lines(run->workspace.repo, script);
	free(script);
	/* Commits of events that stand after the first integration. */
	script = kt_format("git log --first-parent --no-merges --format=%%H "
			   "$(git log --first-parent --merges --format=%%H %s | tail -n 1)..%s",
		run->workspace.branch, run->workspace.branch);
	overtaken = count_lines(run->workspace.repo, script);
	free(script);
	run->done = merges;
	kt_scenario_expect(run, status == 0, "kitty launch ended with status %d", status);
	kt_scenario_expect(run, merges == run->workspace.lanes, "%zu lanes are integrated, not %zu",
		merges, run->workspace.lanes);
	/* In the quick form a few milliseconds decide it: told, not judged. */
	kt_scenario_expect(run, run->size.is_quick || overtaken >= run->workspace.lanes,
		"only %zu commits came after the first integration", overtaken);
	kt_scenario_note(run, "%zu events, %zu commits after the first integration",
		run->verdicts.acknowledged, overtaken);
}
