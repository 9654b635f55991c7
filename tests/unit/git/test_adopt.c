/*
 * What git wrote loose is taken over before a ref names it: exactly what no parent has, whole, and
 * out of the reach of every prune until the ref has moved.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/git/adopt.h"
#include "supervisor/git/commit.h"
#include "supervisor/git/hold.h"
#include "supervisor/git/journal.h"
#include "unit/git/store_fixture.h"

#define PRUNE "git gc -q --prune=now && git prune --expire=now"
/* A commit with folders, a file by rename, a submodule's entry; on top of HEAD, named by nothing.
 */
#define MAKE_LOOSE \
	"mkdir -p src/deep other && echo one >src/deep/one && echo two >two && echo old >other/x " \
	"&& git add . && git commit -q -m base && " \
	"export GIT_INDEX_FILE=.git/scratch && git read-tree HEAD && " \
	"git update-index --add --cacheinfo 100644,$(echo new | git hash-object -w " \
	"--stdin),src/deep/new && " \
	"git update-index --add --cacheinfo 100644,$(git rev-parse HEAD:two),moved && " \
	"git update-index --force-remove two && " \
	"git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),module && " \
	"git commit-tree -p HEAD -m loose $(git write-tree); rm -f .git/scratch"

static int set_up(void **state)
{
	*state = open_store(MAKE_LOOSE);
	return 0;
}

static void prune(struct fixture *it)
{
	free(kt_sandbox_run(it->box, PRUNE " 2>&1"));
}

static void expect_whole(struct fixture *it)
{
	kt_sandbox_expect(it->box, "", "git fsck --full --strict --no-dangling 2>&1");
	kt_sandbox_expect(it->box, "new", "git show loose:src/deep/new");
	kt_sandbox_expect(it->box, "two", "git show loose:moved");
}

