/*
 * Bringing the coordination branch and the dependencies into a lane. Runs in commands and helper
 * processes. Must never leave a lane half merged, nor touch one that holds uncommitted work.
 */
#include "supervisor/lane_sync.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "supervisor/git/hold.h"
#include "supervisor/git/merge.h"
#include "supervisor/git/worktree.h"
#include "supervisor/integrate.h"
#include "supervisor/lane_ops.h"
#include "supervisor/lane_ops_private.h"
#include "supervisor/merge_request.h"
#include "supervisor/transaction/lock.h"
#include "supervisor/transaction/reader.h"

static const char PLANNING_LANE[] = "lane-planning";

struct sync {
	const struct kt_repository *repo;
	const struct kt_mission *mission;
	const struct kt_lane_sync *wish;
	struct kt_lane_place lane;
	struct kt_git_place place; /* in the lane's worktree */
	struct kt_view *view;
	struct kt_json *facts;
	struct kt_oid tip;     /* of the lane, as it will be */
	const char *last_name; /* what came in last, for the words of a conflict */
	struct kt_oid last_commit;
};

/* One thing that has to be in the lane. */
struct part {
	const char *name;
	struct kt_oid commit;
	bool is_coordination;
};

/* ---- is this the point? ---- */

static bool is_row_of_lane(const struct kt_json *row, const struct kt_lane_plan *lane)
{
	const char *wp = kt_json_get_string(row, "wp_id");

	for (char **id = lane->wp_ids; wp != NULL && id != NULL && *id != NULL; id++)
		if (strcmp(*id, wp) == 0)
			return true;
	return false;
}

/* Has any WP of the lane come to that status before? */
static bool lane_has_been(const struct sync *sync, const char *status)
{
	const struct kt_lane_plan *lane =
		kt_lanes_find(sync->view->plan->lanes, sync->wish->lane_id);
	const char *at = sync->view->log, *end = at + sync->view->log_len;
	bool found = false;

	while (lane != NULL && at < end && !found) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop == NULL ? end : stop) - at);
		struct kt_error ignored = KT_ERROR_INIT;
		struct kt_json *row = NULL;
		const char *to = NULL;

		if (memmem(at, len, status, strlen(status)) != NULL &&
			kt_json_parse(at, len, KT_JSON_LAST_WINS, &row, &ignored) == KT_E_OK)
			to = kt_json_get_string(row, "to_lane");
		found = to != NULL && strcmp(to, status) == 0 && is_row_of_lane(row, lane);
		kt_json_free(row);
		at += len + 1;
	}
	return found;
}

static bool is_sync_point(const struct sync *sync)
{
	enum kt_status status =
		sync->wish->point == KT_SYNC_CLAIM ? KT_STATUS_CLAIMED : KT_STATUS_IN_REVIEW;

	return !lane_has_been(sync, kt_status_name(status));
}

/* ---- one merge into the lane ---- */

static enum kt_code check_clean(const struct sync *sync, struct kt_error *err)
{
	struct kt_buffer paths = KT_BUFFER_INIT;
	enum kt_code code = kt_worktree_changes(sync->lane.worktree, &paths, err);

	if (code == KT_E_OK && paths.len > 0) {
		code = kt_error_set(err, KT_E_MERGE_CHECKOUT_BLOCKED,
			"%.200s is not committed in %s", paths.data, sync->lane.worktree);
		kt_error_next_git(err, sync->lane.worktree, "status");
	}
	kt_buffer_release(&paths);
	return code;
}

/* Where the two are resolved: coordination in the lane, dependencies in the later one's own lane,
 * for this lane may not exist yet. */
static char *resolving_place(const struct sync *sync, const struct part *part)
{
	const struct kt_lane_plan *lane =
		part->is_coordination ? NULL : kt_lanes_of_wp(sync->view->plan->lanes, part->name);

	return lane == NULL ? kt_strdup(sync->lane.worktree)
			    : kt_mission_lane_worktree(sync->mission, lane->id);
}

