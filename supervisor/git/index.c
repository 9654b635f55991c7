/*
 * The coordination worktree's index: some entries brought to new blobs, the rest kept. libgit2
 * where it can read the file, git where it cannot. Supervisor and commands, under the mission's
 * lock. Must never build a tree from an index, nor write one while another process holds its lock.
 */
#include "supervisor/git/index.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <git2.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/file.h"
#include "ipc/patience.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/files.h"
#include "supervisor/git/hooks.h"
#include "supervisor/git/libgit2_start.h"
#include "supervisor/git/tree.h"

#define PATIENCE_MS 2000

/* One index file and the worktree it describes. */
struct target {
	const char *worktree;
	char *path;     /* of the index file */
	char *variable; /* GIT_INDEX_FILE=path, for git */
	const struct kt_index_entry *entries;
	size_t len;
};

static enum kt_code target_init(struct target *target, const char *worktree, struct kt_error *err)
{
	char *git_dir = kt_worktree_git_dir(worktree);

	if (git_dir == NULL)
		return kt_error_set(err, KT_E_GIT_FAILED, "%s is no worktree", worktree);
	target->worktree = worktree;
	target->path = kt_format("%s/index", git_dir);
	target->variable = kt_format("GIT_INDEX_FILE=%s", target->path);
	free(git_dir);
	return KT_E_OK;
}

static void target_release(struct target *target)
{
	free(target->path);
	free(target->variable);
}

static void put_facts(git_index_entry *entry, const struct stat *facts)
{
	entry->ctime.seconds = (int32_t)facts->st_ctim.tv_sec;
	entry->ctime.nanoseconds = (uint32_t)facts->st_ctim.tv_nsec;
	entry->mtime.seconds = (int32_t)facts->st_mtim.tv_sec;
	entry->mtime.nanoseconds = (uint32_t)facts->st_mtim.tv_nsec;
	entry->dev = (uint32_t)facts->st_dev;
	entry->ino = (uint32_t)facts->st_ino;
	entry->uid = (uint32_t)facts->st_uid;
	entry->gid = (uint32_t)facts->st_gid;
	entry->file_size = (uint32_t)facts->st_size;
}

/* Puts one blob, keeping the entry's mode and flags where there is one. */
static bool put_entry(git_index *index, const char *worktree, const struct kt_index_entry *wanted)
{
	const git_index_entry *present = git_index_get_bypath(index, wanted->path, 0);
	git_index_entry entry = {.mode = KT_MODE_FILE};
	char *path = kt_format("%s/%s", worktree, wanted->path);
	struct stat facts = {0};

	if (present != NULL)
		entry = *present;
	if (lstat(path, &facts) < 0)
		facts = (struct stat){0};
	put_facts(&entry, &facts);
	memcpy(entry.id.id, wanted->blob.bytes, sizeof entry.id.id);
	entry.path = wanted->path;
	free(path);
	return git_index_add(index, &entry) == 0;
}

enum kt_index_outcome { KT_INDEX_DONE, KT_INDEX_LOCKED, KT_INDEX_UNREADABLE, KT_INDEX_FAILED };

static enum kt_index_outcome update_with_libgit2(const struct target *target, struct kt_error *err)
{
	git_index *index = NULL;
	enum kt_index_outcome outcome = KT_INDEX_DONE;
	int result;

	kt_libgit2_start();
	if (git_index_open(&index, target->path) < 0 || git_index_read(index, 1) < 0) {
		git_index_free(index);
		return KT_INDEX_UNREADABLE;
	}
	for (size_t i = 0; outcome == KT_INDEX_DONE && i < target->len; i++)
		if (!put_entry(index, target->worktree, &target->entries[i]))
			outcome = KT_INDEX_FAILED;
	result = outcome == KT_INDEX_DONE ? git_index_write(index) : 0;
	if (result == GIT_ELOCKED)
		outcome = KT_INDEX_LOCKED;
	else if (result < 0)
		outcome = KT_INDEX_FAILED;
	if (outcome == KT_INDEX_FAILED)
		(void)kt_libgit2_failure(err, target->path);
	git_index_free(index);
	return outcome;
}

/* Runs git on this index file. */
static enum kt_index_outcome run_git(const struct target *target, const char *const *args,
	const struct kt_buffer *input, struct kt_buffer *out, struct kt_error *err)
{
	const char *const extra[] = {target->variable, NULL};
	struct kt_buffer errors = KT_BUFFER_INIT;
	int exit_code = 0;
	struct kt_git_call call = {.cwd = target->worktree,
		.args = args,
		.extra_env = extra,
		.input = input == NULL ? NULL : input->data,
		.input_len = input == NULL ? 0 : input->len,
		.out = out,
		.errors = &errors,
		.exit_code = &exit_code};
	enum kt_index_outcome outcome =
		kt_git_run(&call, err) == KT_E_OK ? KT_INDEX_DONE : KT_INDEX_FAILED;

	if (outcome == KT_INDEX_DONE && exit_code != 0) {
		outcome = strstr(kt_buffer_text(&errors), "index.lock") != NULL ? KT_INDEX_LOCKED
										: KT_INDEX_FAILED;
		(void)kt_error_set(
			err, KT_E_GIT_FAILED, "git %s: %.300s", args[0], kt_buffer_text(&errors));
	}
	kt_buffer_release(&errors);
	return outcome;
}

