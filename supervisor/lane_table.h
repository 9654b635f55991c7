/*
 * The recovery table of lanes: what can be wrong with a lane's branch and worktree, and the one
 * action that each row of the table has. The doctor names the rows, `agent worktree repair` takes
 * the actions; both read this. Facts come from files and git children; nothing is changed here.
 */
#ifndef KITTY_SUPERVISOR_LANE_TABLE_H
#define KITTY_SUPERVISOR_LANE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

#include "supervisor/lane_ops_private.h"
#include "supervisor/transaction/reader.h"

enum kt_lane_folder {
	KT_FOLDER_NONE,   /* nothing at the path */
	KT_FOLDER_GOOD,   /* a worktree on the lane's branch */
	KT_FOLDER_BUSY,   /* a merge, rebase, ... is under way in it */
	KT_FOLDER_OTHER,  /* on another branch, or detached */
	KT_FOLDER_BROKEN, /* a folder without usable git dir */
	KT_FOLDER_COUNT
};

/* Steps of an action, taken in this order. */
enum kt_lane_step {
	KT_STEP_RESCUE = 1,  /* unfinished files are kept under refs/kitty/rescue/ */
	KT_STEP_BRANCH = 2,  /* the branch is made again at its last known commit */
	KT_STEP_SWITCH = 4,  /* the worktree goes back to the branch, as git switch does it */
	KT_STEP_REMOVE = 8,  /* folder and registration go away, what is ignored is moved aside */
	KT_STEP_CREATE = 16, /* the worktree is made from the branch */
	KT_STEP_SPARSE = 32, /* the sparse policy is applied again */
	KT_STEP_LEAVE = 64   /* somebody's unfinished merge: only a person ends it */
};

struct kt_lane_action {
	unsigned steps;      /* 0: nothing to do */
	const char *code;    /* of the doctor's finding; NULL: none */
	const char *problem; /* what is wrong, for people */
};

struct kt_lane_row {
	struct kt_lane_place place;
	enum kt_lane_folder folder;
	bool has_branch;
	bool is_registered; /* git knows a worktree at the path */
	bool is_dirty;      /* uncommitted or untracked files */
	bool is_finished;   /* all its work packages are done or canceled */
	char *tip;          /* last known commit that still exists; NULL: unknown */
	char *branch_tip;   /* NULL: no branch */
	char *sparse;       /* how the sparse policy is not as it must be; NULL: it is */
};

struct kt_lane_rows {
	struct kt_lane_row *rows;
	size_t len;
};

/* Every lane that the plan, a record, a branch or a folder tells of, sorted by id. view may be
 * NULL (the branch is broken): no lane counts as finished then. */
KT_MUST_CHECK enum kt_code kt_lane_rows_load(const struct kt_repository *repo,
	const struct kt_mission *mission, const struct kt_view *view, struct kt_lane_rows *out,
	struct kt_error *err);
void kt_lane_rows_release(struct kt_lane_rows *rows);

/* The row of the table; pure. */
struct kt_lane_action kt_lane_action_find(enum kt_lane_folder folder, bool has_branch,
	bool is_registered, bool is_tip_known, bool is_finished);

/* What ends the merge, rebase, ... that is under way: "merge --abort"; pure. */
const char *kt_lane_abort_command(const char *state);

#define KT_LANE_INDEX_UNREADABLE "its index cannot be read"
/* How a lane's sparse policy is not as it must be, for people; gives; NULL: it is. */
char *kt_lane_sparse_problem(const struct kt_mission *mission, const struct kt_lane_place *place);

#endif
