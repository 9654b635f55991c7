/* Names: what is valid, and how they are composed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/lane_compute.h"
#include "supervisor/mission/mint.h"
#include "supervisor/mission/plan.h"

#define ID "01J6XW9KQT7M0YB3N4R5CQZ2EX"
#define MID8 "01J6XW9K"

static void is(char *name, const char *wanted)
{
	assert_string_equal(name, wanted);
	free(name);
}

static void slugs_are_lower_case_words(void **state)
{
	static const char *const good[] = {"pay", "a", "1", "checkout-upsell-flow", "012-x"};
	static const char *const bad[] = {"", "-a", "a-", "a--b", "A", "pay-01ABCDEF", "a_b", "a.b",
		"a/b", "..", "a b", "\xc3\xa4", "a\n"};
	char *text = kt_format("%080d", 0);

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(kt_slug_is_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(kt_slug_is_valid(bad[i]));
	assert_false(kt_slug_is_valid(NULL));
	assert_true(kt_slug_is_valid(text));
	free(text);
	text = kt_format("%081d", 0);
	assert_false(kt_slug_is_valid(text));
	free(text);
}

static void segments_cannot_leave_their_folder(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "../x", "a..b", ".x", "-x", " x",
		"x ", "a\\b", "x\n", "a.", "\xc3\xa4"};

	(void)state;
	assert_true(kt_segment_is_safe("pay-01ABCDEF"));
	assert_true(kt_segment_is_safe("a.b_c"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(kt_segment_is_safe(bad[i]));
}

static void ids_have_one_form_each(void **state)
{
	(void)state;
	assert_true(kt_wp_id_is_valid("WP01"));
	assert_true(kt_wp_id_is_valid("WP123"));
	assert_false(kt_wp_id_is_valid("WP1"));
	assert_false(kt_wp_id_is_valid("wp01"));
	assert_false(kt_wp_id_is_valid("WP01x"));
	assert_true(kt_is_ulid(ID));
	assert_false(kt_is_ulid("01j6xw9kqt7m0yb3n4r5cqz2ex"));
	assert_false(kt_is_ulid("01J6XW9KQT7M0YB3N4R5CQZ2EI"));
	assert_false(kt_is_ulid("81J6XW9KQT7M0YB3N4R5CQZ2EX"));
	assert_true(kt_is_mid8("01ABCDEF"));
	assert_false(kt_is_mid8("01ABCDEU"));
	assert_false(kt_is_mid8("01ABCDE"));
}

static void branch_names_follow_gits_rules_and_ours(void **state)
{
	static const char *const good[] = {
		"main", "kitty/mission-x", "release/1.2", "a@b", "\xc3\xa4"};
	static const char *const bad[] = {"", "-x", "@", "HEAD", "refs/heads/main", "a..b", "a//b",
		"/a", "a/", "a.lock", "a.lock/b", ".a", "a/.b", "a.", "a b", "a~b", "a^", "a:b",
		"a?", "a*", "a[", "a\\b", "a@{1}", "a\x7f"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(kt_branch_name_is_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (kt_branch_name_is_valid(bad[i]))
			fail_msg("\"%s\" is taken for a branch", bad[i]);
	}
}

static void composing_twice_does_not_double_the_mid8(void **state)
{
	(void)state;
	is(kt_name_strip_number("012-x"), "x");
	is(kt_name_strip_number("012-"), "012-");
	is(kt_name_strip_number("12-x"), "12-x");
	is(kt_name_dir("pay", "01ABCDEF"), "pay-01ABCDEF");
	is(kt_name_dir("pay-01ABCDEF", "01ABCDEF"), "pay-01ABCDEF");
	is(kt_name_dir("012-pay", "01ABCDEF"), "pay-01ABCDEF");
	is(kt_name_dir("pay-01ABCDEF", "01ABCDEG"), "pay-01ABCDEF-01ABCDEG");
	is(kt_name_coord_dir("012-pay", "01ABCDEF"), "012-pay-01ABCDEF");
	is(kt_name_coord_dir("pay-01ABCDEF", "01ABCDEF"), "pay-01ABCDEF");
	is(kt_name_coord_branch("pay", "01ABCDEF"), "kitty/mission-pay-01ABCDEF");
	is(kt_name_mission_branch("pay", ID), "kitty/mission-pay-" MID8);
	is(kt_name_mission_branch("pay-" MID8, ID), "kitty/mission-pay-" MID8);
	is(kt_name_mission_branch("012-pay", ID), "kitty/mission-pay-" MID8);
	is(kt_name_mission_branch("012-pay", NULL), "kitty/mission-012-pay");
	is(kt_name_mission_branch("012-pay-01ABCDEF", NULL), "kitty/mission-pay-01ABCDEF");
	is(kt_name_lane_branch("kitty/mission-pay-01ABCDEF", "lane-a"),
		"kitty/mission-pay-01ABCDEF-lane-a");
}

static void lane_ids_are_given_short_or_long(void **state)
{
	(void)state;
	is(kt_lane_id_parse("a"), "lane-a");
	is(kt_lane_id_parse("lane-aa"), "lane-aa");
	is(kt_lane_id_parse("lane-planning"), "lane-planning");
	assert_null(kt_lane_id_parse(""));
	assert_null(kt_lane_id_parse("lane-"));
	assert_null(kt_lane_id_parse("lane-A"));
	assert_null(kt_lane_id_parse("../a"));
	assert_null(kt_lane_id_parse("lane-{"));
	assert_null(kt_lane_id_parse(NULL));
}

static void lane_aa_follows_lane_z(void **state)
{
	(void)state;
	is(kt_lane_id_of(0), "lane-a");
	is(kt_lane_id_of(25), "lane-z");
	is(kt_lane_id_of(26), "lane-aa");
	is(kt_lane_id_of(51), "lane-az");
	is(kt_lane_id_of(52), "lane-ba");
	is(kt_lane_id_of(701), "lane-zz");
	is(kt_lane_id_of(702), "lane-aaa");
	for (size_t i = 0; i < 1000; i++) {
		char *id = kt_lane_id_of(i);

		assert_int_equal(kt_lane_number_of(id), i);
		free(id);
	}
	assert_int_equal(kt_lane_number_of("lane-planning"), -1);
}

static void a_minted_id_is_a_ulid_of_its_time(void **state)
{
	char *one = kt_mission_id_mint(1469918176385), *two;
	char mid8[9] = "";

	(void)state;
	assert_true(kt_is_ulid(one));
	assert_memory_equal(one, "01ARYZ6S41", 10);
	memcpy(mid8, one, 8);
	assert_true(kt_mission_id_window(mid8) <= 1469918176385);
	assert_true(kt_mission_id_window(mid8) + 1024 > 1469918176385);
	two = kt_mission_id_mint(kt_mission_id_next_window(1469918176385));
	assert_memory_not_equal(one, two, 8);
	free(two);
	two = kt_mission_id_mint(kt_mission_id_next_window(1469918176385) - 1);
	assert_memory_equal(one, two, 8);
	free(one);
	free(two);
}

static void globs_overlap_at_path_boundaries_only(void **state)
{
	static const struct {
		const char *left, *right;
		bool overlap;
	} rows[] = {
		{"src/a", "src/a", true},
		{"src/a", "src/ab.c", false},
		{"src/a/**", "src/ab/**", false},
		{"src/a/**", "src/a/x.c", true},
		{"src/a", "src/a/x.c", true},
		{"src/a/", "src/a/x.c", true},
		{"src/**", "src/a/b/c.c", true},
		{"src/*", "src/a", true},
		{"src/a*", "src/ab.c", true},
		{"src/a*", "src/b.c", false},
		{"**", "anything", true},
		{"*", "anything/below", true},
		{"**/*.md", "docs/x.md", true},
		{"*.c", "main.c", true},
		{"*.c", "main.h", false},
		{"src/*.c", "src/*.h", false},
		{"src/*/a.c", "src/x/*.c", true},
		{"src/*/a.c", "test/x/*.c", false},
		{"src/*/**", "src/x/**", true},
		{"./src/a", "src/a", true},
		{"docs/**", "src/**", false},
		{"src/lane.c", "src/lanes.c", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (kt_globs_overlap(rows[i].left, rows[i].right) != rows[i].overlap ||
			kt_globs_overlap(rows[i].right, rows[i].left) != rows[i].overlap)
			fail_msg("%s and %s", rows[i].left, rows[i].right);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slugs_are_lower_case_words),
		cmocka_unit_test(segments_cannot_leave_their_folder),
		cmocka_unit_test(ids_have_one_form_each),
		cmocka_unit_test(branch_names_follow_gits_rules_and_ours),
		cmocka_unit_test(composing_twice_does_not_double_the_mid8),
		cmocka_unit_test(lane_ids_are_given_short_or_long),
		cmocka_unit_test(lane_aa_follows_lane_z),
		cmocka_unit_test(a_minted_id_is_a_ulid_of_its_time),
		cmocka_unit_test(globs_overlap_at_path_boundaries_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
