/*
 * Rows as bytes: what the encoders write, what the reader takes for what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/status/event.h"

#define ID "01K0000000000000000000000A"
#define AT "2026-11-21T02:03:04.000005+00:00"

static struct kt_json *json(const char *text)
{
	struct kt_json *value = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (text == NULL)
		return NULL;
	if (kt_json_parse(text, strlen(text), KT_JSON_NO_DUPLICATES, &value, &err) != KT_E_OK)
		fail_msg("%s: %s", text, err.detail);
	return value;
}

static void expect_text(struct kt_buffer *out, const char *expected)
{
	assert_string_equal(kt_buffer_text(out), expected);
	kt_buffer_release(out);
}

/* ---- transition rows ---- */

static void a_plain_move_is_written_in_the_live_form(void **state)
{
	const struct kt_move_row row = {.event_id = ID,
		.mission_slug = "demo-01KABCDE",
		.wp_id = "WP01",
		.at = AT,
		.from = KT_STATUS_GENESIS,
		.to = KT_STATUS_PLANNED,
		.actor = "finalize",
		.execution_mode = "worktree"};
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	kt_move_row_encode(&row, &out);
	expect_text(&out,
		"{\"actor\": \"finalize\", \"at\": \"2026-11-21T02:03:04.000005+00:00\", "
		"\"event_id\": \"01K0000000000000000000000A\", \"evidence\": null, "
		"\"execution_mode\": \"worktree\", \"force\": false, \"from_lane\": \"genesis\", "
		"\"mission_slug\": \"demo-01KABCDE\", \"policy_metadata\": null, \"reason\": null, "
		"\"review_ref\": null, \"to_lane\": \"planned\", \"wp_id\": \"WP01\"}\n");
}

static void a_full_move_sorts_keys_escapes_text_and_drops_empty_lists(void **state)
{
	struct kt_json *evidence = json(
		"{\"verification\": [], \"review\": {\"verdict\": \"approved\", \"reviewer\": "
		"\"r\", \"reference\": \"x\"}, \"repos\": [{\"repo\": \"a\", \"commit\": \"c\", "
		"\"branch\": \"b\", \"files_touched\": []}]}");
	struct kt_json *metadata =
		json("{\"shell_pid\": 9007199254740993, \"hostname\": \"h\", \"agent\": "
		     "\"claude\", \"deep\": [{\"developer_email\": \"e\", \"kept\": 1.50}]}");
	struct kt_json *result = json("{\"verdict\": \"approved\", \"reviewer\": \"r\", "
				      "\"reference\": \"x\"}");
	const struct kt_move_row row = {.event_id = ID,
		.mission_slug = "s",
		.mission_id = "01KABCDE000000000000000000",
		.wp_id = "WP02",
		.at = AT,
		.from = KT_STATUS_IN_REVIEW,
		.to = KT_STATUS_APPROVED,
		.actor = "J\xC3\xB6rg",
		.force = true,
		.execution_mode = "direct_repo",
		.reason = "tab\t \xF0\x9F\x98\x80 /",
		.review_ref = "x",
		.evidence = evidence,
		.policy_metadata = metadata,
		.review_result = result};
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	kt_move_row_encode(&row, &out);
	expect_text(&out,
		"{\"actor\": \"J\\u00f6rg\", \"at\": \"2026-11-21T02:03:04.000005+00:00\", "
		"\"event_id\": \"01K0000000000000000000000A\", \"evidence\": {\"repos\": "
		"[{\"branch\": \"b\", \"commit\": \"c\", \"repo\": \"a\"}], \"review\": "
		"{\"reference\": \"x\", \"reviewer\": \"r\", \"verdict\": \"approved\"}}, "
		"\"execution_mode\": \"direct_repo\", \"force\": true, \"from_lane\": "
		"\"in_review\", \"mission_id\": \"01KABCDE000000000000000000\", \"mission_slug\": "
		"\"s\", \"policy_metadata\": {\"agent\": \"claude\", \"deep\": [{\"kept\": 1.5}], "
		"\"shell_pid\": 9007199254740993}, \"reason\": \"tab\\t \\ud83d\\ude00 /\", "
		"\"review_ref\": \"x\", \"review_result\": {\"reference\": \"x\", \"reviewer\": "
		"\"r\", \"verdict\": \"approved\"}, \"to_lane\": \"approved\", \"wp_id\": "
		"\"WP02\"}\n");
	kt_json_free(evidence);
	kt_json_free(metadata);
	kt_json_free(result);
}

