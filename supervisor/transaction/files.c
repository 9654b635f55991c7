/*
 * The working copies in the coordination worktree: derived from the tip, written after the ref has
 * moved. Never the authority: a failure here is healed at the next acquisition, and never undoes a
 * commit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/clock.h"
#include "ipc/file.h"
#include "supervisor/transaction/writer_private.h"

enum { PLAN_FILE_MAX = 16 << 20 };

char *kt_working_path(const struct kt_writer *writer, const char *relative)
{
	return kt_path_join(writer->to.worktree, relative);
}

enum kt_code kt_working_log_append(struct kt_writer *writer, size_t old_len, const void *rows,
	size_t len, struct kt_error *err)
{
	char *path = kt_working_path(writer, writer->options.mission->log_path);
	char *folder = kt_working_path(writer, writer->options.mission->folder);
	enum kt_code code = kt_folder_make(folder, 0755, err);
	struct stat facts;
	int fd = -1;

	if (code != KT_E_OK)
		goto out;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || fstat(fd, &facts) != 0) {
		code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%s", path);
	} else if (facts.st_size != (off_t)old_len) {
		code = kt_error_set(err, KT_E_LOG_EDITED, "%s has %lld bytes, the branch %zu", path,
			(long long)facts.st_size, old_len);
	} else if (kt_file_write_all(fd, rows, len) != 0) {
		code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%s", path);
		if (ftruncate(fd, (off_t)old_len) != 0)
			kt_writer_notice(writer,
				"warning: %s could not be cut back; the next command heals it",
				path);
	}
out:
	if (fd >= 0)
		(void)close(fd);
	free(path);
	free(folder);
	return code;
}

enum kt_code kt_working_snapshot_write(
	struct kt_writer *writer, const struct kt_buffer *bytes, struct kt_error *err)
{
	char *path = kt_working_path(writer, writer->options.mission->snapshot_path);
	enum kt_code code =
		kt_file_write_atomic(path, kt_buffer_text(bytes), bytes->len, 0644, false, err);

	free(path);
	return code;
}

static void stat_of(const struct kt_writer *writer, const char *relative, struct stat *out)
{
	char *path = kt_working_path(writer, relative);

	if (lstat(path, out) != 0)
		memset(out, 0, sizeof *out);
	free(path);
}

void kt_working_remember(struct kt_writer *writer)
{
	stat_of(writer, writer->options.mission->log_path, &writer->log_stat);
	stat_of(writer, writer->options.mission->snapshot_path, &writer->snapshot_stat);
}

static bool is_same(const struct stat *left, const struct stat *right)
{
	return left->st_ino == right->st_ino && left->st_size == right->st_size &&
	       left->st_mode == right->st_mode && left->st_mtim.tv_sec == right->st_mtim.tv_sec &&
	       left->st_mtim.tv_nsec == right->st_mtim.tv_nsec;
}

bool kt_working_is_remembered(const struct kt_writer *writer)
{
	struct stat log, snapshot;

	stat_of(writer, writer->options.mission->log_path, &log);
	stat_of(writer, writer->options.mission->snapshot_path, &snapshot);
	return is_same(&log, &writer->log_stat) && is_same(&snapshot, &writer->snapshot_stat);
}

char *kt_quarantine_bytes(struct kt_writer *writer, const char *name, const void *bytes, size_t len)
{
	char *folder = kt_path_join(writer->options.mission->run_dir, "quarantine");
	char *path = kt_format("%s/%lld-%s", folder, (long long)kt_clock_wall_us(), name);
	struct kt_error err = KT_ERROR_INIT;

	if (kt_folder_make(folder, 0700, &err) != KT_E_OK ||
		kt_file_write_atomic(path, bytes, len, 0600, true, &err) != KT_E_OK) {
		free(path);
		path = NULL;
	}
	free(folder);
	return path;
}

/* The committed bytes are still the file's first ones: cutting is enough, and the cheapest. */
static bool starts_with_committed(int fd, const struct kt_buffer *log)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	size_t got = 0;
	bool is_equal = false;

	kt_buffer_reserve(&bytes, log->len);
	while (got < log->len) {
		ssize_t count = pread(fd, bytes.data + got, log->len - got, (off_t)got);

		if (count <= 0)
			break;
		got += (size_t)count;
	}
	is_equal = got == log->len && memcmp(bytes.data, kt_buffer_text(log), got) == 0;
	kt_buffer_release(&bytes);
	return is_equal;
}

static enum kt_code restore_log(struct kt_writer *writer, const char *path, struct kt_error *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	enum kt_code code = KT_E_OK;

	if (fd >= 0 && starts_with_committed(fd, &writer->log)) {
		if (ftruncate(fd, (off_t)writer->log.len) != 0)
			code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%s", path);
	} else {
		code = kt_file_write_atomic(
			path, kt_buffer_text(&writer->log), writer->log.len, 0644, false, err);
	}
	if (fd >= 0)
		(void)close(fd);
	if (code == KT_E_OK && !writer->has_log)
		(void)unlink(path);
	return code;
}

enum kt_code kt_working_restore(struct kt_writer *writer, struct kt_error *err)
{
	char *log = kt_working_path(writer, writer->options.mission->log_path);
	char *snapshot = kt_working_path(writer, writer->options.mission->snapshot_path);
	enum kt_code code = restore_log(writer, log, err);

	if (code == KT_E_OK && writer->has_snapshot)
		code = kt_working_snapshot_write(writer, &writer->snapshot, err);
	else if (code == KT_E_OK)
		(void)unlink(snapshot);
	if (code == KT_E_OK)
		kt_working_remember(writer);
	free(log);
	free(snapshot);
	return code;
}

/* ---- step: files ---- */

