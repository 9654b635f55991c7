/*
 * What /proc says about processes. Both programs. Only reads; a process may vanish between any
 * two lines here, and then it counts as gone.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/child.h"
#include "ipc/fd.h"

enum kt_stat_field { KT_STAT_PARENT = 4, KT_STAT_START_TIME = 22 };

static size_t read_small(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, out, size - 1);

	if (fd >= 0)
		(void)close(fd);
	out[len > 0 ? len : 0] = '\0';
	return len > 0 ? (size_t)len : 0;
}

/* The text after the command name, which may hold blanks and brackets itself: field 3, the state.
 */
static const char *read_stat(pid_t pid, char *text, size_t size)
{
	char path[64];
	char *end;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (pid <= 0 || read_small(path, text, size) == 0)
		return NULL;
	end = strrchr(text, ')');
	return end == NULL || end[1] == '\0' ? NULL : end + 2;
}

static uint64_t read_field(pid_t pid, enum kt_stat_field field)
{
	char text[1024];
	const char *at = read_stat(pid, text, sizeof text);

	for (int i = 3; at != NULL && i < (int)field; i++) {
		at = strchr(at, ' ');
		at = at == NULL ? NULL : at + 1;
	}
	return at == NULL ? 0 : strtoull(at, NULL, 10);
}

uint64_t kt_process_start_time(pid_t pid)
{
	return read_field(pid, KT_STAT_START_TIME);
}

pid_t kt_process_parent(pid_t pid)
{
	return (pid_t)read_field(pid, KT_STAT_PARENT);
}

bool kt_process_is_alive(pid_t pid, uint64_t start_time)
{
	char text[1024];
	const char *state = read_stat(pid, text, sizeof text);

	if (state == NULL || *state == 'Z' || *state == 'X')
		return false;
	return start_time == 0 || kt_process_start_time(pid) == start_time;
}

bool kt_process_await(pid_t pid, uint64_t start_time, int timeout_ms)
{
	int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	/* Asked after the opening: one that lives now is the one that the descriptor is of. */
	bool is_gone = !kt_process_is_alive(pid, start_time);

	if (!is_gone && pidfd >= 0)
		is_gone = kt_fd_wait(pidfd, POLLIN, timeout_ms);
	kt_fd_close(&pidfd);
	return is_gone;
}

const char *kt_boot_id(void)
{
	static char id[40];

	if (id[0] == '\0') {
		size_t len = read_small("/proc/sys/kernel/random/boot_id", id, sizeof id);

		if (len == 0)
			(void)snprintf(id, sizeof id, "unknown");
		id[strcspn(id, "\n")] = '\0';
	}
	return id;
}
