/*
 * The reducer's promises: incremental equals whole, undo leaves no trace, questions, odd inputs.
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
#include "supervisor/status/event.h"
#include "supervisor/status/reduce.h"

/* ---- random logs; the seed is fixed, KITTY_SEED overrides it ---- */

static uint64_t random_state;

static unsigned pick(unsigned below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 33) % below;
}

static const char *pick_text(const char *const *texts, unsigned count)
{
	return texts[pick(count)];
}

#define PICK(...) \
	pick_text((const char *const[]){__VA_ARGS__}, \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* Few ids, times and WPs, so that ties, duplicates and disorder are common. */
static void append_head(struct kt_buffer *row)
{
	kt_buffer_printf(row,
		"{\"event_id\": \"01AAAAAAAAAAAAAAAAAAAAAA%02u\", \"at\": "
		"\"2026-01-01T00:00:0%u%s\", \"wp_id\": \"WP0%u\", \"actor\": %s, ",
		pick(60), pick(4), PICK("Z", "+00:00", ".000001+00:00"), 1 + pick(3),
		PICK("\"a\"", "\"\\u00e9\"", "7", "null",
			"{\"role\": \"r\", \"profile\": null, \"tool\": null, \"model\": null}"));
}

static void append_random_move(struct kt_buffer *row)
{
	static const char *const names[] = {
		"planned", "claimed", "in_progress", "for_review", "in_review", "approved", "done"};

	append_head(row);
	kt_buffer_printf(row,
		"\"from_lane\": \"%s\", \"to_lane\": \"%s\", \"force\": %s, \"execution_mode\": "
		"\"worktree\", \"mission_slug\": \"%s\", \"review_ref\": %s, \"review_result\": "
		"%s, \"policy_metadata\": %s}\n",
		pick_text(names, 7), pick_text(names, 7), PICK("true", "false"),
		PICK("012-one", "two", "bad/slug"), PICK("null", "\"x\""),
		PICK("null",
			"{\"reviewer\": \"r\", \"verdict\": \"approved\", \"reference\": \"x\", "
			"\"feedback_path\": null, \"other\": 1}"),
		PICK("null", "{}", "{\"agent\": \"\", \"shell_pid\": 5}",
			"{\"agent\": \"z\", \"shell_pid\": null, \"shell_pid_created_at\": "
			"\"t\"}"));
}

static void append_random_annotation(struct kt_buffer *row)
{
	append_head(row);
	kt_buffer_printf(row, "\"kind\": \"annotation\", \"delta\": {%s, %s}}\n",
		PICK("\"note\": \"\"", "\"note\": \"n\\n\\u2028\"", "\"agent\": \"\"",
			"\"shell_pid\": 9", "\"release_runtime_claim\": true",
			"\"subtasks\": {\"T001\": \"done\", \"T002\": \"planned\"}"),
		PICK("\"role\": \"reviewer\"", "\"tracker_refs\": [\"#1\", \"#2\"]",
			"\"tracker_refs_replace\": [\"#3\", \"#3\", \"#1\"]",
			"\"review\": {\"at\": \"\", \"actor\": \"\", \"wp_id\": \"\", \"reason\": "
			"\"\"}",
			"\"review\": {\"at\": \"t\", \"actor\": \"a\", \"wp_id\": \"WP01\", "
			"\"reason\": \"\"}",
			"\"subtasks\": {\"T001\": \"blocked\"}", "\"unknown\": 1"));
}

static void append_random_other(struct kt_buffer *row)
{
	switch (pick(4)) {
	case 0:
		kt_buffer_puts(row, "  \r\n");
		return;
	case 1:
		append_head(row);
		kt_buffer_puts(row, "\"event_type\": null}\n");
		return;
	case 2:
		append_head(row);
		kt_buffer_puts(row, "\"type\": \"RetrospectiveCaptured\"}\n");
		return;
	default:
		append_head(row);
		kt_buffer_printf(row,
			"\"event_name\": \"retrospective.%s\", \"payload\": {\"record_path\": "
			"\"p%u\", \"mode\": {\"value\": \"%s\", \"source_signal\": {\"kind\": "
			"\"k\", \"evidence\": \"e\"}}}}\n",
			PICK("requested", "completed", "failed", "skipped", "proposal.generated",
				"proposal.applied", "proposal.rejected"),
			pick(3), PICK("autonomous", "human_in_command", "else"));
	}
}

static void append_random_row(struct kt_buffer *row)
{
	unsigned kind = pick(10);

	if (kind < 5)
		append_random_move(row);
	else if (kind < 9)
		append_random_annotation(row);
	else
		append_random_other(row);
}

/* ---- comparing two reducers by everything that can be asked ---- */

static void on_wp(const struct kt_wp_state *wp, void *arg)
{
	struct kt_buffer *out = arg;

	kt_buffer_printf(out, "%s %d %s %s %s %d %s %s\n", wp->wp_id, (int)wp->status, wp->actor,
		wp->last_transition_at ? wp->last_transition_at : "-",
		wp->last_event_id ? wp->last_event_id : "-", wp->has_transition,
		wp->claim_actor ? wp->claim_actor : "-", wp->last_reason ? wp->last_reason : "-");
	kt_json_write(wp->entry, KT_JSON_ROW, out);
	if (wp->claim_metadata != NULL)
		kt_json_write(wp->claim_metadata, KT_JSON_ROW, out);
}

static void describe(const struct kt_reducer *reducer, struct kt_buffer *out)
{
	const struct kt_snapshot_identity identity = {NULL, "software-dev"};
	char id[27] = "";
	const char *max_at = kt_reducer_max_at(reducer);
	const char *max_id = kt_reducer_max_event_id(reducer);

	kt_buffer_clear(out);
	kt_reducer_snapshot(reducer, &identity, out);
	kt_reducer_each_wp(reducer, on_wp, out);
	kt_buffer_printf(out, "\n%s %s %lld %zu %zu\n", max_at ? max_at : "-",
		max_id ? max_id : "-", (long long)kt_reducer_max_time(reducer),
		kt_reducer_rows(reducer), kt_reducer_bytes(reducer));
	for (unsigned i = 0; i < 60; i++) {
		size_t offset = 0;
		size_t len = 0;

		(void)snprintf(id, sizeof id, "01AAAAAAAAAAAAAAAAAAAAAA%02u", i);
		if (kt_reducer_find_event(reducer, id, &offset, &len))
			kt_buffer_printf(out, "%u:%zu+%zu ", i, offset, len);
	}
}

static void feed(struct kt_reducer *reducer, const char *bytes, size_t len)
{
	struct kt_error err = KT_ERROR_INIT;

	if (kt_reducer_feed(reducer, bytes, len, &err) != KT_E_OK)
		fail_msg("%s", err.detail);
}

static void feed_text(struct kt_reducer *reducer, const char *text)
{
	feed(reducer, text, strlen(text));
}

static void expect_same_as_fresh(const struct kt_reducer *reducer, const struct kt_buffer *log)
{
	struct kt_reducer *fresh = kt_reducer_new();
	struct kt_buffer left = KT_BUFFER_INIT;
	struct kt_buffer right = KT_BUFFER_INIT;

	feed(fresh, kt_buffer_text(log), log->len);
	describe(reducer, &left);
	describe(fresh, &right);
	assert_string_equal(kt_buffer_text(&left), kt_buffer_text(&right));
	kt_buffer_release(&left);
	kt_buffer_release(&right);
	kt_reducer_free(fresh);
}

static void seed_random(unsigned round)
{
	const char *given = getenv("KITTY_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : 20260102;

	if (round == 0)
		print_message("seed %llu\n", (unsigned long long)seed);
	random_state = (seed + round) * 0x9E3779B97F4A7C15ULL + 1;
}

static void one_log(unsigned rows)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer log = KT_BUFFER_INIT;

	for (unsigned i = 0; i < rows; i++) {
		size_t before = log.len;

		append_random_row(&log);
		feed(reducer, log.data + before, log.len - before);
		/* Now and then without a look in between: the layers stay stale for some rows. */
		if (pick(3) > 0)
			expect_same_as_fresh(reducer, &log);
	}
	expect_same_as_fresh(reducer, &log);
	kt_buffer_release(&log);
	kt_reducer_free(reducer);
}

static void row_by_row_equals_a_full_reduction_after_each_row(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		seed_random(round);
		one_log(1 + pick(60));
	}
}

