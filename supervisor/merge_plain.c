/*
 * kitty merge of a mission without a coordination branch: the approved commits of its lanes go into
 * the target one by one, computed without a checkout, and moved to in one step. The `done` rows
 * follow: a legacy mission's stand in that very commit, with the united log; otherwise the writer
 * takes them on the branch where the log lives, because the target holds the work by then. Killed
 * between the two, a plain re-run writes what is missing. Must never bring a status file of a lane
 * to the target.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/file.h"
#include "supervisor/git/merge.h"
#include "supervisor/lane_owned.h"
#include "supervisor/merge_private.h"
#include "supervisor/transaction/holder.h"
#include "supervisor/transaction/legacy.h"
#include "supervisor/transaction/lock.h"

static const char PLANNING_LANE[] = "lane-planning";

enum { MOVES_MAX = 3 };

static bool is_legacy(const struct kt_merge_run *run)
{
	return run->options->mission->topology == KT_TOPOLOGY_LEGACY;
}

/* ---- what a work package brings ---- */

struct work {
	const char *wp_id;
	char *lane;           /* NULL: planning work, nothing to merge */
	struct kt_oid commit; /* approved, or the lane's tip */
};

static void work_release(struct work *work)
{
	free(work->lane);
	work->lane = NULL;
}

/* The rows that kitty wrote on a legacy lane after the approval come along; work does not. */
static enum kt_code follow_rows(struct kt_merge_run *run, struct work *work, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	char *branch = kt_mission_lane_branch(mission, work->lane);
	char *ref = kt_format("refs/heads/%s", branch);
	char *log = kt_format(":(top,exclude)%s", mission->log_path);
	char *snapshot = kt_format(":(top,exclude)%s", mission->snapshot_path);
	struct kt_oid_text from = kt_oid_format(&work->commit), to;
	const char *args[] = {"--no-literal-pathspecs", "diff-tree", "-r", "--name-only",
		"--no-renames", from.text, NULL, "--", ":(top)", log, snapshot, NULL};
	struct kt_oid tip = {{0}};
	char *paths = NULL;
	bool found = false;
	enum kt_code code = kt_git_resolve(&run->place, ref, &found, &tip, err);

	to = kt_oid_format(&tip);
	args[6] = to.text;
	if (code == KT_E_OK && found)
		code = kt_git_text(&run->place, args, &paths, NULL, err);
	if (code == KT_E_OK && found && paths[0] != '\0') {
		code = kt_error_set(err, KT_E_MERGE_NOT_READY,
			"%s was changed after %s was approved at %s: %.200s", branch, work->wp_id,
			from.text, paths);
		kt_error_next(err, "kitty agent tasks move-task %s --to for_review --mission %s",
			work->wp_id, mission->slug);
	} else if (code == KT_E_OK && found) {
		work->commit = tip;
	}
	free(paths);
	free(log);
	free(snapshot);
	free(ref);
	free(branch);
	return code;
}

static enum kt_code work_find(struct kt_merge_run *run, const char *wp_id, struct work *out,
	struct kt_json **request, struct kt_error *err)
{
	struct kt_log_facts facts = kt_merge_facts(run);
	const struct kt_json *wish = NULL;
	const char *commit = NULL;
	bool is_recorded = true;
	enum kt_code code =
		kt_integration_request(&facts, wp_id, KT_MERGE_ACTOR, request, &is_recorded, err);

	*out = (struct work){.wp_id = wp_id};
	if (code != KT_E_OK)
		return code;
	wish = kt_json_get(*request, "integrate");
	commit = kt_json_get_string(wish, "commit");
	kt_merge_add_integrated(run, wp_id, *request, is_recorded);
	if (commit == NULL || !kt_oid_parse(commit, &out->commit))
		return KT_E_OK;
	out->lane = kt_strdup(kt_json_get_string(wish, "lane"));
	if (out->lane == NULL || strcmp(out->lane, PLANNING_LANE) == 0) {
		work_release(out);
		return KT_E_OK;
	}
	return is_legacy(run) && is_recorded ? follow_rows(run, out, err) : KT_E_OK;
}

/* ---- one lane into the line ---- */

/* The lane's commit with the line's own mission files: no lane changes those, whatever it holds. */
static enum kt_code without_mission_files(struct kt_merge_run *run, const struct kt_oid *commit,
	struct kt_oid *out, struct kt_error *err)
{
	char *revision = kt_format("%s^{tree}", kt_oid_format(commit).text);
	struct kt_oid tree = {{0}}, cleaned = {{0}};
	struct kt_git_commit_wish wish = {.tree = &cleaned,
		.parents = commit,
		.parents_len = 1,
		.message = "the lane's code\n"};
	bool found = false;
	enum kt_code code = kt_git_resolve(&run->place, revision, &found, &tree, err);

	if (code == KT_E_OK && !found)
		code = kt_error_set(err, KT_E_MERGE_UNVERIFIED, "commit %s is not here",
			kt_oid_format(commit).text);
	if (code == KT_E_OK)
		code = kt_git_tree_take(
			&run->place, &tree, &run->result, "kitty-specs", &cleaned, err);
	if (code == KT_E_OK)
		code = kt_git_commit(&run->place, &wish, out, err);
	free(revision);
	return code;
}

