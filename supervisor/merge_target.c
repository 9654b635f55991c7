/*
 * Stage 2: the commit that the target will be, computed without a checkout, verified, moved to.
 * Runs in kitty merge. Must never choose a side of a conflict, nor move the target to anything that
 * was not verified.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/git/hold.h"
#include "supervisor/git/merge.h"
#include "supervisor/merge_private.h"

/* ---- has it happened already? ---- */

static enum kt_code blob_at(const struct kt_git_place *place, const struct kt_oid *commit,
	const char *path, bool *found, struct kt_oid *out, struct kt_error *err)
{
	char *revision = kt_format("%s:%s", kt_oid_format(commit).text, path);
	enum kt_code code = kt_git_resolve(place, revision, found, out, err);

	free(revision);
	return code;
}

static enum kt_code read_target(struct kt_merge_run *run, struct kt_oid *out, struct kt_error *err)
{
	bool found = false;
	enum kt_code code = kt_git_resolve(&run->place, run->target_ref, &found, out, err);

	if (code == KT_E_OK && !found)
		code = kt_error_set(err, KT_E_TARGET_BRANCH_NOT_FOUND, "%s",
			run->options->mission->target_branch);
	return code;
}

/* By ancestry; under squash and rebase by content: nothing but stage 2 brings this very log to the
 * target, and it brings everything or nothing. */
enum kt_code kt_merge_has_landed(struct kt_merge_run *run, bool *out, struct kt_error *err)
{
	const char *path = run->options->mission->log_path;
	struct kt_oid target = {{0}}, theirs = {{0}}, ours = {{0}};
	bool has_theirs = false, has_ours = false;
	enum kt_code code = read_target(run, &target, err);

	if (code == KT_E_OK)
		code = kt_git_is_ancestor(&run->place, &run->tip, &target, out, err);
	if (code != KT_E_OK || *out)
		return code;
	code = blob_at(&run->place, &target, path, &has_theirs, &theirs, err);
	if (code == KT_E_OK)
		code = blob_at(&run->place, &run->tip, path, &has_ours, &ours, err);
	if (code == KT_E_OK)
		*out = has_theirs && has_ours && kt_oid_equal(&theirs, &ours);
	return code;
}

/* ---- meta.json: number and baseline ---- */

/* The answers of `git cat-file --batch`: "<id> blob <len>", then the file, or one line for what is
 * missing. */
static void numbers_scan(const struct kt_buffer *text, int64_t *greatest)
{
	for (const char *at = kt_buffer_text(text); *at != '\0';) {
		const char *line_end = strchr(at, '\n');
		const char *kind =
			line_end == NULL ? NULL : memmem(at, (size_t)(line_end - at), " blob ", 6);
		struct kt_json *meta = NULL;
		struct kt_error bad = KT_ERROR_INIT;
		int64_t number = 0;
		size_t len = 0;

		if (line_end == NULL)
			break;
		at = line_end + 1;
		if (kind == NULL)
			continue;
		len = (size_t)strtoull(kind + 6, NULL, 10);
		if (len >= text->len - (size_t)(at - text->data))
			break;
		if (kt_json_parse(at, len, KT_JSON_LAST_WINS, &meta, &bad) == KT_E_OK &&
			kt_json_get_int(meta, "mission_number", &number) && number > *greatest)
			*greatest = number;
		kt_json_free(meta);
		at += len + 1;
	}
}

/* The greatest mission_number among the target's missions. */
static enum kt_code greatest_number(
	const struct kt_merge_run *run, int64_t *out, struct kt_error *err)
{
	struct kt_oid_text target = kt_oid_format(&run->before);
	char *folder = kt_format("%s:kitty-specs", target.text);
	const char *list[] = {"ls-tree", "-z", "--name-only", folder, NULL};
	const char *batch[] = {"cat-file", "--batch", NULL};
	struct kt_buffer names = KT_BUFFER_INIT, input = KT_BUFFER_INIT, text = KT_BUFFER_INIT;
	struct kt_oid ignored = {{0}};
	bool found = false;
	enum kt_code code = kt_git_resolve(&run->place, folder, &found, &ignored, err);

	*out = 0;
	if (code == KT_E_OK && found)
		code = kt_git_pipe(&run->place, list, NULL, &names, err);
	for (size_t at = 0; code == KT_E_OK && at < names.len; at += strlen(names.data + at) + 1)
		if (strchr(names.data + at, '\n') == NULL)
			kt_buffer_printf(&input, "%s/%s/meta.json\n", folder, names.data + at);
	if (code == KT_E_OK && input.len > 0)
		code = kt_git_pipe(&run->place, batch, &input, &text, err);
	if (code == KT_E_OK)
		numbers_scan(&text, out);
	kt_buffer_release(&names);
	kt_buffer_release(&input);
	kt_buffer_release(&text);
	free(folder);
	return code;
}

