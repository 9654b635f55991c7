/*
 * The moment of the commit: what others do between build and swap, and what becomes of a batch
 * whose swap failed. The branch decides; what it holds is never written twice, and what nobody can
 * know is answered as unknown.
 */
#include <errno.h>

#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"

#define BRANCH "kitty/mission-" SLUG
#define REF "refs/heads/" BRANCH
#define BRANCH_LOG REF ":kitty-specs/" SLUG "/status.events.jsonl"
#define GIT_DIR ".git/worktrees/" SLUG "-coord"
#define ID "01KSPTVW00000000000000AAAA"

static struct kt_json *note(const char *text)
{
	struct kt_json *request = kt_request_new("note"), *delta = kt_json_new_object();

	kt_json_set_string(delta, "note", text);
	(void)kt_request_add_annotation(request, "WP01", "claude", delta);
	return request;
}

static struct kt_json *with_id(struct kt_json *request)
{
	kt_json_set_string(kt_json_first(kt_json_get(request, "ops")), "event_id", ID);
	return request;
}

static struct kt_json *with_file(struct kt_json *request, const char *blob)
{
	struct kt_json *files = kt_json_new_array(), *file = kt_json_new_object();

	kt_json_set_string(file, "path", "kitty-specs/" SLUG "/notes.md");
	kt_json_set_string(file, "blob", blob);
	kt_json_append(files, file);
	kt_json_set(request, "files", files);
	return request;
}

static const char *detail(const struct fixture *f)
{
	return kt_json_get_string(kt_json_get(f->last, "error"), "detail");
}

/* Runs in the middle of a commit. */
struct intrusion {
	struct fixture *f;
	const char *command;
};

static void intrude(void *arg)
{
	const struct intrusion *intrusion = arg;

	shell(intrusion->f, "%s", intrusion->command);
}

/* The rows of the branch, in order, by their notes. */
static void expect_notes(struct fixture *f, const char *notes)
{
	assert_ask(f, notes,
		"git show " BRANCH_LOG " | sed -n 's/.*\"note\": *\"\\([a-z]*\\)\".*/\\1/p' | tr "
		"'\\n' ' '");
}

/* ---- what others do before the swap ---- */

/* Refused with that code while it was so, and the branch is what it was; accepted afterwards. */
static void expect_refused(
	struct fixture *f, const char *command, const char *repair, const char *code)
{
	struct intrusion intrusion = {f, command};
	char *before = ask(f, "git rev-parse " REF);

	kt_seam_before("kt_commit_build", 1, intrude, &intrusion);
	assert_string_equal(code_of(f, note("one")), code);
	assert_string_equal(kt_seam_end(), "kt_commit_build");
	assert_ask(f, before, "git rev-parse " REF);
	free(before);
	shell(f, "%s", repair);
	assert_string_equal(code_of(f, note("two")), "OK");
	expect_notes(f, "two ");
	expect_clean(f);
}

static void a_head_that_cannot_be_read_is_on_no_branch(void **state)
{
	expect_refused(*state, "mv " GIT_DIR "/HEAD ../HEAD", "mv ../HEAD " GIT_DIR "/HEAD",
		"BOOKKEEPING_COMMIT_FAILED");
}

static void a_head_that_was_detached_is_named_so(void **state)
{
	struct fixture *f = *state;

	expect_refused(f, "git -C " COORD " checkout -q --detach",
		"git -C " COORD " switch -q " BRANCH, "SAFE_COMMIT_HEAD_MISMATCH");
	kt_seam_before("kt_commit_build", 1, intrude,
		&(struct intrusion){f, "git -C " COORD " checkout -q --detach"});
	assert_string_equal(code_of(f, note("one")), "SAFE_COMMIT_HEAD_MISMATCH");
	assert_non_null(strstr(detail(f), "<detached>"));
}

static void a_branch_that_is_deleted_at_that_moment_is_named(void **state)
{
	struct fixture *f = *state;
	struct intrusion intrusion = {f, "git update-ref -d " REF};
	char *before = ask(f, "sha256sum " LOG);

	kt_seam_before("kt_commit_swap", 1, intrude, &intrusion);
	assert_string_equal(code_of(f, note("one")), "COORDINATION_BRANCH_DELETED");
	assert_string_equal(kt_seam_end(), "kt_commit_swap");
	assert_ask(f, "", "git branch --list " BRANCH);
	assert_ask(f, before, "sha256sum " LOG);
	free(before);
}

/* Bytes that somebody appended in the meantime stand where the row belongs: the commit counts, and
 * they are not overwritten. */
