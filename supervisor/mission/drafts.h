/*
 * Private to supervisor/mission: the drafts in the primary checkout, as finalize-tasks works on
 * them. Calling sequence: kt_drafts_read, kt_drafts_check, then (when there are no problems) lanes
 * and edits.
 */
#ifndef KITTY_SUPERVISOR_MISSION_DRAFTS_H
#define KITTY_SUPERVISOR_MISSION_DRAFTS_H

#include "ipc/buffer.h"
#include "supervisor/mission/graph.h"
#include "supervisor/mission/plan.h"

#define KT_PLAN_FILES_MAX 10000
#define KT_WPS_MAX 1000

struct kt_draft_wp {
	struct kt_wp wp;
	struct kt_json *values, *lines; /* of the frontmatter */
	size_t file;                    /* index in files */
	char *expected_id;              /* what the file's name says */
	bool from_tasks_md;             /* dependencies were not in the frontmatter */
};

struct kt_drafts {
	const struct kt_mission *mission;
	struct kt_plan_file *files;
	size_t files_len;
	struct kt_draft_wp *wps; /* sorted by id, then path */
	size_t wps_len;
	struct kt_graph graph;
	struct kt_lanes *previous; /* NULL: none */
	const char *const *frozen; /* NULL: none */
	struct kt_buffer *problems, *warnings;
	size_t problems_len;
};

void kt_drafts_problem(struct kt_drafts *drafts, const char *path, long line, const char *format,
	...) KT_PRINTF(4, 5);
void kt_drafts_warning(struct kt_drafts *drafts, const char *path, long line, const char *format,
	...) KT_PRINTF(4, 5);
/* Path and line of a key of a WP, for messages. */
const char *kt_draft_path(const struct kt_drafts *drafts, const struct kt_draft_wp *wp);
long kt_draft_line(const struct kt_draft_wp *wp, const char *key);
struct kt_plan_file *kt_drafts_find(
	const struct kt_drafts *drafts, const char *name); /* below the folder */

/* Reads files and WPs; unreadable ones become problems. Errors: KT_E_IO, KT_E_MISSION_NOT_FOUND (no
 * folder). */
KT_MUST_CHECK enum kt_code kt_drafts_read(struct kt_drafts *drafts, struct kt_error *err);
void kt_drafts_check(struct kt_drafts *drafts); /* everything that is wrong becomes a problem */
void kt_drafts_release(struct kt_drafts *drafts);

bool kt_drafts_is_frozen(const struct kt_drafts *drafts, const char *wp_id);
bool kt_wp_is_planning(const struct kt_wp *wp);

#endif