enum kt_code kt_working_index_update(struct kt_writer *writer, const struct kt_index_entry *entries,
	size_t len, struct kt_error *err)
{
	if (kt_destination_is_own(&writer->to))
		return kt_index_update(writer->store, writer->to.worktree, entries, len, err);
	return kt_index_update_by_git(writer->to.worktree, entries, len, err);
}

/* In somebody's checkout a plan file follows at once: there is no two-tree read that could. What
 * stood there and differs is kept. */
static enum kt_code write_plan_file(struct kt_writer *writer, const char *relative,
	const struct kt_oid *blob, struct kt_error *err)
{
	char *path = kt_working_path(writer, relative);
	const char *slash = strrchr(relative, '/');
	struct kt_buffer bytes = KT_BUFFER_INIT, now = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid oid = {{0}};
	bool found = false;
	enum kt_code code = kt_store_blob_read(
		writer->store, &writer->tip, relative, &found, &oid, &bytes, err);

	if (code != KT_E_OK)
		goto out;
	/* Admission lets nothing in that is not below the mission's folder. */
	KT_BUG_UNLESS(slash != NULL && found && kt_oid_equal(&oid, blob));
	if (kt_file_read(path, PLAN_FILE_MAX, &now, &ignored) == KT_E_OK && now.len == bytes.len &&
		memcmp(kt_buffer_text(&now), kt_buffer_text(&bytes), now.len) == 0)
		goto out;
	if (now.len > 0)
		free(kt_quarantine_bytes(writer, slash + 1, kt_buffer_text(&now), now.len));
	code = kt_file_write_atomic(path, kt_buffer_text(&bytes), bytes.len, 0644, false, err);
out:
	kt_buffer_release(&bytes);
	kt_buffer_release(&now);
	free(path);
	return code;
}

/* The request that brought plan files along; it is the last one of its batch. NULL: none. */
static const struct kt_json *plan_files(const struct kt_writer *writer)
{
	for (const struct pending *p = writer->batch; p != NULL; p = p->next)
		if (p->is_built && kt_json_get(p->request, "files") != NULL)
			return kt_json_get(p->request, "files");
	return NULL;
}

static enum kt_code update_index(struct kt_writer *writer, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	const struct kt_json *files =
		kt_destination_is_own(&writer->to) ? NULL : plan_files(writer);
	struct kt_index_entry *entries = kt_alloc((kt_json_size(files) + 2) * sizeof *entries);
	enum kt_code code = KT_E_OK;
	size_t len = 2;

	entries[0] = (struct kt_index_entry){mission->log_path, writer->log_blob};
	entries[1] = (struct kt_index_entry){mission->snapshot_path, writer->snapshot_blob};
	for (const struct kt_json *f = kt_json_first(files); code == KT_E_OK && f != NULL;
		f = kt_json_next(f), len++) {
		entries[len].path = kt_json_get_string(f, "path");
		(void)kt_oid_parse(kt_json_get_string(f, "blob"), &entries[len].blob);
		code = write_plan_file(writer, entries[len].path, &entries[len].blob, err);
	}
	if (code == KT_E_OK)
		code = kt_working_index_update(writer, entries, len, err);
	free(entries);
	return code;
}

static enum kt_code write_files(
	struct kt_writer *writer, size_t old_len, bool is_snapshot_new, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	if (!writer->is_staged && writer->log.len > old_len)
		code = kt_working_log_append(writer, old_len, writer->log.data + old_len,
			writer->log.len - old_len, err);
	if (code == KT_E_OK && !writer->is_staged && is_snapshot_new)
		code = kt_working_snapshot_write(writer, &writer->snapshot, err);
	return code == KT_E_OK ? update_index(writer, err) : code;
}

/* The new state becomes the committed one: memory first, then the copies on disk. */
enum turn kt_step_files(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;
	size_t old_len = writer->log.len;
	bool is_snapshot_new =
		writer->snapshot.len != writer->new_snapshot.len ||
		memcmp(kt_buffer_text(&writer->snapshot), kt_buffer_text(&writer->new_snapshot),
			writer->snapshot.len) != 0;
	struct kt_oid old_tip = writer->tip;

	kt_buffer_release(&writer->log);
	kt_buffer_release(&writer->snapshot);
	writer->log = writer->new_log;
	writer->snapshot = writer->new_snapshot;
	writer->new_log = writer->new_snapshot = (struct kt_buffer)KT_BUFFER_INIT;
	writer->tip = writer->new_tip;
	writer->log_blob = writer->new_log_blob;
	writer->snapshot_blob = writer->new_snapshot_blob;
	writer->has_log = writer->has_snapshot = true;
	kt_reducer_settle(writer->state);
	writer->commits += writer->built;
	for (struct pending *p = writer->batch; p != NULL; p = p->next)
		if (p->is_built)
			kt_pending_succeed(writer, p);
	if (write_files(writer, old_len, is_snapshot_new, &err) != KT_E_OK) {
		kt_writer_notice(
			writer, "warning: committed, but the worktree lags: %s", err.detail);
		memset(&writer->log_stat, 0, sizeof writer->log_stat);
		kt_intent_leave(writer);
	} else {
		kt_working_remember(writer);
		kt_intent_clear(writer);
	}
	kt_hooks_end(writer);
	writer->step = STEP_ANSWER;
	if (writer->has_files) {
		kt_plan_free(writer->plan);
		writer->plan = NULL;
	}
	if (!kt_destination_is_own(&writer->to))
		return TURN_NEXT;
	if (writer->has_files) {
		writer->sync_from = old_tip;
		writer->step = STEP_SYNC;
	} else {
		kt_synced_write(writer, &writer->tip);
	}
	return TURN_NEXT;
}
