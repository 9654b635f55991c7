/*
 * The commit primitive over any store: blobs, trees and the commit object are made in memory,
 * stored at the barrier, visible with the swap. Supervisor and commands, under the mission's lock.
 * Must never move a ref that is not at the value the caller read.
 */
#include "supervisor/git/commit.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/adopt.h"
#include "supervisor/git/sha1.h"
#include "supervisor/git/tree.h"

void kt_blob_hash(const void *bytes, size_t len, struct kt_oid *out)
{
	kt_object_hash("blob", bytes, len, out);
}

/* git's own rule for names: no angle brackets or line ends, nothing but words at the ends. */
static void put_words(struct kt_buffer *out, const char *text)
{
	static const char crud[] = " .,:;<>\"\\'\n\t\r";
	size_t len = strlen(text);

	while (len > 0 && strchr(crud, *text) != NULL) {
		text++;
		len--;
	}
	while (len > 0 && strchr(crud, text[len - 1]) != NULL)
		len--;
	for (size_t i = 0; i < len; i++)
		if (strchr("<>\n\r", text[i]) == NULL)
			kt_buffer_putc(out, text[i]);
}

static void put_signature(
	struct kt_buffer *out, const char *role, const struct kt_signature *signature)
{
	kt_buffer_printf(out, "%s ", role);
	put_words(out, signature->name);
	kt_buffer_puts(out, " <");
	put_words(out, signature->email);
	kt_buffer_printf(out, "> %lld +0000\n", signature->seconds);
}

static void put_commit(
	struct kt_buffer *out, const struct kt_oid *tree, const struct kt_commit_plan *plan)
{
	size_t len = strlen(plan->message);

	kt_buffer_printf(out, "tree %s\n", kt_oid_format(tree).text);
	for (size_t i = 0; i < plan->parents_len; i++)
		kt_buffer_printf(out, "parent %s\n", kt_oid_format(&plan->parents[i]).text);
	put_signature(out, "author", &plan->author);
	put_signature(out, "committer", &plan->committer);
	kt_buffer_printf(out, "\n%s%s", plan->message,
		len == 0 || plan->message[len - 1] == '\n' ? "" : "\n");
}

/* Adds each change's blob and notes it for the tree. */
static enum kt_code add_blobs(struct kt_store *store, const struct kt_commit_plan *plan,
	struct kt_tree_edit *edits, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; code == KT_E_OK && i < plan->changes_len; i++) {
		const struct kt_change *change = &plan->changes[i];
		struct kt_object blob = {.type = KT_OBJECT_BLOB,
			.bytes = change->bytes,
			.len = change->len,
			.previous = change->previous,
			.shared_prefix = change->shared_prefix};

		KT_BUG_UNLESS(change->bytes != NULL || change->blob != NULL);
		edits[i].path = change->path;
		if (change->blob == NULL) {
			code = store->ops->object_add(store, &blob, &edits[i].blob, err);
		} else {
			edits[i].blob = *change->blob;
			code = kt_blob_adopt(store, change->blob, err);
		}
	}
	return code;
}

enum kt_code kt_commit_build(struct kt_store *store, const struct kt_commit_plan *plan,
	struct kt_oid *commit, struct kt_oid *blobs, struct kt_error *err)
{
	struct kt_tree_edit *edits = kt_realloc_array(NULL, plan->changes_len, sizeof *edits);
	struct kt_oid *made = kt_realloc_array(NULL, plan->changes_len, sizeof *made);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_object object = {.type = KT_OBJECT_COMMIT};
	struct kt_oid tree = {{0}};
	bool has_base = plan->base_tree != NULL || plan->parents_len > 0;
	enum kt_code code = add_blobs(store, plan, edits, err);

	for (size_t i = 0; code == KT_E_OK && i < plan->changes_len; i++)
		made[i] = edits[i].blob;
	if (plan->base_tree != NULL)
		tree = *plan->base_tree;
	else if (code == KT_E_OK && has_base)
		code = kt_commit_tree(store, &plan->parents[0], &tree, err);
	if (code == KT_E_OK && plan->changes_len > 0)
		code = kt_tree_edit(
			store, has_base ? &tree : NULL, edits, plan->changes_len, &tree, err);
	if (code == KT_E_OK && plan->base_tree != NULL)
		code = kt_tree_adopt(store, &tree, plan->parents, plan->parents_len, err);
	if (code == KT_E_OK) {
		put_commit(&text, &tree, plan);
		object.bytes = text.data;
		object.len = text.len;
		code = store->ops->object_add(store, &object, commit, err);
	}
	if (code == KT_E_OK && blobs != NULL && plan->changes_len > 0)
		memcpy(blobs, made, plan->changes_len * sizeof *blobs);
	if (plan->base_tree != NULL || plan->parents_len > 1)
		store->ops->lean(store);
	kt_buffer_release(&text);
	free(made);
	free(edits);
	return code;
}

void kt_commit_journal(struct kt_store *store, const char *path)
{
	store->ops->journal(store, path);
}

enum kt_code kt_commit_barrier(struct kt_store *store, struct kt_error *err)
{
	return store->ops->barrier(store, err);
}

void kt_commit_forget(struct kt_store *store)
{
	store->ops->forget(store);
}

/* The committer of a commit, for the reflog; gives; NULL when there is none. */
static char *committer_of(struct kt_store *store, const struct kt_oid *commit)
{
	struct kt_buffer bytes = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	const char *line = NULL;
	char *who = NULL;

	if (kt_object_read(store, commit, KT_OBJECT_COMMIT, &bytes, &ignored) == KT_E_OK)
		line = strstr(kt_buffer_text(&bytes), "\ncommitter ");
	if (line != NULL)
		who = kt_strndup(line + 11, strcspn(line + 11, "\n"));
	kt_buffer_release(&bytes);
	return who;
}

enum kt_code kt_commit_swap(struct kt_store *store, const char *ref, const struct kt_oid *old_id,
	const struct kt_oid *new_id, const char *reflog_message, struct kt_error *err)
{
	char *who = committer_of(store, new_id);
	char *line = reflog_message == NULL
			     ? NULL
			     : kt_strndup(reflog_message, strcspn(reflog_message, "\r\n"));
	struct kt_ref_move move = {
		.ref = ref, .from = *old_id, .to = *new_id, .who = who, .message = line};
	enum kt_code code = store->ops->ref_move(store, &move, err);

	free(line);
	free(who);
	return code;
}
