/* Lanes on real repositories: made, resumed, inspected, committed for an agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/lane_ops.h"
#include "supervisor/lane_ops_changes.h"
#include "support/sandbox.h"

#define SLUG "demo-01J6XW9K"
#define LANE ".worktrees/" SLUG "-lane-a"
#define BRANCH "kitty/mission-" SLUG "-lane-a"
#define STATUS_FILE "kitty-specs/" SLUG "/status.json"

struct bench {
	struct kt_sandbox *box;
	struct kt_repository *repo;
	struct kt_mission mission;
	struct kt_error err;
	struct kt_json *facts;
};

static int set_up(void **state)
{
	struct bench *bench = kt_alloc(sizeof(*bench));
	struct kt_sandbox *box = kt_sandbox_new();
	struct kt_mission *mission = &bench->mission;

	bench->box = box;
	kt_sandbox_write(box, "src/main.c", "int main;\n");
	kt_sandbox_write(box, ".gitignore", "*.o\n");
	kt_sandbox_write(box, STATUS_FILE, "{}");
	kt_sandbox_write(box, "kitty-specs/" SLUG "/status.events.jsonl", "{}\n");
	kt_sandbox_write(box, "kitty-specs/" SLUG "/spec.md", "spec\n");
	free(kt_sandbox_run(box,
		"git branch -q -f target && git checkout -q -b kitty/mission-" SLUG
		" && git add -A && git commit -q -m specs && git checkout -q main"));
	assert_int_equal(kt_repository_find(box->repo, &bench->repo, &bench->err), KT_E_OK);
	mission->mission_id = kt_strdup("01J6XW9K000000000000000000");
	mission->mid8 = kt_strdup("01J6XW9K");
	mission->slug = kt_strdup(SLUG);
	mission->target_branch = kt_strdup("main");
	mission->coordination_branch = kt_strdup("kitty/mission-" SLUG);
	mission->coordination_ref = kt_strdup("refs/heads/kitty/mission-" SLUG);
	mission->repo_root = kt_strdup(bench->repo->primary);
	mission->common_dir = kt_strdup(bench->repo->common_dir);
	mission->folder = kt_strdup("kitty-specs/" SLUG);
	mission->log_path = kt_strdup("kitty-specs/" SLUG "/status.events.jsonl");
	mission->snapshot_path = kt_strdup(STATUS_FILE);
	mission->coord_worktree = kt_format("%s/.worktrees/" SLUG "-coord", mission->repo_root);
	mission->run_dir = kt_format("%s/kitty/" SLUG, mission->common_dir);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	struct kt_mission *mission = &bench->mission;
	char *owned[] = {mission->mission_id, mission->mid8, mission->slug, mission->target_branch,
		mission->coordination_branch, mission->coordination_ref, mission->repo_root,
		mission->common_dir, mission->folder, mission->log_path, mission->snapshot_path,
		mission->coord_worktree, mission->run_dir};

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	kt_json_free(bench->facts);
	kt_repository_free(bench->repo);
	kt_sandbox_free(bench->box);
	free(bench);
	return 0;
}

static enum kt_code prepare(struct bench *bench)
{
	kt_json_free(bench->facts);
	bench->facts = NULL;
	return kt_lane_prepare(bench->repo, &bench->mission, "a", &bench->facts, &bench->err);
}

static void must_prepare(struct bench *bench)
{
	if (prepare(bench) != KT_E_OK)
		fail_msg("%s: %s", kt_error_text(bench->err.code), bench->err.detail);
}

static char *tip_of(struct bench *bench)
{
	return kt_sandbox_run(bench->box, "git rev-parse " BRANCH);
}

static enum kt_code commit_since(struct bench *bench, const char *since, long long max_bytes)
{
	struct kt_lane_finish wish = {.lane_id = "lane-a",
		.wp_id = "WP01",
		.wp_title = "Make it work",
		.agent = "claude",
		.since = since,
		.max_bytes = max_bytes};

	kt_json_free(bench->facts);
	bench->facts = NULL;
	return kt_lane_commit(bench->repo, &bench->mission, &wish, &bench->facts, &bench->err);
}

static void must_commit(struct bench *bench, const char *since)
{
	if (commit_since(bench, since, 0) != KT_E_OK)
		fail_msg("%s: %s", kt_error_text(bench->err.code), bench->err.detail);
}

static long long fact(const struct bench *bench, const char *key)
{
	int64_t value = -1;

	assert_true(kt_json_get_int(bench->facts, key, &value));
	return value;
}

/* A hook of the user's in the common hooks folder. */
static void write_hook(const struct bench *bench, const char *name, const char *script)
{
	char *path = kt_format(".git/hooks/%s", name);

	free(kt_sandbox_run(bench->box, "mkdir -p .git/hooks"));
	kt_sandbox_write(bench->box, path, script);
	free(kt_sandbox_run(bench->box, "chmod +x %s", path));
	free(path);
}

