/*
 * mission create, under the repository lock: staging folder (meta.json last), coordination branch,
 * then the folder moves into place. Used by kitty only. Commits nothing. Killed between any two
 * steps, the next run of the same name finds what is there and goes on from it.
 */
#include "supervisor/mission/create.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/mission/catalog.h"
#include "supervisor/mission/disk.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/meta.h"
#include "supervisor/mission/mint.h"
#include "supervisor/mission/refnames.h"

#define MISSION_PREFIX "kitty/mission-"
#define ZERO_OID "0000000000000000000000000000000000000000"

struct creation {
	const struct kt_repository *repo;
	const struct kt_mission_request *request;
	struct kt_store *store;
	char *human;   /* the slug without its number: what the folder is named for */
	char *target;  /* branch */
	char *staging; /* folder of half-made missions */
	struct kt_oid target_tip;
	struct kt_catalog catalog;
	struct kt_list staged; /* names in staging with a meta.json */
};

/* Which mission of that name goes on, if any. */
struct existing {
	char *folder; /* NULL: none */
	bool has_branch;
	bool is_finalised;
};

static enum kt_code target_find(struct creation *creation, struct kt_error *err)
{
	const char *wanted = creation->request->target_branch;
	struct kt_error inner = KT_ERROR_INIT;
	enum kt_code code;
	char *ref;

	if (wanted != NULL && !kt_branch_name_is_valid(wanted))
		return kt_error_set(
			err, KT_E_INVALID_ARGUMENT, "\"%.80s\" is no name for a branch", wanted);
	creation->target = wanted != NULL ? kt_strdup(wanted) : kt_target_default(creation->repo);
	if (creation->target == NULL)
		return kt_error_set(err, KT_E_TARGET_BRANCH_NOT_FOUND,
			"there is no origin/HEAD, no main and no master");
	ref = kt_format("refs/heads/%s", creation->target);
	code = kt_store_ref_read(creation->store, ref, &creation->target_tip, &inner);
	free(ref);
	if (code == KT_E_DESTINATION_REF_NOT_FOUND)
		return kt_error_set(err, KT_E_TARGET_BRANCH_NOT_FOUND,
			"there is no local branch \"%s\"", creation->target);
	if (code != KT_E_OK)
		*err = inner;
	return code;
}

/* Half-made folders: those with a meta.json are good, all others were cut off and go. */
static enum kt_code staging_read(struct creation *creation, struct kt_error *err)
{
	struct kt_list names = KT_LIST_INIT;
	enum kt_code code = KT_E_OK;

	kt_disk_names(creation->staging, &names);
	for (size_t i = 0; i < names.len && code == KT_E_OK; i++) {
		char *dir = kt_path_join(creation->staging, names.items[i]);
		char *meta = kt_path_join(dir, "meta.json");

		if (kt_disk_kind(meta) == KT_DISK_FILE)
			kt_list_add(&creation->staged, names.items[i]);
		else
			code = kt_folder_remove_tree(dir, err);
		free(dir);
		free(meta);
	}
	kt_list_release(&names);
	return code;
}

static bool is_named(const struct creation *creation, const char *folder)
{
	char *human = kt_name_human(folder);
	bool is_same = kt_name_tail8(folder) != NULL && strcmp(human, creation->human) == 0;

	free(human);
	return is_same;
}

/* Reads what the branch of a folder says. Without the branch, has_branch stays false. */
static enum kt_code branch_look(
	struct creation *creation, struct existing *existing, struct kt_error *err)
{
	static const char *const marks[] = {"lanes.json", "status.events.jsonl"};
	char *ref = kt_format("refs/heads/" MISSION_PREFIX "%s", existing->folder);
	struct kt_error inner = KT_ERROR_INIT;
	struct kt_oid tip;
	bool is_ancestor = false;
	enum kt_code code = kt_store_ref_read(creation->store, ref, &tip, &inner);

	free(ref);
	if (code == KT_E_DESTINATION_REF_NOT_FOUND)
		return KT_E_OK;
	if (code != KT_E_OK) {
		*err = inner;
		return code;
	}
	existing->has_branch = true;
	for (size_t i = 0; i < 2 && code == KT_E_OK && !existing->is_finalised; i++) {
		char *path = kt_format("kitty-specs/%s/%s", existing->folder, marks[i]);

		code = kt_store_blob_read(
			creation->store, &tip, path, &existing->is_finalised, NULL, NULL, err);
		free(path);
	}
	if (code != KT_E_OK || existing->is_finalised)
		return code;
	code = kt_store_is_ancestor(
		creation->store, &tip, &creation->target_tip, &is_ancestor, err);
	if (code == KT_E_OK && !is_ancestor)
		code = kt_error_set(err, KT_E_COORDINATION_BRANCH_DIVERGED,
			MISSION_PREFIX "%s is not an ancestor of %s", existing->folder,
			creation->target);
	return code;
}

