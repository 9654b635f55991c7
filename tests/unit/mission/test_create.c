/* mission create and init on a real repository, cut off at every step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "supervisor/mission/create.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/names.h"
#include "support/sandbox.h"

struct fixture {
	struct kt_sandbox *box;
	struct kt_repository *repo;
	struct kt_mission_made made;
	struct kt_error err;
};

static void set_up(struct fixture *fixture)
{
	memset(fixture, 0, sizeof(*fixture));
	fixture->box = kt_sandbox_new();
	assert_int_equal(
		kt_repository_find(fixture->box->repo, &fixture->repo, &fixture->err), KT_E_OK);
}

static void tear_down(struct fixture *fixture)
{
	kt_mission_made_release(&fixture->made);
	kt_repository_free(fixture->repo);
	kt_sandbox_free(fixture->box);
}

static enum kt_code create(struct fixture *fixture, const char *slug, bool make_new)
{
	struct kt_mission_request request = {.slug = slug, .make_new = make_new};

	kt_mission_made_release(&fixture->made);
	return kt_mission_create(fixture->repo, &request, &fixture->made, &fixture->err);
}

static void creates(struct fixture *fixture, const char *slug, bool make_new)
{
	if (create(fixture, slug, make_new) != KT_E_OK)
		fail_msg("%s: %s", kt_error_text(fixture->err.code), fixture->err.detail);
}

static char *below(const struct fixture *fixture, const char *name)
{
	return kt_format("%s/%s", fixture->made.mission->folder, name);
}

/* The same mission as `slug`, complete, with nothing left in staging. */
static void is_complete(struct fixture *fixture, const char *slug)
{
	static const char *const names[] = {
		"meta.json", "spec.md", "plan.md", "tasks.md", "tasks/README.md", "tasks/.gitkeep"};

	assert_string_equal(fixture->made.mission->slug, slug);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = below(fixture, names[i]);

		if (!kt_sandbox_has(fixture->box, path))
			fail_msg("%s is not there", path);
		free(path);
	}
	kt_sandbox_expect(fixture->box, "", "ls .git/kitty/staging");
	kt_sandbox_expect(fixture->box, "1", "git for-each-ref refs/heads/kitty | wc -l");
	free(kt_sandbox_run(fixture->box, "git merge-base --is-ancestor '%s' main",
		fixture->made.mission->coordination_branch));
}

static void a_mission_has_folder_branch_and_meta(void **state)
{
	struct kt_mission_request request = {.slug = "checkout-upsell-flow",
		.purpose_tldr = "Add  an upsell\n at the checkout",
		.friendly_name = "Checkout \"U\""};
	struct fixture f;
	char *path, *text, *wanted, *before, *after;
	const struct kt_mission *mission;

	(void)state;
	set_up(&f);
	before = kt_sandbox_run(f.box, "git rev-parse main HEAD; git status --porcelain | cat");
	kt_clock_fix(1700000000000000, 0);
	assert_int_equal(kt_mission_create(f.repo, &request, &f.made, &f.err), KT_E_OK);
	kt_clock_fix(-1, 0);
	mission = f.made.mission;
	assert_true(f.made.created);
	assert_true(f.made.branch_created);
	assert_int_equal(kt_strings_len(f.made.created_files), 6);
	assert_true(kt_is_ulid(mission->mission_id));
	assert_int_equal(mission->topology, KT_TOPOLOGY_LANES_WITH_COORD);
	is_complete(&f, mission->slug);
	path = below(&f, "meta.json");
	text = kt_sandbox_read(f.box, path);
	wanted = kt_format(
		"{\n  \"coordination_branch\": \"kitty/mission-checkout-upsell-flow-%s\",\n"
		"  \"created_at\": \"2023-11-14T22:13:20+00:00\",\n"
		"  \"flattened\": false,\n"
		"  \"friendly_name\": \"Checkout \\\"U\\\"\",\n"
		"  \"mission_id\": \"%s\",\n  \"mission_number\": null,\n"
		"  \"mission_slug\": \"checkout-upsell-flow-%s\",\n"
		"  \"mission_type\": \"software-dev\",\n"
		"  \"purpose_context\": \"Checkout \\\"U\\\"\",\n"
		"  \"purpose_tldr\": \"Add an upsell at the checkout\",\n"
		"  \"slug\": \"checkout-upsell-flow\",\n  \"target_branch\": \"main\",\n"
		"  \"topology\": \"lanes_with_coord\"\n}\n",
		mission->mid8, mission->mission_id, mission->mid8);
	assert_string_equal(text, wanted);
	/* HEAD, index and target are as they were; only the drafts are new. */
	after = kt_sandbox_run(f.box,
		"git rev-parse main HEAD; git status --porcelain | grep -v kitty-specs | cat");
	assert_string_equal(before, after);
	free(path);
	free(text);
	free(wanted);
	free(before);
	free(after);
	tear_down(&f);
}

