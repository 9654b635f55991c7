/*
 * kitty merge --interactive: a worktree of its own with the conflict, left and resumed at will, and
 * the resolution that comes out of it, a merge commit. Runs in the command. Must never touch the
 * user's checkouts, nor take a file with conflict marks for a resolution.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/child.h"
#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/worktree.h"
#include "supervisor/merge_private.h"

enum { DAY_MS = 86400000 };

static char *scratch_path(const struct kt_mission *mission)
{
	return kt_path_join(mission->run_dir, "merge-scratch");
}

static char *resolution_ref(const struct kt_mission *mission, const char *key)
{
	return kt_format("refs/kitty/merge/%s/%s", mission->slug, key);
}

void kt_merge_scratch_drop(const struct kt_repository *repo, const struct kt_mission *mission)
{
	char *path = scratch_path(mission);
	struct kt_error ignored = KT_ERROR_INIT;

	(void)!kt_worktree_remove(repo, path, true, &ignored);
	free(path);
}

/* ---- opening ---- */

static enum kt_code in_scratch(
	const char *path, const char *const *args, char **out, int *exit_code, struct kt_error *err)
{
	struct kt_git_place place = {.cwd = kt_strdup(path)};
	enum kt_code code = kt_git_text(&place, args, out, exit_code, err);

	free(place.cwd);
	return code;
}

static enum kt_code add_worktree(const struct kt_merge_run *run, const char *path,
	const struct kt_oid *ours, const struct kt_oid *theirs, struct kt_error *err)
{
	struct kt_oid_text own = kt_oid_format(ours), other = kt_oid_format(theirs);
	const char *add[] = {"worktree", "add", "-q", "--detach", path, own.text, NULL};
	const char *merge[] = {"merge", "--no-ff", "--no-commit", "-q", other.text, NULL};
	int exit_code = 0;
	int lock = -1;
	enum kt_code code = kt_repository_lock(run->options->repo, 30000, &lock, err);

	if (code != KT_E_OK)
		return code;
	code = kt_git_text(&run->place, add, NULL, NULL, err);
	kt_repository_unlock(lock);
	/* Exit status 1: the conflict that we came for. */
	return code == KT_E_OK ? in_scratch(path, merge, NULL, &exit_code, err) : code;
}

static char *unmerged(const char *path)
{
	const char *args[] = {"diff", "--name-only", "--diff-filter=U", NULL};
	struct kt_error ignored = KT_ERROR_INIT;
	char *files = NULL;

	return in_scratch(path, args, &files, NULL, &ignored) == KT_E_OK ? files : NULL;
}

