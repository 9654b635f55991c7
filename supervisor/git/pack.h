/*
 * A batch as one pack and its index (git's pack format version 2, index version 2): newest versions
 * full, older ones as deltas against them, in the same pack. Private to supervisor/git.
 *
 * Compressing the whole log for every event would cost more than everything else together, so the
 * compressor of the newest log is kept (struct kt_deflater): the next version costs only its new
 * bytes.
 */
#ifndef KITTY_SUPERVISOR_GIT_PACK_H
#define KITTY_SUPERVISOR_GIT_PACK_H

#include "ipc/buffer.h"
#include "supervisor/git/batch.h"

struct kt_deflater; /* opaque */

struct kt_deflater *kt_deflater_new(void);
void kt_deflater_free(struct kt_deflater *deflater);

struct kt_pack {
	struct kt_buffer pack, index;
	struct kt_oid name; /* the pack's trailer: pack-<name>.pack */
};

void kt_pack_release(struct kt_pack *pack);

/* Builds both images in memory; replaces what *out held. */
void kt_pack_build(const struct kt_batch *batch, struct kt_deflater *deflater, struct kt_pack *out);

/* Writes both files below <objects>/pack, synced, pack first: KT_E_OK means durable and visible. */
KT_MUST_CHECK enum kt_code kt_pack_write(
	const struct kt_pack *pack, const char *objects, struct kt_error *err);

/* Are both files still there? (A `git gc --prune=now` may drop what no ref holds yet.) */
bool kt_pack_is_there(const struct kt_pack *pack, const char *objects);

#endif
