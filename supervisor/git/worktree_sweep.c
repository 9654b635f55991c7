/*
 * Registrations that `git worktree add` left half written when it was killed: git refuses every
 * command about worktrees as long as one is there (an empty commondir), or believes that a branch
 * is checked out nowhere. Commands and kitty's helper processes, under the repository lock. Must
 * never touch a registration that is whole, nor one that somebody may be writing at this moment.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/git/files.h"
#include "supervisor/git/worktree.h"

enum { FOREIGN_AGE_S = 60 };

static bool has(const char *registration, const char *name, bool with_bytes)
{
	char *path = kt_path_join(registration, name);
	struct stat facts;
	bool found = stat(path, &facts) == 0 && (!with_bytes || facts.st_size > 0);

	free(path);
	return found;
}

/* git writes these in the order locked, gitdir, HEAD, commondir, and the index long after. A killed
 * removal (kt_worktree_removal_begin's mark) is finished by its own rules. */
static bool is_half_written(const char *registration)
{
	return has(registration, "locked", false) && !has(registration, "index", false) &&
	       !has(registration, "kitty-removing", false) &&
	       !(has(registration, "gitdir", true) && has(registration, "HEAD", true) &&
		       has(registration, "commondir", true));
}

/* kitty's own are made under the lock that the caller holds: nobody writes them now. */
static bool is_abandoned(
	const struct kt_repository *repo, const char *registration, const char *name)
{
	char *own = kt_format("%s/.worktrees/%s", repo->primary, name);
	struct stat facts;
	bool is_own = kt_git_is_folder(own);

	free(own);
	return is_own ||
	       (stat(registration, &facts) == 0 && time(NULL) - facts.st_mtime > FOREIGN_AGE_S);
}

void kt_worktree_sweep(const struct kt_repository *repo)
{
	char *folder = kt_path_join(repo->common_dir, "worktrees");
	DIR *entries = opendir(folder);
	struct dirent *entry = NULL;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		char *registration = kt_path_join(folder, entry->d_name);
		struct kt_error ignored = KT_ERROR_INIT;

		if (entry->d_name[0] != '.' && is_half_written(registration) &&
			is_abandoned(repo, registration, entry->d_name))
			(void)!kt_folder_remove_tree(registration, &ignored);
		free(registration);
	}
	if (entries != NULL)
		(void)closedir(entries);
	free(folder);
}
