/*
 * kitty merge: the two-stage merge of a mission. Blocking; for the command
 * only.
 *
 *   stage 1  every approved work package becomes done: requests to the writer, like any other
 *   stage 2  coordination branch -> target, computed without a checkout, verified, then moved by
 * compare and swap, or by git's own fast-forward where the target is checked out close
 * refs/kitty/closed/<slug>, then worktrees, then branches
 *
 * The whole is predicted first, with its objects in a temporary folder; a dry run ends there, and a
 * real run that would fail ends there too, before anything has moved. Each step looks whether its
 * work is done already: killed anywhere, a plain re-run finishes. What only a re-run needs stands
 * in <run_dir>/merge.json.
 */
#ifndef KITTY_SUPERVISOR_MERGE_H
#define KITTY_SUPERVISOR_MERGE_H

#include <stdbool.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/git/repository.h"
#include "supervisor/mission/mission.h"

/* Hands a request to the mission's writer. Gives *outcome (may be NULL). */
typedef enum kt_code (*kt_merge_submit_cb)(
	struct kt_json *request, struct kt_json **outcome, void *arg, struct kt_error *err);

struct kt_merge_options {
	const struct kt_repository *repo;
	const struct kt_mission *mission;
	const char *strategy; /* merge, squash, rebase; NULL: as recorded, else merge */
	bool dry_run, resume, keep_worktrees, interactive;
	bool sign;           /* the commits that the merge makes on the target */
	bool owned_required; /* `owned_files: refuse` */
	int hook_timeout_ms; /* of the repository's reference-transaction hook */
	kt_merge_submit_cb submit;
	void (*on_notice)(const char *line, void *arg);
	void *arg;
};

/*
 * *report on success: {"result", "dry_run", "mission_slug", "target_branch", "strategy",
 * "integrated": [{wp_id, lane, commit, recorded}], "target": {"before", "after", "checkout"},
 * "removed": [...], "kept": [{what, why}], "closed_ref"}; on a conflict {"conflict": {...}}
 * (integrate.h), with "scratch" after --interactive. Errors: KT_E_MERGE_CONFLICT (nothing moved),
 * KT_E_MERGE_NOT_READY, KT_E_MERGE_UNVERIFIED, KT_E_MERGE_CHECKOUT_BLOCKED, KT_E_MERGE_STATE,
 * KT_E_MERGE_NO_STATE, KT_E_SUPERVISOR_RUNNING, KT_E_GIT_TOO_OLD_FOR_MERGE,
 * KT_E_LANE_TOUCHES_KITTY_SPECS, KT_E_LANE_OUTSIDE_OWNED, KT_E_BOOKKEEPING_COMMIT_FAILED (the
 * reference-transaction hook refused), KT_E_TIMEOUT (another merge of the mission is at work).
 * Gives *report. The mission is looked at again once no other merge is at work.
 */
KT_MUST_CHECK enum kt_code kt_merge(
	const struct kt_merge_options *options, struct kt_json **report, struct kt_error *err);

/* Forgets an unfinished merge: its record and scratch worktree. What was integrated stays
 * integrated. Errors: KT_E_MERGE_NO_STATE; KT_E_MERGE_STATE when the target has moved already. */
KT_MUST_CHECK enum kt_code kt_merge_abort(const struct kt_repository *repo,
	const struct kt_mission *mission, struct kt_json **report, struct kt_error *err);

#endif
