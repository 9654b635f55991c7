/*
 * The inside of the reducer, for reduce.c (rows, marks), fold.c (one WP) and snapshot.c (bytes).
 * Nobody else includes it.
 *
 * The reducer keeps the fed bytes; a row is a place in them. A WP keeps its transitions and
 * annotations as sorted lists of rows, with two folded layers: `base` (transitions) and `overlay`
 * (annotations). Annotations are applied after all transitions (5.1) and none of them reads what a
 * transition wrote, so the entry is base with overlay on top, and each layer grows by one row at a
 * time as long as rows come in order.
 */
#ifndef KITTY_SUPERVISOR_STATUS_REDUCE_PRIVATE_H
#define KITTY_SUPERVISOR_STATUS_REDUCE_PRIVATE_H

#include "ipc/buffer.h"
#include "supervisor/status/event.h"
#include "supervisor/status/reduce.h"

struct wp;

struct row {
	size_t offset, len;  /* in reducer->bytes, newline included */
	char *event_id, *at; /* own copies; NULL: none */
	struct wp *wp;       /* NULL: not a row of a WP */
	enum kt_event_kind kind;
	bool is_duplicate; /* a transition whose id came before: ignored */
	bool is_named;     /* found by its id */
	int next;          /* chain of the id table; -1: end */
};

/* Sorted by (at, event_id); values are row numbers. */
struct row_list {
	int *rows;
	size_t len, capacity;
};

/* The transition layer of one WP. JSON members own their values; NULL: absent. */
struct base {
	bool exists;
	enum kt_status status;
	char *actor, *at, *event_id, *reason, *claim_actor;
	long force_count;
	bool is_rollback; /* the row that set it is a rollback row (5.1) */
	struct kt_json *shell_pid, *shell_pid_created_at, *agent, *review_result, *claim_metadata;
};

struct wp {
	char *id;
	struct row_list transitions, annotations;
	struct base base;
	struct kt_json *overlay; /* NULL: no annotation */
	char *overlay_actor;     /* actor of the first annotation */

	/* A row came out of order or was taken back: the layer is folded again when it is asked
	 * for, once for any number of such rows. */
	bool is_base_stale, is_overlay_stale;

	/* Made when asked for; dropped by every change. */
	struct kt_json *entry;
	struct kt_buffer text; /* the entry as the snapshot prints it, indented */
};

/* Parts of the snapshot that outlive rows; a member of its own so that questions can fill it. */
struct snapshot_cache {
	int slug_row; /* the row that slug is of; -1: none */
	struct kt_buffer slug;
	struct kt_buffer retrospective; /* empty: not made */
};

struct mark {
	size_t rows, bytes, lines, count;
	const char *max_at, *max_event_id;
	int64_t max_time;
};

struct kt_reducer {
	struct kt_buffer bytes;
	struct row *rows;
	size_t rows_len, rows_capacity;
	int *table; /* id -> first row of its chain */
	size_t table_size;
	struct wp **wps; /* sorted by id */
	size_t wps_len, wps_capacity;
	struct row_list retrospective;
	struct snapshot_cache *cache;

	/* What a mark remembers and a rollback restores. */
	size_t lines;                      /* physical lines fed */
	size_t count;                      /* non-blank ones */
	const char *max_at, *max_event_id; /* borrowed from rows */
	int64_t max_time;

	struct mark *marks;
	size_t marks_len, marks_capacity;
};

int kt_row_compare(const struct kt_reducer *reducer, int left, int right);
/* Reads a row again from the kept bytes. It was valid when it was fed. */
void kt_row_reread(const struct kt_reducer *reducer, int row, struct kt_event *event);

/* fold.c */
void kt_wp_add(struct kt_reducer *reducer, struct wp *wp, int row, const struct kt_event *event);
void kt_wp_remove(struct kt_reducer *reducer, struct wp *wp, int row);
/* Folds what is stale. Before anybody looks at base, overlay or entry. */
void kt_wp_refresh(const struct kt_reducer *reducer, struct wp *wp);
void kt_wp_free(struct wp *wp);
bool kt_wp_is_known(const struct wp *wp);
struct kt_json *kt_wp_entry(const struct wp *wp); /* gives a fresh entry */
void kt_row_list_insert(const struct kt_reducer *reducer, struct row_list *list, int row);
void kt_row_list_remove(struct row_list *list, int row);

#endif
