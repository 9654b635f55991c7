/*
 * Outcomes of requests: receipts (proof of a commit), failures, and the diagnostic after a
 * roll-back. Must never call anything a receipt before the ref was read back.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supervisor/transaction/writer_private.h"

void kt_pending_fail(struct kt_writer *writer, struct pending *pending, const struct kt_error *err)
{
	(void)writer;
	kt_json_free(pending->outcome);
	pending->outcome = kt_outcome_from_error(err);
	pending->is_built = false;
}

void kt_batch_fail(struct kt_writer *writer, const struct kt_error *err)
{
	if (writer->lock_is_asked)
		writer->acquire_error = *err;
	for (struct pending *p = writer->batch; p != NULL; p = p->next)
		if (p->outcome == NULL)
			kt_pending_fail(writer, p, err);
}

/* First move of the request, as the diagnostic names it; annotations have none. */
static struct kt_json *rolled_back_transition(const struct pending *pending)
{
	const struct kt_json *move = kt_json_first(pending->moves);
	struct kt_json *transition = NULL;

	if (move == NULL)
		return kt_json_new_null();
	transition = kt_json_new_object();
	kt_json_set_string(transition, "wp_id", kt_json_get_string(move, "wp_id"));
	kt_json_set_string(transition, "from_lane", kt_json_get_string(move, "from_lane"));
	kt_json_set_string(transition, "to_lane", kt_json_get_string(move, "to_lane"));
	return transition;
}

void kt_pending_roll_back(
	struct kt_writer *writer, struct pending *pending, const struct kt_error *err)
{
	kt_pending_fail(writer, pending, err);
	kt_json_set_string(pending->outcome, "error_code", kt_error_text(err->code));
	kt_json_set_string(pending->outcome, "destination_ref", writer->to.branch);
	kt_json_set_string(pending->outcome, "rejected_message", pending->message);
	kt_json_set_string(pending->outcome, "rejected_reason", err->detail);
	kt_json_set_string(pending->outcome, "rejected_by", "git");
	kt_json_set(pending->outcome, "rolled_back_transition", rolled_back_transition(pending));
	kt_json_set_string(pending->outcome, "next_step", kt_error_next_step(err));
}

void kt_pending_reject(
	struct kt_writer *writer, struct pending *pending, const char *hook, const char *reason)
{
	struct kt_error err = KT_ERROR_INIT;

	(void)kt_error_set(&err, KT_E_BOOKKEEPING_COMMIT_FAILED, "%s hook: %s", hook, reason);
	kt_error_next(&err, "Fix the %s hook configuration and re-run.", hook);
	kt_pending_roll_back(writer, pending, &err);
	kt_json_set_string(pending->outcome, "rejected_reason", reason);
	kt_json_set_string(pending->outcome, "rejected_by", hook);
}

static void format_seconds(long long seconds, char out[32])
{
	time_t time = (time_t)seconds;
	struct tm parts;

	(void)gmtime_r(&time, &parts);
	(void)strftime(out, 32, "%Y-%m-%dT%H:%M:%S+00:00", &parts);
}

static struct kt_json *receipt_to_json(const struct kt_receipt *receipt)
{
	struct kt_json *json = kt_json_new_object();
	char at[32];

	format_seconds(receipt->committed_at, at);
	kt_json_set_string(json, "commit_sha", kt_oid_format(&receipt->commit).text);
	kt_json_set_string(json, "committed_at", at);
	kt_json_set_string(json, "destination_ref", receipt->destination_ref);
	kt_json_set_string(json, "worktree_root", receipt->worktree_root);
	kt_json_set(json, "event_ids", kt_json_copy(receipt->event_ids));
	kt_json_set_bool(json, "is_noop", receipt->is_noop);
	return json;
}

static void succeed(struct kt_writer *writer, struct pending *pending, bool is_noop)
{
	const struct kt_receipt receipt = {.commit = pending->commit,
		.committed_at = pending->committed_at,
		.destination_ref = writer->to.branch,
		.worktree_root = writer->to.worktree,
		.event_ids = pending->event_ids,
		.is_noop = is_noop};

	pending->outcome = kt_json_new_object();
	kt_json_set_string(pending->outcome, "result", "success");
	kt_json_set(pending->outcome, "receipt", receipt_to_json(&receipt));
	kt_json_set(pending->outcome, "moves", kt_json_copy(pending->moves));
	kt_json_set_string(pending->outcome, "message", pending->message);
	if (kt_json_size(pending->warnings) > 0)
		kt_json_set(pending->outcome, "warnings", kt_json_copy(pending->warnings));
}

/* After the commit point: nothing here may fail, or a committed row would be called refused. */
void kt_pending_succeed(struct kt_writer *writer, struct pending *pending)
{
	succeed(writer, pending, false);
}

