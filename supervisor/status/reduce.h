/*
 * Events -> state: the one reducer of the project.
 *
 * Incremental: feeding one more row costs the same at row 10 and at row 100,000, and the snapshot
 * equals a full reduction byte for byte (the annotation pass of 5.1 comes after all transitions,
 * and rows may come out of order: the reducer keeps what it needs to place them).
 *
 * Undo: kt_reducer_mark() / kt_reducer_rollback() nest like a stack; a rolled-back reducer is
 * indistinguishable from one that never saw the rows. kt_reducer_settle() drops all marks.
 *
 * Pure: no clock, no files, no logging.
 */
#ifndef KITTY_SUPERVISOR_STATUS_REDUCE_H
#define KITTY_SUPERVISOR_STATUS_REDUCE_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>
#include <kitty/status.h>

struct kt_buffer;
struct kt_reducer; /* opaque */

struct kt_reducer *kt_reducer_new(void);
void kt_reducer_free(struct kt_reducer *reducer);

/*
 * Feeds complete lines (the last may lack its newline). Errors: KT_E_EVENT_INVALID with
 * "line N: reason" in the detail (N counts all lines fed so far, 1-based); nothing of the failing
 * call remains in the state.
 */
KT_MUST_CHECK enum kt_code kt_reducer_feed(
	struct kt_reducer *reducer, const char *bytes, size_t len, struct kt_error *err);

size_t kt_reducer_mark(struct kt_reducer *reducer);
void kt_reducer_rollback(struct kt_reducer *reducer, size_t mark);
void kt_reducer_settle(struct kt_reducer *reducer);

/* meta.json's fields of the snapshot; any may be NULL. mission_number is decimal text or NULL. */
struct kt_snapshot_identity {
	const char *mission_number, *mission_type;
};
/* Reads the two fields from a parsed meta.json (NULL: none). Gives nothing; fills text buffers. */
void kt_snapshot_identity_from_meta(const struct kt_json *meta, char number[32], char type[128]);

/* The bytes of status.json, final newline included. */
void kt_reducer_snapshot(const struct kt_reducer *reducer,
	const struct kt_snapshot_identity *identity, struct kt_buffer *out);

/* One WP as it stands; false when the log does not know it. Pointers borrow until the next feed. */
struct kt_wp_state {
	const char *wp_id;
	enum kt_status status;
	const char *actor;                              /* of the last transition */
	const char *last_transition_at, *last_event_id; /* NULL: none */
	const struct kt_json
		*entry; /* the snapshot's object for this WP (agent, subtasks, notes, ...) */
	bool has_transition;
	/* Actor of the latest planned -> claimed row; without one, of the row that took the work
	 * up. NULL: none. */
	const char *claim_actor;
	/* The policy_metadata of that claim, or of a later row to in_progress that names a worker;
	 * NULL: none. */
	const struct kt_json *claim_metadata;
	const char *last_reason; /* reason of the last transition; NULL: none */
};
bool kt_reducer_wp(const struct kt_reducer *reducer, const char *wp_id, struct kt_wp_state *out);
/* Calls back for every WP in id order. */
typedef void (*kt_wp_cb)(const struct kt_wp_state *wp, void *arg);
void kt_reducer_each_wp(const struct kt_reducer *reducer, kt_wp_cb each, void *arg);

/* Where the row of that id starts in the fed bytes, and its length with newline. All kinds of rows.
 */
bool kt_reducer_find_event(
	const struct kt_reducer *reducer, const char *event_id, size_t *offset, size_t *len);

const char *kt_reducer_max_at(
	const struct kt_reducer *reducer); /* greatest `at`/timestamp as text; NULL */
int64_t kt_reducer_max_time(
	const struct kt_reducer *reducer); /* greatest as time, microseconds; 0 */
const char *kt_reducer_max_event_id(
	const struct kt_reducer *reducer);                 /* greatest as text; NULL: none */
size_t kt_reducer_rows(const struct kt_reducer *reducer);  /* non-blank lines */
size_t kt_reducer_bytes(const struct kt_reducer *reducer); /* bytes fed */

#endif
