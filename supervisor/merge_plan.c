/*
 * What must hold before a mission is merged, and the order of stage 1. Runs in kitty merge. Must
 * never write.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/file.h"
#include "supervisor/git/merge.h"
#include "supervisor/git/worktree.h"
#include "supervisor/merge_private.h"
#include "supervisor/transaction/holder.h"

static const char PLANNING_LANE[] = "lane-planning";

struct kt_log_facts kt_merge_facts(const struct kt_merge_run *run)
{
	return (struct kt_log_facts){.repo = run->options->repo,
		.mission = run->options->mission,
		.state = run->view->state,
		.plan = run->view->plan,
		.log = run->view->log,
		.log_len = run->view->log_len};
}

static enum kt_status status_of(const struct kt_merge_run *run, const char *wp_id)
{
	struct kt_wp_state state = {0};

	return kt_reducer_wp(run->view->state, wp_id, &state) ? state.status : KT_STATUS_GENESIS;
}

static enum kt_code check_statuses(const struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_plan *plan = run->view->plan;
	struct kt_buffer open = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	KT_BUG_UNLESS(plan != NULL);
	for (size_t i = 0; i < plan->wps_len; i++) {
		enum kt_status status = status_of(run, plan->wps[i].id);

		if (status != KT_STATUS_APPROVED && status != KT_STATUS_DONE &&
			status != KT_STATUS_CANCELED)
			kt_buffer_printf(&open, "%s%s is %s", open.len == 0 ? "" : ", ",
				plan->wps[i].id, kt_status_name(status));
	}
	if (open.len > 0)
		code = kt_error_set(err, KT_E_MERGE_NOT_READY, "%s", kt_buffer_text(&open));
	kt_buffer_release(&open);
	return code;
}

static enum kt_code check_supervisor(const struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_json *holder = kt_holder_read(run->options->mission);
	bool is_there = kt_json_get_string(holder, "socket") != NULL;
	char *who = NULL;

	kt_json_free(holder);
	if (!is_there)
		return KT_E_OK;
	who = kt_holder_describe(run->options->mission);
	(void)kt_error_set(err, KT_E_SUPERVISOR_RUNNING, "it is %s", who);
	kt_error_next(err, "kitty stop --mission %s", run->options->mission->slug);
	free(who);
	return err->code;
}

/* Files of people in the coordination worktree would be lost with it. */
static enum kt_code check_coordination(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	struct kt_buffer paths = KT_BUFFER_INIT;
	struct kt_worktree_facts facts = {0};
	enum kt_code code = KT_E_OK;

	kt_worktree_inspect(run->options->repo, mission->coord_worktree, &facts);
	if (facts.exists && facts.is_linked)
		code = kt_worktree_changes(mission->coord_worktree, &paths, err);
	for (size_t at = 0; code == KT_E_OK && at < paths.len; at += strlen(paths.data + at) + 1) {
		const char *path = paths.data + at;

		if (strcmp(path, mission->log_path) == 0 ||
			strcmp(path, mission->snapshot_path) == 0 ||
			(run->options->dry_run && kt_merge_will_heal(run, path)))
			continue;
		code = kt_error_set(err, KT_E_MERGE_CHECKOUT_BLOCKED,
			"%.200s is not committed in %s", path, mission->coord_worktree);
		kt_error_next_git(err, mission->coord_worktree, "status");
	}
	kt_worktree_facts_release(&facts);
	kt_buffer_release(&paths);
	return code;
}

static enum kt_code check_target_checkout(struct kt_merge_run *run, struct kt_error *err)
{
	char *git_dir = NULL;
	const char *state = "";
	enum kt_code code = KT_E_OK;

	free(run->checkout);
	run->checkout = kt_branch_checked_out_at(
		run->options->repo, run->options->mission->target_branch, NULL);
	if (run->checkout != NULL && !kt_folder_exists(run->checkout)) {
		free(run->checkout); /* a registration without a worktree */
		run->checkout = NULL;
	}
	if (run->checkout == NULL)
		return KT_E_OK;
	git_dir = kt_worktree_git_dir(run->checkout);
	if (git_dir != NULL)
		state = kt_repository_state(git_dir);
	if (state[0] != '\0') {
		code = kt_error_set(err, KT_E_MERGE_CHECKOUT_BLOCKED, "a %s is under way in %s",
			state, run->checkout);
		kt_error_next(err, "finish or abort the %s in %s, then run the command again",
			state, run->checkout);
	}
	free(git_dir);
	return code;
}