enum kt_code kt_pending_answer_unneeded(
	struct kt_writer *writer, struct pending *pending, struct kt_error *err)
{
	enum kt_code code = kt_store_commit_read(
		writer->store, &writer->tip, NULL, &pending->committed_at, NULL, err);

	if (code != KT_E_OK)
		return code;
	free(pending->message);
	pending->message = kt_strdup("");
	pending->commit = writer->tip;
	succeed(writer, pending, true);
	return KT_E_OK;
}

/* ---- receipts of events that were committed before ---- */

struct history {
	struct kt_oid *commits; /* newest first */
	size_t len, capacity;
};

static enum kt_code history_load(
	struct kt_writer *writer, struct history *history, struct kt_error *err)
{
	struct kt_oid commit = writer->tip, parent = {{0}};
	enum kt_code code = KT_E_OK;

	while (code == KT_E_OK && !kt_oid_is_zero(&commit)) {
		if (history->len == history->capacity) {
			history->capacity = history->capacity * 2 + 64;
			history->commits = kt_realloc_array(
				history->commits, history->capacity, sizeof *history->commits);
		}
		history->commits[history->len++] = commit;
		code = kt_store_commit_read(writer->store, &commit, &parent, NULL, NULL, err);
		commit = parent;
	}
	return code;
}

static enum kt_code holds_row(struct kt_writer *writer, const struct kt_oid *commit, size_t row_end,
	bool *out, struct kt_error *err)
{
	struct kt_buffer log = KT_BUFFER_INIT;
	bool found = false;
	enum kt_code code = kt_store_blob_read(
		writer->store, commit, writer->options.mission->log_path, &found, NULL, &log, err);

	if (code == KT_E_OK)
		*out = found && log.len >= row_end;
	kt_buffer_release(&log);
	return code;
}

/* Somebody's branch has a history of its own before and between our commits: back from the tip for
 * as long as the row is there. */
static enum kt_code find_on_checkout(
	struct kt_writer *writer, size_t row_end, struct kt_oid *commit, struct kt_error *err)
{
	struct kt_oid parent = {{0}};
	bool holds = true;
	enum kt_code code = KT_E_OK;

	*commit = writer->tip;
	while (code == KT_E_OK && holds) {
		code = kt_store_commit_read(writer->store, commit, &parent, NULL, NULL, err);
		if (code != KT_E_OK || kt_oid_is_zero(&parent))
			break;
		code = holds_row(writer, &parent, row_end, &holds, err);
		if (code == KT_E_OK && holds)
			*commit = parent;
	}
	return code;
}

/* The log only grows along the first parents, so the oldest commit that holds the row is found by
 * bisection. */
static enum kt_code find_commit(
	struct kt_writer *writer, size_t row_end, struct kt_oid *commit, struct kt_error *err)
{
	struct history history = {NULL, 0, 0};
	enum kt_code code = history_load(writer, &history, err);
	size_t has = 0, has_not = history.len;

	KT_BUG_UNLESS(code != KT_E_OK || history.len > 0); /* a row that was found has a commit */
	while (code == KT_E_OK && has_not - has > 1) {
		size_t middle = has + (has_not - has) / 2;
		bool holds = false;

		code = holds_row(writer, &history.commits[middle], row_end, &holds, err);
		if (holds)
			has = middle;
		else
			has_not = middle;
	}
	if (code == KT_E_OK)
		*commit = history.commits[has];
	free(history.commits);
	return code;
}

enum kt_code kt_pending_repeat(struct kt_writer *writer, struct pending *pending,
	const char *event_id, struct kt_error *err)
{
	size_t offset = 0, len = 0;
	struct kt_buffer message = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	KT_BUG_UNLESS(kt_reducer_find_event(writer->state, event_id, &offset, &len));
	/* In the batch that is being built: it will be in the commit of an earlier request of this
	 * batch. */
	if (offset + len > writer->log.len)
		return kt_error_set(err, KT_E_EVENT_ID_CONFLICT,
			"%s is being written by another request at this moment", event_id);
	code = kt_destination_is_own(&writer->to)
		       ? find_commit(writer, offset + len, &pending->commit, err)
		       : find_on_checkout(writer, offset + len, &pending->commit, err);
	if (code == KT_E_OK)
		code = kt_store_commit_read(writer->store, &pending->commit, NULL,
			&pending->committed_at, &message, err);
	if (code == KT_E_OK) {
		free(pending->message);
		kt_buffer_printf(&message, "%s", "");
		pending->message = kt_strndup(message.data, strcspn(message.data, "\n"));
		succeed(writer, pending, true);
	}
	kt_buffer_release(&message);
	return code;
}
