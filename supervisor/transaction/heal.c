/*
 * Heal: whatever a kill left behind, the working log, snapshot and index become copies of the
 * coordination tip again. One rule: the ref decides. What is cut off goes to
 * quarantine first; edited history is refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/file.h"
#include "supervisor/transaction/writer_private.h"

enum { LOG_MAX = 1 << 30 };

static enum kt_code read_tip(struct kt_writer *writer, struct kt_oid *tip, struct kt_error *err)
{
	enum kt_code code = kt_store_ref_read(writer->store, writer->to.ref, tip, err);

	if (code == KT_E_DESTINATION_REF_NOT_FOUND && kt_destination_is_own(&writer->to))
		return kt_error_set(err, KT_E_COORDINATION_BRANCH_DELETED, "%s", writer->to.branch);
	return code;
}

enum kt_code kt_identity_load(
	struct kt_writer *writer, const struct kt_oid *tip, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *meta = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	char *path = kt_format("%s/meta.json", writer->options.mission->folder);
	bool found = false;
	enum kt_code code = kt_store_blob_read(writer->store, tip, path, &found, NULL, &text, err);

	if (code == KT_E_OK && found &&
		kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &meta,
			&ignored) != KT_E_OK)
		meta = NULL;
	if (code == KT_E_OK)
		kt_snapshot_identity_from_meta(meta, writer->number, writer->type);
	kt_json_free(meta);
	kt_buffer_release(&text);
	free(path);
	return code;
}

/* A log that we knew and that is no prefix of the new one was rewritten by somebody: never go on
 * from there. */
static enum kt_code check_history(
	const struct kt_writer *writer, const struct kt_buffer *log, struct kt_error *err)
{
	if (writer->state == NULL ||
		(log->len >= writer->log.len &&
			memcmp(kt_buffer_text(log), kt_buffer_text(&writer->log),
				writer->log.len) == 0))
		return KT_E_OK;
	return kt_error_set(err, KT_E_COORDINATION_FOREIGN_COMMIT, "%s", writer->to.branch);
}

static enum kt_code reduce(const struct kt_mission *mission, const struct kt_buffer *log,
	struct kt_reducer **out, struct kt_error *err)
{
	struct kt_reducer *state = kt_reducer_new();
	struct kt_error cause = KT_ERROR_INIT;

	if (log->len > 0 && kt_reducer_feed(state, log->data, log->len, &cause) != KT_E_OK) {
		kt_reducer_free(state);
		(void)kt_error_set(err, cause.code, "%s: %s", mission->log_path, cause.detail);
		kt_error_next(err, "kitty verify --mission %s", mission->slug);
		return err->code;
	}
	kt_reducer_settle(state);
	*out = state;
	return KT_E_OK;
}

static enum kt_code load_committed(
	struct kt_writer *writer, const struct kt_oid *tip, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	struct kt_buffer log = KT_BUFFER_INIT, snapshot = KT_BUFFER_INIT;
	struct kt_reducer *state = NULL;
	enum kt_code code = kt_store_blob_read(writer->store, tip, mission->log_path,
		&writer->has_log, &writer->log_blob, &log, err);

	if (code == KT_E_OK)
		code = kt_store_blob_read(writer->store, tip, mission->snapshot_path,
			&writer->has_snapshot, &writer->snapshot_blob, &snapshot, err);
	if (code == KT_E_OK)
		code = check_history(writer, &log, err);
	if (code == KT_E_OK)
		code = reduce(mission, &log, &state, err);
	if (code == KT_E_OK)
		code = kt_identity_load(writer, tip, err);
	if (code != KT_E_OK) {
		kt_reducer_free(state);
		kt_buffer_release(&log);
		kt_buffer_release(&snapshot);
		return code;
	}
	kt_reducer_free(writer->state);
	kt_buffer_release(&writer->log);
	kt_buffer_release(&writer->snapshot);
	kt_plan_free(writer->plan);
	writer->plan = NULL;
	writer->state = state;
	writer->log = log;
	writer->snapshot = snapshot;
	writer->tip = *tip;
	return KT_E_OK;
}

/* ---- the working log ---- */

enum log_case { LOG_EQUAL, LOG_HAS_TAIL, LOG_IS_SHORT, LOG_IS_TORN, LOG_IS_EDITED };

static bool is_all_zero(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != '\0')
			return false;
	return true;
}

static enum log_case classify(const struct kt_buffer *file, const struct kt_buffer *blob)
{
	size_t shorter = file->len < blob->len ? file->len : blob->len, same = 0;

