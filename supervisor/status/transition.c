/*
 * The state machine as a table: edges, and the guard of each. Pure. Every row of
 * tests/vectors/transitions.json holds.
 */
#include "supervisor/status/transition.h"

#include <stddef.h>
#include <string.h>

typedef enum kt_code (*guard)(const struct kt_move *move, struct kt_error *err);

static bool is_blank(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n\v\f")] == '\0';
}

static enum kt_code reject(struct kt_error *err, const char *why)
{
	return kt_error_set(err, KT_E_TRANSITION_REJECTED, "%s", why);
}

static enum kt_code no_guard(const struct kt_move *move, struct kt_error *err)
{
	(void)move;
	(void)err;
	return KT_E_OK;
}

static enum kt_code needs_actor(const struct kt_move *move, struct kt_error *err)
{
	return is_blank(move->actor) ? reject(err, "this move needs an actor") : KT_E_OK;
}

static enum kt_code needs_workspace(const struct kt_move *move, struct kt_error *err)
{
	return is_blank(move->workspace_context) ? reject(err, "this move needs a workspace")
						 : KT_E_OK;
}

static enum kt_code needs_reason(const struct kt_move *move, struct kt_error *err)
{
	return is_blank(move->reason) ? reject(err, "this move needs a reason") : KT_E_OK;
}

static enum kt_code needs_review_ref(const struct kt_move *move, struct kt_error *err)
{
	return is_blank(move->review_ref) ? reject(err, "this move needs a review reference")
					  : KT_E_OK;
}

static enum kt_code needs_finished_work(const struct kt_move *move, struct kt_error *err)
{
	if (!move->subtasks_complete)
		return reject(err, "some subtasks are not done");
	return move->implementation_evidence
		       ? KT_E_OK
		       : reject(err, "there is no evidence of an implementation");
}

/* ---- reviews ---- */

static const char *const triple[] = {"reviewer", "verdict", "reference", NULL};

static bool is_complete(const struct kt_json *review)
{
	for (size_t i = 0; triple[i] != NULL; i++)
		if (is_blank(kt_json_get_string(review, triple[i])))
			return false;
	return true;
}

/* Of a complete review. */
static bool is_approving(const struct kt_json *review)
{
	return strcmp(kt_json_get_string(review, "verdict"), "approved") == 0;
}

static enum kt_code needs_approval(const struct kt_move *move, struct kt_error *err)
{
	const struct kt_json *review = kt_json_get(move->evidence, "review");

	if (!is_complete(review))
		return reject(err, "this move needs the evidence of a review");
	return is_approving(review) ? KT_E_OK : reject(err, "the review does not approve");
}

static enum kt_code check_consistency(const struct kt_move *move, struct kt_error *err)
{
	const struct kt_json *review = kt_json_get(move->evidence, "review");
	const char *reference = kt_json_get_string(move->review_result, "reference");

	if (move->review_ref != NULL && strcmp(move->review_ref, reference) != 0)
		return reject(err, "the review reference is not the review result's");
	for (size_t i = 0; review != NULL && triple[i] != NULL; i++) {
		const char *left = kt_json_get_string(review, triple[i]);

		if (left == NULL ||
			strcmp(left, kt_json_get_string(move->review_result, triple[i])) != 0)
			return reject(err, "the evidence is not the review result's");
	}
	return KT_E_OK;
}

static enum kt_code needs_review_result(const struct kt_move *move, struct kt_error *err)
{
	if (!is_complete(move->review_result))
		return reject(err, "this move needs a review result");
	return check_consistency(move, err);
}

static enum kt_code needs_approving_result(const struct kt_move *move, struct kt_error *err)
{
	if (!is_complete(move->review_result))
		return reject(err, "this move needs a review result");
	if (move->evidence != NULL) {
		enum kt_code code = needs_approval(move, err);

		if (code != KT_E_OK)
			return code;
	} else if (!is_approving(move->review_result)) {
		return reject(err, "the review result does not approve");
	}
	return check_consistency(move, err);
}

/* ---- the table ---- */

struct edge {
	enum kt_status from, to;
	guard check;
};

