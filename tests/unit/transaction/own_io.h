/*
 * The n-th call fails that the transaction itself makes on the mission's own files (log, intent,
 * synced, lock) and on the output of its children, in this process: they go through here (linker's
 * --wrap, named in tests/CMakeLists.txt). What it asks of other layers fails by seams.h. Included
 * once by a test program, after fixture.h.
 *
 *   io_arm(3, EIO);
 *   finish(f);
 *   struck = io_disarm();   NULL: there were fewer than three calls
 */
#ifndef KITTY_TESTS_UNIT_TRANSACTION_OWN_IO_H
#define KITTY_TESTS_UNIT_TRANSACTION_OWN_IO_H

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "unit/transaction/fixture.h"

static struct {
	long left; /* calls until one fails; 0: none will */
	int sys_errno;
	const char *only;   /* calls of that name; NULL: all. io_disarm takes it back */
	bool persists;      /* and all after it. io_disarm takes it back */
	const char *struck; /* the call that failed first; NULL: none yet */
} io;

static inline void io_arm(long at, int sys_errno)
{
	io.left = at;
	io.sys_errno = sys_errno;
	io.struck = NULL;
}

static inline const char *io_disarm(void)
{
	io.left = 0;
	io.only = NULL;
	io.persists = false;
	return io.struck;
}

static bool io_strikes(const char *name)
{
	if (io.left == 0 || (io.only != NULL && strcmp(io.only, name) != 0))
		return false;
	if (io.left > 1) {
		io.left--;
		return false;
	}
	if (!io.persists)
		io.left = 0;
	if (io.struck == NULL)
		io.struck = name;
	errno = io.sys_errno;
	return true;
}

static bool is_own_path(const char *path)
{
	static const char *const ends[] = {"/status.events.jsonl", "/intent", "/synced",
		".status.lock", "/memfd:kitty-output (deleted)"};
	size_t len = strlen(path);

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (len >= strlen(ends[i]) && strcmp(path + len - strlen(ends[i]), ends[i]) == 0)
			return true;
	return false;
}

static bool is_own_fd(int fd)
{
	char link[64], path[4096];
	ssize_t len = 0;

	if (io.left == 0)
		return false;
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof path - 1);
	path[len > 0 ? len : 0] = '\0';
	return is_own_path(path);
}

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names */
#define FAULTY_CALL(type, name, is_own, parameters, arguments) \
	type __real_##name parameters; \
	type __wrap_##name parameters; \
	type __wrap_##name parameters \
	{ \
		return (is_own) && io_strikes(#name) ? (type)-1 : __real_##name arguments; \
	}

FAULTY_CALL(int, fstat, is_own_fd(fd), (int fd, struct stat *facts), (fd, facts))
FAULTY_CALL(int, ftruncate, is_own_fd(fd), (int fd, off_t len), (fd, len))
FAULTY_CALL(
	ssize_t, write, is_own_fd(fd), (int fd, const void *bytes, size_t len), (fd, bytes, len))
FAULTY_CALL(ssize_t, pread, is_own_fd(fd), (int fd, void *bytes, size_t len, off_t at),
	(fd, bytes, len, at))
FAULTY_CALL(ssize_t, pwrite, is_own_fd(fd), (int fd, const void *bytes, size_t len, off_t at),
	(fd, bytes, len, at))
FAULTY_CALL(int, memfd_create, true, (const char *name, unsigned flags), (name, flags))

/* Nothing here is about a power cut: no flush reaches the disk, which is shared with others. */
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	return is_own_fd(fd) && io_strikes("fsync") ? -1 : 0;
}

int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int __wrap_syncfs(int fd);
int __wrap_syncfs(int fd)
{
	(void)fd;
	return 0;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode = 0;

	va_start(args, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(args, mode_t);
	va_end(args);
	if (is_own_path(path) && io_strikes("open"))
		return -1;
	return __real_open(path, flags, mode);
}
/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

#endif