static void a_log_that_grew_in_the_meantime_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct intrusion intrusion = {f, "echo foreign >>" LOG};

	kt_seam_before("kt_commit_barrier", 1, intrude, &intrusion);
	assert_string_equal(code_of(f, note("one")), "OK");
	assert_string_equal(kt_seam_end(), "kt_commit_barrier");
	assert_non_null(strstr(kt_buffer_text(&f->notices), "the worktree lags"));
	assert_string_equal(code_of(f, note("two")), "EVENT_LOG_EDITED");
	assert_ask(f, "foreign", "tail -n 1 " LOG);
	shell(f, "git -C " COORD " restore kitty-specs/" SLUG "/status.events.jsonl");
	assert_string_equal(code_of(f, note("two")), "OK");
	expect_notes(f, "one two ");
	expect_clean(f);
}

/* ---- a swap that says it failed ---- */

/* Neither refused nor acknowledged; by its id the same request gets the truth. */
static void expect_unknown_then_once(struct fixture *f)
{
	assert_string_equal(code_of(f, with_id(note("one"))), "OUTCOME_UNKNOWN");
	assert_string_equal(kt_json_string(kt_json_first(kt_json_get(f->last, "event_ids"))), ID);
	assert_non_null(kt_seam_end());
	assert_string_equal(code_of(f, with_id(note("one"))), "OK");
	expect_notes(f, "one ");
	expect_clean(f);
}

static void a_swap_that_the_disk_did_not_confirm_is_unknown(void **state)
{
	kt_seam_fail_afterwards("kt_commit_swap", 1, KT_E_GIT_FAILED, EIO);
	expect_unknown_then_once(*state);
}

static void a_swap_that_landed_is_flushed_before_it_counts(void **state)
{
	struct fixture *f = *state;

	kt_seam_fail_afterwards("kt_commit_swap", 1, KT_E_GIT_FAILED, 0);
	assert_string_equal(code_of(f, note("zero")), "OK");
	assert_string_equal(kt_seam_end(), "kt_commit_swap");
	expect_notes(f, "zero ");
	expect_clean(f);
}

static void a_swap_that_landed_and_cannot_be_flushed_is_unknown(void **state)
{
	kt_seam_fail_afterwards("kt_commit_swap", 1, KT_E_GIT_FAILED, 0);
	kt_seam_then("kt_commit_settle", 1, KT_E_GIT_FAILED);
	expect_unknown_then_once(*state);
}

/* The ref is another's, and whether ours is below it cannot be read: building again could write
 * the row twice. */
static void a_swap_that_may_be_below_a_foreign_commit_is_unknown(void **state)
{
	struct fixture *f = *state;
	struct intrusion intrusion = {f,
		"git update-ref " REF " $(git commit-tree -p " REF " -m foreign " REF "^{tree})"};

	kt_seam_before("kt_commit_swap", 1, intrude, &intrusion);
	kt_seam_then("kt_store_is_ancestor", 1, KT_E_GIT_FAILED);
	expect_unknown_then_once(f);
}

/* It may have landed. Taken for not landed, it would be built and swapped again: two rows. */
static void a_swap_whose_ref_cannot_be_read_is_unknown(void **state)
{
	struct fixture *f = *state;

	kt_seam_fail_afterwards("kt_commit_swap", 1, KT_E_REF_MOVED, 0);
	kt_seam_then("kt_store_ref_read", 1, KT_E_IO);
	assert_string_equal(code_of(f, note("one")), "OUTCOME_UNKNOWN");
	assert_string_equal(kt_seam_end(), "kt_store_ref_read");
	expect_notes(f, "one ");
	assert_string_equal(code_of(f, note("two")), "OK");
	expect_notes(f, "one two ");
	expect_clean(f);
}

static void a_ref_that_never_stays_is_given_up(void **state)
{
	struct fixture *f = *state;
	char *before = ask(f, "git rev-parse " REF " && sha256sum " LOG);

	kt_seam_fail_from("kt_commit_swap", 1, KT_E_REF_MOVED);
	assert_string_equal(code_of(f, note("one")), "REF_MOVED");
	assert_string_equal(kt_seam_end(), "kt_commit_swap");
	assert_ask(f, before, "git rev-parse " REF " && sha256sum " LOG);
	assert_string_equal(code_of(f, note("two")), "OK");
	expect_notes(f, "two ");
	expect_clean(f);
	free(before);
}

