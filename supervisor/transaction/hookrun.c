/*
 * Hooks: they see what they would see in a normal commit, and may refuse it.
 * The rows are put into the checked-out log, the hooks run as children with a deadline, and
 * whatever they say, the files are judged afterwards: no hook may change them. The loop goes on
 * serving meanwhile.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/clock.h"
#include "ipc/file.h"
#include "supervisor/transaction/writer_private.h"

enum { REASON_MAX = 400 };

static const struct {
	enum kt_hook hook;
	const char *name;
} sequence[] = {
	{KT_HOOK_PRE_COMMIT, "pre-commit"},
	{KT_HOOK_PREPARE_COMMIT_MSG, "prepare-commit-msg"},
	{KT_HOOK_COMMIT_MSG, "commit-msg"},
};
enum { SEQUENCE_LEN = sizeof sequence / sizeof sequence[0] };

struct pending *kt_hooks_judged(struct kt_writer *writer)
{
	struct pending *p = writer->batch;

	while (!p->is_built) {
		p = p->next;
		KT_BUG_UNLESS(p != NULL); /* hooks run for a built request only */
	}
	return p;
}

void kt_hooks_end(struct kt_writer *writer)
{
	if (writer->index_path != NULL)
		(void)unlink(writer->index_path);
	if (writer->message_path != NULL && !kt_destination_is_own(&writer->to))
		(void)unlink(writer->message_path);
	free(writer->index_path);
	free(writer->message_path);
	writer->index_path = writer->message_path = NULL;
	free(writer->refused_by);
	writer->refused_by = NULL;
	kt_buffer_release(&writer->refusal);
	writer->hook_next = 0;
	writer->hook_phase = HOOKS_STAGE;
	writer->is_staged = false;
}

void kt_hooks_unstage(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;

	if (writer->is_staged && kt_working_restore(writer, &err) != KT_E_OK) {
		kt_writer_notice(writer, "warning: %s [%s]", err.detail,
			kt_error_text(KT_E_BOOKKEEPING_ROLLBACK_FAILED));
		/* The next acquisition heals: the branch is right. */
		memset(&writer->log_stat, 0, sizeof writer->log_stat);
	}
	kt_hooks_end(writer);
}

enum turn kt_hooks_refuse(struct kt_writer *writer, const char *hook, const char *reason)
{
	kt_pending_reject(writer, kt_hooks_judged(writer), hook, reason);
	kt_hooks_unstage(writer);
	kt_batch_discard(writer);
	writer->step = STEP_ANSWER;
	return TURN_NEXT;
}

enum turn kt_hooks_fail(struct kt_writer *writer, const struct kt_error *err)
{
	kt_pending_roll_back(writer, kt_hooks_judged(writer), err);
	kt_hooks_unstage(writer);
	kt_batch_discard(writer);
	writer->step = STEP_ANSWER;
	return TURN_NEXT;
}

/* ---- before the hooks: log, snapshot, private index, message file ---- */

static enum kt_code write_message(
	struct kt_writer *writer, const struct pending *pending, struct kt_error *err)
{
	char *text = kt_format("%s\n", pending->message);
	enum kt_code code =
		kt_file_write_atomic(writer->message_path, text, strlen(text), 0644, false, err);

	free(text);
	return code;
}

static enum kt_code start_index(struct kt_writer *writer, struct kt_error *err)
{
	enum kt_code code = kt_subprocess_prepare(&writer->child, err);

	writer->child.deadline_ms = kt_clock_monotonic_ms() + KT_GIT_TIMEOUT_MS;
	if (code == KT_E_OK)
		code = kt_private_index_start(writer->to.worktree, &writer->tip, writer->index_path,
			&writer->child.child, err);
	if (code != KT_E_OK)
		kt_subprocess_release(&writer->child);
	return code;
}

static enum kt_code finish_index(
	struct kt_writer *writer, const struct kt_child_status *status, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	const struct pending *pending = kt_hooks_judged(writer);
	const struct kt_index_entry entries[2] = {{mission->log_path, pending->log_blob},
		{mission->snapshot_path, pending->snapshot_blob}};

	kt_subprocess_release(&writer->child);
	if (!status->exited || status->exit_code != 0)
		return kt_error_set(
			err, KT_E_GIT_FAILED, "git read-tree of the index for the hooks");
	return kt_private_index_finish(writer->to.worktree, entries, 2, writer->index_path, err);
}

