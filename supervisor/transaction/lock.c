/*
 * The mission's lock. Runs in whichever process writes: the supervisor, or a command without one.
 * Must never delete the lock file: a deleted lock file has two holders, one of the old file and one
 * of the new.
 */
#include "supervisor/transaction/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "ipc/patience.h"

static enum kt_code open_lock(const char *path, int *fd, struct kt_error *err)
{
	char *folder = kt_strndup(path, (size_t)(strrchr(path, '/') - path));
	enum kt_code code = kt_folder_make(folder, 0755, err);

	free(folder);
	if (code != KT_E_OK)
		return code;
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	return *fd >= 0 ? KT_E_OK
			: kt_error_sys(err, kt_error_from_errno(errno), errno, "the lock %s", path);
}

/* Somebody may have replaced the file between our open and our lock: then the lock is on nothing.
 */
static bool is_still_there(int fd, const char *path)
{
	struct stat held, named;

	return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino;
}

static void drop_replaced(int *fd, const char *path)
{
	if (*fd < 0 || is_still_there(*fd, path))
		return;
	(void)close(*fd);
	*fd = -1;
}

enum kt_code kt_lock_wait(const char *path, int timeout_ms, int *fd, struct kt_error *err)
{
	struct kt_patience patience = kt_patience_of(timeout_ms);
	int opened = -1;

	*fd = -1;
	do {
		enum kt_code code = KT_E_OK;

		drop_replaced(&opened, path);
		if (opened < 0)
			code = open_lock(path, &opened, err);
		if (code != KT_E_OK)
			return code;
		if (flock(opened, LOCK_EX | LOCK_NB) == 0 && is_still_there(opened, path)) {
			*fd = opened;
			return KT_E_OK;
		}
	} while (kt_patience_pause(&patience));
	(void)close(opened);
	return KT_E_OK;
}

enum kt_code kt_lock_try(const char *path, int *fd, struct kt_error *err)
{
	return kt_lock_wait(path, 0, fd, err);
}

void kt_lock_release(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}