static void tell_conflict(struct kt_merge_run *run, const struct work *work,
	const struct kt_merge_result *merged, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	char *branch = kt_mission_lane_branch(mission, work->lane);
	char *worktree = kt_mission_lane_worktree(mission, work->lane);
	struct kt_merge_side ours = {mission->target_branch, run->result};
	struct kt_merge_side theirs = {branch, work->commit};
	struct kt_json *conflict = kt_merge_conflict(&run->place, merged, &ours, &theirs, err);
	struct kt_json *steps = kt_json_new_array();

	kt_error_next(err, "git -C '%s' merge %s", worktree, mission->target_branch);
	kt_json_append(steps, kt_json_new_string(err->next_step));
	kt_json_set_string(conflict, "stage", "lane");
	kt_json_set_string(conflict, "wp_id", work->wp_id);
	kt_json_set(conflict, "resolve", steps);
	kt_json_set(run->report, "conflict", conflict);
	free(branch);
	free(worktree);
}

static enum kt_code commit_merge(struct kt_merge_run *run, const struct work *work,
	const struct kt_oid *tree, struct kt_error *err)
{
	struct kt_oid parents[2] = {run->result, work->commit};
	char *message = kt_format("Merge %s of mission '%s' into %s\n\n%s\n", work->lane,
		run->options->mission->slug, run->options->mission->target_branch, work->wp_id);
	struct kt_git_commit_wish wish = {
		.tree = tree, .parents = parents, .parents_len = 2, .message = message};
	enum kt_code code = kt_git_commit(&run->place, &wish, &run->result, err);

	free(message);
	return code;
}

static enum kt_code bring(struct kt_merge_run *run, const struct work *work, struct kt_error *err)
{
	struct kt_merge_result merged = {.is_clean = false};
	struct kt_lane_outside outside = {.tip = work->commit};
	struct kt_oid code_only = {{0}};
	bool contained = false;
	enum kt_code code =
		kt_git_is_ancestor(&run->place, &work->commit, &run->result, &contained, err);

	if (code != KT_E_OK || contained)
		return code;
	code = kt_integration_gate(run->options->repo, run->options->mission, work->lane,
		kt_oid_format(&work->commit).text, err);
	if (code == KT_E_OK && run->options->owned_required)
		code = kt_lane_owned_gate(run->options->repo, run->options->mission,
			run->view->plan, work->lane, &outside, err);
	if (code == KT_E_OK)
		code = without_mission_files(run, &work->commit, &code_only, err);
	if (code == KT_E_OK)
		code = kt_merge_compute(run->place.cwd, &run->result, &code_only,
			run->place.environment[0] == NULL ? NULL : run->place.environment, &merged,
			err);
	if (code == KT_E_OK && !merged.is_clean) {
		tell_conflict(run, work, &merged, err);
		code = err->code;
	}
	if (code == KT_E_OK)
		code = commit_merge(run, work, &merged.tree, err);
	kt_merge_result_release(&merged);
	return code;
}

static enum kt_code bring_wp(struct kt_merge_run *run, const char *wp_id, struct kt_error *err)
{
	struct kt_json *request = NULL;
	struct work work = {0};
	enum kt_code code = work_find(run, wp_id, &work, &request, err);

	if (code == KT_E_OK && work.lane != NULL)
		code = bring(run, &work, err);
	work_release(&work);
	kt_json_free(request);
	return code;
}

/* ---- the target's new commit ---- */

static enum kt_code count_one(struct kt_merge_run *run, const char *wp_id, struct kt_error *err)
{
	(void)run;
	return kt_error_set(err, KT_E_MERGE_NOT_READY, "%s is open", wp_id);
}

static bool is_all_done(struct kt_merge_run *run)
{
	struct kt_error ignored = KT_ERROR_INIT;

	return kt_merge_each_approved(run, count_one, &ignored) == KT_E_OK;
}

/* The log and the done rows of a legacy mission reach the target together with the code. */
static enum kt_code commit_log(struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_oid parent = run->result;
	char *message = kt_format("chore: record mission '%s'\n", run->options->mission->slug);
	struct kt_git_commit_wish wish = {
		.tree = &run->tree, .parents = &parent, .parents_len = 1, .message = message};
	enum kt_code code = kt_merge_unite(run, &run->tree, err);

	if (code == KT_E_OK)
		code = kt_git_commit(&run->place, &wish, &run->result, err);
	free(message);
	return code;
}

static enum kt_code tree_of_result(struct kt_merge_run *run, struct kt_error *err)
{
	char *revision = kt_format("%s^{tree}", kt_oid_format(&run->result).text);
	bool found = false;
	enum kt_code code = kt_git_resolve(&run->place, revision, &found, &run->tree, err);

	free(revision);
	return code;
}

static enum kt_code result_make(struct kt_merge_run *run, struct kt_error *err)
{
	bool found = false;
	enum kt_code code = kt_git_resolve(&run->place, run->target_ref, &found, &run->before, err);

