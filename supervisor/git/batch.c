/*
 * The list of objects waiting for the barrier. Memory only; never reads or writes a file.
 */
#include "supervisor/git/batch.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/sha1.h"

void kt_batch_release(struct kt_batch *batch)
{
	for (size_t i = 0; i < batch->len; i++)
		free(batch->objects[i].bytes);
	free(batch->objects);
	*batch = (struct kt_batch){NULL, 0, 0};
}

size_t kt_batch_find(const struct kt_batch *batch, const struct kt_oid *oid)
{
	/* From the end: what was just made is what is asked for. */
	for (size_t i = batch->len; i > 0; i--)
		if (kt_oid_equal(&batch->objects[i - 1].oid, oid))
			return i - 1;
	return KT_BATCH_NONE;
}

size_t kt_batch_newest(const struct kt_batch *batch, size_t index)
{
	while (batch->objects[index].newer != KT_BATCH_NONE)
		index = batch->objects[index].newer;
	return index;
}

const char *kt_batch_bytes(const struct kt_batch *batch, size_t index)
{
	while (batch->objects[index].bytes == NULL)
		index = batch->objects[index].newer;
	return batch->objects[index].bytes;
}

/* Ties the older version to the one just added. */
static void link_versions(struct kt_batch *batch, size_t index, const struct kt_object *object)
{
	struct kt_batch_object *added = &batch->objects[index];
	size_t older = kt_batch_find(batch, object->previous);

	added->origin = *object->previous;
	added->origin_len = object->shared_prefix;
	if (older == KT_BATCH_NONE || older == index ||
		batch->objects[older].newer != KT_BATCH_NONE ||
		batch->objects[older].type != object->type)
		return;
	batch->objects[older].newer = index;
	added->origin_len = 0;
	if (object->shared_prefix != batch->objects[older].len || object->shared_prefix == 0)
		return;
	added->origin = batch->objects[older].origin;
	added->origin_len = batch->objects[older].origin_len;
	free(batch->objects[older].bytes);
	batch->objects[older].bytes = NULL;
}

static struct kt_batch_object *append(struct kt_batch *batch)
{
	if (batch->len == batch->capacity) {
		batch->capacity = batch->capacity == 0 ? 16 : batch->capacity * 2;
		batch->objects =
			kt_realloc_array(batch->objects, batch->capacity, sizeof *batch->objects);
	}
	return &batch->objects[batch->len++];
}

void kt_batch_take(struct kt_batch *batch, struct kt_batch_object *object)
{
	if (kt_batch_find(batch, &object->oid) != KT_BATCH_NONE)
		return;
	*append(batch) = (struct kt_batch_object){.oid = object->oid,
		.type = object->type,
		.len = object->len,
		.bytes = object->bytes,
		.newer = KT_BATCH_NONE};
	object->bytes = NULL;
}

void kt_batch_add(struct kt_batch *batch, const struct kt_object *object, struct kt_oid *out)
{
	KT_BUG_UNLESS(object->shared_prefix <= object->len);
	kt_object_hash(kt_object_type_name(object->type), object->bytes, object->len, out);
	if (kt_batch_find(batch, out) != KT_BATCH_NONE)
		return;
	*append(batch) = (struct kt_batch_object){.oid = *out,
		.type = object->type,
		.len = object->len,
		.bytes = kt_strndup(object->bytes, object->len),
		.newer = KT_BATCH_NONE};
	if (object->previous != NULL)
		link_versions(batch, batch->len - 1, object);
}
