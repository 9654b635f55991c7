/*
 * kitty internal integrate, internal lane-sync: merges that are computed for the writer and for the
 * supervisor because they block on git. Process: a short-lived helper below whoever writes. One
 * JSON object on standard output: the facts, or the error with the conflict beside it.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/integrate.h"
#include "supervisor/lane_sync.h"
#include "supervisor/transaction/reader.h"

static const struct kt_option options[] = {
	KT_OPTION_MISSION,
	{"lane", 0, "LANE", false, "lane whose commit it is; none: the target's"},
	{"commit", 0, "SHA", false, "what is merged"},
	{"resolution", 0, "SHA", false, "a merge that holds it and solves its conflict"},
	{"onto", 0, "SHA", false, "tip of the coordination branch"},
	KT_OPTION_END,
};

static enum kt_code wish_fill(
	const struct kt_invocation *invocation, struct kt_integration *wish, struct kt_error *err)
{
	const char *commit = kt_invocation_value(invocation, "commit");
	const char *onto = kt_invocation_value(invocation, "onto");
	const char *resolution = kt_invocation_value(invocation, "resolution");

	wish->lane_id = kt_invocation_value(invocation, "lane");
	if (commit == NULL || onto == NULL || !kt_oid_parse(commit, &wish->commit) ||
		!kt_oid_parse(onto, &wish->onto) ||
		(resolution != NULL && !kt_oid_parse(resolution, &wish->resolution)))
		return kt_error_set(err, KT_E_USAGE, "--commit SHA and --onto SHA are needed");
	return KT_E_OK;
}

/* The plan decides whose file it is, as it did before the review. */
static enum kt_code owners_find(struct kt_context *context, struct kt_integration *wish,
	struct kt_view **view, struct kt_error *err)
{
	enum kt_code code = kt_context_config(context, err);

	if (code != KT_E_OK || !context->config->owned_required)
		return code;
	code = kt_view_load(context->repo, context->mission, view, err);
	if (code == KT_E_OK)
		wish->owners = (*view)->plan;
	return code;
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_integration wish = {.lane_id = NULL};
	struct kt_view *view = NULL;
	struct kt_git_place place = {.cwd = NULL};
	struct kt_json *facts = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = wish_fill(invocation, &wish, &err);
	int status = KT_EXIT_OK;

	if (code == KT_E_OK)
		code = kt_context_mission(
			&context, kt_invocation_value(invocation, "mission"), &err);
	if (code == KT_E_OK)
		code = kt_git_place_init(&place, context.mission, false, &err);
	wish.repo = context.repo;
	if (code == KT_E_OK)
		code = owners_find(&context, &wish, &view, &err);
	if (code == KT_E_OK)
		code = kt_integration_compute(&place, context.mission, &wish, &facts, &err);
	if (code == KT_E_OK) {
		kt_print_json(facts);
	} else {
		if (facts != NULL)
			kt_json_set(facts, "error", kt_error_json(&err));
		status = kt_fail_with(true, &err, facts);
		facts = NULL;
	}
	kt_json_free(facts);
	kt_git_place_release(&place);
	kt_view_free(view);
	kt_context_release(&context);
	return status;
}

/* ---- sync points ---- */

static const struct kt_option sync_options[] = {
	KT_OPTION_MISSION,
	{"lane", 0, "LANE", false, "lane-a"},
	{"wp", 0, "WP", false, "work package that is claimed or reviewed"},
	{"point", 0, "POINT", false, "claim or review"},
	KT_OPTION_END,
};

static enum kt_code sync_fill(
	const struct kt_invocation *invocation, struct kt_lane_sync *wish, struct kt_error *err)
{
	const char *point = kt_invocation_value(invocation, "point");

	wish->lane_id = kt_invocation_value(invocation, "lane");
	wish->wp_id = kt_invocation_value(invocation, "wp");
	if (wish->lane_id == NULL || wish->wp_id == NULL || point == NULL ||
		(strcmp(point, "claim") != 0 && strcmp(point, "review") != 0))
		return kt_error_set(err, KT_E_USAGE,
			"--lane LANE, --wp WP and --point claim|review are needed");
	wish->point = point[0] == 'c' ? KT_SYNC_CLAIM : KT_SYNC_REVIEW;
	return KT_E_OK;
}

static int run_sync(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_lane_sync wish = {.lane_id = NULL};
	struct kt_json *facts = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = sync_fill(invocation, &wish, &err);
	int status = KT_EXIT_OK;

	if (code == KT_E_OK)
		code = kt_context_mission(
			&context, kt_invocation_value(invocation, "mission"), &err);
	if (code == KT_E_OK)
		code = kt_lane_sync(context.repo, context.mission, &wish, &facts, &err);
	if (code == KT_E_OK) {
		kt_print_json(facts);
	} else {
		status = kt_fail_with(true, &err, facts);
		facts = NULL;
	}
	kt_json_free(facts);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_internal_lane_sync = {
	.summary = "bring the coordination branch and the dependencies into a lane",
	.arguments = "",
	.options = sync_options,
	.is_hidden = true,
	.run = run_sync,
};

const struct kt_command kt_command_internal_integrate = {
	.summary = "compute the merge of a lane's commit",
	.arguments = "",
	.options = options,
	.is_hidden = true,
	.run = run,
};
