/*
 * approved -> done: the lane of an approved work package is integrated by a request to the writer,
 * one after the other, dependencies first. Runs in the supervisor. Must never move the target: that
 * is `kitty merge`'s.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/merge_request.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/transaction/request.h"

static const char PLANNING_LANE[] = "lane-planning";

static bool is_integrated(const struct kt_supervisor *supervisor, const char *wp_id)
{
	const struct kt_lane_plan *lane = kt_lanes_of_wp(supervisor->plan->lanes, wp_id);
	enum kt_status status = kt_sup_status(supervisor, wp_id, NULL);

	/* People integrate planning work; it has no lane to wait for. */
	if (lane != NULL && strcmp(lane->id, PLANNING_LANE) == 0)
		return status == KT_STATUS_APPROVED || status == KT_STATUS_DONE;
	return kt_status_is_terminal(status);
}

/* The WP whose integration must come first; NULL: none. A lane's commits build on one another. */
static const char *first_before(const struct kt_supervisor *supervisor, const struct kt_wp *wp)
{
	const struct kt_lane_plan *lane = kt_lanes_of_wp(supervisor->plan->lanes, wp->id);

	for (char **id = wp->dependencies; id != NULL && *id != NULL; id++)
		if (!is_integrated(supervisor, *id))
			return *id;
	for (char **id = lane == NULL ? NULL : lane->wp_ids; id != NULL && *id != NULL; id++) {
		if (strcmp(*id, wp->id) == 0)
			return NULL;
		if (!is_integrated(supervisor, *id))
			return *id;
	}
	return NULL;
}

static bool is_candidate(const struct kt_supervisor *supervisor, const struct kt_wp *wp)
{
	const struct kt_lane_plan *lane = kt_lanes_of_wp(supervisor->plan->lanes, wp->id);

	return lane != NULL && strcmp(lane->id, PLANNING_LANE) != 0 &&
	       kt_sup_status(supervisor, wp->id, NULL) == KT_STATUS_APPROVED &&
	       kt_json_get(supervisor->integration_waits, wp->id) == NULL;
}

static void wait_note(
	struct kt_supervisor *supervisor, const char *wp_id, const struct kt_error *err)
{
	char *text = kt_format("%s is approved and not integrated: %s: %s [%s]", wp_id,
		kt_error_summary(err->code), err->detail, kt_error_text(err->code));

	kt_json_set_string(supervisor->integration_waits, wp_id, text);
	kt_supervisor_say(supervisor, NULL, "%s", text);
	free(text);
}

static void on_integrated(const struct kt_json *outcome, void *arg)
{
	struct kt_supervisor *supervisor = arg;
	struct kt_error err = KT_ERROR_INIT;

	supervisor->is_integrating = false;
	supervisor->wants_integration = true;
	if (kt_outcome_code(outcome, &err) != KT_E_OK)
		wait_note(supervisor, supervisor->integrating, &err);
}

static void integrate(struct kt_supervisor *supervisor, const char *wp_id)
{
	struct kt_log_facts facts = {
		.repo = supervisor->launch->repo,
		.mission = supervisor->launch->mission,
		.state = kt_writer_state(supervisor->writer),
		.plan = supervisor->plan,
	};
	struct kt_json *request = NULL;
	struct kt_error err = KT_ERROR_INIT;
	bool is_recorded = false;

	facts.log = kt_writer_log(supervisor->writer, &facts.log_len);
	if (kt_integration_request(&facts, wp_id, KT_MERGE_ACTOR, &request, &is_recorded, &err) !=
		KT_E_OK) {
		wait_note(supervisor, wp_id, &err);
		supervisor->wants_integration = true;
		return;
	}
	free(supervisor->integrating);
	supervisor->integrating = kt_strdup(wp_id);
	supervisor->is_integrating = true;
	kt_sup_submit(supervisor, request, NULL, on_integrated, supervisor);
}

void kt_sup_integrate(struct kt_supervisor *supervisor)
{
	if (supervisor->is_integrating)
		return;
	supervisor->wants_integration = false;
	for (size_t i = 0; i < supervisor->plan->wps_len && !supervisor->is_integrating; i++) {
		const struct kt_wp *wp = &supervisor->plan->wps[i];

		/* Sent back meanwhile: its next approval is another commit. */
		if (kt_sup_status(supervisor, wp->id, NULL) != KT_STATUS_APPROVED)
			kt_json_remove(supervisor->integration_waits, wp->id);
		if (is_candidate(supervisor, wp) && first_before(supervisor, wp) == NULL)
			integrate(supervisor, wp->id);
	}
}

void kt_sup_integration_waits(const struct kt_supervisor *supervisor, struct kt_json *waits)
{
	for (size_t i = 0; i < supervisor->plan->wps_len; i++) {
		const struct kt_wp *wp = &supervisor->plan->wps[i];
		const char *noted = kt_json_get_string(supervisor->integration_waits, wp->id);
		const char *before = NULL;
		char *text = NULL;

		if (kt_sup_status(supervisor, wp->id, NULL) != KT_STATUS_APPROVED)
			continue;
		before = noted == NULL ? first_before(supervisor, wp) : NULL;
		if (noted != NULL)
			text = kt_strdup(noted);
		else if (before != NULL)
			text = kt_format(
				"%s is approved and waits until %s is integrated", wp->id, before);
		if (text != NULL)
			kt_json_append(waits, kt_json_new_string(text));
		free(text);
	}
}
