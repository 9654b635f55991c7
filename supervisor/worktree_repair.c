/*
 * Repairing a mission's worktrees. Runs in `agent worktree repair` and `doctor --fix`. Must never
 * touch a committed row, move a branch that exists, or take away a file that was not kept first.
 */
#include "supervisor/worktree_repair.h"

#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/file.h"
#include "supervisor/git/index.h"
#include "supervisor/lane_ops.h"
#include "supervisor/lane_table.h"
#include "supervisor/rescue.h"
#include "supervisor/transaction/holder.h"
#include "supervisor/worktree_repair_private.h"

/* ---- the report ---- */

static struct kt_json *action_get(struct repair *repair)
{
	if (repair->action != NULL)
		return repair->action;
	repair->action = kt_json_new_object();
	kt_json_set_string(repair->action, "subject", repair->subject);
	kt_json_set_string(repair->action, "problem", repair->problem);
	kt_json_set(repair->action, "done", kt_json_new_array());
	kt_json_set_string(repair->action, "rescue", NULL);
	kt_json_set_bool(repair->action, "ok", true);
	return repair->action;
}

void kt_repair_did(struct repair *repair, const char *format, ...)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	va_list args;

	va_start(args, format);
	kt_buffer_vprintf(&text, format, args);
	va_end(args);
	kt_json_append(
		kt_json_get(action_get(repair), "done"), kt_json_new_string(kt_buffer_text(&text)));
	repair->is_changed = true;
	kt_buffer_release(&text);
}

static struct kt_json *error_build(const struct kt_error *err)
{
	struct kt_json *error = kt_json_new_object();

	kt_json_set_string(error, "code", kt_error_text(err->code));
	kt_json_set_string(error, "message", kt_error_summary(err->code));
	kt_json_set_string(error, "detail", err->detail);
	kt_json_set_string(error, "next_step", kt_error_next_step(err));
	return error;
}

static void failed(struct repair *repair, const struct kt_error *err)
{
	struct kt_json *action = action_get(repair);

	kt_json_set_bool(action, "ok", false);
	kt_json_set(action, "error", error_build(err));
	repair->is_ok = false;
}

static void subject_begin(struct repair *repair, const char *subject, const char *problem)
{
	repair->subject = subject;
	repair->problem = problem;
	repair->action = NULL;
}

static void subject_end(struct repair *repair)
{
	if (repair->action != NULL)
		kt_json_append(repair->actions, repair->action);
	repair->action = NULL;
}

/* ---- steps of a lane ---- */

enum kt_code kt_repair_keep_files(
	struct repair *repair, const char *folder, const char *parent, struct kt_error *err)
{
	char *ref = NULL;
	enum kt_code code = kt_rescue_folder(
		repair->options->mission, repair->subject, folder, parent, &ref, err);

	if (code == KT_E_OK && ref != NULL) {
		kt_repair_did(repair, "kept its unfinished files as %s", ref);
		kt_json_set_string(action_get(repair), "rescue", ref);
	}
	free(ref);
	return code;
}

static enum kt_code git_at(const char *cwd, const char *const *args, struct kt_error *err)
{
	struct kt_git_call call = {.cwd = cwd, .args = args};

	return kt_git_run(&call, err);
}

static const char *newest_commit(const struct kt_lane_row *row)
{
	return row->branch_tip != NULL ? row->branch_tip : row->tip;
}

static enum kt_code step_rescue(
	struct repair *repair, const struct kt_lane_row *row, struct kt_error *err)
{
	char *head = NULL, *ref = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	/* A detached HEAD may hold commits that no branch has. */
	if (row->folder == KT_FOLDER_OTHER &&
		kt_lane_revision(row->place.worktree, "HEAD", &head, &ignored) == KT_E_OK &&
		head != NULL && row->place.facts.head == NULL) {
		code = kt_rescue_commit(repair->options->mission, repair->subject, head, &ref, err);
		if (code == KT_E_OK)
			kt_repair_did(repair, "kept its detached commit as %s", ref);
	}
	if (code == KT_E_OK && row->is_dirty)
		code = kt_repair_keep_files(
			repair, row->place.worktree, head != NULL ? head : newest_commit(row), err);
	free(ref);
	free(head);
	return code;
}

