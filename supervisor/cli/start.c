/*
 * One way into a lane. Process: a command. Never claims before the lane is ready: a claim that
 * cannot be worked on would be a lie.
 */
#include "supervisor/cli/start.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"
#include "supervisor/lane_ops.h"
#include "supervisor/lane_sync.h"
#include "supervisor/prompt.h"
#include "supervisor/review.h"
#include "supervisor/transaction/request.h"

enum kt_code kt_dependencies_check(
	const struct kt_view *view, const struct kt_wp *wp, struct kt_error *err)
{
	struct kt_buffer open = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	for (char **id = wp->dependencies; id != NULL && *id != NULL; id++) {
		struct kt_wp_state state = {0};
		bool is_known = kt_reducer_wp(view->state, *id, &state);

		if (!is_known || !kt_status_satisfies_dependency(state.status))
			kt_buffer_printf(&open, "%s%s is %s", open.len == 0 ? "" : ", ", *id,
				kt_status_name(is_known ? state.status : KT_STATUS_GENESIS));
	}
	if (open.len > 0)
		code = kt_error_set(err, KT_E_DEPENDENCIES_NOT_SATISFIED,
			"dependencies_not_satisfied: %s waits for %s", wp->id,
			kt_buffer_text(&open));
	kt_buffer_release(&open);
	return code;
}

const char *kt_wp_holder(const struct kt_wp_state *state)
{
	if (state->status == KT_STATUS_IN_REVIEW)
		return state->actor;
	if (state->status != KT_STATUS_CLAIMED && state->status != KT_STATUS_IN_PROGRESS)
		return NULL;
	return state->claim_actor != NULL ? state->claim_actor : state->actor;
}

bool kt_wp_is_held_by(const struct kt_wp_state *state, const char *actor)
{
	const char *holder = kt_wp_holder(state);

	if (holder == NULL || actor == NULL)
		return false;
	return strcmp(holder, actor) == 0 ||
	       (state->actor != NULL && strcmp(state->actor, actor) == 0);
}

enum kt_code kt_start_open(
	struct kt_start *start, struct kt_context *context, const char *wp_id, struct kt_error *err)
{
	enum kt_code code = kt_view_load(context->repo, context->mission, &start->view, err);

	start->context = context;
	if (code != KT_E_OK)
		return code;
	if (start->view->plan == NULL)
		return kt_error_set(err, KT_E_MISSION_NOT_FINALIZED, "%s", context->mission->slug);
	start->wp = kt_plan_find_wp(start->view->plan, wp_id);
	if (start->wp == NULL)
		return kt_error_set(
			err, KT_E_WP_NOT_FOUND, "%s in %s", wp_id, context->mission->slug);
	start->lane = kt_lanes_of_wp(start->view->plan->lanes, start->wp->id);
	start->from = KT_STATUS_GENESIS;
	if (kt_reducer_wp(start->view->state, start->wp->id, &start->state) &&
		start->state.has_transition)
		start->from = start->state.status;
	start->to = start->from;
	return KT_E_OK;
}

static bool is_planning(const struct kt_start *start)
{
	return start->lane == NULL || strcmp(start->lane->id, "lane-planning") == 0;
}

void kt_start_place(struct kt_start *start)
{
	const struct kt_mission *mission = start->context->mission;

	free(start->workspace);
	free(start->branch);
	start->branch = NULL;
	if (is_planning(start)) {
		start->workspace = kt_strdup(start->context->repo->primary);
		return;
	}
	start->workspace = kt_mission_lane_worktree(mission, start->lane->id);
	start->branch = kt_mission_lane_branch(mission, start->lane->id);
}

/* Coordination worktree, then the lane's. Planning work happens in the primary checkout. */
static enum kt_code lane_ready(
	struct kt_start *start, enum kt_sync_point point, struct kt_error *err)
{
	struct kt_context *context = start->context;
	struct kt_lane_sync sync = {.lane_id = start->lane == NULL ? NULL : start->lane->id,
		.wp_id = start->wp->id,
		.point = point};
	struct kt_json *synced = NULL;
	bool was_created = false;
	bool was_made = kt_coordination_was_made(context->mission);
	enum kt_code code = KT_E_OK;

	kt_start_place(start);
	if (is_planning(start))
		return KT_E_OK;
	if (context->mission->coordination_branch != NULL)
		code = kt_coordination_prepare(context->repo, context->mission, &was_created, err);
	if (code == KT_E_OK && was_created && was_made)
		kt_print_notice("warning: the coordination worktree was missing; it is made again "
				"from %s",
			context->mission->coordination_branch);
	if (code == KT_E_OK)
		code = kt_lane_ready(
			context->repo, context->mission, &sync, &start->facts, &synced, err);
	kt_json_free(synced);
	return code;
}

