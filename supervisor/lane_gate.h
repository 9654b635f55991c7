/*
 * The lane gate: what a lane authored (fork point to tip) touches no status file, no other
 * mission's files, nothing under kitty-specs/ at all. One predicate for the move to for_review, for
 * integration, and for the doctor. Blocks on git children: commands and helper processes only.
 * Read-only.
 *
 * The fork point is the newest commit of the coordination branch's first-parent line that the lane
 * contains: the sync points move it, and an integration of the lane does not hide what the lane
 * authored. What counts is the net difference, so a commit that takes a forbidden change back
 * satisfies the gate.
 */
#ifndef KITTY_SUPERVISOR_LANE_GATE_H
#define KITTY_SUPERVISOR_LANE_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/git/oid.h"
#include "supervisor/mission/mission.h"

/* The first-parent line of the coordination branch, newest first. */
struct kt_line {
	struct kt_oid *commits;
	size_t len;
};
KT_MUST_CHECK enum kt_code kt_line_load(const struct kt_repository *repo, const char *tip,
	struct kt_line *out, struct kt_error *err);
void kt_line_release(struct kt_line *line);

/* The newest commit of the line that `tip` contains; *found false: no history in common. */
KT_MUST_CHECK enum kt_code kt_line_fork(const struct kt_line *line, struct kt_store *store,
	const struct kt_oid *tip, bool *found, struct kt_oid *fork, struct kt_error *err);

/*
 * findings: array of {"lane", "kind": "status"|"mission"|"planning", "path", "commit", "fork",
 * "tip", "next_step"}; empty: the lane may pass. "status": a status file of any mission; "mission":
 * another mission's file; "planning": this mission's other files and whatever else lies under
 * kitty-specs/. next_step is a shell command that takes the changes back in the lane's worktree.
 * lane: "lane-a". A lane without a branch has nothing to judge: no findings. Gives an array, never
 * NULL, when the result is KT_E_OK.
 */
KT_MUST_CHECK enum kt_code kt_lane_gate(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane, struct kt_json **findings,
	struct kt_error *err);

/* The same for a commit that is not the lane's tip any more (40 hex digits): what was approved is
 * judged, not what came after. */
KT_MUST_CHECK enum kt_code kt_lane_gate_commit(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane, const char *commit,
	struct kt_json **findings, struct kt_error *err);

/* The same for a merge that is in an object folder of its own, where a dry run made it: git sees it
 * with that environment. */
struct kt_lane_foreseen {
	struct kt_oid commit, parents[2]; /* the parents are in the repository */
	const char *const *environment;
};
KT_MUST_CHECK enum kt_code kt_lane_gate_foreseen(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane, const struct kt_lane_foreseen *foreseen,
	struct kt_json **findings, struct kt_error *err);

/* "status", "mission" or "planning"; NULL when a lane may change the path. Pure. */
const char *kt_lane_gate_kind(const char *mission_slug, const char *path);

#endif
