/*
 * kitty agent tasks move-task: brings a work package to a status, through the statuses in between,
 * as one request. Process: a command (people, and agents in their lane).
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/diagnostics.h"
#include "supervisor/cli/log_file.h"
#include "supervisor/cli/move_plan.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"
#include "supervisor/cli/write.h"
#include "supervisor/lane_sync.h"
#include "supervisor/merge_request.h"
#include "supervisor/mission/refnames.h"
#include "supervisor/transaction/reader.h"
#include "supervisor/transaction/request.h"

static const struct kt_option options[] = {
	{"to", 0, "STATUS", false, "where the work package goes"},
	{"agent", 0, "NAME", false, "who moves it (who holds it, when not given)"},
	{"note", 0, "TEXT", false, "a note kept with the move"},
	{"reason", 0, "TEXT", false, "why"},
	{"review-feedback-file", 0, "FILE", false, "the review that sends the work back"},
	{"approval-ref", 0, "REF", false, "what the approval refers to"},
	{"reviewer", 0, "NAME", false, "who reviews (git's user.name, when not given)"},
	{"override-reason", 0, "TEXT", false,
		"named override: make a move that the rules do not know, for this reason"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

static enum kt_code feedback_check(const struct kt_move_plan *plan, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	if (plan->feedback_file == NULL && plan->to == KT_STATUS_PLANNED &&
		plan->from != KT_STATUS_GENESIS && plan->from != KT_STATUS_PLANNED)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"sending %s back to planned needs --review-feedback-file FILE",
			plan->wp_id);
	if (plan->feedback_file == NULL)
		return KT_E_OK;
	code = kt_text_read(plan->feedback_file, &text, NULL, err);
	if (code == KT_E_OK && strspn(kt_buffer_text(&text), " \t\r\n") == text.len)
		code = kt_error_set(
			err, KT_E_INVALID_ARGUMENT, "%.300s is empty", plan->feedback_file);
	kt_buffer_release(&text);
	return code;
}

static enum kt_code plan_fill(const struct kt_invocation *invocation,
	const struct kt_context *context, const struct kt_view *view, struct kt_move_plan *plan,
	struct kt_error *err)
{
	struct kt_wp_state state = {0};
	bool is_known = kt_reducer_wp(view->state, plan->wp_id, &state);

	if (!is_known && (view->plan == NULL || kt_plan_find_wp(view->plan, plan->wp_id) == NULL))
		return kt_error_set(
			err, KT_E_WP_NOT_FOUND, "%s in %s", plan->wp_id, context->mission->slug);
	plan->from = is_known && state.has_transition ? state.status : KT_STATUS_GENESIS;
	plan->holder = is_known ? state.claim_actor : NULL;
	plan->subtasks = view->plan == NULL ? NULL : kt_plan_find_wp(view->plan, plan->wp_id);
	plan->agent = kt_invocation_value(invocation, "agent");
	plan->note = kt_invocation_value(invocation, "note");
	plan->reason = kt_invocation_value(invocation, "reason");
	plan->override_reason = kt_invocation_value(invocation, "override-reason");
	plan->approval_ref = kt_invocation_value(invocation, "approval-ref");
	plan->reviewer = kt_invocation_value(invocation, "reviewer");
	return feedback_check(plan, err);
}

static int order_of(enum kt_status status)
{
	static const enum kt_status order[] = {KT_STATUS_PLANNED, KT_STATUS_CLAIMED,
		KT_STATUS_IN_PROGRESS, KT_STATUS_FOR_REVIEW, KT_STATUS_IN_REVIEW,
		KT_STATUS_APPROVED, KT_STATUS_DONE};

	for (int i = 0; i < (int)(sizeof order / sizeof order[0]); i++)
		if (order[i] == status)
			return i;
	return -1;
}

/* The second sync point: a review begins on the coordination branch as it is. */
static enum kt_code sync_for_review(struct kt_context *context, const struct kt_view *view,
	const struct kt_move_plan *plan, struct kt_json **facts, struct kt_error *err)
{
	const struct kt_lane_plan *lane =
		view->plan == NULL ? NULL : kt_lanes_of_wp(view->plan->lanes, plan->wp_id);
	struct kt_lane_sync wish = {.lane_id = lane == NULL ? NULL : lane->id,
		.wp_id = plan->wp_id,
		.point = KT_SYNC_REVIEW};
	int for_review = order_of(KT_STATUS_FOR_REVIEW);

	if (lane == NULL || plan->override_reason != NULL || order_of(plan->from) < 0 ||
		order_of(plan->from) > for_review || order_of(plan->to) <= for_review)
		return KT_E_OK;
	return kt_lane_sync(context->repo, context->mission, &wish, facts, err);
}

