/*
 * What is at a worktree's path, and who has a branch checked out: told from files, so that every
 * transaction can afford it; changes in a worktree are git's to tell. Read-only.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/files.h"
#include "supervisor/git/worktree.h"

/* The worktree's folder that a registration names; gives; NULL when it names none. */
static char *registered_path(const char *git_dir)
{
	char *file = kt_format("%s/gitdir", git_dir);
	char *entry = kt_git_file_path(file);
	char *place = NULL, *path = NULL;

	if (entry != NULL) {
		place = kt_path_parent(entry);
		path = kt_git_path_resolve(git_dir, place);
	}
	free(place);
	free(entry);
	free(file);
	return path;
}

static bool is_same_path(const char *left, const char *right)
{
	char *one = kt_git_path_resolve("/", left), *other = kt_git_path_resolve("/", right);
	bool same = strcmp(one, other) == 0;

	free(one);
	free(other);
	return same;
}

/* Calls back for the git dir of each linked worktree until it gives true; gives that git dir. */
static char *find_registration(const struct kt_repository *repo,
	bool (*is_it)(const char *git_dir, const void *arg), const void *arg)
{
	char *folder = kt_format("%s/worktrees", repo->common_dir);
	DIR *entries = opendir(folder);
	struct dirent *entry;
	char *found = NULL;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && found == NULL && (entry = readdir(entries)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		found = kt_format("%s/%s", folder, entry->d_name);
		if (!is_it(found, arg)) {
			free(found);
			found = NULL;
		}
	}
	if (entries != NULL)
		(void)closedir(entries);
	free(folder);
	return found;
}

static bool is_for_path(const char *git_dir, const void *arg)
{
	char *path = registered_path(git_dir);
	bool same = path != NULL && is_same_path(path, arg);

	free(path);
	return same;
}

char *kt_worktree_registration(const struct kt_repository *repo, const char *path)
{
	return find_registration(repo, is_for_path, path);
}

void kt_worktree_inspect(
	const struct kt_repository *repo, const char *path, struct kt_worktree_facts *out)
{
	char *worktrees = kt_format("%s/worktrees/", repo->common_dir);

	*out = (struct kt_worktree_facts){.exists = kt_git_is_folder(path), .state = ""};
	if (out->exists)
		out->git_dir = kt_worktree_git_dir(path);
	if (out->git_dir != NULL && strncmp(out->git_dir, worktrees, strlen(worktrees)) != 0) {
		/* Another repository's, or the primary checkout. */
		free(out->git_dir);
		out->git_dir = NULL;
	}
	if (out->git_dir != NULL) {
		out->is_linked = is_for_path(out->git_dir, path);
		out->head = kt_head_read(out->git_dir);
		out->state = kt_repository_state(out->git_dir);
	}
	free(worktrees);
}

void kt_worktree_facts_release(struct kt_worktree_facts *facts)
{
	free(facts->head);
	free(facts->git_dir);
	facts->head = facts->git_dir = NULL;
}

struct holder {
	const char *ref, *except;
};

/* A rebase or bisect keeps its branch although HEAD is detached meanwhile. */
char *kt_worktree_foreign_lock(const struct kt_worktree_facts *facts)
{
	char *path = facts->git_dir == NULL ? NULL : kt_format("%s/locked", facts->git_dir);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	char *reason = NULL;

	if (path != NULL && kt_file_exists(path) &&
		kt_file_read(path, 4096, &text, &ignored) == KT_E_OK &&
		strncmp(kt_buffer_text(&text), "kitty:", 6) != 0)
		reason = kt_format("the worktree is locked: %.*s",
			(int)strcspn(kt_buffer_text(&text), "\n"), kt_buffer_text(&text));
	kt_buffer_release(&text);
	free(path);
	return reason;
}

static bool holds_branch(const char *git_dir, const char *ref)
{
	static const char *const files[] = {
		"rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"};
	char *head = kt_head_read(git_dir);
	bool found = head != NULL && strcmp(head, ref) == 0;

	free(head);
	for (size_t i = 0; !found && i < sizeof files / sizeof files[0]; i++) {
		char *path = kt_format("%s/%s", git_dir, files[i]);
		char *line = kt_git_file_line(path);

		found = line != NULL &&
			(strcmp(line, ref) == 0 || strcmp(line, ref + strlen("refs/heads/")) == 0);
		free(line);
		free(path);
	}
	return found;
}

