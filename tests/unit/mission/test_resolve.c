/* The resolver: every handle, every place, whatever is checked out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/mission/mission.h"
#include "supervisor/mission/names.h"
#include "supervisor/mission/plan.h"
#include "support/sandbox.h"

#define A "01AAAAAAQT7M0YB3N4R5CQZ2EX"
#define B "01BBBBBBQT7M0YB3N4R5CQZ2EX"
#define C "01CCCCCCQT7M0YB3N4R5CQZ2EX"

struct fixture {
	struct kt_sandbox *box;
	struct kt_repository *repo;
	struct kt_mission *mission;
	struct kt_json *candidates;
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
	kt_mission_free(fixture->mission);
	kt_json_free(fixture->candidates);
	kt_repository_free(fixture->repo);
	kt_sandbox_free(fixture->box);
}

static void draft(struct fixture *fixture, const char *human, const char *id)
{
	char *slug = kt_format("%s-%.8s", human, id);
	char *path = kt_format("kitty-specs/%s/meta.json", slug);
	char *text =
		kt_format("{\"mission_id\": \"%s\", \"mission_slug\": \"%s\", \"slug\": \"%s\", "
			  "\"target_branch\": \"main\", \"topology\": \"lanes_with_coord\", "
			  "\"coordination_branch\": \"kitty/mission-%s\"}",
			id, slug, human, slug);

	kt_sandbox_write(fixture->box, path, text);
	free(kt_sandbox_run(fixture->box, "git branch -f kitty/mission-%s main", slug));
	free(slug);
	free(path);
	free(text);
}

/* Moves a draft to its coordination branch: nothing of it is left in the primary checkout. */
static void only_on_branch(struct fixture *fixture, const char *slug, const char *ref)
{
	free(kt_sandbox_run(fixture->box,
		"set -e; m=%s; r=%s; b=refs/heads/kitty/mission-$m; export "
		"GIT_INDEX_FILE=.git/other; "
		"git read-tree $b; git add kitty-specs/$m; "
		"c=$(git commit-tree -m x -p $b $(git write-tree)); git update-ref -d $b; "
		"git update-ref $r $c; rm -r .git/other kitty-specs/$m",
		slug, ref));
}

static enum kt_code resolve(struct fixture *fixture, const char *handle, const char *below)
{
	char *cwd = below == NULL ? NULL : kt_sandbox_path(fixture->box, below);
	enum kt_code code;

	kt_mission_free(fixture->mission);
	kt_json_free(fixture->candidates);
	fixture->mission = NULL;
	fixture->candidates = NULL;
	code = kt_mission_resolve(
		fixture->repo, handle, cwd, &fixture->mission, &fixture->candidates, &fixture->err);
	free(cwd);
	return code;
}

static void finds(struct fixture *fixture, const char *handle, const char *below, const char *slug)
{
	if (resolve(fixture, handle, below) != KT_E_OK)
		fail_msg("%s: %s %s", handle == NULL ? "(none)" : handle,
			kt_error_text(fixture->err.code), fixture->err.detail);
	assert_string_equal(fixture->mission->slug, slug);
}

static void handles_are_ids_folders_and_human_names(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	draft(&f, "pay", A);
	draft(&f, "pay-later", B);
	finds(&f, A, NULL, "pay-01AAAAAA");
	finds(&f, "01AAAAAA", NULL, "pay-01AAAAAA");
	finds(&f, "pay-01AAAAAA", NULL, "pay-01AAAAAA");
	finds(&f, "pay", NULL, "pay-01AAAAAA");
	finds(&f, "pay-later", NULL, "pay-later-01BBBBBB");
	assert_int_equal(resolve(&f, "pa", NULL), KT_E_MISSION_NOT_FOUND);
	assert_int_equal(resolve(&f, "01AAAA", NULL), KT_E_MISSION_NOT_FOUND);
	assert_int_equal(resolve(&f, "01aaaaaa", NULL), KT_E_MISSION_NOT_FOUND);
	assert_int_equal(resolve(&f, C, NULL), KT_E_MISSION_NOT_FOUND);
	assert_int_equal(resolve(&f, "../kitty-specs/pay-01AAAAAA", NULL), KT_E_MISSION_NOT_FOUND);
	assert_int_equal(resolve(&f, "", NULL), KT_E_MISSION_NOT_FOUND);
	tear_down(&f);
}

