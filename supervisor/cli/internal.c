/*
 * kitty internal ...: what the supervisor lets a child do because it blocks on git. Process: a
 * short-lived helper below the supervisor; its folder is the primary checkout. One JSON object on
 * standard output.
 */
#include <errno.h>
#include <stdlib.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/lane_ops.h"
#include "supervisor/transaction/reader.h"

#define OPTION_LANE \
	{ \
		"lane", 0, "LANE", false, "lane-a" \
	}
#define OPTION_SINCE \
	{ \
		"since", 0, "SHA", false, "commit the lane started from" \
	}

typedef enum kt_code (*internal_cb)(struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json **facts, struct kt_error *err);

static int internal_run(struct kt_invocation *invocation, internal_cb act)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *facts = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err) !=
			KT_E_OK ||
		act(invocation, &context, &facts, &err) != KT_E_OK)
		status = kt_context_fail(&context, true, &err);
	else
		kt_print_json(facts);
	kt_json_free(facts);
	kt_context_release(&context);
	return status;
}

static enum kt_code lane_needed(
	const struct kt_invocation *invocation, const char **lane, struct kt_error *err)
{
	*lane = kt_invocation_value(invocation, "lane");
	return *lane != NULL ? KT_E_OK : kt_error_set(err, KT_E_USAGE, "--lane LANE is needed");
}

static enum kt_code coordination(struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json **facts, struct kt_error *err)
{
	bool created = false;
	enum kt_code code = kt_coordination_prepare(context->repo, context->mission, &created, err);

	(void)invocation;
	if (code != KT_E_OK)
		return code;
	*facts = kt_json_new_object();
	kt_json_set_string(*facts, "worktree", context->mission->coord_worktree);
	kt_json_set_bool(*facts, "created", created);
	return KT_E_OK;
}

static enum kt_code coordination_sync(struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json **facts, struct kt_error *err)
{
	const char *since = kt_invocation_value(invocation, "since");
	struct kt_oid oid = {{0}};
	enum kt_code code = KT_E_OK;

	if (since == NULL || !kt_oid_parse(since, &oid))
		return kt_error_set(err, KT_E_USAGE, "--since SHA is needed");
	code = kt_coordination_sync(context->repo, context->mission, since, err);
	if (code == KT_E_OK)
		*facts = kt_json_new_object();
	return code;
}

/* A worktree is made only for a lane of the plan, whoever asks. */
static enum kt_code lane_known(struct kt_context *context, const char *lane, struct kt_error *err)
{
	struct kt_view *view = NULL;
	char *id = kt_lane_id_parse(lane);
	enum kt_code code = kt_view_load(context->repo, context->mission, &view, err);

	if (code == KT_E_OK && view->plan == NULL)
		code = kt_error_set(err, KT_E_MISSION_NOT_FINALIZED, "%s", context->mission->slug);
	else if (code == KT_E_OK && (id == NULL || kt_lanes_find(view->plan->lanes, id) == NULL))
		code = kt_error_set(
			err, KT_E_LANE_NOT_FOUND, "`%.60s` in %s", lane, context->mission->slug);
	kt_view_free(view);
	free(id);
	return code;
}

static enum kt_code lane_prepare(struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json **facts, struct kt_error *err)
{
	const char *lane = NULL;
	enum kt_code code = lane_needed(invocation, &lane, err);

	if (code == KT_E_OK)
		code = lane_known(context, lane, err);
	return code != KT_E_OK ? code
			       : kt_lane_prepare(context->repo, context->mission, lane, facts, err);
}

static enum kt_code lane_inspect(struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json **facts, struct kt_error *err)
{
	const char *lane = NULL;
	enum kt_code code = lane_needed(invocation, &lane, err);

	return code != KT_E_OK ? code
			       : kt_lane_inspect(context->repo, context->mission, lane,
					 kt_invocation_value(invocation, "since"), facts, err);
}

static enum kt_code lane_commit(struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json **facts, struct kt_error *err)
{
	struct kt_lane_finish finish = {
		.wp_id = kt_invocation_value(invocation, "wp"),
		.wp_title = kt_invocation_value(invocation, "title"),
		.agent = kt_invocation_value(invocation, "agent"),
		.since = kt_invocation_value(invocation, "since"),
	};
	long max_bytes = 0;
	enum kt_code code = lane_needed(invocation, &finish.lane_id, err);

	if (code == KT_E_OK && (finish.wp_id == NULL || finish.agent == NULL))
		code = kt_error_set(err, KT_E_USAGE, "--wp WP and --agent NAME are needed");
	if (code == KT_E_OK)
		code = kt_invocation_number(invocation, "max-bytes", 64L << 20, &max_bytes, err);
	if (code != KT_E_OK)
		return code;
	finish.max_bytes = max_bytes;
	return kt_lane_commit(context->repo, context->mission, &finish, facts, err);
}

static int run_coordination(struct kt_invocation *invocation)
{
	return internal_run(invocation, coordination);
}

static int run_coordination_sync(struct kt_invocation *invocation)
{
	return internal_run(invocation, coordination_sync);
}

static int run_lane_prepare(struct kt_invocation *invocation)
{
	return internal_run(invocation, lane_prepare);
}

static int run_lane_inspect(struct kt_invocation *invocation)
{
	return internal_run(invocation, lane_inspect);
}

static int run_lane_commit(struct kt_invocation *invocation)
{
	return internal_run(invocation, lane_commit);
}

static const struct kt_option mission_options[] = {KT_OPTION_MISSION, KT_OPTION_END};
static const struct kt_option sync_options[] = {KT_OPTION_MISSION, OPTION_SINCE, KT_OPTION_END};
static const struct kt_option lane_options[] = {
	KT_OPTION_MISSION, OPTION_LANE, OPTION_SINCE, KT_OPTION_END};
static const struct kt_option commit_options[] = {KT_OPTION_MISSION, OPTION_LANE, OPTION_SINCE,
	{"wp", 0, "WP", false, "work package"}, {"title", 0, "TEXT", false, "its title"},
	{"agent", 0, "NAME", false, "author of the commit"},
	{"max-bytes", 0, "N", false, "most that is committed"}, KT_OPTION_END};

const struct kt_command kt_command_internal_coordination = {
	.summary = "make the coordination worktree",
	.arguments = "",
	.options = mission_options,
	.is_hidden = true,
	.run = run_coordination,
};

const struct kt_command kt_command_internal_coordination_sync = {
	.summary = "bring the coordination worktree's files to the tip",
	.arguments = "",
	.options = sync_options,
	.is_hidden = true,
	.run = run_coordination_sync,
};

const struct kt_command kt_command_internal_lane_prepare = {
	.summary = "make a lane's worktree",
	.arguments = "",
	.options = lane_options,
	.is_hidden = true,
	.run = run_lane_prepare,
};

const struct kt_command kt_command_internal_lane_inspect = {
	.summary = "say what a lane's worktree holds",
	.arguments = "",
	.options = lane_options,
	.is_hidden = true,
	.run = run_lane_inspect,
};

const struct kt_command kt_command_internal_lane_commit = {
	.summary = "commit what an agent left in a lane",
	.arguments = "",
	.options = commit_options,
	.is_hidden = true,
	.run = run_lane_commit,
};
