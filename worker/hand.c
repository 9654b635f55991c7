/*
 * Finding a supervisor without git's help. Runs once at the start of a worker that a person
 * started. It must never create or change anything, and believes a holder file only while its
 * process lives.
 */
#include "worker/hand.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/file.h"

#define SMALL_FILE_MAX (64 << 10)

/* First line of a small file; gives; NULL when it cannot be read. */
static char *read_line(const char *path)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	char *line = NULL;

	if (kt_file_read(path, SMALL_FILE_MAX, &text, &ignored) == KT_E_OK)
		line = kt_strndup(kt_buffer_text(&text), strcspn(kt_buffer_text(&text), "\r\n"));
	kt_buffer_release(&text);
	return line;
}

/* The git dir that <folder>/.git is or names; gives; NULL when there is none. */
static char *git_dir_of(const char *folder)
{
	static const char KEY[] = "gitdir: ";
	char *path = kt_path_join(folder, ".git");
	char *line = NULL, *git_dir = NULL;

	if (kt_folder_exists(path))
		return path;
	line = read_line(path);
	if (line != NULL && strncmp(line, KEY, sizeof(KEY) - 1) == 0)
		git_dir = kt_path_join(folder, line + sizeof(KEY) - 1);
	free(line);
	free(path);
	return git_dir;
}

static char *common_dir_of(const char *git_dir)
{
	char *path = kt_path_join(git_dir, "commondir");
	char *line = read_line(path);
	char *joined = line != NULL ? kt_path_join(git_dir, line) : kt_strdup(git_dir);
	char *real = realpath(joined, NULL);

	free(joined);
	free(line);
	free(path);
	return real;
}

enum kt_code kt_hand_common_dir(const char *start, char **out, struct kt_error *err)
{
	char *folder = realpath(start, NULL);
	char *git_dir = NULL, *common = NULL;

	while (folder != NULL && (git_dir = git_dir_of(folder)) == NULL &&
		strcmp(folder, "/") != 0) {
		char *parent = kt_path_parent(folder);

		free(folder);
		folder = parent;
	}
	if (git_dir != NULL)
		common = common_dir_of(git_dir);
	free(git_dir);
	free(folder);
	if (common == NULL)
		return kt_error_set(err, KT_E_NOT_A_REPOSITORY, "%s", start);
	*out = common;
	return KT_E_OK;
}

static bool is_alive(const struct kt_json *holder)
{
	const char *boot = kt_json_get_string(holder, "boot_id");
	int64_t pid = 0, start_time = 0;

	return boot != NULL && strcmp(boot, kt_boot_id()) == 0 &&
	       kt_json_get_int(holder, "pid", &pid) && pid > 0 &&
	       kt_json_get_int(holder, "start_time", &start_time) &&
	       kt_process_is_alive((pid_t)pid, (uint64_t)start_time);
}

static struct kt_json *read_holder(const char *folder, const char *name)
{
	char *path = kt_format("%s/%s/holder", folder, name);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_json *holder = NULL;

	if (kt_file_read(path, SMALL_FILE_MAX, &text, &ignored) == KT_E_OK &&
		kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &holder,
			&ignored) != KT_E_OK)
		holder = NULL;
	kt_buffer_release(&text);
	free(path);
	if (holder != NULL && kt_json_get_string(holder, "socket") != NULL && is_alive(holder))
		return holder;
	kt_json_free(holder);
	return NULL;
}

/* "checkout-flow" names "checkout-flow-01J6XW9K", too. */
static bool is_human_slug(const char *slug, const char *mid8, const char *handle)
{
	size_t len = strlen(handle);

	return strlen(slug) == len + 1 + strlen(mid8) && strncmp(slug, handle, len) == 0 &&
	       slug[len] == '-' && strcasecmp(slug + len + 1, mid8) == 0;
}

static bool is_meant(const struct kt_json *holder, const char *handle)
{
	static const char *const KEYS[] = {"slug", "mission_id", "mid8"};
	const char *slug = kt_json_get_string(holder, "slug");
	const char *mid8 = kt_json_get_string(holder, "mid8");

	if (handle == NULL)
		return true;
	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
		const char *value = kt_json_get_string(holder, KEYS[i]);

		if (value != NULL && value[0] != '\0' && strcmp(value, handle) == 0)
			return true;
	}
	return slug != NULL && mid8 != NULL && is_human_slug(slug, mid8, handle);
}

enum kt_code kt_hand_find_supervisor(
	const char *common_dir, const char *handle, struct kt_json **out, struct kt_error *err)
{
	char *folder = kt_path_join(common_dir, "kitty");
	DIR *stream = opendir(folder);
	struct kt_json *found = NULL;
	struct dirent *entry = NULL;
	size_t count = 0;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): no threads */
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		struct kt_json *holder =
			entry->d_name[0] != '.' ? read_holder(folder, entry->d_name) : NULL;

		if (holder != NULL && is_meant(holder, handle)) {
			kt_json_free(found);
			found = holder;
			count++;
		} else {
			kt_json_free(holder);
		}
	}
	if (stream != NULL)
		(void)closedir(stream);
	free(folder);
	if (count == 1) {
		*out = found;
		return KT_E_OK;
	}
	kt_json_free(found);
	return count == 0 ? kt_error_set(err, KT_E_SUPERVISOR_ABSENT, "mission %s in %s",
				    handle != NULL ? handle : "(any)", common_dir)
			  : kt_error_set(err, KT_E_MISSION_AMBIGUOUS_SELECTOR,
				    "%zu supervisors run in %s", count, common_dir);
}
