/*
 * The bytes of the snapshot where no vector looks: empty logs, identity, slugs, retrospective.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/status/reduce.h"

static void feed_text(struct kt_reducer *reducer, const char *text)
{
	struct kt_error err = KT_ERROR_INIT;

	if (kt_reducer_feed(reducer, text, strlen(text), &err) != KT_E_OK)
		fail_msg("%s", err.detail);
}

static void expect_in_snapshot(const struct kt_reducer *reducer, const char *part)
{
	const struct kt_snapshot_identity identity = {NULL, NULL};
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_reducer_snapshot(reducer, &identity, &text);
	if (strstr(kt_buffer_text(&text), part) == NULL)
		fail_msg("no '%s' in\n%s", part, kt_buffer_text(&text));
	kt_buffer_release(&text);
}

static void no_rows_give_the_empty_snapshot(void **state)
{
	const struct kt_snapshot_identity identity = {"12", "software-dev"};
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer text = KT_BUFFER_INIT;

	(void)state;
	feed_text(reducer, "");
	feed_text(reducer, "\n\r\n  \n");
	kt_reducer_snapshot(reducer, &identity, &text);
	assert_string_equal(kt_buffer_text(&text),
		"{\n  \"event_count\": 0,\n  \"last_event_id\": null,\n"
		"  \"materialized_at\": \"\",\n  \"mission_number\": \"12\",\n"
		"  \"mission_slug\": \"\",\n  \"mission_type\": \"software-dev\",\n"
		"  \"summary\": {\n    \"approved\": 0,\n    \"blocked\": 0,\n"
		"    \"canceled\": 0,\n    \"claimed\": 0,\n    \"done\": 0,\n"
		"    \"for_review\": 0,\n    \"in_progress\": 0,\n    \"in_review\": 0,\n"
		"    \"planned\": 0\n  },\n  \"work_packages\": {}\n}\n");
	assert_int_equal(kt_reducer_rows(reducer), 0);
	assert_null(kt_reducer_max_at(reducer));
	assert_null(kt_reducer_max_event_id(reducer));
	kt_buffer_release(&text);
	kt_reducer_free(reducer);
	kt_reducer_free(NULL);
}

static void identity_comes_from_meta(void **state)
{
	static const struct {
		const char *meta, *number, *type;
	} rows[] = {
		{"{\"mission_number\": 7, \"mission_type\": \" research \"}", "7", "research"},
		{"{\"mission_number\": \"012\"}", "12", ""},
		{"{\"mission_number\": \"000\", \"mission_type\": 3}", "0", ""},
		{"{\"mission_number\": null}", "", ""},
		{"{\"mission_number\": \"\"}", "", ""},
		{"{\"mission_number\": \"pending\"}", "", ""},
		{"{\"mission_number\": true}", "", ""},
		{"{\"mission_number\": \"1234567890123456789012345678901\"}",
			"1234567890123456789012345678901", ""},
		{"{\"mission_number\": \"12345678901234567890123456789012\"}", "", ""},
		{"{\"mission_number\": 12345678901234567890123456789012}", "", ""},
		{"{\"mission_type\": \"\"}", "", ""},
		{"{\"mission_type\": \" \\t\\r\\n\"}", "", ""},
		{"[]", "", ""},
	};
	char number[32];
	char type[128];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_json *meta = NULL;
		struct kt_error err = KT_ERROR_INIT;

		assert_int_equal(
			kt_json_parse(rows[i].meta, strlen(rows[i].meta), 0, &meta, &err), KT_E_OK);
		kt_snapshot_identity_from_meta(meta, number, type);
		assert_string_equal(number, rows[i].number);
		assert_string_equal(type, rows[i].type);
		kt_json_free(meta);
	}
	kt_snapshot_identity_from_meta(NULL, number, type);
	assert_string_equal(number, "");
}

static void a_long_mission_type_ends_with_a_whole_character(void **state)
{
	char expected[128] = "", type[128] = "", number[32] = "";
	struct kt_json *meta = kt_json_new_object();
	char *text = NULL;

	(void)state;
	memset(expected, 'x', 127);
	text = kt_format("%syyy", expected);
	kt_json_set_string(meta, "mission_type", text);
	kt_snapshot_identity_from_meta(meta, number, type);
	assert_string_equal(type, expected);
	free(text);
	/* The 127th byte would be the first of an e with an accent. */
	expected[126] = '\0';
	text = kt_format("%s\xC3\xA9yy", expected);
	kt_json_set_string(meta, "mission_type", text);
	kt_snapshot_identity_from_meta(meta, number, type);
	assert_string_equal(type, expected);
	free(text);
	kt_json_free(meta);
}