static enum kt_code step_branch(
	struct repair *repair, const struct kt_lane_row *row, struct kt_error *err)
{
	const char *const args[] = {"update-ref", "-m", "kitty: worktree repair", row->place.ref,
		row->tip, "0000000000000000000000000000000000000000", NULL};
	enum kt_code code = git_at(repair->options->repo->primary, args, err);

	if (code == KT_E_OK)
		kt_repair_did(
			repair, "made the branch %s again at %.12s", row->place.branch, row->tip);
	return code;
}

/* git carries local changes over, or refuses and changes nothing. */
static enum kt_code step_switch(
	struct repair *repair, const struct kt_lane_row *row, struct kt_error *err)
{
	const char *const args[] = {"switch", "--quiet", row->place.branch, NULL};
	char *head = NULL, *ref = NULL;
	enum kt_code code = KT_E_OK;

	if (row->place.facts.head == NULL && row->has_branch) {
		const char *const contained[] = {
			"merge-base", "--is-ancestor", "HEAD", row->place.ref, NULL};
		int exit_code = 0;
		char *text = NULL;

		code = kt_lane_git_text(row->place.worktree, contained, &text, &exit_code, err);
		free(text);
		if (code == KT_E_OK && exit_code != 0)
			code = kt_lane_revision(row->place.worktree, "HEAD", &head, err);
		if (code == KT_E_OK && head != NULL)
			code = kt_rescue_commit(
				repair->options->mission, repair->subject, head, &ref, err);
		if (code == KT_E_OK && ref != NULL)
			kt_repair_did(repair, "kept its detached commit as %s", ref);
	}
	if (code == KT_E_OK)
		code = git_at(row->place.worktree, args, err);
	if (code == KT_E_OK)
		kt_repair_did(repair, "switched its worktree back to %s", row->place.branch);
	else if (err->code == KT_E_GIT_FAILED)
		kt_error_next_git(err, row->place.worktree, "switch %s", row->place.branch);
	free(head);
	free(ref);
	return code;
}

static enum kt_code unregister(struct repair *repair, const char *path, struct kt_error *err)
{
	char *registration = kt_worktree_registration(repair->options->repo, path);
	enum kt_code code = KT_E_OK;

	if (registration != NULL && !kt_file_exists(path)) {
		code = kt_worktree_remove(repair->options->repo, path, true, err);
		if (code == KT_E_OK)
			kt_repair_did(repair, "dropped the registration of %s", path);
	}
	free(registration);
	return code;
}

/* The lock keeps away who makes worktrees: what was no worktree a moment ago can be one by now,
 * with an agent in it. */
static enum kt_code clear_folder(struct repair *repair, const char *path, bool was_linked,
	char **moved_to, struct kt_error *err)
{
	const struct kt_repository *repo = repair->options->repo;
	struct kt_worktree_facts facts = {0};
	int lock = -1;
	enum kt_code code = kt_repository_lock(repo, KT_LOCK_TIMEOUT_MS, &lock, err);

	if (code != KT_E_OK)
		return code;
	kt_worktree_inspect(repo, path, &facts);
	if (was_linked || !facts.is_linked)
		code = kt_rescue_clear(
			repair->options->mission, repair->subject, path, moved_to, err);
	kt_worktree_facts_release(&facts);
	kt_repository_unlock(lock);
	return code;
}

enum kt_code kt_repair_take_away(
	struct repair *repair, const char *path, bool was_linked, struct kt_error *err)
{
	char *moved_to = NULL;
	bool was_there = kt_file_exists(path);
	enum kt_code code = clear_folder(repair, path, was_linked, &moved_to, err);

	if (code == KT_E_OK && moved_to != NULL)
		kt_repair_did(repair, "moved %s to %s", path, moved_to);
	else if (code == KT_E_OK && was_there && !kt_file_exists(path))
		kt_repair_did(repair, "removed %s", path);
	if (code == KT_E_OK)
		code = unregister(repair, path, err);
	free(moved_to);
	return code;
}

