/*
 * The committed state for readers: the whole truth or an error, and nothing from checked-out files.
 */
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"

#define REF "kitty/mission-" SLUG
#define IN_COORD "git -C " COORD " "

static enum kt_code load(struct fixture *f, struct kt_view **view)
{
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	kt_view_free(*view);
	*view = NULL;
	code = kt_view_load(f->repo, f->mission, view, &err);
	assert_int_equal(err.code, code);
	assert_true((code == KT_E_OK) == (*view != NULL));
	return code;
}

static void each_call_of_a_reader_may_fail(void **state)
{
	struct fixture *f = *state;
	struct kt_view *view = NULL;
	const char *struck = "";
	unsigned nth = 1;

	for (; struck != NULL; nth++) {
		kt_seam_fail(NULL, nth, KT_E_IO);
		(void)load(f, &view);
		struck = kt_seam_end();
	}
	assert_true(nth > 5);
	assert_non_null(view);
	kt_view_free(view);
}

static void a_deleted_branch_is_named(void **state)
{
	struct fixture *f = *state;
	struct kt_view *view = NULL;

	shell(f, "git update-ref -d refs/heads/" REF);
	assert_int_equal(load(f, &view), KT_E_COORDINATION_BRANCH_DELETED);
	f->mission->is_closed = true;
	assert_int_equal(load(f, &view), KT_E_DESTINATION_REF_NOT_FOUND);
}

static void a_broken_row_is_an_error_with_the_way_to_look(void **state)
{
	struct fixture *f = *state;
	struct kt_view *view = NULL;

	shell(f, "echo 'no row' >>" LOG " && " IN_COORD "commit -qam broken");
	assert_int_equal(load(f, &view), KT_E_EVENT_INVALID);
}

static void a_mission_may_lack_its_log_its_meta_and_its_plan(void **state)
{
	struct fixture *f = *state;
	struct kt_view *view = NULL;

	shell(f, "echo '{' >" COORD "/kitty-specs/" SLUG "/meta.json && " IN_COORD
		 "commit -qam 'half a meta'");
	assert_int_equal(load(f, &view), KT_E_OK);
	assert_string_equal(kt_json_get_string(view->meta, "slug"), "demo");
	shell(f, IN_COORD "rm -q -r kitty-specs && " IN_COORD "commit -qm bare");
	assert_int_equal(load(f, &view), KT_E_OK);
	assert_string_equal(kt_json_get_string(view->meta, "slug"), "demo");
	assert_null(view->plan);
	assert_int_equal(view->log_len, 0);
	kt_view_free(view);
}

/* Without a coordination branch it is the branch that is checked out, if there is one. */
static void a_checkout_without_a_branch_has_no_state(void **state)
{
	struct fixture *f = *state;
	struct kt_view *view = NULL;
	char *ref = f->mission->coordination_ref, *root = f->mission->repo_root;

	f->mission->coordination_ref = NULL;
	f->mission->topology = KT_TOPOLOGY_LEGACY;
	assert_int_equal(load(f, &view), KT_E_OK);
	assert_int_equal(view->log_len, 0);
	assert_int_equal(view->snapshot_len, 0);
	f->mission->topology = KT_TOPOLOGY_SINGLE_BRANCH;
	shell(f, "git symbolic-ref HEAD refs/heads/unborn");
	assert_int_equal(load(f, &view), KT_E_DESTINATION_REF_NOT_FOUND);
	shell(f, "git symbolic-ref HEAD refs/heads/main && git checkout -q --detach");
	assert_int_equal(load(f, &view), KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED);
	f->mission->repo_root = kt_path_join(f->box->root, "nothing");
	assert_int_equal(load(f, &view), KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED);
	free(f->mission->repo_root);
	f->mission->repo_root = root;
	f->mission->coordination_ref = ref;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_call_of_a_reader_may_fail),
		TEST(a_deleted_branch_is_named),
		TEST(a_broken_row_is_an_error_with_the_way_to_look),
		TEST(a_mission_may_lack_its_log_its_meta_and_its_plan),
		TEST(a_checkout_without_a_branch_has_no_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
