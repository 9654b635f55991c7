/*
 * The log that the target gets when a legacy mission is merged: its own rows, then what the lanes
 * wrote, then `done` for everything approved. Runs in kitty merge. Must never change or drop a row.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/merge_private.h"
#include "supervisor/status/event.h"
#include "supervisor/transaction/legacy.h"
#include "supervisor/transaction/stamp.h"

struct united {
	struct kt_merge_run *run;
	struct kt_buffer *log;
	struct kt_reducer *state;
};

static enum kt_code add_done(struct united *united, const char *wp_id, struct kt_error *err)
{
	const struct kt_mission *mission = united->run->options->mission;
	struct kt_log_facts facts = kt_merge_facts(united->run);
	struct kt_json *request = NULL;
	const struct kt_json *op = NULL;
	struct kt_buffer row = KT_BUFFER_INIT;
	char at[33], id[27];
	bool is_recorded = false;
	enum kt_code code =
		kt_integration_request(&facts, wp_id, KT_MERGE_ACTOR, &request, &is_recorded, err);

	if (code == KT_E_OK) {
		op = kt_json_first(kt_json_get(request, "ops"));
		kt_stamp_at(united->state, at);
		kt_stamp_event_id(united->state, at, id);
		struct kt_move_row done = {.event_id = id,
			.mission_slug = mission->slug,
			.mission_id = mission->mission_id[0] == '\0' ? NULL : mission->mission_id,
			.wp_id = wp_id,
			.at = at,
			.from = KT_STATUS_APPROVED,
			.to = KT_STATUS_DONE,
			.actor = kt_json_get_string(op, "actor"),
			.execution_mode = "worktree",
			.reason = kt_json_get_string(op, "reason"),
			.review_ref = kt_json_get_string(op, "review_ref"),
			.evidence = kt_json_get(op, "evidence"),
			.policy_metadata = kt_json_get(op, "policy_metadata")};

		kt_move_row_encode(&done, &row);
		code = kt_reducer_feed(united->state, row.data, row.len, err);
		kt_buffer_append(united->log, kt_buffer_text(&row), row.len);
	}
	kt_buffer_release(&row);
	kt_json_free(request);
	return code;
}

static enum kt_code add_all_done(struct united *united, struct kt_error *err)
{
	const struct kt_plan *plan = united->run->view->plan;
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; code == KT_E_OK && i < plan->wps_len; i++) {
		struct kt_wp_state wp = {0};

		if (kt_reducer_wp(united->state, plan->wps[i].id, &wp) &&
			wp.status == KT_STATUS_APPROVED)
			code = add_done(united, plan->wps[i].id, err);
	}
	return code;
}

static enum kt_code target_log(
	struct kt_merge_run *run, struct kt_buffer *out, struct kt_error *err)
{
	struct kt_store *store = NULL;
	bool found = false;
	enum kt_code code = kt_store_open(run->options->repo, &store, err);

	if (code == KT_E_OK)
		code = kt_store_blob_read(store, &run->before, run->options->mission->log_path,
			&found, NULL, out, err);
	kt_store_close(store);
	return code;
}

static enum kt_code put_files(struct united *united, struct kt_oid *tree, struct kt_error *err)
{
	const struct kt_mission *mission = united->run->options->mission;
	struct kt_buffer snapshot = KT_BUFFER_INIT;
	char number[32] = "", type[128] = "";
	const struct kt_snapshot_identity identity = {number, type};
	struct kt_oid with_log = {{0}}, before = *tree;
	enum kt_code code = KT_E_OK;

	kt_snapshot_identity_from_meta(united->run->view->meta, number, type);
	kt_reducer_snapshot(united->state, &identity, &snapshot);
	code = kt_git_tree_put(
		&united->run->place, &before, mission->log_path, united->log, &with_log, err);
	if (code == KT_E_OK)
		code = kt_git_tree_put(&united->run->place, &with_log, mission->snapshot_path,
			&snapshot, tree, err);
	kt_buffer_release(&snapshot);
	return code;
}

enum kt_code kt_merge_unite(struct kt_merge_run *run, struct kt_oid *tree, struct kt_error *err)
{
	struct kt_buffer base = KT_BUFFER_INIT, all = KT_BUFFER_INIT, log = KT_BUFFER_INIT;
	struct united united = {.run = run, .log = &log, .state = kt_reducer_new()};
	enum kt_code code = target_log(run, &base, err);

	kt_buffer_append(&all, run->view->log, run->view->log_len);
	if (code == KT_E_OK)
		code = kt_logs_unite(&base, &all, 1, &log, err);
	if (code == KT_E_OK && log.len > 0)
		code = kt_reducer_feed(united.state, log.data, log.len, err);
	if (code == KT_E_OK)
		code = add_all_done(&united, err);
	if (code == KT_E_OK)
		code = put_files(&united, tree, err);
	kt_reducer_free(united.state);
	kt_buffer_release(&base);
	kt_buffer_release(&all);
	kt_buffer_release(&log);
	return code;
}
