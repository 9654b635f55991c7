/*
 * What is done to a lane's worktree, as plain blocking functions over git. The supervisor never
 * calls them in its loop: it runs `kitty internal lane-...` as a child, which calls them and prints
 * one JSON object. `kitty implement` calls them directly.
 */
#ifndef KITTY_SUPERVISOR_LANE_OPS_H
#define KITTY_SUPERVISOR_LANE_OPS_H

#include <stdbool.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/mission.h"

/*
 * Brings the files of the coordination worktree from the commit `since` to the branch's tip, over
 * what a killed sync left half-written; anybody's own bytes stay, and then it fails
 * (KT_E_GIT_FAILED). The caller holds the mission's lock.
 */
KT_MUST_CHECK enum kt_code kt_coordination_sync(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *since, struct kt_error *err);

/*
 * The coordination worktree (.worktrees/<slug>-coord) on the coordination branch, full checkout.
 * Idempotent; drops only its own stale registration. Errors: KT_E_BOOKKEEPING_WORKTREE_MISSING,
 * KT_E_BRANCH_CHECKED_OUT_ELSEWHERE, KT_E_COORDINATION_WORKTREE_BRANCH_MISMATCH.
 */
KT_MUST_CHECK enum kt_code kt_coordination_prepare(const struct kt_repository *repo,
	const struct kt_mission *mission, bool *created, struct kt_error *err);

/*
 * The lane's worktree on its branch, from the coordination branch's tip, with the sparse policy,
 * verified; rolled back whole on failure. An existing healthy lane is left as it is. A branch that
 * exists without worktree is checked out again, never re-cut. Errors: KT_E_LANE_ALLOCATION_FAILED,
 * KT_E_LANE_HEAD_MISMATCH, KT_E_BRANCH_CHECKED_OUT_ELSEWHERE, KT_E_TIMEOUT. Facts, JSON: {"lane",
 * "branch", "worktree", "created": bool, "head": sha}. Gives.
 */
KT_MUST_CHECK enum kt_code kt_lane_prepare(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane_id, struct kt_json **facts,
	struct kt_error *err);

/*
 * What the lane's worktree holds now: {"head_ref", "head", "branch_tip", "state": ""|"merge"|...,
 * "dirty": [paths], "new_commits": n since `since`}. since: 40 hex or NULL. Gives. Never changes
 * anything.
 */
KT_MUST_CHECK enum kt_code kt_lane_inspect(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane_id, const char *since,
	struct kt_json **facts, struct kt_error *err);

/*
 * After an agent ended with exit 0: checks HEAD and state, commits what is left (tracked changes
 * and unignored new files, never kitty-specs/, at most max_bytes) with the agent as author, the
 * user as committer, the WP in the message, the user's hooks running. Facts: {"head", "commits": n
 * since `since`, "committed": sha or null, "has_work": bool, "elsewhere": [shas]}. Errors:
 * KT_E_LANE_HEAD_MISMATCH, KT_E_LANE_BUSY, KT_E_LANE_COMMIT_FAILED (a hook's output in the detail),
 * KT_E_LANE_TOO_LARGE; the lane's files are untouched on failure (also the index is as the agent
 * left it).
 */
struct kt_lane_finish {
	const char *lane_id, *wp_id, *wp_title, *agent, *since;
	long long max_bytes;
};
KT_MUST_CHECK enum kt_code kt_lane_commit(const struct kt_repository *repo,
	const struct kt_mission *mission, const struct kt_lane_finish *wish, struct kt_json **facts,
	struct kt_error *err);

#endif