static void a_second_run_reports_the_same_mission(void **state)
{
	struct fixture f;
	char *slug;

	(void)state;
	set_up(&f);
	creates(&f, "pay", false);
	slug = kt_strdup(f.made.mission->slug);
	creates(&f, "pay", false);
	assert_false(f.made.created);
	assert_false(f.made.branch_created);
	assert_int_equal(kt_strings_len(f.made.created_files), 0);
	is_complete(&f, slug);
	free(slug);
	tear_down(&f);
}

static void new_makes_a_second_one_with_another_mid8(void **state)
{
	struct fixture f;
	char *first;

	(void)state;
	set_up(&f);
	kt_clock_fix(1700000000000000, 0);
	creates(&f, "pay", false);
	first = kt_strdup(f.made.mission->mid8);
	creates(&f, "pay", true);
	assert_true(f.made.created);
	assert_string_not_equal(f.made.mission->mid8, first);
	creates(&f, "other", false);
	assert_string_not_equal(f.made.mission->mid8, first);
	kt_sandbox_expect(f.box, "3", "git for-each-ref refs/heads/kitty | wc -l");
	kt_sandbox_expect(f.box, "3", "ls kitty-specs | wc -l");
	kt_clock_fix(-1, 0);
	free(first);
	tear_down(&f);
}

/* Makes a mission, takes it back to what a kill would have left, and runs again. */
static void recovers_from(const char *damage)
{
	struct fixture f;
	char *slug;

	set_up(&f);
	creates(&f, "pay", false);
	slug = kt_strdup(f.made.mission->slug);
	free(kt_sandbox_run(f.box, "set -e; m=%s; mkdir -p .git/kitty/staging; %s", slug, damage));
	creates(&f, "pay", false);
	assert_false(f.made.created);
	is_complete(&f, slug);
	free(slug);
	tear_down(&f);
}

static void a_kill_at_any_step_is_completed_by_the_next_run(void **state)
{
	(void)state;
	/* Staged, no branch yet. */
	recovers_from("mv kitty-specs/$m .git/kitty/staging/; rmdir kitty-specs; "
		      "git update-ref -d refs/heads/kitty/mission-$m");
	/* Staged and branch made. */
	recovers_from("mv kitty-specs/$m .git/kitty/staging/");
	/* Being copied to another file system. */
	recovers_from("cp -r kitty-specs/$m .git/kitty/staging/; rm kitty-specs/$m/meta.json "
		      "kitty-specs/$m/tasks.md");
	/* Branch packed. */
	recovers_from("git pack-refs --all");
	/* Drafts there, branch deleted. */
	recovers_from("git update-ref -d refs/heads/kitty/mission-$m");
	/* Drafts lost, branch left: same names, new drafts. */
	recovers_from("rm -r kitty-specs/$m");
	/* Somebody's folder without a meta.json beside the staged one. */
	recovers_from("mv kitty-specs/$m .git/kitty/staging/; mkdir kitty-specs/$m");
}

static void a_half_staged_folder_is_thrown_away(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	free(kt_sandbox_run(f.box, "mkdir -p .git/kitty/staging/pay-01ABCDEF/tasks; "
				   "echo x > .git/kitty/staging/pay-01ABCDEF/spec.md"));
	creates(&f, "pay", false);
	assert_true(f.made.created);
	assert_string_not_equal(f.made.mission->mid8, "01ABCDEF");
	is_complete(&f, f.made.mission->slug);
	tear_down(&f);
}

static void a_diverged_branch_of_that_name_is_refused(void **state)
{
	struct fixture f;
	char *before, *after;

	(void)state;
	set_up(&f);
	free(kt_sandbox_run(f.box, "git branch kitty/mission-pay-01ABCDEF $(git commit-tree -m x "
				   "-p HEAD 'HEAD^{tree}')"));
	before = kt_sandbox_run(f.box, "git for-each-ref; ls -A . .git/kitty/staging 2>&1 | cat");
	assert_int_equal(create(&f, "pay", false), KT_E_COORDINATION_BRANCH_DIVERGED);
	after = kt_sandbox_run(f.box, "git for-each-ref; ls -A . .git/kitty/staging 2>&1 | cat");
	assert_string_equal(before, after);
	creates(&f, "pay", true);
	free(before);
	free(after);
	tear_down(&f);
}

