/*
 * After the hooks: what did they do to the files? git says which paths changed, in a child that is
 * waited for; what a hook changed is kept in quarantine, and another git writes it again. Must
 * never let a changed file into the commit.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/clock.h"
#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/transaction/writer_private.h"

enum {
	OPTIONS_LEN = 5,
	MESSAGE_MAX = 1 << 20,
	LOG_MAX = 1 << 30,
	PATHS_MAX = 4 << 20,
	OUTPUT_MAX = 400,
	STATUS_PREFIX = 3
};

static enum kt_code start_git(
	struct kt_writer *writer, const char *const *args, bool has_errors, struct kt_error *err)
{
	struct kt_git_call call = {.cwd = writer->to.worktree, .args = args};
	enum kt_code code = kt_subprocess_prepare(&writer->child, err);
	int output = writer->child.output_fd;
	struct kt_git_descriptors descriptors = {
		KT_CHILD_NULL_FD, output, has_errors ? output : KT_CHILD_NULL_FD, 0};

	writer->child.deadline_ms = kt_clock_monotonic_ms() + KT_GIT_TIMEOUT_MS;
	if (code == KT_E_OK)
		code = kt_git_start(&call, &descriptors, &writer->child.child, err);
	if (code != KT_E_OK)
		kt_subprocess_release(&writer->child);
	return code;
}

enum kt_code kt_hooks_look(struct kt_writer *writer, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	const char *args[] = {"status", "--porcelain", "-z", "--no-renames",
		"--untracked-files=all", "--", mission->log_path, mission->snapshot_path, NULL};

	/* What a hook does to other files of somebody's checkout is between the two of them. */
	if (kt_destination_is_own(&writer->to))
		args[OPTIONS_LEN] = NULL;
	return start_git(writer, args, false, err);
}

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

/* A file that a hook changed or made is kept in quarantine. One that it made goes away: linters
 * leave caches. */
static void put_aside(struct kt_writer *writer, const char *path, bool is_new)
{
	char *full = kt_working_path(writer, path);
	const char *slash = strrchr(path, '/');
	struct kt_buffer now = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;

	if (kt_file_read(full, LOG_MAX, &now, &ignored) == KT_E_OK)
		free(kt_quarantine_bytes(
			writer, slash == NULL ? path : slash + 1, kt_buffer_text(&now), now.len));
	if (is_new)
		(void)unlink(full);
	kt_buffer_release(&now);
	free(full);
}

/* Appends the changed tracked paths to `names`. An entry without its end is none: git was killed,
 * and the path may be the beginning of another one. */
static void put_all_aside(
	struct kt_writer *writer, const struct kt_buffer *status, struct kt_buffer *names)
{
	const struct kt_mission *mission = writer->options.mission;
	const char *at = kt_buffer_text(status), *end = at + status->len;

	while (end - at > STATUS_PREFIX && memchr(at, '\0', (size_t)(end - at)) != NULL) {
		const char *path = at + STATUS_PREFIX; /* "XY path" */
		bool is_new = at[0] == '?';

		at = path + strlen(path) + 1;
		if (strcmp(path, mission->log_path) == 0 ||
			strcmp(path, mission->snapshot_path) == 0)
			continue;
		put_aside(writer, path, is_new);
		if (!is_new)
			kt_buffer_printf(names, "%s%.200s", names->len > 0 ? ", " : "", path);
	}
}

static void name_changed_status_files(struct kt_writer *writer, struct kt_buffer *names)
{
	const struct kt_mission *mission = writer->options.mission;
	char *log = kt_working_path(writer, mission->log_path);
	char *snapshot = kt_working_path(writer, mission->snapshot_path);

	if (!file_equals(log, &writer->new_log))
		kt_buffer_printf(names, "%s%s", names->len > 0 ? ", " : "", mission->log_path);
	if (!file_equals(snapshot, &writer->new_snapshot))
		kt_buffer_printf(names, "%s%s", names->len > 0 ? ", " : "", mission->snapshot_path);
	free(log);
	free(snapshot);
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

/* The files are as they were: the message is what is left to take over. */
static enum turn accept(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;
	char *message = NULL;
	enum kt_code code = read_message(writer, &message, &err);

	if (code == KT_E_OK && message[0] == '\0') {
		free(message);
		return kt_hooks_refuse(
			writer, kt_hooks_last_name(writer), "it emptied the commit message");
	}
	if (code == KT_E_OK)
		code = use_message(writer, kt_hooks_judged(writer), message, &err);
	if (code != KT_E_OK)
		return kt_hooks_fail(writer, &err);
	writer->step = kt_step_before_swap(writer);
	return TURN_NEXT;
}

static void explain(struct kt_writer *writer, const struct kt_buffer *names)
{
	if (writer->refused_by == NULL) {
		writer->refused_by = kt_strdup(kt_hooks_last_name(writer));
		kt_buffer_printf(&writer->refusal, "a hook may not change files, and changed %s",
			kt_buffer_text(names));
	} else if (names->len > 0) {
		kt_buffer_printf(&writer->refusal, " (and it changed %s)", kt_buffer_text(names));
	}
}

static enum turn refuse(struct kt_writer *writer)
{
	return kt_hooks_refuse(writer, writer->refused_by, kt_buffer_text(&writer->refusal));
}

/* By git, which knows modes, links and filters: what differs from the index is written again. */
static enum turn restore(struct kt_writer *writer)
{
	static const char *const args[] = {"checkout-index", "-q", "-f", "-a", NULL};
	struct kt_error err = KT_ERROR_INIT;

	writer->hook_phase = HOOKS_RESTORE;
	if (start_git(writer, args, true, &err) == KT_E_OK)
		return TURN_NEXT;
	kt_writer_notice(
		writer, "warning: the changed files could not be restored: %s", err.detail);
	return refuse(writer);
}

enum turn kt_hooks_restored(struct kt_writer *writer, const struct kt_child_status *status)
{
	struct kt_buffer output = KT_BUFFER_INIT;
	char how[64];

	kt_subprocess_output(&writer->child, OUTPUT_MAX, &output);
	kt_subprocess_release(&writer->child);
	kt_child_describe(status, how, sizeof how);
	if (strcmp(how, "exit status 0") != 0)
		kt_writer_notice(writer,
			"warning: the changed files could not be restored: git checkout-index: %s: "
			"%s",
			how, kt_buffer_text(&output));
	kt_buffer_release(&output);
	return refuse(writer);
}

enum turn kt_hooks_judge(struct kt_writer *writer, const struct kt_child_status *status)
{
	struct kt_buffer paths = KT_BUFFER_INIT, names = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool is_known = status->exited && status->exit_code == 0, is_changed = false;
	enum turn turn = TURN_NEXT;

	kt_subprocess_output(&writer->child, PATHS_MAX, &paths);
	kt_subprocess_release(&writer->child);
	put_all_aside(writer, &paths, &names);
	is_changed = names.len > 0;
	if (writer->refused_by == NULL)
		name_changed_status_files(writer, &names);
	if (writer->refused_by != NULL || names.len > 0) {
		explain(writer, &names);
		turn = is_changed ? restore(writer) : refuse(writer);
	} else if (!is_known) {
		(void)kt_error_set(&err, KT_E_GIT_FAILED, "git status after the hooks");
		turn = kt_hooks_fail(writer, &err);
	} else {
		turn = accept(writer);
	}
	kt_buffer_release(&paths);
	kt_buffer_release(&names);
	return turn;
}
