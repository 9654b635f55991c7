/*
 * Whole files in and out. Process: a command. Never follows a path it was not given.
 */
#include "supervisor/cli/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kt_code kt_text_read(
	const char *path, struct kt_buffer *out, bool *found, struct kt_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	if (found != NULL)
		*found = fd >= 0;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && found != NULL)
		return KT_E_OK;
	if (fd < 0)
		return kt_error_sys(err, KT_E_IO, errno, "%.300s", path);
	do {
		kt_buffer_reserve(out, 1U << 16);
		got = read(fd, out->data + out->len, 1U << 16);
		if (got > 0) {
			out->len += (size_t)got;
			out->data[out->len] = '\0';
		}
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0) {
		int sys_errno = errno;

		(void)close(fd);
		return kt_error_sys(err, KT_E_IO, sys_errno, "%.300s", path);
	}
	(void)close(fd);
	return KT_E_OK;
}

static enum kt_code write_failed(const char *path, struct kt_error *err)
{
	enum kt_code code = errno == ENOSPC || errno == EDQUOT ? KT_E_NO_SPACE
			    : errno == EROFS                   ? KT_E_READ_ONLY
							       : KT_E_IO;

	return kt_error_sys(err, code, errno, "%.300s", path);
}

static enum kt_code folders_make(const char *path, struct kt_error *err)
{
	char *copy = kt_strdup(path);
	enum kt_code code = KT_E_OK;

	for (char *slash = strchr(copy + 1, '/'); slash != NULL && code == KT_E_OK;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0777) != 0 && errno != EEXIST)
			code = write_failed(copy, err);
		*slash = '/';
	}
	free(copy);
	return code;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, bytes, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		bytes += done;
		len -= (size_t)done;
	}
	return true;
}

enum kt_code kt_text_write(const char *path, const void *bytes, size_t len, struct kt_error *err)
{
	char *temporary = kt_format("%s.kitty-%ld", path, (long)getpid());
	enum kt_code code = folders_make(path, err);
	int fd = -1;

	if (code != KT_E_OK)
		goto out;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0) {
		code = write_failed(path, err);
		goto out;
	}
	if (!write_all(fd, bytes, len) || fsync(fd) != 0 || rename(temporary, path) != 0) {
		code = write_failed(path, err);
		(void)unlink(temporary);
	}
	(void)close(fd);
out:
	free(temporary);
	return code;
}

enum kt_code kt_folder_check(const char *path, struct kt_error *err)
{
	struct stat facts;

	if (stat(path, &facts) != 0)
		return kt_error_sys(err, KT_E_INVALID_ARGUMENT, errno, "--dir %.300s", path);
	if (!S_ISDIR(facts.st_mode))
		return kt_error_set(err, KT_E_INVALID_ARGUMENT, "--dir %.300s is no folder", path);
	return KT_E_OK;
}
