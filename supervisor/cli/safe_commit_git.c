/*
 * The git half of safe-commit. Process: a command. The commit is made by `git commit` with an index
 * of its own (the branch's tree plus the declared paths), so that hooks run as always and the
 * user's index is read by nobody and written only for the declared paths, after the commit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/cli/safe_commit.h"
#include "supervisor/git/environment.h"

static enum kt_code git(const struct kt_safe_commit *wish, const char *const *args,
	const char *index, const struct kt_buffer *input, struct kt_buffer *out,
	struct kt_error *err)
{
	char *variable = index == NULL ? NULL : kt_format("GIT_INDEX_FILE=%s", index);
	const char *const environment[] = {variable, NULL};
	struct kt_git_call call = {.cwd = wish->context->repo->worktree,
		.args = args,
		.extra_env = environment,
		.input = input == NULL ? NULL : input->data,
		.input_len = input == NULL ? 0 : input->len,
		.out = out};
	enum kt_code code = kt_git_run(&call, err);

	free(variable);
	return code;
}

/* ---- paths ---- */

static bool has_path(const struct kt_json *paths, const char *path)
{
	for (const struct kt_json *p = kt_json_first(paths); p != NULL; p = kt_json_next(p))
		if (strcmp(kt_json_string(p), path) == 0)
			return true;
	return false;
}

static void path_add(struct kt_safe_commit *wish, const char *path)
{
	if (!has_path(wish->paths, path))
		kt_json_append(wish->paths, kt_json_new_string(path));
}

/* Drops the last component; false: there is none, the path leads out. */
static bool component_drop(struct kt_buffer *path)
{
	const char *slash = path->len == 0 ? NULL : strrchr(kt_buffer_text(path), '/');

	if (path->len == 0)
		return false;
	path->len = slash == NULL ? 0 : (size_t)(slash - path->data);
	path->data[path->len] = '\0';
	return true;
}

/* Lexical: "a/./b/../c" becomes "a/c". NULL: it leads out. Gives. */
static char *path_normal(const char *path)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	bool is_inside = true;

	while (*path != '\0' && is_inside) {
		size_t len = strcspn(path, "/");
		bool is_here = len == 0 || (len == 1 && path[0] == '.');

		if (len == 2 && strncmp(path, "..", 2) == 0)
			is_inside = component_drop(&out);
		else if (!is_here)
			kt_buffer_printf(&out, "%s%.*s", out.len > 0 ? "/" : "", (int)len, path);
		path += len;
		path += *path == '/';
	}
	if (is_inside)
		return kt_buffer_take(&out);
	kt_buffer_release(&out);
	return NULL;
}

/* As given, from the current folder, to relative to the worktree's top; NULL: outside. Gives. */
static char *path_relative(const struct kt_safe_commit *wish, const char *given)
{
	const char *top = wish->context->repo->worktree;
	char *absolute = kt_path_join(wish->context->cwd, given);
	char *normal = path_normal(absolute);
	char *relative = NULL;
	size_t len = strlen(top) - 1; /* both without the leading slash */

	if (normal != NULL && strncmp(normal, top + 1, len) == 0 &&
		(normal[len] == '/' || normal[len] == '\0'))
		relative = kt_strdup(normal[len] == '/' ? normal + len + 1 : "");
	free(normal);
	free(absolute);
	return relative;
}

static enum kt_code policy_refuse(
	struct kt_safe_commit *wish, const char *given, const char *why, struct kt_error *err)
{
	free(wish->offending);
	wish->offending = kt_strdup(given);
	return kt_error_set(err, KT_E_SAFE_COMMIT_PATH_POLICY, "%.200s %s", given, why);
}

