/*
 * Making the mission's worktrees: the coordination worktree and the lanes. Runs in short-lived
 * helper processes (kitty internal ...) and commands. It must never move a branch that exists,
 * never run in the supervisor's loop, and never touch the files of a lane that holds work.
 */
#include "supervisor/lane_ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/file.h"
#include "supervisor/lane_ops_private.h"
#include "supervisor/mission/create.h"

#define PATTERNS_MAX (64 << 10)

/* ---- coordination worktree ---------------------------------------------------------------------
 */

/* A git failure here has a code of its own; what names the cause better stays. */
static enum kt_code map_coordination(enum kt_code code, struct kt_error *err)
{
	if (code == KT_E_LANE_HEAD_MISMATCH)
		err->code = KT_E_COORDINATION_WORKTREE_BRANCH_MISMATCH;
	else if (code == KT_E_GIT_FAILED || code == KT_E_SPAWN_FAILED || code == KT_E_IO)
		err->code = KT_E_BOOKKEEPING_WORKTREE_MISSING;
	return err->code;
}

enum kt_code kt_coordination_prepare(const struct kt_repository *repo,
	const struct kt_mission *mission, bool *created, struct kt_error *err)
{
	char *reason = NULL, *tip = NULL, *remains_to = NULL, *needs = NULL;
	struct kt_worktree_plan plan = {
		.path = mission->coord_worktree, .branch = mission->coordination_branch};
	enum kt_code code = KT_E_OK;

	if (mission->coordination_branch == NULL)
		return kt_error_set(
			err, KT_E_MISSION_TOPOLOGY_UNSUPPORTED, "mission %s", mission->slug);
	code = kt_lane_revision(repo->primary, mission->coordination_ref, &tip, err);
	if (code == KT_E_OK && tip == NULL)
		code = kt_error_set(err, KT_E_COORDINATION_BRANCH_DELETED, "branch %s",
			mission->coordination_branch);
	if (code != KT_E_OK)
		return kt_mission_gone(repo, mission, err);
	reason = kt_format("kitty:%s", mission->slug);
	plan.lock_reason = reason;
	/* Of a closed mission coordination_ref is another one. */
	needs = kt_format("refs/heads/%s", mission->coordination_branch);
	plan.needs_ref = needs;
	remains_to = kt_format(
		"%s/quarantine/%lld-coord", mission->run_dir, (long long)kt_clock_wall_us());
	plan.remains_to = remains_to;
	code = kt_worktree_create(repo, &plan, created, err);
	if (code != KT_E_OK) {
		(void)map_coordination(code, err);
		code = kt_mission_gone(repo, mission, err);
	}
	free(needs);
	free(remains_to);
	free(reason);
	free(tip);
	return code;
}

/* ---- lanes
 * --------------------------------------------------------------------------------------- */

static enum kt_code map_allocation(enum kt_code code, struct kt_error *err)
{
	if (code == KT_E_GIT_FAILED || code == KT_E_SPAWN_FAILED || code == KT_E_IO)
		err->code = KT_E_LANE_ALLOCATION_FAILED;
	return err->code;
}

/* The commit that a new lane starts from. */
static enum kt_code read_base(const struct kt_repository *repo, const struct kt_mission *mission,
	char **out, struct kt_error *err)
{
	char *ref = mission->coordination_ref != NULL
			    ? kt_strdup(mission->coordination_ref)
			    : kt_format("refs/heads/%s", mission->target_branch);
	enum kt_code code = kt_lane_revision(repo->primary, ref, out, err);

	if (code == KT_E_OK && *out == NULL)
		code = kt_error_set(err,
			mission->coordination_ref != NULL ? KT_E_COORDINATION_BRANCH_DELETED
							  : KT_E_TARGET_BRANCH_NOT_FOUND,
			"branch %s", ref + strlen("refs/heads/"));
	free(ref);
	return code;
}

/* A branch of the lane's name that shares no history with the mission is somebody else's. */
static enum kt_code check_related(const struct kt_repository *repo,
	const struct kt_lane_place *place, const char *base, const char *tip, struct kt_error *err)
{
	const char *args[] = {"merge-base", base, tip, NULL};
	char *text = NULL;
	int exit_code = 0;
	enum kt_code code = kt_lane_git_text(repo->primary, args, &text, &exit_code, err);

	if (code == KT_E_OK && exit_code == 1) {
		code = kt_error_set(err, KT_E_LANE_ALLOCATION_FAILED,
			"branch %s exists and has no history in common with the mission",
			place->branch);
		kt_error_next(err, "git branch -m %s OTHER-NAME", place->branch);
	} else if (code == KT_E_OK && exit_code != 0) {
		code = kt_error_set(err, KT_E_LANE_ALLOCATION_FAILED,
			"git merge-base %s %s: exit status %d", base, tip, exit_code);
	}
	free(text);
	return code;
}

/*
 * Is there a branch to go on with? The record is read before the branch: another process that makes
 * the lane now writes branch first, record second, so "record without branch" is never a race.
 */
