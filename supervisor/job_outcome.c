/*
 * What an agent's end means: its work is looked at and committed in the lane by a helper, then one
 * request moves the work package. What the agent itself wrote holds. Runs in the supervisor.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/log.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/transaction/request.h"

enum { COMMIT_TIMEOUT_MS = 900000, REASON_MAX = 2000 };

/* ---- recording ---- */

/* The lease of a handed-over WP goes; that of a blocked one stays, for a retry. */
static void lease_settle(struct kt_lane_run *run)
{
	enum kt_status status = kt_sup_status(run->supervisor, run->job.wp_id, NULL);

	if (status == KT_STATUS_BLOCKED)
		kt_lease_end(run->supervisor->launch->mission, run->job.wp_id);
	else if (status != KT_STATUS_IN_PROGRESS && status != KT_STATUS_CLAIMED)
		kt_lease_remove(run->supervisor->launch->mission, run->job.wp_id);
}

/* The lane gate's word is about the work, not about the recording. */
static bool is_refused_work(const struct kt_error *err)
{
	return err->code == KT_E_LANE_TOUCHES_KITTY_SPECS || err->code == KT_E_LANE_OUTSIDE_OWNED;
}

static void block_refused(struct kt_lane_run *run, const struct kt_error *err)
{
	char *reason = kt_format("%s: %s", kt_error_text(err->code), err->detail);

	kt_job_block(run, reason);
	free(reason);
}

static void on_recorded(const struct kt_json *outcome, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_OUTCOME);
	struct kt_error err = KT_ERROR_INIT;
	enum kt_status status = KT_STATUS_NONE;

	if (run == NULL)
		return;
	lease_settle(run);
	status = kt_sup_status(run->supervisor, run->job.wp_id, NULL);
	if (kt_outcome_code(outcome, &err) == KT_E_OK ||
		kt_error_exit(err.code) == KT_EXIT_CONFLICT ||
		(status != KT_STATUS_IN_PROGRESS && status != KT_STATUS_CLAIMED))
		kt_job_finish(run);
	else if (is_refused_work(&err))
		block_refused(run, &err);
	else
		kt_job_trouble(run, "the outcome could not be recorded", &err);
}

static void record(struct kt_lane_run *run, struct kt_json *request)
{
	run->job.phase = KT_JOB_OUTCOME;
	kt_sup_submit(run->supervisor, request, NULL, on_recorded, kt_job_call_new(run));
}

void kt_job_block(struct kt_lane_run *run, const char *reason)
{
	struct kt_json *request = kt_request_new("launch");
	struct kt_wp_state state = {0};
	enum kt_status status = kt_sup_status(run->supervisor, run->job.wp_id, &state);
	const char *actor = run->job.actor != NULL      ? run->job.actor
			    : state.claim_actor != NULL ? state.claim_actor
							: "kitty";
	struct kt_json *op = kt_request_add_move(request, run->job.wp_id, KT_STATUS_BLOCKED, actor);
	char *text = kt_strndup(reason, strnlen(reason, REASON_MAX));

	kt_json_set_bool(op, "if_needed", true);
	kt_json_set_string(op, "reason", text);
	if (status != KT_STATUS_BLOCKED)
		kt_json_set_string(op, "from", kt_status_name(status));
	free(text);
	record(run, request);
}

/* ---- handing over ---- */

static bool is_subtask_done(const struct kt_wp_state *state, const char *task)
{
	const char *now = kt_json_get_string(kt_json_get(state->entry, "subtasks"), task);

	return now != NULL && strcmp(now, kt_status_name(KT_STATUS_DONE)) == 0;
}

/* {task: "done"} for every open one; gives; NULL when none is open. */
static struct kt_json *subtasks_open(const struct kt_lane_run *run, struct kt_buffer *names)
{
	const struct kt_wp *wp = kt_plan_find_wp(run->supervisor->plan, run->job.wp_id);
	struct kt_json *open = kt_json_new_object();
	struct kt_wp_state state = {0};

	(void)kt_sup_status(run->supervisor, run->job.wp_id, &state);
	for (char **task = wp == NULL ? NULL : wp->subtasks; task != NULL && *task != NULL; task++)
		if (!is_subtask_done(&state, *task)) {
			kt_buffer_printf(names, "%s%s", names->len == 0 ? "" : ", ", *task);
			kt_json_set_string(open, *task, kt_status_name(KT_STATUS_DONE));
		}
	if (kt_json_size(open) > 0)
		return open;
	kt_json_free(open);
	return NULL;
}

