/*
 * Facts of every lane, and the table that says what each combination of them means. Runs in
 * doctor and repair. Changes nothing; must never open a lane's index with libgit2 (lanes are
 * sparse).
 */
#include "supervisor/lane_table.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/file.h"

#define PATTERNS_MAX (64U << 10)

/* ---- the table ---- */

enum { NO, YES, ANY };

static const struct {
	enum kt_lane_folder folder;
	int branch, registered, tip, finished;
	struct kt_lane_action action;
} table[] = {
	{KT_FOLDER_GOOD, YES, ANY, ANY, ANY, {KT_STEP_SPARSE, NULL, NULL}},
	{KT_FOLDER_GOOD, NO, ANY, YES, ANY,
		{KT_STEP_RESCUE | KT_STEP_BRANCH | KT_STEP_SPARSE, "LANE_BRANCH_MISSING",
			"its branch is gone; its worktree is there"}},
	{KT_FOLDER_GOOD, NO, ANY, NO, ANY,
		{KT_STEP_RESCUE | KT_STEP_REMOVE, "LANE_BRANCH_MISSING",
			"its branch is gone and no commit of it is known"}},
	{KT_FOLDER_BUSY, YES, ANY, ANY, ANY,
		{KT_STEP_LEAVE, "LANE_BUSY", "a merge or rebase is under way"}},
	{KT_FOLDER_BUSY, NO, ANY, YES, ANY,
		{KT_STEP_BRANCH | KT_STEP_LEAVE, "LANE_BRANCH_MISSING",
			"its branch is gone while a merge or rebase is under way"}},
	{KT_FOLDER_BUSY, NO, ANY, NO, ANY,
		{KT_STEP_LEAVE, "LANE_BUSY",
			"a merge or rebase is under way and its branch is gone"}},
	{KT_FOLDER_OTHER, YES, ANY, ANY, ANY,
		{KT_STEP_SWITCH | KT_STEP_SPARSE, "LANE_HEAD_MISMATCH",
			"its worktree is not on its branch"}},
	{KT_FOLDER_OTHER, NO, ANY, YES, ANY,
		{KT_STEP_RESCUE | KT_STEP_BRANCH | KT_STEP_SWITCH | KT_STEP_SPARSE,
			"LANE_BRANCH_MISSING",
			"its branch is gone and its worktree is on another one"}},
	{KT_FOLDER_OTHER, NO, ANY, NO, ANY,
		{KT_STEP_RESCUE | KT_STEP_REMOVE, "LANE_BRANCH_MISSING",
			"its branch is gone, no commit of it is known, and its worktree is "
			"elsewhere"}},
	{KT_FOLDER_BROKEN, YES, ANY, ANY, NO,
		{KT_STEP_RESCUE | KT_STEP_REMOVE | KT_STEP_CREATE, "LANE_WORKTREE_BROKEN",
			"its folder is no worktree of this repository"}},
	{KT_FOLDER_BROKEN, YES, ANY, ANY, YES,
		{KT_STEP_RESCUE | KT_STEP_REMOVE, "LANE_WORKTREE_BROKEN",
			"a folder is left of its worktree"}},
	{KT_FOLDER_BROKEN, NO, ANY, YES, NO,
		{KT_STEP_RESCUE | KT_STEP_BRANCH | KT_STEP_REMOVE | KT_STEP_CREATE,
			"LANE_WORKTREE_BROKEN",
			"its folder is no worktree of this repository and its branch is gone"}},
	{KT_FOLDER_BROKEN, NO, ANY, ANY, ANY,
		{KT_STEP_RESCUE | KT_STEP_REMOVE, "LANE_WORKTREE_HUSK",
			"a folder stands where a lane's worktree would be"}},
	{KT_FOLDER_NONE, YES, ANY, ANY, NO,
		{KT_STEP_CREATE, "LANE_WORKTREE_MISSING", "its worktree is gone"}},
	{KT_FOLDER_NONE, NO, ANY, YES, NO,
		{KT_STEP_BRANCH | KT_STEP_CREATE, "LANE_BRANCH_MISSING",
			"its branch and its worktree are gone"}},
	{KT_FOLDER_NONE, ANY, YES, ANY, ANY,
		{KT_STEP_REMOVE, "LANE_REGISTRATION_STALE",
			"git still knows a worktree that is gone"}},
	{KT_FOLDER_NONE, ANY, NO, ANY, ANY, {0, NULL, NULL}},
};

