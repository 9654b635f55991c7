/*
 * Making and removing worktrees with the git command.
 * Commands and kitty's own helper processes; blocks on git children, under the repository lock.
 * Must never run in a lane (git copies sparse settings from there), nor touch a worktree or branch
 * it did not make, nor derive a worktree's id from its path.
 */
#include "supervisor/git/worktree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/files.h"
#include "supervisor/git/refs.h"

/* What the lock's reason says until the worktree is whole: after a crash the next call sees it and
 * starts anew. */
static const char unfinished[] = "kitty: being made";

/* One creation on its way. */
struct making {
	const struct kt_repository *repo;
	const struct kt_worktree_plan *plan;
	char *ref;
	char *git_dir;     /* once it is registered */
	bool makes_branch; /* the branch is this call's */
};

static enum kt_code run_git(
	const char *cwd, const char *const *args, struct kt_buffer *out, struct kt_error *err)
{
	struct kt_git_call call = {.cwd = cwd, .args = args, .out = out};

	return kt_git_run(&call, err);
}

/* Drops registration and folder of this path; locked ones and missing folders too. */
static enum kt_code drop(const struct kt_repository *repo, const char *path, struct kt_error *err)
{
	const char *const args[] = {"worktree", "remove", "--force", "--force", path, NULL};

	return run_git(repo->primary, args, NULL, err);
}

/* git's own half-way state has a lock and no index; a worktree made by hand is not locked. */
bool kt_worktree_is_unfinished(const char *git_dir)
{
	char *reason_path = kt_format("%s/locked", git_dir);
	char *index_path = kt_format("%s/index", git_dir);
	char *reason = kt_git_file_line(reason_path);
	bool found =
		reason != NULL && (strcmp(reason, unfinished) == 0 || !kt_git_is_there(index_path));

	free(reason);
	free(index_path);
	free(reason_path);
	return found;
}

/* A folder that holds nothing, or nothing but the .git file of a creation that was killed, goes
 * away. */
static bool remove_empty_folder(const char *path)
{
	char *entry;
	bool is_gone = rmdir(path) == 0;
	DIR *entries = is_gone ? NULL : opendir(path);
	struct dirent *found;
	int others = 0;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && (found = readdir(entries)) != NULL)
		others += strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0 &&
			  strcmp(found->d_name, ".git") != 0;
	if (entries != NULL && others == 0) {
		entry = kt_format("%s/.git", path);
		is_gone = !kt_git_is_folder(entry) && unlink(entry) == 0 && rmdir(path) == 0;
		free(entry);
	}
	if (entries != NULL)
		(void)closedir(entries);
	return is_gone;
}

static enum kt_code write_reason(const char *git_dir, const char *reason, struct kt_error *err)
{
	char *path = kt_format("%s/locked", git_dir);
	char *text = kt_format("%s\n", reason);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int failure = fd < 0 ? errno : kt_fd_write(fd, text, strlen(text));

	if (fd >= 0)
		(void)close(fd);
	free(text);
	if (failure != 0)
		failure = (int)kt_git_failure(err, failure, path);
	free(path);
	return (enum kt_code)failure;
}

static enum kt_code in_the_way(const char *path, struct kt_error *err)
{
	(void)kt_error_set(
		err, KT_E_GIT_FAILED, "%s exists and is no worktree of this repository", path);
	kt_error_next(err, "move %s away, then run the command again", path);
	return KT_E_GIT_FAILED;
}

/*
 * Somebody's `rm -rf` and a write of ours can overtake one another: then a folder is left that is
 * no worktree any more, with what was written last. The registration says that the place is ours;
 * only under the lock is it certain that nobody is making it at this moment.
 */
static bool set_remains_aside(const struct kt_worktree_plan *plan, const char *registered)
{
	char *link = kt_format("%s/.git", plan->path);
	char *folder = plan->remains_to == NULL ? NULL : kt_path_parent(plan->remains_to);
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_moved = folder != NULL && registered != NULL && !kt_git_is_there(link) &&
			kt_folder_make(folder, 0700, &ignored) == KT_E_OK &&
			rename(plan->path, plan->remains_to) == 0;

	free(folder);
	free(link);
	return is_moved;
}

/* What stands at the path already. *is_whole: nothing is left to do. */
static enum kt_code clear_place(struct making *making, bool *is_whole, struct kt_error *err)
{
	const char *path = making->plan->path;
	struct kt_worktree_facts facts;
	enum kt_code code = KT_E_OK;
	bool is_leftover;
	char *registered;

