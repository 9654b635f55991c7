/*
 * The promises that can be checked on any repository, from git and files only: P1 to P8 and P14.
 * What `kitty-check` prints and kitty-stress and the crash tests ask for.
 *
 * The history itself (P4, P5, ids and order of P6, P14, the working copy of P3) has one proof in
 * this project, `kitty verify`, which runs here as a child; everything else is read through the git
 * command. A fact that cannot be looked at (nobody said what was acknowledged) leaves its promise
 * unchecked, never held.
 *
 *   P1   acknowledged ids stand in the log at the tip, once, and the receipt's commit has them
 *   P2   rows are whole; git fsck finds nothing; each commit adds something
 *   P3   checked-out log, snapshot and index are the tip's; no stale lock or half-written file
 *   P4   each version of the log is a byte prefix of the next
 *   P5   status.json is the reduction of the log, at every commit
 *   P6   ids are unique; one sender's events stand in the order it sent them
 *   P7   the coordination branch only ever moved forward; no other branch holds a log that it has
 *        not; every worktree has its own branch checked out; other refs are as they were before
 *   P8   sinks hold committed events only, and all of them up to their cursor
 *   P14  lanes contribute no byte of the status files
 */
#ifndef KITTY_STRESS_INVARIANTS_H
#define KITTY_STRESS_INVARIANTS_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/json.h>

#include "stress/checker.h"

struct kt_invariants {
	const char *repo;    /* any folder of the repository */
	const char *mission; /* a handle */
	/* One line per acknowledged event: EVENT_ID [COMMIT [SENDER]]; NULL: not known. Lines of a
	 * sender are in the order of its submissions. */
	const char *acknowledged;
	const char *before; /* what kt_invariants_note wrote; NULL: not known */
	/* NAME=FILE of file sinks (JSON lines), NULL-terminated; NULL: none known. */
	const char *const *sinks;
	/* Full names of foreign refs that were meant to move (a merge's target), NULL-terminated.
	 */
	const char *const *moved;
};

/* Adds to the verdicts; dies (status 2) when the repository or mission cannot be read at all. */
void kt_invariants_check(const struct kt_invariants *job, struct kt_verdicts *verdicts);

/* Prints refs, worktrees' HEADs and the primary index's checksum: one line each, for `before`. */
void kt_invariants_note(const char *repo, struct kt_buffer *out);

#endif
