/*
 * The mission's lock. Runs in whichever process writes: the supervisor, or a command without one.
 * Must never delete the lock file: a deleted lock file has two holders (traps.md, 10).
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

enum kt_code kt_lock_try(const char *path, int *fd, struct kt_error *err)
{
	int opened = -1;
	enum kt_code code = open_lock(path, &opened, err);

	if (code != KT_E_OK)
		return code;
	if (flock(opened, LOCK_EX | LOCK_NB) == 0 && is_still_there(opened, path)) {
		*fd = opened;
		return KT_E_OK;
	}
	(void)close(opened);
	*fd = -1;
	return KT_E_OK;
}

void kt_lock_release(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}