/* ---- making
 * ---------------------------------------------------------------------------------------- */

static void the_coordination_worktree_is_made_once_and_remade_when_gone(void **state)
{
	struct bench *bench = *state;
	bool created = false;

	assert_int_equal(
		kt_coordination_prepare(bench->repo, &bench->mission, &created, &bench->err),
		KT_E_OK);
	assert_true(created);
	assert_true(kt_sandbox_has(bench->box, ".worktrees/" SLUG "-coord/" STATUS_FILE));
	assert_int_equal(
		kt_coordination_prepare(bench->repo, &bench->mission, &created, &bench->err),
		KT_E_OK);
	assert_false(created);
	free(kt_sandbox_run(bench->box, "rm -rf .worktrees/" SLUG "-coord"));
	assert_int_equal(
		kt_coordination_prepare(bench->repo, &bench->mission, &created, &bench->err),
		KT_E_OK);
	assert_true(created);
	free(kt_sandbox_run(bench->box, "git -C .worktrees/" SLUG "-coord switch -q -c other"));
	assert_int_equal(
		kt_coordination_prepare(bench->repo, &bench->mission, &created, &bench->err),
		KT_E_COORDINATION_WORKTREE_BRANCH_MISMATCH);
}

static void a_lane_starts_at_the_coordination_tip_without_the_status_files(void **state)
{
	struct bench *bench = *state;
	char *tip = kt_sandbox_run(bench->box, "git rev-parse kitty/mission-" SLUG);

	must_prepare(bench);
	assert_true(kt_json_get_bool(bench->facts, "created", false));
	assert_string_equal(kt_json_get_string(bench->facts, "branch"), BRANCH);
	assert_string_equal(kt_json_get_string(bench->facts, "head"), tip);
	assert_true(kt_sandbox_has(bench->box, LANE "/src/main.c"));
	assert_true(kt_sandbox_has(bench->box, LANE "/kitty-specs/" SLUG "/spec.md"));
	assert_false(kt_sandbox_has(bench->box, LANE "/" STATUS_FILE));
	kt_sandbox_expect(bench->box, "", "git -C " LANE " status --porcelain");
	free(tip);
}

static void a_dirty_lane_is_resumed_as_it_is(void **state)
{
	struct bench *bench = *state;

	must_prepare(bench);
	kt_sandbox_write(bench->box, LANE "/new.c", "x\n");
	must_prepare(bench);
	assert_false(kt_json_get_bool(bench->facts, "created", true));
	assert_true(kt_sandbox_has(bench->box, LANE "/new.c"));
}

static void a_lane_whose_folder_is_gone_keeps_its_branch(void **state)
{
	struct bench *bench = *state;
	char *tip = NULL;

	must_prepare(bench);
	free(kt_sandbox_run(bench->box, "git -C " LANE " commit -q --allow-empty -m work"));
	tip = tip_of(bench);
	free(kt_sandbox_run(bench->box, "rm -rf " LANE));
	must_prepare(bench);
	assert_true(kt_json_get_bool(bench->facts, "created", false));
	assert_string_equal(kt_json_get_string(bench->facts, "head"), tip);
	free(tip);
}

/* Found by the stress harness: git makes a worktree with a detached HEAD first, and a kill may
 * leave it there. */
static void a_lane_whose_making_was_killed_is_made_anew(void **state)
{
	struct bench *bench = *state;

	free(kt_sandbox_run(bench->box, "git worktree add -q --no-checkout --detach --lock "
					"--reason 'kitty: being made' " LANE " HEAD"));
	must_prepare(bench);
	assert_true(kt_json_get_bool(bench->facts, "created", false));
	kt_sandbox_expect(bench->box, "refs/heads/" BRANCH, "git -C " LANE " symbolic-ref HEAD");
	kt_sandbox_expect(bench->box, "", "git -C " LANE " status --porcelain");
}