/* The statuses up to approved, as a request of their own: what is integrated is what was approved.
 */
static enum kt_code approve_first(const struct kt_invocation *invocation,
	struct kt_context *context, const struct kt_move_plan *plan, struct kt_json **outcome,
	struct kt_error *err)
{
	struct kt_move_plan to_approved = *plan;
	struct kt_json *request = kt_request_new("move-task");
	enum kt_code code = KT_E_OK;

	to_approved.to = KT_STATUS_APPROVED;
	code = kt_move_plan_build(&to_approved, request, err);
	if (code == KT_E_OK)
		code = kt_request_check(request, err);
	if (code == KT_E_OK)
		code = kt_submit(context, request, invocation->path, outcome, err);
	kt_json_free(request);
	return code;
}

static enum kt_code integration_build(struct kt_context *context, const struct kt_move_plan *plan,
	struct kt_json **request, struct kt_error *err)
{
	struct kt_view *view = NULL;
	struct kt_log_facts facts = {.repo = context->repo, .mission = context->mission};
	bool is_recorded = true;
	enum kt_code code = kt_view_load(context->repo, context->mission, &view, err);

	if (code != KT_E_OK)
		return code;
	facts.state = view->state;
	facts.plan = view->plan;
	facts.log = view->log;
	facts.log_len = view->log_len;
	code = kt_integration_request(&facts, plan->wp_id,
		plan->agent != NULL ? plan->agent : plan->reviewer, request, &is_recorded, err);
	if (code == KT_E_OK && !is_recorded)
		kt_print_notice(
			"warning: no commit was recorded when %s was approved; its lane's tip "
			"is taken",
			plan->wp_id);
	kt_view_free(view);
	return code;
}

/* Said again after a kill, a move is refused as done; what the killed run left behind is put right
 * first, as before every write. */
static void heal(const struct kt_invocation *invocation, struct kt_context *context)
{
	struct kt_error ignored = KT_ERROR_INIT;

	if (kt_submit_nothing(context, invocation->path, &ignored) != KT_E_OK)
		kt_print_notice("warning: %s", ignored.detail);
}

/* Asked before the first row is written: without a lane there is nothing to integrate. */
static enum kt_code lane_check(
	struct kt_context *context, const struct kt_move_plan *plan, struct kt_error *err)
{
	struct kt_view *view = NULL;
	const struct kt_lane_plan *lane = NULL;
	char *branch = NULL, *ref = NULL;
	enum kt_code code = kt_view_load(context->repo, context->mission, &view, err);

	if (code == KT_E_OK && view->plan != NULL)
		lane = kt_lanes_of_wp(view->plan->lanes, plan->wp_id);
	if (lane != NULL) {
		branch = kt_mission_lane_branch(context->mission, lane->id);
		ref = kt_format("refs/heads/%s", branch);
	}
	if (ref != NULL && !kt_ref_name_exists(context->repo->common_dir, ref)) {
		code = kt_error_set(err, KT_E_TRANSITION_REJECTED,
			"%s is %s, and %s has no branch that could be integrated", plan->wp_id,
			kt_status_name(plan->from), lane->id);
		kt_error_next(err, "kitty implement %s --mission %s", plan->wp_id,
			context->mission->slug);
	}
	kt_view_free(view);
	free(branch);
	free(ref);
	return code;
}

