/*
 * The memory store. Test programs only; touches no file.
 */
#include "support/memory_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/sha1.h"
#include "supervisor/git/store_ops.h"

struct held {
	struct kt_oid oid;
	enum kt_object_type type;
	struct kt_buffer bytes;
	bool is_stored; /* a barrier came after it */
};

struct memory_ref {
	char *name;
	struct kt_oid oid;
};

struct memory_store {
	struct kt_store base;
	struct held *objects;
	size_t objects_len;
	struct memory_ref *refs;
	size_t refs_len;
	struct {
		unsigned calls, nth;
		enum kt_code code;
	} faults[KT_MEMORY_CALL_COUNT];
};

static struct memory_store *self_of(struct kt_store *store)
{
	return (struct memory_store *)store;
}

/* Counts a call; true when it is the one that has to fail. */
static bool is_failing(struct memory_store *self, enum kt_memory_call call, struct kt_error *err)
{
	self->faults[call].calls++;
	if (self->faults[call].nth == 0 || --self->faults[call].nth > 0)
		return false;
	(void)kt_error_set(
		err, self->faults[call].code, "the test wants call %d to fail", (int)call);
	return true;
}

static struct memory_ref *find_ref(struct memory_store *self, const char *name)
{
	for (size_t i = 0; i < self->refs_len; i++)
		if (strcmp(self->refs[i].name, name) == 0)
			return &self->refs[i];
	return NULL;
}

static struct held *find_object(struct memory_store *self, const struct kt_oid *oid)
{
	for (size_t i = 0; i < self->objects_len; i++)
		if (kt_oid_equal(&self->objects[i].oid, oid))
			return &self->objects[i];
	return NULL;
}

static int ref_read(struct kt_store *store, const char *ref, struct kt_oid *out)
{
	const struct memory_ref *found = find_ref(self_of(store), ref);

	if (found != NULL)
		*out = found->oid;
	return found != NULL ? 0 : ENOENT;
}

static void ref_each(struct kt_store *store, const char *prefix, kt_ref_cb each, void *arg)
{
	const struct memory_store *self = self_of(store);

	for (size_t i = 0; i < self->refs_len; i++)
		if (strncmp(self->refs[i].name, prefix, strlen(prefix)) == 0)
			each(self->refs[i].name, &self->refs[i].oid, arg);
}

static int compare_refs(const void *left, const void *right)
{
	return strcmp(
		((const struct memory_ref *)left)->name, ((const struct memory_ref *)right)->name);
}

void kt_memory_store_set_ref(struct kt_store *store, const char *ref, const struct kt_oid *commit)
{
	struct memory_store *self = self_of(store);
	struct memory_ref *found = find_ref(self, ref);

	if (found != NULL) {
		found->oid = *commit;
		return;
	}
	self->refs = kt_realloc_array(self->refs, self->refs_len + 1, sizeof *self->refs);
	self->refs[self->refs_len++] = (struct memory_ref){kt_strdup(ref), *commit};
	qsort(self->refs, self->refs_len, sizeof *self->refs, compare_refs);
}

static enum kt_code ref_move(
	struct kt_store *store, const struct kt_ref_move *move, struct kt_error *err)
{
	struct memory_store *self = self_of(store);
	const struct held *target = find_object(self, &move->to);
	struct kt_oid now = {{0}};

	if (is_failing(self, KT_MEMORY_MOVE, err))
		return err->code;
	(void)ref_read(store, move->ref, &now);
	if (!kt_oid_equal(&now, &move->from))
		return kt_error_set(err, KT_E_REF_MOVED, "%s", move->ref);
	KT_BUG_UNLESS(target != NULL && target->is_stored);
	kt_memory_store_set_ref(store, move->ref, &move->to);
	return is_failing(self, KT_MEMORY_MOVE_AFTERWARDS, err) ? err->code : KT_E_OK;
}

static enum kt_code object_read(struct kt_store *store, const struct kt_oid *oid,
	enum kt_object_type *type, struct kt_buffer *out, struct kt_error *err)
{
	struct memory_store *self = self_of(store);
	const struct held *found = find_object(self, oid);

	if (is_failing(self, KT_MEMORY_READ, err))
		return err->code;
	if (found == NULL)
		return kt_error_set(
			err, KT_E_GIT_FAILED, "object %s is missing", kt_oid_format(oid).text);
	*type = found->type;
	kt_buffer_append(out, found->bytes.data, found->bytes.len);
	return KT_E_OK;
}

