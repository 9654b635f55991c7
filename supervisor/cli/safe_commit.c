/*
 * kitty safe-commit: declared files to a declared branch, or nothing. Process: a command. Never
 * touches what else is staged.
 */
#include "supervisor/cli/safe_commit.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/output.h"
#include "supervisor/git/store.h"
#include "supervisor/transaction/gate.h"

static const struct kt_option options[] = {
	{"message", 'm', "TEXT", false, "the commit message"},
	{"to-branch", 0, "BRANCH", true, "the branch it must land on; HEAD must be there"},
	KT_OPTION_END,
};

/* ---- the checks, in their order ---- */

static enum kt_code shape_check(
	const struct kt_invocation *invocation, struct kt_safe_commit *wish, struct kt_error *err)
{
	const char *first = kt_invocation_nth(invocation, "to-branch", 0);
	const char *second = kt_invocation_nth(invocation, "to-branch", 1);

	wish->destination = first;
	if (first == NULL || first[0] == '\0') {
		(void)kt_error_set(
			err, KT_E_SAFE_COMMIT_EMPTY_CHANGESET, "no destination is given");
		kt_error_next(err, "name the branch with --to-branch BRANCH");
		return KT_E_SAFE_COMMIT_EMPTY_CHANGESET;
	}
	if (strncmp(first, "refs/heads/", 11) == 0)
		return kt_error_set(err, KT_E_SAFE_COMMIT_DESTINATION_REF_SHAPE, "%s", first);
	if (second != NULL && strcmp(first, second) != 0)
		return kt_error_set(err, KT_E_SAFE_COMMIT_DESTINATION_REF_SHAPE,
			"two destinations: %s and %s", first, second);
	if (invocation->arguments_len == 0)
		return kt_error_set(err, KT_E_SAFE_COMMIT_EMPTY_CHANGESET, "no files are given");
	return KT_E_OK;
}

static enum kt_code place_check(struct kt_safe_commit *wish, struct kt_error *err)
{
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = kt_context_open(wish->context, &cause);

	/* A repository without a commit has a HEAD: its branch is one that does not exist. */
	if (code == KT_E_REPO_EMPTY)
		code = KT_E_OK;
	if (code == KT_E_OK)
		wish->head = kt_head_read(wish->context->repo->git_dir);
	else if (code == KT_E_NOT_A_REPOSITORY)
		code = kt_error_set(err, KT_E_SAFE_COMMIT_NOT_A_WORKTREE, "%s", cause.detail);
	else
		*err = cause;
	return code;
}

static enum kt_code head_check(const struct kt_safe_commit *wish, struct kt_error *err)
{
	char *wanted = kt_format("refs/heads/%s", wish->destination);
	bool is_there = wish->head != NULL && strcmp(wish->head, wanted) == 0;

	free(wanted);
	if (is_there)
		return KT_E_OK;
	(void)kt_error_set(err, KT_E_SAFE_COMMIT_HEAD_MISMATCH, "HEAD is %s, not %s",
		wish->head == NULL ? "<detached>" : wish->head, wish->destination);
	kt_error_next(err, "git -C %.160s switch %.60s", wish->context->repo->worktree,
		wish->destination);
	return KT_E_SAFE_COMMIT_HEAD_MISMATCH;
}

static enum kt_code branch_check(const struct kt_safe_commit *wish, struct kt_error *err)
{
	struct kt_store *store = NULL;
	struct kt_oid oid = {{0}};
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = kt_store_open(wish->context->repo, &store, &cause);

	if (code == KT_E_OK)
		code = kt_store_ref_read(store, wish->head, &oid, &cause);
	kt_store_close(store);
	if (code == KT_E_DESTINATION_REF_NOT_FOUND || code == KT_E_REPO_EMPTY) {
		(void)kt_error_set(err, KT_E_SAFE_COMMIT_DESTINATION_NOT_FOUND,
			"%s has no commit yet", wish->destination);
		kt_error_next(err, "git commit --allow-empty -m start");
		return KT_E_SAFE_COMMIT_DESTINATION_NOT_FOUND;
	}
	if (code != KT_E_OK)
		*err = cause;
	return code;
}

static enum kt_code protection_check(struct kt_safe_commit *wish, struct kt_error *err)
{
	const struct kt_config *config = NULL;
	enum kt_code code = kt_context_config(wish->context, err);

	if (code != KT_E_OK)
		return code;
	config = wish->context->config;
	if (!kt_branch_is_protected(wish->context->repo, wish->destination,
		    config->has_protected ? (const char *const *)config->protected_branches : NULL))
		return KT_E_OK;
	return kt_error_set(err, KT_E_SAFE_COMMIT_PROTECTED_BRANCH, "%s", wish->destination);
}

/* A commit would end what is under way, with everything that belongs to it. */
static enum kt_code state_check(const struct kt_safe_commit *wish, struct kt_error *err)
{
	const char *state = kt_repository_state(wish->context->repo->git_dir);