	kt_worktree_inspect(making->repo, path, &facts);
	registered = kt_worktree_registration(making->repo, path);
	is_leftover = facts.is_linked ? kt_worktree_is_unfinished(facts.git_dir)
				      : registered != NULL && !facts.exists;
	if (facts.exists && !facts.is_linked) {
		is_leftover = remove_empty_folder(path)
				      ? registered != NULL
				      : set_remains_aside(making->plan, registered);
		if (kt_git_is_there(path))
			code = in_the_way(path, err);
	} else if (facts.is_linked && !is_leftover) {
		*is_whole = facts.head != NULL && strcmp(facts.head, making->ref) == 0;
		if (!*is_whole)
			code = kt_error_set(err, KT_E_LANE_HEAD_MISMATCH, "%s is on %s, not on %s",
				path, facts.head == NULL ? "no branch" : facts.head, making->ref);
	}
	if (code == KT_E_OK && is_leftover)
		code = drop(making->repo, path, err);
	free(registered);
	kt_worktree_facts_release(&facts);
	return code;
}

static enum kt_code look_at_branch(struct making *making, struct kt_error *err)
{
	const struct kt_worktree_plan *plan = making->plan;
	struct kt_oid tip;
	bool exists = kt_refs_read(making->repo->common_dir, making->ref, &tip);
	char *elsewhere;

	making->makes_branch = !exists;
	if (!exists && plan->start == NULL)
		return kt_error_set(
			err, KT_E_GIT_FAILED, "the branch %s does not exist", plan->branch);
	elsewhere = kt_branch_checked_out_at(making->repo, plan->branch, plan->path);
	if (elsewhere == NULL)
		return KT_E_OK;
	(void)kt_error_set(err, KT_E_BRANCH_CHECKED_OUT_ELSEWHERE, "%s is checked out at %s",
		plan->branch, elsewhere);
	kt_error_next(err, "git -C '%s' switch --detach", elsewhere);
	free(elsewhere);
	return KT_E_BRANCH_CHECKED_OUT_ELSEWHERE;
}

static enum kt_code add(struct making *making, struct kt_error *err)
{
	const struct kt_worktree_plan *plan = making->plan;
	const char *const with_branch[] = {"worktree", "add", "--no-checkout", "--lock",
		"--no-track", "-b", plan->branch, "--", plan->path, plan->start, NULL};
	const char *const on_branch[] = {
		"worktree", "add", "--no-checkout", "--lock", "--", plan->path, plan->branch, NULL};
	enum kt_code code = run_git(
		making->repo->primary, making->makes_branch ? with_branch : on_branch, NULL, err);

	if (code != KT_E_OK)
		return code;
	making->git_dir = kt_worktree_git_dir(plan->path);
	if (making->git_dir == NULL)
		return kt_error_set(
			err, KT_E_GIT_FAILED, "git made %s without a git dir", plan->path);
	return write_reason(making->git_dir, unfinished, err);
}

static char *join_patterns(const char *const *patterns)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	for (; *patterns != NULL; patterns++)
		kt_buffer_printf(&text, "%s\n", *patterns);
	return kt_buffer_take(&text);
}

/* git sets core.sparseCheckout for this worktree alone, and writes the patterns as they are. */
static enum kt_code set_sparse(struct making *making, struct kt_error *err)
{
	static const char *const now[] = {"sparse-checkout", "set", "--no-cone", "--stdin", NULL};
	static const char *const before_2_35[] = {
		"-c", "core.sparseCheckoutCone=false", "sparse-checkout", "set", "--stdin", NULL};
	char *patterns;
	struct kt_git_call call = {.cwd = making->plan->path, .args = now};
	int major = 0, minor = 0;
	enum kt_code code;

	if (making->plan->sparse_patterns == NULL)
		return KT_E_OK;
	code = kt_git_version(&major, &minor, err);
	if (code != KT_E_OK)
		return code;
	if (major == 2 && minor < 35)
		call.args = before_2_35;
	patterns = join_patterns(making->plan->sparse_patterns);
	call.input = patterns;
	call.input_len = strlen(patterns);
	code = kt_git_run(&call, err);
	free(patterns);
	return code;
}

static enum kt_code fill(struct making *making, struct kt_error *err)
{
	static const char *const args[] = {"read-tree", "-m", "-u", "HEAD", NULL};

