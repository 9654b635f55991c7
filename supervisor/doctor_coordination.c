/*
 * The doctor's checks of a mission's coordination branch and worktree. Read-only. A mission whose
 * worktree was never made is healthy: it is made at the first write.
 */
#include <dirent.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <kitty/limits.h>

#include "ipc/file.h"
#include "supervisor/checkouts.h"
#include "supervisor/doctor_private.h"
#include "supervisor/git/hooks.h"
#include "supervisor/git/worktree.h"
#include "supervisor/transaction/gate.h"

#define LOG_MAX (1U << 30)
#define ASK_AGAIN_TIMES 40
#define ASK_AGAIN_MS 50

/* One that cannot be read is not gone. */
static bool has_branch(struct kt_doctor *doctor)
{
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid tip;

	return doctor->mission->coordination_ref != NULL &&
	       kt_store_ref_read(doctor->store, doctor->mission->coordination_ref, &tip,
		       &ignored) != KT_E_DESTINATION_REF_NOT_FOUND;
}

static bool has_worktree(const struct kt_doctor *doctor)
{
	const struct kt_mission *mission = doctor->mission;

	return mission->coordination_branch != NULL && !mission->is_closed &&
	       kt_file_exists(mission->coord_worktree);
}

/* The last tip that was seen here; 40 hex digits; gives; NULL: none. */
static char *last_tip(const struct kt_doctor *doctor)
{
	char *path = kt_path_join(doctor->mission->run_dir, "synced");
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid tip;
	char *found = NULL;

	if (kt_file_read(path, 4096, &text, &ignored) == KT_E_OK && text.len >= 40) {
		text.data[40] = '\0';
		if (kt_oid_parse(text.data, &tip))
			found = kt_strdup(text.data);
	}
	kt_buffer_release(&text);
	free(path);
	return found;
}

static void branch_gone(struct kt_doctor *doctor)
{
	const struct kt_mission *mission = doctor->mission;
	char *tip = last_tip(doctor);

	if (tip != NULL) {
		kt_doctor_add(doctor, KT_FINDING_BRANCH_DELETED, mission->coordination_branch,
			"the branch is gone; its last known commit was %s", tip);
		kt_doctor_next(doctor, "git -C '%s' branch %s %s", mission->repo_root,
			mission->coordination_branch, tip);
	} else {
		kt_doctor_add(doctor, KT_FINDING_NEVER_CREATED, mission->coordination_branch,
			"meta.json declares the branch; neither it nor its worktree exists");
		kt_doctor_next(doctor, "git -C '%s' branch --no-track %s %s", mission->repo_root,
			mission->coordination_branch, mission->target_branch);
	}
	free(tip);
}

static void protection_check(struct kt_doctor *doctor)
{
	const struct kt_config *config = doctor->config;
	const char *const *globs = config != NULL && config->has_protected
					   ? (const char *const *)config->protected_branches
					   : NULL;

	if (kt_branch_is_protected(doctor->repo, doctor->mission->coordination_branch, globs))
		kt_doctor_add(doctor, KT_FINDING_BRANCH_PROTECTED,
			doctor->mission->coordination_branch,
			"protection.protected_branches covers the coordination branch: nothing can "
			"be recorded");
}

static void elsewhere_check(struct kt_doctor *doctor)
{
	const struct kt_mission *mission = doctor->mission;
	char *path = kt_branch_checked_out_at(
		doctor->repo, mission->coordination_branch, mission->coord_worktree);

	if (path != NULL) {
		kt_doctor_add(doctor, KT_FINDING_ELSEWHERE, mission->coordination_branch,
			"the coordination branch is checked out at %s", path);
		kt_doctor_next(doctor, "git -C '%s' switch --detach", path);
	}
	free(path);
}

