/*
 * Outbound effects: committed events, delivered to sinks outside of kitty. A sink is a command (the
 * facts in SPEC_KITTY_EVENT_* variables, the row as one line of JSON on standard input) or a file
 * (JSON lines).
 *
 * Each sink has a durable cursor: the id of the last event it took. Delivery starts behind it, goes
 * in the log's order, at least once, and stops at the first event that a sink does not take:
 * nothing is skipped. What is delivered is read from the committed log, so a refused or rolled-back
 * event can never get out.
 *
 * Blocks on the sinks' commands: commands and helper processes only, never the supervisor's loop.
 * One process delivers at a time (flock); another one that comes meanwhile leaves it the work.
 */
#ifndef KITTY_SUPERVISOR_FANOUT_OUTBOX_H
#define KITTY_SUPERVISOR_FANOUT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>

struct kt_sink {
	const char *name;
	const char *const *argv; /* a command, NULL-terminated; NULL: a file */
	const char *path;        /* a file, relative to `folder`; NULL: a command */
	long timeout_ms;         /* of one attempt */
	size_t retries;          /* attempts after the first */
};

struct kt_outbox {
	const struct kt_sink *sinks;
	size_t sinks_len;
	/* The log as it is committed now, borrowed until the call ends. Asked for after the lock is
	 * held: an older log would not know what another process has delivered since. */
	enum kt_code (*load)(void *arg, const char **log, size_t *len, struct kt_error *err);
	void *arg;
	const char *log; /* what load gave; callers leave it alone */
	size_t log_len;
	const char *state_path; /* the cursors, JSON */
	const char *lock_path;
	const char *folder; /* where commands run: the primary checkout */
	const char *mission_slug, *mission_id;
	int budget_ms; /* no further attempt begins after this time; 0: none */
};

/*
 * Delivers what is pending. *report: {"sinks": [{"name", "kind", "cursor", "delivered" (now),
 * "delivered_total", "pending", "last_delivered_at", "last_failure": null | {at, event_id,
 * attempts, error}}], "busy": bool}. A sink's failure is no error of this call: it stands in the
 * report. Errors: KT_E_IO and its like for the cursor file. Gives *report.
 */
KT_MUST_CHECK enum kt_code kt_outbox_deliver(
	const struct kt_outbox *outbox, struct kt_json **report, struct kt_error *err);

/* The same report without delivering anything. Never writes. */
KT_MUST_CHECK enum kt_code kt_outbox_status(
	const struct kt_outbox *outbox, struct kt_json **report, struct kt_error *err);

#endif
