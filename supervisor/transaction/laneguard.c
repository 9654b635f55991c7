/*
 * The lane gate: no work package goes to for_review with a lane that touched what is not its own.
 * A helper child (`kitty internal lane-gate`) judges the lane's tip, whoever asked for the move. A
 * supervisor has most requests judged before they come here (aside.c), because everybody waits for
 * a child of this step. Must never judge a lane twice at the same tip.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "supervisor/transaction/writer_private.h"

static const char PLANNING_LANE[] = "lane-planning";

enum { AGAIN_PART = 10 };

/* The WP that the request moves to for_review by the rules; NULL: none. An override answers for
 * itself. */
static const char *handed_over(const struct pending *pending)
{
	const struct kt_json *op = kt_json_first(kt_json_get(pending->request, "ops"));

	for (; op != NULL; op = kt_json_next(op)) {
		const char *to = kt_json_get_string(op, "to");

		if (to != NULL && kt_status_from_name(to) == KT_STATUS_FOR_REVIEW &&
			!kt_json_get_bool(op, "force", false))
			return kt_json_get_string(op, "wp");
	}
	return NULL;
}

/* Nothing to judge, and *found false: no plan, no lane, or one without a branch yet. A plan or a
 * branch that cannot be read is an error: what they would have forbidden must not pass. */
static enum kt_code find_tip(struct kt_writer *writer, const char *wp_id, const char **lane_id,
	struct kt_oid *tip, bool *found, struct kt_error *err)
{
	const struct kt_lane_plan *lane = NULL;
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = kt_writer_plan(writer, &cause), absent = KT_E_MISSION_NOT_FINALIZED;

	if (code == KT_E_OK) {
		lane = kt_lanes_of_wp(writer->plan->lanes, wp_id);
		if (lane == NULL || strcmp(lane->id, PLANNING_LANE) == 0)
			return KT_E_OK;
		*lane_id = lane->id;
		absent = KT_E_DESTINATION_REF_NOT_FOUND;
		code = kt_writer_lane_tip(writer, lane->id, tip, &cause);
	}
	*found = code == KT_E_OK;
	if (code == KT_E_OK || code == absent)
		return KT_E_OK;
	*err = cause;
	return code;
}

static enum kt_code look(struct kt_writer *writer, const struct pending *pending,
	const char **lane_id, struct kt_oid *tip, bool *is_to_judge, struct kt_error *err)
{
	const char *wp_id =
		pending->outcome == NULL && !pending->is_judged ? handed_over(pending) : NULL;
	enum kt_code code = KT_E_OK;

	if (wp_id != NULL)
		code = find_tip(writer, wp_id, lane_id, tip, is_to_judge, err);
	if (pending->has_judged_tip && kt_oid_equal(&pending->judged_tip, tip))
		*is_to_judge = false;
	return code;
}

bool kt_lane_is_to_judge(struct kt_writer *writer, const struct pending *pending,
	const char **lane_id, struct kt_oid *tip)
{
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_to_judge = false;

	(void)!look(writer, pending, lane_id, tip, &is_to_judge, &ignored);
	return is_to_judge;
}

static struct pending *next_to_judge(
	struct kt_writer *writer, const char **lane_id, struct kt_oid *tip)
{
	for (struct pending *p = writer->batch; p != NULL; p = p->next) {
		struct kt_error err = KT_ERROR_INIT;
		bool is_to_judge = false;

		if (look(writer, p, lane_id, tip, &is_to_judge, &err) != KT_E_OK)
			kt_pending_fail(writer, p, &err);
		if (is_to_judge)
			return p;
		p->is_judged = true;
	}
	return NULL;
}

static enum turn wait_for_judge(struct kt_writer *writer)
{
	writer->wait =
		(struct kt_wait){writer->child.child.pidfd, kt_subprocess_wake_ms(&writer->child)};
	return TURN_WAIT;
}