static void a_written_move_reads_back(void **state)
{
	const struct kt_move_row row = {.event_id = ID,
		.mission_slug = "s",
		.wp_id = "WP01",
		.at = AT,
		.from = KT_STATUS_PLANNED,
		.to = KT_STATUS_CLAIMED,
		.actor = "a\"\\",
		.execution_mode = "worktree"};
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_event event;
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	kt_move_row_encode(&row, &out);
	assert_int_equal(kt_event_decode(out.data, out.len, &event, &err), KT_E_OK);
	assert_int_equal(event.kind, KT_EVENT_MOVE);
	assert_string_equal(event.event_id, ID);
	assert_string_equal(event.at, AT);
	assert_string_equal(event.wp_id, "WP01");
	assert_string_equal(event.mission_slug, "s");
	assert_string_equal(event.actor, "a\"\\");
	assert_int_equal(event.from, KT_STATUS_PLANNED);
	assert_int_equal(event.to, KT_STATUS_CLAIMED);
	assert_false(event.force);
	kt_event_release(&event);
	kt_buffer_release(&out);
}

static void an_unset_review_result_and_mission_id_leave_no_key(void **state)
{
	struct kt_json *empty = json("{}");
	const struct kt_move_row row = {.event_id = ID,
		.mission_slug = "s",
		.wp_id = "WP01",
		.at = AT,
		.from = KT_STATUS_PLANNED,
		.to = KT_STATUS_CLAIMED,
		.actor = "a",
		.execution_mode = "worktree",
		.policy_metadata = empty};
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	kt_move_row_encode(&row, &out);
	assert_null(strstr(kt_buffer_text(&out), "review_result"));
	assert_null(strstr(kt_buffer_text(&out), "mission_id"));
	assert_non_null(strstr(kt_buffer_text(&out), "\"policy_metadata\": {}, "));
	kt_buffer_release(&out);
	kt_json_free(empty);
}

static void names_of_machines_and_people_are_left_out_at_any_depth(void **state)
{
	struct kt_json *metadata =
		json("{\"machine_name\": 1, \"a\": {\"hostname\": 1, \"workspace_path\": 1, \"k\": "
		     "[[{\"developer_name\": 1, \"developer_email\": 1, \"Hostname\": 2}]]}}");
	const struct kt_move_row row = {.event_id = ID,
		.mission_slug = "s",
		.wp_id = "WP01",
		.at = AT,
		.actor = "a",
		.execution_mode = "worktree",
		.policy_metadata = metadata};
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	kt_move_row_encode(&row, &out);
	if (strstr(kt_buffer_text(&out),
		    "\"policy_metadata\": {\"a\": {\"k\": [[{\"Hostname\": 2}]]}}, ") == NULL)
		fail_msg("%s", kt_buffer_text(&out));
	kt_buffer_release(&out);
	kt_json_free(metadata);
}

/* ---- annotations ---- */

static void an_annotation_is_written_with_present_values_only(void **state)
{
	struct kt_json *delta = json("{\"note\": \"\", \"agent\": \"claude\", \"role\": \"\", "
				     "\"shell_pid\": 4711, \"release_runtime_claim\": true, "
				     "\"subtasks\": {\"T002\": \"done\", \"T001\": \"planned\"}}");
	const struct kt_annotation_row row = {
		.event_id = ID, .wp_id = "WP03", .at = AT, .actor = "claude", .delta = delta};
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(kt_annotation_row_encode(&row, &out, &err), KT_E_OK);
	expect_text(&out,
		"{\"actor\": \"claude\", \"at\": \"2026-11-21T02:03:04.000005+00:00\", \"delta\": "
		"{\"agent\": \"claude\", \"note\": \"\", \"release_runtime_claim\": true, "
		"\"shell_pid\": 4711, \"subtasks\": {\"T001\": \"planned\", \"T002\": \"done\"}}, "
		"\"event_id\": \"01K0000000000000000000000A\", \"kind\": \"annotation\", "
		"\"wp_id\": \"WP03\"}\n");
	kt_json_free(delta);
}