void kt_doctor_branch(struct kt_doctor *doctor)
{
	const struct kt_mission *mission = doctor->mission;

	if (mission->coordination_branch == NULL || mission->is_closed)
		return;
	if (mission->mission_id[0] == '\0')
		kt_doctor_add(doctor, KT_FINDING_META_INCOMPLETE, mission->coordination_branch,
			"meta.json declares a coordination branch and has no mission_id");
	if (!has_branch(doctor)) {
		branch_gone(doctor);
		return;
	}
	protection_check(doctor);
	elsewhere_check(doctor);
}

/* ---- worktree ---- */

static bool file_is_committed(struct kt_doctor *doctor, const char *relative)
{
	const struct kt_mission *mission = doctor->mission;
	char *path = kt_path_join(mission->coord_worktree, relative);
	struct kt_buffer file = KT_BUFFER_INIT, blob = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid tip;
	bool found = false, is_same = true;
	bool is_read = kt_file_read(path, LOG_MAX, &file, &ignored) == KT_E_OK;

	if (kt_store_ref_read(doctor->store, mission->coordination_ref, &tip, &ignored) ==
			KT_E_OK &&
		kt_store_blob_read(doctor->store, &tip, relative, &found, NULL, &blob, &ignored) ==
			KT_E_OK)
		is_same = is_read == found &&
			  (!found || (file.len == blob.len &&
					     memcmp(kt_buffer_text(&file), kt_buffer_text(&blob),
						     file.len) == 0));
	kt_buffer_release(&file);
	kt_buffer_release(&blob);
	free(path);
	return is_same;
}

/* The status file that is not the committed one, else any other change; false: all is clean. A
 * write under way is given the time to end. */
static bool files_look(struct kt_doctor *doctor, const char **differs, struct kt_buffer *changes)
{
	const struct kt_mission *mission = doctor->mission;
	struct kt_error ignored = KT_ERROR_INIT;
	enum kt_code code;
	bool is_found = true;

	for (int i = 0; is_found && i < (doctor->is_supervised ? ASK_AGAIN_TIMES : 2); i++) {
		if (i > 0)
			(void)poll(NULL, 0, ASK_AGAIN_MS);
		kt_buffer_clear(changes);
		*differs = !file_is_committed(doctor, mission->log_path) ? mission->log_path
			   : !file_is_committed(doctor, mission->snapshot_path)
				   ? mission->snapshot_path
				   : NULL;
		code = kt_worktree_changes(mission->coord_worktree, changes, &ignored);
		if (code != KT_E_OK)
			kt_buffer_clear(changes);
		/* git fails at an index that it cannot read. */
		is_found = *differs != NULL || changes->len > 0 || code == KT_E_GIT_FAILED;
	}
	return is_found;
}

/* A change that is not in a status file: those have a finding of their own. NULL: none. */
static const char *other_change(const struct kt_mission *mission, const struct kt_buffer *changes)
{
	for (size_t at = 0; at < changes->len; at += strlen(changes->data + at) + 1)
		if (strcmp(changes->data + at, mission->log_path) != 0 &&
			strcmp(changes->data + at, mission->snapshot_path) != 0)
			return changes->data + at;
	return NULL;
}

/* Somebody's checkout: what is there may be all that is left of something, so it is theirs to move.
 */
static void on_difference(const struct kt_destination *where, const char *path, void *arg)
{
	struct kt_doctor *doctor = arg;

	kt_doctor_add(doctor, KT_FINDING_CHECKOUT_DIFFERS, path, "%s/%s is not what %s holds",
		where->worktree, path, where->branch);
	kt_doctor_next(doctor,
		"mkdir -p '%s' && cp -- '%s/%s' '%s/kept-%s'; git -C '%s' restore --staged "
		"--worktree -- %s",
		doctor->mission->run_dir, where->worktree, path, doctor->mission->run_dir,
		strrchr(path, '/') + 1, where->worktree, path);
}

void kt_doctor_checkouts(struct kt_doctor *doctor)
{
	struct kt_error err = KT_ERROR_INIT;
	const char *why = NULL;

	if (doctor->mission->coordination_branch != NULL)
		return;
	if (kt_checkouts_each_difference(
		    doctor->repo, doctor->mission, on_difference, doctor, &err) != KT_E_OK)
		why = err.detail;
	else if (doctor->view == NULL && doctor->view_error.code == KT_E_EVENT_INVALID)
		why = doctor->view_error.detail;
	if (why != NULL)
		kt_doctor_add(
			doctor, KT_FINDING_LOG_UNREADABLE, doctor->mission->log_path, "%s", why);
}

