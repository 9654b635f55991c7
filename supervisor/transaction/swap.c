/*
 * Swap: the commit point. HEAD asserted once more, objects made durable, the ref compared and
 * swapped, read back. Exit codes do not decide, the ref does: git may have been killed, or have
 * failed, after it moved the ref, and then the commit counts.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/clock.h"
#include "supervisor/git/files.h"
#include "supervisor/transaction/writer_private.h"

enum { ATTEMPTS_MAX = 5, OUTPUT_MAX = 4096 };

/* A HEAD that cannot be read is on no branch that anybody could leave. */
static enum kt_code refuse_head(
	const struct kt_writer *writer, const char *head, struct kt_error *err)
{
	struct kt_buffer content = KT_BUFFER_INIT;
	char *path = kt_format("%s/HEAD", writer->to.git_dir);
	int failure = kt_git_file_read(path, &content);
	enum kt_code code = KT_E_SAFE_COMMIT_HEAD_MISMATCH;

	if (failure != 0) {
		code = kt_error_sys(err, KT_E_IO, failure, "%s", path);
	} else {
		(void)kt_error_set(err, code, "%s is on %s", writer->to.worktree,
			head == NULL ? "<detached>" : head);
		kt_error_next(err, "git -C '%s' switch %s", writer->to.worktree, writer->to.branch);
	}
	kt_buffer_release(&content);
	free(path);
	return code;
}

static enum kt_code assert_head(const struct kt_writer *writer, struct kt_error *err)
{
	char *head = kt_head_read(writer->to.git_dir);
	bool is_there = head != NULL && strcmp(head, writer->to.ref) == 0;
	enum kt_code code = is_there ? KT_E_OK : refuse_head(writer, head, err);

	free(head);
	return code;
}

static char *reflog_message(const struct kt_writer *writer)
{
	const char *message = NULL;

	for (const struct pending *p = writer->batch; p != NULL; p = p->next)
		if (p->is_built)
			message = p->message;
	KT_BUG_UNLESS(message != NULL); /* an empty batch is never swapped */
	return kt_format("commit: %.*s", (int)strcspn(message, "\n"), message);
}

static bool is_hooked(const struct kt_writer *writer)
{
	return writer->hooks.path[KT_HOOK_REFERENCE_TRANSACTION] != NULL;
}

static enum kt_code swap(struct kt_writer *writer, struct kt_error *err)
{
	char *reflog = reflog_message(writer);
	enum kt_code code = kt_commit_swap(
		writer->store, writer->to.ref, &writer->tip, &writer->new_tip, reflog, err);

	free(reflog);
	return code;
}

/* With a reference-transaction hook the swap is git's, in a child that is waited for. */
static enum kt_code start_hooked_swap(struct kt_writer *writer, struct kt_error *err)
{
	char *reflog = reflog_message(writer);
	const struct kt_ref_swap plan = {writer->to.ref, &writer->tip, &writer->new_tip, reflog};
	int timeout = writer->options.hook_timeout_ms ? writer->options.hook_timeout_ms
						      : KT_HOOK_TIMEOUT_MS;
	enum kt_code code = kt_subprocess_prepare(&writer->child, err);

	writer->child.deadline_ms = kt_clock_monotonic_ms() + timeout;
	if (code == KT_E_OK)
		code = kt_commit_swap_start(writer->options.repo, &plan, writer->child.output_fd,
			&writer->child.child, err);
	if (code != KT_E_OK)
		kt_subprocess_release(&writer->child);
	free(reflog);
	return code;
}

static enum kt_code finish_hooked_swap(
	struct kt_writer *writer, const struct kt_child_status *status, struct kt_error *err)
{
	const struct kt_ref_swap plan = {writer->to.ref, &writer->tip, &writer->new_tip, NULL};
	struct kt_buffer output = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	kt_subprocess_output(&writer->child, OUTPUT_MAX, &output);
	kt_subprocess_release(&writer->child);
	code = kt_commit_swap_finish(writer->store, writer->options.repo, &plan,
		kt_buffer_text(&output), status->timed_out, err);
	kt_buffer_release(&output);
	return code;
}

/* Errors: of the ref, or of the history, that could not be read: then nobody knows. */
static enum kt_code find_landed(struct kt_writer *writer, bool *has_landed, struct kt_error *err)
{
	struct kt_oid now = {{0}};
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = kt_store_ref_read(writer->store, writer->to.ref, &now, &cause);

	*has_landed = false;
	if (code == KT_E_DESTINATION_REF_NOT_FOUND)
		return KT_E_OK; /* deleted */
	if (code != KT_E_OK) {
		*err = cause;
		return code;
	}
	*has_landed = kt_oid_equal(&now, &writer->new_tip);
	if (*has_landed)
		return KT_E_OK;
	/* A foreign commit came on top before the ref was read back: building again would write the
	 * rows twice. */
	return kt_store_is_ancestor(writer->store, &writer->new_tip, &now, has_landed, err);
}

static size_t count_built(const struct kt_writer *writer)
{
	size_t built = 0;

	for (const struct pending *p = writer->batch; p != NULL; p = p->next)
		built += p->is_built ? 1 : 0;
	return built;
}

