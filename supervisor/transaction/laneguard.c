/*
 * The lane gate inside the transaction: no work package goes to for_review with a lane that touched
 * what is not its own (architecture.md, 7). A helper child (`kitty internal lane-gate`) judges the
 * lane's tip; this step waits for it, whoever asked for the move. Must never judge a lane twice at
 * the same tip.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "supervisor/transaction/writer_private.h"

static const char PLANNING_LANE[] = "lane-planning";

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

/* Nothing to judge: no lane, or one without a branch yet. */
static bool find_tip(
	struct kt_writer *writer, const char *wp_id, const char **lane_id, struct kt_oid *tip)
{
	const struct kt_lane_plan *lane = NULL;
	struct kt_error ignored = KT_ERROR_INIT;

	if (kt_writer_plan(writer, &ignored) != KT_E_OK)
		return false;
	lane = kt_lanes_of_wp(writer->plan->lanes, wp_id);
	if (lane == NULL || strcmp(lane->id, PLANNING_LANE) == 0)
		return false;
	*lane_id = lane->id;
	return kt_writer_lane_tip(writer, lane->id, tip);
}

static struct pending *next_to_judge(
	struct kt_writer *writer, const char **lane_id, struct kt_oid *tip)
{
	for (struct pending *p = writer->batch; p != NULL; p = p->next) {
		const char *wp_id = p->outcome == NULL && !p->is_judged ? handed_over(p) : NULL;

		if (wp_id != NULL && find_tip(writer, wp_id, lane_id, tip))
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

static enum turn start_judge(struct kt_writer *writer, struct pending *pending, const char *lane_id,
	const struct kt_oid *tip)
{
	const struct kt_mission *mission = writer->options.mission;
	struct kt_oid_text text = kt_oid_format(tip);
	const char *const argv[] = {writer->program, "internal", "lane-gate", "--mission",
		mission->slug, "--lane", lane_id, "--commit", text.text, NULL};
	struct kt_error err = KT_ERROR_INIT;

	/* As long as a hook may take: everybody's requests wait for it. */
	if (kt_subprocess_start(&writer->child, argv, NULL, mission->repo_root, KT_HOOK_TIMEOUT_MS,
		    &err) == KT_E_OK)
		return wait_for_judge(writer);
	pending->is_judged = true;
	kt_pending_fail(writer, pending, &err);
	return TURN_NEXT;
}

static void judge_ended(
	struct kt_writer *writer, struct pending *pending, const struct kt_child_status *status)
{
	struct kt_buffer output = KT_BUFFER_INIT;
	struct kt_json *answer = NULL;
	struct kt_error err = KT_ERROR_INIT, ignored = KT_ERROR_INIT;
	const char *start = NULL;

	kt_subprocess_output(&writer->child, 1 << 20, &output);
	kt_subprocess_release(&writer->child);
	pending->is_judged = true;
	/* A warning on standard error may stand before the object. */
	start = strchr(kt_buffer_text(&output), '{');
	if (status->timed_out) {
		(void)kt_error_set(
			&err, KT_E_TIMEOUT, "git did not tell in time what the lane changed");
		kt_pending_fail(writer, pending, &err);
	} else if (start == NULL || kt_json_parse(start, strlen(start), KT_JSON_LAST_WINS, &answer,
					    &ignored) != KT_E_OK) {
		(void)kt_error_set(&err, KT_E_GIT_FAILED, "the lane gate's helper said: %.300s",
			kt_buffer_text(&output));
		kt_pending_fail(writer, pending, &err);
	} else if (!status->exited || status->exit_code != 0) {
		if (kt_outcome_code(answer, &err) == KT_E_OK)
			(void)kt_error_set(&err, KT_E_GIT_FAILED, "the lane gate's helper failed");
		kt_pending_fail(writer, pending, &err);
	} else {
		kt_json_free(pending->warnings);
		pending->warnings = kt_json_copy(kt_json_get(answer, "warnings"));
	}
	kt_json_free(answer);
	kt_buffer_release(&output);
}

enum turn kt_step_judge(struct kt_writer *writer)
{
	struct kt_child_status status = {0};
	struct kt_oid tip = {{0}};
	const char *lane_id = NULL;
	struct pending *pending = next_to_judge(writer, &lane_id, &tip);

	if (writer->child.child.pid > 0) {
		if (!kt_subprocess_poll(&writer->child, &status))
			return wait_for_judge(writer);
		if (pending != NULL)
			judge_ended(writer, pending, &status);
		else
			kt_subprocess_release(&writer->child);
		return TURN_NEXT;
	}
	if (pending != NULL)
		return start_judge(writer, pending, lane_id, &tip);
	writer->step = STEP_MERGE;
	return TURN_NEXT;
}
