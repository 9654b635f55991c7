/*
 * Taking a mission's worktrees and branches away, and bringing a discarded one back. Acts on the
 * exact list that lanes.json and the mission's identity give, never on prefixes of names. The
 * target, the primary checkout and other missions are not touched. Blocks: commands only, under the
 * mission's lock.
 */
#ifndef KITTY_SUPERVISOR_CLOSE_H
#define KITTY_SUPERVISOR_CLOSE_H

#include <stdbool.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/mission.h"
#include "supervisor/mission/plan.h"

struct kt_close {
	const struct kt_repository *repo;
	const struct kt_mission *mission;
	/* As they were when the command began; under the lock they are read again. */
	const struct kt_plan *plan; /* NULL: not finalised, no lanes */
	struct kt_oid tip; /* of the coordination branch, or what refs/kitty/closed holds */
	/* True: uncommitted files and tips go to the trash, and everything is removed. False: only
	 * what the merged mission holds is removed. */
	bool discard;
};

/*
 * *report: {"items": [{"kind": "worktree"|"branch", "lane", "name", "result":
 * "removed"|"absent"|"kept", "reason", "trash"}], "remaining": n}. What could not be removed is an
 * item "kept", not an error. A run that was killed is completed by the next one. Errors:
 * KT_E_SUPERVISOR_RUNNING (a supervisor or an agent lives), KT_E_MISSION_NOT_MERGED (without
 * discard), KT_E_BOOKKEEPING_LOCK_TIMEOUT, KT_E_GIT_FAILED. Gives *report.
 */
KT_MUST_CHECK enum kt_code kt_mission_close(
	const struct kt_close *close, struct kt_json **report, struct kt_error *err);

/*
 * Branches, worktrees and uncommitted files as they were, then the trash is emptied. *report:
 * {"items": [{"kind", "lane", "name", "result": "restored"|"present"}]}. Errors:
 * KT_E_TRASH_NOT_FOUND, KT_E_REF_MOVED (a branch of that name is there with another commit). Gives
 * *report.
 */
KT_MUST_CHECK enum kt_code kt_mission_restore(const struct kt_repository *repo,
	const struct kt_mission *mission, struct kt_json **report, struct kt_error *err);

#endif
