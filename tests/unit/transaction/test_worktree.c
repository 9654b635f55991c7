/*
 * The coordination worktree before and after a transaction: who makes it when it is missing, what
 * is said when nobody can, and a worktree that cannot be brought to the tip. The helper is one of
 * the test's.
 */
#include "unit/transaction/fake_git.h"
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"
#include "unit/transaction/uncoordinated.h"

#define REF "kitty/mission-" SLUG
#define RUN_DIR ".git/kitty/" SLUG
#define REMADE "the coordination worktree was missing"

/* What prints more than a child of the writer may, and stays: asked to stop, it obeys. */
#define LOUD "yes | head -c 17000000; exec sleep 1000"
/* The real one. */
#define REAL KITTY_BINARY_DIR "/kitty \"$@\""

/* The helper does what stands in ../act. */
static int setup_helper(void **state)
{
	struct fixture *f = NULL;

	if (setup(state) != 0)
		return -1;
	f = *state;
	stand_in(f, "helper");
	shell(f, "printf '#!/bin/sh\\n. %s/act\\n' >../helper && chmod +x ../helper", f->box->root);
	kt_writer_free(f->writer);
	open_writer(f, false);
	return 0;
}

static void act(struct fixture *f, const char *what)
{
	write_file(f, "../act", what);
}

static const char *claim(struct fixture *f, const char *wp)
{
	kt_buffer_clear(&f->notices);
	submit(f, move(wp, KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	return last_code(f);
}

static const char *detail(const struct fixture *f)
{
	return kt_json_get_string(kt_json_get(f->last, "error"), "detail");
}

/* Refused with that code, and the branch is as it was. */
static void expect_refused(struct fixture *f, const char *code)
{
	char *before = ask(f, "git rev-parse " REF);

	assert_string_equal(claim(f, "WP01"), code);
	assert_ask(f, before, "git rev-parse " REF);
	free(before);
}

/* The same when the nth of these calls fails with that code. */
static void expect_refused_after(
	struct fixture *f, const char *call, unsigned nth, enum kt_code code)
{
	char *before = ask(f, "git rev-parse " REF);

	kt_seam_fail(call, nth, code);
	assert_string_equal(claim(f, "WP01"), kt_error_text(code));
	assert_string_equal(kt_seam_end(), call);
	assert_ask(f, before, "git rev-parse " REF);
	free(before);
}

/* ---- the helper that makes it ---- */

static void what_the_helper_could_not_do_is_the_answer(void **state)
{
	static const struct {
		const char *act, *code, *detail;
	} rows[] = {
		{"echo '{\"error\": {\"code\": \"NO_SPACE\", \"detail\": \"full\"}}'; exit 1",
			"NO_SPACE", "full"},
		{"echo no idea; exit 1", "BOOKKEEPING_WORKTREE_MISSING", "no idea"},
		{"echo '{\"receipt\": {}}'; exit 1", "BOOKKEEPING_WORKTREE_MISSING", "receipt"},
		{"echo dying; kill -9 $$", "BOOKKEEPING_WORKTREE_MISSING", "dying"},
		{LOUD, "BOOKKEEPING_WORKTREE_MISSING", "y\ny\n"},
		/* Made, it says, and it is not. */
		{"echo '{\"created\": true}'", "BOOKKEEPING_WORKTREE_MISSING", COORD},
	};
	struct fixture *f = *state;

	shell(f, "git worktree remove -f -f " COORD);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		act(f, rows[i].act);
		expect_refused(f, rows[i].code);
		assert_non_null(strstr(detail(f), rows[i].detail));
		assert_false(kt_sandbox_has(f->box, COORD));
	}
	act(f, REAL);
	assert_string_equal(claim(f, "WP01"), "OK");
	expect_clean(f);
}

static void a_helper_that_cannot_start_is_a_refusal(void **state)
{
	struct fixture *f = *state;

	shell(f, "git worktree remove -f -f " COORD);
	expect_refused_after(f, "kt_child_start", 1, KT_E_SPAWN_FAILED);
	act(f, REAL);
	expect_refused_after(f, "kt_store_ref_read", 1, KT_E_IO);
	assert_string_equal(claim(f, "WP01"), "OK");
	expect_clean(f);
}

/* One line of warning for whoever took it away; none for a mission's first worktree, nor when the
 * helper does not say that it was the one. */
static void a_worktree_that_was_there_is_missed(void **state)
{
	static const struct {
		const char *act;
		bool was_there, is_told;
	} rows[] = {
		{REAL, true, true},
		{REAL, false, false},
		{REAL " >/dev/null; echo '{'", true, false},
		{REAL " >/dev/null; echo '{\"created\": false}'", true, false},
	};
	struct fixture *f = *state;

	assert_string_equal(claim(f, "WP01"), "OK");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		shell(f, "git worktree remove -f -f " COORD);
		if (!rows[i].was_there)
			shell(f, "rm " RUN_DIR "/synced");
		act(f, rows[i].act);
		assert_string_equal(claim(f, "WP01"), "OK");
		assert_int_equal(
			strstr(kt_buffer_text(&f->notices), REMADE) != NULL, rows[i].is_told);
		expect_clean(f);
	}
}