/* One transition at a second of its own; the slug is what the tests are about. */
static void feed_move(struct kt_reducer *reducer, const char *slug, int second, const char *id)
{
	char *row =
		kt_format("{\"actor\": \"a\", \"at\": \"2026-01-01T00:00:0%dZ\", \"event_id\": "
			  "\"%s\", \"execution_mode\": \"worktree\", \"force\": false, "
			  "\"from_lane\": \"genesis\", \"to_lane\": \"planned\", %s, \"wp_id\": "
			  "\"WP%s\"}\n",
			second, id, slug, id);

	feed_text(reducer, row);
	free(row);
}

static void the_slug_is_that_of_the_first_transition_in_order_if_it_is_safe(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();
	size_t mark = 0;

	(void)state;
	feed_move(reducer, "\"mission_slug\": \"042-later\"", 5, "05");
	expect_in_snapshot(
		reducer, "\"mission_number\": \"42\",\n  \"mission_slug\": \"042-later\"");
	mark = kt_reducer_mark(reducer);
	feed_move(reducer, "\"feature_slug\": \"1234-old\"", 4, "04");
	expect_in_snapshot(reducer, "\"mission_number\": \"\",\n  \"mission_slug\": \"1234-old\"");
	feed_move(reducer, "\"mission_slug\": \"../up\"", 3, "03");
	expect_in_snapshot(reducer, "\"mission_slug\": \"\"");
	kt_reducer_rollback(reducer, mark);
	expect_in_snapshot(reducer, "\"mission_slug\": \"042-later\"");
	feed_move(reducer, "\"other\": 1", 2, "02");
	expect_in_snapshot(reducer, "\"mission_slug\": \"\"");
	kt_reducer_free(reducer);
}

