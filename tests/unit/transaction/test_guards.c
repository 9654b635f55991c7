/*
 * What admission asks beyond the request: the plan that may be missing or unreadable, who holds the
 * work, rows that are there already. What cannot be read never counts as a yes.
 */
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"

#define REF "refs/heads/kitty/mission-" SLUG
#define ID "01KSPTVW00000000000000AAAA"
#define ROWS_FOR_REVIEW \
	"git show " REF ":kitty-specs/" SLUG "/status.events.jsonl | grep -c for_review"

static struct kt_json *forced(const char *wp, enum kt_status to, const char *actor)
{
	struct kt_json *request = move(wp, to, actor);

	kt_json_set_bool(op_of(request), "force", true);
	kt_json_set_string(op_of(request), "reason", "because");
	return request;
}

static struct kt_json *note(const char *wp, const char *text)
{
	struct kt_json *request = kt_request_new("note"), *delta = kt_json_new_object();

	kt_json_set_string(delta, "note", text);
	(void)kt_request_add_annotation(request, wp, "claude", delta);
	return request;
}

static void start_work(struct fixture *f)
{
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_CLAIMED, "claude")), "OK");
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_IN_PROGRESS, "claude")), "OK");
}

/* ---- the plan ---- */

static void reopen(struct fixture *f)
{
	kt_writer_free(f->writer);
	f->writer = NULL;
	open_writer(f, true);
}

/* Refused with the reason while the plan cannot be read, by a writer that has not read it before;
 * then with code. */
static void expect_plan_needed(
	struct fixture *f, struct kt_json *request, const char *lane, const char *code)
{
	char *before = ask(f, "git rev-parse " REF " && sha256sum " LOG), *after = NULL;

	reopen(f);
	kt_seam_fail_from("kt_plan_load", 1, KT_E_GIT_FAILED);
	submit(f, kt_json_copy(request), lane);
	finish(f);
	if (kt_seam_end() == NULL)
		fail_msg("%s without a plan", kt_json_get_string(op_of(request), "to"));
	assert_string_equal(last_code(f), "GIT_FAILED");
	after = ask(f, "git rev-parse " REF " && sha256sum " LOG);
	assert_string_equal(after, before);
	free(before);
	free(after);
	submit(f, request, lane);
	finish(f);
	assert_string_equal(last_code(f), code);
}

static void a_plan_that_cannot_be_read_permits_nothing(void **state)
{
	struct fixture *f = *state;

	shell(f, "git branch -q kitty/mission-" SLUG "-lane-b");
	expect_plan_needed(f, move("WP09", KT_STATUS_PLANNED, "x"), NULL, "WP_NOT_FOUND");
	expect_plan_needed(f, move("WP01", KT_STATUS_CLAIMED, "claude"), "lane-a", "OK");
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_IN_PROGRESS, "claude")), "OK");
	expect_plan_needed(f, move("WP01", KT_STATUS_FOR_REVIEW, "claude"), NULL, "OK");
	assert_string_equal(code_of(f, move("WP02", KT_STATUS_CLAIMED, "claude")), "OK");
	assert_string_equal(code_of(f, move("WP02", KT_STATUS_IN_PROGRESS, "claude")), "OK");
	expect_plan_needed(f, reviewed("WP02", KT_STATUS_APPROVED, "claude"), NULL, "OK");
	assert_ask(f, "1",
		"tail -n 1 " LOG " | grep -c $(git rev-parse kitty/mission-" SLUG "-lane-b)");
	expect_clean(f);
}

static void commit_beside(void *arg)
{
	struct fixture *f = arg;

	shell(f, "git update-ref " REF " $(git commit-tree -p " REF " -m foreign " REF "^{tree})");
}

/* Judged once; then the branch moves, and the plan that stands there now cannot be read. */
static void a_plan_that_cannot_be_read_again_permits_nothing(void **state)
{
	struct fixture *f = *state;

	start_work(f);
	kt_seam_before("kt_commit_swap", 1, commit_beside, f);
	kt_seam_then("kt_plan_load", 1, KT_E_GIT_FAILED);
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_FOR_REVIEW, "claude")), "GIT_FAILED");
	assert_string_equal(kt_seam_end(), "kt_plan_load");
	assert_ask(f, "0", ROWS_FOR_REVIEW " || true");
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_FOR_REVIEW, "claude")), "OK");
	assert_ask(f, "1", ROWS_FOR_REVIEW);
	expect_clean(f);
}

