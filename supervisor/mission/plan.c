/*
 * The plan of a finalised mission, from a commit of its coordination branch. Used by kitty only.
 * Never reads a checked-out file: drafts and worktrees may say something else.
 */
#include "supervisor/mission/plan.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/config/frontmatter.h"
#include "supervisor/mission/names.h"
#include "supervisor/mission/wp.h"

struct tree_walk {
	const char *tasks; /* "kitty-specs/<slug>/tasks/" */
	struct kt_list paths;
};

static void on_tree_blob(const char *path, unsigned mode, const struct kt_oid *oid, void *arg)
{
	struct tree_walk *walk = arg;
	size_t len = strlen(walk->tasks);

	(void)mode;
	(void)oid;
	if (strncmp(path, walk->tasks, len) == 0 && kt_wp_file_is(path + len))
		kt_list_add(&walk->paths, path);
}

/* One WP file; `folder` is the mission's, with its final slash left out. */
static enum kt_code wp_load(struct kt_store *store, const struct kt_oid *commit, const char *path,
	const char *folder, struct kt_wp *wp, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_frontmatter front = {NULL, 0, NULL, NULL};
	struct kt_error inner = KT_ERROR_INIT;
	bool found = false;
	enum kt_code code = kt_store_blob_read(store, commit, path, &found, NULL, &text, err);

	if (code != KT_E_OK)
		goto out;
	if (kt_frontmatter_parse(kt_buffer_text(&text), text.len, &front, &inner) != KT_E_OK) {
		code = kt_error_set(err, inner.code, "%s: %s", path, inner.detail);
		goto out;
	}
	kt_wp_fill(wp, path + strlen(folder) + 1, kt_buffer_text(&text), text.len, &front);
out:
	kt_frontmatter_release(&front);
	kt_buffer_release(&text);
	return code;
}

static int compare_wps(const void *left, const void *right)
{
	const struct kt_wp *left_wp = left, *right_wp = right;
	int order = strcmp(left_wp->id, right_wp->id);

	return order != 0 ? order : strcmp(left_wp->path, right_wp->path);
}

static enum kt_code wps_load(struct kt_store *store, const struct kt_mission *mission,
	const struct kt_oid *commit, struct kt_plan *plan, struct kt_error *err)
{
	char *folder = kt_format("%s/tasks", mission->folder);
	char *tasks = kt_format("%s/", folder);
	struct tree_walk walk = {.tasks = tasks};
	enum kt_code code = kt_store_tree_each(store, commit, folder, on_tree_blob, &walk, err);

	plan->wps = kt_alloc((walk.paths.len + 1) * sizeof(*plan->wps));
	for (size_t i = 0; i < walk.paths.len && code == KT_E_OK; i++) {
		code = wp_load(store, commit, walk.paths.items[i], mission->folder,
			&plan->wps[plan->wps_len], err);
		if (code == KT_E_OK)
			plan->wps_len++;
	}
	if (plan->wps_len > 0)
		qsort(plan->wps, plan->wps_len, sizeof(*plan->wps), compare_wps);
	kt_list_release(&walk.paths);
	free(folder);
	free(tasks);
	return code;
}

static enum kt_code lanes_load(struct kt_store *store, const struct kt_mission *mission,
	const struct kt_oid *commit, struct kt_plan *plan, struct kt_error *err)
{
	char *path = kt_format("%s/lanes.json", mission->folder);
	struct kt_buffer text = KT_BUFFER_INIT;
	bool found = false;
	enum kt_code code = kt_store_blob_read(store, commit, path, &found, NULL, &text, err);

	if (code == KT_E_OK && !found)
		code = kt_error_set(
			err, KT_E_MISSION_NOT_FINALIZED, "%s has no lanes.json yet", mission->slug);
	if (code == KT_E_OK)
		code = kt_lanes_parse(kt_buffer_text(&text), text.len, &plan->lanes, err);
	kt_buffer_release(&text);
	free(path);
	return code;
}

enum kt_code kt_plan_load(struct kt_store *store, const struct kt_mission *mission,
	const struct kt_oid *commit, struct kt_plan **out, struct kt_error *err)
{
	struct kt_plan *plan = kt_alloc(sizeof(*plan));
	enum kt_code code = lanes_load(store, mission, commit, plan, err);

	if (code == KT_E_OK)
		code = wps_load(store, mission, commit, plan, err);
	if (code == KT_E_OK)
		*out = plan;
	else
		kt_plan_free(plan);
	return code;
}

void kt_plan_free(struct kt_plan *plan)
{
	if (plan == NULL)
		return;
	for (size_t i = 0; i < plan->wps_len; i++)
		kt_wp_release(&plan->wps[i]);
	free(plan->wps);
	kt_lanes_free(plan->lanes);
	free(plan);
}

const struct kt_wp *kt_plan_find_wp(const struct kt_plan *plan, const char *wp_id)
{
	for (size_t i = 0; i < plan->wps_len; i++) {
		if (strcmp(plan->wps[i].id, wp_id) == 0)
			return &plan->wps[i];
	}
	return NULL;
}
