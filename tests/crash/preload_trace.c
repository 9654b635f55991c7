/*
 * The trace of the preloaded library. Uses system calls only, so that it never meets itself.
 */
#include "preload_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, TRACE_FD = 900 };

static int trace = -1;
static const char *trace_root;

void kt_trace_open(const char *order, const char *root)
{
	char path[PATH_BYTES];
	int fd = -1;

	(void)snprintf(path, sizeof path, "%s.trace", order);
	fd = (int)syscall(
		SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	trace = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, TRACE_FD);
	if (fd >= 0)
		(void)close(fd);
	trace_root = root;
}

static bool absolute(int at, const char *path, char out[PATH_BYTES])
{
	char link[64];
	ssize_t len = 0;

	if (path[0] == '/') {
		(void)snprintf(out, PATH_BYTES, "%s", path);
	} else {
		if (at == AT_FDCWD)
			(void)snprintf(link, sizeof link, "/proc/self/cwd");
		else
			(void)snprintf(link, sizeof link, "/proc/self/fd/%d", at);
		len = readlink(link, out, PATH_BYTES - 1);
		if (len < 0)
			return false;
		(void)snprintf(out + len, PATH_BYTES - (size_t)len, "/%s", path);
	}
	return strncmp(out, trace_root, strlen(trace_root)) == 0;
}

static void record(char kind, const char *path, const char *other, long long offset,
	const void *data, size_t len)
{
	struct kt_effect_head head = {
		kind, (unsigned)strlen(path), (unsigned)strlen(other), offset, len};
	struct iovec parts[] = {{&head, sizeof head}, {(void *)(size_t)path, head.path_len},
		{(void *)(size_t)other, head.other_len}, {(void *)(size_t)data, len}};

	(void)syscall(SYS_writev, trace, parts, 4);
}

void kt_trace_name(char kind, int at, const char *path)
{
	char full[PATH_BYTES];
	int before = errno;

	if (trace >= 0 && absolute(at, path, full))
		record(kind, full, "", 0, NULL, 0);
	errno = before;
}

void kt_trace_cut(const char *path, long long len)
{
	char full[PATH_BYTES];
	int before = errno;

	if (trace >= 0 && absolute(AT_FDCWD, path, full))
		record('T', full, "", len, NULL, 0);
	errno = before;
}

void kt_trace_names(char kind, int from_at, const char *from, int to_at, const char *to)
{
	char source[PATH_BYTES], goal[PATH_BYTES];
	int before = errno;

	if (trace >= 0 && absolute(from_at, from, source) && absolute(to_at, to, goal))
		record(kind, source, goal, 0, NULL, 0);
	errno = before;
}

void kt_trace_link(int at, const char *target, const char *path)
{
	char full[PATH_BYTES];
	int before = errno;

	if (trace >= 0 && absolute(at, path, full))
		record('Y', full, target, 0, NULL, 0);
	errno = before;
}

void kt_trace_data(char kind, int fd, long long offset, const void *data, size_t len)
{
	char link[64], full[PATH_BYTES];
	int before = errno;
	ssize_t got = 0;

	if (trace < 0)
		return;
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	got = readlink(link, full, sizeof full - 1);
	full[got > 0 ? got : 0] = '\0';
	if (got > 0 && strncmp(full, trace_root, strlen(trace_root)) == 0)
		record(kind, full, "", offset, data, len);
	errno = before;
}

long long kt_trace_offset(int fd)
{
	struct stat facts;
	int before = errno;
	long long at = 0;

	if (trace < 0)
		return 0;
	if ((fcntl(fd, F_GETFL) & O_APPEND) != 0 && fstat(fd, &facts) == 0)
		at = facts.st_size;
	else
		at = lseek(fd, 0, SEEK_CUR);
	errno = before;
	return at;
}

bool kt_trace_exists(int at, const char *path)
{
	int before = errno;
	bool is_there = trace >= 0 && faccessat(at, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;

	errno = before;
	return is_there;
}