enum kt_code kt_lane_judge_start(struct kt_writer *writer, struct kt_subprocess *child,
	const char *lane_id, const struct kt_oid *tip, int timeout_ms, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	struct kt_oid_text text = kt_oid_format(tip);
	const char *const argv[] = {writer->program, "internal", "lane-gate", "--mission",
		mission->slug, "--lane", lane_id, "--commit", text.text, NULL};

	return kt_subprocess_start(child, argv, NULL, mission->repo_root, timeout_ms, err);
}

int kt_lane_judge_timeout_ms(const struct kt_writer *writer)
{
	/* As long as a hook may take. */
	return writer->options.hook_timeout_ms ? writer->options.hook_timeout_ms
					       : KT_HOOK_TIMEOUT_MS;
}

static enum turn start_judge(struct kt_writer *writer, struct pending *pending, const char *lane_id,
	const struct kt_oid *tip)
{
	/* A lane that went on after it was judged beside the transaction: others wait for this one,
	 * so it gets a part of the time. */
	int timeout = kt_lane_judge_timeout_ms(writer) / (pending->has_judged_tip ? AGAIN_PART : 1);
	struct kt_error err = KT_ERROR_INIT;

	writer->at_gate = pending;
	if (kt_lane_judge_start(writer, &writer->child, lane_id, tip, timeout, &err) == KT_E_OK)
		return wait_for_judge(writer);
	pending->is_judged = true;
	kt_pending_fail(writer, pending, &err);
	return TURN_NEXT;
}

/* The list of warnings; NULL, and an error: the move is refused. Borrows from *answer. */
static const struct kt_json *read_verdict(const char *said, const struct kt_child_status *status,
	struct kt_json **answer, struct kt_error *err)
{
	/* A warning on standard error may stand before the object. */
	const char *start = strchr(said, '{');
	const struct kt_json *warnings = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_object = start != NULL && kt_json_parse(start, strlen(start), KT_JSON_LAST_WINS,
						  answer, &ignored) == KT_E_OK;

	if (status->timed_out) {
		(void)kt_error_set(
			err, KT_E_TIMEOUT, "git did not tell in time what the lane changed");
	} else if (is_object && (!status->exited || status->exit_code != 0)) {
		if (kt_outcome_code(*answer, err) == KT_E_OK)
			(void)kt_error_set(err, KT_E_GIT_FAILED, "the lane gate's helper failed");
	} else {
		warnings = kt_json_get(*answer, "warnings");
		if (!kt_json_is(warnings, KT_JSON_ARRAY))
			(void)kt_error_set(
				err, KT_E_GIT_FAILED, "the lane gate's helper said: %.300s", said);
	}
	return err->code == KT_E_OK ? warnings : NULL;
}

void kt_lane_judge_ended(struct kt_writer *writer, struct kt_subprocess *child,
	struct pending *pending, const struct kt_child_status *status)
{
	struct kt_buffer output = KT_BUFFER_INIT;
	struct kt_json *answer = NULL;
	const struct kt_json *warnings = NULL;
	struct kt_error err = KT_ERROR_INIT;

	kt_subprocess_output(child, 1 << 20, &output);
	kt_subprocess_release(child);
	warnings = read_verdict(kt_buffer_text(&output), status, &answer, &err);
	if (warnings == NULL) {
		kt_pending_fail(writer, pending, &err);
	} else {
		kt_json_free(pending->warnings);
		pending->warnings = kt_json_copy(warnings);
	}
	kt_json_free(answer);
	kt_buffer_release(&output);
}

enum turn kt_step_judge(struct kt_writer *writer)
{
	struct kt_child_status status = {0};
	struct kt_oid tip = {{0}};
	const char *lane_id = NULL;
	struct pending *pending = NULL;

	if (writer->child.child.pid > 0) {
		if (!kt_subprocess_poll(&writer->child, &status))
			return wait_for_judge(writer);
		kt_lane_judge_ended(writer, &writer->child, writer->at_gate, &status);
		writer->at_gate->is_judged = true;
	}
	pending = next_to_judge(writer, &lane_id, &tip);
	if (pending != NULL)
		return start_judge(writer, pending, lane_id, &tip);
	writer->step = STEP_MERGE;
	return TURN_NEXT;
}