/* The undecided requests go back to the queue's front, to be tried one by one: one bad request
 * never fails its neighbours. */
static void retry_singly(struct kt_writer *writer)
{
	struct pending **end = &writer->batch, *again = NULL, **again_end = &again;
	size_t count = 0;

	while (*end != NULL) {
		struct pending *p = *end;

		if (p->outcome != NULL) {
			end = &p->next;
			continue;
		}
		*end = p->next;
		p->next = NULL;
		*again_end = p;
		again_end = &p->next;
		count++;
	}
	*again_end = writer->queue;
	if (writer->queue == NULL)
		writer->queue_end = again_end;
	writer->queue = again;
	writer->retry_singly = true;
	writer->singles_left = count + 1; /* this batch's own answer counts once */
}

static void give_up(struct kt_writer *writer, const struct kt_error *err)
{
	struct kt_error reported = *err;

	if (err->code == KT_E_GIT_FAILED || err->code == KT_E_IO)
		(void)kt_error_set(&reported, KT_E_BOOKKEEPING_COMMIT_FAILED, "%s", err->detail);
	for (struct pending *p = writer->batch; p != NULL; p = p->next) {
		if (p->outcome != NULL)
			continue;
		if (err->code == KT_E_BOOKKEEPING_COMMIT_FAILED)
			kt_pending_reject(writer, p, "reference-transaction", err->detail);
		else
			kt_pending_roll_back(writer, p, &reported);
	}
}

/*
 * The ref has the new value, but a flush failed: after a power cut it may have the old one. The
 * rows are neither acknowledged nor rolled back; the same event ids submitted again get the truth
 * (a second flush of the same file could report success for pages that the kernel has dropped, so
 * it is not tried).
 */
static enum turn outcome_unknown(struct kt_writer *writer, const struct kt_error *cause)
{
	struct kt_error err = KT_ERROR_INIT;

	(void)kt_error_set(&err, KT_E_OUTCOME_UNKNOWN, "the disk did not confirm the commit: %s",
		cause->detail);
	kt_intent_leave(writer);
	kt_hooks_end(writer);
	kt_batch_fail(writer, &err);
	/* By these the caller asks again. */
	for (struct pending *p = writer->batch; p != NULL; p = p->next)
		kt_json_set(p->outcome, "event_ids", kt_json_copy(p->event_ids));
	kt_batch_discard(writer);
	writer->step = STEP_ANSWER;
	return TURN_NEXT;
}

static enum turn swap_failed(struct kt_writer *writer, const struct kt_error *err)
{
	size_t built = count_built(writer);

	kt_intent_clear(writer);
	kt_hooks_unstage(writer);
	kt_batch_discard(writer);
	/* A lock that a killed git left is no reason to refuse for ever; a living one's stays. */
	if (err->code == KT_E_REF_LOCKED)
		(void)kt_intent_break_stale_locks(writer);
	writer->step = STEP_ANSWER;
	if (err->code == KT_E_REF_MOVED && writer->attempts++ < ATTEMPTS_MAX)
		writer->step = STEP_WORKTREE;
	else if (built > 1)
		retry_singly(writer);
	else
		give_up(writer, err);
	return TURN_NEXT;
}

static enum turn swap_ended(struct kt_writer *writer, enum kt_code code, struct kt_error *err)
{
	struct kt_error cause = KT_ERROR_INIT;
	bool has_landed = true;

	if (code != KT_E_OK && find_landed(writer, &has_landed, &cause) != KT_E_OK)
		return outcome_unknown(writer, &cause);
	if (!has_landed)
		return swap_failed(writer, err);
	if (code != KT_E_OK && err->sys_errno == 0)
		code = kt_commit_settle(writer->options.repo, writer->to.ref, err);
	if (code != KT_E_OK)
		return outcome_unknown(writer, err);
	writer->step = STEP_FILES;
	return TURN_NEXT;
}

static enum turn wait_for_git(struct kt_writer *writer)
{
	writer->wait =
		(struct kt_wait){writer->child.child.pidfd, kt_subprocess_wake_ms(&writer->child)};
	return TURN_WAIT;
}

enum turn kt_step_swap(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child_status status = {0};
	enum kt_code code = KT_E_OK;

	if (writer->child.child.pid > 0) {
		if (!kt_subprocess_poll(&writer->child, &status))
			return wait_for_git(writer);
		code = finish_hooked_swap(writer, &status, &err);
		return swap_ended(writer, code, &err);
	}
	code = assert_head(writer, &err);
	if (code == KT_E_OK)
		code = kt_intent_write(writer, &err);
	if (code == KT_E_OK)
		code = kt_commit_barrier(writer->store, &err);
	if (code == KT_E_OK && is_hooked(writer)) {
		code = start_hooked_swap(writer, &err);
		return code == KT_E_OK ? wait_for_git(writer) : swap_failed(writer, &err);
	}
	if (code != KT_E_OK)
		return swap_failed(writer, &err);
	code = swap(writer, &err);
	return swap_ended(writer, code, &err);
}
