/*
 * The coordination worktree brought to its branch's tip after a sync that was killed in the middle.
 * git leaves the files it had begun then, and refuses them afterwards as somebody's; a file that is
 * the beginning of what the tip holds is nobody's. Runs in the helper `kitty internal
 * coordination-sync`, under the mission's lock, which its parent holds. Must never take away a byte
 * that is not on the branch.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/index.h"
#include "supervisor/git/store.h"
#include "supervisor/lane_ops.h"

#define FILE_MAX (1U << 30)

static bool is_beginning(const struct kt_buffer *file, const struct kt_buffer *blob)
{
	return file->len <= blob->len &&
	       memcmp(kt_buffer_text(file), kt_buffer_text(blob), file->len) == 0;
}

static enum kt_code path_clear(struct kt_store *store, const char *worktree,
	const struct kt_oid *tip, const char *path, struct kt_error *err)
{
	char *full = kt_path_join(worktree, path);
	struct kt_buffer file = KT_BUFFER_INIT, blob = KT_BUFFER_INIT;
	struct kt_error unreadable = KT_ERROR_INIT;
	bool found = false;
	enum kt_code code = KT_E_OK;

	if (kt_file_read(full, FILE_MAX, &file, &unreadable) == KT_E_OK) {
		code = kt_store_blob_read(store, tip, path, &found, NULL, &blob, err);
		if (code == KT_E_OK && found && is_beginning(&file, &blob) && unlink(full) != 0)
			code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%s", full);
	}
	kt_buffer_release(&file);
	kt_buffer_release(&blob);
	free(full);
	return code;
}

static enum kt_code changes_list(const struct kt_repository *repo, const char *from, const char *to,
	struct kt_buffer *out, struct kt_error *err)
{
	const char *const args[] = {
		"diff-tree", "-r", "-z", "--no-renames", "--name-only", from, to, NULL};
	struct kt_git_call call = {.cwd = repo->primary, .args = args, .out = out};

	return kt_git_run(&call, err);
}

/* What was cleared although the index had it from the tip already: two trees do not bring it back.
 */
static enum kt_code files_restore(
	const char *worktree, const struct kt_buffer *paths, struct kt_error *err)
{
	static const char *const args[] = {"checkout-index", "-q", "-u", "-z", "--stdin", NULL};
	int ignored = 0; /* paths that the tip does not have any more */
	struct kt_git_call call = {.cwd = worktree,
		.args = args,
		.input = paths->data,
		.input_len = paths->len,
		.exit_code = &ignored};

	return paths->len == 0 ? KT_E_OK : kt_git_run(&call, err);
}

enum kt_code kt_coordination_sync(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *since, struct kt_error *err)
{
	struct kt_store *store = NULL;
	struct kt_buffer paths = KT_BUFFER_INIT;
	struct kt_oid tip = {{0}}, from = {{0}};
	struct kt_oid_text to = {{0}};
	enum kt_code code = kt_store_open(repo, &store, err);

	if (code == KT_E_OK)
		code = kt_store_ref_read(store, mission->coordination_ref, &tip, err);
	to = kt_oid_format(&tip);
	if (code == KT_E_OK)
		code = changes_list(repo, since, to.text, &paths, err);
	for (size_t at = 0; code == KT_E_OK && at < paths.len; at += strlen(paths.data + at) + 1)
		code = path_clear(store, mission->coord_worktree, &tip, paths.data + at, err);
	if (code == KT_E_OK && !kt_oid_parse(since, &from))
		code = kt_error_set(err, KT_E_INVALID_ARGUMENT, "--since %s", since);
	/* This one compares contents: a worktree that was copied here has other stat data. */
	if (code == KT_E_OK)
		code = kt_worktree_sync(mission->coord_worktree, &from, &tip, err);
	if (code == KT_E_OK)
		code = files_restore(mission->coord_worktree, &paths, err);
	kt_buffer_release(&paths);
	kt_store_close(store);
	return code;
}
