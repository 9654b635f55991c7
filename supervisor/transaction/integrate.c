/*
 * Integration inside a transaction: `done` and the lane's merge are one commit, so that neither
 * exists without the other. The merge itself is computed by a helper child (`kitty internal
 * integrate`); this step waits for it and keeps its tree for the build. After a foreign move of the
 * branch everything is computed again.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "supervisor/transaction/writer_private.h"

static const struct kt_json *integrate_of(const struct pending *pending)
{
	return kt_json_get(pending->request, "integrate");
}

bool kt_is_integration(const struct pending *pending)
{
	return integrate_of(pending) != NULL;
}

/* ---- what was approved ---- */

/* The commit that the approving row names; false when it names none. */
static bool approved_commit(
	const struct kt_writer *writer, const struct kt_wp_state *wp, struct kt_oid *out)
{
	struct kt_json *row = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	size_t offset = 0, len = 0;
	const char *text = NULL;
	bool found = false;

	if (wp->status != KT_STATUS_APPROVED)
		return false;
	KT_BUG_UNLESS(kt_reducer_find_event(writer->state, wp->last_event_id, &offset, &len));
	/* A row of the batch at hand is not in the log yet. */
	if (offset + len > writer->log.len)
		return false;
	KT_BUG_UNLESS(kt_json_parse(writer->log.data + offset, len, KT_JSON_LAST_WINS, &row,
			      &ignored) == KT_E_OK);
	text = kt_json_get_string(kt_json_get(row, "policy_metadata"), "approved_commit");
	found = text != NULL && kt_oid_parse(text, out);
	kt_json_free(row);
	return found;
}

/* The commit that a WP stands for: the approved one, else its lane's tip; *is_planning (and false):
 * it has none to merge. */
static bool work_commit(
	struct kt_writer *writer, const char *wp_id, bool *is_planning, struct kt_oid *out)
{
	const struct kt_lane_plan *lane = NULL;
	struct kt_wp_state wp = {0};
	struct kt_error ignored = KT_ERROR_INIT;

	(void)kt_reducer_wp(writer->state, wp_id, &wp);
	if (kt_writer_plan(writer, &ignored) != KT_E_OK)
		return false;
	lane = kt_lanes_of_wp(writer->plan->lanes, wp_id);
	*is_planning = lane != NULL && strcmp(lane->id, "lane-planning") == 0;
	if (lane == NULL || *is_planning)
		return false;
	return approved_commit(writer, &wp, out) ||
	       kt_writer_lane_tip(writer, lane->id, out, &ignored) == KT_E_OK;
}

enum kt_code kt_check_contained(struct kt_writer *writer, const char *wp_id, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	char *target = kt_format("refs/heads/%s", mission->target_branch);
	struct kt_oid approved = {{0}}, tip = {{0}};
	bool is_contained = false;
	enum kt_code code = KT_E_OK;

	if (!kt_destination_is_own(&writer->to) &&
		work_commit(writer, wp_id, &is_contained, &approved)) {
		code = kt_store_ref_read(writer->store, target, &tip, err);
		if (code == KT_E_OK)
			code = kt_store_is_ancestor(
				writer->store, &approved, &tip, &is_contained, err);
	}
	free(target);
	if (code != KT_E_OK || is_contained)
		return code;
	(void)kt_error_set(err, KT_E_TRANSITION_REJECTED,
		"%s: done is written when its lane is integrated", wp_id);
	if (!kt_destination_is_own(&writer->to))
		kt_error_next(err, "kitty merge --mission %s", mission->slug);
	return err->code;
}

static enum kt_code check_lane_of_wp(
	struct kt_writer *writer, const char *wp_id, const char *lane_id, struct kt_error *err)
{
	const struct kt_lane_plan *lane = NULL;

