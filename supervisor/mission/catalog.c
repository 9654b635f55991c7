/*
 * Which missions exist: drafts, coordination branches, closed refs. Used by kitty only. Never
 * writes and never prefers one place silently: an entry of a folder is made once, by the first
 * place in the order of authority.
 */
#include "supervisor/mission/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/mission/disk.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/meta.h"
#include "supervisor/mission/refnames.h"

#define BRANCH_PREFIX "refs/heads/kitty/"
#define MISSION_PREFIX "kitty/mission-"
#define CLOSED_PREFIX "refs/kitty/closed/"

static struct kt_catalog_entry *entry_add(struct kt_catalog *catalog, const char *folder)
{
	struct kt_catalog_entry *entry;

	catalog->entries =
		kt_realloc_array(catalog->entries, catalog->len + 1, sizeof(*catalog->entries));
	entry = &catalog->entries[catalog->len++];
	memset(entry, 0, sizeof(*entry));
	entry->folder = kt_strdup(folder);
	return entry;
}

static bool has_folder(const struct kt_catalog *catalog, const char *folder)
{
	for (size_t i = 0; i < catalog->len; i++) {
		if (strcmp(catalog->entries[i].folder, folder) == 0)
			return true;
	}
	return false;
}

static enum kt_disk_kind kind_below(const char *dir, const char *name)
{
	char *path = kt_format("%s/%s", dir, name);
	enum kt_disk_kind kind = kt_disk_kind(path);

	free(path);
	return kind;
}

/* *meta stays NULL when there is no meta.json. */
static enum kt_code draft_meta(
	const char *dir, const char *folder, struct kt_json **meta, struct kt_error *err)
{
	char *path = kt_format("%s/meta.json", dir);
	struct kt_buffer text = KT_BUFFER_INIT;
	bool found = false;
	enum kt_code code = kt_disk_read(path, KT_META_MAX, &found, &text, err);

	if (code == KT_E_OK && found)
		code = kt_meta_parse(folder, kt_buffer_text(&text), text.len, meta, err);
	kt_buffer_release(&text);
	free(path);
	return code;
}

/* Has the folder's mission a home of its own, on a branch or as a closed one? */
static bool has_home(const struct kt_catalog *catalog, const char *folder)
{
	char *open = kt_format("refs/heads/%s%s", MISSION_PREFIX, folder);
	char *closed = kt_format("%s%s", CLOSED_PREFIX, folder);
	bool has = kt_ref_name_exists(catalog->repo->common_dir, open) ||
		   kt_ref_name_exists(catalog->repo->common_dir, closed);

	free(open);
	free(closed);
	return has;
}

static void draft_add(struct kt_catalog *catalog, const char *dir, const char *folder)
{
	struct kt_error error = KT_ERROR_INIT;
	struct kt_json *meta = NULL;
	bool has_lanes = kind_below(dir, "lanes.json") == KT_DISK_FILE;
	enum kt_code code = draft_meta(dir, folder, &meta, &error);
	struct kt_catalog_entry *entry;

	/* A folder without meta.json is a mission when it holds work packages, else it is
	 * somebody's notes. */
	if (code == KT_E_OK && meta == NULL && kind_below(dir, "tasks") != KT_DISK_FOLDER)
		return;
	/* What is left of drafts (a merge sets them aside for a moment) does not hide their
	 * mission.
	 */
	if (code == KT_E_OK && meta == NULL && has_home(catalog, folder))
		return;
	entry = entry_add(catalog, folder);
	entry->is_draft = true;
	if (code == KT_E_OK)
		code = kt_mission_from_meta(
			catalog->repo, folder, meta, has_lanes, &entry->mission, &error);
	if (code != KT_E_OK)
		entry->error = error;
}

void kt_catalog_open(struct kt_catalog *catalog, const struct kt_repository *repo)
{
	char *specs = kt_format("%s/kitty-specs", repo->primary);
	struct kt_list names = KT_LIST_INIT;

	memset(catalog, 0, sizeof(*catalog));
	catalog->repo = repo;
	kt_disk_names(specs, &names);
	for (size_t i = 0; i < names.len; i++) {
		char *dir = kt_format("%s/%s", specs, names.items[i]);

		if (kt_segment_is_safe(names.items[i]) && kt_disk_kind(dir) == KT_DISK_FOLDER)
			draft_add(catalog, dir, names.items[i]);
		free(dir);
	}
	kt_list_release(&names);
	free(specs);
}

void kt_catalog_release(struct kt_catalog *catalog)
{
	for (size_t i = 0; i < catalog->len; i++) {
		free(catalog->entries[i].folder);
		kt_mission_free(catalog->entries[i].mission);
	}
	free(catalog->entries);
	kt_list_release(&catalog->branches);
	kt_list_release(&catalog->closed);
	memset(catalog, 0, sizeof(*catalog));
}

void kt_catalog_add_names(struct kt_catalog *catalog)
{
	const char *common_dir = catalog->repo->common_dir;
	struct kt_list refs = KT_LIST_INIT;

	if (catalog->has_names)
		return;
	catalog->has_names = true;
	kt_ref_names(common_dir, BRANCH_PREFIX, &refs);
	for (size_t i = 0; i < refs.len; i++) {
		const char *branch = refs.items[i] + strlen("refs/heads/");

		/* Coordination branches end in a mid8, lane branches in a lane id. */
		if (strncmp(branch, MISSION_PREFIX, strlen(MISSION_PREFIX)) == 0 &&
			kt_name_tail8(branch) != NULL)
			kt_list_add(&catalog->branches, branch);
	}
	kt_list_release(&refs);
	kt_ref_names(common_dir, CLOSED_PREFIX, &refs);
	for (size_t i = 0; i < refs.len; i++) {
		if (kt_segment_is_safe(refs.items[i] + strlen(CLOSED_PREFIX)))
			kt_list_add(&catalog->closed, refs.items[i] + strlen(CLOSED_PREFIX));
	}
	kt_list_release(&refs);
}

