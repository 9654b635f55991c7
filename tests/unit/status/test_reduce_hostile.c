/*
 * Rows that are legal and odd: what they leave in the state of a WP, and what an undo takes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/status/reduce.h"

#define ID(n) "01AAAAAAAAAAAAAAAAAAAAAA" n
#define MOVE(n, at, from, to, rest) \
	"{\"actor\": \"a\", \"at\": \"" at "\", \"event_id\": \"" ID( \
		n) "\", \"execution_mode\": \"worktree\", \"force\": false, \"from_lane\": " \
		   "\"" from "\", \"to_lane\": \"" to "\", \"wp_id\": \"WP01\"" rest "}\n"
#define NOTE(n, delta) \
	"{\"actor\": \"b\", \"at\": \"T\", \"delta\": {" delta \
	"}, \"event_id\": \"" ID(n) "\", \"kind\": \"annotation\", \"wp_id\": \"WP01\"}\n"

static void feed_text(struct kt_reducer *reducer, const char *text)
{
	struct kt_error err = KT_ERROR_INIT;

	if (kt_reducer_feed(reducer, text, strlen(text), &err) != KT_E_OK)
		fail_msg("%s", err.detail);
}

/* The entry of WP01 as one line of sorted JSON. */
static void expect_entry(const struct kt_reducer *reducer, const char *expected)
{
	struct kt_wp_state wp;
	struct kt_buffer text = KT_BUFFER_INIT;

	assert_true(kt_reducer_wp(reducer, "WP01", &wp));
	kt_json_write(wp.entry, KT_JSON_ROW, &text);
	assert_string_equal(kt_buffer_text(&text), expected);
	kt_buffer_release(&text);
}

static void expect_entry_of(const char *log, const char *expected)
{
	struct kt_reducer *reducer = kt_reducer_new();

	feed_text(reducer, log);
	expect_entry(reducer, expected);
	kt_reducer_free(reducer);
}

#define ENTRY(lane, n, rest) \
	"{\"actor\": \"a\", " rest "\"force_count\": 0, \"lane\": \"" lane \
	"\", \"last_event_id\": \"" ID(n) "\", \"last_transition_at\": \"T\"}"

static void a_claim_keeps_what_is_set_and_nothing_that_is_null(void **state)
{
	(void)state;
	expect_entry_of(MOVE("01", "T", "planned", "claimed",
				", \"policy_metadata\": {\"agent\": \"claude\", \"shell_pid\": "
				"null, \"shell_pid_created_at\": null}"),
		ENTRY("claimed", "01", "\"agent\": \"claude\", "));
	expect_entry_of(MOVE("01", "T", "planned", "claimed",
				", \"policy_metadata\": {\"agent\": \"\", \"shell_pid\": 0}"),
		"{\"actor\": \"a\", \"force_count\": 0, \"lane\": \"claimed\", \"last_event_id\": "
		"\"" ID("01") "\", \"last_transition_at\": \"T\", \"shell_pid\": 0}");
	expect_entry_of(MOVE("01", "T", "planned", "claimed", ", \"policy_metadata\": [7]"),
		ENTRY("claimed", "01", ""));
}

/* At one instant a rollback stays, whatever the ids say; what looks like one and is none does not.
 */
