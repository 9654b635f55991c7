/*
 * A review on its way through a lane: for_review -> in_review, the reviewer's process, and what its
 * exit status means. Runs in the supervisor. Must never approve for any other reason than exit
 * status 0 of a reviewer that left the lane as it was.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/log.h"
#include "supervisor/prompt.h"
#include "supervisor/review.h"
#include "supervisor/review_facts.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/transaction/request.h"

/* Who acts when no agent does. */
static const char KITTY[] = "kitty";

enum { REASON_MAX = 2000 };

static void history_read(const struct kt_supervisor *supervisor, const char *wp_id,
	struct kt_review_history *history)
{
	size_t len = 0;
	const char *log = kt_writer_log(supervisor->writer, &len);

	kt_review_history_read(log, len, wp_id, history);
}

/* ---- who reviews ---- */

static long failures_of(const struct kt_supervisor *supervisor, const char *wp_id)
{
	int64_t failures = 0;

	(void)kt_json_get_int(supervisor->review_failures, wp_id, &failures);
	return (long)failures;
}

static bool is_named(const char *name, const char *actor)
{
	return actor != NULL && strcmp(name, actor) == 0;
}

enum kt_schedule_review kt_review_of(
	const struct kt_supervisor *supervisor, const char *wp_id, const struct kt_wp_state *state)
{
	const struct kt_launch *launch = supervisor->launch;
	const char *handed_over = state->status == KT_STATUS_FOR_REVIEW ? state->actor : NULL;

	if (launch->reviewer == NULL)
		return KT_REVIEW_BY_PEOPLE;
	if (failures_of(supervisor, wp_id) >= KT_REVIEW_FAILURES_MAX)
		return KT_REVIEW_GIVEN_UP;
	if (!launch->config->review_self && (is_named(launch->reviewer->name, state->claim_actor) ||
						    is_named(launch->reviewer->name, handed_over)))
		return KT_REVIEW_OWN_WORK;
	return KT_REVIEW_READY;
}

/* ---- prompts ---- */

char *kt_review_feedback(const struct kt_supervisor *supervisor, const char *wp_id)
{
	size_t len = 0;
	const char *log = kt_writer_log(supervisor->writer, &len);

	return kt_feedback_text(log, len, wp_id);
}

void kt_review_prompt(
	const struct kt_lane_run *run, const struct kt_prompt *place, struct kt_buffer *out)
{
	struct kt_wp_state state = {0};
	char *feedback = kt_review_feedback(run->supervisor, run->job.wp_id);
	struct kt_review_prompt prompt = {
		.place = place,
		.fork = kt_json_get_string(run->job.seen, "fork"),
		.tip = kt_json_get_string(run->job.seen, "head"),
		.round = run->job.round,
		.rounds_max = (long)run->supervisor->launch->config->review_rounds,
		.feedback = feedback,
	};

	(void)kt_sup_status(run->supervisor, run->job.wp_id, &state);
	prompt.implementer = state.claim_actor;
	kt_prompt_review_build(&prompt, out);
	free(feedback);
}

/* ---- requests ---- */

static struct kt_json *move_new(
	const struct kt_lane_run *run, enum kt_status from, enum kt_status to, struct kt_json **op)
{
	struct kt_json *request = kt_request_new("launch");

	*op = kt_request_add_move(request, run->job.wp_id, to, run->job.actor);
	kt_json_set_string(*op, "from", kt_status_name(from));
	return request;
}

static struct kt_json *result_new(
	const struct kt_lane_run *run, const char *verdict, const char *feedback_path)
{
	struct kt_json *result = kt_json_new_object();
	char *reference = kt_format("review:%s:%ld", run->job.wp_id, run->job.round);

	kt_json_set_string(result, "reviewer", run->job.actor);
	kt_json_set_string(result, "verdict", verdict);
	kt_json_set_string(result, "reference", reference);
	if (feedback_path != NULL)
		kt_json_set_string(result, "feedback_path", feedback_path);
	free(reference);
	return result;
}

