/*
 * From drafts to one request. Process: a command. Touches the drafts only after the commit.
 */
#include "supervisor/cli/finalize.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/file.h"
#include "supervisor/cli/log_file.h"
#include "supervisor/git/environment.h"
#include "supervisor/mission/create.h"
#include "supervisor/transaction/request.h"

#define FINALIZE_ACTOR "finalize-tasks"

void kt_finalization_release(struct kt_finalization *finalization)
{
	kt_json_free(finalization->request);
	kt_json_free(finalization->changed);
	kt_json_free(finalization->seeded);
	kt_json_free(finalization->modified);
	kt_finalize_free(finalization->plan);
	kt_store_close(finalization->store);
	kt_view_free(finalization->view);
	*finalization = (struct kt_finalization){0};
}

/* WPs that have left `planned` may not move to another lane. */
struct frozen {
	const char **ids;
	size_t len;
};

static void on_wp(const struct kt_wp_state *wp, void *arg)
{
	struct frozen *frozen = arg;

	if (wp->status == KT_STATUS_PLANNED || !kt_status_is_displayed(wp->status))
		return;
	frozen->ids = kt_realloc_array(frozen->ids, frozen->len + 2, sizeof *frozen->ids);
	frozen->ids[frozen->len++] = wp->wp_id;
	frozen->ids[frozen->len] = NULL;
}

static enum kt_code blob_of(struct kt_finalization *f, const char *path, bool *found,
	struct kt_buffer *content, struct kt_error *err)
{
	return kt_store_blob_read(f->store, &f->view->tip, path, found, NULL, content, err);
}

static enum kt_code target_tip(
	struct kt_finalization *f, struct kt_oid_text *out, struct kt_error *err)
{
	struct kt_oid tip = {{0}};
	char *ref = kt_format("refs/heads/%s", f->context->mission->target_branch);
	enum kt_code code = kt_store_ref_read(f->store, ref, &tip, err);

	free(ref);
	if (code == KT_E_DESTINATION_REF_NOT_FOUND)
		return kt_error_set(err, KT_E_TARGET_BRANCH_NOT_FOUND, "%s",
			f->context->mission->target_branch);
	*out = kt_oid_format(&tip);
	return code;
}

static enum kt_code plan_compute(struct kt_finalization *f, struct kt_error *err)
{
	const struct kt_mission *mission = f->context->mission;
	struct frozen frozen = {NULL, 0};
	struct kt_buffer previous = KT_BUFFER_INIT;
	struct kt_oid_text target = {""};
	char *path = kt_format("%s/lanes.json", mission->folder);
	bool found = false;
	enum kt_code code = blob_of(f, path, &found, &previous, err);

	if (code == KT_E_OK)
		code = target_tip(f, &target, err);
	kt_reducer_each_wp(f->view->state, on_wp, &frozen);
	if (code == KT_E_OK) {
		struct kt_finalize_input input = {
			.mission = mission,
			.previous_lanes = found ? kt_buffer_text(&previous) : NULL,
			.frozen = frozen.ids,
			.planning_commit = target.text,
			.now_us = kt_clock_wall_us(),
		};

		code = kt_finalize_plan(&input, &f->plan, err);
	}
	free(frozen.ids);
	kt_buffer_release(&previous);
	free(path);
	return code;
}

static const struct kt_wp *wp_of_file(const struct kt_finalization *f, const char *path)
{
	const char *in_folder = path + strlen(f->context->mission->folder) + 1;

	for (size_t i = 0; i < f->plan->plan->wps_len; i++)
		if (strcmp(f->plan->plan->wps[i].path, in_folder) == 0)
			return &f->plan->plan->wps[i];
	return NULL;
}

static enum kt_code changes_find(struct kt_finalization *f, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; i < f->plan->files_len && code == KT_E_OK; i++) {
		const struct kt_plan_file *file = &f->plan->files[i];
		struct kt_buffer committed = KT_BUFFER_INIT;
		const struct kt_wp *wp = NULL;
		bool found = false;

		code = blob_of(f, file->path, &found, &committed, err);
		if (code == KT_E_OK &&
			(!found || committed.len != file->len ||
				memcmp(kt_buffer_text(&committed), file->bytes, file->len) != 0)) {
			kt_json_append(f->changed, kt_json_new_string(file->path));
			wp = wp_of_file(f, file->path);
			if (wp != NULL)
				kt_json_append(f->modified, kt_json_new_string(wp->id));
		}
		kt_buffer_release(&committed);
	}
	return code;
}

static void seeds_add(struct kt_finalization *f, struct kt_json *request)
{
	for (size_t i = 0; i < f->plan->plan->wps_len; i++) {
		const struct kt_wp *wp = &f->plan->plan->wps[i];
		struct kt_wp_state state = {0};
		struct kt_json *op = NULL;

		if (kt_reducer_wp(f->view->state, wp->id, &state) && state.has_transition)
			continue;
		op = kt_request_add_move(request, wp->id, KT_STATUS_PLANNED, FINALIZE_ACTOR);
		kt_json_set_string(op, "from", kt_status_name(KT_STATUS_GENESIS));
		kt_json_set_string(op, "reason", "canonical bootstrap");
		if (wp->execution_mode != NULL &&
			strcmp(wp->execution_mode, "planning_artifact") == 0)
			kt_json_set_string(op, "execution_mode", "direct_repo");
		kt_json_append(f->seeded, kt_json_new_string(wp->id));
	}
}

