/*
 * The real store: refs as files, objects read through libgit2's object database, written as one
 * pack per batch. Commands, supervisor; one handle per process, never used after a fork. libgit2
 * opens no repository here, so neither GIT_* variables nor its own configuration matter; shapes and
 * owner were checked by kt_repository_check. It is started by the first object that is read.
 */
#include "supervisor/git/git_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <git2.h>
#include <git2/sys/repository.h>

#include "ipc/buffer.h"
#include "supervisor/git/batch.h"
#include "supervisor/git/journal.h"
#include "supervisor/git/keep.h"
#include "supervisor/git/libgit2_start.h"
#include "supervisor/git/pack.h"
#include "supervisor/git/refs.h"
#include "supervisor/git/sha1.h"
#include "supervisor/git/shallow.h"

#define RECENT_BYTES_MAX (1U << 20) /* trees and commits kept for the next batch */

struct git_store {
	struct kt_store base;
	char *common_dir, *objects;
	char *journal;          /* NULL: none is kept */
	git_odb *odb;           /* NULL until needed */
	git_repository *graph;  /* wraps odb, for ancestry */
	struct kt_batch batch;  /* since the last barrier */
	size_t adopted;         /* bytes of git's blobs in it */
	struct kt_batch recent; /* trees and commits of batches before */
	size_t recent_bytes;
	struct kt_deflater *deflater;
	/* Of the barriers since the last move of a ref: they are kept, and can be written again,
	 * until the first barrier after it. */
	struct kt_pack *packs;
	size_t packs_len, packs_capacity;
	bool is_settled; /* the ref has moved, or they were given up */
	bool leans;
};

static struct git_store *self_of(struct kt_store *store)
{
	return (struct git_store *)store;
}

static enum kt_code open_odb(struct git_store *self, struct kt_error *err)
{
	if (self->odb != NULL)
		return KT_E_OK;
	kt_libgit2_start();
	if (git_odb_open(&self->odb, self->objects) < 0)
		return kt_libgit2_failure(err, self->objects);
	return KT_E_OK;
}

/* A repack that ran meanwhile put objects into packs that this handle has not seen: it looks
 * afresh, once. */
static enum kt_code reopen_odb(struct git_store *self, struct kt_error *err)
{
	git_repository_free(self->graph);
	git_odb_free(self->odb);
	self->graph = NULL;
	self->odb = NULL;
	return open_odb(self, err);
}

static bool read_batch(const struct kt_batch *batch, const struct kt_oid *oid,
	enum kt_object_type *type, struct kt_buffer *out)
{
	size_t index = kt_batch_find(batch, oid);

	if (index == KT_BATCH_NONE)
		return false;
	*type = batch->objects[index].type;
	kt_buffer_append(out, kt_batch_bytes(batch, index), batch->objects[index].len);
	return true;
}

/* libgit2's own check of the hash is off (slow): ours replaces it. */
static enum kt_code take_object(const struct kt_oid *oid, git_odb_object *object,
	enum kt_object_type *type, struct kt_buffer *out, struct kt_error *err)
{
	const void *bytes = git_odb_object_data(object);
	size_t len = git_odb_object_size(object);
	enum kt_object_type real = (enum kt_object_type)git_odb_object_type(object);
	struct kt_oid sum;

	if (real < KT_OBJECT_COMMIT || real > KT_OBJECT_BLOB)
		return kt_error_set(err, KT_E_GIT_FAILED, "object %s is no commit, tree or blob",
			kt_oid_format(oid).text);
	kt_object_hash(kt_object_type_name(real), bytes, len, &sum);
	if (!kt_oid_equal(&sum, oid))
		return kt_error_set(
			err, KT_E_GIT_FAILED, "object %s is corrupt", kt_oid_format(oid).text);
	*type = real;
	kt_buffer_append(out, bytes, len);
	return KT_E_OK;
}

static enum kt_code object_read(struct kt_store *store, const struct kt_oid *oid,
	enum kt_object_type *type, struct kt_buffer *out, struct kt_error *err)
{
	struct git_store *self = self_of(store);
	git_odb_object *object = NULL;
	git_oid id;
	int result = 0;
	enum kt_code code;

	if (read_batch(&self->batch, oid, type, out) || read_batch(&self->recent, oid, type, out))
		return KT_E_OK;
	code = open_odb(self, err);
	if (code != KT_E_OK)
		return code;
	memcpy(id.id, oid->bytes, sizeof id.id);
	result = git_odb_read(&object, self->odb, &id);
	if (result == GIT_ENOTFOUND && reopen_odb(self, err) == KT_E_OK)
		result = git_odb_read(&object, self->odb, &id);
	if (result < 0)
		return kt_libgit2_failure(err, kt_oid_format(oid).text);
	code = take_object(oid, object, type, out, err);
	git_odb_object_free(object);
	return code;
}