static void on_recorded(const struct kt_json *outcome, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_OUTCOME);
	struct kt_error err = KT_ERROR_INIT;

	if (run == NULL)
		return;
	/* What is in_review and not recorded keeps its lease: the next launch finds it. */
	if (kt_sup_status(run->supervisor, run->job.wp_id, NULL) != KT_STATUS_IN_REVIEW)
		kt_lease_remove(run->supervisor->launch->mission, run->job.wp_id);
	if (kt_outcome_code(outcome, &err) == KT_E_OK)
		kt_job_finish(run);
	else
		kt_job_request_failed(run, "the review could not be recorded", &err);
}

static void record(struct kt_lane_run *run, struct kt_json *request)
{
	run->job.phase = KT_JOB_OUTCOME;
	kt_sup_submit(run->supervisor, request, NULL, on_recorded, kt_job_call_new(run));
}

/* There is no way back to for_review but by an override, which the row names: kitty's, with a
 * reason. It approves nothing. */
static void give_back(struct kt_lane_run *run, const char *reason)
{
	struct kt_json *request = kt_request_new("launch");
	struct kt_json *op =
		kt_request_add_move(request, run->job.wp_id, KT_STATUS_FOR_REVIEW, KITTY);
	struct kt_json *metadata = kt_json_new_object();
	char *text = kt_feedback_cut(reason, strlen(reason), REASON_MAX);

	kt_json_set_string(metadata, "override", "reviewer_failed");
	kt_json_set_string(op, "from", kt_status_name(KT_STATUS_IN_REVIEW));
	kt_json_set_bool(op, "force", true);
	kt_json_set_string(op, "reason", text);
	kt_json_set(op, "policy_metadata", metadata);
	free(text);
	record(run, request);
}

static void failed_times(struct kt_lane_run *run, const char *reason, long times)
{
	struct kt_supervisor *supervisor = run->supervisor;
	char *text = kt_format("reviewer failed: %s", reason);

	kt_json_set_int(supervisor->review_failures, run->job.wp_id,
		failures_of(supervisor, run->job.wp_id) + times);
	kt_supervisor_say(supervisor, run, "%s: %s", run->job.wp_id, text);
	if (kt_sup_status(supervisor, run->job.wp_id, NULL) == KT_STATUS_IN_REVIEW) {
		give_back(run, text);
	} else {
		kt_lease_remove(supervisor->launch->mission, run->job.wp_id);
		kt_job_finish(run);
	}
	free(text);
}

void kt_review_failed(struct kt_lane_run *run, const char *reason)
{
	failed_times(run, reason, kt_job_is_permanent(reason) ? KT_REVIEW_FAILURES_MAX : 1);
}

/* ---- the verdict ---- */

static void approve(struct kt_lane_run *run, const struct kt_json *facts)
{
	struct kt_json *op = NULL;
	struct kt_json *request = move_new(run, KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED, &op);
	struct kt_json *metadata = kt_json_new_object();

	kt_json_set_string(metadata, "approved_commit", kt_json_get_string(facts, "head"));
	kt_json_set(op, "policy_metadata", metadata);
	kt_json_set(op, "review_result", result_new(run, "approved", NULL));
	record(run, request);
}

/* Back to the implementer, or, after the last round, blocked. */
static void send_back(struct kt_lane_run *run, const char *text, size_t len, const char *path)
{
	long max = (long)run->supervisor->launch->config->review_rounds;
	bool is_last = run->job.round >= max;
	struct kt_json *op = NULL;
	struct kt_json *request = move_new(
		run, KT_STATUS_IN_REVIEW, is_last ? KT_STATUS_BLOCKED : KT_STATUS_IN_PROGRESS, &op);
	char *cut = kt_feedback_cut(text, len, KT_FEEDBACK_REASON_MAX);
	char *reason = is_last ? kt_format("%ld rounds of review asked for changes; the last: %s",
					 run->job.round, cut)
			       : kt_strdup(cut);

	kt_json_set_string(op, "reason", reason);
	kt_json_set(op, "review_result", result_new(run, "changes_requested", path));
	free(reason);
	free(cut);
	record(run, request);
}

static void ask_for_changes(struct kt_lane_run *run)
{
	const struct kt_mission *mission = run->supervisor->launch->mission;
	char *log = kt_format("%s/logs/%s/%s%s-%ld.log", mission->run_dir, run->id, run->job.wp_id,
		KT_REVIEW_SUFFIX, run->job.attempt);
	char *path = kt_feedback_path(mission, run->job.wp_id, run->job.round);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = kt_feedback_keep(log, path, &text, &err);

	if (code != KT_E_OK)
		kt_log_failure(KT_LOG_ERROR, &err, "%s: the feedback cannot be kept", run->id);
	send_back(run, kt_buffer_text(&text), text.len, code == KT_E_OK ? path : NULL);
	kt_buffer_release(&text);
	free(path);
	free(log);
}

