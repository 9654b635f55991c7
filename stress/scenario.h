/*
 * The scenarios of `kitty-stress --scenario`: each makes a repository of its own, does one kind of
 * harm to it while lanes work, and then has every promise checked. A table names them; sizes are
 * options.
 *
 *   kt_scenarios_run -> per row: kt_scenario_open, its own work, kt_scenario_check -> report
 *
 * A scenario adds what it saw itself to `facts` (what is no promise of the checker's: one
 * supervisor of two wins, all lanes are there, memory stays bounded).
 */
#ifndef KITTY_STRESS_SCENARIO_H
#define KITTY_STRESS_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/child.h"
#include "stress/checker.h"
#include "stress/drive.h"
#include "stress/report.h"
#include "stress/workspace.h"

/* 0: the scenario's own. */
struct kt_scenario_size {
	size_t lanes, events, rounds;
	uint64_t seed;
	size_t seconds; /* of `soak` */
	bool is_quick, keeps;
};

struct kt_scenario_run {
	const char *name;
	struct kt_scenario_size size;
	struct kt_workspace workspace; /* the last one that was made */
	bool has_workspace;
	struct kt_verdicts verdicts;
	struct kt_verdict facts;
	struct kt_drive_result drive;
	struct kt_speed speed;
	double slowest_ms;       /* longest time to an acknowledgement of a request sent once */
	size_t done;             /* rounds, kills, cases: what `unit` counts */
	struct kt_buffer *notes; /* for people: one line per remark */
	double seconds;
};

struct kt_scenario {
	const char *name, *what, *unit;
	struct kt_scenario_size full, quick;
	void (*run)(struct kt_scenario_run *run);
};

extern const struct kt_scenario kt_scenarios[];
extern const size_t kt_scenarios_len;

/* name: a row's, or "all" (every row but soak). Prints the report; true: nothing is broken. NULL
 * sizes' members mean the table's. */
bool kt_scenarios_run(const char *name, const struct kt_scenario_size *size, bool is_json);
bool kt_scenario_exists(const char *name);

/* ---- for the scenarios ---- */

/* A fresh repository with that many lanes; the one before it is removed. Agents send `events`. */
void kt_scenario_open(struct kt_scenario_run *run, size_t lanes, size_t events);
/* Every promise, after all is over; counts what was acknowledged. */
void kt_scenario_check(struct kt_scenario_run *run);
void kt_scenario_expect(struct kt_scenario_run *run, bool holds, const char *format, ...)
	KT_PRINTF(3, 4);
void kt_scenario_note(struct kt_scenario_run *run, const char *format, ...) KT_PRINTF(2, 3);
/* The agents of the coming launches go on until this file is there (kt_scenario_finish), with a
 * pause between two events, and send a refused event again. */
void kt_scenario_endless(struct kt_scenario_run *run, unsigned pause_ms);
void kt_scenario_finish(struct kt_scenario_run *run);
/* Launches until everything is for_review; false: it never came to that. */
bool kt_scenario_complete(struct kt_scenario_run *run);
/* A supervisor and its lanes at work in the background, and its end (false: not in time). */
void kt_scenario_launch(struct kt_scenario_run *run, struct kt_child *supervisor);
bool kt_scenario_wait(struct kt_child *child, int timeout_ms, int *exit_code);
/* How many events were sent or acknowledged, in bytes of records. Waits until there are more. */
size_t kt_scenario_progress(const struct kt_scenario_run *run);
bool kt_scenario_wait_progress(const struct kt_scenario_run *run, size_t bytes, int timeout_ms);
long kt_scenario_memory_kib(int pid, const char *field); /* "VmHWM:", "VmRSS:" */

/* At the end of a scenario. */
void kt_scenario_close(struct kt_scenario_run *run);

void kt_scenario_load(struct kt_scenario_run *run);
void kt_scenario_kills(struct kt_scenario_run *run);
void kt_scenario_workers(struct kt_scenario_run *run);
void kt_scenario_creations(struct kt_scenario_run *run);
void kt_scenario_supervisors(struct kt_scenario_run *run);
void kt_scenario_foreign(struct kt_scenario_run *run);
void kt_scenario_merges(struct kt_scenario_run *run);
void kt_scenario_watchers(struct kt_scenario_run *run);
void kt_scenario_escapes(struct kt_scenario_run *run);
void kt_scenario_soak(struct kt_scenario_run *run);

#endif