	while (same < shorter && file->data[same] == blob->data[same])
		same++;
	if (same < shorter)
		/* After a power cut a file system may hand back zeros where appended bytes never
		 * arrived. */
		return is_all_zero(file->data + same, file->len - same) ? LOG_IS_TORN
									: LOG_IS_EDITED;
	if (file->len > blob->len)
		return LOG_HAS_TAIL;
	return file->len < blob->len ? LOG_IS_SHORT : LOG_EQUAL;
}

/* Synced: the next row is written over that place, and a power loss may drop the row and the cut
 * alike; old bytes in the middle of committed rows would then look like an edit. */
static int file_cut(const char *path, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int result = fd >= 0 && ftruncate(fd, (off_t)len) == 0 && fsync(fd) == 0 ? 0 : -1;
	int cause = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = cause;
	return result;
}

static enum kt_code cut_tail(struct kt_writer *writer, const char *path,
	const struct kt_buffer *file, struct kt_error *err)
{
	char *kept = kt_quarantine_bytes(writer, "status.events.tail", file->data + writer->log.len,
		file->len - writer->log.len);
	enum kt_code code = KT_E_OK;

	if (kept == NULL)
		return kt_error_set(
			err, KT_E_IO, "the uncommitted tail of %s cannot be kept", path);
	if (file_cut(path, writer->log.len) != 0)
		code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%s", path);
	else
		kt_writer_notice(writer,
			"healed: %zu uncommitted bytes of the event log were moved to %s",
			file->len - writer->log.len, kept);
	free(kept);
	return code;
}

/* A log that was never committed to somebody's branch may be all there is: theirs to commit or to
 * move away. In kitty's own worktree it is what a killed writer left. */
static enum kt_code refuse_uncommitted(
	const struct kt_writer *writer, const char *path, struct kt_error *err)
{
	if (kt_destination_is_own(&writer->to))
		return KT_E_OK;
	(void)kt_error_set(
		err, KT_E_LOG_EDITED, "%s is not committed on %s", path, writer->to.branch);
	kt_error_next(err, "git -C '%s' add -- %s", writer->to.worktree,
		writer->options.mission->log_path);
	return err->code;
}

static enum kt_code heal_log(struct kt_writer *writer, struct kt_error *err)
{
	char *path = kt_working_path(writer, writer->options.mission->log_path);
	struct kt_buffer file = KT_BUFFER_INIT;
	struct stat facts;
	enum kt_code code = KT_E_OK;
	enum log_case log_case = LOG_IS_SHORT;
	bool exists = lstat(path, &facts) == 0;

	if (exists && !S_ISREG(facts.st_mode))
		code = kt_error_set(err, KT_E_LOG_EDITED, "%s is not a regular file", path);
	if (code == KT_E_OK && exists)
		code = kt_file_read(path, LOG_MAX, &file, err);
	if (code == KT_E_OK && !writer->has_log && file.len > 0)
		code = refuse_uncommitted(writer, path, err);
	if (code != KT_E_OK || (!exists && !writer->has_log))
		goto out;
	log_case = exists ? classify(&file, &writer->log) : LOG_IS_SHORT;
	if (log_case == LOG_IS_EDITED) {
		code = kt_error_set(err, KT_E_LOG_EDITED,
			"%s differs from %s within its committed rows", path, writer->to.branch);
		kt_error_next(err, "git -C '%s' restore %s", writer->to.worktree,
			writer->options.mission->log_path);
	} else if (log_case == LOG_HAS_TAIL) {
		code = cut_tail(writer, path, &file, err);
	} else if (log_case != LOG_EQUAL) {
		code = kt_file_write_atomic(
			path, kt_buffer_text(&writer->log), writer->log.len, 0644, false, err);
	}
	/* A branch without a log has none in its worktree either. */
	if (code == KT_E_OK && !writer->has_log)
		(void)unlink(path);
out:
	kt_buffer_release(&file);
	free(path);
	return code;
}

/* Whatever stood there in somebody's checkout is kept: kitty alone knows that it is derived. */
static void keep_snapshot(struct kt_writer *writer, const struct kt_buffer *file)
{
	if (!kt_destination_is_own(&writer->to) && file->len > 0)
		free(kt_quarantine_bytes(
			writer, KT_SNAPSHOT_NAME, kt_buffer_text(file), file->len));
}

static enum kt_code heal_snapshot(struct kt_writer *writer, struct kt_error *err)
{
	char *path = kt_working_path(writer, writer->options.mission->snapshot_path);
	struct kt_buffer file = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;
	bool is_equal =
		kt_file_read(path, LOG_MAX, &file, &ignored) == KT_E_OK &&
		file.len == writer->snapshot.len &&
		memcmp(kt_buffer_text(&file), kt_buffer_text(&writer->snapshot), file.len) == 0;

