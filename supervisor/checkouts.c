/*
 * Committed bytes against checked-out bytes, wherever a mission without a coordination branch keeps
 * its log. Runs in verify and doctor. Must never write.
 */
#include "supervisor/checkouts.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/file.h"
#include "supervisor/git/index.h"
#include "supervisor/git/store.h"
#include "supervisor/transaction/legacy.h"

#define LOG_MAX (1U << 30)

struct look {
	const struct kt_repository *repo;
	const struct kt_mission *mission;
	struct kt_store *store;
	kt_checkout_cb each;
	void *arg;
};

/* An index that cannot be read is somebody else's finding. */
static bool is_staged_otherwise(
	const struct kt_destination *where, const char *relative, const struct kt_oid *blob)
{
	const struct kt_index_entry entry = {relative, *blob};
	struct kt_error ignored = KT_ERROR_INIT;
	bool matches = true;

	(void)!kt_index_matches(where->worktree, &entry, 1, &matches, &ignored);
	return !matches;
}

static enum kt_code file_compare(const struct look *look, const struct kt_destination *where,
	const char *relative, struct kt_error *err)
{
	char *path = kt_path_join(where->worktree, relative);
	struct kt_buffer file = KT_BUFFER_INIT, blob = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid tip = {{0}}, oid = {{0}};
	bool found = false;
	bool is_read = kt_file_read(path, LOG_MAX, &file, &ignored) == KT_E_OK;
	enum kt_code code = kt_store_ref_read(look->store, where->ref, &tip, err);

	if (code == KT_E_OK)
		code = kt_store_blob_read(look->store, &tip, relative, &found, &oid, &blob, err);
	if (code == KT_E_OK &&
		(is_read != found ||
			(found && (file.len != blob.len ||
					  memcmp(kt_buffer_text(&file), kt_buffer_text(&blob),
						  file.len) != 0 ||
					  is_staged_otherwise(where, relative, &oid)))))
		look->each(where, relative, look->arg);
	kt_buffer_release(&file);
	kt_buffer_release(&blob);
	free(path);
	return code;
}

/* A checkout that is not on a branch, or not there, has nothing to compare with. */
static enum kt_code checkout_look(
	const struct look *look, const char *lane_id, struct kt_error *err)
{
	struct kt_destination where = KT_DESTINATION_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	if (kt_destination_resolve(look->repo, look->mission, lane_id, &where, &ignored) !=
		KT_E_OK) {
		kt_destination_release(&where);
		return KT_E_OK;
	}
	code = file_compare(look, &where, look->mission->log_path, err);
	if (code == KT_E_OK)
		code = file_compare(look, &where, look->mission->snapshot_path, err);
	kt_destination_release(&where);
	return code;
}

static enum kt_code lanes_look(const struct look *look, struct kt_error *err)
{
	struct kt_plan *plan = NULL;
	enum kt_code code = kt_legacy_plan(look->repo, look->store, look->mission, &plan, err);

	if (code == KT_E_MISSION_NOT_FINALIZED) {
		*err = (struct kt_error)KT_ERROR_INIT;
		return KT_E_OK;
	}
	for (size_t i = 0; code == KT_E_OK && i < plan->lanes->len; i++)
		if (strcmp(plan->lanes->lanes[i].id, "lane-planning") != 0)
			code = checkout_look(look, plan->lanes->lanes[i].id, err);
	kt_plan_free(plan);
	return code;
}

enum kt_code kt_checkouts_each_difference(const struct kt_repository *repo,
	const struct kt_mission *mission, kt_checkout_cb each, void *arg, struct kt_error *err)
{
	struct look look = {.repo = repo, .mission = mission, .each = each, .arg = arg};
	enum kt_code code = KT_E_OK;

	if (mission->coordination_branch != NULL || mission->is_closed)
		return KT_E_OK;
	code = kt_store_open(repo, &look.store, err);
	if (code == KT_E_OK)
		code = checkout_look(&look, NULL, err);
	if (code == KT_E_OK && mission->topology == KT_TOPOLOGY_LEGACY)
		code = lanes_look(&look, err);
	kt_store_close(look.store);
	return code;
}
