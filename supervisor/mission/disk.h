/*
 * Private to supervisor/mission: bounded reading of files that people edit. Symbolic links in the
 * last component are refused: a draft that points elsewhere must not be committed.
 */
#ifndef KITTY_SUPERVISOR_MISSION_DISK_H
#define KITTY_SUPERVISOR_MISSION_DISK_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

#include "ipc/buffer.h"
#include "supervisor/mission/names.h"

/* *found false (and KT_E_OK) when nothing is there. Errors: KT_E_IO, KT_E_LIMIT. */
KT_MUST_CHECK enum kt_code kt_disk_read(
	const char *path, size_t max, bool *found, struct kt_buffer *out, struct kt_error *err);

enum kt_disk_kind { KT_DISK_NOTHING, KT_DISK_FILE, KT_DISK_FOLDER, KT_DISK_OTHER };
enum kt_disk_kind kt_disk_kind(const char *path); /* without following a link */

/* Names in a folder, sorted; none when it cannot be read. */
void kt_disk_names(const char *folder, struct kt_list *out);

#endif
