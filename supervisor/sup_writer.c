/*
 * The supervisor's side of the writer: requests in, commits out to watchers and to the summary, and
 * consolidation of what was written. Runs in the supervisor. Must never turn the writer from inside
 * one of its callbacks.
 */
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/log.h"
#include "ipc/message.h"
#include "supervisor/git/consolidate.h"
#include "supervisor/supervisor_private.h"

static void on_notice(const char *line, void *arg)
{
	kt_supervisor_say(arg, NULL, "%s", line);
}

static void on_committed(const char *rows, size_t len, const struct kt_oid *commit, void *arg)
{
	struct kt_supervisor *supervisor = arg;
	size_t log_len = 0;
	const char *log = kt_writer_log(supervisor->writer, &log_len);

	/* rows points into the committed log. */
	if (supervisor->publisher != NULL && rows >= log && rows + len <= log + log_len)
		kt_publisher_commit(supervisor->publisher, kt_oid_format(commit).text,
			(size_t)(rows - log), (size_t)(rows - log) + len);
	supervisor->wants_schedule = supervisor->wants_integration = true;
}

/* One EVENT to a watcher's connection: refused while what it has not taken yet is queued. */
static bool send_rows(void *watcher, const struct kt_json *body)
{
	struct kt_peer *peer = watcher;
	struct kt_error ignored = KT_ERROR_INIT;

	if (peer->is_closing || kt_channel_queued(peer->channel) > KT_WATCH_CHUNK_MAX)
		return false;
	return kt_channel_send(peer->channel, KT_MSG_EVENT, kt_channel_next_id(peer->channel), body,
		       &ignored) == KT_E_OK;
}

static bool send_snapshot(void *watcher, void *arg)
{
	struct kt_supervisor *supervisor = arg;
	struct kt_peer *peer = watcher;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_json *body = NULL;
	bool was_sent = false;

	if (peer->is_closing || kt_channel_queued(peer->channel) > KT_WATCH_CHUNK_MAX)
		return false;
	body = kt_json_new_object();
	kt_json_set(body, "report", kt_sup_report(supervisor));
	kt_json_set_string(body, "last_event_id",
		kt_reducer_max_event_id(kt_writer_state(supervisor->writer)));
	was_sent = kt_channel_send(peer->channel, KT_MSG_SNAPSHOT,
			   kt_channel_next_id(peer->channel), body, &ignored) == KT_E_OK;
	kt_json_free(body);
	return was_sent;
}

void kt_sup_flush(struct kt_supervisor *supervisor)
{
	struct kt_published published = {NULL, 0};

	if (kt_publisher_watchers(supervisor->publisher) == 0)
		return;
	published.log = kt_writer_log(supervisor->writer, &published.len);
	kt_publisher_flush(supervisor->publisher, &published);
}

enum kt_code kt_sup_writer_open(struct kt_supervisor *supervisor, struct kt_error *err)
{
	const struct kt_launch *launch = supervisor->launch;
	struct kt_writer_options options = {
		.repo = launch->repo,
		.mission = launch->mission,
		.holder_command = "kitty launch",
		.hold_lock = true,
		.hook_timeout_ms = (int)launch->config->hook_timeout_ms,
		.sign = launch->config->sign_bookkeeping,
		.protected_branches =
			launch->config->has_protected
				? (const char *const *)launch->config->protected_branches
				: NULL,
		.program = launch->program,
		.on_notice = on_notice,
		.on_committed = on_committed,
		.arg = supervisor,
	};
	struct kt_publisher_options publishing = {send_rows, send_snapshot, supervisor};
	enum kt_code code = kt_writer_new(&options, &supervisor->writer, err);

	supervisor->publisher = kt_publisher_new(&publishing);
	return code == KT_E_OK ? kt_writer_acquire(supervisor->writer, err) : code;
}

/* ---- requests ---- */

struct submission {
	struct kt_supervisor *supervisor;
	kt_outcome_cb done;
	void *arg;
	bool has_files;
};

static void on_outcome(const struct kt_json *outcome, void *arg)
{
	struct submission *submission = arg;

	kt_sup_record(submission->supervisor, outcome);
	if (submission->has_files && kt_json_get_string(outcome, "result") != NULL)
		submission->supervisor->plan_is_stale = true;
	submission->done(outcome, submission->arg);
	free(submission);
}

void kt_sup_submit(struct kt_supervisor *supervisor, struct kt_json *request, const char *lane,
	kt_outcome_cb done, void *arg)
{
	struct submission *submission = kt_alloc(sizeof *submission);

	*submission = (struct submission){
		supervisor, done, arg, kt_json_size(kt_json_get(request, "files")) > 0};
	kt_writer_submit(supervisor->writer, request, lane, on_outcome, submission);
	supervisor->has_requests = true;
	kt_json_free(request);
}

static void on_writer(evutil_socket_t fd, short what, void *arg)
{
	/* Only there to wake the loop: the end of the turn drives the writer. */
	(void)fd;
	(void)what;
	(void)arg;
}

static void writer_wait(struct kt_supervisor *supervisor, const struct kt_wait *wait)
{
	int64_t left = wait->deadline_ms < 0 ? 0 : wait->deadline_ms - kt_clock_monotonic_ms();
	struct timeval limit = {left < 0 ? 0 : (time_t)(left / 1000),
		left < 0 ? 0 : (suseconds_t)(left % 1000) * 1000};

	/* The descriptor may be another one of the same number: it is registered anew each time. */
	if (supervisor->writer_event != NULL)
		event_free(supervisor->writer_event);
	supervisor->writer_event = event_new(
		supervisor->base, wait->fd, wait->fd >= 0 ? EV_READ : 0, on_writer, supervisor);
	(void)event_add(supervisor->writer_event, wait->deadline_ms < 0 ? NULL : &limit);
}

