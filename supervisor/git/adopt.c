/*
 * Taking git's loose objects over before a ref names them. Whoever commits, at the build; and
 * hold.c. Must never take a missing object for one that a parent has: then the commit would be
 * broken.
 */
#include "supervisor/git/adopt.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/tree.h"

enum { PARENTS_MAX = 2 }; /* fewer bases than there are only mean more copies */

/* One tree that differs, and what the parents have in its place. */
struct spot {
	struct kt_oid tree, bases[PARENTS_MAX];
	size_t bases_len;
};

struct spots {
	struct spot *items;
	size_t len, capacity;
};

static enum kt_code pruned(struct kt_error *err)
{
	struct kt_error cause = *err;

	(void)kt_error_set(err, cause.code, "%.300s (written by git, deleted before a ref held it)",
		cause.detail);
	kt_error_next(err, "run the command again when no git prune or git gc runs");
	return err->code;
}

enum kt_code kt_blob_adopt(struct kt_store *store, const struct kt_oid *blob, struct kt_error *err)
{
	return store->ops->blob_adopt(store, blob, err) == KT_E_OK ? KT_E_OK : pruned(err);
}

static void spots_add(struct spots *spots, const struct spot *spot)
{
	for (size_t i = 0; i < spot->bases_len; i++)
		if (kt_oid_equal(&spot->tree, &spot->bases[i]))
			return;
	if (spots->len == spots->capacity) {
		spots->capacity = spots->capacity * 2 + 16;
		spots->items =
			kt_realloc_array(spots->items, spots->capacity, sizeof *spots->items);
	}
	spots->items[spots->len++] = *spot;
}

/* A parent's tree at the same place, read along with ours: both are in git's order. */
struct base {
	struct kt_buffer bytes;
	const char *at, *end;
	struct kt_tree_entry entry;
	bool has_entry;
};

static bool base_step(struct base *base)
{
	base->has_entry = kt_tree_next(&base->at, base->end, &base->entry);
	return base->has_entry;
}

static enum kt_code base_open(
	struct kt_store *store, const struct kt_oid *tree, struct base *base, struct kt_error *err)
{
	enum kt_code code = kt_object_read(store, tree, KT_OBJECT_TREE, &base->bytes, err);

	base->at = kt_buffer_text(&base->bytes);
	base->end = base->at + base->bytes.len;
	if (code == KT_E_OK)
		(void)base_step(base);
	return code;
}

/* The base's entry of that name, or NULL. */
static const struct kt_tree_entry *base_find(struct base *base, const struct kt_tree_entry *wanted)
{
	while (base->has_entry && kt_tree_order(&base->entry, wanted) < 0)
		(void)base_step(base);
	return base->has_entry && kt_tree_order(&base->entry, wanted) == 0 ? &base->entry : NULL;
}

static enum kt_code adopt_entry(struct kt_store *store, const struct kt_tree_entry *entry,
	struct base *bases, size_t bases_len, struct spots *below, struct kt_error *err)
{
	struct spot spot = {.tree = entry->oid};

	if (entry->mode == KT_MODE_GITLINK)
		return KT_E_OK;
	for (size_t i = 0; i < bases_len; i++) {
		const struct kt_tree_entry *theirs = base_find(&bases[i], entry);

		if (theirs != NULL && kt_oid_equal(&theirs->oid, &entry->oid))
			return KT_E_OK;
		if (theirs != NULL && theirs->mode == KT_MODE_TREE)
			spot.bases[spot.bases_len++] = theirs->oid;
	}
	if (entry->mode != KT_MODE_TREE)
		return kt_blob_adopt(store, &entry->oid, err);
	spots_add(below, &spot);
	return KT_E_OK;
}

static enum kt_code adopt_spot(
	struct kt_store *store, const struct spot *spot, struct spots *below, struct kt_error *err)
{
	struct kt_object object = {.type = KT_OBJECT_TREE};
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct base bases[PARENTS_MAX] = {{.has_entry = false}};
	struct kt_tree_entry entry;
	struct kt_oid same;
	const char *at = NULL, *end = NULL;
	enum kt_code code = kt_object_read(store, &spot->tree, KT_OBJECT_TREE, &bytes, err);

	if (code != KT_E_OK) {
		code = pruned(err);
	} else {
		object.bytes = at = kt_buffer_text(&bytes);
		object.len = bytes.len;
		end = at + bytes.len;
		code = store->ops->object_add(store, &object, &same, err);
	}
	for (size_t i = 0; code == KT_E_OK && i < spot->bases_len; i++)
		code = base_open(store, &spot->bases[i], &bases[i], err);
	while (code == KT_E_OK && kt_tree_next(&at, end, &entry))
		code = adopt_entry(store, &entry, bases, spot->bases_len, below, err);
	for (size_t i = 0; i < PARENTS_MAX; i++)
		kt_buffer_release(&bases[i].bytes);
	kt_buffer_release(&bytes);
	return code;
}

enum kt_code kt_tree_adopt(struct kt_store *store, const struct kt_oid *tree,
	const struct kt_oid *parents, size_t parents_len, struct kt_error *err)
{
	struct spots spots = {.len = 0};
	struct spot spot = {.tree = *tree};
	enum kt_code code = KT_E_OK;

	for (; code == KT_E_OK && spot.bases_len < parents_len && spot.bases_len < PARENTS_MAX;
		spot.bases_len++)
		code = kt_commit_tree(
			store, &parents[spot.bases_len], &spot.bases[spot.bases_len], err);
	if (code == KT_E_OK)
		spots_add(&spots, &spot);
	while (code == KT_E_OK && spots.len > 0) {
		spot = spots.items[--spots.len];
		code = adopt_spot(store, &spot, &spots, err);
	}
	free(spots.items);
	return code;
}

/* The parents that the commit's header names, as far as they are wanted. */
static size_t parents_of(const struct kt_buffer *commit, struct kt_oid parents[PARENTS_MAX])
{
	const char *line = strchr(kt_buffer_text(commit), '\n');
	size_t len = 0;

	while (len < PARENTS_MAX && line != NULL && strncmp(line + 1, "parent ", 7) == 0) {
		char hex[41] = "";

		(void)strncpy(hex, line + 8, 40);
		if (!kt_oid_parse(hex, &parents[len]))
			break;
		len++;
		line = strchr(line + 1, '\n');
	}
	return len;
}

enum kt_code kt_commit_adopt(
	struct kt_store *store, const struct kt_oid *commit, struct kt_error *err)
{
	struct kt_object object = {.type = KT_OBJECT_COMMIT};
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_oid parents[PARENTS_MAX], tree, same;
	enum kt_code code = kt_object_read(store, commit, KT_OBJECT_COMMIT, &bytes, err);

	if (code != KT_E_OK) {
		code = pruned(err);
	} else {
		object.bytes = kt_buffer_text(&bytes);
		object.len = bytes.len;
		code = store->ops->object_add(store, &object, &same, err);
	}
	if (code == KT_E_OK)
		code = kt_commit_tree(store, commit, &tree, err);
	if (code == KT_E_OK)
		code = kt_tree_adopt(store, &tree, parents, parents_of(&bytes, parents), err);
	kt_buffer_release(&bytes);
	return code;
}
