/*
 * The paths of safe-commit: from what was typed to paths of the worktree, and the git call that
 * both halves share. Process: a command. Must never write.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/cli/safe_commit.h"
#include "supervisor/git/environment.h"

enum kt_code kt_safe_commit_git(const struct kt_safe_commit *wish, const char *const *args,
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

bool kt_safe_commit_has_path(const struct kt_json *paths, const char *path)
{
	for (const struct kt_json *p = kt_json_first(paths); p != NULL; p = kt_json_next(p))
		if (strcmp(kt_json_string(p), path) == 0)
			return true;
	return false;
}

static void path_add(struct kt_safe_commit *wish, const char *path)
{
	if (!kt_safe_commit_has_path(wish->paths, path))
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
	enum kt_code code = kt_safe_commit_git(wish, args, NULL, NULL, &out, err);

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
	enum kt_code code = kt_safe_commit_git(wish, args, NULL, NULL, &out, err);

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