void kt_sup_writer_drive(struct kt_supervisor *supervisor)
{
	struct kt_wait wait = {-1, -1};

	if (supervisor->is_writer_idle && !supervisor->has_requests)
		return;
	if (supervisor->writer_event != NULL)
		(void)event_del(supervisor->writer_event);
	supervisor->has_requests = false;
	supervisor->is_writer_idle = kt_writer_turn(supervisor->writer, &wait);
	if (!supervisor->is_writer_idle)
		writer_wait(supervisor, &wait);
}

/* ---- the summary's list of commits ---- */

static void commit_add(struct kt_supervisor *supervisor, const char *message, const char *branch,
	const char *sha, const char *outcome)
{
	struct kt_json *row = NULL;

	if (kt_json_size(supervisor->commits) >= KT_SUMMARY_COMMITS_MAX) {
		supervisor->commits_left_out++;
		return;
	}
	row = kt_json_new_object();
	kt_json_set_string(row, "message", message);
	kt_json_set_string(row, "branch", branch);
	kt_json_set_string(row, "sha", sha);
	kt_json_set_string(row, "outcome", outcome);
	kt_json_append(supervisor->commits, row);
}

static void moves_say(struct kt_supervisor *supervisor, const struct kt_json *moves)
{
	for (const struct kt_json *at = kt_json_first(moves); at != NULL; at = kt_json_next(at)) {
		const char *wp = kt_json_get_string(at, "wp_id");
		const char *actor = kt_json_get_string(at, "actor");
		const struct kt_lane_plan *lane =
			wp == NULL || supervisor->plan == NULL
				? NULL
				: kt_lanes_of_wp(supervisor->plan->lanes, wp);
		struct kt_wp_state state = {0};

		if (wp == NULL)
			continue;
		(void)kt_sup_status(supervisor, wp, &state);
		kt_supervisor_say(supervisor,
			lane == NULL ? NULL : kt_sup_lane_find(supervisor, lane->id),
			"%s %s -> %s [%s]%s%s", wp, kt_json_get_string(at, "from_lane"),
			kt_json_get_string(at, "to_lane"), actor == NULL ? "" : actor,
			state.last_reason == NULL ? "" : ": ",
			state.last_reason == NULL ? "" : state.last_reason);
	}
}

void kt_sup_record(struct kt_supervisor *supervisor, const struct kt_json *outcome)
{
	const struct kt_json *receipt = kt_json_get(outcome, "receipt");
	const char *rejected = kt_json_get_string(outcome, "rejected_message");

	if (rejected != NULL)
		commit_add(supervisor, rejected, kt_json_get_string(outcome, "destination_ref"),
			NULL, "rejected");
	if (receipt == NULL || kt_json_get_bool(receipt, "is_noop", false))
		return;
	commit_add(supervisor, kt_json_get_string(outcome, "message"),
		kt_json_get_string(receipt, "destination_ref"),
		kt_json_get_string(receipt, "commit_sha"), "committed");
	moves_say(supervisor, kt_json_get(outcome, "moves"));
}

void kt_sup_record_lane_commits(
	struct kt_supervisor *supervisor, const struct kt_lane_run *run, const struct kt_json *list)
{
	for (const struct kt_json *at = kt_json_first(list); at != NULL; at = kt_json_next(at))
		commit_add(supervisor, kt_json_get_string(at, "message"), run->branch,
			kt_json_get_string(at, "sha"), "committed");
}

/* ---- consolidation ---- */

static void consolidation_reap(struct kt_supervisor *supervisor)
{
	struct kt_child_status status = {false, 0, 0, false};

	if (supervisor->consolidation.pid > 0 && kt_child_reap(&supervisor->consolidation, &status))
		kt_child_release(&supervisor->consolidation);
}

void kt_sup_consolidate(struct kt_supervisor *supervisor)
{
	uint64_t commits = kt_writer_commits(supervisor->writer);
	struct kt_error err = KT_ERROR_INIT;

	consolidation_reap(supervisor);
	if (supervisor->consolidation.pid > 0 ||
		commits - supervisor->consolidated_at < KT_CONSOLIDATE_EVERY)
		return;
	supervisor->consolidated_at = commits;
	if (kt_consolidate_is_due(supervisor->launch->repo, KT_PACKS_MAX) &&
		kt_consolidate_start(supervisor->launch->repo, &supervisor->consolidation, &err) !=
			KT_E_OK)
		kt_log_failure(KT_LOG_WARN, &err, "consolidation");
}

void kt_sup_consolidate_end(struct kt_supervisor *supervisor)
{
	struct kt_child_status status = {false, 0, 0, false};

	consolidation_reap(supervisor);
	if (supervisor->consolidation.pid == 0 && supervisor->writer != NULL &&
		supervisor->socket_path != NULL &&
		kt_consolidate_is_due(supervisor->launch->repo, KT_PACKS_MAX / 2)) {
		struct kt_error ignored = KT_ERROR_INIT;

		(void)!kt_consolidate_start(
			supervisor->launch->repo, &supervisor->consolidation, &ignored);
	}
	if (supervisor->consolidation.pid == 0)
		return;
	/* git takes a TERM well: it removes what it has not finished. */
	kt_child_wait(&supervisor->consolidation, KT_CONSOLIDATE_END_MS, &status);
	kt_child_release(&supervisor->consolidation);
}