static enum kt_code step_remove(
	struct repair *repair, const struct kt_lane_row *row, struct kt_error *err)
{
	return kt_repair_take_away(repair, row->place.worktree, row->place.facts.is_linked, err);
}

static enum kt_code step_create(
	struct repair *repair, const struct kt_lane_row *row, struct kt_error *err)
{
	struct kt_json *facts = NULL;
	enum kt_code code = kt_lane_prepare(
		repair->options->repo, repair->options->mission, row->place.id, &facts, err);

	if (code == KT_E_OK)
		kt_repair_did(repair, "made its worktree again from %s", row->place.branch);
	kt_json_free(facts);
	return code;
}

/* Copies of the log in a lane are never read; they are kept out of the way, not deleted. */
static enum kt_code decoys_move(
	struct repair *repair, const struct kt_lane_row *row, struct kt_error *err)
{
	char **absent = kt_mission_absent_paths(repair->options->mission);
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; code == KT_E_OK && absent[i] != NULL; i++) {
		char *path = kt_path_join(row->place.worktree, absent[i]), *moved_to = NULL;

		if (kt_file_exists(path))
			code = kt_rescue_file(
				repair->options->mission, repair->subject, path, &moved_to, err);
		if (moved_to != NULL)
			kt_repair_did(repair, "moved %s to %s", path, moved_to);
		free(moved_to);
		free(path);
	}
	kt_strings_free(absent);
	return code;
}

static enum kt_code sparse_set(
	struct repair *repair, const struct kt_lane_row *row, struct kt_error *err)
{
	static const char *const args[] = {"sparse-checkout", "set", "--no-cone", "--stdin", NULL};
	char **patterns = kt_mission_sparse_patterns(repair->options->mission);
	char **absent = kt_mission_absent_paths(repair->options->mission);
	const char *const skip[] = {
		"update-index", "--skip-worktree", "--", absent[0], absent[1], NULL};
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_git_call call = {.cwd = row->place.worktree, .args = args};
	enum kt_code code;

	for (size_t i = 0; patterns[i] != NULL; i++)
		kt_buffer_printf(&text, "%s\n", patterns[i]);
	call.input = kt_buffer_text(&text);
	call.input_len = text.len;
	code = kt_git_run(&call, err);
	/* git leaves entries alone whose file differed: the bit is set by hand then. Paths that the
	 * lane does not track make git complain, which is fine. */
	if (code == KT_E_OK)
		(void)!git_at(row->place.worktree, skip, &ignored);
	kt_buffer_release(&text);
	kt_strings_free(patterns);
	kt_strings_free(absent);
	return code;
}

static enum kt_code step_sparse(
	struct repair *repair, const struct kt_lane_row *row, struct kt_error *err)
{
	const struct kt_mission *mission = repair->options->mission;
	struct kt_lane_place place = {0};
	char *problem = NULL;
	enum kt_code code =
		kt_lane_place_find(repair->options->repo, mission, row->place.id, &place, err);

	if (code != KT_E_OK)
		return code;
	problem = kt_lane_sparse_problem(mission, &place);
	if (problem != NULL) {
		if (repair->problem == NULL)
			repair->problem = problem;
		if (strcmp(problem, KT_LANE_INDEX_UNREADABLE) == 0)
			code = kt_index_rebuild(row->place.worktree, err);
		/* git takes away what is as it is committed; what it leaves is somebody's work. */
		if (code == KT_E_OK)
			code = sparse_set(repair, row, err);
		if (code == KT_E_OK)
			code = decoys_move(repair, row, err);
		if (code == KT_E_OK)
			code = sparse_set(repair, row, err);
		if (code == KT_E_OK)
			kt_repair_did(repair, "applied the sparse policy again (%s)", problem);
		if (repair->problem == problem)
			repair->problem = NULL;
	}
	free(problem);
	kt_lane_place_release(&place);
	return code;
}

static enum kt_code step_leave(
	struct repair *repair, const struct kt_lane_row *row, struct kt_error *err)
{
	(void)repair;
	(void)kt_error_set(err, KT_E_LANE_BUSY, "a %s is under way in %s", row->place.facts.state,
		row->place.worktree);
	kt_error_next_git(
		err, row->place.worktree, "%s", kt_lane_abort_command(row->place.facts.state));
	return KT_E_LANE_BUSY;
}

