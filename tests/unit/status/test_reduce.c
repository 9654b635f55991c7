/*
 * Properties of the reducer: incremental equals full, undo leaves no trace, sizes that users meet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/status/event.h"
#include "supervisor/status/reduce.h"

static const struct kt_snapshot_identity no_identity = {NULL, NULL};

/* xorshift: the same seed gives the same log everywhere. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static unsigned pick(uint64_t *state, unsigned limit)
{
	return (unsigned)(next_random(state) % limit);
}

static void random_id(uint64_t *state, char out[27])
{
	unsigned char random[10];

	for (size_t i = 0; i < sizeof random; i++)
		random[i] = (unsigned char)pick(state, 256);
	/* Few milliseconds: equal prefixes, and now and then an equal id. */
	if (pick(state, 20) == 0)
		memset(random, 0, sizeof random);
	kt_ulid_format(pick(state, 3), random, out);
}

static const char *random_at(uint64_t *state)
{
	static const char *const times[] = {"2026-01-01T00:00:00+00:00",
		"2026-01-01T00:00:00.000001+00:00", "2026-01-01T00:00:00Z",
		"2025-12-31T23:59:59+00:00", "2026-01-02T10:00:00.5+00:00"};

	return times[pick(state, 5)];
}

static void random_move(uint64_t *state, struct kt_buffer *log)
{
	char id[27], wp[8];
	struct kt_json *metadata = NULL, *result = NULL;
	struct kt_move_row row = {.event_id = id,
		.mission_slug = "prop",
		.wp_id = wp,
		.at = random_at(state),
		.from = (enum kt_status)pick(state, KT_STATUS_COUNT),
		.to = (enum kt_status)pick(state, KT_STATUS_COUNT),
		.actor = pick(state, 2) ? "a" : "b",
		.force = pick(state, 4) == 0,
		.execution_mode = "worktree",
		.review_ref = pick(state, 3) ? NULL : "feedback://x"};

	random_id(state, id);
	(void)snprintf(wp, sizeof wp, "WP%02u", pick(state, 4));
	if (pick(state, 3) == 0) {
		row.from = KT_STATUS_PLANNED;
		row.to = KT_STATUS_CLAIMED;
		metadata = kt_json_new_object();
		kt_json_set_string(metadata, "agent", pick(state, 2) ? "zed" : "");
		kt_json_set_int(metadata, "shell_pid", pick(state, 99));
	}
	if (pick(state, 4) == 0) {
		result = kt_json_new_object();
		kt_json_set_string(result, "reviewer", "r");
		kt_json_set_string(result, "verdict", "approved");
		kt_json_set_string(result, "reference", "x");
	}
	row.policy_metadata = metadata;
	row.review_result = result;
	kt_move_row_encode(&row, log);
	kt_json_free(metadata);
	kt_json_free(result);
}

static void random_annotation(uint64_t *state, struct kt_buffer *log)
{
	char id[27], wp[8];
	struct kt_json *delta = kt_json_new_object(), *refs = kt_json_new_array();
	struct kt_annotation_row row = {
		.event_id = id, .wp_id = wp, .at = random_at(state), .actor = "an", .delta = delta};
	struct kt_error err = KT_ERROR_INIT;

	random_id(state, id);
	(void)snprintf(wp, sizeof wp, "WP%02u", pick(state, 5));
	kt_json_set_string(delta, "note", pick(state, 2) ? "n" : "");
	if (pick(state, 3) == 0)
		kt_json_set_bool(delta, "release_runtime_claim", true);
	if (pick(state, 3) == 0)
		kt_json_set_string(delta, "agent", "other");
	kt_json_append(refs, kt_json_new_string(pick(state, 2) ? "#1" : "#2"));
	kt_json_set(delta, pick(state, 2) ? "tracker_refs" : "tracker_refs_replace", refs);
	assert_int_equal(kt_annotation_row_encode(&row, log, &err), KT_E_OK);
	kt_json_free(delta);
}

static void random_log(uint64_t *state, size_t rows, struct kt_buffer *log)
{
	for (size_t i = 0; i < rows; i++) {
		if (pick(state, 10) == 0)
			kt_buffer_puts(log, "\n");
		if (pick(state, 12) == 0)
			kt_buffer_puts(log, "{\"event_type\": \"Future\", \"event_id\": \"x\"}\n");
		if (pick(state, 3) == 0)
			random_annotation(state, log);
		else
			random_move(state, log);
	}
}

static void snapshot_of(const char *bytes, size_t len, struct kt_buffer *out)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_reducer_feed(reducer, bytes, len, &err), KT_E_OK);
	kt_reducer_snapshot(reducer, &no_identity, out);
	kt_reducer_free(reducer);
}

static void expect_equal(
	const struct kt_reducer *reducer, const char *bytes, size_t len, uint64_t seed)
{
	struct kt_buffer incremental = KT_BUFFER_INIT, full = KT_BUFFER_INIT;

	kt_reducer_snapshot(reducer, &no_identity, &incremental);
	snapshot_of(bytes, len, &full);
	if (strcmp(kt_buffer_text(&incremental), kt_buffer_text(&full)) != 0)
		fail_msg("seed %llu, %zu bytes", (unsigned long long)seed, len);
	kt_buffer_release(&incremental);
	kt_buffer_release(&full);
}