static void a_lane_whose_branch_is_gone_is_refused_with_its_last_commit(void **state)
{
	struct bench *bench = *state;
	char *tip = NULL;

	must_prepare(bench);
	free(kt_sandbox_run(bench->box, "git -C " LANE " commit -q --allow-empty -m work"));
	tip = tip_of(bench);
	must_prepare(bench); /* notes the tip */
	free(kt_sandbox_run(
		bench->box, "git worktree remove -f -f " LANE " && git branch -q -D " BRANCH));
	assert_int_equal(prepare(bench), KT_E_LANE_BRANCH_MISSING);
	assert_non_null(strstr(bench->err.detail, tip));
	assert_non_null(strstr(bench->err.next_step, tip));
	free(tip);
}

static void a_foreign_branch_of_the_lanes_name_is_refused(void **state)
{
	struct bench *bench = *state;

	free(kt_sandbox_run(bench->box,
		"git branch " BRANCH
		" $(git commit-tree -m alien $(git hash-object -w -t tree /dev/null))"));
	assert_int_equal(prepare(bench), KT_E_LANE_ALLOCATION_FAILED);
	assert_false(kt_sandbox_has(bench->box, LANE));
}

static void a_lane_on_another_branch_or_in_a_merge_is_refused(void **state)
{
	struct bench *bench = *state;

	must_prepare(bench);
	free(kt_sandbox_run(bench->box, "git -C " LANE " switch -q -c other"));
	assert_int_equal(prepare(bench), KT_E_LANE_HEAD_MISMATCH);
	free(kt_sandbox_run(bench->box,
		"cd " LANE " && git switch -q " BRANCH " && cp ../../.git/refs/heads/main "
		"$(git rev-parse --git-dir)/MERGE_HEAD"));
	assert_int_equal(prepare(bench), KT_E_LANE_BUSY);
}

static void changed_sparse_patterns_are_set_again(void **state)
{
	struct bench *bench = *state;

	must_prepare(bench);
	free(kt_sandbox_run(bench->box, "git -C " LANE " sparse-checkout set --no-cone '/*'"));
	assert_true(kt_sandbox_has(bench->box, LANE "/" STATUS_FILE));
	must_prepare(bench);
	assert_false(kt_sandbox_has(bench->box, LANE "/" STATUS_FILE));
}

static void names_that_are_no_lane_are_refused(void **state)
{
	static const char *const NAMES[] = {"A", "../x", "lane-", "lane-planning", "a1"};
	struct bench *bench = *state;

	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		assert_int_equal(kt_lane_prepare(bench->repo, &bench->mission, NAMES[i],
					 &bench->facts, &bench->err),
			KT_E_LANE_NOT_FOUND);
}

static void inspect_tells_and_changes_nothing(void **state)
{
	struct bench *bench = *state;
	char *since = NULL;

	must_prepare(bench);
	since = tip_of(bench);
	free(kt_sandbox_run(bench->box, "git -C " LANE " commit -q --allow-empty -m work"));
	kt_sandbox_write(bench->box, LANE "/new file", "x\n");
	kt_json_free(bench->facts);
	assert_int_equal(kt_lane_inspect(bench->repo, &bench->mission, "lane-a", since,
				 &bench->facts, &bench->err),
		KT_E_OK);
	assert_string_equal(kt_json_get_string(bench->facts, "head_ref"), "refs/heads/" BRANCH);
	assert_string_equal(kt_json_get_string(bench->facts, "state"), "");
	assert_int_equal(fact(bench, "new_commits"), 1);
	assert_string_equal(
		kt_json_string(kt_json_first(kt_json_get(bench->facts, "dirty"))), "new file");
	free(since);
}

/* ---- committing
 * ------------------------------------------------------------------------------------ */

