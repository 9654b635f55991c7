/*
 * Walking a ref's first parents through libgit2's object database. Runs in commands (verify,
 * doctor). Must never write, and never read a log's blob only to know its size: ten thousand
 * versions of a log are gigabytes, while their ids are enough to prove what they hold.
 */
#include "supervisor/git/history.h"

#include <stdlib.h>
#include <string.h>

#include <git2.h>

#include "ipc/buffer.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/libgit2_start.h"
#include "supervisor/git/sha1.h"
#include "supervisor/git/tree.h"

struct walk {
	const struct kt_repository *repo;
	const char *folder;
	const char *const *names;
	struct kt_history *history;
	size_t capacity;
	struct kt_oid resume; /* the walk goes on at least to here */
	bool has_resume;
	struct kt_buffer commit, tree;
};

static enum kt_code odb_read(git_odb *odb, const struct kt_oid *oid, enum kt_object_type wanted,
	struct kt_buffer *out, struct kt_error *err)
{
	struct kt_oid_text text = kt_oid_format(oid);
	git_odb_object *object = NULL;
	enum kt_code code = KT_E_OK;
	struct kt_oid sum;
	git_oid id;

	memcpy(id.id, oid->bytes, sizeof id.id);
	if (git_odb_read(&object, odb, &id) < 0)
		return kt_libgit2_failure(err, text.text);
	kt_object_hash(kt_object_type_name(wanted), git_odb_object_data(object),
		git_odb_object_size(object), &sum);
	if ((int)git_odb_object_type(object) != (int)wanted || !kt_oid_equal(&sum, oid))
		code = kt_error_set(err, KT_E_GIT_FAILED, "object %s is corrupt or no %s",
			text.text, kt_object_type_name(wanted));
	else
		kt_buffer_append(out, git_odb_object_data(object), git_odb_object_size(object));
	git_odb_object_free(object);
	return code;
}

/* "tree X\nparent Y\n..." */
static enum kt_code commit_parse(
	const struct kt_buffer *bytes, struct kt_history_commit *out, struct kt_error *err)
{
	const char *at = kt_buffer_text(bytes);

	if (strncmp(at, "tree ", 5) != 0 || bytes->len < 46)
		goto bad;
	{
		char hex[41] = "";

		memcpy(hex, at + 5, 40);
		if (!kt_oid_parse(hex, &out->tree))
			goto bad;
		at += 46;
		out->parents_len = 0;
		while (strncmp(at, "parent ", 7) == 0 && strlen(at) > 47) {
			memcpy(hex, at + 7, 40);
			if (out->parents_len < 2 &&
				!kt_oid_parse(hex, &out->parents[out->parents_len]))
				goto bad;
			out->parents_len++;
			at += 48;
		}
	}
	return KT_E_OK;
bad:
	return kt_error_set(
		err, KT_E_GIT_FAILED, "commit %s makes no sense", kt_oid_format(&out->id).text);
}

/* The tree of the folder in the commit; *found false when there is none. walk->tree holds it. */
static enum kt_code folder_read(struct walk *walk, const struct kt_history_commit *commit,
	bool *found, struct kt_error *err)
{
	struct kt_oid oid = commit->tree;
	const char *part = walk->folder;
	enum kt_code code;

	for (;;) {
		size_t len = strcspn(part, "/");
		struct kt_tree_entry entry;

		kt_buffer_clear(&walk->tree);
		code = odb_read(walk->history->odb, &oid, KT_OBJECT_TREE, &walk->tree, err);
		if (code != KT_E_OK || len == 0)
			return code;
		*found = kt_tree_find(&walk->tree, part, len, &entry) && entry.mode == KT_MODE_TREE;
		if (!*found)
			return KT_E_OK;
		oid = entry.oid;
		part += len + (part[len] == '/' ? 1 : 0);
	}
}

static enum kt_code size_read(struct walk *walk, struct kt_history_spot *spot, struct kt_error *err)
{
	git_object_t type = GIT_OBJECT_INVALID;
	size_t size = 0;
	git_oid id;

	memcpy(id.id, spot->oid.bytes, sizeof id.id);
	if (git_odb_read_header(&size, &type, walk->history->odb, &id) < 0)
		return kt_libgit2_failure(err, kt_oid_format(&spot->oid).text);
	spot->size = size;
	return KT_E_OK;
}

static enum kt_code spots_read(
	struct walk *walk, struct kt_history_commit *commit, bool *any, struct kt_error *err)
{
	bool found = false;
	enum kt_code code = folder_read(walk, commit, &found, err);

