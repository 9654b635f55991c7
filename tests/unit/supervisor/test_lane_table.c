/*
 * The recovery table and the lane gate's judgement of paths: every combination of facts has one
 * action, and what would lose something is never first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/lane_gate.h"
#include "supervisor/lane_table.h"

struct facts {
	enum kt_lane_folder folder;
	bool branch, registered, tip, finished;
};

typedef void (*each_fn)(const struct facts *facts, struct kt_lane_action action);

static void each_combination(each_fn each)
{
	for (int folder = 0; folder < KT_FOLDER_COUNT; folder++)
		for (unsigned bits = 0; bits < 16; bits++) {
			struct facts facts = {(enum kt_lane_folder)folder, (bits & 1) != 0,
				(bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};

			each(&facts, kt_lane_action_find(facts.folder, facts.branch,
					     facts.registered, facts.tip, facts.finished));
		}
}

static void judge_problem(const struct facts *facts, struct kt_lane_action action)
{
	bool is_nothing = facts->folder == KT_FOLDER_NONE && !facts->registered &&
			  (facts->finished || (!facts->branch && !facts->tip));
	bool is_good = facts->folder == KT_FOLDER_GOOD && facts->branch;

	if (is_nothing)
		assert_int_equal(action.steps, 0);
	else
		assert_int_not_equal(action.steps, 0);
	assert_int_equal(action.code == NULL, is_nothing || is_good);
	assert_int_equal(action.problem == NULL, action.code == NULL);
}

static void every_combination_has_an_action_and_a_code(void **state)
{
	(void)state;
	each_combination(judge_problem);
}

static void judge_loss(const struct facts *facts, struct kt_lane_action action)
{
	if ((action.steps & KT_STEP_REMOVE) != 0 && facts->folder != KT_FOLDER_NONE)
		assert_true((action.steps & KT_STEP_RESCUE) != 0);
	if ((action.steps & KT_STEP_LEAVE) != 0)
		assert_int_equal(action.steps & (KT_STEP_REMOVE | KT_STEP_SWITCH), 0);
}

static void nothing_is_removed_before_it_was_kept(void **state)
{
	(void)state;
	each_combination(judge_loss);
}

static void judge_branch(const struct facts *facts, struct kt_lane_action action)
{
	if ((action.steps & KT_STEP_BRANCH) != 0) {
		assert_false(facts->branch);
		assert_true(facts->tip);
	}
	if ((action.steps & (KT_STEP_CREATE | KT_STEP_SWITCH)) != 0)
		assert_true(facts->branch || (action.steps & KT_STEP_BRANCH) != 0);
}

static void a_branch_is_made_only_where_it_is_gone_and_its_tip_known(void **state)
{
	(void)state;
	each_combination(judge_branch);
}

static void judge_finished(const struct facts *facts, struct kt_lane_action action)
{
	if (facts->finished)
		assert_int_equal(action.steps & KT_STEP_CREATE, 0);
}

static void finished_lanes_get_no_worktree_again(void **state)
{
	(void)state;
	each_combination(judge_finished);
}

static void what_is_under_way_ends_by_its_own_command(void **state)
{
	(void)state;
	assert_string_equal(kt_lane_abort_command("merge"), "merge --abort");
	assert_string_equal(kt_lane_abort_command("rebase"), "rebase --abort");
	assert_string_equal(kt_lane_abort_command("bisect"), "bisect reset");
	assert_string_equal(kt_lane_abort_command("dance"), "status");
}

static void the_gate_tells_what_a_lane_may_not_touch(void **state)
{
	static const struct {
		const char *path, *kind;
	} rows[] = {
		{"src/main.c", NULL},
		{"kitty-specs.txt", NULL},
		{"docs/kitty-specs/x", NULL},
		{"kitty-specs", "planning"},
		{"kitty-specs/README.md", "planning"},
		{"kitty-specs/mine/plan.md", "planning"},
		{"kitty-specs/mine/tasks/WP01-x.md", "planning"},
		{"kitty-specs/mine/status.events.jsonl", "status"},
		{"kitty-specs/mine/status.json", "status"},
		{"kitty-specs/minefield/plan.md", "mission"},
		{"kitty-specs/min/plan.md", "mission"},
		{"kitty-specs/other/status.json", "status"},
		{"kitty-specs/mine/tasks/status.json", "planning"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *kind = kt_lane_gate_kind("mine", rows[i].path);

		assert_int_equal(kind == NULL, rows[i].kind == NULL);
		if (kind != NULL && rows[i].kind != NULL)
			assert_string_equal(kind, rows[i].kind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_has_an_action_and_a_code),
		cmocka_unit_test(nothing_is_removed_before_it_was_kept),
		cmocka_unit_test(a_branch_is_made_only_where_it_is_gone_and_its_tip_known),
		cmocka_unit_test(finished_lanes_get_no_worktree_again),
		cmocka_unit_test(what_is_under_way_ends_by_its_own_command),
		cmocka_unit_test(the_gate_tells_what_a_lane_may_not_touch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