static size_t whole_lines(const struct kt_buffer *log, size_t at, size_t wanted)
{
	const char *newline = NULL;

	if (at + wanted >= log->len)
		return log->len - at;
	newline = memchr(log->data + at + wanted, '\n', log->len - at - wanted);
	return newline == NULL ? log->len - at : (size_t)(newline - log->data) + 1 - at;
}

static void any_division_into_pieces_gives_the_same_state(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		struct kt_reducer *reducer = kt_reducer_new();
		struct kt_buffer log = KT_BUFFER_INIT;

		seed_random(1000 + round);
		for (unsigned i = 0; i < 80; i++)
			append_random_row(&log);
		for (size_t at = 0; at < log.len;) {
			size_t len = whole_lines(&log, at, pick(3000));

			feed(reducer, log.data + at, len);
			at += len;
		}
		expect_same_as_fresh(reducer, &log);
		kt_buffer_release(&log);
		kt_reducer_free(reducer);
	}
}

/* Marks at random places of a stack, random rows, random rollbacks; the log is kept beside it. */
static void undo_walk(unsigned steps)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer log = KT_BUFFER_INIT;
	size_t marks[8];
	size_t lengths[8];
	unsigned depth = 0;

	for (unsigned i = 0; i < steps; i++) {
		size_t before = log.len;
		unsigned step = pick(10);

		if (step == 0 && depth < 8) {
			lengths[depth] = log.len;
			marks[depth++] = kt_reducer_mark(reducer);
		} else if (step == 1 && depth > 0) {
			depth = pick(depth);
			kt_reducer_rollback(reducer, marks[depth]);
			log.len = lengths[depth];
			expect_same_as_fresh(reducer, &log);
		} else if (step == 2 && pick(4) == 0) {
			kt_reducer_settle(reducer);
			depth = 0;
		} else {
			append_random_row(&log);
			feed(reducer, log.data + before, log.len - before);
		}
	}
	expect_same_as_fresh(reducer, &log);
	kt_buffer_release(&log);
	kt_reducer_free(reducer);
}

