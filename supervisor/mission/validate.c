/*
 * Everything that can be wrong with drafts, each with its file and line. Used by kitty only. Never
 * stops at the first problem and never corrects one.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/mission/disk.h"
#include "supervisor/mission/drafts.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/requirements.h"
#include "supervisor/mission/wp.h"

/* Problem at a key of one WP. */
#define WRONG(drafts, draft, key, ...) \
	kt_drafts_problem( \
		drafts, kt_draft_path(drafts, draft), kt_draft_line(draft, key), __VA_ARGS__)

static size_t index_of(const struct kt_drafts *drafts, const char *wp_id)
{
	for (size_t i = 0; i < drafts->wps_len; i++) {
		if (strcmp(drafts->wps[i].wp.id, wp_id) == 0)
			return i;
	}
	return drafts->wps_len;
}

static void check_identity(struct kt_drafts *drafts, const struct kt_draft_wp *draft)
{
	const struct kt_wp *wp = &draft->wp;

	if (wp->id[0] == '\0')
		WRONG(drafts, draft, "work_package_id", "work_package_id is missing");
	else if (!kt_wp_id_is_valid(wp->id))
		WRONG(drafts, draft, "work_package_id", "\"%.40s\" is no WP id (WP01)", wp->id);
	else if (strcmp(wp->id, draft->expected_id) != 0)
		WRONG(drafts, draft, "work_package_id", "%s is in a file named for %s", wp->id,
			draft->expected_id);
	if (wp->title[0] == '\0')
		WRONG(drafts, draft, "title", "title is missing");
	if (strcmp(wp->execution_mode, "code_change") != 0 && !kt_wp_is_planning(wp))
		WRONG(drafts, draft, "execution_mode",
			"execution_mode is code_change or planning_artifact");
}

static bool is_text_list(const struct kt_json *value)
{
	if (value == NULL || kt_json_is(value, KT_JSON_NULL) || kt_json_string(value) != NULL)
		return true;
	if (!kt_json_is(value, KT_JSON_ARRAY))
		return false;
	for (struct kt_json *item = kt_json_first(value); item != NULL; item = kt_json_next(item)) {
		if (kt_json_string(item) == NULL)
			return false;
	}
	return true;
}

static void check_lists(struct kt_drafts *drafts, const struct kt_draft_wp *draft)
{
	static const char *const keys[] = {"dependencies", "owned_files", "requirement_refs"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!is_text_list(kt_json_get(draft->values, keys[i])))
			WRONG(drafts, draft, keys[i], "%s is a list of texts", keys[i]);
	}
}

static bool has_parent_step(const char *path)
{
	for (const char *at = path; *at != '\0'; at += strcspn(at, "/"), at += *at == '/') {
		if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
			return true;
	}
	return false;
}

static bool is_below_specs(const char *glob)
{
	while (strncmp(glob, "./", 2) == 0)
		glob += 2;
	return strncmp(glob, "kitty-specs", 11) == 0 && (glob[11] == '\0' || glob[11] == '/');
}

static void check_owned(struct kt_drafts *drafts, const struct kt_draft_wp *draft)
{
	const char *key = "owned_files";

	/* Folders made by hand often have none: such a work package gets a lane of its own, and
	 * nothing is held against its files. */
	if (draft->wp.owned_files[0] == NULL && !kt_wp_is_planning(&draft->wp) &&
		drafts->mission->coordination_branch == NULL)
		kt_drafts_warning(drafts, kt_draft_path(drafts, draft), kt_draft_line(draft, key),
			"owned_files is missing: %s gets a lane of its own", draft->expected_id);
	else if (draft->wp.owned_files[0] == NULL && !kt_wp_is_planning(&draft->wp))
		WRONG(drafts, draft, key, "owned_files is missing: which files does %s write?",
			draft->expected_id);
	for (char **glob = draft->wp.owned_files; *glob != NULL; glob++) {
		if ((*glob)[0] == '\0' || (*glob)[0] == '/' || has_parent_step(*glob))
			WRONG(drafts, draft, key, "\"%.80s\" is no path inside the repository",
				*glob);
		else if (is_below_specs(*glob) && !kt_wp_is_planning(&draft->wp))
			WRONG(drafts, draft, key,
				"INVALID_WP_OWNED_FILES_KITTY_SPECS: \"%.80s\" belongs to the "
				"mission, not "
				"to a work package",
				*glob);
	}
}

