/*
 * Files and folders. Both programs.
 *
 * Every failure is mapped by kt_error_from_errno (disk full, read-only, else IO) with the path in
 * the detail, and errno kept in sys_errno, so that a caller can tell ENOENT.
 */
#ifndef KITTY_IPC_FILE_H
#define KITTY_IPC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <kitty/error.h>

struct kt_buffer;

/* ENOSPC, EDQUOT: KT_E_NO_SPACE; EROFS: KT_E_READ_ONLY; else KT_E_IO. */
enum kt_code kt_error_from_errno(int sys_errno);

/* Appends the file's content. Refuses what is no regular file, and more than limit bytes
 * (KT_E_LIMIT). */
KT_MUST_CHECK enum kt_code kt_file_read(
	const char *path, size_t limit, struct kt_buffer *out, struct kt_error *err);

/*
 * Replaces the file in one step: a temporary file in the same folder, renamed over it. With
 * durable, file and folder are synced. A symbolic link at path is replaced, not followed.
 */
KT_MUST_CHECK enum kt_code kt_file_write_atomic(const char *path, const void *bytes, size_t len,
	mode_t mode, bool durable, struct kt_error *err);

/* Names of kt_file_write_atomic's temporary files: any; of a process that is gone. */
bool kt_file_is_temporary(const char *name);
bool kt_file_is_leftover(const char *name);
void kt_folder_sweep(const char *path); /* removes the leftovers directly in that folder */

/* Writes all of it, restarting after signals and short writes; blocks. 0, or -1 with errno. */
int kt_file_write_all(int fd, const void *bytes, size_t len);

bool kt_file_exists(const char *path);   /* of any kind; a dangling link counts */
bool kt_folder_exists(const char *path); /* follows links */

/* mkdir -p. Existing folders keep their mode. */
KT_MUST_CHECK enum kt_code kt_folder_make(const char *path, mode_t mode, struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_folder_flush(const char *path, struct kt_error *err); /* fsync */

/* rm -r, staying on it: links are removed, never followed. A path that is not there is fine. */
KT_MUST_CHECK enum kt_code kt_folder_remove_tree(const char *path, struct kt_error *err);

/* All give. */
char *kt_path_join(const char *folder, const char *name); /* an absolute name stays as it is */
char *kt_path_parent(const char *path);                   /* "." when it has none */

#endif
