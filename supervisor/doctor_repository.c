/*
 * The doctor's checks of the repository as a whole: git, configuration, what git must ignore and
 * leave alone, leftovers. Read-only.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ipc/file.h"
#include "supervisor/doctor_private.h"
#include "supervisor/git/environment.h"
#include "supervisor/scratch_objects.h"

#define INFO_MAX (1U << 20)
#define LEFTOVER_AGE_S 86400

void kt_doctor_git_version(struct kt_doctor *doctor)
{
	struct kt_error err = KT_ERROR_INIT;
	int major = 0, minor = 0;
	enum kt_code code = kt_git_version(&major, &minor, &err);

	if (code == KT_E_GIT_TOO_OLD)
		kt_doctor_add(doctor, KT_FINDING_GIT_TOO_OLD, NULL,
			"%s; kitty needs 2.25, integration and merge need 2.38", err.detail);
	else if (code != KT_E_OK)
		kt_doctor_add(doctor, KT_FINDING_GIT_MISSING, NULL, "%s", err.detail);
	else if (major == 2 && minor < 38)
		kt_doctor_add(doctor, KT_FINDING_GIT_NO_MERGE_TREE, NULL,
			"git %d.%d: integration and merge need 2.38 (git merge-tree "
			"--write-tree)",
			major, minor);
}

void kt_doctor_configuration(struct kt_doctor *doctor)
{
	char *path = kt_format("%s/.kittify/config.yaml", doctor->repo->primary);
	struct kt_buffer problems = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_config *config = NULL;

	if (kt_config_load(path, &config, &problems, &err) != KT_E_OK)
		kt_doctor_add(doctor, KT_FINDING_CONFIG_INVALID, NULL, "%s",
			problems.len > 0 ? kt_buffer_text(&problems) : err.detail);
	kt_config_free(config);
	kt_buffer_release(&problems);
	free(path);
}

/* Folders whose meta.json keeps them from being a mission. */
void kt_doctor_metas(struct kt_doctor *doctor)
{
	char *folder = kt_path_join(doctor->repo->primary, "kitty-specs");
	DIR *entries = doctor->options->mission != NULL ? NULL : opendir(folder);
	struct dirent *entry;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		char *meta = kt_format("%s/%s/meta.json", folder, entry->d_name);
		struct kt_error err = KT_ERROR_INIT;
		struct kt_mission *mission = NULL;

		if (entry->d_name[0] != '.' && kt_file_exists(meta) &&
			kt_mission_resolve(doctor->repo, entry->d_name, doctor->repo->primary,
				&mission, NULL, &err) != KT_E_OK &&
			(err.code == KT_E_META_INVALID ||
				err.code == KT_E_MISSION_TOPOLOGY_INVALID)) {
			kt_doctor_add(doctor, KT_FINDING_META_INVALID, entry->d_name, "%s: %s",
				meta, err.detail);
			kt_doctor_next(doctor, "${EDITOR:-vi} '%s'", meta);
		}
		kt_mission_free(mission);
		free(meta);
	}
	if (entries != NULL)
		(void)closedir(entries);
	free(folder);
}

void kt_doctor_tracked_worktrees(struct kt_doctor *doctor)
{
	static const char *const args[] = {"ls-files", "-z", "--", ".worktrees", NULL};
	struct kt_buffer out = KT_BUFFER_INIT;

	if (kt_doctor_git(doctor, NULL, args, &out) && out.len > 0)
		kt_doctor_add(doctor, KT_FINDING_TRACKED_WORKTREES, NULL,
			"the primary checkout's index holds %s", out.data);
	kt_buffer_release(&out);
}

static bool has_line(const char *path, const char *line)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	size_t len = strlen(line);
	bool found = false;

	if (kt_file_read(path, INFO_MAX, &text, &ignored) == KT_E_OK)
		for (const char *at = kt_buffer_text(&text); !found && *at != '\0';) {
			size_t own = strcspn(at, "\r\n");

			found = own == len && strncmp(at, line, len) == 0;
			at += own + strspn(at + own, "\r\n");
		}
	kt_buffer_release(&text);
	return found;
}

/* What git really does with a status file, whatever file told it so. */
static void attributes_check(struct kt_doctor *doctor)
{
	static const char path[] = "kitty-specs/x/" KT_LOG_NAME;
	static const char *const args[] = {
		"check-attr", "text", "filter", "ident", "working-tree-encoding", "--", path, NULL};
	struct kt_buffer out = KT_BUFFER_INIT;

	if (kt_doctor_git(doctor, NULL, args, &out))
		for (char *line = out.data; line != NULL && *line != '\0';) {
			size_t len = strcspn(line, "\n");
			bool is_unset = len >= 5 && strncmp(line + len - 5, "unset", 5) == 0;

			if (!is_unset) {
				kt_doctor_add(doctor, KT_FINDING_ATTRIBUTES_OVERRIDDEN, NULL,
					"git check-attr: %.*s", (int)len, line);
				break;
			}
			line += len + (line[len] == '\n' ? 1 : 0);
		}
	kt_buffer_release(&out);
}

