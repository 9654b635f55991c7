/*
 * Objects that were made and are not stored yet: the content of the next pack. Private to
 * supervisor/git.
 *
 * An older version of the same thing (object.previous) that is in the batch too becomes a delta
 * against its newest version; when it is known to be a prefix of it (an appended log), its bytes
 * are dropped at once.
 */
#ifndef KITTY_SUPERVISOR_GIT_BATCH_H
#define KITTY_SUPERVISOR_GIT_BATCH_H

#include "supervisor/git/store_ops.h"

#define KT_BATCH_NONE ((size_t)-1)

struct kt_batch_object {
	struct kt_oid oid;
	enum kt_object_type type;
	size_t len;
	char *bytes;  /* NULL: the first len bytes of `newer` */
	size_t newer; /* index of the next version in the batch, or KT_BATCH_NONE */
	/* What the bytes were known to begin with before the batch began: for incremental
	 * compression. */
	struct kt_oid origin;
	size_t origin_len;
	bool is_adopted; /* git wrote it, and no log tells it again (journal.h) */
};

struct kt_batch {
	struct kt_batch_object *objects;
	size_t len, capacity;
};

void kt_batch_release(struct kt_batch *batch);
/* Hashes and copies; an object that is there already is not added again. */
void kt_batch_add(struct kt_batch *batch, const struct kt_object *object, struct kt_oid *out);
/* Moves an object's bytes over, unless it is there already; for objects that no other one is a
 * prefix of. */
void kt_batch_take(struct kt_batch *batch, struct kt_batch_object *object);
/* Index, or KT_BATCH_NONE. */
size_t kt_batch_find(const struct kt_batch *batch, const struct kt_oid *oid);
/* Newest version of the object: where its bytes are, or what it is a delta of. */
size_t kt_batch_newest(const struct kt_batch *batch, size_t index);
/* The object's bytes; borrows; valid until the batch changes. */
const char *kt_batch_bytes(const struct kt_batch *batch, size_t index);

#endif
