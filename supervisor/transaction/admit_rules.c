/*
 * Admission, the rules: whose request it is, whether the work package is known and held by somebody
 * else, and whether the state machine and its guards allow the move. Runs inside the lock, called
 * by admit.c for each op. Must never change anything: it writes no row and feeds no reducer.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/status/transition.h"
#include "supervisor/transaction/admission.h"

/* ---- what an op says ---- */

bool kt_op_text_equal(const char *left, const char *right)
{
	return strcmp(left == NULL ? "" : left, right == NULL ? "" : right) == 0;
}

const struct kt_json *kt_op_object(const struct kt_json *op, const char *name)
{
	const struct kt_json *value = kt_json_get(op, name);

	return kt_json_is(value, KT_JSON_OBJECT) ? value : NULL;
}

/* ---- who may do it ---- */

enum kt_code kt_admission_check_lane(const struct admission *a, struct kt_error *err)
{
	const struct kt_lane_plan *lane = NULL;
	enum kt_code code = KT_E_OK;

	if (a->pending->lane == NULL)
		return KT_E_OK;
	code = kt_writer_plan(a->writer, err);
	if (code != KT_E_OK)
		return code;
	lane = a->wp_id == NULL ? NULL : kt_lanes_of_wp(a->writer->plan->lanes, a->wp_id);
	if (lane == NULL || strcmp(lane->id, a->pending->lane) != 0)
		return kt_error_set(err, KT_E_LANE_FOREIGN_WP, "%s asked for %s, which is %s's",
			a->pending->lane, a->wp_id == NULL ? "a lifecycle row" : a->wp_id,
			lane == NULL ? "nobody" : lane->id);
	if (kt_json_get_bool(a->op, "force", false))
		return kt_error_set(
			err, KT_E_TRANSITION_REJECTED, "a lane may not override the rules");
	return KT_E_OK;
}

enum kt_code kt_admission_plan(
	const struct admission *a, const struct kt_plan **out, struct kt_error *err)
{
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = kt_writer_plan(a->writer, &cause);

	*out = code == KT_E_OK ? a->writer->plan : NULL;
	if (code == KT_E_OK || code == KT_E_MISSION_NOT_FINALIZED)
		return KT_E_OK;
	*err = cause;
	return code;
}

enum kt_code kt_admission_check_wp(struct admission *a, struct kt_error *err)
{
	const struct kt_plan *plan = NULL;
	bool is_known = kt_reducer_wp(a->writer->state, a->wp_id, &a->wp);

	if (a->writer->to.kind == KT_DESTINATION_LANE &&
		kt_check_whole(a->writer, a->wp_id, err) != KT_E_OK)
		return err->code;
	a->from = is_known && a->wp.has_transition ? a->wp.status : KT_STATUS_GENESIS;
	/* finalize-tasks brings the plan along with the first rows of its WPs. */
	if (is_known || kt_json_get(a->pending->request, "files") != NULL)
		return KT_E_OK;
	if (kt_admission_plan(a, &plan, err) != KT_E_OK)
		return err->code;
	if (plan == NULL || kt_plan_find_wp(plan, a->wp_id) == NULL)
		return kt_error_set(err, KT_E_WP_NOT_FOUND, "%s in %s", a->wp_id,
			a->writer->options.mission->slug);
	return KT_E_OK;
}

/* Names that spec-kitty writes when nobody gave one: such a claim keeps nobody out. */
static bool is_nobody(const char *actor)
{
	return actor == NULL || actor[0] == '\0' || strcmp(actor, "implement-command") == 0 ||
	       strcmp(actor, "unknown") == 0;
}

/* Who holds it: the claimer, and whoever moved it to in_progress after it was blocked or sent back.
 */
bool kt_admission_is_held(const struct admission *a)
{
	if (a->from != KT_STATUS_CLAIMED && a->from != KT_STATUS_IN_PROGRESS)
		return false;
	if (is_nobody(a->wp.actor) && is_nobody(a->wp.claim_actor))
		return false;
	return a->actor == NULL || (!kt_op_text_equal(a->actor, a->wp.actor) &&
					   !kt_op_text_equal(a->actor, a->wp.claim_actor));
}

enum kt_code kt_admission_check_belief(const struct admission *a, struct kt_error *err)
{
	const char *believed = kt_json_get_string(a->op, "from");
	bool is_forced = kt_json_get_bool(a->op, "force", false);

	if (!is_forced && kt_admission_is_held(a))
		return kt_error_set(err, KT_E_WP_ALREADY_CLAIMED, "%s is %s, held by %s", a->wp_id,
			kt_status_name(a->from),
			a->wp.claim_actor ? a->wp.claim_actor : a->wp.actor);
	if (believed != NULL && kt_status_from_name(believed) != a->from)
		return kt_error_set(err, KT_E_STATUS_CONFLICT, "%s is %s, not %s", a->wp_id,
			kt_status_name(a->from), believed);
	return KT_E_OK;
}

/* ---- guards ---- */

/* Without a plan there is no roster: an empty list counts as complete. */
static enum kt_code check_subtasks(
	const struct admission *a, bool *are_complete, struct kt_error *err)
{
	const struct kt_json *done = kt_json_get(a->wp.entry, "subtasks");
	const struct kt_plan *plan = NULL;
	const struct kt_wp *wp = NULL;
	enum kt_code code = kt_admission_plan(a, &plan, err);

	*are_complete = true;
	if (plan != NULL)
		wp = kt_plan_find_wp(plan, a->wp_id);
	for (size_t i = 0; wp != NULL && wp->subtasks[i] != NULL; i++)
		*are_complete &=
			kt_op_text_equal(kt_json_get_string(done, wp->subtasks[i]), "done");
	return code;
}

enum kt_code kt_admission_check_move(
	const struct admission *a, enum kt_status to, const char *mode, struct kt_error *err)
{
	char *context = NULL;
	bool are_complete = true;
	struct kt_move move = {.from = a->from,
		.to = to,
		.actor = a->actor,
		.reason = kt_json_get_string(a->op, "reason"),
		.review_ref = kt_json_get_string(a->op, "review_ref"),
		.force = kt_json_get_bool(a->op, "force", false),
		.implementation_evidence = a->wp.has_transition,
		.evidence = kt_op_object(a->op, "evidence"),
		.review_result = kt_op_object(a->op, "review_result")};
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	if (a->from == KT_STATUS_IN_PROGRESS && to == KT_STATUS_FOR_REVIEW && !move.force)
		code = check_subtasks(a, &are_complete, err);
	if (code != KT_E_OK)
		return code;
	context = kt_format("%s:%s", mode, a->writer->to.worktree);
	move.workspace_context = context;
	move.subtasks_complete = are_complete;
	code = kt_move_check(&move, &cause);
	free(context);
	if (code != KT_E_OK)
		return kt_error_set(err, code, "%s: %s", a->wp_id, cause.detail);
	/* A WP is done when its lane is integrated; the row alone would be a lie. */
	if (to == KT_STATUS_DONE && !move.force && !kt_is_integration(a->pending))
		return kt_check_contained(a->writer, a->wp_id, err);
	if (a->from == KT_STATUS_GENESIS && to != KT_STATUS_PLANNED && to != KT_STATUS_CANCELED)
		return kt_error_set(err, KT_E_WP_NOT_FINALIZED, "%s", a->wp_id);
	return KT_E_OK;
}
