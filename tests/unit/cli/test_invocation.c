/*
 * Options and arguments by table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/cli/command.h"

static int never_run(struct kt_invocation *invocation)
{
	(void)invocation;
	return 99;
}

static const struct kt_option options[] = {
	{"mission", 0, "HANDLE", false, ""},
	{"agent", 'a', "NAME", true, ""},
	{"follow", 'f', NULL, false, ""},
	KT_OPTION_END,
};

static const struct kt_command command = {
	.summary = "",
	.arguments = "WP",
	.options = options,
	.min_arguments = 1,
	.max_arguments = 2,
	.takes_rest = true,
	.run = never_run,
};

struct parsed {
	struct kt_invocation invocation;
	struct kt_error err;
	enum kt_code code;
};

static void parse(struct parsed *parsed, int argc, const char *const *argv)
{
	parsed->invocation = (struct kt_invocation){.command = &command, .path = "some command"};
	parsed->err = (struct kt_error)KT_ERROR_INIT;
	parsed->code = kt_invocation_parse(&parsed->invocation, argc, argv, &parsed->err);
}

#define PARSE(parsed, ...) \
	const char *const words[] = {__VA_ARGS__, NULL}; \
	parse(parsed, (int)(sizeof words / sizeof words[0]) - 1, words)

static void every_form_of_an_option_is_read(void **state)
{
	struct parsed parsed;

	PARSE(&parsed, "WP01", "--mission", "one", "-a", "x", "--agent=y", "-az", "-f", "--json");
	assert_int_equal(parsed.code, KT_E_OK);
	assert_string_equal(kt_invocation_value(&parsed.invocation, "mission"), "one");
	assert_string_equal(kt_invocation_nth(&parsed.invocation, "agent", 0), "x");
	assert_string_equal(kt_invocation_nth(&parsed.invocation, "agent", 1), "y");
	assert_string_equal(kt_invocation_nth(&parsed.invocation, "agent", 2), "z");
	assert_null(kt_invocation_nth(&parsed.invocation, "agent", 3));
	assert_true(kt_invocation_has(&parsed.invocation, "follow"));
	assert_true(parsed.invocation.json);
	assert_int_equal(parsed.invocation.arguments_len, 1);
	kt_invocation_release(&parsed.invocation);
	(void)state;
}

static void what_follows_the_dashes_belongs_to_the_command(void **state)
{
	struct parsed parsed;

	PARSE(&parsed, "WP01", "--", "make", "--json", "--nonsense");
	assert_int_equal(parsed.code, KT_E_OK);
	assert_false(parsed.invocation.json);
	assert_string_equal(parsed.invocation.rest[0], "make");
	assert_string_equal(parsed.invocation.rest[2], "--nonsense");
	assert_null(parsed.invocation.rest[3]);
	kt_invocation_release(&parsed.invocation);
	(void)state;
}

static void a_value_may_look_like_an_option(void **state)
{
	struct parsed parsed;

	PARSE(&parsed, "WP01", "--mission", "--json", "--agent=");
	assert_int_equal(parsed.code, KT_E_OK);
	assert_string_equal(kt_invocation_value(&parsed.invocation, "mission"), "--json");
	assert_string_equal(kt_invocation_value(&parsed.invocation, "agent"), "");
	assert_false(parsed.invocation.json);
	kt_invocation_release(&parsed.invocation);
	(void)state;
}

static void the_nearest_option_is_named(void **state)
{
	struct parsed parsed;

	PARSE(&parsed, "WP01", "--misson=x");
	assert_int_equal(parsed.code, KT_E_USAGE);
	assert_non_null(strstr(parsed.err.detail, "nearest is --mission"));
	assert_string_equal(kt_error_next_step(&parsed.err), "kitty help some command");
	kt_invocation_release(&parsed.invocation);
	(void)state;
}

static void assert_refused(int argc, const char *const *argv)
{
	struct parsed parsed;

	parse(&parsed, argc, argv);
	assert_int_equal(parsed.code, KT_E_USAGE);
	kt_invocation_release(&parsed.invocation);
}

static void wrong_numbers_of_things_are_refused(void **state)
{
	assert_refused(0, (const char *const[]){NULL});
	assert_refused(3, (const char *const[]){"a", "b", "c", NULL});
	assert_refused(2, (const char *const[]){"a", "--mission", NULL});
	assert_refused(3, (const char *const[]){"a", "--mission=1", "--mission=2", NULL});
	assert_refused(2, (const char *const[]){"a", "--follow=yes", NULL});
	assert_refused(2, (const char *const[]){"a", "-fx", NULL});
	assert_refused(2, (const char *const[]){"a", "--", NULL});
	(void)state;
}

static void help_asks_for_no_arguments(void **state)
{
	struct parsed parsed;

	PARSE(&parsed, "--help");
	assert_int_equal(parsed.code, KT_E_OK);
	assert_true(parsed.invocation.help);
	kt_invocation_release(&parsed.invocation);
	(void)state;
}

static void numbers_are_whole_and_not_negative(void **state)
{
	static const char *const bad[] = {"-1", "1x", "", " 1", "99999999999999999999"};
	struct parsed parsed;
	long number = 0;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		PARSE(&parsed, "WP01", "--mission", bad[i]);
		assert_int_equal(parsed.code, KT_E_OK);
		assert_int_equal(kt_invocation_number(
					 &parsed.invocation, "mission", 7, &number, &parsed.err),
			KT_E_INVALID_ARGUMENT);
		kt_invocation_release(&parsed.invocation);
	}
	PARSE(&parsed, "WP01");
	assert_int_equal(
		kt_invocation_number(&parsed.invocation, "mission", 7, &number, &parsed.err),
		KT_E_OK);
	assert_int_equal(number, 7);
	kt_invocation_release(&parsed.invocation);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_an_option_is_read),
		cmocka_unit_test(what_follows_the_dashes_belongs_to_the_command),
		cmocka_unit_test(a_value_may_look_like_an_option),
		cmocka_unit_test(the_nearest_option_is_named),
		cmocka_unit_test(wrong_numbers_of_things_are_refused),
		cmocka_unit_test(help_asks_for_no_arguments),
		cmocka_unit_test(numbers_are_whole_and_not_negative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