static void names_and_paths_of_a_mission_follow_from_it(void **state)
{
	struct fixture f;
	char *text, *wanted, **patterns;

	(void)state;
	set_up(&f);
	draft(&f, "pay", A);
	finds(&f, "pay", NULL, "pay-01AAAAAA");
	assert_string_equal(f.mission->coordination_ref, "refs/heads/kitty/mission-pay-01AAAAAA");
	assert_string_equal(f.mission->log_path, "kitty-specs/pay-01AAAAAA/status.events.jsonl");
	wanted = kt_format("%s/.worktrees/pay-01AAAAAA-coord", f.repo->primary);
	assert_string_equal(f.mission->coord_worktree, wanted);
	free(wanted);
	wanted = kt_format("%s/spec-kitty-locks/pay-01AAAAAA.status.lock", f.repo->common_dir);
	assert_string_equal(f.mission->lock_path, wanted);
	free(wanted);
	text = kt_mission_lane_branch(f.mission, "lane-a");
	assert_string_equal(text, "kitty/mission-pay-01AAAAAA-lane-a");
	free(text);
	text = kt_mission_lane_branch(f.mission, "lane-planning");
	assert_string_equal(text, "main");
	free(text);
	text = kt_mission_lane_worktree(f.mission, "lane-b");
	wanted = kt_format("%s/.worktrees/pay-01AAAAAA-lane-b", f.repo->primary);
	assert_string_equal(text, wanted);
	free(text);
	free(wanted);
	patterns = kt_mission_sparse_patterns(f.mission);
	assert_string_equal(patterns[0], "/*");
	assert_string_equal(patterns[1], "!kitty-specs/pay-01AAAAAA/status.events.jsonl");
	assert_string_equal(patterns[2], "!kitty-specs/pay-01AAAAAA/status.json");
	assert_null(patterns[3]);
	kt_strings_free(patterns);
	tear_down(&f);
}

static void an_ambiguous_name_lists_its_candidates(void **state)
{
	struct fixture f;
	const struct kt_json *first;

	(void)state;
	set_up(&f);
	draft(&f, "pay", A);
	draft(&f, "pay", B);
	assert_int_equal(resolve(&f, "pay", NULL), KT_E_MISSION_AMBIGUOUS_SELECTOR);
	assert_int_equal(kt_json_size(f.candidates), 2);
	first = kt_json_first(f.candidates);
	assert_string_equal(kt_json_get_string(first, "mission_id"), A);
	assert_string_equal(kt_json_get_string(first, "mid8"), "01AAAAAA");
	assert_string_equal(kt_json_get_string(first, "slug"), "pay-01AAAAAA");
	assert_non_null(
		strstr(kt_json_get_string(first, "feature_dir"), "/kitty-specs/pay-01AAAAAA"));
	finds(&f, "01BBBBBB", NULL, "pay-01BBBBBB");
	/* The other one only has its branch left: still two. */
	only_on_branch(&f, "pay-01BBBBBB", "refs/heads/kitty/mission-pay-01BBBBBB");
	assert_int_equal(resolve(&f, "pay", NULL), KT_E_MISSION_AMBIGUOUS_SELECTOR);
	assert_int_equal(resolve(&f, NULL, NULL), KT_E_MISSION_AMBIGUOUS_SELECTOR);
	tear_down(&f);
}

static void branches_and_closed_refs_are_seen_whatever_is_checked_out(void **state)
{
	struct fixture f;
	struct kt_mission **list = NULL;
	size_t len = 0;

	(void)state;
	set_up(&f);
	draft(&f, "pay", A);
	draft(&f, "old", B);
	only_on_branch(&f, "pay-01AAAAAA", "refs/heads/kitty/mission-pay-01AAAAAA");
	only_on_branch(&f, "old-01BBBBBB", "refs/kitty/closed/old-01BBBBBB");
	free(kt_sandbox_run(f.box,
		"git branch kitty/mission-pay-01AAAAAA-lane-a "
		"kitty/mission-pay-01AAAAAA; git pack-refs --all; git switch -q -c prep/x"));
	finds(&f, "pay", NULL, "pay-01AAAAAA");
	assert_false(f.mission->is_closed);
	finds(&f, B, NULL, "old-01BBBBBB");
	assert_true(f.mission->is_closed);
	assert_string_equal(f.mission->coordination_ref, "refs/kitty/closed/old-01BBBBBB");
	finds(&f, NULL, NULL, "pay-01AAAAAA");
	assert_int_equal(kt_mission_list(f.repo, &list, &len, &f.err), KT_E_OK);
	assert_int_equal(len, 2);
	assert_string_equal(list[0]->slug, "old-01BBBBBB");
	assert_string_equal(list[1]->slug, "pay-01AAAAAA");
	for (size_t i = 0; i < len; i++)
		kt_mission_free(list[i]);
	free(list);
	tear_down(&f);
}

