/*
 * Hooks: they see what they would see in a normal commit, and may refuse it (architecture.md, 3.6).
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

enum { REASON_MAX = 400, MESSAGE_MAX = 1 << 20, LOG_MAX = 1 << 30 };

static const struct {
	enum kt_hook hook;
	const char *name;
} sequence[] = {
	{KT_HOOK_PRE_COMMIT, "pre-commit"},
	{KT_HOOK_PREPARE_COMMIT_MSG, "prepare-commit-msg"},
	{KT_HOOK_COMMIT_MSG, "commit-msg"},
};
enum { SEQUENCE_LEN = sizeof sequence / sizeof sequence[0] };

static struct pending *judged(struct kt_writer *writer)
{
	struct pending *p = writer->batch;

	while (p != NULL && !p->is_built)
		p = p->next;
	return p;
}

void kt_hooks_end(struct kt_writer *writer)
{
	if (writer->index_path != NULL)
		(void)unlink(writer->index_path);
	free(writer->index_path);
	free(writer->message_path);
	writer->index_path = writer->message_path = NULL;
	writer->hook_next = 0;
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

static enum turn refuse(struct kt_writer *writer, const char *hook, const char *reason)
{
	kt_pending_reject(writer, judged(writer), hook, reason);
	kt_hooks_unstage(writer);
	kt_batch_discard(writer);
	writer->step = STEP_ANSWER;
	return TURN_NEXT;
}

static enum turn fail(struct kt_writer *writer, const struct kt_error *err)
{
	kt_pending_roll_back(writer, judged(writer), err);
	kt_hooks_unstage(writer);
	kt_batch_discard(writer);
	writer->step = STEP_ANSWER;
	return TURN_NEXT;
}

/* ---- before the hooks: log, snapshot, private index, message file ---- */

static enum kt_code write_inputs(
	struct kt_writer *writer, const struct pending *pending, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	const struct kt_index_entry entries[2] = {{mission->log_path, pending->log_blob},
		{mission->snapshot_path, pending->snapshot_blob}};
	struct kt_buffer message = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	kt_buffer_printf(&message, "%s\n", pending->message);
	code = kt_private_index_write(writer->store, mission->coord_worktree, &writer->tip, entries,
		2, writer->index_path, err);
	if (code == KT_E_OK)
		code = kt_file_write_atomic(
			writer->message_path, message.data, message.len, 0644, false, err);
	kt_buffer_release(&message);
	return code;
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
	struct pending *pending = judged(writer);
	enum kt_code code = kt_commit_barrier(writer->store, err);

	if (code != KT_E_OK)
		return code;
	writer->is_staged = true;
	writer->hook_next = 0;
	free(writer->index_path);
	free(writer->message_path);
	writer->index_path = kt_path_join(writer->worktree_git_dir, "kitty-hook-index");
	writer->message_path = kt_path_join(writer->worktree_git_dir, "COMMIT_EDITMSG");
	remove_leftovers(writer->index_path);
	code = kt_working_log_append(
		writer, writer->log.len, pending->rows.data, pending->rows.len, err);
	if (code == KT_E_OK)
		code = kt_working_snapshot_write(writer, &writer->new_snapshot, err);
	return code == KT_E_OK ? write_inputs(writer, pending, err) : code;
}

/* ---- one hook ---- */

static enum kt_code start_hook(struct kt_writer *writer, enum kt_hook hook, struct kt_error *err)
{
	struct kt_hook_call call = {.hook = hook,
		.worktree = writer->options.mission->coord_worktree,
		.git_dir = writer->worktree_git_dir,
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
	while (reason->len > 0 && strchr(" \n\r:", reason->data[reason->len - 1]) != NULL)
		reason->data[--reason->len] = '\0';
}

/* ---- after the hooks: what did they do to the files? ---- */

static bool file_equals(const char *path, const struct kt_buffer *expected)
{
	struct kt_buffer file = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_equal = kt_file_read(path, LOG_MAX, &file, &ignored) == KT_E_OK &&
			file.len == expected->len &&
			memcmp(kt_buffer_text(&file), kt_buffer_text(expected), file.len) == 0;

	kt_buffer_release(&file);
	return is_equal;
}

/* A file that a hook changed is kept in quarantine and written again from the tip. True when it was
 * tracked. */
static bool put_back(struct kt_writer *writer, const char *path)
{
	char *full = kt_working_path(writer, path);
	const char *slash = strrchr(path, '/');
	struct kt_buffer now = KT_BUFFER_INIT, before = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool is_tracked = false;

	if (kt_file_read(full, LOG_MAX, &now, &err) == KT_E_OK)
		free(kt_quarantine_bytes(
			writer, slash == NULL ? path : slash + 1, kt_buffer_text(&now), now.len));
	if (kt_store_blob_read(writer->store, &writer->tip, path, &is_tracked, NULL, &before,
		    &err) == KT_E_OK &&
		is_tracked &&
		kt_file_write_atomic(
			full, kt_buffer_text(&before), before.len, 0644, false, &err) != KT_E_OK)
		kt_writer_notice(writer, "warning: %s could not be restored", path);
	if (!is_tracked)
		(void)unlink(full);
	kt_buffer_release(&now);
	kt_buffer_release(&before);
	free(full);
	return is_tracked;
}

/* Appends the changed tracked paths to `names`. New files are only moved away: linters leave
 * caches. */
static enum kt_code find_changed(
	struct kt_writer *writer, struct kt_buffer *names, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	struct kt_buffer paths = KT_BUFFER_INIT;
	enum kt_code code = kt_worktree_changes(mission->coord_worktree, &paths, err);

	for (size_t at = 0; code == KT_E_OK && at < paths.len; at += strlen(paths.data + at) + 1) {
		const char *path = paths.data + at;

		if (strcmp(path, mission->log_path) == 0 ||
			strcmp(path, mission->snapshot_path) == 0)
			continue;
		if (put_back(writer, path))
			kt_buffer_printf(names, "%s%.200s", names->len > 0 ? ", " : "", path);
	}
	kt_buffer_release(&paths);
	return code;
}

static enum turn judge_files(struct kt_writer *writer, const char *hook, struct kt_buffer *names)
{
	char *log = kt_working_path(writer, writer->options.mission->log_path);
	char *snapshot = kt_working_path(writer, writer->options.mission->snapshot_path);
	char *reason = NULL;
	enum turn turn = TURN_NEXT;