static void files_check(struct kt_doctor *doctor)
{
	const struct kt_mission *mission = doctor->mission;
	struct kt_buffer changes = KT_BUFFER_INIT;
	const char *differs = NULL, *other;

	if (files_look(doctor, &differs, &changes)) {
		other = other_change(mission, &changes);
		if (differs != NULL)
			kt_doctor_add(doctor, KT_FINDING_FILES_DIFFER, differs,
				"%s/%s is not what %s holds", mission->coord_worktree, differs,
				mission->coordination_branch);
		else if (other == NULL)
			kt_doctor_add(doctor, KT_FINDING_FILES_DIFFER, mission->log_path,
				"the index of %s does not hold the committed status files",
				mission->coord_worktree);
		if (other != NULL)
			kt_doctor_add(doctor, KT_FINDING_COORD_DIRTY, mission->coord_worktree,
				"uncommitted: %s", other);
	}
	kt_buffer_release(&changes);
}

static void worktree_judge(struct kt_doctor *doctor, const struct kt_worktree_facts *facts)
{
	const struct kt_mission *mission = doctor->mission;
	const char *path = mission->coord_worktree;

	if (!facts->is_linked)
		kt_doctor_add(doctor, KT_FINDING_COORD_BROKEN, path,
			"%s is no worktree of this repository", path);
	else if (facts->state[0] != '\0')
		kt_doctor_add(doctor, KT_FINDING_COORD_BUSY, path, "a %s is under way in %s",
			facts->state, path);
	else if (facts->head == NULL || strcmp(facts->head, mission->coordination_ref) != 0)
		kt_doctor_add(doctor, KT_FINDING_COORD_MISMATCH, path, "%s is on %s, not on %s",
			path, facts->head == NULL ? "a detached HEAD" : facts->head,
			mission->coordination_branch);
	else
		files_check(doctor);
}

/* One that is being made at this moment looks broken: then it is looked at when nobody makes any.
 */
static int wait_for_maker(const struct kt_doctor *doctor)
{
	struct kt_worktree_facts facts;
	int still = -1;

	kt_worktree_inspect(doctor->repo, doctor->mission->coord_worktree, &facts);
	if (!facts.is_linked || kt_worktree_is_unfinished(facts.git_dir))
		still = kt_repository_still(doctor->repo, KT_LOCK_TIMEOUT_MS);
	kt_worktree_facts_release(&facts);
	return still;
}

void kt_doctor_worktree(struct kt_doctor *doctor)
{
	const struct kt_mission *mission = doctor->mission;
	struct kt_worktree_facts facts;
	int still = -1;

	if (mission->coordination_branch == NULL || mission->is_closed || !has_branch(doctor))
		return;
	still = wait_for_maker(doctor);
	if (has_worktree(doctor)) {
		kt_worktree_inspect(doctor->repo, mission->coord_worktree, &facts);
		worktree_judge(doctor, &facts);
		kt_worktree_facts_release(&facts);
	} else if (kt_coordination_was_made(mission)) {
		kt_doctor_add(doctor, KT_FINDING_COORD_MISSING, mission->coord_worktree,
			"%s was made before and is gone", mission->coord_worktree);
	}
	kt_repository_unlock(still);
}

/* A relative core.hooksPath is taken inside each worktree: where the folder is not tracked, the
 * user's hooks silently do not run for bookkeeping commits. */
