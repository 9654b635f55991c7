/*
 * Holding git's own commits. Commands and helpers, around one move of a ref. Must never let a ref
 * move to what it could not hold.
 */
#include "supervisor/git/hold.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/adopt.h"
#include "supervisor/git/commit.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/git_store.h"

struct kt_hold {
	struct kt_store *store;
};

/* The commits that no ref leads to, one id a line. The HEADs of other worktrees do not count: git
 * refuses one whose commit an agent is making at this moment. A broken ref leads nowhere; git would
 * give up at it. It then passes over a commit that is gone as well: hence check_there. */
static enum kt_code list_new(const struct kt_repository *repo, const struct kt_oid *commit,
	struct kt_buffer *out, struct kt_error *err)
{
	struct kt_oid_text text = kt_oid_format(commit);
	const char *const args[] = {"rev-list", "--ignore-missing", "--single-worktree", text.text,
		"--not", "--all", NULL};
	const struct kt_git_call call = {.cwd = repo->primary, .args = args, .out = out};

	return kt_git_run(&call, err);
}

static enum kt_code adopt_all(
	struct kt_store *store, const struct kt_buffer *list, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (const char *at = kt_buffer_text(list); code == KT_E_OK && *at != '\0';) {
		size_t len = strcspn(at, "\n");
		char *id = kt_strndup(at, len);
		struct kt_oid commit;

		if (kt_oid_parse(id, &commit))
			code = kt_commit_adopt(store, &commit, err);
		free(id);
		at += len + (at[len] == '\n' ? 1 : 0);
	}
	return code;
}

static enum kt_code check_there(
	struct kt_store *store, const struct kt_oid *commit, struct kt_error *err)
{
	struct kt_oid parent = {{0}};

	return kt_store_commit_read(store, commit, &parent, NULL, NULL, err);
}

enum kt_code kt_hold_take(const struct kt_repository *repo, const struct kt_oid *commit,
	struct kt_hold **out, struct kt_error *err)
{
	struct kt_hold *hold = kt_alloc(sizeof *hold);
	struct kt_buffer list = KT_BUFFER_INIT;
	enum kt_code code = kt_store_open(repo, &hold->store, err);

	*out = NULL;
	if (code == KT_E_OK)
		code = check_there(hold->store, commit, err);
	if (code == KT_E_OK)
		code = list_new(repo, commit, &list, err);
	if (code == KT_E_OK)
		code = adopt_all(hold->store, &list, err);
	if (code == KT_E_OK)
		code = kt_commit_barrier(hold->store, err);
	if (code == KT_E_OK)
		*out = hold;
	else
		code = kt_hold_end(hold, code, err);
	kt_buffer_release(&list);
	return code;
}

enum kt_code kt_hold_end(struct kt_hold *hold, enum kt_code moved, struct kt_error *err)
{
	struct kt_error cause = KT_ERROR_INIT;

	if (hold == NULL)
		return moved;
	if (hold->store != NULL && kt_git_store_settle(hold->store, &cause) != KT_E_OK &&
		moved == KT_E_OK) {
		*err = cause;
		moved = cause.code;
	}
	kt_store_close(hold->store);
	free(hold);
	return moved;
}
