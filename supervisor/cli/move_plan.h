/*
 * Which events bring a work package from one status to another. Pure: builds a request, reads
 * nothing.
 */
#ifndef KITTY_SUPERVISOR_CLI_MOVE_PLAN_H
#define KITTY_SUPERVISOR_CLI_MOVE_PLAN_H

#include <kitty/error.h>
#include <kitty/json.h>
#include <kitty/status.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/mission/plan.h"

struct kt_move_plan {
	const char *wp_id;
	enum kt_status from, to;
	const char *holder;           /* who claimed it; NULL: nobody */
	const struct kt_wp *subtasks; /* the WP in the plan, for its subtasks; NULL: none */
	const char *agent, *reviewer, *note, *reason, *override_reason, *feedback_file,
		*approval_ref;
};

/* Adds the ops. Errors: KT_E_TRANSITION_REJECTED (done; nothing to do), KT_E_INVALID_ARGUMENT (a
 * reason is needed). */
KT_MUST_CHECK enum kt_code kt_move_plan_build(
	const struct kt_move_plan *plan, struct kt_json *request, struct kt_error *err);

/* Submits and prints, with the members of spec-kitty's move-task beside the outcome. Gives the exit
 * status. */
int kt_submit_and_report_move(const struct kt_invocation *invocation, struct kt_context *context,
	const struct kt_move_plan *plan, struct kt_json *request);

#endif
