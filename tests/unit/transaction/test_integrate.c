/*
 * A lane's merge inside the transaction, with a helper whose answers are the test's: done and the
 * merge are one commit, or nothing.
 */
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"
#include "unit/transaction/uncoordinated.h"

#define REF "kitty/mission-" SLUG
#define LANE "kitty/mission-" SLUG "-lane-a"
#define OTHER_OID "0123456789012345678901234567890123456789"

/* The helper prints what stands in ../answer, as soon as ../go can be read. */
static int setup_lane(void **state)
{
	struct fixture *f = NULL;

	if (setup(state) != 0)
		return -1;
	f = *state;
	stand_in(f, "helper");
	shell(f,
		"printf '#!/bin/sh\\ncat ../go ../answer\\n' >../helper && chmod +x ../helper && "
		": >../go && git branch -q " LANE " && git worktree add -q ../lane " LANE
		" && cd ../lane && echo work >work.txt && git add work.txt && git commit -qm work");
	kt_writer_free(f->writer);
	open_writer(f, false);
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_CLAIMED, "codex")), "OK");
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_IN_PROGRESS, "codex")), "OK");
	assert_string_equal(code_of(f, reviewed("WP01", KT_STATUS_APPROVED, "codex")), "OK");
	return 0;
}

static char *lane_tip(struct fixture *f)
{
	return ask(f, "git rev-parse " LANE);
}

/* WP01 done with its lane; commit NULL: there is nothing to merge. */
static struct kt_json *integration(const char *wp, const char *lane, const char *commit)
{
	struct kt_json *request = reviewed(wp, KT_STATUS_DONE, "codex"),
		       *wish = kt_json_new_object();

	if (lane != NULL)
		kt_json_set_string(wish, "lane", lane);
	if (commit != NULL)
		kt_json_set_string(wish, "commit", commit);
	kt_json_set(request, "integrate", wish);
	return request;
}

/* The truth, as the real helper would give it. */
static void answer_well(struct fixture *f, const char *before, const char *more)
{
	shell(f,
		"tree=$(git merge-tree --write-tree " REF " " LANE ") && printf '%s{\"tree\": "
		"\"%%s\", \"merged\": \"%%s\"%s}\\n' \"$tree\" \"$(git rev-parse " LANE
		")\" >../answer",
		before, more);
}

static void answer_with(struct fixture *f, const char *text)
{
	char *path = kt_path_join(f->box->root, "answer");
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(
		kt_file_write_atomic(path, text, strlen(text), 0644, false, &err), KT_E_OK);
	free(path);
}

