/*
 * Names of refs, loose and packed, from files. Used by kitty only. Never opens the object store and
 * never reads a ref's value.
 */
#include "supervisor/mission/refnames.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ipc/buffer.h"

#define REF_DEPTH_MAX 8

static bool is_suffix(const char *text, const char *suffix)
{
	size_t len = strlen(text), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

static void add_loose(const char *common_dir, const char *folder, int depth, struct kt_list *out)
{
	char *path = kt_format("%s/%s", common_dir, folder);
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
		struct stat facts;
		char *name;

		if (entry->d_name[0] == '.' || is_suffix(entry->d_name, ".lock"))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		name = kt_format("%s%s", folder, entry->d_name);
		if (S_ISREG(facts.st_mode)) {
			kt_list_add(out, name);
		} else if (S_ISDIR(facts.st_mode) && depth < REF_DEPTH_MAX) {
			char *below = kt_format("%s/", name);

			add_loose(common_dir, below, depth + 1, out);
			free(below);
		}
		free(name);
	}
	if (dir != NULL)
		closedir(dir);
	free(path);
}

/* Lines are "<40 hex> <name>"; comments begin with '#', peeled tags with '^'. */
static void add_packed(const char *common_dir, const char *prefix, struct kt_list *out)
{
	char *path = kt_format("%s/packed-refs", common_dir);
	FILE *file = fopen(path, "re");
	size_t prefix_len = strlen(prefix), capacity = 0;
	char *line = NULL;
	ssize_t len;

	while (file != NULL && (len = getline(&line, &capacity, file)) > 0) {
		while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			line[--len] = '\0';
		if (len > 41 && line[40] == ' ' && strncmp(line + 41, prefix, prefix_len) == 0)
			kt_list_add(out, line + 41);
	}
	free(line);
	if (file != NULL)
		(void)fclose(file);
	free(path);
}

void kt_ref_names(const char *common_dir, const char *prefix, struct kt_list *out)
{
	size_t kept = 0;

	add_loose(common_dir, prefix, 0, out);
	add_packed(common_dir, prefix, out);
	kt_list_sort(out);
	for (size_t i = 0; i < out->len; i++) {
		if (kept > 0 && strcmp(out->items[kept - 1], out->items[i]) == 0)
			free(out->items[i]);
		else
			out->items[kept++] = out->items[i];
	}
	out->len = kept;
	if (out->items != NULL)
		out->items[kept] = NULL;
}

bool kt_ref_name_exists(const char *common_dir, const char *ref)
{
	char *path = kt_format("%s/%s", common_dir, ref);
	struct kt_list packed = KT_LIST_INIT;
	struct stat facts;
	bool exists = stat(path, &facts) == 0 && S_ISREG(facts.st_mode);

	free(path);
	if (exists)
		return true;
	add_packed(common_dir, ref, &packed);
	exists = kt_list_has(&packed, ref);
	kt_list_release(&packed);
	return exists;
}
