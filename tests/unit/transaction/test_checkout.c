/*
 * A log in somebody's own checkout: kitty writes its rows and plan files there and nothing else.
 * What it does not know it leaves alone, what it replaces it keeps.
 */
#include "unit/transaction/seams.h"
#include "unit/transaction/uncoordinated.h"

#define ROWS FOLDER "/status.events.jsonl"
#define QUARANTINE ".git/kitty/" SLUG "/quarantine"

static int setup_single(void **state)
{
	return setup_uncoordinated(state, ",\\n  \"topology\": \"single_branch\"");
}

static struct kt_json *note(const char *text)
{
	struct kt_json *request = kt_request_new("note"), *delta = kt_json_new_object();

	kt_json_set_string(delta, "note", text);
	(void)kt_request_add_annotation(request, "WP01", "claude", delta);
	return request;
}

/* Takes the content of a file that the request brings along. */
static void add_file(struct fixture *f, struct kt_json *request, const char *name, const char *text)
{
	struct kt_json *file = kt_json_new_object();
	char *blob = ask(f, "printf '%s' | git hash-object -w --stdin", text);
	char *path = kt_format(FOLDER "/%s", name);

	if (kt_json_get(request, "files") == NULL)
		kt_json_set(request, "files", kt_json_new_array());
	kt_json_set_string(file, "path", path);
	kt_json_set_string(file, "blob", blob);
	kt_json_append(kt_json_get(request, "files"), file);
	free(blob);
	free(path);
}

static const char *next_step(const struct fixture *f)
{
	return kt_json_get_string(kt_json_get(f->last, "error"), "next_step");
}

/* Rows and index are the branch's; nothing else of the checkout differs either. */
static void expect_even(struct fixture *f)
{
	assert_ask(f, "", "git status --porcelain --untracked-files=no");
	assert_ask(f, "same", "git show HEAD:" ROWS " | cmp -s - " ROWS " && echo same");
}

static void a_branch_without_a_commit_is_not_there(void **state)
{
	struct fixture *f = *state;
	char *before = ask(f, "git for-each-ref && sha256sum " ROWS);

	shell(f, "git symbolic-ref HEAD refs/heads/unborn");
	assert_string_equal(code_of(f, note("one")), "BOOKKEEPING_POLICY_REFUSED");
	assert_string_equal(kt_json_get_string(kt_json_get(f->last, "refusal"), "error_code"),
		"DESTINATION_REF_NOT_FOUND");
	assert_ask(f, before, "git for-each-ref && sha256sum " ROWS);
	free(before);
}

static void delete_branch(void *arg)
{
	struct fixture *f = arg;

	shell(f, "git update-ref -d refs/heads/work");
}

/* The gate has let it pass; it is gone when it is read. */
static void a_branch_that_is_deleted_meanwhile_is_not_there(void **state)
{
	struct fixture *f = *state;
	char *before = ask(f, "sha256sum " ROWS);

	kt_seam_before("kt_store_ref_read", 2, delete_branch, f);
	assert_string_equal(code_of(f, note("one")), "DESTINATION_REF_NOT_FOUND");
	assert_string_equal(kt_seam_end(), "kt_store_ref_read");
	assert_ask(f, "", "git branch --list work");
	assert_ask(f, before, "sha256sum " ROWS);
	free(before);
}

/* In kitty's own worktree it would be made anew; here it holds what somebody staged. */
static void an_index_that_cannot_be_read_is_left_alone(void **state)
{
	struct fixture *f = *state;
	char *before = ask(f, "sha256sum .git/index && git rev-parse HEAD");

	kt_seam_fail("kt_index_matches", 1, KT_E_GIT_FAILED);
	assert_string_equal(code_of(f, note("one")), "GIT_FAILED");
	assert_string_equal(kt_seam_end(), "kt_index_matches");
	assert_ask(f, before, "sha256sum .git/index && git rev-parse HEAD");
	assert_null(strstr(kt_buffer_text(&f->notices), "made anew"));
	assert_string_equal(code_of(f, note("one")), "OK");
	expect_even(f);
	free(before);
}

