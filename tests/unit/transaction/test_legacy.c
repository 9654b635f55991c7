/*
 * Missions without a coordination branch, in the process of the test: rows on the lane's branch or
 * on the branch that is checked out, with every call failing once, and what is refused there.
 */
#include "supervisor/git/store.h"
#include "supervisor/transaction/legacy.h"
#include "unit/transaction/everywhere.h"
#include "unit/transaction/uncoordinated.h"

static int setup_legacy(void **state)
{
	return setup_uncoordinated(state, "");
}

static int setup_single(void **state)
{
	return setup_uncoordinated(state, ",\\n  \"topology\": \"single_branch\"");
}

static void run_note(struct fixture *f, const char *id)
{
	submit(f, note("WP01", id), NULL);
	finish(f);
}

static void each_call_of_a_row_on_a_lane_may_fail(void **state)
{
	static const struct operation operation = {
		.run = run_note, .ref = "refs/heads/" BRANCH_A, .worktree = LANE_A};

	fail_everywhere(*state, &operation);
}

static void each_call_of_a_row_on_the_checkout_may_fail(void **state)
{
	static const struct operation operation = {
		.run = run_note, .ref = "refs/heads/work", .worktree = "."};

	fail_everywhere(*state, &operation);
}

/* One destination per batch, in the order of the queue. */
static void a_queue_for_two_lanes_reaches_both(void **state)
{
	struct fixture *f = *state;
	static const char *const wps[] = {"WP01", "WP01", "WP02", "WP01", "WP02"};

	submit(f, kt_request_new("bad"), NULL);
	for (size_t i = 0; i < sizeof wps / sizeof wps[0]; i++)
		submit(f, note(wps[i], NULL), NULL);
	finish(f);
	assert_int_equal(f->successes, 5);
	assert_ask(f, "3", "git show " BRANCH_A ":" ROWS " | grep -c once");
	assert_ask(f, "2", "git show " BRANCH_B ":" ROWS " | grep -c once");
	assert_ask(f, "0", "git show work:" ROWS " | grep -c once || true");
}

/* What is of no lane goes to the branch that is checked out. */
static void a_lifecycle_row_is_of_no_lane(void **state)
{
	struct fixture *f = *state;
	struct kt_json *request = kt_request_new("test");

	(void)kt_request_add_lifecycle(
		request, "MissionStarted", SLUG, "Mission", kt_json_new_object());
	submit(f, request, NULL);
	submit(f, note("WP01", NULL), NULL);
	assert_string_equal(code_of(f, note("WP09", NULL)), "WP_NOT_FOUND");
	assert_int_equal(f->successes, 2);
	assert_ask(f, "1", "git show work:" ROWS " | grep -c MissionStarted");
	assert_ask(f, "1", "git show " BRANCH_A ":" ROWS " | grep -c once");
}

/* Under a hook each commit is a batch of its own; what is about another lane waits behind it. */
static void a_queue_for_two_lanes_passes_hooks_one_by_one(void **state)
{
	struct fixture *f = *state;
	static const char *const wps[] = {"WP01", "WP01", "WP02"};

	shell(f, "mkdir -p .git/hooks && printf '#!/bin/sh\necho ran >>%%s/../ran\n' $PWD "
		 ">.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit");
	for (size_t i = 0; i < sizeof wps / sizeof wps[0]; i++)
		submit(f, note(wps[i], NULL), NULL);
	finish(f);
	assert_int_equal(f->successes, 3);
	assert_ask(f, "3", "wc -l <../ran");
	assert_ask(f, "2", "git show " BRANCH_A ":" ROWS " | grep -c once");
	assert_ask(f, "1", "git show " BRANCH_B ":" ROWS " | grep -c once");
}

static void refused_by_policy_and_by_shape_are_two_answers(void **state)
{
	struct fixture *f = *state;
	char *before = ask(f, "git for-each-ref");

	shell(f, "git switch -q main");
	submit(f, note("WP01", NULL), NULL);
	submit(f, kt_request_new("bad"), NULL);
	finish(f);
	assert_int_equal(f->answers, 2);
	assert_string_equal(last_code(f), "SAFE_COMMIT_EMPTY_CHANGESET");
	assert_null(kt_json_get(f->last, "refusal"));
	assert_string_equal(code_of(f, note("WP01", NULL)), "BOOKKEEPING_POLICY_REFUSED");
	assert_non_null(kt_json_get(f->last, "refusal"));
	assert_ask(f, before, "git for-each-ref");
	free(before);
}

