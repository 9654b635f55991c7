/*
 * A work package on its way through a lane, until its agent runs: claim, look at the lane, write
 * the lease, in progress, RUN. Runs in the supervisor. Must never write anything itself but the
 * lease: every change of a status is a request to the writer.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "supervisor/git/environment.h"
#include "supervisor/prompt.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/transaction/request.h"

static const char *const phase_names[] = {"none", "syncing", "claiming", "inspecting", "beginning",
	"starting", "running", "committing", "recording"};

const char *kt_job_phase_name(enum kt_job_phase phase)
{
	return phase_names[phase];
}

struct kt_job_call *kt_job_call_new(struct kt_lane_run *run)
{
	struct kt_job_call *call = kt_alloc(sizeof *call);

	call->run = run;
	call->serial = run->job.serial;
	return call;
}

struct kt_lane_run *kt_job_call_take(struct kt_job_call *call, enum kt_job_phase phase)
{
	struct kt_lane_run *run = call->run;
	bool is_same = run->job.serial == call->serial && run->job.phase == phase;

	free(call);
	return is_same ? run : NULL;
}

/* ---- the end of a job ---- */

static void job_clear(struct kt_lane_run *run)
{
	struct kt_job *job = &run->job;
	uint64_t serial = job->serial + 1;

	if (job->has_agent)
		kt_pool_give_back(&run->supervisor->pool, job->agent);
	free(job->wp_id);
	free(job->actor);
	free(job->before);
	free(job->since);
	kt_json_free(job->seen);
	free(job->difference);
	kt_json_free(job->ended);
	*job = (struct kt_job){.phase = KT_JOB_NONE, .serial = serial};
	run->supervisor->wants_schedule = true;
}

void kt_job_finish(struct kt_lane_run *run)
{
	job_clear(run);
	kt_lane_run_input(run, KT_LANE_IN_IDLE);
}

void kt_job_trouble(struct kt_lane_run *run, const char *what, const struct kt_error *err)
{
	char *trouble = kt_format("%s: %s: %s [%s]", what, kt_error_summary(err->code), err->detail,
		kt_error_text(err->code));

	kt_lane_run_hold(run, trouble);
	free(trouble);
	kt_job_finish(run);
}

/* What runs after the agent ended needs no worker; all before does. */
void kt_job_worker_gone(struct kt_lane_run *run)
{
	if (run->job.phase != KT_JOB_NONE && run->job.phase < KT_JOB_COMMIT)
		job_clear(run);
}

/* A request did not come through. Somebody else was faster: look again; else the lane stops here.
 */
void kt_job_request_failed(struct kt_lane_run *run, const char *what, const struct kt_error *err)
{
	if (kt_error_exit(err->code) == KT_EXIT_CONFLICT) {
		run->conflicts++;
		kt_job_finish(run);
	} else {
		kt_job_trouble(run, what, err);
	}
}

/* A lane that is asked to end starts nothing more; what was claimed goes on in the next launch. */
bool kt_job_is_called_off(struct kt_lane_run *run)
{
	if (run->lane.state == KT_LANE_RUNNING)
		return false;
	kt_job_finish(run);
	return true;
}

/* ---- in progress ---- */

struct kt_json *kt_job_claim_metadata(const struct kt_lane_run *run)
{
	struct kt_json *metadata = kt_json_new_object();
	char *created = kt_format("%llu", (unsigned long long)run->worker_start_time);

	kt_json_set_string(metadata, "agent", run->job.actor);
	kt_json_set_int(metadata, "shell_pid", run->worker_pid);
	kt_json_set_string(metadata, "shell_pid_created_at", created);
	free(created);
	return metadata;
}

static struct kt_json *move_request(
	const struct kt_lane_run *run, enum kt_status from, enum kt_status to)
{
	struct kt_json *request = kt_request_new("launch");
	struct kt_json *op = kt_request_add_move(request, run->job.wp_id, to, run->job.actor);

	kt_json_set_string(op, "from", kt_status_name(from));
	kt_json_set(op, "policy_metadata", kt_job_claim_metadata(run));
	return request;
}

static void on_begun(const struct kt_json *outcome, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_BEGIN);
	struct kt_error err = KT_ERROR_INIT;

	if (run == NULL || kt_job_is_called_off(run))
		return;
	if (kt_outcome_code(outcome, &err) == KT_E_OK)
		kt_job_agent_start(run);
	else
		kt_job_request_failed(run, "the start could not be recorded", &err);
}

