/*
 * The table of commands: look-up, nearest, and that every row is complete.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/cli/command.h"

static const char *found(size_t len, const char *const *words, size_t *used)
{
	const struct kt_command_row *row = kt_command_find(len, words, used);

	return row == NULL ? NULL : row->path;
}

static void the_longest_path_wins(void **state)
{
	size_t used = 0;

	assert_string_equal(
		found(4, (const char *const[]){"agent", "mission", "create", "x"}, &used),
		"agent mission create");
	assert_int_equal(used, 3);
	assert_string_equal(found(1, (const char *const[]){"status"}, &used), "status");
	assert_null(found(1, (const char *const[]){"agent"}, &used));
	assert_null(found(1, (const char *const[]){"statu"}, &used));
	assert_null(found(0, NULL, &used));
	(void)state;
}

static void the_seeds_spellings_are_known(void **state)
{
	static const char *const paths[] = {"agent setup", "agent mission create",
		"agent mission finalize-tasks", "implement", "agent tasks status",
		"agent tasks move-task", "agent tasks mark-status", "agent status emit",
		"agent status materialize", "agent status validate", "status", "st", "init"};

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		bool is_there = false;

		for (size_t j = 0; j < kt_commands_len; j++)
			is_there |= strcmp(kt_commands[j].path, paths[i]) == 0;
		assert_true(is_there);
	}
	(void)state;
}

static void every_row_is_complete_and_unique(void **state)
{
	for (size_t i = 0; i < kt_commands_len; i++) {
		const struct kt_command *command = kt_commands[i].command;

		assert_non_null(command->run);
		assert_non_null(command->summary);
		assert_non_null(command->arguments);
		assert_true(command->min_arguments <= command->max_arguments);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(kt_commands[i].path, kt_commands[j].path);
		for (const struct kt_option *option = command->options;
			option != NULL && option->name != NULL; option++)
			assert_non_null(option->help);
	}
	(void)state;
}

static void the_nearest_command_is_found(void **state)
{
	assert_string_equal(kt_command_nearest(1, (const char *const[]){"statsu"}), "status");
	assert_string_equal(kt_command_nearest(1, (const char *const[]){"implment"}), "implement");
	assert_string_equal(
		kt_command_nearest(4, (const char *const[]){"agent", "mision", "create", "x"}),
		"agent mission create");
	assert_string_equal(
		kt_command_nearest(3, (const char *const[]){"agent", "tasks", "movetask"}),
		"agent tasks move-task");
	assert_string_equal(kt_command_nearest(2, (const char *const[]){"move-task", "WP01"}),
		"agent tasks move-task");
	(void)state;
}

static void what_is_like_no_command_has_no_nearest(void **state)
{
	assert_null(kt_command_nearest(1, (const char *const[]){"x"}));
	assert_null(kt_command_nearest(1, (const char *const[]){"nosuch"}));
	assert_null(kt_command_nearest(2, (const char *const[]){"agent", "dance"}));
	(void)state;
}

static void the_error_names_what_was_typed_and_a_help_that_exists(void **state)
{
	static const struct {
		const char *words[4];
		const char *detail;
		const char *next;
	} rows[] = {
		{{"x", "y"}, "there is no command `x`", "kitty help"},
		{{"agent", "dance"}, "there is no command `agent dance`", "kitty help agent"},
		{{"agent", "tasks", "move-tsk", "WP01"},
			"there is no command `agent tasks move-tsk`; the nearest is "
			"`agent tasks move-task`",
			"kitty help agent tasks move-task"},
		{{"agent", "tasks"},
			"`agent tasks` is a group of commands, `agent tasks status` is one of them",
			"kitty help agent tasks"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_error err = KT_ERROR_INIT;
		size_t len = 0;

		while (len < 4 && rows[i].words[len] != NULL)
			len++;
		assert_int_equal(kt_command_unknown(len, rows[i].words, &err), KT_E_USAGE);
		assert_string_equal(err.detail, rows[i].detail);
		assert_string_equal(err.next_step, rows[i].next);
	}
	(void)state;
}

static void helpers_of_the_supervisor_are_not_suggested(void **state)
{
	assert_null(kt_command_nearest(2, (const char *const[]){"internal", "lane-prepar"}));
	assert_false(kt_command_is_group(1, (const char *const[]){"internal"}));
	assert_true(kt_command_is_group(2, (const char *const[]){"agent", "tasks"}));
	assert_false(kt_command_is_group(1, (const char *const[]){"status"}));
	(void)state;
}

static void edit_distance_counts_changes(void **state)
{
	assert_int_equal(kt_edit_distance("", ""), 0);
	assert_int_equal(kt_edit_distance("", "abc"), 3);
	assert_int_equal(kt_edit_distance("kitten", "sitting"), 3);
	assert_int_equal(kt_edit_distance("status", "status"), 0);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_path_wins),
		cmocka_unit_test(the_seeds_spellings_are_known),
		cmocka_unit_test(every_row_is_complete_and_unique),
		cmocka_unit_test(the_nearest_command_is_found),
		cmocka_unit_test(what_is_like_no_command_has_no_nearest),
		cmocka_unit_test(the_error_names_what_was_typed_and_a_help_that_exists),
		cmocka_unit_test(helpers_of_the_supervisor_are_not_suggested),
		cmocka_unit_test(edit_distance_counts_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
