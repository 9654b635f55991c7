/*
 * The committed state for readers: from the coordination ref only. Runs in every query. Must never
 * write.
 */
#include "supervisor/transaction/reader.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/file.h"

static enum kt_code read_ref(struct kt_store *store, const struct kt_mission *mission,
	struct kt_oid *tip, struct kt_error *err)
{
	char *closed = NULL;
	enum kt_code code = KT_E_OK;

	if (mission->coordination_ref == NULL)
		return kt_error_set(err, KT_E_MISSION_TOPOLOGY_UNSUPPORTED, "%s", mission->slug);
	if (mission->is_closed) {
		closed = kt_format("refs/kitty/closed/%s", mission->slug);
		code = kt_store_ref_read(store, closed, tip, err);
		free(closed);
		return code;
	}
	code = kt_store_ref_read(store, mission->coordination_ref, tip, err);
	if (code == KT_E_DESTINATION_REF_NOT_FOUND)
		return kt_error_set(
			err, KT_E_COORDINATION_BRANCH_DELETED, "%s", mission->coordination_branch);
	return code;
}

static enum kt_code read_log(struct kt_store *store, const struct kt_mission *mission,
	struct kt_view *view, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error cause = KT_ERROR_INIT;
	bool found = false;
	enum kt_code code =
		kt_store_blob_read(store, &view->tip, mission->log_path, &found, NULL, &text, err);

	view->log_len = text.len;
	view->log = kt_buffer_take(&text);
	view->state = kt_reducer_new();
	if (code == KT_E_OK && view->log_len > 0 &&
		kt_reducer_feed(view->state, view->log, view->log_len, &cause) != KT_E_OK) {
		code = kt_error_set(err, cause.code, "%s: %s", mission->log_path, cause.detail);
		kt_error_next(err, "kitty verify --mission %s", mission->slug);
	}
	if (code != KT_E_OK)
		return code;
	kt_reducer_settle(view->state);
	code = kt_store_blob_read(
		store, &view->tip, mission->snapshot_path, &found, NULL, &text, err);
	view->snapshot_len = text.len;
	view->snapshot = kt_buffer_take(&text);
	return code;
}

static enum kt_code read_meta(struct kt_store *store, const struct kt_mission *mission,
	struct kt_view *view, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	char *path = kt_format("%s/meta.json", mission->folder);
	bool found = false;
	enum kt_code code = kt_store_blob_read(store, &view->tip, path, &found, NULL, &text, err);

	if (code == KT_E_OK &&
		(!found || kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS,
				   &view->meta, &ignored) != KT_E_OK))
		view->meta = kt_json_copy(mission->meta);
	kt_buffer_release(&text);
	free(path);
	return code;
}

static enum kt_code read_plan(struct kt_store *store, const struct kt_mission *mission,
	struct kt_view *view, struct kt_error *err)
{
	enum kt_code code = kt_plan_load(store, mission, &view->tip, &view->plan, err);

	if (code != KT_E_MISSION_NOT_FINALIZED)
		return code;
	*err = (struct kt_error)KT_ERROR_INIT;
	return KT_E_OK;
}

enum kt_code kt_view_load(const struct kt_repository *repo, const struct kt_mission *mission,
	struct kt_view **out, struct kt_error *err)
{
	struct kt_view *view = kt_alloc(sizeof *view);
	struct kt_store *store = NULL;
	enum kt_code code = kt_store_open(repo, &store, err);

	if (code == KT_E_OK)
		code = read_ref(store, mission, &view->tip, err);
	if (code == KT_E_OK)
		code = read_log(store, mission, view, err);
	if (code == KT_E_OK)
		code = read_meta(store, mission, view, err);
	if (code == KT_E_OK)
		code = read_plan(store, mission, view, err);
	kt_store_close(store);
	if (code != KT_E_OK) {
		kt_view_free(view);
		return code;
	}
	*out = view;
	return KT_E_OK;
}

void kt_view_free(struct kt_view *view)
{
	if (view == NULL)
		return;
	kt_reducer_free(view->state);
	kt_json_free(view->meta);
	kt_plan_free(view->plan);
	free(view->log);
	free(view->snapshot);
	free(view);
}

bool kt_coordination_was_made(const struct kt_mission *mission)
{
	char *path = kt_path_join(mission->run_dir, "synced");
	bool was_made = kt_file_exists(path);

	free(path);
	return was_made;
}
