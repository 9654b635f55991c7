/*
 * The end of a merged mission: the closed ref, then worktrees, then branches, each only when
 * nothing is lost with it. Runs in kitty merge, under the mission's lock. Must never delete before
 * the target was seen to hold the mission.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "supervisor/git/worktree.h"
#include "supervisor/lane_ops.h"
#include "supervisor/merge_private.h"

static void add_kept(struct kt_merge_run *run, const char *what, const char *why)
{
	struct kt_json *row = kt_json_new_object();

	kt_json_set_string(row, "what", what);
	kt_json_set_string(row, "why", why);
	kt_json_append(kt_json_get(run->report, "kept"), row);
	kt_merge_notice(
		run, "%s: %s: %s", run->options->dry_run ? "would be kept" : "kept", what, why);
}

static void add_removed(struct kt_merge_run *run, const char *what)
{
	kt_json_append(kt_json_get(run->report, "removed"), kt_json_new_string(what));
}

/* refs/kitty/closed/<slug> at the last coordination tip. */
static enum kt_code close_ref(struct kt_merge_run *run, struct kt_error *err)
{
	char *ref = kt_format("refs/kitty/closed/%s", run->options->mission->slug);
	struct kt_oid_text tip = kt_oid_format(&run->tip);
	const char *args[] = {
		"update-ref", "--create-reflog", "-m", "kitty merge", ref, tip.text, NULL};
	enum kt_code code = kt_git_text(&run->place, args, NULL, NULL, err);

	if (code == KT_E_OK)
		kt_json_set_string(run->report, "closed_ref", ref);
	free(ref);
	return code;
}

/* With files that are neither committed nor ignored it stays, and so does its branch; and when
 * somebody locked it. */
static void remove_worktree(struct kt_merge_run *run, const char *path)
{
	struct kt_worktree_facts facts = {0};
	struct kt_buffer changes = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool existed = false, dry_run = run->options->dry_run;
	char *lock = NULL;
	enum kt_code code = KT_E_OK;

	if (!dry_run)
		kt_worktree_removal_resume(run->options->repo, path);
	kt_worktree_inspect(run->options->repo, path, &facts);
	existed = facts.exists;
	if (facts.exists && facts.is_linked)
		code = kt_worktree_work(path, &changes, &err);
	if (code == KT_E_OK && changes.len > 0)
		code = kt_error_set(
			&err, KT_E_MERGE_CHECKOUT_BLOCKED, "%.200s is not committed", changes.data);
	lock = kt_worktree_foreign_lock(&facts);
	if (code == KT_E_OK && lock != NULL)
		code = kt_error_set(&err, KT_E_MERGE_CHECKOUT_BLOCKED, "%s", lock);
	/* Forced only in that ignored files (build results) go with it. */
	if (code == KT_E_OK && !dry_run)
		code = kt_worktree_remove(run->options->repo, path, true, &err);
	if (code != KT_E_OK)
		add_kept(run, path, err.detail);
	else if (existed)
		add_removed(run, path);
	kt_worktree_facts_release(&facts);
	kt_buffer_release(&changes);
	free(lock);
}

static bool is_removed(const struct kt_merge_run *run, const char *what)
{
	const struct kt_json *at = kt_json_first(kt_json_get(run->report, "removed"));

	while (at != NULL && strcmp(kt_json_string(at), what) != 0)
		at = kt_json_next(at);
	return at != NULL;
}

/* A branch goes when the coordination branch holds all of it. */
static enum kt_code remove_branch(
	struct kt_merge_run *run, const char *branch, struct kt_error *err)
{
	char *ref = kt_format("refs/heads/%s", branch), *where = NULL, *why = NULL;
	struct kt_oid tip = {{0}};
	struct kt_oid_text text;
	bool found = false, contained = false;
	const char *args[] = {"update-ref", "-d", ref, text.text, NULL};
	enum kt_code code = kt_git_resolve(&run->place, ref, &found, &tip, err);

	text = kt_oid_format(&tip);
	if (code == KT_E_OK && found)
		code = kt_git_is_ancestor(&run->place, &tip, &run->tip, &contained, err);
	where = kt_branch_checked_out_at(run->options->repo, branch, NULL);
	if (code == KT_E_OK && found && !contained) {
		why = kt_format("it has commits after the approved one (%s)", text.text);
		add_kept(run, branch, why);
	} else if (code == KT_E_OK && found && where != NULL &&
		   !(run->options->dry_run && is_removed(run, where))) {
		why = kt_format("it is checked out at %s", where);
		add_kept(run, branch, why);
	} else if (code == KT_E_OK && found) {
		if (!run->options->dry_run)
			code = kt_git_text(&run->place, args, NULL, NULL, err);
		if (code == KT_E_OK)
			add_removed(run, branch);
	}
	free(why);
	free(where);
	free(ref);
	return code;
}