static bool is_branch_explained(const struct kt_catalog *catalog, const char *branch)
{
	for (size_t i = 0; i < catalog->len; i++) {
		const struct kt_mission *mission = catalog->entries[i].mission;
		const char *own = mission == NULL ? NULL : mission->coordination_branch;

		if (own != NULL && strcmp(own, branch) == 0)
			return true;
		if (strcmp(branch + strlen(MISSION_PREFIX), catalog->entries[i].folder) == 0)
			return true;
	}
	return false;
}

static bool is_human(const char *folder, const char *human)
{
	char *own;
	bool is_same;

	if (human == NULL)
		return true;
	own = kt_name_human(folder);
	is_same = strcmp(own, human) == 0 || strcmp(folder, human) == 0;
	free(own);
	return is_same;
}

bool kt_catalog_has_unseen(const struct kt_catalog *catalog, const char *human)
{
	for (size_t i = 0; i < catalog->branches.len; i++) {
		const char *branch = catalog->branches.items[i];

		if (!is_branch_explained(catalog, branch) &&
			is_human(branch + strlen(MISSION_PREFIX), human))
			return true;
	}
	for (size_t i = 0; i < catalog->closed.len; i++) {
		if (!has_folder(catalog, catalog->closed.items[i]) &&
			is_human(catalog->closed.items[i], human))
			return true;
	}
	return false;
}

bool kt_catalog_is_closed(const struct kt_catalog *catalog, const struct kt_mission *mission)
{
	if (!kt_list_has(&catalog->closed, mission->slug))
		return false;
	return mission->coordination_ref == NULL ||
	       !kt_ref_name_exists(catalog->repo->common_dir, mission->coordination_ref);
}

/* The folder's meta.json in a commit becomes an entry; a commit without one is passed over. */
static enum kt_code commit_add(struct kt_catalog *catalog, struct kt_store *store,
	const struct kt_oid *commit, const char *folder, struct kt_error *err)
{
	char *path = kt_format("kitty-specs/%s/meta.json", folder);
	char *lanes = kt_format("kitty-specs/%s/lanes.json", folder);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error error = KT_ERROR_INIT;
	struct kt_json *meta = NULL;
	struct kt_catalog_entry *entry;
	bool found = false, has_lanes = false;
	enum kt_code code = kt_store_blob_read(store, commit, path, &found, NULL, &text, err);

	if (code == KT_E_OK && found)
		code = kt_store_blob_read(store, commit, lanes, &has_lanes, NULL, NULL, err);
	if (code != KT_E_OK || !found)
		goto out;
	entry = entry_add(catalog, folder);
	if (kt_meta_parse(folder, kt_buffer_text(&text), text.len, &meta, &error) != KT_E_OK ||
		kt_mission_from_meta(
			catalog->repo, folder, meta, has_lanes, &entry->mission, &error) != KT_E_OK)
		entry->error = error;
out:
	kt_buffer_release(&text);
	free(path);
	free(lanes);
	return code;
}

static enum kt_code ref_add(struct kt_catalog *catalog, struct kt_store *store, const char *ref,
	const char *folder, struct kt_error *err)
{
	struct kt_error gone = KT_ERROR_INIT;
	struct kt_oid commit;
	enum kt_code code = kt_store_ref_read(store, ref, &commit, &gone);

	if (code == KT_E_DESTINATION_REF_NOT_FOUND)
		return KT_E_OK; /* deleted since its name was read */
	if (code != KT_E_OK) {
		*err = gone;
		return code;
	}
	return commit_add(catalog, store, &commit, folder, err);
}

static enum kt_code refs_add(
	struct kt_catalog *catalog, struct kt_store *store, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; i < catalog->branches.len && code == KT_E_OK; i++) {
		const char *branch = catalog->branches.items[i];
		char *ref = kt_format("refs/heads/%s", branch);

		if (!is_branch_explained(catalog, branch))
			code = ref_add(catalog, store, ref, branch + strlen(MISSION_PREFIX), err);
		free(ref);
	}
	for (size_t i = 0; i < catalog->closed.len && code == KT_E_OK; i++) {
		const char *folder = catalog->closed.items[i];
		char *ref = kt_format(CLOSED_PREFIX "%s", folder);

		if (!has_folder(catalog, folder))
			code = ref_add(catalog, store, ref, folder, err);
		free(ref);
	}
	return code;
}

enum kt_code kt_catalog_add_store(struct kt_catalog *catalog, struct kt_error *err)
{
	struct kt_store *store = NULL;
	enum kt_code code;

	kt_catalog_add_names(catalog);
	if (catalog->has_store || !kt_catalog_has_unseen(catalog, NULL))
		return KT_E_OK;
	code = kt_store_open(catalog->repo, &store, err);
	if (code == KT_E_OK)
		code = refs_add(catalog, store, err);
	kt_store_close(store);
	catalog->has_store = code == KT_E_OK;
	return code;
}
