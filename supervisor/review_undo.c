/*
 * Taking back what a reviewer changed. Runs in a helper process. Must never move a ref or a file
 * before what they hold is kept, and never use git's reset, checkout or stash.
 */
#include "supervisor/review_undo.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/lane_ops_private.h"
#include "supervisor/rescue.h"

struct undo {
	const struct kt_mission *mission;
	struct kt_lane_place place;
	const char *before;
	char *head, *tip; /* as the reviewer left them */
	struct kt_json *kept;
};

static enum kt_code git(const struct undo *undo, const char *const *args, struct kt_error *err)
{
	struct kt_git_call call = {.cwd = undo->place.worktree, .args = args};

	return kt_git_run(&call, err);
}

static void keep_note(struct undo *undo, char *ref)
{
	if (ref != NULL)
		kt_json_append(undo->kept, kt_json_new_string(ref));
	free(ref);
}

static enum kt_code commit_keep(struct undo *undo, const char *commit, struct kt_error *err)
{
	char *ref = NULL;
	enum kt_code code = KT_E_OK;

	if (strcmp(commit, undo->before) == 0)
		return KT_E_OK;
	code = kt_rescue_commit(undo->mission, undo->place.id, commit, &ref, err);
	keep_note(undo, ref);
	return code;
}

/* Files first, on top of the HEAD they were changed from; then the commits. */
static enum kt_code keep(struct undo *undo, struct kt_error *err)
{
	char *ref = NULL;
	enum kt_code code = kt_rescue_folder(
		undo->mission, undo->place.id, undo->place.worktree, undo->head, &ref, err);

	keep_note(undo, ref);
	if (code == KT_E_OK)
		code = commit_keep(undo, undo->tip, err);
	if (code == KT_E_OK && strcmp(undo->head, undo->tip) != 0)
		code = commit_keep(undo, undo->head, err);
	return code;
}

/* The index takes the files as they are, so that git itself goes from them to the commit. */
static enum kt_code files_back(const struct undo *undo, struct kt_error *err)
{
	static const char *const stage[] = {
		"-c", "core.sparseCheckout=false", "add", "--all", "--", ".", NULL};
	static const char *const write[] = {"write-tree", NULL};
	char *tree = NULL;
	const char *move[] = {"read-tree", "-m", "-u", NULL, undo->before, NULL};
	int exit_code = 0;
	enum kt_code code = git(undo, stage, err);

	if (code == KT_E_OK)
		code = kt_lane_git_text(undo->place.worktree, write, &tree, &exit_code, err);
	if (code == KT_E_OK && exit_code != 0)
		code = kt_error_set(
			err, KT_E_GIT_FAILED, "git write-tree in %s", undo->place.worktree);
	move[3] = tree;
	if (code == KT_E_OK)
		code = git(undo, move, err);
	free(tree);
	return code;
}

static enum kt_code refs_back(const struct undo *undo, struct kt_error *err)
{
	const char *const branch[] = {"update-ref", "-m",
		"kitty: the lane as it was before the review", undo->place.ref, undo->before,
		undo->tip, NULL};
	const char *const head[] = {"symbolic-ref", "-m",
		"kitty: the lane as it was before the review", "HEAD", undo->place.ref, NULL};
	const char *now = undo->place.facts.head;
	enum kt_code code = strcmp(undo->tip, undo->before) == 0 ? KT_E_OK : git(undo, branch, err);

	if (code == KT_E_OK && (now == NULL || strcmp(now, undo->place.ref) != 0))
		code = git(undo, head, err);
	return code;
}

static enum kt_code check(struct undo *undo, struct kt_error *err)
{
	struct kt_buffer dirty = KT_BUFFER_INIT;
	char *head = NULL;
	enum kt_code code = kt_lane_revision(undo->place.worktree, "HEAD", &head, err);

	if (code == KT_E_OK)
		code = kt_worktree_changes(undo->place.worktree, &dirty, err);
	if (code == KT_E_OK && (head == NULL || strcmp(head, undo->before) != 0 || dirty.len > 0))
		code = kt_error_set(err, KT_E_LANE_HEAD_MISMATCH,
			"%s is at %s, with%s changed files", undo->place.worktree,
			head == NULL ? "no commit" : head, dirty.len > 0 ? "" : "out");
	kt_buffer_release(&dirty);
	free(head);
	return code;
}

static enum kt_code undo_begin(struct undo *undo, struct kt_error *err)
{
	const struct kt_worktree_facts *facts = &undo->place.facts;
	enum kt_code code = KT_E_OK;

	if (!facts->exists || !facts->is_linked)
		return kt_error_set(err, KT_E_LANE_ALLOCATION_FAILED, "%s is no worktree",
			undo->place.worktree);
	if (facts->state != NULL && facts->state[0] != '\0')
		return kt_error_set(err, KT_E_LANE_BUSY, "a %s is under way in %s", facts->state,
			undo->place.worktree);
	code = kt_lane_revision(undo->place.worktree, "HEAD", &undo->head, err);
	if (code == KT_E_OK)
		code = kt_lane_revision(undo->place.worktree, undo->place.ref, &undo->tip, err);
	if (code == KT_E_OK && (undo->head == NULL || undo->tip == NULL))
		code = kt_error_set(
			err, KT_E_LANE_HEAD_MISMATCH, "%s has no commit", undo->place.branch);
	return code;
}

enum kt_code kt_review_undo(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *lane_id, const char *before, struct kt_json **facts, struct kt_error *err)
{
	struct undo undo = {.mission = mission, .before = before, .kept = kt_json_new_array()};
	enum kt_code code = kt_lane_place_find(repo, mission, lane_id, &undo.place, err);

	if (code == KT_E_OK)
		code = undo_begin(&undo, err);
	if (code == KT_E_OK)
		code = keep(&undo, err);
	if (code == KT_E_OK)
		code = files_back(&undo, err);
	if (code == KT_E_OK)
		code = refs_back(&undo, err);
	if (code == KT_E_OK)
		code = check(&undo, err);
	if (code == KT_E_OK) {
		*facts = kt_json_new_object();
		kt_json_set(*facts, "kept", undo.kept);
		undo.kept = NULL;
	}
	kt_json_free(undo.kept);
	free(undo.head);
	free(undo.tip);
	kt_lane_place_release(&undo.place);
	return code;
}