static bool begins_with(const char *path, const char *component)
{
	size_t len = strlen(component);

	return strncmp(path, component, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Changed and untracked files below a folder, ignored ones not. */
static enum kt_code folder_expand(
	struct kt_safe_commit *wish, const char *folder, struct kt_error *err)
{
	const char *const args[] = {"status", "--porcelain=v1", "-z", "--no-renames",
		"--untracked-files=all", "--", folder[0] == '\0' ? "." : folder, NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_json *files = kt_json_new_array();
	enum kt_code code = git(wish, args, NULL, NULL, &out, err);

	for (size_t at = 0; code == KT_E_OK && at + 3 < out.len; at += strlen(out.data + at) + 1) {
		const char *path = out.data + at + 3;

		if (begins_with(path, ".worktrees"))
			continue;
		path_add(wish, path);
		kt_json_append(files, kt_json_new_string(path));
	}
	kt_json_set(wish->expansion, folder[0] == '\0' ? "." : folder, files);
	kt_buffer_release(&out);
	return code;
}

/* A file that is not there must be one that the branch has: its deletion is committed. */
static enum kt_code absent_check(
	struct kt_safe_commit *wish, const char *path, struct kt_error *err)
{
	const char *const args[] = {"ls-tree", "-z", "--name-only", "HEAD", "--", path, NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	enum kt_code code = git(wish, args, NULL, NULL, &out, err);

	if (code == KT_E_OK && out.len == 0)
		code = kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"%.200s: no such file, and %s has none", path, wish->destination);
	kt_buffer_release(&out);
	return code;
}

static enum kt_code path_take(struct kt_safe_commit *wish, const char *given, struct kt_error *err)
{
	char *path = path_relative(wish, given);
	char *absolute = NULL;
	struct stat facts;
	enum kt_code code = KT_E_OK;

	if (path == NULL)
		return policy_refuse(wish, given, "is outside of the worktree", err);
	absolute = kt_path_join(wish->context->repo->worktree, path);
	if (begins_with(path, ".worktrees"))
		code = policy_refuse(wish, given, "is below .worktrees", err);
	else if (begins_with(path, ".git"))
		code = policy_refuse(wish, given, "is git's own", err);
	else if (lstat(absolute, &facts) == 0 && S_ISDIR(facts.st_mode))
		code = folder_expand(wish, path, err);
	else if (lstat(absolute, &facts) != 0)
		code = absent_check(wish, path, err);
	if (code == KT_E_OK && !(lstat(absolute, &facts) == 0 && S_ISDIR(facts.st_mode)))
		path_add(wish, path);
	free(absolute);
	free(path);
	return code;
}

enum kt_code kt_safe_commit_paths(struct kt_safe_commit *wish, const char *const *given,
	size_t given_len, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; i < given_len && code == KT_E_OK; i++)
		code = path_take(wish, given[i], err);
	return code;
}

/* ---- the commit ---- */

/* The branch's tree, then the declared paths as they lie there. */
static enum kt_code index_build(
	const struct kt_safe_commit *wish, const char *index, struct kt_error *err)
{
	static const char *const read[] = {"read-tree", "HEAD", NULL};
	static const char *const update[] = {
		"update-index", "-z", "--add", "--remove", "--stdin", NULL};
	struct kt_buffer paths = KT_BUFFER_INIT;
	enum kt_code code = git(wish, read, index, NULL, NULL, err);

	for (const struct kt_json *p = kt_json_first(wish->paths); p != NULL; p = kt_json_next(p))
		kt_buffer_append(&paths, kt_json_string(p), strlen(kt_json_string(p)) + 1);
	/* Ignored files, too: update-index knows no ignore rules. */
	if (code == KT_E_OK && paths.len > 0)
		code = git(wish, update, index, &paths, NULL, err);
	kt_buffer_release(&paths);
	return code;
}

/* Paths that differ between two trees (or a tree and the index), all of them declared. */
static enum kt_code backstop_check(const struct kt_safe_commit *wish, const char *const *args,
	const char *index, size_t *changes, struct kt_error *err)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	enum kt_code code = git(wish, args, index, NULL, &out, err);

	*changes = 0;
	for (size_t at = 0; code == KT_E_OK && at < out.len; at += strlen(out.data + at) + 1) {
		(*changes)++;
		if (!has_path(wish->paths, out.data + at))
			code = kt_error_set(
				err, KT_E_SAFE_COMMIT_BACKSTOP, "%.300s", out.data + at);
	}
	kt_buffer_release(&out);
	return code;
}

static enum kt_code head_id(const struct kt_safe_commit *wish, char **out, struct kt_error *err)
{
	static const char *const args[] = {"rev-parse", "--verify", "HEAD^{commit}", NULL};
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = git(wish, args, NULL, NULL, &text, err);

	if (code == KT_E_OK)
		*out = kt_strndup(kt_buffer_text(&text), strcspn(kt_buffer_text(&text), "\n"));
	kt_buffer_release(&text);
	return code;
}

/* In the user's own environment, as the user would: with hooks, without a signature. */
static enum kt_code commit_run(
	const struct kt_safe_commit *wish, const char *index, struct kt_error *err)
{
	const char *const args[] = {
		"commit", "--quiet", "--no-gpg-sign", "-m", wish->message, NULL};
	char *variable = kt_format("GIT_INDEX_FILE=%s", index);
	const char *const environment[] = {variable, NULL};
	struct kt_buffer out = KT_BUFFER_INIT, errors = KT_BUFFER_INIT;
	int status = 0;
	struct kt_git_call call = {.cwd = wish->context->repo->worktree,
		.args = args,
		.profile = KT_GIT_USER,
		.extra_env = environment,
		.out = &out,
		.errors = &errors,
		.exit_code = &status};
	enum kt_code code = kt_git_run(&call, err);

	if (code == KT_E_OK && status != 0)
		code = kt_error_set(err, KT_E_GIT_FAILED, "git commit: exit status %d: %.300s",
			status, errors.len > 0 ? kt_buffer_text(&errors) : kt_buffer_text(&out));
	kt_buffer_release(&out);
	kt_buffer_release(&errors);
	free(variable);
	return code;
}

/* A hook that staged more than was declared does not get it committed. */
static enum kt_code result_check(
	const struct kt_safe_commit *wish, const char *before, struct kt_error *err)
{
	const char *const args[] = {
		"diff-tree", "-r", "-z", "--name-only", "--no-renames", before, wish->commit, NULL};
	const char *const undo[] = {"update-ref", "-m", "kitty safe-commit: taken back", wish->head,
		before, wish->commit, NULL};
	struct kt_error ignored = KT_ERROR_INIT;
	size_t changes = 0;
	enum kt_code code = backstop_check(wish, args, NULL, &changes, err);

	if (code == KT_E_SAFE_COMMIT_BACKSTOP &&
		git(wish, undo, NULL, NULL, NULL, &ignored) != KT_E_OK)
		kt_error_next(err, "git reset --soft %.12s", before);
	return code;
}

/* The declared paths in the user's index become what was committed; nothing else is written. */
static enum kt_code index_follow(struct kt_safe_commit *wish, struct kt_error *err)
{
	static const char *const update[] = {"update-index", "-z", "--index-info", NULL};
	struct kt_buffer lines = KT_BUFFER_INIT;
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	for (const struct kt_json *p = kt_json_first(wish->paths); p != NULL && code == KT_E_OK;
		p = kt_json_next(p)) {
		const char *const tree[] = {"ls-tree", "-z", "HEAD", "--", kt_json_string(p), NULL};

		/* Mode 0 first: also a path that was in conflict is one entry afterwards. */
		kt_buffer_printf(&lines, "0 %040d\t%s", 0, kt_json_string(p));
		kt_buffer_putc(&lines, '\0');
		code = git(wish, tree, NULL, NULL, &lines, &cause);
	}
	if (code == KT_E_OK && lines.len > 0)
		code = git(wish, update, NULL, &lines, NULL, &cause);
	kt_buffer_release(&lines);
	if (code == KT_E_OK)
		return KT_E_OK;
	wish->unrecovered = kt_json_copy(wish->paths);
	(void)kt_error_set(err, KT_E_SAFE_COMMIT_RECOVERY_FAILED,
		"committed %.12s, but the index does not know it yet: %s", wish->commit,
		cause.detail);
	kt_error_next(err, "git reset -q -- the files named above");
	return KT_E_SAFE_COMMIT_RECOVERY_FAILED;
}

static enum kt_code commit_with(
	struct kt_safe_commit *wish, const char *index, const char *before, struct kt_error *err)
{
	static const char *const staged[] = {
		"diff-index", "--cached", "-z", "--name-only", "--no-renames", "HEAD", NULL};
	size_t changes = 0;
	char *after = NULL;
	enum kt_code code = index_build(wish, index, err);

	if (code == KT_E_OK)
		code = backstop_check(wish, staged, index, &changes, err);
	if (code != KT_E_OK || changes == 0)
		return code;
	code = commit_run(wish, index, err);
	if (code == KT_E_OK)
		code = head_id(wish, &after, err);
	if (code == KT_E_OK && strcmp(after, before) == 0)
		code = kt_error_set(err, KT_E_GIT_FAILED, "git made no commit");
	if (code != KT_E_OK) {
		free(after);
		return code;
	}
	wish->commit = after;
	code = result_check(wish, before, err);
	if (code == KT_E_OK)
		return index_follow(wish, err);
	free(wish->commit);
	wish->commit = NULL;
	return code;
}

enum kt_code kt_safe_commit_make(struct kt_safe_commit *wish, struct kt_error *err)
{
	/* In the git folder of this worktree: on its file system, and nobody commits it. */
	char *index = kt_format(
		"%s/kitty-safe-commit-%ld.index", wish->context->repo->git_dir, (long)getpid());
	char *before = NULL;
	enum kt_code code = head_id(wish, &before, err);

	if (code == KT_E_OK)
		code = commit_with(wish, index, before, err);
	(void)unlink(index);
	free(before);
	free(index);
	return code;
}
