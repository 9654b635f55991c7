/*
 * kitty implement: claiming a work package and getting its lane ready, and, with a command, running
 * it there.
 */
#ifndef KITTY_SUPERVISOR_CLI_IMPLEMENT_H
#define KITTY_SUPERVISOR_CLI_IMPLEMENT_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/mission/plan.h"
#include "supervisor/transaction/reader.h"

struct kt_implement {
	const struct kt_invocation *invocation;
	struct kt_context *context;
	struct kt_view *view;
	const struct kt_wp *wp;
	const struct kt_lane_plan *lane;
	char *actor;
	char *worktree;          /* absolute */
	struct kt_json *facts;   /* of kt_lane_prepare */
	struct kt_json *synced;  /* of kt_lane_sync; NULL: it did not come to that */
	bool is_resumed;         /* the claim was there before */
	char *reason;            /* why it is blocked; NULL: it is not, or nobody said */
	struct kt_json *commits; /* [{destination_ref, message, outcome, sha, wp_id}] */
};

/* Remembers a committed request for the summary. */
void kt_implement_add_commit(struct kt_implement *implement, const struct kt_json *outcome);

/*
 * Runs the command of the invocation in the lane and records how it ended. *result is for_review or
 * blocked. Errors: what the writer or the lane's git says; then *outcome may hold the writer's.
 */
KT_MUST_CHECK enum kt_code kt_implement_run(struct kt_implement *implement, const char **result,
	struct kt_json **outcome, struct kt_error *err);

#endif
