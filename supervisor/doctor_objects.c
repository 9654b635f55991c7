/*
 * `kitty doctor --fix` for objects of the coordination branch that somebody took away: the same
 * bytes again, from the mission's journal (trees, commits, git's blobs) and from the log (its own
 * versions and their snapshots). Must never write an object that is not missing under that very id.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/file.h"
#include "supervisor/doctor_private.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/journal.h"
#include "supervisor/git/sha1.h"

#define LOG_MAX (1U << 30)

struct ids {
	struct kt_oid *items;
	size_t len, capacity;
};

struct rebuild {
	struct kt_doctor *doctor;
	struct kt_journal *journal;
	struct ids missing, written;
	size_t told; /* missing ones that the journal had */
};

static void ids_add(struct ids *ids, const struct kt_oid *oid)
{
	if (ids->len == ids->capacity) {
		ids->capacity = ids->capacity * 2 + 64;
		ids->items = kt_realloc_array(ids->items, ids->capacity, sizeof *ids->items);
	}
	ids->items[ids->len++] = *oid;
}

static bool ids_have(const struct ids *ids, const struct kt_oid *oid)
{
	for (size_t i = 0; i < ids->len; i++)
		if (kt_oid_equal(&ids->items[i], oid))
			return true;
	return false;
}

/* Once: git does not write what a broken pack of its own says is there. */
static void object_write(struct rebuild *rebuild, const struct kt_oid *oid, const char *type,
	const char *bytes, size_t len)
{
	const char *const args[] = {"-c", "core.fsync=loose-object", "hash-object", "-w", "-t",
		type, "--stdin", "--no-filters", NULL};
	struct kt_git_call call = {.cwd = rebuild->doctor->repo->primary,
		.args = args,
		.input = bytes,
		.input_len = len};
	struct kt_error ignored = KT_ERROR_INIT;

	if (!ids_have(&rebuild->written, oid) && kt_git_run(&call, &ignored) == KT_E_OK)
		ids_add(&rebuild->written, oid);
}

/* ---- from the journal ---- */

/* The first parent that a commit's bytes name; zero: none. */
static struct kt_oid parent_in(const struct kt_journal_object *commit)
{
	static const char key[] = "\nparent ";
	const char *line = memmem(commit->bytes, commit->len, key, sizeof key - 1);
	const char *end = memmem(commit->bytes, commit->len, "\n\n", 2);
	struct kt_oid parent = {{0}};
	char hex[41];

	if (line != NULL && end != NULL && line < end && end - line > (ptrdiff_t)sizeof key + 39) {
		memcpy(hex, line + sizeof key - 1, 40);
		hex[40] = '\0';
		(void)kt_oid_parse(hex, &parent);
	}
	return parent;
}

/* Back from the tip, through what is there and what the journal has: git shows one missing commit
 * at a time. */
static void commits_write(struct rebuild *rebuild)
{
	struct kt_doctor *doctor = rebuild->doctor;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid at = {{0}}, parent = {{0}};

	(void)!kt_store_ref_read(doctor->store, doctor->mission->coordination_ref, &at, &ignored);
	while (!kt_oid_is_zero(&at)) {
		const struct kt_journal_object *commit = NULL;

		if (kt_store_commit_read(doctor->store, &at, &parent, NULL, NULL, &ignored) !=
			KT_E_OK) {
			commit = kt_journal_find(rebuild->journal, &at);
			if (commit == NULL)
				return;
			object_write(rebuild, &at, commit->type, commit->bytes, commit->len);
			parent = parent_in(commit);
		}
		at = parent;
	}
}

static void missing_add(const char *text, void *arg)
{
	struct rebuild *rebuild = arg;
	struct kt_oid oid;

	if (kt_oid_parse(text, &oid))
		ids_add(&rebuild->missing, &oid);
}