static void check_surface(struct kt_drafts *drafts, const struct kt_draft_wp *draft)
{
	const char *surface = kt_json_get_string(draft->values, "authoritative_surface");

	if (surface == NULL)
		return;
	for (char **glob = draft->wp.owned_files; surface[0] != '\0' && *glob != NULL; glob++) {
		if (strncmp(*glob, surface, strlen(surface)) == 0)
			return;
	}
	WRONG(drafts, draft, "authoritative_surface",
		"authoritative_surface \"%.80s\" is not the beginning of any owned file", surface);
}

/* A literal path that is not there may be a file still to be made, or a mistyped one. */
static void check_literals(struct kt_drafts *drafts, const struct kt_draft_wp *draft)
{
	char **intended = kt_frontmatter_strings(kt_json_get(draft->values, "create_intent"));

	for (char **glob = draft->wp.owned_files; *glob != NULL; glob++) {
		char *path;

		if (strpbrk(*glob, "*?[") != NULL || kt_strings_have(intended, *glob))
			continue;
		path = kt_format("%s/%s", drafts->mission->repo_root, *glob);
		if (kt_disk_kind(path) == KT_DISK_NOTHING)
			kt_drafts_warning(drafts, kt_draft_path(drafts, draft),
				kt_draft_line(draft, "owned_files"),
				"\"%.80s\" does not exist yet (list it in create_intent when it is "
				"new)",
				*glob);
		free(path);
	}
	kt_strings_free(intended);
}

static void check_dependencies(struct kt_drafts *drafts, size_t index)
{
	const struct kt_draft_wp *draft = &drafts->wps[index];
	const char *key = "dependencies";

	for (char **id = draft->wp.dependencies; *id != NULL; id++) {
		size_t to = index_of(drafts, *id);

		if (strcmp(*id, draft->wp.id) == 0)
			WRONG(drafts, draft, key, "%s depends on itself", *id);
		else if (to == drafts->wps_len)
			WRONG(drafts, draft, key, "the dependency \"%.40s\" is no work package",
				*id);
		else
			kt_graph_add(&drafts->graph, index, to);
	}
}

static void check_twins(struct kt_drafts *drafts)
{
	for (size_t i = 1; i < drafts->wps_len; i++) {
		const struct kt_draft_wp *before = &drafts->wps[i - 1], *draft = &drafts->wps[i];

		if (draft->wp.id[0] != '\0' && strcmp(before->wp.id, draft->wp.id) == 0)
			WRONG(drafts, draft, "work_package_id", "%s is also the id of %s",
				draft->wp.id, before->wp.path);
	}
}

static void describe_cycle(
	const struct kt_drafts *drafts, const size_t *cycle, size_t len, struct kt_buffer *out)
{
	for (size_t i = 0; i < len; i++)
		kt_buffer_printf(out, "%s -> ", drafts->wps[cycle[i]].wp.id);
	kt_buffer_puts(out, drafts->wps[cycle[0]].wp.id);
}

/* Each knot of cycles is told once, by the shortest cycle through its first WP. */
static void check_cycles(struct kt_drafts *drafts)
{
	const struct kt_graph *graph = &drafts->graph;
	bool *told = kt_alloc(graph->len * sizeof(*told));
	size_t *cycle = kt_realloc_array(NULL, graph->len + 1, sizeof(*cycle));

	for (size_t i = 0; i < graph->len; i++) {
		struct kt_buffer text = KT_BUFFER_INIT;

		if (told[i] || !kt_graph_reaches(graph, i, i))
			continue;
		describe_cycle(drafts, cycle, kt_graph_cycle(graph, i, cycle), &text);
		WRONG(drafts, &drafts->wps[i], "dependencies", "a cycle: %s",
			kt_buffer_text(&text));
		kt_buffer_release(&text);
		for (size_t other = 0; other < graph->len; other++) {
			if (kt_graph_reaches(graph, i, other) && kt_graph_reaches(graph, other, i))
				told[other] = true;
		}
	}
	free(told);
	free(cycle);
}