static void one_random_log(uint64_t seed)
{
	uint64_t state = seed;
	struct kt_buffer log = KT_BUFFER_INIT;
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_error err = KT_ERROR_INIT;
	size_t at = 0;

	random_log(&state, 40, &log);
	while (at < log.len) {
		const char *newline = memchr(log.data + at, '\n', log.len - at);
		size_t len = (size_t)(newline - (log.data + at)) + 1, mark = 0;

		/* Some rows are fed, taken back and fed again, together with their successors. */
		if (pick(&state, 3) == 0) {
			mark = kt_reducer_mark(reducer);
			assert_int_equal(
				kt_reducer_feed(reducer, log.data + at, log.len - at, &err),
				KT_E_OK);
			kt_reducer_rollback(reducer, mark);
		}
		assert_int_equal(kt_reducer_feed(reducer, log.data + at, len, &err), KT_E_OK);
		at += len;
		expect_equal(reducer, log.data, at, seed);
	}
	kt_reducer_free(reducer);
	kt_buffer_release(&log);
}

static void incremental_equals_full_on_random_logs(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 60; seed++)
		one_random_log(seed * 2654435761ULL);
}

static void an_empty_log_is_a_state_of_its_own(void **unused)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer text = KT_BUFFER_INIT;

	(void)unused;
	kt_reducer_snapshot(reducer, &no_identity, &text);
	assert_non_null(
		strstr(kt_buffer_text(&text), "\"event_count\": 0,\n  \"last_event_id\": null"));
	assert_non_null(strstr(kt_buffer_text(&text), "\"work_packages\": {}\n}\n"));
	kt_buffer_release(&text);
	kt_reducer_free(reducer);
}

static void a_failing_line_leaves_nothing_of_its_call_behind(void **unused)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	uint64_t state = 7;

	(void)unused;
	random_log(&state, 5, &log);
	kt_buffer_puts(&log, "{torn");
	assert_int_equal(kt_reducer_feed(reducer, log.data, log.len, &err), KT_E_EVENT_INVALID);
	assert_non_null(strstr(err.detail, "line "));
	assert_int_equal(kt_reducer_rows(reducer), 0);
	assert_int_equal(kt_reducer_bytes(reducer), 0);
	assert_null(kt_reducer_max_at(reducer));
	kt_reducer_free(reducer);
	kt_buffer_release(&log);
}

static void carriage_returns_and_a_missing_last_newline_are_tolerated(void **unused)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	uint64_t state = 9;

	(void)unused;
	random_move(&state, &log);
	log.len--;
	kt_buffer_puts(&log, "\r\n");
	random_move(&state, &log);
	log.len--;
	assert_int_equal(kt_reducer_feed(reducer, log.data, log.len, &err), KT_E_OK);
	assert_int_equal(kt_reducer_rows(reducer), 2);
	kt_reducer_free(reducer);
	kt_buffer_release(&log);
}

static void a_row_of_one_mebibyte_is_read(void **unused)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	char *reason = kt_alloc((1 << 20) + 1);
	struct kt_move_row row = {.event_id = "01KSPTVW000000000000000000",
		.mission_slug = "big",
		.wp_id = "WP01",
		.at = "2026-01-01T00:00:00+00:00",
		.from = KT_STATUS_PLANNED,
		.to = KT_STATUS_BLOCKED,
		.actor = "a",
		.execution_mode = "worktree",
		.reason = reason};
	struct kt_wp_state wp = {0};

	(void)unused;
	memset(reason, 'x', 1 << 20);
	kt_move_row_encode(&row, &log);
	assert_int_equal(kt_reducer_feed(reducer, log.data, log.len, &err), KT_E_OK);
	assert_true(kt_reducer_wp(reducer, "WP01", &wp));
	assert_int_equal(strlen(wp.last_reason), 1 << 20);
	kt_reducer_free(reducer);
	kt_buffer_release(&log);
	free(reason);
}

static void any_kind_of_row_is_found_by_its_id(void **unused)
{
	static const char log[] =
		"{\"event_type\": \"MissionCreated\", \"event_id\": "
		"\"01KSPTVW00000000000000000A\", \"timestamp\": \"2026-01-01T00:00:00+00:00\"}\n"
		"{\"actor\": \"a\", \"at\": \"2026-01-01T00:00:01+00:00\", \"delta\": {\"note\": "
		"\"n\"}, \"event_id\": \"01KSPTVW00000000000000000B\", \"kind\": \"annotation\", "
		"\"wp_id\": \"WP01\"}\n";
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_error err = KT_ERROR_INIT;
	size_t offset = 0, len = 0;

	(void)unused;
	assert_int_equal(kt_reducer_feed(reducer, log, sizeof log - 1, &err), KT_E_OK);
	assert_true(kt_reducer_find_event(reducer, "01KSPTVW00000000000000000A", &offset, &len));
	assert_int_equal(offset, 0);
	assert_true(kt_reducer_find_event(reducer, "01KSPTVW00000000000000000B", &offset, &len));
	assert_int_equal(offset + len, sizeof log - 1);
	assert_false(kt_reducer_find_event(reducer, "01KSPTVW00000000000000000C", &offset, &len));
	assert_string_equal(kt_reducer_max_at(reducer), "2026-01-01T00:00:01+00:00");
	kt_reducer_free(reducer);
}

