/* Tree objects as bytes: reading entries, and editing some paths of a tree. Private to
 * supervisor/git. */
#ifndef KITTY_SUPERVISOR_GIT_TREE_H
#define KITTY_SUPERVISOR_GIT_TREE_H

#include "supervisor/git/store_ops.h"

#define KT_MODE_TREE 040000U
#define KT_MODE_FILE 0100644U
#define KT_MODE_GITLINK 0160000U

struct kt_tree_entry {
	unsigned mode;
	const char *name; /* borrows the tree's bytes; not terminated at name_len by itself but by a
			     NUL */
	size_t name_len;
	struct kt_oid oid;
};

/* The entry at *at, which moves on. False at the end or when the bytes make no sense. */
bool kt_tree_next(const char **at, const char *end, struct kt_tree_entry *out);

/* The entry of that name in a tree. */
bool kt_tree_find(
	const struct kt_buffer *tree, const char *name, size_t name_len, struct kt_tree_entry *out);

/* git's order of a tree's entries: below, at, or above zero. */
int kt_tree_order(const struct kt_tree_entry *one, const struct kt_tree_entry *other);

/* What is at a path. */
struct kt_tree_spot {
	bool found;
	unsigned mode; /* when found */
	struct kt_oid oid;
};

/* Walks a path from a tree; "" is the tree itself. */
KT_MUST_CHECK enum kt_code kt_tree_walk(struct kt_store *store, const struct kt_oid *tree,
	const char *path, struct kt_tree_spot *out, struct kt_error *err);

struct kt_tree_edit {
	const char *path;
	struct kt_oid blob;
};

/* The tree `base` with blobs put at the paths; modes of existing files stay. Adds the new trees to
 * the store. Sorts edits by path. A folder where a file must go, or the reverse, is
 * KT_E_GIT_FAILED: nothing is ever deleted. */
KT_MUST_CHECK enum kt_code kt_tree_edit(struct kt_store *store, const struct kt_oid *base,
	struct kt_tree_edit *edits, size_t len, struct kt_oid *out, struct kt_error *err);

#endif
