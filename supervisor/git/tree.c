/*
 * Trees from memory: entries, paths, edits. Used under the store, real or in memory; reads and adds
 * objects only through it. Must never drop an entry: an edit replaces or adds.
 */
#include "supervisor/git/tree.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"

bool kt_tree_next(const char **at, const char *end, struct kt_tree_entry *out)
{
	const char *digit = *at, *nul;
	unsigned mode = 0;

	while (digit < end && *digit >= '0' && *digit <= '7')
		mode = mode * 8 + (unsigned)(*digit++ - '0');
	if (digit == *at || digit >= end || *digit != ' ')
		return false;
	nul = memchr(digit + 1, '\0', (size_t)(end - digit - 1));
	if (nul == NULL || nul == digit + 1 || end - nul < 21)
		return false;
	out->mode = mode;
	out->name = digit + 1;
	out->name_len = (size_t)(nul - digit - 1);
	memcpy(out->oid.bytes, nul + 1, 20);
	*at = nul + 21;
	return true;
}

bool kt_tree_find(
	const struct kt_buffer *tree, const char *name, size_t name_len, struct kt_tree_entry *out)
{
	const char *at = kt_buffer_text(tree);
	const char *end = at + tree->len;

	while (kt_tree_next(&at, end, out))
		if (out->name_len == name_len && memcmp(out->name, name, name_len) == 0)
			return true;
	return false;
}

enum kt_code kt_tree_walk(struct kt_store *store, const struct kt_oid *tree, const char *path,
	struct kt_tree_spot *out, struct kt_error *err)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_tree_entry entry = {.mode = KT_MODE_TREE, .oid = *tree};
	enum kt_code code = KT_E_OK;
	bool is_there = true;

	while (code == KT_E_OK && is_there && *path != '\0') {
		size_t len = strcspn(path, "/");
		struct kt_oid at = entry.oid;

		is_there = entry.mode == KT_MODE_TREE;
		if (!is_there)
			break;
		kt_buffer_clear(&bytes);
		code = kt_object_read(store, &at, KT_OBJECT_TREE, &bytes, err);
		is_there = code == KT_E_OK && kt_tree_find(&bytes, path, len, &entry);
		path += len;
		path += strspn(path, "/");
	}
	if (code == KT_E_OK)
		*out = (struct kt_tree_spot){is_there, entry.mode, entry.oid};
	kt_buffer_release(&bytes);
	return code;
}

/* git sorts a folder as if its name ended in a slash. */
int kt_tree_order(const struct kt_tree_entry *one, const struct kt_tree_entry *other)
{
	size_t len = one->name_len < other->name_len ? one->name_len : other->name_len;
	int order = memcmp(one->name, other->name, len);
	unsigned char after_one, after_other;

	if (order != 0)
		return order;
	after_one = (unsigned char)(one->name_len > len         ? one->name[len]
				    : one->mode == KT_MODE_TREE ? '/'
								: '\0');
	after_other = (unsigned char)(other->name_len > len         ? other->name[len]
				      : other->mode == KT_MODE_TREE ? '/'
								    : '\0');
	return (int)after_one - (int)after_other;
}

static int compare_entries(const void *left, const void *right)
{
	return kt_tree_order(left, right);
}

static int compare_edits(const void *left, const void *right)
{
	return strcmp(((const struct kt_tree_edit *)left)->path,
		((const struct kt_tree_edit *)right)->path);
}

/* One folder being edited. */
struct folder {
	struct kt_store *store;
	struct kt_buffer bytes; /* of the base */
	struct kt_tree_entry *entries;
	size_t len;
	bool has_new;
};

static bool folder_parse(struct folder *folder)
{
	const char *at = kt_buffer_text(&folder->bytes);
	const char *end = at + folder->bytes.len;
	struct kt_tree_entry entry;
	size_t capacity = 0;

	while (at < end) {
		if (!kt_tree_next(&at, end, &entry))
			return false;
		if (folder->len == capacity) {
			capacity = capacity == 0 ? 64 : capacity * 2;
			folder->entries = kt_realloc_array(
				folder->entries, capacity, sizeof *folder->entries);
		}
		folder->entries[folder->len++] = entry;
	}
	return true;
}

static struct kt_tree_entry *folder_find(struct folder *folder, const char *name, size_t len)
{
	for (size_t i = 0; i < folder->len; i++)
		if (folder->entries[i].name_len == len &&
			memcmp(folder->entries[i].name, name, len) == 0)
			return &folder->entries[i];
	return NULL;
}

static struct kt_tree_entry *folder_add(
	struct folder *folder, const char *name, size_t len, unsigned mode)
{
	struct kt_tree_entry *entry;

	folder->entries =
		kt_realloc_array(folder->entries, folder->len + 1, sizeof *folder->entries);
	entry = &folder->entries[folder->len++];
	*entry = (struct kt_tree_entry){.mode = mode, .name = name, .name_len = len};
	folder->has_new = true;
	return entry;
}