static void what_a_commit_brings_survives_every_prune_until_a_ref_names_it(void **state)
{
	struct fixture *it = *state;
	struct kt_oid none = {{0}};

	assert_int_equal(kt_commit_adopt(it->store, &it->commit, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	prune(it);
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/loose", &none, &it->commit, NULL, &it->err),
		KT_E_OK);
	prune(it);
	expect_whole(it);
}

static void only_what_no_parent_has_at_its_place_is_taken_over(void **state)
{
	struct fixture *it = *state;

	assert_int_equal(kt_commit_adopt(it->store, &it->commit, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	/* The commit, three trees down to the new file, the file, and the one that moved. */
	kt_sandbox_expect(it->box, "1 commit 2 blob 3 tree",
		"git verify-pack -v .git/objects/pack/*.idx | grep -E '^[0-9a-f]{40}' | "
		"cut -d' ' -f2 | sort | uniq -c | sort -k1n | xargs");
}

static void every_pack_on_its_way_to_one_ref_is_kept(void **state)
{
	struct fixture *it = *state;
	struct kt_oid none = {{0}}, tree;

	assert_int_equal(kt_commit_tree(it->store, &it->commit, &tree, &it->err), KT_E_OK);
	assert_int_equal(kt_tree_adopt(it->store, &tree, NULL, 0, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_adopt(it->store, &it->commit, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	kt_sandbox_expect(it->box, "2", "ls .git/objects/pack/*.keep | wc -l");
	prune(it);
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/loose", &none, &it->commit, NULL, &it->err),
		KT_E_OK);
	kt_sandbox_expect(it->box, "0", "ls .git/objects/pack | grep -c keep; true");
	expect_whole(it);
}

static void what_was_pruned_before_is_an_error(void **state)
{
	struct fixture *it = *state;
	struct kt_oid tree, blob;
	char *text = kt_sandbox_run(
		it->box, "git rev-parse %s:src/deep/new", kt_oid_format(&it->commit).text);

	assert_true(kt_oid_parse(text, &blob));
	assert_int_equal(kt_commit_tree(it->store, &it->commit, &tree, &it->err), KT_E_OK);
	/* Read afresh: libgit2 remembers. */
	kt_store_close(it->store);
	assert_int_equal(kt_store_open(it->repo, &it->store, &it->err), KT_E_OK);
	prune(it);
	assert_int_equal(kt_blob_adopt(it->store, &blob, &it->err), KT_E_GIT_FAILED);
	assert_int_equal(kt_tree_adopt(it->store, &tree, NULL, 0, &it->err), KT_E_GIT_FAILED);
	assert_int_equal(kt_commit_adopt(it->store, &it->commit, &it->err), KT_E_GIT_FAILED);
	assert_non_null(strstr(it->err.detail, "before a ref held it"));
	kt_commit_forget(it->store);
	free(text);
}

static void a_blob_that_a_partial_clone_never_had_is_no_loss(void **state)
{
	struct fixture *it = *state;
	struct kt_oid never = {{1, 2, 3}};

	assert_int_equal(kt_blob_adopt(it->store, &never, &it->err), KT_E_GIT_FAILED);
	free(kt_sandbox_run(it->box, "mkdir -p .git/objects/pack && "
				     ": >.git/objects/pack/pack-1.promisor"));
	assert_int_equal(kt_blob_adopt(it->store, &never, &it->err), KT_E_OK);
}

static void the_journal_has_a_taken_over_blob(void **state)
{
	struct fixture *it = *state;
	char *path = kt_format("%s/journal", it->box->repo);
	char *text = kt_sandbox_run(it->box, "echo plan | git hash-object -w --stdin");
	struct kt_object own = {.type = KT_OBJECT_BLOB, .bytes = "log", .len = 3};
	const struct kt_journal_object *found = NULL;
	struct kt_journal *journal = NULL;
	struct kt_oid blob, log;

	assert_true(kt_oid_parse(text, &blob));
	kt_commit_journal(it->store, path);
	assert_int_equal(kt_blob_adopt(it->store, &blob, &it->err), KT_E_OK);
	assert_int_equal(it->store->ops->object_add(it->store, &own, &log, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	journal = kt_journal_read(path);
	found = kt_journal_find(journal, &blob);
	assert_non_null(found);
	assert_string_equal(found->type, "blob");
	assert_memory_equal(found->bytes, "plan\n", 5);
	assert_null(kt_journal_find(journal, &log));
	kt_journal_free(journal);
	free(text);
	free(path);
}

static void a_held_commit_stays_until_git_has_moved_the_ref(void **state)
{
	struct fixture *it = *state;
	struct kt_hold *hold = NULL;

	assert_int_equal(kt_hold_take(it->repo, &it->commit, &hold, &it->err), KT_E_OK);
	prune(it);
	free(kt_sandbox_run(
		it->box, "git update-ref refs/heads/loose %s", kt_oid_format(&it->commit).text));
	assert_int_equal(kt_hold_end(hold, KT_E_OK, &it->err), KT_E_OK);
	kt_sandbox_expect(it->box, "0", "ls .git/objects/pack | grep -c keep; true");
	prune(it);
	expect_whole(it);
}

static void a_hold_ends_with_what_the_move_came_to(void **state)
{
	struct fixture *it = *state;
	struct kt_hold *hold = NULL;

	assert_int_equal(kt_hold_end(NULL, KT_E_REF_MOVED, &it->err), KT_E_REF_MOVED);
	assert_int_equal(kt_hold_take(it->repo, &it->commit, &hold, &it->err), KT_E_OK);
	free(kt_sandbox_run(it->box, "rm -rf .git/objects/pack && : >.git/objects/pack"));
	(void)kt_error_set(&it->err, KT_E_REF_MOVED, "first");
	assert_int_equal(kt_hold_end(hold, KT_E_REF_MOVED, &it->err), KT_E_REF_MOVED);
	assert_string_equal(it->err.detail, "first");
	free(kt_sandbox_run(it->box, "rm -f .git/objects/pack"));
	assert_int_equal(kt_hold_take(it->repo, &it->commit, &hold, &it->err), KT_E_OK);
	free(kt_sandbox_run(it->box, "rm -rf .git/objects/pack && : >.git/objects/pack"));
	assert_int_not_equal(kt_hold_end(hold, KT_E_OK, &it->err), KT_E_OK);
	free(kt_sandbox_run(it->box, "rm -f .git/objects/pack"));
}

/* Somebody else's broken ref is no reason to hold nothing: git gives up at it, unless told not to.
 */
static void a_broken_ref_elsewhere_does_not_hinder_a_hold(void **state)
{
	static const char *const broken[] = {"garbage", "", "ref: refs/heads/nowhere",
		"1111111111111111111111111111111111111111"};
	struct fixture *it = *state;

	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		struct kt_hold *hold = NULL;

		free(kt_sandbox_run(it->box, "echo '%s' >.git/refs/heads/broken", broken[i]));
		assert_int_equal(kt_hold_take(it->repo, &it->commit, &hold, &it->err), KT_E_OK);
		kt_sandbox_expect(it->box, "1", "ls .git/objects/pack | grep -c keep; true");
		assert_int_equal(kt_hold_end(hold, KT_E_OK, &it->err), KT_E_OK);
		free(kt_sandbox_run(it->box, "rm .git/refs/heads/broken .git/objects/pack/*"));
	}
}

static void what_is_gone_cannot_be_held(void **state)
{
	struct fixture *it = *state;
	struct kt_hold *hold = NULL;

	prune(it);
	assert_int_equal(kt_hold_take(it->repo, &it->commit, &hold, &it->err), KT_E_GIT_FAILED);
	assert_null(hold);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_commit_brings_survives_every_prune_until_a_ref_names_it),
		TEST(only_what_no_parent_has_at_its_place_is_taken_over),
		TEST(every_pack_on_its_way_to_one_ref_is_kept),
		TEST(what_was_pruned_before_is_an_error),
		TEST(a_blob_that_a_partial_clone_never_had_is_no_loss),
		TEST(the_journal_has_a_taken_over_blob),
		TEST(a_held_commit_stays_until_git_has_moved_the_ref),
		TEST(a_hold_ends_with_what_the_move_came_to),
		TEST(a_broken_ref_elsewhere_does_not_hinder_a_hold),
		TEST(what_is_gone_cannot_be_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
