/*
 * Worktrees on real repositories: made, found again, rolled back, removed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/git/worktree.h"
#include "support/sandbox.h"

static const char *const patterns[] = {
	"/*", "!/kitty-specs/*/status.events.jsonl", "!/kitty-specs/*/status.json", NULL};
static const char *const absent[] = {
	"kitty-specs/m/status.events.jsonl", "kitty-specs/m/status.json", NULL};

struct fixture {
	struct kt_sandbox *box;
	struct kt_repository *repo;
	struct kt_error err;
	char *path, *start;
	struct kt_worktree_plan plan;
};

static int set_up(void **state)
{
	struct fixture *it = kt_alloc(sizeof *it);

	it->box = kt_sandbox_new();
	free(kt_sandbox_run(it->box,
		"mkdir -p kitty-specs/m src && cd kitty-specs/m && echo log >status.events.jsonl"
		" && echo {} >status.json && echo spec >spec.md && echo c >../../src/main.c"
		" && git add -A ../.. && git commit -q -m files"));
	assert_int_equal(kt_repository_find(it->box->repo, &it->repo, &it->err), KT_E_OK);
	it->path = kt_sandbox_path(it->box, ".worktrees/m-lane-a");
	it->start = kt_sandbox_run(it->box, "git rev-parse HEAD");
	it->plan = (struct kt_worktree_plan){.path = it->path,
		.branch = "kitty/mission-m-lane-a",
		.start = it->start,
		.lock_reason = "kitty:m",
		.sparse_patterns = patterns,
		.absent_paths = absent};
	*state = it;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *it = *state;

	free(it->path);
	free(it->start);
	kt_repository_free(it->repo);
	kt_sandbox_free(it->box);
	free(it);
	return 0;
}

static bool create(struct fixture *it)
{
	bool created = false;

	if (kt_worktree_create(it->repo, &it->plan, &created, &it->err) != KT_E_OK)
		fail_msg("%s: %s", kt_error_text(it->err.code), it->err.detail);
	return created;
}

static void expect_failure(struct fixture *it, enum kt_code wanted)
{
	bool created = false;
	enum kt_code code = kt_worktree_create(it->repo, &it->plan, &created, &it->err);

	assert_string_equal(kt_error_text(code), kt_error_text(wanted));
}

static void a_sparse_lane_is_made_once(void **state)
{
	struct fixture *it = *state;
	struct kt_worktree_facts facts;

	assert_true(create(it));
	assert_false(create(it));
	assert_false(kt_sandbox_has(it->box, ".worktrees/m-lane-a/kitty-specs/m/status.json"));
	assert_true(kt_sandbox_has(it->box, ".worktrees/m-lane-a/kitty-specs/m/spec.md"));
	assert_true(kt_sandbox_has(it->box, ".worktrees/m-lane-a/src/main.c"));
	kt_sandbox_expect(it->box, "", "git -C '%s' status --porcelain", it->path);
	kt_sandbox_expect(it->box,
		"/*\n!/kitty-specs/*/status.events.jsonl\n!/kitty-specs/*/status.json",
		"cat $(git -C '%s' rev-parse --git-path info/sparse-checkout)", it->path);
	kt_sandbox_expect(it->box, "locked kitty:m",
		"git worktree list --porcelain | grep -A4 lane-a | grep locked");
	kt_sandbox_expect(it->box, "", "git config --get-regexp '^branch\\.' || true");
	kt_sandbox_expect(it->box, "", "git ls-files -t | grep ^S || true");
	kt_sandbox_expect(it->box, "2", "git -C '%s' ls-files -t | grep -c ^S", it->path);
	kt_worktree_inspect(it->repo, it->path, &facts);
	assert_true(facts.exists);
	assert_true(facts.is_linked);
	assert_string_equal(facts.head, "refs/heads/kitty/mission-m-lane-a");
	assert_string_equal(facts.state, "");
	kt_worktree_facts_release(&facts);
}

static void a_full_worktree_has_every_file(void **state)
{
	struct fixture *it = *state;

	it->plan.sparse_patterns = it->plan.absent_paths = NULL;
	assert_true(create(it));
	assert_true(kt_sandbox_has(it->box, ".worktrees/m-lane-a/kitty-specs/m/status.json"));
	kt_sandbox_expect(it->box, "", "git -C '%s' status --porcelain", it->path);
}

static void a_failed_creation_leaves_neither_worktree_nor_branch(void **state)
{
	static const char *const wrong[] = {"src/main.c", NULL};
	struct fixture *it = *state;

	it->plan.absent_paths = wrong;
	expect_failure(it, KT_E_GIT_FAILED);
	assert_false(kt_sandbox_has(it->box, ".worktrees/m-lane-a"));
	kt_sandbox_expect(it->box, "main", "git for-each-ref --format='%%(refname:short)'");
	kt_sandbox_expect(it->box, "1", "git worktree list | wc -l");
	it->plan.absent_paths = absent;
	assert_true(create(it));
}

static void a_failed_creation_keeps_a_branch_that_was_there(void **state)
{
	static const char *const wrong[] = {"src/main.c", NULL};
	struct fixture *it = *state;

	free(kt_sandbox_run(it->box, "git branch kitty/mission-m-lane-a"));
	it->plan.absent_paths = wrong;
	expect_failure(it, KT_E_GIT_FAILED);
	kt_sandbox_expect(it->box, it->start, "git rev-parse kitty/mission-m-lane-a");
	kt_sandbox_expect(it->box, "1", "git worktree list | wc -l");
}

static void a_removed_folder_is_made_again(void **state)
{
	struct fixture *it = *state;

	assert_true(create(it));
	free(kt_sandbox_run(it->box, "git -C '%s' commit -q --allow-empty -m work && rm -rf '%s'",
		it->path, it->path));
	assert_true(create(it));
	kt_sandbox_expect(it->box, "work", "git -C '%s' log -1 --format=%%s", it->path);
	kt_sandbox_expect(it->box, "2", "git worktree list | wc -l");
}

static void a_creation_that_was_killed_is_started_anew(void **state)
{
	struct fixture *it = *state;

	free(kt_sandbox_run(it->box,
		"git worktree add -q --no-checkout --lock -b kitty/mission-m-lane-a '%s' HEAD",
		it->path));
	assert_true(create(it));
	kt_sandbox_expect(it->box, "", "git -C '%s' status --porcelain", it->path);
	free(kt_sandbox_run(it->box,
		"echo 'kitty: being made' >\"$(git -C '%s' rev-parse --git-dir)/locked\"",
		it->path));
	assert_true(create(it));
	assert_false(create(it));
	/* Killed so early that only the folder and its .git file are there. */
	free(kt_sandbox_run(it->box,
		"git worktree remove -f -f '%s' && mkdir -p '%s'"
		" && echo 'gitdir: /gone' >'%s/.git'",
		it->path, it->path, it->path));
	assert_true(create(it));
}

