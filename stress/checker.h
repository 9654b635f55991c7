/*
 * The promises that users rely on, checked after the fact. Three parts:
 *
 *   kitty-check   P1 to P8 and P14, on any repository (stress/invariants.h): run as a child, told
 *                 what the agents' records say was acknowledged
 *   check_log.c   what only the records can tell: each request whole, alone in its commit, in the
 *                 commit that its receipt names, in its sender's order (P1, P2, P4, P6)
 *   checker.c     what one must have been there for: P9 no process with the mission's mark outlives
 *                 the supervisor by more than ten seconds; P13 the user's checkout, index, stash,
 *                 config and refs are as before; one agent at a time works in a lane (P6)
 */
#ifndef KITTY_STRESS_CHECKER_H
#define KITTY_STRESS_CHECKER_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/attributes.h>

#include "stress/workspace.h"

enum kt_promise {
	KT_P1,
	KT_P2,
	KT_P3,
	KT_P4,
	KT_P5,
	KT_P6,
	KT_P7,
	KT_P8,
	KT_P9,
	KT_P13,
	KT_P14,
	KT_PROMISES
};

struct kt_verdict {
	size_t checked; /* how many facts were looked at: a promise nobody checked is not held */
	size_t broken;
	char first[400]; /* what broke first */
};

struct kt_verdicts {
	struct kt_verdict promises[KT_PROMISES];
	size_t commits;      /* on the coordination branch, this mission's */
	size_t acknowledged; /* events */
};

const char *kt_promise_name(enum kt_promise promise);

/* One fact: broken when !holds. */
void kt_verdict_expect(struct kt_verdicts *verdicts, enum kt_promise promise, bool holds,
	const char *format, ...) KT_PRINTF(4, 5);
bool kt_verdicts_all_hold(const struct kt_verdicts *verdicts);

/* Checks everything that files and git can tell (P9: what is alive now). Adds to the verdicts. */
void kt_check(const struct kt_workspace *workspace, struct kt_verdicts *verdicts);

/* Processes whose environment carries the mark SPEC_KITTY_SUPERVISOR=<slug>: (with pid 0) or that
 * of one supervisor. pids may be NULL. */
size_t kt_marked_processes(const char *slug, int supervisor_pid, int *pids, size_t max);

#endif