static void tell_conflict(struct sync *sync, const struct kt_merge_result *merged,
	const struct part *part, struct kt_error *err)
{
	struct kt_merge_side ours = {sync->last_name, sync->tip};
	struct kt_merge_side theirs = {part->name, part->commit};
	struct kt_json *conflict = kt_merge_conflict(&sync->place, merged, &ours, &theirs, err);
	struct kt_error told = *err;
	char *place = resolving_place(sync, part);

	(void)kt_error_set(err, KT_E_MERGE_CONFLICT, "%.300s (%s at %.12s, %s at %.12s)",
		told.detail, sync->last_name, kt_oid_format(&sync->last_commit).text, part->name,
		kt_oid_format(&part->commit).text);
	kt_error_next_git(err, place, "merge %.12s # then resolve, commit%s",
		part->is_coordination ? kt_oid_format(&part->commit).text
				      : kt_oid_format(&sync->last_commit).text,
		part->is_coordination ? "" : ", and have it approved again");
	kt_json_set_string(conflict, "stage", "lane_sync");
	kt_json_set(sync->facts, "conflict", conflict);
	free(place);
}

/* The merge as a commit that no checkout has yet. kitty-specs/ is never the lane's to merge. */
static enum kt_code make_commit(
	struct sync *sync, const struct part *part, struct kt_oid *out, struct kt_error *err)
{
	struct kt_merge_result merged = {.is_clean = false};
	struct kt_oid parents[2] = {sync->tip, part->commit}, tree = {{0}};
	char *message = kt_format("Merge %s into %s\n", part->name, sync->lane.branch);
	struct kt_git_commit_wish wish = {
		.tree = &tree, .parents = parents, .parents_len = 2, .message = message};
	enum kt_code code = kt_merge_compute(
		sync->lane.worktree, &sync->tip, &part->commit, NULL, &merged, err);

	if (code == KT_E_OK && !merged.is_clean) {
		tell_conflict(sync, &merged, part, err);
		code = err->code;
	}
	if (code == KT_E_OK)
		code = kt_git_tree_take(&sync->place, &merged.tree,
			part->is_coordination ? &part->commit : &sync->tip, "kitty-specs", &tree,
			err);
	if (code == KT_E_OK)
		code = kt_git_commit(&sync->place, &wish, out, err);
	kt_merge_result_release(&merged);
	free(message);
	return code;
}

/* git's own fast-forward: it refuses rather than overwrite, and minds the sparse patterns. */
static enum kt_code move_lane(
	const struct sync *sync, const struct kt_oid *to, struct kt_error *err)
{
	struct kt_oid_text text = kt_oid_format(to);
	const char *args[] = {"merge", "--ff-only", "--no-autostash", "-q", text.text, NULL};

	return kt_git_text(&sync->place, args, NULL, NULL, err);
}

static void add_merged(struct sync *sync, const struct part *part, bool is_forward)
{
	struct kt_json *row = kt_json_new_object();

	kt_json_set_string(row, "name", part->name);
	kt_json_set_string(row, "commit", kt_oid_format(&part->commit).text);
	kt_json_set_string(row, "how", is_forward ? "fast_forward" : "merge");
	kt_json_append(kt_json_get(sync->facts, "merged"), row);
}

/* Computes; the lane itself moves once, at the end. */
static enum kt_code bring(struct sync *sync, const struct part *part, struct kt_error *err)
{
	struct kt_oid to = part->commit;
	bool contained = false, is_forward = false;
	enum kt_code code =
		kt_git_is_ancestor(&sync->place, &part->commit, &sync->tip, &contained, err);

	if (code == KT_E_OK && !contained)
		code = kt_git_is_ancestor(
			&sync->place, &sync->tip, &part->commit, &is_forward, err);
	if (code == KT_E_OK && !contained && !is_forward)
		code = make_commit(sync, part, &to, err);
	if (code != KT_E_OK)
		return code;
	sync->last_name = part->name;
	sync->last_commit = part->commit;
	if (!contained) {
		sync->tip = to;
		add_merged(sync, part, is_forward);
	}
	return KT_E_OK;
}

/* Everything or nothing; the ref decides. */
static enum kt_code move(struct sync *sync, struct kt_error *err)
{
	struct kt_hold *hold = NULL;
	struct kt_oid now = {{0}};
	bool found = false;
	enum kt_code code = check_clean(sync, err);

	if (code == KT_E_OK)
		code = kt_hold_take(sync->repo, &sync->tip, &hold, err);
	if (code == KT_E_OK)
		code = move_lane(sync, &sync->tip, err);
	code = kt_hold_end(hold, code, err);
	if (code == KT_E_OK)
		code = kt_git_resolve(&sync->place, sync->lane.ref, &found, &now, err);
	if (code == KT_E_OK && (!found || !kt_oid_equal(&now, &sync->tip)))
		code = kt_error_set(err, KT_E_MERGE_UNVERIFIED, "%s is not at %s",
			sync->lane.branch, kt_oid_format(&sync->tip).text);
	return code;
}