	if (code == KT_E_OK && !found)
		code = kt_error_set(err, KT_E_TARGET_BRANCH_NOT_FOUND, "%s",
			run->options->mission->target_branch);
	run->result = run->before;
	kt_json_set(run->report, "integrated", kt_json_new_array());
	if (code == KT_E_OK)
		code = kt_merge_each_approved(run, bring_wp, err);
	if (code == KT_E_OK)
		code = tree_of_result(run, err);
	if (code == KT_E_OK && is_legacy(run) && !is_all_done(run))
		code = commit_log(run, err);
	if (code == KT_E_OK && !kt_oid_equal(&run->before, &run->result))
		code = kt_checkout_check(run, err);
	return code;
}

static enum kt_code predict(struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_git_place real = run->place;
	enum kt_code code = kt_git_place_init(&run->place, run->options->mission, true, err);

	if (code == KT_E_OK)
		code = result_make(run, err);
	if (code == KT_E_OK)
		kt_merge_report_target(run);
	if (code == KT_E_OK && run->options->dry_run) {
		run->tip = run->result;
		code = kt_merge_tear_down(run, err);
	}
	kt_git_place_release(&run->place);
	run->place = real;
	return code;
}

/* ---- for real ---- */

static enum kt_code move_target(struct kt_merge_run *run, struct kt_error *err)
{
	enum kt_code code = KT_E_REF_MOVED;

	for (int i = 0; code == KT_E_REF_MOVED && i < MOVES_MAX; i++) {
		*err = (struct kt_error)KT_ERROR_INIT;
		code = result_make(run, err);
		kt_failpoint("merge-computed");
		if (code == KT_E_OK && !kt_oid_equal(&run->before, &run->result))
			code = kt_merge_target_move(run, err);
	}
	if (code == KT_E_OK)
		kt_merge_report_target(run);
	kt_failpoint("merge-moved");
	return code;
}

static enum kt_code finish_row(struct kt_merge_run *run, const char *wp_id, struct kt_error *err)
{
	struct kt_log_facts facts = kt_merge_facts(run);
	struct kt_json *request = NULL, *outcome = NULL;
	bool is_recorded = false;
	enum kt_code code =
		kt_integration_request(&facts, wp_id, KT_MERGE_ACTOR, &request, &is_recorded, err);

	if (code == KT_E_OK) {
		kt_json_remove(request, "integrate");
		code = run->options->submit(request, &outcome, run->options->arg, err);
	}
	kt_json_free(outcome);
	kt_json_free(request);
	kt_failpoint("merge-integrated-one");
	return code;
}

static enum kt_code move_locked(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	int fd = -1;
	enum kt_code code = kt_merge_lock(mission, &fd, err);

	if (code == KT_E_OK)
		code = kt_merge_view_load(run, err);
	if (code == KT_E_OK)
		code = move_target(run, err);
	if (fd >= 0)
		kt_holder_clear(mission);
	kt_lock_release(fd);
	return code;
}

static enum kt_code tear_down(struct kt_merge_run *run, struct kt_error *err)
{
	bool found = false;
	enum kt_code code = kt_merge_view_load(run, err);

	if (code == KT_E_OK && !is_all_done(run))
		code = kt_error_set(
			err, KT_E_REF_MOVED, "a work package changed its status meanwhile");
	/* What the target holds may go. */
	if (code == KT_E_OK)
		code = kt_git_resolve(&run->place, run->target_ref, &found, &run->tip, err);
	if (code != KT_E_OK)
		return code;
	return kt_merge_tear_down(run, err);
}

static enum kt_code check_options(const struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_merge_options *options = run->options;

	if (options->interactive)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"--interactive needs a coordination branch; resolve in the lane");
	if (options->strategy != NULL && strcmp(options->strategy, "merge") != 0)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"--strategy %.40s needs a coordination branch", options->strategy);
	return KT_E_OK;
}

enum kt_code kt_merge_plain(struct kt_merge_run *run, struct kt_error *err)
{
	bool found = false;
	enum kt_code code = check_options(run, err);

	run->strategy = "merge";
	kt_json_set_string(run->report, "strategy", run->strategy);
	if (code == KT_E_OK && !run->options->dry_run) {
		kt_checkout_restore(run->options->mission);
		kt_merge_heal(run);
	}
	if (code == KT_E_OK)
		code = kt_merge_view_load(run, err);
	if (code == KT_E_OK)
		code = kt_git_resolve(&run->place, run->target_ref, &found, &run->tip, err);
	if (code == KT_E_OK)
		code = kt_merge_preflight(run, err);
	if (code == KT_E_OK)
		code = predict(run, err);
	if (code != KT_E_OK || run->options->dry_run)
		return code;
	code = move_locked(run, err);
	if (code == KT_E_OK)
		code = kt_merge_view_load(run, err);
	if (code == KT_E_OK)
		code = kt_merge_each_approved(run, finish_row, err);
	return code == KT_E_OK ? tear_down(run, err) : code;
}