static enum kt_code find_branch(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct kt_lane_place *place, char **tip, struct kt_error *err)
{
	char *recorded = kt_lane_record_tip(mission, place->id);
	enum kt_code code = kt_lane_revision(repo->primary, place->ref, tip, err);

	if (code == KT_E_OK && *tip == NULL && recorded != NULL) {
		code = kt_error_set(err, KT_E_LANE_BRANCH_MISSING,
			"branch %s is gone; its last known commit was %s", place->branch, recorded);
		kt_error_next(err, "git branch %s %s", place->branch, recorded);
	}
	free(recorded);
	return code;
}

static char *join_patterns(char *const *patterns)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	for (size_t i = 0; patterns[i] != NULL; i++)
		kt_buffer_printf(&text, "%s\n", patterns[i]);
	return kt_buffer_take(&text);
}

static bool has_patterns(const struct kt_lane_place *place, const char *expected)
{
	char *path = kt_format("%s/info/sparse-checkout", place->facts.git_dir);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_same = kt_file_read(path, PATTERNS_MAX, &text, &ignored) == KT_E_OK &&
		       strcmp(kt_buffer_text(&text), expected) == 0;

	kt_buffer_release(&text);
	free(path);
	return is_same;
}

/* Lane exists, but its sparse policy was changed: set again. git leaves files with local changes
 * alone. */
static enum kt_code repair_patterns(
	const struct kt_lane_place *place, const char *expected, struct kt_error *err)
{
	const char *args[] = {"sparse-checkout", "set", "--no-cone", "--stdin", NULL};
	struct kt_git_call call = {.cwd = place->worktree,
		.args = args,
		.profile = KT_GIT_PLUMBING,
		.input = expected,
		.input_len = strlen(expected)};
	enum kt_code code = kt_git_run(&call, err);

	if (code == KT_E_OK && !has_patterns(place, expected))
		code = kt_error_set(err, KT_E_LANE_ALLOCATION_FAILED,
			"the sparse patterns of %s cannot be restored", place->worktree);
	return code;
}

static enum kt_code verify_patterns(const struct kt_repository *repo, struct kt_lane_place *place,
	char *const *patterns, struct kt_error *err)
{
	char *expected = NULL;
	enum kt_code code = KT_E_OK;

	kt_worktree_facts_release(&place->facts);
	kt_worktree_inspect(repo, place->worktree, &place->facts);
	code = kt_lane_place_check(place, NULL, err);
	if (code != KT_E_OK || patterns == NULL)
		return code;
	expected = join_patterns(patterns);
	if (!has_patterns(place, expected))
		code = repair_patterns(place, expected, err);
	free(expected);
	return code;
}

static enum kt_code create_worktree(const struct kt_repository *repo,
	const struct kt_mission *mission, struct kt_lane_place *place, const char *start,
	bool *created, struct kt_error *err)
{
	/* Without a coordination branch the status files live in the lanes. */
	bool is_sparse = mission->coordination_branch != NULL;
	char **patterns = is_sparse ? kt_mission_sparse_patterns(mission) : NULL;
	char **absent = is_sparse ? kt_mission_absent_paths(mission) : NULL;
	char *reason = kt_format("kitty:%s", mission->slug);
	struct kt_worktree_plan plan = {.path = place->worktree,
		.branch = place->branch,
		.start = start,
		.lock_reason = reason,
		.needs_ref = mission->coordination_ref,
		.sparse_patterns = (const char *const *)patterns,
		.absent_paths = (const char *const *)absent};
	enum kt_code code = KT_E_OK;

	/* A mission made by hand went through nothing that prepared the repository for lanes. */
	if (!is_sparse)
		code = kt_project_guard_alone(repo, err);
	if (code == KT_E_OK)
		code = kt_worktree_create(repo, &plan, created, err);
	if (code == KT_E_OK)
		code = verify_patterns(repo, place, patterns, err);
	free(reason);
	kt_strings_free(absent);
	kt_strings_free(patterns);
	return code;
}

static struct kt_json *prepare_facts(
	const struct kt_lane_place *place, bool created, const char *head)
{
	struct kt_json *facts = kt_json_new_object();

	kt_json_set_string(facts, "lane", place->id);
	kt_json_set_string(facts, "branch", place->branch);
	kt_json_set_string(facts, "worktree", place->worktree);
	kt_json_set_bool(facts, "created", created);
	kt_json_set_string(facts, "head", head);
	return facts;
}

/* A lane that another process makes at this moment has no branch yet; once the lock is ours, it is
 * made or was killed. */
static enum kt_code wait_for_maker(
	const struct kt_repository *repo, struct kt_lane_place *place, struct kt_error *err)
{
	int fd = -1;
	enum kt_code code = kt_repository_lock(repo, KT_LOCK_TIMEOUT_MS, &fd, err);

	if (code != KT_E_OK)
		return code;
	kt_repository_unlock(fd);
	kt_worktree_facts_release(&place->facts);
	kt_worktree_inspect(repo, place->worktree, &place->facts);
	return KT_E_OK;
}

