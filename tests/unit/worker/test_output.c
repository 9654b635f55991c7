/* Agent output: rotation, bounds, the last line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "worker/output.h"

static int make_folder(void **state)
{
	char template[] = "/tmp/kitty-output-XXXXXX";

	if (mkdtemp(template) == NULL)
		return -1;
	*state = kt_strdup(template);
	return 0;
}

static int remove_folder(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = kt_folder_remove_tree(*state, &err);

	free(*state);
	return code == KT_E_OK ? 0 : -1;
}

static void open_output(struct kt_output *output, const char *folder, size_t max)
{
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_output_open(output, folder, "WP01-1.log", max, &err), KT_E_OK);
}

static void assert_last_line(const char *bytes, size_t len, const char *expected)
{
	struct kt_output output = {.fd = -1, .file_max = 1};
	struct kt_buffer line = KT_BUFFER_INIT;

	kt_output_write(&output, bytes, len);
	kt_output_last_line(&output, &line);
	assert_string_equal(kt_buffer_text(&line), expected);
	kt_buffer_release(&line);
	kt_output_close(&output);
}

static size_t file_size(const char *folder, const char *name)
{
	char *path = kt_path_join(folder, name);
	struct stat facts = {0};
	size_t size = stat(path, &facts) == 0 ? (size_t)facts.st_size : SIZE_MAX;

	free(path);
	return size;
}

static void bytes_reach_the_file_as_they_are(void **state)
{
	static const char BYTES[] = "a\0b\xff\r\nlast";
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_output output;
	char *path = kt_path_join(*state, "current");
	char *real = realpath(path, NULL);

	open_output(&output, *state, 0);
	kt_output_write(&output, BYTES, sizeof(BYTES) - 1);
	free(real);
	real = realpath(path, NULL); /* the link leads to the log */
	assert_non_null(real);
	assert_int_equal(kt_file_read(real, 100, &text, &err), KT_E_OK);
	assert_int_equal(text.len, sizeof(BYTES) - 1);
	assert_memory_equal(text.data, BYTES, sizeof(BYTES) - 1);
	kt_output_close(&output);
	kt_buffer_release(&text);
	free(real);
	free(path);
}

static void full_files_rotate_and_the_oldest_goes(void **state)
{
	char bytes[1000];
	struct kt_output output;

	memset(bytes, 'x', sizeof(bytes));
	open_output(&output, *state, 100);
	kt_output_write(&output, bytes, sizeof(bytes));
	assert_int_equal(file_size(*state, "WP01-1.log"), 100);
	assert_int_equal(file_size(*state, "WP01-1.log.1"), 100);
	assert_int_equal(file_size(*state, "WP01-1.log.3"), 100);
	assert_int_equal(file_size(*state, "WP01-1.log.4"), SIZE_MAX);
	assert_int_equal(output.total, 1000);
	assert_int_equal(output.dropped, 0);
	kt_output_close(&output);
}

static void a_second_attempt_appends_and_counts_what_is_there(void **state)
{
	struct kt_output output;

	open_output(&output, *state, 100);
	kt_output_write(&output, "0123456789", 10);
	kt_output_close(&output);
	open_output(&output, *state, 12);
	kt_output_write(&output, "0123456789", 10);
	assert_int_equal(file_size(*state, "WP01-1.log.1"), 12);
	assert_int_equal(file_size(*state, "WP01-1.log"), 8);
	kt_output_close(&output);
}

static void names_that_leave_the_folder_are_refused(void **state)
{
	static const char *const NAMES[] = {"", "../x", "a/b", ".hidden", "current"};
	struct kt_error err = KT_ERROR_INIT;
	struct kt_output output;

	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		assert_int_equal(
			kt_output_open(&output, *state, NAMES[i], 0, &err), KT_E_INVALID_ARGUMENT);
		kt_output_close(&output);
	}
}

static void the_last_line_is_the_one_with_text(void **state)
{
	(void)state;
	assert_last_line("one\ntwo\n\n   \n", 13, "two");
	assert_last_line("one\ntw", 6, "tw");
	assert_last_line("", 0, "");
	assert_last_line("\n\n", 2, "");
	assert_last_line("one\r\ntwo\r\n", 10, "two");
}

static void a_progress_line_shows_its_newest_state(void **state)
{
	(void)state;
	assert_last_line("10%\r20%\r30%", 11, "30%");
	assert_last_line("10%\r20%\r", 8, "20%");
}

static void terminal_sequences_and_control_bytes_are_not_shown(void **state)
{
	static const char COLOURED[] = "\033[1;31mred\033[0m \033]0;title\abell\a\tend\x01\x7f";
	static const char BROKEN[] = "caf\xc3\xa9 \xff\xfe \xc3";

	(void)state;
	assert_last_line(COLOURED, sizeof(COLOURED) - 1, "red bell end");
	assert_last_line(BROKEN, sizeof(BROKEN) - 1, "caf\xc3\xa9 ?? ?");
	assert_last_line("\033[", 2, "");
}

static void ten_megabytes_without_a_line_end_use_no_memory(void **state)
{
	struct kt_output output;
	struct kt_buffer line = KT_BUFFER_INIT;
	char bytes[4096];

	memset(bytes, 'y', sizeof(bytes));
	open_output(&output, *state, 1 << 20);
	for (size_t i = 0; i < (10U << 20) / sizeof(bytes); i++)
		kt_output_write(&output, bytes, sizeof(bytes));
	kt_output_last_line(&output, &line);
	assert_int_equal(line.len, KT_OUTPUT_LINE_MAX);
	assert_int_equal(output.total, 10 << 20);
	kt_buffer_release(&line);
	kt_output_close(&output);
}

static void a_line_cut_inside_a_character_stays_valid(void **state)
{
	struct kt_output output = {.fd = -1, .file_max = 1};
	struct kt_buffer line = KT_BUFFER_INIT;

	(void)state;
	kt_output_write(&output, "x", 1);
	for (int i = 0; i < 300; i++)
		kt_output_write(&output, "\xc3\xa9", 2);
	kt_output_last_line(&output, &line);
	assert_int_equal(line.len, KT_OUTPUT_LINE_MAX - 1);
	assert_null(strchr(kt_buffer_text(&line), '?'));
	kt_buffer_release(&line);
}

static void a_log_that_cannot_be_written_drops_bytes_only(void **state)
{
	struct kt_output output = {.fd = -1, .file_max = 100};

	(void)state;
	kt_output_write(&output, "lost\n", 5);
	assert_int_equal(output.dropped, 5);
	assert_int_equal(output.total, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			bytes_reach_the_file_as_they_are, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			full_files_rotate_and_the_oldest_goes, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_second_attempt_appends_and_counts_what_is_there,
			make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			names_that_leave_the_folder_are_refused, make_folder, remove_folder),
		cmocka_unit_test(the_last_line_is_the_one_with_text),
		cmocka_unit_test(a_progress_line_shows_its_newest_state),
		cmocka_unit_test(terminal_sequences_and_control_bytes_are_not_shown),
		cmocka_unit_test_setup_teardown(
			ten_megabytes_without_a_line_end_use_no_memory, make_folder, remove_folder),
		cmocka_unit_test(a_line_cut_inside_a_character_stays_valid),
		cmocka_unit_test(a_log_that_cannot_be_written_drops_bytes_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