/* All branches are without rows, or without those of this work package. */
static void the_first_row_of_a_mission_goes_to_its_lane(void **state)
{
	struct fixture *f = *state;

	shell(f, "git rm -q " FOLDER "/status.* && sed 's/WP01/WP03/' " FOLDER
		 "/tasks/WP01-x.md >" FOLDER "/tasks/WP03-x.md && sed -i "
		 "'s/\"WP01\"/\"WP01\", \"WP03\"/' " FOLDER "/lanes.json && git add -fA " FOLDER
		 " && git commit -qm 'no rows' && git branch -qf main work && git -C " LANE_A
		 " reset -q --hard work && git -C " LANE_B " reset -q --hard work");
	resolve_again(f);
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_PLANNED, "x")), "OK");
	assert_ask(f, "1", "git show " BRANCH_A ":" ROWS " | wc -l");
	assert_string_equal(code_of(f, note("WP03", NULL)), "OK");
	assert_string_equal(code_of(f, note("WP03", NULL)), "OK");
	assert_ask(f, "2", "git show " BRANCH_A ":" ROWS " | grep -c once");
	assert_ask(f, "0", "git ls-tree -r work | grep -c status || true");
	assert_ask(f, "0", "git ls-tree -r " BRANCH_B " | grep -c status || true");
}

static void the_lock_alone_needs_no_lane(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_OK);
	shell(f, "git checkout -q --detach");
	assert_int_equal(
		kt_writer_acquire(f->writer, &err), KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED);
	assert_int_equal(err.code, KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED);
}

static void half_of_the_rows_is_no_ground_to_judge_by(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(code_of(f, move("WP01", KT_STATUS_CLAIMED, "claude")), "OK");
	shell(f, "git -C " LANE_A " switch -q -c elsewhere work");
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_IN_PROGRESS, "claude")),
		"BOOKKEEPING_LEGACY_RESOLUTION_FAILED");
	assert_ask(f, "0", "git rev-list --count work..elsewhere");
}

static void without_a_plan_there_is_no_lane(void **state)
{
	struct fixture *f = *state;

	shell(f, "git rm -q --cached " FOLDER
		 "/lanes.json && git commit -qm 'no plan' && git branch "
		 "-f main work");
	resolve_again(f);
	assert_string_equal(code_of(f, note("WP01", NULL)), "MISSION_NOT_FINALIZED");
}

/* ---- done ---- */

static void approve(struct fixture *f, const char *wp)
{
	assert_string_equal(code_of(f, move(wp, KT_STATUS_CLAIMED, "codex")), "OK");
	assert_string_equal(code_of(f, move(wp, KT_STATUS_IN_PROGRESS, "codex")), "OK");
	assert_string_equal(code_of(f, reviewed(wp, KT_STATUS_APPROVED, "codex")), "OK");
}

static void a_lane_is_done_when_the_target_contains_what_was_approved(void **state)
{
	struct fixture *f = *state;

	shell(f, "cd " LANE_A " && echo work >work.txt && git add work.txt && git commit -qm work");
	approve(f, "WP01");
	assert_string_equal(
		code_of(f, reviewed("WP01", KT_STATUS_DONE, "codex")), "TRANSITION_REJECTED");
	shell(f, "git update-ref refs/heads/main " BRANCH_A);
	assert_string_equal(code_of(f, reviewed("WP01", KT_STATUS_DONE, "codex")), "OK");
	/* The answer of git is believed, not replaced by a guess. */
	approve(f, "WP02");
	shell(f, "git update-ref refs/heads/main " BRANCH_B);
	kt_seam_fail("kt_store_is_ancestor", 1, KT_E_GIT_FAILED);
	assert_string_equal(code_of(f, reviewed("WP02", KT_STATUS_DONE, "codex")), "GIT_FAILED");
	assert_string_equal(kt_seam_end(), "kt_store_is_ancestor");
	shell(f, "git update-ref -d refs/heads/main");
	assert_string_equal(
		code_of(f, reviewed("WP02", KT_STATUS_DONE, "codex")), "DESTINATION_REF_NOT_FOUND");
	shell(f, "git update-ref refs/heads/main " BRANCH_B);
	assert_string_equal(code_of(f, reviewed("WP02", KT_STATUS_DONE, "codex")), "OK");
}

