/*
 * The route of move-task. Process: a command. Decides no
 * legality: the writer refuses what the rules do not know.
 */
#include "supervisor/cli/move_plan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipc/buffer.h"
#include "supervisor/cli/diagnostics.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"
#include "supervisor/cli/write.h"
#include "supervisor/transaction/request.h"

/* The way forward; a move along it writes a row for each step. */
static const enum kt_status forward[] = {KT_STATUS_PLANNED, KT_STATUS_CLAIMED,
	KT_STATUS_IN_PROGRESS, KT_STATUS_FOR_REVIEW, KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED};
#define FORWARD_LEN (int)(sizeof forward / sizeof forward[0])

static int forward_index(enum kt_status status)
{
	for (int i = 0; i < FORWARD_LEN; i++)
		if (forward[i] == status)
			return i;
	return -1;
}

static bool is_review(enum kt_status status)
{
	return status == KT_STATUS_FOR_REVIEW || status == KT_STATUS_IN_REVIEW;
}

/* Who writes the step: reviewers from for_review on, else the agent, else who holds the work. */
static const char *actor_of(const struct kt_move_plan *plan, enum kt_status from)
{
	if (plan->agent != NULL)
		return plan->agent;
	if (is_review(from) || from == KT_STATUS_APPROVED)
		return plan->reviewer;
	return plan->holder != NULL && from != KT_STATUS_PLANNED ? plan->holder : KT_OPERATOR;
}

static char *default_reference(const struct kt_move_plan *plan)
{
	time_t now = time(NULL);
	struct tm parts;
	char day[16] = "";

	if (plan->approval_ref != NULL || plan->note != NULL)
		return kt_strdup(plan->approval_ref != NULL ? plan->approval_ref : plan->note);
	(void)gmtime_r(&now, &parts);
	(void)strftime(day, sizeof day, "%Y%m%d", &parts);
	return kt_format("auto-approval:%s:%s", plan->wp_id, day);
}

static struct kt_json *review_new(
	const struct kt_move_plan *plan, const char *verdict, const char *reference)
{
	struct kt_json *review = kt_json_new_object();

	kt_json_set_string(review, "reviewer", plan->reviewer);
	kt_json_set_string(review, "verdict", verdict);
	kt_json_set_string(review, "reference", reference);
	if (plan->feedback_file != NULL)
		kt_json_set_string(review, "feedback_path", plan->feedback_file);
	return review;
}

static struct kt_json *step_add(const struct kt_move_plan *plan, struct kt_json *request,
	enum kt_status from, enum kt_status to)
{
	struct kt_json *op = kt_request_add_move(request, plan->wp_id, to, actor_of(plan, from));

	kt_json_set_string(op, "from", kt_status_name(from));
	if (to == KT_STATUS_CLAIMED) {
		struct kt_json *metadata = kt_json_new_object();

		kt_json_set_string(metadata, "agent", actor_of(plan, from));
		kt_json_set(op, "policy_metadata", metadata);
	}
	if (to == plan->to && (plan->reason != NULL || plan->note != NULL))
		kt_json_set_string(op, "reason", plan->reason != NULL ? plan->reason : plan->note);
	return op;
}

static void approve(const struct kt_move_plan *plan, struct kt_json *op)
{
	char *reference = default_reference(plan);

	kt_json_set(op, "review_result", review_new(plan, "approved", reference));
	kt_json_set_string(op, "review_ref", reference);
	free(reference);
}

static void forward_build(
	const struct kt_move_plan *plan, struct kt_json *request, int from, int to)
{
	for (int i = from; i < to; i++) {
		struct kt_json *op = step_add(plan, request, forward[i], forward[i + 1]);

		if (forward[i + 1] == KT_STATUS_APPROVED)
			approve(plan, op);
	}
}

/* Sending work back from a review, as the rules want it. */
static void rework_build(const struct kt_move_plan *plan, struct kt_json *request)
{
	const char *reference = plan->feedback_file != NULL ? plan->feedback_file
				: plan->reason != NULL      ? plan->reason
							    : plan->note;
	struct kt_json *op = NULL;

	if (plan->from == KT_STATUS_FOR_REVIEW)
		(void)step_add(plan, request, KT_STATUS_FOR_REVIEW, KT_STATUS_IN_REVIEW);
	op = step_add(plan, request,
		plan->from == KT_STATUS_FOR_REVIEW ? KT_STATUS_IN_REVIEW : plan->from, plan->to);
	kt_json_set_string(op, "review_ref", reference);
	if (plan->from != KT_STATUS_APPROVED)
		kt_json_set(op, "review_result", review_new(plan, "changes_requested", reference));
}

