/*
 * The board's answer to "what next?". Process: a command. Pure.
 */
#include "supervisor/cli/next_step.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/pick.h"
#include "supervisor/cli/start.h"
#include "supervisor/report.h"

struct board {
	size_t counts[KT_STATUS_COUNT];
	size_t total;
};

static enum kt_status status_of(const struct kt_view *view, const char *wp_id)
{
	struct kt_wp_state state = {0};

	return kt_reducer_wp(view->state, wp_id, &state) ? state.status : KT_STATUS_GENESIS;
}

static struct board board_of(const struct kt_view *view)
{
	struct board board = {{0}, 0};

	for (size_t i = 0; view->plan != NULL && i < view->plan->wps_len; i++) {
		board.counts[status_of(view, view->plan->wps[i].id)]++;
		board.total++;
	}
	return board;
}

struct kt_json *kt_step_progress(const struct kt_view *view)
{
	struct kt_json *progress = kt_json_new_object();
	struct board board = board_of(view);
	double weighted = 0.0;

	for (int i = 0; i < KT_STATUS_COUNT; i++)
		weighted += kt_progress_weight((enum kt_status)i) * (double)board.counts[i];
	if (board.total > 0)
		weighted /= (double)board.total;
	kt_json_set_int(progress, "total_wps", (int64_t)board.total);
	kt_json_set_int(progress, "done_wps", (int64_t)board.counts[KT_STATUS_DONE]);
	kt_json_set_int(progress, "approved_wps", (int64_t)board.counts[KT_STATUS_APPROVED]);
	kt_json_set_int(progress, "in_progress_wps",
		(int64_t)(board.counts[KT_STATUS_IN_PROGRESS] + board.counts[KT_STATUS_CLAIMED]));
	kt_json_set_int(progress, "planned_wps", (int64_t)board.counts[KT_STATUS_PLANNED]);
	kt_json_set_int(progress, "for_review_wps",
		(int64_t)(board.counts[KT_STATUS_FOR_REVIEW] + board.counts[KT_STATUS_IN_REVIEW]));
	kt_json_set(progress, "weighted_percentage",
		kt_json_new_double((double)(int64_t)(weighted * 10.0 + 0.5) / 10.0));
	return progress;
}

/* "no_planned_wps: WP01 is in_review, WP02 is blocked" */
static char *standstill_tell(const struct kt_view *view)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	const char *separator = ":";

	kt_buffer_puts(&text, kt_pick_reason(view, "implement"));
	for (size_t i = 0; i < view->plan->wps_len; i++) {
		const char *id = view->plan->wps[i].id;
		enum kt_status status = status_of(view, id);

		if (kt_status_satisfies_dependency(status) || status == KT_STATUS_CANCELED)
			continue;
		kt_buffer_printf(&text, "%s %s is %s", separator, id, kt_status_name(status));
		separator = ",";
	}
	return kt_buffer_take(&text);
}

static void work_decide(const struct kt_view *view, const char *agent, struct kt_step *out)
{
	static const char *const actions[] = {"implement", "review"};
	enum kt_status status = KT_STATUS_NONE;

	/* What the agent has begun comes first, a review too. */
	out->wp = agent == NULL ? NULL : kt_step_current(view, agent, &status);
	if (out->wp != NULL) {
		out->action = actions[status == KT_STATUS_IN_REVIEW];
		return;
	}
	for (size_t i = 0; i < 2 && out->wp == NULL; i++) {
		out->wp = kt_pick(view, actions[i], agent);
		out->action = actions[i];
	}
}

void kt_step_decide(const struct kt_view *view, const char *agent, struct kt_step *out)
{
	struct board board = board_of(view);
	size_t over = 0, ready = 0;

	*out = (struct kt_step){KT_STEP_BLOCKED, NULL, NULL, NULL};
	if (view->plan == NULL || board.total == 0) {
		out->reason = kt_format("%s: kitty agent mission finalize-tasks",
			kt_pick_reason(view, "implement"));
		return;
	}
	over = board.counts[KT_STATUS_DONE] + board.counts[KT_STATUS_CANCELED];
	ready = over + board.counts[KT_STATUS_APPROVED];
	work_decide(view, agent, out);
	if (out->wp != NULL) {
		out->kind = KT_STEP_WORK;
		return;
	}
	out->action = NULL;
	if (over == board.total) {
		out->kind = KT_STEP_TERMINAL;
	} else if (ready == board.total) {
		out->kind = KT_STEP_ACCEPT;
		out->action = "accept";
	} else {
		out->reason = standstill_tell(view);
	}
}

void kt_step_release(struct kt_step *step)
{
	free(step->reason);
	*step = (struct kt_step){KT_STEP_BLOCKED, NULL, NULL, NULL};
}

const struct kt_wp *kt_step_current(
	const struct kt_view *view, const char *agent, enum kt_status *status)
{
	for (size_t i = 0; view->plan != NULL && i < view->plan->wps_len; i++) {
		struct kt_wp_state state = {0};

		if (kt_reducer_wp(view->state, view->plan->wps[i].id, &state) &&
			kt_wp_is_held_by(&state, agent)) {
			*status = state.status;
			return &view->plan->wps[i];
		}
	}
	return NULL;
}
