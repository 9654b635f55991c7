/*
 * The drafts that a new mission begins with. Used by kitty only. Writing them is the operator's or
 * an agent's work: here stand only headings and how to go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/meta.h"
#include "supervisor/mission/mint.h"

static const char spec_text[] =
	"\n"
	"## Purpose\n\n"
	"<!-- What shall be true when this mission is done, and for whom? -->\n\n"
	"## Requirements\n\n"
	"<!-- One per line, numbered FR-nnn with three digits. When this page declares "
	"requirements,\n"
	"     work packages refer to them in requirement_refs. -->\n\n"
	"## Out of scope\n";

static const char plan_text[] = "\n"
				"## Approach\n\n"
				"<!-- How is it built, and which parts of the code change? -->\n\n"
				"## Risks\n";

static const char tasks_text[] = "\n"
				 "<!-- An overview of the work packages, for people. Each has its "
				 "own file in tasks/, which\n"
				 "     decides; tasks/README.md shows one. -->\n";

static const char readme_text[] =
	"# Work packages\n\n"
	"One file each, named `WP01-short-name.md`. An agent gets the whole file as its task.\n"
	"For example `WP01-parser.md`:\n\n"
	"```markdown\n"
	"---\n"
	"work_package_id: WP01\n"
	"title: Parse the new option\n"
	"dependencies: []\n"
	"owned_files:\n"
	"- src/parser/**\n"
	"- tests/test_parser.c\n"
	"subtasks:\n"
	"- T001\n"
	"---\n\n"
	"What to do, and how to see that it is done.\n\n"
	"- [ ] T001 The option is parsed and tested\n"
	"```\n\n"
	"* `dependencies`: work packages that must be approved first, for example `[WP01]`.\n"
	"* `owned_files`: the files that this work package writes (globs). Two work packages that "
	"share\n"
	"  files run one after the other, so one of them must depend on the other.\n"
	"* `execution_mode: planning_artifact` marks work that people do in the primary "
	"checkout.\n\n"
	"When all files are written: `kitty agent mission finalize-tasks`\n";

struct scaffold_file {
	const char *name;
	const char *heading; /* "# Spec" is followed by the mission's name; NULL: none */
	const char *text;
};

static const struct scaffold_file scaffold_files[] = {
	{"spec.md", "Spec", spec_text},
	{"plan.md", "Plan", plan_text},
	{"tasks.md", "Tasks", tasks_text},
	{"tasks/README.md", NULL, readme_text},
	{"tasks/.gitkeep", NULL, ""},
};

#define FILES_LEN (sizeof(scaffold_files) / sizeof(scaffold_files[0]))

const char *const *kt_scaffold_names(void)
{
	static const char *const names[] = {"spec.md", "plan.md", "tasks.md", "tasks/README.md",
		"tasks/.gitkeep", "meta.json", NULL};

	return names;
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Runs of blanks become one, none at the ends; gives. */
static char *collapsed(const char *text)
{
	struct kt_buffer out = KT_BUFFER_INIT;

	for (; *text != '\0'; text++) {
		if (!is_blank(*text))
			kt_buffer_putc(&out, *text);
		else if (out.len > 0 && !is_blank(text[1]) && text[1] != '\0')
			kt_buffer_putc(&out, ' ');
	}
	return kt_buffer_take(&out);
}

/* "checkout-upsell" becomes "Checkout Upsell"; gives. */
static char *name_of(const struct kt_mission_request *request)
{
	char *name;

	if (request->friendly_name != NULL)
		return collapsed(request->friendly_name);
	name = kt_strdup(request->slug);
	for (char *at = name; *at != '\0'; at++) {
		if (*at == '-')
			*at = ' ';
		else if (*at >= 'a' && *at <= 'z' && (at == name || at[-1] == ' '))
			*at = (char)(*at - 'a' + 'A');
	}
	return name;
}

static void set_collapsed(
	struct kt_json *meta, const char *key, const char *text, const char *standard)
{
	char *value = collapsed(text == NULL ? standard : text);

	kt_json_set_string(meta, key, value);
	free(value);
}

static void set_time(struct kt_json *meta, const char *key, int64_t now_us)
{
	time_t seconds = (time_t)(now_us / 1000000);
	long micro = (long)(now_us % 1000000);
	struct tm parts;
	char head[32], text[64];

	KT_BUG_UNLESS(gmtime_r(&seconds, &parts) != NULL);
	(void)strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &parts);
	if (micro == 0)
		(void)snprintf(text, sizeof(text), "%s+00:00", head);
	else
		(void)snprintf(text, sizeof(text), "%s.%06ld+00:00", head, micro);
	kt_json_set_string(meta, key, text);
}

