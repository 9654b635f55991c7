/* git merge-tree's output: what counts as a conflict, what as a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/git/merge.h"

#define TREE "0123456789abcdef0123456789abcdef01234567"
#define PARSE(text, code) kt_merge_parse(text, sizeof(text) - 1, code, &result, &err)

static void a_clean_merge_is_a_tree(void **state)
{
	struct kt_merge_result result = {.is_clean = false};
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(PARSE(TREE "\0", 0), KT_E_OK);
	assert_true(result.is_clean);
	assert_string_equal(kt_oid_format(&result.tree).text, TREE);
	assert_int_equal(result.files_len, 0);
	kt_merge_result_release(&result);
}

static void a_conflict_names_each_file_once_and_its_messages(void **state)
{
	struct kt_merge_result result = {.is_clean = false};
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(
		PARSE(TREE "\0a b.c\0a b.c\0new\nline\0\0"
			   "1\0a b.c\0Auto-merging\0Auto-merging a b.c\n\0"
			   "2\0a b.c\0x\0CONFLICT (contents)\0CONFLICT (content): in a b.c\n\0",
			1),
		KT_E_OK);
	assert_false(result.is_clean);
	assert_int_equal(result.files_len, 2);
	assert_string_equal(result.files[0], "a b.c");
	assert_string_equal(result.files[1], "new\nline");
	assert_string_equal(result.messages[0], "CONFLICT (content): in a b.c");
	assert_null(result.messages[1]);
	kt_merge_result_release(&result);
}

static void exit_status_1_without_a_tree_is_a_failure_not_a_conflict(void **state)
{
	struct kt_merge_result result = {.is_clean = false};
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(PARSE("", 1), KT_E_GIT_FAILED);
	assert_int_equal(PARSE("not something we can merge\0", 1), KT_E_GIT_FAILED);
	assert_int_equal(PARSE(TREE, 0), KT_E_GIT_FAILED);
	assert_int_equal(PARSE(TREE "\0", 128), KT_E_GIT_FAILED);
	assert_int_equal(PARSE("0123\0", 0), KT_E_GIT_FAILED);
}

static void a_cut_output_is_read_as_far_as_it_goes(void **state)
{
	struct kt_merge_result result = {.is_clean = false};
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(PARSE(TREE "\0file\0\0"
				    "99999999\0a",
				 1),
		KT_E_OK);
	assert_int_equal(result.files_len, 1);
	assert_null(result.messages[0]);
	kt_merge_result_release(&result);
}

static void the_command_line_holds_full_ids(void **state)
{
	struct kt_merge_command command;
	struct kt_oid left = {{1}}, right = {{2}};

	(void)state;
	kt_merge_command(&command, &left, &right);
	assert_string_equal(command.args[5], kt_oid_format(&left).text);
	assert_string_equal(command.args[6], kt_oid_format(&right).text);
	assert_null(command.args[7]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_merge_is_a_tree),
		cmocka_unit_test(a_conflict_names_each_file_once_and_its_messages),
		cmocka_unit_test(exit_status_1_without_a_tree_is_a_failure_not_a_conflict),
		cmocka_unit_test(a_cut_output_is_read_as_far_as_it_goes),
		cmocka_unit_test(the_command_line_holds_full_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
