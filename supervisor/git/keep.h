/*
 * A pack that no ref holds yet, kept from a `git gc --prune=now` that runs at the same time.
 *
 * gc reads the refs first and deletes packs last; a pack that comes in between and is referred to
 * only later would go with them. git leaves packs alone that have a .keep file beside them. So the
 * file is there before the pack is, and goes when the ref has moved and no gc runs (gc.pid): one
 * that starts later sees the ref. While a gc runs the file stays, and a later sweep takes it away.
 */
#ifndef KITTY_SUPERVISOR_GIT_KEEP_H
#define KITTY_SUPERVISOR_GIT_KEEP_H

#include <stdbool.h>

#include "supervisor/git/pack.h"

/* Before the pack is written. A file that cannot be made only costs the protection. */
void kt_pack_keep(const struct kt_pack *pack, const char *objects);
/* After the ref has moved, or the pack is given up. */
void kt_pack_release_kept(const struct kt_pack *pack, const char *objects, const char *common_dir);

/* Takes away what this process, or a dead one, kept: unless a gc runs. */
void kt_kept_sweep(const char *objects, const char *common_dir);

#endif
