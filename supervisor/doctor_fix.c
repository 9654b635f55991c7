/*
 * The fixes of `kitty doctor --fix` that are not worktree repair. Append-only: a snapshot is put
 * right by a new event, an object by the same bytes again. Must never remove a lock, a process or a
 * file that could belong to somebody alive.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/child.h"
#include "ipc/file.h"
#include "supervisor/doctor_private.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/history.h"
#include "supervisor/transaction/lock.h"
#include "supervisor/transaction/writer.h"

#define LOCK_WAIT_MS 5000
#define GRACE_MS 2000

static void remove_one(const char *path, void *arg)
{
	(void)arg;
	(void)unlink(path);
}

/* Among them are the folders of dry runs. */
static void remove_whole(const char *path, void *arg)
{
	struct kt_error ignored = KT_ERROR_INIT;

	(void)arg;
	(void)!kt_folder_remove_tree(path, &ignored);
}

static void fix_leftovers(struct kt_doctor *doctor)
{
	kt_doctor_each_leftover(doctor, remove_whole, NULL);
}

/* Under the lock of the repository's worktrees and of every mission, so that no kitty is at work
 * with git's locks; that no git is, the walk asks itself. */
static void fix_locks(struct kt_doctor *doctor)
{
	struct kt_error ignored = KT_ERROR_INIT;
	int *held = kt_realloc_array(NULL, doctor->missions_len + 1, sizeof *held);
	int lock = -1;
	size_t len = 0;
	bool is_free = kt_repository_lock(doctor->repo, LOCK_WAIT_MS, &lock, &ignored) == KT_E_OK;

	for (size_t i = 0; is_free && i < doctor->missions_len; i++) {
		held[len] = -1;
		is_free = kt_lock_try(doctor->missions[i]->lock_path, &held[len], &ignored) ==
				  KT_E_OK &&
			  held[len] >= 0;
		len += is_free;
	}
	if (is_free)
		kt_doctor_each_stale_lock(doctor, remove_one, NULL);
	for (size_t i = 0; i < len; i++)
		kt_lock_release(held[i]);
	if (lock >= 0)
		kt_repository_unlock(lock);
	free(held);
}

/* ---- the writer ---- */

static enum kt_code writer_open(
	struct kt_doctor *doctor, struct kt_writer **out, struct kt_error *err)
{
	struct kt_writer_options options = {.repo = doctor->repo,
		.mission = doctor->mission,
		.holder_command = "kitty doctor --fix",
		.lock_timeout_ms = LOCK_WAIT_MS,
		.on_notice = doctor->options->on_notice,
		.arg = doctor->options->arg};

	options.sign = doctor->config != NULL && doctor->config->sign_bookkeeping;
	if (doctor->config != NULL && doctor->config->has_protected)
		options.protected_branches =
			(const char *const *)doctor->config->protected_branches;
	return kt_writer_new(&options, out, err);
}

static void first_wp(const struct kt_wp_state *wp, void *arg)
{
	char **id = arg;

	if (*id == NULL)
		*id = kt_strdup(wp->wp_id);
}

static void on_outcome(const struct kt_json *outcome, void *arg)
{
	struct kt_doctor *doctor = arg;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_outcome_code(outcome, &err) != KT_E_OK && doctor->options->on_notice != NULL)
		doctor->options->on_notice(err.detail, doctor->options->arg);
}

/* A commit writes the snapshot anew, and a commit has an event: a note says what was done. */
static void fix_snapshot(struct kt_doctor *doctor)
{
	struct kt_writer *writer = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_json *request, *delta;
	char *wp = NULL;

	if (doctor->view == NULL)
		return;
	kt_reducer_each_wp(doctor->view->state, first_wp, &wp);
	if (wp != NULL && writer_open(doctor, &writer, &ignored) == KT_E_OK) {
		request = kt_request_new("doctor");
		delta = kt_json_new_object();
		kt_json_set_string(delta, "note", "status.json was made again from the log");
		(void)kt_request_add_annotation(request, wp, "kitty-doctor", delta);
		kt_json_set_string(
			request, "message", "chore: status.json made again from the log");
		kt_writer_submit(writer, request, NULL, on_outcome, doctor);
		kt_json_free(request);
		kt_writer_finish(writer);
	}
	kt_writer_free(writer);
	free(wp);
}

/* The lock's holder is dead, so the lock is ours, and with it the holder file. */
static void fix_holder(struct kt_doctor *doctor)
{
	struct kt_error ignored = KT_ERROR_INIT;
	char *path = kt_path_join(doctor->mission->run_dir, "holder"), *socket = NULL;
	bool is_stale = false;
	int fd = -1;

	if (kt_lock_try(doctor->mission->lock_path, &fd, &ignored) == KT_E_OK && fd >= 0) {
		socket = kt_doctor_dead_holder(doctor, &is_stale);
		if (socket != NULL)
			(void)unlink(socket);
		if (is_stale)
			(void)unlink(path);
	}
	kt_lock_release(fd);
	free(socket);
	free(path);
}