static bool has_exited_with(const struct kt_json *ended, int64_t wanted)
{
	int64_t got = -1;

	return !kt_json_get_bool(ended, "timed_out", false) &&
	       kt_json_get_bool(ended, "exited", false) &&
	       kt_json_get_int(ended, "exit_code", &got) && got == wanted;
}

static void judge(struct kt_lane_run *run, const struct kt_json *facts)
{
	struct kt_buffer how = KT_BUFFER_INIT;

	if (has_exited_with(run->job.ended, 0)) {
		approve(run, facts);
	} else if (has_exited_with(run->job.ended, 1)) {
		ask_for_changes(run);
	} else {
		kt_job_describe_end(run, &how);
		kt_review_failed(run, kt_buffer_text(&how));
		kt_buffer_release(&how);
	}
}

/* ---- a reviewer that changed the lane ---- */

/* Not again in this launch: it would change the lane again. */
static void discount(struct kt_lane_run *run, const char *end)
{
	char *reason = kt_format("%s changed the lane, so its verdict does not count: %s; %s",
		run->job.actor, run->job.difference, end);

	failed_times(run, reason, KT_REVIEW_FAILURES_MAX);
	free(reason);
}

static void on_undone(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_COMMIT);
	const struct kt_json *at = kt_json_first(kt_json_get(facts, "kept"));
	struct kt_buffer text = KT_BUFFER_INIT;

	if (run == NULL)
		return;
	if (err != NULL)
		kt_buffer_printf(&text, "the lane could not be restored to %s: %s: %s",
			run->job.since, kt_error_text(err->code), err->detail);
	else
		kt_buffer_printf(&text, "the lane is at %.12s again%s", run->job.since,
			at == NULL ? "" : ", what was changed is kept as");
	for (; at != NULL; at = kt_json_next(at))
		kt_buffer_printf(&text, " %s", kt_json_string(at));
	discount(run, kt_buffer_text(&text));
	kt_buffer_release(&text);
}

/* Only a lane that was clean can be restored: what uncommitted files held is not known any more. */
static void undo(struct kt_lane_run *run)
{
	const char *args[] = {"lane-review", "--mission", run->supervisor->launch->mission->slug,
		"--lane", run->id, "--restore", run->job.since, NULL};

	if (kt_json_size(kt_json_get(run->job.seen, "dirty")) > 0) {
		discount(run, "the lane had uncommitted files before, so it stays as it is");
		return;
	}
	kt_helper_start(&run->supervisor->helpers, args, KT_GIT_TIMEOUT_MS, on_undone,
		kt_job_call_new(run));
}

static void on_looked_at(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_COMMIT);

	if (run == NULL)
		return;
	/* Somebody moved it meanwhile: that holds, whatever the reviewer says. */
	if (kt_sup_status(run->supervisor, run->job.wp_id, NULL) != KT_STATUS_IN_REVIEW) {
		kt_lease_remove(run->supervisor->launch->mission, run->job.wp_id);
		kt_job_finish(run);
		return;
	}
	free(run->job.difference);
	run->job.difference = err != NULL
				      ? kt_format("%s: %s", kt_error_text(err->code), err->detail)
				      : kt_review_difference(run->job.seen, facts);
	if (run->job.difference == NULL)
		judge(run, facts);
	else
		undo(run);
}

static void look(struct kt_lane_run *run, kt_helper_cb done)
{
	const char *args[] = {"lane-review", "--mission", run->supervisor->launch->mission->slug,
		"--lane", run->id, NULL};

	kt_helper_start(
		&run->supervisor->helpers, args, KT_GIT_TIMEOUT_MS, done, kt_job_call_new(run));
}

void kt_review_judge(struct kt_lane_run *run)
{
	run->job.phase = KT_JOB_COMMIT;
	look(run, on_looked_at);
}

/* ---- the beginning ---- */