static void hand_over(struct kt_lane_run *run)
{
	struct kt_buffer names = KT_BUFFER_INIT;
	struct kt_json *open = subtasks_open(run, &names);
	struct kt_json *request = NULL;
	struct kt_json *delta = NULL;
	struct kt_json *op = NULL;

	if (open != NULL && run->supervisor->launch->config->subtasks_required) {
		char *reason =
			kt_format("agent exited 0 with open subtasks: %s", kt_buffer_text(&names));

		kt_json_free(open);
		kt_job_block(run, reason);
		free(reason);
		kt_buffer_release(&names);
		return;
	}
	kt_buffer_release(&names);
	request = kt_request_new("launch");
	if (open != NULL) {
		delta = kt_json_new_object();
		kt_json_set(delta, "subtasks", open);
		(void)kt_request_add_annotation(request, run->job.wp_id, run->job.actor, delta);
	}
	op = kt_request_add_move(request, run->job.wp_id, KT_STATUS_FOR_REVIEW, run->job.actor);
	kt_json_set_bool(op, "if_needed", true);
	kt_json_set_string(op, "from", kt_status_name(KT_STATUS_IN_PROGRESS));
	record(run, request);
}

/* ---- judging ---- */

void kt_job_describe_end(const struct kt_lane_run *run, struct kt_buffer *out)
{
	const struct kt_json *ended = run->job.ended;
	const struct kt_agent *agent = kt_job_agent(run);
	int64_t number = 0;

	if (kt_json_get_bool(ended, "timed_out", false)) {
		long seconds = agent == NULL ? 0 : agent->timeout_s;

		kt_buffer_puts(out, "timed out after ");
		if (seconds >= 3600)
			kt_buffer_printf(out, "%ldh", seconds / 3600);
		if (seconds / 60 % 60 != 0)
			kt_buffer_printf(out, "%ldm", seconds / 60 % 60);
		if (seconds % 60 != 0 || seconds == 0)
			kt_buffer_printf(out, "%lds", seconds % 60);
	} else if (kt_json_get_bool(ended, "exited", false)) {
		(void)kt_json_get_int(ended, "exit_code", &number);
		kt_buffer_printf(out, "exit status %lld%s", (long long)number,
			number == KT_AGENT_EXIT_PERMANENT ? KT_JOB_PERMANENT : "");
	} else {
		(void)kt_json_get_int(ended, "signal", &number);
		kt_buffer_printf(out, "killed by signal %lld", (long long)number);
	}
}

static bool is_good_end(const struct kt_json *ended)
{
	int64_t exit_code = 1;

	return !kt_json_get_bool(ended, "timed_out", false) &&
	       kt_json_get_bool(ended, "exited", false) &&
	       kt_json_get_int(ended, "exit_code", &exit_code) && exit_code == 0;
}

/* Has the agent, or somebody else, moved the WP meanwhile? Then that holds. */
static bool has_moved(const struct kt_lane_run *run)
{
	return kt_sup_status(run->supervisor, run->job.wp_id, NULL) != KT_STATUS_IN_PROGRESS;
}

static void elsewhere_say(struct kt_lane_run *run, const struct kt_json *facts)
{
	const struct kt_json *list = kt_json_get(facts, "elsewhere");

	for (const struct kt_json *at = kt_json_first(list); at != NULL; at = kt_json_next(at))
		if (kt_json_string(at) != NULL)
			kt_supervisor_say(run->supervisor, run,
				"commit %s was made outside the lane's branch", kt_json_string(at));
}

/* Work that lies elsewhere is named where the next person looks: in the event. */
static char *workless_tell(const struct kt_json *facts)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	const struct kt_json *list = kt_json_get(facts, "elsewhere");
	const char *separator = "; commits outside the lane's branch: ";

	kt_buffer_puts(&text, "agent exited 0 without work");
	for (const struct kt_json *at = kt_json_first(list); at != NULL; at = kt_json_next(at)) {
		if (kt_json_string(at) == NULL)
			continue;
		kt_buffer_printf(&text, "%s%s", separator, kt_json_string(at));
		separator = ", ";
	}
	return kt_buffer_take(&text);
}

static void on_committed(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_COMMIT);
	char *reason = NULL;

	if (run == NULL)
		return;
	if (err != NULL)
		reason = kt_format("%s: %s%s%s", kt_error_text(err->code),
			kt_error_summary(err->code), err->detail[0] == '\0' ? "" : ": ",
			err->detail);
	else if (!kt_json_get_bool(facts, "has_work", false))
		reason = workless_tell(facts);
	if (facts != NULL) {
		kt_sup_record_lane_commits(
			run->supervisor, run, kt_json_get(facts, "lane_commits"));
		elsewhere_say(run, facts);
	}
	if (has_moved(run)) {
		if (err != NULL)
			kt_supervisor_say(run->supervisor, run, "%s", reason);
		lease_settle(run);
		kt_job_finish(run);
	} else if (reason != NULL) {
		kt_job_block(run, reason);
	} else {
		hand_over(run);
	}
	free(reason);
}