	if (kt_writer_plan(writer, err) != KT_E_OK)
		return err->code;
	lane = kt_lanes_of_wp(writer->plan->lanes, wp_id);
	if (lane == NULL || strcmp(lane->id, lane_id) != 0)
		return kt_error_set(err, KT_E_LANE_FOREIGN_WP, "%s is not a work package of %s",
			wp_id, lane_id);
	return KT_E_OK;
}

static enum kt_code check_wish(
	struct kt_writer *writer, const struct pending *pending, struct kt_error *err)
{
	const struct kt_json *wish = integrate_of(pending);
	const char *lane = kt_json_get_string(wish, "lane");
	const char *wp_id =
		kt_json_get_string(kt_json_first(kt_json_get(pending->request, "ops")), "wp");
	struct kt_wp_state wp = {0};
	struct kt_oid wanted = {{0}}, approved = {{0}};
	enum kt_code code = KT_E_OK;

	if (lane == NULL)
		return pending->lane == NULL ? KT_E_OK
					     : kt_error_set(err, KT_E_LANE_FOREIGN_WP,
						       "a lane may not bring the target in");
	code = check_lane_of_wp(writer, wp_id, lane, err);
	if (code != KT_E_OK)
		return code;
	(void)kt_reducer_wp(writer->state, wp_id, &wp);
	(void)kt_oid_parse(kt_json_get_string(wish, "commit"), &wanted);
	if (approved_commit(writer, &wp, &approved) && !kt_oid_equal(&wanted, &approved))
		return kt_error_set(err, KT_E_STATUS_CONFLICT, "%s was approved at %s, not at %s",
			wp_id, kt_oid_format(&approved).text, kt_json_get_string(wish, "commit"));
	return KT_E_OK;
}

/* ---- the batch: an integration is one of its own ---- */

static struct pending *isolate(struct kt_writer *writer)
{
	struct pending *previous = NULL, *first = NULL;

	for (struct pending *p = writer->batch; p != NULL; previous = p, p = p->next) {
		if (p->outcome != NULL)
			continue;
		if (first == NULL)
			first = p;
		if (kt_is_integration(p) && p != first) {
			kt_batch_defer_after(writer, previous);
			return NULL;
		}
		if (kt_is_integration(p)) {
			kt_batch_defer_after(writer, p);
			return p;
		}
	}
	return NULL;
}

/* ---- the child ---- */

static enum turn wait_for_merge(struct kt_writer *writer)
{
	writer->wait =
		(struct kt_wait){writer->child.child.pidfd, kt_subprocess_wake_ms(&writer->child)};
	return TURN_WAIT;
}

static enum turn refuse(
	struct kt_writer *writer, struct pending *pending, const struct kt_error *err)
{
	kt_pending_fail(writer, pending, err);
	writer->step = STEP_ANSWER;
	return TURN_NEXT;
}

static enum turn start_merge(struct kt_writer *writer, struct pending *pending)
{
	const struct kt_json *wish = integrate_of(pending);
	struct kt_oid_text onto = kt_oid_format(&writer->tip);
	const char *argv[16] = {writer->program, "internal", "integrate", "--mission",
		writer->options.mission->slug, "--commit", kt_json_get_string(wish, "commit"),
		"--onto", onto.text};
	struct kt_error err = KT_ERROR_INIT;
	size_t len = 9;

	if (kt_json_get_string(wish, "lane") != NULL) {
		argv[len++] = "--lane";
		argv[len++] = kt_json_get_string(wish, "lane");
	}
	if (kt_json_get_string(wish, "resolution") != NULL) {
		argv[len++] = "--resolution";
		argv[len++] = kt_json_get_string(wish, "resolution");
	}
	if (check_wish(writer, pending, &err) != KT_E_OK ||
		kt_subprocess_start(&writer->child, argv, NULL, writer->options.mission->repo_root,
			KT_GIT_TIMEOUT_MS, &err) != KT_E_OK)
		return refuse(writer, pending, &err);
	return wait_for_merge(writer);
}

/* A warning on standard error may stand before the object. */
static struct kt_json *answer_of(const struct kt_buffer *output)
{
	const char *start = strchr(kt_buffer_text(output), '{');
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_json *answer = NULL;

