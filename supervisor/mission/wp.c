/*
 * One WP file to struct kt_wp. Used by kitty only. Never validates (validate.c does) and never
 * reads a status: that is in the event log.
 */
#include "supervisor/mission/wp.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/config/frontmatter.h"

static size_t id_len(const char *name)
{
	size_t digits;

	if (strncmp(name, "WP", 2) != 0)
		return 0;
	digits = strspn(name + 2, "0123456789");
	return digits < 2 || digits + 2 > KT_WP_ID_MAX ? 0 : digits + 2;
}

bool kt_wp_file_is(const char *name)
{
	size_t len = strlen(name), id = id_len(name);

	if (id == 0 || len < id + 3 || strcmp(name + len - 3, ".md") != 0)
		return false;
	return strchr("-_.", name[id]) != NULL;
}

char *kt_wp_file_id(const char *name)
{
	return kt_strndup(name, id_len(name));
}

/* An element's text: {id: T001, ...} counts by its id. */
static void push_item(struct kt_list *list, const struct kt_json *item)
{
	if (kt_json_is(item, KT_JSON_OBJECT))
		item = kt_json_get(item, "id");
	if (kt_json_string(item) != NULL)
		kt_list_add(list, kt_json_string(item));
	else if (kt_json_number_text(item) != NULL)
		kt_list_add(list, kt_json_number_text(item));
}

char **kt_frontmatter_strings(const struct kt_json *value)
{
	struct kt_list list = KT_LIST_INIT;

	if (value != NULL && !kt_json_is(value, KT_JSON_ARRAY))
		push_item(&list, value);
	if (kt_json_is(value, KT_JSON_ARRAY)) {
		for (struct kt_json *item = kt_json_first(value); item != NULL;
			item = kt_json_next(item))
			push_item(&list, item);
	}
	return kt_list_take(&list);
}

/* "claude:opus:reviewer" and {tool: claude} both mean the agent claude. */
static char *agent_of(const struct kt_json *values)
{
	const struct kt_json *value = kt_json_get(values, "agent");
	const char *text = kt_json_is(value, KT_JSON_OBJECT) ? kt_json_get_string(value, "tool")
							     : kt_json_string(value);

	if (text == NULL || text[0] == '\0' || text[0] == ':')
		return NULL;
	return kt_strndup(text, strcspn(text, ":"));
}

static char *title_of(const struct kt_json *values)
{
	const char *title = kt_json_get_string(values, "title");

	if (title == NULL)
		title = kt_json_get_string(values, "work_package_title");
	return kt_strdup(title == NULL ? "" : title);
}

static bool mentions(const char *text, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (strstr(text, *words) != NULL)
			return true;
	}
	return false;
}

/* Where nothing is declared: planning work speaks of planning files and of no code. A WP that names
 * the files it owns is code work, or it would silently never be launched. */
static const char *infer_mode(const struct kt_wp *wp)
{
	static const char *const planning[] = {"kitty-specs/", "spec.md", "plan.md", "tasks.md",
		"data-model.md", "quickstart.md", NULL};
	static const char *const code[] = {"src/", "test/", "tests/", ".py", ".ts", ".js", NULL};

	if (wp->owned_files[0] != NULL)
		return "code_change";
	return mentions(wp->text, planning) && !mentions(wp->text, code) ? "planning_artifact"
									 : "code_change";
}

void kt_wp_fill(struct kt_wp *wp, const char *path, const char *text, size_t len,
	const struct kt_frontmatter *front)
{
	const struct kt_json *values = front->values;
	const char *id = kt_json_get_string(values, "work_package_id");
	const char *mode = kt_json_get_string(values, "execution_mode");

	wp->id = kt_strdup(id == NULL ? "" : id);
	wp->title = title_of(values);
	wp->path = kt_strdup(path);
	wp->text = kt_strndup(text, len);
	wp->text_len = len;
	wp->dependencies = kt_frontmatter_strings(kt_json_get(values, "dependencies"));
	wp->owned_files = kt_frontmatter_strings(kt_json_get(values, "owned_files"));
	wp->subtasks = kt_frontmatter_strings(kt_json_get(values, "subtasks"));
	wp->agent = agent_of(values);
	wp->body_offset = front->body_offset;
	wp->execution_mode = kt_strdup(mode == NULL ? infer_mode(wp) : mode);
}

void kt_wp_release(struct kt_wp *wp)
{
	free(wp->id);
	free(wp->title);
	free(wp->path);
	free(wp->text);
	kt_strings_free(wp->dependencies);
	kt_strings_free(wp->owned_files);
	kt_strings_free(wp->subtasks);
	free(wp->execution_mode);
	free(wp->agent);
	memset(wp, 0, sizeof(*wp));
}