/* Blocked before it was ever claimed, tried again by a launch, sent back by a review: it is still
 * that launch's, and no person's. */
static void work_that_a_launch_takes_up_without_a_claim_is_held_by_its_worker(void **unused)
{
	static const struct {
		enum kt_status from, to;
		const char *actor;
		bool names_worker;
	} rows[] = {{KT_STATUS_GENESIS, KT_STATUS_PLANNED, "finalize-tasks", false},
		{KT_STATUS_PLANNED, KT_STATUS_BLOCKED, "kitty", false},
		{KT_STATUS_BLOCKED, KT_STATUS_IN_PROGRESS, "claude", true},
		{KT_STATUS_IN_PROGRESS, KT_STATUS_FOR_REVIEW, "claude", false},
		{KT_STATUS_FOR_REVIEW, KT_STATUS_IN_REVIEW, "reviewer", false},
		{KT_STATUS_IN_REVIEW, KT_STATUS_IN_PROGRESS, "reviewer", false}};
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_json *metadata = kt_json_new_object();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_wp_state state = {0};
	unsigned char random[10] = {0};
	int64_t pid = 0;

	(void)unused;
	kt_json_set_int(metadata, "shell_pid", 4711);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char id[27], at[33];
		struct kt_move_row fields = {.event_id = id,
			.mission_slug = "m",
			.wp_id = "WP01",
			.at = at,
			.from = rows[i].from,
			.to = rows[i].to,
			.actor = rows[i].actor,
			.policy_metadata = rows[i].names_worker ? metadata : NULL,
			.execution_mode = "worktree"};

		kt_ulid_format(i + 1, random, id);
		kt_time_format((int64_t)(i + 1) * 1000000, at);
		kt_move_row_encode(&fields, &log);
	}
	assert_int_equal(kt_reducer_feed(reducer, log.data, log.len, &err), KT_E_OK);
	assert_true(kt_reducer_wp(reducer, "WP01", &state));
	assert_string_equal(state.claim_actor, "claude");
	assert_true(kt_json_get_int(state.claim_metadata, "shell_pid", &pid));
	assert_int_equal(pid, 4711);
	kt_buffer_release(&log);
	kt_json_free(metadata);
	kt_reducer_free(reducer);
}

/* One row more costs the same at row 10 and at row 100,000: counted in rows re-read, not in time.
 */
static void a_log_of_100000_rows_is_fed_row_by_row(void **unused)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_error err = KT_ERROR_INIT;
	struct kt_buffer row = KT_BUFFER_INIT, text = KT_BUFFER_INIT;
	unsigned char random[10] = {0};

	(void)unused;
	for (int64_t i = 0; i < 100000; i++) {
		char id[27], at[33], wp[8];
		struct kt_move_row fields = {.event_id = id,
			.mission_slug = "long",
			.wp_id = wp,
			.at = at,
			.from = KT_STATUS_CLAIMED,
			.to = i % 2 ? KT_STATUS_IN_PROGRESS : KT_STATUS_BLOCKED,
			.actor = "claude",
			.execution_mode = "worktree"};

		kt_ulid_format((uint64_t)i, random, id);
		kt_time_format(i * 1000001, at);
		(void)snprintf(wp, sizeof wp, "WP%02d", (int)(i % 20));
		kt_buffer_clear(&row);
		kt_move_row_encode(&fields, &row);
		assert_int_equal(kt_reducer_feed(reducer, row.data, row.len, &err), KT_E_OK);
	}
	kt_reducer_snapshot(reducer, &no_identity, &text);
	assert_non_null(strstr(kt_buffer_text(&text), "\"event_count\": 100000,"));
	kt_buffer_release(&row);
	kt_buffer_release(&text);
	kt_reducer_free(reducer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(incremental_equals_full_on_random_logs),
		cmocka_unit_test(an_empty_log_is_a_state_of_its_own),
		cmocka_unit_test(a_failing_line_leaves_nothing_of_its_call_behind),
		cmocka_unit_test(carriage_returns_and_a_missing_last_newline_are_tolerated),
		cmocka_unit_test(a_row_of_one_mebibyte_is_read),
		cmocka_unit_test(any_kind_of_row_is_found_by_its_id),
		cmocka_unit_test(work_that_a_launch_takes_up_without_a_claim_is_held_by_its_worker),
		cmocka_unit_test(a_log_of_100000_rows_is_fed_row_by_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
