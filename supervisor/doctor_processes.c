/*
 * The doctor's checks of what processes leave behind: git's lock files with an analysis of who
 * could own them, holder files and sockets of dead supervisors, processes whose supervisor is gone.
 * Read-only; never signals anybody (doctor_fix.c does).
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ipc/child.h"
#include "ipc/fd.h"
#include "ipc/file.h"
#include "ipc/socket.h"
#include "supervisor/doctor_private.h"

#define LOCK_AGE_S 10
#define ENVIRONMENT_MAX (1U << 20)

/* ---- git's locks ---- */

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Lock files name no owner. A living git that stands in this repository may own any of them. */
static long git_at_work(const struct kt_doctor *doctor)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	long found = 0;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (processes != NULL && found == 0 && (entry = readdir(processes)) != NULL) {
		char path[300], cwd[4096];
		struct kt_buffer comm = KT_BUFFER_INIT;
		struct kt_error ignored = KT_ERROR_INIT;
		ssize_t len;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		(void)snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
		if (kt_file_read(path, 64, &comm, &ignored) == KT_E_OK &&
			strncmp(kt_buffer_text(&comm), "git", 3) == 0) {
			(void)snprintf(path, sizeof path, "/proc/%s/cwd", entry->d_name);
			len = readlink(path, cwd, sizeof cwd - 1);
			cwd[len > 0 ? len : 0] = '\0';
			if (is_below(cwd, doctor->repo->primary) ||
				is_below(cwd, doctor->repo->common_dir))
				found = strtol(entry->d_name, NULL, 10);
		}
		kt_buffer_release(&comm);
	}
	if (processes != NULL)
		(void)closedir(processes);
	return found;
}

static void lock_look(const char *path, kt_path_cb each, void *arg)
{
	struct stat facts;

	if (lstat(path, &facts) == 0 && S_ISREG(facts.st_mode) &&
		time(NULL) - facts.st_mtime > LOCK_AGE_S)
		each(path, arg);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), own = strlen(end);

	return len > own && strcmp(text + len - own, end) == 0;
}

/* *.lock in a folder; with depth, in the folders below too. */
static void locks_of(const char *folder, int depth, kt_path_cb each, void *arg)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		char *path = kt_path_join(folder, entry->d_name);

		if (ends_with(entry->d_name, ".lock"))
			lock_look(path, each, arg);
		else if (depth > 0 && entry->d_name[0] != '.' && kt_folder_exists(path))
			locks_of(path, depth - 1, each, arg);
		free(path);
	}
	if (entries != NULL)
		(void)closedir(entries);
}

void kt_doctor_each_stale_lock(struct kt_doctor *doctor, kt_path_cb each, void *arg)
{
	/* Every branch may be a mission's target. */
	char *refs = kt_path_join(doctor->repo->common_dir, "refs/heads");
	char *kitty_refs = kt_path_join(doctor->repo->common_dir, "refs/kitty");
	char *worktrees = kt_path_join(doctor->repo->common_dir, "worktrees");

	if (git_at_work(doctor) == 0) {
		locks_of(doctor->repo->common_dir, 0, each, arg);
		locks_of(refs, 8, each, arg);
		locks_of(kitty_refs, 8, each, arg);
		locks_of(worktrees, 1, each, arg);
	}
	free(refs);
	free(kitty_refs);
	free(worktrees);
}

static void lock_found(const char *path, void *arg)
{
	struct stat facts;
	long age = lstat(path, &facts) == 0 ? (long)(time(NULL) - facts.st_mtime) : 0;

	kt_doctor_add(arg, KT_FINDING_STALE_LOCK, path,
		"%s is %ld s old, and no git process stands in this repository", path, age);
}

void kt_doctor_locks(struct kt_doctor *doctor)
{
	kt_doctor_each_stale_lock(doctor, lock_found, doctor);
}

/* ---- holder and socket ---- */