static void half_a_worktree_is_made_again(void **state)
{
	struct fixture *f = *state;

	act(f, REAL);
	shell(f, "rm -r " COORD " && mkdir " COORD);
	assert_string_equal(claim(f, "WP01"), "OK");
	expect_clean(f);
	/* As git leaves it when it is killed while it makes one. */
	shell(f,
		"echo initializing >.git/worktrees/" SLUG "-coord/locked && rm .git/worktrees/" SLUG
		"-coord/index && find " COORD " -mindepth 1 ! -name .git -delete");
	assert_string_equal(claim(f, "WP02"), "OK");
	expect_clean(f);
}

/* ---- what it has to be ---- */

static void a_worktree_on_another_branch_or_in_the_middle_of_something_is_refused(void **state)
{
	struct fixture *f = *state;

	shell(f, "git -C " COORD " switch -q -c other");
	expect_refused(f, "COORDINATION_WORKTREE_BRANCH_MISMATCH");
	assert_non_null(strstr(detail(f), "is on refs/heads/other, not on " REF));
	shell(f, "git -C " COORD " switch -q " REF " && git rev-parse HEAD >.git/worktrees/" SLUG
		 "-coord/MERGE_HEAD");
	expect_refused(f, "COORDINATION_WORKTREE_BUSY");
	assert_non_null(strstr(detail(f), "a merge in "));
	shell(f, "rm .git/worktrees/" SLUG "-coord/MERGE_HEAD");
	assert_string_equal(claim(f, "WP01"), "OK");
	expect_clean(f);
}

/* ---- brought to the tip ---- */

/* The branch moves on behind the worktree. */
static void move_on(struct fixture *f)
{
	shell(f,
		"git worktree add -q --detach ../aside " REF
		" && cd ../aside && date +%%s%%N >other.txt && git add other.txt && git commit -qm "
		"moved && git update-ref refs/heads/" REF
		" HEAD && cd - >/dev/null && git worktree remove -f ../aside");
}

static void a_worktree_that_cannot_be_synced_is_named_and_the_request_refused(void **state)
{
	static const struct {
		const char *git, *helper, *code, *notice;
	} rows[] = {
		{"exit 1", "echo no way; exit 1", "BOOKKEEPING_ROLLBACK_FAILED",
			"to the tip: no way ["},
		{"kill -9 $$", "exit 1", "BOOKKEEPING_ROLLBACK_FAILED", "to the tip:  ["},
		{LOUD, "kill -9 $$", "BOOKKEEPING_ROLLBACK_FAILED", "to the tip:  ["},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		move_on(f);
		act(f, rows[i].helper);
		fake_git(f, "*\" read-tree -m -u \"*", rows[i].git);
		expect_refused(f, rows[i].code);
		fake_git_end();
		assert_non_null(strstr(kt_buffer_text(&f->notices), rows[i].notice));
	}
	expect_refused_after(f, "kt_child_start", 1, KT_E_SPAWN_FAILED);
	fake_git(f, "*\" read-tree -m -u \"*", "exit 1");
	expect_refused_after(f, "kt_child_start", 2, KT_E_SPAWN_FAILED);
	fake_git_end();
	/* The helper's turn comes again with the next one. */
	act(f, REAL);
	fake_git(f, "*\" read-tree -m -u \"*", "rm ../../../bin/git; exit 1");
	assert_string_equal(claim(f, "WP01"), "OK");
	fake_git_end();
	expect_clean(f);
}