static enum kt_code folder_write(
	struct folder *folder, const struct kt_oid *base, struct kt_oid *out, struct kt_error *err)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_object object = {.type = KT_OBJECT_TREE, .previous = base};
	enum kt_code code;

	if (folder->has_new)
		qsort(folder->entries, folder->len, sizeof *folder->entries, compare_entries);
	for (size_t i = 0; i < folder->len; i++) {
		const struct kt_tree_entry *entry = &folder->entries[i];

		kt_buffer_printf(&bytes, "%o ", entry->mode);
		kt_buffer_append(&bytes, entry->name, entry->name_len);
		kt_buffer_putc(&bytes, '\0');
		kt_buffer_append(&bytes, entry->oid.bytes, sizeof entry->oid.bytes);
	}
	object.bytes = kt_buffer_text(&bytes);
	object.len = bytes.len;
	code = folder->store->ops->object_add(folder->store, &object, out, err);
	kt_buffer_release(&bytes);
	return code;
}

/* Edits below one folder; their paths have `skip` bytes in common, up to and with a slash. */
struct edits {
	const struct kt_tree_edit *first;
	size_t len, skip;
};

/* How many edits, from the first on, have the same first component at `skip`. */
static size_t group_len(const struct edits *edits, size_t name_len)
{
	const char *name = edits->first->path + edits->skip;
	size_t count = 1;

	while (count < edits->len &&
		strncmp(name, edits->first[count].path + edits->skip, name_len) == 0 &&
		edits->first[count].path[edits->skip + name_len] == '/')
		count++;
	return count;
}

static enum kt_code edit_folder(struct kt_store *store, const struct kt_oid *base,
	const struct edits *edits, struct kt_oid *out, struct kt_error *err);

/* Nothing is ever deleted, so a file never gives way to a folder, nor the reverse. */
static enum kt_code check_entry(const struct kt_tree_entry *entry, const char *path,
	const char *name, size_t name_len, struct kt_error *err)
{
	bool is_folder = name[name_len] == '/';

	if (name_len == 0 || (name_len <= 2 && strncmp(name, "..", name_len) == 0))
		return kt_error_set(err, KT_E_GIT_FAILED, "'%s' is no path", path);
	if (entry != NULL &&
		(entry->mode == KT_MODE_GITLINK || (entry->mode == KT_MODE_TREE) != is_folder))
		return kt_error_set(err, KT_E_GIT_FAILED, "%s is in the way of %s",
			entry->mode == KT_MODE_TREE ? "a folder" : "a file", path);
	return KT_E_OK;
}

/* Applies the edits that share their next component; says how many those were through *used. */
static enum kt_code edit_entry(
	struct folder *folder, const struct edits *edits, size_t *used, struct kt_error *err)
{
	const char *name = edits->first->path + edits->skip;
	size_t name_len = strcspn(name, "/");
	bool is_folder = name[name_len] == '/';
	struct kt_tree_entry *entry = folder_find(folder, name, name_len);
	struct edits below = {edits->first, 1, edits->skip + name_len + 1};
	struct kt_oid oid = edits->first->blob;
	enum kt_code code = check_entry(entry, edits->first->path, name, name_len, err);

	if (code == KT_E_OK && is_folder) {
		below.len = group_len(edits, name_len);
		code = edit_folder(
			folder->store, entry == NULL ? NULL : &entry->oid, &below, &oid, err);
	}
	if (code != KT_E_OK)
		return code;
	if (entry == NULL)
		entry = folder_add(folder, name, name_len, is_folder ? KT_MODE_TREE : KT_MODE_FILE);
	entry->oid = oid;
	*used = below.len;
	return KT_E_OK;
}

static enum kt_code edit_folder(struct kt_store *store, const struct kt_oid *base,
	const struct edits *edits, struct kt_oid *out, struct kt_error *err)
{
	struct folder folder = {.store = store};
	struct edits rest = *edits;
	enum kt_code code = KT_E_OK;
	size_t used = 0;

	if (base != NULL)
		code = kt_object_read(store, base, KT_OBJECT_TREE, &folder.bytes, err);
	if (code == KT_E_OK && !folder_parse(&folder))
		code = kt_error_set(err, KT_E_GIT_FAILED, "tree %s is malformed",
			base == NULL ? "" : kt_oid_format(base).text);
	for (; code == KT_E_OK && rest.len > 0; rest.first += used, rest.len -= used)
		code = edit_entry(&folder, &rest, &used, err);
	if (code == KT_E_OK)
		code = folder_write(&folder, base, out, err);
	free(folder.entries);
	kt_buffer_release(&folder.bytes);
	return code;
}

enum kt_code kt_tree_edit(struct kt_store *store, const struct kt_oid *base,
	struct kt_tree_edit *edits, size_t len, struct kt_oid *out, struct kt_error *err)
{
	struct edits all = {edits, len, 0};

	if (len > 1)
		qsort(edits, len, sizeof *edits, compare_edits);
	return edit_folder(store, base, &all, out, err);
}