	*any = false;
	for (size_t i = 0; code == KT_E_OK && found && walk->names[i] != NULL; i++) {
		struct kt_history_spot *spot = &commit->spots[i];
		struct kt_tree_entry entry;

		spot->found =
			kt_tree_find(&walk->tree, walk->names[i], strlen(walk->names[i]), &entry) &&
			entry.mode != KT_MODE_TREE;
		if (!spot->found)
			continue;
		*any = true;
		spot->oid = entry.oid;
		if (i == 0)
			code = size_read(walk, spot, err);
	}
	return code;
}

/* Is there an older commit on the first-parent line that touched the files? Then the walk goes on
 * to it. */
static enum kt_code look_further(
	struct walk *walk, const struct kt_oid *from, bool *goes_on, struct kt_error *err)
{
	struct kt_oid_text start = kt_oid_format(from);
	char *path = kt_format("%s/%s", walk->folder, walk->names[0]);
	const char *const args[] = {
		"rev-list", "-1", "--first-parent", start.text, "--", path, NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_git_call call = {.cwd = walk->repo->primary, .args = args, .out = &out};
	enum kt_code code = kt_git_run(&call, err);

	*goes_on = false;
	if (code == KT_E_OK && out.len >= 40) {
		out.data[40] = '\0';
		*goes_on = kt_oid_parse(out.data, &walk->resume);
		walk->has_resume = *goes_on;
	}
	kt_buffer_release(&out);
	free(path);
	return code;
}

static struct kt_history_commit *commit_new(struct walk *walk, const struct kt_oid *id)
{
	struct kt_history *history = walk->history;

	if (history->len == walk->capacity) {
		walk->capacity = walk->capacity == 0 ? 256 : walk->capacity * 2;
		history->commits = kt_realloc_array(
			history->commits, walk->capacity, sizeof *history->commits);
	}
	history->commits[history->len] = (struct kt_history_commit){.id = *id};
	return &history->commits[history->len++];
}

static enum kt_code walk_back(struct walk *walk, const struct kt_oid *tip, struct kt_error *err)
{
	struct kt_oid id = *tip;
	bool goes_on = true;

	while (goes_on) {
		struct kt_history_commit *commit = commit_new(walk, &id);
		bool any = false;
		enum kt_code code;

		kt_buffer_clear(&walk->commit);
		code = odb_read(walk->history->odb, &id, KT_OBJECT_COMMIT, &walk->commit, err);
		if (code == KT_E_OK)
			code = commit_parse(&walk->commit, commit, err);
		if (code == KT_E_OK)
			code = spots_read(walk, commit, &any, err);
		if (walk->has_resume && kt_oid_equal(&id, &walk->resume))
			walk->has_resume = false;
		if (code == KT_E_OK && !any && !walk->has_resume)
			code = look_further(walk, &id, &goes_on, err);
		if (code != KT_E_OK)
			return code;
		goes_on = goes_on && commit->parents_len > 0;
		id = commit->parents[0];
	}
	return KT_E_OK;
}

static void reverse(struct kt_history *history)
{
	for (size_t i = 0, j = history->len; i + 1 < j; i++) {
		struct kt_history_commit swap = history->commits[i];

		j--;
		history->commits[i] = history->commits[j];
		history->commits[j] = swap;
	}
}

enum kt_code kt_history_load(const struct kt_repository *repo, const struct kt_oid *tip,
	const char *folder, const char *const *names, struct kt_history **out, struct kt_error *err)
{
	struct walk walk = {.repo = repo, .folder = folder, .names = names};
	char *objects = kt_format("%s/objects", repo->common_dir);
	git_odb *odb = NULL;
	enum kt_code code = KT_E_OK;

	walk.history = kt_alloc(sizeof *walk.history);
	kt_libgit2_start();
	if (git_odb_open(&odb, objects) < 0)
		code = kt_libgit2_failure(err, objects);
	walk.history->odb = odb;
	if (code == KT_E_OK)
		code = walk_back(&walk, tip, err);
	if (code == KT_E_OK) {
		reverse(walk.history);
		*out = walk.history;
	} else {
		kt_history_free(walk.history);
	}
	kt_buffer_release(&walk.commit);
	kt_buffer_release(&walk.tree);
	free(objects);
	return code;
}

void kt_history_free(struct kt_history *history)
{
	if (history == NULL)
		return;
	git_odb_free(history->odb);
	free(history->commits);
	free(history);
}

enum kt_code kt_history_blob(struct kt_history *history, const struct kt_oid *oid,
	struct kt_buffer *out, struct kt_error *err)
{
	return odb_read(history->odb, oid, KT_OBJECT_BLOB, out, err);
}

bool kt_history_is_prefix(const struct kt_oid *oid, const char *bytes, size_t len)
{
	struct kt_oid sum;

	kt_object_hash("blob", bytes, len, &sum);
	return kt_oid_equal(&sum, oid);
}