static void folders_add(struct creation *creation, struct kt_list *out)
{
	const struct kt_catalog *catalog = &creation->catalog;

	for (size_t i = 0; i < catalog->len; i++) {
		/* A mission without a coordination branch is of another kind: it cannot be
		 * completed here. */
		const struct kt_mission *mission = catalog->entries[i].mission;
		bool is_ours = mission == NULL || mission->coordination_branch != NULL;

		if (is_ours && is_named(creation, catalog->entries[i].folder))
			kt_list_add(out, catalog->entries[i].folder);
	}
	for (size_t i = 0; i < creation->staged.len; i++) {
		if (is_named(creation, creation->staged.items[i]) &&
			!kt_list_has(out, creation->staged.items[i]))
			kt_list_add(out, creation->staged.items[i]);
	}
	for (size_t i = 0; i < catalog->branches.len; i++) {
		const char *folder = catalog->branches.items[i] + strlen(MISSION_PREFIX);

		if (is_named(creation, folder) && !kt_list_has(out, folder))
			kt_list_add(out, folder);
	}
	kt_list_sort(out);
}

static bool is_closed(const struct creation *creation, const char *folder)
{
	return kt_list_has(&creation->catalog.closed, folder);
}

static bool has_draft_lanes(const struct creation *creation, const char *folder)
{
	char *path = kt_format("%s/kitty-specs/%s/lanes.json", creation->repo->primary, folder);
	bool has = kt_disk_kind(path) == KT_DISK_FILE;

	free(path);
	return has;
}

/* The unfinished mission of that name, else a finalised one; the newest of several. */
static enum kt_code existing_find(
	struct creation *creation, struct existing *out, struct kt_error *err)
{
	struct kt_list folders = KT_LIST_INIT;
	enum kt_code code = KT_E_OK;

	folders_add(creation, &folders);
	for (size_t i = folders.len; i > 0 && code == KT_E_OK; i--) {
		struct existing now = {.folder = folders.items[i - 1]};

		code = branch_look(creation, &now, err);
		if (!now.has_branch && is_closed(creation, now.folder))
			continue;
		/* Finalised once, and its branch is gone: not for us to make anew at another
		 * commit. */
		if (!now.has_branch && has_draft_lanes(creation, now.folder))
			now.is_finalised = true;
		if (code == KT_E_OK &&
			(out->folder == NULL || (out->is_finalised && !now.is_finalised))) {
			*out = now;
		}
	}
	out->folder = kt_strdup(out->folder);
	kt_list_release(&folders);
	return code;
}

static bool is_mid8_used(const struct creation *creation, const char *mid8)
{
	const struct kt_catalog *catalog = &creation->catalog;

	for (size_t i = 0; i < catalog->len; i++) {
		const struct kt_mission *mission = catalog->entries[i].mission;
		const char *tail = kt_name_tail8(catalog->entries[i].folder);

		if (mission != NULL && strcmp(mission->mid8, mid8) == 0)
			return true;
		if (tail != NULL && strcmp(tail, mid8) == 0)
			return true;
	}
	for (int list = 0; list < 3; list++) {
		const struct kt_list *const lists[] = {
			&catalog->branches, &catalog->closed, &creation->staged};

		for (size_t i = 0; i < lists[list]->len; i++) {
			const char *tail = kt_name_tail8(lists[list]->items[i]);

			if (tail != NULL && strcmp(tail, mid8) == 0)
				return true;
		}
	}
	return false;
}

static char *id_mint_unused(const struct creation *creation, int64_t now_us)
{
	int64_t time_ms = now_us / 1000;

	for (;;) {
		char *id = kt_mission_id_mint(time_ms);
		char mid8[9] = "";

		memcpy(mid8, id, 8);
		if (!is_mid8_used(creation, mid8))
			return id;
		free(id);
		time_ms = kt_mission_id_next_window(time_ms);
	}
}

/* An id for a branch whose drafts were lost: the same mid8, so that the names stay. */
static char *id_mint_for(const char *folder)
{
	return kt_mission_id_mint(kt_mission_id_window(kt_name_tail8(folder)));
}

