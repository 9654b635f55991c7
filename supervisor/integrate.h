/*
 * Integration, the computing half: which tree does the coordination branch get when this commit is
 * merged into it? Blocking; moves nothing. The
 * writer runs it as `kitty internal integrate` and commits the result together with the `done` row;
 * `kitty merge --dry-run` calls it with a scratch place.
 */
#ifndef KITTY_SUPERVISOR_INTEGRATE_H
#define KITTY_SUPERVISOR_INTEGRATE_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/git_calls.h"
#include "supervisor/mission/plan.h"

struct kt_integration {
	const struct kt_repository *repo;
	const char *lane_id; /* NULL: `commit` is the target's tip (mission sync), no lane */
	struct kt_oid commit;
	struct kt_oid
		resolution; /* a merge that holds `commit` and solves its conflict; zero: none */
	struct kt_oid onto; /* tip of the coordination branch */
	const struct kt_plan
		*owners; /* `owned_files: refuse`: whose files are whose; NULL: anybody's */
};

/*
 * *facts on success: {"tree": id, "merged": commit, "contained": bool}; when contained there is
 * nothing to merge. kitty-specs/ of the tree is the coordination side's. Errors:
 * KT_E_LANE_TOUCHES_KITTY_SPECS naming commit and path, KT_E_LANE_OUTSIDE_OWNED,
 * KT_E_MERGE_CONFLICT (then *facts is
 * {"conflict": {...}}), KT_E_MERGE_CHECKOUT_BLOCKED (local changes in the coordination worktree),
 * KT_E_MERGE_UNVERIFIED (no such commit, no common history), KT_E_GIT_TOO_OLD_FOR_MERGE. Gives
 * *facts, NULL when there are none.
 */
KT_MUST_CHECK enum kt_code kt_integration_compute(const struct kt_git_place *place,
	const struct kt_mission *mission, const struct kt_integration *wish, struct kt_json **facts,
	struct kt_error *err);

/* The lane gate as an error: what the lane authored up to that commit (40 hex digits) touches
 * nothing under kitty-specs/. Errors: KT_E_LANE_TOUCHES_KITTY_SPECS naming commit and path. */
KT_MUST_CHECK enum kt_code kt_integration_gate(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane_id, const char *commit,
	struct kt_error *err);

/* {"files": [...], "messages": [...], "ours": {"name", "commit", "commits": ["sha subject"]},
 * "theirs": {...}, "resolve": [commands]}. Fills err (KT_E_MERGE_CONFLICT) too. Gives. */
struct kt_merge_side {
	const char *name; /* branch */
	struct kt_oid commit;
};
struct kt_merge_result;
struct kt_json *kt_merge_conflict(const struct kt_git_place *place,
	const struct kt_merge_result *merged, const struct kt_merge_side *ours,
	const struct kt_merge_side *theirs, struct kt_error *err);

#endif
