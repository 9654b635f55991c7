/*
 * Consolidation of what the store wrote: many small packs (one per batch) become few. A
 * low-priority git child that nobody waits for; the caller's loop reaps it by its pidfd. Never
 * drops an object, reachable or not, never runs hooks or an automatic gc, and is harmless to a
 * commit that is under way: git only removes packs it has copied, and readers (git and libgit2
 * alike) find the objects in the new pack.
 */
#ifndef KITTY_SUPERVISOR_GIT_CONSOLIDATE_H
#define KITTY_SUPERVISOR_GIT_CONSOLIDATE_H

#include <stdbool.h>

#include "ipc/child.h"
#include "supervisor/git/repository.h"

/* git's own measure (gc.autoPackLimit): above it reading slows down. */
#define KT_PACKS_MAX 50

/* More than `limit` packs, or their like in loose objects? Reads two folders; cheap enough for
 * every few commits. */
bool kt_consolidate_is_due(const struct kt_repository *repo, unsigned limit);

/* Errors: KT_E_SPAWN_FAILED, KT_E_GIT_MISSING, KT_E_GIT_TOO_OLD. */
KT_MUST_CHECK enum kt_code kt_consolidate_start(
	const struct kt_repository *repo, struct kt_child *out, struct kt_error *err);

#endif