	return run_git(making->plan->path, args, NULL, err);
}

static enum kt_code verify_patterns(const struct making *making, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path, *wanted;
	enum kt_code code = KT_E_OK;

	if (making->plan->sparse_patterns == NULL)
		return KT_E_OK;
	path = kt_format("%s/info/sparse-checkout", making->git_dir);
	wanted = join_patterns(making->plan->sparse_patterns);
	if (kt_git_file_read(path, &text) != 0 || strcmp(kt_buffer_text(&text), wanted) != 0)
		code = kt_error_set(
			err, KT_E_GIT_FAILED, "git did not take over the patterns in %s", path);
	free(wanted);
	free(path);
	kt_buffer_release(&text);
	return code;
}

static bool is_on_disk(const char *worktree, const char *relative)
{
	char *path = kt_format("%s/%s", worktree, relative);
	bool found = kt_git_is_there(path);

	free(path);
	return found;
}

/* Every tracked one of these paths carries the skip bit, and none is on the disk. */
static enum kt_code verify_absent(const struct making *making, struct kt_error *err)
{
	const char *const *paths = making->plan->absent_paths;
	struct kt_buffer out = KT_BUFFER_INIT;
	const char **args;
	size_t len = 0;
	enum kt_code code;

	while (paths != NULL && paths[len] != NULL)
		len++;
	if (len == 0)
		return KT_E_OK;
	args = kt_realloc_array(NULL, len + 5, sizeof *args);
	args[0] = "ls-files";
	args[1] = "-t";
	args[2] = "-z";
	args[3] = "--";
	memcpy(args + 4, paths, (len + 1) * sizeof *args);
	code = run_git(making->plan->path, args, &out, err);
	for (size_t at = 0; code == KT_E_OK && at < out.len; at += strlen(out.data + at) + 1)
		if (strncmp(out.data + at, "S ", 2) != 0)
			code = kt_error_set(err, KT_E_GIT_FAILED, "%s is not sparse: %s",
				making->plan->path, out.data + at);
	for (size_t i = 0; code == KT_E_OK && i < len; i++)
		if (is_on_disk(making->plan->path, paths[i]))
			code = kt_error_set(err, KT_E_GIT_FAILED,
				"%s is in %s although it must not be", paths[i],
				making->plan->path);
	free(args);
	kt_buffer_release(&out);
	return code;
}

static enum kt_code verify_head(const struct making *making, struct kt_error *err)
{
	char *head = kt_head_read(making->git_dir);
	struct kt_oid tip, start;
	bool is_right = head != NULL && strcmp(head, making->ref) == 0 &&
			kt_refs_read(making->repo->common_dir, head, &tip);

	free(head);
	if (is_right && making->makes_branch)
		is_right = kt_oid_parse(making->plan->start, &start) && kt_oid_equal(&tip, &start);
	return is_right ? KT_E_OK
			: kt_error_set(err, KT_E_GIT_FAILED, "%s is not at the start of %s",
				  making->plan->path, making->ref);
}

static enum kt_code finish(struct making *making, struct kt_error *err)
{
	return write_reason(making->git_dir, making->plan->lock_reason, err);
}

/* Removes what this call made; the error that led here stays the one that is reported. */
static void roll_back(const struct making *making)
{
	struct kt_error ignored = KT_ERROR_INIT;
	const char *const args[] = {"update-ref", "-d", making->ref, making->plan->start, NULL};

	(void)!drop(making->repo, making->plan->path, &ignored);
	if (making->makes_branch)
		(void)!run_git(making->repo->primary, args, NULL, &ignored);
}

/* Under the lock: who closes a mission deletes this ref under it, too. */
static enum kt_code check_needs(const struct making *making, struct kt_error *err)
{
	const char *needs = making->plan->needs_ref;
	struct kt_oid tip;

	if (needs == NULL || kt_refs_read(making->repo->common_dir, needs, &tip))
		return KT_E_OK;
	return kt_error_set(err, KT_E_COORDINATION_BRANCH_DELETED, "%s", needs);
}

static enum kt_code make(struct making *making, bool *created, struct kt_error *err)
{
	static const struct {
		enum kt_code (*make)(struct making *, struct kt_error *);
		enum kt_code (*verify)(const struct making *, struct kt_error *);
	} steps[] = {
		{add, NULL},
		{set_sparse, NULL},
		{fill, NULL},
		{NULL, verify_head},
		{NULL, verify_patterns},
		{NULL, verify_absent},
		{finish, NULL},
	};
	bool is_whole = false;
	enum kt_code code = check_needs(making, err);

