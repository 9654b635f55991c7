/*
 * What kitty-crash breaks: one row per operation, as shell scripts. To add one is to add a row.
 *
 * The scripts run in the repository, with tests/support/lib.sh, merge.sh and topology.sh at hand
 * and MISSION, BRANCH, COORD, LOG, BOX and ID (an event id) set.
 */
#ifndef KITTY_TESTS_CRASH_OPERATIONS_H
#define KITTY_TESTS_CRASH_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>

struct kt_operation {
	const char *name;
	const char *setup; /* once; what it leaves is restored before every run */
	const char *run;   /* one program: what is counted and struck */
	const char *again; /* after a failure; must succeed. NULL: the same once more */
	/* The end state, after exit 0 of `run` as well as after `again`; prints what is wrong. */
	const char *check;
	/* git alone was killed while it wrote a person's checkout, and kitty refuses to touch what
	 * it left there: what that person then does. NULL: never needed. */
	const char *manual;
	const char *after; /* before the common checks (a discarded mission is restored); NULL */
	const char *moved; /* refs that the operation moves besides its own, by spaces; NULL */
	bool is_core;      /* a write of the log: every fault at every call, not a sample */
	bool spawns_git;   /* worth striking git's children, too */
	/* Not the operation itself is struck, but its recovery: it is first killed at one call. */
	bool is_recovery;
};

extern const struct kt_operation kt_operations[];
extern const size_t kt_operations_len;

#endif
