/*
 * Committed rows to watchers. Supervisor only. Pure: it knows bytes and offsets, not connections;
 * `send` hands a message to a connection and says whether it took it.
 *
 * The committed log itself is the queue: a watcher is an offset in it. So a watcher costs the same
 * however far behind it is, replay and live rows are one stream in the log's order, and nothing is
 * lost or sent twice. A watcher that takes nothing while KT_WATCH_BACKLOG_MAX bytes are committed
 * gets one snapshot instead of them, with the id of the last row it covers; it can ask again from
 * the last row it has seen.
 *
 *   kt_publisher_init -> kt_publisher_add per watcher -> kt_publisher_commit after each commit
 *   -> kt_publisher_flush whenever rows were committed or a connection has room -> remove, release
 */
#ifndef KITTY_SUPERVISOR_FANOUT_PUBLISH_H
#define KITTY_SUPERVISOR_FANOUT_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kitty/json.h>

enum {
	KT_WATCH_BACKLOG_MAX = 4 << 20, /* bytes of rows that a stalled watcher may miss */
	KT_WATCH_CHUNK_MAX = 128 << 10, /* bytes of rows in one EVENT; one row may be more */
	KT_WATCH_ROW_MAX = 480 << 10,   /* a larger row does not fit a frame, escaped */
	KT_WATCH_COMMITS_MAX = 256      /* commits whose id is remembered for EVENTs */
};

struct kt_publisher;

/* The log as it is committed. Bytes are borrowed for the call. */
struct kt_published {
	const char *log;
	size_t len;
};

struct kt_publisher_options {
	/* EVENT body {"commit", "rows": [text], "seq"}: seq is the number of bytes of the log up to
	 * the end of these rows, so a gap shows. False: no room now, ask again later. */
	bool (*send_rows)(void *watcher, const struct kt_json *body);
	/* A SNAPSHOT {"report", "last_event_id"}; the wiring builds it. False: no room now. */
	bool (*send_snapshot)(void *watcher, void *arg);
	void *arg;
};

struct kt_publisher *kt_publisher_new(const struct kt_publisher_options *options);
void kt_publisher_free(struct kt_publisher *publisher);

/* from: offset of the first row that the watcher wants. watcher: its connection, compared only. */
void kt_publisher_add(struct kt_publisher *publisher, void *watcher, size_t from);
void kt_publisher_remove(struct kt_publisher *publisher, const void *watcher);
size_t kt_publisher_watchers(const struct kt_publisher *publisher);

/* A commit (40 hex) brought the log from `start` to `end` bytes. */
void kt_publisher_commit(
	struct kt_publisher *publisher, const char *commit, size_t start, size_t end);

/* Sends what there is and what the connections take. */
void kt_publisher_flush(struct kt_publisher *publisher, const struct kt_published *log);

#endif
