/*
 * The lane gate in the transaction: what its helper says decides, and where nobody can say, nothing
 * passes. The helper is one of the test's.
 */
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"

#define REF "kitty/mission-" SLUG
#define JUDGED "grep -c lane-gate ../asked || true"

/* The helper notes that it was asked, and does what stands in ../act. */
static int setup_gate(void **state)
{
	struct fixture *f = NULL;

	if (setup(state) != 0)
		return -1;
	f = *state;
	stand_in(f, "helper");
	submit_starts(f);
	finish(f);
	assert_int_equal(f->successes, 4);
	shell(f,
		"printf '#!/bin/sh\\necho \"$@\" >>%s/asked\\n. %s/act\\n' >../helper && chmod +x "
		"../helper && : >../asked && git branch -q " REF "-lane-a",
		f->box->root, f->box->root);
	kt_writer_free(f->writer);
	open_writer(f, false);
	return 0;
}

static void act(struct fixture *f, const char *what)
{
	write_file(f, "../act", what);
}

static struct kt_json *hand_over(const char *wp)
{
	return move(wp, KT_STATUS_FOR_REVIEW, "codex");
}

static void expect_refused(struct fixture *f, const char *code, const char *detail)
{
	char *before = ask(f, "git rev-parse " REF);

	assert_string_equal(code_of(f, hand_over("WP01")), code);
	assert_non_null(
		strstr(kt_json_get_string(kt_json_get(f->last, "error"), "detail"), detail));
	assert_ask(f, before, "git rev-parse " REF);
	free(before);
}

static void what_the_gate_says_decides(void **state)
{
	static const struct {
		const char *act, *code, *detail;
	} rows[] = {
		{"echo silence", "GIT_FAILED", "the lane gate's helper said: silence"},
		{"echo '{\"warnings\": ['", "GIT_FAILED", "helper said: {"},
		{"echo '{\"error\": {\"code\": \"LANE_FOREIGN_WP\", \"detail\": \"spec.md\"}}'; "
		 "exit 1",
			"LANE_FOREIGN_WP", "spec.md"},
		{"echo '{\"receipt\": {}}'; exit 1", "GIT_FAILED", "the lane gate's helper failed"},
		{"echo '{\"receipt\": {}}'; kill -9 $$", "GIT_FAILED", "helper failed"},
		{"echo '{}'", "GIT_FAILED", "the lane gate's helper said: {}"},
		{"yes | head -c 17000000; exec sleep 1000", "TIMED_OUT", "in time"},
	};
	struct fixture *f = *state;
	const struct kt_json *warnings = NULL;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		act(f, rows[i].act);
		expect_refused(f, rows[i].code, rows[i].detail);
	}
	/* git's own warning stands before the answer; the gate's go with the receipt. */
	act(f, "echo warning: of git; echo '{\"warnings\": [\"not yours: x.c\"]}'");
	assert_string_equal(code_of(f, hand_over("WP01")), "OK");
	warnings = kt_json_get(f->last, "warnings");
	assert_int_equal(kt_json_size(warnings), 1);
	assert_string_equal(kt_json_string(kt_json_first(warnings)), "not yours: x.c");
	expect_clean(f);
}

static void nobody_is_asked_where_there_is_nothing_to_judge(void **state)
{
	struct fixture *f = *state;
	struct kt_json *forced = hand_over("WP01"), *note = kt_request_new("note");
	struct kt_json *delta = kt_json_new_object();
	struct kt_json *op = op_of(forced);

	act(f, "exit 1");
	kt_json_set_string(delta, "note", "no move");
	(void)kt_request_add_annotation(note, "WP01", "claude", delta);
	assert_string_equal(code_of(f, note), "OK");
	/* A lane that has no branch yet. */
	assert_string_equal(code_of(f, hand_over("WP02")), "OK");
	/* An override answers for itself. */
	kt_json_set_bool(op, "force", true);
	kt_json_set_string(op, "reason", "seen by hand");
	assert_string_equal(code_of(f, forced), "OK");
	assert_ask(f, "0", JUDGED);
	expect_clean(f);
}

/* No lane at all, the lane of planning work, and no plan yet. */
static void work_without_a_lane_of_code_is_not_judged(void **state)
{
	static const char *const edits[] = {"sed -i 's/\"WP01\"/\"WP09\"/' lanes.json",
		"sed -i 's/lane-a/lane-planning/' lanes.json", "git rm -q lanes.json"};
	struct fixture *f = *state;
	char *start = ask(f, "git rev-parse " REF);

	act(f, "exit 1");
	for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		kt_writer_free(f->writer);
		shell(f,
			"rm -f .git/kitty/" SLUG "/synced && git -C " COORD
			" reset -q --hard %s && cd " COORD "/kitty-specs/" SLUG
			" && %s && git commit -qam lanes",
			start, edits[i]);
		open_writer(f, false);
		assert_string_equal(code_of(f, hand_over("WP01")), "OK");
	}
	assert_ask(f, "0", JUDGED);
	expect_clean(f);
	free(start);
}

/* What the plan or the branch would have forbidden does not pass because they cannot be read. */
static void a_gate_that_cannot_be_asked_is_shut(void **state)
{
	static const struct {
		const char *call;
		unsigned nth;
	} rows[] = {{"kt_plan_load", 1}, {"kt_child_start", 1}};
	struct fixture *f = *state;
	const char *struck = "";
	unsigned shut = 0;

	act(f, "echo '{\"warnings\": []}'");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		kt_writer_free(f->writer);
		open_writer(f, false);
		kt_seam_fail(rows[i].call, rows[i].nth, KT_E_IO);
		assert_string_equal(code_of(f, hand_over("WP01")), "IO_ERROR");
		assert_string_equal(kt_seam_end(), rows[i].call);
	}
	assert_ask(f, "0", JUDGED);
	for (unsigned nth = 1; struck != NULL; nth++) {
		kt_seam_fail("kt_store_ref_read", nth, KT_E_IO);
		(void)code_of(f, hand_over("WP01"));
		struck = kt_seam_end();
		shut += struck != NULL && strcmp(last_code(f), "IO_ERROR") == 0;
		if (strcmp(last_code(f), "OK") == 0)
			break;
	}
	assert_true(shut > 0);
	assert_ask(f, "1", JUDGED);
	expect_clean(f);
}

/* The same for an approval: it names the commit that it is about, or does not happen. */
static void an_approval_of_a_branch_that_cannot_be_read_is_none(void **state)
{
	struct fixture *f = *state;
	struct kt_json *request = reviewed("WP01", KT_STATUS_APPROVED, "claude");
	char *tip = ask(f, "git rev-parse " REF "-lane-a");
	unsigned nth = 0;

	act(f, "echo '{\"warnings\": []}'");
	kt_json_set_bool(op_of(request), "force", true);
	kt_json_set_string(op_of(request), "reason", "seen");
	do {
		kt_seam_fail("kt_store_ref_read", ++nth, KT_E_IO);
		kt_writer_submit(f->writer, request, NULL, on_outcome, f);
		finish(f);
		(void)kt_seam_end();
	} while (strcmp(last_code(f), "OK") != 0);
	assert_true(nth > 2);
	assert_ask(f, "1", "tail -1 " LOG " | grep -c '\"approved_commit\": \"%s\"'", tip);
	kt_json_free(request);
	free(tip);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_gate, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_gate_says_decides),
		TEST(nobody_is_asked_where_there_is_nothing_to_judge),
		TEST(work_without_a_lane_of_code_is_not_judged),
		TEST(a_gate_that_cannot_be_asked_is_shut),
		TEST(an_approval_of_a_branch_that_cannot_be_read_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