static void leftovers_become_one_commit_of_the_agents(void **state)
{
	struct bench *bench = *state;
	char *since = NULL;

	must_prepare(bench);
	since = tip_of(bench);
	kt_sandbox_write(bench->box, LANE "/src/main.c", "int main(void);\n");
	kt_sandbox_write(bench->box, LANE "/dir with space/new\tfile", "x\n");
	kt_sandbox_write(bench->box, LANE "/main.o", "ignored");
	kt_sandbox_write(bench->box, LANE "/staged.c", "s\n");
	free(kt_sandbox_run(bench->box,
		"cd " LANE
		" && git add staged.c && rm .gitignore && echo '*.o' >> ../../.git/info/exclude"));
	must_commit(bench, since);
	assert_int_equal(fact(bench, "commits"), 1);
	assert_true(kt_json_get_bool(bench->facts, "has_work", false));
	assert_non_null(kt_json_get_string(bench->facts, "committed"));
	kt_sandbox_expect(bench->box, "claude <claude@agents.kitty.invalid>|WP01: Make it work",
		"git log -1 --format='%%an <%%ae>|%%s' " BRANCH);
	kt_sandbox_expect(bench->box,
		".gitignore\n\"dir with space/new\\tfile\"\nsrc/main.c\nstaged.c",
		"git diff-tree -r --name-only --no-commit-id " BRANCH);
	kt_sandbox_expect(bench->box, "", "git -C " LANE " status --porcelain");
	assert_false(kt_sandbox_has(bench->box, LANE "/" STATUS_FILE));
	free(since);
}

static void nothing_left_is_no_commit_and_no_work(void **state)
{
	struct bench *bench = *state;
	char *since = NULL;

	must_prepare(bench);
	since = tip_of(bench);
	free(kt_sandbox_run(bench->box, "touch " LANE "/src/main.c"));
	must_commit(bench, since);
	assert_int_equal(fact(bench, "commits"), 0);
	assert_false(kt_json_get_bool(bench->facts, "has_work", true));
	assert_null(kt_json_get_string(bench->facts, "committed"));
	free(since);
}

static void the_agents_own_commits_count_and_the_missions_do_not(void **state)
{
	struct bench *bench = *state;
	char *since = NULL;

	must_prepare(bench);
	since = tip_of(bench);
	free(kt_sandbox_run(bench->box,
		"git update-ref refs/heads/kitty/mission-" SLUG
		" $(git commit-tree -m event -p kitty/mission-" SLUG " kitty/mission-" SLUG
		"^{tree}) && "
		"cd " LANE " && git merge -q --ff-only kitty/mission-" SLUG));
	must_commit(bench, since);
	assert_false(kt_json_get_bool(bench->facts, "has_work", true));
	free(kt_sandbox_run(bench->box, "git -C " LANE " commit -q --allow-empty -m own"));
	must_commit(bench, since);
	assert_int_equal(fact(bench, "commits"), 1);
	assert_true(kt_json_get_bool(bench->facts, "has_work", false));
	free(since);
}

static void the_missions_folder_is_never_committed(void **state)
{
	struct bench *bench = *state;
	char *since = NULL;

	must_prepare(bench);
	since = tip_of(bench);
	kt_sandbox_write(bench->box, LANE "/kitty-specs/" SLUG "/spec.md", "mine now\n");
	kt_sandbox_write(bench->box, LANE "/kitty-specs/" SLUG "/note.md", "note\n");
	kt_sandbox_write(bench->box, LANE "/" STATUS_FILE, "forged");
	free(kt_sandbox_run(bench->box, "cd " LANE " && git add --sparse kitty-specs"));
	must_commit(bench, since);
	assert_false(kt_json_get_bool(bench->facts, "has_work", true));
	kt_sandbox_write(bench->box, LANE "/work.c", "w\n");
	must_commit(bench, since);
	kt_sandbox_expect(bench->box, "work.c", "git diff --name-only %s " BRANCH, since);
	/* What the agent staged there is as it left it. */
	kt_sandbox_expect(bench->box,
		"kitty-specs/" SLUG "/note.md\nkitty-specs/" SLUG "/spec.md\n" STATUS_FILE,
		"git -C " LANE " diff --cached --name-only");
	free(since);
}

static void a_rejecting_hook_leaves_files_and_index_as_they_were(void **state)
{
	struct bench *bench = *state;
	char *since = NULL, *before = NULL, *after = NULL;

	must_prepare(bench);
	since = tip_of(bench);
	write_hook(bench, "pre-commit", "#!/bin/sh\necho 'style: bad indent' >&2\nexit 1\n");
	kt_sandbox_write(bench->box, LANE "/half.c", "first\n");
	free(kt_sandbox_run(bench->box, "git -C " LANE " add half.c"));
	kt_sandbox_write(bench->box, LANE "/half.c", "second\n");
	kt_sandbox_write(bench->box, LANE "/new.c", "n\n");
	before = kt_sandbox_run(
		bench->box, "cd " LANE " && sha1sum < $(git rev-parse --git-path index)");
	assert_int_equal(commit_since(bench, since, 0), KT_E_LANE_COMMIT_FAILED);
	assert_non_null(strstr(bench->err.detail, "style: bad indent"));
	after = kt_sandbox_run(
		bench->box, "cd " LANE " && sha1sum < $(git rev-parse --git-path index)");
	assert_string_equal(before, after);
	kt_sandbox_expect(bench->box, "AM half.c\n?? new.c", "git -C " LANE " status --porcelain");
	kt_sandbox_expect(bench->box, since, "git rev-parse " BRANCH);
	free(kt_sandbox_run(bench->box, "rm .git/hooks/pre-commit"));
	must_commit(bench, since);
	assert_int_equal(fact(bench, "commits"), 1);
	free(before);
	free(after);
	free(since);
}

