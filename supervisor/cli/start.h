/*
 * Starting work on a work package, for every command that does it: `agent action`, `next` and
 * orchestrator-api share one readiness rule and one way into a lane.
 *
 *   struct kt_start start = {0};
 *   kt_start_open -> kt_start_implementation or kt_start_review -> kt_start_release (fine at any
 * point)
 */
#ifndef KITTY_SUPERVISOR_CLI_START_H
#define KITTY_SUPERVISOR_CLI_START_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/cli/context.h"
#include "supervisor/transaction/reader.h"

struct kt_start {
	struct kt_context *context; /* borrowed; its mission is resolved */
	struct kt_view *view;
	const struct kt_wp *wp;
	const struct kt_lane_plan *lane; /* NULL: the plan gives it none */
	struct kt_wp_state state;
	enum kt_status from;     /* before; KT_STATUS_GENESIS when nothing was written */
	enum kt_status to;       /* after */
	char *workspace;         /* absolute, after the lane is ready */
	char *branch;            /* of the lane; NULL for planning work */
	struct kt_json *facts;   /* of kt_lane_prepare; NULL before, and for planning work */
	bool is_noop;            /* it was started before, by the same actor */
	bool is_conflict;        /* the refusal is that somebody else holds it */
	struct kt_json *outcome; /* the writer's; NULL: nothing was written */
};

/* What a start is asked for. */
struct kt_start_wish {
	const char *actor;
	const struct kt_json *policy; /* stored with the rows; NULL: {"agent": actor} on a claim */
	const char *review_ref;       /* reviews only */
	const char *command;          /* what the holder file says: "next" */
	bool is_claim_only;           /* planned -> claimed, as `implement` does */
};

/* Is the work package's every dependency approved or done? Errors: KT_E_DEPENDENCIES_NOT_SATISFIED
 * naming the open ones. */
KT_MUST_CHECK enum kt_code kt_dependencies_check(
	const struct kt_view *view, const struct kt_wp *wp, struct kt_error *err);

/* Who holds a claimed or running work package; NULL: nobody. */
const char *kt_wp_holder(const struct kt_wp_state *state);
bool kt_wp_is_held_by(const struct kt_wp_state *state, const char *actor);

/* Loads the committed state and finds the work package. Errors: KT_E_MISSION_NOT_FINALIZED,
 * KT_E_WP_NOT_FOUND and those of kt_view_load. */
KT_MUST_CHECK enum kt_code kt_start_open(struct kt_start *start, struct kt_context *context,
	const char *wp_id, struct kt_error *err);

/*
 * planned: dependencies, lane, claim and start in one commit; claimed: the start; in_progress: no
 * write. Another actor's work is KT_E_WP_ALREADY_CLAIMED. Nothing is claimed when the lane cannot
 * be made.
 */
KT_MUST_CHECK enum kt_code kt_start_implementation(
	struct kt_start *start, const struct kt_start_wish *wish, struct kt_error *err);

/* for_review -> in_review; in_review by the same actor: no write. */
KT_MUST_CHECK enum kt_code kt_start_review(
	struct kt_start *start, const struct kt_start_wish *wish, struct kt_error *err);

/* Where the work is done, without making anything. */
void kt_start_place(struct kt_start *start);

/* The work package's own file: in the coordination worktree, else the draft. Gives. */
char *kt_start_wp_file(const struct kt_start *start);

/* A prompt for an agent as a file under the mission's run folder. action: "implement" or "review".
 * Gives *path. */
KT_MUST_CHECK enum kt_code kt_start_prompt_write(
	const struct kt_start *start, const char *action, char **path, struct kt_error *err);

/* The rows of the commit summary: [{destination_ref, message, outcome, sha, wp_id}]. Gives. */
struct kt_json *kt_start_commits(const struct kt_start *start);

void kt_start_release(struct kt_start *start);

#endif
