/*
 * Moving a ref: compare and swap under git's own lock file, durable when it returns (git itself
 * never syncs the folder after the rename). Supervisor and commands, under the mission's lock. Must
 * never overwrite a ref whose value is not the expected one, nor touch a lock that it did not make.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "ipc/patience.h"
#include "supervisor/git/commit.h"
#include "supervisor/git/files.h"
#include "supervisor/git/refs.h"

#define PATIENCE_MS 2000 /* for a lock that somebody else holds */

enum kt_code kt_git_failure(struct kt_error *err, int sys_errno, const char *what)
{
	enum kt_code code = KT_E_GIT_FAILED;

	if (sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG)
		code = KT_E_NO_SPACE;
	else if (sys_errno == EROFS)
		code = KT_E_READ_ONLY;
	return kt_error_sys(err, code, sys_errno, "%s", what);
}

char *kt_ref_lock_path(const char *common_dir, const char *ref)
{
	return kt_format("%s/%s.lock", common_dir, ref);
}

/* errno is EEXIST when somebody else held it all along. */
static int take_lock(const char *lock)
{
	struct kt_patience patience = kt_patience_of(PATIENCE_MS);
	int fd = -1, failure = 0;

	do {
		fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		failure = errno;
	} while (fd < 0 && failure == EEXIST && kt_patience_pause(&patience));
	errno = failure;
	return fd;
}

static void on_any_below(const char *ref, const struct kt_oid *oid, void *arg)
{
	(void)ref;
	(void)oid;
	*(bool *)arg = true;
}

/* A new ref may be neither below nor above an existing one, packed ones included. */
static bool has_clash(const char *common_dir, const char *ref)
{
	char *name = kt_format("%s/", ref);
	struct kt_oid oid;
	bool found = false;

	kt_refs_each(common_dir, name, on_any_below, &found);
	name[strlen(ref)] = '\0';
	for (char *slash = strrchr(name, '/'); slash != NULL && !found;
		slash = strrchr(name, '/')) {
		*slash = '\0';
		found = strchr(name, '/') != NULL && kt_refs_read(common_dir, name, &oid);
	}
	free(name);
	return found;
}

/* Under the lock: is the ref what the caller believes? */
static enum kt_code compare(
	const char *common_dir, const struct kt_ref_move *move, struct kt_error *err)
{
	struct kt_oid now = {{0}};
	int failure = kt_refs_find(common_dir, move->ref, &now);
	bool exists = failure == 0;

	if (failure != 0 && failure != ENOENT)
		return kt_git_failure(err, failure, move->ref);
	if (exists != !kt_oid_is_zero(&move->from) || !kt_oid_equal(&now, &move->from))
		return kt_error_set(err, KT_E_REF_MOVED, "%s is at %s, not at %s", move->ref,
			exists ? kt_oid_format(&now).text : "no commit",
			kt_oid_format(&move->from).text);
	if (!exists && has_clash(common_dir, move->ref))
		return kt_error_set(err, KT_E_GIT_FAILED,
			"%s cannot exist beside a branch above or below it", move->ref);
	return KT_E_OK;
}

/* As git does, before the ref itself; a reflog that cannot be written never fails the move. */
static void append_reflog(const char *common_dir, const struct kt_ref_move *move)
{
	char *path = kt_format("%s/logs/%s", common_dir, move->ref);
	char *folder = kt_path_parent(path);
	char *line;
	int fd;

	if (move->who == NULL || kt_git_folder_make(folder) != 0)
		goto out;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		goto out;
	line = kt_format("%s %s %s%s%s\n", kt_oid_format(&move->from).text,
		kt_oid_format(&move->to).text, move->who, move->message == NULL ? "" : "\t",
		move->message == NULL ? "" : move->message);
	(void)kt_fd_write(fd, line, strlen(line));
	(void)close(fd);
	free(line);
out:
	free(folder);
	free(path);
}