static enum kt_code conflict(struct kt_start *start, struct kt_error *err)
{
	start->is_conflict = true;
	return kt_error_set(err, KT_E_WP_ALREADY_CLAIMED, "%s is %s, held by %s", start->wp->id,
		kt_status_name(start->from), kt_wp_holder(&start->state));
}

static enum kt_code cannot(const struct kt_start *start, const char *what, struct kt_error *err)
{
	if (start->from == KT_STATUS_GENESIS)
		return kt_error_set(err, KT_E_WP_NOT_FINALIZED, "%s", start->wp->id);
	return kt_error_set(err, KT_E_TRANSITION_REJECTED, "%s is %s and cannot be %s",
		start->wp->id, kt_status_name(start->from), what);
}

static void move_add(const struct kt_start *start, struct kt_json *request, enum kt_status from,
	enum kt_status to, const struct kt_start_wish *wish)
{
	struct kt_json *op = kt_request_add_move(request, start->wp->id, to, wish->actor);
	struct kt_json *metadata = NULL;

	kt_json_set_string(op, "from", kt_status_name(from));
	if (wish->policy != NULL) {
		metadata = kt_json_copy(wish->policy);
	} else if (to == KT_STATUS_CLAIMED) {
		metadata = kt_json_new_object();
		kt_json_set_string(metadata, "agent", wish->actor);
	}
	if (metadata != NULL)
		kt_json_set(op, "policy_metadata", metadata);
	if (wish->review_ref != NULL)
		kt_json_set_string(op, "review_ref", wish->review_ref);
	if (is_planning(start))
		kt_json_set_string(op, "execution_mode", "direct_repo");
}

/* Takes request. */
static enum kt_code send(struct kt_start *start, struct kt_json *request,
	const struct kt_start_wish *wish, enum kt_status to, struct kt_error *err)
{
	enum kt_code code = kt_request_check(request, err);

	if (code == KT_E_OK)
		code = kt_submit(start->context, request, wish->command, &start->outcome, err);
	kt_json_free(request);
	start->is_conflict = code == KT_E_WP_ALREADY_CLAIMED || code == KT_E_STATUS_CONFLICT;
	if (code == KT_E_OK)
		start->to = to;
	return code;
}

/* Names that spec-kitty writes when nobody gave one: such a claim keeps nobody out. */
static bool is_nobody(const char *actor)
{
	return actor == NULL || actor[0] == '\0' || strcmp(actor, "implement-command") == 0 ||
	       strcmp(actor, "unknown") == 0;
}

static bool is_foreign(const struct kt_start *start, const char *actor)
{
	if (is_nobody(kt_wp_holder(&start->state)) && is_nobody(start->state.actor))
		return false;
	return kt_wp_holder(&start->state) != NULL && !kt_wp_is_held_by(&start->state, actor);
}

static enum kt_code implementation_check(
	struct kt_start *start, const struct kt_start_wish *wish, struct kt_error *err)
{
	if (start->from == KT_STATUS_PLANNED)
		return kt_dependencies_check(start->view, start->wp, err);
	if (start->from != KT_STATUS_CLAIMED && start->from != KT_STATUS_IN_PROGRESS)
		return cannot(start, "claimed", err);
	return is_foreign(start, wish->actor) ? conflict(start, err) : KT_E_OK;
}

enum kt_code kt_start_implementation(
	struct kt_start *start, const struct kt_start_wish *wish, struct kt_error *err)
{
	enum kt_status to = wish->is_claim_only ? KT_STATUS_CLAIMED : KT_STATUS_IN_PROGRESS;
	struct kt_json *request = NULL;
	enum kt_code code = kt_mission_check_open(start->context->mission, err);

	if (code == KT_E_OK)
		code = implementation_check(start, wish, err);
	if (code == KT_E_OK)
		code = lane_ready(start, KT_SYNC_CLAIM, err);
	if (code != KT_E_OK)
		return code;
	if (start->from == KT_STATUS_IN_PROGRESS || start->from == to) {
		start->is_noop = true;
		return KT_E_OK;
	}
	request = kt_request_new(wish->command);
	if (start->from == KT_STATUS_PLANNED)
		move_add(start, request, KT_STATUS_PLANNED, KT_STATUS_CLAIMED, wish);
	if (to == KT_STATUS_IN_PROGRESS)
		move_add(start, request, KT_STATUS_CLAIMED, KT_STATUS_IN_PROGRESS, wish);
	return send(start, request, wish, to, err);
}

enum kt_code kt_start_review(
	struct kt_start *start, const struct kt_start_wish *wish, struct kt_error *err)
{
	struct kt_json *request = NULL;
	enum kt_code code = kt_mission_check_open(start->context->mission, err);