/* Back to planned, the subtasks are open again and the review is taken back. */
static void reset_add(const struct kt_move_plan *plan, struct kt_json *request)
{
	struct kt_json *delta = kt_json_new_object();
	struct kt_json *subtasks = kt_json_new_object();

	for (char **id = plan->subtasks == NULL ? NULL : plan->subtasks->subtasks;
		id != NULL && *id != NULL; id++)
		kt_json_set_string(subtasks, *id, kt_status_name(KT_STATUS_PLANNED));
	if (kt_json_size(subtasks) == 0) {
		kt_json_free(subtasks);
		kt_json_free(delta);
		return;
	}
	kt_json_set(delta, "subtasks", subtasks);
	(void)kt_request_add_annotation(request, plan->wp_id, actor_of(plan, plan->from), delta);
}

static enum kt_code backward_build(
	const struct kt_move_plan *plan, struct kt_json *request, struct kt_error *err)
{
	bool has_reason = plan->reason != NULL || plan->note != NULL || plan->feedback_file != NULL;
	bool is_rework = (is_review(plan->from) || plan->from == KT_STATUS_APPROVED) &&
			 (plan->to == KT_STATUS_IN_PROGRESS || plan->to == KT_STATUS_PLANNED);
	struct kt_json *op = NULL;

	if (!has_reason)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"%s -> %s is a move back: --reason or --review-feedback-file is needed",
			kt_status_name(plan->from), kt_status_name(plan->to));
	if (is_rework) {
		rework_build(plan, request);
	} else {
		op = step_add(plan, request, plan->from, plan->to);
		if (plan->feedback_file != NULL && plan->reason == NULL && plan->note == NULL)
			kt_json_set_string(op, "reason", plan->feedback_file);
	}
	if (plan->to == KT_STATUS_PLANNED)
		reset_add(plan, request);
	return KT_E_OK;
}

static void override_build(const struct kt_move_plan *plan, struct kt_json *request)
{
	struct kt_json *op = step_add(plan, request, plan->from, plan->to);

	kt_json_set_bool(op, "force", true);
	kt_json_set_string(op, "reason", plan->override_reason);
}

enum kt_code kt_move_plan_build(
	const struct kt_move_plan *plan, struct kt_json *request, struct kt_error *err)
{
	int from = forward_index(plan->from);
	int to = forward_index(plan->to);

	if (plan->to == KT_STATUS_DONE) {
		(void)kt_error_set(err, KT_E_TRANSITION_REJECTED,
			"%s becomes done when its lane is integrated, not by a move", plan->wp_id);
		kt_error_next(err, "kitty agent tasks move-task %s --to approved", plan->wp_id);
		return KT_E_TRANSITION_REJECTED;
	}
	if (plan->from == plan->to && plan->override_reason == NULL)
		return kt_error_set(err, KT_E_TRANSITION_REJECTED, "%s is %s already", plan->wp_id,
			kt_status_name(plan->to));
	if (plan->override_reason != NULL)
		override_build(plan, request);
	else if (from >= 0 && to > from)
		forward_build(plan, request, from, to);
	else if (from >= 0 && to >= 0)
		return backward_build(plan, request, err);
	else
		(void)step_add(plan, request, plan->from, plan->to);
	return KT_E_OK;
}

/* ---- the answer ---- */

static void members_add(
	struct kt_json *outcome, const struct kt_mission *mission, const struct kt_move_plan *plan)
{
	const struct kt_json *receipt = kt_json_get(outcome, "receipt");
	const struct kt_json *ids = kt_json_get(receipt, "event_ids");
	const char *root = kt_json_get_string(receipt, "worktree_root");
	const char *event_id = NULL;
	char *log = kt_format(
		"%s/%s", root == NULL ? kt_mission_files_root(mission) : root, mission->log_path);

	for (const struct kt_json *id = kt_json_first(ids); id != NULL; id = kt_json_next(id))
		event_id = kt_json_string(id);
	kt_json_set_string(outcome, "task_id", plan->wp_id);
	kt_json_set_string(outcome, "work_package_id", plan->wp_id);
	kt_json_set_string(outcome, "old_lane", kt_status_name(plan->from));
	kt_json_set_string(outcome, "new_lane", kt_status_name(plan->to));
	kt_json_set_string(outcome, "to_lane", kt_status_name(plan->to));
	kt_json_set_string(outcome, "path", plan->subtasks == NULL ? NULL : plan->subtasks->path);
	kt_json_set_string(outcome, "event_id", event_id);
	kt_json_set_string(outcome, "status_events_path", log);
	free(log);
}

int kt_submit_and_report_move(const struct kt_invocation *invocation, struct kt_context *context,
	const struct kt_move_plan *plan, struct kt_json *request)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *outcome = NULL;
	int status = KT_EXIT_OK;

	if (kt_submit(context, request, invocation->path, &outcome, &err) != KT_E_OK) {
		status = kt_fail_outcome(invocation->json, outcome, &err);
	} else if (invocation->json) {
		members_add(outcome, context->mission, plan);
		kt_print_json(outcome);
	} else {
		kt_print_outcome(outcome);
	}
	kt_json_free(outcome);
	return status;
}