static enum kt_code put_meta(struct kt_merge_run *run, struct kt_oid *tree, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	struct kt_json *meta = kt_json_copy(run->view->meta);
	char *path = kt_format("%s/meta.json", mission->folder);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_oid merged = *tree;
	int64_t number = 0, own = 0;
	enum kt_code code = greatest_number(run, &number, err);

	if (!kt_json_get_int(meta, "mission_number", &own))
		kt_json_set_int(meta, "mission_number", number + 1);
	if (kt_json_get_string(meta, "baseline_merge_commit") == NULL)
		kt_json_set_string(meta, "baseline_merge_commit", kt_oid_format(&run->before).text);
	kt_json_write(meta, KT_JSON_PRETTY_SORTED, &text);
	kt_buffer_putc(&text, '\n');
	if (code == KT_E_OK)
		code = kt_git_tree_put(&run->place, &merged, path, &text, tree, err);
	kt_buffer_release(&text);
	kt_json_free(meta);
	free(path);
	return code;
}

/* ---- the merge ---- */

void kt_merge_keep_conflict(struct kt_merge_run *run, const struct kt_merge_result *merged,
	const struct kt_merge_side *ours, const struct kt_merge_side *theirs, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	struct kt_json *conflict = kt_merge_conflict(&run->place, merged, ours, theirs, err);
	struct kt_json *steps = kt_json_new_array();

	kt_error_next(err, "kitty merge --mission %s --interactive", mission->slug);
	kt_json_append(steps, kt_json_new_string(err->next_step));
	kt_json_set_string(conflict, "stage", "target");
	kt_json_set(conflict, "resolve", steps);
	kt_json_set(run->report, "conflict", conflict);
}

static enum kt_code merge_sides(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	struct kt_merge_result merged = {.is_clean = false};
	struct kt_merge_side ours = {mission->target_branch, run->before};
	struct kt_merge_side theirs = {mission->coordination_branch, run->tip};
	struct kt_oid side = run->tip;
	enum kt_code code = KT_E_OK;

	(void)kt_merge_resolution(run, "target", &run->tip, &run->before, &side);
	code = kt_merge_compute(run->place.cwd, &run->before, &side,
		run->place.environment[0] == NULL ? NULL : run->place.environment, &merged, err);
	if (code == KT_E_OK && !merged.is_clean) {
		kt_merge_keep_conflict(run, &merged, &ours, &theirs, err);
		code = err->code;
		free(run->conflict_key);
		run->conflict_key = kt_strdup("target");
		run->conflict_ours = run->tip;
		run->conflict_theirs = run->before;
	}
	if (code == KT_E_OK)
		run->tree = merged.tree;
	kt_merge_result_release(&merged);
	return code;
}

/* No merge can change the log: what the target gets is the coordination branch's, byte for byte. */
static enum kt_code verify_tree(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	const char *const paths[] = {mission->log_path, mission->snapshot_path};
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; code == KT_E_OK && i < sizeof paths / sizeof paths[0]; i++) {
		struct kt_oid in_tree = {{0}}, in_tip = {{0}};
		bool has_tree = false, has_tip = false;

		code = blob_at(&run->place, &run->tree, paths[i], &has_tree, &in_tree, err);
		if (code == KT_E_OK)
			code = blob_at(&run->place, &run->tip, paths[i], &has_tip, &in_tip, err);
		if (code == KT_E_OK && (!has_tree || !has_tip || !kt_oid_equal(&in_tree, &in_tip)))
			code = kt_error_set(err, KT_E_MERGE_UNVERIFIED,
				"%s of the result is not that of %s", paths[i],
				mission->coordination_branch);
	}
	return code;
}

/* ---- the result commit, by strategy ---- */

const char *kt_merge_title(const struct kt_merge_run *run)
{
	const char *name = kt_json_get_string(run->view->meta, "friendly_name");

	return name == NULL ? run->options->mission->slug : name;
}

