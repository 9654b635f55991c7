/*
 * Watchers: every committed row once, in order, whatever the connection takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/fanout/publish.h"

static const char COMMIT_A[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char COMMIT_B[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/* One connection: what it was sent, and how much it still takes. */
struct connection {
	struct kt_buffer rows; /* the rows, each with its newline */
	char last_commit[41];
	size_t events, snapshots, room;
	int64_t seq;
};

static bool send_rows(void *watcher, const struct kt_json *body)
{
	struct connection *connection = watcher;
	const char *commit = kt_json_get_string(body, "commit");
	int64_t seq = 0;

	if (connection->room == 0)
		return false;
	connection->room--;
	connection->events++;
	for (const struct kt_json *row = kt_json_first(kt_json_get(body, "rows")); row != NULL;
		row = kt_json_next(row))
		kt_buffer_printf(&connection->rows, "%s\n", kt_json_string(row));
	assert_true(kt_json_get_int(body, "seq", &seq));
	assert_true(seq > connection->seq);
	connection->seq = seq;
	(void)snprintf(connection->last_commit, sizeof connection->last_commit, "%s",
		commit == NULL ? "" : commit);
	return true;
}

static bool send_snapshot(void *watcher, void *arg)
{
	struct connection *connection = watcher;

	(void)arg;
	if (connection->room == 0)
		return false;
	connection->room--;
	connection->snapshots++;
	return true;
}

static struct kt_publisher *publisher_make(void)
{
	struct kt_publisher_options options = {send_rows, send_snapshot, NULL};

	return kt_publisher_new(&options);
}

static void flush(struct kt_publisher *publisher, const struct kt_buffer *log)
{
	struct kt_published published = {kt_buffer_text(log), log->len};

	kt_publisher_flush(publisher, &published);
}

static void log_add(
	struct kt_publisher *publisher, struct kt_buffer *log, const char *rows, const char *commit)
{
	size_t start = log->len;

	kt_buffer_puts(log, rows);
	kt_publisher_commit(publisher, commit, start, log->len);
}

static void a_watcher_gets_what_is_committed_after_it_came(void **state)
{
	struct kt_publisher *publisher = publisher_make();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct connection watcher = {.room = 100};

	(void)state;
	kt_buffer_puts(&log, "{\"old\": 1}\n");
	kt_publisher_add(publisher, &watcher, log.len);
	flush(publisher, &log);
	assert_int_equal(watcher.events, 0);
	log_add(publisher, &log, "{\"n\": 1}\n{\"n\": 2}\n", COMMIT_A);
	log_add(publisher, &log, "{\"n\": 3}\n", COMMIT_B);
	flush(publisher, &log);
	assert_string_equal(kt_buffer_text(&watcher.rows), "{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n");
	/* No EVENT holds rows of two commits. */
	assert_int_equal(watcher.events, 2);
	assert_string_equal(watcher.last_commit, COMMIT_B);
	flush(publisher, &log);
	assert_int_equal(watcher.events, 2);
	kt_buffer_release(&watcher.rows);
	kt_buffer_release(&log);
	kt_publisher_free(publisher);
}

static void replay_and_live_rows_are_one_stream(void **state)
{
	struct kt_publisher *publisher = publisher_make();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct connection watcher = {.room = 1};
	char row[32];

	(void)state;
	for (int i = 0; i < 30000; i++) {
		(void)snprintf(row, sizeof row, "{\"n\": %d}\n", i);
		kt_buffer_puts(&log, row);
	}
	kt_publisher_add(publisher, &watcher, 0);
	for (int i = 30000; watcher.rows.len < log.len; i++) {
		flush(publisher, &log);
		watcher.room = 1;
		(void)snprintf(row, sizeof row, "{\"n\": %d}\n", i);
		if (i < 30004)
			log_add(publisher, &log, row, COMMIT_A);
	}
	assert_int_equal(watcher.rows.len, log.len);
	assert_memory_equal(watcher.rows.data, log.data, log.len);
	assert_int_equal(watcher.snapshots, 0);
	kt_buffer_release(&watcher.rows);
	kt_buffer_release(&log);
	kt_publisher_free(publisher);
}

static char *large_row(size_t len)
{
	char *row = kt_alloc(len + 1);

	memset(row, 'x', len);
	row[len - 1] = '\n';
	return row;
}

static void a_stalled_watcher_gets_one_snapshot_instead_of_the_backlog(void **state)
{
	struct kt_publisher *publisher = publisher_make();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct connection stalled = {.room = 0};
	struct connection quick = {.room = SIZE_MAX};
	char *row = large_row(100000);

	(void)state;
	kt_publisher_add(publisher, &stalled, 0);
	kt_publisher_add(publisher, &quick, 0);
	for (size_t i = 0; i < 60; i++) {
		log_add(publisher, &log, row, COMMIT_A);
		flush(publisher, &log);
	}
	assert_int_equal(stalled.rows.len, 0);
	assert_int_equal(quick.rows.len, log.len);
	stalled.room = SIZE_MAX;
	flush(publisher, &log);
	assert_int_equal(stalled.snapshots, 1);
	assert_int_equal(stalled.events, 0);
	log_add(publisher, &log, "{\"n\": 1}\n", COMMIT_B);
	flush(publisher, &log);
	assert_string_equal(kt_buffer_text(&stalled.rows), "{\"n\": 1}\n");
	free(row);
	kt_buffer_release(&stalled.rows);
	kt_buffer_release(&quick.rows);
	kt_buffer_release(&log);
	kt_publisher_free(publisher);
}

static void a_row_that_fits_no_frame_is_told_not_sent(void **state)
{
	struct kt_publisher *publisher = publisher_make();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct connection watcher = {.room = 10};
	char *row = large_row(600000);

	(void)state;
	kt_publisher_add(publisher, &watcher, 0);
	log_add(publisher, &log, row, COMMIT_A);
	log_add(publisher, &log, "{\"n\": 1}\n", COMMIT_B);
	flush(publisher, &log);
	assert_string_equal(kt_buffer_text(&watcher.rows), "{\"n\": 1}\n");
	assert_int_equal(watcher.events, 2);
	free(row);
	kt_buffer_release(&watcher.rows);
	kt_buffer_release(&log);
	kt_publisher_free(publisher);
}

static void a_watcher_that_left_is_forgotten(void **state)
{
	struct kt_publisher *publisher = publisher_make();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct connection first = {.room = 10};
	struct connection second = {.room = 10};

	(void)state;
	kt_publisher_add(publisher, &first, 0);
	kt_publisher_add(publisher, &second, 0);
	assert_int_equal(kt_publisher_watchers(publisher), 2);
	kt_publisher_remove(publisher, &first);
	kt_publisher_remove(publisher, &first);
	log_add(publisher, &log, "{\"n\": 1}\n", COMMIT_A);
	flush(publisher, &log);
	assert_int_equal(first.events, 0);
	assert_int_equal(second.events, 1);
	assert_int_equal(kt_publisher_watchers(publisher), 1);
	kt_buffer_release(&second.rows);
	kt_buffer_release(&log);
	kt_publisher_free(publisher);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watcher_gets_what_is_committed_after_it_came),
		cmocka_unit_test(replay_and_live_rows_are_one_stream),
		cmocka_unit_test(a_stalled_watcher_gets_one_snapshot_instead_of_the_backlog),
		cmocka_unit_test(a_row_that_fits_no_frame_is_told_not_sent),
		cmocka_unit_test(a_watcher_that_left_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