static void hooks_see_what_will_be_committed_and_may_change_the_message(void **state)
{
	struct bench *bench = *state;
	char *since = NULL;

	must_prepare(bench);
	since = tip_of(bench);
	write_hook(
		bench, "pre-commit", "#!/bin/sh\ngit diff --cached --name-only > \"$HOME/seen\"\n");
	write_hook(bench, "commit-msg", "#!/bin/sh\necho 'Reviewed-by: hook' >> \"$1\"\n");
	kt_sandbox_write(bench->box, LANE "/new.c", "n\n");
	must_commit(bench, since);
	kt_sandbox_expect(bench->box, "new.c", "cat \"$HOME/seen\"");
	kt_sandbox_expect(
		bench->box, "1", "git log -1 --format=%%B " BRANCH " | grep -c Reviewed-by");
	free(since);
}

static void a_commit_that_landed_counts_although_git_was_killed(void **state)
{
	struct bench *bench = *state;
	char *since = NULL;

	must_prepare(bench);
	since = tip_of(bench);
	write_hook(bench, "post-commit",
		"#!/bin/sh\nkill -9 $PPID\n"); /* git dies after it has committed */
	kt_sandbox_write(bench->box, LANE "/new.c", "n\n");
	must_commit(bench, since);
	assert_non_null(kt_json_get_string(bench->facts, "committed"));
	assert_int_equal(fact(bench, "commits"), 1);
	free(since);
}

static void too_much_is_refused_before_anything_is_staged(void **state)
{
	struct bench *bench = *state;

	must_prepare(bench);
	free(kt_sandbox_run(bench->box, "head -c 100000 /dev/zero > " LANE "/big.bin"));
	assert_int_equal(commit_since(bench, NULL, 99999), KT_E_LANE_TOO_LARGE);
	assert_non_null(strstr(bench->err.detail, "big.bin"));
	kt_sandbox_expect(bench->box, "?? big.bin", "git -C " LANE " status --porcelain");
	assert_int_equal(commit_since(bench, NULL, 100000), KT_E_OK);
}

static void a_lane_off_its_branch_names_the_commits_elsewhere(void **state)
{
	struct bench *bench = *state;
	char *since = NULL, *stray = NULL;

	must_prepare(bench);
	since = tip_of(bench);
	free(kt_sandbox_run(bench->box,
		"cd " LANE " && git switch -q -c side && git commit -q --allow-empty -m stray"));
	stray = kt_sandbox_run(bench->box, "git rev-parse side");
	assert_int_equal(commit_since(bench, since, 0), KT_E_LANE_HEAD_MISMATCH);
	assert_non_null(strstr(bench->err.detail, stray));
	/* Back on its branch, the stray commit is still named. */
	free(kt_sandbox_run(bench->box,
		"cd " LANE " && git checkout -q " BRANCH " && git commit -q --allow-empty -m own"));
	must_commit(bench, since);
	assert_int_equal(kt_json_size(kt_json_get(bench->facts, "elsewhere")), 1);
	assert_string_equal(
		kt_json_string(kt_json_first(kt_json_get(bench->facts, "elsewhere"))), stray);
	free(since);
	free(stray);
}

static void an_unmerged_lane_is_busy(void **state)
{
	struct bench *bench = *state;

	must_prepare(bench);
	free(kt_sandbox_run(bench->box,
		"cd " LANE
		" && git checkout -q -b other && echo a > c && git add c && git commit -q -m a && "
		"git checkout -q " BRANCH " && echo b > c && git add c && git commit -q -m b && "
		"(git merge -q other || true)"));
	assert_int_equal(commit_since(bench, NULL, 0), KT_E_LANE_BUSY);
}

