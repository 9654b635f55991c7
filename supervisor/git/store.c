/*
 * Reading side of the store: refs, paths at a commit, commits, over any table of operations
 * (store_ops.h). Commands, supervisor. Never writes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/store_ops.h"
#include "supervisor/git/tree.h"

const char *kt_object_type_name(enum kt_object_type type)
{
	static const char *const names[] = {"", "commit", "tree", "blob"};

	return names[type];
}

void kt_store_close(struct kt_store *store)
{
	if (store != NULL)
		store->ops->close(store);
}

enum kt_code kt_store_ref_read(
	struct kt_store *store, const char *ref, struct kt_oid *out, struct kt_error *err)
{
	int failure = store->ops->ref_read(store, ref, out);

	if (failure == ENOENT)
		return kt_error_set(err, KT_E_DESTINATION_REF_NOT_FOUND, "%s", ref);
	return failure == 0 ? KT_E_OK : kt_error_sys(err, KT_E_IO, failure, "%s", ref);
}

enum kt_code kt_store_ref_each(
	struct kt_store *store, const char *prefix, kt_ref_cb each, void *arg, struct kt_error *err)
{
	(void)err;
	store->ops->ref_each(store, prefix, each, arg);
	return KT_E_OK;
}

enum kt_code kt_object_read(struct kt_store *store, const struct kt_oid *oid,
	enum kt_object_type type, struct kt_buffer *out, struct kt_error *err)
{
	enum kt_object_type real = type;
	enum kt_code code = store->ops->object_read(store, oid, &real, out, err);

	if (code == KT_E_OK && real != type)
		code = kt_error_set(err, KT_E_GIT_FAILED, "%s is a %s, not a %s",
			kt_oid_format(oid).text, kt_object_type_name(real),
			kt_object_type_name(type));
	return code;
}

/* "<name> <40 digits>\n" at *at, which moves on. */
static bool commit_line(const char **at, const char *name, struct kt_oid *out)
{
	size_t len = strlen(name);
	char digits[41];

	if (strncmp(*at, name, len) != 0 || strlen(*at) < len + 41 || (*at)[len + 40] != '\n')
		return false;
	memcpy(digits, *at + len, 40);
	digits[40] = '\0';
	if (!kt_oid_parse(digits, out))
		return false;
	*at += len + 41;
	return true;
}

enum kt_code kt_commit_tree(struct kt_store *store, const struct kt_oid *commit, struct kt_oid *out,
	struct kt_error *err)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	enum kt_code code = kt_object_read(store, commit, KT_OBJECT_COMMIT, &bytes, err);
	const char *at = kt_buffer_text(&bytes);

	if (code == KT_E_OK && !commit_line(&at, "tree ", out))
		code = kt_error_set(
			err, KT_E_GIT_FAILED, "commit %s is malformed", kt_oid_format(commit).text);
	kt_buffer_release(&bytes);
	return code;
}

enum kt_code kt_store_commit_read(struct kt_store *store, const struct kt_oid *commit,
	struct kt_oid *parent, long long *committed_at, struct kt_buffer *message,
	struct kt_error *err)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_oid tree, first = {{0}};
	enum kt_code code = kt_object_read(store, commit, KT_OBJECT_COMMIT, &bytes, err);
	const char *at = kt_buffer_text(&bytes), *committer, *time, *text;

	if (code != KT_E_OK)
		goto out;
	text = strstr(at, "\n\n");
	committer = strstr(at, "\ncommitter ");
	time = committer == NULL ? NULL : strchr(committer + 1, '>');
	if (!commit_line(&at, "tree ", &tree) || text == NULL || time == NULL || time > text) {
		code = kt_error_set(
			err, KT_E_GIT_FAILED, "commit %s is malformed", kt_oid_format(commit).text);
		goto out;
	}
	(void)commit_line(&at, "parent ", &first);
	if (parent != NULL)
		*parent = first;
	if (committed_at != NULL)
		*committed_at = strtoll(time + 1, NULL, 10);
	if (message != NULL)
		kt_buffer_puts(message, text + 2);
out:
	kt_buffer_release(&bytes);
	return code;
}

/* What is at a path of a commit. */
static enum kt_code look_at(struct kt_store *store, const struct kt_oid *commit, const char *path,
	struct kt_tree_spot *out, struct kt_error *err)
{
	struct kt_oid tree;
	enum kt_code code = kt_commit_tree(store, commit, &tree, err);

	return code == KT_E_OK ? kt_tree_walk(store, &tree, path, out, err) : code;
}

/* The contract has seven parameters. NOLINTNEXTLINE(readability-function-size) */
enum kt_code kt_store_blob_read(struct kt_store *store, const struct kt_oid *commit,
	const char *path, bool *found, struct kt_oid *oid, struct kt_buffer *content,
	struct kt_error *err)
{
	struct kt_tree_spot spot = {false, 0, {{0}}};
	enum kt_code code = look_at(store, commit, path, &spot, err);
	bool is_blob = spot.found && spot.mode != KT_MODE_TREE && spot.mode != KT_MODE_GITLINK;

	if (code == KT_E_OK && is_blob && content != NULL)
		code = kt_object_read(store, &spot.oid, KT_OBJECT_BLOB, content, err);
	if (code != KT_E_OK)
		return code;
	*found = is_blob;
	if (is_blob && oid != NULL)
		*oid = spot.oid;
	return KT_E_OK;
}

struct walk {
	struct kt_store *store;
	kt_tree_cb each;
	void *arg;
	struct kt_buffer path;
};

static enum kt_code walk_folder(struct walk *walk, const struct kt_oid *tree, struct kt_error *err)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_tree_entry entry;
	size_t len = walk->path.len;
	enum kt_code code = kt_object_read(walk->store, tree, KT_OBJECT_TREE, &bytes, err);
	const char *at = kt_buffer_text(&bytes), *end = at + bytes.len;

	while (code == KT_E_OK && kt_tree_next(&at, end, &entry)) {
		kt_buffer_printf(&walk->path, "%s%.*s", len == 0 ? "" : "/", (int)entry.name_len,
			entry.name);
		if (entry.mode == KT_MODE_TREE)
			code = walk_folder(walk, &entry.oid, err);
		else if (entry.mode != KT_MODE_GITLINK)
			walk->each(kt_buffer_text(&walk->path), entry.mode, &entry.oid, walk->arg);
		walk->path.len = len;
		walk->path.data[len] = '\0';
	}
	kt_buffer_release(&bytes);
	return code;
}

enum kt_code kt_store_tree_each(struct kt_store *store, const struct kt_oid *commit,
	const char *folder, kt_tree_cb each, void *arg, struct kt_error *err)
{
	struct walk walk = {.store = store, .each = each, .arg = arg};
	struct kt_tree_spot spot = {false, 0, {{0}}};
	size_t len = strlen(folder);
	enum kt_code code = look_at(store, commit, folder, &spot, err);

	if (code != KT_E_OK || !spot.found || spot.mode != KT_MODE_TREE)
		return code;
	while (len > 0 && folder[len - 1] == '/')
		len--;
	kt_buffer_append(&walk.path, folder, len);
	code = walk_folder(&walk, &spot.oid, err);
	kt_buffer_release(&walk.path);
	return code;
}

enum kt_code kt_store_is_ancestor(struct kt_store *store, const struct kt_oid *ancestor,
	const struct kt_oid *descendant, bool *out, struct kt_error *err)
{
	if (kt_oid_equal(ancestor, descendant)) {
		*out = true;
		return KT_E_OK;
	}
	return store->ops->is_ancestor(store, ancestor, descendant, out, err);
}
