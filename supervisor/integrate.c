/*
 * Computes the merge of a lane's commit into the coordination branch: gate, merge, the mission's
 * files from the coordination side. Runs in `kitty internal integrate` and in `kitty merge`. Must
 * never move a ref, an index or a file.
 */
#include "supervisor/integrate.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/git/merge.h"
#include "supervisor/git/worktree.h"
#include "supervisor/lane_gate.h"
#include "supervisor/lane_owned.h"

enum { SHOWN_FILES = 8 };

static const char SPECS[] = "kitty-specs";

static enum kt_code need_commit(
	const struct kt_git_place *place, const struct kt_oid *commit, struct kt_error *err)
{
	struct kt_oid_text text = kt_oid_format(commit);
	char *revision = kt_format("%s^{commit}", text.text);
	struct kt_oid ignored = {{0}};
	bool found = false;
	enum kt_code code = kt_git_resolve(place, revision, &found, &ignored, err);

	if (code == KT_E_OK && !found)
		code = kt_error_set(err, KT_E_MERGE_UNVERIFIED,
			"commit %s is not in the repository", text.text);
	free(revision);
	return code;
}

/* ---- the gate ---- */

/* The findings as an error. Takes them. */
static enum kt_code tell_findings(
	const char *lane_id, struct kt_json *findings, struct kt_error *err)
{
	const struct kt_json *first = kt_json_first(findings);
	enum kt_code code = KT_E_OK;

	if (first != NULL) {
		code = kt_error_set(err, KT_E_LANE_TOUCHES_KITTY_SPECS, "%s: commit %s changes %s",
			lane_id, kt_json_get_string(first, "commit"),
			kt_json_get_string(first, "path"));
		if (kt_json_get_string(first, "next_step") != NULL)
			kt_error_next(err, "%s", kt_json_get_string(first, "next_step"));
	}
	kt_json_free(findings);
	return code;
}

enum kt_code kt_integration_gate(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *lane_id, const char *commit, struct kt_error *err)
{
	struct kt_json *findings = NULL;
	enum kt_code code = kt_lane_gate_commit(repo, mission, lane_id, commit, &findings, err);

	return code == KT_E_OK ? tell_findings(lane_id, findings, err) : code;
}

/* git would merge two histories that never met, with an empty base. */
static enum kt_code check_related(const struct kt_git_place *place,
	const struct kt_integration *wish, const struct kt_oid *tip, struct kt_error *err)
{
	struct kt_oid_text onto = kt_oid_format(&wish->onto), text = kt_oid_format(tip);
	const char *args[] = {"merge-base", onto.text, text.text, NULL};
	int exit_code = 0;
	enum kt_code code = kt_git_text(place, args, NULL, &exit_code, err);

	if (code == KT_E_OK && exit_code != 0)
		code = kt_error_set(err, KT_E_MERGE_UNVERIFIED,
			"%s has no history in common with the coordination branch", text.text);
	return code;
}

/* A dry run's resolution lies in its own object store, where only git finds it. */
static bool is_foreseen(const struct kt_git_place *place, const struct kt_oid *commit)
{
	struct kt_git_place repository = {.cwd = place->cwd};
	struct kt_error ignored = KT_ERROR_INIT;

	return place->objects != NULL && need_commit(&repository, commit, &ignored) != KT_E_OK;
}

static enum kt_code foresee_gate(const struct kt_git_place *place, const struct kt_mission *mission,
	const struct kt_integration *wish, const struct kt_oid *tip, struct kt_error *err)
{
	struct kt_lane_foreseen foreseen = {.commit = *tip, .environment = place->environment};
	struct kt_json *findings = NULL;
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; i < 2 && code == KT_E_OK; i++) {
		char *revision = kt_format("%s^%zu", kt_oid_format(tip).text, i + 1);
		bool found = false;

		code = kt_git_resolve(place, revision, &found, &foreseen.parents[i], err);
		free(revision);
	}
	if (code == KT_E_OK)
		code = kt_lane_gate_foreseen(
			wish->repo, mission, wish->lane_id, &foreseen, &findings, err);
	return code == KT_E_OK ? tell_findings(wish->lane_id, findings, err) : code;
}

static enum kt_code check_owned(const struct kt_git_place *place, const struct kt_mission *mission,
	const struct kt_integration *wish, const struct kt_oid *tip, struct kt_error *err)
{
	struct kt_lane_outside outside = {.tip = *tip,
		.environment = place->environment[0] == NULL ? NULL : place->environment};

	return wish->owners == NULL ? KT_E_OK
				    : kt_lane_owned_gate(wish->repo, mission, wish->owners,
					      wish->lane_id, &outside, err);
}

static enum kt_code check_gate(const struct kt_git_place *place, const struct kt_mission *mission,
	const struct kt_integration *wish, const struct kt_oid *tip, struct kt_error *err)
{
	enum kt_code code = check_related(place, wish, tip, err);

	if (code != KT_E_OK || wish->lane_id == NULL)
		return code;
	code = is_foreseen(place, tip) ? foresee_gate(place, mission, wish, tip, err)
				       : kt_integration_gate(wish->repo, mission, wish->lane_id,
						 kt_oid_format(tip).text, err);
	return code == KT_E_OK ? check_owned(place, mission, wish, tip, err) : code;
}

