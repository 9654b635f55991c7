/*
 * A mission folder on disk, read for materialize and validate: inside a repository or not.
 */
#ifndef KITTY_SUPERVISOR_CLI_LOG_FILE_H
#define KITTY_SUPERVISOR_CLI_LOG_FILE_H

#include <stdbool.h>

#include <kitty/error.h>

#include "ipc/buffer.h"
#include "supervisor/mission/mission.h"

/* Appends the file's content; *found (may be NULL) is false, and nothing appended, when it does not
 * exist. Errors: KT_E_IO. */
KT_MUST_CHECK enum kt_code kt_text_read(
	const char *path, struct kt_buffer *out, bool *found, struct kt_error *err);

/* Writes through a temporary file beside it and a rename; missing folders are made. Errors: KT_E_IO
 * and its like. */
KT_MUST_CHECK enum kt_code kt_text_write(
	const char *path, const void *bytes, size_t len, struct kt_error *err);

/* The folder must be one. Errors: KT_E_INVALID_ARGUMENT. */
KT_MUST_CHECK enum kt_code kt_folder_check(const char *path, struct kt_error *err);

#endif