static void on_begun(const struct kt_json *outcome, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_BEGIN);
	struct kt_error err = KT_ERROR_INIT;

	if (run == NULL || kt_job_is_called_off(run))
		return;
	if (kt_outcome_code(outcome, &err) == KT_E_OK) {
		kt_job_agent_start(run);
		return;
	}
	kt_lease_remove(run->supervisor->launch->mission, run->job.wp_id);
	kt_job_request_failed(run, "the review could not be recorded", &err);
}

/* Did the lane get commits since the review that is taken up again began? Gives the reason. */
static char *moved_since(const struct kt_lane_run *run)
{
	struct kt_lease lease = {0};
	char *reason = NULL;

	if (kt_lease_read(run->supervisor->launch->mission, run->job.wp_id, &lease) &&
		lease.is_review && strcmp(lease.since_head, run->job.since) != 0)
		reason = kt_format("the lane moved from %s to %s while it was in review",
			lease.since_head, run->job.since);
	kt_lease_release(&lease);
	return reason;
}

/* In review by a launch that died: by the same reviewer it goes on without a second row. */
static void take_up(struct kt_lane_run *run, const char *reviewer)
{
	struct kt_error err = KT_ERROR_INIT;
	char *reason = NULL;

	if (!is_named(run->job.actor, reviewer)) {
		reason = kt_format(
			"reviewer failed: %s was interrupted", reviewer == NULL ? "?" : reviewer);
		give_back(run, reason);
	} else if ((reason = moved_since(run)) != NULL) {
		failed_times(run, reason, KT_REVIEW_FAILURES_MAX);
	} else if (kt_job_lease_take(run, &err) != KT_E_OK) {
		kt_job_trouble(run, "the lease could not be written", &err);
	} else {
		kt_job_agent_start(run);
	}
	free(reason);
}

static void begin(struct kt_lane_run *run)
{
	struct kt_wp_state state = {0};
	enum kt_status status = kt_sup_status(run->supervisor, run->job.wp_id, &state);
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *request = NULL;
	struct kt_json *op = NULL;

	run->job.phase = KT_JOB_BEGIN;
	if (status == KT_STATUS_IN_REVIEW) {
		take_up(run, state.actor);
		return;
	}
	if (kt_job_lease_take(run, &err) != KT_E_OK) {
		kt_job_trouble(run, "the lease could not be written", &err);
		return;
	}
	request = move_new(run, KT_STATUS_FOR_REVIEW, KT_STATUS_IN_REVIEW, &op);
	kt_json_set(op, "policy_metadata", kt_job_claim_metadata(run));
	kt_sup_submit(run->supervisor, request, NULL, on_begun, kt_job_call_new(run));
}

static void on_inspected(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_INSPECT);
	char *reason = NULL;

	if (run == NULL || kt_job_is_called_off(run))
		return;
	reason = kt_job_lane_refusal(run, facts, err);
	if (reason != NULL) {
		kt_review_failed(run, reason);
	} else {
		run->job.seen = kt_json_copy(facts);
		run->job.since = kt_strdup(kt_json_get_string(facts, "head"));
		begin(run);
	}
	free(reason);
}

/* The second sync point: a conflict leaves the work package in for_review and the lane as it was.
 */
static void on_synced(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_SYNC);

	(void)facts;
	if (run == NULL || kt_job_is_called_off(run))
		return;
	if (err != NULL) {
		kt_job_trouble(run, "the lane cannot be brought up to date for the review", err);
		return;
	}
	run->job.phase = KT_JOB_INSPECT;
	look(run, on_inspected);
}

void kt_review_start(struct kt_lane_run *run, const char *wp_id, size_t agent)
{
	struct kt_job *job = &run->job;
	struct kt_review_history history = {0, NULL};
	char *name = kt_format("%s%s", wp_id, KT_REVIEW_SUFFIX);

	history_read(run->supervisor, wp_id, &history);
	job->serial++;
	job->verdict = KT_NEXT_REVIEW;
	job->is_review = true;
	job->round = history.rounds + 1;
	job->wp_id = kt_strdup(wp_id);
	job->has_agent = true;
	job->agent = agent;
	job->attempt = kt_job_attempt_next(run, name);
	job->actor = kt_strdup(run->supervisor->launch->reviewer->name);
	kt_review_history_release(&history);
	free(name);
	kt_lane_run_input(run, KT_LANE_IN_RUN);
	kt_job_sync(run, "review", on_synced);
}
