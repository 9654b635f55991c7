/*
 * The table of operations behind struct kt_store: objects as bytes, refs as ids. Trees, commits and
 * paths are worked out above it (store.c, commit.c, tree.c), the same for every store. Private to
 * supervisor/git, and to the memory store of the tests.
 *
 * Every operation is required. A store's own struct begins with struct kt_store.
 */
#ifndef KITTY_SUPERVISOR_GIT_STORE_OPS_H
#define KITTY_SUPERVISOR_GIT_STORE_OPS_H

#include "supervisor/git/store.h"

/* Of all blobs that one barrier takes over: its pack is built in memory. */
#define KT_ADOPT_MAX ((size_t)64 << 20)

/* The numbers are those of git's pack format. */
enum kt_object_type { KT_OBJECT_COMMIT = 1, KT_OBJECT_TREE = 2, KT_OBJECT_BLOB = 3 };

const char *kt_object_type_name(enum kt_object_type type);

struct kt_object {
	enum kt_object_type type;
	const void *bytes; /* borrowed */
	size_t len;
	/* Hint: an older version of the same thing; the first shared_prefix bytes are known to be
	 * equal. */
	const struct kt_oid *previous;
	size_t shared_prefix;
};

/* The ref's lock is waited for a little; a zero `from`: the ref must not exist. */
struct kt_ref_move {
	const char *ref;
	struct kt_oid from, to;
	const char *who;     /* "name <email> seconds +0000" for the reflog; NULL: no reflog line */
	const char *message; /* one line, or NULL */
};

struct kt_store_ops {
	/* 0; ENOENT: no such ref; any other errno: it cannot be read. */
	int (*ref_read)(struct kt_store *store, const char *ref, struct kt_oid *out);
	void (*ref_each)(struct kt_store *store, const char *prefix, kt_ref_cb each, void *arg);
	/* Contract of kt_commit_swap. */
	enum kt_code (*ref_move)(
		struct kt_store *store, const struct kt_ref_move *move, struct kt_error *err);
	/* Appends to out. Sees objects that were added and not yet stored. A missing object is
	 * KT_E_GIT_FAILED. */
	enum kt_code (*object_read)(struct kt_store *store, const struct kt_oid *oid,
		enum kt_object_type *type, struct kt_buffer *out, struct kt_error *err);
	enum kt_code (*object_add)(struct kt_store *store, const struct kt_object *object,
		struct kt_oid *out, struct kt_error *err);
	/* A blob that somebody else wrote comes into the next barrier's pack as well (adopt.h).
	 * What is beyond KT_ADOPT_MAX is leaned on only. */
	enum kt_code (*blob_adopt)(
		struct kt_store *store, const struct kt_oid *oid, struct kt_error *err);
	enum kt_code (*is_ancestor)(struct kt_store *store, const struct kt_oid *ancestor,
		const struct kt_oid *descendant, bool *out, struct kt_error *err);
	/* Objects made by others that a commit leans on must become durable with it: at the next
	 * barrier. */
	void (*lean)(struct kt_store *store);
	/* From the next barrier on, trees, commits and taken over blobs go to that file first
	 * (journal.h). */
	void (*journal)(struct kt_store *store, const char *path);
	enum kt_code (*barrier)(struct kt_store *store, struct kt_error *err);
	void (*forget)(struct kt_store *store);
	void (*close)(struct kt_store *store);
};

struct kt_store {
	const struct kt_store_ops *ops;
};

/* Reads an object that must be of that type. Appends to out. */
KT_MUST_CHECK enum kt_code kt_object_read(struct kt_store *store, const struct kt_oid *oid,
	enum kt_object_type type, struct kt_buffer *out, struct kt_error *err);

/* The tree of a commit. */
KT_MUST_CHECK enum kt_code kt_commit_tree(struct kt_store *store, const struct kt_oid *commit,
	struct kt_oid *out, struct kt_error *err);

#endif