static void commit_begin(struct kt_lane_run *run)
{
	const struct kt_supervisor *supervisor = run->supervisor;
	const struct kt_wp *wp = kt_plan_find_wp(supervisor->plan, run->job.wp_id);
	char *max = kt_format("%zu", supervisor->launch->config->lane_commit_max_bytes);
	/* In one word: a title may begin with a dash. */
	char *title = kt_format(
		"--title=%s", wp == NULL || wp->title == NULL ? run->job.wp_id : wp->title);
	const char *args[] = {"lane-commit", "--mission", supervisor->launch->mission->slug,
		"--lane", run->id, "--wp", run->job.wp_id, title, "--agent", run->job.actor,
		"--since", run->job.since, "--max-bytes", max, NULL};

	kt_helper_start(&run->supervisor->helpers, args, COMMIT_TIMEOUT_MS, on_committed,
		kt_job_call_new(run));
	free(title);
	free(max);
}

/* After a bad end the lane's files stay as they are; where its HEAD is, is told. */
static void on_looked_at(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_COMMIT);
	struct kt_buffer reason = KT_BUFFER_INIT;
	const char *head_ref = kt_json_get_string(facts, "head_ref");
	const char *state = kt_json_get_string(facts, "state");

	if (run == NULL)
		return;
	kt_sup_record_lane_commits(run->supervisor, run, kt_json_get(facts, "lane_commits"));
	kt_job_describe_end(run, &reason);
	if (err != NULL)
		kt_buffer_printf(&reason, "; %s", kt_error_text(err->code));
	else if (state != NULL && state[0] != '\0')
		kt_buffer_printf(&reason, "; a %s is under way in the lane [%s]", state,
			kt_error_text(KT_E_LANE_BUSY));
	else if (head_ref == NULL || strncmp(head_ref, "refs/heads/", 11) != 0 ||
		 strcmp(head_ref + 11, run->branch) != 0)
		kt_buffer_printf(&reason, "; the lane's HEAD is %s at %s [%s]",
			head_ref == NULL ? "detached" : head_ref,
			kt_json_get_string(facts, "head") == NULL
				? "?"
				: kt_json_get_string(facts, "head"),
			kt_error_text(KT_E_LANE_HEAD_MISMATCH));
	if (has_moved(run)) {
		lease_settle(run);
		kt_job_finish(run);
	} else {
		kt_job_block(run, kt_buffer_text(&reason));
	}
	kt_buffer_release(&reason);
}

static void look_begin(struct kt_lane_run *run)
{
	const char *args[] = {"lane-inspect", "--mission", run->supervisor->launch->mission->slug,
		"--lane", run->id, run->job.since == NULL ? NULL : "--since", run->job.since, NULL};

	kt_helper_start(&run->supervisor->helpers, args, KT_GIT_TIMEOUT_MS, on_looked_at,
		kt_job_call_new(run));
}

static void job_judge(struct kt_lane_run *run)
{
	run->job.phase = KT_JOB_COMMIT;
	if (is_good_end(run->job.ended))
		commit_begin(run);
	else
		look_begin(run);
}

void kt_job_ended(struct kt_lane_run *run, struct kt_json *body)
{
	const char *wp = kt_json_get_string(body, "wp");
	struct kt_buffer how = KT_BUFFER_INIT;

	if ((run->job.phase != KT_JOB_AGENT && run->job.phase != KT_JOB_START) || wp == NULL ||
		strcmp(wp, run->job.wp_id) != 0) {
		kt_json_free(body);
		return;
	}
	/* A lane that drains keeps its time limit. */
	if (run->lane.state == KT_LANE_RUNNING)
		kt_lane_run_disarm(run);
	kt_json_free(run->job.ended);
	run->job.ended = body;
	kt_job_describe_end(run, &how);
	kt_log(KT_LOG_INFO, "%s: agent of %s: %s", run->id, wp, kt_buffer_text(&how));
	kt_buffer_release(&how);
	/* Stopped by us: the WP stays in progress and the lease stays, for the next launch. */
	if (kt_json_get_bool(body, "stopped", false))
		kt_job_finish(run);
	else if (run->job.is_review)
		kt_review_judge(run);
	else
		job_judge(run);
}
