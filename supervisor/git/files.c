/*
 * Small readers and writers of git's own files, errno instead of error records: the callers know
 * what a missing file means. Used by commands and the supervisor. Never follows a policy of its
 * own.
 */
#include "supervisor/git/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/file.h"

int kt_git_file_read(const char *path, struct kt_buffer *out)
{
	struct stat facts;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int result = 0;
	ssize_t got = 1;

	if (fd < 0)
		return errno;
	if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode))
		kt_buffer_reserve(out, (size_t)facts.st_size + 1);
	while (got > 0) {
		kt_buffer_reserve(out, 4096);
		got = read(fd, out->data + out->len, out->capacity - out->len - 1);
		if (got > 0)
			out->len += (size_t)got;
		else if (got < 0 && errno == EINTR)
			got = 1;
		else if (got < 0)
			result = errno;
	}
	out->data[out->len] = '\0';
	(void)close(fd);
	return result;
}

char *kt_git_file_path(const char *path)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *whole = NULL;

	if (kt_git_file_read(path, &text) == 0) {
		while (text.len > 0 && strchr("\r\n", text.data[text.len - 1]) != NULL)
			text.len--;
		whole = kt_strndup(kt_buffer_text(&text), text.len);
	}
	kt_buffer_release(&text);
	return whole;
}

char *kt_git_file_line(const char *path)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *line = NULL;

	if (kt_git_file_read(path, &text) == 0) {
		line = kt_buffer_take(&text);
		line[strcspn(line, "\r\n")] = '\0';
	}
	kt_buffer_release(&text);
	return line;
}

bool kt_git_is_folder(const char *path)
{
	struct stat facts;

	return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

bool kt_git_is_there(const char *path)
{
	struct stat facts;

	return lstat(path, &facts) == 0;
}

char *kt_git_path_resolve(const char *folder, const char *path)
{
	char *joined = path[0] == '/' ? kt_strdup(path) : kt_format("%s/%s", folder, path);
	char *resolved = realpath(joined, NULL);

	if (resolved == NULL)
		return joined;
	free(joined);
	return resolved;
}

int kt_fd_write(int fd, const void *bytes, size_t len)
{
	const char *from = bytes;

	while (len > 0) {
		ssize_t put = write(fd, from, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno;
		if (put == 0)
			return ENOSPC;
		from += put;
		len -= (size_t)put;
	}
	return 0;
}

int kt_folder_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = 0;

	if (fd < 0)
		return errno;
	/* Some file systems cannot sync a folder and say EINVAL; they have nothing to sync there.
	 */
	if (fsync(fd) < 0 && errno != EINVAL)
		result = errno;
	(void)close(fd);
	return result;
}

int kt_git_folder_make(const char *path)
{
	char *parent = NULL;
	int result = 0;

	if (mkdir(path, 0777) == 0) {
		parent = kt_path_parent(path);
		result = kt_folder_sync(parent);
	} else if (errno == EEXIST) {
		result = kt_git_is_folder(path) ? 0 : ENOTDIR;
	} else if (errno == ENOENT) {
		parent = kt_path_parent(path);
		result = strcmp(parent, path) == 0 ? ENOENT : kt_git_folder_make(parent);
		if (result == 0)
			result = kt_git_folder_make(path);
	} else {
		result = errno;
	}
	free(parent);
	return result;
}