static void only_a_row_that_names_a_review_rolls_a_wp_back_from_for_review(void **state)
{
	static const struct {
		const char *review_ref, *lane;
	} rows[] = {
		{", \"review_ref\": \"feedback://x\"", "in_progress"},
		{", \"review_ref\": \"\"", "in_progress"},
		{", \"review_ref\": null", "in_review"},
		{"", "in_review"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_reducer *reducer = kt_reducer_new();
		struct kt_wp_state wp;
		char *log = kt_format("%.*s%s}\n%s",
			(int)strlen(MOVE("01", "T", "for_review", "in_progress", "")) - 2,
			MOVE("01", "T", "for_review", "in_progress", ""), rows[i].review_ref,
			MOVE("02", "T", "for_review", "in_review", ""));

		feed_text(reducer, log);
		assert_true(kt_reducer_wp(reducer, "WP01", &wp));
		assert_string_equal(kt_status_name(wp.status), rows[i].lane);
		free(log);
		kt_reducer_free(reducer);
	}
}

#define RESULT(rest) \
	", \"review_result\": {\"reviewer\": \"r\", \"verdict\": \"v\", \"reference\": \"x\"" rest \
	"}"
#define REVIEWED(extra) \
	"{\"actor\": \"a\", \"force_count\": 0, \"lane\": \"approved\", \"last_event_id\": \"" ID( \
		"01") "\", \"last_transition_at\": \"T\", \"review_result\": {" extra \
		      "\"reference\": \"x\", \"reviewer\": \"r\", \"verdict\": \"v\"}}"

static void a_review_result_keeps_its_four_members_and_no_empty_path(void **state)
{
	(void)state;
	expect_entry_of(MOVE("01", "T", "in_review", "approved", RESULT("")), REVIEWED(""));
	expect_entry_of(MOVE("01", "T", "in_review", "approved",
				RESULT(", \"feedback_path\": null, \"more\": 1")),
		REVIEWED(""));
	expect_entry_of(
		MOVE("01", "T", "in_review", "approved", RESULT(", \"feedback_path\": \"f.md\"")),
		REVIEWED("\"feedback_path\": \"f.md\", "));
}

#define NOTED(rest) \
	"{\"actor\": \"b\", " rest "\"force_count\": 0, \"lane\": \"uninitialized\", " \
	"\"last_event_id\": null, \"last_transition_at\": null"

static void an_annotation_sets_what_has_a_value(void **state)
{
	(void)state;
	expect_entry_of(
		NOTE("01", "\"agent\": null, \"role\": \"\", \"note\": null"), NOTED("") "}");
	expect_entry_of(NOTE("01", "\"agent\": 0, \"assignee\": [], \"note\": {}"),
		NOTED("\"agent\": 0, \"assignee\": [], ") ", \"notes\": [{}]}");
	expect_entry_of(NOTE("01", "\"subtasks\": {}, \"tracker_refs\": []")
				NOTE("02", "\"subtasks\": {\"T1\": \"done\"}, \"tracker_refs\": "
					   "[\"#1\", \"#1\"]"),
		NOTED("") ", \"subtasks\": {\"T1\": \"done\"}, \"tracker_refs\": [\"#1\"]}");
}

/* More rows than the first table of ids holds, most of them without an id or with one that was
 * there. */
static void ids_are_found_among_rows_that_have_none(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();
	size_t offset = 0, len = 0, mark = 0;

	(void)state;
	feed_text(reducer, MOVE("01", "T", "genesis", "planned", ""));
	mark = kt_reducer_mark(reducer);
	for (int i = 0; i < 1000; i++) {
		feed_text(reducer, "{\"event_type\": \"NoId\"}\n");
		feed_text(reducer, MOVE("01", "T", "planned", "done", ""));
	}
	feed_text(reducer, MOVE("02", "T", "planned", "claimed", ""));
	assert_true(kt_reducer_find_event(reducer, ID("01"), &offset, &len));
	assert_int_equal(offset, 0);
	assert_true(kt_reducer_find_event(reducer, ID("02"), &offset, &len));
	assert_int_equal(offset + len, kt_reducer_bytes(reducer));
	expect_entry(reducer, ENTRY("claimed", "02", ""));
	kt_reducer_rollback(reducer, mark);
	assert_true(kt_reducer_find_event(reducer, ID("01"), &offset, &len));
	assert_false(kt_reducer_find_event(reducer, ID("02"), &offset, &len));
	expect_entry(reducer, ENTRY("planned", "01", ""));
	kt_reducer_free(reducer);
}

static void expect_line(struct kt_reducer *reducer, const char *text, const char *detail)
{
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_reducer_feed(reducer, text, strlen(text), &err), KT_E_EVENT_INVALID);
	if (strncmp(err.detail, detail, strlen(detail)) != 0)
		fail_msg("%s", err.detail);
}

static void a_blank_last_line_gets_its_newline_later_too(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();
	size_t offset = 0, len = 0;

	(void)state;
	feed_text(reducer, "  ");
	feed_text(reducer, "\n");
	expect_line(reducer, "x\n", "line 2: ");
	feed_text(reducer, MOVE("01", "T", "genesis", "planned", "") " ");
	feed_text(reducer, "\n\n");
	expect_line(reducer, "x\n", "line 5: ");
	/* The newline ended the blank, not the row before it. */
	assert_true(kt_reducer_find_event(reducer, ID("01"), &offset, &len));
	assert_int_equal(len, strlen(MOVE("01", "T", "genesis", "planned", "")));
	assert_int_equal(kt_reducer_rows(reducer), 1);
	kt_reducer_free(reducer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_claim_keeps_what_is_set_and_nothing_that_is_null),
		cmocka_unit_test(only_a_row_that_names_a_review_rolls_a_wp_back_from_for_review),
		cmocka_unit_test(a_review_result_keeps_its_four_members_and_no_empty_path),
		cmocka_unit_test(an_annotation_sets_what_has_a_value),
		cmocka_unit_test(ids_are_found_among_rows_that_have_none),
		cmocka_unit_test(a_blank_last_line_gets_its_newline_later_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
