/*
 * Whole-file reads and writes and folder trees. Both programs.
 * Must never follow a symbolic link when it removes or replaces.
 */
#include "ipc/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/clock.h"
#include "ipc/fd.h"

#define READ_SIZE 65536
#define TREE_DEPTH_MAX 512 /* one descriptor per level is open while a tree is removed */

enum kt_code kt_error_from_errno(int sys_errno)
{
	if (sys_errno == ENOSPC || sys_errno == EDQUOT)
		return KT_E_NO_SPACE;
	return sys_errno == EROFS ? KT_E_READ_ONLY : KT_E_IO;
}

static enum kt_code fail(struct kt_error *err, const char *path)
{
	int failure = errno;

	return kt_error_sys(err, kt_error_from_errno(failure), failure, "%s", path);
}

static enum kt_code too_large(struct kt_error *err, const char *path, size_t limit)
{
	return kt_error_set(err, KT_E_LIMIT, "%s: more than %zu bytes", path, limit);
}

/* Reads to the end; the file may grow while it is read, so the limit is checked on the way. */
static enum kt_code read_open(
	int fd, const char *path, size_t limit, struct kt_buffer *out, struct kt_error *err)
{
	size_t before = out->len;

	for (;;) {
		ssize_t len;

		kt_buffer_reserve(out, READ_SIZE);
		len = read(fd, out->data + out->len, READ_SIZE);
		if (len == 0)
			return KT_E_OK;
		if (len < 0 && errno != EINTR)
			return fail(err, path);
		if (len > 0)
			out->len += (size_t)len;
		out->data[out->len] = '\0';
		if (out->len - before > limit)
			return too_large(err, path, limit);
	}
}

static enum kt_code check_readable(
	int fd, const char *path, size_t limit, struct kt_buffer *out, struct kt_error *err)
{
	struct stat found;

	if (fstat(fd, &found) != 0)
		return fail(err, path);
	if (!S_ISREG(found.st_mode))
		return kt_error_set(err, KT_E_IO, "%s: not a regular file", path);
	if ((size_t)found.st_size > limit)
		return too_large(err, path, limit);
	kt_buffer_reserve(out, (size_t)found.st_size + 1);
	return KT_E_OK;
}

enum kt_code kt_file_read(
	const char *path, size_t limit, struct kt_buffer *out, struct kt_error *err)
{
	/* Non-blocking, or opening a FIFO would wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t before = out->len;
	enum kt_code code;

	if (fd < 0)
		return fail(err, path);
	code = check_readable(fd, path, limit, out, err);
	if (code == KT_E_OK)
		code = read_open(fd, path, limit, out, err);
	kt_fd_close(&fd);
	if (code != KT_E_OK && out->data != NULL) {
		out->len = before;
		out->data[before] = '\0';
	}
	return code;
}

int kt_file_write_all(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t written = write(fd, at, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		at += written;
		len -= (size_t)written;
	}
	return 0;
}

/* Beside the target, so that rename works. The name tells whose it is (8 digits: the process, 8:
 * random), so that what a killed one left behind can be taken away. */
static char *temporary_path(const char *path)
{
	uint32_t number;

	kt_random_bytes(&number, sizeof number);
	return kt_format("%s.%08" PRIx32 "%08" PRIx32 ".tmp", path, (uint32_t)getpid(), number);
}

enum { TEMPORARY_DIGITS = 16 };
static const char temporary_end[] = ".tmp";

/* The digits of a temporary name, NULL when it is none. */
static const char *temporary_digits(const char *name)
{
	size_t len = strlen(name), tail = TEMPORARY_DIGITS + sizeof temporary_end - 1;
	const char *digits = len < tail + 2 ? NULL : name + len - tail;

	if (digits == NULL || digits[-1] != '.' ||
		strspn(digits, "0123456789abcdef") != TEMPORARY_DIGITS ||
		strcmp(digits + TEMPORARY_DIGITS, temporary_end) != 0)
		return NULL;
	return digits;
}

bool kt_file_is_temporary(const char *name)
{
	return temporary_digits(name) != NULL;
}

bool kt_file_is_leftover(const char *name)
{
	const char *digits = temporary_digits(name);
	char pid[9] = "";

	if (digits == NULL)
		return false;
	memcpy(pid, digits, 8);
	return kt_process_start_time((pid_t)strtoul(pid, NULL, 16)) == 0;
}

void kt_folder_sweep(const char *path)
{
	DIR *entries = opendir(path);
	struct dirent *entry = NULL;

	while (entries != NULL &&
		(entry = readdir(entries)) != NULL) /* NOLINT(concurrency-mt-unsafe) */
		if (kt_file_is_leftover(entry->d_name))
			(void)unlinkat(dirfd(entries), entry->d_name, 0);
	if (entries != NULL)
		(void)closedir(entries);
}

/* 0, or -1 with errno. The mode is exact: the umask is not asked. */
static int write_temporary(
	const char *path, const void *bytes, size_t len, mode_t mode, bool durable)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int result = -1;

	if (fd < 0)
		return -1;
	if (fchmod(fd, mode) == 0 && kt_file_write_all(fd, bytes, len) == 0 &&
		(!durable || fsync(fd) == 0))
		result = 0;
	if (result != 0)
		kt_fd_close(&fd);
	else
		result = close(fd);
	return result;
}

