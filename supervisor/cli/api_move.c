/*
 * orchestrator-api transition and append-history. Process: a command. Decides no legality but what
 * the contract adds: policy, dependencies of a claim, a commit before a review.
 */
#include <stdio.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "supervisor/cli/api.h"
#include "supervisor/cli/note.h"
#include "supervisor/cli/start.h"
#include "supervisor/cli/submit.h"
#include "supervisor/cli/write.h"
#include "supervisor/lane_ops.h"
#include "supervisor/merge_request.h"
#include "supervisor/transaction/request.h"

static const struct kt_option transition_options[] = {
	KT_OPTION_MISSION,
	KT_API_OPTION_WP,
	KT_API_OPTION_ACTOR,
	KT_API_OPTION_POLICY,
	{"to", 0, "LANE", false, "status the work package gets"},
	{"note", 0, "TEXT", false, "why"},
	{"force", 0, NULL, false, "override the rules; --note is the reason"},
	{"review-ref", 0, "REF", false, "what the review refers to"},
	{"review-result-json", 0, "JSON", false, "{reviewer, verdict, reference}"},
	{"evidence-json", 0, "JSON", false, "{review: {reviewer, verdict, reference}}"},
	{"subtasks-complete", 0, NULL, false, "accepted; the recorded subtasks decide"},
	{"implementation-evidence-present", 0, NULL, false, "accepted; the lane's commits decide"},
	KT_OPTION_END,
};
static const char *const transition_needed[] = {"mission", "wp", "to", "actor", NULL};

struct transition {
	struct kt_start at; /* the work package as it stands */
	const char *actor;
	enum kt_status to;
	bool is_forced;
	struct kt_json *policy, *evidence, *review;
	struct kt_json *outcome;
};

static bool needs_policy(enum kt_status to)
{
	return to == KT_STATUS_CLAIMED || to == KT_STATUS_IN_PROGRESS ||
	       to == KT_STATUS_FOR_REVIEW || to == KT_STATUS_IN_REVIEW || to == KT_STATUS_APPROVED;
}

static enum kt_code object_read(
	const struct kt_api *api, const char *option, struct kt_json **out, struct kt_error *err)
{
	const char *text = kt_api_value(api, option);
	struct kt_error cause = KT_ERROR_INIT;

	if (text == NULL)
		return KT_E_OK;
	if (kt_json_parse(text, strlen(text), KT_JSON_LAST_WINS, out, &cause) != KT_E_OK)
		return kt_error_set(err, KT_E_USAGE, "--%s: %s", option, cause.detail);
	if (!kt_json_is(*out, KT_JSON_OBJECT))
		return kt_error_set(err, KT_E_USAGE, "--%s: an object is wanted", option);
	return KT_E_OK;
}

static enum kt_code transition_read(struct kt_api *api, struct transition *t, struct kt_error *err)
{
	enum kt_code code = object_read(api, "evidence-json", &t->evidence, err);

	t->actor = kt_api_value(api, "actor");
	t->is_forced = kt_invocation_has(api->invocation, "force");
	t->to = kt_status_from_input(kt_api_value(api, "to"));
	if (code == KT_E_OK)
		code = object_read(api, "review-result-json", &t->review, err);
	if (code == KT_E_OK && (t->to == KT_STATUS_NONE || !kt_status_is_displayed(t->to)))
		code = kt_error_set(err, KT_E_TRANSITION_REJECTED, "`%.40s` is no lane",
			kt_api_value(api, "to"));
	if (code == KT_E_OK)
		code = kt_api_policy(kt_api_value(api, "policy"), needs_policy(t->to), &t->policy,
			&api->error_code, err);
	if (code == KT_E_OK)
		code = kt_api_mission(api, err);
	return code == KT_E_OK ? kt_start_open(&t->at, &api->context, kt_api_value(api, "wp"), err)
			       : code;
}

/* The lane must hold something of its own before anybody is asked to review it. */
static enum kt_code work_check(struct transition *t, struct kt_error *err)
{
	struct kt_context *context = t->at.context;
	struct kt_oid_text tip = kt_oid_format(&t->at.view->tip);
	struct kt_json *facts = NULL;
	int64_t commits = 0;
	enum kt_code code = KT_E_OK;