static void nested_undo_leaves_no_trace(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 30; round++) {
		seed_random(2000 + round);
		undo_walk(150);
	}
}

/* ---- fixed cases ---- */

#define MOVE(id, at, wp, from, to) \
	"{\"actor\": \"a\", \"at\": \"" at "\", \"event_id\": \"" id \
	"\", \"execution_mode\": \"worktree\", \"force\": false, \"from_lane\": \"" from \
	"\", \"mission_slug\": \"s\", \"to_lane\": \"" to "\", \"wp_id\": \"" wp "\"}"
#define NOTE(id, at, wp, delta) \
	"{\"actor\": \"b\", \"at\": \"" at "\", \"delta\": {" delta "}, \"event_id\": \"" id \
	"\", \"kind\": \"annotation\", \"wp_id\": \"" wp "\"}"
#define ID1 "01AAAAAAAAAAAAAAAAAAAAAA01"
#define ID2 "01AAAAAAAAAAAAAAAAAAAAAA02"
#define ID3 "01AAAAAAAAAAAAAAAAAAAAAA03"
#define T1 "2026-01-01T00:00:01+00:00"
#define T2 "2026-01-01T00:00:02+00:00"

static void expect_error(struct kt_reducer *reducer, const char *text, const char *detail)
{
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_reducer_feed(reducer, text, strlen(text), &err), KT_E_EVENT_INVALID);
	if (strstr(err.detail, detail) == NULL)
		fail_msg("'%s' does not hold '%s'", err.detail, detail);
}

static void a_failing_piece_leaves_nothing_and_names_its_line(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer before = KT_BUFFER_INIT;
	struct kt_buffer after = KT_BUFFER_INIT;

	(void)state;
	feed_text(reducer, MOVE(ID1, T1, "WP01", "planned", "claimed") "\n\n");
	describe(reducer, &before);
	expect_error(reducer,
		NOTE(ID2, T2, "WP02", "\"note\": \"x\"") "\n" MOVE(
			ID3, T2, "WP01", "claimed", "doing") "\n",
		"line 4: 'doing'");
	expect_error(reducer, MOVE(ID3, T2, "WP01", "claimed", "blocked") "\n{\"event_id\": \"0",
		"line 4: invalid JSON");
	describe(reducer, &after);
	assert_string_equal(kt_buffer_text(&before), kt_buffer_text(&after));
	expect_error(reducer, "[]\n", "line 3: expected a JSON object");
	expect_error(reducer, "[]\n" NOTE(ID2, T2, "WP02", "\"note\": \"x\"") "\n",
		"line 3: expected a JSON object");
	kt_buffer_release(&before);
	kt_buffer_release(&after);
	kt_reducer_free(reducer);
}

static void line_ends_of_windows_and_a_missing_last_one_are_read(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_wp_state wp;
	size_t offset = 0;
	size_t len = 0;
	size_t mark = 0;

	(void)state;
	feed_text(reducer, MOVE(ID1, T1, "WP01", "planned", "claimed") "\r\n" MOVE(
				   ID2, T2, "WP01", "claimed", "in_progress"));
	assert_true(kt_reducer_find_event(reducer, ID2, &offset, &len));
	assert_int_equal(offset + len, kt_reducer_bytes(reducer));
	mark = kt_reducer_mark(reducer);
	expect_error(reducer, NOTE(ID3, T2, "WP01", "\"note\": \"x\"") "\n",
		"line 2: the row before has no newline");
	feed_text(reducer, "\n" NOTE(ID3, T2, "WP01", "\"note\": \"x\"") "\n");
	assert_true(kt_reducer_wp(reducer, "WP01", &wp));
	assert_int_equal(wp.status, KT_STATUS_IN_PROGRESS);
	assert_int_equal(kt_json_size(kt_json_get(wp.entry, "notes")), 1);
	/* The newline belongs to the row before it: it is the end of line 2, not a line 3. */
	expect_error(reducer, "x\n", "line 4:");
	kt_reducer_rollback(reducer, mark);
	assert_true(kt_reducer_find_event(reducer, ID2, &offset, &len));
	assert_int_equal(offset + len, kt_reducer_bytes(reducer));
	feed_text(reducer, "\r\n" NOTE(ID3, T2, "WP01", "\"note\": \"x\"") "\r\n");
	assert_true(kt_reducer_wp(reducer, "WP01", &wp));
	assert_int_equal(kt_json_size(kt_json_get(wp.entry, "notes")), 1);
	kt_reducer_free(reducer);
}

