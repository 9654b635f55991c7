/*
 * Reads the drafts of a mission: every file of its folder in the primary checkout, and the work
 * packages among them. Used by kitty only. Never writes and never follows a symbolic link.
 */
#include "supervisor/mission/drafts.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ipc/file.h"
#include "supervisor/config/frontmatter.h"
#include "supervisor/mission/disk.h"
#include "supervisor/mission/tasks_md.h"
#include "supervisor/mission/wp.h"

#define FOLDER_DEPTH_MAX 16

KT_PRINTF(4, 0)
static void note(
	struct kt_buffer *out, const char *path, long line, const char *format, va_list args)
{
	kt_buffer_printf(out, "%s:%ld: ", path, line);
	kt_buffer_vprintf(out, format, args);
	kt_buffer_putc(out, '\n');
}

void kt_drafts_problem(
	struct kt_drafts *drafts, const char *path, long line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(drafts->problems, path, line, format, args);
	va_end(args);
	drafts->problems_len++;
}

void kt_drafts_warning(
	struct kt_drafts *drafts, const char *path, long line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(drafts->warnings, path, line, format, args);
	va_end(args);
}

const char *kt_draft_path(const struct kt_drafts *drafts, const struct kt_draft_wp *wp)
{
	return drafts->files[wp->file].path;
}

long kt_draft_line(const struct kt_draft_wp *wp, const char *key)
{
	int64_t line = 1;

	return kt_json_get_int(wp->lines, key, &line) ? (long)line : 1;
}

struct kt_plan_file *kt_drafts_find(const struct kt_drafts *drafts, const char *name)
{
	size_t folder = strlen(drafts->mission->folder) + 1;

	for (size_t i = 0; i < drafts->files_len; i++) {
		if (strcmp(drafts->files[i].path + folder, name) == 0)
			return &drafts->files[i];
	}
	return NULL;
}

bool kt_drafts_is_frozen(const struct kt_drafts *drafts, const char *wp_id)
{
	for (const char *const *id = drafts->frozen; id != NULL && *id != NULL; id++) {
		if (strcmp(*id, wp_id) == 0)
			return true;
	}
	return false;
}

bool kt_wp_is_planning(const struct kt_wp *wp)
{
	return strcmp(wp->execution_mode, "planning_artifact") == 0;
}

/* The log and its snapshot belong to the transaction; a copy among the drafts is never read. */
static bool is_status_file(const struct kt_drafts *drafts, const char *path)
{
	return strcmp(path, drafts->mission->log_path) == 0 ||
	       strcmp(path, drafts->mission->snapshot_path) == 0;
}

static enum kt_code file_read(struct kt_drafts *drafts, const char *path, struct kt_error *err)
{
	char *absolute = kt_format("%s/%s", drafts->mission->repo_root, path);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_plan_file *file;
	bool found = false;
	enum kt_code code = kt_disk_read(absolute, KT_PLAN_FILE_MAX, &found, &text, err);

	if (code == KT_E_LIMIT) {
		kt_drafts_problem(drafts, path, 1, "larger than %u MiB", KT_PLAN_FILE_MAX >> 20);
		code = KT_E_OK;
	} else if (code == KT_E_OK && found) {
		drafts->files = kt_realloc_array(
			drafts->files, drafts->files_len + 1, sizeof(*drafts->files));
		file = &drafts->files[drafts->files_len++];
		file->path = kt_strdup(path);
		file->len = text.len;
		file->bytes = kt_buffer_take(&text);
	}
	kt_buffer_release(&text);
	free(absolute);
	return code;
}

static enum kt_code folder_read(
	struct kt_drafts *drafts, const char *folder, int depth, struct kt_error *err);

static enum kt_code entry_read(
	struct kt_drafts *drafts, const char *path, int depth, struct kt_error *err)
{
	char *absolute = kt_format("%s/%s", drafts->mission->repo_root, path);
	enum kt_disk_kind kind = kt_disk_kind(absolute);

	free(absolute);
	if (is_status_file(drafts, path))
		return KT_E_OK;
	if (kind == KT_DISK_FOLDER)
		return folder_read(drafts, path, depth + 1, err);
	if (kind == KT_DISK_FILE && drafts->files_len < KT_PLAN_FILES_MAX)
		return file_read(drafts, path, err);
	if (kind == KT_DISK_FILE && drafts->files_len == KT_PLAN_FILES_MAX)
		return kt_error_set(err, KT_E_LIMIT, "%s holds more than %d files",
			drafts->mission->folder, KT_PLAN_FILES_MAX);
	if (kind == KT_DISK_OTHER)
		kt_drafts_problem(
			drafts, path, 1, "a symbolic link or special file cannot be committed");
	return KT_E_OK;
}

/* git cannot hold these; a repository inside the folder is somebody's mistake. */
static bool is_git_name(const char *name)
{
	return strcasecmp(name, ".git") == 0;
}

static enum kt_code folder_read(
	struct kt_drafts *drafts, const char *folder, int depth, struct kt_error *err)
{
	char *absolute = kt_format("%s/%s", drafts->mission->repo_root, folder);
	struct kt_list names = KT_LIST_INIT;
	enum kt_code code = KT_E_OK;

