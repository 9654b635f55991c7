/*
 * kitty merge and its --abort, one at a time for each mission. Runs in the command. Must never wait
 * with the mission's lock held: the merge takes that one inside.
 */
#include <stdlib.h>

#include <kitty/limits.h>

#include "ipc/file.h"
#include "supervisor/merge_private.h"
#include "supervisor/transaction/lock.h"

/* One merge of a mission at a time: another one's drafts that are set aside, its scratch worktree
 * and its record look like what a killed one left. Gives *fd, and the mission as it is now. */
static enum kt_code begin(const struct kt_repository *repo, const struct kt_mission *mission,
	int *fd, struct kt_mission **now, struct kt_error *err)
{
	char *path = kt_path_join(mission->run_dir, "merge.flock");
	enum kt_code code = kt_lock_wait(path, KT_LOCK_TIMEOUT_MS, fd, err);

	free(path);
	if (code == KT_E_OK && *fd < 0)
		code = kt_error_set(
			err, KT_E_TIMEOUT, "another kitty merge of %s is at work", mission->slug);
	return code != KT_E_OK
		       ? code
		       : kt_mission_resolve(repo, mission->slug, repo->primary, now, NULL, err);
}

enum kt_code kt_merge(
	const struct kt_merge_options *options, struct kt_json **report, struct kt_error *err)
{
	struct kt_merge_options now = *options;
	struct kt_mission *mission = NULL;
	int lock = -1;
	enum kt_code code = KT_E_OK;

	*report = NULL;
	/* It writes nothing, so it disturbs nobody. */
	if (options->dry_run)
		return kt_merge_alone(options, report, err);
	code = begin(options->repo, options->mission, &lock, &mission, err);
	if (code == KT_E_OK) {
		now.mission = mission;
		code = kt_merge_alone(&now, report, err);
	}
	kt_lock_release(lock);
	kt_mission_free(mission);
	return code;
}

enum kt_code kt_merge_abort(const struct kt_repository *repo, const struct kt_mission *mission,
	struct kt_json **report, struct kt_error *err)
{
	struct kt_mission *now = NULL;
	int lock = -1;
	enum kt_code code = begin(repo, mission, &lock, &now, err);

	*report = NULL;
	if (code == KT_E_OK)
		code = kt_merge_abort_alone(repo, now, report, err);
	kt_lock_release(lock);
	kt_mission_free(now);
	return code;
}