static enum kt_code object_add(struct kt_store *store, const struct kt_object *object,
	struct kt_oid *out, struct kt_error *err)
{
	struct memory_store *self = self_of(store);
	struct held *added;

	if (is_failing(self, KT_MEMORY_ADD, err))
		return err->code;
	kt_object_hash(kt_object_type_name(object->type), object->bytes, object->len, out);
	if (find_object(self, out) != NULL)
		return KT_E_OK;
	self->objects =
		kt_realloc_array(self->objects, self->objects_len + 1, sizeof *self->objects);
	added = &self->objects[self->objects_len++];
	*added = (struct held){.oid = *out, .type = object->type};
	kt_buffer_append(&added->bytes, object->bytes, object->len);
	return KT_E_OK;
}

/* Everything here is as good as packed: it only has to be there. */
static enum kt_code blob_adopt(
	struct kt_store *store, const struct kt_oid *oid, struct kt_error *err)
{
	if (find_object(self_of(store), oid) != NULL)
		return KT_E_OK;
	return kt_error_set(err, KT_E_GIT_FAILED, "object %s is missing", kt_oid_format(oid).text);
}

/* All parents, depth first; histories of tests are short. */
static bool reaches(struct memory_store *self, const struct kt_oid *from, const struct kt_oid *goal)
{
	const struct held *commit = find_object(self, from);
	const char *line = commit == NULL ? NULL : strchr(kt_buffer_text(&commit->bytes), '\n');

	if (kt_oid_equal(from, goal))
		return true;
	while (line != NULL && strncmp(line + 1, "parent ", 7) == 0) {
		char digits[41] = "";
		struct kt_oid parent;

		memcpy(digits, line + 8, 40);
		if (kt_oid_parse(digits, &parent) && reaches(self, &parent, goal))
			return true;
		line = strchr(line + 1, '\n');
	}
	return false;
}

static enum kt_code is_ancestor(struct kt_store *store, const struct kt_oid *ancestor,
	const struct kt_oid *descendant, bool *out, struct kt_error *err)
{
	(void)err;
	*out = reaches(self_of(store), descendant, ancestor);
	return KT_E_OK;
}

static void lean(struct kt_store *store)
{
	(void)store;
}

static enum kt_code barrier(struct kt_store *store, struct kt_error *err)
{
	struct memory_store *self = self_of(store);

	if (is_failing(self, KT_MEMORY_BARRIER, err))
		return err->code;
	for (size_t i = 0; i < self->objects_len; i++)
		self->objects[i].is_stored = true;
	return KT_E_OK;
}

/* Nobody takes objects away from here. */
static void journal(struct kt_store *store, const char *path)
{
	(void)store;
	(void)path;
}

static void forget(struct kt_store *store)
{
	struct memory_store *self = self_of(store);

	while (self->objects_len > 0 && !self->objects[self->objects_len - 1].is_stored)
		kt_buffer_release(&self->objects[--self->objects_len].bytes);
}

static void close_store(struct kt_store *store)
{
	struct memory_store *self = self_of(store);

	for (size_t i = 0; i < self->objects_len; i++)
		kt_buffer_release(&self->objects[i].bytes);
	for (size_t i = 0; i < self->refs_len; i++)
		free(self->refs[i].name);
	free(self->objects);
	free(self->refs);
	free(self);
}

struct kt_store *kt_memory_store_new(void)
{
	static const struct kt_store_ops ops = {
		.ref_read = ref_read,
		.ref_each = ref_each,
		.ref_move = ref_move,
		.object_read = object_read,
		.object_add = object_add,
		.blob_adopt = blob_adopt,
		.is_ancestor = is_ancestor,
		.lean = lean,
		.journal = journal,
		.barrier = barrier,
		.forget = forget,
		.close = close_store,
	};
	struct memory_store *self = kt_alloc(sizeof *self);

	self->base.ops = &ops;
	return &self->base;
}

void kt_memory_store_fail(
	struct kt_store *store, enum kt_memory_call call, unsigned nth, enum kt_code code)
{
	struct memory_store *self = self_of(store);

	self->faults[call].nth = nth;
	self->faults[call].code = code;
}

unsigned kt_memory_store_calls(const struct kt_store *store, enum kt_memory_call call)
{
	return ((const struct memory_store *)store)->faults[call].calls;
}
