/*
 * The 150 reducer vectors, byte for byte, and every row of the state machine.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/status/reduce.h"
#include "supervisor/status/transition.h"

#define VECTORS KITTY_SOURCE_DIR "/tests/vectors"
enum { FILE_LIMIT = 64 << 20 };

struct vector {
	char name[256];
	struct kt_buffer log, expected, error;
	bool has_expected;
	char number[32], type[128];
};

static bool read_part(const char *name, const char *part, struct kt_buffer *out)
{
	char *path = kt_format(VECTORS "/reducer/%s/%s", name, part);
	struct kt_error err = KT_ERROR_INIT;
	bool is_read = kt_file_read(path, FILE_LIMIT, out, &err) == KT_E_OK;

	free(path);
	return is_read;
}

static void vector_load(const char *name, struct vector *vector)
{
	struct kt_buffer meta = KT_BUFFER_INIT;
	struct kt_json *json = NULL;
	struct kt_error err = KT_ERROR_INIT;

	memset(vector, 0, sizeof *vector);
	(void)snprintf(vector->name, sizeof vector->name, "%s", name);
	(void)read_part(name, "status.events.jsonl", &vector->log);
	vector->has_expected = read_part(name, "expected.json", &vector->expected);
	(void)read_part(name, "expected.error", &vector->error);
	if (read_part(name, "meta.json", &meta))
		assert_int_equal(kt_json_parse(meta.data, meta.len, KT_JSON_LAST_WINS, &json, &err),
			KT_E_OK);
	kt_snapshot_identity_from_meta(json, vector->number, vector->type);
	kt_json_free(json);
	kt_buffer_release(&meta);
}

static void vector_release(struct vector *vector)
{
	kt_buffer_release(&vector->log);
	kt_buffer_release(&vector->expected);
	kt_buffer_release(&vector->error);
}

/* The number in "... on line 17: ..." */
static unsigned long line_of(const char *text)
{
	const char *line = strstr(text, "line ");

	return line == NULL ? 0 : strtoul(line + 5, NULL, 10);
}

/* The reason class of the reference's error text, and what ours says for it. */
static const struct {
	const char *theirs, *ours;
} reasons[] = {
	{"Invalid JSON", "invalid JSON"},
	{"Unknown event kind", "unknown event kind"},
	{"expected JSON object", "expected a JSON object"},
	{"'event_id'", "'event_id' is missing"},
	{"is not a valid Lane", "is not a valid status"},
};

static void check_error(const struct vector *vector, const struct kt_error *err)
{
	const char *theirs = kt_buffer_text(&vector->error);

	if (strstr(theirs, "on line") != NULL &&
		line_of(strstr(theirs, "on line")) != line_of(err->detail))
		fail_msg("%s: '%s' against '%s'", vector->name, err->detail, theirs);
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		if (strstr(theirs, reasons[i].theirs) == NULL)
			continue;
		if (strstr(err->detail, reasons[i].ours) == NULL)
			fail_msg("%s: '%s' against '%s'", vector->name, err->detail, theirs);
		return;
	}
	fail_msg("%s: a reason without a class: %s", vector->name, theirs);
}

static void expect_snapshot(const struct vector *vector, const struct kt_reducer *reducer)
{
	const struct kt_snapshot_identity identity = {vector->number, vector->type};
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_reducer_snapshot(reducer, &identity, &text);
	if (text.len != vector->expected.len ||
		memcmp(kt_buffer_text(&text), kt_buffer_text(&vector->expected), text.len) != 0)
		fail_msg("%s:\n%s", vector->name, kt_buffer_text(&text));
	kt_buffer_release(&text);
}

static void whole(const struct vector *vector)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code =
		kt_reducer_feed(reducer, kt_buffer_text(&vector->log), vector->log.len, &err);

	if (vector->has_expected && code != KT_E_OK)
		fail_msg("%s: %s", vector->name, err.detail);
	if (vector->has_expected)
		expect_snapshot(vector, reducer);
	else
		check_error(vector, &err);
	kt_reducer_free(reducer);
}

/* Row by row, each fed, taken back, fed again: the undo leaves no trace. */
static void with_undo(const struct vector *vector)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_error err = KT_ERROR_INIT;
	const char *at = kt_buffer_text(&vector->log), *end = at + vector->log.len;

	while (vector->has_expected && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = newline == NULL ? (size_t)(end - at) : (size_t)(newline - at) + 1;
		size_t mark = kt_reducer_mark(reducer);

		assert_int_equal(kt_reducer_feed(reducer, at, (size_t)(end - at), &err), KT_E_OK);
		kt_reducer_rollback(reducer, mark);
		assert_int_equal(kt_reducer_feed(reducer, at, len, &err), KT_E_OK);
		at += len;
	}
	if (vector->has_expected)
		expect_snapshot(vector, reducer);
	kt_reducer_free(reducer);
}

