/*
 * The inside of the writer, for the files of this folder that each do one of its steps. Nobody else
 * includes it.
 *
 * Which file does which step:
 *   writer.c     queue, batch, the order of steps   worktree.c   prepare and sync the worktree
 *   lock.c       lock                               heal.c       heal
 *   gate.c       gate                               admit.c        encode the rows of a request
 *   integrate.c  the merge of a lane                admit_rules.c  whether they may be
 *   build.c      build                              hookrun.c    hooks
 *   swap.c       swap                               files.c      log, snapshot, index on disk
 *   laneguard.c  the lane gate as a step            aside.c      the lane gate beside the steps
 *   receipt.c    receipts and failures
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_WRITER_PRIVATE_H
#define KITTY_SUPERVISOR_TRANSACTION_WRITER_PRIVATE_H

#include <sys/stat.h>

#include "ipc/buffer.h"
#include "supervisor/git/commit.h"
#include "supervisor/git/hooks.h"
#include "supervisor/git/index.h"
#include "supervisor/git/worktree.h"
#include "supervisor/mission/plan.h"
#include "supervisor/status/reduce.h"
#include "supervisor/transaction/destination.h"
#include "supervisor/transaction/effects.h"
#include "supervisor/transaction/subprocess.h"
#include "supervisor/transaction/writer.h"

/* One submitted request on its way. */
struct pending {
	struct pending *next;
	struct kt_json *request;
	char *lane; /* NULL: a person, or the supervisor */
	kt_outcome_cb done;
	void *arg;
	struct kt_effect *effects;
	size_t effects_len;
	uint64_t serial; /* order of submission */

	/* Set while it is aside (aside.c). */
	bool has_judged_tip; /* the lane gate has let the lane pass at judged_tip */
	struct kt_oid judged_tip;

	/* Set while its batch runs. */
	bool is_judged;           /* the lane gate has nothing (more) to say */
	struct kt_json *warnings; /* the lane gate's; NULL: none */
	struct kt_json *outcome;  /* NULL: not decided yet */
	struct kt_json *moves;    /* [{wp_id, from_lane, to_lane, actor}] */
	struct kt_json *event_ids;
	struct kt_buffer rows; /* what it adds to the log */
	char *message;
	bool is_built; /* has a commit of its own in the chain */
	struct kt_oid commit, log_blob, snapshot_blob;
	long long committed_at; /* what the commit says */
	size_t log_end;         /* length of the log after its rows */
};

enum step {
	STEP_IDLE,
	STEP_LOCK,
	STEP_WORKTREE,
	STEP_HEAL,
	STEP_SYNC,
	STEP_GATE,
	STEP_JUDGE,
	STEP_MERGE,
	STEP_BUILD,
	STEP_HOOKS,
	STEP_SIGN,
	STEP_SWAP,
	STEP_FILES,
	STEP_ANSWER,
	STEP_POST,
	STEP_COUNT
};

/* The merge that the request at hand brings along; from integrate.c. */
struct kt_integrated {
	bool is_set;
	bool is_contained;    /* nothing to merge: a plain row */
	struct kt_oid tree;   /* of the merge, mission files from the coordination side */
	struct kt_oid commit; /* second parent */
};

/* Where the hooks are: log, snapshot and message written; git's read of the private index; the
 * hooks one by one; git's look at what they did; what they changed written again. */
enum hook_phase { HOOKS_STAGE, HOOKS_INDEX, HOOKS_RUN, HOOKS_LOOK, HOOKS_RESTORE };

/* What a step function says. */
enum turn { TURN_NEXT, TURN_WAIT };

struct kt_writer {
	struct kt_writer_options options;
	struct kt_store *store;
	char *program;

	enum step step;
	struct kt_wait wait;
	int lock_fd;
	int64_t lock_deadline_ms;
	bool waits_for_child; /* of a dead writer, which holds a lock of git's */
	bool heals_checkout;  /* a dead writer's intent stands: somebody's checkout may lag */
	bool lock_is_asked;   /* kt_writer_acquire: lock and heal without a request */
	struct kt_error acquire_error;

	struct pending *queue, **queue_end;
	uint64_t submitted;
	struct aside *asides;  /* requests that wait for a lane gate, and those behind them */
	struct pending *batch; /* being worked on, in order */
	bool retry_singly;     /* the last batch failed as a whole: one request at a time until its
				  members are through */
	size_t singles_left;
	int attempts; /* of this batch, after foreign moves */

	/* Committed state, as of `tip`. Valid only while state is not NULL. */
	struct kt_reducer *state;
	struct kt_oid tip;
	struct kt_buffer log, snapshot;
	bool has_log, has_snapshot; /* the blobs exist at the tip */
	struct kt_oid log_blob, snapshot_blob;
	char number[32], type[128];          /* snapshot identity from meta.json at the tip */
	struct kt_plan *plan;                /* loaded when first asked for; NULL before */
	struct stat log_stat, snapshot_stat; /* of the working files as we left them */
	struct kt_destination
		to; /* where this batch goes; one for all unless the mission is legacy */

