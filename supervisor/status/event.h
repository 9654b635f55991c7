/*
 * One row of status.events.jsonl, read and written.
 *
 * Pure: no clock, no files. kt_event_decode classifies a physical line by the rules of 3.5 and
 * checks it; the encoders make rows with the bytes that spec-kitty would write (with the final \n).
 */
#ifndef KITTY_SUPERVISOR_STATUS_EVENT_H
#define KITTY_SUPERVISOR_STATUS_EVENT_H

#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>
#include <kitty/status.h>

struct kt_buffer;

enum kt_event_kind {
	KT_EVENT_BLANK,         /* empty line: counted, skipped */
	KT_EVENT_MOVE,          /* lane transition row */
	KT_EVENT_ANNOTATION,    /* kind = annotation */
	KT_EVENT_RETROSPECTIVE, /* event_name starts with retrospective. */
	KT_EVENT_SKIPPED        /* lifecycle and other rows that do not feed the state */
};

struct kt_event {
	enum kt_event_kind kind;
	struct kt_json *row; /* owns the parsed row; the pointers below borrow from it */
	const char *event_id, *at, *wp_id; /* NULL where the kind has none */
	const char *mission_slug;          /* "" when absent */
	enum kt_status from, to;           /* KT_EVENT_MOVE */
	const char *actor;                 /* text form (object: tool, else role, else "") */
	bool force;
	const struct kt_json *delta; /* KT_EVENT_ANNOTATION */
};

/* Errors: KT_E_EVENT_INVALID; the detail holds the reason, the caller adds file and line. */
KT_MUST_CHECK enum kt_code kt_event_decode(
	const char *line, size_t len, struct kt_event *out, struct kt_error *err);
void kt_event_release(struct kt_event *event);

/* What a new transition row holds. All strings borrowed; NULL writes null (or leaves the key out
 * where 3.2 says "written only when set"). Rows are sanitised as 3.6 says. */
struct kt_move_row {
	const char *event_id, *mission_slug, *mission_id, *wp_id, *at;
	enum kt_status from, to;
	const char *actor;
	bool force;
	const char *execution_mode; /* worktree or direct_repo */
	const char *reason, *review_ref;
	const struct kt_json *evidence, *policy_metadata, *review_result;
};
void kt_move_row_encode(const struct kt_move_row *row, struct kt_buffer *out);

struct kt_annotation_row {
	const char *event_id, *wp_id, *at, *actor;
	const struct kt_json *delta;
};
/* Errors: KT_E_EVENT_INVALID (empty delta, bad key or type, bad wp_id or event id). */
KT_MUST_CHECK enum kt_code kt_annotation_row_encode(
	const struct kt_annotation_row *row, struct kt_buffer *out, struct kt_error *err);

/* A lifecycle row (3.4): event_type MissionCreated, TasksStarted, WPCreated, TasksCompleted, ... */
struct kt_lifecycle_row {
	const char *event_id, *event_type, *timestamp;
	const char *aggregate_id, *aggregate_type; /* Mission or WorkPackage */
	const char *project_slug, *project_uuid;   /* NULL: null */
	const struct kt_json *payload;
};
void kt_lifecycle_row_encode(const struct kt_lifecycle_row *row, struct kt_buffer *out);

/* ULID text helpers, pure: 26 Crockford characters. */
bool kt_ulid_is_valid(const char *text);
/* Writes the ULID of (ms, 80 random bits) as 26 characters and NUL. */
void kt_ulid_format(uint64_t ms, const unsigned char random[10], char out[27]);
/* The milliseconds since the epoch in a valid one; at most the last of year 9999. */
uint64_t kt_ulid_time(const char *text);
/* The smallest ULID greater than `text` (carry from the right); false on overflow. */
bool kt_ulid_successor(const char *text, char out[27]);

/* "2026-11-21T02:03:04.000005+00:00" from microseconds since the epoch; without fraction when zero.
 */
void kt_time_format(int64_t microseconds, char out[33]);
/* Microseconds since the epoch from any ISO-8601 form found in logs (Z or offset, 0 to 9 digits).
 */
bool kt_time_parse(const char *text, int64_t *microseconds);

#endif