static void rows_that_were_never_committed_are_theirs_to_commit(void **state)
{
	struct fixture *f = *state;
	char *before = ask(f, "sha256sum " ROWS);

	shell(f, "git rm -q --cached " ROWS " && git commit -qm 'no log'");
	assert_string_equal(code_of(f, note("one")), "EVENT_LOG_EDITED");
	assert_non_null(strstr(next_step(f), "add -- " ROWS));
	assert_ask(f, before, "sha256sum " ROWS);
	shell(f, "git add " ROWS " && git commit -qm log");
	assert_string_equal(code_of(f, note("one")), "OK");
	expect_even(f);
	free(before);
}

static void an_edited_snapshot_is_kept(void **state)
{
	struct fixture *f = *state;

	shell(f, "echo mine >" FOLDER "/status.json && rm -rf " QUARANTINE);
	assert_string_equal(code_of(f, note("one")), "OK");
	assert_ask(f, "mine", "cat " QUARANTINE "/*");
	expect_even(f);
	shell(f, ": >" FOLDER "/status.json && rm -rf " QUARANTINE);
	assert_string_equal(code_of(f, note("two")), "OK");
	assert_ask(f, "", "ls " QUARANTINE " 2>/dev/null || true");
	expect_even(f);
}

/* What stood where a plan file goes is kept when it differs; a refused neighbour brings nothing. */
static void plan_files_replace_what_stood_there_and_keep_it(void **state)
{
	struct fixture *f = *state;
	struct kt_json *refused = move("WP01", KT_STATUS_APPROVED, "a"), *plan = note("plan");

	shell(f, "cd " FOLDER " && printf same >a.md && printf old1 >b.md && printf older >c.md && "
		 ": >d.md && rm -rf ../../" QUARANTINE);
	add_file(f, plan, "a.md", "same");
	add_file(f, plan, "b.md", "new1");
	add_file(f, plan, "c.md", "new1");
	add_file(f, plan, "d.md", "new1");
	add_file(f, plan, "e.md", "new1");
	submit(f, refused, NULL);
	assert_string_equal(code_of(f, plan), "OK");
	assert_int_equal(f->successes, 1);
	assert_ask(f, "samenew1new1new1new1", "cd " FOLDER " && cat a.md b.md c.md d.md e.md");
	assert_ask(f, "old1older", "cat " QUARANTINE "/*-b.md " QUARANTINE "/*-c.md");
	assert_ask(f, "2", "ls " QUARANTINE " | wc -l");
	expect_even(f);
}

static void nothing(void *arg)
{
	(void)arg;
}

/* Committed all the same: said, and what stood there is as it was. */
static void a_plan_file_that_cannot_be_written_lags(void **state)
{
	static const char *const calls[] = {"kt_store_blob_read", "kt_file_write_atomic"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		struct kt_json *plan = note("plan");
		char *text = kt_format("new %zu", i);

		shell(f, "printf old >" FOLDER "/b.md");
		add_file(f, plan, "b.md", text);
		add_file(f, plan, "c.md", text);
		kt_buffer_clear(&f->notices);
		kt_seam_before("kt_commit_swap", 1, nothing, NULL);
		/* The first two files that are written are quarantine and snapshot. */
		kt_seam_then(calls[i], i == 0 ? 1 : 3, KT_E_NO_SPACE);
		assert_string_equal(code_of(f, plan), "OK");
		assert_string_equal(kt_seam_end(), calls[i]);
		assert_non_null(strstr(kt_buffer_text(&f->notices), "the worktree lags"));
		assert_ask(f, "old", "cat " FOLDER "/b.md");
		assert_ask(f, text, "git show HEAD:" FOLDER "/b.md");
		assert_string_equal(code_of(f, note("next")), "OK");
		shell(f, "git show HEAD:" ROWS " | cmp - " ROWS);
		assert_ask(f, "old", "cat " FOLDER "/b.md");
		shell(f, "git checkout -q HEAD -- " FOLDER);
		expect_even(f);
		free(text);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_single, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_branch_without_a_commit_is_not_there),
		TEST(a_branch_that_is_deleted_meanwhile_is_not_there),
		TEST(an_index_that_cannot_be_read_is_left_alone),
		TEST(rows_that_were_never_committed_are_theirs_to_commit),
		TEST(an_edited_snapshot_is_kept),
		TEST(plan_files_replace_what_stood_there_and_keep_it),
		TEST(a_plan_file_that_cannot_be_written_lags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