/* ---- conflicts, told ---- */

static struct kt_json *texts_of(char *const *texts)
{
	struct kt_json *array = kt_json_new_array();

	for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
		kt_json_append(array, kt_json_new_string(texts[i]));
	return array;
}

/* The commits of one side that the other does not have and that touch the files. */
static struct kt_json *commits_of(const struct kt_git_place *place, const struct kt_oid *side,
	const struct kt_oid *other, const struct kt_merge_result *merged)
{
	struct kt_oid_text own = kt_oid_format(side), not_own = kt_oid_format(other);
	const char **args = kt_realloc_array(NULL, merged->files_len + 16, sizeof *args);
	struct kt_json *array = kt_json_new_array();
	struct kt_error ignored = KT_ERROR_INIT;
	char *text = NULL, *at = NULL;
	size_t len = 0;

	args[len++] = "--literal-pathspecs";
	args[len++] = "log";
	args[len++] = "--no-merges";
	args[len++] = "-n";
	args[len++] = "10";
	args[len++] = "--format=%h %s";
	args[len++] = own.text;
	args[len++] = "--not";
	args[len++] = not_own.text;
	args[len++] = "--";
	for (size_t i = 0; i < merged->files_len && i < 1000; i++)
		args[len++] = merged->files[i];
	args[len] = NULL;
	if (kt_git_text(place, args, &text, NULL, &ignored) == KT_E_OK)
		for (at = text; *at != '\0';) {
			size_t line = strcspn(at, "\n");

			kt_json_append(array, kt_json_new_string_len(at, line));
			at += line + (at[line] == '\n' ? 1 : 0);
		}
	free(text);
	free(args);
	return array;
}

static struct kt_json *side_of(const struct kt_git_place *place, const struct kt_merge_side *side,
	const struct kt_merge_side *other, const struct kt_merge_result *merged)
{
	struct kt_json *json = kt_json_new_object();

	kt_json_set_string(json, "name", side->name);
	kt_json_set_string(json, "commit", kt_oid_format(&side->commit).text);
	kt_json_set(json, "commits", commits_of(place, &side->commit, &other->commit, merged));
	return json;
}

struct kt_json *kt_merge_conflict(const struct kt_git_place *place,
	const struct kt_merge_result *merged, const struct kt_merge_side *ours,
	const struct kt_merge_side *theirs, struct kt_error *err)
{
	struct kt_json *conflict = kt_json_new_object();
	struct kt_buffer files = KT_BUFFER_INIT;

	kt_json_set(conflict, "files", texts_of(merged->files));
	kt_json_set(conflict, "messages", texts_of(merged->messages));
	kt_json_set(conflict, "ours", side_of(place, ours, theirs, merged));
	kt_json_set(conflict, "theirs", side_of(place, theirs, ours, merged));
	for (size_t i = 0; i < merged->files_len && i < SHOWN_FILES; i++)
		kt_buffer_printf(&files, "%s%.80s", i == 0 ? "" : ", ", merged->files[i]);
	if (merged->files_len > SHOWN_FILES)
		kt_buffer_printf(&files, " and %zu more", merged->files_len - SHOWN_FILES);
	(void)kt_error_set(err, KT_E_MERGE_CONFLICT, "%s and %s conflict in %s", ours->name,
		theirs->name, kt_buffer_text(&files));
	kt_buffer_release(&files);
	return conflict;
}

/* How the lane's people solve it: where the work is. */
static void add_advice(const struct kt_mission *mission, const struct kt_integration *wish,
	struct kt_json *conflict, struct kt_error *err)
{
	struct kt_json *steps = kt_json_new_array();
	char *worktree = NULL, *word = NULL, *line = NULL;

	if (wish->lane_id == NULL) {
		kt_error_next(err, "kitty merge --mission %s --interactive", mission->slug);
		kt_json_append(steps, kt_json_new_string(err->next_step));
		kt_json_set(conflict, "resolve", steps);
		return;
	}
	worktree = kt_mission_lane_worktree(mission, wish->lane_id);
	kt_error_next_git(err, worktree,
		"merge %s # resolve, commit, and have it approved again; or: kitty merge "
		"--interactive",
		mission->coordination_branch);
	word = kt_shell_word(worktree);
	line = kt_format("git -C %s merge %s", word, mission->coordination_branch);
	kt_json_append(steps, kt_json_new_string(line));
	free(line);
	line = kt_format("git -C %s commit", word);
	kt_json_append(steps, kt_json_new_string(line));
	kt_json_set(conflict, "resolve", steps);
	free(line);
	free(word);
	free(worktree);
}

/* ---- the coordination worktree must be able to follow ---- */

static bool has_path(const struct kt_buffer *paths, const char *path)
{
	for (size_t at = 0; at < paths->len; at += strlen(paths->data + at) + 1)
		if (strcmp(paths->data + at, path) == 0)
			return true;
	return false;
}