static enum kt_index_outcome update_with_git(const struct target *target, struct kt_error *err)
{
	static const char *const update[] = {"update-index", "-z", "--index-info", NULL};
	static const char *const refresh[] = {"update-index", "-q", "--refresh", NULL};
	static const char *const read_head[] = {"read-tree", "HEAD", NULL};
	struct kt_buffer input = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	enum kt_index_outcome outcome = KT_INDEX_DONE;

	for (size_t i = 0; i < target->len; i++) {
		kt_buffer_printf(&input, "100644 %s\t%s",
			kt_oid_format(&target->entries[i].blob).text, target->entries[i].path);
		kt_buffer_putc(&input, '\0');
	}
	if (!kt_git_is_there(target->path))
		outcome = run_git(target, read_head, NULL, NULL, err);
	if (outcome == KT_INDEX_DONE)
		outcome = run_git(target, update, &input, NULL, err);
	/* Exit 1 here only says that some file differs from the index, which is for git status to
	 * show. */
	if (outcome == KT_INDEX_DONE)
		(void)run_git(target, refresh, NULL, NULL, &ignored);
	kt_buffer_release(&input);
	return outcome;
}

static enum kt_index_outcome update_once(const struct target *target, struct kt_error *err)
{
	enum kt_index_outcome outcome = KT_INDEX_UNREADABLE;

	if (kt_git_is_there(target->path))
		outcome = update_with_libgit2(target, err);
	return outcome == KT_INDEX_UNREADABLE ? update_with_git(target, err) : outcome;
}

/* With patience for another process's index.lock. */
static enum kt_code update(const struct target *target,
	enum kt_index_outcome (*once)(const struct target *, struct kt_error *),
	struct kt_error *err)
{
	struct kt_patience patience = kt_patience_of(PATIENCE_MS);
	enum kt_index_outcome outcome = KT_INDEX_LOCKED;

	do
		outcome = once(target, err);
	while (outcome == KT_INDEX_LOCKED && kt_patience_pause(&patience));
	if (outcome == KT_INDEX_DONE)
		return KT_E_OK;
	if (outcome == KT_INDEX_LOCKED)
		return kt_error_set(err, KT_E_INDEX_LOCKED, "%s.lock exists", target->path);
	return err->code;
}

enum kt_code kt_index_update(struct kt_store *store, const char *worktree,
	const struct kt_index_entry *entries, size_t len, struct kt_error *err)
{
	struct target target = {.entries = entries, .len = len};
	enum kt_code code = target_init(&target, worktree, err);

	(void)store;
	if (code == KT_E_OK && len > 0)
		code = update(&target, update_once, err);
	target_release(&target);
	return code;
}

enum kt_code kt_index_update_by_git(const char *worktree, const struct kt_index_entry *entries,
	size_t len, struct kt_error *err)
{
	struct target target = {.entries = entries, .len = len};
	enum kt_code code = target_init(&target, worktree, err);

	if (code == KT_E_OK && len > 0)
		code = update(&target, update_with_git, err);
	target_release(&target);
	return code;
}

enum kt_code kt_index_rebuild(const char *worktree, struct kt_error *err)
{
	static const char *const args[] = {"read-tree", "HEAD", NULL};
	struct kt_git_call call = {.cwd = worktree, .args = args};
	char *git_dir = kt_worktree_git_dir(worktree);
	char *index = kt_format("%s/index", git_dir == NULL ? worktree : git_dir);
	char *damaged = kt_format("%s.damaged", index);
	enum kt_code code = KT_E_OK;

	if (rename(index, damaged) != 0)
		code = kt_error_sys(err, KT_E_IO, errno, "%s", index);
	if (code == KT_E_OK)
		code = kt_git_run(&call, err);
	free(damaged);
	free(index);
	free(git_dir);
	return code;
}

/* "100644 <id> 0\t<path>" of `git ls-files -s`. */
static bool is_listed(const struct kt_buffer *listing, const struct kt_index_entry *wanted)
{
	for (size_t at = 0; at < listing->len; at += strlen(listing->data + at) + 1) {
		const char *line = listing->data + at;
		const char *tab = strchr(line, '\t');

		if (tab != NULL && strcmp(tab + 1, wanted->path) == 0)
			return strlen(line) > 50 && strncmp(line + 47, " 0\t", 3) == 0 &&
			       strncmp(line + 7, kt_oid_format(&wanted->blob).text, 40) == 0;
	}
	return false;
}

