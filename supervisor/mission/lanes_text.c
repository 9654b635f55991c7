/*
 * lanes.json, written: keys in the fixed order, so that equal lanes have equal bytes. Used by kitty
 * only. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/mission/identity.h"
#include "supervisor/mission/lane_compute.h"
#include "supervisor/mission/names.h"

struct surface {
	const char *name;
	const char *keywords[6];
};

static const struct surface surfaces[] = {
	{"dashboard", {"dashboard", "landing page", "landing-page", NULL}},
	{"workspace", {"workspace", "mission workspace", NULL}},
	{"app-shell", {"app shell", "app-shell", "navigation", "sidebar", "layout", NULL}},
	{"legacy-cleanup", {"legacy", "cleanup", "deprecat", "remov", NULL}},
	{"tests", {"test suite", "test infrastructure", "e2e test", "integration test", NULL}},
	{"tracker-integration", {"tracker", "saas", "sync", NULL}},
	{"artifact-rendering", {"artifact", "render", "template", NULL}},
	{"api", {"api", "endpoint", "route", "view", NULL}},
};

static bool mentions_surface(const char *lowered, const struct surface *surface)
{
	for (const char *const *word = surface->keywords; *word != NULL; word++) {
		if (strstr(lowered, *word) != NULL)
			return true;
	}
	return false;
}

static char *lowered_body(const struct kt_wp *wp)
{
	size_t len = wp->text_len - wp->body_offset;
	char *body = kt_strndup(wp->text + wp->body_offset, len);

	for (char *at = body; *at != '\0'; at++) {
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	}
	return body;
}

static struct kt_json *strings_json(struct kt_list *list)
{
	struct kt_json *array = kt_json_new_array();

	kt_list_sort(list);
	for (size_t i = 0; i < list->len; i++) {
		if (i == 0 || strcmp(list->items[i - 1], list->items[i]) != 0)
			kt_json_append(array, kt_json_new_string(list->items[i]));
	}
	kt_list_release(list);
	return array;
}

static struct kt_json *surfaces_json(
	const struct kt_drafts *drafts, const struct kt_lane_group *group)
{
	struct kt_list list = KT_LIST_INIT;

	if (group->is_planning)
		kt_list_add(&list, "planning");
	for (size_t i = 0; i < group->len && !group->is_planning; i++) {
		char *body = lowered_body(&drafts->wps[group->wps[i]].wp);

		for (size_t row = 0; row < sizeof(surfaces) / sizeof(surfaces[0]); row++) {
			if (mentions_surface(body, &surfaces[row]))
				kt_list_add(&list, surfaces[row].name);
		}
		free(body);
	}
	return strings_json(&list);
}

static struct kt_json *scope_json(const struct kt_drafts *drafts, const struct kt_lane_group *group)
{
	struct kt_list list = KT_LIST_INIT;

	for (size_t i = 0; i < group->len; i++) {
		for (char **glob = drafts->wps[group->wps[i]].wp.owned_files; *glob != NULL; glob++)
			kt_list_add(&list, *glob);
	}
	return strings_json(&list);
}

static struct kt_json *edges_json(const struct kt_lane_set *set, const struct kt_lane_group *group)
{
	struct kt_list list = KT_LIST_INIT;

	for (size_t other = 0; other < set->len; other++) {
		if (group->depends[other])
			kt_list_add(&list, set->groups[other].id);
	}
	return strings_json(&list);
}

static struct kt_json *lane_json(const struct kt_drafts *drafts, const struct kt_lane_set *set,
	const struct kt_lane_group *group)
{
	struct kt_json *lane = kt_json_new_object();
	struct kt_json *ids = kt_json_new_array();

	for (size_t i = 0; i < group->len; i++)
		kt_json_append(ids, kt_json_new_string(drafts->wps[group->wps[i]].wp.id));
	kt_json_set_string(lane, "lane_id", group->id);
	kt_json_set(lane, "wp_ids", ids);
	kt_json_set(lane, "write_scope", scope_json(drafts, group));
	kt_json_set(lane, "predicted_surfaces", surfaces_json(drafts, group));
	kt_json_set(lane, "depends_on_lanes", edges_json(set, group));
	kt_json_set_int(lane, "parallel_group", group->parallel_group);
	return lane;
}

static int compare_groups(const void *left, const void *right)
{
	const struct kt_lane_group *one = *(const struct kt_lane_group *const *)left;
	const struct kt_lane_group *two = *(const struct kt_lane_group *const *)right;

	if (one->parallel_group != two->parallel_group)
		return one->parallel_group < two->parallel_group ? -1 : 1;
	return strcmp(one->id, two->id);
}

static struct kt_json *lanes_json(const struct kt_drafts *drafts, const struct kt_lane_set *set)
{
	struct kt_json *array = kt_json_new_array();
	const struct kt_lane_group **sorted =
		kt_realloc_array(NULL, set->len, sizeof(const struct kt_lane_group *));

	for (size_t i = 0; i < set->len; i++)
		sorted[i] = &set->groups[i];
	qsort(sorted, set->len, sizeof(const struct kt_lane_group *), compare_groups);
	for (size_t i = 0; i < set->len; i++)
		kt_json_append(array, lane_json(drafts, set, sorted[i]));
	free(sorted);
	return array;
}

static struct kt_json *planning_json(const struct kt_drafts *drafts)
{
	struct kt_json *array = kt_json_new_array();

	for (size_t i = 0; i < drafts->wps_len; i++) {
		if (kt_wp_is_planning(&drafts->wps[i].wp))
			kt_json_append(array, kt_json_new_string(drafts->wps[i].wp.id));
	}
	return array;
}

static void add_collapse(struct kt_json *root, const struct kt_lane_set *set)
{
	size_t len = kt_json_size(set->collapse_events);
	struct kt_json *report, *by_rule;

	if (len == 0)
		return;
	report = kt_json_new_object();
	by_rule = kt_json_new_object();
	kt_json_set_int(by_rule, "write_scope_overlap", (int64_t)len);
	kt_json_set(report, "events", kt_json_copy(set->collapse_events));
	kt_json_set_int(report, "total_merges", (int64_t)len);
	kt_json_set_int(report, "independent_wps_collapsed", (int64_t)set->independent_collapsed);
	kt_json_set(report, "by_rule", by_rule);
	kt_json_set(root, "collapse_report", report);
}

/* A manifest's own mission branch is kept verbatim, whatever it was composed from. */
static void set_branch(
	struct kt_json *root, const struct kt_mission *mission, const struct kt_json *previous)
{
	const char *kept = kt_json_get_string(previous, "mission_branch");
	char *composed;