static bool fits(int wanted, bool fact)
{
	return wanted == ANY || (wanted == YES) == fact;
}

struct kt_lane_action kt_lane_action_find(enum kt_lane_folder folder, bool has_branch,
	bool is_registered, bool is_tip_known, bool is_finished)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].folder == folder && fits(table[i].branch, has_branch) &&
			fits(table[i].registered, is_registered) &&
			fits(table[i].tip, is_tip_known) && fits(table[i].finished, is_finished))
			return table[i].action;
	return (struct kt_lane_action){0, NULL, NULL};
}

const char *kt_lane_abort_command(const char *state)
{
	static const char *const commands[][2] = {
		{"merge", "merge --abort"},
		{"rebase", "rebase --abort"},
		{"cherry-pick", "cherry-pick --abort"},
		{"revert", "revert --abort"},
		{"bisect", "bisect reset"},
	};

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i][0], state) == 0)
			return commands[i][1];
	return "status";
}

/* ---- which lanes ---- */

struct ids {
	char **items;
	size_t len;
};

static void id_add(struct ids *ids, const char *text)
{
	char *id = kt_lane_id_parse(text);

	for (size_t i = 0; id != NULL && i < ids->len; i++)
		if (strcmp(ids->items[i], id) == 0) {
			free(id);
			return;
		}
	if (id == NULL || strcmp(id, "lane-planning") == 0) {
		free(id);
		return;
	}
	ids->items = kt_realloc_array(ids->items, ids->len + 1, sizeof *ids->items);
	ids->items[ids->len++] = id;
}

static void name_add(struct ids *ids, const char *name, const char *prefix, const char *suffix)
{
	size_t len = strlen(name), before = strlen(prefix), after = strlen(suffix);
	char *text;

	if (len <= before + after || strncmp(name, prefix, before) != 0 ||
		strcmp(name + len - after, suffix) != 0)
		return;
	text = kt_strndup(name + before, len - before - after);
	if (strncmp(text, "lane-", 5) == 0)
		id_add(ids, text);
	free(text);
}

static void folder_add(struct ids *ids, const char *folder, const char *prefix, const char *suffix)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;

	/* Each stream is read by one thread only. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (entries != NULL && (entry = readdir(entries)) != NULL)
		name_add(ids, entry->d_name, prefix, suffix);
	if (entries != NULL)
		(void)closedir(entries);
}

struct branches {
	struct ids *ids;
	char *prefix;
};

static void branch_add(const char *ref, const struct kt_oid *oid, void *arg)
{
	struct branches *branches = arg;

	(void)oid;
	name_add(branches->ids, ref, branches->prefix, "");
}

/* "lane-a" without its last 6 characters is what all names of the mission's lanes begin with. */
static char *prefix_of(const char *name_of_lane_a)
{
	return kt_strndup(name_of_lane_a, strlen(name_of_lane_a) - strlen("lane-a"));
}

static enum kt_code ids_find(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct kt_view *view, struct ids *ids, struct kt_error *err)
{
	char *worktree = kt_mission_lane_worktree(mission, "lane-a");
	char *branch = kt_mission_lane_branch(mission, "lane-a");
	char *ref = kt_format("refs/heads/%s", branch);
	char *parent = kt_path_parent(worktree), *folder = prefix_of(strrchr(worktree, '/') + 1);
	char *records = kt_path_join(mission->run_dir, "lanes");
	struct branches branches = {ids, prefix_of(ref)};
	struct kt_store *store = NULL;
	enum kt_code code = kt_store_open(repo, &store, err);

	if (code == KT_E_OK)
		code = kt_store_ref_each(store, branches.prefix, branch_add, &branches, err);
	kt_store_close(store);
	folder_add(ids, parent, folder, "");
	folder_add(ids, records, "", ".json");
	for (size_t i = 0; view != NULL && view->plan != NULL && i < view->plan->lanes->len; i++)
		id_add(ids, view->plan->lanes->lanes[i].id);
	free(branches.prefix);
	free(records);
	free(parent);
	free(folder);
	free(ref);
	free(branch);
	free(worktree);
	return code;
}

/* ---- facts of one lane ---- */

