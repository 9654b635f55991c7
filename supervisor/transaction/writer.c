/*
 * The writer: its queue, its batches, and the order of the steps. Runs in the supervisor's loop or
 * in a command. Must never wait by itself: every wait is handed to the caller as struct kt_wait.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/clock.h"
#include "supervisor/transaction/holder.h"
#include "supervisor/transaction/lock.h"
#include "supervisor/transaction/writer_private.h"

enum { LOCK_POLL_MS = 20, SUPERVISOR_PATIENCE_MS = 200 };

static enum turn step_idle(struct kt_writer *writer);
static enum turn step_lock(struct kt_writer *writer);
static enum turn step_gate(struct kt_writer *writer);
static enum turn step_answer(struct kt_writer *writer);

static enum turn (*const steps[STEP_COUNT])(struct kt_writer *) = {
	[STEP_IDLE] = step_idle,
	[STEP_LOCK] = step_lock,
	[STEP_WORKTREE] = kt_step_worktree,
	[STEP_HEAL] = kt_step_heal,
	[STEP_SYNC] = kt_step_sync,
	[STEP_GATE] = step_gate,
	[STEP_JUDGE] = kt_step_judge,
	[STEP_MERGE] = kt_step_merge,
	[STEP_BUILD] = kt_step_build,
	[STEP_HOOKS] = kt_step_hooks,
	[STEP_SIGN] = kt_step_sign,
	[STEP_SWAP] = kt_step_swap,
	[STEP_FILES] = kt_step_files,
	[STEP_ANSWER] = step_answer,
	[STEP_POST] = kt_step_post,
};

enum kt_code kt_writer_new(
	const struct kt_writer_options *options, struct kt_writer **out, struct kt_error *err)
{
	struct kt_writer *writer = NULL;
	char *journal = NULL;
	enum kt_code code = KT_E_OK;

	code = kt_mission_check_open(options->mission, err);
	if (code != KT_E_OK)
		return code;
	writer = kt_alloc(sizeof *writer);
	writer->options = *options;
	writer->lock_fd = -1;
	writer->trace_fd = kt_trace_open();
	writer->queue_end = &writer->queue;
	writer->child = (struct kt_subprocess)KT_SUBPROCESS_INIT;
	writer->program = kt_strdup(options->program == NULL ? "/proc/self/exe" : options->program);
	code = kt_store_open(options->repo, &writer->store, err);
	if (code != KT_E_OK) {
		kt_writer_free(writer);
		return code;
	}
	journal = kt_format("%s/journal", options->mission->run_dir);
	kt_commit_journal(writer->store, journal);
	free(journal);
	*out = writer;
	return KT_E_OK;
}

static void pending_free(struct pending *pending)
{
	kt_json_free(pending->request);
	kt_json_free(pending->warnings);
	kt_json_free(pending->outcome);
	kt_json_free(pending->moves);
	kt_json_free(pending->event_ids);
	kt_buffer_release(&pending->rows);
	free(pending->message);
	free(pending->lane);
	free(pending->effects);
	free(pending);
}

/* Tells the submitter and runs the effects, which must not run after a rejection. */
void kt_pending_answer(struct pending *pending)
{
	bool has_succeeded = kt_json_get(pending->outcome, "receipt") != NULL;

	if (pending->done != NULL)
		pending->done(pending->outcome, pending->arg);
	for (size_t i = 0; i < pending->effects_len; i++) {
		if (has_succeeded)
			pending->effects[i].run(pending->outcome, pending->effects[i].arg);
		else if (pending->effects[i].drop != NULL)
			pending->effects[i].drop(pending->effects[i].arg);
	}
	pending_free(pending);
}

static void abandon(struct kt_writer *writer, struct pending *list)
{
	struct kt_error err = KT_ERROR_INIT;

	(void)kt_error_set(
		&err, KT_E_INTERRUPTED, "the writer ended before the request was committed");
	while (list != NULL) {
		struct pending *pending = list;

		list = pending->next;
		if (pending->outcome == NULL)
			kt_pending_fail(writer, pending, &err);
		kt_pending_answer(pending);
	}
}

static void release_lock(struct kt_writer *writer)
{
	if (writer->lock_fd < 0)
		return;
	kt_holder_clear(writer->options.mission);
	kt_lock_release(writer->lock_fd);
	writer->lock_fd = -1;
}

void kt_writer_free(struct kt_writer *writer)
{
	if (writer == NULL)
		return;
	kt_subprocess_release(&writer->child);
	abandon(writer, writer->batch);
	abandon(writer, writer->queue);
	abandon(writer, kt_asides_end(writer));
	release_lock(writer);
	kt_reducer_free(writer->state);
	kt_plan_free(writer->plan);
	kt_hooks_release(&writer->hooks);
	kt_buffer_release(&writer->refusal);
	free(writer->refused_by);
	kt_buffer_release(&writer->log);
	kt_buffer_release(&writer->snapshot);
	kt_buffer_release(&writer->new_log);
	kt_buffer_release(&writer->new_snapshot);
	kt_store_close(writer->store);
	free(writer->message_path);
	free(writer->index_path);
	kt_destination_release(&writer->to);
	free(writer->program);
	if (writer->trace_fd >= 0)
		(void)close(writer->trace_fd);
	free(writer);
}