/* No plan, no roster and no lanes: work that the log knows goes on. */
static void a_mission_without_a_plan_goes_on_with_what_its_log_knows(void **state)
{
	struct fixture *f = *state;

	start_work(f);
	shell(f, "git branch -q kitty/mission-" SLUG "-lane-a && cd " COORD "/kitty-specs/" SLUG
		 " && git rm -q lanes.json && git commit -qm 'no plan'");
	assert_string_equal(code_of(f, move("WP09", KT_STATUS_PLANNED, "x")), "WP_NOT_FOUND");
	assert_string_equal(code_of(f, reviewed("WP01", KT_STATUS_APPROVED, "claude")), "OK");
	assert_string_equal(code_of(f, move("WP02", KT_STATUS_CLAIMED, "claude")), "OK");
	assert_string_equal(code_of(f, move("WP02", KT_STATUS_IN_PROGRESS, "claude")), "OK");
	assert_string_equal(code_of(f, move("WP02", KT_STATUS_FOR_REVIEW, "claude")), "OK");
	assert_ask(f, "0", "grep -c approved_commit " LOG " || true");
	assert_ask(f, "1", "grep -c '\"to_lane\": \"approved\"' " LOG);
	expect_clean(f);
}

static void work_that_left_the_plan_has_no_subtasks(void **state)
{
	struct fixture *f = *state;

	start_work(f);
	shell(f, "cd " COORD "/kitty-specs/" SLUG
		 " && git rm -q tasks/WP01-x.md && git commit -qm 'no WP01'");
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_FOR_REVIEW, "claude")), "OK");
}

static void an_override_asks_for_no_subtask_and_no_merge(void **state)
{
	struct fixture *f = *state;

	shell(f, "cd " COORD "/kitty-specs/" SLUG " && sed -i 's/^subtasks: .*/subtasks: [T001]/' "
		 "tasks/WP01-x.md && git commit -qam subtasks");
	start_work(f);
	assert_string_equal(
		code_of(f, move("WP01", KT_STATUS_FOR_REVIEW, "claude")), "TRANSITION_REJECTED");
	assert_string_equal(code_of(f, forced("WP01", KT_STATUS_FOR_REVIEW, "claude")), "OK");
	assert_string_equal(code_of(f, forced("WP01", KT_STATUS_DONE, "claude")), "OK");
	expect_clean(f);
}

static void bring_along(struct kt_json *request, const char *name, const char *blob)
{
	struct kt_json *files = kt_json_new_array(), *file = kt_json_new_object();
	char *path = kt_format("kitty-specs/" SLUG "/%s", name);

	kt_json_set_string(file, "path", path);
	kt_json_set_string(file, "blob", blob);
	kt_json_append(files, file);
	kt_json_set(request, "files", files);
	free(path);
}

/* Work that comes with its plan is in no plan yet; files alone are a commit without a row. */
static void a_plan_comes_with_its_first_rows_or_alone(void **state)
{
	struct fixture *f = *state;
	struct kt_json *first = move("WP03", KT_STATUS_PLANNED, "x"),
		       *alone = kt_request_new("test");
	char *blob = ask(f, "sed 's/WP01/WP03/' " COORD "/kitty-specs/" SLUG
			    "/tasks/WP01-x.md | git hash-object -w --stdin");

	bring_along(first, "tasks/WP03-x.md", blob);
	assert_string_equal(code_of(f, first), "OK");
	assert_ask(f, "1", "grep -c WP03 " LOG);
	bring_along(alone, "notes.md", blob);
	kt_json_set_string(alone, "message", "chore: notes");
	assert_string_equal(code_of(f, alone), "OK");
	assert_ask(f, "chore: notes", "git log -1 --format=%%s " REF);
	assert_ask(f, "1", "git diff --name-only " REF "~1 " REF " | wc -l");
	expect_clean(f);
	free(blob);
}

#define NUMBER_SHOWN "grep -o '\"mission_number\".*' " COORD "/kitty-specs/" SLUG "/status.json"

/* A plan change that was refused leaves nothing of its meta.json in the next snapshot, also when
 * the old one cannot be read back at once. */
static void the_identity_of_a_refused_plan_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct kt_json *request = note("WP01", "plan"), *again = note("WP01", "again");
	char *blob = ask(f, "sed 's/\"mission_number\": null/\"mission_number\": \"042\"/' " COORD
			    "/kitty-specs/" SLUG "/meta.json | git hash-object -w --stdin");

	bring_along(request, "meta.json", blob);
	kt_seam_fail("kt_commit_swap", 1, KT_E_GIT_FAILED);
	kt_seam_then("kt_identity_load", 1, KT_E_GIT_FAILED);
	assert_string_equal(code_of(f, request), "BOOKKEEPING_COMMIT_FAILED");
	assert_string_equal(kt_seam_end(), "kt_identity_load");
	assert_string_equal(code_of(f, note("WP01", "next")), "OK");
	assert_ask(f, "\"mission_number\": \"\",", NUMBER_SHOWN);
	bring_along(again, "meta.json", blob);
	assert_string_equal(code_of(f, again), "OK");
	assert_ask(f, "\"mission_number\": \"42\",", NUMBER_SHOWN);
	expect_clean(f);
	free(blob);
}

/* ---- who holds it ---- */

