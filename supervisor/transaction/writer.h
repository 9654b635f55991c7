/*
 * The writer of a mission's event log: the write path (docs/decisions.md) as a step
 * machine.
 *
 *   submit -> lock -> heal -> gate -> validate -> build -> hooks -> sign -> swap
 *     -> files -> receipt
 *
 * The supervisor keeps one writer for its whole life (hold_lock) and drives it from its loop; a
 * command without a supervisor makes one, submits, drives it with poll (kt_writer_finish) and frees
 * it. It is the same code.
 *
 * Nothing here blocks for long: every wait (a lock held elsewhere, a hook, the making of the
 * coordination worktree) is returned as `struct kt_wait`.
 *
 *   kt_writer_new -> kt_writer_submit (any time, any number) -> kt_writer_turn until idle ->
 * kt_writer_free
 *
 * Errors reach the submitter through its callback as an outcome (request.h); a failed request
 * leaves log, snapshot and index byte for byte as they were.
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_WRITER_H
#define KITTY_SUPERVISOR_TRANSACTION_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/git/repository.h"
#include "supervisor/mission/mission.h"
#include "supervisor/transaction/request.h"

struct kt_writer; /* opaque */
struct kt_reducer;

struct kt_writer_options {
	const struct kt_repository *repo; /* borrowed for the writer's life */
	const struct kt_mission *mission; /* borrowed for the writer's life */
	const char *holder_command;       /* "kitty launch": what the holder file says */
	bool hold_lock;                   /* supervisor: keep the lock until free */
	int lock_timeout_ms;              /* 0: KT_LOCK_TIMEOUT_MS */
	int hook_timeout_ms;              /* 0: KT_HOOK_TIMEOUT_MS; for the signer, too */
	bool sign;                        /* each commit, through git; else none is */
	const char *const
		*protected_branches; /* configured globs; NULL: main, master, origin/HEAD's */
	const char *program; /* path of kitty itself, for `kitty internal ...` helpers; NULL:
				/proc/self/exe */
	/* One line for people: heal notices, warnings. May be NULL. */
	void (*on_notice)(const char *line, void *arg);
	/* After each commit, in order: the rows of that commit (complete lines). Fan-out and
	 * outbound effects hang here; runs after the receipt was given, never for a refused or
	 * rolled-back request. May be NULL. */
	void (*on_committed)(const char *rows, size_t len, const struct kt_oid *commit, void *arg);
	void *arg;
};

KT_MUST_CHECK enum kt_code kt_writer_new(
	const struct kt_writer_options *options, struct kt_writer **out, struct kt_error *err);
/* Abandons unanswered requests (their callbacks get KT_E_INTERRUPTED), releases the lock. */
void kt_writer_free(struct kt_writer *writer);

/* The outcome is borrowed until the callback returns. */
typedef void (*kt_outcome_cb)(const struct kt_json *outcome, void *arg);

/* lane: the caller's lane id as its channel tells it, NULL for people and the supervisor itself.
 * Copies the request. */
void kt_writer_submit(struct kt_writer *writer, const struct kt_json *request, const char *lane,
	kt_outcome_cb done, void *arg);

/* What the writer waits for. fd -1: only the time. deadline: monotonic ms; -1: none. */
struct kt_wait {
	int fd;
	int64_t deadline_ms;
};

/* Goes on as far as possible without waiting. True: idle, nothing to wait for. False: call again
 * when wait->fd is readable or the deadline has passed. A batch is what was submitted before the
 * turn. */
bool kt_writer_turn(struct kt_writer *writer, struct kt_wait *wait);

/* Drives the writer with poll until it is idle. Blocks; commands and tests only. */
void kt_writer_finish(struct kt_writer *writer);

/* Takes the lock and heals now (the supervisor's start; doctor). */
KT_MUST_CHECK enum kt_code kt_writer_acquire(struct kt_writer *writer, struct kt_error *err);

/* The state as of the last commit or heal; NULL before the first. Borrows. */
const struct kt_reducer *kt_writer_state(const struct kt_writer *writer);
const struct kt_oid *kt_writer_tip(const struct kt_writer *writer);
/* The committed log. Borrows until the next turn. */
const char *kt_writer_log(const struct kt_writer *writer, size_t *len);
/* The hook of the repository that runs at this moment, by name; NULL: none. *others: how many
 * requests wait for it beside the one that it judges: hooks see one commit at a time. */
const char *kt_writer_hook(const struct kt_writer *writer, size_t *others);
uint64_t kt_writer_commits(
	const struct kt_writer *writer); /* made by this writer, for consolidation */

#endif