static void missing_find(struct rebuild *rebuild)
{
	rebuild->missing.len = rebuild->told = 0;
	kt_doctor_each_missing(rebuild->doctor, missing_add, rebuild);
	for (size_t i = 0; i < rebuild->missing.len; i++) {
		const struct kt_oid *oid = &rebuild->missing.items[i];
		const struct kt_journal_object *object = kt_journal_find(rebuild->journal, oid);

		if (object == NULL)
			continue;
		object_write(rebuild, oid, object->type, object->bytes, object->len);
		rebuild->told++;
	}
}

/* ---- from the log ---- */

static void blob_try(struct rebuild *rebuild, const char *bytes, size_t len)
{
	struct kt_oid sum;

	kt_object_hash("blob", bytes, len, &sum);
	if (ids_have(&rebuild->missing, &sum))
		object_write(rebuild, &sum, "blob", bytes, len);
}

/* Every version of the log is a beginning of the one on the disk, and every snapshot its
 * reduction. */
static void versions_try(struct rebuild *rebuild, const struct kt_buffer *log)
{
	char number[32] = "", type[128] = "";
	struct kt_snapshot_identity identity = {number, type};
	struct kt_reducer *state = kt_reducer_new();
	struct kt_buffer snapshot = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	const char *bytes = kt_buffer_text(log);
	bool is_reducible = true;

	kt_snapshot_identity_from_meta(rebuild->doctor->mission->meta, number, type);
	for (size_t at = 0; at < log->len;) {
		const char *newline = memchr(bytes + at, '\n', log->len - at);
		size_t end = newline == NULL ? log->len : (size_t)(newline - bytes) + 1;

		blob_try(rebuild, bytes, end);
		is_reducible = is_reducible &&
			       kt_reducer_feed(state, bytes + at, end - at, &ignored) == KT_E_OK;
		if (is_reducible) {
			kt_reducer_settle(state);
			kt_buffer_clear(&snapshot);
			kt_reducer_snapshot(state, &identity, &snapshot);
			blob_try(rebuild, kt_buffer_text(&snapshot), snapshot.len);
		}
		at = end;
	}
	kt_buffer_release(&snapshot);
	kt_reducer_free(state);
}

/* Files of the coordination worktree that git tracks: the missing blob may be one of them. */
static void files_try(struct rebuild *rebuild)
{
	const struct kt_mission *mission = rebuild->doctor->mission;
	static const char *const args[] = {"ls-files", "-z", "--", "kitty-specs", NULL};
	struct kt_buffer paths = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;

	if (kt_doctor_git(rebuild->doctor, mission->coord_worktree, args, &paths))
		for (size_t at = 0; at < paths.len; at += strlen(paths.data + at) + 1) {
			char *path = kt_path_join(mission->coord_worktree, paths.data + at);
			struct kt_buffer text = KT_BUFFER_INIT;

			if (kt_file_read(path, LOG_MAX, &text, &ignored) == KT_E_OK)
				blob_try(rebuild, kt_buffer_text(&text), text.len);
			kt_buffer_release(&text);
			free(path);
		}
	kt_buffer_release(&paths);
}

static void blobs_write(struct rebuild *rebuild)
{
	const struct kt_mission *mission = rebuild->doctor->mission;
	char *path = kt_path_join(mission->coord_worktree, mission->log_path);
	struct kt_buffer log = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;

	files_try(rebuild);
	if (kt_file_read(path, LOG_MAX, &log, &ignored) == KT_E_OK)
		versions_try(rebuild, &log);
	kt_buffer_release(&log);
	free(path);
}

void kt_doctor_fix_objects(struct kt_doctor *doctor)
{
	char *path = kt_path_join(doctor->mission->run_dir, "journal");
	struct rebuild rebuild = {.doctor = doctor, .journal = kt_journal_read(path)};
	size_t before = 0;

	/* What a tree leads to shows only when it is there again: until a round writes nothing. */
	do {
		before = rebuild.written.len;
		commits_write(&rebuild);
		missing_find(&rebuild);
		if (rebuild.missing.len > rebuild.told)
			blobs_write(&rebuild);
	} while (rebuild.written.len > before);
	free(rebuild.written.items);
	free(rebuild.missing.items);
	kt_journal_free(rebuild.journal);
	free(path);
}
