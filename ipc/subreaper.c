/*
 * Finding what children left behind, through /proc. Worker and supervisor.
 * Must never signal a process that is not below the given root, and never reap a child that
 * somebody else will reap by its pidfd.
 */
#include "ipc/subreaper.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/clock.h"

#define ENVIRONMENT_MAX (2U << 20) /* bytes read of one environment; Linux limits it likewise */
#define GENERATIONS_MAX 4096       /* against a loop while parents change under us */

struct pids {
	pid_t *all;
	size_t len, max;
};

static void pids_add(struct pids *pids, pid_t pid)
{
	if (pids->len == pids->max) {
		pids->max = pids->max * 2 + 16;
		pids->all = kt_realloc_array(pids->all, pids->max, sizeof *pids->all);
	}
	pids->all[pids->len++] = pid;
}

/* The whole of a file of /proc, which has no size of its own. False when it cannot be opened. */
static bool read_whole(const char *path, size_t limit, struct kt_buffer *out)
{
	char bytes[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	while (out->len < limit && (len = read(fd, bytes, sizeof bytes)) > 0)
		kt_buffer_append(out, bytes, (size_t)len);
	(void)close(fd);
	return true;
}

/* The next entry of a folder of /proc that is a number; 0 at the end. */
static pid_t next_number(DIR *folder)
{
	struct dirent *entry;

	/* Each stream is read by one thread only; readdir is safe so. NOLINTNEXTLINE */
	while ((entry = readdir(folder)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			return (pid_t)strtol(entry->d_name, NULL, 10);
	return 0;
}

static void parse_children(const char *text, struct pids *out)
{
	char *end;

	for (long pid = strtol(text, &end, 10); end != text; pid = strtol(text, &end, 10)) {
		pids_add(out, (pid_t)pid);
		text = end;
	}
}

/* From the "children" files of all threads; false when the kernel does not have them. */
static bool children_of_threads(pid_t parent, struct pids *out)
{
	char *tasks = kt_format("/proc/%d/task", (int)parent);
	DIR *folder = opendir(tasks);
	bool is_known = folder == NULL; /* gone: no children, and no need to search for them */
	pid_t thread;

	while (folder != NULL && (thread = next_number(folder)) != 0) {
		struct kt_buffer text = KT_BUFFER_INIT;
		char *path = kt_format("%s/%d/children", tasks, (int)thread);

		if (read_whole(path, SIZE_MAX, &text)) {
			is_known = true;
			parse_children(kt_buffer_text(&text), out);
		}
		free(path);
		kt_buffer_release(&text);
	}
	if (folder != NULL)
		(void)closedir(folder);
	free(tasks);
	return is_known;
}

static void children_by_search(pid_t parent, struct pids *out)
{
	DIR *folder = opendir("/proc");
	pid_t pid;

	while (folder != NULL && (pid = next_number(folder)) != 0)
		if (kt_process_parent(pid) == parent)
			pids_add(out, pid);
	if (folder != NULL)
		(void)closedir(folder);
}

static void children(pid_t parent, struct pids *out)
{
	if (!children_of_threads(parent, out))
		children_by_search(parent, out);
}

enum kt_code kt_subreaper_enable(struct kt_error *err)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL) != 0)
		return kt_error_sys(err, KT_E_SPAWN_FAILED, errno, "PR_SET_CHILD_SUBREAPER");
	return KT_E_OK;
}

static bool is_in(const pid_t *own, size_t own_len, pid_t pid)
{
	for (size_t i = 0; i < own_len; i++)
		if (own[i] == pid)
			return true;
	return false;
}

size_t kt_orphans_reap(const pid_t *own, size_t own_len)
{
	struct pids found = {NULL, 0, 0};
	size_t count = 0;

	children(getpid(), &found);
	for (size_t i = 0; i < found.len; i++)
		if (!is_in(own, own_len, found.all[i]) && !kt_child_is_started(found.all[i]) &&
			kt_orphan_reap(found.all[i]))
			count++;
	free(found.all);
	return count;
}

size_t kt_descendants_signal_of(pid_t root, int signal_number)
{
	struct pids found = {NULL, 0, 0};
	size_t count = 0;

	children(root, &found);
	for (size_t i = 0; i < found.len; i++) {
		children(found.all[i], &found);
		if (!kt_process_is_alive(found.all[i], 0))
			continue;
		(void)kill(found.all[i], signal_number);
		count++;
	}
	free(found.all);
	return count;
}

