/*
 * The plan and the log of a legacy mission. Runs in every command that meets one. Reads commits
 * only, never a checked-out file; writes nothing but the marker of the one warning.
 */
#include "supervisor/transaction/legacy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/file.h"
#include "supervisor/git/worktree.h"

bool kt_legacy_warns_now(const struct kt_mission *mission)
{
	char *marker = kt_path_join(mission->run_dir, "legacy-warned");
	struct kt_error ignored = KT_ERROR_INIT;
	int fd = -1;

	if (kt_folder_make(mission->run_dir, 0700, &ignored) == KT_E_OK)
		fd = open(marker, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(marker);
	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

/* ---- plan ---- */

static char *primary_head(const struct kt_mission *mission)
{
	char *git_dir = kt_worktree_git_dir(mission->repo_root);
	char *head = git_dir == NULL ? NULL : kt_head_read(git_dir);

	free(git_dir);
	return head;
}

/* *found stays false for a branch that is not there; one that cannot be read is an error: another
 * one's plan would count in its place. */
static enum kt_code find_plan(struct kt_store *store, const struct kt_mission *mission,
	const char *ref, bool *found, struct kt_oid *commit, struct kt_error *err)
{
	char *path = kt_format("%s/lanes.json", mission->folder);
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = kt_store_ref_read(store, ref, commit, &cause);

	if (code == KT_E_OK)
		code = kt_store_blob_read(store, commit, path, found, NULL, NULL, &cause);
	else if (code == KT_E_DESTINATION_REF_NOT_FOUND)
		code = KT_E_OK;
	if (code != KT_E_OK)
		*err = cause;
	free(path);
	return code;
}

enum kt_code kt_legacy_plan_commit(const struct kt_repository *repo, struct kt_store *store,
	const struct kt_mission *mission, struct kt_oid *out, struct kt_error *err)
{
	char *head = primary_head(mission);
	char *target = kt_format("refs/heads/%s", mission->target_branch);
	bool found = false;
	enum kt_code code = KT_E_OK;

	(void)repo;
	if (head != NULL)
		code = find_plan(store, mission, head, &found, out, err);
	if (code == KT_E_OK && !found)
		code = find_plan(store, mission, target, &found, out, err);
	free(head);
	free(target);
	if (found || code != KT_E_OK)
		return code;
	return kt_error_set(err, KT_E_MISSION_NOT_FINALIZED,
		"%s: no lanes.json on the checked-out branch or on %s", mission->slug,
		mission->target_branch);
}

enum kt_code kt_legacy_plan(const struct kt_repository *repo, struct kt_store *store,
	const struct kt_mission *mission, struct kt_plan **out, struct kt_error *err)
{
	struct kt_oid commit = {{0}};
	enum kt_code code = kt_legacy_plan_commit(repo, store, mission, &commit, err);

	return code == KT_E_OK ? kt_plan_load(store, mission, &commit, out, err) : code;
}

/* ---- branches ---- */

struct names {
	char **items; /* NULL-terminated */
	size_t len;
};

/* Takes ref. One that cannot be read is taken up, too: the rows on it are not to be left out, and
 * whoever reads it finds out. */
static void names_add(struct names *names, struct kt_store *store, char *ref)
{
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid oid = {{0}};
	bool is_known = ref == NULL || kt_store_ref_read(store, ref, &oid, &ignored) ==
					       KT_E_DESTINATION_REF_NOT_FOUND;

	for (size_t i = 0; !is_known && i < names->len; i++)
		is_known = strcmp(names->items[i], ref) == 0;
	if (is_known) {
		free(ref);
		return;
	}
	names->items = kt_realloc_array(names->items, names->len + 2, sizeof *names->items);
	names->items[names->len++] = ref;
	names->items[names->len] = NULL;
}

/* What the lane's worktree has checked out, and the branch of the lane's name: rows may stand on
 * either. */
static void lane_add(struct names *names, const struct kt_repository *repo, struct kt_store *store,
	const struct kt_mission *mission, const char *lane_id)
{
	char *worktree = kt_mission_lane_worktree(mission, lane_id);
	char *branch = kt_mission_lane_branch(mission, lane_id);
	struct kt_worktree_facts facts = {0};

	kt_worktree_inspect(repo, worktree, &facts);
	if (facts.is_linked)
		names_add(names, store, kt_strdup(facts.head));
	names_add(names, store, kt_format("refs/heads/%s", branch));
	kt_worktree_facts_release(&facts);
	free(worktree);
	free(branch);
}

enum kt_code kt_legacy_refs(const struct kt_repository *repo, struct kt_store *store,
	const struct kt_mission *mission, char ***out, struct kt_error *err)
{
	struct names names = {kt_alloc(sizeof(char *)), 0};
	struct kt_plan *plan = NULL;
	enum kt_code code = kt_legacy_plan(repo, store, mission, &plan, err);

	if (code != KT_E_OK && code != KT_E_MISSION_NOT_FINALIZED) {
		kt_strings_free(names.items);
		return code;
	}
	*err = (struct kt_error)KT_ERROR_INIT;
	names_add(&names, store, kt_format("refs/heads/%s", mission->target_branch));
	names_add(&names, store, primary_head(mission));
	for (size_t i = 0; plan != NULL && i < plan->lanes->len; i++)
		if (strcmp(plan->lanes->lanes[i].id, "lane-planning") != 0)
			lane_add(&names, repo, store, mission, plan->lanes->lanes[i].id);
	kt_plan_free(plan);
	*out = names.items;
	return KT_E_OK;
}

/* ---- the union ---- */

static enum kt_code read_log(struct kt_store *store, const struct kt_mission *mission,
	const char *ref, struct kt_buffer *log, struct kt_error *err)
{
	struct kt_oid tip = {{0}};
	bool found = false;
	enum kt_code code = kt_store_ref_read(store, ref, &tip, err);

	if (code == KT_E_OK)
		code = kt_store_blob_read(store, &tip, mission->log_path, &found, NULL, log, err);
	return code;
}

enum kt_code kt_legacy_union(const struct kt_repository *repo, struct kt_store *store,
	const struct kt_mission *mission, struct kt_buffer *out, struct kt_error *err)
{
	const struct kt_buffer none = KT_BUFFER_INIT;
	struct kt_buffer *logs = NULL;
	char **refs = NULL;
	size_t len = 0;
	enum kt_code code = kt_legacy_refs(repo, store, mission, &refs, err);

	if (code != KT_E_OK)
		return code;
	while (refs[len] != NULL)
		len++;
	logs = kt_alloc((len + 1) * sizeof *logs);
	for (size_t i = 0; code == KT_E_OK && i < len; i++)
		code = read_log(store, mission, refs[i], &logs[i], err);
	if (code == KT_E_OK)
		code = kt_logs_unite(&none, logs, len, out, err);
	for (size_t i = 0; i < len; i++)
		kt_buffer_release(&logs[i]);
	free(logs);
	kt_strings_free(refs);
	return code;
}