static void each_vector(void (*check)(const struct vector *))
{
	DIR *folder = opendir(VECTORS "/reducer");
	struct dirent *entry = NULL;
	size_t count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL) {
		struct vector vector;

		if (entry->d_name[0] == '.')
			continue;
		vector_load(entry->d_name, &vector);
		assert_true(vector.has_expected || vector.error.len > 0);
		check(&vector);
		vector_release(&vector);
		count++;
	}
	(void)closedir(folder);
	assert_int_equal(count, 150);
}

static void all_vectors_reduce_to_their_snapshot_or_refusal(void **state)
{
	(void)state;
	each_vector(whole);
}

static void all_vectors_hold_row_by_row_with_undo(void **state)
{
	(void)state;
	each_vector(with_undo);
}

/* ---- transitions ---- */

static struct kt_json *review(const char *verdict)
{
	struct kt_json *json = kt_json_new_object();

	kt_json_set_string(json, "reviewer", "r");
	kt_json_set_string(json, "verdict", verdict);
	kt_json_set_string(json, "reference", "x");
	return json;
}

struct reviews {
	struct kt_json *approved, *changes, *evidence;
};

static bool fill_context(const char *name, const struct reviews *r, struct kt_move *move)
{
	const struct {
		const char *name;
		struct kt_move fields;
	} contexts[] = {
		{"empty", {0}},
		{"actor", {.actor = "a"}},
		{"actor_blank", {.actor = "  "}},
		{"ws", {.actor = "a", .workspace_context = "w"}},
		{"reason", {.actor = "a", .reason = "r"}},
		{"review_ref", {.actor = "a", .review_ref = "x"}},
		{"subtasks", {.actor = "a", .subtasks_complete = true}},
		{"subtasks_impl",
			{.actor = "a", .subtasks_complete = true, .implementation_evidence = true}},
		{"evidence", {.actor = "a", .evidence = r->evidence}},
		{"review_result", {.actor = "a", .review_result = r->approved}},
		{"review_result_changes", {.actor = "a", .review_result = r->changes}},
		{"rr_ref_mismatch",
			{.actor = "a", .review_result = r->approved, .review_ref = "other"}},
		{"rr_evidence",
			{.actor = "a", .review_result = r->approved, .evidence = r->evidence}},
		{"rrc_evidence",
			{.actor = "a", .review_result = r->changes, .evidence = r->evidence}},
		{"force", {.force = true, .actor = "a", .reason = "r"}},
		{"force_no_reason", {.force = true, .actor = "a"}},
		{"force_no_actor", {.force = true, .reason = "r"}},
	};

	for (size_t i = 0; i < sizeof contexts / sizeof contexts[0]; i++) {
		if (strcmp(contexts[i].name, name) != 0)
			continue;
		*move = contexts[i].fields;
		return true;
	}
	return false;
}

static const char *text_at(const struct kt_json *row, size_t index)
{
	struct kt_json *item = kt_json_first(row);

	while (index-- > 0)
		item = kt_json_next(item);
	return kt_json_string(item);
}

static bool is_allowed_by_vector(const struct kt_json *row)
{
	struct kt_json *item = kt_json_first(row);

	for (int i = 0; i < 3; i++)
		item = kt_json_next(item);
	return kt_json_is_truthy(item);
}

static void check_row(const struct kt_json *row, const struct reviews *reviews)
{
	struct kt_move move = {0};
	struct kt_error err = KT_ERROR_INIT;
	bool expected = is_allowed_by_vector(row), actual = false;

	assert_true(fill_context(text_at(row, 2), reviews, &move));
	move.from = kt_status_from_input(text_at(row, 0));
	move.to = kt_status_from_input(text_at(row, 1));
	/* kitty refuses what the reference lets pass by accident (4.2). */
	if (move.force &&
		(move.from == KT_STATUS_UNINITIALIZED || move.to == KT_STATUS_UNINITIALIZED))
		expected = false;
	actual = kt_move_check(&move, &err) == KT_E_OK;
	if (actual != expected)
		fail_msg("%s -> %s (%s): %s", text_at(row, 0), text_at(row, 1), text_at(row, 2),
			err.detail);
}

static void every_transition_row_holds(void **state)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *rows = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct reviews reviews = {
		review("approved"), review("changes_requested"), kt_json_new_object()};

	(void)state;
	kt_json_set(reviews.evidence, "review", review("approved"));
	assert_int_equal(
		kt_file_read(VECTORS "/transitions.json", FILE_LIMIT, &text, &err), KT_E_OK);
	assert_int_equal(
		kt_json_parse(text.data, text.len, KT_JSON_LAST_WINS, &rows, &err), KT_E_OK);
	assert_int_equal(kt_json_size(rows), 3332);
	for (struct kt_json *row = kt_json_first(rows); row != NULL; row = kt_json_next(row))
		check_row(row, &reviews);
	kt_json_free(rows);
	kt_json_free(reviews.approved);
	kt_json_free(reviews.changes);
	kt_json_free(reviews.evidence);
	kt_buffer_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_vectors_reduce_to_their_snapshot_or_refusal),
		cmocka_unit_test(all_vectors_hold_row_by_row_with_undo),
		cmocka_unit_test(every_transition_row_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