static enum kt_code flush_parent(const char *path, struct kt_error *err)
{
	char *parent = kt_path_parent(path);
	enum kt_code code = kt_folder_flush(parent, err);

	free(parent);
	return code;
}

enum kt_code kt_file_write_atomic(const char *path, const void *bytes, size_t len, mode_t mode,
	bool durable, struct kt_error *err)
{
	char *temporary = temporary_path(path);
	enum kt_code code = KT_E_OK;

	if (write_temporary(temporary, bytes, len, mode, durable) != 0 ||
		rename(temporary, path) != 0) {
		code = fail(err, path);
		(void)unlink(temporary);
	}
	free(temporary);
	return code == KT_E_OK && durable ? flush_parent(path, err) : code;
}

bool kt_file_exists(const char *path)
{
	struct stat found;

	return lstat(path, &found) == 0;
}

bool kt_folder_exists(const char *path)
{
	struct stat found;

	return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

static bool make_one(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0 || kt_folder_exists(path))
		return true;
	if (errno == EEXIST)
		errno = ENOTDIR;
	return false;
}

enum kt_code kt_folder_make(const char *path, mode_t mode, struct kt_error *err)
{
	char *partial = kt_strdup(path);
	enum kt_code code = KT_E_OK;

	if (kt_folder_exists(path))
		goto out;
	for (char *slash = strchr(partial + 1, '/'); slash != NULL;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (!kt_folder_exists(partial) && !make_one(partial, mode)) {
			code = fail(err, partial);
			goto out;
		}
		*slash = '/';
	}
	if (!make_one(path, mode))
		code = fail(err, path);
out:
	free(partial);
	return code;
}

enum kt_code kt_folder_flush(const char *path, struct kt_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum kt_code code = KT_E_OK;

	if (fd < 0 || fsync(fd) != 0)
		code = fail(err, path);
	kt_fd_close(&fd);
	return code;
}

static int remove_entries(int folder_fd, unsigned depth);

static int remove_entry(int folder_fd, const char *name, unsigned depth)
{
	int fd, result;

	if (unlinkat(folder_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	if (depth == TREE_DEPTH_MAX) {
		errno = ELOOP;
		return -1;
	}
	fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	result = remove_entries(fd, depth + 1);
	return result == 0 ? unlinkat(folder_fd, name, AT_REMOVEDIR) : result;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Takes the descriptor. */
static int remove_entries(int folder_fd, unsigned depth)
{
	DIR *folder = fdopendir(folder_fd);
	int result = 0, saved;
	struct dirent *entry;

	if (folder == NULL) {
		kt_fd_close(&folder_fd);
		return -1;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): each stream is read by one thread only */
	while (result == 0 && (entry = readdir(folder)) != NULL)
		if (!is_dots(entry->d_name))
			result = remove_entry(dirfd(folder), entry->d_name, depth);
	saved = errno;
	(void)closedir(folder);
	errno = saved;
	return result;
}

enum kt_code kt_folder_remove_tree(const char *path, struct kt_error *err)
{
	return remove_entry(AT_FDCWD, path, 0) == 0 ? KT_E_OK : fail(err, path);
}

char *kt_path_join(const char *folder, const char *name)
{
	size_t len = strlen(folder);

	if (name[0] == '/' || len == 0)
		return kt_strdup(name);
	return kt_format("%s%s%s", folder, folder[len - 1] == '/' ? "" : "/", name);
}

char *kt_path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return kt_strdup(".");
	return kt_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}