size_t kt_descendants_signal(int signal_number)
{
	return kt_descendants_signal_of(getpid(), signal_number);
}

void kt_descendants_await(int timeout_ms)
{
	int64_t until = kt_clock_monotonic_ms() + timeout_ms;
	struct pids found = {NULL, 0, 0};

	children(getpid(), &found);
	for (size_t i = 0; i < found.len; i++) {
		int64_t left = until - kt_clock_monotonic_ms();

		children(found.all[i], &found);
		(void)kt_process_await(found.all[i], 0, left > 0 ? (int)left : 0);
	}
	free(found.all);
}

void kt_orphans_note(struct kt_orphans *orphans)
{
	struct pids found = {NULL, 0, 0};

	children(getpid(), &found);
	orphans->len = 0;
	orphans->known = kt_realloc_array(orphans->known, found.len + 1, sizeof *orphans->known);
	for (size_t i = 0; i < found.len; i++)
		if (!kt_child_is_started(found.all[i]))
			orphans->known[orphans->len++] = (struct kt_orphan){
				found.all[i], kt_process_start_time(found.all[i])};
	free(found.all);
}

void kt_orphans_release(struct kt_orphans *orphans)
{
	free(orphans->known);
	*orphans = (struct kt_orphans){NULL, 0};
}

static bool is_known(const struct kt_orphans *orphans, pid_t pid)
{
	for (size_t i = 0; i < orphans->len; i++)
		if (orphans->known[i].pid == pid)
			return orphans->known[i].start_time == kt_process_start_time(pid);
	return false;
}

bool kt_process_descends_from(pid_t pid, pid_t ancestor)
{
	for (int i = 0; pid > 0 && i < GENERATIONS_MAX; i++) {
		if (pid == ancestor)
			return true;
		pid = kt_process_parent(pid);
	}
	return false;
}

/* marker: "NAME=value", or "NAME" for any value. */
static bool has_entry(const struct kt_buffer *environment, const char *marker)
{
	const char *at = kt_buffer_text(environment), *end = at + environment->len;
	size_t len = strlen(marker);
	bool has_value = strchr(marker, '=') != NULL;

	for (; at < end; at += strlen(at) + 1)
		if (strncmp(at, marker, len) == 0 && at[len] == (has_value ? '\0' : '='))
			return true;
	return false;
}

/* Of our user, and with the marker in its environment. */
static bool is_marked(pid_t pid, const char *marker)
{
	struct kt_buffer environment = KT_BUFFER_INIT;
	char *folder = kt_format("/proc/%d", (int)pid);
	char *path = kt_format("%s/environ", folder);
	struct stat found;
	bool is_found = stat(folder, &found) == 0 && found.st_uid == geteuid() &&
			read_whole(path, ENVIRONMENT_MAX, &environment) &&
			has_entry(&environment, marker);

	kt_buffer_release(&environment);
	free(path);
	free(folder);
	return is_found;
}

size_t kt_processes_with_marker(const char *marker, kt_process_cb on_process, void *arg)
{
	DIR *folder = opendir("/proc");
	size_t count = 0;
	pid_t pid;

	while (folder != NULL && (pid = next_number(folder)) != 0) {
		if (pid == getpid() || !is_marked(pid, marker))
			continue;
		on_process(pid, arg);
		count++;
	}
	if (folder != NULL)
		(void)closedir(folder);
	return count;
}

static bool is_spared(const struct kt_orphans *orphans, pid_t pid, const char *spared)
{
	return kt_child_is_started(pid) || is_known(orphans, pid) || getsid(pid) == getsid(0) ||
	       is_marked(pid, spared);
}

size_t kt_orphans_kill(const struct kt_orphans *orphans, const char *spared)
{
	struct pids found = {NULL, 0, 0};
	size_t count = 0;

	children(getpid(), &found);
	for (size_t i = 0; i < found.len; i++) {
		if (is_spared(orphans, found.all[i], spared))
			continue;
		(void)kt_descendants_signal_of(found.all[i], SIGKILL);
		if (kt_process_is_alive(found.all[i], 0) && kill(found.all[i], SIGKILL) == 0)
			count++;
		(void)kt_orphan_reap(found.all[i]);
	}
	free(found.all);
	return count;
}