static enum kt_code make_merge(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	struct kt_oid parents[2] = {run->before, run->tip};
	char *message = kt_format("Merge mission '%s' into %s\n\n%s\n", mission->slug,
		mission->target_branch, kt_merge_title(run));
	struct kt_git_commit_wish wish = {
		.tree = &run->tree, .parents = parents, .parents_len = 2, .message = message};
	enum kt_code code = KT_E_OK;

	/* A person's resolution is part of the history that it resolves. */
	(void)kt_merge_resolution(run, "target", &run->tip, &run->before, &parents[1]);
	code = kt_git_commit(&run->place, &wish, &run->result, err);
	free(message);
	return code;
}

static enum kt_code make_squash(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	char *message = kt_format("%s\n\nMission: %s\nCoordination: %s\n", kt_merge_title(run),
		mission->slug, kt_oid_format(&run->tip).text);
	struct kt_git_commit_wish wish = {
		.tree = &run->tree, .parents = &run->before, .parents_len = 1, .message = message};
	enum kt_code code = kt_git_commit(&run->place, &wish, &run->result, err);

	free(message);
	return code;
}

static const struct {
	const char *name;
	enum kt_code (*make)(struct kt_merge_run *, struct kt_error *);
} strategies[] = {{"merge", make_merge}, {"squash", make_squash}, {"rebase", kt_merge_replay}};

enum kt_code kt_merge_result_make(struct kt_merge_run *run, struct kt_error *err)
{
	enum kt_code code = read_target(run, &run->before, err);
	size_t i = 0;

	if (code == KT_E_OK)
		code = merge_sides(run, err);
	if (code == KT_E_OK)
		code = put_meta(run, &run->tree, err);
	if (code == KT_E_OK)
		code = verify_tree(run, err);
	while (strcmp(strategies[i].name, run->strategy) != 0)
		i++;
	return code == KT_E_OK ? strategies[i].make(run, err) : code;
}

/* ---- the move ---- */

/* git would not: somebody was faster, or the ref's lock is held. A git that was killed leaves it
 * behind, and no repetition helps then. */
static enum kt_code tell_refusal(
	struct kt_merge_run *run, const struct kt_buffer *errors, struct kt_error *err)
{
	const char *target = run->options->mission->target_branch;
	struct kt_oid now = {{0}};
	enum kt_code code = read_target(run, &now, err);

	if (code != KT_E_OK)
		return code;
	if (!kt_oid_equal(&now, &run->before))
		return kt_error_set(err, KT_E_REF_MOVED, "%s is not at %s any more", target,
			kt_oid_format(&run->before).text);
	if (kt_merge_hook_refused(run, errors, err))
		return err->code;
	(void)kt_error_set(err, KT_E_REF_LOCKED, "git would not move %s: %.300s", target,
		kt_buffer_text(errors));
	kt_error_next(err, "kitty doctor --fix");
	return err->code;
}

static enum kt_code move_ref(struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_oid_text before = kt_oid_format(&run->before),
			   after = kt_oid_format(&run->result);
	char *reason = kt_format("kitty merge: mission %s", run->options->mission->slug);
	const char *args[] = {
		"update-ref", "-m", reason, run->target_ref, after.text, before.text, NULL};
	struct kt_buffer errors = KT_BUFFER_INIT;
	int exit_code = 0;
	const struct kt_merge_move move = {
		.args = args, .errors = &errors, .exit_code = &exit_code};
	enum kt_code code = kt_merge_git_move(run, &move, err);

	if (code == KT_E_OK && exit_code != 0)
		code = tell_refusal(run, &errors, err);
	kt_buffer_release(&errors);
	free(reason);
	return code;
}

enum kt_code kt_merge_target_move(struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_hold *hold = NULL;
	struct kt_oid now = {{0}};
	bool holds = false;
	enum kt_code code = kt_hold_take(run->options->repo, &run->result, &hold, err);

	if (code == KT_E_OK)
		code = run->checkout == NULL ? move_ref(run, err) : kt_checkout_advance(run, err);
	code = kt_hold_end(hold, code, err);

	/* The ref decides, not the exit status. */
	if (code == KT_E_OK)
		code = read_target(run, &now, err);
	if (code == KT_E_OK)
		code = kt_git_is_ancestor(&run->place, &run->result, &now, &holds, err);
	if (code == KT_E_OK && !holds)
		code = kt_error_set(err, KT_E_REF_MOVED, "%s is at %s",
			run->options->mission->target_branch, kt_oid_format(&now).text);
	return code;
}