	if (kept == NULL)
		kept = mission->coordination_branch;
	composed = kept != NULL
			   ? kt_strdup(kept)
			   : kt_name_mission_branch(mission->slug,
				     mission->mission_id[0] == '\0' ? NULL : mission->mission_id);
	kt_json_set_string(root, "mission_branch", composed);
	free(composed);
}

char *kt_lanes_text(const struct kt_drafts *drafts, const struct kt_lane_set *set,
	const struct kt_lanes_header *header)
{
	const struct kt_mission *mission = drafts->mission;
	struct kt_json *root = kt_json_new_object();
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_json_set_int(root, "version", 1);
	kt_json_set_string(root, "mission_slug", mission->slug);
	kt_json_set_string(
		root, "mission_id", mission->mission_id[0] == '\0' ? NULL : mission->mission_id);
	set_branch(root, mission, header->previous);
	kt_json_set_string(root, "target_branch", mission->target_branch);
	kt_json_set(root, "lanes", lanes_json(drafts, set));
	kt_json_set_string(root, "computed_at", header->computed_at);
	kt_json_set_string(root, "computed_from", "dependency_graph+ownership");
	kt_json_set(root, "planning_artifact_wps", planning_json(drafts));
	kt_json_set_string(root, "planning_commit_sha", header->planning_commit);
	add_collapse(root, set);
	kt_json_write(root, KT_JSON_PRETTY_ORDERED, &text);
	kt_buffer_putc(&text, '\n');
	kt_json_free(root);
	return kt_buffer_take(&text);
}