void kt_doctor_hooks(struct kt_doctor *doctor)
{
	char *value = kt_repository_config_get(doctor->repo, "core.hookspath");
	struct kt_hooks here = {{NULL}}, there = {{NULL}};
	struct kt_error ignored = KT_ERROR_INIT;

	if (value != NULL && value[0] != '/' && value[0] != '~' && has_worktree(doctor) &&
		kt_hooks_find(doctor->repo, doctor->repo->primary, &here, &ignored) == KT_E_OK &&
		kt_hooks_find(doctor->repo, doctor->mission->coord_worktree, &there, &ignored) ==
			KT_E_OK &&
		kt_hooks_any_before_commit(&here) && !kt_hooks_any_before_commit(&there)) {
		kt_doctor_add(doctor, KT_FINDING_HOOKS_ABSENT, value,
			"core.hooksPath %s is relative and has no hooks in %s: none run for "
			"bookkeeping commits",
			value, doctor->mission->coord_worktree);
		kt_doctor_next(doctor, "git -C '%s' config core.hooksPath '%s/%s'",
			doctor->repo->primary, doctor->repo->primary, value);
	}
	kt_hooks_release(&here);
	kt_hooks_release(&there);
	free(value);
}

/* ---- copies and twins ---- */

/* Copies of the log in the primary checkout are never read. One that the checkout's branch tracks
 * is the merged mission. */
void kt_doctor_decoys(struct kt_doctor *doctor)
{
	const struct kt_mission *mission = doctor->mission;
	const char *const paths[] = {mission->log_path, mission->snapshot_path};

	if (mission->coordination_branch == NULL || mission->is_closed)
		return;
	for (size_t i = 0; i < 2; i++) {
		char *path = kt_path_join(mission->repo_root, paths[i]);
		const char *const args[] = {"ls-files", "--error-unmatch", "--", paths[i], NULL};
		struct kt_buffer out = KT_BUFFER_INIT;

		if (kt_file_exists(path) && !kt_doctor_git(doctor, NULL, args, &out)) {
			kt_doctor_add(doctor, KT_FINDING_DECOY, path,
				"%s is a copy that nothing reads; the log is on %s", path,
				mission->coordination_branch);
			kt_doctor_next(doctor,
				"mkdir -p '%s/quarantine' && mv -- '%s' '%s/quarantine/primary-%s'",
				mission->run_dir, path, mission->run_dir,
				strrchr(paths[i], '/') + 1);
		}
		kt_buffer_release(&out);
		free(path);
	}
}

struct twins {
	struct kt_doctor *doctor;
	char **paths;
	size_t len;
};

static void path_keep(const char *path, unsigned mode, const struct kt_oid *oid, void *arg)
{
	struct twins *twins = arg;

	(void)mode;
	(void)oid;
	twins->paths = kt_realloc_array(twins->paths, twins->len + 1, sizeof *twins->paths);
	twins->paths[twins->len++] = kt_strdup(path);
}

static int case_compare(const void *left, const void *right)
{
	return strcasecmp(*(char *const *)left, *(char *const *)right);
}

/* Two files of the mission that a file system without cases takes for one. */
void kt_doctor_twins(struct kt_doctor *doctor)
{
	const struct kt_mission *mission = doctor->mission;
	struct twins twins = {doctor, NULL, 0};
	struct kt_error ignored = KT_ERROR_INIT;

	if (doctor->view != NULL)
		(void)!kt_store_tree_each(doctor->store, &doctor->view->tip, mission->folder,
			path_keep, &twins, &ignored);
	if (twins.len > 1)
		qsort(twins.paths, twins.len, sizeof *twins.paths, case_compare);
	for (size_t i = 1; i < twins.len; i++) {
		const char *one = twins.paths[i - 1], *other = twins.paths[i];

		if (strcasecmp(one, other) != 0)
			continue;
		kt_doctor_add(doctor, KT_FINDING_CASE_TWINS, other,
			"%s and %s differ in case only: one checkout cannot hold both everywhere",
			one, other);
		kt_doctor_next(doctor,
			"git -C '%s' mv -- '%s' '%s.twin' && git -C '%s' commit --quiet -m 'Rename "
			"a file whose name differs in case only'",
			mission->coord_worktree, other, other, mission->coord_worktree);
	}
	for (size_t i = 0; i < twins.len; i++)
		free(twins.paths[i]);
	free(twins.paths);
}