void kt_doctor_info_files(struct kt_doctor *doctor)
{
	char *exclude = kt_path_join(doctor->repo->common_dir, "info/exclude");
	char *attributes = kt_path_join(doctor->repo->common_dir, "info/attributes");

	/* Without a mission there is nothing to guard yet. */
	if (doctor->missions_len > 0 && !has_line(exclude, "/.worktrees/"))
		kt_doctor_add(doctor, KT_FINDING_NOT_EXCLUDED, NULL,
			"%s has no line /.worktrees/: git add . would record lanes as submodules",
			exclude);
	if (doctor->missions_len > 0 &&
		!has_line(attributes, "kitty-specs/**/status.* -text -filter -ident -merge "
				      "-working-tree-encoding"))
		kt_doctor_add(doctor, KT_FINDING_NO_ATTRIBUTES, NULL,
			"%s does not keep line-end settings and filters off the status files",
			attributes);
	else if (doctor->missions_len > 0)
		attributes_check(doctor);
	free(exclude);
	free(attributes);
}

/* ---- leftovers of killed writers in the object store ---- */

static void leftovers_of(const char *folder, kt_path_cb each, void *arg)
{
	static const char *const prefixes[] = {"tmp_obj_", "tmp_object_", "tmp_pack_", "tmp_idx_",
		"tmp_rev_", "tmp_mtimes_", "pack_git2_"};
	DIR *entries = opendir(folder);
	struct dirent *entry;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && (entry = readdir(entries)) != NULL)
		for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
			char *path;
			struct stat facts;

			if (strncmp(entry->d_name, prefixes[i], strlen(prefixes[i])) != 0)
				continue;
			path = kt_path_join(folder, entry->d_name);
			if (lstat(path, &facts) == 0 && S_ISREG(facts.st_mode) &&
				time(NULL) - facts.st_mtime > LEFTOVER_AGE_S)
				each(path, arg);
			free(path);
		}
	if (entries != NULL)
		(void)closedir(entries);
}

void kt_doctor_each_leftover(struct kt_doctor *doctor, kt_path_cb each, void *arg)
{
	char *objects = kt_path_join(doctor->repo->common_dir, "objects");
	char *pack = kt_path_join(objects, "pack");

	leftovers_of(objects, each, arg);
	leftovers_of(pack, each, arg);
	for (unsigned i = 0; i < 256; i++) {
		char *folder = kt_format("%s/%02x", objects, i);

		leftovers_of(folder, each, arg);
		free(folder);
	}
	kt_scratch_objects_each_dead(doctor->repo->common_dir, each, arg);
	free(pack);
	free(objects);
}

struct count {
	size_t len;
	char *first;
};

static void count_one(const char *path, void *arg)
{
	struct count *count = arg;

	if (count->len++ == 0)
		count->first = kt_strdup(path);
}

void kt_doctor_leftovers(struct kt_doctor *doctor)
{
	struct count count = {0, NULL};

	kt_doctor_each_leftover(doctor, count_one, &count);
	if (count.len > 0)
		kt_doctor_add(doctor, KT_FINDING_LEFTOVERS, NULL,
			"left by killed processes: %zu temporary files or folders, the first is %s",
			count.len, count.first);
	free(count.first);
}

/* ---- policies ---- */

static bool is_setting(struct kt_doctor *doctor, const char *key, const char *const *values)
{
	char *value = kt_repository_config_get(doctor->repo, key);
	bool found = false;

	for (size_t i = 0; value != NULL && values[i] != NULL; i++)
		found = found || strcmp(value, values[i]) == 0;
	free(value);
	return found;
}

void kt_doctor_policies(struct kt_doctor *doctor)
{
	static const char *const now[] = {"now", "all", "0", NULL};
	static const char *const on[] = {"true", "yes", "on", "1", "", NULL};
	char *name = kt_repository_config_get(doctor->repo, "user.name");
	char *email = kt_repository_config_get(doctor->repo, "user.email");

	if (is_setting(doctor, "gc.pruneexpire", now))
		kt_doctor_add(doctor, KT_FINDING_GC_NOW, NULL,
			"gc.pruneExpire is now: a gc may remove objects that a commit under way "
			"needs");
	if (is_setting(doctor, "commit.gpgsign", on) &&
		(doctor->config == NULL || !doctor->config->sign_bookkeeping))
		kt_doctor_add(doctor, KT_FINDING_SIGNING, NULL,
			"commit.gpgSign is set, but bookkeeping commits are signed only with sign: "
			"true in the kitty: section of .kittify/config.yaml");
	if (name == NULL || email == NULL)
		kt_doctor_add(doctor, KT_FINDING_IDENTITY, NULL,
			"user.name or user.email is not set: bookkeeping commits carry a fixed "
			"identity");
	free(name);
	free(email);
}