static const struct edge edges[] = {
	{KT_STATUS_GENESIS, KT_STATUS_PLANNED, no_guard},
	{KT_STATUS_GENESIS, KT_STATUS_CANCELED, no_guard},
	{KT_STATUS_PLANNED, KT_STATUS_CLAIMED, needs_actor},
	{KT_STATUS_PLANNED, KT_STATUS_BLOCKED, no_guard},
	{KT_STATUS_PLANNED, KT_STATUS_CANCELED, no_guard},
	{KT_STATUS_CLAIMED, KT_STATUS_IN_PROGRESS, needs_workspace},
	{KT_STATUS_CLAIMED, KT_STATUS_BLOCKED, no_guard},
	{KT_STATUS_CLAIMED, KT_STATUS_CANCELED, no_guard},
	{KT_STATUS_IN_PROGRESS, KT_STATUS_FOR_REVIEW, needs_finished_work},
	{KT_STATUS_IN_PROGRESS, KT_STATUS_APPROVED, needs_approval},
	{KT_STATUS_IN_PROGRESS, KT_STATUS_PLANNED, needs_reason},
	{KT_STATUS_IN_PROGRESS, KT_STATUS_BLOCKED, no_guard},
	{KT_STATUS_IN_PROGRESS, KT_STATUS_CANCELED, no_guard},
	{KT_STATUS_FOR_REVIEW, KT_STATUS_IN_REVIEW, needs_actor},
	{KT_STATUS_FOR_REVIEW, KT_STATUS_BLOCKED, no_guard},
	{KT_STATUS_FOR_REVIEW, KT_STATUS_CANCELED, no_guard},
	{KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED, needs_approving_result},
	{KT_STATUS_IN_REVIEW, KT_STATUS_DONE, needs_approving_result},
	{KT_STATUS_IN_REVIEW, KT_STATUS_IN_PROGRESS, needs_review_result},
	{KT_STATUS_IN_REVIEW, KT_STATUS_PLANNED, needs_review_result},
	{KT_STATUS_IN_REVIEW, KT_STATUS_BLOCKED, needs_review_result},
	{KT_STATUS_IN_REVIEW, KT_STATUS_CANCELED, needs_review_result},
	{KT_STATUS_APPROVED, KT_STATUS_DONE, needs_approval},
	{KT_STATUS_APPROVED, KT_STATUS_IN_PROGRESS, needs_review_ref},
	{KT_STATUS_APPROVED, KT_STATUS_PLANNED, needs_review_ref},
	{KT_STATUS_APPROVED, KT_STATUS_BLOCKED, no_guard},
	{KT_STATUS_APPROVED, KT_STATUS_CANCELED, no_guard},
	{KT_STATUS_BLOCKED, KT_STATUS_IN_PROGRESS, no_guard},
	{KT_STATUS_BLOCKED, KT_STATUS_CANCELED, no_guard},
};

static const struct edge *edge_find(enum kt_status from, enum kt_status to)
{
	for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
		if (edges[i].from == from && edges[i].to == to)
			return &edges[i];
	return NULL;
}

static enum kt_code check_forced(const struct kt_move *move, struct kt_error *err)
{
	if (move->to == KT_STATUS_GENESIS || move->to == KT_STATUS_UNINITIALIZED ||
		move->from == KT_STATUS_UNINITIALIZED)
		return kt_error_set(err, KT_E_TRANSITION_REJECTED,
			"%s -> %s is not possible, not even by an override",
			kt_status_name(move->from), kt_status_name(move->to));
	if (is_blank(move->actor) || is_blank(move->reason))
		return reject(err, "an override needs an actor and a reason");
	return KT_E_OK;
}

static bool is_status(enum kt_status status)
{
	return status >= 0 && status < KT_STATUS_COUNT;
}

enum kt_code kt_move_check(const struct kt_move *move, struct kt_error *err)
{
	const struct edge *edge = NULL;

	if (!is_status(move->from) || !is_status(move->to))
		return reject(err, "there is no such status");
	if (move->force)
		return check_forced(move, err);
	edge = edge_find(move->from, move->to);
	if (edge == NULL)
		return kt_error_set(err, KT_E_TRANSITION_REJECTED, "there is no way from %s to %s",
			kt_status_name(move->from), kt_status_name(move->to));
	return edge->check(move, err);
}
