/*
 * Claims of a launch that died and that this launch does not go on with: given back with a reason,
 * so that they keep nobody out. Runs in the supervisor. Must never touch a person's claim, which
 * has no lease and no recorded worker, nor one whose worker lives.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/transaction/request.h"

enum claim {
	CLAIM_NONE, /* nobody's, or a person's */
	CLAIM_ALIVE,
	CLAIM_DEAD
};

/* A lease says it; without one the worker that the claim's row names. */
static enum claim claim_of(
	const struct kt_supervisor *supervisor, const struct kt_wp_state *state, bool *is_review)
{
	struct kt_lease lease = {0};
	bool has_lease = kt_lease_read(supervisor->launch->mission, state->wp_id, &lease);
	const char *start = kt_json_get_string(state->claim_metadata, "shell_pid_created_at");
	enum claim claim = CLAIM_NONE;
	int64_t pid = 0;

	has_lease = has_lease && !lease.has_ended;
	*is_review = has_lease && lease.is_review;
	if (has_lease)
		claim = kt_lease_is_alive(&lease) ? CLAIM_ALIVE : CLAIM_DEAD;
	else if (state->status != KT_STATUS_IN_REVIEW &&
		 kt_json_get_int(state->claim_metadata, "shell_pid", &pid) && pid > 0)
		claim = kt_process_is_alive(
				(pid_t)pid, start == NULL ? 0 : strtoull(start, NULL, 10))
				? CLAIM_ALIVE
				: CLAIM_DEAD;
	kt_lease_release(&lease);
	return claim;
}

struct giving {
	struct kt_supervisor *supervisor;
	char *wp_id;
};

static void on_given_back(const struct kt_json *outcome, void *arg)
{
	struct giving *giving = arg;
	struct kt_supervisor *supervisor = giving->supervisor;
	enum kt_status status = kt_sup_status(supervisor, giving->wp_id, NULL);
	struct kt_error err = KT_ERROR_INIT;

	if (kt_outcome_code(outcome, &err) != KT_E_OK)
		kt_supervisor_say(supervisor, NULL, "%s: the claim could not be given back: %s",
			giving->wp_id, err.detail);
	else if (status == KT_STATUS_PLANNED)
		/* Kept as ended: who takes it next learns where the work began. */
		kt_lease_end(supervisor->launch->mission, giving->wp_id);
	else
		kt_lease_remove(supervisor->launch->mission, giving->wp_id);
	free(giving->wp_id);
	free(giving);
}

static void step_add(struct kt_json *request, const struct kt_wp_state *state, enum kt_status from,
	enum kt_status to, const char *reason)
{
	bool is_review = from == KT_STATUS_IN_REVIEW;
	struct kt_json *op = kt_request_add_move(request, state->wp_id, to,
		is_review || state->claim_actor == NULL ? "kitty" : state->claim_actor);
	struct kt_json *metadata = kt_json_new_object();

	kt_json_set_string(metadata, "released_by", "kitty");
	if (is_review)
		kt_json_set_string(metadata, "override", "reviewer_failed");
	kt_json_set_string(op, "from", kt_status_name(from));
	kt_json_set_string(op, "reason", reason);
	kt_json_set_bool(op, "force", is_review);
	kt_json_set(op, "policy_metadata", metadata);
}

/* By the legal ways where there are some: claimed has none but through in_progress. */
static void give_back(struct kt_supervisor *supervisor, const struct kt_wp_state *state)
{
	struct kt_json *request = kt_request_new("launch");
	struct giving *giving = kt_alloc(sizeof *giving);
	char *reason = kt_format("the worker that held it is gone; the claim of %s is released",
		state->actor == NULL ? "?" : state->actor);

	giving->supervisor = supervisor;
	giving->wp_id = kt_strdup(state->wp_id);
	kt_json_set_bool(supervisor->released, state->wp_id, true);
	kt_supervisor_say(supervisor, NULL, "%s: %s", state->wp_id, reason);
	if (state->status == KT_STATUS_IN_REVIEW) {
		step_add(request, state, KT_STATUS_IN_REVIEW, KT_STATUS_FOR_REVIEW, reason);
	} else {
		if (state->status == KT_STATUS_CLAIMED)
			step_add(request, state, KT_STATUS_CLAIMED, KT_STATUS_IN_PROGRESS, reason);
		step_add(request, state, KT_STATUS_IN_PROGRESS, KT_STATUS_PLANNED, reason);
	}
	kt_sup_submit(supervisor, request, NULL, on_given_back, giving);
	free(reason);
}

/* Will this launch go on with it by itself? */
static bool is_resumed(const struct kt_lane_run *run, bool is_review)
{
	if (run == NULL || !kt_sup_takes_work(run))
		return false;
	if (!is_review)
		return true;
	return run->supervisor->launch->reviewer != NULL && !(run->is_held && run->trouble != NULL);
}

/* True: look again later, its worker still lives. */
static bool wp_look(struct kt_supervisor *supervisor, const char *wp_id)
{
	const struct kt_lane_plan *lane = kt_lanes_of_wp(supervisor->plan->lanes, wp_id);
	struct kt_lane_run *run = lane == NULL ? NULL : kt_sup_lane_find(supervisor, lane->id);
	struct kt_wp_state state = {0};
	enum kt_status status = kt_sup_status(supervisor, wp_id, &state);
	bool is_review = false;
	enum claim claim = CLAIM_NONE;

	if ((status != KT_STATUS_CLAIMED && status != KT_STATUS_IN_PROGRESS &&
		    status != KT_STATUS_IN_REVIEW) ||
		kt_json_get(supervisor->released, wp_id) != NULL ||
		(run != NULL && run->job.phase != KT_JOB_NONE))
		return false;
	claim = claim_of(supervisor, &state, &is_review);
	if (claim == CLAIM_NONE || is_resumed(run, status == KT_STATUS_IN_REVIEW))
		return false;
	if (claim == CLAIM_DEAD)
		give_back(supervisor, &state);
	return claim == CLAIM_ALIVE;
}

void kt_sup_claims_release(struct kt_supervisor *supervisor)
{
	bool is_again = false;

	if (!supervisor->looks_for_claims)
		return;
	for (size_t i = 0; i < supervisor->plan->wps_len; i++)
		if (wp_look(supervisor, supervisor->plan->wps[i].id))
			is_again = true;
	supervisor->looks_for_claims = is_again;
}
