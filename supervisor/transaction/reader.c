/*
 * The committed state for readers: from the coordination ref only. Runs in every query. Must never
 * write.
 */
#include "supervisor/transaction/reader.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/transaction/destination.h"
#include "supervisor/transaction/legacy.h"

/* The commit that the view is of. Legacy missions have several; theirs is the one with the plan. */
static enum kt_code read_tip(const struct kt_repository *repo, struct kt_store *store,
	const struct kt_mission *mission, struct kt_oid *tip, struct kt_error *err)
{
	char *ref = kt_strdup(mission->coordination_ref);
	char *git_dir = NULL;
	enum kt_code code = KT_E_OK;

	if (ref == NULL && mission->topology == KT_TOPOLOGY_LEGACY) {
		code = kt_legacy_plan_commit(repo, store, mission, tip, err);
		if (code != KT_E_MISSION_NOT_FINALIZED)
			return code;
		*err = (struct kt_error)KT_ERROR_INIT;
	}
	if (ref == NULL) {
		git_dir = kt_worktree_git_dir(mission->repo_root);
		ref = git_dir == NULL ? NULL : kt_head_read(git_dir);
		free(git_dir);
	}
	if (ref == NULL)
		return kt_error_set(err, KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED,
			"%s has no branch checked out", mission->repo_root);
	code = kt_store_ref_read(store, ref, tip, err);
	if (code == KT_E_DESTINATION_REF_NOT_FOUND && mission->coordination_ref != NULL &&
		!mission->is_closed)
		code = kt_error_set(
			err, KT_E_COORDINATION_BRANCH_DELETED, "%s", mission->coordination_branch);
	free(ref);
	return code == KT_E_OK ? KT_E_OK : kt_mission_gone(repo, mission, err);
}

static enum kt_code reduce(
	const struct kt_mission *mission, struct kt_view *view, struct kt_error *err)
{
	struct kt_error cause = KT_ERROR_INIT;

	view->state = kt_reducer_new();
	if (view->log_len > 0 &&
		kt_reducer_feed(view->state, view->log, view->log_len, &cause) != KT_E_OK) {
		(void)kt_error_set(err, cause.code, "%s: %s", mission->log_path, cause.detail);
		kt_error_next(err, "kitty verify --mission %s", mission->slug);
		return err->code;
	}
	kt_reducer_settle(view->state);
	return KT_E_OK;
}

static bool is_legacy(const struct kt_mission *mission)
{
	return mission->coordination_ref == NULL && mission->topology == KT_TOPOLOGY_LEGACY;
}

static enum kt_code read_log(const struct kt_repository *repo, struct kt_store *store,
	const struct kt_mission *mission, struct kt_view *view, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	bool found = false;
	enum kt_code code = is_legacy(mission)
				    ? kt_legacy_union(repo, store, mission, &text, err)
				    : kt_store_blob_read(store, &view->tip, mission->log_path,
					      &found, NULL, &text, err);

	view->log_len = text.len;
	view->log = kt_buffer_take(&text);
	return code == KT_E_OK ? reduce(mission, view, err) : code;
}

/* The union of several logs was never committed, so its snapshot is made here. */
static enum kt_code read_snapshot(struct kt_store *store, const struct kt_mission *mission,
	struct kt_view *view, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char number[32] = "", type[128] = "";
	struct kt_snapshot_identity identity = {number, type};
	bool found = false;
	enum kt_code code = KT_E_OK;

	if (is_legacy(mission)) {
		kt_snapshot_identity_from_meta(view->meta, number, type);
		if (view->log_len > 0)
			kt_reducer_snapshot(view->state, &identity, &text);
	} else {
		code = kt_store_blob_read(
			store, &view->tip, mission->snapshot_path, &found, NULL, &text, err);
	}
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
		code = read_tip(repo, store, mission, &view->tip, err);
	if (code == KT_E_OK)
		code = read_log(repo, store, mission, view, err);
	if (code == KT_E_OK)
		code = read_meta(store, mission, view, err);
	if (code == KT_E_OK)
		code = read_snapshot(store, mission, view, err);
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