static void the_place_one_stands_in_decides(void **state)
{
	struct fixture f;
	char *lane, *path;

	(void)state;
	set_up(&f);
	draft(&f, "pay", A);
	draft(&f, "pay-later", B);
	assert_int_equal(resolve(&f, NULL, "."), KT_E_MISSION_AMBIGUOUS_SELECTOR);
	free(kt_sandbox_run(f.box,
		"mkdir -p .worktrees/pay-01AAAAAA-coord/x "
		".worktrees/pay-later-01BBBBBB-lane-ab/y .worktrees/pay-01AAAAAA-lane-a-b "
		"kitty-specs/pay-01AAAAAA/tasks; ln -s .worktrees/pay-01AAAAAA-coord link"));
	finds(&f, NULL, ".worktrees/pay-01AAAAAA-coord/x", "pay-01AAAAAA");
	finds(&f, NULL, "link", "pay-01AAAAAA");
	finds(&f, NULL, ".worktrees/pay-later-01BBBBBB-lane-ab/y", "pay-later-01BBBBBB");
	path = kt_sandbox_path(f.box, ".worktrees/pay-later-01BBBBBB-lane-ab/y");
	lane = kt_mission_lane_at(f.mission, path);
	assert_string_equal(lane, "lane-ab");
	free(lane);
	free(path);
	finds(&f, NULL, "kitty-specs/pay-01AAAAAA/tasks", "pay-01AAAAAA");
	assert_int_equal(resolve(&f, NULL, ".worktrees/pay-01AAAAAA-lane-a-b"),
		KT_E_MISSION_AMBIGUOUS_SELECTOR);
	tear_down(&f);
}

static void without_any_mission_the_context_is_unresolved(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	assert_int_equal(resolve(&f, NULL, "."), KT_E_FEATURE_CONTEXT_UNRESOLVED);
	free(kt_sandbox_run(f.box, "mkdir -p kitty-specs/notes"));
	assert_int_equal(resolve(&f, NULL, "."), KT_E_FEATURE_CONTEXT_UNRESOLVED);
	tear_down(&f);
}

static void topology_is_told_by_meta_or_derived_but_never_guessed(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	kt_sandbox_write(f.box, "kitty-specs/099-hand/tasks/WP01-x.md", "x");
	finds(&f, "hand", NULL, "099-hand");
	assert_int_equal(f.mission->topology, KT_TOPOLOGY_SINGLE_BRANCH);
	assert_string_equal(f.mission->mission_id, "");
	assert_null(f.mission->coordination_ref);
	kt_sandbox_write(f.box, "kitty-specs/099-hand/lanes.json", "{}");
	finds(&f, "099-hand", NULL, "099-hand");
	assert_int_equal(f.mission->topology, KT_TOPOLOGY_LEGACY);
	kt_sandbox_write(f.box, "kitty-specs/099-hand/meta.json", "{\"topology\": \"lanes\"}");
	finds(&f, "099-hand", NULL, "099-hand");
	assert_int_equal(f.mission->topology, KT_TOPOLOGY_LANES);
	kt_sandbox_write(f.box, "kitty-specs/099-hand/meta.json", "{\"topology\": null}");
	assert_int_equal(resolve(&f, "099-hand", NULL), KT_E_MISSION_TOPOLOGY_INVALID);
	assert_non_null(strstr(f.err.detail, "topology"));
	kt_sandbox_write(f.box, "kitty-specs/099-hand/meta.json", "{\"topology\": \"star\"}");
	assert_int_equal(resolve(&f, "099-hand", NULL), KT_E_MISSION_TOPOLOGY_INVALID);
	kt_sandbox_write(f.box, "kitty-specs/099-hand/meta.json", "{\"topology\": \"coord\"}");
	assert_int_equal(resolve(&f, "099-hand", NULL), KT_E_MISSION_TOPOLOGY_INVALID);
	tear_down(&f);
}

