/*
 * The next work package. Process: a command. Never writes.
 */
#include "supervisor/cli/pick.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/start.h"
#include "supervisor/cli/write.h"

/* "wp01" and "WP01-title" -> "WP01" (gives); NULL: neither. */
static char *wp_id_normal(const char *text)
{
	char *id = kt_strndup(text, strcspn(text, "-_. "));
	struct kt_error ignored = KT_ERROR_INIT;

	for (char *at = id; *at != '\0'; at++)
		if (*at >= 'a' && *at <= 'z')
			*at = (char)(*at - 'a' + 'A');
	if (kt_wp_argument(id, &ignored) == KT_E_OK)
		return id;
	free(id);
	return NULL;
}

typedef bool (*fits_cb)(const struct kt_view *view, const struct kt_wp *wp,
	const struct kt_wp_state *state, const char *agent);

static bool is_own_work(const struct kt_view *view, const struct kt_wp *wp,
	const struct kt_wp_state *state, const char *agent)
{
	(void)view;
	(void)wp;
	return (state->status == KT_STATUS_CLAIMED || state->status == KT_STATUS_IN_PROGRESS) &&
	       (agent == NULL || kt_wp_is_held_by(state, agent));
}

static bool is_startable(const struct kt_view *view, const struct kt_wp *wp,
	const struct kt_wp_state *state, const char *agent)
{
	struct kt_error ignored = KT_ERROR_INIT;

	(void)agent;
	return state->status == KT_STATUS_PLANNED &&
	       kt_dependencies_check(view, wp, &ignored) == KT_E_OK;
}

static bool is_own_review(const struct kt_view *view, const struct kt_wp *wp,
	const struct kt_wp_state *state, const char *agent)
{
	(void)view;
	(void)wp;
	return state->status == KT_STATUS_IN_REVIEW &&
	       (agent == NULL || kt_wp_is_held_by(state, agent));
}

static bool is_reviewable(const struct kt_view *view, const struct kt_wp *wp,
	const struct kt_wp_state *state, const char *agent)
{
	(void)view;
	(void)wp;
	(void)agent;
	return state->status == KT_STATUS_FOR_REVIEW;
}

static const struct kt_wp *first(const struct kt_view *view, fits_cb fits, const char *agent)
{
	for (size_t i = 0; view->plan != NULL && i < view->plan->wps_len; i++) {
		const struct kt_wp *wp = &view->plan->wps[i];
		struct kt_wp_state state = {0};

		if (kt_reducer_wp(view->state, wp->id, &state) && fits(view, wp, &state, agent))
			return wp;
	}
	return NULL;
}

static const struct kt_wp *first_implement(const struct kt_view *view, const char *agent)
{
	const struct kt_wp *own = agent == NULL ? NULL : first(view, is_own_work, agent);

	if (own == NULL)
		own = first(view, is_startable, agent);
	/* Nobody in particular asks: what is under way is what there is to do. */
	return own == NULL && agent == NULL ? first(view, is_own_work, NULL) : own;
}

const struct kt_wp *kt_pick(const struct kt_view *view, const char *action, const char *agent)
{
	const struct kt_wp *own = NULL;

	if (strcmp(action, "implement") == 0)
		return first_implement(view, agent);
	own = agent == NULL ? NULL : first(view, is_own_review, agent);
	return own != NULL ? own : first(view, is_reviewable, agent);
}

const char *kt_pick_reason(const struct kt_view *view, const char *action)
{
	bool has_planned = false, has_running = false;

	if (view->plan == NULL)
		return "not_finalized";
	if (view->plan->wps_len == 0)
		return "no_wp_files";
	if (strcmp(action, "implement") != 0)
		return "no_reviewable_wps";
	for (size_t i = 0; i < view->plan->wps_len; i++) {
		struct kt_wp_state state = {0};

		if (!kt_reducer_wp(view->state, view->plan->wps[i].id, &state))
			continue;
		has_planned |= state.status == KT_STATUS_PLANNED;
		has_running |=
			state.status == KT_STATUS_CLAIMED || state.status == KT_STATUS_IN_PROGRESS;
	}
	if (has_planned)
		return "dependencies_not_satisfied";
	return has_running ? "all_wps_in_progress" : "no_planned_wps";
}

enum kt_code kt_pick_wp(struct kt_context *context, const char *action, const char *wp_id,
	const char *agent, char **out, struct kt_error *err)
{
	struct kt_view *view = NULL;
	const struct kt_wp *wp = NULL;
	enum kt_code code = KT_E_OK;

	if (wp_id != NULL) {
		char *normal = wp_id_normal(wp_id);

		if (normal == NULL)
			return kt_wp_argument(wp_id, err);
		*out = normal;
		return KT_E_OK;
	}
	code = kt_view_load(context->repo, context->mission, &view, err);
	if (code == KT_E_OK) {
		wp = kt_pick(view, action, agent);
		if (wp != NULL)
			*out = kt_strdup(wp->id);
		else if (view->plan == NULL)
			code = kt_error_set(
				err, KT_E_MISSION_NOT_FINALIZED, "%s", context->mission->slug);
		else
			code = kt_error_set(err, KT_E_WP_NOT_FOUND, "nothing to %s: %s", action,
				kt_pick_reason(view, action));
	}
	kt_view_free(view);
	return code;
}