static void of_transitions_with_one_id_the_first_counts_and_annotations_all_do(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_wp_state wp;
	size_t offset = 1;
	size_t len = 0;

	(void)state;
	feed_text(reducer, NOTE(ID1, T1, "WP01", "\"note\": \"x\"") "\n");
	feed_text(reducer, NOTE(ID1, T1, "WP01", "\"note\": \"x\"") "\n");
	feed_text(reducer, MOVE(ID1, T1, "WP01", "genesis", "planned") "\n");
	feed_text(reducer, MOVE(ID1, T2, "WP01", "planned", "done") "\n");
	assert_true(kt_reducer_wp(reducer, "WP01", &wp));
	assert_int_equal(wp.status, KT_STATUS_PLANNED);
	assert_int_equal(kt_json_size(kt_json_get(wp.entry, "notes")), 2);
	assert_true(kt_reducer_find_event(reducer, ID1, &offset, &len));
	assert_int_equal(offset, 0);
	kt_reducer_free(reducer);
}

static void a_release_hides_even_a_later_claim_until_an_annotation_sets_it_again(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_wp_state wp;

	(void)state;
	feed_text(reducer, NOTE(ID1, T1, "WP01", "\"release_runtime_claim\": true") "\n");
	assert_true(kt_reducer_wp(reducer, "WP01", &wp));
	assert_int_equal(wp.status, KT_STATUS_UNINITIALIZED);
	assert_false(wp.has_transition);
	assert_string_equal(wp.actor, "b");
	feed_text(reducer,
		"{\"actor\": \"a\", \"at\": \"" T2 "\", \"event_id\": \"" ID2
		"\", \"execution_mode\": \"worktree\", \"force\": false, \"from_lane\": "
		"\"planned\", \"policy_metadata\": {\"agent\": \"claude\", \"shell_pid\": 7}, "
		"\"to_lane\": \"claimed\", \"wp_id\": \"WP01\"}\n");
	assert_true(kt_reducer_wp(reducer, "WP01", &wp));
	assert_string_equal(wp.claim_actor, "a");
	assert_string_equal(kt_json_get_string(wp.claim_metadata, "agent"), "claude");
	assert_true(kt_json_is(kt_json_get(wp.entry, "agent"), KT_JSON_NULL));
	assert_true(kt_json_is(kt_json_get(wp.entry, "shell_pid"), KT_JSON_NULL));
	feed_text(reducer, NOTE(ID3, T2, "WP01", "\"agent\": \"codex\"") "\n");
	assert_true(kt_reducer_wp(reducer, "WP01", &wp));
	assert_string_equal(kt_json_get_string(wp.entry, "agent"), "codex");
	kt_reducer_free(reducer);
}

static void the_greatest_time_is_not_always_the_greatest_text(void **state)
{
	struct kt_reducer *reducer = kt_reducer_new();

	(void)state;
	feed_text(reducer, MOVE(ID2, "2026-01-01T00:00:02Z", "WP01", "genesis", "planned") "\n");
	feed_text(reducer,
		MOVE(ID1, "2026-01-01T00:00:02.5+00:00", "WP01", "planned", "claimed") "\n");
	feed_text(reducer,
		"{\"event_id\": \"" ID3 "\", \"event_type\": \"X\", \"timestamp\": \"never\"}\n");
	assert_string_equal(kt_reducer_max_at(reducer), "never");
	assert_string_equal(kt_reducer_max_event_id(reducer), ID3);
	assert_int_equal(kt_reducer_max_time(reducer), 1767225602500000);
	kt_reducer_free(reducer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_by_row_equals_a_full_reduction_after_each_row),
		cmocka_unit_test(any_division_into_pieces_gives_the_same_state),
		cmocka_unit_test(nested_undo_leaves_no_trace),
		cmocka_unit_test(a_failing_piece_leaves_nothing_and_names_its_line),
		cmocka_unit_test(line_ends_of_windows_and_a_missing_last_one_are_read),
		cmocka_unit_test(
			of_transitions_with_one_id_the_first_counts_and_annotations_all_do),
		cmocka_unit_test(
			a_release_hides_even_a_later_claim_until_an_annotation_sets_it_again),
		cmocka_unit_test(the_greatest_time_is_not_always_the_greatest_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