/* Folders of refs that are gone may stand where the ref's file must go. */
static int rename_over(const char *lock, const char *path)
{
	if (rename(lock, path) == 0)
		return 0;
	if ((errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST) && rmdir(path) == 0 &&
		rename(lock, path) == 0)
		return 0;
	return errno;
}

static int write_locked(int fd, const struct kt_oid *to)
{
	struct kt_oid_text text = kt_oid_format(to);
	int failure;

	text.text[40] = '\n';
	failure = kt_fd_write(fd, text.text, sizeof text.text);
	if (failure == 0 && fsync(fd) < 0)
		failure = errno;
	return failure;
}

/* With the lock held: everything up to the durable, verified ref. *is_ours falls when the lock
 * became the ref. */
static enum kt_code move_locked(const char *common_dir, const struct kt_ref_move *move, int fd,
	bool *is_ours, struct kt_error *err)
{
	char *path = kt_format("%s/%s", common_dir, move->ref);
	char *lock = kt_ref_lock_path(common_dir, move->ref);
	char *folder = kt_path_parent(path);
	struct kt_oid now;
	enum kt_code code = compare(common_dir, move, err);
	int failure = 0;

	if (code != KT_E_OK)
		goto out;
	failure = write_locked(fd, &move->to);
	if (failure != 0) {
		code = kt_git_failure(err, failure, lock);
		goto out;
	}
	append_reflog(common_dir, move);
	failure = rename_over(lock, path);
	if (failure == 0) {
		*is_ours = false;
		failure = kt_folder_sync(folder);
	}
	if (failure != 0)
		code = kt_git_failure(err, failure, path);
	else if (!kt_refs_read(common_dir, move->ref, &now) || !kt_oid_equal(&now, &move->to))
		code = kt_error_set(err, KT_E_REF_MOVED, "%s moved again at once", move->ref);
out:
	free(folder);
	free(lock);
	free(path);
	return code;
}

enum kt_code kt_refs_move(
	const char *common_dir, const struct kt_ref_move *move, struct kt_error *err)
{
	char *lock = kt_ref_lock_path(common_dir, move->ref);
	char *folder = kt_path_parent(lock);
	bool is_ours = true;
	enum kt_code code;
	int fd = -1, failure = 0;

	if (!kt_refs_name_is_good(move->ref)) {
		code = kt_error_set(err, KT_E_GIT_FAILED, "'%s' is no full ref name", move->ref);
		goto out;
	}
	/* git removes empty folders of refs: one may vanish between the two calls. */
	for (int tries = 0; tries == 0 || (failure == ENOENT && tries < 5); tries++) {
		failure = kt_git_folder_make(folder);
		fd = failure == 0 ? take_lock(lock) : -1;
		if (failure == 0 && fd < 0)
			failure = errno;
	}
	if (failure == EEXIST) {
		code = kt_error_set(err, KT_E_REF_LOCKED, "%s exists", lock);
	} else if (failure != 0) {
		code = kt_git_failure(err, failure, lock);
	} else {
		code = move_locked(common_dir, move, fd, &is_ours, err);
		(void)close(fd);
		if (is_ours)
			(void)unlink(lock);
	}
out:
	free(folder);
	free(lock);
	return code;
}

/* 0 or an errno; a file that is not there needs no flush. */
static int sync_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int failure = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : errno;
	if (fsync(fd) < 0)
		failure = errno;
	(void)close(fd);
	return failure;
}

enum kt_code kt_refs_sync(const char *common_dir, const char *ref, struct kt_error *err)
{
	char *path = kt_format("%s/%s", common_dir, ref);
	char *packed = kt_format("%s/packed-refs", common_dir);
	char *folder = kt_path_parent(path);
	bool is_loose = kt_git_is_there(path);
	int failure = sync_file(is_loose ? path : packed);

	if (failure == 0)
		failure = kt_folder_sync(is_loose ? folder : common_dir);
	free(folder);
	free(packed);
	free(path);
	return failure == 0 ? KT_E_OK : kt_git_failure(err, failure, ref);
}
