/*
 * Where a mission's log lives: the branch, and the worktree that has it checked out. The one place
 * that decides; writer, readers, doctor and verify ask here.
 *
 *   topology                       place
 *   lanes_with_coord, coord        the coordination branch and its worktree, which are kitty's own
 *   lanes, single_branch           the branch that the primary checkout has checked out
 *   legacy (lanes, no topology)    the branch that the work package's lane worktree has checked
 * out; planning work packages: as in the row above
 *
 * A place that is not kitty's own is somebody's checkout: of its files and index kitty touches the
 * two status files (and, for finalize-tasks, the mission's planning files), nothing else.
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_DESTINATION_H
#define KITTY_SUPERVISOR_TRANSACTION_DESTINATION_H

#include <stdbool.h>

#include <kitty/error.h>

#include "supervisor/git/repository.h"
#include "supervisor/mission/mission.h"

enum kt_destination_kind {
	KT_DESTINATION_COORDINATION, /* kitty's own worktree */
	KT_DESTINATION_PRIMARY,      /* the user's checkout */
	KT_DESTINATION_LANE          /* a lane's worktree of a legacy mission */
};

struct kt_destination {
	enum kt_destination_kind kind;
	char *branch;   /* short */
	char *ref;      /* refs/heads/<branch> */
	char *worktree; /* absolute */
	char *git_dir; /* of the worktree; NULL for a coordination worktree: it may not exist yet */
};

#define KT_DESTINATION_INIT \
	{ \
		KT_DESTINATION_COORDINATION, NULL, NULL, NULL, NULL \
	}

/*
 * lane_id: the lane of the work package that is written about; only legacy missions look at it, and
 * NULL or "lane-planning" is the primary checkout. Gives. Errors:
 * KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED (no worktree, or its HEAD is detached),
 * KT_E_COORDINATION_WORKTREE_BUSY (a merge, rebase or the like is under way in somebody's
 * checkout).
 */
KT_MUST_CHECK enum kt_code kt_destination_resolve(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane_id, struct kt_destination *out,
	struct kt_error *err);
void kt_destination_release(struct kt_destination *to);

/* Does kitty own the worktree? */
bool kt_destination_is_own(const struct kt_destination *to);
bool kt_destination_is_same(const struct kt_destination *left, const struct kt_destination *right);

#endif