enum kt_code kt_job_lease_take(const struct kt_lane_run *run, struct kt_error *err)
{
	char *boot_id = kt_strdup(kt_boot_id());
	struct kt_lease lease = {
		.wp = run->job.wp_id,
		.lane = run->id,
		.attempt = run->job.attempt,
		.worker_pid = run->worker_pid,
		.worker_start_time = run->worker_start_time,
		.boot_id = boot_id,
		.since_head = run->job.since,
		.marker = run->supervisor->marker,
		.is_review = run->job.is_review,
	};
	enum kt_code code = kt_lease_write(run->supervisor->launch->mission, &lease, err);

	free(boot_id);
	return code;
}

static void begin(struct kt_lane_run *run)
{
	enum kt_status status = kt_sup_status(run->supervisor, run->job.wp_id, NULL);
	struct kt_error err = KT_ERROR_INIT;

	if (kt_job_lease_take(run, &err) != KT_E_OK) {
		kt_job_trouble(run, "the lease could not be written", &err);
		return;
	}
	run->job.phase = KT_JOB_BEGIN;
	if (status == KT_STATUS_IN_PROGRESS)
		kt_job_agent_start(run);
	else
		kt_sup_submit(run->supervisor, move_request(run, status, KT_STATUS_IN_PROGRESS),
			NULL, on_begun, kt_job_call_new(run));
}

/* ---- the lane before the agent ---- */

/* Is the lane on its branch, with nothing under way? Else the reason; gives. */
static char *head_refusal(const struct kt_lane_run *run, const struct kt_json *facts)
{
	const char *head_ref = kt_json_get_string(facts, "head_ref");
	const char *state = kt_json_get_string(facts, "state");
	char *wanted = kt_format("refs/heads/%s", run->branch);
	char *reason = NULL;

	if (state != NULL && state[0] != '\0')
		reason = kt_format("%s: a %s is under way in %s", kt_error_text(KT_E_LANE_BUSY),
			state, run->worktree);
	else if (head_ref == NULL || strcmp(head_ref, wanted) != 0)
		reason = kt_format("%s: HEAD of %s is %s instead of %s",
			kt_error_text(KT_E_LANE_HEAD_MISMATCH), run->worktree,
			head_ref == NULL ? "detached" : head_ref, wanted);
	free(wanted);
	return reason;
}

char *kt_job_lane_refusal(
	const struct kt_lane_run *run, const struct kt_json *facts, const struct kt_error *err)
{
	if (err != NULL)
		return kt_format("%s: %s", kt_error_text(err->code), err->detail);
	if (kt_json_get_string(facts, "head") == NULL)
		return kt_format("%s: %s", kt_error_text(KT_E_LANE_HEAD_MISMATCH), run->worktree);
	return head_refusal(run, facts);
}

static void on_inspected(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_INSPECT);
	char *reason = NULL;

	if (run == NULL || kt_job_is_called_off(run))
		return;
	reason = kt_job_lane_refusal(run, facts, err);
	if (reason != NULL) {
		kt_job_block(run, reason);
	} else {
		if (run->job.since == NULL)
			run->job.since = kt_strdup(kt_json_get_string(facts, "head"));
		begin(run);
	}
	free(reason);
}

static void inspect(struct kt_lane_run *run)
{
	const char *args[] = {"lane-inspect", "--mission", run->supervisor->launch->mission->slug,
		"--lane", run->id, NULL};

	run->job.phase = KT_JOB_INSPECT;
	kt_helper_start(&run->supervisor->helpers, args, KT_GIT_TIMEOUT_MS, on_inspected,
		kt_job_call_new(run));
}

/* ---- claim ---- */

static void on_claimed(const struct kt_json *outcome, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_CLAIM);
	struct kt_error err = KT_ERROR_INIT;

	if (run == NULL || kt_job_is_called_off(run))
		return;
	if (kt_outcome_code(outcome, &err) == KT_E_OK)
		inspect(run);
	else
		kt_job_request_failed(run, "the claim was refused", &err);
}

/* The lane holds what the work package builds on: now it is claimed. */
static void on_synced(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_lane_run *run = kt_job_call_take(arg, KT_JOB_SYNC);

	(void)facts;
	if (run == NULL || kt_job_is_called_off(run))
		return;
	if (err != NULL) {
		kt_job_trouble(run, "the lane cannot be brought up to date", err);
		return;
	}
	run->job.phase = KT_JOB_CLAIM;
	kt_sup_submit(run->supervisor, move_request(run, KT_STATUS_PLANNED, KT_STATUS_CLAIMED),
		NULL, on_claimed, kt_job_call_new(run));
}