static const struct {
	unsigned step;
	enum kt_code (*take)(struct repair *, const struct kt_lane_row *, struct kt_error *);
} steps[] = {
	{KT_STEP_RESCUE, step_rescue},
	{KT_STEP_BRANCH, step_branch},
	{KT_STEP_SWITCH, step_switch},
	{KT_STEP_REMOVE, step_remove},
	{KT_STEP_CREATE, step_create},
	{KT_STEP_SPARSE, step_sparse},
	{KT_STEP_LEAVE, step_leave},
};

static void lane_repair(struct repair *repair, const struct kt_lane_row *row)
{
	struct kt_lane_action action = kt_lane_action_find(row->folder, row->has_branch,
		row->is_registered, row->tip != NULL, row->is_finished);
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	subject_begin(repair, row->place.id, action.problem);
	for (size_t i = 0; code == KT_E_OK && i < sizeof steps / sizeof steps[0]; i++)
		if ((action.steps & steps[i].step) != 0)
			code = steps[i].take(repair, row, &err);
	if (code != KT_E_OK)
		failed(repair, &err);
	subject_end(repair);
}

static void coordination_repair(struct repair *repair)
{
	struct kt_error err = KT_ERROR_INIT;

	if (repair->options->mission->coordination_branch == NULL)
		return;
	subject_begin(repair, "coordination", NULL);
	if (kt_repair_coordination(repair, &err) != KT_E_OK)
		failed(repair, &err);
	subject_end(repair);
}

/* ---- all ---- */

static enum kt_code check_alone(const struct kt_mission *mission, struct kt_error *err)
{
	struct kt_json *holder = kt_holder_read(mission);
	bool is_supervisor = kt_json_get_string(holder, "socket") != NULL;
	int64_t pid = 0;

	(void)kt_json_get_int(holder, "pid", &pid);
	kt_json_free(holder);
	if (!is_supervisor)
		return KT_E_OK;
	(void)kt_error_set(
		err, KT_E_SUPERVISOR_RUNNING, "pid %lld runs %s", (long long)pid, mission->slug);
	kt_error_next(err, "kitty stop --mission %s", mission->slug);
	return KT_E_SUPERVISOR_RUNNING;
}

/* Under the lock: a lane that is being made at this moment looks like a broken one. */
static enum kt_code rows_load(const struct kt_repair_options *options, const struct kt_view *view,
	struct kt_lane_rows *rows, struct kt_error *err)
{
	int lock = -1;
	enum kt_code code = kt_repository_lock(options->repo, KT_LOCK_TIMEOUT_MS, &lock, err);

	if (code != KT_E_OK)
		return code;
	code = kt_lane_rows_load(options->repo, options->mission, view, rows, err);
	kt_repository_unlock(lock);
	return code;
}

enum kt_code kt_worktree_repair(
	const struct kt_repair_options *options, struct kt_json **report, struct kt_error *err)
{
	struct repair repair = {.options = options, .actions = kt_json_new_array(), .is_ok = true};
	struct kt_lane_rows rows = {NULL, 0};
	struct kt_view *view = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	enum kt_code code = kt_mission_check_open(options->mission, err);

	if (code == KT_E_OK)
		code = check_alone(options->mission, err);
	if (code == KT_E_OK) {
		coordination_repair(&repair);
		if (kt_view_load(options->repo, options->mission, &view, &ignored) != KT_E_OK)
			view = NULL;
		code = rows_load(options, view, &rows, err);
	}
	for (size_t i = 0; code == KT_E_OK && i < rows.len; i++)
		lane_repair(&repair, &rows.rows[i]);
	if (code == KT_E_OK) {
		*report = kt_json_new_object();
		kt_json_set_string(*report, "mission", options->mission->slug);
		kt_json_set(*report, "actions", repair.actions);
		kt_json_set_bool(*report, "changed", repair.is_changed);
		kt_json_set_bool(*report, "ok", repair.is_ok);
		repair.actions = NULL;
	}
	kt_json_free(repair.actions);
	kt_lane_rows_release(&rows);
	kt_view_free(view);
	return code;
}