/* ---- what has to come in ---- */

static enum kt_code bring_dependencies(struct sync *sync, struct kt_error *err)
{
	const struct kt_wp *wp = kt_plan_find_wp(sync->view->plan, sync->wish->wp_id);
	struct kt_log_facts facts = {.repo = sync->repo,
		.mission = sync->mission,
		.state = sync->view->state,
		.plan = sync->view->plan,
		.log = sync->view->log,
		.log_len = sync->view->log_len};
	enum kt_code code = KT_E_OK;

	for (char **id = wp == NULL ? NULL : wp->dependencies;
		code == KT_E_OK && id != NULL && *id != NULL; id++) {
		const struct kt_lane_plan *lane = kt_lanes_of_wp(sync->view->plan->lanes, *id);
		struct part part = {.name = *id};
		struct kt_wp_state state = {0};
		bool is_recorded = false;

		if (lane == NULL || strcmp(lane->id, PLANNING_LANE) == 0 ||
			strcmp(lane->id, sync->wish->lane_id) == 0 ||
			!kt_reducer_wp(sync->view->state, *id, &state) ||
			!kt_status_satisfies_dependency(state.status))
			continue;
		code = kt_integration_commit(&facts, *id, &part.commit, &is_recorded, err);
		/* Done by an override, without a lane: there is nothing to bring. */
		if (code == KT_E_LANE_BRANCH_MISSING && state.status == KT_STATUS_DONE) {
			code = KT_E_OK;
			*err = (struct kt_error)KT_ERROR_INIT;
			continue;
		}
		if (code == KT_E_OK)
			code = bring(sync, &part, err);
	}
	return code;
}

static enum kt_code check_gate(const struct sync *sync, struct kt_error *err)
{
	struct kt_oid_text tip = kt_oid_format(&sync->tip);

	return kt_integration_gate(sync->repo, sync->mission, sync->lane.id, tip.text, err);
}

static enum kt_code bring_all(struct sync *sync, struct kt_error *err)
{
	struct part coordination = {.name = sync->mission->coordination_branch,
		.commit = sync->view->tip,
		.is_coordination = true};
	bool found = false;
	enum kt_code code = kt_git_resolve(&sync->place, sync->lane.ref, &found, &sync->tip, err);

	KT_BUG_UNLESS(sync->view->plan != NULL);
	if (code == KT_E_OK && !found)
		code = kt_error_set(err, KT_E_LANE_BRANCH_MISSING, "%s", sync->lane.branch);
	if (code != KT_E_OK)
		return code;
	kt_json_set_string(sync->facts, "before", kt_oid_format(&sync->tip).text);
	sync->last_name = sync->lane.branch;
	sync->last_commit = sync->tip;
	if (sync->mission->coordination_branch != NULL && is_sync_point(sync)) {
		code = check_gate(sync, err);
		if (code == KT_E_OK)
			code = bring(sync, &coordination, err);
	}
	if (code == KT_E_OK && sync->wish->point == KT_SYNC_CLAIM)
		code = bring_dependencies(sync, err);
	if (code == KT_E_OK && kt_json_size(kt_json_get(sync->facts, "merged")) > 0)
		code = move(sync, err);
	if (code == KT_E_OK)
		kt_json_set_string(sync->facts, "after", kt_oid_format(&sync->tip).text);
	return code;
}

/* One process at a time brings a lane up to date: two starts of the same work package at once would
 * judge each other's half-made checkout. */
static enum kt_code lane_lock(const struct kt_mission *mission, const struct kt_lane_sync *wish,
	int *fd, struct kt_error *err)
{
	char *path = kt_format("%s/%s.flock", mission->run_dir, wish->lane_id);
	enum kt_code code = kt_lock_wait(path, KT_LOCK_TIMEOUT_MS, fd, err);

	if (code == KT_E_OK && *fd < 0)
		code = kt_error_set(
			err, KT_E_TIMEOUT, "another process prepares %s", wish->lane_id);
	free(path);
	return code;
}

static enum kt_code sync_locked(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct kt_lane_sync *wish, struct kt_json **facts, struct kt_error *err)
{
	struct sync sync = {.repo = repo, .mission = mission, .wish = wish};
	enum kt_code code = KT_E_OK;