/* ---- orphans ---- */

struct orphans {
	int signal;
	size_t len;
};

static void signal_one(long pid, const char *marker, void *arg)
{
	struct orphans *orphans = arg;

	(void)marker;
	orphans->len++;
	(void)kill((pid_t)pid, orphans->signal);
}

static void fix_orphans(struct kt_doctor *doctor)
{
	struct orphans orphans = {SIGTERM, 0};

	kt_doctor_each_orphan(doctor, signal_one, &orphans);
	for (int waited = 0; orphans.len > 0 && waited < GRACE_MS; waited += 100) {
		orphans = (struct orphans){0, 0};
		(void)poll(NULL, 0, 100);
		kt_doctor_each_orphan(doctor, signal_one, &orphans);
	}
	orphans = (struct orphans){SIGKILL, 0};
	kt_doctor_each_orphan(doctor, signal_one, &orphans);
	if (orphans.len > 0)
		(void)poll(NULL, 0, 100);
}

/* ---- objects ---- */

/* Every version of the log is a beginning of the one on the disk, and every snapshot its
 * reduction: their bytes can be told again. */
struct rebuild {
	struct kt_doctor *doctor;
	struct kt_oid *missing;
	size_t len;
	struct kt_buffer log;
	struct kt_json *meta;
};

static void missing_add(const char *text, void *arg)
{
	struct rebuild *rebuild = arg;

	rebuild->missing =
		kt_realloc_array(rebuild->missing, rebuild->len + 1, sizeof *rebuild->missing);
	if (kt_oid_parse(text, &rebuild->missing[rebuild->len]))
		rebuild->len++;
}

static void blob_try(struct rebuild *rebuild, const char *bytes, size_t len)
{
	static const char *const args[] = {"hash-object", "-w", "--stdin", "--no-filters", NULL};
	struct kt_git_call call = {.cwd = rebuild->doctor->repo->primary,
		.args = args,
		.input = bytes,
		.input_len = len};
	struct kt_error ignored = KT_ERROR_INIT;

	for (size_t i = 0; i < rebuild->len; i++)
		if (kt_history_is_prefix(&rebuild->missing[i], bytes, len)) {
			(void)!kt_git_run(&call, &ignored);
			return;
		}
}

static void versions_try(struct rebuild *rebuild)
{
	char number[32] = "", type[128] = "";
	struct kt_snapshot_identity identity = {number, type};
	struct kt_reducer *state = kt_reducer_new();
	struct kt_buffer snapshot = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	const char *bytes = kt_buffer_text(&rebuild->log);
	bool is_reducible = true;

	kt_snapshot_identity_from_meta(rebuild->meta, number, type);
	for (size_t at = 0; at < rebuild->log.len;) {
		const char *newline = memchr(bytes + at, '\n', rebuild->log.len - at);
		size_t end = newline == NULL ? rebuild->log.len : (size_t)(newline - bytes) + 1;

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

			if (kt_file_read(path, 1U << 30, &text, &ignored) == KT_E_OK)
				blob_try(rebuild, kt_buffer_text(&text), text.len);
			kt_buffer_release(&text);
			free(path);
		}
	kt_buffer_release(&paths);
}

static void fix_objects(struct kt_doctor *doctor)
{
	const struct kt_mission *mission = doctor->mission;
	struct rebuild rebuild = {.doctor = doctor, .meta = mission->meta};
	char *path = kt_path_join(mission->coord_worktree, mission->log_path);
	struct kt_error ignored = KT_ERROR_INIT;

	kt_doctor_each_missing(doctor, missing_add, &rebuild);
	if (rebuild.len > 0) {
		files_try(&rebuild);
		if (kt_file_read(path, 1U << 30, &rebuild.log, &ignored) == KT_E_OK)
			versions_try(&rebuild);
	}
	free(rebuild.missing);
	kt_buffer_release(&rebuild.log);
	free(path);
}

/* ---- */

static const struct {
	enum kt_finding finding;
	void (*fix)(struct kt_doctor *);
} fixes[] = {
	{KT_FINDING_LEFTOVERS, fix_leftovers},
	{KT_FINDING_STALE_LOCK, fix_locks},
	{KT_FINDING_SNAPSHOT_DIFFERS, fix_snapshot},
	{KT_FINDING_OBJECTS_MISSING, fix_objects},
	{KT_FINDING_HOLDER_STALE, fix_holder},
	{KT_FINDING_SOCKET_STALE, fix_holder},
	{KT_FINDING_ORPHANS, fix_orphans},
};

void kt_doctor_fix(struct kt_doctor *doctor, enum kt_finding finding)
{
	for (size_t i = 0; i < sizeof fixes / sizeof fixes[0]; i++)
		if (fixes[i].finding == finding)
			fixes[i].fix(doctor);
}
