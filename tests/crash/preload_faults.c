/*
 * libkitty-faults.so, for LD_PRELOAD: stands between a program and libc's calls that change files,
 * counts them and lets one of them (or all from there on) fail, be cut short, or kill the process.
 * Loaded into kitty (libgit2 included, whose calls go through libc too) and into git's children,
 * by tests/crash only. Calls that libc makes inside itself (stdio's writes) do not come by here;
 * the third layer, strace, sees those.
 *
 * Must be silent and change nothing without an order, and must not allocate.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "preload_trace.h"

#define PUBLIC __attribute__((visibility("default")))

static struct kt_faults *faults; /* NULL: this program is not meant */

static bool is_meant(const char *programs)
{
	char self[256];
	ssize_t got = readlink("/proc/self/exe", self, sizeof self - 1);
	const char *slash = got <= 0 ? NULL : memrchr(self, '/', (size_t)got);
	const char *name = slash == NULL ? "" : slash + 1;
	size_t len = slash == NULL ? 0 : (size_t)(self + got - name);

	for (const char *at = programs; at != NULL && *at != '\0';) {
		size_t word = strcspn(at, ",");

		if (word == len && strncmp(at, name, len) == 0)
			return true;
		at += word + (at[word] == ',');
	}
	return false;
}

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv(KT_FAULTS_VARIABLE);
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *map = MAP_FAILED;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (map == MAP_FAILED)
		return;
	faults = map;
	if (!is_meant(faults->programs))
		faults = NULL;
	if (faults != NULL && faults->trace_root[0] != '\0')
		kt_trace_open(path, faults->trace_root);
}