	sync.facts = *facts = kt_json_new_object();
	kt_json_set_string(sync.facts, "lane", wish->lane_id);
	kt_json_set_string(sync.facts, "wp_id", wish->wp_id);
	kt_json_set(sync.facts, "merged", kt_json_new_array());
	/* Lanes of a legacy mission carry logs of their own, which git cannot merge. */
	if (strcmp(wish->lane_id, PLANNING_LANE) == 0 ||
		(mission->coordination_branch == NULL && mission->topology == KT_TOPOLOGY_LEGACY))
		return KT_E_OK;
	code = kt_lane_place_find(repo, mission, wish->lane_id, &sync.lane, err);
	if (code != KT_E_OK)
		return code;
	/* Work that never had a worktree has nothing to be brought up to date. */
	if (wish->point == KT_SYNC_REVIEW && !sync.lane.facts.exists) {
		kt_lane_place_release(&sync.lane);
		return KT_E_OK;
	}
	code = kt_lane_place_check(&sync.lane, NULL, err);
	if (code == KT_E_OK)
		code = kt_view_load(repo, mission, &sync.view, err);
	if (code == KT_E_OK && sync.view->plan == NULL)
		code = kt_error_set(err, KT_E_MISSION_NOT_FINALIZED, "%s", mission->slug);
	sync.place.cwd = kt_strdup(sync.lane.worktree);
	if (code == KT_E_OK)
		code = bring_all(&sync, err);
	if (code == KT_E_OK && kt_json_size(kt_json_get(sync.facts, "merged")) > 0)
		kt_lane_record_write(mission, &sync.lane, NULL, kt_oid_format(&sync.tip).text);
	free(sync.place.cwd);
	kt_view_free(sync.view);
	kt_lane_place_release(&sync.lane);
	return code;
}

enum kt_code kt_lane_sync(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct kt_lane_sync *wish, struct kt_json **facts, struct kt_error *err)
{
	int lock = -1;
	enum kt_code code = lane_lock(mission, wish, &lock, err);

	*facts = NULL;
	if (code == KT_E_OK)
		code = sync_locked(repo, mission, wish, facts, err);
	kt_lock_release(lock);
	return code;
}

/* ---- a lane for a claim ---- */

static bool has_branch(const struct kt_repository *repo, const struct kt_lane_place *place)
{
	struct kt_error ignored = KT_ERROR_INIT;
	char *tip = NULL;
	bool has = kt_lane_revision(repo->primary, place->ref, &tip, &ignored) == KT_E_OK &&
		   tip != NULL;

	free(tip);
	return has;
}

static void unmake(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct kt_lane_place *place, const char *head)
{
	const char *args[] = {"update-ref", "-d", place->ref, head, NULL};
	char *record = kt_format("%s/lanes/%s.json", mission->run_dir, place->id);
	struct kt_error ignored = KT_ERROR_INIT;
	char *text = NULL;
	int exit_code = 0;

	if (head != NULL && kt_worktree_remove(repo, place->worktree, true, &ignored) == KT_E_OK &&
		kt_lane_git_text(repo->primary, args, &text, &exit_code, &ignored) == KT_E_OK &&
		exit_code == 0)
		(void)unlink(record);
	free(text);
	free(record);
}

enum kt_code kt_lane_ready(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct kt_lane_sync *wish, struct kt_json **prepared, struct kt_json **synced,
	struct kt_error *err)
{
	struct kt_lane_place place = {0};
	bool had_branch = false;
	int lock = -1;
	enum kt_code code = lane_lock(mission, wish, &lock, err);

	*synced = NULL;
	if (code == KT_E_OK)
		code = kt_lane_place_find(repo, mission, wish->lane_id, &place, err);
	if (code != KT_E_OK) {
		kt_lock_release(lock);
		return code;
	}
	had_branch = has_branch(repo, &place);
	code = kt_lane_prepare(repo, mission, wish->lane_id, prepared, err);
	if (code == KT_E_OK) {
		code = sync_locked(repo, mission, wish, synced, err);
		if (code != KT_E_OK && !had_branch && kt_json_get_bool(*prepared, "created", false))
			unmake(repo, mission, &place, kt_json_get_string(*prepared, "head"));
	}
	kt_lane_place_release(&place);
	kt_lock_release(lock);
	return code;
}