	if (state[0] == '\0')
		return KT_E_OK;
	(void)kt_error_set(err, KT_E_SAFE_COMMIT_BACKSTOP, "a %s is under way in %s", state,
		wish->context->repo->worktree);
	kt_error_next(err, "finish or abort the %s there", state);
	return KT_E_SAFE_COMMIT_BACKSTOP;
}

static enum kt_code check(
	const struct kt_invocation *invocation, struct kt_safe_commit *wish, struct kt_error *err)
{
	enum kt_code code = shape_check(invocation, wish, err);

	if (code == KT_E_OK)
		code = place_check(wish, err);
	if (code == KT_E_OK)
		code = head_check(wish, err);
	if (code == KT_E_OK)
		code = branch_check(wish, err);
	if (code == KT_E_OK)
		code = kt_safe_commit_paths(
			wish, invocation->arguments, invocation->arguments_len, err);
	if (code == KT_E_OK)
		code = protection_check(wish, err);
	return code == KT_E_OK ? state_check(wish, err) : code;
}

/* ---- the answer ---- */

static const char *worktree_of(const struct kt_safe_commit *wish)
{
	return wish->context->repo == NULL ? NULL : wish->context->repo->worktree;
}

static int fail(
	const struct kt_invocation *invocation, struct kt_safe_commit *wish, struct kt_error *err)
{
	struct kt_json *extra = NULL;

	if (!invocation->json)
		return kt_fail(false, err);
	extra = kt_json_new_object();
	kt_json_set_string(extra, "result", "error");
	kt_json_set_bool(extra, "success", false);
	kt_json_set_bool(extra, "committed", wish->commit != NULL);
	kt_json_set_string(extra, "error_code", kt_error_text(err->code));
	kt_json_set_string(extra, "message", err->detail);
	kt_json_set_string(extra, "destination_ref", wish->destination);
	kt_json_set_string(extra, "observed_head",
		wish->context->repo == NULL ? NULL
		: wish->head == NULL        ? "<detached>"
					    : wish->head + strlen("refs/heads/"));
	kt_json_set_string(extra, "worktree_root", worktree_of(wish));
	if (wish->offending != NULL)
		kt_json_set_string(extra, "offending_path", wish->offending);
	if (err->code == KT_E_SAFE_COMMIT_RECOVERY_FAILED) {
		kt_json_set(extra, "unrecovered_paths",
			wish->unrecovered == NULL ? kt_json_new_array()
						  : kt_json_copy(wish->unrecovered));
		kt_json_set(extra, "orphan_stash_ref", kt_json_new_null());
		kt_json_set_string(extra, "commit_sha", wish->commit);
	}
	return kt_fail_with(true, err, extra);
}

static void report(const struct kt_invocation *invocation, const struct kt_safe_commit *wish)
{
	struct kt_json *answer = NULL;

	if (!invocation->json && wish->commit == NULL) {
		kt_print("nothing to commit: these files are as %s has them\n", wish->destination);
		return;
	}
	if (!invocation->json) {
		kt_print("committed %.12s on %s, %zu files\n", wish->commit, wish->destination,
			kt_json_size(wish->paths));
		return;
	}
	answer = kt_json_new_object();
	kt_json_set_string(answer, "result", "success");
	kt_json_set_bool(answer, "success", true);
	kt_json_set_bool(answer, "committed", wish->commit != NULL);
	kt_json_set_string(answer, "sha", wish->commit);
	kt_json_set_string(answer, "destination_ref", wish->destination);
	kt_json_set_string(answer, "worktree_root", worktree_of(wish));
	kt_json_set(answer, "files", kt_json_copy(wish->paths));
	if (kt_json_size(wish->expansion) > 0)
		kt_json_set(answer, "expansion", kt_json_copy(wish->expansion));
	kt_print_json(answer);
	kt_json_free(answer);
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_safe_commit wish = {.context = &context,
		.message = kt_invocation_value(invocation, "message"),
		.paths = kt_json_new_array(),
		.expansion = kt_json_new_object()};
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (wish.message == NULL)
		(void)kt_error_set(&err, KT_E_USAGE, "-m MESSAGE is needed");
	if (wish.message == NULL || check(invocation, &wish, &err) != KT_E_OK ||
		kt_safe_commit_make(&wish, &err) != KT_E_OK)
		status = fail(invocation, &wish, &err);
	else
		report(invocation, &wish);
	kt_json_free(wish.paths);
	kt_json_free(wish.expansion);
	kt_json_free(wish.unrecovered);
	free(wish.head);
	free(wish.offending);
	free(wish.commit);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_safe_commit = {
	.summary = "commit exactly these files to exactly this branch",
	.arguments = "FILE... -m MESSAGE --to-branch BRANCH",
	.help = "HEAD must be on the branch, and the branch must not be protected. Folders stand "
		"for the changed\n"
		"files in them; a file that is named is committed even when it is ignored. What "
		"else is staged\n"
		"stays staged, your hooks run, and a hook that refuses leaves everything as it "
		"was.",
	.options = options,
	.max_arguments = KT_ARGUMENTS_MAX,
	.run = run,
};
