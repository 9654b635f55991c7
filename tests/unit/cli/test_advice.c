/*
 * Next steps that name the mission, so that they work where it has to be named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "supervisor/cli/advice.h"

static void check(const char *text, const char *wanted)
{
	char *got = kt_advice_for(text, "m-1");

	assert_string_equal(got, wanted);
	free(got);
}

static void a_command_that_takes_a_mission_gets_it(void **state)
{
	check("kitty status", "kitty status --mission m-1");
	check("kitty agent worktree repair", "kitty agent worktree repair --mission m-1");
	check("kitty agent tasks move-task WP01 --to approved",
		"kitty agent tasks move-task --mission m-1 WP01 --to approved");
	check("kitty launch --lanes all -- COMMAND",
		"kitty launch --mission m-1 --lanes all -- COMMAND");
	(void)state;
}

static void each_command_of_a_sentence_is_looked_at(void **state)
{
	check("correct the files named above, then: kitty agent mission finalize-tasks",
		"correct the files named above, then: kitty agent mission finalize-tasks --mission "
		"m-1");
	check("kitty merge --resume, or: kitty merge --abort",
		"kitty merge --mission m-1 --resume, or: kitty merge --mission m-1 --abort");
	check("kitty ps, or: kitty stop", "kitty ps --mission m-1, or: kitty stop --mission m-1");
	(void)state;
}

static void what_names_a_mission_or_takes_none_stays_as_it_is(void **state)
{
	check("kitty merge --mission m-2", "kitty merge --mission m-2");
	check("kitty mission list", "kitty mission list");
	check("kitty help implement", "kitty help implement");
	check("kitty agent context resolve --help", "kitty agent context resolve --help");
	check("run any kitty command: it heals the worktree",
		"run any kitty command: it heals the worktree");
	check("git status", "git status");
	check("kitty ", "kitty ");
	check("", "");
	(void)state;
}

static void without_a_mission_nothing_is_said(void **state)
{
	char *got = kt_advice_for("kitty status", NULL);

	assert_string_equal(got, "kitty status");
	free(got);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_that_takes_a_mission_gets_it),
		cmocka_unit_test(each_command_of_a_sentence_is_looked_at),
		cmocka_unit_test(what_names_a_mission_or_takes_none_stays_as_it_is),
		cmocka_unit_test(without_a_mission_nothing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
