/*
 * ULIDs, times and the names of statuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/status/event.h"

/* ---- ULIDs and times ---- */

static void ulids_are_formatted_checked_and_counted_up(void **state)
{
	const unsigned char zeros[10] = {0};
	const unsigned char mixed[10] = {
		0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFF, 0xFF};
	char out[27];

	(void)state;
	kt_ulid_format(0, zeros, out);
	assert_string_equal(out, "00000000000000000000000000");
	kt_ulid_format(1469918176385, mixed, out);
	assert_string_equal(out, "01ARYZ6S4104HMASW9NF6YZZZZ");
	assert_true(kt_ulid_is_valid(out));
	assert_int_equal(kt_ulid_time(out), 1469918176385);
	assert_int_equal(kt_ulid_time("ZZZZZZZZZZZZZZZZZZZZZZZZZZ"), 253402300799999);
	assert_true(kt_ulid_successor(out, out));
	assert_string_equal(out, "01ARYZ6S4104HMASW9NF6Z0000");
	assert_true(kt_ulid_successor("01ARYZ6S41ZZZZZZZZZZZZZZZZ", out));
	assert_string_equal(out, "01ARYZ6S420000000000000000");
	assert_true(kt_ulid_successor("01ARYZ6S410000000000000009", out));
	assert_string_equal(out, "01ARYZ6S41000000000000000A");
	assert_true(kt_ulid_successor("01ARYZ6S41000000000000000H", out));
	assert_string_equal(out, "01ARYZ6S41000000000000000J"); /* there is no I */
	assert_false(kt_ulid_successor("ZZZZZZZZZZZZZZZZZZZZZZZZZZ", out));
	assert_false(kt_ulid_is_valid(""));
	assert_false(kt_ulid_is_valid(NULL));
	assert_false(kt_ulid_is_valid("01ARYZ6S4104HMASW9NF6YZZZI"));
	assert_false(kt_ulid_is_valid("01ARYZ6S4104HMASW9NF6YZZZZZ"));
	assert_false(kt_ulid_is_valid("01ARYZ6S4104HMASW9NF6YZZZZ "));
}

static void nothing_follows_what_is_no_ulid(void **state)
{
	char out[27] = "untouched";

	(void)state;
	assert_false(kt_ulid_successor("", out));
	assert_false(kt_ulid_successor("01ARYZ6S41", out));
	assert_false(kt_ulid_successor(NULL, out));
	assert_string_equal(out, "untouched");
}

static void times_are_written_without_a_zero_fraction_and_read_in_every_notation(void **state)
{
	static const struct {
		const char *text;
		int64_t microseconds;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T00:00:00+00:00", 0},
		{"1969-12-31T23:59:59.999999+00:00", -1},
		{"2026-11-21T02:03:04.000005+00:00", 1795226584000005},
		{"2026-11-21T02:03:04.000005999Z", 1795226584000005},
		{"2026-11-21T04:03:04.5+02:00", 1795226584500000},
		{"2026-11-20T20:33:04-0530", 1795226584000000},
		{"2024-02-29T00:00:00", 1709164800000000},
	};
	static const char *const wrong[] = {"", "x", "2026-11-21", "2026-11-21T02:03",
		"2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:01:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T00:00:00Zz", "2026-01-01T00:00:00+2",
		"2026-01-01T00:00:00+02:00 ", "2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00-01:60"};
	char out[33];
	int64_t time = 0;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (!kt_time_parse(rows[i].text, &time))
			fail_msg("%s was not read", rows[i].text);
		assert_int_equal(time, rows[i].microseconds);
		kt_time_format(time, out);
		assert_true(kt_time_parse(out, &time));
		assert_int_equal(time, rows[i].microseconds);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (kt_time_parse(wrong[i], &time))
			fail_msg("'%s' was read", wrong[i]);
	kt_time_format(1795226584000005, out);
	assert_string_equal(out, "2026-11-21T02:03:04.000005+00:00");
	kt_time_format(1795226584000000, out);
	assert_string_equal(out, "2026-11-21T02:03:04+00:00");
}