static enum kt_code check_worktree(const struct kt_git_place *place,
	const struct kt_mission *mission, const char *onto, const struct kt_oid *tree,
	struct kt_error *err)
{
	struct kt_oid_text text = kt_oid_format(tree);
	const char *args[] = {
		"diff-tree", "-r", "-z", "--name-only", "--no-renames", onto, text.text, NULL};
	struct kt_buffer paths = KT_BUFFER_INIT, local = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	if (place->objects != NULL || strcmp(place->cwd, mission->coord_worktree) != 0)
		return KT_E_OK;
	code = kt_git_pipe(place, args, NULL, &paths, err);
	if (code == KT_E_OK)
		code = kt_worktree_changes(mission->coord_worktree, &local, err);
	for (size_t at = 0; code == KT_E_OK && at < paths.len; at += strlen(paths.data + at) + 1) {
		const char *path = paths.data + at;

		if (strcmp(path, mission->log_path) == 0 ||
			strcmp(path, mission->snapshot_path) == 0 || !has_path(&local, path))
			continue;
		code = kt_error_set(err, KT_E_MERGE_CHECKOUT_BLOCKED,
			"%.200s has local changes in %s", path, mission->coord_worktree);
		kt_error_next_git(err, mission->coord_worktree, "status");
	}
	kt_buffer_release(&paths);
	kt_buffer_release(&local);
	return code;
}

/* ---- the whole ---- */

static struct kt_json *facts_new(
	const struct kt_oid *tree, const struct kt_oid *merged, bool contained)
{
	struct kt_json *facts = kt_json_new_object();

	kt_json_set_string(facts, "tree", kt_oid_format(tree).text);
	kt_json_set_string(facts, "merged", kt_oid_format(merged).text);
	kt_json_set_bool(facts, "contained", contained);
	return facts;
}

static enum kt_code merge(const struct kt_git_place *place, const struct kt_mission *mission,
	const struct kt_integration *wish, const struct kt_oid *tip, struct kt_json **facts,
	struct kt_error *err)
{
	struct kt_oid_text onto = kt_oid_format(&wish->onto);
	struct kt_merge_result merged = {.is_clean = false};
	char *branch = wish->lane_id == NULL ? kt_strdup(mission->target_branch)
					     : kt_mission_lane_branch(mission, wish->lane_id);
	struct kt_merge_side ours = {mission->coordination_branch, wish->onto};
	struct kt_merge_side theirs = {branch, *tip};
	struct kt_oid tree = {{0}};
	enum kt_code code = kt_merge_compute(place->cwd, &wish->onto, tip,
		place->environment[0] == NULL ? NULL : place->environment, &merged, err);

	if (code == KT_E_OK && !merged.is_clean) {
		struct kt_json *conflict = kt_merge_conflict(place, &merged, &ours, &theirs, err);

		code = err->code;
		add_advice(mission, wish, conflict, err);
		*facts = kt_json_new_object();
		kt_json_set(*facts, "conflict", conflict);
	}
	tree = merged.tree;
	if (code == KT_E_OK && wish->lane_id != NULL)
		code = kt_git_tree_take(place, &merged.tree, &wish->onto, SPECS, &tree, err);
	if (code == KT_E_OK)
		code = check_worktree(place, mission, onto.text, &tree, err);
	if (code == KT_E_OK)
		*facts = facts_new(&tree, tip, false);
	kt_merge_result_release(&merged);
	free(branch);
	return code;
}

/* A resolution is a merge of the approved commit with a coordination commit, by a person. */
static enum kt_code check_resolution(
	const struct kt_git_place *place, const struct kt_integration *wish, struct kt_error *err)
{
	bool holds = false;
	enum kt_code code = need_commit(place, &wish->resolution, err);

	if (code == KT_E_OK)
		code = kt_git_is_ancestor(place, &wish->commit, &wish->resolution, &holds, err);
	if (code == KT_E_OK && !holds)
		code = kt_error_set(err, KT_E_MERGE_UNVERIFIED,
			"the resolution %s does not hold the approved commit %s",
			kt_oid_format(&wish->resolution).text, kt_oid_format(&wish->commit).text);
	return code;
}

enum kt_code kt_integration_compute(const struct kt_git_place *place,
	const struct kt_mission *mission, const struct kt_integration *wish, struct kt_json **facts,
	struct kt_error *err)
{
	const struct kt_oid *tip =
		kt_oid_is_zero(&wish->resolution) ? &wish->commit : &wish->resolution;
	bool contained = false;
	enum kt_code code = need_commit(place, &wish->onto, err);

	*facts = NULL;
	if (code == KT_E_OK)
		code = need_commit(place, &wish->commit, err);
	if (code == KT_E_OK && tip == &wish->resolution)
		code = check_resolution(place, wish, err);
	if (code == KT_E_OK)
		code = kt_git_is_ancestor(place, tip, &wish->onto, &contained, err);
	if (code == KT_E_OK && contained) {
		*facts = facts_new(&wish->onto, tip, true);
		return KT_E_OK;
	}
	if (code == KT_E_OK)
		code = check_gate(place, mission, wish, tip, err);
	return code == KT_E_OK ? merge(place, mission, wish, tip, facts, err) : code;
}