	if (!file_equals(log, &writer->new_log))
		kt_buffer_printf(names, "%s%s", names->len > 0 ? ", " : "",
			writer->options.mission->log_path);
	if (!file_equals(snapshot, &writer->new_snapshot))
		kt_buffer_printf(names, "%s%s", names->len > 0 ? ", " : "",
			writer->options.mission->snapshot_path);
	if (names->len > 0) {
		reason = kt_format(
			"a hook may not change files, and changed %s", kt_buffer_text(names));
		turn = refuse(writer, hook, reason);
	}
	free(reason);
	free(log);
	free(snapshot);
	return turn;
}

/* The message as the hooks left it; trailing white space is git's to strip, and so ours. */
static enum kt_code read_message(struct kt_writer *writer, char **message, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = kt_file_read(writer->message_path, MESSAGE_MAX, &text, err);

	while (code == KT_E_OK && text.len > 0 &&
		strchr(" \t\n\r", text.data[text.len - 1]) != NULL)
		text.data[--text.len] = '\0';
	if (code == KT_E_OK)
		*message = kt_buffer_take(&text);
	kt_buffer_release(&text);
	return code;
}

static enum kt_code use_message(
	struct kt_writer *writer, struct pending *pending, char *message, struct kt_error *err)
{
	size_t built = writer->built;
	struct kt_oid commit = {{0}}, old_blob = writer->new_log_blob;
	enum kt_code code = KT_E_OK;

	if (strcmp(message, pending->message) == 0) {
		free(message);
		return KT_E_OK;
	}
	writer->new_tip = writer->tip;
	writer->new_log_blob = writer->log_blob;
	writer->built = 0;
	code = kt_commit_request(writer, pending, message, &commit, err);
	writer->built = built;
	writer->new_log_blob = old_blob;
	if (code != KT_E_OK) {
		free(message);
		return code;
	}
	free(pending->message);
	pending->message = message;
	pending->commit = writer->new_tip = commit;
	return KT_E_OK;
}

static enum turn finish(struct kt_writer *writer)
{
	struct pending *pending = judged(writer);
	struct kt_buffer names = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	const char *last = sequence[SEQUENCE_LEN - 1].name;
	char *message = NULL;
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; i < SEQUENCE_LEN; i++)
		if (writer->hooks.path[sequence[i].hook] != NULL)
			last = sequence[i].name;
	writer->step = STEP_SWAP;
	code = find_changed(writer, &names, &err);
	if (code == KT_E_OK && judge_files(writer, last, &names) == TURN_NEXT &&
		writer->step == STEP_SWAP)
		code = read_message(writer, &message, &err);
	kt_buffer_release(&names);
	if (code == KT_E_OK && message != NULL && message[0] == '\0') {
		free(message);
		return refuse(writer, last, "it emptied the commit message");
	}
	if (code == KT_E_OK && message != NULL)
		code = use_message(writer, pending, message, &err);
	return code == KT_E_OK ? TURN_NEXT : fail(writer, &err);
}

static enum turn hook_ended(struct kt_writer *writer, const struct kt_child_status *status)
{
	const char *name = sequence[writer->hook_next].name;
	struct kt_buffer reason = KT_BUFFER_INIT, names = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	bool has_passed = status->exited && status->exit_code == 0 && !status->timed_out;

	if (!has_passed)
		describe_failure(writer, status, &reason);
	kt_subprocess_release(&writer->child);
	writer->hook_next++;
	if (!has_passed) {
		if (find_changed(writer, &names, &ignored) == KT_E_OK && names.len > 0)
			kt_buffer_printf(&reason, " (and it changed %s)", kt_buffer_text(&names));
		(void)refuse(writer, name, kt_buffer_text(&reason));
	}
	kt_buffer_release(&reason);
	kt_buffer_release(&names);
	return TURN_NEXT;
}

static enum turn wait_for_hook(struct kt_writer *writer)
{
	writer->wait =
		(struct kt_wait){writer->child.child.pidfd, kt_subprocess_wake_ms(&writer->child)};
	return TURN_WAIT;
}

enum turn kt_step_hooks(struct kt_writer *writer)
{
	struct kt_child_status status = {0};
	struct kt_error err = KT_ERROR_INIT;

	if (writer->child.child.pid > 0)
		return kt_subprocess_poll(&writer->child, &status) ? hook_ended(writer, &status)
								   : wait_for_hook(writer);
	if (!writer->is_staged && stage(writer, &err) != KT_E_OK)
		return fail(writer, &err);
	while (writer->hook_next < SEQUENCE_LEN &&
		writer->hooks.path[sequence[writer->hook_next].hook] == NULL)
		writer->hook_next++;
	if (writer->hook_next == SEQUENCE_LEN)
		return finish(writer);
	if (start_hook(writer, sequence[writer->hook_next].hook, &err) != KT_E_OK)
		return refuse(writer, sequence[writer->hook_next].name, err.detail);
	return wait_for_hook(writer);
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