static void leap_days_exist_where_the_calendar_has_them(void **state)
{
	static const char *const there[] = {"2024-02-29T12:00:00+00:00",
		"2000-02-29T12:00:00+00:00", "1904-02-29T12:00:00+00:00"};
	static const char *const not_there[] = {"2023-02-29T12:00:00+00:00",
		"1900-02-29T12:00:00+00:00", "2026-04-31T12:00:00+00:00"};
	char out[33];
	int64_t time = 0, next = 0;

	(void)state;
	for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) {
		assert_true(kt_time_parse(there[i], &time));
		kt_time_format(time, out);
		assert_string_equal(out, there[i]);
	}
	for (size_t i = 0; i < sizeof not_there / sizeof not_there[0]; i++)
		if (kt_time_parse(not_there[i], &time))
			fail_msg("'%s' was read", not_there[i]);
	assert_true(kt_time_parse("2023-02-28T23:59:59.999999Z", &time));
	assert_true(kt_time_parse("2023-03-01T00:00:00Z", &next));
	assert_int_equal(next - time, 1);
}

static void the_first_and_last_years_of_the_calendar_are_read_and_written(void **state)
{
	static const char *const texts[] = {"0000-01-01T00:00:00+00:00",
		"0000-02-29T23:59:59.000001+00:00", "0000-03-01T00:00:00+00:00",
		"9999-12-31T23:59:59.999999+00:00"};
	static const int64_t times[] = {
		-62167219200000000, -62162035200999999, -62162035200000000, 253402300799999999};
	char out[33];
	int64_t time = 0;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_true(kt_time_parse(texts[i], &time));
		assert_int_equal(time, times[i]);
		kt_time_format(time, out);
		assert_string_equal(out, texts[i]);
	}
}

/* ---- names ---- */

static void people_may_write_a_status_their_way_the_log_may_not(void **state)
{
	(void)state;
	assert_int_equal(kt_status_from_input(" DONE "), KT_STATUS_DONE);
	assert_int_equal(kt_status_from_input("Doing\n"), KT_STATUS_IN_PROGRESS);
	assert_int_equal(kt_status_from_input("in review"), KT_STATUS_NONE);
	assert_int_equal(kt_status_from_input(""), KT_STATUS_NONE);
	assert_int_equal(kt_status_from_input(NULL), KT_STATUS_NONE);
	assert_int_equal(kt_status_from_input("in_progressin_progressin_progressin_progress"),
		KT_STATUS_NONE);
	assert_int_equal(kt_status_from_name("doing"), KT_STATUS_NONE);
	assert_int_equal(kt_status_from_name("Done"), KT_STATUS_NONE);
	assert_int_equal(kt_status_from_name(NULL), KT_STATUS_NONE);
	for (int i = 0; i < KT_STATUS_COUNT; i++)
		assert_int_equal(kt_status_from_name(kt_status_name((enum kt_status)i)), i);
}

static void what_is_no_status_has_no_name_and_no_property(void **state)
{
	static const enum kt_status none[] = {KT_STATUS_NONE, KT_STATUS_COUNT};

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		assert_string_equal(kt_status_name(none[i]), "");
		assert_false(kt_status_satisfies_dependency(none[i]));
		assert_false(kt_status_is_terminal(none[i]));
		assert_false(kt_status_is_displayed(none[i]));
	}
}

static void done_and_canceled_are_terminal_approved_and_done_satisfy_a_dependency(void **state)
{
	(void)state;
	for (enum kt_status status = 0; status < KT_STATUS_COUNT; status++) {
		assert_int_equal(kt_status_is_terminal(status),
			status == KT_STATUS_DONE || status == KT_STATUS_CANCELED);
		assert_int_equal(kt_status_satisfies_dependency(status),
			status == KT_STATUS_APPROVED || status == KT_STATUS_DONE);
		assert_int_equal(kt_status_is_displayed(status),
			status != KT_STATUS_GENESIS && status != KT_STATUS_UNINITIALIZED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ulids_are_formatted_checked_and_counted_up),
		cmocka_unit_test(
			times_are_written_without_a_zero_fraction_and_read_in_every_notation),
		cmocka_unit_test(leap_days_exist_where_the_calendar_has_them),
		cmocka_unit_test(nothing_follows_what_is_no_ulid),
		cmocka_unit_test(the_first_and_last_years_of_the_calendar_are_read_and_written),
		cmocka_unit_test(what_is_no_status_has_no_name_and_no_property),
		cmocka_unit_test(
			done_and_canceled_are_terminal_approved_and_done_satisfy_a_dependency),
		cmocka_unit_test(people_may_write_a_status_their_way_the_log_may_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