void kt_job_sync(struct kt_lane_run *run, const char *point, kt_helper_cb done)
{
	const char *args[] = {"lane-sync", "--mission", run->supervisor->launch->mission->slug,
		"--lane", run->id, "--wp", run->job.wp_id, "--point", point, NULL};

	run->job.phase = KT_JOB_SYNC;
	kt_helper_start(
		&run->supervisor->helpers, args, KT_GIT_TIMEOUT_MS, done, kt_job_call_new(run));
}

/* One more than the logs that are there: attempts are counted over all launches. */
long kt_job_attempt_next(const struct kt_lane_run *run, const char *name)
{
	char *folder = kt_format("%s/logs/%s", run->supervisor->launch->mission->run_dir, run->id);
	DIR *logs = opendir(folder);
	size_t len = strlen(name);
	long last = 0;

	for (struct dirent *entry = logs == NULL ? NULL : readdir(logs); entry != NULL;
		entry = readdir(logs)) {
		long number = 0;

		if (strncmp(entry->d_name, name, len) != 0 || entry->d_name[len] != '-')
			continue;
		number = strtol(entry->d_name + len + 1, NULL, 10);
		last = number > last ? number : last;
	}
	if (logs != NULL)
		(void)closedir(logs);
	free(folder);
	return last + 1;
}

/* How the attempt before ended; NULL: this is the first. Gives. */
static char *ending_text(
	const struct kt_lane_run *run, const struct kt_wp_state *state, bool has_lease)
{
	if (run->job.verdict == KT_NEXT_RETRY)
		return kt_format("The attempt before ended blocked: %s.",
			state->last_reason == NULL ? "no reason was given" : state->last_reason);
	if (has_lease || run->job.verdict == KT_NEXT_RESUME)
		return kt_strdup(
			"The agent before you was interrupted, or its work was sent back.");
	if (run->job.attempt > 1)
		return kt_format("The work package was given back: %s.",
			state->last_reason == NULL ? "no reason was given" : state->last_reason);
	return NULL;
}

/* That, and what the last review asked for. */
static char *history_text(
	const struct kt_lane_run *run, const struct kt_wp_state *state, bool has_lease)
{
	char *ending = ending_text(run, state, has_lease);
	char *feedback = kt_review_feedback(run->supervisor, run->job.wp_id);
	char *both = NULL;

	if (feedback == NULL)
		return ending;
	both = kt_format(
		"%s%s%s", ending == NULL ? "" : ending, ending == NULL ? "" : "\n\n", feedback);
	free(ending);
	free(feedback);
	return both;
}

static char *actor_make(const struct kt_lane_run *run, const struct kt_wp_state *state)
{
	const char *name = NULL;

	if (run->job.verdict != KT_NEXT_CLAIM && state->claim_actor != NULL)
		return kt_strdup(state->claim_actor);
	if (run->job.has_agent)
		return kt_strdup(run->supervisor->pool.agents[run->job.agent].name);
	name = strrchr(run->hand_argv[0], '/');
	return kt_strdup(name == NULL ? run->hand_argv[0] : name + 1);
}

void kt_job_start(struct kt_lane_run *run, const struct kt_schedule_step *step, const char *wp_id,
	size_t agent)
{
	struct kt_job *job = &run->job;
	struct kt_wp_state state = {0};
	struct kt_lease lease = {0};
	bool has_lease = kt_lease_read(run->supervisor->launch->mission, wp_id, &lease);

	if (step->verdict == KT_NEXT_REVIEW) {
		kt_lease_release(&lease);
		kt_review_start(run, wp_id, agent);
		return;
	}
	(void)kt_sup_status(run->supervisor, wp_id, &state);
	job->serial++;
	job->verdict = step->verdict;
	job->wp_id = kt_strdup(wp_id);
	job->has_agent = agent != SIZE_MAX;
	job->agent = agent;
	job->attempt = kt_job_attempt_next(run, wp_id);
	if (has_lease && job->attempt <= lease.attempt)
		job->attempt = lease.attempt + 1;
	job->actor = actor_make(run, &state);
	job->since = step->verdict == KT_NEXT_CLAIM ? NULL : kt_strdup(lease.since_head);
	job->before = history_text(run, &state, has_lease);
	kt_lease_release(&lease);
	kt_lane_run_input(run, KT_LANE_IN_RUN);
	if (step->verdict != KT_NEXT_CLAIM) {
		inspect(run);
		return;
	}
	kt_job_sync(run, "claim", on_synced);
}
