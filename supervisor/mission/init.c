/*
 * kitty init: what a project needs before its first mission. Used by kitty only. Never changes what
 * somebody else wrote in these files: lines are added, an existing configuration is left alone.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/config/config.h"
#include "supervisor/mission/create.h"
#include "supervisor/mission/names.h"

#define INFO_FILE_MAX (1U << 20)

/* Without the first, `git add .` records lanes as submodules; without the second, line-end settings
 * and filters change the bytes of the log (both win over files that are committed). */
static const char *const info_lines[][2] = {
	{"info/exclude", "/.worktrees/"},
	{"info/attributes",
		"kitty-specs/**/status.* -text -filter -ident -merge -working-tree-encoding"},
};

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	while (*text != '\0') {
		size_t own = strcspn(text, "\n");
		size_t trimmed = own;

		while (trimmed > 0 && strchr(" \t\r", text[trimmed - 1]) != NULL)
			trimmed--;
		if (trimmed == len && strncmp(text, line, len) == 0)
			return true;
		text += own + (text[own] == '\n' ? 1 : 0);
	}
	return false;
}

static enum kt_code line_add(
	const char *path, const char *line, struct kt_list *changed, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *folder = kt_path_parent(path);
	enum kt_code code = KT_E_OK;

	if (kt_file_exists(path))
		code = kt_file_read(path, INFO_FILE_MAX, &text, err);
	if (code != KT_E_OK || has_line(kt_buffer_text(&text), line))
		goto out;
	if (text.len > 0 && text.data[text.len - 1] != '\n')
		kt_buffer_putc(&text, '\n');
	kt_buffer_printf(&text, "%s\n", line);
	code = kt_folder_make(folder, 0755, err);
	if (code == KT_E_OK)
		code = kt_file_write_atomic(path, kt_buffer_text(&text), text.len, 0644, true, err);
	if (code == KT_E_OK)
		kt_list_add(changed, path);
out:
	kt_buffer_release(&text);
	free(folder);
	return code;
}

static enum kt_code config_add(
	const struct kt_repository *repo, struct kt_list *changed, struct kt_error *err)
{
	char *folder = kt_path_join(repo->primary, ".kittify");
	char *path = kt_path_join(folder, "config.yaml");
	const char *text = kt_config_template();
	enum kt_code code = KT_E_OK;

	if (!kt_file_exists(path)) {
		code = kt_folder_make(folder, 0755, err);
		if (code == KT_E_OK)
			code = kt_file_write_atomic(path, text, strlen(text), 0644, true, err);
		if (code == KT_E_OK)
			kt_list_add(changed, path);
	}
	free(folder);
	free(path);
	return code;
}

enum kt_code kt_project_guard(
	const struct kt_repository *repo, struct kt_list *changed, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; i < sizeof(info_lines) / sizeof(info_lines[0]) && code == KT_E_OK; i++) {
		char *path = kt_path_join(repo->common_dir, info_lines[i][0]);

		code = line_add(path, info_lines[i][1], changed, err);
		free(path);
	}
	return code;
}

enum kt_code kt_project_guard_alone(const struct kt_repository *repo, struct kt_error *err)
{
	struct kt_list ignored = KT_LIST_INIT;
	int lock = -1;
	enum kt_code code = kt_repository_lock(repo, KT_LOCK_TIMEOUT_MS, &lock, err);

	if (code != KT_E_OK)
		return code;
	code = kt_project_guard(repo, &ignored, err);
	kt_repository_unlock(lock);
	kt_list_release(&ignored);
	return code;
}

enum kt_code kt_project_init(
	const struct kt_repository *repo, char ***changed, struct kt_error *err)
{
	struct kt_list list = KT_LIST_INIT;
	int lock = -1;
	enum kt_code code = kt_repository_lock(repo, KT_LOCK_TIMEOUT_MS, &lock, err);

	if (code != KT_E_OK)
		return code;
	code = config_add(repo, &list, err);
	if (code == KT_E_OK)
		code = kt_project_guard(repo, &list, err);
	kt_repository_unlock(lock);
	if (code == KT_E_OK)
		*changed = kt_list_take(&list);
	kt_list_release(&list);
	return code;
}
