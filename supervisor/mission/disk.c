/*
 * Bounded reading of draft files and folders. Used by kitty only. Never writes, never follows a
 * symbolic link in the last component.
 */
#include "supervisor/mission/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum kt_code read_all(
	int fd, const char *path, size_t max, struct kt_buffer *out, struct kt_error *err)
{
	char chunk[16384];

	for (;;) {
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got == 0)
			return KT_E_OK;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return kt_error_sys(err, KT_E_IO, errno, "%s", path);
		if (out->len + (size_t)got > max)
			return kt_error_set(
				err, KT_E_LIMIT, "%s is larger than %zu bytes", path, max);
		kt_buffer_append(out, chunk, (size_t)got);
	}
}

enum kt_code kt_disk_read(
	const char *path, size_t max, bool *found, struct kt_buffer *out, struct kt_error *err)
{
	struct stat facts;
	enum kt_code code = KT_E_OK;
	/* Non-blocking: a pipe in the place of a file must not hold us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		*found = false;
		return KT_E_OK;
	}
	if (fd < 0)
		return kt_error_sys(err, KT_E_IO, errno, "%s", path);
	if (fstat(fd, &facts) != 0)
		code = kt_error_sys(err, KT_E_IO, errno, "%s", path);
	else if (!S_ISREG(facts.st_mode))
		code = kt_error_set(err, KT_E_IO, "%s is not a regular file", path);
	else
		code = read_all(fd, path, max, out, err);
	close(fd);
	if (code == KT_E_OK)
		*found = true;
	return code;
}

enum kt_disk_kind kt_disk_kind(const char *path)
{
	struct stat facts;

	if (lstat(path, &facts) != 0)
		return KT_DISK_NOTHING;
	if (S_ISREG(facts.st_mode))
		return KT_DISK_FILE;
	return S_ISDIR(facts.st_mode) ? KT_DISK_FOLDER : KT_DISK_OTHER;
}

void kt_disk_names(const char *folder, struct kt_list *out)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			kt_list_add(out, entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	kt_list_sort(out);
}
