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

/* ---- */

static const struct {
	enum kt_finding finding;
	void (*fix)(struct kt_doctor *);
} fixes[] = {
	{KT_FINDING_LEFTOVERS, fix_leftovers},
	{KT_FINDING_STALE_LOCK, fix_locks},
	{KT_FINDING_SNAPSHOT_DIFFERS, fix_snapshot},
	{KT_FINDING_OBJECTS_MISSING, kt_doctor_fix_objects},
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
