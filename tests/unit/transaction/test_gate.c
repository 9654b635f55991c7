/*
 * Where bookkeeping may go: the gate's refusals, each with its code, and the resolution of a
 * destination.
 */
#include "supervisor/git/store.h"
#include "supervisor/transaction/destination.h"
#include "supervisor/transaction/gate.h"
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"

static enum kt_code gate(struct fixture *f, const char *destination, const char *const *globs)
{
	struct kt_store *store = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = kt_store_open(f->repo, &store, &err);

	assert_int_equal(code, KT_E_OK);
	code = kt_gate_check(f->repo, store, destination, globs, &err);
	kt_store_close(store);
	return code;
}

static void a_destination_is_the_short_name_of_a_branch(void **state)
{
	static const char *const refused[] = {
		NULL, "", "refs/heads/main", "-main", "/main", "a..b"};

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		assert_int_equal(
			gate(*state, refused[i], NULL), KT_E_DESTINATION_REF_INVALID_SHAPE);
	assert_int_equal(gate(*state, "kitty/mission-" SLUG, NULL), KT_E_OK);
}

static void a_branch_that_only_a_remote_has_is_not_local(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(gate(f, "theirs", NULL), KT_E_DESTINATION_REF_NOT_FOUND);
	/* A remote ref without a remote's name in it, and one of another branch: still not there.
	 */
	shell(f, "git update-ref refs/remotes/theirs HEAD && git update-ref "
		 "refs/remotes/origin/other HEAD");
	assert_int_equal(gate(f, "theirs", NULL), KT_E_DESTINATION_REF_NOT_FOUND);
	shell(f, "git update-ref refs/remotes/origin/theirs HEAD");
	assert_int_equal(gate(f, "theirs", NULL), KT_E_DESTINATION_REF_NOT_LOCAL);
	kt_seam_fail("kt_store_ref_each", 1, KT_E_GIT_FAILED);
	assert_int_equal(gate(f, "theirs", NULL), KT_E_DESTINATION_REF_NOT_FOUND);
	assert_string_equal(kt_seam_end(), "kt_store_ref_each");
}

/* What cannot be read is not called missing. */
static void a_ref_that_cannot_be_read_keeps_its_code(void **state)
{
	kt_seam_fail("kt_store_ref_read", 1, KT_E_IO);
	assert_int_equal(gate(*state, "main", NULL), KT_E_IO);
	(void)kt_seam_end();
}

static void protected_branches_are_globs_or_the_usual_names_and_the_remotes_default(void **state)
{
	static const char *const globs[] = {"release/*", NULL};
	struct fixture *f = *state;

	shell(f,
		"git branch release/1 && git branch trunk && git branch master && git branch free");
	assert_int_equal(gate(f, "main", NULL), KT_E_PROTECTED_BRANCH_REFUSED);
	assert_int_equal(gate(f, "master", NULL), KT_E_PROTECTED_BRANCH_REFUSED);
	assert_int_equal(gate(f, "trunk", NULL), KT_E_OK);
	shell(f, "git update-ref refs/remotes/origin/trunk HEAD && git symbolic-ref "
		 "refs/remotes/origin/HEAD refs/remotes/origin/trunk");
	assert_int_equal(gate(f, "trunk", NULL), KT_E_PROTECTED_BRANCH_REFUSED);
	assert_int_equal(gate(f, "free", NULL), KT_E_OK);
	/* Configured globs take the place of all of these. */
	assert_int_equal(gate(f, "release/1", globs), KT_E_PROTECTED_BRANCH_REFUSED);
	assert_int_equal(gate(f, "trunk", globs), KT_E_OK);
	assert_int_equal(gate(f, "main", globs), KT_E_OK);
}

/* ---- destinations ---- */

static enum kt_code resolve(struct fixture *f, const char *lane, struct kt_destination *to)
{
	struct kt_error err = KT_ERROR_INIT;

	kt_destination_release(to);
	return kt_destination_resolve(f->repo, f->mission, lane, to, &err);
}

/* The mission as if it had neither coordination branch nor topology. */
static void make_legacy(struct fixture *f)
{
	free(f->mission->coordination_branch);
	f->mission->coordination_branch = NULL;
	f->mission->topology = KT_TOPOLOGY_LEGACY;
}

static void without_a_branch_checked_out_there_is_no_destination(void **state)
{
	struct fixture *f = *state;
	struct kt_destination to = KT_DESTINATION_INIT;
	char *root = f->mission->repo_root;

	assert_int_equal(resolve(f, NULL, &to), KT_E_OK);
	assert_true(kt_destination_is_own(&to));
	make_legacy(f);
	assert_int_equal(resolve(f, "lane-planning", &to), KT_E_OK);
	assert_string_equal(to.branch, "main");
	assert_int_equal(resolve(f, NULL, &to), KT_E_OK);
	assert_false(kt_destination_is_own(&to));
	shell(f, "git symbolic-ref HEAD refs/other/main");
	assert_int_equal(resolve(f, NULL, &to), KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED);
	shell(f, "git symbolic-ref HEAD refs/heads/main && git checkout -q --detach");
	assert_int_equal(resolve(f, NULL, &to), KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED);
	/* Only a legacy mission's rows follow their lanes. */
	f->mission->topology = KT_TOPOLOGY_LANES;
	shell(f, "git switch -q main");
	assert_int_equal(resolve(f, "lane-a", &to), KT_E_OK);
	assert_string_equal(to.branch, "main");
	f->mission->repo_root = kt_path_join(f->box->root, "nothing");
	assert_int_equal(resolve(f, NULL, &to), KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED);
	free(f->mission->repo_root);
	f->mission->repo_root = root;
	kt_destination_release(&to);
}

static void a_lane_of_a_legacy_mission_is_its_worktrees_branch(void **state)
{
	struct fixture *f = *state;
	struct kt_destination to = KT_DESTINATION_INIT;

	make_legacy(f);
	assert_int_equal(resolve(f, "lane-a", &to), KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED);
	shell(f, "git worktree add -q -b mine .worktrees/" SLUG "-lane-a");
	assert_int_equal(resolve(f, "lane-a", &to), KT_E_OK);
	assert_string_equal(to.branch, "mine");
	shell(f, "git rev-parse HEAD >.git/worktrees/" SLUG "-lane-a/MERGE_HEAD");
	assert_int_equal(resolve(f, "lane-a", &to), KT_E_COORDINATION_WORKTREE_BUSY);
	kt_destination_release(&to);
}

static void one_branch_in_two_worktrees_is_two_destinations(void **state)
{
	char one[] = "refs/heads/a", other[] = "refs/heads/b", here[] = "/here", there[] = "/there";
	const struct kt_destination first = {.ref = one, .worktree = here};
	const struct kt_destination elsewhere = {.ref = one, .worktree = there};
	const struct kt_destination second = {.ref = other, .worktree = here};

	(void)state;
	assert_true(kt_destination_is_same(&first, &first));
	assert_false(kt_destination_is_same(&first, &elsewhere));
	assert_false(kt_destination_is_same(&first, &second));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_destination_is_the_short_name_of_a_branch),
		TEST(a_branch_that_only_a_remote_has_is_not_local),
		TEST(a_ref_that_cannot_be_read_keeps_its_code),
		TEST(protected_branches_are_globs_or_the_usual_names_and_the_remotes_default),
		TEST(without_a_branch_checked_out_there_is_no_destination),
		TEST(a_lane_of_a_legacy_mission_is_its_worktrees_branch),
		cmocka_unit_test(one_branch_in_two_worktrees_is_two_destinations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
