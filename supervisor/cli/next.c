/*
 * kitty next: what an agent does next. Without --result a query that changes nothing; with it the
 * agent's current work package moves on and the next step is handed out, claimed and with a prompt.
 * Process: a command. Keeps no table of processes: parallel callers each name their --agent, and
 * the writer decides who gets what.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/file.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/next_step.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/pick.h"
#include "supervisor/cli/start.h"
#include "supervisor/cli/submit.h"
#include "supervisor/lane_ops.h"
#include "supervisor/status/event.h"
#include "supervisor/transaction/request.h"

/* Other callers may take a step while it is handed out; as many times it is looked again. */
#define ROUNDS 8

static const struct kt_option options[] = {
	{"agent", 0, "NAME", false, "who asks"},
	{"result", 0, "success|failed|blocked", false, "how the step before ended: goes on"},
	{"answer", 0, "TEXT", false, "answer to an open decision"},
	{"decision-id", 0, "ID", false, "the decision that is answered"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

struct next {
	const struct kt_invocation *invocation;
	struct kt_context context;
	const char *agent, *result;
	struct kt_view *view;
	struct kt_step step;
	struct kt_json *guard_failures;
	char *workspace, *prompt;
	bool is_query;
};

/* ---- recording the result of the step before ---- */

static void guard_add(struct next *next, const struct kt_error *err)
{
	char *text = kt_format("%s: %s", kt_error_text(err->code), err->detail);

	kt_json_append(next->guard_failures, kt_json_new_string(text));
	free(text);
}

/* A review's word on the work: approved, or changes asked for. */
static void verdict_set(
	struct kt_json *op, const struct next *next, const char *wp_id, bool is_good)
{
	struct kt_json *review = kt_json_new_object();
	time_t now = (time_t)(kt_clock_wall_us() / 1000000);
	struct tm parts;
	char day[16] = "";
	char *reference = NULL;

	(void)gmtime_r(&now, &parts);
	(void)strftime(day, sizeof day, "%Y%m%d", &parts);
	reference = kt_format("%s:%s:%s", is_good ? "auto-approval" : "next", wp_id, day);
	kt_json_set_string(review, "reviewer", next->agent);
	kt_json_set_string(review, "verdict", is_good ? "approved" : "changes_requested");
	kt_json_set_string(review, "reference", reference);
	kt_json_set(op, "review_result", review);
	kt_json_set_string(op, "review_ref", reference);
	free(reference);
}

/* The lane holds commits of its own, and nothing that is not committed. */
static enum kt_code work_check(struct next *next, const struct kt_wp *wp, struct kt_error *err)
{
	const struct kt_lane_plan *lane = kt_lanes_of_wp(next->view->plan->lanes, wp->id);
	struct kt_oid_text tip = kt_oid_format(&next->view->tip);
	struct kt_json *facts = NULL;
	int64_t commits = 0;
	enum kt_code code = KT_E_OK;

	if (lane == NULL || strcmp(lane->id, "lane-planning") == 0)
		return KT_E_OK;
	code = kt_lane_inspect(
		next->context.repo, next->context.mission, lane->id, tip.text, &facts, err);
	if (code == KT_E_OK && kt_json_size(kt_json_get(facts, "dirty")) > 0)
		code = kt_error_set(err, KT_E_TRANSITION_REJECTED,
			"%s has files that are not committed, %.100s first", lane->id,
			kt_json_string(kt_json_first(kt_json_get(facts, "dirty"))));
	else if (code == KT_E_OK &&
		 (!kt_json_get_int(facts, "new_commits", &commits) || commits == 0))
		code = kt_error_set(err, KT_E_TRANSITION_REJECTED,
			"%s has no commit beyond its base", lane->id);
	kt_json_free(facts);
	return code;
}

static enum kt_status target_of(const struct next *next, enum kt_status from)
{
	if (strcmp(next->result, "blocked") == 0)
		return KT_STATUS_BLOCKED;
	if (from == KT_STATUS_IN_REVIEW)
		return strcmp(next->result, "success") == 0 ? KT_STATUS_APPROVED
							    : KT_STATUS_IN_PROGRESS;
	return strcmp(next->result, "success") == 0 ? KT_STATUS_FOR_REVIEW : KT_STATUS_BLOCKED;
}

static struct kt_json *result_request(
	const struct next *next, const struct kt_wp *wp, enum kt_status from)
{
	struct kt_json *request = kt_request_new("next");
	enum kt_status to = target_of(next, from);
	struct kt_json *op = NULL;
	char *reason = kt_format("agent reported: %s", next->result);

	if (from == KT_STATUS_CLAIMED && to == KT_STATUS_FOR_REVIEW)
		(void)kt_request_add_move(request, wp->id, KT_STATUS_IN_PROGRESS, next->agent);
	op = kt_request_add_move(request, wp->id, to, next->agent);
	if (strcmp(next->result, "success") != 0)
		kt_json_set_string(op, "reason", reason);
	if (from == KT_STATUS_IN_REVIEW)
		verdict_set(op, next, wp->id, to == KT_STATUS_APPROVED);
	free(reason);
	return request;
}

/* Nothing to record when the agent holds nothing: it asks for its first step. */
static enum kt_code result_record(struct next *next, struct kt_error *err)
{
	enum kt_status from = KT_STATUS_NONE;
	const struct kt_wp *wp = kt_step_current(next->view, next->agent, &from);
	struct kt_json *request = NULL;
	struct kt_json *outcome = NULL;
	enum kt_code code = KT_E_OK;

	if (wp == NULL)
		return KT_E_OK;
	if (target_of(next, from) == KT_STATUS_FOR_REVIEW)
		code = work_check(next, wp, err);
	if (code != KT_E_OK)
		return code;
	request = result_request(next, wp, from);
	code = kt_submit(&next->context, request, "next", &outcome, err);
	kt_json_free(outcome);
	kt_json_free(request);
	return code;
}

/* ---- handing out a step ---- */

static enum kt_code view_reload(struct next *next, struct kt_error *err)
{
	struct kt_view *view = NULL;
	enum kt_code code = kt_view_load(next->context.repo, next->context.mission, &view, err);

	if (code != KT_E_OK)
		return code;
	kt_step_release(&next->step);
	kt_view_free(next->view);
	next->view = view;
	kt_step_decide(view, next->agent, &next->step);
	return KT_E_OK;
}

/* A file under the run folder for steps that are no work package's. */
static enum kt_code accept_prompt_write(struct next *next, struct kt_error *err)
{
	const struct kt_mission *mission = next->context.mission;
	char *folder = kt_format("%s/prompts", mission->run_dir);
	char *path = kt_format("%s/accept.md", folder);
	char *text =
		kt_format("# Accept %s\n\nEvery work package is approved or done. Look at the "
			  "whole, then:\n\n- kitty merge --mission %s --dry-run\n- kitty merge "
			  "--mission %s\n",
			mission->slug, mission->slug, mission->slug);
	enum kt_code code = kt_folder_make(folder, 0700, err);

	if (code == KT_E_OK)
		code = kt_file_write_atomic(path, text, strlen(text), 0600, false, err);
	if (code == KT_E_OK)
		next->prompt = path;
	else
		free(path);
	free(text);
	free(folder);
	return code;
}

static enum kt_code step_begin(struct next *next, bool *is_taken, struct kt_error *err)
{
	struct kt_start_wish wish = {.actor = next->agent, .command = "next"};
	struct kt_start start = {0};
	enum kt_code code = kt_start_open(&start, &next->context, next->step.wp->id, err);

	if (code == KT_E_OK)
		code = strcmp(next->step.action, "review") == 0
			       ? kt_start_review(&start, &wish, err)
			       : kt_start_implementation(&start, &wish, err);
	*is_taken = start.is_conflict;
	if (code == KT_E_OK)
		code = kt_start_prompt_write(&start, next->step.action, &next->prompt, err);
	if (code == KT_E_OK) {
		next->workspace = start.workspace;
		start.workspace = NULL;
	}
	kt_start_release(&start);
	return code;
}

/* A step without a prompt is none: it degrades to blocked. */
static void degrade(struct next *next, const struct kt_error *err)
{
	guard_add(next, err);
	free(next->step.reason);
	next->step.reason = kt_strdup(err->detail);
	next->step.kind = KT_STEP_BLOCKED;
}

static enum kt_code hand_out(struct next *next, struct kt_error *err)
{
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = view_reload(next, err);

	for (int round = 0; code == KT_E_OK && next->step.kind == KT_STEP_WORK; round++) {
		bool is_taken = false;

		cause = (struct kt_error)KT_ERROR_INIT;
		if (step_begin(next, &is_taken, &cause) == KT_E_OK)
			return KT_E_OK;
		if (!is_taken || round == ROUNDS) {
			degrade(next, &cause);
			return KT_E_OK;
		}
		code = view_reload(next, err);
	}
	if (code == KT_E_OK && next->step.kind == KT_STEP_ACCEPT &&
		accept_prompt_write(next, &cause) != KT_E_OK)
		degrade(next, &cause);
	return code;
}

static enum kt_code advance(struct next *next, struct kt_error *err)
{
	struct kt_error refused = KT_ERROR_INIT;
	enum kt_code code = view_reload(next, err);

	if (code != KT_E_OK)
		return code;
	if (result_record(next, &refused) != KT_E_OK) {
		degrade(next, &refused);
		return KT_E_OK;
	}
	if (strcmp(next->result, "success") == 0)
		return hand_out(next, err);
	code = view_reload(next, err);
	free(next->step.reason);
	next->step.reason = kt_format("agent reported: %s", next->result);
	next->step.kind = KT_STEP_BLOCKED;
	return code;
}

/* ---- the answer ---- */

static const char *kind_name(const struct next *next)
{
	static const char *const names[] = {
		[KT_STEP_WORK] = "step",
		[KT_STEP_ACCEPT] = "step",
		[KT_STEP_BLOCKED] = "blocked",
		[KT_STEP_TERMINAL] = "terminal",
	};

	if (next->is_query && names[next->step.kind][0] == 's')
		return "query";
	return names[next->step.kind];
}

static const char *state_name(const struct next *next)
{
	if (next->step.kind == KT_STEP_TERMINAL)
		return "done";
	if (next->step.kind == KT_STEP_BLOCKED)
		return next->view->plan == NULL ? "tasks_finalize" : "blocked";
	return next->step.action;
}

static void null_members(struct kt_json *answer)
{
	static const char *const names[] = {
		"origin", "run_id", "step_id", "decision_id", "input_key", "question", "options"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		kt_json_set(answer, names[i], kt_json_new_null());
}

static struct kt_json *answer_build(const struct next *next)
{
	const struct kt_mission *mission = next->context.mission;
	const struct kt_json *number = kt_json_get(next->view->meta, "mission_number");
	const char *type = kt_json_get_string(next->view->meta, "mission_type");
	bool has_step = next->step.kind == KT_STEP_WORK || next->step.kind == KT_STEP_ACCEPT;
	struct kt_json *answer = kt_json_new_object();
	char now[33];

	kt_time_format(kt_clock_wall_us(), now);
	kt_json_set_string(answer, "kind", kind_name(next));
	kt_json_set_string(answer, "agent", next->agent);
	kt_json_set_string(answer, "mission_slug", mission->slug);
	kt_json_set(answer, "mission_number",
		number == NULL ? kt_json_new_null() : kt_json_copy(number));
	kt_json_set_string(answer, "mission_type", type);
	kt_json_set_string(answer, "mission", type);
	kt_json_set_string(answer, "mission_state", state_name(next));
	kt_json_set_string(answer, "timestamp", now);
	kt_json_set_string(answer, "action", has_step ? next->step.action : NULL);
	kt_json_set_string(
		answer, "wp_id", has_step && next->step.wp != NULL ? next->step.wp->id : NULL);
	kt_json_set_string(answer, "workspace_path", next->workspace);
	kt_json_set_string(answer, "prompt_file", has_step ? next->prompt : NULL);
	kt_json_set_string(answer, "reason", next->step.reason);
	kt_json_set(answer, "guard_failures", kt_json_copy(next->guard_failures));
	kt_json_set(answer, "progress", kt_step_progress(next->view));
	null_members(answer);
	kt_json_set_bool(answer, "is_query", next->is_query);
	kt_json_set_string(
		answer, "preview_step", next->is_query && has_step ? next->step.action : NULL);
	return answer;
}

static void answer_print(const struct next *next)
{
	const char *wp = next->step.wp == NULL ? "" : next->step.wp->id;

	switch (next->step.kind) {
	case KT_STEP_TERMINAL:
		kt_print("done: every work package is done\n");
		break;
	case KT_STEP_BLOCKED:
		kt_print("blocked: ");
		kt_print_safe(stdout, next->step.reason);
		kt_print("\n");
		break;
	case KT_STEP_WORK:
	case KT_STEP_ACCEPT:
		kt_print("%s %s%s%s\n", next->is_query ? "would" : "step:", next->step.action,
			wp[0] == '\0' ? "" : " ", wp);
		if (next->workspace != NULL)
			kt_print("workspace: %s\n", next->workspace);
		if (next->prompt != NULL)
			kt_print("prompt: %s\n", next->prompt);
		break;
	}
}

/* ---- the command ---- */

static enum kt_code arguments_check(const struct next *next, struct kt_error *err)
{
	if (kt_invocation_has(next->invocation, "answer") ||
		kt_invocation_has(next->invocation, "decision-id"))
		return kt_error_set(err, KT_E_INVALID_ARGUMENT, "no decision is open");
	if (next->result == NULL)
		return KT_E_OK;
	if (strcmp(next->result, "success") != 0 && strcmp(next->result, "failed") != 0 &&
		strcmp(next->result, "blocked") != 0)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"--result is success, failed or blocked, not `%.40s`", next->result);
	if (next->agent == NULL)
		return kt_error_set(err, KT_E_USAGE, "--result needs --agent NAME");
	return KT_E_OK;
}

static void place_fill(struct next *next)
{
	struct kt_start start = {.context = &next->context, .wp = next->step.wp};

	if (next->step.wp == NULL)
		return;
	start.lane = kt_lanes_of_wp(next->view->plan->lanes, next->step.wp->id);
	kt_start_place(&start);
	next->workspace = start.workspace;
	start.workspace = NULL;
	kt_start_release(&start);
}

static enum kt_code decide(struct next *next, struct kt_error *err)
{
	enum kt_code code = arguments_check(next, err);

	if (code == KT_E_OK)
		code = kt_context_mission(
			&next->context, kt_invocation_value(next->invocation, "mission"), err);
	/* A merged one has its answer: everything is done. */
	if (code == KT_E_OK && next->context.mission->is_discarded)
		code = kt_mission_check_open(next->context.mission, err);
	if (code == KT_E_OK)
		code = next->is_query ? view_reload(next, err) : advance(next, err);
	if (code == KT_E_OK && next->is_query)
		place_fill(next);
	return code;
}

static int run(struct kt_invocation *invocation)
{
	struct next next = {.invocation = invocation,
		.context = KT_CONTEXT_INIT,
		.agent = kt_invocation_value(invocation, "agent"),
		.result = kt_invocation_value(invocation, "result"),
		.guard_failures = kt_json_new_array()};
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *answer = NULL;
	int status = KT_EXIT_OK;

	next.is_query = next.result == NULL;
	if (decide(&next, &err) != KT_E_OK) {
		status = kt_context_fail(&next.context, invocation->json, &err);
	} else {
		answer = answer_build(&next);
		if (invocation->json)
			kt_print_json(answer);
		else
			answer_print(&next);
		status = next.step.kind == KT_STEP_BLOCKED ? KT_EXIT_FAILED : KT_EXIT_OK;
	}
	kt_json_free(answer);
	kt_step_release(&next.step);
	kt_view_free(next.view);
	kt_json_free(next.guard_failures);
	free(next.workspace);
	free(next.prompt);
	kt_context_release(&next.context);
	return status;
}

const struct kt_command kt_command_next = {
	.summary = "what an agent does next; with --result, goes on",
	.arguments = "",
	.help = "Without --result nothing changes. With it the agent's current work package moves "
		"on (success:\n"
		"to for_review, or approved after a review; failed and blocked: to blocked), and "
		"on success the\n"
		"next step is handed out: claimed for the agent, its lane prepared, its prompt "
		"written. Exits 1\n"
		"when it is blocked.",
	.options = options,
	.run = run,
};