static enum kt_code remove_lanes(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	const struct kt_lanes *lanes = run->view->plan->lanes;
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; i < lanes->len; i++) {
		char *path = kt_mission_lane_worktree(mission, lanes->lanes[i].id);

		if (strcmp(lanes->lanes[i].id, "lane-planning") != 0)
			remove_worktree(run, path);
		kt_failpoint("merge-lane-worktree");
		free(path);
	}
	if (mission->coordination_branch != NULL)
		remove_worktree(run, mission->coord_worktree);
	kt_failpoint("merge-worktrees");
	for (size_t i = 0; code == KT_E_OK && i < lanes->len; i++) {
		char *branch = kt_mission_lane_branch(mission, lanes->lanes[i].id);

		if (strcmp(lanes->lanes[i].id, "lane-planning") != 0)
			code = remove_branch(run, branch, err);
		kt_failpoint("merge-lane-branch");
		free(branch);
	}
	return code;
}

/* Nobody makes a worktree of it again without the lock. */
static enum kt_code remove_coordination_branch(struct kt_merge_run *run, struct kt_error *err)
{
	int lock = -1;
	enum kt_code code = KT_E_OK;

	if (!run->options->dry_run)
		code = kt_repository_lock(run->options->repo, KT_LOCK_TIMEOUT_MS, &lock, err);
	if (code == KT_E_OK)
		code = remove_branch(run, run->options->mission->coordination_branch, err);
	kt_repository_unlock(lock);
	return code;
}

enum kt_code kt_merge_tear_down(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	enum kt_code code = KT_E_OK;

	if (run->options->keep_worktrees) {
		add_kept(run, "worktrees and branches", "--keep-worktrees");
		return KT_E_OK;
	}
	code = remove_lanes(run, err);
	/* The branch goes last: until then a re-run finds the mission by it. */
	if (code == KT_E_OK && mission->coordination_branch != NULL)
		code = remove_coordination_branch(run, err);
	return code;
}

/* git children must not stand in a folder that goes away. */
static void leave_worktree(struct kt_merge_run *run)
{
	free(run->place.cwd);
	run->place.cwd = kt_strdup(run->options->mission->repo_root);
}

enum kt_code kt_merge_close(struct kt_merge_run *run, struct kt_error *err)
{
	bool landed = false;
	enum kt_code code = kt_merge_check_contained(run, err);

	leave_worktree(run);
	if (code == KT_E_OK)
		code = kt_merge_has_landed(run, &landed, err);
	if (code == KT_E_OK && !landed)
		code = kt_error_set(err, KT_E_MERGE_UNVERIFIED, "%s does not hold the mission",
			run->options->mission->target_branch);
	if (code == KT_E_OK)
		code = close_ref(run, err);
	kt_failpoint("merge-closed-ref");
	if (code != KT_E_OK)
		return code;
	return kt_merge_tear_down(run, err);
}

static bool has_unfinished(const struct kt_view *view)
{
	for (size_t i = 0; view->plan != NULL && i < view->plan->wps_len; i++) {
		struct kt_wp_state state = {0};

		if (!kt_reducer_wp(view->state, view->plan->wps[i].id, &state) ||
			!kt_status_is_terminal(state.status))
			return true;
	}
	return false;
}

/* The target holds the mission; when that cannot be told (its branch is gone, somebody took the
 * folder out), what is left of the mission tells. */
static bool was_merged(struct kt_merge_run *run)
{
	struct kt_error ignored = KT_ERROR_INIT;
	bool landed = false;

	if (kt_merge_view_load(run, &ignored) != KT_E_OK)
		return !run->options->mission->is_discarded;
	if (kt_merge_has_landed(run, &landed, &ignored) == KT_E_OK && landed)
		return true;
	return !run->options->mission->is_discarded && !has_unfinished(run->view);
}

enum kt_code kt_merge_closed(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	bool merged = false;
	enum kt_code code = kt_git_place_init(&run->place, mission, false, err);

	run->target_ref = kt_format("refs/heads/%s", mission->target_branch);
	if (code == KT_E_OK)
		merged = was_merged(run);
	if (code == KT_E_OK && !merged)
		code = kt_mission_check_open(mission, err);
	/* The run that closed it may have been killed before this last step. */
	if (code == KT_E_OK && !run->options->dry_run)
		kt_merge_state_drop(mission);
	if (code == KT_E_OK) {
		kt_json_set_bool(run->report, "is_noop", true);
		kt_json_set_string(run->report, "closed_ref", mission->coordination_ref);
	}
	kt_git_place_release(&run->place);
	kt_view_free(run->view);
	run->view = NULL;
	free(run->target_ref);
	return code;
}
