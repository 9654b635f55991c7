/*
 * Objects that the git command wrote loose, taken over into the store's next pack. Private to
 * supervisor/git.
 *
 * Until a ref holds them they are anybody's to prune: `git prune --expire=now` asks for no age. A
 * pack with a .keep beside it is left alone (keep.h), and so is what it holds.
 */
#ifndef KITTY_SUPERVISOR_GIT_ADOPT_H
#define KITTY_SUPERVISOR_GIT_ADOPT_H

#include "supervisor/git/store_ops.h"

/* A blob. Errors: KT_E_GIT_FAILED when it is gone already. */
KT_MUST_CHECK enum kt_code kt_blob_adopt(
	struct kt_store *store, const struct kt_oid *blob, struct kt_error *err);

/* Every tree and blob below `tree` that no commit of `parents` has at the same place: those have
 * theirs on a ref. Errors: as above. */
KT_MUST_CHECK enum kt_code kt_tree_adopt(struct kt_store *store, const struct kt_oid *tree,
	const struct kt_oid *parents, size_t parents_len, struct kt_error *err);

/* The commit itself and what it has that its parents have not. Errors: as above. */
KT_MUST_CHECK enum kt_code kt_commit_adopt(
	struct kt_store *store, const struct kt_oid *commit, struct kt_error *err);

#endif
