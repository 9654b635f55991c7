/*
 * The doctor's checks of a mission's lanes: the recovery table, the sparse policy, copies of the
 * log, and the lane gate. Read-only.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/file.h"
#include "supervisor/doctor_private.h"
#include "supervisor/lane_gate.h"
#include "supervisor/lane_owned.h"
#include "supervisor/lane_table.h"

static void table_check(struct kt_doctor *doctor, const struct kt_lane_row *row)
{
	struct kt_lane_action action = kt_lane_action_find(row->folder, row->has_branch,
		row->is_registered, row->tip != NULL, row->is_finished);

	if (action.code == NULL)
		return;
	kt_doctor_add(doctor, kt_finding_from_code(action.code), row->place.id, "%s: %s%s%s (%s)",
		row->place.id, action.problem, row->is_dirty ? ", with unfinished files" : "",
		row->folder == KT_FOLDER_OTHER && row->place.facts.head == NULL
			? ", with a detached HEAD"
			: "",
		row->folder == KT_FOLDER_NONE && row->has_branch ? row->place.branch
								 : row->place.worktree);
	if ((action.steps & KT_STEP_LEAVE) != 0)
		kt_doctor_next(doctor, "git -C '%s' %s", row->place.worktree,
			kt_lane_abort_command(row->place.facts.state));
}

/* A status file on the disk of a lane: nothing reads it, and it is not kept by git's sparse policy
 * any more. */
static bool copies_check(struct kt_doctor *doctor, const struct kt_lane_row *row)
{
	char **absent = kt_mission_absent_paths(doctor->mission);
	bool found = false;

	for (size_t i = 0; absent[i] != NULL; i++) {
		char *path = kt_path_join(row->place.worktree, absent[i]);

		if (kt_file_exists(path)) {
			found = true;
			kt_doctor_add(doctor, KT_FINDING_DECOY, path,
				"%s is a copy that nothing reads; the log is on %s", path,
				doctor->mission->coordination_branch);
		}
		free(path);
	}
	kt_strings_free(absent);
	return found;
}

static void sparse_check(struct kt_doctor *doctor, const struct kt_lane_row *row)
{
	if (row->sparse == NULL)
		return;
	/* With the policy in force, a copy is somebody's work; without it, git put it there. */
	if (strstr(row->sparse, "is on the disk") != NULL && copies_check(doctor, row))
		return;
	kt_doctor_add(doctor, KT_FINDING_LANE_SPARSE, row->place.id, "%s: %s", row->place.worktree,
		row->sparse);
}

static void gate_check(struct kt_doctor *doctor, const struct kt_lane_row *row)
{
	struct kt_json *findings = NULL;
	const struct kt_json *finding;
	struct kt_error ignored = KT_ERROR_INIT;

	if (!row->has_branch || kt_lane_gate(doctor->repo, doctor->mission, row->place.id,
					&findings, &ignored) != KT_E_OK)
		return;
	finding = kt_json_first(findings);
	for (; finding != NULL; finding = kt_json_next(finding)) {
		kt_doctor_add(doctor, KT_FINDING_LANE_PROTECTED_FILES, row->place.id,
			"%s: commit %.12s touches %s", row->place.branch,
			kt_json_get_string(finding, "commit"), kt_json_get_string(finding, "path"));
		kt_doctor_next(doctor, "%s", kt_json_get_string(finding, "next_step"));
	}
	kt_json_free(findings);
}

/* A note: the other way to satisfy it is that owned_files names the path. */
static void owned_check(struct kt_doctor *doctor, const struct kt_lane_row *row)
{
	struct kt_lane_outside outside = {.paths = NULL};
	struct kt_error ignored = KT_ERROR_INIT;

	if (!row->has_branch || doctor->view == NULL || doctor->view->plan == NULL ||
		kt_lane_outside_owned(doctor->repo, doctor->mission, doctor->view->plan,
			row->place.id, &outside, &ignored) != KT_E_OK)
		return;
	if (kt_json_size(outside.paths) > 0) {
		const char *path = kt_json_string(kt_json_first(outside.paths));

		kt_doctor_add(doctor, KT_FINDING_LANE_OUTSIDE_OWNED, row->place.id,
			"%s changed %s, which none of its work packages owns (%zu such files)",
			row->place.branch, path, kt_json_size(outside.paths));
		kt_doctor_next(doctor,
			"git -C '%s' restore --source=%s --staged --worktree -- '%s' && git -C "
			"'%s' "
			"commit --quiet --no-verify -m 'Take back a change outside owned_files'",
			row->place.worktree, kt_oid_format(&outside.base).text, path,
			row->place.worktree);
	}
	kt_json_free(outside.paths);
}

static bool is_sound(const struct kt_lane_rows *rows)
{
	for (size_t i = 0; i < rows->len; i++) {
		const struct kt_lane_row *row = &rows->rows[i];

		if (row->sparse != NULL ||
			kt_lane_action_find(row->folder, row->has_branch, row->is_registered,
				row->tip != NULL, row->is_finished)
					.code != NULL)
			return false;
	}
	return true;
}

/* A lane that is being made or removed at this moment looks like a broken one: what is wrong is
 * looked at again when nobody does. */
static enum kt_code rows_load(
	const struct kt_doctor *doctor, struct kt_lane_rows *rows, struct kt_error *err)
{
	int still = -1;
	enum kt_code code =
		kt_lane_rows_load(doctor->repo, doctor->mission, doctor->view, rows, err);

	if (code != KT_E_OK || is_sound(rows))
		return code;
	still = kt_repository_still(doctor->repo, KT_LOCK_TIMEOUT_MS);
	if (still < 0)
		return code;
	kt_lane_rows_release(rows);
	*rows = (struct kt_lane_rows){NULL, 0};
	code = kt_lane_rows_load(doctor->repo, doctor->mission, doctor->view, rows, err);
	kt_repository_unlock(still);
	return code;
}

void kt_doctor_lanes(struct kt_doctor *doctor)
{
	struct kt_lane_rows rows = {NULL, 0};
	struct kt_error ignored = KT_ERROR_INIT;

	if (doctor->mission->is_closed || doctor->mission->is_discarded ||
		doctor->view_error.code == KT_E_COORDINATION_BRANCH_DELETED ||
		rows_load(doctor, &rows, &ignored) != KT_E_OK)
		return;
	for (size_t i = 0; i < rows.len; i++) {
		table_check(doctor, &rows.rows[i]);
		sparse_check(doctor, &rows.rows[i]);
		gate_check(doctor, &rows.rows[i]);
		owned_check(doctor, &rows.rows[i]);
	}
	kt_lane_rows_release(&rows);
}