static bool is_finished(const struct kt_view *view, const char *lane_id)
{
	const struct kt_lane_plan *lane = view == NULL || view->plan == NULL
						  ? NULL
						  : kt_lanes_find(view->plan->lanes, lane_id);
	bool all = lane != NULL && lane->wp_ids[0] != NULL;

	for (size_t i = 0; all && lane->wp_ids[i] != NULL; i++) {
		struct kt_wp_state wp;

		all = kt_reducer_wp(view->state, lane->wp_ids[i], &wp) &&
		      kt_status_is_terminal(wp.status);
	}
	return all;
}

/* The newest commit that the worktree's own reflog names. */
static char *reflog_tip(const struct kt_lane_place *place)
{
	char *path = place->facts.git_dir == NULL ? NULL
						  : kt_path_join(place->facts.git_dir, "logs/HEAD");
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	char *tip = NULL;

	if (path != NULL && kt_file_read(path, 64U << 20, &text, &ignored) == KT_E_OK &&
		text.len > 82) {
		const char *line = text.data + text.len - 1;

		while (line > text.data && line[-1] != '\n')
			line--;
		if (strlen(line) > 81)
			tip = kt_strndup(line + 41, 40);
	}
	kt_buffer_release(&text);
	free(path);
	return tip;
}

static void tip_find(
	const struct kt_repository *repo, const struct kt_mission *mission, struct kt_lane_row *row)
{
	struct kt_error ignored = KT_ERROR_INIT;
	char *known = kt_lane_record_tip(mission, row->place.id);
	char *logged = row->folder == KT_FOLDER_GOOD ? reflog_tip(&row->place) : NULL;

	/* The worktree's reflog is newer than our record: agents commit without us. */
	if (logged != NULL &&
		kt_lane_revision(repo->primary, logged, &row->tip, &ignored) != KT_E_OK)
		row->tip = NULL;
	if (row->tip == NULL && known != NULL &&
		kt_lane_revision(repo->primary, known, &row->tip, &ignored) != KT_E_OK)
		row->tip = NULL;
	free(known);
	free(logged);
}

static enum kt_lane_folder folder_of(const struct kt_lane_place *place)
{
	if (!place->facts.exists)
		return kt_file_exists(place->worktree) ? KT_FOLDER_BROKEN : KT_FOLDER_NONE;
	if (!place->facts.is_linked)
		return KT_FOLDER_BROKEN;
	if (place->facts.state[0] != '\0')
		return KT_FOLDER_BUSY;
	return place->facts.head != NULL && strcmp(place->facts.head, place->ref) == 0
		       ? KT_FOLDER_GOOD
		       : KT_FOLDER_OTHER;
}

static enum kt_code row_load(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct kt_view *view, struct kt_lane_row *row, struct kt_error *err)
{
	struct kt_buffer changes = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	char *registration = kt_worktree_registration(repo, row->place.worktree);
	enum kt_code code = kt_lane_revision(repo->primary, row->place.ref, &row->branch_tip, err);

	row->is_registered = registration != NULL;
	free(registration);
	if (code != KT_E_OK)
		return code;
	row->has_branch = row->branch_tip != NULL;
	row->folder = folder_of(&row->place);
	row->is_finished = is_finished(view, row->place.id);
	if (!row->has_branch)
		tip_find(repo, mission, row);
	if (row->place.facts.is_linked &&
		kt_worktree_changes(row->place.worktree, &changes, &ignored) == KT_E_OK)
		row->is_dirty = changes.len > 0;
	if (row->folder == KT_FOLDER_BROKEN)
		row->is_dirty = true;
	if (row->folder == KT_FOLDER_GOOD && row->has_branch)
		row->sparse = kt_lane_sparse_problem(mission, &row->place);
	kt_buffer_release(&changes);
	return KT_E_OK;
}

