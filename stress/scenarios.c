/*
 * The table of scenarios, and the report over all that ran. Runs in kitty-stress.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "stress/run.h"
#include "stress/scenario.h"

/* lanes, events, rounds, seed, seconds. */
const struct kt_scenario kt_scenarios[] = {
	{"load", "lanes send events as fast as they are answered", "events",
		{20, 500, 0, 1, 0, false, false}, {4, 12, 0, 1, 0, true, false}, kt_scenario_load},
	{"kills", "the same, supervisors killed at random moments", "kills",
		{20, 500, 200, 2, 0, false, false}, {3, 12, 3, 2, 0, true, false},
		kt_scenario_kills},
	{"workers", "the same, workers and agents killed", "kills",
		{20, 100, 500, 3, 0, false, false}, {3, 12, 3, 3, 0, true, false},
		kt_scenario_workers},
	{"creations", "all lanes made at once by as many commands", "rounds",
		{20, 0, 10, 4, 0, false, false}, {6, 0, 1, 4, 0, true, false},
		kt_scenario_creations},
	{"supervisors", "two supervisors started at once; the winner killed; the lock file deleted",
		"rounds", {2, 0, 200, 5, 0, false, false}, {2, 0, 3, 5, 0, true, false},
		kt_scenario_supervisors},
	{"foreign", "gc, prune, pack-refs, status, commit, checkout, rm -rf by others", "deeds",
		{4, 0, 25, 6, 0, false, false}, {2, 0, 1, 6, 0, true, false}, kt_scenario_foreign},
	{"merges", "lanes are integrated while others send events", "merges",
		{20, 100, 0, 7, 0, false, false}, {3, 8, 0, 7, 0, true, false}, kt_scenario_merges},
	{"watchers", "slow, stopped, half-closed, dead and hostile watchers", "cases",
		{4, 60, 12, 8, 0, false, false}, {2, 10, 2, 8, 0, true, false},
		kt_scenario_watchers},
	{"escapes", "agents that try to leave processes behind", "cases",
		{0, 0, 3, 9, 0, false, false}, {0, 0, 1, 9, 0, true, false}, kt_scenario_escapes},
	{"soak", "faults for a given time; memory, descriptors and zombies watched", "faults",
		{20, 0, 0, 10, 3600, false, false}, {3, 0, 0, 10, 5, true, false},
		kt_scenario_soak},
};
const size_t kt_scenarios_len = sizeof kt_scenarios / sizeof *kt_scenarios;

static size_t broken_of(const struct kt_scenario_run *run)
{
	size_t broken = run->facts.broken;

	for (size_t i = 0; i < KT_PROMISES; i++)
		broken += run->verdicts.promises[i].broken;
	return broken;
}

static size_t checked_of(const struct kt_scenario_run *run)
{
	size_t checked = run->facts.checked;

	for (size_t i = 0; i < KT_PROMISES; i++)
		checked += run->verdicts.promises[i].checked;
	return checked;
}

/* ---- for people ---- */

static void print(const struct kt_scenario *row, const struct kt_scenario_run *run)
{
	printf("%-12s %-6s %zu %s, %zu checks, %zu broken, %zu acknowledged, %.1f s\n", row->name,
		broken_of(run) ? "BROKEN" : "ok", run->done, row->unit, checked_of(run),
		broken_of(run), run->verdicts.acknowledged, run->seconds);
	printf("             %s\n", row->what);
	if (run->speed.requests)
		printf("             %.1f requests/s, p50 %.2f ms, p99 %.2f ms, slowest %.0f ms\n",
			run->speed.per_second, run->speed.p50_ms, run->speed.p99_ms,
			run->slowest_ms);
	for (const char *at = kt_buffer_text(run->notes); *at; at += strcspn(at, "\n") + 1)
		printf("             %.*s\n", (int)strcspn(at, "\n"), at);
	for (size_t i = 0; i < KT_PROMISES; i++)
		if (run->verdicts.promises[i].broken)
			printf("             %s broken %zu times: %s\n",
				kt_promise_name((enum kt_promise)i),
				run->verdicts.promises[i].broken, run->verdicts.promises[i].first);
	if (run->facts.broken)
		printf("             broken %zu times: %s\n", run->facts.broken, run->facts.first);
	(void)fflush(stdout);
}

/* ---- for programs ---- */

static struct kt_json *verdict_json(const struct kt_verdict *verdict)
{
	struct kt_json *one = kt_json_new_object();