/* In one batch with its approval, whose row is in no log yet: the lane's tip counts. */
static void done_together_with_its_approval_is_judged_by_the_lanes_tip(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(code_of(f, move("WP01", KT_STATUS_CLAIMED, "codex")), "OK");
	assert_string_equal(code_of(f, move("WP01", KT_STATUS_IN_PROGRESS, "codex")), "OK");
	f->successes = 0;
	submit(f, reviewed("WP01", KT_STATUS_APPROVED, "codex"), NULL);
	assert_string_equal(
		code_of(f, reviewed("WP01", KT_STATUS_DONE, "codex")), "TRANSITION_REJECTED");
	assert_int_equal(f->successes, 1);
	assert_ask(
		f, "0", "git show " BRANCH_A ":" ROWS " | grep -c '\"to_lane\": \"done\"' || true");
}

static void planning_is_done_without_a_lane_and_code_is_not(void **state)
{
	struct fixture *f = *state;

	shell(f, "sed -i 's/\"lane_id\": \"lane-b\"/\"lane_id\": \"lane-planning\"/' " FOLDER
		 "/lanes.json && git commit -qam planning && git worktree remove --force " LANE_A
		 " && git branch -qD " BRANCH_A);
	approve(f, "WP01");
	assert_string_equal(
		code_of(f, reviewed("WP01", KT_STATUS_DONE, "codex")), "TRANSITION_REJECTED");
	approve(f, "WP02");
	kt_writer_free(f->writer);
	open_writer(f, false);
	kt_seam_fail("kt_plan_load", 1, KT_E_GIT_FAILED);
	submit(f, reviewed("WP02", KT_STATUS_DONE, "codex"), NULL);
	finish(f);
	assert_string_equal(kt_seam_end(), "kt_plan_load");
	assert_string_equal(last_code(f), "TRANSITION_REJECTED");
	assert_string_equal(code_of(f, reviewed("WP02", KT_STATUS_DONE, "codex")), "OK");
}

static void a_merge_is_not_written_into_somebodys_checkout(void **state)
{
	struct fixture *f = *state;
	struct kt_json *request = reviewed("WP01", KT_STATUS_DONE, "codex"),
		       *wish = kt_json_new_object();
	char *before = ask(f, "git for-each-ref && git status --porcelain");

	kt_json_set_string(wish, "lane", "lane-a");
	kt_json_set_string(wish, "commit", "0123456789012345678901234567890123456789");
	kt_json_set(request, "integrate", wish);
	assert_string_equal(code_of(f, request), "TRANSITION_REJECTED");
	assert_ask(f, before, "git for-each-ref && git status --porcelain");
	free(before);
}

/* ---- readers ---- */

static void readers_see_the_union_of_all_lanes(void **state)
{
	struct fixture *f = *state;
	struct kt_view *view = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_wp_state wp = {0};

	assert_string_equal(code_of(f, move("WP01", KT_STATUS_CLAIMED, "claude")), "OK");
	assert_string_equal(code_of(f, move("WP02", KT_STATUS_CLAIMED, "codex")), "OK");
	assert_int_equal(kt_view_load(f->repo, f->mission, &view, &err), KT_E_OK);
	assert_true(kt_reducer_wp(view->state, "WP01", &wp));
	assert_int_equal(wp.status, KT_STATUS_CLAIMED);
	assert_true(kt_reducer_wp(view->state, "WP02", &wp));
	assert_int_equal(wp.status, KT_STATUS_CLAIMED);
	kt_view_free(view);
}

/* Each call that a reader makes fails once: an error, or the whole truth; never half of it. */
static void a_reader_that_fails_gives_nothing(void **state)
{
	struct fixture *f = *state;
	const char *struck = "";
	unsigned nth = 1;

	assert_string_equal(code_of(f, move("WP01", KT_STATUS_CLAIMED, "claude")), "OK");
	assert_string_equal(code_of(f, move("WP02", KT_STATUS_CLAIMED, "codex")), "OK");
	shell(f, "rm -rf " LANE_A); /* its branch is asked for once only */
	for (; struck != NULL; nth++) {
		struct kt_view *view = NULL;
		struct kt_error err = KT_ERROR_INIT;
		struct kt_wp_state wp = {0};
		enum kt_code code = KT_E_OK;

		kt_seam_fail(NULL, nth, KT_E_IO);
		code = kt_view_load(f->repo, f->mission, &view, &err);
		struck = kt_seam_end();
		assert_true((code == KT_E_OK) == (view != NULL));
		for (int i = 0; view != NULL && i < 2; i++) {
			assert_true(kt_reducer_wp(view->state, i == 0 ? "WP01" : "WP02", &wp));
			assert_int_equal(wp.status, KT_STATUS_CLAIMED);
		}
		assert_int_equal(err.code, code);
		kt_view_free(view);
	}
	assert_true(nth > 5);
}