/* ---- somebody's checkout ---- */

static int setup_single(void **state)
{
	return setup_uncoordinated(state, ",\\n  \"topology\": \"single_branch\"");
}

static void policy_speaks_before_the_files_of_a_checkout_are_looked_at(void **state)
{
	struct fixture *f = *state;

	shell(f, "echo '{' >>" FOLDER "/status.events.jsonl && cp " FOLDER
		 "/status.events.jsonl ../log && git switch -q --ignore-other-worktrees main");
	assert_string_equal(claim(f, "WP01"), "BOOKKEEPING_POLICY_REFUSED");
	shell(f, "cmp ../log " FOLDER "/status.events.jsonl");
}

static void nothing_is_asked_of_a_checkout_without_a_request(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;

	shell(f, "echo '{' >>" FOLDER "/status.events.jsonl && cp " FOLDER
		 "/status.events.jsonl ../log");
	assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_OK);
	shell(f, "cmp ../log " FOLDER "/status.events.jsonl");
}

/* The ref had moved and the files had not when that one was killed. */
static void what_a_killed_writer_left_undone_in_a_checkout_is_done_without_a_request(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;

	shell(f, "cp " FOLDER "/status.* .git/index ..");
	assert_string_equal(claim(f, "WP01"), "OK");
	kt_writer_free(f->writer);
	f->writer = NULL;
	shell(f,
		"cp ../status.* " FOLDER "/ && cp ../index .git/ && printf '999999 1 %%s %%s\\n' "
		"$(cat /proc/sys/kernel/random/boot_id) $(git rev-parse HEAD) >" RUN_DIR "/intent");
	open_writer(f, false);
	assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_OK);
	assert_ask(f, "", "git status --porcelain --untracked-files=no");
	assert_ask(f, "1", "grep -c '\"to_lane\": \"claimed\"' " FOLDER "/status.events.jsonl");
	assert_ask(f, "", "cat " RUN_DIR "/intent");
}

static void race(void *arg)
{
	shell((struct fixture *)arg, "git commit -q --allow-empty -m first");
}

static void race_and_leave(void *arg)
{
	shell((struct fixture *)arg,
		"git commit -q --allow-empty -m first && git checkout -q --detach");
}

/* Somebody commits, or leaves the branch besides, right before the ref would move. */
static void after_a_lost_race_the_checkout_is_looked_at_again(void **state)
{
	struct fixture *f = *state;
	char *before = NULL;

	kt_seam_before("kt_commit_swap", 1, race, f);
	assert_string_equal(claim(f, "WP01"), "OK");
	assert_non_null(kt_seam_end());
	assert_ask(f, "first", "git log -1 --format=%%s work~1");
	kt_seam_before("kt_commit_swap", 1, race_and_leave, f);
	before = ask(f, "git rev-parse work");
	assert_string_equal(claim(f, "WP02"), "BOOKKEEPING_LEGACY_RESOLUTION_FAILED");
	assert_non_null(kt_seam_end());
	assert_ask(f, before, "git rev-parse work~1");
	assert_ask(f, "", "git status --porcelain --untracked-files=no");
	free(before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_helper, teardown)
#define TEST_CHECKOUT(name) cmocka_unit_test_setup_teardown(name, setup_single, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_helper_could_not_do_is_the_answer),
		TEST(a_helper_that_cannot_start_is_a_refusal),
		TEST(a_worktree_that_was_there_is_missed),
		TEST(half_a_worktree_is_made_again),
		TEST(a_worktree_on_another_branch_or_in_the_middle_of_something_is_refused),
		TEST(a_worktree_that_cannot_be_synced_is_named_and_the_request_refused),
		TEST_CHECKOUT(policy_speaks_before_the_files_of_a_checkout_are_looked_at),
		TEST_CHECKOUT(nothing_is_asked_of_a_checkout_without_a_request),
		TEST_CHECKOUT(
			what_a_killed_writer_left_undone_in_a_checkout_is_done_without_a_request),
		TEST_CHECKOUT(after_a_lost_race_the_checkout_is_looked_at_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