#define REVIEW(at, actor, wp_id, reason) \
	"{\"review\": {\"at\": " at ", \"actor\": " actor ", \"wp_id\": " wp_id \
	", \"reason\": " reason "}}"

static void a_review_and_its_references_are_written_whole(void **state)
{
	struct kt_json *delta = json("{\"tracker_refs\": [\"#1\"], \"review\": {\"reason\": \"\", "
				     "\"wp_id\": \"WP01\", \"actor\": \"a\", \"at\": \"t\"}}");
	const struct kt_annotation_row row = {
		.event_id = ID, .wp_id = "WP03", .at = AT, .actor = "a", .delta = delta};
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(kt_annotation_row_encode(&row, &out, &err), KT_E_OK);
	expect_text(&out,
		"{\"actor\": \"a\", \"at\": \"2026-11-21T02:03:04.000005+00:00\", \"delta\": "
		"{\"review\": {\"actor\": \"a\", \"at\": \"t\", \"reason\": \"\", \"wp_id\": "
		"\"WP01\"}, \"tracker_refs\": [\"#1\"]}, \"event_id\": "
		"\"01K0000000000000000000000A\", \"kind\": \"annotation\", \"wp_id\": "
		"\"WP03\"}\n");
	kt_json_free(delta);
}

static void wrong_annotations_are_not_written(void **state)
{
	static const struct {
		const char *event_id, *wp_id, *delta;
	} rows[] = {
		{ID, "WP01", "{}"},
		{ID, "WP01", "{\"agent\": \"\"}"},
		{ID, "WP01", "[]"},
		{ID, "WP01", NULL},
		{ID, "WP01", "{\"review_result\": {}}"},
		{ID, "WP01", "{\"note\": 1}"},
		{ID, "WP01", "{\"shell_pid\": \"1\"}"},
		{ID, "WP01", "{\"shell_pid\": 1.5}"},
		{ID, "WP01", "{\"subtasks\": {\"T001\": \"doing\"}}"},
		{ID, "WP01", "{\"subtasks\": []}"},
		{ID, "WP01", "{\"tracker_refs\": \"#1\"}"},
		{ID, "WP01", "{\"tracker_refs\": [1]}"},
		{ID, "WP01", "{\"review\": {\"at\": \"t\", \"actor\": \"a\", \"wp_id\": \"w\"}}"},
		{ID, "WP01", REVIEW("1", "\"a\"", "\"w\"", "\"r\"")},
		{ID, "WP01", REVIEW("\"t\"", "null", "\"w\"", "\"r\"")},
		{ID, "WP01", REVIEW("\"t\"", "\"a\"", "[]", "\"r\"")},
		{ID, "WP01", REVIEW("\"t\"", "\"a\"", "\"w\"", "{}")},
		{ID, "WP01", "{\"release_runtime_claim\": false}"},
		{ID, "WP01", "{\"release_runtime_claim\": 1}"},
		{ID, "WP01", "{\"subtasks\": {\"T001\": null}}"},
		{ID, "wp01", "{\"note\": \"n\"}"},
		{ID, "WP", "{\"note\": \"n\"}"},
		{ID, "WP01 ", "{\"note\": \"n\"}"},
		{ID, NULL, "{\"note\": \"n\"}"},
		{"01k0000000000000000000000a", "WP01", "{\"note\": \"n\"}"},
		{"01K", "WP01", "{\"note\": \"n\"}"},
		{NULL, "WP01", "{\"note\": \"n\"}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_json *delta = json(rows[i].delta);
		const struct kt_annotation_row row = {.event_id = rows[i].event_id,
			.wp_id = rows[i].wp_id,
			.at = AT,
			.actor = "a",
			.delta = delta};
		struct kt_buffer out = KT_BUFFER_INIT;
		struct kt_error err = KT_ERROR_INIT;

		if (kt_annotation_row_encode(&row, &out, &err) != KT_E_EVENT_INVALID)
			fail_msg("row %zu was written: %s", i, kt_buffer_text(&out));
		assert_int_equal(out.len, 0);
		assert_true(err.detail[0] != '\0');
		kt_json_free(delta);
	}
}

/* ---- lifecycle rows ---- */

static void a_lifecycle_row_is_an_envelope_of_schema_five(void **state)
{
	struct kt_json *payload = json("{\"wp_id\": \"WP01\", \"mission_number\": null, "
				       "\"depends_on\": [], \"workspace_path\": \"/home/me\"}");
	const struct kt_lifecycle_row row = {.event_id = ID,
		.event_type = "WPCreated",
		.timestamp = AT,
		.aggregate_id = "WP01",
		.aggregate_type = "WorkPackage",
		.project_slug = "p",
		.payload = payload};
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	kt_lifecycle_row_encode(&row, &out);
	expect_text(&out,
		"{\"aggregate_id\": \"WP01\", \"aggregate_type\": \"WorkPackage\", \"event_id\": "
		"\"01K0000000000000000000000A\", \"event_type\": \"WPCreated\", \"payload\": "
		"{\"depends_on\": [], \"mission_number\": null, \"wp_id\": \"WP01\"}, "
		"\"project_slug\": \"p\", \"project_uuid\": null, \"schema_version\": \"5.0.0\", "
		"\"timestamp\": \"2026-11-21T02:03:04.000005+00:00\"}\n");
	kt_json_free(payload);
}

/* ---- what a line is: the rules in their order ---- */

#define FIELDS \
	"\"event_id\": \"" ID "\", \"wp_id\": \"WP01\", \"at\": \"t\", \"force\": 0, " \
	"\"execution_mode\": null, \"from_lane\": \"planned\", \"to_lane\": \"done\""
#define MOVE(rest) "{" FIELDS ", \"actor\": \"a\"" rest "}"
#define EVIDENCE(rest) \
	MOVE(", \"evidence\": {\"review\": {\"reviewer\": 1, \"verdict\": 2, \"reference\": " \
	     "3}, " rest "}")
#define NOTE(id, delta) \
	"{\"kind\": \"annotation\", \"event_id\": \"" id \
	"\", \"wp_id\": \"x\", \"at\": \"t\", \"actor\": \"a\", \"delta\": " delta "}"

static void lines_are_classified_by_the_first_rule_that_fits(void **state)
{
	static const struct {
		const char *line;
		enum kt_event_kind kind;
	} rows[] = {
		{"", KT_EVENT_BLANK},
		{" \t\r\n", KT_EVENT_BLANK},
		{MOVE(""), KT_EVENT_MOVE},
		{"  " MOVE("") " \r\n", KT_EVENT_MOVE},
		{MOVE(", \"kind\": null"), KT_EVENT_MOVE},
		{MOVE(", \"event_name\": 5"), KT_EVENT_MOVE},
		{MOVE(", \"event_name\": \"retro\""), KT_EVENT_MOVE},
		{MOVE(", \"type\": \"Other\""), KT_EVENT_MOVE},
		{MOVE(", \"evidence\": \"\", \"review_result\": {}"), KT_EVENT_MOVE},
		{NOTE(ID, "{}"), KT_EVENT_ANNOTATION},
		{NOTE(ID, "{\"other\": 1, \"subtasks\": null}"), KT_EVENT_ANNOTATION},
		{NOTE(ID, "{\"review\": null}"), KT_EVENT_ANNOTATION},
		{EVIDENCE("\"repos\": null, \"verification\": []"), KT_EVENT_MOVE},
		{"{\"event_name\": \"retrospective.x\"}", KT_EVENT_RETROSPECTIVE},
		{MOVE(", \"event_name\": \"retrospective.\""), KT_EVENT_RETROSPECTIVE},
		{"{\"event_name\": \"retrospective.x\", \"event_type\": 1}",
			KT_EVENT_RETROSPECTIVE},
		{"{\"type\": \"RetrospectiveCaptured\"}", KT_EVENT_SKIPPED},
		{"{\"type\": \"RetrospectiveSkipped\", \"kind\": null}", KT_EVENT_SKIPPED},
		{"{\"event_type\": null}", KT_EVENT_SKIPPED},
		{MOVE(", \"event_type\": \"WPCreated\""), KT_EVENT_SKIPPED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_event event;
		struct kt_error err = KT_ERROR_INIT;

		if (kt_event_decode(rows[i].line, strlen(rows[i].line), &event, &err) != KT_E_OK)
			fail_msg("%s: %s", rows[i].line, err.detail);
		if (event.kind != rows[i].kind)
			fail_msg("%s: kind %d", rows[i].line, (int)event.kind);
		kt_event_release(&event);
	}
}

static void fatal_lines_say_why(void **state)
{
	static const struct {
		const char *line, *reason;
	} rows[] = {
		{"{", "invalid JSON"},
		{"{} {}", "invalid JSON"},
		{"{\"a\": \"\xFF\"}", "invalid JSON"},
		{"[]", "expected a JSON object"},
		{"null", "expected a JSON object"},
		{"{\"kind\": \"other\", \"event_type\": 1}", "unknown event kind other"},
		{"{\"kind\": false}", "unknown event kind"},
		{"{\"kind\": \"annotation\", \"event_type\": 1}", "'event_id' is missing"},
		{"{}", "'event_id' is missing"},
		{"{\"event_id\": \"x\", \"work_package_id\": \"WP01\"}", "'wp_id' is missing"},
		{"{" FIELDS "}", "actor"},
		{"{" FIELDS ", \"actor\": []}", "actor"},
		{"{" FIELDS ", \"actor\": {\"tool\": \"x\"}}", "actor"},
		{MOVE(", \"from_lane\": \"doing\""), "'doing' is not a valid status"},
		{MOVE(", \"to_lane\": \"Done\""), "'Done' is not a valid status"},
		{MOVE(", \"to_lane\": null"), "'to_lane'"},
		{MOVE(", \"evidence\": \"tests pass\""), "evidence"},
		{MOVE(", \"evidence\": {\"review\": {\"reviewer\": 1}}"), "'verdict' is missing"},
		{MOVE(", \"review_result\": {\"reviewer\": 1}"), "'verdict' is missing"},
		{MOVE(", \"review_result\": [1]"), "no object: review_result"},
		{MOVE(", \"evidence\": {\"review\": \"r\"}"), "no object: evidence.review"},
		{MOVE(", \"evidence\": {\"repos\": []}"), "no object: evidence.review"},
		{EVIDENCE("\"repos\": \"main\""), "no list: evidence.repos"},
		{EVIDENCE("\"repos\": [{\"repo\": 1}, 2]"),
			"'branch' is missing in evidence.repos"},
		{EVIDENCE("\"repos\": [3, {\"repo\": 1}]"), "no object: evidence.repos"},
		{EVIDENCE("\"verification\": {}"), "no list: evidence.verification"},
		{EVIDENCE("\"repos\": null, \"verification\": [{\"command\": 1, \"result\": 2}]"),
			"'summary' is missing in evidence.verification"},
		{NOTE("short", "{}"), "no valid event id"},
		{NOTE(ID, "null"), "'delta'"},
		{NOTE(ID, "{\"subtasks\": {\"T001\": \"doing\"}}"), "subtask T001"},
		{NOTE(ID, "{\"subtasks\": {\"T001\": 1}}"), "subtask T001"},
		{NOTE(ID, "{\"subtasks\": [\"T001\"]}"), "'subtasks' is no object"},
		{NOTE(ID, "{\"review\": \"fine\"}"), "no object: delta.review"},
		{NOTE(ID, "{\"review\": {\"at\": \"\"}}"), "'actor' is missing"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_event event;
		struct kt_error err = KT_ERROR_INIT;

		if (kt_event_decode(rows[i].line, strlen(rows[i].line), &event, &err) !=
			KT_E_EVENT_INVALID)
			fail_msg("%s was taken", rows[i].line);
		if (strstr(err.detail, rows[i].reason) == NULL)
			fail_msg("%s: %s", rows[i].line, err.detail);
	}
}

static void expect_invalid(const char *line, size_t len, const char *detail)
{
	struct kt_event event;
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_event_decode(line, len, &event, &err), KT_E_EVENT_INVALID);
	if (strstr(err.detail, detail) == NULL)
		fail_msg("%s", err.detail);
}

static void a_zero_byte_is_no_blank(void **state)
{
	static const char front[] = "\0 " MOVE(""), back[] = MOVE("") " \0";

	(void)state;
	expect_invalid("\0", 1, "invalid JSON");
	expect_invalid(" \0\n", 3, "invalid JSON");
	expect_invalid(front, sizeof front - 1, "invalid JSON");
	expect_invalid(back, sizeof back - 1, "invalid JSON");
}

static void a_row_of_sixteen_megabytes_is_read_one_byte_more_is_not(void **state)
{
	static const char head[] = "{\"event_type\": \"", tail[] = "\"}";
	const size_t len = (size_t)16 << 20;
	char *line = malloc(len + 1);
	struct kt_event event;
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_non_null(line);
	memset(line, 'x', len + 1);
	memcpy(line, head, sizeof head - 1);
	memcpy(line + len - (sizeof tail - 1), tail, sizeof tail - 1);
	line[len] = '\n';
	assert_int_equal(kt_event_decode(line, len + 1, &event, &err), KT_E_OK);
	assert_int_equal(event.kind, KT_EVENT_SKIPPED);
	kt_event_release(&event);
	line[len] = '}';
	expect_invalid(line, len + 1, "beyond the limit of 16 MiB");
	free(line);
}

static void the_slug_may_have_its_old_name_or_none(void **state)
{
	static const struct {
		const char *line, *slug;
	} rows[] = {
		{MOVE(", \"mission_slug\": \"new\", \"feature_slug\": \"old\""), "new"},
		{MOVE(", \"feature_slug\": \"old\""), "old"},
		{MOVE(", \"extra\": [1]"), ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_event event;
		struct kt_error err = KT_ERROR_INIT;

		assert_int_equal(
			kt_event_decode(rows[i].line, strlen(rows[i].line), &event, &err), KT_E_OK);
		assert_string_equal(event.mission_slug, rows[i].slug);
		kt_event_release(&event);
	}
}

static void actors_have_a_text_form(void **state)
{
	static const struct {
		const char *actor, *text;
	} rows[] = {
		{"\"claude\"", "claude"},
		{"7", "7"},
		{"1e2", "100.0"},
		{"true", "True"},
		{"null", "None"},
		{"{\"role\": \"r\", \"profile\": null, \"tool\": \"t\", \"model\": null}", "t"},
		{"{\"role\": \"r\", \"profile\": null, \"tool\": \"\", \"model\": null}", "r"},
		{"{\"role\": null, \"profile\": \"p\", \"tool\": null, \"model\": \"m\"}", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_event event;
		struct kt_error err = KT_ERROR_INIT;
		char *line = kt_format("{%s, \"actor\": %s}", FIELDS, rows[i].actor);

		assert_int_equal(kt_event_decode(line, strlen(line), &event, &err), KT_E_OK);
		assert_string_equal(event.actor, rows[i].text);
		kt_event_release(&event);
		free(line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_move_is_written_in_the_live_form),
		cmocka_unit_test(a_full_move_sorts_keys_escapes_text_and_drops_empty_lists),
		cmocka_unit_test(a_written_move_reads_back),
		cmocka_unit_test(an_unset_review_result_and_mission_id_leave_no_key),
		cmocka_unit_test(names_of_machines_and_people_are_left_out_at_any_depth),
		cmocka_unit_test(an_annotation_is_written_with_present_values_only),
		cmocka_unit_test(a_review_and_its_references_are_written_whole),
		cmocka_unit_test(wrong_annotations_are_not_written),
		cmocka_unit_test(a_lifecycle_row_is_an_envelope_of_schema_five),
		cmocka_unit_test(lines_are_classified_by_the_first_rule_that_fits),
		cmocka_unit_test(fatal_lines_say_why),
		cmocka_unit_test(a_zero_byte_is_no_blank),
		cmocka_unit_test(a_row_of_sixteen_megabytes_is_read_one_byte_more_is_not),
		cmocka_unit_test(the_slug_may_have_its_old_name_or_none),
		cmocka_unit_test(actors_have_a_text_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