char *kt_doctor_dead_holder(struct kt_doctor *doctor, bool *is_stale)
{
	char *path = kt_path_join(doctor->mission->run_dir, "holder");
	struct kt_json *alive = kt_holder_read(doctor->mission), *holder = NULL;
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	const char *socket = NULL;
	char *found = NULL;

	*is_stale = alive == NULL && kt_file_read(path, 64U << 10, &text, &ignored) == KT_E_OK;
	if (*is_stale && kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &holder,
				 &ignored) == KT_E_OK)
		socket = kt_json_get_string(holder, "socket");
	if (socket != NULL && kt_file_exists(socket)) {
		int fd = -1;

		if (kt_socket_connect(socket, &fd, &ignored) != KT_E_OK)
			found = kt_strdup(socket);
		kt_fd_close(&fd);
	}
	kt_json_free(holder);
	kt_json_free(alive);
	kt_buffer_release(&text);
	free(path);
	return found;
}

void kt_doctor_holder(struct kt_doctor *doctor)
{
	bool is_stale = false;
	char *socket = kt_doctor_dead_holder(doctor, &is_stale);

	if (is_stale)
		kt_doctor_add(doctor, KT_FINDING_HOLDER_STALE, NULL,
			"%s/holder names a process that is dead; the next launch ignores it",
			doctor->mission->run_dir);
	if (socket != NULL)
		kt_doctor_add(
			doctor, KT_FINDING_SOCKET_STALE, NULL, "nobody listens on %s", socket);
	free(socket);
}

/* ---- orphans ---- */

/* "SPEC_KITTY_SUPERVISOR=<slug>:<pid>:<start time>" of a supervisor that is dead. */
static bool is_orphaned(const char *marker, const char *slug)
{
	size_t len = strlen(slug);
	char *end = NULL;
	long pid;
	unsigned long long start_time;

	if (strncmp(marker, slug, len) != 0 || marker[len] != ':')
		return false;
	pid = strtol(marker + len + 1, &end, 10);
	if (pid <= 0 || *end != ':')
		return false;
	start_time = strtoull(end + 1, NULL, 10);
	return !kt_process_is_alive((pid_t)pid, start_time);
}

static void environment_look(
	const struct kt_doctor *doctor, const char *pid, kt_orphan_cb each, void *arg)
{
	static const char name[] = "SPEC_KITTY_SUPERVISOR=";
	char path[300];
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	size_t at = 0;

	(void)snprintf(path, sizeof path, "/proc/%s/environ", pid);
	if (kt_file_read(path, ENVIRONMENT_MAX, &text, &ignored) == KT_E_OK)
		for (; at < text.len; at += strlen(text.data + at) + 1)
			if (strncmp(text.data + at, name, sizeof name - 1) == 0 &&
				is_orphaned(
					text.data + at + sizeof name - 1, doctor->mission->slug)) {
				each(strtol(pid, NULL, 10), text.data + at, arg);
				break;
			}
	kt_buffer_release(&text);
}

void kt_doctor_each_orphan(struct kt_doctor *doctor, kt_orphan_cb each, void *arg)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (processes != NULL && (entry = readdir(processes)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			strtol(entry->d_name, NULL, 10) != (long)getpid())
			environment_look(doctor, entry->d_name, each, arg);
	if (processes != NULL)
		(void)closedir(processes);
}

static void orphan_found(long pid, const char *marker, void *arg)
{
	struct kt_buffer *pids = arg;

	(void)marker;
	kt_buffer_printf(pids, " %ld", pid);
}

void kt_doctor_orphans(struct kt_doctor *doctor)
{
	struct kt_buffer pids = KT_BUFFER_INIT;

	kt_doctor_each_orphan(doctor, orphan_found, &pids);
	if (pids.len > 0)
		kt_doctor_add(doctor, KT_FINDING_ORPHANS, NULL,
			"processes of a supervisor that is dead still run:%s",
			kt_buffer_text(&pids));
	kt_buffer_release(&pids);
}
