/*
 * The one resolver: a handle, or the place one stands in, to a mission. Used by kitty only. Never
 * writes, never guesses between two, never opens a path made of an unchecked handle.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/mission/catalog.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/meta.h"
#include "supervisor/mission/place.h"
#include "supervisor/mission/refnames.h"

struct query {
	struct kt_catalog catalog;
	const char *handle;
	struct kt_catalog_entry **found; /* borrowed from the catalog */
	size_t len;
};

/* One rule: does the entry fit the handle? The first rule whose pattern fits the handle decides. */
typedef bool (*kt_handle_rule)(const struct kt_catalog_entry *entry, const char *handle);

static bool is_upper_or_digits(const char *text, size_t len)
{
	return strlen(text) == len && strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

static bool has_id(const struct kt_catalog_entry *entry, const char *handle)
{
	return entry->mission != NULL && strcmp(entry->mission->mission_id, handle) == 0;
}

static bool has_mid8(const struct kt_catalog_entry *entry, const char *handle)
{
	const char *tail = kt_name_tail8(entry->folder);

	if (entry->mission != NULL)
		return strcmp(entry->mission->mid8, handle) == 0;
	return tail != NULL && strcmp(tail, handle) == 0;
}

static bool has_folder_name(const struct kt_catalog_entry *entry, const char *handle)
{
	return strcmp(entry->folder, handle) == 0;
}

/* The name that people gave: the folder without mid8, without number, or without both. */
static bool has_human_slug(const struct kt_catalog_entry *entry, const char *handle)
{
	char *human = kt_name_human(entry->folder);
	char *bare_folder = kt_name_strip_number(entry->folder);
	char *bare_human = kt_name_strip_number(human);
	bool is_same = strcmp(human, handle) == 0 || strcmp(bare_folder, handle) == 0 ||
		       strcmp(bare_human, handle) == 0;

	free(human);
	free(bare_folder);
	free(bare_human);
	return is_same;
}

static void apply(struct query *query, kt_handle_rule fits)
{
	struct kt_catalog *catalog = &query->catalog;

	query->len = 0;
	query->found =
		kt_realloc_array(query->found, catalog->len, sizeof(struct kt_catalog_entry *));
	for (size_t i = 0; i < catalog->len; i++) {
		if (fits(&catalog->entries[i], query->handle))
			query->found[query->len++] = &catalog->entries[i];
	}
}

static void match(struct query *query)
{
	if (is_upper_or_digits(query->handle, 26)) {
		apply(query, has_id);
		return;
	}
	if (is_upper_or_digits(query->handle, 8)) {
		apply(query, has_mid8);
		return;
	}
	apply(query, has_folder_name);
	if (query->len == 0)
		apply(query, has_human_slug);
}

static struct kt_json *candidates_of(const struct query *query)
{
	struct kt_json *array = kt_json_new_array();

	for (size_t i = 0; i < query->len; i++) {
		const struct kt_catalog_entry *entry = query->found[i];
		const struct kt_mission *mission = entry->mission;
		struct kt_json *item = kt_json_new_object();
		char *dir =
			kt_format("%s/kitty-specs/%s", query->catalog.repo->primary, entry->folder);

		kt_json_set_string(
			item, "mission_id", mission == NULL ? NULL : mission->mission_id);
		kt_json_set_string(item, "mid8", mission == NULL ? NULL : mission->mid8);
		kt_json_set_string(item, "slug", entry->folder);
		kt_json_set_string(item, "feature_dir", dir);
		kt_json_append(array, item);
		free(dir);
	}
	return array;
}

static enum kt_code ambiguous(
	const struct query *query, struct kt_json **candidates, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code;

	for (size_t i = 0; i < query->len && i < 8; i++)
		kt_buffer_printf(&text, "%s%s", i == 0 ? "" : ", ", query->found[i]->folder);
	if (query->len > 8)
		kt_buffer_printf(&text, " and %zu more", query->len - 8);
	code = kt_error_set(err, KT_E_MISSION_AMBIGUOUS_SELECTOR, "%s%s%s%s",
		query->handle == NULL ? "" : "\"", query->handle == NULL ? "" : query->handle,
		query->handle == NULL ? "" : "\" fits ", kt_buffer_text(&text));
	if (candidates != NULL)
		*candidates = candidates_of(query);
	kt_buffer_release(&text);
	return code;
}

/* What `mission close --discard` keeps, and a merge never makes. Without a coordination branch the
 * date alone tells. */
static bool has_trash(const struct kt_catalog *catalog, const struct kt_mission *mission)
{
	char *ref = kt_format("refs/kitty/trash/%s/%s", mission->slug,
		mission->coordination_ref != NULL ? "coordination" : "manifest");
	bool has = kt_ref_name_exists(catalog->repo->common_dir, ref);

	free(ref);
	return has;
}

/* Takes the mission out of its entry. */
static enum kt_code answer(struct query *query, struct kt_catalog_entry *entry,
	struct kt_mission **out, struct kt_error *err)
{
	struct kt_mission *mission = entry->mission;

	if (mission == NULL) {
		*err = entry->error;
		return err->code;
	}
	if (mission->coordination_ref != NULL) {
		kt_catalog_add_names(&query->catalog);
		mission->is_closed = kt_catalog_is_closed(&query->catalog, mission);
	}
	if (mission->is_closed) {
		free(mission->coordination_ref);
		mission->coordination_ref = kt_format("refs/kitty/closed/%s", mission->slug);
	}
	if (mission->is_closed || mission->coordination_ref == NULL)
		mission->is_discarded = has_trash(&query->catalog, mission);
	entry->mission = NULL;
	*out = mission;
	return KT_E_OK;
}

static enum kt_code by_handle(struct query *query, struct kt_mission **out,
	struct kt_json **candidates, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	if (kt_segment_is_safe(query->handle)) {
		kt_catalog_open(&query->catalog, query->catalog.repo);
		match(query);
		if (query->len != 1)
			kt_catalog_add_names(&query->catalog);
		/* A name that people gave may fit a mission of which only the branch is left, too.
		 */
		if (query->len == 1 && !has_folder_name(query->found[0], query->handle) &&
			has_human_slug(query->found[0], query->handle))
			kt_catalog_add_names(&query->catalog);
		if (query->len == 0 || kt_catalog_has_unseen(&query->catalog, query->handle)) {
			code = kt_catalog_add_store(&query->catalog, err);
			match(query);
		}
	}
	if (code != KT_E_OK)
		return code;
	if (query->len == 0)
		return kt_error_set(
			err, KT_E_MISSION_NOT_FOUND, "no mission fits \"%.80s\"", query->handle);
	if (query->len > 1)
		return ambiguous(query, candidates, err);
	return answer(query, query->found[0], out, err);
}

/* The entry whose coordination or lane worktree holds cwd. */
static struct kt_catalog_entry *entry_at_worktree(struct query *query, const char *cwd)
{
	for (size_t i = 0; i < query->catalog.len; i++) {
		struct kt_catalog_entry *entry = &query->catalog.entries[i];
		char *name, *lane;
		bool is_here;

		if (entry->mission == NULL)
			continue;
		name = kt_mission_worktree_name(entry->mission, cwd);
		lane = kt_mission_lane_at(entry->mission, cwd);
		is_here = lane != NULL ||
			  (name != NULL &&
				  strcmp(name, strrchr(entry->mission->coord_worktree, '/') + 1) ==
					  0);
		free(name);
		free(lane);
		if (is_here)
			return entry;
	}
	return NULL;
}

/* The entry whose folder in the primary checkout holds cwd. */
static struct kt_catalog_entry *entry_at_draft(struct query *query, const char *cwd)
{
	char *specs = kt_format("%s/kitty-specs", query->catalog.repo->primary);
	char *real_specs = kt_path_real(specs);
	char *real = kt_path_real(cwd);
	char *name = kt_path_component_below(real_specs, real);
	struct kt_catalog_entry *found = NULL;

	for (size_t i = 0; name != NULL && i < query->catalog.len; i++) {
		if (strcmp(query->catalog.entries[i].folder, name) == 0)
			found = &query->catalog.entries[i];
	}
	free(specs);
	free(real_specs);
	free(real);
	free(name);
	return found;
}

static bool is_below_worktrees(const struct query *query, const char *cwd)
{
	char *folder = kt_format("%s/.worktrees", query->catalog.repo->primary);
	char *real_folder = kt_path_real(folder);
	char *real = kt_path_real(cwd);
	char *name = kt_path_component_below(real_folder, real);
	bool is_below = name != NULL;

	free(folder);
	free(real_folder);
	free(real);
	free(name);
	return is_below;
}

static enum kt_code by_place(
	struct query *query, const char *cwd, struct kt_catalog_entry **entry, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	*entry = entry_at_worktree(query, cwd);
	if (*entry == NULL && is_below_worktrees(query, cwd)) {
		code = kt_catalog_add_store(&query->catalog, err);
		*entry = entry_at_worktree(query, cwd);
	}
	if (*entry == NULL)
		*entry = entry_at_draft(query, cwd);
	return code;
}

static void find_open(struct query *query)
{
	struct kt_catalog *catalog = &query->catalog;

	query->len = 0;
	query->found =
		kt_realloc_array(query->found, catalog->len, sizeof(struct kt_catalog_entry *));
	for (size_t i = 0; i < catalog->len; i++) {
		struct kt_catalog_entry *entry = &catalog->entries[i];

		if (entry->mission != NULL && !kt_meta_is_merged(entry->mission->meta) &&
			!kt_catalog_is_closed(catalog, entry->mission))
			query->found[query->len++] = entry;
	}
}

static struct kt_catalog_entry *only_broken(struct query *query)
{
	return query->catalog.len == 1 && query->catalog.entries[0].mission == NULL
		       ? &query->catalog.entries[0]
		       : NULL;
}

static enum kt_code by_context(struct query *query, const char *cwd, struct kt_mission **out,
	struct kt_json **candidates, struct kt_error *err)
{
	struct kt_catalog_entry *entry = NULL;
	enum kt_code code = KT_E_OK;

	kt_catalog_open(&query->catalog, query->catalog.repo);
	if (cwd != NULL)
		code = by_place(query, cwd, &entry, err);
	if (code == KT_E_OK && entry == NULL)
		code = kt_catalog_add_store(&query->catalog, err);
	if (code != KT_E_OK)
		return code;
	if (entry == NULL) {
		find_open(query);
		if (query->len > 1)
			return ambiguous(query, candidates, err);
		entry = query->len == 1 ? query->found[0] : only_broken(query);
	}
	if (entry == NULL) {
		(void)kt_error_set(
			err, KT_E_FEATURE_CONTEXT_UNRESOLVED, "there is no open mission");
		kt_error_next(err, "kitty mission list");
		return KT_E_FEATURE_CONTEXT_UNRESOLVED;
	}
	return answer(query, entry, out, err);
}

enum kt_code kt_mission_resolve(const struct kt_repository *repo, const char *handle,
	const char *cwd, struct kt_mission **out, struct kt_json **candidates, struct kt_error *err)
{
	struct query query = {.catalog = {.repo = repo}, .handle = handle};
	enum kt_code code = handle == NULL ? by_context(&query, cwd, out, candidates, err)
					   : by_handle(&query, out, candidates, err);

	kt_catalog_release(&query.catalog);
	free(query.found);
	return code;
}

static int compare_slugs(const void *left, const void *right)
{
	return strcmp((*(struct kt_mission *const *)left)->slug,
		(*(struct kt_mission *const *)right)->slug);
}

enum kt_code kt_mission_list(const struct kt_repository *repo, struct kt_mission ***out,
	size_t *len, struct kt_error *err)
{
	struct query query = {.catalog = {.repo = repo}};
	struct kt_mission **list;
	size_t count = 0;
	enum kt_code code;

	kt_catalog_open(&query.catalog, repo);
	code = kt_catalog_add_store(&query.catalog, err);
	if (code == KT_E_OK) {
		list = kt_realloc_array(NULL, query.catalog.len + 1, sizeof(struct kt_mission *));
		for (size_t i = 0; i < query.catalog.len; i++) {
			struct kt_error broken = KT_ERROR_INIT;

			if (answer(&query, &query.catalog.entries[i], &list[count], &broken) ==
				KT_E_OK)
				count++;
		}
		list[count] = NULL;
		qsort(list, count, sizeof(struct kt_mission *), compare_slugs);
		*out = list;
		*len = count;
	}
	kt_catalog_release(&query.catalog);
	return code;
}

enum kt_code kt_mission_gone(
	const struct kt_repository *repo, const struct kt_mission *mission, struct kt_error *err)
{
	struct kt_mission *now = NULL;
	struct kt_error told = KT_ERROR_INIT, ignored = KT_ERROR_INIT;

	if (err->code == KT_E_COORDINATION_BRANCH_DELETED &&
		kt_mission_resolve(repo, mission->slug, repo->primary, &now, NULL, &ignored) ==
			KT_E_OK &&
		kt_mission_check_open(now, &told) != KT_E_OK)
		*err = told;
	kt_mission_free(now);
	return err->code;
}
