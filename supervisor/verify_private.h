/*
 * The inside of verify.c: what its files share. Nobody else includes it.
 *
 * verify.c         refs, history, report        verify_rows.c    ids and order of the rows
 * verify_worktree.c  lanes (P14), working copy (P3)
 */
#ifndef KITTY_SUPERVISOR_VERIFY_PRIVATE_H
#define KITTY_SUPERVISOR_VERIFY_PRIVATE_H

#include "ipc/buffer.h"
#include "supervisor/git/history.h"
#include "supervisor/git/store.h"
#include "supervisor/verify.h"

enum kt_verify_check {
	KT_VERIFY_APPEND,
	KT_VERIFY_SNAPSHOT,
	KT_VERIFY_IDS,
	KT_VERIFY_ORDER,
	KT_VERIFY_COMMITS,
	KT_VERIFY_LANES,
	KT_VERIFY_WORKING,
	KT_VERIFY_COUNT
};

struct kt_verify_result {
	size_t broken;         /* how often the promise is broken */
	struct kt_buffer text; /* the first time */
	struct kt_json *warnings;
	struct kt_oid commit; /* where it is broken first; zero: not one commit's doing */
};

struct kt_verify {
	const struct kt_repository *repo;
	const struct kt_mission *mission;
	struct kt_store *store;
	kt_verify_progress progress;
	void *arg;
	bool is_coordination; /* kitty's own branch: nobody else writes there */
	struct kt_verify_result results[KT_VERIFY_COUNT];
	size_t commits, events;
	struct kt_buffer tips; /* "<sha> <ref>" of what was walked, for the report */
};

/* A committed log, shared by every older commit whose log is a prefix of it. */
struct kt_verify_text {
	struct kt_buffer bytes;
};

#define KT_VERIFY_NO_TEXT ((size_t)-1)

/* One ref's history with the logs that prove it. */
struct kt_verify_walk {
	struct kt_history *history;
	struct kt_verify_text *texts;
	size_t texts_len;
	size_t *text_of; /* per commit: index, or KT_VERIFY_NO_TEXT */
	size_t first;    /* commits before it are not judged: too many different logs */
};

void kt_verify_broken(struct kt_verify *verify, enum kt_verify_check check, const char *format, ...)
	KT_PRINTF(3, 4);
/* Names the commit whose doing the next breach is: called before kt_verify_broken. */
void kt_verify_blame(
	struct kt_verify *verify, enum kt_verify_check check, const struct kt_oid *commit);
void kt_verify_warn(struct kt_verify *verify, enum kt_verify_check check, const char *format, ...)
	KT_PRINTF(3, 4);

/* Short id of a commit for people; valid until the fourth call after this one. */
const char *kt_verify_short(const struct kt_oid *oid);

void kt_verify_rows(struct kt_verify *verify, const struct kt_verify_walk *walk);
KT_MUST_CHECK enum kt_code kt_verify_lanes(
	struct kt_verify *verify, const struct kt_verify_walk *walk, struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_verify_working(struct kt_verify *verify, struct kt_error *err);

#endif