static int id_compare(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

enum kt_code kt_lane_rows_load(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct kt_view *view, struct kt_lane_rows *out, struct kt_error *err)
{
	struct ids ids = {NULL, 0};
	enum kt_code code = ids_find(repo, mission, view, &ids, err);

	*out = (struct kt_lane_rows){NULL, 0};
	if (ids.len > 1)
		qsort(ids.items, ids.len, sizeof *ids.items, id_compare);
	out->rows = kt_realloc_array(NULL, ids.len + 1, sizeof *out->rows);
	for (size_t i = 0; code == KT_E_OK && i < ids.len; i++) {
		struct kt_lane_row *row = &out->rows[out->len];

		*row = (struct kt_lane_row){.has_branch = false};
		code = kt_lane_place_find(repo, mission, ids.items[i], &row->place, err);
		if (code == KT_E_OK) {
			out->len++;
			code = row_load(repo, mission, view, row, err);
		}
	}
	for (size_t i = 0; i < ids.len; i++)
		free(ids.items[i]);
	free(ids.items);
	if (code != KT_E_OK)
		kt_lane_rows_release(out);
	return code;
}

void kt_lane_rows_release(struct kt_lane_rows *rows)
{
	for (size_t i = 0; i < rows->len; i++) {
		kt_lane_place_release(&rows->rows[i].place);
		free(rows->rows[i].tip);
		free(rows->rows[i].branch_tip);
		free(rows->rows[i].sparse);
	}
	free(rows->rows);
	*rows = (struct kt_lane_rows){NULL, 0};
}

/* ---- sparse policy ---- */

static bool patterns_are_right(const struct kt_lane_place *place, char *const *patterns)
{
	char *path = kt_format("%s/info/sparse-checkout", place->facts.git_dir);
	struct kt_buffer wanted = KT_BUFFER_INIT, text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	bool same;

	for (size_t i = 0; patterns[i] != NULL; i++)
		kt_buffer_printf(&wanted, "%s\n", patterns[i]);
	same = kt_file_read(path, PATTERNS_MAX, &text, &ignored) == KT_E_OK &&
	       strcmp(kt_buffer_text(&text), kt_buffer_text(&wanted)) == 0;
	kt_buffer_release(&wanted);
	kt_buffer_release(&text);
	free(path);
	return same;
}

static bool is_switched_on(const struct kt_lane_place *place)
{
	const char *args[] = {"config", "--bool", "core.sparseCheckout", NULL};
	struct kt_error ignored = KT_ERROR_INIT;
	char *text = NULL;
	int exit_code = 0;
	bool on = kt_lane_git_text(place->worktree, args, &text, &exit_code, &ignored) == KT_E_OK &&
		  strcmp(text, "true") == 0;

	free(text);
	return on;
}

/* A tracked path without the skip bit, or an index that cannot tell; gives; NULL: neither. */
static char *skip_bit_problem(const struct kt_lane_place *place, char *const *absent)
{
	const char *args[] = {
		"ls-files", "-t", "--", absent[0], absent[0] == NULL ? NULL : absent[1], NULL};
	struct kt_error ignored = KT_ERROR_INIT;
	char *text = NULL, *found = NULL;
	int exit_code = 0;

	if (absent[0] == NULL ||
		kt_lane_git_text(place->worktree, args, &text, &exit_code, &ignored) != KT_E_OK)
		return NULL;
	if (exit_code != 0)
		found = kt_strdup(KT_LANE_INDEX_UNREADABLE);
	for (const char *line = text; found == NULL && *line != '\0';) {
		size_t len = strcspn(line, "\n");

		if (len > 2 && line[0] != 'S')
			found = kt_format("%.*s has lost its skip bit", (int)len - 2, line + 2);
		line += len + (line[len] == '\n' ? 1 : 0);
	}
	free(text);
	return found;
}

char *kt_lane_sparse_problem(const struct kt_mission *mission, const struct kt_lane_place *place)
{
	char **patterns, **absent;
	char *problem = NULL, *path = NULL;

	if (mission->coordination_branch == NULL)
		return NULL;
	patterns = kt_mission_sparse_patterns(mission);
	absent = kt_mission_absent_paths(mission);
	if (!patterns_are_right(place, patterns))
		problem = kt_strdup("the patterns are not kitty's");
	else if (!is_switched_on(place))
		problem = kt_strdup("sparse checkout is switched off");
	for (size_t i = 0; problem == NULL && absent[i] != NULL; i++) {
		path = kt_path_join(place->worktree, absent[i]);
		if (kt_file_exists(path))
			problem = kt_format("%s is on the disk", path);
		free(path);
	}
	if (problem == NULL)
		problem = skip_bit_problem(place, absent);
	kt_strings_free(patterns);
	kt_strings_free(absent);
	return problem;
}
