/*
 * Folders for the objects of dry runs. Runs in commands and helper processes. Must never remove the
 * folder of a living process, nor anything that does not bear this file's name.
 */
#include "supervisor/scratch_objects.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/file.h"

#define PREFIX "objects."

/* PREFIX PID.START.XXXXXX */
static bool is_of_the_dead(const char *name)
{
	char *end = NULL;
	const char *text = name + strlen(PREFIX);
	long pid = 0;
	uint64_t start = 0;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return false;
	pid = strtol(text, &end, 10);
	if (end == text || *end != '.' || pid <= 0)
		return false;
	text = end + 1;
	start = strtoull(text, &end, 10);
	if (end == text || *end != '.' || strlen(end) != strlen(".XXXXXX"))
		return false;
	return !kt_process_is_alive((pid_t)pid, start);
}

void kt_scratch_objects_each_dead(
	const char *common_dir, void (*each)(const char *path, void *arg), void *arg)
{
	char *folder = kt_path_join(common_dir, "kitty");
	DIR *entries = opendir(folder);
	struct dirent *entry = NULL;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && (entry = readdir(entries)) != NULL)
		if (is_of_the_dead(entry->d_name)) {
			char *path = kt_path_join(folder, entry->d_name);

			each(path, arg);
			free(path);
		}
	if (entries != NULL)
		(void)closedir(entries);
	free(folder);
}

static void remove_one(const char *path, void *arg)
{
	struct kt_error ignored = KT_ERROR_INIT;

	(void)arg;
	(void)!kt_folder_remove_tree(path, &ignored);
}

static char *make_in(const char *folder, const char *prefix)
{
	char *path = kt_format("%s/%s%ld.%llu.XXXXXX", folder, prefix, (long)getpid(),
		(unsigned long long)kt_process_start_time(getpid()));

	if (mkdtemp(path) != NULL)
		return path;
	free(path);
	return NULL;
}

enum kt_code kt_scratch_objects_make(const char *common_dir, char **out, struct kt_error *err)
{
	struct kt_error ignored = KT_ERROR_INIT;
	const char *tmp = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): no threads */
	char *folder = kt_path_join(common_dir, "kitty");

	kt_scratch_objects_each_dead(common_dir, remove_one, NULL);
	*out = kt_folder_make(folder, 0777, &ignored) == KT_E_OK ? make_in(folder, PREFIX) : NULL;
	if (*out == NULL)
		*out = make_in(tmp == NULL ? "/tmp" : tmp, "kitty-" PREFIX);
	free(folder);
	return *out != NULL ? KT_E_OK
			    : kt_error_sys(err, kt_error_from_errno(errno), errno,
				      "a folder for the dry run's objects");
}
