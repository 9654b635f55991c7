/*
 * The batch and where it goes: destination, plan, policy. Runs inside the lock, before a byte is
 * written. Must never let requests for two branches into one batch.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/transaction/gate.h"
#include "supervisor/transaction/legacy.h"
#include "supervisor/transaction/writer_private.h"

/* ---- destination ---- */

static const char *first_wp(const struct pending *pending)
{
	const struct kt_json *op = kt_json_first(kt_json_get(pending->request, "ops"));

	for (; op != NULL; op = kt_json_next(op))
		if (kt_json_get_string(op, "wp") != NULL)
			return kt_json_get_string(op, "wp");
	return NULL;
}

enum kt_code kt_writer_plan(struct kt_writer *writer, struct kt_error *err)
{
	const struct kt_writer_options *options = &writer->options;

	if (writer->plan != NULL)
		return KT_E_OK;
	if (options->mission->topology == KT_TOPOLOGY_LEGACY)
		return kt_legacy_plan(
			options->repo, writer->store, options->mission, &writer->plan, err);
	return kt_plan_load(writer->store, options->mission, &writer->tip, &writer->plan, err);
}

enum kt_code kt_writer_lane_tip(
	struct kt_writer *writer, const char *lane_id, struct kt_oid *tip, struct kt_error *err)
{
	char *branch = kt_mission_lane_branch(writer->options.mission, lane_id);
	char *ref = kt_format("refs/heads/%s", branch);
	enum kt_code code = kt_store_ref_read(writer->store, ref, tip, err);

	free(branch);
	free(ref);
	return code;
}

/* The lane that a request is about; NULL: none, or one that the plan does not know. Borrows. */
static const char *lane_of(const struct kt_writer *writer, const struct pending *pending)
{
	const char *wp_id = first_wp(pending);
	const struct kt_lane_plan *lane =
		wp_id == NULL ? NULL : kt_lanes_of_wp(writer->plan->lanes, wp_id);

	return lane == NULL ? NULL : lane->id;
}

static bool is_same_lane(const char *left, const char *right)
{
	return strcmp(left == NULL ? "" : left, right == NULL ? "" : right) == 0;
}

/* One destination per batch: what is about another lane goes back to the queue. */
static const char *narrow_to_lane(struct kt_writer *writer)
{
	struct pending *previous = NULL;
	const char *lane = NULL;
	bool is_chosen = false;

	for (struct pending *p = writer->batch; p != NULL; previous = p, p = p->next) {
		if (p->outcome != NULL)
			continue;
		if (!is_chosen) {
			lane = lane_of(writer, p);
			is_chosen = true;
		} else if (!is_same_lane(lane, lane_of(writer, p))) {
			kt_batch_defer_after(writer, previous);
			break;
		}
	}
	return lane;
}

static void forget_state(struct kt_writer *writer)
{
	kt_reducer_free(writer->state);
	writer->state = NULL;
	kt_buffer_release(&writer->log);
	kt_buffer_release(&writer->snapshot);
	kt_plan_free(writer->plan);
	writer->plan = NULL;
	memset(&writer->log_stat, 0, sizeof writer->log_stat);
}

static enum kt_code choose_lane(struct kt_writer *writer, char **lane, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	if (writer->options.mission->topology != KT_TOPOLOGY_LEGACY || writer->batch == NULL)
		return KT_E_OK;
	code = kt_writer_plan(writer, err);
	if (code == KT_E_OK)
		*lane = kt_strdup(narrow_to_lane(writer));
	return code;
}

enum kt_code kt_batch_address(struct kt_writer *writer, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	struct kt_destination to = KT_DESTINATION_INIT;
	char *lane = NULL;
	enum kt_code code = KT_E_OK;

	/* A coordination branch stays the same for the mission's whole life. */
	if (writer->to.ref != NULL && kt_destination_is_own(&writer->to))
		return KT_E_OK;
	code = choose_lane(writer, &lane, err);
	if (code == KT_E_OK)
		code = kt_destination_resolve(writer->options.repo, mission, lane, &to, err);
	free(lane);
	if (code != KT_E_OK) {
		kt_destination_release(&to);
		return code;
	}
	if (writer->to.ref != NULL && !kt_destination_is_same(&writer->to, &to))
		forget_state(writer);
	kt_destination_release(&writer->to);
	writer->to = to;
	if (to.kind == KT_DESTINATION_LANE && kt_legacy_warns_now(mission))
		kt_writer_notice(writer, "%s", KT_LEGACY_WARNING);
	return KT_E_OK;
}

/* Rules judged by half of the rows would let illegal moves through. */
enum kt_code kt_check_whole(struct kt_writer *writer, const char *wp_id, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	struct kt_buffer rows = KT_BUFFER_INIT;
	struct kt_reducer *whole = kt_reducer_new();
	struct kt_wp_state there = {0};
	size_t offset = 0, len = 0;
	enum kt_code code =
		kt_legacy_union(writer->options.repo, writer->store, mission, &rows, err);

	if (code == KT_E_OK && rows.len > 0)
		code = kt_reducer_feed(whole, rows.data, rows.len, err);
	if (code == KT_E_OK && kt_reducer_wp(whole, wp_id, &there) && there.last_event_id != NULL &&
		!kt_reducer_find_event(writer->state, there.last_event_id, &offset, &len)) {
		code = kt_error_set(err, KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED,
			"%s has rows that %s does not hold (the latest is %s)", wp_id,
			writer->to.branch, there.last_event_id);
		kt_error_next(
			err, "git -C '%s' merge %s", writer->to.worktree, mission->target_branch);
	}
	kt_reducer_free(whole);
	kt_buffer_release(&rows);
	return code;
}

/* ---- policy ---- */

bool kt_batch_is_refused(struct kt_writer *writer)
{
	struct kt_error cause = KT_ERROR_INIT, err = KT_ERROR_INIT;

	if (kt_gate_check(writer->options.repo, writer->store, writer->to.branch,
		    writer->options.protected_branches, &cause) == KT_E_OK)
		return false;
	(void)kt_error_set(&err, KT_E_BOOKKEEPING_POLICY_REFUSED, "%s: %s: %s",
		kt_error_text(cause.code), kt_error_summary(cause.code), cause.detail);
	kt_error_next(&err, "%s", kt_error_next_step(&cause));
	for (struct pending *p = writer->batch; p != NULL; p = p->next) {
		struct kt_json *refusal = NULL;

		if (p->outcome != NULL)
			continue;
		refusal = kt_json_new_object();
		kt_pending_fail(writer, p, &err);
		kt_json_set_string(refusal, "error_code", kt_error_text(cause.code));
		kt_json_set_string(refusal, "message", cause.detail);
		kt_json_set_string(refusal, "destination_ref", writer->to.branch);
		kt_json_set_string(refusal, "next_step", kt_error_next_step(&cause));
		kt_json_set(p->outcome, "refusal", refusal);
	}
	return true;
}
