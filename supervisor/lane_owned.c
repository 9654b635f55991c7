/*
 * Ownership of what a lane changed. Runs in the writer's gate helper and in the doctor. Must never
 * blame a lane for what a merge brought it.
 */
#include "supervisor/lane_owned.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/refs.h"

enum { PATHS_MAX = 100, NAMED_MAX = 5 };

static const char SPECS[] = "kitty-specs/";

static bool is_owned_by(const struct kt_wp *wp, const char *path)
{
	for (char **glob = wp->owned_files; glob != NULL && *glob != NULL; glob++)
		if (kt_globs_overlap(*glob, path))
			return true;
	return false;
}

struct judged {
	const struct kt_plan *plan;
	const struct kt_lane_plan *lane;
	struct kt_json *paths;
	const char *const *environment;
	struct kt_buffer differing; /* paths that differ from the base, NUL-ended */
};

static bool is_owned(const struct judged *judged, const char *path)
{
	for (char **id = judged->lane->wp_ids; *id != NULL; id++) {
		const struct kt_wp *wp = kt_plan_find_wp(judged->plan, *id);

		if (wp != NULL && is_owned_by(wp, path))
			return true;
	}
	return false;
}

/* A work package that names no files owns them all. */
static bool owns_everything(const struct judged *judged)
{
	for (char **id = judged->lane->wp_ids; *id != NULL; id++) {
		const struct kt_wp *wp = kt_plan_find_wp(judged->plan, *id);

		if (wp == NULL || wp->owned_files == NULL || wp->owned_files[0] == NULL)
			return true;
	}
	return false;
}

static bool is_listed(const struct kt_json *paths, const char *path)
{
	for (const struct kt_json *p = kt_json_first(paths); p != NULL; p = kt_json_next(p))
		if (strcmp(kt_json_string(p), path) == 0)
			return true;
	return false;
}

static bool still_differs(const struct judged *judged, const char *path)
{
	const struct kt_buffer *paths = &judged->differing;

	for (size_t at = 0; at < paths->len; at += strlen(paths->data + at) + 1)
		if (strcmp(paths->data + at, path) == 0)
			return true;
	return false;
}

static void path_judge(struct judged *judged, const char *path)
{
	if (path[0] == '\0' || strncmp(path, SPECS, sizeof SPECS - 1) == 0 ||
		kt_json_size(judged->paths) >= PATHS_MAX || is_owned(judged, path) ||
		is_listed(judged->paths, path) || !still_differs(judged, path))
		return;
	kt_json_append(judged->paths, kt_json_new_string(path));
}

/* Everything that others made: the base's branch and the other lanes. */
static char **others_find(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct judged *judged)
{
	const struct kt_lanes *lanes = judged->plan->lanes;
	char **refs = kt_alloc((lanes->len + 2) * sizeof *refs);
	size_t len = 0;

	refs[len++] = mission->coordination_ref != NULL
			      ? kt_strdup(mission->coordination_ref)
			      : kt_format("refs/heads/%s", mission->target_branch);
	for (size_t i = 0; i < lanes->len; i++) {
		char *branch = kt_mission_lane_branch(mission, lanes->lanes[i].id);
		char *ref = kt_format("refs/heads/%s", branch);
		struct kt_oid ignored = {{0}};
		bool is_base = false;

		for (char **on = judged->lane->depends_on_lanes; on != NULL && *on != NULL; on++)
			is_base = is_base || strcmp(*on, lanes->lanes[i].id) == 0;
		if (is_base && kt_refs_read(repo->common_dir, ref, &ignored))
			refs[len++] = kt_strdup(ref);
		free(ref);
		free(branch);
	}
	return refs;
}

static enum kt_code list_changes(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct judged *judged, const char *tip, struct kt_buffer *out, struct kt_error *err)
{
	char **others = others_find(repo, mission, judged);
	const char **args = NULL;
	size_t len = 0, count = 0;
	struct kt_git_call call = {
		.cwd = repo->primary, .out = out, .extra_env = judged->environment};
	enum kt_code code = KT_E_OK;

	while (others[count] != NULL)
		count++;
	args = kt_alloc((count + 10) * sizeof *args);
	args[len++] = "log";
	args[len++] = "--no-merges";
	args[len++] = "--no-renames";
	args[len++] = "--name-only";
	args[len++] = "--format=";
	args[len++] = "-z";
	args[len++] = tip;
	args[len++] = "--not";
	for (size_t i = 0; i < count; i++)
		args[len++] = others[i];
	args[len] = NULL;
	call.args = args;
	code = kt_git_run(&call, err);
	free(args);
	kt_strings_free(others);
	return code;
}