static enum kt_code object_add(struct kt_store *store, const struct kt_object *object,
	struct kt_oid *out, struct kt_error *err)
{
	(void)err;
	kt_batch_add(&self_of(store)->batch, object, out);
	return KT_E_OK;
}

/* In a partial clone a blob that was never fetched is missing, and nobody's loss. */
static bool is_partial(const struct git_store *self)
{
	char *folder = kt_format("%s/pack", self->objects);
	DIR *entries = opendir(folder);
	struct dirent *entry = NULL;
	bool found = false;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (!found && entries != NULL && (entry = readdir(entries)) != NULL)
		found = strstr(entry->d_name, ".promisor") != NULL;
	if (entries != NULL)
		(void)closedir(entries);
	free(folder);
	return found;
}

static enum kt_code blob_adopt(
	struct kt_store *store, const struct kt_oid *oid, struct kt_error *err)
{
	struct git_store *self = self_of(store);
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_object object = {.type = KT_OBJECT_BLOB};
	struct kt_oid same;
	size_t len = 0;
	git_object_t type = GIT_OBJECT_INVALID;
	git_oid id;
	enum kt_code code = open_odb(self, err);

	if (code != KT_E_OK || kt_batch_find(&self->batch, oid) != KT_BATCH_NONE)
		return code;
	memcpy(id.id, oid->bytes, sizeof id.id);
	if (git_odb_read_header(&len, &type, self->odb, &id) < 0)
		return is_partial(self) ? KT_E_OK
					: kt_libgit2_failure(err, kt_oid_format(oid).text);
	if (len > KT_ADOPT_MAX - self->adopted) {
		self->leans = true;
		return KT_E_OK;
	}
	code = kt_object_read(store, oid, KT_OBJECT_BLOB, &bytes, err);
	object.bytes = kt_buffer_text(&bytes);
	object.len = bytes.len;
	if (code == KT_E_OK) {
		kt_batch_add(&self->batch, &object, &same);
		self->batch.objects[kt_batch_find(&self->batch, &same)].is_adopted = true;
		self->adopted += len;
	}
	kt_buffer_release(&bytes);
	return code;
}

static int ref_read(struct kt_store *store, const char *ref, struct kt_oid *out)
{
	return kt_refs_find(self_of(store)->common_dir, ref, out);
}

static void ref_each(struct kt_store *store, const char *prefix, kt_ref_cb each, void *arg)
{
	kt_refs_each(self_of(store)->common_dir, prefix, each, arg);
}

static void release_kept(struct git_store *self)
{
	for (size_t i = 0; i < self->packs_len; i++)
		kt_pack_release_kept(&self->packs[i], self->objects, self->common_dir);
}

/* Somebody's repack may have taken the objects over, or a prune away: writing a pack again is right
 * in both cases. */
enum kt_code kt_git_store_settle(struct kt_store *store, struct kt_error *err)
{
	struct git_store *self = self_of(store);
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; code == KT_E_OK && i < self->packs_len; i++)
		if (!kt_pack_is_there(&self->packs[i], self->objects))
			code = kt_pack_write(&self->packs[i], self->objects, err);
	release_kept(self);
	self->is_settled = true;
	return code;
}

static enum kt_code ref_move(
	struct kt_store *store, const struct kt_ref_move *move, struct kt_error *err)
{
	const struct git_store *self = self_of(store);
	enum kt_code code;

	KT_BUG_UNLESS(self->batch.len == 0);
	code = kt_refs_move(self->common_dir, move, err);
	return code == KT_E_OK ? kt_git_store_settle(store, err) : code;
}

static enum kt_code is_ancestor(struct kt_store *store, const struct kt_oid *ancestor,
	const struct kt_oid *descendant, bool *out, struct kt_error *err)
{
	struct git_store *self = self_of(store);
	git_oid above, below;
	enum kt_code code = open_odb(self, err);
	enum kt_shallow_answer answer = KT_SHALLOW_NOT;
	int result;

	if (code == KT_E_OK)
		code = kt_shallow_is_ancestor(
			self->odb, self->common_dir, ancestor, descendant, &answer, err);
	*out = answer == KT_SHALLOW_ANCESTOR;
	if (code != KT_E_OK || answer != KT_SHALLOW_NOT)
		return code;
	if (self->graph == NULL && git_repository_wrap_odb(&self->graph, self->odb) < 0)
		return kt_libgit2_failure(err, self->objects);
	memcpy(above.id, ancestor->bytes, sizeof above.id);
	memcpy(below.id, descendant->bytes, sizeof below.id);
	result = git_graph_descendant_of(self->graph, &below, &above);
	if (result < 0)
		return kt_libgit2_failure(err, kt_oid_format(descendant).text);
	*out = result == 1;
	return KT_E_OK;
}