static bool is_holder(const char *git_dir, const void *arg)
{
	const struct holder *holder = arg;

	return holds_branch(git_dir, holder->ref) &&
	       (holder->except == NULL || !is_for_path(git_dir, holder->except));
}

char *kt_branch_checked_out_at(
	const struct kt_repository *repo, const char *branch, const char *except)
{
	char *ref = kt_format("refs/heads/%s", branch);
	struct holder holder = {ref, except};
	char *git_dir = NULL, *path = NULL;

	if (holds_branch(repo->common_dir, ref) &&
		(except == NULL || !is_same_path(repo->primary, except)))
		path = kt_strdup(repo->primary);
	else
		git_dir = find_registration(repo, is_holder, &holder);
	if (git_dir != NULL)
		path = registered_path(git_dir);
	free(git_dir);
	free(ref);
	return path;
}

/* Past `fields` blank-separated fields of a porcelain v2 record. */
static const char *skip_fields(const char *record, int fields)
{
	for (; fields > 0 && record != NULL; fields--) {
		record = strchr(record, ' ');
		record = record == NULL ? NULL : record + 1;
	}
	return record;
}

void kt_worktree_changes_parse(const struct kt_buffer *status, struct kt_buffer *paths)
{
	for (size_t at = 0; at < status->len; at += strlen(status->data + at) + 1) {
		const char *record = status->data + at;
		const char *name = record[0] == '?'   ? skip_fields(record, 1)
				   : record[0] == '1' ? skip_fields(record, 8)
				   : record[0] == 'u' ? skip_fields(record, 10)
						      : NULL;

		if (name != NULL && name[0] != '\0')
			kt_buffer_append(paths, name, strlen(name) + 1);
	}
}

enum kt_code kt_worktree_changes(const char *path, struct kt_buffer *paths, struct kt_error *err)
{
	static const char *const args[] = {
		"status", "--porcelain=v2", "-z", "--no-renames", "--untracked-files=all", NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_git_call call = {.cwd = path, .args = args, .out = &out};
	enum kt_code code = kt_git_run(&call, err);

	if (code == KT_E_OK)
		kt_worktree_changes_parse(&out, paths);
	kt_buffer_release(&out);
	return code;
}

/* ---- a removal that was begun ---- */

/* In the registration, with which it goes. */
#define REMOVAL_MARK "kitty-removing"

enum kt_code kt_worktree_removal_begin(const char *registration, struct kt_error *err)
{
	char *mark = kt_path_join(registration, REMOVAL_MARK);
	enum kt_code code = kt_file_write_atomic(mark, "", 0, 0600, false, err);

	free(mark);
	return code;
}

bool kt_worktree_removal_is_begun(const char *path)
{
	char *git_dir = kt_worktree_git_dir(path);
	char *mark = git_dir == NULL ? NULL : kt_path_join(git_dir, REMOVAL_MARK);
	bool is_begun = mark != NULL && kt_file_exists(mark);

	free(mark);
	free(git_dir);
	return is_begun;
}

void kt_worktree_removal_resume(const struct kt_repository *repo, const char *path)
{
	char *registration = kt_worktree_registration(repo, path);
	char *mark = registration == NULL ? NULL : kt_path_join(registration, REMOVAL_MARK);
	char *file = kt_path_join(path, ".git");
	struct kt_error ignored = KT_ERROR_INIT;
	char *text = NULL;

	if (mark != NULL && kt_file_exists(mark) && kt_folder_exists(path) &&
		!kt_file_exists(file)) {
		text = kt_format("gitdir: %s\n", registration);
		/* Without it the folder is refused below, as before. */
		(void)!kt_file_write_atomic(file, text, strlen(text), 0644, false, &ignored);
	}
	free(text);
	free(file);
	free(mark);
	free(registration);
}

enum kt_code kt_worktree_work(const char *path, struct kt_buffer *paths, struct kt_error *err)
{
	struct kt_buffer changes = KT_BUFFER_INIT;
	bool is_begun = kt_worktree_removal_is_begun(path);
	enum kt_code code = kt_worktree_changes(path, &changes, err);

	for (size_t at = 0; code == KT_E_OK && at < changes.len;
		at += strlen(changes.data + at) + 1) {
		char *file = kt_path_join(path, changes.data + at);

		if (!is_begun || kt_file_exists(file))
			kt_buffer_append(paths, changes.data + at, strlen(changes.data + at) + 1);
		free(file);
	}
	kt_buffer_release(&changes);
	return code;
}
