/*
 * Finding the repository by git's rules, from files alone: no git child, no libgit2, no GIT_*
 * variable. Commands, supervisor. Reads only, but for the lock file under <common dir>/kitty.
 */
#include "supervisor/git/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "ipc/patience.h"
#include "supervisor/git/files.h"
#include "supervisor/git/gitconfig.h"

static bool has_entry(const char *folder, const char *name)
{
	char *path = kt_format("%s/%s", folder, name);
	bool found = kt_git_is_there(path);

	free(path);
	return found;
}

static bool is_git_dir(const char *path)
{
	return has_entry(path, "HEAD") && has_entry(path, "objects") && has_entry(path, "refs");
}

char *kt_worktree_git_dir(const char *worktree)
{
	char *entry = kt_format("%s/.git", worktree);
	char *line = NULL, *found = NULL;

	if (kt_git_is_folder(entry)) {
		if (is_git_dir(entry))
			found = kt_git_path_resolve("/", entry);
	} else {
		line = kt_git_file_path(entry);
		if (line != NULL && strncmp(line, "gitdir: ", 8) == 0)
			found = kt_git_path_resolve(worktree, line + 8);
		if (found != NULL && !has_entry(found, "HEAD")) {
			free(found);
			found = NULL;
		}
	}
	free(line);
	free(entry);
	return found;
}

static char *common_dir_of(const char *git_dir)
{
	char *file = kt_format("%s/commondir", git_dir);
	char *line = kt_git_file_path(file);
	char *common = line == NULL ? kt_strdup(git_dir) : kt_git_path_resolve(git_dir, line);

	free(line);
	free(file);
	return common;
}

struct core_facts {
	bool is_bare;
	char *worktree;
};

static void on_core_key(const char *key, const char *value, void *arg)
{
	struct core_facts *facts = arg;

	if (strcmp(key, "core.bare") == 0)
		facts->is_bare = kt_gitconfig_is_true(value);
	if (strcmp(key, "core.worktree") != 0 || value == NULL)
		return;
	free(facts->worktree);
	facts->worktree = kt_strdup(value);
}

/* core.bare may have moved to the primary's config.worktree. */
static void read_core_facts(const char *common_dir, struct core_facts *facts)
{
	static const char *const names[] = {"config", "config.worktree"};

	for (size_t i = 0; i < 2; i++) {
		char *path = kt_format("%s/%s", common_dir, names[i]);

		(void)kt_gitconfig_file(path, on_core_key, facts);
		free(path);
	}
}

/* Where the primary checkout is, told from the common dir; gives; NULL when that cannot be told. */
static char *primary_of(const char *common_dir, const struct core_facts *facts)
{
	const char *name = strrchr(common_dir, '/');

	if (facts->worktree != NULL)
		return kt_git_path_resolve(common_dir, facts->worktree);
	if (name != NULL && strcmp(name, "/.git") == 0)
		return kt_path_parent(common_dir);
	return NULL;
}

/* The nearest folder, from `start` upwards, that is a worktree or a git dir itself. */
static bool climb(const char *start, char **top, char **git_dir)
{
	char *at = realpath(start, NULL);

	while (at != NULL) {
		char *parent;

		*git_dir = kt_worktree_git_dir(at);
		if (*git_dir == NULL && is_git_dir(at))
			*git_dir = kt_strdup(at);
		if (*git_dir != NULL) {
			*top = at;
			return true;
		}
		if (strcmp(at, "/") == 0)
			break;
		parent = kt_path_parent(at);
		free(at);
		at = parent;
	}
	free(at);
	return false;
}

/* Fills in primary and worktree of a repository whose git dir and common dir are known. */
static enum kt_code place(
	struct kt_repository *repo, const char *start, const char *top, struct kt_error *err)
{
	struct core_facts facts = {false, NULL};
	enum kt_code code = KT_E_OK;

	read_core_facts(repo->common_dir, &facts);
	repo->is_linked = strcmp(repo->git_dir, repo->common_dir) != 0;
	repo->primary = primary_of(repo->common_dir, &facts);
	if (facts.is_bare) {
		code = kt_error_set(err, KT_E_REPO_BARE, "%s", repo->common_dir);
	} else if (strcmp(top, repo->git_dir) == 0) {
		/* One stands inside the git dir: its worktree is meant, where there is one. */
		repo->worktree = kt_strdup(repo->primary);
		if (repo->primary == NULL)
			code = kt_error_set(
				err, KT_E_NOT_A_REPOSITORY, "%s lies in a git dir", start);
	} else {
		repo->worktree = kt_strdup(top);
		if (repo->primary == NULL && !repo->is_linked)
			repo->primary = kt_strdup(top);
		if (repo->primary == NULL)
			code = kt_error_set(err, KT_E_REPO_UNSUPPORTED_PLACE,
				"the primary checkout of %s cannot be told: set core.worktree "
				"there",
				repo->common_dir);
	}
	free(facts.worktree);
	return code;
}