static void a_folder_with_files_is_not_touched(void **state)
{
	struct fixture *it = *state;

	free(kt_sandbox_run(it->box, "mkdir -p '%s' && echo mine >'%s/file'", it->path, it->path));
	expect_failure(it, KT_E_GIT_FAILED);
	kt_sandbox_expect(it->box, "mine", "cat '%s/file'", it->path);
	kt_sandbox_expect(it->box, "main", "git for-each-ref --format='%%(refname:short)'");
}

static void a_branch_that_is_checked_out_elsewhere_is_refused(void **state)
{
	struct fixture *it = *state;
	char *elsewhere = kt_format("%s/elsewhere", it->box->root), *found;

	free(kt_sandbox_run(
		it->box, "git worktree add -q '%s' -b kitty/mission-m-lane-a", elsewhere));
	expect_failure(it, KT_E_BRANCH_CHECKED_OUT_ELSEWHERE);
	assert_non_null(strstr(it->err.detail, elsewhere));
	found = kt_branch_checked_out_at(it->repo, "kitty/mission-m-lane-a", NULL);
	assert_string_equal(found, elsewhere);
	free(found);
	assert_null(kt_branch_checked_out_at(it->repo, "kitty/mission-m-lane-a", elsewhere));
	found = kt_branch_checked_out_at(it->repo, "main", NULL);
	assert_string_equal(found, it->box->repo);
	free(found);
	free(elsewhere);
}

static void a_branch_under_rebase_counts_as_checked_out(void **state)
{
	struct fixture *it = *state;
	char *found;

	assert_true(create(it));
	free(kt_sandbox_run(it->box,
		"echo x >README && git commit -q -a -m theirs && cd '%s' && echo y >README"
		" && git commit -q -a -m ours && ! git rebase -q main 2>/dev/null",
		it->path));
	found = kt_branch_checked_out_at(it->repo, "kitty/mission-m-lane-a", NULL);
	assert_string_equal(found, it->path);
	free(found);
}

static void a_worktree_on_another_branch_is_a_mismatch(void **state)
{
	struct fixture *it = *state;

	assert_true(create(it));
	free(kt_sandbox_run(it->box, "git -C '%s' checkout -q -b other", it->path));
	expect_failure(it, KT_E_LANE_HEAD_MISMATCH);
	free(kt_sandbox_run(it->box, "git -C '%s' checkout -q --detach", it->path));
	expect_failure(it, KT_E_LANE_HEAD_MISMATCH);
}

