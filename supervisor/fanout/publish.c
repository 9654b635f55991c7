/*
 * Watchers as offsets in the committed log. Runs in the supervisor. Must never hold rows of its own
 * or wait for anybody.
 */
#include "supervisor/fanout/publish.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"

struct watcher {
	struct watcher *next;
	void *connection;
	size_t at;         /* sent up to here */
	size_t stalled_at; /* end of the log when it last took something, or was up to date */
};

struct commit {
	char id[41];
	size_t start, end;
};

struct kt_publisher {
	struct kt_publisher_options options;
	struct watcher *watchers;
	struct commit commits[KT_WATCH_COMMITS_MAX]; /* ring, oldest overwritten */
	size_t commits_len;                          /* all that there were */
};

struct kt_publisher *kt_publisher_new(const struct kt_publisher_options *options)
{
	struct kt_publisher *publisher = kt_alloc(sizeof *publisher);

	publisher->options = *options;
	return publisher;
}

void kt_publisher_free(struct kt_publisher *publisher)
{
	if (publisher == NULL)
		return;
	while (publisher->watchers != NULL)
		kt_publisher_remove(publisher, publisher->watchers->connection);
	free(publisher);
}

void kt_publisher_add(struct kt_publisher *publisher, void *watcher, size_t from)
{
	struct watcher *added = kt_alloc(sizeof *added);

	added->connection = watcher;
	added->at = from;
	added->stalled_at = SIZE_MAX;
	added->next = publisher->watchers;
	publisher->watchers = added;
}

void kt_publisher_remove(struct kt_publisher *publisher, const void *watcher)
{
	for (struct watcher **at = &publisher->watchers; *at != NULL; at = &(*at)->next) {
		struct watcher *gone = *at;

		if (gone->connection != watcher)
			continue;
		*at = gone->next;
		free(gone);
		return;
	}
}

size_t kt_publisher_watchers(const struct kt_publisher *publisher)
{
	size_t len = 0;

	for (const struct watcher *at = publisher->watchers; at != NULL; at = at->next)
		len++;
	return len;
}

void kt_publisher_commit(
	struct kt_publisher *publisher, const char *commit, size_t start, size_t end)
{
	struct commit *slot = &publisher->commits[publisher->commits_len++ % KT_WATCH_COMMITS_MAX];
	size_t len = strnlen(commit, sizeof slot->id - 1);

	memcpy(slot->id, commit, len);
	slot->id[len] = '\0';
	slot->start = start;
	slot->end = end;
}

/* The remembered commit that holds the row at `at`; NULL when it is older than what is kept. */
static const struct commit *commit_of(const struct kt_publisher *publisher, size_t at)
{
	size_t kept = publisher->commits_len < KT_WATCH_COMMITS_MAX ? publisher->commits_len
								    : KT_WATCH_COMMITS_MAX;

	for (size_t i = 0; i < kept; i++) {
		const struct commit *commit = &publisher->commits[i];

		if (commit->start <= at && at < commit->end)
			return commit;
	}
	return NULL;
}

/* End of the rows that go into one EVENT: of one commit, at most a chunk, at least one row. */
static size_t chunk_end(size_t at, const struct kt_published *log, const struct commit *commit)
{
	size_t limit = commit != NULL && commit->end < log->len ? commit->end : log->len;
	size_t end = at;

	while (end < limit) {
		const char *newline = memchr(log->log + end, '\n', limit - end);
		size_t next = newline == NULL ? limit : (size_t)(newline - log->log) + 1;

		if (end > at && next - at > KT_WATCH_CHUNK_MAX)
			break;
		end = next;
	}
	return end;
}

static void rows_append(struct kt_json *rows, const char *text, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(text, '\n', len);
		size_t row = newline == NULL ? len : (size_t)(newline - text);

		if (row > 0 && row <= KT_WATCH_ROW_MAX)
			kt_json_append(rows, kt_json_new_string_len(text, row));
		if (row == len)
			return;
		text += row + 1;
		len -= row + 1;
	}
}

/* One EVENT to one watcher. False: it is up to date, or has no room. */
static bool step_send(struct kt_publisher *publisher, struct watcher *watcher,
	const struct kt_published *log, bool *is_full)
{
	const struct commit *commit = NULL;
	struct kt_json *body = NULL;
	struct kt_json *rows = NULL;
	size_t end = 0;

	if (watcher->at >= log->len)
		return false;
	commit = commit_of(publisher, watcher->at);
	end = chunk_end(watcher->at, log, commit);
	body = kt_json_new_object();
	rows = kt_json_new_array();
	kt_json_set_string(body, "commit", commit == NULL ? NULL : commit->id);
	rows_append(rows, log->log + watcher->at, end - watcher->at);
	if (end - watcher->at > KT_WATCH_ROW_MAX && kt_json_size(rows) == 0)
		kt_json_set_int(body, "too_large", (int64_t)(end - watcher->at));
	kt_json_set(body, "rows", rows);
	kt_json_set_int(body, "seq", (int64_t)end);
	*is_full = !publisher->options.send_rows(watcher->connection, body);
	kt_json_free(body);
	if (*is_full)
		return false;
	watcher->at = end;
	watcher->stalled_at = log->len;
	return true;
}

static void watcher_flush(
	struct kt_publisher *publisher, struct watcher *watcher, const struct kt_published *log)
{
	bool is_full = false;

	/* Healing never shortens the committed log; a fresh mission state may. */
	if (watcher->at > log->len)
		watcher->at = log->len;
	/* A long replay is no stall: what counts is what is committed meanwhile. */
	if (watcher->at == log->len || watcher->stalled_at == SIZE_MAX)
		watcher->stalled_at = log->len;
	if (log->len > watcher->stalled_at &&
		log->len - watcher->stalled_at > KT_WATCH_BACKLOG_MAX) {
		if (!publisher->options.send_snapshot(watcher->connection, publisher->options.arg))
			return;
		watcher->at = watcher->stalled_at = log->len;
	}
	while (step_send(publisher, watcher, log, &is_full))
		;
}

void kt_publisher_flush(struct kt_publisher *publisher, const struct kt_published *log)
{
	struct watcher *next = NULL;

	for (struct watcher *at = publisher->watchers; at != NULL; at = next) {
		next = at->next;
		watcher_flush(publisher, at, log);
	}
}
