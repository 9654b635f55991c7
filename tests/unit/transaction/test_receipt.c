/*
 * Receipts of what was committed before: found again in the history, the same one every time, or an
 * error; never a second commit.
 */
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"
#include "unit/transaction/uncoordinated.h"

#define REF "kitty/mission-" SLUG
#define ID "01KSPTVW00000000000000RCPT"

static struct kt_json *note(const char *wp, const char *id)
{
	struct kt_json *request = kt_request_new("note"), *delta = kt_json_new_object();
	struct kt_json *op = NULL;

	kt_json_set_string(delta, "note", "once");
	op = kt_request_add_annotation(request, wp, "claude", delta);
	if (id != NULL)
		kt_json_set_string(op, "event_id", id);
	return request;
}

static const char *receipt_text(const struct fixture *f, const char *name)
{
	return kt_json_get_string(kt_json_get(f->last, "receipt"), name);
}

/* The repeat's receipt is the one of that commit, and no commit came of it. */
static void expect_repeat(struct fixture *f, const char *branch, const char *commit)
{
	char *before = ask(f, "git rev-parse %s", branch);

	assert_string_equal(code_of(f, note("WP01", ID)), "OK");
	assert_true(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
	assert_string_equal(receipt_text(f, "commit_sha"), commit);
	assert_ask(f, receipt_text(f, "committed_at"),
		"TZ=UTC git log -1 --date=format-local:%%Y-%%m-%%dT%%H:%%M:%%S+00:00 --format=%%cd "
		"%s",
		commit);
	assert_ask(f, kt_json_get_string(f->last, "message"), "git log -1 --format=%%s %s", commit);
	assert_ask(f, before, "git rev-parse %s", branch);
	free(before);
}

/* Each call of the repeat fails once: it is an error then, or the same receipt. */
static void fail_everywhere(struct fixture *f, const char *branch, const char *commit)
{
	const char *struck = "";
	unsigned refused = 0;

	for (unsigned nth = 1; struck != NULL; nth++) {
		kt_seam_fail(NULL, nth, KT_E_GIT_FAILED);
		(void)code_of(f, note("WP01", ID));
		struck = kt_seam_end();
		if (receipt_text(f, "commit_sha") == NULL)
			refused++;
		else
			assert_string_equal(receipt_text(f, "commit_sha"), commit);
		expect_repeat(f, branch, commit);
	}
	assert_true(refused > 3);
}

static char *commit_old_row(struct fixture *f)
{
	assert_string_equal(code_of(f, note("WP01", ID)), "OK");
	return kt_strdup(receipt_text(f, "commit_sha"));
}

static void a_repeat_is_found_wherever_it_is_in_the_history(void **state)
{
	struct fixture *f = *state;
	char *commit = commit_old_row(f);

	for (int later = 0; later < 5; later++) {
		expect_repeat(f, REF, commit);
		assert_string_equal(code_of(f, note("WP02", NULL)), "OK");
	}
	fail_everywhere(f, REF, commit);
	expect_clean(f);
	free(commit);
}

/* Somebody's branch: their commits before it, between and after. */
static void a_repeat_is_found_between_the_commits_of_others(void **state)
{
	struct fixture *f = *state;
	char *commit = commit_old_row(f);

	expect_repeat(f, "work", commit);
	shell(f, "git commit -q --allow-empty -m theirs");
	assert_string_equal(code_of(f, note("WP02", NULL)), "OK");
	expect_repeat(f, "work", commit);
	fail_everywhere(f, "work", commit);
	free(commit);
}

/* A branch without what came before: its root holds the row. */
static void a_repeat_may_be_in_the_first_commit_of_all(void **state)
{
	struct fixture *f = *state;
	char *root = NULL;

	free(commit_old_row(f));
	kt_writer_free(f->writer);
	shell(f, "git checkout -q --orphan alone && git commit -qm root");
	open_writer(f, false);
	root = ask(f, "git rev-parse alone");
	expect_repeat(f, "alone", root);
	shell(f, "git commit -q --allow-empty -m theirs");
	expect_repeat(f, "alone", root);
	free(root);
}

/* All that it asks for is the case already: the tip proves it. */
static void what_is_not_needed_is_answered_from_the_tip(void **state)
{
	struct fixture *f = *state;
	char *tip = ask(f, "git rev-parse " REF);
	struct kt_json *request = move("WP01", KT_STATUS_PLANNED, "finalize-tasks");

	kt_json_set_bool(kt_json_first(kt_json_get(request, "ops")), "if_needed", true);
	kt_seam_fail("kt_store_commit_read", 1, KT_E_GIT_FAILED);
	kt_writer_submit(f->writer, request, NULL, on_outcome, f);
	finish(f);
	assert_string_equal(kt_seam_end(), "kt_store_commit_read");
	assert_string_equal(last_code(f), "GIT_FAILED");
	assert_string_equal(code_of(f, request), "OK");
	assert_true(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
	assert_string_equal(receipt_text(f, "commit_sha"), tip);
	assert_ask(f, tip, "git rev-parse " REF);
	free(tip);
}

static int setup_single(void **state)
{
	return setup_uncoordinated(state, ",\\n  \"topology\": \"single_branch\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_CHECKOUT(name) cmocka_unit_test_setup_teardown(name, setup_single, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_repeat_is_found_wherever_it_is_in_the_history),
		TEST(what_is_not_needed_is_answered_from_the_tip),
		TEST_CHECKOUT(a_repeat_is_found_between_the_commits_of_others),
		TEST_CHECKOUT(a_repeat_may_be_in_the_first_commit_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