/* done is written by integration only: the lane's merge and the row are one commit. */
static int integrate(const struct kt_invocation *invocation, struct kt_context *context,
	const struct kt_move_plan *plan)
{
	struct kt_json *request = NULL, *approval = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;
	int status = KT_EXIT_OK;

	if (plan->from == KT_STATUS_DONE)
		code = kt_error_set(
			&err, KT_E_TRANSITION_REJECTED, "%s is done already", plan->wp_id);
	else if (plan->from != KT_STATUS_APPROVED)
		code = lane_check(context, plan, &err);
	if (code == KT_E_OK && plan->from != KT_STATUS_APPROVED)
		code = approve_first(invocation, context, plan, &approval, &err);
	if (code == KT_E_OK && !invocation->json && approval != NULL)
		kt_print_outcome(approval);
	if (code == KT_E_OK)
		code = integration_build(context, plan, &request, &err);
	if (plan->from == KT_STATUS_DONE)
		heal(invocation, context);
	if (code == KT_E_OK)
		status = kt_submit_and_report_move(invocation, context, plan, request);
	else
		status = kt_fail_outcome(invocation->json,
			kt_json_get(approval, "receipt") == NULL ? approval : NULL, &err);
	kt_json_free(approval);
	kt_json_free(request);
	return status;
}

static int move(const struct kt_invocation *invocation, struct kt_context *context,
	struct kt_move_plan *plan)
{
	struct kt_json *request = kt_request_new("move-task");
	struct kt_view *view = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *synced = NULL;
	char *reviewer = kt_repository_config_get(context->repo, "user.name");
	int status = KT_EXIT_OK;

	if (kt_view_load(context->repo, context->mission, &view, &err) != KT_E_OK ||
		plan_fill(invocation, context, view, plan, &err) != KT_E_OK) {
		status = kt_fail(invocation->json, &err);
		goto out;
	}
	if (sync_for_review(context, view, plan, &synced, &err) != KT_E_OK) {
		status = kt_fail_with(invocation->json, &err, synced);
		goto out;
	}
	kt_json_free(synced);
	if (plan->reviewer == NULL)
		plan->reviewer = plan->agent != NULL ? plan->agent
				 : reviewer != NULL  ? reviewer
						     : KT_OPERATOR;
	if (plan->to == KT_STATUS_DONE && plan->override_reason == NULL)
		status = integrate(invocation, context, plan);
	else if (kt_move_plan_build(plan, request, &err) != KT_E_OK ||
		 kt_request_check(request, &err) != KT_E_OK) {
		if (plan->from == plan->to)
			heal(invocation, context);
		status = kt_fail(invocation->json, &err);
	} else
		status = kt_submit_and_report_move(invocation, context, plan, request);
out:
	free(reviewer);
	kt_view_free(view);
	kt_json_free(request);
	return status;
}

/* The row outlives the folder one stands in: its path is absolute. NULL: none was given. Gives. */
static char *feedback_file_new(const struct kt_invocation *invocation)
{
	const char *given = kt_invocation_value(invocation, "review-feedback-file");
	char *path = given == NULL ? NULL : realpath(given, NULL);

	/* What is not there is told by its name when it is read. */
	return path != NULL || given == NULL ? path : kt_strdup(given);
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	char *feedback_file = feedback_file_new(invocation);
	struct kt_move_plan plan = {
		.wp_id = invocation->arguments[0], .feedback_file = feedback_file};
	struct kt_error err = KT_ERROR_INIT;
	const char *to = kt_invocation_value(invocation, "to");
	int status = KT_EXIT_OK;

	if (to == NULL)
		(void)kt_error_set(&err, KT_E_USAGE, "--to STATUS is needed");
	if (to == NULL || kt_wp_argument(plan.wp_id, &err) != KT_E_OK ||
		kt_status_argument("--to", to, &plan.to, &err) != KT_E_OK)
		status = kt_fail(invocation->json, &err);
	else if (kt_context_open_mission(
			 &context, kt_invocation_value(invocation, "mission"), &err) != KT_E_OK)
		status = kt_context_fail(&context, invocation->json, &err);
	else
		status = move(invocation, &context, &plan);
	kt_context_release(&context);
	free(feedback_file);
	return status;
}

const struct kt_command kt_command_move_task = {
	.summary = "move a work package to a status, through those in between",
	.arguments = "WP --to STATUS",
	.help = "Moves forward write one event per status in between, all in one commit. Moves "
		"back name a\n"
		"review (--review-feedback-file) or a reason. done integrates the lane: its merge "
		"and "
		"the event\n"
		"are one commit on the coordination branch.",
	.options = options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