static void without_an_identity_kitty_is_the_committer(void **state)
{
	struct bench *bench = *state;

	must_prepare(bench);
	free(kt_sandbox_run(
		bench->box, "git config --unset user.name; git config --unset user.email; true"));
	kt_sandbox_write(bench->box, LANE "/new.c", "n\n");
	must_commit(bench, NULL);
	kt_sandbox_expect(bench->box, "kitty", "git log -1 --format=%%cn " BRANCH);
	assert_true(kt_json_get_bool(bench->facts, "has_work", false));
}

static void a_nested_repository_is_left_alone(void **state)
{
	struct bench *bench = *state;

	must_prepare(bench);
	free(kt_sandbox_run(bench->box,
		"git init -q " LANE "/nested && git -C " LANE
		"/nested -c user.name=n -c user.email=n@n commit -q --allow-empty -m n"));
	must_commit(bench, NULL);
	assert_false(kt_json_get_bool(bench->facts, "has_work", true));
}

static void odd_status_records_are_refused_or_kept_apart(void **state)
{
	static const char GOOD[] = "1 .M N... 100644 100644 100644 aaaa bbbb a b\0"
				   "1 .M S.M. 160000 160000 160000 aaaa bbbb module\0"
				   "1 A. N... 000000 100644 100644 0000 bbbb kitty-specs/x\0"
				   "1 A. N... 000000 100644 100644 0000 bbbb kitty-specsy\0"
				   "? new\0? nested/\0! ignored\0";
	static const char *const BAD[] = {"1 .M N...", "x y", "1", "? ", "1 .M N... 1 2 3 4 5 "};
	struct kt_lane_changes changes;

	(void)state;
	assert_true(kt_lane_changes_parse(GOOD, sizeof(GOOD) - 1, &changes));
	assert_int_equal(changes.len, 3);
	assert_int_equal(changes.to_add.len, 8);
	assert_memory_equal(changes.to_add.data, "a b\0new\0", 8);
	assert_string_equal(changes.unstage.data, "000000 0000\tkitty-specs/x");
	assert_string_equal(changes.restage.data, "100644 bbbb\tkitty-specs/x");
	kt_lane_changes_release(&changes);
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		assert_false(kt_lane_changes_parse(BAD[i], strlen(BAD[i]) + 1, &changes));
		kt_lane_changes_release(&changes);
	}
	assert_false(kt_lane_changes_parse("? cut off", 9, &changes));
	kt_lane_changes_release(&changes);
}

#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(the_coordination_worktree_is_made_once_and_remade_when_gone),
		BENCH_TEST(a_lane_starts_at_the_coordination_tip_without_the_status_files),
		BENCH_TEST(a_dirty_lane_is_resumed_as_it_is),
		BENCH_TEST(a_lane_whose_folder_is_gone_keeps_its_branch),
		BENCH_TEST(a_lane_whose_making_was_killed_is_made_anew),
		BENCH_TEST(a_lane_whose_branch_is_gone_is_refused_with_its_last_commit),
		BENCH_TEST(a_foreign_branch_of_the_lanes_name_is_refused),
		BENCH_TEST(a_lane_on_another_branch_or_in_a_merge_is_refused),
		BENCH_TEST(changed_sparse_patterns_are_set_again),
		BENCH_TEST(names_that_are_no_lane_are_refused),
		BENCH_TEST(inspect_tells_and_changes_nothing),
		BENCH_TEST(leftovers_become_one_commit_of_the_agents),
		BENCH_TEST(nothing_left_is_no_commit_and_no_work),
		BENCH_TEST(the_agents_own_commits_count_and_the_missions_do_not),
		BENCH_TEST(the_missions_folder_is_never_committed),
		BENCH_TEST(a_rejecting_hook_leaves_files_and_index_as_they_were),
		BENCH_TEST(hooks_see_what_will_be_committed_and_may_change_the_message),
		BENCH_TEST(a_commit_that_landed_counts_although_git_was_killed),
		BENCH_TEST(too_much_is_refused_before_anything_is_staged),
		BENCH_TEST(a_lane_off_its_branch_names_the_commits_elsewhere),
		BENCH_TEST(an_unmerged_lane_is_busy),
		BENCH_TEST(without_an_identity_kitty_is_the_committer),
		BENCH_TEST(a_nested_repository_is_left_alone),
		cmocka_unit_test(odd_status_records_are_refused_or_kept_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