static void lean(struct kt_store *store)
{
	self_of(store)->leans = true;
}

static void clear_recent(struct git_store *self)
{
	kt_batch_release(&self->recent);
	self->recent_bytes = 0;
}

/* The next batch begins at the trees of this one: keep them, so that nothing is read back from the
 * disk. */
static void keep_recent(struct git_store *self)
{
	if (self->recent_bytes > RECENT_BYTES_MAX)
		clear_recent(self);
	for (size_t i = 0; i < self->batch.len; i++) {
		struct kt_batch_object *made = &self->batch.objects[i];

		if (made->type == KT_OBJECT_BLOB || made->newer != KT_BATCH_NONE)
			continue;
		self->recent_bytes += made->len;
		kt_batch_take(&self->recent, made);
	}
}

/* Objects that other programs wrote are not synced by git's defaults: one syncfs covers them all.
 */
static enum kt_code sync_others(struct git_store *self, struct kt_error *err)
{
	int fd = open(self->objects, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int failure = fd < 0 || syncfs(fd) < 0 ? errno : 0;

	if (fd >= 0)
		(void)close(fd);
	self->leans = failure != 0;
	return failure == 0 ? KT_E_OK : kt_git_failure(err, failure, self->objects);
}

static void journal(struct kt_store *store, const char *path)
{
	struct git_store *self = self_of(store);

	free(self->journal);
	self->journal = kt_strdup(path);
}

/* The pack of this barrier; its buffers are used again. */
static struct kt_pack *pack_next(struct git_store *self)
{
	if (self->is_settled) {
		release_kept(self);
		self->packs_len = 0;
		self->is_settled = false;
	}
	if (self->packs_len == self->packs_capacity) {
		self->packs = kt_realloc_array(
			self->packs, self->packs_capacity + 1, sizeof *self->packs);
		self->packs[self->packs_capacity++] = (struct kt_pack){.pack = KT_BUFFER_INIT};
	}
	return &self->packs[self->packs_len++];
}

static enum kt_code barrier(struct kt_store *store, struct kt_error *err)
{
	struct git_store *self = self_of(store);
	struct kt_pack *pack = NULL;
	enum kt_code code = KT_E_OK;

	if (self->leans)
		code = sync_others(self, err);
	if (code != KT_E_OK || self->batch.len == 0)
		return code;
	if (self->journal != NULL)
		kt_journal_append(self->journal, &self->batch);
	if (self->deflater == NULL)
		self->deflater = kt_deflater_new();
	pack = pack_next(self);
	kt_pack_build(&self->batch, self->deflater, pack);
	kt_pack_keep(pack, self->objects);
	code = kt_pack_write(pack, self->objects, err);
	if (code != KT_E_OK) {
		kt_pack_release_kept(pack, self->objects, self->common_dir);
		kt_pack_release(pack);
		self->packs_len--;
		return code;
	}
	keep_recent(self);
	kt_batch_release(&self->batch);
	self->adopted = 0;
	return KT_E_OK;
}

static void forget(struct kt_store *store)
{
	struct git_store *self = self_of(store);

	kt_batch_release(&self->batch);
	self->adopted = 0;
	self->leans = false;
	self->is_settled = true;
}

static void close_store(struct kt_store *store)
{
	struct git_store *self = self_of(store);

	kt_batch_release(&self->batch);
	clear_recent(self);
	release_kept(self);
	for (size_t i = 0; i < self->packs_capacity; i++)
		kt_pack_release(&self->packs[i]);
	free(self->packs);
	kt_deflater_free(self->deflater);
	git_repository_free(self->graph);
	git_odb_free(self->odb);
	free(self->journal);
	free(self->objects);
	free(self->common_dir);
	free(self);
}

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

enum kt_code kt_store_open(
	const struct kt_repository *repo, struct kt_store **out, struct kt_error *err)
{
	enum kt_code code = kt_repository_check(repo, err);
	struct git_store *self;

	if (code != KT_E_OK)
		return code;
	self = kt_alloc(sizeof *self);
	self->base.ops = &ops;
	self->common_dir = kt_strdup(repo->common_dir);
	self->objects = kt_format("%s/objects", repo->common_dir);
	*out = &self->base;
	return KT_E_OK;
}