static void remember(const char *call, const char *path, int fd)
{
	char link[64], target[128] = "";
	ssize_t len = 0;

	if (path == NULL) {
		(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		len = readlink(link, target, sizeof target - 1);
		target[len > 0 ? len : 0] = '\0';
		path = target;
	}
	(void)snprintf(faults->what, sizeof faults->what, "%s: %s %.140s",
		program_invocation_short_name, call, path);
}

/* Counts the call; true when it must fail (errno is set) or, KT_FAULT_SHORT, be cut. Does not
 * return when it must kill. */
static bool strikes(enum kt_call_kind kind, const char *call, const char *path, int fd)
{
	long number = 0;

	if (faults == NULL || (kind == KT_CALL_MEMORY) != (faults->is_memory != 0))
		return false;
	number = atomic_fetch_add(&faults->calls, 1) + 1;
	if (number < KT_FAULTS_CALLS_MAX && faults->fault == KT_FAULT_NONE)
		faults->seen[number] = (unsigned char)kind;
	if (faults->fault == KT_FAULT_NONE || faults->fault == KT_FAULT_NO_SYNC ||
		number < faults->at || (number > faults->at && !faults->persists) ||
		(faults->kinds & (int)kind) == 0)
		return false;
	if (atomic_fetch_add(&faults->struck, 1) == 0)
		remember(call, path, fd);
	if (faults->fault == KT_FAULT_KILL)
		(void)kill(getpid(), SIGKILL);
	if (faults->fault == KT_FAULT_KILL_GROUP)
		(void)kill(0, SIGKILL);
	errno = faults->sys_errno;
	return true;
}

/* The next definition of a libc function; found once. */
#define NEXT(name) \
	static __typeof__(&name) next_##name; \
	if (next_##name == NULL) \
	*(void **)(void *)&next_##name = dlsym(RTLD_NEXT, #name)

#define WRAP(kind, name, path, fd, parameters, arguments, traced) \
	PUBLIC int name parameters \
	{ \
		int result = -1; \
		NEXT(name); \
		if (!strikes(kind, #name, path, fd)) \
			result = next_##name arguments; \
		if (result >= 0) \
			traced; \
		return result; \
	}
#define AT AT_FDCWD
#define NOT_TRACED (void)0

WRAP(KT_CALL_NAME, rename, to, -1, (const char *from, const char *to), (from, to),
	kt_trace_names('R', AT, from, AT, to))
WRAP(KT_CALL_NAME, renameat, to, -1, (int old, const char *from, int new, const char *to),
	(old, from, new, to), kt_trace_names('R', old, from, new, to))
WRAP(KT_CALL_NAME, renameat2, to, -1,
	(int old, const char *from, int new, const char *to, unsigned flags),
	(old, from, new, to, flags), kt_trace_names('R', old, from, new, to))
WRAP(KT_CALL_NAME, link, to, -1, (const char *from, const char *to), (from, to),
	kt_trace_names('L', AT, from, AT, to))
WRAP(KT_CALL_NAME, linkat, to, -1, (int old, const char *from, int new, const char *to, int flags),
	(old, from, new, to, flags), kt_trace_names('L', old, from, new, to))
WRAP(KT_CALL_NAME, symlink, to, -1, (const char *from, const char *to), (from, to),
	kt_trace_link(AT, from, to))
WRAP(KT_CALL_NAME, symlinkat, to, -1, (const char *from, int new, const char *to), (from, new, to),
	kt_trace_link(new, from, to))
WRAP(KT_CALL_NAME, mkdir, path, -1, (const char *path, mode_t mode), (path, mode),
	kt_trace_name('M', AT, path))
WRAP(KT_CALL_NAME, mkdirat, path, -1, (int at, const char *path, mode_t mode), (at, path, mode),
	kt_trace_name('M', at, path))
WRAP(KT_CALL_REMOVE, unlink, path, -1, (const char *path), (path), kt_trace_name('U', AT, path))
WRAP(KT_CALL_REMOVE, unlinkat, path, -1, (int at, const char *path, int flags), (at, path, flags),
	kt_trace_name('U', at, path))
WRAP(KT_CALL_REMOVE, rmdir, path, -1, (const char *path), (path), kt_trace_name('U', AT, path))
WRAP(KT_CALL_REMOVE, remove, path, -1, (const char *path), (path), kt_trace_name('U', AT, path))
WRAP(KT_CALL_WRITE, ftruncate, NULL, fd, (int fd, off_t len), (fd, len),
	kt_trace_data('T', fd, len, NULL, 0))
WRAP(KT_CALL_WRITE, truncate, path, -1, (const char *path, off_t len), (path, len),
	kt_trace_cut(path, len))
WRAP(KT_CALL_WRITE, ftruncate64, NULL, fd, (int fd, off64_t len), (fd, len),
	kt_trace_data('T', fd, len, NULL, 0))
WRAP(KT_CALL_WRITE, truncate64, path, -1, (const char *path, off64_t len), (path, len),
	kt_trace_cut(path, len))
WRAP(KT_CALL_ATTRIBUTE, chmod, path, -1, (const char *path, mode_t mode), (path, mode), NOT_TRACED)
WRAP(KT_CALL_ATTRIBUTE, fchmod, NULL, fd, (int fd, mode_t mode), (fd, mode), NOT_TRACED)
WRAP(KT_CALL_ATTRIBUTE, fchmodat, path, -1, (int at, const char *path, mode_t mode, int flags),
	(at, path, mode, flags), NOT_TRACED)
WRAP(KT_CALL_NAME, mkstemp, pattern, -1, (char *pattern), (pattern),
	kt_trace_name('C', AT, pattern))
WRAP(KT_CALL_NAME, mkostemp, pattern, -1, (char *pattern, int flags), (pattern, flags),
	kt_trace_name('C', AT, pattern))
WRAP(KT_CALL_NAME, mkstemp64, pattern, -1, (char *pattern), (pattern),
	kt_trace_name('C', AT, pattern))

#define WRAP_SYNC(name) \
	PUBLIC int name(int fd) \
	{ \
		NEXT(name); \
		if (strikes(KT_CALL_SYNC, #name, NULL, fd)) \
			return -1; \
		kt_trace_data('S', fd, 0, NULL, 0); \
		if (faults != NULL && faults->fault == KT_FAULT_NO_SYNC) \
			return 0; \
		return next_##name(fd); \
	}

WRAP_SYNC(fsync)
WRAP_SYNC(fdatasync)
WRAP_SYNC(syncfs)

/* ---- bytes ---- */

/* Pipes, sockets and terminals are no state. */
static bool is_file(int fd)
{
	struct stat facts;

	return faults != NULL && fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
}

/* How many bytes may be written: all, or half of them; -1: the call fails. */
static ssize_t allowed(const char *call, int fd, size_t len)
{
	if (!is_file(fd) || !strikes(KT_CALL_WRITE, call, NULL, fd))
		return (ssize_t)len;
	if (faults->fault == KT_FAULT_SHORT && atomic_load(&faults->struck) == 1 && len > 1)
		return (ssize_t)(len / 2);
	return -1;
}

#define WRAP_WRITE(name, parameters, where, after) \
	PUBLIC ssize_t name parameters \
	{ \
		ssize_t most = 0; \
		long long offset = 0; \
		NEXT(name); \
		most = allowed(#name, fd, len); \
		offset = where; \
		most = most < 0 ? -1 : next_##name(fd, bytes, (size_t)most after); \
		if (most > 0) \
			kt_trace_data('W', fd, offset, bytes, (size_t)most); \
		return most; \
	}
#define NOTHING
#define OFFSET , at

WRAP_WRITE(write, (int fd, const void *bytes, size_t len), kt_trace_offset(fd), NOTHING)
WRAP_WRITE(pwrite, (int fd, const void *bytes, size_t len, off_t at), at, OFFSET)
WRAP_WRITE(pwrite64, (int fd, const void *bytes, size_t len, off64_t at), at, OFFSET)

PUBLIC ssize_t writev(int fd, const struct iovec *parts, int count)
{
	NEXT(writev);
	/* Cut: the first part only. (Nobody here writes files so: not traced.) */
	if (is_file(fd) && strikes(KT_CALL_WRITE, "writev", NULL, fd))
		return faults->fault == KT_FAULT_SHORT && count > 1 ? next_writev(fd, parts, 1)
								    : -1;
	return next_writev(fd, parts, count);
}

/* ---- memory ---- */

/* glibc's own names for them: dlsym() allocates, so NEXT would go round in a circle. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

#define WRAP_MEMORY(name, parameters, arguments) \
	PUBLIC void *name parameters \
	{ \
		return strikes(KT_CALL_MEMORY, #name, "", -1) ? NULL : __libc_##name arguments; \
	}

WRAP_MEMORY(malloc, (size_t size), (size))
WRAP_MEMORY(calloc, (size_t count, size_t size), (count, size))
WRAP_MEMORY(realloc, (void *old, size_t size), (old, size))

/* ---- open ---- */

static bool changes(int flags)
{
	return (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_ACCMODE) != O_RDONLY;
}

/* /dev/null and the like are no state either. */
static bool is_state(const char *path)
{
	return strncmp(path, "/dev/", 5) != 0 && strncmp(path, "/proc/", 6) != 0;
}

/* A creation is an effect; opening what is there to write is none. */
static int opened(int fd, int at, const char *path, int flags, bool was_there)
{
	if (fd >= 0 && ((flags & O_TRUNC) != 0 || ((flags & O_CREAT) != 0 && !was_there)))
		kt_trace_name('C', at, path);
	return fd;
}

static bool open_strikes(const char *call, const char *path, int flags)
{
	return changes(flags) && is_state(path) && strikes(KT_CALL_OPEN, call, path, -1);
}

#define MODE_OF(flags, mode) \
	do { \
		va_list args_; \
		va_start(args_, flags); \
		if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) \
			mode = va_arg(args_, mode_t); \
		va_end(args_); \
	} while (0)

#define WRAP_OPEN(name) \
	PUBLIC int name(const char *path, int flags, ...) \
	{ \
		mode_t mode = 0; \
		NEXT(name); \
		MODE_OF(flags, mode); \
		bool was_there = kt_trace_exists(AT, path); \
		return open_strikes(#name, path, flags) ? -1 \
							: opened(next_##name(path, flags, mode), \
								  AT, path, flags, was_there); \
	}
#define WRAP_OPENAT(name) \
	PUBLIC int name(int at, const char *path, int flags, ...) \
	{ \
		mode_t mode = 0; \
		NEXT(name); \
		MODE_OF(flags, mode); \
		return open_strikes(#name, path, flags) ? -1 : next_##name(at, path, flags, mode); \
	}

WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)

/* What open() becomes in programs built with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
#define WRAP_OPEN_CHECKED(name) \
	PUBLIC int name(const char *path, int flags) \
	{ \
		NEXT(name); \
		return open_strikes(#name, path, flags) ? -1 : next_##name(path, flags); \
	}

WRAP_OPEN_CHECKED(__open_2)
WRAP_OPEN_CHECKED(__open64_2)

PUBLIC int creat(const char *path, mode_t mode)
{
	NEXT(creat);
	return strikes(KT_CALL_OPEN, "creat", path, -1) ? -1 : next_creat(path, mode);
}

#define WRAP_FOPEN(name) \
	PUBLIC FILE *name(const char *path, const char *mode) \
	{ \
		NEXT(name); \
		if (strpbrk(mode, "wa+") != NULL && is_state(path) && \
			strikes(KT_CALL_OPEN, #name, path, -1)) \
			return NULL; \
		return next_##name(path, mode); \
	}

WRAP_FOPEN(fopen)
WRAP_FOPEN(fopen64)
