/*
 * The swap through `git update-ref --stdin`, so that a reference-transaction hook has its say: one
 * half starts the child, the other judges what came of it. Whatever git's exit status says, the ref
 * itself decides.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* The commands stand in memory, so nobody has to feed a pipe. */
static enum kt_code open_input(const struct kt_ref_swap *swap, int *fd, struct kt_error *err)
{
	char *text = kt_format("start\nupdate %s %s %s\nprepare\ncommit\n", swap->ref,
		kt_oid_format(swap->new_id).text, kt_oid_format(swap->old_id).text);
	size_t len = strlen(text);

	*fd = memfd_create("kitty-update-ref", MFD_CLOEXEC);
	if (*fd < 0 || pwrite(*fd, text, len, 0) != (ssize_t)len)
		(void)kt_error_sys(err, KT_E_SPAWN_FAILED, errno, "git update-ref's input");
	free(text);
	return err->code;
}

enum kt_code kt_commit_swap_start(const struct kt_repository *repo, const struct kt_ref_swap *swap,
	int output_fd, struct kt_child *out, struct kt_error *err)
{
	const char *const args[] = {"update-ref", "-m",
		swap->reflog_message == NULL ? "kitty" : swap->reflog_message, "--stdin", NULL};
	struct kt_git_call call = {.cwd = repo->primary, .args = args, .profile = KT_GIT_USER};
	struct kt_git_descriptors descriptors = {
		.input = -1, .output = output_fd, .errors = output_fd};
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = open_input(swap, &descriptors.input, &cause);

	if (code == KT_E_OK)
		code = kt_git_start(&call, &descriptors, out, &cause);
	if (descriptors.input >= 0)
		(void)close(descriptors.input);
	if (code != KT_E_OK)
		*err = cause;
	return code;
}

enum kt_code kt_commit_swap_finish(struct kt_store *store, const struct kt_repository *repo,
	const struct kt_ref_swap *swap, const char *output, bool has_timed_out,
	struct kt_error *err)
{
	struct kt_oid now = {{0}};
	enum kt_code code = KT_E_OK;

	if (kt_refs_read(repo->common_dir, swap->ref, &now) && kt_oid_equal(&now, swap->new_id)) {
		code = kt_refs_sync(repo->common_dir, swap->ref, err);
		return code == KT_E_OK ? kt_git_store_settle(store, err) : code;
	}
	if (has_timed_out)
		return kt_error_set(err, KT_E_BOOKKEEPING_COMMIT_FAILED,
			"the reference-transaction hook did not end in time");
	return explain(repo, swap->ref, swap->old_id, output, err);
}

enum kt_code kt_commit_settle(
	const struct kt_repository *repo, const char *ref, struct kt_error *err)
{
	return kt_refs_sync(repo->common_dir, ref, err);
}
