/*
 * The plan of a mission: work packages (tasks/WPnn-*.md, tasks.md), lanes (lanes.json), and what
 * finalize-tasks makes of them.
 */
#ifndef KITTY_SUPERVISOR_MISSION_PLAN_H
#define KITTY_SUPERVISOR_MISSION_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/json.h>

#include "supervisor/mission/mission.h"

struct kt_buffer;

struct kt_wp {
	char *id; /* WP01 */
	char *title;
	char *path; /* relative to the mission folder: tasks/WP01-name.md */
	char *text; /* the file's bytes */
	size_t text_len;
	char **dependencies; /* NULL-terminated, sorted as given */
	char **owned_files;
	char **subtasks;
	char *execution_mode; /* code_change or planning_artifact */
	char *agent;          /* the tool's name, without model or role; NULL: none */
	size_t body_offset;
};

struct kt_lane_plan {
	char *id;      /* lane-a */
	char **wp_ids; /* in running order */
	char **depends_on_lanes;
	char **write_scope;
	long parallel_group;
};

/* lanes.json, read. */
struct kt_lanes {
	struct kt_lane_plan *lanes;
	size_t len;
	char *mission_branch; /* verbatim */
	struct kt_json *json;
};

/* Reads lanes.json text. Errors: KT_E_LANES_INVALID. */
KT_MUST_CHECK enum kt_code kt_lanes_parse(
	const char *text, size_t len, struct kt_lanes **out, struct kt_error *err);
void kt_lanes_free(struct kt_lanes *lanes);
const struct kt_lane_plan *kt_lanes_find(const struct kt_lanes *lanes, const char *lane_id);
const struct kt_lane_plan *kt_lanes_of_wp(const struct kt_lanes *lanes, const char *wp_id);

/* One file of the mission folder, by its repo-relative path. */
struct kt_plan_file {
	char *path;
	char *bytes;
	size_t len;
};

/* The plan of a finalised mission, read from a commit of the coordination branch. */
struct kt_plan {
	struct kt_wp *wps;
	size_t wps_len;
	struct kt_lanes *lanes;
};
/* Errors: KT_E_MISSION_NOT_FINALIZED when lanes.json is not there. */
KT_MUST_CHECK enum kt_code kt_plan_load(struct kt_store *store, const struct kt_mission *mission,
	const struct kt_oid *commit, struct kt_plan **out, struct kt_error *err);
void kt_plan_free(struct kt_plan *plan);
const struct kt_wp *kt_plan_find_wp(const struct kt_plan *plan, const char *wp_id);

/*
 * finalize-tasks, the pure half: reads the drafts in the primary checkout, validates everything at
 * once, computes frontmatter edits and lanes.json. Nothing is written here.
 */
struct kt_finalize {
	struct kt_plan_file *files; /* every file of the mission folder as it will be committed
				       (status files excluded) */
	size_t files_len;
	struct kt_plan *plan;
	struct kt_buffer *problems; /* "FILE:LINE: text" lines; empty when all is well */
	struct kt_buffer *warnings;
	size_t problems_len;
};
/*
 * previous: lanes.json text as committed before (NULL: first time): existing lanes keep their ids
 * and WPs (lane ids are never reassigned); frozen: NULL-terminated WP ids that have left `planned`
 * and may not move lane. now_us: time for computed_at; when the lanes are as before, computed_at of
 * `previous` is kept so that a second run changes nothing. planning_commit: 40 hex of the target
 * tip. Errors: KT_E_TASKS_INVALID (*out is given, with problems and warnings but no files and no
 * plan), KT_E_LANES_INVALID, KT_E_MISSION_NOT_FOUND (no drafts), KT_E_LIMIT, KT_E_IO. A repeated
 * run keeps computed_at and planning_commit_sha of previous when nothing else differs.
 */
struct kt_finalize_input {
	const struct kt_mission *mission;
	const char *previous_lanes;
	const char *const *frozen;
	const char *planning_commit;
	const char *target_head_tree; /* unused by callers: NULL */
	long long now_us;
};
KT_MUST_CHECK enum kt_code kt_finalize_plan(
	const struct kt_finalize_input *input, struct kt_finalize **out, struct kt_error *err);
void kt_finalize_free(struct kt_finalize *finalize);

/* Do two ownership globs overlap? Path boundaries are respected. */
bool kt_globs_overlap(const char *left, const char *right);

#endif
