/*
 * Starting the git child that rolls packs and loose objects up. Supervisor, and doctor. Does not
 * wait.
 */
#include "supervisor/git/consolidate.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/keep.h"

#define NICENESS 10
#define LOOSE_SAMPLE_MAX 27 /* git's rule: objects/17 holding this many means some 6700 in all */

static unsigned count_entries(const char *common_dir, const char *folder, const char *suffix)
{
	char *path = kt_format("%s/objects/%s", common_dir, folder);
	DIR *entries = opendir(path);
	struct dirent *entry;
	unsigned count = 0;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		size_t len = strlen(entry->d_name), wanted = strlen(suffix);

		count += entry->d_name[0] != '.' && len >= wanted &&
			 strcmp(entry->d_name + len - wanted, suffix) == 0;
	}
	if (entries != NULL)
		(void)closedir(entries);
	free(path);
	return count;
}

bool kt_consolidate_is_due(const struct kt_repository *repo, unsigned limit)
{
	return count_entries(repo->common_dir, "pack", ".pack") > limit ||
	       count_entries(repo->common_dir, "17", "") >= LOOSE_SAMPLE_MAX;
}

enum kt_code kt_consolidate_start(
	const struct kt_repository *repo, struct kt_child *out, struct kt_error *err)
{
	/* Geometric: small packs are merged, large ones left alone, whole packs copied, reachable
	 * or not. */
	static const char *const geometric[] = {"-c", "repack.writeBitmaps=false", "-c",
		"pack.threads=1", "repack", "-q", "-d", "-l", "--geometric=2", NULL};
	static const char *const before_2_32[] = {"-c", "repack.writeBitmaps=false", "-c",
		"pack.threads=1", "repack", "-q", "-a", "-d", "-l", "-k", NULL};
	static const struct kt_git_descriptors silent = {
		KT_CHILD_NULL_FD, KT_CHILD_NULL_FD, KT_CHILD_NULL_FD, NICENESS};
	struct kt_git_call call = {.cwd = repo->primary, .args = geometric};
	char *objects = NULL;
	int major = 0, minor = 0;
	enum kt_code code = kt_git_version(&major, &minor, err);

	if (code != KT_E_OK)
		return code;
	objects = kt_format("%s/objects", repo->common_dir);
	kt_kept_sweep(objects, repo->common_dir);
	free(objects);
	if (major == 2 && minor < 32)
		call.args = before_2_32;
	return kt_git_start(&call, &silent, out, err);
}
