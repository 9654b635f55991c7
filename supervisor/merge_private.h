/*
 * The inside of kitty merge, for the files supervisor/merge_*.c. Nobody else includes it.
 *
 *   merge.c          order of the steps           merge_plan.c     what must hold before; stage 1
 *   merge_target.c   the result commit            merge_replay.c   the same by rebase
 *   merge_checkout.c where the target is checked out
 *   merge_close.c    closed ref and teardown      merge_state.c    merge.json, the failpoint
 *   merge_scratch.c  --interactive                merge_plain.c    without a coordination branch
 *   merge_legacy.c   its united log               merge_hook.c     the reference-transaction hook
 *   merge_foresee.c  what the real run would heal
 */
#ifndef KITTY_SUPERVISOR_MERGE_PRIVATE_H
#define KITTY_SUPERVISOR_MERGE_PRIVATE_H

#include "supervisor/git/merge.h"
#include "supervisor/git_calls.h"
#include "supervisor/integrate.h"
#include "supervisor/merge.h"
#include "supervisor/merge_request.h"
#include "supervisor/transaction/reader.h"

struct kt_merge_run {
	const struct kt_merge_options *options;
	struct kt_git_place place;
	struct kt_view *view;
	struct kt_json *state; /* merge.json; NULL: none */
	struct kt_json *report;
	const char *strategy;
	char *target_ref;
	char *checkout;       /* worktree that has the target checked out; NULL: none */
	struct kt_oid tip;    /* of the coordination branch, or what the prediction made of it */
	struct kt_oid before; /* target as read */
	struct kt_oid result; /* what the target will be */
	struct kt_oid tree;   /* its tree */
	struct kt_oid conflict_ours, conflict_theirs; /* of the conflict in the report */
	char *conflict_key;                           /* WP id, or "target" */
	bool hook_has_refused;                        /* the last time that git asked it */
};

/* ---- merge.c ---- */
KT_MUST_CHECK enum kt_code kt_merge_view_load(struct kt_merge_run *run, struct kt_error *err);
/* The mission's lock, waited for; and the holder file. Errors: KT_E_BOOKKEEPING_LOCK_TIMEOUT. */
KT_MUST_CHECK enum kt_code kt_merge_lock(
	const struct kt_mission *mission, int *fd, struct kt_error *err);
void kt_merge_report_target(struct kt_merge_run *run);
void kt_merge_add_integrated(struct kt_merge_run *run, const char *wp_id,
	const struct kt_json *request, bool is_recorded);

/* ---- merge_plain.c: missions without a coordination branch ---- */
KT_MUST_CHECK enum kt_code kt_merge_plain(struct kt_merge_run *run, struct kt_error *err);
/* merge_legacy.c: the united log with the done rows of what is approved, and its snapshot, put into
 * the tree. Errors: KT_E_EVENT_INVALID, KT_E_GIT_FAILED. */
KT_MUST_CHECK enum kt_code kt_merge_unite(
	struct kt_merge_run *run, struct kt_oid *tree, struct kt_error *err);

/* ---- merge_state.c ---- */
/* What a killed writer left half done in the coordination worktree, or in the checkout that holds
 * the log, is not somebody's local change. Whatever cannot be healed is judged, and told, later. */
void kt_merge_heal(const struct kt_merge_run *run);
void kt_merge_state_load(struct kt_merge_run *run);
KT_MUST_CHECK enum kt_code kt_merge_state_save(struct kt_merge_run *run, struct kt_error *err);
void kt_merge_state_drop(const struct kt_mission *mission);
/* For tests, and only in builds with KITTY_FAILPOINTS: SPEC_KITTY_FAILPOINT names the step after
 * which the process kills itself. */
void kt_failpoint(const char *name);
void kt_merge_notice(const struct kt_merge_run *run, const char *format, ...) KT_PRINTF(2, 3);

