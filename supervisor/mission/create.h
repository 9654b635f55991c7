/*
 * mission create: mints the id, the drafts in the primary checkout and the coordination branch.
 * Commits nothing to the target. Killed half-way, a second run completes the same mission.
 */
#ifndef KITTY_SUPERVISOR_MISSION_CREATE_H
#define KITTY_SUPERVISOR_MISSION_CREATE_H

#include "supervisor/mission/mission.h"

struct kt_list;

struct kt_mission_request {
	const char *slug; /* the human one */
	const char *friendly_name, *purpose_tldr, *purpose_context,
		*target_branch; /* NULL: defaults */
	bool make_new;          /* a second mission of that name */
};

struct kt_mission_made {
	struct kt_mission *mission;
	bool created; /* false: it was there already (reported, or completed) */
	bool branch_created;
	char **created_files; /* repo-relative, NULL-terminated */
};

/* Errors: KT_E_MISSION_SLUG_INVALID, KT_E_TARGET_BRANCH_NOT_FOUND,
 * KT_E_COORDINATION_BRANCH_DIVERGED, KT_E_REPO_*, KT_E_MISSION_EXISTS (finalised already, and not
 * make_new). */
KT_MUST_CHECK enum kt_code kt_mission_create(const struct kt_repository *repo,
	const struct kt_mission_request *request, struct kt_mission_made *out,
	struct kt_error *err);
void kt_mission_made_release(struct kt_mission_made *made);

/* kitty init: config.yaml, info/exclude, info/attributes. Idempotent; reports what it changed
 * (NULL-terminated, gives). */
KT_MUST_CHECK enum kt_code kt_project_init(
	const struct kt_repository *repo, char ***changed, struct kt_error *err);

/* The lines of info/exclude and info/attributes alone, which a mission needs also where nobody ran
 * kitty init. Under the repository's lock; adds the paths it changed to the list. */
KT_MUST_CHECK enum kt_code kt_project_guard(
	const struct kt_repository *repo, struct kt_list *changed, struct kt_error *err);
/* The same, taking the lock itself. Blocks. */
KT_MUST_CHECK enum kt_code kt_project_guard_alone(
	const struct kt_repository *repo, struct kt_error *err);

#endif