static enum kt_code stage(struct creation *creation, const char *mission_id, int64_t now_us,
	const char *folder, struct kt_error *err)
{
	struct kt_birth birth = {.request = creation->request,
		.target = creation->target,
		.mission_id = mission_id,
		.now_us = now_us};
	char *dir = kt_path_join(creation->staging, folder);
	enum kt_code code = kt_folder_make(dir, 0755, err);

	if (code == KT_E_OK)
		code = kt_scaffold_write(&birth, dir, err);
	if (code == KT_E_OK)
		code = kt_folder_flush(dir, err);
	if (code == KT_E_OK)
		code = kt_folder_flush(creation->staging, err);
	free(dir);
	return code;
}

/* Compare-and-swap from nothing: a branch that somebody made meanwhile is not moved. */
static enum kt_code branch_make(struct creation *creation, const char *folder, struct kt_error *err)
{
	char *ref = kt_format("refs/heads/" MISSION_PREFIX "%s", folder);
	struct kt_oid_text tip = kt_oid_format(&creation->target_tip);
	const char *const args[] = {
		"update-ref", "-m", "kitty: mission create", ref, tip.text, ZERO_OID, NULL};
	struct kt_git_call call = {
		.cwd = creation->repo->primary, .args = args, .profile = KT_GIT_PLUMBING};
	enum kt_code code = kt_git_run(&call, err);

	/* git keeps branches as files: one named kitty leaves no room for kitty/... */
	if (code != KT_E_OK && kt_ref_name_exists(creation->repo->common_dir, "refs/heads/kitty")) {
		(void)kt_error_set(err, code, "a branch named kitty is in the way of %s", ref + 11);
		kt_error_next(err, "git branch -m kitty kitty-before");
	}
	free(ref);
	return code;
}

static enum kt_code file_copy(
	const char *from, const char *to, const char *name, struct kt_error *err)
{
	char *source = kt_path_join(from, name), *target = kt_path_join(to, name);
	char *folder = kt_path_parent(target);
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	if (!kt_file_exists(target) && kt_file_exists(source)) {
		code = kt_folder_make(folder, 0755, err);
		if (code == KT_E_OK)
			code = kt_file_read(source, KT_META_MAX, &text, err);
		if (code == KT_E_OK)
			code = kt_file_write_atomic(
				target, kt_buffer_text(&text), text.len, 0644, true, err);
	}
	kt_buffer_release(&text);
	free(source);
	free(target);
	free(folder);
	return code;
}

/* Where a rename cannot do it (another file system, or a folder is there already). meta.json comes
 * last. */
static enum kt_code files_copy(const char *from, const char *to, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (const char *const *name = kt_scaffold_names(); *name != NULL && code == KT_E_OK;
		name++)
		code = file_copy(from, to, *name, err);
	return code == KT_E_OK ? kt_folder_remove_tree(from, err) : code;
}

static enum kt_code move_into_place(
	struct creation *creation, const char *folder, struct kt_error *err)
{
	char *parent = kt_path_join(creation->repo->primary, "kitty-specs");
	char *from = kt_path_join(creation->staging, folder);
	char *to = kt_format("%s/%s", parent, folder);
	enum kt_code code = kt_folder_make(parent, 0755, err);

	if (code == KT_E_OK && rename(from, to) != 0) {
		if (errno == EXDEV || errno == ENOTEMPTY || errno == EEXIST)
			code = files_copy(from, to, err);
		else
			code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%s", to);
	}
	if (code == KT_E_OK)
		code = kt_folder_flush(parent, err);
	free(parent);
	free(from);
	free(to);
	return code;
}

static bool has_draft(const struct creation *creation, const char *folder)
{
	char *path = kt_format("%s/kitty-specs/%s/meta.json", creation->repo->primary, folder);
	bool has = kt_disk_kind(path) == KT_DISK_FILE;

	free(path);
	return has;
}

/* Does what is still missing of one mission, in the order in which a kill does the least harm. */
static enum kt_code complete(struct creation *creation, const struct existing *existing,
	struct kt_list *files, bool *branch_created, struct kt_error *err)
{
	struct kt_list guards = KT_LIST_INIT;
	bool is_placed = has_draft(creation, existing->folder);
	enum kt_code code = KT_E_OK;