	/* The batch being built, on top of the committed state. */
	size_t state_mark;
	struct kt_buffer new_log, new_snapshot;
	struct kt_oid new_tip, new_log_blob, new_snapshot_blob;
	size_t built; /* commits in the chain */
	bool has_files;
	struct kt_integrated integrated;

	struct kt_hooks hooks;
	struct kt_subprocess child; /* the one child the writer waits for */
	struct pending *at_gate;    /* whose lane it judges, in that step */
	size_t hook_next;           /* position in the sequence of hooks */
	enum hook_phase hook_phase;
	char *refused_by;         /* the hook that refused; NULL: none has */
	struct kt_buffer refusal; /* its reason */
	bool is_staged; /* the working log and snapshot hold the rows that the hooks judge */
	char *message_path, *index_path;
	struct kt_oid sync_from;
	bool sync_is_helped; /* the sync that runs is the helper's, after git's own failed */

	uint64_t commits;
	int trace_fd; /* -1: nobody asked for a trace */
};

/* trace.c: for the check of the model (tests/model). -1 unless SPEC_KITTY_TRACE names a file. */
int kt_trace_open(void);
void kt_trace_step(const struct kt_writer *writer, enum step ended); /* when the step has changed */

/* Notices for people. */
void kt_writer_notice(struct kt_writer *writer, const char *format, ...) KT_PRINTF(2, 3);

/* batch.c: the destination of the batch at the queue's head, and a batch that has only one. State
 * of another destination is forgotten. Errors: those of kt_destination_resolve. */
KT_MUST_CHECK enum kt_code kt_batch_address(struct kt_writer *writer, struct kt_error *err);
/* Fails the whole batch when policy refuses its destination; true when it does. */
bool kt_batch_is_refused(struct kt_writer *writer);
/* The plan that the requests are judged by. Errors: KT_E_MISSION_NOT_FINALIZED and others. */
KT_MUST_CHECK enum kt_code kt_writer_plan(struct kt_writer *writer, struct kt_error *err);
/* The tip of a lane's branch. Errors: KT_E_DESTINATION_REF_NOT_FOUND and others. */
KT_MUST_CHECK enum kt_code kt_writer_lane_tip(
	struct kt_writer *writer, const char *lane_id, struct kt_oid *tip, struct kt_error *err);

/* aside.c: into the queue, or aside. A supervisor's writer judges lanes beside the transaction. */
void kt_queue_add(struct kt_writer *writer, struct pending *pending);
/* Those whose gate has ended go on: into the queue, answered, or judged again. */
void kt_asides_look(struct kt_writer *writer);
/* What to wait for while nothing else is to do. */
struct kt_wait kt_asides_wait(const struct kt_writer *writer);
/* Ends the gates; gives all that waited. */
struct pending *kt_asides_end(struct kt_writer *writer);

/* laneguard.c: has the gate to judge the lane before the request may pass? Then which, and where
 * it stands. lane_id borrows from the plan. */
bool kt_lane_is_to_judge(struct kt_writer *writer, const struct pending *pending,
	const char **lane_id, struct kt_oid *tip);
KT_MUST_CHECK enum kt_code kt_lane_judge_start(struct kt_writer *writer,
	struct kt_subprocess *child, const char *lane_id, const struct kt_oid *tip, int timeout_ms,
	struct kt_error *err);
int kt_lane_judge_timeout_ms(const struct kt_writer *writer);
/* Takes over what the child said: the request's outcome when it may not pass, else its warnings.
 * Releases the child. */
void kt_lane_judge_ended(struct kt_writer *writer, struct kt_subprocess *child,
	struct pending *pending, const struct kt_child_status *status);

/* The steps: each in its file. */
enum turn kt_step_worktree(struct kt_writer *writer);
enum turn kt_step_heal(struct kt_writer *writer);
enum turn kt_step_sync(struct kt_writer *writer);
enum turn kt_step_judge(struct kt_writer *writer);
enum turn kt_step_merge(struct kt_writer *writer);
enum turn kt_step_build(struct kt_writer *writer);
enum turn kt_step_hooks(struct kt_writer *writer);
enum turn kt_step_sign(struct kt_writer *writer);
enum turn kt_step_swap(struct kt_writer *writer);
enum turn kt_step_files(struct kt_writer *writer);
enum turn kt_step_post(struct kt_writer *writer);

/* admit.c: validates one request against the writer's state, feeds its rows to the reducer and
 * collects them in pending->rows. A request whose events are all there already gets its outcome and
 * no rows. On failure the reducer is as before. */
KT_MUST_CHECK enum kt_code kt_request_admit(
	struct kt_writer *writer, struct pending *pending, struct kt_error *err);

/* heal.c: number and type of the snapshot, from the meta.json of that commit. */
KT_MUST_CHECK enum kt_code kt_identity_load(
	struct kt_writer *writer, const struct kt_oid *tip, struct kt_error *err);

/* integrate.c: does the request bring a merge along? Such a request is a batch of its own. */
bool kt_is_integration(const struct pending *pending);

/* integrate.c: may this WP be done without a merge of its own? Without a coordination branch it is
 * when the target contains what was approved. Errors: KT_E_TRANSITION_REJECTED. */