	kt_json_set_int(one, "checked", (int64_t)verdict->checked);
	kt_json_set_int(one, "broken", (int64_t)verdict->broken);
	if (verdict->broken)
		kt_json_set_string(one, "first", verdict->first);
	return one;
}

static struct kt_json *run_json(const struct kt_scenario *row, const struct kt_scenario_run *run)
{
	struct kt_json *one = kt_json_new_object();
	struct kt_json *promises = kt_json_new_object();

	kt_json_set_string(one, "name", row->name);
	kt_json_set_string(one, "verdict", broken_of(run) ? "broken" : "held");
	kt_json_set_int(one, "lanes", (int64_t)run->size.lanes);
	kt_json_set_int(one, "seed", (int64_t)run->size.seed);
	kt_json_set_string(one, "unit", row->unit);
	kt_json_set_int(one, "done", (int64_t)run->done);
	kt_json_set_int(one, "acknowledged", (int64_t)run->verdicts.acknowledged);
	kt_json_set_int(one, "resubmitted", (int64_t)run->speed.resubmitted);
	kt_json_set(one, "p50_ms", kt_json_new_double(run->speed.p50_ms));
	kt_json_set(one, "p99_ms", kt_json_new_double(run->speed.p99_ms));
	kt_json_set(one, "slowest_ms", kt_json_new_double(run->slowest_ms));
	kt_json_set(one, "seconds", kt_json_new_double(run->seconds));
	for (size_t i = 0; i < KT_PROMISES; i++)
		if (run->verdicts.promises[i].checked)
			kt_json_set(promises, kt_promise_name((enum kt_promise)i),
				verdict_json(&run->verdicts.promises[i]));
	kt_json_set(one, "promises", promises);
	kt_json_set(one, "facts", verdict_json(&run->facts));
	kt_json_set_string(one, "notes", kt_buffer_text(run->notes));
	return one;
}

/* ---- running ---- */

static void choose(size_t *member, size_t own)
{
	if (*member == 0)
		*member = own;
}

static void size_set(struct kt_scenario_size *size, const struct kt_scenario *row)
{
	const struct kt_scenario_size *own = size->is_quick ? &row->quick : &row->full;

	choose(&size->lanes, own->lanes);
	choose(&size->events, own->events);
	choose(&size->rounds, own->rounds);
	choose(&size->seconds, own->seconds);
	if (size->seed == 0)
		size->seed = own->seed;
}

static bool run_one(const struct kt_scenario *row, const struct kt_scenario_size *size,
	bool is_json, struct kt_json *rows)
{
	struct kt_buffer notes = KT_BUFFER_INIT;
	struct kt_scenario_run run = {.name = row->name, .size = *size, .notes = &notes};
	int64_t began = kt_run_now_ns();
	bool holds = false;

	size_set(&run.size, row);
	row->run(&run);
	run.seconds = (double)(kt_run_now_ns() - began) / 1e9;
	kt_json_append(rows, run_json(row, &run));
	if (!is_json)
		print(row, &run);
	holds = broken_of(&run) == 0;
	run.size.keeps = run.size.keeps || (!holds && getenv("KITTY_STRESS_KEEP") != NULL);
	kt_scenario_close(&run);
	kt_buffer_release(&notes);
	return holds;
}

static bool is_chosen(const struct kt_scenario *row, const char *name)
{
	if (strcmp(name, "all") == 0)
		return strcmp(row->name, "soak") != 0;
	return strcmp(row->name, name) == 0;
}

bool kt_scenario_exists(const char *name)
{
	for (size_t i = 0; i < kt_scenarios_len; i++)
		if (is_chosen(&kt_scenarios[i], name))
			return true;
	return false;
}

bool kt_scenarios_run(const char *name, const struct kt_scenario_size *size, bool is_json)
{
	struct kt_json *report = kt_json_new_object();
	struct kt_json *rows = kt_json_new_array();
	struct kt_buffer text = KT_BUFFER_INIT;
	size_t broken = 0;

	for (size_t i = 0; i < kt_scenarios_len; i++)
		if (is_chosen(&kt_scenarios[i], name) &&
			!run_one(&kt_scenarios[i], size, is_json, rows))
			broken++;
	kt_json_set_bool(report, "quick", size->is_quick);
	kt_json_set_int(report, "broken_scenarios", (int64_t)broken);
	kt_json_set(report, "scenarios", rows);
	kt_json_write(report, KT_JSON_COMPACT, &text);
	if (is_json)
		puts(kt_buffer_text(&text));
	kt_buffer_release(&text);
	kt_json_free(report);
	return broken == 0;
}