	if (!is_placed && !kt_list_has(&creation->staged, existing->folder)) {
		char *id = id_mint_for(existing->folder);

		code = stage(creation, id, kt_clock_wall_us(), existing->folder, err);
		free(id);
	}
	/* The mission's worktrees must not get into a commit of the user's. */
	if (code == KT_E_OK)
		code = kt_project_guard(creation->repo, &guards, err);
	kt_list_release(&guards);
	if (code == KT_E_OK && !existing->has_branch) {
		code = branch_make(creation, existing->folder, err);
		*branch_created = code == KT_E_OK;
	}
	if (code == KT_E_OK && !is_placed) {
		code = move_into_place(creation, existing->folder, err);
		for (const char *const *name = kt_scaffold_names(); *name != NULL; name++)
			kt_list_push(
				files, kt_format("kitty-specs/%s/%s", existing->folder, *name));
	}
	return code;
}

static enum kt_code make(struct creation *creation, struct kt_list *files, bool *branch_created,
	char **folder, struct kt_error *err)
{
	int64_t now_us = kt_clock_wall_us();
	char *id = id_mint_unused(creation, now_us);
	char mid8[9] = "";
	struct existing fresh = {NULL, false, false};
	enum kt_code code;

	memcpy(mid8, id, 8);
	fresh.folder = kt_name_dir(creation->request->slug, mid8);
	code = stage(creation, id, now_us, fresh.folder, err);
	if (code == KT_E_OK) {
		kt_list_add(&creation->staged, fresh.folder);
		code = complete(creation, &fresh, files, branch_created, err);
	}
	*folder = fresh.folder;
	free(id);
	return code;
}

static enum kt_code locked(
	struct creation *creation, struct kt_mission_made *out, struct kt_error *err)
{
	struct existing existing = {NULL, false, false};
	struct kt_list files = KT_LIST_INIT;
	bool branch_created = false, created = false;
	struct kt_mission *mission = NULL;
	enum kt_code code = staging_read(creation, err);

	kt_catalog_open(&creation->catalog, creation->repo);
	kt_catalog_add_names(&creation->catalog);
	if (code == KT_E_OK && !creation->request->make_new)
		code = existing_find(creation, &existing, err);
	if (code != KT_E_OK)
		goto out;
	if (existing.folder != NULL && existing.is_finalised) {
		code = kt_error_set(err, KT_E_MISSION_EXISTS, "%s is finalised", existing.folder);
	} else if (existing.folder != NULL) {
		code = complete(creation, &existing, &files, &branch_created, err);
	} else {
		created = true;
		code = make(creation, &files, &branch_created, &existing.folder, err);
	}
	if (code == KT_E_OK)
		code = kt_mission_resolve(
			creation->repo, existing.folder, NULL, &mission, NULL, err);
	if (code == KT_E_OK) {
		out->mission = mission;
		out->created = created;
		out->branch_created = branch_created;
		out->created_files = kt_list_take(&files);
	}
out:
	kt_list_release(&files);
	free(existing.folder);
	return code;
}

enum kt_code kt_mission_create(const struct kt_repository *repo,
	const struct kt_mission_request *request, struct kt_mission_made *out, struct kt_error *err)
{
	struct creation creation = {.repo = repo, .request = request};
	int lock = -1;
	enum kt_code code;

	if (!kt_slug_is_valid(request->slug))
		return kt_error_set(err, KT_E_MISSION_SLUG_INVALID,
			"\"%.80s\": small letters and digits in words joined by single dashes, at "
			"most "
			"%d characters",
			request->slug == NULL ? "" : request->slug, KT_SLUG_MAX);
	code = kt_repository_check(repo, err);
	if (code != KT_E_OK)
		return code;
	creation.human = kt_name_strip_number(request->slug);
	creation.staging = kt_path_join(repo->common_dir, "kitty/staging");
	code = kt_store_open(repo, &creation.store, err);
	if (code == KT_E_OK)
		code = kt_repository_lock(repo, KT_LOCK_TIMEOUT_MS, &lock, err);
	/* The target is read under the lock, so that ancestry is judged against one commit. */
	if (code == KT_E_OK)
		code = target_find(&creation, err);
	if (code == KT_E_OK)
		code = locked(&creation, out, err);
	if (lock >= 0)
		kt_repository_unlock(lock);
	kt_catalog_release(&creation.catalog);
	kt_list_release(&creation.staged);
	kt_store_close(creation.store);
	free(creation.human);
	free(creation.target);
	free(creation.staging);
	return code;
}

void kt_mission_made_release(struct kt_mission_made *made)
{
	kt_mission_free(made->mission);
	kt_strings_free(made->created_files);
	made->mission = NULL;
	made->created_files = NULL;
}