static enum kt_code match_with_git(const struct target *target, bool *out, struct kt_error *err)
{
	const char **args = kt_realloc_array(NULL, target->len + 5, sizeof *args);
	struct kt_buffer listing = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	args[0] = "ls-files";
	args[1] = "-s";
	args[2] = "-z";
	args[3] = "--";
	for (size_t i = 0; i < target->len; i++)
		args[4 + i] = target->entries[i].path;
	args[4 + target->len] = NULL;
	if (run_git(target, args, NULL, &listing, err) != KT_INDEX_DONE)
		code = err->code;
	if (code == KT_E_OK)
		*out = true;
	for (size_t i = 0; code == KT_E_OK && i < target->len; i++)
		*out = *out && is_listed(&listing, &target->entries[i]);
	kt_buffer_release(&listing);
	free(args);
	return code;
}

static bool match_with_libgit2(const struct target *target, bool *out)
{
	git_index *index = NULL;
	bool readable;

	kt_libgit2_start();
	readable = git_index_open(&index, target->path) == 0 && git_index_read(index, 1) == 0;
	if (readable)
		*out = true;
	for (size_t i = 0; readable && i < target->len; i++) {
		const git_index_entry *entry =
			git_index_get_bypath(index, target->entries[i].path, 0);

		*out = *out && entry != NULL &&
		       memcmp(entry->id.id, target->entries[i].blob.bytes, 20) == 0;
	}
	git_index_free(index);
	return readable;
}

enum kt_code kt_index_matches(const char *worktree, const struct kt_index_entry *entries,
	size_t len, bool *out, struct kt_error *err)
{
	struct target target = {.entries = entries, .len = len};
	bool matches = false;
	enum kt_code code = target_init(&target, worktree, err);

	if (code == KT_E_OK && kt_git_is_there(target.path) &&
		!match_with_libgit2(&target, &matches))
		code = match_with_git(&target, &matches, err);
	if (code == KT_E_OK)
		*out = matches;
	target_release(&target);
	return code;
}

enum kt_code kt_worktree_sync(const char *worktree, const struct kt_oid *from,
	const struct kt_oid *to, struct kt_error *err)
{
	static const char *const refresh[] = {"update-index", "-q", "--refresh", NULL};
	struct kt_oid_text old_text = kt_oid_format(from), new_text = kt_oid_format(to);
	const char *const args[] = {"read-tree", "-m", "-u", old_text.text, new_text.text, NULL};
	int ignored = 0;
	struct kt_git_call call = {.cwd = worktree, .args = refresh, .exit_code = &ignored};
	enum kt_code code = kt_git_run(&call, err);

	/* read-tree compares stat data only: a file rewritten with the same bytes must not look
	 * edited. */
	if (code != KT_E_OK)
		return code;
	call.args = args;
	call.exit_code = NULL;
	return kt_git_run(&call, err);
}

/* The worktree's index as a start, for its stat data: without them every file looks changed to a
 * hook. */
static enum kt_code copy_index(const char *worktree, const char *path, struct kt_error *err)
{
	struct target target = {.len = 0};
	struct kt_buffer bytes = KT_BUFFER_INIT;
	enum kt_code code = target_init(&target, worktree, err);

	if (code == KT_E_OK && kt_git_file_read(target.path, &bytes) == 0)
		code = kt_file_write_atomic(path, bytes.data, bytes.len, 0600, false, err);
	kt_buffer_release(&bytes);
	target_release(&target);
	return code;
}

enum kt_code kt_private_index_start(const char *worktree, const struct kt_oid *commit,
	const char *path, struct kt_child *out, struct kt_error *err)
{
	struct kt_oid_text text = kt_oid_format(commit);
	/* -i: what the working tree looks like is no business of a temporary index. */
	const char *const args[] = {"read-tree", "-i", "-m", text.text, NULL};
	char *variable = kt_format("GIT_INDEX_FILE=%s", path);
	const char *const extra[] = {variable, NULL};
	struct kt_git_call call = {.cwd = worktree, .args = args, .extra_env = extra};
	const struct kt_git_descriptors descriptors = {
		KT_CHILD_NULL_FD, KT_CHILD_NULL_FD, KT_CHILD_NULL_FD, 0};
	enum kt_code code = KT_E_OK;

	(void)unlink(path);
	code = copy_index(worktree, path, err);
	if (code == KT_E_OK)
		code = kt_git_start(&call, &descriptors, out, err);
	free(variable);
	return code;
}

enum kt_code kt_private_index_finish(const char *worktree, const struct kt_index_entry *entries,
	size_t len, const char *path, struct kt_error *err)
{
	struct target target = {.worktree = worktree, .entries = entries, .len = len};
	enum kt_code code = KT_E_OK;

	target.path = kt_strdup(path);
	target.variable = kt_format("GIT_INDEX_FILE=%s", path);
	if (len > 0)
		code = update(&target, update_once, err);
	target_release(&target);
	return code;
}