/* The rows of a lane count without its worktree, without a branch checked out, and beside planning
 * work, which has no branch of its own. */
static void readers_need_neither_worktree_nor_head(void **state)
{
	struct fixture *f = *state;
	struct kt_view *view = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_wp_state wp = {0};

	assert_string_equal(code_of(f, move("WP01", KT_STATUS_CLAIMED, "claude")), "OK");
	shell(f, "git worktree remove --force " LANE_A
		 " && sed -i 's/\"lane-b\"/\"lane-planning\"/' " FOLDER
		 "/lanes.json && git commit -qam planning && git branch -qf main work");
	assert_int_equal(kt_view_load(f->repo, f->mission, &view, &err), KT_E_OK);
	assert_true(kt_reducer_wp(view->state, "WP01", &wp));
	assert_int_equal(wp.status, KT_STATUS_CLAIMED);
	kt_view_free(view);
	shell(f, "git checkout -q --detach");
	assert_int_equal(kt_view_load(f->repo, f->mission, &view, &err), KT_E_OK);
	assert_true(kt_reducer_wp(view->state, "WP01", &wp));
	assert_int_equal(wp.status, KT_STATUS_CLAIMED);
	kt_view_free(view);
}

/* Then the target branch has it. */
static void the_plan_is_found_without_a_checkout(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_store *store = NULL;
	struct kt_oid commit = {{0}};
	char *root = f->mission->repo_root, *main_tip = ask(f, "git rev-parse main");

	assert_int_equal(kt_store_open(f->repo, &store, &err), KT_E_OK);
	f->mission->repo_root = kt_path_join(f->box->root, "nothing");
	assert_int_equal(kt_legacy_plan_commit(f->repo, store, f->mission, &commit, &err), KT_E_OK);
	assert_string_equal(kt_oid_format(&commit).text, main_tip);
	free(f->mission->repo_root);
	f->mission->repo_root = root;
	shell(f, "git symbolic-ref HEAD refs/heads/unborn");
	assert_int_equal(kt_legacy_plan_commit(f->repo, store, f->mission, &commit, &err), KT_E_OK);
	assert_string_equal(kt_oid_format(&commit).text, main_tip);
	kt_store_close(store);
	free(main_tip);
}

#define ON(name, topology) cmocka_unit_test_setup_teardown(name, setup_##topology, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(each_call_of_a_row_on_a_lane_may_fail, legacy),
		ON(each_call_of_a_row_on_the_checkout_may_fail, single),
		ON(a_queue_for_two_lanes_reaches_both, legacy),
		ON(a_lifecycle_row_is_of_no_lane, legacy),
		ON(a_queue_for_two_lanes_passes_hooks_one_by_one, legacy),
		ON(refused_by_policy_and_by_shape_are_two_answers, single),
		ON(the_first_row_of_a_mission_goes_to_its_lane, legacy),
		ON(readers_need_neither_worktree_nor_head, legacy),
		ON(the_plan_is_found_without_a_checkout, legacy),
		ON(the_lock_alone_needs_no_lane, legacy),
		ON(half_of_the_rows_is_no_ground_to_judge_by, legacy),
		ON(without_a_plan_there_is_no_lane, legacy),
		ON(a_lane_is_done_when_the_target_contains_what_was_approved, legacy),
		ON(done_together_with_its_approval_is_judged_by_the_lanes_tip, legacy),
		ON(planning_is_done_without_a_lane_and_code_is_not, single),
		ON(a_merge_is_not_written_into_somebodys_checkout, single),
		ON(readers_see_the_union_of_all_lanes, legacy),
		ON(a_reader_that_fails_gives_nothing, legacy),
		ON(a_reader_that_fails_gives_nothing, single),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