	if (t->at.lane == NULL || strcmp(t->at.lane->id, "lane-planning") == 0)
		return KT_E_OK;
	code = kt_lane_inspect(
		context->repo, context->mission, t->at.lane->id, tip.text, &facts, err);
	if (code == KT_E_OK && (!kt_json_get_int(facts, "new_commits", &commits) || commits == 0))
		code = kt_error_set(err, KT_E_TRANSITION_REJECTED,
			"%s: %s has no commit beyond its base", t->at.wp->id, t->at.lane->id);
	kt_json_free(facts);
	return code;
}

static enum kt_code transition_check(struct transition *t, struct kt_error *err)
{
	if (t->is_forced)
		return KT_E_OK;
	if (kt_wp_holder(&t->at.state) != NULL && t->at.from != KT_STATUS_IN_REVIEW &&
		!kt_wp_is_held_by(&t->at.state, t->actor)) {
		t->at.is_conflict = true;
		return kt_error_set(err, KT_E_WP_ALREADY_CLAIMED, "%s is %s, held by %s",
			t->at.wp->id, kt_status_name(t->at.from), kt_wp_holder(&t->at.state));
	}
	if (t->at.from == KT_STATUS_PLANNED && t->to == KT_STATUS_CLAIMED)
		return kt_dependencies_check(t->at.view, t->at.wp, err);
	if (t->at.from == KT_STATUS_IN_PROGRESS && t->to == KT_STATUS_FOR_REVIEW)
		return work_check(t, err);
	return KT_E_OK;
}

static struct kt_json *request_build(const struct kt_api *api, const struct transition *t)
{
	struct kt_json *request = kt_request_new("orchestrator-api");
	struct kt_json *op = kt_request_add_move(request, t->at.wp->id, t->to, t->actor);

	kt_json_set_string(op, "from", kt_status_name(t->at.from));
	if (t->is_forced)
		kt_json_set_bool(op, "force", true);
	if (kt_api_value(api, "note") != NULL)
		kt_json_set_string(op, "reason", kt_api_value(api, "note"));
	if (kt_api_value(api, "review-ref") != NULL)
		kt_json_set_string(op, "review_ref", kt_api_value(api, "review-ref"));
	if (t->evidence != NULL)
		kt_json_set(op, "evidence", kt_json_copy(t->evidence));
	if (t->review != NULL)
		kt_json_set(op, "review_result", kt_json_copy(t->review));
	if (t->policy != NULL)
		kt_json_set(op, "policy_metadata", kt_json_copy(t->policy));
	return request;
}

/* approved -> done integrates the lane: its merge and the row are one commit. */
static enum kt_code integration_build(
	const struct transition *t, struct kt_json **request, struct kt_error *err)
{
	const struct kt_view *view = t->at.view;
	struct kt_log_facts facts = {.repo = t->at.context->repo,
		.mission = t->at.context->mission,
		.state = view->state,
		.plan = view->plan,
		.log = view->log,
		.log_len = view->log_len};
	bool is_recorded = false;

	return kt_integration_request(&facts, t->at.wp->id, t->actor, request, &is_recorded, err);
}

static enum kt_code transition_write(struct kt_api *api, struct transition *t, struct kt_error *err)
{
	struct kt_json *request = NULL;
	enum kt_code code = KT_E_OK;

	if (t->at.from == t->to && !t->is_forced) {
		t->at.is_noop = true;
		return KT_E_OK;
	}
	if (t->at.from == KT_STATUS_APPROVED && t->to == KT_STATUS_DONE && !t->is_forced)
		code = integration_build(t, &request, err);
	else
		request = request_build(api, t);
	if (code == KT_E_OK)
		code = kt_request_check(request, err);
	if (code == KT_E_OK)
		code = kt_submit(&api->context, request, "orchestrator-api", &t->outcome, err);
	if (code == KT_E_WP_ALREADY_CLAIMED)
		t->at.is_conflict = true;
	kt_json_free(request);
	return code;
}

