/*
 * Time and id of a new row: behind everything that is there, whatever is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/clock.h"
#include "supervisor/status/event.h"
#include "supervisor/transaction/stamp.h"

#define NOW INT64_C(1767323045000000) /* 2026-01-02T03:04:05Z */

static struct kt_reducer *log_of(const char *at, const char *event_id)
{
	struct kt_reducer *state = kt_reducer_new();
	struct kt_error err = KT_ERROR_INIT;
	char row[300];

	(void)snprintf(row, sizeof row,
		"{\"actor\": \"x\", \"at\": \"%s\", \"delta\": {\"note\": \"n\"}, \"event_id\": "
		"\"%s\", \"kind\": \"annotation\", \"wp_id\": \"WP01\"}\n",
		at, event_id);
	if (kt_reducer_feed(state, row, strlen(row), &err) != KT_E_OK)
		fail_msg("%s", err.detail);
	return state;
}

static void expect_at(const char *last, const char *expected)
{
	struct kt_reducer *state = log_of(last, "01KSPTVW00000000000000AAAA");
	char at[33];

	kt_clock_fix(NOW, 0);
	kt_stamp_at(state, at);
	kt_clock_fix(-1, 0);
	assert_string_equal(at, expected);
	kt_reducer_free(state);
}

static void the_new_time_is_later_as_time_and_as_text(void **state)
{
	(void)state;
	expect_at("2025-01-01T00:00:00+00:00", "2026-01-02T03:04:05+00:00");
	/* The clock stands still, or ran backwards. */
	expect_at("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05.000001+00:00");
	expect_at("2030-01-02T03:04:05+00:00", "2030-01-02T03:04:05.000001+00:00");
	/* Earlier as time, later as text. */
	expect_at("2026-01-02T12:00:00+23:00", "2026-01-02T12:00:01+00:00");
}

static void a_greatest_text_that_is_no_time_does_not_stop_the_log(void **state)
{
	(void)state;
	expect_at("yesterday", "2026-01-02T03:04:05+00:00");
	expect_at("2026-01-02t01:00:00Z", "2026-01-02T03:04:05+00:00");
}

static void expect_id(const char *last, bool is_later)
{
	struct kt_reducer *state = log_of("2026-01-01T00:00:00+00:00", last);
	char id[27];

	kt_stamp_event_id(state, "2026-01-02T03:04:05.000000+00:00", id);
	assert_true(kt_ulid_is_valid(id));
	assert_int_equal(strcmp(id, last) > 0, is_later);
	assert_string_not_equal(id, last);
	kt_reducer_free(state);
}

static void the_new_id_is_later_unless_there_is_no_later_one(void **state)
{
	(void)state;
	expect_id("01AAAAAAAA0000000000000000", true);
	expect_id("7KSPTVW0000000000000000000", true);
	/* The last ULID of all has no successor: a new one all the same, and another. */
	expect_id("ZZZZZZZZZZZZZZZZZZZZZZZZZZ", false);
}

static void an_empty_log_gets_any_id(void **state)
{
	struct kt_reducer *empty = kt_reducer_new();
	char id[27], at[33];

	(void)state;
	kt_stamp_at(empty, at);
	kt_stamp_event_id(empty, at, id);
	assert_true(kt_ulid_is_valid(id));
	kt_reducer_free(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_new_time_is_later_as_time_and_as_text),
		cmocka_unit_test(a_greatest_text_that_is_no_time_does_not_stop_the_log),
		cmocka_unit_test(the_new_id_is_later_unless_there_is_no_later_one),
		cmocka_unit_test(an_empty_log_gets_any_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