/* ---- merge_plan.c ---- */
KT_MUST_CHECK enum kt_code kt_merge_preflight(struct kt_merge_run *run, struct kt_error *err);
/* Calls back for each approved WP, dependencies first. */
typedef enum kt_code (*kt_merge_wp_cb)(
	struct kt_merge_run *run, const char *wp_id, struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_merge_each_approved(
	struct kt_merge_run *run, kt_merge_wp_cb each, struct kt_error *err);
/* Every done WP's recorded commit is contained in run->tip. */
KT_MUST_CHECK enum kt_code kt_merge_check_contained(struct kt_merge_run *run, struct kt_error *err);
struct kt_log_facts kt_merge_facts(const struct kt_merge_run *run);

/* ---- merge_target.c ---- */
/* Has the target got the mission already? */
KT_MUST_CHECK enum kt_code kt_merge_has_landed(
	struct kt_merge_run *run, bool *out, struct kt_error *err);
/* Fills before, tree, result. On a conflict the report gets "conflict". */
KT_MUST_CHECK enum kt_code kt_merge_result_make(struct kt_merge_run *run, struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_merge_target_move(struct kt_merge_run *run, struct kt_error *err);
/* The report gets the conflict of stage 2 and how to resolve it. */
void kt_merge_keep_conflict(struct kt_merge_run *run, const struct kt_merge_result *merged,
	const struct kt_merge_side *ours, const struct kt_merge_side *theirs, struct kt_error *err);
/* The mission's friendly name, else its slug. Borrows. */
const char *kt_merge_title(const struct kt_merge_run *run);

/* ---- merge_replay.c ---- */
/* run->tree as commits of the target's line, the last of them run->result. Errors:
 * KT_E_MERGE_CONFLICT, with the report's "conflict" set; KT_E_GIT_FAILED. */
KT_MUST_CHECK enum kt_code kt_merge_replay(struct kt_merge_run *run, struct kt_error *err);

/* ---- merge_checkout.c ---- */
/* Could the checkout follow from before to result? Moves nothing. */
KT_MUST_CHECK enum kt_code kt_checkout_check(struct kt_merge_run *run, struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_checkout_advance(struct kt_merge_run *run, struct kt_error *err);
/* Drafts that a killed run had set aside go back to their places. */
void kt_checkout_restore(const struct kt_mission *mission);

/* ---- merge_foresee.c ---- */
/* Is what stands at the path in the coordination worktree the work of a killed writer, which the
 * real run finishes before it looks? Writes nothing. */
bool kt_merge_will_heal(struct kt_merge_run *run, const char *path);

/* ---- merge_hook.c ---- */
/* A call of git that moves the target, or asks to. */
struct kt_merge_move {
	const char *const *args;
	const char *input; /* NULL: none */
	struct kt_buffer *errors;
	int *exit_code;
};
/* In the checkout, if there is one. A reference-transaction hook of the repository runs, and no
 * other; a hook that does not end in time counts as a refusal. */
KT_MUST_CHECK enum kt_code kt_merge_git_move(
	struct kt_merge_run *run, const struct kt_merge_move *move, struct kt_error *err);
/* The hook said no: fills err (KT_E_BOOKKEEPING_COMMIT_FAILED). */
bool kt_merge_hook_refused(
	const struct kt_merge_run *run, const struct kt_buffer *errors, struct kt_error *err);
/* Would the hook let the checkout's branch move? git asks only when the files have changed. */
KT_MUST_CHECK enum kt_code kt_merge_hook_ask(struct kt_merge_run *run, struct kt_error *err);
/* The checkout back to where its branch still is, after a refusal that came late. */
void kt_merge_hook_undo(const struct kt_merge_run *run);

/* ---- merge_close.c ---- */
KT_MUST_CHECK enum kt_code kt_merge_close(struct kt_merge_run *run, struct kt_error *err);

/* A mission that is closed already: nothing to do when it was merged, refused when it was
 * discarded. */
KT_MUST_CHECK enum kt_code kt_merge_closed(struct kt_merge_run *run, struct kt_error *err);

/* Worktrees, then branches; a branch goes when run->tip holds all of it. A dry run only reports. */
KT_MUST_CHECK enum kt_code kt_merge_tear_down(struct kt_merge_run *run, struct kt_error *err);

/* ---- merge_scratch.c ---- */
/* Opens a worktree with the conflict of ours and theirs. Errors: KT_E_MERGE_CONFLICT, always, when
 * it stands. */
KT_MUST_CHECK enum kt_code kt_merge_scratch_open(struct kt_merge_run *run, const char *key,
	const struct kt_oid *ours, const struct kt_oid *theirs, struct kt_error *err);
/* Takes over what was resolved in an open scratch worktree. Errors: KT_E_MERGE_CONFLICT while it is
 * not. */
KT_MUST_CHECK enum kt_code kt_merge_scratch_finish(struct kt_merge_run *run, struct kt_error *err);
/* The same for a dry run: nothing is committed, and the resolution is known to this run only. */
KT_MUST_CHECK enum kt_code kt_merge_scratch_foresee(struct kt_merge_run *run, struct kt_error *err);
/* The resolution recorded for this pair (theirs NULL: whatever it was merged with). False: none. */
bool kt_merge_resolution(struct kt_merge_run *run, const char *key, const struct kt_oid *ours,
	const struct kt_oid *theirs, struct kt_oid *out);
void kt_merge_scratch_drop(const struct kt_repository *repo, const struct kt_mission *mission);

/* kt_merge and kt_merge_abort, once no other merge of the mission is at work. */
KT_MUST_CHECK enum kt_code kt_merge_alone(
	const struct kt_merge_options *options, struct kt_json **report, struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_merge_abort_alone(const struct kt_repository *repo,
	const struct kt_mission *mission, struct kt_json **report, struct kt_error *err);

#endif