void kt_writer_submit_with_effects(struct kt_writer *writer, const struct kt_json *request,
	const char *lane, kt_outcome_cb done, void *arg, const struct kt_effects *effects)
{
	struct pending *pending = kt_alloc(sizeof *pending);
	struct kt_error err = KT_ERROR_INIT;

	pending->request = kt_json_copy(request);
	pending->lane = kt_strdup(lane);
	pending->done = done;
	pending->arg = arg;
	pending->effects = kt_alloc(effects->len * sizeof *pending->effects);
	pending->effects_len = effects->len;
	if (effects->len > 0)
		memcpy(pending->effects, effects->rows, effects->len * sizeof *effects->rows);
	if (kt_request_check(request, &err) != KT_E_OK)
		kt_pending_fail(writer, pending, &err);
	pending->serial = ++writer->submitted;
	kt_queue_add(writer, pending);
}

void kt_writer_submit(struct kt_writer *writer, const struct kt_json *request, const char *lane,
	kt_outcome_cb done, void *arg)
{
	const struct kt_effects none = {NULL, 0};

	kt_writer_submit_with_effects(writer, request, lane, done, arg, &none);
}

/* ---- steps ---- */

static void take_batch(struct kt_writer *writer)
{
	size_t limit = writer->retry_singly ? 1 : KT_BATCH_MAX;
	struct pending **end = &writer->batch;

	for (size_t i = 0; i < limit && writer->queue != NULL; i++) {
		*end = writer->queue;
		writer->queue = writer->queue->next;
		(*end)->next = NULL;
		end = &(*end)->next;
	}
	if (writer->queue == NULL)
		writer->queue_end = &writer->queue;
	writer->attempts = 0;
}

static bool all_decided(const struct kt_writer *writer)
{
	for (const struct pending *p = writer->batch; p != NULL; p = p->next)
		if (p->outcome == NULL)
			return false;
	return true;
}

static enum turn step_idle(struct kt_writer *writer)
{
	kt_asides_look(writer);
	if (writer->queue == NULL && !writer->lock_is_asked) {
		if (!writer->options.hold_lock)
			release_lock(writer);
		writer->wait = kt_asides_wait(writer);
		return TURN_WAIT;
	}
	take_batch(writer);
	writer->lock_deadline_ms =
		kt_clock_monotonic_ms() + (writer->options.lock_timeout_ms
							  ? writer->options.lock_timeout_ms
							  : KT_LOCK_TIMEOUT_MS);
	/* A request that was refused by its shape needs no lock. */
	writer->step = all_decided(writer) && !writer->lock_is_asked ? STEP_ANSWER : STEP_LOCK;
	return TURN_NEXT;
}

/* A supervisor took the lock while we looked for one: it will serve the caller through its socket.
 */
static bool is_supervisor_there(const struct kt_writer *writer)
{
	struct kt_json *holder = kt_holder_read(writer->options.mission);
	bool is_there = kt_json_get_string(holder, "socket") != NULL;

	kt_json_free(holder);
	return is_there;
}

static enum turn wait_for_lock(struct kt_writer *writer)
{
	int64_t now = kt_clock_monotonic_ms();
	int64_t timeout = writer->options.lock_timeout_ms ? writer->options.lock_timeout_ms
							  : KT_LOCK_TIMEOUT_MS;
	struct kt_error err = KT_ERROR_INIT;
	char *holder = NULL;

	if (now - (writer->lock_deadline_ms - timeout) > SUPERVISOR_PATIENCE_MS &&
		is_supervisor_there(writer)) {
		holder = kt_holder_describe(writer->options.mission);
		(void)kt_error_set(&err, KT_E_SUPERVISOR_RUNNING, "it is %s", holder);
	} else if (now >= writer->lock_deadline_ms) {
		holder = kt_holder_describe(writer->options.mission);
		(void)kt_error_set(&err, KT_E_BOOKKEEPING_LOCK_TIMEOUT, "by %s", holder);
	} else {
		writer->wait = (struct kt_wait){-1, now + LOCK_POLL_MS};
		return TURN_WAIT;
	}
	free(holder);
	kt_batch_fail(writer, &err);
	writer->step = STEP_ANSWER;
	return TURN_NEXT;
}

static enum turn refuse_batch(struct kt_writer *writer, const struct kt_error *err)
{
	kt_batch_fail(writer, err);
	writer->step = STEP_ANSWER;
	return TURN_NEXT;
}

static enum kt_code take_lock(struct kt_writer *writer, struct kt_error *err)
{
	const char *command = writer->options.holder_command;
	enum kt_code code = KT_E_OK;