	while (start != NULL && kt_json_parse(start, strlen(start), KT_JSON_LAST_WINS, &answer,
					&ignored) != KT_E_OK) {
		answer = NULL;
		start = strstr(start + 1, "\n{");
		start = start == NULL ? NULL : start + 1;
	}
	return answer;
}

static enum turn merge_ended(struct kt_writer *writer, struct pending *pending)
{
	struct kt_buffer output = KT_BUFFER_INIT;
	struct kt_json *answer = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_integrated *merge = &writer->integrated;

	kt_subprocess_output(&writer->child, 1 << 20, &output);
	kt_subprocess_release(&writer->child);
	answer = answer_of(&output);
	memset(merge, 0, sizeof *merge);
	if (kt_oid_parse(kt_json_get_string(answer, "tree") != NULL
				 ? kt_json_get_string(answer, "tree")
				 : "",
		    &merge->tree) &&
		kt_oid_parse(kt_json_get_string(answer, "merged"), &merge->commit)) {
		merge->is_contained = kt_json_get_bool(answer, "contained", false);
		merge->is_set = true;
		writer->step = STEP_BUILD;
	} else {
		if (kt_json_get(answer, "error") != NULL)
			(void)!kt_outcome_code(answer, &err);
		else
			(void)kt_error_set(&err, KT_E_GIT_FAILED, "the merge's helper said: %.300s",
				kt_buffer_text(&output));
		(void)refuse(writer, pending, &err);
		if (kt_json_get(answer, "conflict") != NULL)
			kt_json_set(pending->outcome, "conflict",
				kt_json_copy(kt_json_get(answer, "conflict")));
	}
	kt_json_free(answer);
	kt_buffer_release(&output);
	return TURN_NEXT;
}

/* Is there anything to merge? The planning lane's work is on the coordination branch already. */
static bool needs_merge(const struct pending *pending)
{
	return kt_json_get_string(integrate_of(pending), "commit") != NULL;
}

/* Repeated and already true requests are answered by the admission without a merge. */
static bool is_settled(const struct kt_writer *writer, const struct pending *pending)
{
	const struct kt_json *op = kt_json_first(kt_json_get(pending->request, "ops"));
	const char *wp_id = kt_json_get_string(op, "wp"), *id = kt_json_get_string(op, "event_id");
	struct kt_wp_state wp = {0};
	size_t offset = 0, len = 0;

	if (id != NULL && kt_reducer_find_event(writer->state, id, &offset, &len))
		return true;
	return wp_id != NULL && kt_reducer_wp(writer->state, wp_id, &wp) &&
	       wp.status == KT_STATUS_DONE;
}

/* The code of somebody's checkout is not changed behind their back. */
static enum turn refuse_checkout(struct kt_writer *writer, struct pending *pending)
{
	struct kt_error err = KT_ERROR_INIT;

	(void)kt_error_set(&err, KT_E_TRANSITION_REJECTED,
		"without a coordination branch a lane is merged into the target only");
	kt_error_next(&err, "kitty merge --mission %s", writer->options.mission->slug);
	return refuse(writer, pending, &err);
}

enum turn kt_step_merge(struct kt_writer *writer)
{
	struct kt_child_status status = {0};
	struct pending *pending = isolate(writer);

	if (writer->child.child.pid > 0) {
		if (!kt_subprocess_poll(&writer->child, &status))
			return wait_for_merge(writer);
		return merge_ended(writer, pending);
	}
	memset(&writer->integrated, 0, sizeof writer->integrated);
	writer->step = STEP_BUILD;
	if (pending != NULL && !kt_destination_is_own(&writer->to))
		return refuse_checkout(writer, pending);
	if (pending == NULL || !needs_merge(pending) || is_settled(writer, pending))
		return TURN_NEXT;
	writer->step = STEP_MERGE;
	return start_merge(writer, pending);
}