static struct kt_json *meta_of(const struct kt_birth *birth, const char *name)
{
	const struct kt_mission_request *request = birth->request;
	struct kt_json *meta = kt_json_new_object();
	char mid8[9] = "", *folder, *branch;

	memcpy(mid8, birth->mission_id, 8);
	folder = kt_name_dir(request->slug, mid8);
	branch = kt_name_coord_branch(folder, mid8);
	kt_json_set_string(meta, "coordination_branch", branch);
	set_time(meta, "created_at", birth->now_us);
	kt_json_set_bool(meta, "flattened", false);
	kt_json_set_string(meta, "friendly_name", name);
	kt_json_set_string(meta, "mission_id", birth->mission_id);
	kt_json_set(meta, "mission_number", kt_json_new_null());
	kt_json_set_string(meta, "mission_slug", folder);
	kt_json_set_string(meta, "mission_type", "software-dev");
	set_collapsed(meta, "purpose_context", request->purpose_context, name);
	set_collapsed(meta, "purpose_tldr", request->purpose_tldr, name);
	kt_json_set_string(meta, "slug", request->slug);
	kt_json_set_string(meta, "target_branch", birth->target);
	kt_json_set_string(meta, "topology", kt_topology_name(KT_TOPOLOGY_LANES_WITH_COORD));
	free(folder);
	free(branch);
	return meta;
}

static enum kt_code file_write(
	const char *dir, const char *name, const struct kt_buffer *text, struct kt_error *err)
{
	char *path = kt_path_join(dir, name);
	enum kt_code code =
		kt_file_write_atomic(path, kt_buffer_text(text), text->len, 0644, true, err);

	free(path);
	return code;
}

static enum kt_code draft_write(
	const struct scaffold_file *file, const char *dir, const char *name, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code;

	if (file->heading != NULL)
		kt_buffer_printf(&text, "# %s: %s\n", file->heading, name);
	kt_buffer_puts(&text, file->text);
	code = file_write(dir, file->name, &text, err);
	kt_buffer_release(&text);
	return code;
}

static enum kt_code meta_write(
	const struct kt_birth *birth, const char *dir, const char *name, struct kt_error *err)
{
	struct kt_json *meta = meta_of(birth, name);
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code;

	kt_json_write(meta, KT_JSON_PRETTY_SORTED, &text);
	kt_buffer_putc(&text, '\n');
	code = file_write(dir, "meta.json", &text, err);
	kt_buffer_release(&text);
	kt_json_free(meta);
	return code;
}

enum kt_code kt_scaffold_write(const struct kt_birth *birth, const char *dir, struct kt_error *err)
{
	char *name = name_of(birth->request);
	char *tasks = kt_path_join(dir, "tasks");
	enum kt_code code = kt_folder_make(tasks, 0755, err);

	for (size_t i = 0; i < FILES_LEN && code == KT_E_OK; i++)
		code = draft_write(&scaffold_files[i], dir, name, err);
	/* Last: a folder with a meta.json is complete. */
	if (code == KT_E_OK)
		code = meta_write(birth, dir, name, err);
	free(name);
	free(tasks);
	return code;
}