/* What was taken back does not count: the difference to the base does. */
static enum kt_code find_differing(const struct kt_repository *repo,
	const struct kt_mission *mission, struct judged *judged, const char *tip,
	struct kt_oid *base, struct kt_error *err)
{
	char **others = others_find(repo, mission, judged);
	const char *const find[] = {"merge-base", others[0], tip, NULL};
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_git_call call = {
		.cwd = repo->primary, .args = find, .out = &text, .extra_env = judged->environment};
	struct kt_oid_text from;
	const char *diff[] = {
		"diff-tree", "-r", "-z", "--no-renames", "--name-only", NULL, tip, NULL};
	enum kt_code code = kt_git_run(&call, err);

	if (code == KT_E_OK && text.len >= 40) {
		text.data[40] = '\0';
		(void)kt_oid_parse(text.data, base);
	}
	from = kt_oid_format(base);
	diff[5] = from.text;
	call.args = diff;
	call.out = &judged->differing;
	if (code == KT_E_OK)
		code = kt_git_run(&call, err);
	kt_buffer_release(&text);
	kt_strings_free(others);
	return code;
}

enum kt_code kt_lane_outside_owned(const struct kt_repository *repo,
	const struct kt_mission *mission, const struct kt_plan *plan, const char *lane_id,
	struct kt_lane_outside *outside, struct kt_error *err)
{
	struct judged judged = {.plan = plan,
		.lane = kt_lanes_find(plan->lanes, lane_id),
		.environment = outside->environment};
	char *branch = kt_mission_lane_branch(mission, lane_id);
	char *ref = kt_format("refs/heads/%s", branch);
	struct kt_buffer changes = KT_BUFFER_INIT;
	struct kt_oid tip = outside->tip;
	int failure = kt_oid_is_zero(&tip) ? kt_refs_find(repo->common_dir, ref, &tip) : 0;
	bool has_tip = failure == 0;
	enum kt_code code = KT_E_OK;

	judged.paths = kt_json_new_array();
	/* A lane that cannot be read is not one without commits: it would pass unseen. */
	if (failure != 0 && failure != ENOENT)
		code = kt_error_sys(err, KT_E_IO, failure, "%s", ref);
	else if (judged.lane != NULL && strcmp(lane_id, "lane-planning") != 0 &&
		 !owns_everything(&judged) && has_tip)
		code = list_changes(
			repo, mission, &judged, kt_oid_format(&tip).text, &changes, err);
	if (code == KT_E_OK && changes.len > 0)
		code = find_differing(
			repo, mission, &judged, kt_oid_format(&tip).text, &outside->base, err);
	for (size_t at = 0; code == KT_E_OK && at < changes.len;
		at += strlen(changes.data + at) + 1)
		path_judge(&judged, changes.data + at);
	if (code == KT_E_OK)
		outside->paths = judged.paths;
	else
		kt_json_free(judged.paths);
	kt_buffer_release(&judged.differing);
	kt_buffer_release(&changes);
	free(ref);
	free(branch);
	return code;
}

char *kt_lane_outside_tell(const char *lane_id, const struct kt_json *paths)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	size_t count = 0;

	kt_buffer_printf(&text, "%s changed files that its work packages do not own: ", lane_id);
	for (const struct kt_json *p = kt_json_first(paths); p != NULL && count < NAMED_MAX;
		p = kt_json_next(p), count++)
		kt_buffer_printf(&text, "%s%.200s", count == 0 ? "" : ", ", kt_json_string(p));
	if (kt_json_size(paths) > NAMED_MAX)
		kt_buffer_printf(&text, " and %zu more", kt_json_size(paths) - NAMED_MAX);
	return kt_buffer_take(&text);
}

enum kt_code kt_lane_owned_gate(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct kt_plan *plan, const char *lane_id, struct kt_lane_outside *outside,
	struct kt_error *err)
{
	char *text = NULL;
	enum kt_code code = kt_lane_outside_owned(repo, mission, plan, lane_id, outside, err);

	if (code == KT_E_OK && kt_json_size(outside->paths) > 0) {
		text = kt_lane_outside_tell(lane_id, outside->paths);
		code = kt_error_set(err, KT_E_LANE_OUTSIDE_OWNED, "%s", text);
	}
	free(text);
	kt_json_free(outside->paths);
	outside->paths = NULL;
	return code;
}