	if (code == KT_E_OK)
		code = clear_place(making, &is_whole, err);
	if (code != KT_E_OK)
		return code;
	if (!is_whole)
		code = look_at_branch(making, err);
	if (code == KT_E_OK)
		*created = !is_whole;
	if (code != KT_E_OK || is_whole)
		return code;
	for (size_t i = 0; code == KT_E_OK && i < sizeof steps / sizeof steps[0]; i++)
		code = steps[i].make != NULL ? steps[i].make(making, err)
					     : steps[i].verify(making, err);
	if (code != KT_E_OK)
		roll_back(making);
	return code;
}

enum kt_code kt_worktree_create(const struct kt_repository *repo,
	const struct kt_worktree_plan *plan, bool *created, struct kt_error *err)
{
	struct making making = {.repo = repo, .plan = plan};
	bool made = false;
	int lock = -1;
	enum kt_code code = kt_repository_lock(repo, KT_LOCK_TIMEOUT_MS, &lock, err);

	if (code != KT_E_OK)
		return code;
	making.ref = kt_format("refs/heads/%s", plan->branch);
	kt_worktree_sweep(repo);
	code = make(&making, &made, err);
	if (code == KT_E_OK)
		*created = made;
	free(making.git_dir);
	free(making.ref);
	kt_repository_unlock(lock);
	return code;
}

/* Anything that a removal would lose, ignored files included. */
static enum kt_code refuse_loss(const char *path, struct kt_error *err)
{
	static const char *const args[] = {
		"status", "--porcelain", "-z", "--ignored", "--untracked-files=normal", NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	enum kt_code code = run_git(path, args, &out, err);

	if (code == KT_E_OK && out.len > 3) {
		code = kt_error_set(err, KT_E_GIT_FAILED, "%s holds work: %s", path, out.data + 3);
		kt_error_next_git(err, path, "status --ignored");
	}
	kt_buffer_release(&out);
	return code;
}

/* Folders without a file in them, which a killed removal left after the .git file was gone. A link
 * is a file: what is behind it is not ours. */
static bool empty_folders_drop(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry = NULL;
	bool is_empty = entries != NULL;

	while (is_empty && (entry = readdir(entries)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
		char *inner = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		inner = kt_path_join(path, entry->d_name);
		is_empty = empty_folders_drop(inner);
		free(inner);
	}
	if (entries != NULL)
		(void)closedir(entries);
	else if (fd >= 0)
		(void)close(fd);
	return is_empty && rmdir(path) == 0;
}

/* git takes the registration away even when it could not delete every file: what is left then was
 * judged before and is nobody's any more. */
static bool is_remnant(const struct kt_repository *repo, const char *path)
{
	char *registered = kt_worktree_registration(repo, path);
	bool is_left = registered == NULL && kt_folder_exists(path);

	free(registered);
	return is_left;
}

enum kt_code kt_worktree_remove(
	const struct kt_repository *repo, const char *path, bool force, struct kt_error *err)
{
	struct kt_worktree_facts facts;
	char *registered = NULL;
	int lock = -1;
	enum kt_code code = kt_repository_lock(repo, KT_LOCK_TIMEOUT_MS, &lock, err);

	if (code != KT_E_OK)
		return code;
	kt_worktree_sweep(repo);
	kt_worktree_removal_resume(repo, path);
	kt_worktree_inspect(repo, path, &facts);
	registered = kt_worktree_registration(repo, path);
	if (facts.exists && !facts.is_linked && registered != NULL && empty_folders_drop(path))
		facts.exists = false;
	if (facts.exists && !facts.is_linked)
		code = kt_error_set(
			err, KT_E_GIT_FAILED, "%s is no worktree of this repository", path);
	else if (facts.exists && !force)
		code = refuse_loss(path, err);
	if (code == KT_E_OK && registered != NULL)
		code = kt_worktree_removal_begin(registered, err);
	if (code == KT_E_OK && (facts.exists || registered != NULL))
		code = drop(repo, path, err);
	if (registered != NULL && is_remnant(repo, path))
		code = kt_folder_remove_tree(path, err);
	free(registered);
	kt_worktree_facts_release(&facts);
	kt_repository_unlock(lock);
	return code;
}