	if (!is_equal)
		keep_snapshot(writer, &file);
	if (writer->has_snapshot && !is_equal)
		code = kt_file_write_atomic(path, kt_buffer_text(&writer->snapshot),
			writer->snapshot.len, 0644, false, err);
	else if (!writer->has_snapshot)
		(void)unlink(path);
	kt_buffer_release(&file);
	free(path);
	return code;
}

static enum kt_code heal_index(struct kt_writer *writer, struct kt_error *err)
{
	const struct kt_mission *mission = writer->options.mission;
	struct kt_index_entry entries[2];
	size_t len = 0;
	bool matches = true;
	enum kt_code code = KT_E_OK;

	if (writer->has_log)
		entries[len++] = (struct kt_index_entry){mission->log_path, writer->log_blob};
	if (writer->has_snapshot)
		entries[len++] =
			(struct kt_index_entry){mission->snapshot_path, writer->snapshot_blob};
	if (len == 0)
		return KT_E_OK;
	code = kt_index_matches(writer->to.worktree, entries, len, &matches, err);
	if (code == KT_E_GIT_FAILED && kt_destination_is_own(&writer->to)) {
		kt_writer_notice(writer, "healed: the index of %s could not be read; made anew",
			writer->to.worktree);
		code = kt_index_rebuild(writer->to.worktree, err);
		matches = false;
	}
	if (code != KT_E_OK || matches)
		return code;
	/* The index is about to be locked: whoever finds the lock of a dead healer must know it. */
	writer->new_tip = writer->tip;
	code = kt_intent_write(writer, err);
	if (code == KT_E_OK)
		code = kt_working_index_update(writer, entries, len, err);
	if (code == KT_E_OK)
		kt_intent_clear(writer);
	else
		kt_intent_leave(writer);
	return code;
}

/* Half-written copies of a killed writer: ours by name, and nobody else writes in this folder while
 * we hold the lock. */
static void sweep(const char *folder)
{
	DIR *entries = opendir(folder);
	struct dirent *entry = NULL;

	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (strncmp(entry->d_name, "status.", 7) == 0 &&
			strcmp(entry->d_name + len - 4, ".tmp") == 0)
			(void)unlinkat(dirfd(entries), entry->d_name, 0);
	}
	if (entries != NULL)
		(void)closedir(entries);
}

static enum kt_code heal(struct kt_writer *writer, const struct kt_oid *tip, struct kt_error *err)
{
	char *folder = kt_working_path(writer, writer->options.mission->folder);
	/* Not a tip of ours: perhaps of a writer that was killed before its flush. */
	enum kt_code code = kt_commit_settle(writer->options.repo, writer->to.ref, err);

	if (code == KT_E_OK)
		code = load_committed(writer, tip, err);
	if (code == KT_E_OK && (writer->has_log || writer->has_snapshot))
		code = kt_folder_make(folder, 0755, err);
	if (code == KT_E_OK) {
		sweep(folder);
		code = heal_log(writer, err);
	}
	if (code == KT_E_OK)
		code = heal_snapshot(writer, err);
	if (code == KT_E_OK)
		code = heal_index(writer, err);
	free(folder);
	if (code == KT_E_OK)
		kt_working_remember(writer);
	return code;
}

enum turn kt_step_heal(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_oid tip = {{0}};
	enum kt_code code = read_tip(writer, &tip, &err);

	/* The supervisor's usual turn: nothing moved since the last one, three stat calls told so.
	 */
	if (code == KT_E_OK && (writer->state == NULL || !kt_oid_equal(&tip, &writer->tip) ||
				       !kt_working_is_remembered(writer)))
		code = heal(writer, &tip, &err);
	if (code != KT_E_OK) {
		kt_batch_fail(writer, &err);
		writer->step = STEP_ANSWER;
		return TURN_NEXT;
	}
	writer->step = STEP_GATE;
	if (writer->heals_checkout)
		kt_intent_clear(writer);
	writer->heals_checkout = false;
	if (!kt_destination_is_own(&writer->to))
		return TURN_NEXT;
	if (kt_synced_read(writer, &writer->sync_from) && !kt_oid_equal(&writer->sync_from, &tip)) {
		writer->step = STEP_SYNC;
		return TURN_NEXT;
	}
	kt_synced_write(writer, &tip);
	return TURN_NEXT;
}