/* The user's own tool on the user's own terminal. */
static void run_tool(const char *path)
{
	static const char script[] =
		"if git config merge.tool >/dev/null; then exec git mergetool; fi\n"
		"git diff --name-only --diff-filter=U -z | xargs -0 -o sh -c "
		"'eval \"$(git var GIT_EDITOR) \\\"\\$@\\\"\"' sh\n"
		"git diff --name-only --diff-filter=U -z | xargs -0 grep -L '^<<<<<<< ' -- | "
		"while IFS= read -r f; do git add -- \"$f\"; done\n";
	const char *argv[] = {"sh", "-c", script, NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_child_status status = {0};
	struct kt_child child = KT_CHILD_INIT;
	const char *editor = getenv("GIT_EDITOR"); /* NOLINT(concurrency-mt-unsafe): no threads */
	char *variable = editor == NULL ? NULL : kt_format("GIT_EDITOR=%s", editor);
	const char *extra[] = {variable, NULL};
	char **environment = kt_git_environment(KT_GIT_USER, extra);
	struct kt_error ignored = KT_ERROR_INIT;

	spec.path = "sh";
	spec.argv = argv;
	spec.envp = (const char *const *)environment;
	spec.cwd = path;
	spec.stdin_fd = STDIN_FILENO;
	spec.stdout_fd = STDERR_FILENO;
	spec.stderr_fd = STDERR_FILENO;
	if (kt_child_start(&spec, &child, &ignored) == KT_E_OK) {
		kt_child_wait(&child, DAY_MS, &status);
		kt_child_release(&child);
	}
	kt_environment_free(environment);
	free(variable);
}

static void remember(struct kt_merge_run *run, const char *key, const struct kt_oid *ours,
	const struct kt_oid *theirs)
{
	struct kt_json *scratch = kt_json_new_object();

	kt_json_set_string(scratch, "key", key);
	kt_json_set_string(scratch, "ours", kt_oid_format(ours).text);
	kt_json_set_string(scratch, "theirs", kt_oid_format(theirs).text);
	if (run->state == NULL)
		run->state = kt_json_new_object();
	kt_json_set(run->state, "scratch", scratch);
}

enum kt_code kt_merge_scratch_open(struct kt_merge_run *run, const char *key,
	const struct kt_oid *ours, const struct kt_oid *theirs, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	char *path = scratch_path(mission), *files = NULL;
	enum kt_code code = KT_E_OK;

	kt_merge_scratch_drop(run->options->repo, mission);
	remember(run, key, ours, theirs);
	code = kt_merge_state_save(run, err);
	if (code == KT_E_OK)
		code = add_worktree(run, path, ours, theirs, err);
	if (code == KT_E_OK && isatty(STDIN_FILENO))
		run_tool(path);
	if (code == KT_E_OK) {
		files = unmerged(path);
		kt_json_set_string(run->report, "scratch", path);
		code = kt_error_set(err, KT_E_MERGE_CONFLICT, "%s%.300s",
			files == NULL || files[0] == '\0' ? "resolved; "
							  : "the conflict stands in ",
			path);
		kt_error_next(err,
			"resolve and git add there, then: kitty merge --mission %s --resume",
			mission->slug);
	}
	free(files);
	free(path);
	return code;
}

/* ---- finishing ---- */

/* Commits what was resolved, if the person has not done so; *out is the merge. */
static enum kt_code finish_commit(const struct kt_merge_run *run, const char *path,
	const struct kt_json *scratch, struct kt_oid *out, struct kt_error *err)
{
	const char *commit[] = {"commit", "-q", "--no-edit", NULL};
	const char *head[] = {"rev-parse", "HEAD", NULL};
	char *git_dir = kt_worktree_git_dir(path), *text = NULL;
	struct kt_oid ours = {{0}}, theirs = {{0}};
	bool has_ours = false, has_theirs = false;
	enum kt_code code = KT_E_OK;

	if (git_dir != NULL && strcmp(kt_repository_state(git_dir), "merge") == 0)
		code = in_scratch(path, commit, NULL, NULL, err);
	if (code == KT_E_OK)
		code = in_scratch(path, head, &text, NULL, err);
	if (code == KT_E_OK && kt_oid_parse(text, out) &&
		kt_oid_parse(kt_json_get_string(scratch, "ours"), &ours) &&
		kt_oid_parse(kt_json_get_string(scratch, "theirs"), &theirs)) {
		code = kt_git_is_ancestor(&run->place, &ours, out, &has_ours, err);
		if (code == KT_E_OK)
			code = kt_git_is_ancestor(&run->place, &theirs, out, &has_theirs, err);
	}
	if (code == KT_E_OK && (!has_ours || !has_theirs))
		code = kt_error_set(err, KT_E_MERGE_CONFLICT,
			"%.300s holds no merge of both sides any more", path);
	free(git_dir);
	free(text);
	return code;
}

static void resolution_note(
	struct kt_merge_run *run, const struct kt_json *scratch, const struct kt_oid *commit)
{
	struct kt_json *row = kt_json_copy(scratch), *all = kt_json_get(run->state, "resolutions");

	if (all == NULL) {
		all = kt_json_new_object();
		kt_json_set(run->state, "resolutions", all);
	}
	kt_json_set_string(row, "commit", kt_oid_format(commit).text);
	kt_json_set(all, kt_json_get_string(scratch, "key"), row);
}

static enum kt_code keep_resolution(struct kt_merge_run *run, const struct kt_json *scratch,
	const struct kt_oid *commit, struct kt_error *err)
{
	char *ref = resolution_ref(run->options->mission, kt_json_get_string(scratch, "key"));
	struct kt_oid_text text = kt_oid_format(commit);
	const char *args[] = {"update-ref", ref, text.text, NULL};
	enum kt_code code = kt_git_text(&run->place, args, NULL, NULL, err);

	resolution_note(run, scratch, commit);
	kt_json_remove(run->state, "scratch");
	free(ref);
	return code == KT_E_OK ? kt_merge_state_save(run, err) : code;
}

static enum kt_code resolved_check(
	const struct kt_mission *mission, const char *path, struct kt_error *err)
{
	char *files = unmerged(path);
	enum kt_code code = KT_E_OK;

	if (files == NULL || files[0] != '\0') {
		code = kt_error_set(err, KT_E_MERGE_CONFLICT, "not resolved yet in %s: %.200s",
			path, files == NULL ? "?" : files);
		kt_error_next(err,
			"resolve and git add there, then: kitty merge --mission %s --resume; or "
			"--abort",
			mission->slug);
	}
	free(files);
	return code;
}

/* What finish_commit would make of it, in the dry run's own object store: no hook, no ref. */
static enum kt_code foresee_commit(struct kt_merge_run *run, const char *path,
	const struct kt_json *scratch, struct kt_oid *out, struct kt_error *err)
{
	struct kt_git_place there = run->place;
	const char *write_tree[] = {"write-tree", NULL};
	struct kt_oid parents[2] = {{{0}}}, tree = {{0}};
	struct kt_git_commit_wish wish = {.tree = &tree,
		.parents = parents,
		.parents_len = 2,
		.message = "predicted resolution\n"};
	char *text = NULL;
	enum kt_code code = KT_E_OK;

	there.cwd = kt_strdup(path);
	code = kt_git_text(&there, write_tree, &text, NULL, err);
	if (code == KT_E_OK && kt_oid_parse(text, &tree) &&
		kt_oid_parse(kt_json_get_string(scratch, "ours"), &parents[0]) &&
		kt_oid_parse(kt_json_get_string(scratch, "theirs"), &parents[1]))
		code = kt_git_commit(&run->place, &wish, out, err);
	free(there.cwd);
	free(text);
	return code;
}

enum kt_code kt_merge_scratch_foresee(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	const struct kt_json *scratch = kt_json_get(run->state, "scratch");
	char *path = scratch_path(mission), *git_dir = NULL;
	struct kt_oid commit = {{0}};
	enum kt_code code = KT_E_OK;

	if (scratch == NULL || !kt_folder_exists(path))
		goto out;
	code = resolved_check(mission, path, err);
	if (code != KT_E_OK)
		goto out;
	git_dir = kt_worktree_git_dir(path);
	if (git_dir != NULL && strcmp(kt_repository_state(git_dir), "merge") == 0)
		code = foresee_commit(run, path, scratch, &commit, err);
	else
		code = finish_commit(run, path, scratch, &commit, err);
	if (code == KT_E_OK)
		resolution_note(run, scratch, &commit);
out:
	free(git_dir);
	free(path);
	return code;
}

enum kt_code kt_merge_scratch_finish(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	const struct kt_json *open = kt_json_get(run->state, "scratch");
	struct kt_json *scratch = open == NULL ? NULL : kt_json_copy(open);
	char *path = scratch_path(mission);
	struct kt_oid commit = {{0}};
	enum kt_code code = KT_E_OK;

	if (scratch == NULL || !kt_folder_exists(path))
		goto out;
	code = resolved_check(mission, path, err);
	if (code == KT_E_OK)
		code = finish_commit(run, path, scratch, &commit, err);
	if (code == KT_E_OK)
		code = keep_resolution(run, scratch, &commit, err);
	if (code == KT_E_OK)
		kt_merge_scratch_drop(run->options->repo, mission);
out:
	kt_json_free(scratch);
	free(path);
	return code;
}

bool kt_merge_resolution(struct kt_merge_run *run, const char *key, const struct kt_oid *ours,
	const struct kt_oid *theirs, struct kt_oid *out)
{
	const struct kt_json *row = kt_json_get(kt_json_get(run->state, "resolutions"), key);
	const char *commit = kt_json_get_string(row, "commit");

	if (commit == NULL ||
		strcmp(kt_json_get_string(row, "ours"), kt_oid_format(ours).text) != 0 ||
		(theirs != NULL &&
			strcmp(kt_json_get_string(row, "theirs"), kt_oid_format(theirs).text) != 0))
		return false;
	return kt_oid_parse(commit, out);
}