	if (depth > FOLDER_DEPTH_MAX) {
		kt_drafts_problem(drafts, folder, 1, "folders are nested too deeply");
		free(absolute);
		return KT_E_OK;
	}
	kt_disk_names(absolute, &names);
	for (size_t i = 0; i < names.len && code == KT_E_OK; i++) {
		char *path = kt_format("%s/%s", folder, names.items[i]);

		/* What a killed kitty left half-written is nobody's file. */
		if (kt_file_is_temporary(names.items[i])) {
			free(path);
			continue;
		}
		if (is_git_name(names.items[i]))
			kt_drafts_problem(drafts, path, 1, "a git repository cannot be committed");
		else
			code = entry_read(drafts, path, depth, err);
		free(path);
	}
	kt_list_release(&names);
	free(absolute);
	return code;
}

/* "line 3, column 7: reason" of the parser becomes "FILE:3: column 7: reason". */
static void parse_problem(struct kt_drafts *drafts, const char *path, const struct kt_error *inner)
{
	const char *rest = inner->detail;
	long line = 1;

	if (strncmp(rest, "line ", 5) == 0) {
		char *end;

		line = strtol(rest + 5, &end, 10);
		rest = end + strspn(end, ", ");
	}
	kt_drafts_problem(drafts, path, line, "%s", rest);
}

static void unknown_keys(
	struct kt_drafts *drafts, const char *path, const struct kt_frontmatter *front)
{
	const char *text = kt_buffer_text(front->warnings);

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		kt_buffer_printf(drafts->warnings, "%s:%.*s\n", path, (int)len, text);
		text += len + (text[len] == '\n' ? 1 : 0);
	}
}

static void dependencies_from_tasks(const struct kt_drafts *drafts, struct kt_draft_wp *draft)
{
	const struct kt_plan_file *tasks = kt_drafts_find(drafts, "tasks.md");
	struct kt_list list = KT_LIST_INIT;

	if (tasks == NULL || kt_json_get(draft->values, "dependencies") != NULL)
		return;
	if (kt_tasks_md_dependencies(tasks->bytes, draft->expected_id, &list)) {
		kt_strings_free(draft->wp.dependencies);
		draft->wp.dependencies = kt_list_take(&list);
		draft->from_tasks_md = true;
	}
	kt_list_release(&list);
}

static void wp_read(struct kt_drafts *drafts, size_t index, const char *name)
{
	const struct kt_plan_file *file = &drafts->files[index];
	struct kt_frontmatter front = {NULL, 0, NULL, NULL};
	struct kt_error inner = KT_ERROR_INIT;
	struct kt_draft_wp *draft;
	const char *below = file->path + strlen(drafts->mission->folder) + 1;

	if (kt_frontmatter_parse(file->bytes, file->len, &front, &inner) != KT_E_OK) {
		parse_problem(drafts, file->path, &inner);
		return;
	}
	unknown_keys(drafts, file->path, &front);
	drafts->wps = kt_realloc_array(drafts->wps, drafts->wps_len + 1, sizeof(*drafts->wps));
	draft = &drafts->wps[drafts->wps_len++];
	memset(draft, 0, sizeof(*draft));
	kt_wp_fill(&draft->wp, below, file->bytes, file->len, &front);
	draft->values = front.values;
	draft->lines = front.lines;
	front.values = NULL;
	front.lines = NULL;
	draft->file = index;
	draft->expected_id = kt_wp_file_id(name);
	kt_frontmatter_release(&front);
	dependencies_from_tasks(drafts, draft);
}

static int compare_drafts(const void *left, const void *right)
{
	const struct kt_draft_wp *left_wp = left, *right_wp = right;
	int order = strcmp(left_wp->wp.id, right_wp->wp.id);

	return order != 0 ? order : strcmp(left_wp->wp.path, right_wp->wp.path);
}

static void wps_read(struct kt_drafts *drafts)
{
	char *tasks = kt_format("%s/tasks/", drafts->mission->folder);
	size_t len = strlen(tasks), before = drafts->problems_len;

	for (size_t i = 0; i < drafts->files_len; i++) {
		const char *path = drafts->files[i].path;

		if (strncmp(path, tasks, len) == 0 && kt_wp_file_is(path + len))
			wp_read(drafts, i, path + len);
	}
	if (drafts->wps_len > 0)
		qsort(drafts->wps, drafts->wps_len, sizeof(*drafts->wps), compare_drafts);
	else if (drafts->problems_len == before)
		kt_drafts_problem(drafts, tasks, 1, "there is no work package file (WP01-name.md)");
	free(tasks);
}

enum kt_code kt_drafts_read(struct kt_drafts *drafts, struct kt_error *err)
{
	enum kt_code code;

	if (kt_disk_kind(drafts->mission->draft_dir) != KT_DISK_FOLDER)
		return kt_error_set(err, KT_E_MISSION_NOT_FOUND, "the folder %s is not there",
			drafts->mission->draft_dir);
	code = folder_read(drafts, drafts->mission->folder, 0, err);
	if (code == KT_E_OK)
		wps_read(drafts);
	return code;
}

void kt_drafts_release(struct kt_drafts *drafts)
{
	for (size_t i = 0; i < drafts->files_len; i++) {
		free(drafts->files[i].path);
		free(drafts->files[i].bytes);
	}
	for (size_t i = 0; i < drafts->wps_len; i++) {
		kt_wp_release(&drafts->wps[i].wp);
		kt_json_free(drafts->wps[i].values);
		kt_json_free(drafts->wps[i].lines);
		free(drafts->wps[i].expected_id);
	}
	free(drafts->files);
	free(drafts->wps);
	kt_graph_release(&drafts->graph);
	kt_lanes_free(drafts->previous);
	drafts->files = NULL;
	drafts->wps = NULL;
	drafts->previous = NULL;
	drafts->files_len = 0;
	drafts->wps_len = 0;
}
