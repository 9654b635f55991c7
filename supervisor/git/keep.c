/*
 * The .keep files of packs on their way to a ref. Runs wherever packs are written. Must never take
 * a file away that somebody else made.
 */
#include "supervisor/git/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/child.h"

#define MARK "kitty "

static char *keep_path(const struct kt_pack *pack, const char *objects)
{
	return kt_format("%s/pack/pack-%s.keep", objects, kt_oid_format(&pack->name).text);
}

void kt_pack_keep(const struct kt_pack *pack, const char *objects)
{
	char *path = keep_path(pack, objects);
	char text[64];
	int len = snprintf(text, sizeof text, MARK "%ld %llu\n", (long)getpid(),
		(unsigned long long)kt_process_start_time(getpid()));
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	if (fd >= 0) {
		(void)!write(fd, text, (size_t)len);
		(void)close(fd);
	}
	free(path);
}

/* Up to len - 1 bytes of a small file; "" when there is none. */
static void read_small(const char *path, char *text, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, len - 1);

	text[got > 0 ? got : 0] = '\0';
	if (fd >= 0)
		(void)close(fd);
}

/* "<pid> <host>"; git takes a process of another host for a living one, and so do we. */
static bool gc_is_running(const char *common_dir)
{
	char *path = kt_format("%s/gc.pid", common_dir);
	char text[512], host[256] = "", *end = NULL;
	long pid = 0;
	bool is_running = false;

	read_small(path, text, sizeof text);
	free(path);
	if (text[0] == '\0')
		return false;
	pid = strtol(text, &end, 10);
	if (gethostname(host, sizeof host - 1) != 0 || end == text || *end != ' ')
		return true;
	end[1 + strcspn(end + 1, "\n")] = '\0';
	is_running = strcmp(end + 1, host) != 0 || kill((pid_t)pid, 0) == 0 || errno == EPERM;
	return is_running;
}

void kt_pack_release_kept(const struct kt_pack *pack, const char *objects, const char *common_dir)
{
	char *path = NULL;

	if (pack->pack.len == 0 || gc_is_running(common_dir))
		return;
	path = keep_path(pack, objects);
	(void)unlink(path);
	free(path);
}

/* Made by this process, or by one that is no more. */
static bool may_go(const char *path)
{
	char text[64], *end = NULL;
	unsigned long long start = 0;
	long pid = 0;

	read_small(path, text, sizeof text);
	if (strncmp(text, MARK, sizeof MARK - 1) != 0)
		return false;
	pid = strtol(text + sizeof MARK - 1, &end, 10);
	start = strtoull(end, NULL, 10);
	return pid == (long)getpid() || !kt_process_is_alive((pid_t)pid, start);
}

void kt_kept_sweep(const char *objects, const char *common_dir)
{
	char *folder = kt_format("%s/pack", objects);
	DIR *entries = gc_is_running(common_dir) ? NULL : opendir(folder);
	struct dirent *entry = NULL;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		size_t len = strlen(entry->d_name);
		char *path = NULL;

		if (len < 5 || strcmp(entry->d_name + len - 5, ".keep") != 0)
			continue;
		path = kt_format("%s/%s", folder, entry->d_name);
		if (may_go(path))
			(void)unlink(path);
		free(path);
	}
	if (entries != NULL)
		(void)closedir(entries);
	free(folder);
}