static void done_and_the_merge_are_one_commit(void **state)
{
	struct fixture *f = *state;
	char *tip = lane_tip(f), *line = NULL;
	struct kt_json *request = integration("WP01", "lane-a", tip);

	kt_json_set_string(op_of(request), "event_id", "01KSPTVW00000000000000DNNE");
	kt_json_set_string(kt_json_get(request, "integrate"), "resolution", tip);
	answer_well(f, "a warning {of git}\\n{and half an answer\\n", "");
	kt_writer_submit(f->writer, request, NULL, on_outcome, f);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	line = ask(f, "git log -1 --format=%%P " REF " | cut -d' ' -f2");
	assert_string_equal(line, tip);
	assert_ask(f, "work", "git show " REF ":work.txt");
	assert_ask(
		f, "1", "git show " REF ":kitty-specs/" SLUG "/status.events.jsonl | grep -c DNNE");
	/* Again by its id, and again without one: no second merge. */
	answer_with(f, "{}");
	kt_writer_submit(f->writer, request, NULL, on_outcome, f);
	finish(f);
	assert_true(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
	assert_string_not_equal(code_of(f, integration("WP01", "lane-a", tip)), "GIT_FAILED");
	expect_clean(f);
	kt_json_free(request);
	free(line);
	free(tip);
}

/* Of the target: it moves no work package. */
static void a_merge_alone_is_a_commit_without_a_row(void **state)
{
	struct fixture *f = *state;
	char *tip = lane_tip(f), *line = NULL;
	char *before = ask(f, "git rev-parse " REF ":kitty-specs/" SLUG "/status.events.jsonl");
	struct kt_json *request = kt_request_new("test"), *wish = kt_json_new_object();
	struct kt_json *again = NULL;

	kt_json_set_string(wish, "commit", tip);
	kt_json_set(request, "integrate", wish);
	again = kt_json_copy(request);
	answer_well(f, "", "");
	assert_string_equal(code_of(f, request), "OK");
	line = ask(f, "git log -1 --format=%%P " REF " | cut -d' ' -f2");
	assert_string_equal(line, tip);
	assert_ask(f, "work", "git show " REF ":work.txt");
	assert_ask(f, before, "git rev-parse " REF ":kitty-specs/" SLUG "/status.events.jsonl");
	/* Contained by now: nothing is left to do. */
	free(before);
	before = ask(f, "git rev-parse " REF);
	answer_well(f, "", ", \"contained\": true");
	assert_string_equal(code_of(f, again), "OK");
	assert_true(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
	assert_ask(f, before, "git rev-parse " REF);
	expect_clean(f);
	free(before);
	free(line);
	free(tip);
}

static void what_is_contained_already_is_a_plain_row(void **state)
{
	struct fixture *f = *state;
	char *tip = lane_tip(f);

	answer_well(f, "", ", \"contained\": true");
	assert_string_equal(code_of(f, integration("WP01", "lane-a", tip)), "OK");
	assert_ask(f, "1", "git log -1 --format=%%P " REF " | wc -w");
	expect_clean(f);
	free(tip);
}

static void a_helper_without_an_answer_changes_nothing(void **state)
{
	static const struct {
		const char *answer, *code;
	} rows[] = {
		{"", "GIT_FAILED"},
		{"not {an answer", "GIT_FAILED"},
		{"{}", "GIT_FAILED"},
		{"{\"tree\": \"x\", \"merged\": \"" OTHER_OID "\"}", "GIT_FAILED"},
		{"{\"tree\": \"" OTHER_OID "\", \"merged\": \"x\"}", "GIT_FAILED"},
		{"{\"error\": {\"code\": \"MERGE_CONFLICT\"}}", NULL},
		{"{\"error\": {\"code\": \"MERGE_CONFLICT\"}, \"conflict\": {\"files\": []}}",
			NULL},
	};
	struct fixture *f = *state;
	char *tip = lane_tip(f), *before = ask(f, "git rev-parse " REF);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		answer_with(f, rows[i].answer);
		assert_string_not_equal(code_of(f, integration("WP01", "lane-a", tip)), "OK");
		if (rows[i].code != NULL)
			assert_string_equal(last_code(f), rows[i].code);
		assert_int_equal(kt_json_get(f->last, "conflict") != NULL,
			strstr(rows[i].answer, "conflict") != NULL);
		assert_ask(f, before, "git rev-parse " REF);
	}
	expect_clean(f);
	free(before);
	free(tip);
}

static void a_helper_that_cannot_start_is_a_refusal(void **state)
{
	struct fixture *f = *state;
	char *tip = lane_tip(f);

	kt_seam_fail("kt_child_start", 1, KT_E_SPAWN_FAILED);
	submit(f, integration("WP01", "lane-a", tip), NULL);
	finish(f);
	assert_string_equal(kt_seam_end(), "kt_child_start");
	assert_string_equal(last_code(f), "SPAWN_FAILED");
	kt_writer_free(f->writer);
	open_writer(f, false);
	kt_seam_fail("kt_plan_load", 1, KT_E_GIT_FAILED);
	submit(f, integration("WP01", "lane-a", tip), NULL);
	finish(f);
	assert_string_equal(kt_seam_end(), "kt_plan_load");
	assert_string_equal(last_code(f), "GIT_FAILED");
	free(tip);
}

static void only_what_was_approved_is_integrated(void **state)
{
	struct fixture *f = *state;
	char *tip = lane_tip(f);
	struct kt_json *target = kt_request_new("merge"), *wish = kt_json_new_object();

	answer_well(f, "", "");
	assert_string_equal(
		code_of(f, integration("WP01", "lane-a", OTHER_OID)), "STATUS_CONFLICT");
	assert_string_equal(code_of(f, integration("WP02", "lane-a", tip)), "LANE_FOREIGN_WP");
	assert_string_equal(code_of(f, integration("WP09", "lane-a", tip)), "LANE_FOREIGN_WP");
	kt_json_set_string(wish, "commit", tip);
	kt_json_set(target, "integrate", wish);
	kt_writer_submit(f->writer, target, "lane-a", on_outcome, f);
	finish(f);
	assert_string_equal(last_code(f), "LANE_FOREIGN_WP");
	/* Not approved: the move itself is refused, and nothing is merged. */
	assert_string_not_equal(code_of(f, integration("WP02", "lane-b", tip)), "OK");
	assert_ask(f, "0", "git ls-tree -r --name-only " REF " | grep -c work.txt || true");
	/* The target comes in without a row. */
	assert_string_equal(code_of(f, target), "OK");
	assert_ask(f, "2", "git log -1 --format=%%P " REF " | wc -w");
	assert_ask(f, "work.txt", "git diff --name-only " REF "~1 " REF);
	expect_clean(f);
	free(tip);
}

/* Rows of spec-kitty name no commit, or none that is one: then any commit of the lane will do. */
static void an_approval_that_names_no_commit_binds_nobody(void **state)
{
	static const char *const edits[] = {"s/approved_commit/approved_by/",
		"s/\"approved_commit\": \"[0-9a-f]*\"/\"approved_commit\": \"soon\"/"};
	struct fixture *f = *state;
	char *first = ask(f, "git rev-parse " REF);

	for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		kt_writer_free(f->writer);
		shell(f,
			"rm -rf .git/kitty/" SLUG "/synced && git -C " COORD
			" reset -q --hard %s && cd " COORD " && sed -i '$ %s' kitty-specs/" SLUG
			"/status.events.jsonl && git commit -qam 'by hand'",
			first, edits[i]);
		open_writer(f, false);
		answer_with(f, "{}");
		/* Past the check of the wish: it is the helper that has no answer. */
		assert_string_equal(
			code_of(f, integration("WP01", "lane-a", OTHER_OID)), "GIT_FAILED");
	}
	free(first);
}