/* A git that was killed left it: the command that meets it is refused, the next one is not. */
static void a_stale_lock_on_the_ref_is_broken_by_whom_it_stopped(void **state)
{
	struct fixture *f = *state;

	shell(f, "touch -d '1 hour ago' .git/" REF ".lock");
	kt_seam_fail("kt_commit_swap", 1, KT_E_REF_LOCKED);
	assert_string_equal(code_of(f, note("one")), "REF_LOCKED");
	assert_string_equal(kt_seam_end(), "kt_commit_swap");
	assert_ask(f, "gone", "test -e .git/" REF ".lock || echo gone");
	assert_string_equal(code_of(f, note("two")), "OK");
	expect_notes(f, "two ");
}

/* Without a limit of the caller's the default one counts. */
static void a_swap_under_a_hook_has_time(void **state)
{
	struct fixture *f = *state;
	const struct kt_writer_options options = {.repo = f->repo, .mission = f->mission};
	struct kt_error err = KT_ERROR_INIT;

	shell(f, "mkdir -p .git/hooks && printf '#!/bin/sh\nexit 0\n' "
		 ">.git/hooks/reference-transaction && chmod +x .git/hooks/reference-transaction");
	kt_writer_free(f->writer);
	f->writer = NULL;
	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_OK);
	assert_string_equal(code_of(f, note("one")), "OK");
	expect_notes(f, "one ");
	expect_clean(f);
}

/* ---- the neighbours in its batch ---- */

/* It is told of each commit, so each is swapped on its own. */
static void a_post_commit_hook_sees_every_commit(void **state)
{
	struct fixture *f = *state;

	shell(f, "mkdir -p .git/hooks && printf '#!/bin/sh\ngit log -1 --format=%%%%T "
		 ">>%%s/../seen\n' "
		 "$PWD >.git/hooks/post-commit && chmod +x .git/hooks/post-commit");
	submit(f, note("one"), NULL);
	submit(f, note("two"), NULL);
	finish(f);
	assert_int_equal(f->successes, 2);
	assert_ask(f, "same",
		"git log -2 --reverse --format=%%T " REF " | cmp - ../seen && echo same");
	expect_clean(f);
}

static void a_refused_neighbour_is_answered_once_when_the_swap_fails(void **state)
{
	struct fixture *f = *state;

	submit(f, move("WP01", KT_STATUS_APPROVED, "a"), NULL);
	kt_seam_fail("kt_commit_swap", 1, KT_E_GIT_FAILED);
	assert_string_equal(code_of(f, note("one")), "BOOKKEEPING_COMMIT_FAILED");
	assert_string_equal(kt_seam_end(), "kt_commit_swap");
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->successes, 0);
	expect_notes(f, "");
	expect_clean(f);
}

/* Requests behind a plan change wait in the queue; those before it are tried one by one. */
static void a_failed_batch_is_tried_singly_before_what_waits(void **state)
{
	struct fixture *f = *state;
	char *blob = ask(f, "echo plan | git hash-object -w --stdin");

	submit(f, move("WP01", KT_STATUS_APPROVED, "a"), NULL);
	submit(f, note("one"), NULL);
	submit(f, note("two"), NULL);
	submit(f, with_file(note("three"), blob), NULL);
	submit(f, note("four"), NULL);
	kt_seam_fail("kt_commit_swap", 1, KT_E_GIT_FAILED);
	finish(f);
	assert_string_equal(kt_seam_end(), "kt_commit_swap");
	assert_int_equal(f->answers, 5);
	assert_int_equal(f->successes, 4);
	expect_notes(f, "one two three four ");
	assert_ask(f, "plan", "cat " COORD "/kitty-specs/" SLUG "/notes.md");
	expect_clean(f);
	free(blob);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_head_that_cannot_be_read_is_on_no_branch),
		TEST(a_head_that_was_detached_is_named_so),
		TEST(a_branch_that_is_deleted_at_that_moment_is_named),
		TEST(a_log_that_grew_in_the_meantime_is_left_alone),
		TEST(a_swap_that_the_disk_did_not_confirm_is_unknown),
		TEST(a_swap_that_landed_is_flushed_before_it_counts),
		TEST(a_swap_that_landed_and_cannot_be_flushed_is_unknown),
		TEST(a_swap_that_may_be_below_a_foreign_commit_is_unknown),
		TEST(a_swap_whose_ref_cannot_be_read_is_unknown),
		TEST(a_ref_that_never_stays_is_given_up),
		TEST(a_stale_lock_on_the_ref_is_broken_by_whom_it_stopped),
		TEST(a_swap_under_a_hook_has_time),
		TEST(a_post_commit_hook_sees_every_commit),
		TEST(a_refused_neighbour_is_answered_once_when_the_swap_fails),
		TEST(a_failed_batch_is_tried_singly_before_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