static void a_finalised_mission_is_not_made_again(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	creates(&f, "pay", false);
	free(kt_sandbox_run(f.box,
		"set -e; m=%s; b=kitty/mission-$m; echo '{}' > kitty-specs/$m/lanes.json; "
		"export GIT_INDEX_FILE=.git/other; git read-tree $b; git add kitty-specs; "
		"git update-ref refs/heads/$b $(git commit-tree -m x -p $b $(git write-tree)); rm "
		".git/other",
		f.made.mission->slug));
	assert_int_equal(create(&f, "pay", false), KT_E_MISSION_EXISTS);
	free(kt_sandbox_run(f.box, "rm -r kitty-specs"));
	assert_int_equal(create(&f, "pay", false), KT_E_MISSION_EXISTS);
	creates(&f, "pay", true);
	tear_down(&f);
}

static void the_target_is_never_the_branch_that_happens_to_be_checked_out(void **state)
{
	struct kt_mission_request request = {.slug = "pay", .target_branch = "prep/x"};
	struct fixture f;

	(void)state;
	set_up(&f);
	free(kt_sandbox_run(f.box, "git switch -q -c prep/x; git commit -q --allow-empty -m two"));
	creates(&f, "pay", false);
	assert_string_equal(f.made.mission->target_branch, "main");
	kt_sandbox_expect(
		f.box, "0", "git rev-list --count main..%s", f.made.mission->coordination_branch);
	kt_mission_made_release(&f.made);
	request.slug = "other";
	assert_int_equal(kt_mission_create(f.repo, &request, &f.made, &f.err), KT_E_OK);
	assert_string_equal(f.made.mission->target_branch, "prep/x");
	kt_mission_made_release(&f.made);
	request.slug = "third";
	request.target_branch = "nowhere";
	assert_int_equal(
		kt_mission_create(f.repo, &request, &f.made, &f.err), KT_E_TARGET_BRANCH_NOT_FOUND);
	free(kt_sandbox_run(f.box, "git branch -m main trunk"));
	assert_int_equal(create(&f, "fourth", false), KT_E_TARGET_BRANCH_NOT_FOUND);
	free(kt_sandbox_run(f.box,
		"git update-ref refs/remotes/origin/trunk trunk; "
		"git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/trunk"));
	creates(&f, "fourth", false);
	assert_string_equal(f.made.mission->target_branch, "trunk");
	tear_down(&f);
}

static void bad_slugs_are_refused_before_anything_is_written(void **state)
{
	static const char *const bad[] = {"", "../x", "Pay", "pay-01ABCDEF", "a/b", "-x"};
	struct fixture f;

	(void)state;
	set_up(&f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(create(&f, bad[i], false), KT_E_MISSION_SLUG_INVALID);
	assert_false(kt_sandbox_has(f.box, "kitty-specs"));
	assert_false(kt_sandbox_has(f.box, ".git/kitty"));
	creates(&f, "good", false);
	assert_true(kt_sandbox_has(f.box, "kitty-specs"));
	assert_true(kt_sandbox_has(f.box, ".git/kitty"));
	tear_down(&f);
}

static void init_adds_its_lines_once(void **state)
{
	struct fixture f;
	char **changed = NULL, *text;

	(void)state;
	set_up(&f);
	kt_sandbox_write(f.box, ".git/info/exclude", "# mine\n*.o");
	assert_int_equal(kt_project_init(f.repo, &changed, &f.err), KT_E_OK);
	assert_int_equal(kt_strings_len(changed), 3);
	kt_strings_free(changed);
	text = kt_sandbox_read(f.box, ".git/info/exclude");
	assert_string_equal(text, "# mine\n*.o\n/.worktrees/\n");
	free(text);
	kt_sandbox_expect(f.box, "kitty-specs/x/status.json: text: unset",
		"git check-attr text kitty-specs/x/status.json");
	kt_sandbox_expect(f.box, "?? .kittify/", "git status --porcelain");
	kt_sandbox_write(f.box, ".kittify/config.yaml", "mine: 1\n");
	assert_int_equal(kt_project_init(f.repo, &changed, &f.err), KT_E_OK);
	assert_int_equal(kt_strings_len(changed), 0);
	kt_strings_free(changed);
	text = kt_sandbox_read(f.box, ".kittify/config.yaml");
	assert_string_equal(text, "mine: 1\n");
	free(text);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mission_has_folder_branch_and_meta),
		cmocka_unit_test(a_second_run_reports_the_same_mission),
		cmocka_unit_test(new_makes_a_second_one_with_another_mid8),
		cmocka_unit_test(a_kill_at_any_step_is_completed_by_the_next_run),
		cmocka_unit_test(a_half_staged_folder_is_thrown_away),
		cmocka_unit_test(a_diverged_branch_of_that_name_is_refused),
		cmocka_unit_test(a_finalised_mission_is_not_made_again),
		cmocka_unit_test(the_target_is_never_the_branch_that_happens_to_be_checked_out),
		cmocka_unit_test(bad_slugs_are_refused_before_anything_is_written),
		cmocka_unit_test(init_adds_its_lines_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
