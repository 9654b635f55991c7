/*
 * The swap through `git update-ref --stdin`, so that a reference-transaction hook has its say.
 * Commands and kitty's own helper processes; blocks on the child. Whatever git's exit status says,
 * the ref itself decides.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "supervisor/git/commit.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/git_store.h"
#include "supervisor/git/refs.h"

/* git failed or was killed: tell a lost race and a held lock from a refusal. */
static enum kt_code explain(const struct kt_repository *repo, const char *ref,
	const struct kt_oid *old_id, const char *output, struct kt_error *err)
{
	struct kt_oid now = {{0}};
	bool exists = kt_refs_read(repo->common_dir, ref, &now);

	if (!kt_oid_equal(&now, old_id))
		return kt_error_set(err, KT_E_REF_MOVED, "%s is at %s", ref,
			exists ? kt_oid_format(&now).text : "no commit");
	if (strstr(output, ".lock") != NULL && strstr(output, "File exists") != NULL)
		return kt_error_set(err, KT_E_REF_LOCKED, "%.300s", output);
	return kt_error_set(err, KT_E_BOOKKEEPING_COMMIT_FAILED,
		"the reference-transaction hook refused: %.400s", output);
}

static enum kt_code run_update(const struct kt_repository *repo, const char *message,
	const struct kt_buffer *input, int timeout_ms, struct kt_buffer *output,
	struct kt_error *err)
{
	const char *const args[] = {"update-ref", "-m", message, "--stdin", NULL};
	int exit_code = 0;
	struct kt_git_call call = {.cwd = repo->primary,
		.args = args,
		.profile = KT_GIT_USER,
		.input = input->data,
		.input_len = input->len,
		.errors = output,
		.exit_code = &exit_code,
		.timeout_ms = timeout_ms == 0 ? KT_HOOK_TIMEOUT_MS : timeout_ms};
	enum kt_code code = kt_git_run(&call, err);

	if (code == KT_E_OK && exit_code != 0)
		code = KT_E_GIT_FAILED;
	return code;
}

/* kt_commit_swap and what the child needs. NOLINTNEXTLINE(readability-function-size) */
enum kt_code kt_commit_swap_with_hook(struct kt_store *store, const struct kt_repository *repo,
	const char *ref, const struct kt_oid *old_id, const struct kt_oid *new_id,
	const char *reflog_message, int timeout_ms, struct kt_error *err)
{
	struct kt_buffer input = KT_BUFFER_INIT, output = KT_BUFFER_INIT;
	struct kt_error cause = KT_ERROR_INIT;
	struct kt_oid now = {{0}};
	enum kt_code code;

	kt_buffer_printf(&input, "start\nupdate %s %s %s\nprepare\ncommit\n", ref,
		kt_oid_format(new_id).text, kt_oid_format(old_id).text);
	code = run_update(repo, reflog_message == NULL ? "kitty" : reflog_message, &input,
		timeout_ms, &output, &cause);
	if (kt_refs_read(repo->common_dir, ref, &now) && kt_oid_equal(&now, new_id)) {
		code = kt_refs_sync(repo->common_dir, ref, err);
		if (code == KT_E_OK)
			code = kt_git_store_settle(store, err);
	} else if (code == KT_E_TIMEOUT) {
		code = kt_error_set(err, KT_E_BOOKKEEPING_COMMIT_FAILED,
			"the reference-transaction hook did not end in time");
	} else {
		code = explain(repo, ref, old_id,
			output.len > 0 ? kt_buffer_text(&output) : cause.detail, err);
	}
	kt_buffer_release(&input);
	kt_buffer_release(&output);
	return code;
}