static void request_build(struct kt_finalization *f)
{
	struct kt_json *request = kt_request_new("finalize-tasks");
	char *message = kt_format("%s tasks for feature %s",
		f->view->plan == NULL ? "Add" : "Update", f->context->mission->slug);

	kt_json_set_string(request, "message", message);
	free(message);
	kt_finalization_add_lifecycle(f, request);
	seeds_add(f, request);
	if (kt_json_size(kt_json_get(request, "ops")) == 0 && kt_json_size(f->changed) == 0)
		kt_json_free(request);
	else
		f->request = request;
}

enum kt_code kt_finalization_prepare(
	struct kt_context *context, struct kt_finalization *out, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	*out = (struct kt_finalization){.context = context};
	if (context->mission->coordination_branch == NULL &&
		context->mission->topology == KT_TOPOLOGY_LEGACY) {
		(void)kt_error_set(err, KT_E_MISSION_TOPOLOGY_UNSUPPORTED,
			"%s is in flight on its lane branches: its plan stays as it is "
			"(docs/migration.md)",
			context->mission->slug);
		return err->code;
	}
	*out = (struct kt_finalization){.context = context,
		.changed = kt_json_new_array(),
		.seeded = kt_json_new_array(),
		.modified = kt_json_new_array()};
	code = kt_view_load(context->repo, context->mission, &out->view, err);
	if (code == KT_E_OK)
		code = kt_store_open(context->repo, &out->store, err);
	if (code == KT_E_OK)
		code = plan_compute(out, err);
	if (code == KT_E_OK)
		code = changes_find(out, err);
	if (code == KT_E_OK)
		request_build(out);
	return code;
}

/* One blob, on the disk before it is named: git's default does not sync loose objects. */
static enum kt_code blob_store(struct kt_finalization *f, const struct kt_plan_file *file,
	char **oid, struct kt_error *err)
{
	int major = 0;
	int minor = 0;
	struct kt_buffer out = KT_BUFFER_INIT;
	enum kt_code code = kt_git_version(&major, &minor, err);
	bool has_fsync_list = major > 2 || (major == 2 && minor >= 36);
	const char *args[] = {"-c",
		has_fsync_list ? "core.fsync=loose-object" : "core.fsyncObjectFiles=true",
		"hash-object", "-w", "--stdin", NULL};
	struct kt_git_call call = {.cwd = f->context->repo->primary,
		.args = has_fsync_list ? args + 2 : args,
		.profile = KT_GIT_PLUMBING,
		.input = file->bytes,
		.input_len = file->len,
		.out = &out};

	if (code == KT_E_OK)
		code = kt_git_run(&call, err);
	if (code == KT_E_OK)
		*oid = kt_strndup(kt_buffer_text(&out), strcspn(kt_buffer_text(&out), "\n"));
	kt_buffer_release(&out);
	return code;
}

static const struct kt_plan_file *file_find(const struct kt_finalization *f, const char *path)
{
	for (size_t i = 0; i < f->plan->files_len; i++)
		if (strcmp(f->plan->files[i].path, path) == 0)
			return &f->plan->files[i];
	return NULL;
}

enum kt_code kt_finalization_store(struct kt_finalization *finalization, struct kt_error *err)
{
	struct kt_json *files = kt_json_new_array();
	enum kt_code code = KT_E_OK;

	/* Line-end settings would change the log's bytes in the primary checkout. */
	if (finalization->context->mission->coordination_branch == NULL)
		code = kt_project_guard_alone(finalization->context->repo, err);
	for (const struct kt_json *p = kt_json_first(finalization->changed);
		p != NULL && code == KT_E_OK; p = kt_json_next(p)) {
		const char *path = kt_json_string(p);
		struct kt_json *entry = NULL;
		char *oid = NULL;

		code = blob_store(finalization, file_find(finalization, path), &oid, err);
		if (code != KT_E_OK)
			break;
		entry = kt_json_new_object();
		kt_json_set_string(entry, "path", path);
		kt_json_set_string(entry, "blob", oid);
		kt_json_append(files, entry);
		free(oid);
	}
	if (code == KT_E_OK && kt_json_size(files) > 0)
		kt_json_set(finalization->request, "files", files);
	else
		kt_json_free(files);
	return code;
}

enum kt_code kt_finalization_write_drafts(
	struct kt_finalization *finalization, struct kt_json *written, struct kt_error *err)
{
	const struct kt_mission *mission = finalization->context->mission;
	char *tasks = kt_format("%s/tasks", mission->draft_dir);
	enum kt_code code = KT_E_OK;

	kt_folder_sweep(mission->draft_dir);
	kt_folder_sweep(tasks);
	free(tasks);
	for (size_t i = 0; i < finalization->plan->files_len && code == KT_E_OK; i++) {
		const struct kt_plan_file *file = &finalization->plan->files[i];
		struct kt_buffer draft = KT_BUFFER_INIT;
		char *path = kt_format("%s/%s", mission->repo_root, file->path);
		bool found = false;

		code = kt_text_read(path, &draft, &found, err);
		if (code == KT_E_OK &&
			(!found || draft.len != file->len ||
				memcmp(kt_buffer_text(&draft), file->bytes, file->len) != 0)) {
			code = kt_text_write(path, file->bytes, file->len, err);
			if (code == KT_E_OK && written != NULL)
				kt_json_append(written, kt_json_new_string(file->path));
		}
		kt_buffer_release(&draft);
		free(path);
	}
	return code;
}