static void a_slug_is_one_safe_name_or_nothing(void **state)
{
	static const struct {
		const char *slug, *number, *kept;
	} rows[] = {
		{"012-name", "12", "012-name"},
		{"000-name", "0", "000-name"},
		{"012-", "", "012-"},
		{"012", "", "012"},
		{"01-name", "", "01-name"},
		{"0123-name", "", "0123-name"},
		{"A.z_9-", "", "A.z_9-"},
		{"-name", "", ""},
		{".name", "", ""},
		{"name.", "", ""},
		{"a..b", "", ""},
		{"a b", "", ""},
		{"a/b", "", ""},
		{"a:b", "", ""},
		{"a[b", "", ""},
		{"a~b", "", ""},
		{"a\xC3\xA9", "", ""},
		{"", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_reducer *reducer = kt_reducer_new();
		char *slug = kt_format("\"mission_slug\": \"%s\"", rows[i].slug);
		char *part = kt_format("\"mission_number\": \"%s\",\n  \"mission_slug\": \"%s\"",
			rows[i].number, rows[i].kept);

		feed_move(reducer, slug, 1, "01");
		expect_in_snapshot(reducer, part);
		free(slug);
		free(part);
		kt_reducer_free(reducer);
	}
}

#define RETRO(second, name, payload) \
	"{\"at\": \"2026-01-01T00:00:0" second "Z\", \"event_id\": \"R" second \
	"\", \"event_name\": \"retrospective." name "\", \"payload\": " payload "}\n"

static void the_retrospective_is_folded_in_order_and_taken_back_with_its_rows(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();
	size_t mark = 0;

	(void)state;
	feed_text(reducer, RETRO("5", "completed", "{\"record_path\": \"p\"}"));
	expect_in_snapshot(reducer, "\"record_path\": \"p\",\n    \"status\": \"completed\"\n  },");
	mark = kt_reducer_mark(reducer);
	feed_text(reducer, RETRO("3", "skipped", "{}"));
	expect_in_snapshot(reducer, "\"status\": \"completed\"");
	feed_text(reducer, RETRO("7", "failed", "null"));
	feed_text(reducer, RETRO("8", "proposal.applied", "{}"));
	expect_in_snapshot(reducer,
		"\"retrospective\": {\n    \"mode\": null,\n    \"proposals_applied\": 1,\n    "
		"\"proposals_pending\": 0,\n    \"proposals_rejected\": 0,\n    "
		"\"proposals_total\": 0,\n    \"record_path\": null,\n    \"status\": "
		"\"failed\"\n  },\n");
	kt_reducer_rollback(reducer, mark);
	expect_in_snapshot(reducer, "\"status\": \"completed\"");
	kt_reducer_free(reducer);
}

#define SIGNAL "\"source_signal\": {\"kind\": \"k\", \"evidence\": \"e\"}"

static void only_a_whole_mode_of_a_retrospective_is_kept(void **state)
{
	static const struct {
		const char *mode;
		bool is_kept;
	} rows[] = {
		{"{\"value\": \"autonomous\", " SIGNAL "}", true},
		{"{\"value\": \"human_in_command\", " SIGNAL "}", true},
		{"{\"value\": \"else\", " SIGNAL "}", false},
		{"{\"value\": 1, " SIGNAL "}", false},
		{"{" SIGNAL "}", false},
		{"{\"value\": \"autonomous\"}", false},
		{"{\"value\": \"autonomous\", \"source_signal\": {\"kind\": \"k\"}}", false},
		{"{\"value\": \"autonomous\", \"source_signal\": {\"evidence\": \"e\"}}", false},
		{"\"autonomous\"", false},
		{"null", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_reducer *reducer = kt_reducer_new();
		char *row = kt_format("{\"event_name\": \"retrospective.requested\", \"payload\": "
				      "{\"mode\": %s}}\n",
			rows[i].mode);

		feed_text(reducer, row);
		expect_in_snapshot(
			reducer, rows[i].is_kept ? "\"mode\": {\n" : "\"mode\": null,\n");
		free(row);
		kt_reducer_free(reducer);
	}
}

static void rows_without_a_time_or_an_id_come_first_in_their_own_order(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();
	size_t mark = 0;

	(void)state;
	feed_text(reducer, RETRO("5", "skipped", "{\"record_path\": \"timed\"}"));
	mark = kt_reducer_mark(reducer);
	feed_text(reducer, "{\"event_name\": \"retrospective.failed\", \"payload\": "
			   "{\"record_path\": \"untimed\"}}\n");
	expect_in_snapshot(reducer, "\"record_path\": \"timed\",\n    \"status\": \"skipped\"");
	kt_reducer_rollback(reducer, mark);
	kt_reducer_free(reducer);

	reducer = kt_reducer_new();
	feed_text(reducer, "{\"event_name\": \"retrospective.completed\", \"payload\": "
			   "{\"record_path\": \"first\"}}\n"
			   "{\"event_name\": \"retrospective.failed\", \"payload\": "
			   "{\"record_path\": \"second\"}}\n");
	expect_in_snapshot(reducer, "\"record_path\": \"second\",\n    \"status\": \"failed\"");
	assert_null(kt_reducer_max_at(reducer));
	assert_null(kt_reducer_max_event_id(reducer));
	kt_reducer_free(reducer);
}

static void text_is_raw_in_the_snapshot_and_work_packages_are_sorted(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();

	(void)state;
	feed_text(reducer, "{\"actor\": \"J\\u00f6rg \\ud83d\\ude00 \\u0001/\", \"at\": \"t\", "
			   "\"delta\": {\"note\": "
			   "\"a\\nb\"}, \"event_id\": \"01AAAAAAAAAAAAAAAAAAAAAA01\", \"kind\": "
			   "\"annotation\", \"wp_id\": \"WP10\"}\n"
			   "{\"actor\": \"a\", \"at\": \"t\", \"delta\": {}, \"event_id\": "
			   "\"01AAAAAAAAAAAAAAAAAAAAAA02\", \"kind\": \"annotation\", \"wp_id\": "
			   "\"WP09\"}\n");
	expect_in_snapshot(reducer,
		"  \"work_packages\": {\n    \"WP09\": {\n      \"actor\": \"a\",\n      "
		"\"force_count\": 0,\n      \"lane\": \"uninitialized\",\n      "
		"\"last_event_id\": null,\n      \"last_transition_at\": null\n    },\n    "
		"\"WP10\": {\n      \"actor\": \"J\xC3\xB6rg \xF0\x9F\x98\x80 \\u0001/\",\n      "
		"\"force_count\": 0,\n      \"lane\": \"uninitialized\",\n      "
		"\"last_event_id\": null,\n      \"last_transition_at\": null,\n      \"notes\": "
		"[\n"
		"        \"a\\nb\"\n      ]\n    }\n  }\n}\n");
	kt_reducer_free(reducer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rows_give_the_empty_snapshot),
		cmocka_unit_test(identity_comes_from_meta),
		cmocka_unit_test(a_long_mission_type_ends_with_a_whole_character),
		cmocka_unit_test(a_slug_is_one_safe_name_or_nothing),
		cmocka_unit_test(only_a_whole_mode_of_a_retrospective_is_kept),
		cmocka_unit_test(rows_without_a_time_or_an_id_come_first_in_their_own_order),
		cmocka_unit_test(the_slug_is_that_of_the_first_transition_in_order_if_it_is_safe),
		cmocka_unit_test(the_retrospective_is_folded_in_order_and_taken_back_with_its_rows),
		cmocka_unit_test(text_is_raw_in_the_snapshot_and_work_packages_are_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