KT_MUST_CHECK enum kt_code kt_check_contained(
	struct kt_writer *writer, const char *wp_id, struct kt_error *err);

/* batch.c: does the lane's log hold every row of the WP that any branch of a legacy mission holds?
 * Errors: KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED. */
KT_MUST_CHECK enum kt_code kt_check_whole(
	struct kt_writer *writer, const char *wp_id, struct kt_error *err);

/* build.c: what a batch cannot take goes back to the front of the queue. */
void kt_batch_defer_after(struct kt_writer *writer, struct pending *last);

/* build.c: one commit of one request on top of new_tip. */
KT_MUST_CHECK enum kt_code kt_commit_request(struct kt_writer *writer, struct pending *pending,
	const char *message, struct kt_oid *commit, struct kt_error *err);
void kt_batch_discard(
	struct kt_writer *writer); /* forgets what was built; reducer back at the tip */

/* writer.c: tells the submitter, runs the effects and frees the request. */
void kt_pending_answer(struct pending *pending);

/* receipt.c */
void kt_pending_fail(struct kt_writer *writer, struct pending *pending, const struct kt_error *err);
void kt_batch_fail(struct kt_writer *writer, const struct kt_error *err); /* all undecided ones */
void kt_pending_reject(struct kt_writer *writer, struct pending *pending, const char *hook,
	const char *reason); /* rolled back: diagnostic and next step */
void kt_pending_roll_back(
	struct kt_writer *writer, struct pending *pending, const struct kt_error *err);
void kt_pending_succeed(struct kt_writer *writer, struct pending *pending);
/* A request that adds nothing (all its ops were "if needed"): the tip proves what it asked for.
 * Errors: KT_E_GIT_FAILED. */
KT_MUST_CHECK enum kt_code kt_pending_answer_unneeded(
	struct kt_writer *writer, struct pending *pending, struct kt_error *err);
/* Receipt of events that were committed before. Errors: KT_E_GIT_FAILED. */
KT_MUST_CHECK enum kt_code kt_pending_repeat(struct kt_writer *writer, struct pending *pending,
	const char *event_id, struct kt_error *err);

/* files.c: the working copies. */
/* Takes back what was staged for the hooks: log cut to its committed length, snapshot's old bytes.
 */
KT_MUST_CHECK enum kt_code kt_working_restore(struct kt_writer *writer, struct kt_error *err);
char *kt_working_path(const struct kt_writer *writer, const char *relative);
KT_MUST_CHECK enum kt_code kt_working_log_append(struct kt_writer *writer, size_t old_len,
	const void *rows, size_t len, struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_working_snapshot_write(
	struct kt_writer *writer, const struct kt_buffer *bytes, struct kt_error *err);
/* Index entries of the destination's worktree, by the way that its owner allows. */
KT_MUST_CHECK enum kt_code kt_working_index_update(struct kt_writer *writer,
	const struct kt_index_entry *entries, size_t len, struct kt_error *err);
void kt_working_remember(struct kt_writer *writer); /* stat data, for the next quick check */
bool kt_working_is_remembered(const struct kt_writer *writer);
/* Copies bytes or a file to <run_dir>/quarantine/; returns its path (gives). */
char *kt_quarantine_bytes(
	struct kt_writer *writer, const char *name, const void *bytes, size_t len);

/* hookrun.c: ends the hook phase; the files are as before. */
void kt_hooks_unstage(struct kt_writer *writer);
struct pending *kt_hooks_judged(struct kt_writer *writer); /* the request that the hooks judge */
const char *kt_hooks_last_name(const struct kt_writer *writer);
enum turn kt_hooks_refuse(struct kt_writer *writer, const char *hook, const char *reason);
enum turn kt_hooks_fail(struct kt_writer *writer, const struct kt_error *err);
/* sign.c: what follows when the hooks have spoken. */
enum step kt_step_before_swap(const struct kt_writer *writer);
/* judge.c: starts git's look at the worktree; judges when it has ended. */
KT_MUST_CHECK enum kt_code kt_hooks_look(struct kt_writer *writer, struct kt_error *err);
enum turn kt_hooks_judge(struct kt_writer *writer, const struct kt_child_status *status);
enum turn kt_hooks_restored(struct kt_writer *writer, const struct kt_child_status *status);
void kt_hooks_end(struct kt_writer *writer); /* removes the private index; keeps the files */

/* intent.c: the record that makes kill -9 harmless, and the tip that the worktree was last synced
 * to. */
KT_MUST_CHECK enum kt_code kt_intent_write(struct kt_writer *writer, struct kt_error *err);
void kt_intent_clear(struct kt_writer *writer);
/* What lags in somebody's checkout is known by the record only: it stays, and the next one heals.
 */
void kt_intent_leave(struct kt_writer *writer);
/* Breaks git locks that a dead writer of ours left. True: one is still held by a git child that
 * outlived it; to be asked again in a moment. */
bool kt_intent_break_stale_locks(struct kt_writer *writer);
void kt_synced_write(struct kt_writer *writer, const struct kt_oid *tip);
bool kt_synced_read(const struct kt_writer *writer, struct kt_oid *tip);

#endif