/* run->tip by name. */
static const char *holder_of_work(const struct kt_mission *mission)
{
	return mission->coordination_branch != NULL ? mission->coordination_branch
						    : mission->target_branch;
}

enum kt_code kt_merge_check_contained(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_plan *plan = run->view->plan;
	struct kt_log_facts facts = kt_merge_facts(run);
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; code == KT_E_OK && i < plan->wps_len; i++) {
		const char *wp_id = plan->wps[i].id;
		const struct kt_lane_plan *lane = kt_lanes_of_wp(plan->lanes, wp_id);
		struct kt_oid commit = {{0}};
		bool contained = false;

		if (status_of(run, wp_id) != KT_STATUS_DONE || lane == NULL ||
			strcmp(lane->id, PLANNING_LANE) == 0 ||
			!kt_approved_commit(&facts, wp_id, &commit))
			continue;
		code = kt_git_is_ancestor(&run->place, &commit, &run->tip, &contained, err);
		if (code == KT_E_OK && !contained)
			code = kt_error_set(err, KT_E_MERGE_UNVERIFIED,
				"%s is done, but its approved commit %s is not in %s", wp_id,
				kt_oid_format(&commit).text, holder_of_work(run->options->mission));
	}
	return code;
}

enum kt_code kt_merge_preflight(struct kt_merge_run *run, struct kt_error *err)
{
	enum kt_code code = kt_merge_check_git(err);

	if (code == KT_E_OK && run->view->plan == NULL)
		code = kt_error_set(
			err, KT_E_MISSION_NOT_FINALIZED, "%s", run->options->mission->slug);
	if (code == KT_E_OK && !run->options->dry_run)
		code = check_supervisor(run, err);
	if (code == KT_E_OK)
		code = check_statuses(run, err);
	if (code == KT_E_OK)
		code = check_coordination(run, err);
	if (code == KT_E_OK)
		code = check_target_checkout(run, err);
	return code == KT_E_OK ? kt_merge_check_contained(run, err) : code;
}

/* ---- order ---- */

static bool waits(const struct kt_merge_run *run, const struct kt_wp *wp, const bool *is_taken)
{
	const struct kt_plan *plan = run->view->plan;
	const struct kt_lane_plan *lane = kt_lanes_of_wp(plan->lanes, wp->id);

	for (size_t i = 0; i < plan->wps_len; i++) {
		const char *other = plan->wps[i].id;

		if (is_taken[i] || strcmp(other, wp->id) == 0)
			continue;
		for (char **id = wp->dependencies; id != NULL && *id != NULL; id++)
			if (strcmp(*id, other) == 0)
				return true;
		/* Inside a lane the running order counts too. */
		for (char **id = lane == NULL ? NULL : lane->wp_ids;
			id != NULL && *id != NULL && strcmp(*id, wp->id) != 0; id++)
			if (strcmp(*id, other) == 0)
				return true;
	}
	return false;
}

enum kt_code kt_merge_each_approved(
	struct kt_merge_run *run, kt_merge_wp_cb each, struct kt_error *err)
{
	const struct kt_plan *plan = run->view->plan;
	bool *is_taken = kt_alloc(plan->wps_len * sizeof *is_taken + 1);
	bool has_moved = true;
	enum kt_code code = KT_E_OK;

	while (code == KT_E_OK && has_moved) {
		has_moved = false;
		for (size_t i = 0; i < plan->wps_len && !has_moved; i++) {
			if (is_taken[i] || waits(run, &plan->wps[i], is_taken))
				continue;
			is_taken[i] = has_moved = true;
			if (status_of(run, plan->wps[i].id) == KT_STATUS_APPROVED)
				code = each(run, plan->wps[i].id, err);
		}
	}
	free(is_taken);
	return code;
}