/* A killed writer's private index and git's lock on it: ours alone, and we hold the mission's lock.
 */
static void remove_leftovers(const char *index_path)
{
	char *lock = kt_format("%s.lock", index_path);

	(void)unlink(index_path);
	(void)unlink(lock);
	free(lock);
}

static enum kt_code stage(struct kt_writer *writer, struct kt_error *err)
{
	struct pending *pending = kt_hooks_judged(writer);
	enum kt_code code = kt_commit_barrier(writer->store, err);

	if (code != KT_E_OK)
		return code;
	writer->is_staged = true;
	writer->hook_next = 0;
	free(writer->index_path);
	free(writer->message_path);
	writer->index_path = kt_path_join(writer->to.git_dir, "kitty-hook-index");
	/* The last message of somebody's own commit is not ours to overwrite. */
	writer->message_path = kt_path_join(writer->to.git_dir,
		kt_destination_is_own(&writer->to) ? "COMMIT_EDITMSG" : "kitty-commit-message");
	remove_leftovers(writer->index_path);
	code = kt_working_log_append(
		writer, writer->log.len, pending->rows.data, pending->rows.len, err);
	if (code == KT_E_OK)
		code = kt_working_snapshot_write(writer, &writer->new_snapshot, err);
	if (code == KT_E_OK)
		code = write_message(writer, pending, err);
	return code == KT_E_OK ? start_index(writer, err) : code;
}

/* ---- one hook ---- */

static enum kt_code start_hook(struct kt_writer *writer, enum kt_hook hook, struct kt_error *err)
{
	struct kt_hook_call call = {.hook = hook,
		.worktree = writer->to.worktree,
		.git_dir = writer->to.git_dir,
		.index_file = writer->index_path,
		.message_file = writer->message_path};
	char *name = kt_repository_config_get(writer->options.repo, "user.name");
	char *email = kt_repository_config_get(writer->options.repo, "user.email");
	int timeout = writer->options.hook_timeout_ms ? writer->options.hook_timeout_ms
						      : KT_HOOK_TIMEOUT_MS;
	enum kt_code code = kt_subprocess_prepare(&writer->child, err);

	call.author_name = name == NULL ? "kitty" : name;
	call.author_email = email == NULL ? "kitty@localhost.invalid" : email;
	call.output_fd = writer->child.output_fd;
	writer->child.deadline_ms = kt_clock_monotonic_ms() + timeout;
	if (code == KT_E_OK)
		code = kt_hook_start(&writer->hooks, &call, &writer->child.child, err);
	if (code != KT_E_OK)
		kt_subprocess_release(&writer->child);
	free(name);
	free(email);
	return code;
}

static void describe_failure(
	struct kt_writer *writer, const struct kt_child_status *status, struct kt_buffer *reason)
{
	char how[64];

	kt_child_describe(status, how, sizeof how);
	kt_buffer_puts(reason, how);
	kt_buffer_puts(reason, ": ");
	kt_subprocess_output(&writer->child, REASON_MAX, reason);
	/* Ends at the latest where the description does. */
	while (strchr(" \n\r:", reason->data[reason->len - 1]) != NULL)
		reason->data[--reason->len] = '\0';
}

static enum turn wait_for_hook(struct kt_writer *writer)
{
	writer->wait =
		(struct kt_wait){writer->child.child.pidfd, kt_subprocess_wake_ms(&writer->child)};
	return TURN_WAIT;
}

/* ---- the phases: each starts a child, or ends with one ---- */

static enum turn begin(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;

	if (stage(writer, &err) != KT_E_OK)
		return kt_hooks_fail(writer, &err);
	writer->hook_phase = HOOKS_INDEX;
	return wait_for_hook(writer);
}

static enum turn index_ended(struct kt_writer *writer, const struct kt_child_status *status)
{
	struct kt_error err = KT_ERROR_INIT;