static void whoever_claimed_it_holds_it_until_it_is_claimed_anew(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(code_of(f, move("WP01", KT_STATUS_CLAIMED, "claude")), "OK");
	assert_string_equal(code_of(f, forced("WP01", KT_STATUS_IN_PROGRESS, "unknown")), "OK");
	assert_string_equal(
		code_of(f, move("WP01", KT_STATUS_FOR_REVIEW, "codex")), "WP_ALREADY_CLAIMED");
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_FOR_REVIEW, "claude")), "OK");
	/* Taken up by nobody and claimed by nobody. */
	assert_string_equal(code_of(f, forced("WP02", KT_STATUS_BLOCKED, "x")), "OK");
	assert_string_equal(code_of(f, forced("WP02", KT_STATUS_IN_PROGRESS, "unknown")), "OK");
	assert_string_equal(code_of(f, move("WP02", KT_STATUS_FOR_REVIEW, "codex")), "OK");
	expect_clean(f);
}

/* ---- rows ---- */

static void a_mission_without_an_id_has_rows_without_one(void **state)
{
	struct fixture *f = *state;

	f->mission->mission_id[0] = '\0';
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_CLAIMED, "claude")), "OK");
	assert_ask(f, "2", "grep -c '\"mission_id\": \"01KSPTVW000000000000000000\"' " LOG);
	assert_ask(f, "0", "grep '\"to_lane\": \"claimed\"' " LOG " | grep -c mission_id || true");
	expect_clean(f);
}

/* Another program's last row may lack its newline: it gets one, once, with the first new row. */
static void a_foreign_row_without_a_newline_is_ended(void **state)
{
	struct fixture *f = *state;
	struct kt_json *both = note("WP01", "one"), *delta = kt_json_new_object();
	char *before = NULL;

	kt_json_set_string(delta, "note", "two");
	(void)kt_request_add_annotation(both, "WP02", "claude", delta);
	shell(f, "truncate -s -1 " LOG " && git -C " COORD " commit -qam 'no newline'");
	before = ask(f, "git rev-parse " REF " && sha256sum " LOG);
	reopen(f);
	/* The first one reads the log, the second one ends its last row. */
	kt_seam_fail("kt_reducer_feed", 2, KT_E_EVENT_INVALID);
	submit(f, kt_json_copy(both), NULL);
	finish(f);
	assert_string_equal(kt_seam_end(), "kt_reducer_feed");
	assert_string_equal(last_code(f), "EVENT_INVALID");
	assert_ask(f, before, "git rev-parse " REF " && sha256sum " LOG);
	assert_string_equal(code_of(f, both), "OK");
	assert_ask(f, "4", "wc -l <" LOG);
	assert_ask(f, "4", "grep -c '^{.*}$' " LOG);
	reopen(f);
	assert_string_equal(code_of(f, note("WP01", "three")), "OK");
	expect_clean(f);
	free(before);
}

/* One op is committed already, the other one needs no row: there is nothing left to do. */
static void what_is_committed_beside_what_needs_no_row_is_no_conflict(void **state)
{
	struct fixture *f = *state;
	struct kt_json *both = note("WP01", "one"), *op = NULL;
	struct kt_json *first = note("WP01", "one");
	char *before = NULL;

	kt_json_set_string(op_of(first), "event_id", ID);
	kt_json_set_string(op_of(both), "event_id", ID);
	op = kt_request_add_move(both, "WP02", KT_STATUS_PLANNED, "a");
	kt_json_set_bool(op, "if_needed", true);
	assert_string_equal(code_of(f, first), "OK");
	before = ask(f, "git rev-parse " REF " && sha256sum " LOG);
	assert_string_equal(code_of(f, both), "OK");
	assert_true(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
	assert_ask(f, before, "git rev-parse " REF " && sha256sum " LOG);
	free(before);
}

/* There is nobody to name: the id belongs to a row of another work package. */
static void a_conflict_over_unknown_work_names_no_holder(void **state)
{
	struct fixture *f = *state;
	struct kt_json *first = note("WP01", "one"), *second = note("WP09", "one");

	kt_json_set_string(op_of(first), "event_id", ID);
	kt_json_set_string(op_of(second), "event_id", ID);
	assert_string_equal(code_of(f, first), "OK");
	assert_string_equal(code_of(f, second), "EVENT_ID_CONFLICT");
	assert_null(kt_json_get(f->last, "holder"));
	assert_null(kt_json_get(f->last, "observed"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_plan_that_cannot_be_read_permits_nothing),
		TEST(a_plan_that_cannot_be_read_again_permits_nothing),
		TEST(a_mission_without_a_plan_goes_on_with_what_its_log_knows),
		TEST(work_that_left_the_plan_has_no_subtasks),
		TEST(an_override_asks_for_no_subtask_and_no_merge),
		TEST(a_plan_comes_with_its_first_rows_or_alone),
		TEST(the_identity_of_a_refused_plan_is_forgotten),
		TEST(whoever_claimed_it_holds_it_until_it_is_claimed_anew),
		TEST(a_mission_without_an_id_has_rows_without_one),
		TEST(a_foreign_row_without_a_newline_is_ended),
		TEST(what_is_committed_beside_what_needs_no_row_is_no_conflict),
		TEST(a_conflict_over_unknown_work_names_no_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