	/* A hook of our own commit runs below the lock's holder: waiting for the lock would wait
	 * for ourselves. */
	if (getenv("SPEC_KITTY_IN_HOOK") != NULL)
		return kt_error_set(
			err, KT_E_HOOK_REENTRY, "kitty was called by a hook of its own commit");
	code = kt_lock_try(writer->options.mission->lock_path, &writer->lock_fd, err);
	if (code == KT_E_OK && writer->lock_fd >= 0)
		code = kt_holder_write(
			writer->options.mission, command != NULL ? command : "kitty", NULL, err);
	if (code != KT_E_OK)
		release_lock(writer);
	return code;
}

static enum turn step_lock(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;
	bool is_new = writer->lock_fd < 0;
	int64_t now = kt_clock_monotonic_ms();

	if (is_new && take_lock(writer, &err) != KT_E_OK)
		return refuse_batch(writer, &err);
	if (writer->lock_fd < 0)
		return wait_for_lock(writer);
	if (kt_batch_address(writer, &err) != KT_E_OK)
		return refuse_batch(writer, &err);
	if (is_new || writer->waits_for_child)
		writer->waits_for_child = kt_intent_break_stale_locks(writer);
	/* A git child that outlived its writer ends by itself, and then its lock can go. */
	if (writer->waits_for_child && now < writer->lock_deadline_ms) {
		writer->wait = (struct kt_wait){-1, now + LOCK_POLL_MS};
		return TURN_WAIT;
	}
	writer->step = STEP_WORKTREE;
	return TURN_NEXT;
}

static enum turn step_gate(struct kt_writer *writer)
{
	writer->step = STEP_JUDGE;
	if (writer->batch == NULL || kt_batch_is_refused(writer))
		writer->step = STEP_ANSWER;
	return TURN_NEXT;
}

/* The rows of each commit, in order, after their receipts. */
static void publish(struct kt_writer *writer, const struct pending *p)
{
	size_t start = p->log_end - p->rows.len;

	if (!p->is_built || writer->options.on_committed == NULL)
		return;
	KT_BUG_UNLESS(p->log_end <= writer->log.len);
	writer->options.on_committed(
		writer->log.data + start, p->rows.len, &p->commit, writer->options.arg);
}

static enum turn step_answer(struct kt_writer *writer)
{
	writer->lock_is_asked = false;
	while (writer->batch != NULL) {
		struct pending *p = writer->batch;

		writer->batch = p->next;
		publish(writer, p);
		kt_pending_answer(p);
	}
	if (writer->singles_left > 0 && --writer->singles_left == 0)
		writer->retry_singly = false;
	writer->step = STEP_POST;
	return TURN_NEXT;
}

bool kt_writer_turn(struct kt_writer *writer, struct kt_wait *wait)
{
	enum turn turn = TURN_NEXT;

	while (turn == TURN_NEXT) {
		enum step step = writer->step;

		turn = steps[step](writer);
		kt_trace_step(writer, step);
	}
	*wait = writer->wait;
	return writer->step == STEP_IDLE && writer->asides == NULL;
}

void kt_writer_finish(struct kt_writer *writer)
{
	struct kt_wait wait = {-1, -1};

	while (!kt_writer_turn(writer, &wait)) {
		/* Only an idle writer waits without an end. A descriptor below zero is one that
		 * poll passes over. */
		struct pollfd entry = {wait.fd, POLLIN, 0};

		KT_BUG_UNLESS(wait.deadline_ms >= 0);
		(void)poll(&entry, 1, kt_clock_left_ms(wait.deadline_ms, kt_clock_monotonic_ms()));
	}
}

enum kt_code kt_writer_acquire(struct kt_writer *writer, struct kt_error *err)
{
	writer->lock_is_asked = true;
	writer->acquire_error = (struct kt_error)KT_ERROR_INIT;
	kt_writer_finish(writer);
	if (writer->acquire_error.code != KT_E_OK)
		*err = writer->acquire_error;
	return writer->acquire_error.code;
}

/* ---- what others may see ---- */

void kt_writer_notice(struct kt_writer *writer, const char *format, ...)
{
	struct kt_buffer line = KT_BUFFER_INIT;
	va_list args;

	va_start(args, format);
	kt_buffer_vprintf(&line, format, args);
	va_end(args);
	if (writer->options.on_notice != NULL)
		writer->options.on_notice(kt_buffer_text(&line), writer->options.arg);
	kt_buffer_release(&line);
}

const struct kt_reducer *kt_writer_state(const struct kt_writer *writer)
{
	return writer->state;
}

const struct kt_oid *kt_writer_tip(const struct kt_writer *writer)
{
	return &writer->tip;
}

const char *kt_writer_log(const struct kt_writer *writer, size_t *len)
{
	*len = writer->log.len;
	return kt_buffer_text(&writer->log);
}

uint64_t kt_writer_commits(const struct kt_writer *writer)
{
	return writer->commits;
}
