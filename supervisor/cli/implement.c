/*
 * kitty implement WPnn: one claim, one commit, one lane, the quickstart's four lines. Process: a
 * command.
 */
#include "supervisor/cli/implement.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/diagnostics.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/start.h"
#include "supervisor/cli/submit.h"
#include "supervisor/cli/write.h"
#include "supervisor/lane_ops.h"
#include "supervisor/lane_sync.h"
#include "supervisor/transaction/reader.h"
#include "supervisor/transaction/request.h"

static const struct kt_option options[] = {
	{"agent", 0, "NAME", false, "who works on it (the work package's agent, else `operator`)"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

void kt_implement_add_commit(struct kt_implement *implement, const struct kt_json *outcome)
{
	const struct kt_json *receipt = kt_json_get(outcome, "receipt");
	struct kt_json *row = kt_json_new_object();

	kt_json_set_string(row, "destination_ref", kt_json_get_string(receipt, "destination_ref"));
	kt_json_set_string(row, "message", kt_json_get_string(outcome, "message"));
	kt_json_set_string(row, "outcome", "committed");
	kt_json_set_string(row, "sha", kt_json_get_string(receipt, "commit_sha"));
	kt_json_set_string(row, "wp_id", implement->wp->id);
	kt_json_append(implement->commits, row);
}

/* Before a lane is made: a claim that cannot succeed should leave nothing behind. The writer checks
 * again. */
static enum kt_code holder_check(const struct kt_implement *implement, struct kt_error *err)
{
	struct kt_wp_state state = {0};
	const char *holder = NULL;

	if (!kt_reducer_wp(implement->view->state, implement->wp->id, &state) ||
		state.status == KT_STATUS_GENESIS)
		return kt_error_set(err, KT_E_WP_NOT_FINALIZED, "%s", implement->wp->id);
	if (state.status == KT_STATUS_PLANNED)
		return kt_dependencies_check(implement->view, implement->wp, err);
	if (state.status != KT_STATUS_CLAIMED && state.status != KT_STATUS_IN_PROGRESS)
		return kt_error_set(err, KT_E_TRANSITION_REJECTED, "%s is %s and cannot be claimed",
			implement->wp->id, kt_status_name(state.status));
	holder = state.claim_actor != NULL ? state.claim_actor : state.actor;
	if (holder != NULL && strcmp(holder, implement->actor) != 0 &&
		strcmp(state.actor, implement->actor) != 0)
		return kt_error_set(err, KT_E_WP_ALREADY_CLAIMED, "%s is %s, held by %s",
			implement->wp->id, kt_status_name(state.status), holder);
	return KT_E_OK;
}

/* --agent, else what the frontmatter names (tool[:model...]), else a person. */
static char *actor_of(const struct kt_implement *implement)
{
	const char *given = kt_invocation_value(implement->invocation, "agent");

	if (given != NULL)
		return kt_strdup(given);
	if (implement->wp->agent != NULL && implement->wp->agent[0] != '\0')
		return kt_strndup(implement->wp->agent, strcspn(implement->wp->agent, ":"));
	return kt_strdup(KT_OPERATOR);
}

/* An agent is refused its neighbour's work package by the writer; it shall not even get the lane.
 */
static enum kt_code own_lane_check(const struct kt_implement *implement, struct kt_error *err)
{
	const char *mission = kt_environment_value("SPEC_KITTY_MISSION");
	const char *lane = kt_environment_value("SPEC_KITTY_LANE");

	if (mission == NULL || lane == NULL || kt_environment_value("SPEC_KITTY_SOCKET") == NULL ||
		strcmp(mission, implement->context->mission->slug) != 0 ||
		strcmp(lane, implement->lane->id) == 0)
		return KT_E_OK;
	return kt_error_set(err, KT_E_LANE_FOREIGN_WP, "%.40s asked for %s, which is %s's", lane,
		implement->wp->id, implement->lane->id);
}

static enum kt_code check(struct kt_implement *implement, struct kt_error *err)
{
	const char *wp_id = implement->invocation->arguments[0];
	struct kt_context *context = implement->context;
	const char *handle = kt_invocation_value(implement->invocation, "mission");
	enum kt_code code = kt_wp_argument(wp_id, err);

	if (code == KT_E_OK)
		code = kt_context_open_mission(context, handle, err);
	if (code == KT_E_OK)
		code = kt_view_load(context->repo, context->mission, &implement->view, err);
	if (code != KT_E_OK)
		return code;
	if (implement->view->plan == NULL)
		return kt_error_set(err, KT_E_MISSION_NOT_FINALIZED, "%s", context->mission->slug);
	implement->wp = kt_plan_find_wp(implement->view->plan, wp_id);
	if (implement->wp == NULL)
		return kt_error_set(
			err, KT_E_WP_NOT_FOUND, "%s in %s", wp_id, context->mission->slug);
	implement->lane = kt_lanes_of_wp(implement->view->plan->lanes, wp_id);
	if (implement->lane == NULL)
		return kt_error_set(err, KT_E_LANE_NOT_FOUND, "%s has no lane", wp_id);
	implement->actor = actor_of(implement);
	code = own_lane_check(implement, err);
	return code == KT_E_OK ? holder_check(implement, err) : code;
}

static bool is_planning(const struct kt_implement *implement)
{
	return strcmp(implement->lane->id, "lane-planning") == 0;
}

/* Coordination worktree, then the lane's. Planning work happens in the primary checkout. */
static enum kt_code lane_ready(struct kt_implement *implement, struct kt_error *err)
{
	struct kt_context *context = implement->context;
	struct kt_lane_sync sync = {
		.lane_id = implement->lane->id, .wp_id = implement->wp->id, .point = KT_SYNC_CLAIM};
	bool created = false, was_made = false;
	enum kt_code code = KT_E_OK;

	if (is_planning(implement)) {
		implement->worktree = kt_strdup(context->repo->primary);
		return KT_E_OK;
	}
	/* Asked first: a worktree that appears meanwhile was not missing. */
	was_made = kt_coordination_was_made(context->mission);
	if (context->mission->coordination_branch != NULL)
		code = kt_coordination_prepare(context->repo, context->mission, &created, err);
	if (code == KT_E_OK && created && was_made)
		kt_print_notice("warning: the coordination worktree was missing; it was made again "
				"from %s",
			context->mission->coordination_branch);
	if (code == KT_E_OK)
		code = kt_lane_ready(context->repo, context->mission, &sync, &implement->facts,
			&implement->synced, err);
	if (code == KT_E_OK)
		implement->worktree =
			kt_mission_lane_worktree(context->mission, implement->lane->id);
	return code;
}

static enum kt_code claim(
	struct kt_implement *implement, struct kt_json **outcome, struct kt_error *err)
{
	struct kt_json *request = kt_request_new("implement");
	struct kt_json *metadata = kt_json_new_object();
	struct kt_json *op = kt_request_add_move(
		request, implement->wp->id, KT_STATUS_CLAIMED, implement->actor);
	enum kt_code code = KT_E_OK;

	kt_json_set_string(metadata, "agent", implement->actor);
	kt_json_set(op, "policy_metadata", metadata);
	if (is_planning(implement))
		kt_json_set_string(op, "execution_mode", "direct_repo");
	code = kt_request_check(request, err);
	if (code == KT_E_OK)
		code = kt_submit(implement->context, request, "implement", outcome, err);
	if (code == KT_E_OK) {
		kt_implement_add_commit(implement, *outcome);
		implement->is_resumed =
			kt_json_get_bool(kt_json_get(*outcome, "receipt"), "is_noop", false);
	}
	kt_json_free(request);
	return code;
}

static void commits_print(const struct kt_json *commits)
{
	kt_print("[implement] Commits recorded:\n");
	for (const struct kt_json *c = kt_json_first(commits); c != NULL; c = kt_json_next(c))
		kt_print("- %s %s ✓\n", kt_json_get_string(c, "destination_ref"),
			kt_json_get_string(c, "message"));
}

/* The path as people type it: below the primary checkout. */
static const char *shown_path(const struct kt_implement *implement)
{
	const char *root = implement->context->repo->primary;
	size_t len = strlen(root);

	if (strncmp(implement->worktree, root, len) == 0 && implement->worktree[len] == '/')
		return implement->worktree + len + 1;
	return implement->worktree;
}

static void report_text(const struct kt_implement *implement)
{
	kt_print("[implement] %s claimed for %s\n", implement->wp->id, implement->lane->id);
	commits_print(implement->commits);
	kt_print("[implement] Agent ready in %s/\n", shown_path(implement));
}

static void report_json(
	const struct kt_implement *implement, const struct kt_json *claimed, const char *result)
{
	struct kt_json *answer = kt_json_new_object();
	const struct kt_mission *mission = implement->context->mission;

	kt_json_set_string(answer, "result", "success");
	kt_json_set(answer, "commits", kt_json_copy(implement->commits));
	kt_json_set_string(answer, "workspace", shown_path(implement));
	kt_json_set_string(answer, "workspace_path", implement->worktree);
	kt_json_set_string(answer, "branch", kt_json_get_string(implement->facts, "branch"));
	kt_json_set_string(answer, "mission_slug", mission->slug);
	kt_json_set_string(
		answer, "mission_type", kt_json_get_string(mission->meta, "mission_type"));
	kt_json_set_string(answer, "wp_id", implement->wp->id);
	kt_json_set_string(answer, "lane_id", implement->lane->id);
	kt_json_set_string(answer, "agent", implement->actor);
	kt_json_set_string(
		answer, "execution_mode", is_planning(implement) ? "direct_repo" : "worktree");
	kt_json_set_string(answer, "status",
		kt_json_get_bool(implement->facts, "created", false) ? "created" : "resumed");
	if (result != NULL)
		kt_json_set_string(answer, "outcome", result);
	if (implement->reason != NULL)
		kt_json_set_string(answer, "reason", implement->reason);
	kt_json_set(answer, "receipt", kt_json_copy(kt_json_get(claimed, "receipt")));
	kt_print_json(answer);
	kt_json_free(answer);
}

static int work(struct kt_implement *implement, const struct kt_json *claimed)
{
	bool json = implement->invocation->json;
	const char *result = NULL;
	struct kt_json *outcome = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (!json)
		report_text(implement);
	if (implement->invocation->rest != NULL) {
		(void)kt_output_finish(KT_EXIT_OK);
		if (kt_implement_run(implement, &result, &outcome, &err) != KT_E_OK) {
			status = kt_fail_outcome(json, outcome, &err);
			goto out;
		}
		status = strcmp(result, kt_status_name(KT_STATUS_BLOCKED)) == 0 ? KT_EXIT_FAILED
										: KT_EXIT_OK;
	}
	if (json)
		report_json(implement, claimed, result);
	else if (result != NULL)
		kt_print("[implement] %s is %s%s%s\n", implement->wp->id, result,
			implement->reason == NULL ? "" : ": ",
			implement->reason == NULL ? "" : implement->reason);
out:
	kt_json_free(outcome);
	return status;
}

/* A conflict of a sync point is told whole. */
static int fail_lane(struct kt_implement *implement, const struct kt_error *err)
{
	struct kt_json *synced = implement->synced;

	if (kt_json_get(synced, "conflict") == NULL)
		return kt_context_fail(implement->context, implement->invocation->json, err);
	implement->synced = NULL;
	return kt_fail_with(implement->invocation->json, err, synced);
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_implement implement = {
		.invocation = invocation, .context = &context, .commits = kt_json_new_array()};
	struct kt_json *outcome = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (check(&implement, &err) != KT_E_OK)
		status = kt_context_fail(&context, invocation->json, &err);
	else if (lane_ready(&implement, &err) != KT_E_OK)
		status = fail_lane(&implement, &err);
	else if (claim(&implement, &outcome, &err) != KT_E_OK)
		status = kt_fail_outcome(invocation->json, outcome, &err);
	else
		status = work(&implement, outcome);
	kt_json_free(outcome);
	kt_json_free(implement.facts);
	kt_json_free(implement.synced);
	kt_json_free(implement.commits);
	free(implement.reason);
	free(implement.actor);
	free(implement.worktree);
	kt_view_free(implement.view);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_implement = {
	.summary = "claim a work package and prepare its lane",
	.arguments = "WP [-- COMMAND ARG...]",
	.help = "Claims the work package (one event, one commit on the coordination branch), makes "
		"its lane's\n"
		"worktree and exits: go on in the lane. With a command it also runs it there, and "
		"moves the\n"
		"work package to for_review when it ends well with work, else to blocked. The same "
		"agent\n"
		"may run it again; another one gets a conflict (exit 5).",
	.options = options,
	.min_arguments = 1,
	.max_arguments = 1,
	.takes_rest = true,
	.run = run,
};