	if (finish_index(writer, status, &err) != KT_E_OK)
		return kt_hooks_fail(writer, &err);
	writer->hook_phase = HOOKS_RUN;
	return TURN_NEXT;
}

static void note_refusal(struct kt_writer *writer, const char *hook)
{
	free(writer->refused_by);
	writer->refused_by = kt_strdup(hook);
}

static enum turn look(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;

	writer->hook_phase = HOOKS_LOOK;
	if (kt_hooks_look(writer, &err) != KT_E_OK)
		return kt_hooks_fail(writer, &err);
	return wait_for_hook(writer);
}

static enum turn hook_ended(struct kt_writer *writer, const struct kt_child_status *status)
{
	bool has_passed = status->exited && status->exit_code == 0 && !status->timed_out;

	if (!has_passed) {
		note_refusal(writer, sequence[writer->hook_next].name);
		describe_failure(writer, status, &writer->refusal);
	}
	kt_subprocess_release(&writer->child);
	writer->hook_next++;
	return has_passed ? TURN_NEXT : look(writer);
}

static enum turn next_hook(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;

	while (writer->hook_next < SEQUENCE_LEN &&
		writer->hooks.path[sequence[writer->hook_next].hook] == NULL)
		writer->hook_next++;
	if (writer->hook_next == SEQUENCE_LEN)
		return look(writer);
	if (start_hook(writer, sequence[writer->hook_next].hook, &err) == KT_E_OK)
		return wait_for_hook(writer);
	note_refusal(writer, sequence[writer->hook_next].name);
	kt_buffer_puts(&writer->refusal, err.detail);
	return look(writer);
}

const char *kt_hooks_last_name(const struct kt_writer *writer)
{
	const char *last = "pre-commit";

	for (size_t i = 0; i < SEQUENCE_LEN; i++)
		if (writer->hooks.path[sequence[i].hook] != NULL)
			last = sequence[i].name;
	return last;
}

enum turn kt_step_hooks(struct kt_writer *writer)
{
	static enum turn (*const starts[])(struct kt_writer *) = {
		[HOOKS_STAGE] = begin, [HOOKS_RUN] = next_hook};
	static enum turn (*const ends[])(struct kt_writer *, const struct kt_child_status *) = {
		[HOOKS_INDEX] = index_ended,
		[HOOKS_RUN] = hook_ended,
		[HOOKS_LOOK] = kt_hooks_judge,
		[HOOKS_RESTORE] = kt_hooks_restored};
	struct kt_child_status status = {0};

	if (writer->child.child.pid <= 0)
		return starts[writer->hook_phase](writer);
	return kt_subprocess_poll(&writer->child, &status)
		       ? ends[writer->hook_phase](writer, &status)
		       : wait_for_hook(writer);
}

const char *kt_writer_hook(const struct kt_writer *writer, size_t *others)
{
	*others = 0;
	for (const struct pending *p = writer->queue; p != NULL; p = p->next)
		(*others)++;
	if (writer->child.child.pid <= 0)
		return NULL;
	if (writer->step == STEP_HOOKS && writer->hook_phase == HOOKS_RUN)
		return sequence[writer->hook_next].name;
	return writer->step == STEP_POST ? "post-commit" : NULL;
}

/* post-commit: after the receipts, and nothing it does can undo them. */
enum turn kt_step_post(struct kt_writer *writer)
{
	struct kt_child_status status = {0};
	struct kt_error err = KT_ERROR_INIT;

	if (writer->child.child.pid > 0) {
		if (!kt_subprocess_poll(&writer->child, &status))
			return wait_for_hook(writer);
		kt_subprocess_release(&writer->child);
		writer->built = 0;
	}
	writer->step = STEP_IDLE;
	if (writer->built == 0 || writer->hooks.path[KT_HOOK_POST_COMMIT] == NULL) {
		writer->built = 0;
		return TURN_NEXT;
	}
	if (start_hook(writer, KT_HOOK_POST_COMMIT, &err) != KT_E_OK) {
		kt_writer_notice(writer, "warning: post-commit hook: %s", err.detail);
		writer->built = 0;
		return TURN_NEXT;
	}
	writer->step = STEP_POST;
	return wait_for_hook(writer);
}