static void removal_refuses_to_lose_work(void **state)
{
	struct fixture *it = *state;

	assert_true(create(it));
	free(kt_sandbox_run(
		it->box, "echo '*.o' >>.git/info/exclude && echo x >'%s/x.o'", it->path));
	assert_int_equal(kt_worktree_remove(it->repo, it->path, false, &it->err), KT_E_GIT_FAILED);
	assert_non_null(strstr(it->err.detail, "x.o"));
	assert_int_equal(kt_worktree_remove(it->repo, it->path, true, &it->err), KT_E_OK);
	assert_false(kt_sandbox_has(it->box, ".worktrees/m-lane-a"));
	assert_int_equal(kt_worktree_remove(it->repo, it->path, false, &it->err), KT_E_OK);
	kt_sandbox_expect(it->box, it->start, "git rev-parse kitty/mission-m-lane-a");
	assert_true(create(it));
	assert_int_equal(kt_worktree_remove(it->repo, it->path, false, &it->err), KT_E_OK);
	assert_int_equal(
		kt_worktree_remove(it->repo, it->box->repo, true, &it->err), KT_E_GIT_FAILED);
}

/* A killed removal leaves folders without files; what else is there is somebody's. */
static void only_empty_folders_are_left_of_a_killed_removal(void **state)
{
	struct fixture *it = *state;

	assert_true(create(it));
	free(kt_sandbox_run(it->box,
		"cd '%s' && find . -mindepth 1 -delete && mkdir -p a/b/c d && "
		"mkdir -p ../../outside/inner && ln -s \"$PWD/../../outside\" a/link",
		it->path));
	assert_int_equal(kt_worktree_remove(it->repo, it->path, false, &it->err), KT_E_GIT_FAILED);
	assert_non_null(strstr(it->err.detail, "is no worktree of this repository"));
	assert_true(kt_sandbox_has(it->box, ".worktrees/m-lane-a/a/link"));
	assert_true(kt_sandbox_has(it->box, "outside/inner"));
	free(kt_sandbox_run(it->box, "cd '%s' && rm a/link && echo x >d/file", it->path));
	assert_int_equal(kt_worktree_remove(it->repo, it->path, false, &it->err), KT_E_GIT_FAILED);
	assert_true(kt_sandbox_has(it->box, ".worktrees/m-lane-a/d/file"));
	free(kt_sandbox_run(it->box, "cd '%s' && rm d/file && mkdir -p a/b/c", it->path));
	assert_int_equal(kt_worktree_remove(it->repo, it->path, false, &it->err), KT_E_OK);
	assert_false(kt_sandbox_has(it->box, ".worktrees/m-lane-a"));
	assert_null(kt_worktree_registration(it->repo, it->path));
	kt_sandbox_expect(it->box, "1", "git worktree list | wc -l");
}

static void changes_are_listed_with_odd_names(void **state)
{
	struct fixture *it = *state;
	struct kt_buffer paths = KT_BUFFER_INIT;
	static const char wanted[] = "README\0new\nname\0src/main.c\0sub/\xc3\xa9 x\0";

	assert_true(create(it));
	assert_int_equal(kt_worktree_changes(it->path, &paths, &it->err), KT_E_OK);
	assert_int_equal(paths.len, 0);
	free(kt_sandbox_run(it->box,
		"cd '%s' && echo 1 >README && git mv src/main.c 'new\nname' && mkdir sub && : "
		">'sub/\xc3\xa9 x'",
		it->path));
	assert_int_equal(kt_worktree_changes(it->path, &paths, &it->err), KT_E_OK);
	assert_int_equal(paths.len, sizeof wanted - 1);
	assert_memory_equal(paths.data, wanted, sizeof wanted - 1);
	kt_buffer_release(&paths);
}

static void a_hook_environment_does_not_lead_elsewhere(void **state)
{
	struct fixture *it = *state;

	free(kt_sandbox_run(it->box, "git init -q ../other && mkdir -p .git/hooks"
				     " && printf '#!/bin/sh\\nexit 5\\n' >.git/hooks/post-checkout"
				     " && chmod +x .git/hooks/post-checkout"));
	(void)setenv("GIT_DIR", "../other/.git", 1);
	(void)setenv("GIT_WORK_TREE", "../other", 1);
	(void)setenv("GIT_INDEX_FILE", "/nowhere/index", 1);
	assert_true(create(it));
	(void)unsetenv("GIT_DIR");
	(void)unsetenv("GIT_WORK_TREE");
	(void)unsetenv("GIT_INDEX_FILE");
	kt_sandbox_expect(it->box, "", "git -C '%s' status --porcelain", it->path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_sparse_lane_is_made_once),
		TEST(a_full_worktree_has_every_file),
		TEST(a_failed_creation_leaves_neither_worktree_nor_branch),
		TEST(a_failed_creation_keeps_a_branch_that_was_there),
		TEST(a_removed_folder_is_made_again),
		TEST(a_creation_that_was_killed_is_started_anew),
		TEST(a_folder_with_files_is_not_touched),
		TEST(a_branch_that_is_checked_out_elsewhere_is_refused),
		TEST(a_branch_under_rebase_counts_as_checked_out),
		TEST(a_worktree_on_another_branch_is_a_mismatch),
		TEST(removal_refuses_to_lose_work),
		TEST(only_empty_folders_are_left_of_a_killed_removal),
		TEST(changes_are_listed_with_odd_names),
		TEST(a_hook_environment_does_not_lead_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
