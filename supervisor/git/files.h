/* Small readers of git's own files. Private to supervisor/git; nothing here writes but kt_fd_write.
 */
#ifndef KITTY_SUPERVISOR_GIT_FILES_H
#define KITTY_SUPERVISOR_GIT_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct kt_buffer;

/* Appends the file's content. 0 or an errno. */
int kt_git_file_read(const char *path, struct kt_buffer *out);
/* The first line of a file without its line end; gives; NULL when it cannot be read. */
char *kt_git_file_line(const char *path);
/* The same of a file that holds a path, in which there may be line ends: all but those at its end.
 */
char *kt_git_file_path(const char *path);
bool kt_git_is_folder(const char *path);
bool kt_git_is_there(const char *path); /* of any kind, dangling links too */
/* Absolute path of `path`, taken relative to `folder` when it is not absolute, links resolved where
 * it exists; gives. */
char *kt_git_path_resolve(const char *folder, const char *path);
/* Writes all of it. 0 or an errno. */
int kt_fd_write(int fd, const void *bytes, size_t len);
/* fsync of a folder. 0 or an errno. */
int kt_folder_sync(const char *path);
/* Makes the folder and its missing parents; newly made ones are synced into their parents. 0 or an
 * errno. */
int kt_git_folder_make(const char *path);

#endif