/* An existing worktree with a merge under way, or on another branch, is refused before anything is
 * tried; one whose making was killed is made anew by what follows. */
static enum kt_code check_existing(
	const struct kt_repository *repo, struct kt_lane_place *place, struct kt_error *err)
{
	struct kt_error first = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	if (!place->facts.exists || !place->facts.is_linked ||
		kt_lane_place_check(place, NULL, &first) == KT_E_OK)
		return KT_E_OK;
	code = wait_for_maker(repo, place, err);
	if (code != KT_E_OK || !place->facts.exists || !place->facts.is_linked ||
		kt_worktree_is_unfinished(place->facts.git_dir))
		return code;
	return kt_lane_place_check(place, NULL, err);
}

enum kt_code kt_lane_prepare(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *lane_id, struct kt_json **facts, struct kt_error *err)
{
	struct kt_lane_place place = {0};
	char *base = NULL, *tip = NULL, *head = NULL;
	bool created = false;
	enum kt_code code = kt_lane_place_find(repo, mission, lane_id, &place, err);

	if (code == KT_E_OK)
		code = find_branch(repo, mission, &place, &tip, err);
	if (code == KT_E_OK)
		code = check_existing(repo, &place, err);
	if (code == KT_E_OK)
		code = read_base(repo, mission, &base, err);
	if (code == KT_E_OK && tip != NULL)
		code = check_related(repo, &place, base, tip, err);
	if (code == KT_E_OK)
		code = create_worktree(
			repo, mission, &place, tip != NULL ? NULL : base, &created, err);
	if (code == KT_E_OK)
		code = kt_lane_revision(place.worktree, "HEAD", &head, err);
	if (code == KT_E_OK && head == NULL)
		code = kt_error_set(
			err, KT_E_LANE_ALLOCATION_FAILED, "%s has no HEAD", place.worktree);
	if (code != KT_E_OK) {
		(void)map_allocation(code, err);
		code = kt_mission_gone(repo, mission, err);
		goto out;
	}
	/* Another process may have made it since we looked, from another base. */
	kt_lane_record_write(mission, &place, tip == NULL && created ? base : NULL, head);
	*facts = prepare_facts(&place, created, head);
out:
	kt_lane_place_release(&place);
	free(base);
	free(tip);
	free(head);
	return code;
}

/* ---- what a lane holds
 * ---------------------------------------------------------------------------- */

static struct kt_json *paths_to_json(const struct kt_buffer *paths)
{
	struct kt_json *array = kt_json_new_array();

	for (size_t at = 0; at < paths->len; at += strlen(paths->data + at) + 1)
		kt_json_append(array, kt_json_new_string(paths->data + at));
	return array;
}

static enum kt_code gather(const struct kt_lane_place *place, const struct kt_mission *mission,
	const char *since, struct kt_json *out, struct kt_error *err)
{
	struct kt_buffer dirty = KT_BUFFER_INIT;
	char *head = NULL, *tip = NULL;
	long long commits = 0;
	enum kt_code code = kt_lane_revision(place->worktree, "HEAD", &head, err);

	if (code == KT_E_OK)
		code = kt_lane_revision(place->worktree, place->ref, &tip, err);
	if (code == KT_E_OK)
		code = kt_worktree_changes(place->worktree, &dirty, err);
	if (code == KT_E_OK && tip != NULL)
		code = kt_lane_count_commits(place, mission, since, &commits, err);
	if (code == KT_E_OK) {
		kt_json_set_string(out, "head_ref", place->facts.head);
		kt_json_set_string(out, "head", head);
		kt_json_set_string(out, "branch_tip", tip);
		kt_json_set_string(
			out, "state", place->facts.state != NULL ? place->facts.state : "");
		kt_json_set(out, "dirty", paths_to_json(&dirty));
		kt_json_set_int(out, "new_commits", commits);
		if (since != NULL)
			kt_json_set(
				out, "lane_commits", kt_lane_list_commits(place, mission, since));
	}
	kt_buffer_release(&dirty);
	free(head);
	free(tip);
	return code;
}

enum kt_code kt_lane_inspect(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *lane_id, const char *since, struct kt_json **facts, struct kt_error *err)
{
	struct kt_lane_place place = {0};
	struct kt_json *out = kt_json_new_object();
	struct kt_oid parsed = {{0}};
	enum kt_code code = kt_lane_place_find(repo, mission, lane_id, &place, err);

	if (code == KT_E_OK && since != NULL && !kt_oid_parse(since, &parsed))
		code = kt_error_set(err, KT_E_INVALID_ARGUMENT, "\"%s\" is no commit id", since);
	if (code == KT_E_OK && (!place.facts.exists || !place.facts.is_linked))
		code = kt_error_set(err, KT_E_LANE_ALLOCATION_FAILED,
			"%s is not a worktree of this repository", place.worktree);
	if (code == KT_E_OK)
		code = gather(&place, mission, since, out, err);
	if (code == KT_E_OK) {
		*facts = out;
		out = NULL;
	}
	kt_json_free(out);
	kt_lane_place_release(&place);
	return code;
}
