/*
 * Ancestry in a shallow clone, where the commits of <common dir>/shallow name parents that are not
 * there: libgit2's own walk fails at them. Commands and the supervisor. Reads only; a parent that
 * is missing anywhere else is damage and must be an error.
 */
#include "supervisor/git/shallow.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/files.h"
#include "supervisor/git/libgit2_start.h"

/* A commit that was met; all of them form the tree `seen`, those to be read the list as well. */
struct met {
	struct kt_oid oid; /* first: the tree compares it */
	struct met *next;
};

struct walk {
	git_odb *odb;
	struct kt_buffer boundary; /* the file's text */
	void *seen;
	struct met *todo;
};

static int compare(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct kt_oid));
}

static void meet(struct walk *walk, const struct kt_oid *oid)
{
	struct met *made;

	if (tfind(oid, &walk->seen, compare) != NULL)
		return;
	made = kt_alloc(sizeof *made);
	made->oid = *oid;
	made->next = walk->todo;
	walk->todo = made;
	if (tsearch(made, &walk->seen, compare) == NULL)
		abort(); /* no memory: as kt_alloc */
}

/* Meets the parents that a commit's text names ("tree X\nparent Y\n..."). */
static void meet_parents(struct walk *walk, const char *text, size_t len)
{
	const char *end = text + len;

	text += len < 46 ? len : 46;
	while (end - text > 48 && strncmp(text, "parent ", 7) == 0) {
		char hex[41] = "";
		struct kt_oid parent;

		memcpy(hex, text + 7, 40);
		if (kt_oid_parse(hex, &parent))
			meet(walk, &parent);
		text += 48;
	}
}

static enum kt_code follow(struct walk *walk, const struct kt_oid *commit, struct kt_error *err)
{
	struct kt_oid_text text = kt_oid_format(commit);
	git_odb_object *object = NULL;
	git_oid id;

	if (strstr(kt_buffer_text(&walk->boundary), text.text) != NULL)
		return KT_E_OK;
	memcpy(id.id, commit->bytes, sizeof id.id);
	if (git_odb_read(&object, walk->odb, &id) < 0)
		return kt_libgit2_failure(err, text.text);
	if (git_odb_object_type(object) == GIT_OBJECT_COMMIT)
		meet_parents(walk, git_odb_object_data(object), git_odb_object_size(object));
	git_odb_object_free(object);
	return KT_E_OK;
}

static enum kt_code search(struct walk *walk, const struct kt_oid *ancestor,
	const struct kt_oid *descendant, bool *out, struct kt_error *err)
{
	enum kt_code code = follow(walk, descendant, err);

	while (code == KT_E_OK && walk->todo != NULL && !*out) {
		struct met *at = walk->todo;

		walk->todo = at->next;
		*out = kt_oid_equal(&at->oid, ancestor);
		if (!*out)
			code = follow(walk, &at->oid, err);
	}
	return code;
}

enum kt_code kt_shallow_is_ancestor(git_odb *odb, const char *common_dir,
	const struct kt_oid *ancestor, const struct kt_oid *descendant,
	enum kt_shallow_answer *answer, struct kt_error *err)
{
	struct walk walk = {odb, KT_BUFFER_INIT, NULL, NULL};
	char *path = kt_format("%s/shallow", common_dir);
	bool is_found = false;
	enum kt_code code = KT_E_OK;

	*answer = KT_SHALLOW_NOT;
	if (kt_git_file_read(path, &walk.boundary) == 0 && walk.boundary.len > 0) {
		code = search(&walk, ancestor, descendant, &is_found, err);
		*answer = is_found ? KT_SHALLOW_ANCESTOR : KT_SHALLOW_UNRELATED;
	}
	tdestroy(walk.seen, free);
	kt_buffer_release(&walk.boundary);
	free(path);
	return code;
}