	if (code != KT_E_OK)
		return code;
	if (start->from == KT_STATUS_IN_REVIEW && is_foreign(start, wish->actor))
		return conflict(start, err);
	if (start->from != KT_STATUS_IN_REVIEW && start->from != KT_STATUS_FOR_REVIEW)
		return cannot(start, "reviewed", err);
	code = lane_ready(start, KT_SYNC_REVIEW, err);
	if (code != KT_E_OK)
		return code;
	if (start->from == KT_STATUS_IN_REVIEW) {
		start->is_noop = true;
		return KT_E_OK;
	}
	request = kt_request_new(wish->command);
	move_add(start, request, KT_STATUS_FOR_REVIEW, KT_STATUS_IN_REVIEW, wish);
	return send(start, request, wish, KT_STATUS_IN_REVIEW, err);
}

char *kt_start_wp_file(const struct kt_start *start)
{
	const struct kt_mission *mission = start->context->mission;
	char *path = kt_format(
		"%s/%s/%s", kt_mission_files_root(mission), mission->folder, start->wp->path);

	if (kt_file_exists(path))
		return path;
	free(path);
	return kt_format("%s/%s", mission->draft_dir, start->wp->path);
}

static void review_prompt_build(const struct kt_start *start, struct kt_buffer *out)
{
	kt_buffer_printf(out, "# Review of %s: %s\n\n", start->wp->id,
		start->wp->title == NULL ? "" : start->wp->title);
	kt_buffer_printf(out,
		"Judge the work of %s in %s on branch %s: read what the lane authored (`git log`, "
		"`git diff`), run its tests, and change nothing.\n\n"
		"- it is right: kitty agent tasks move-task %s --to approved\n"
		"- it is not: write why into a file, then kitty agent tasks move-task %s --to "
		"in_progress --review-feedback-file FILE\n\n## The work package\n\n",
		start->wp->id, start->workspace, start->branch == NULL ? "-" : start->branch,
		start->wp->id, start->wp->id);
	kt_buffer_append(out, start->wp->text, start->wp->text_len);
}

/* What went before, for the implementer's prompt; NULL: this is the first attempt. Gives. */
static char *before_text(const struct kt_start *start)
{
	const char *started = start->is_noop ? "The work was started before." : NULL;
	char *feedback = kt_feedback_text(start->view->log, start->view->log_len, start->wp->id);
	char *both = NULL;

	if (feedback == NULL)
		return started == NULL ? NULL : kt_strdup(started);
	both = kt_format(
		"%s%s%s", started == NULL ? "" : started, started == NULL ? "" : "\n\n", feedback);
	free(feedback);
	return both;
}

enum kt_code kt_start_prompt_write(
	const struct kt_start *start, const char *action, char **path, struct kt_error *err)
{
	char *folder = kt_format("%s/prompts", start->context->mission->run_dir);
	char *file = kt_format("%s/%s-%s.md", folder, start->wp->id, action);
	char *before = before_text(start);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_prompt prompt = {.mission = start->context->mission,
		.wp = start->wp,
		.lane_id = start->lane == NULL ? "lane-planning" : start->lane->id,
		.branch = start->branch == NULL ? start->context->mission->target_branch
						: start->branch,
		.worktree = start->workspace,
		.attempt = before == NULL ? 1 : 2,
		.before = before};
	enum kt_code code = kt_folder_make(folder, 0700, err);

	if (strcmp(action, "review") == 0)
		review_prompt_build(start, &text);
	else
		kt_prompt_build(&prompt, &text);
	if (code == KT_E_OK)
		code = kt_file_write_atomic(
			file, kt_buffer_text(&text), text.len, 0600, false, err);
	if (code == KT_E_OK)
		*path = file;
	else
		free(file);
	kt_buffer_release(&text);
	free(before);
	free(folder);
	return code;
}

struct kt_json *kt_start_commits(const struct kt_start *start)
{
	const struct kt_json *receipt = kt_json_get(start->outcome, "receipt");
	struct kt_json *commits = kt_json_new_array();
	struct kt_json *row = NULL;

	if (receipt == NULL)
		return commits;
	row = kt_json_new_object();
	kt_json_set_string(row, "destination_ref", kt_json_get_string(receipt, "destination_ref"));
	kt_json_set_string(row, "message", kt_json_get_string(start->outcome, "message"));
	kt_json_set_string(row, "outcome", "committed");
	kt_json_set_string(row, "sha", kt_json_get_string(receipt, "commit_sha"));
	kt_json_set_string(row, "wp_id", start->wp->id);
	kt_json_append(commits, row);
	return commits;
}

void kt_start_release(struct kt_start *start)
{
	kt_view_free(start->view);
	kt_json_free(start->facts);
	kt_json_free(start->outcome);
	free(start->workspace);
	free(start->branch);
	*start = (struct kt_start){0};
}