static void a_broken_meta_is_an_error_for_its_own_mission_only(void **state)
{
	static const char *const bad[] = {"{", "[]", "{\"mission_id\": \"x\"}",
		"{\"mission_id\": 7}", ("{\"mission_id\": \"" B "\"}"),
		"{\"mission_slug\": \"other\"}", "{\"target_branch\": \"-x\"}",
		"{\"mission_number\": \"TBD\"}", "{\"target_branch\": \"a..b\"}",
		/* the target is the repository's default here */
		"{\"coordination_branch\": \"main\"}"};
	struct fixture f;

	(void)state;
	set_up(&f);
	draft(&f, "pay", A);
	draft(&f, "other", C);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		kt_sandbox_write(f.box, "kitty-specs/pay-01AAAAAA/meta.json", bad[i]);
		if (resolve(&f, "pay", NULL) != KT_E_META_INVALID)
			fail_msg("%s is accepted", bad[i]);
		finds(&f, "other", NULL, "other-01CCCCCC");
	}
	tear_down(&f);
}

static void a_plan_is_read_from_a_commit_only(void **state)
{
	static const char lanes[] =
		"{\"version\":1,\"mission_slug\":\"pay-01AAAAAA\",\"mission_branch\":\"b\","
		"\"target_branch\":\"main\",\"computed_at\":\"\",\"computed_from\":\"\","
		"\"lanes\":[{\"lane_id\":\"lane-a\",\"wp_ids\":[\"WP02\",\"WP01\"]}]}";
	struct fixture f;
	struct kt_store *store = NULL;
	struct kt_plan *plan = NULL;
	struct kt_oid tip;

	(void)state;
	set_up(&f);
	draft(&f, "pay", A);
	finds(&f, "pay", NULL, "pay-01AAAAAA");
	assert_int_equal(kt_store_open(f.repo, &store, &f.err), KT_E_OK);
	assert_int_equal(
		kt_store_ref_read(store, f.mission->coordination_ref, &tip, &f.err), KT_E_OK);
	assert_int_equal(
		kt_plan_load(store, f.mission, &tip, &plan, &f.err), KT_E_MISSION_NOT_FINALIZED);
	kt_sandbox_write(f.box, "kitty-specs/pay-01AAAAAA/lanes.json", lanes);
	kt_sandbox_write(f.box, "kitty-specs/pay-01AAAAAA/tasks/README.md", "x");
	kt_sandbox_write(f.box, "kitty-specs/pay-01AAAAAA/tasks/WP02-b.md",
		"---\nwork_package_id: WP02\ntitle: Two\nagent: claude:opus\nsubtasks: "
		"[T001]\n---\nBody\n");
	kt_sandbox_write(f.box, "kitty-specs/pay-01AAAAAA/tasks/WP01-a.md",
		"---\nwork_package_id: WP01\ntitle: One\ndependencies: [WP02]\n---\n");
	only_on_branch(&f, "pay-01AAAAAA", "refs/heads/kitty/mission-pay-01AAAAAA");
	kt_store_close(store);
	assert_int_equal(kt_store_open(f.repo, &store, &f.err), KT_E_OK);
	assert_int_equal(
		kt_store_ref_read(store, f.mission->coordination_ref, &tip, &f.err), KT_E_OK);
	assert_int_equal(kt_plan_load(store, f.mission, &tip, &plan, &f.err), KT_E_OK);
	assert_int_equal(plan->wps_len, 2);
	assert_string_equal(plan->wps[0].id, "WP01");
	assert_string_equal(plan->wps[0].dependencies[0], "WP02");
	assert_string_equal(kt_plan_find_wp(plan, "WP02")->agent, "claude");
	assert_string_equal(kt_plan_find_wp(plan, "WP02")->path, "tasks/WP02-b.md");
	assert_string_equal(plan->wps[1].text + plan->wps[1].body_offset, "Body\n");
	assert_null(kt_plan_find_wp(plan, "WP03"));
	kt_plan_free(plan);
	kt_store_close(store);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_are_ids_folders_and_human_names),
		cmocka_unit_test(names_and_paths_of_a_mission_follow_from_it),
		cmocka_unit_test(an_ambiguous_name_lists_its_candidates),
		cmocka_unit_test(branches_and_closed_refs_are_seen_whatever_is_checked_out),
		cmocka_unit_test(the_place_one_stands_in_decides),
		cmocka_unit_test(without_any_mission_the_context_is_unresolved),
		cmocka_unit_test(topology_is_told_by_meta_or_derived_but_never_guessed),
		cmocka_unit_test(a_broken_meta_is_an_error_for_its_own_mission_only),
		cmocka_unit_test(a_plan_is_read_from_a_commit_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
