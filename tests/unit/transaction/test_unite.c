/*
 * Logs of one mission as one (kt_logs_unite).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/transaction/legacy.h"

#define A "{\"event_id\": \"A\", \"at\": \"2026-01-01T00:00:01+00:00\"}\n"
#define B "{\"event_id\": \"B\", \"at\": \"2026-01-01T00:00:02+00:00\"}\n"
#define C "{\"event_id\": \"C\", \"at\": \"2026-01-01T00:00:03+00:00\"}\n"
/* At the moment of B, without saying so in the name that B uses, and at no moment at all. */
#define D "{\"event_id\": \"D\", \"timestamp\": \"2026-01-01T00:00:02+00:00\"}\n"
#define NEVER "{\"event_id\": \"N\", \"at\": \"soon\"}\n"

static enum kt_code unite(
	const char *base, const char *one, const char *other, struct kt_buffer *out)
{
	struct kt_buffer texts[3] = {KT_BUFFER_INIT, KT_BUFFER_INIT, KT_BUFFER_INIT};
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code;

	kt_buffer_puts(&texts[0], base);
	kt_buffer_puts(&texts[1], one);
	kt_buffer_puts(&texts[2], other);
	code = kt_logs_unite(&texts[0], texts + 1, 2, out, &err);
	for (size_t i = 0; i < 3; i++)
		kt_buffer_release(&texts[i]);
	return code;
}

static void every_row_once_in_the_order_of_time_behind_the_base(void **state)
{
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	assert_int_equal(unite(B, B C, A B, &out), KT_E_OK);
	assert_string_equal(kt_buffer_text(&out), B A C);
	kt_buffer_release(&out);
}

static void rows_of_one_moment_are_in_the_order_of_their_ids(void **state)
{
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	assert_int_equal(unite("", D C, B NEVER, &out), KT_E_OK);
	assert_string_equal(kt_buffer_text(&out), NEVER B D C);
	kt_buffer_release(&out);
}

/* The last row of a log may lack its newline: what comes behind it starts a line of its own. */
static void a_base_without_its_last_newline_is_ended(void **state)
{
	static const char half[] = "{\"event_id\": \"B\", \"at\": \"2026-01-01T00:00:02+00:00\"}";
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	assert_int_equal(unite(half, B C, half, &out), KT_E_OK);
	assert_string_equal(kt_buffer_text(&out), B C);
	kt_buffer_clear(&out);
	assert_int_equal(unite(half, A, C, &out), KT_E_OK);
	assert_string_equal(kt_buffer_text(&out), B A C);
	kt_buffer_release(&out);
}

/* The sources agree, and the base is what none of them starts with. */
static void a_base_of_its_own_comes_before_what_the_sources_agree_on(void **state)
{
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	assert_int_equal(unite(C, A, A B, &out), KT_E_OK);
	assert_string_equal(kt_buffer_text(&out), C A B);
	kt_buffer_release(&out);
}

/* Found by the fuzzer: the longest text won as soon as the others were its first bytes. */
static void half_a_row_that_begins_like_a_row_is_refused(void **state)
{
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	assert_int_equal(
		unite("{\"a\":1}", "{\"a\":1}", "{\"a\":1}, torn", &out), KT_E_EVENT_INVALID);
	assert_int_equal(out.len, 0);
	kt_buffer_release(&out);
}

/* Blank lines are no rows, and rows of one id are one row, however they are written. */
static void blank_lines_and_doubles_leave_no_row(void **state)
{
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	assert_int_equal(unite("", " \n", "\t\r\n", &out), KT_E_OK);
	assert_int_equal(out.len, 0);
	assert_int_equal(unite("", " " A, A, &out), KT_E_OK);
	assert_string_equal(kt_buffer_text(&out), " " A);
	kt_buffer_release(&out);
}

static void a_row_that_is_no_object_is_refused_however_long_it_is(void **state)
{
	static const char *const rows[] = {"[]\n",
		"[\"0123456789012345678901234567890123456789012345678901234567890123456789012345678"
		"9\"]\n",
		"{\"0123456789012345678901234567890123456789012345678901234567890123456789012345678"
		"9\n"};
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(unite("", rows[i], A, &out), KT_E_EVENT_INVALID);
	assert_int_equal(out.len, 0);
	kt_buffer_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_once_in_the_order_of_time_behind_the_base),
		cmocka_unit_test(rows_of_one_moment_are_in_the_order_of_their_ids),
		cmocka_unit_test(a_base_without_its_last_newline_is_ended),
		cmocka_unit_test(a_base_of_its_own_comes_before_what_the_sources_agree_on),
		cmocka_unit_test(blank_lines_and_doubles_leave_no_row),
		cmocka_unit_test(a_row_that_is_no_object_is_refused_however_long_it_is),
		cmocka_unit_test(half_a_row_that_begins_like_a_row_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
