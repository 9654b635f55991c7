/*
 * Branch and worktree of a mission's log. Runs in every command and in the supervisor. Reads files
 * only; never guesses a branch that is not checked out where the mission's topology says.
 */
#include "supervisor/transaction/destination.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/worktree.h"

#define HEADS "refs/heads/"

void kt_destination_release(struct kt_destination *to)
{
	free(to->branch);
	free(to->ref);
	free(to->worktree);
	free(to->git_dir);
	*to = (struct kt_destination)KT_DESTINATION_INIT;
}

bool kt_destination_is_own(const struct kt_destination *to)
{
	return to->kind == KT_DESTINATION_COORDINATION;
}

bool kt_destination_is_same(const struct kt_destination *left, const struct kt_destination *right)
{
	return strcmp(left->ref, right->ref) == 0 && strcmp(left->worktree, right->worktree) == 0;
}

/* A commit under a half-finished merge or rebase would become part of it. */
static enum kt_code check_busy(const struct kt_destination *to, struct kt_error *err)
{
	const char *state = kt_repository_state(to->git_dir);

	if (state[0] == '\0')
		return KT_E_OK;
	(void)kt_error_set(err, KT_E_COORDINATION_WORKTREE_BUSY, "a %s in %s", state, to->worktree);
	kt_error_next(err, "git -C '%s' status", to->worktree);
	return err->code;
}

static enum kt_code resolve_checkout(struct kt_destination *to, struct kt_error *err)
{
	if (to->git_dir != NULL)
		to->ref = kt_head_read(to->git_dir);
	if (to->ref == NULL || strncmp(to->ref, HEADS, strlen(HEADS)) != 0) {
		(void)kt_error_set(err, KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED,
			"%s has no branch checked out", to->worktree);
		kt_error_next(err, "git -C '%s' branch --list", to->worktree);
		return err->code;
	}
	to->branch = kt_strdup(to->ref + strlen(HEADS));
	return check_busy(to, err);
}

static enum kt_code resolve_lane(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *lane_id, struct kt_destination *to, struct kt_error *err)
{
	struct kt_worktree_facts facts = {0};

	to->kind = KT_DESTINATION_LANE;
	to->worktree = kt_mission_lane_worktree(mission, lane_id);
	kt_worktree_inspect(repo, to->worktree, &facts);
	if (facts.is_linked)
		to->git_dir = kt_strdup(facts.git_dir);
	kt_worktree_facts_release(&facts);
	if (to->git_dir != NULL)
		return resolve_checkout(to, err);
	(void)kt_error_set(err, KT_E_BOOKKEEPING_LEGACY_RESOLUTION_FAILED,
		"%s of %s has no worktree at %s", lane_id, mission->slug, to->worktree);
	kt_error_next(err, "kitty agent worktree repair --mission %s", mission->slug);
	return err->code;
}

enum kt_code kt_destination_resolve(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane_id, struct kt_destination *out,
	struct kt_error *err)
{
	bool has_lane = lane_id != NULL && strcmp(lane_id, "lane-planning") != 0;

	*out = (struct kt_destination)KT_DESTINATION_INIT;
	if (mission->coordination_branch != NULL) {
		out->branch = kt_strdup(mission->coordination_branch);
		out->ref = kt_strdup(mission->coordination_ref);
		out->worktree = kt_strdup(mission->coord_worktree);
		return KT_E_OK;
	}
	if (mission->topology == KT_TOPOLOGY_LEGACY && has_lane)
		return resolve_lane(repo, mission, lane_id, out, err);
	out->kind = KT_DESTINATION_PRIMARY;
	out->worktree = kt_strdup(mission->repo_root);
	out->git_dir = kt_worktree_git_dir(mission->repo_root);
	return resolve_checkout(out, err);
}