static void transition_release(struct transition *t)
{
	kt_start_release(&t->at);
	kt_json_free(t->policy);
	kt_json_free(t->evidence);
	kt_json_free(t->review);
	kt_json_free(t->outcome);
}

static void transition_answer(struct kt_api *api, const struct transition *t)
{
	kt_api_identity(api, t->at.view->meta);
	kt_json_set_string(api->data, "wp_id", t->at.wp->id);
	kt_json_set_string(api->data, "from_lane", kt_status_name(t->at.from));
	kt_json_set_string(api->data, "to_lane", kt_status_name(t->to));
	kt_json_set_bool(
		api->data, "policy_metadata_recorded", t->policy != NULL && !t->at.is_noop);
}

static enum kt_code transition(struct kt_api *api, struct kt_error *err)
{
	struct transition t = {.to = KT_STATUS_NONE};
	enum kt_code code = transition_read(api, &t, err);

	if (code == KT_E_OK)
		code = transition_check(&t, err);
	if (code == KT_E_OK)
		code = transition_write(api, &t, err);
	if (code == KT_E_OK)
		transition_answer(api, &t);
	if (t.at.is_conflict) {
		const char *observed = kt_json_get_string(t.outcome, "holder");

		kt_json_set_string(api->data, "claimed_by",
			observed != NULL ? observed : kt_wp_holder(&t.at.state));
		kt_json_set_string(api->data, "requesting_actor", t.actor);
	}
	transition_release(&t);
	return code;
}

/* ---- append-history ---- */

static const struct kt_option history_options[] = {
	KT_OPTION_MISSION,
	KT_API_OPTION_WP,
	KT_API_OPTION_ACTOR,
	{"note", 0, "TEXT", false, "what is noted"},
	KT_OPTION_END,
};
static const char *const history_needed[] = {"mission", "wp", "actor", "note", NULL};

static enum kt_code append_history(struct kt_api *api, struct kt_error *err)
{
	const char *wp_id = kt_api_value(api, "wp");
	struct kt_start start = {0};
	struct kt_json *outcome = NULL;
	unsigned char random[16];
	char entry[40] = "hist-";
	enum kt_code code = kt_api_mission(api, err);

	if (code == KT_E_OK)
		code = kt_start_open(&start, &api->context, wp_id, err);
	if (code == KT_E_OK)
		code = kt_note_add(&api->context,
			&(struct kt_note){"orchestrator-api", wp_id, kt_api_value(api, "actor"),
				kt_api_value(api, "note"), NULL},
			&outcome, err);
	if (code == KT_E_OK) {
		kt_random_bytes(random, sizeof random);
		for (size_t i = 0; i < sizeof random; i++)
			(void)snprintf(entry + 5 + 2 * i, 3, "%02x", random[i]);
		kt_api_identity(api, start.view->meta);
		kt_json_set_string(api->data, "wp_id", wp_id);
		kt_json_set_string(api->data, "history_entry_id", entry);
	}
	kt_json_free(outcome);
	kt_start_release(&start);
	return code;
}

static const struct kt_api_command transition_command = {
	"transition", transition_needed, "TRANSITION_REJECTED", transition};
static const struct kt_api_command history_command = {
	"append-history", history_needed, "HISTORY_COMMIT_FAILED", append_history};

static int run_transition(struct kt_invocation *invocation)
{
	return kt_api_run(invocation, &transition_command);
}

static int run_history(struct kt_invocation *invocation)
{
	return kt_api_run(invocation, &history_command);
}

const struct kt_command kt_command_api_transition = {
	.summary = "move a work package to a status",
	.arguments = "--mission HANDLE --wp WP --to LANE --actor NAME",
	.options = transition_options,
	.fail = kt_api_fail_usage,
	.run = run_transition,
};

const struct kt_command kt_command_api_append_history = {
	.summary = "add a note to a work package's history",
	.arguments = "--mission HANDLE --wp WP --actor NAME --note TEXT",
	.options = history_options,
	.fail = kt_api_fail_usage,
	.run = run_history,
};
