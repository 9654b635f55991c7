/*
 * Whole files in and out, as commands need them. Process: a command. Never follows a path it was
 * not given.
 */
#include "supervisor/cli/log_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ipc/file.h"

/* A log of 100,000 rows has some 50 MiB; what is larger than this is no log. */
#define TEXT_MAX (1UL << 30)

enum kt_code kt_text_read(
	const char *path, struct kt_buffer *out, bool *found, struct kt_error *err)
{
	struct kt_error inner = KT_ERROR_INIT;
	enum kt_code code = kt_file_read(path, TEXT_MAX, out, &inner);

	if (code != KT_E_OK && found != NULL &&
		(inner.sys_errno == ENOENT || inner.sys_errno == ENOTDIR)) {
		*found = false;
		return KT_E_OK;
	}
	if (code != KT_E_OK)
		*err = inner;
	else if (found != NULL)
		*found = true;
	return code;
}

enum kt_code kt_text_write(const char *path, const void *bytes, size_t len, struct kt_error *err)
{
	char *folder = kt_path_parent(path);
	enum kt_code code = kt_folder_make(folder, 0777, err);

	free(folder);
	return code == KT_E_OK ? kt_file_write_atomic(path, bytes, len, 0644, true, err) : code;
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
