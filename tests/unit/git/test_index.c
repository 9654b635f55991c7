/*
 * The coordination worktree's index, private indexes, two-tree reads: what git says afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/git/commit.h"
#include "supervisor/git/hooks.h"
#include "supervisor/git/index.h"
#include "unit/git/store_fixture.h"

static const char log_path[] = "kitty-specs/m/status.events.jsonl";
static const char fresh_path[] = "kitty-specs/m/status.json";

static int set_up(void **state)
{
	*state = open_store(
		"mkdir -p kitty-specs/m a/b && echo one >kitty-specs/m/status.events.jsonl && for "
		"i in 1 2 3 4 5 6 7 8 9; do echo $i >a/b/file$i; done && git add . && git commit "
		"-q -m files && git rev-parse main");
	return 0;
}

/* Commits two files by the primitive, writes them, and leaves the index to the caller. */
static void commit_files(struct fixture *it, struct kt_index_entry entries[2])
{
	static const char log[] = "one\ntwo\n", fresh[] = "{}\n";
	struct kt_change changes[2] = {{.path = log_path, .bytes = log, .len = sizeof log - 1},
		{.path = fresh_path, .bytes = fresh, .len = sizeof fresh - 1}};
	struct kt_commit_plan plan = {.parents = &it->commit,
		.parents_len = 1,
		.changes = changes,
		.changes_len = 2,
		.author = {"a", "b", 1},
		.committer = {"a", "b", 1},
		.message = "event"};
	struct kt_oid commit, blobs[2];

	assert_int_equal(kt_commit_build(it->store, &plan, &commit, blobs, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_barrier(it->store, &it->err), KT_E_OK);
	assert_int_equal(
		kt_commit_swap(it->store, "refs/heads/main", &it->commit, &commit, "x", &it->err),
		KT_E_OK);
	it->commit = commit;
	kt_sandbox_write(it->box, log_path, log);
	kt_sandbox_write(it->box, fresh_path, fresh);
	entries[0] = (struct kt_index_entry){log_path, blobs[0]};
	entries[1] = (struct kt_index_entry){fresh_path, blobs[1]};
}

static void update(struct fixture *it, const struct kt_index_entry *entries)
{
	if (kt_index_update(it->store, it->box->repo, entries, 2, &it->err) != KT_E_OK)
		fail_msg("%s: %s", kt_error_text(it->err.code), it->err.detail);
}

static void check_clean_update(struct fixture *it)
{
	struct kt_index_entry entries[2];
	bool matches = true;

	commit_files(it, entries);
	assert_int_equal(kt_index_matches(it->box->repo, entries, 2, &matches, &it->err), KT_E_OK);
	assert_false(matches);
	update(it, entries);
	kt_sandbox_expect(it->box, "", "git status --porcelain");
	kt_sandbox_expect(it->box, "", "git diff-files");
	kt_sandbox_expect(it->box, "", "git diff-index --cached HEAD");
	kt_sandbox_expect(it->box, "", "git fsck --strict --no-dangling 2>&1");
	assert_int_equal(kt_index_matches(it->box->repo, entries, 2, &matches, &it->err), KT_E_OK);
	assert_true(matches);
}

static void status_is_clean_after_an_update(void **state)
{
	check_clean_update(*state);
}

static void index_version_4_is_updated_and_stays(void **state)
{
	struct fixture *it = *state;

	free(kt_sandbox_run(it->box, "git update-index --index-version 4"));
	check_clean_update(it);
	kt_sandbox_expect(it->box, "4", "od -An -tu1 -j7 -N1 .git/index | tr -d ' '");
}

static void a_split_index_is_updated_by_git(void **state)
{
	struct fixture *it = *state;

	free(kt_sandbox_run(
		it->box, "git config core.splitIndex true && git update-index --split-index"));
	check_clean_update(it);
}

static void a_missing_index_is_made_again(void **state)
{
	struct fixture *it = *state;

	free(kt_sandbox_run(it->box, "rm .git/index"));
	check_clean_update(it);
}

static void other_entries_keep_their_staging_and_skip_bits(void **state)
{
	struct fixture *it = *state;
	struct kt_index_entry entries[2];

	free(kt_sandbox_run(it->box, "echo staged >a/b/file1 && git add a/b/file1 && git "
				     "update-index --skip-worktree a/b/file2"
				     " && git update-index --assume-unchanged a/b/file3"));
	commit_files(it, entries);
	update(it, entries);
	kt_sandbox_expect(it->box, "M  a/b/file1", "git status --porcelain");
	kt_sandbox_expect(it->box, "S a/b/file2\nh a/b/file3", "git ls-files -v a | grep -v '^H'");
}

static void a_held_index_lock_is_waited_for_and_then_reported(void **state)
{
	struct fixture *it = *state;
	struct kt_index_entry entries[2];

	commit_files(it, entries);
	free(kt_sandbox_run(it->box, ": >.git/index.lock"));
	assert_int_equal(
		kt_index_update(it->store, it->box->repo, entries, 2, &it->err), KT_E_INDEX_LOCKED);
	free(kt_sandbox_run(it->box, "(sleep 0.2; rm .git/index.lock) >/dev/null 2>&1 &"));
	update(it, entries);
	kt_sandbox_expect(it->box, "", "git status --porcelain");
}

static void a_private_index_holds_the_commit_to_be(void **state)
{
	struct fixture *it = *state;
	struct kt_index_entry entries[2];
	struct kt_oid before = it->commit;
	char *path = kt_sandbox_path(it->box, ".git/kitty-index");
	struct kt_child child = KT_CHILD_INIT;
	struct kt_child_status status = {0};

	free(kt_sandbox_run(
		it->box, "echo foreign >a/b/file1 && git add a/b/file1 && cp .git/index saved"));
	commit_files(it, entries);
	assert_int_equal(
		kt_private_index_start(it->box->repo, &before, path, &child, &it->err), KT_E_OK);
	kt_child_wait(&child, 20000, &status);
	kt_child_release(&child);
	assert_true(status.exited && status.exit_code == 0);
	assert_int_equal(
		kt_private_index_finish(it->box->repo, entries, 2, path, &it->err), KT_E_OK);
	kt_sandbox_expect(
		it->box, "", "GIT_INDEX_FILE=.git/kitty-index git diff --cached --name-only HEAD");
	kt_sandbox_expect(it->box, "kitty-specs/m/status.events.jsonl kitty-specs/m/status.json",
		"GIT_INDEX_FILE=.git/kitty-index git diff --cached --name-only HEAD~1 | xargs");
	kt_sandbox_expect(it->box, "", "cmp saved .git/index");
	free(path);
}

static void a_two_tree_read_brings_the_worktree_along(void **state)
{
	struct fixture *it = *state;
	struct kt_index_entry entries[2];
	struct kt_oid before = it->commit;

	commit_files(it, entries);
	free(kt_sandbox_run(it->box,
		"git show HEAD~1:%s >%s && touch -d yesterday kitty-specs/m/* && rm %s && echo "
		"mine >a/b/file9",
		log_path, log_path, fresh_path));
	assert_int_equal(kt_worktree_sync(it->box->repo, &before, &it->commit, &it->err), KT_E_OK);
	kt_sandbox_expect(it->box, " M a/b/file9", "git status --porcelain");
	free(kt_sandbox_run(it->box, "echo edited >>%s", log_path));
	assert_int_equal(
		kt_worktree_sync(it->box->repo, &it->commit, &before, &it->err), KT_E_GIT_FAILED);
	kt_sandbox_expect(it->box, "edited", "tail -1 %s", log_path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(status_is_clean_after_an_update),
		TEST(index_version_4_is_updated_and_stays),
		TEST(a_split_index_is_updated_by_git),
		TEST(a_missing_index_is_made_again),
		TEST(other_entries_keep_their_staging_and_skip_bits),
		TEST(a_held_index_lock_is_waited_for_and_then_reported),
		TEST(a_private_index_holds_the_commit_to_be),
		TEST(a_two_tree_read_brings_the_worktree_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