static struct kt_json *note(void)
{
	struct kt_json *request = kt_request_new("note"), *delta = kt_json_new_object();

	kt_json_set_string(delta, "note", "beside");
	(void)kt_request_add_annotation(request, "WP02", "claude", delta);
	return request;
}

static void an_integration_is_a_batch_of_its_own(void **state)
{
	struct fixture *f = *state;
	char *tip = lane_tip(f);

	answer_well(f, "", "");
	f->successes = 0;
	submit(f, kt_request_new("bad"), NULL);
	submit(f, note(), NULL);
	submit(f, integration("WP01", "lane-a", tip), NULL);
	submit(f, note(), NULL);
	finish(f);
	assert_int_equal(f->successes, 3);
	assert_ask(f, "1 2 1",
		"echo $(git log -3 --first-parent --format=%%P " REF
		" | while read -r parents; do set -- $parents; echo $#; done)");
	expect_clean(f);
	free(tip);
}

static void planning_work_is_done_without_a_merge(void **state)
{
	struct fixture *f = *state;

	answer_with(f, "");
	assert_string_equal(code_of(f, integration("WP01", "lane-a", NULL)), "OK");
	assert_ask(f, "1", "git log -1 --format=%%P " REF " | wc -w");
}

/* Turned while the helper works: it waits, and nothing is decided. */
static void a_merge_that_takes_its_time_is_waited_for(void **state)
{
	struct fixture *f = *state;
	char *tip = lane_tip(f);
	struct kt_wait wait = {-1, -1};

	answer_well(f, "", "");
	shell(f, "rm ../go && mkfifo ../go");
	submit(f, integration("WP01", "lane-a", tip), NULL);
	f->answers = 0;
	for (int i = 0; i < 3; i++)
		assert_false(kt_writer_turn(f->writer, &wait));
	assert_true(wait.fd >= 0 && wait.deadline_ms > 0);
	assert_int_equal(f->answers, 0);
	shell(f, ": >../go");
	finish(f);
	assert_string_equal(last_code(f), "OK");
	expect_clean(f);
	free(tip);
}

static int setup_single(void **state)
{
	return setup_uncoordinated(state, ",\\n  \"topology\": \"single_branch\"");
}

/* Without a coordination branch done says that the target has the lane's work. Work of no lane is
 * nowhere to be looked for. */
static void work_of_no_lane_is_never_done_by_itself(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(code_of(f, move("WP02", KT_STATUS_CLAIMED, "codex")), "OK");
	assert_string_equal(code_of(f, move("WP02", KT_STATUS_IN_PROGRESS, "codex")), "OK");
	assert_string_equal(code_of(f, reviewed("WP02", KT_STATUS_APPROVED, "codex")), "OK");
	shell(f, "sed -i 's/\"WP02\"/\"WP09\"/' " FOLDER "/lanes.json && git commit -qam lanes");
	assert_string_equal(
		code_of(f, reviewed("WP02", KT_STATUS_DONE, "codex")), "TRANSITION_REJECTED");
	assert_ask(
		f, "0", "grep -c '\"to_lane\": \"done\"' " FOLDER "/status.events.jsonl || true");
	/* Back in its lane, whose work the target has: there is none. */
	shell(f, "git checkout -q HEAD~1 " FOLDER "/lanes.json && git commit -qam back");
	assert_string_equal(code_of(f, reviewed("WP02", KT_STATUS_DONE, "codex")), "OK");
	assert_ask(f, "1", "grep -c '\"to_lane\": \"done\"' " FOLDER "/status.events.jsonl");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_lane, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(done_and_the_merge_are_one_commit),
		TEST(a_merge_alone_is_a_commit_without_a_row),
		TEST(what_is_contained_already_is_a_plain_row),
		TEST(a_helper_without_an_answer_changes_nothing),
		TEST(a_helper_that_cannot_start_is_a_refusal),
		TEST(only_what_was_approved_is_integrated),
		TEST(an_approval_that_names_no_commit_binds_nobody),
		TEST(an_integration_is_a_batch_of_its_own),
		TEST(planning_work_is_done_without_a_merge),
		TEST(a_merge_that_takes_its_time_is_waited_for),
		cmocka_unit_test_setup_teardown(
			work_of_no_lane_is_never_done_by_itself, setup_single, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