static bool is_codebase_wide(const struct kt_draft_wp *draft)
{
	const char *scope = kt_json_get_string(draft->values, "scope");

	return scope != NULL && strcmp(scope, "codebase-wide") == 0;
}

static void check_pair(
	struct kt_drafts *drafts, const struct kt_draft_wp *left, const struct kt_draft_wp *right)
{
	for (char **one = left->wp.owned_files; *one != NULL; one++) {
		for (char **two = right->wp.owned_files; *two != NULL; two++) {
			if (!kt_globs_overlap(*one, *two))
				continue;
			WRONG(drafts, right, "owned_files",
				"%s owns \"%.80s\" and %s owns \"%.80s\": let one depend on the "
				"other, or "
				"split the files",
				right->wp.id, *two, left->wp.id, *one);
			return;
		}
	}
}

static void check_overlaps(struct kt_drafts *drafts)
{
	for (size_t right = 1; right < drafts->wps_len; right++) {
		const struct kt_draft_wp *two = &drafts->wps[right];

		if (kt_wp_is_planning(&two->wp) || is_codebase_wide(two))
			continue;
		for (size_t left = 0; left < right; left++) {
			const struct kt_draft_wp *one = &drafts->wps[left];

			if (!kt_wp_is_planning(&one->wp) && !is_codebase_wide(one) &&
				!kt_graph_is_ordered(&drafts->graph, left, right))
				check_pair(drafts, one, two);
		}
	}
}

/* Work that has begun keeps its WP, and the WP its lane. A file that could not be read is not gone.
 */
static void check_frozen(struct kt_drafts *drafts, bool is_all_read)
{
	for (const char *const *id = drafts->frozen; id != NULL && *id != NULL; id++) {
		size_t index = index_of(drafts, *id);
		const struct kt_lane_plan *lane =
			drafts->previous == NULL ? NULL : kt_lanes_of_wp(drafts->previous, *id);
		bool was_planning = lane != NULL && strcmp(lane->id, "lane-planning") == 0;

		if (index == drafts->wps_len && !is_all_read)
			continue;
		if (index == drafts->wps_len)
			kt_drafts_problem(drafts, drafts->mission->folder, 1,
				"%s has been started, and its file is gone", *id);
		else if (lane != NULL && was_planning != kt_wp_is_planning(&drafts->wps[index].wp))
			WRONG(drafts, &drafts->wps[index], "execution_mode",
				"%s has been started: its execution_mode cannot change", *id);
	}
}

void kt_drafts_check(struct kt_drafts *drafts)
{
	bool is_all_read = drafts->problems_len == 0;

	if (drafts->wps_len > KT_WPS_MAX) {
		kt_drafts_problem(drafts, drafts->mission->folder, 1,
			"more than %d work packages in one mission", KT_WPS_MAX);
		return;
	}
	kt_graph_init(&drafts->graph, drafts->wps_len);
	for (size_t i = 0; i < drafts->wps_len; i++) {
		check_identity(drafts, &drafts->wps[i]);
		check_lists(drafts, &drafts->wps[i]);
		check_owned(drafts, &drafts->wps[i]);
		check_surface(drafts, &drafts->wps[i]);
		check_literals(drafts, &drafts->wps[i]);
		check_dependencies(drafts, i);
	}
	kt_graph_close(&drafts->graph);
	check_twins(drafts);
	check_cycles(drafts);
	check_overlaps(drafts);
	check_frozen(drafts, is_all_read);
	kt_requirements_check(drafts);
}
