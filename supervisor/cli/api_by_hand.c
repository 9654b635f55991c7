/*
 * orchestrator-api and missions whose folder was made by hand: work packages, but no lanes yet and
 * no rows. Queries compute the plan and write nothing; the first start finalises the mission, as
 * `finalize-tasks` would. Process: a command. Must never touch a mission with a coordination
 * branch.
 */
#include <stdlib.h>

#include "supervisor/cli/api.h"
#include "supervisor/cli/finalize.h"
#include "supervisor/cli/submit.h"

static bool is_by_hand(const struct kt_api *api, const struct kt_view *view)
{
	const struct kt_mission *mission = api->context.mission;

	return view->plan == NULL && mission->coordination_branch == NULL && !mission->is_closed;
}

enum kt_code kt_api_plan_fill(struct kt_api *api, struct kt_view *view, struct kt_error *err)
{
	struct kt_finalization finalization = {0};
	enum kt_code code = KT_E_OK;

	if (!is_by_hand(api, view))
		return KT_E_OK;
	code = kt_finalization_prepare(&api->context, &finalization, err);
	if (code == KT_E_OK) {
		view->plan = finalization.plan->plan;
		finalization.plan->plan = NULL;
	}
	kt_finalization_release(&finalization);
	return code;
}

static enum kt_code finalize(struct kt_api *api, struct kt_error *err)
{
	struct kt_finalization finalization = {0};
	struct kt_json *outcome = NULL;
	enum kt_code code = kt_finalization_prepare(&api->context, &finalization, err);

	if (code == KT_E_OK && finalization.request != NULL) {
		code = kt_finalization_store(&finalization, err);
		if (code == KT_E_OK)
			code = kt_submit(&api->context, finalization.request,
				"orchestrator-api start-implementation", &outcome, err);
	}
	kt_json_free(outcome);
	kt_finalization_release(&finalization);
	return code;
}

enum kt_code kt_api_finalize(struct kt_api *api, struct kt_error *err)
{
	struct kt_view *view = NULL;
	enum kt_code code = KT_E_OK;

	if (api->context.mission->coordination_branch != NULL)
		return KT_E_OK;
	code = kt_view_load(api->context.repo, api->context.mission, &view, err);
	if (code == KT_E_OK && is_by_hand(api, view))
		code = finalize(api, err);
	kt_view_free(view);
	return code;
}
