/*
 * Big logs: one more row costs the same however long the log is; nothing is quadratic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/status/event.h"
#include "supervisor/status/reduce.h"

enum { ROWS = 100000, WPS = 20, REPEATS = 200 };

static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void append_move(struct kt_buffer *log, unsigned number, unsigned order)
{
	kt_buffer_printf(log,
		"{\"actor\": \"claude\", \"at\": \"2026-01-01T00:00:00.%06u+00:00\", \"event_id\": "
		"\"01AAAAAAAAAAAAAAAAAA%06u\", \"evidence\": null, \"execution_mode\": "
		"\"worktree\", \"force\": false, \"from_lane\": \"%s\", \"mission_id\": "
		"\"01BBBBBBBBBBBBBBBBBBBBBBBB\", \"mission_slug\": \"big-01BBBBBB\", "
		"\"policy_metadata\": {\"agent\": \"claude\", \"shell_pid\": %u}, \"reason\": "
		"null, \"review_ref\": null, \"to_lane\": \"%s\", \"wp_id\": \"WP%02u\"}\n",
		order, order, number % 2 == 0 ? "planned" : "claimed", number,
		number % 2 == 0 ? "claimed" : "planned", number % WPS + 1);
}

static void append_annotation(struct kt_buffer *log, unsigned number, unsigned order)
{
	kt_buffer_printf(log,
		"{\"actor\": \"claude\", \"at\": \"2026-01-01T00:00:00.%06u+00:00\", \"delta\": "
		"{\"agent\": \"a%u\", \"subtasks\": {\"T%03u\": \"done\"}}, \"event_id\": "
		"\"01AAAAAAAAAAAAAAAAAA%06u\", \"kind\": \"annotation\", \"wp_id\": "
		"\"WP%02u\"}\n",
		order, number % 7, number % 12, order, number % WPS + 1);
}

static void append_row(struct kt_buffer *log, unsigned number, unsigned order)
{
	if (number % 5 == 4)
		append_annotation(log, number, order);
	else
		append_move(log, number, order);
}

static void feed(struct kt_reducer *reducer, const struct kt_buffer *log)
{
	struct kt_error err = KT_ERROR_INIT;

	if (kt_reducer_feed(reducer, kt_buffer_text(log), log->len, &err) != KT_E_OK)
		fail_msg("%s", err.detail);
}

/* One row and the snapshot, many times; gives seconds per turn. */
static double measure_turns(struct kt_reducer *reducer, unsigned first)
{
	const struct kt_snapshot_identity identity = {NULL, NULL};
	struct kt_buffer row = KT_BUFFER_INIT;
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_wp_state wp;
	double start = seconds();

	for (unsigned i = 0; i < REPEATS; i++) {
		size_t mark = kt_reducer_mark(reducer);

		kt_buffer_clear(&row);
		kt_buffer_clear(&text);
		append_row(&row, first + i, first + i);
		feed(reducer, &row);
		assert_true(kt_reducer_wp(reducer, "WP07", &wp));
		kt_reducer_snapshot(reducer, &identity, &text);
		assert_int_equal(mark, 0);
		kt_reducer_settle(reducer);
	}
	start = (seconds() - start) / REPEATS;
	kt_buffer_release(&row);
	kt_buffer_release(&text);
	return start;
}

static void a_hundred_thousand_rows_are_read_fast_and_one_more_costs_the_same(void **state)
{
	struct kt_buffer log = KT_BUFFER_INIT;
	struct kt_reducer *big = kt_reducer_new();
	struct kt_reducer *small = kt_reducer_new();
	double load = 0;
	double turn_small = 0;
	double turn_big = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		append_row(&log, i, i);
	feed(small, &log);
	for (unsigned i = 1000; i < ROWS; i++)
		append_row(&log, i, i);
	load = seconds();
	feed(big, &log);
	load = seconds() - load;
	assert_int_equal(kt_reducer_rows(big), ROWS);
	turn_small = measure_turns(small, 1000);
	turn_big = measure_turns(big, ROWS);
	print_message("%d rows of %zu bytes: %.2f s; a turn: %.0f us (1,000 rows), %.0f us\n", ROWS,
		log.len / ROWS, load, turn_small * 1e6, turn_big * 1e6);
	/* Loose bounds: this is about the kind of growth, on any machine and under a sanitizer. */
	assert_true(turn_big < 10 * turn_small + 0.002);
	kt_reducer_free(big);
	kt_reducer_free(small);
	kt_buffer_release(&log);
}

/* 7919 is prime and no divisor of the count: the places are a permutation. */
static void a_shuffled_log_is_not_quadratic_and_equals_the_sorted_one(void **state)
{
	const struct kt_snapshot_identity identity = {NULL, NULL};
	struct kt_reducer *sorted = kt_reducer_new();
	struct kt_reducer *shuffled = kt_reducer_new();
	struct kt_buffer row = KT_BUFFER_INIT;
	struct kt_buffer left = KT_BUFFER_INIT;
	struct kt_buffer right = KT_BUFFER_INIT;
	enum { COUNT = 10000 };
	double start = seconds();

	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		kt_buffer_clear(&row);
		append_row(&row, i, i);
		feed(sorted, &row);
		kt_buffer_clear(&row);
		append_row(&row, i * 7919 % COUNT, i * 7919 % COUNT);
		feed(shuffled, &row);
	}
	kt_reducer_snapshot(sorted, &identity, &left);
	kt_reducer_snapshot(shuffled, &identity, &right);
	print_message("shuffled: %.2f s\n", seconds() - start);
	assert_string_equal(kt_buffer_text(&left), kt_buffer_text(&right));
	kt_buffer_release(&row);
	kt_buffer_release(&left);
	kt_buffer_release(&right);
	kt_reducer_free(sorted);
	kt_reducer_free(shuffled);
}

static void a_row_of_a_mebibyte_is_read_and_taken_back(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct kt_buffer note = KT_BUFFER_INIT;
	struct kt_wp_state wp;
	size_t mark = kt_reducer_mark(reducer);
	size_t offset = 0;
	size_t len = 0;

	(void)state;
	for (unsigned i = 0; i < 1U << 20; i++)
		kt_buffer_putc(&note, (char)('a' + i % 26));
	kt_buffer_printf(&log,
		"{\"actor\": \"a\", \"at\": \"2026-01-01T00:00:00+00:00\", \"delta\": {\"note\": "
		"\"%s\"}, \"event_id\": \"01AAAAAAAAAAAAAAAAAAAAAAAA\", \"kind\": \"annotation\", "
		"\"wp_id\": \"WP01\"}\n",
		kt_buffer_text(&note));
	feed(reducer, &log);
	assert_true(kt_reducer_wp(reducer, "WP01", &wp));
	assert_string_equal(kt_json_string(kt_json_first(kt_json_get(wp.entry, "notes"))),
		kt_buffer_text(&note));
	assert_true(kt_reducer_find_event(reducer, "01AAAAAAAAAAAAAAAAAAAAAAAA", &offset, &len));
	assert_int_equal(len, log.len);
	kt_reducer_rollback(reducer, mark);
	assert_false(kt_reducer_wp(reducer, "WP01", &wp));
	assert_int_equal(kt_reducer_bytes(reducer), 0);
	kt_buffer_release(&log);
	kt_buffer_release(&note);
	kt_reducer_free(reducer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_thousand_rows_are_read_fast_and_one_more_costs_the_same),
		cmocka_unit_test(a_shuffled_log_is_not_quadratic_and_equals_the_sorted_one),
		cmocka_unit_test(a_row_of_a_mebibyte_is_read_and_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