enum kt_code kt_repository_find(const char *start, struct kt_repository **out, struct kt_error *err)
{
	struct kt_repository *repo = NULL;
	char *top = NULL, *git_dir = NULL;
	enum kt_code code;

	if (!climb(start, &top, &git_dir))
		return kt_error_set(err, KT_E_NOT_A_REPOSITORY, "%s", start);
	repo = kt_alloc(sizeof *repo);
	repo->git_dir = git_dir;
	repo->common_dir = common_dir_of(git_dir);
	code = place(repo, start, top, err);
	if (code == KT_E_OK) {
		*out = repo;
		repo = NULL;
	}
	free(top);
	kt_repository_free(repo);
	return code;
}

void kt_repository_free(struct kt_repository *repo)
{
	if (repo == NULL)
		return;
	free(repo->common_dir);
	free(repo->primary);
	free(repo->worktree);
	free(repo->git_dir);
	free(repo);
}

char *kt_head_read(const char *git_dir)
{
	char *file = kt_format("%s/HEAD", git_dir);
	char *line = kt_git_file_line(file);
	char *ref = NULL;

	if (line != NULL && strncmp(line, "ref:", 4) == 0)
		ref = kt_strdup(line + 4 + strspn(line + 4, " \t"));
	free(line);
	free(file);
	return ref;
}

const char *kt_repository_state(const char *git_dir)
{
	static const struct {
		const char *entry, *state;
	} rows[] = {
		{"rebase-merge", "rebase"},
		{"rebase-apply", "rebase"},
		{"MERGE_HEAD", "merge"},
		{"CHERRY_PICK_HEAD", "cherry-pick"},
		{"REVERT_HEAD", "revert"},
		{"sequencer", "cherry-pick"},
		{"BISECT_LOG", "bisect"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (has_entry(git_dir, rows[i].entry))
			return rows[i].state;
	return "";
}

char *kt_repository_default_branch(const struct kt_repository *repo)
{
	static const char prefix[] = "refs/remotes/origin/";
	char *folder = kt_format("%s/refs/remotes/origin", repo->common_dir);
	char *ref = kt_head_read(folder);
	char *branch = NULL;

	if (ref != NULL && strncmp(ref, prefix, sizeof prefix - 1) == 0)
		branch = kt_strdup(ref + sizeof prefix - 1);
	free(ref);
	free(folder);
	return branch;
}

struct wanted {
	const char *key;
	char *value;
};

static void on_wanted_key(const char *key, const char *value, void *arg)
{
	struct wanted *wanted = arg;

	if (strcmp(key, wanted->key) != 0)
		return;
	free(wanted->value);
	wanted->value = kt_strdup(value == NULL ? "true" : value);
}

char *kt_repository_config_get(const struct kt_repository *repo, const char *key)
{
	struct wanted wanted = {key, NULL};

	kt_gitconfig_all(repo, on_wanted_key, &wanted);
	return wanted.value;
}

static void write_holder(const char *path)
{
	char *text = kt_format("%ld\n", (long)getpid());
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd >= 0) {
		(void)kt_fd_write(fd, text, strlen(text));
		(void)close(fd);
	}
	free(text);
}

enum kt_code kt_repository_lock(
	const struct kt_repository *repo, int timeout_ms, int *fd, struct kt_error *err)
{
	char *folder = kt_format("%s/kitty", repo->common_dir);
	char *path = kt_format("%s/worktrees.lock", folder);
	char *holder = kt_format("%s/worktrees.holder", folder);
	char *pid = NULL;
	int failure = kt_git_folder_make(folder);
	int lock = failure != 0 ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	enum kt_code code = KT_E_OK;

	if (lock < 0) {
		failure = failure != 0 ? failure : errno;
		code = kt_error_sys(err, failure == EROFS ? KT_E_READ_ONLY : KT_E_IO, failure,
			"cannot open %s", path);
	} else if (!kt_flock_within(lock, timeout_ms)) {
		/* The file is never unlinked, so a lock on it is a lock on the name. */
		pid = kt_git_file_line(holder);
		code = kt_error_set(err, KT_E_TIMEOUT,
			"pid %s is making or removing a worktree and holds %s",
			pid == NULL ? "?" : pid, path);
		(void)close(lock);
	} else {
		write_holder(holder);
		*fd = lock;
	}
	free(pid);
	free(holder);
	free(path);
	free(folder);
	return code;
}

int kt_repository_still(const struct kt_repository *repo, int timeout_ms)
{
	char *path = kt_format("%s/kitty/worktrees.lock", repo->common_dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && !kt_flock_within(fd, timeout_ms)) {
		(void)close(fd);
		fd = -1;
	}
	free(path);
	return fd;
}

void kt_repository_unlock(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}
