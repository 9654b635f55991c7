/*
 * errors.golden pins code texts and exit statuses: a row may be added, none changed or removed.
 * After adding rows: KITTY_GOLDEN_UPDATE=1 ctest -R unit/ipc/test_error, and read the difference.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <kitty/error.h>

#include "ipc/buffer.h"
#include "ipc/file.h"

#define GOLDEN KITTY_SOURCE_DIR "/tests/unit/ipc/errors.golden"

/* Sorted by text, so that the place of a row in errors.def does not matter. */
static int compare_codes(const void *left, const void *right)
{
	return strcmp(kt_error_text(*(const enum kt_code *)left),
		kt_error_text(*(const enum kt_code *)right));
}

static void describe_all(struct kt_buffer *out)
{
	enum kt_code codes[KT_E_COUNT];

	for (unsigned i = 0; i < KT_E_COUNT; i++)
		codes[i] = (enum kt_code)i;
	qsort(codes, KT_E_COUNT, sizeof codes[0], compare_codes);
	for (unsigned i = 0; i < KT_E_COUNT; i++)
		kt_buffer_printf(out, "%s %d\n", kt_error_text(codes[i]), kt_error_exit(codes[i]));
}

static void codes_and_exit_statuses_are_the_golden_ones(void **state)
{
	struct kt_buffer actual = KT_BUFFER_INIT, golden = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	describe_all(&actual);
	if (getenv("KITTY_GOLDEN_UPDATE") != NULL) /* NOLINT(concurrency-mt-unsafe) */
		assert_int_equal(
			kt_file_write_atomic(GOLDEN, actual.data, actual.len, 0644, false, &err),
			KT_E_OK);
	assert_int_equal(kt_file_read(GOLDEN, 1 << 20, &golden, &err), KT_E_OK);
	assert_string_equal(kt_buffer_text(&actual), kt_buffer_text(&golden));
	kt_buffer_release(&actual);
	kt_buffer_release(&golden);
}

static void every_row_is_complete_and_every_text_unique(void **state)
{
	(void)state;
	for (unsigned i = 1; i < KT_E_COUNT; i++) {
		struct kt_error err = KT_ERROR_INIT;
		const char *text = kt_error_text((enum kt_code)i);

		(void)kt_error_set(&err, (enum kt_code)i, "x");
		assert_int_equal(
			strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), strlen(text));
		assert_int_equal(kt_error_from_text(text), i);
		assert_true(strlen(kt_error_next_step(&err)) > 0);
		assert_true(strlen(kt_error_summary((enum kt_code)i)) > 0);
		assert_true(kt_error_exit((enum kt_code)i) >= KT_EXIT_FAILED);
		assert_true(kt_error_exit((enum kt_code)i) <= KT_EXIT_ROLLED_BACK);
	}
}

static void a_code_out_of_range_is_internal(void **state)
{
	(void)state;
	assert_string_equal(kt_error_text((enum kt_code)9999), "INTERNAL_ERROR");
	assert_int_equal(kt_error_from_text("NO_SUCH_CODE"), KT_E_INTERNAL);
	assert_int_equal(kt_error_from_text(NULL), KT_E_INTERNAL);
}

static void errno_is_remembered_and_spelled_out(void **state)
{
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(kt_error_sys(&err, KT_E_IO, ENOENT, "file %d", 3), KT_E_IO);
	assert_string_equal(err.detail, "file 3: No such file or directory");
	assert_int_equal(err.sys_errno, ENOENT);
}

static void a_detail_too_long_is_cut_not_overrun(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	(void)kt_error_sys(&err, KT_E_IO, ENOENT, "%s", text);
	assert_int_equal(strlen(err.detail), sizeof err.detail - 1);
	kt_error_next(&err, "%s", text);
	assert_int_equal(strlen(err.next_step), sizeof err.next_step - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_and_exit_statuses_are_the_golden_ones),
		cmocka_unit_test(every_row_is_complete_and_every_text_unique),
		cmocka_unit_test(a_code_out_of_range_is_internal),
		cmocka_unit_test(errno_is_remembered_and_spelled_out),
		cmocka_unit_test(a_detail_too_long_is_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
