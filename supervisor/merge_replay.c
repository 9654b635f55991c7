/*
 * The strategy `rebase`: the lanes' commits one by one on the target's line, by merges without a
 * checkout, with author, date and message of the originals. Runs in kitty merge. Must never choose
 * a side of a conflict; what comes out has the very tree that merge_target.c verified.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/git/merge.h"
#include "supervisor/merge_private.h"

/* A commit of the mission on its way to the target's line. */
struct replay {
	struct kt_oid commit, parent, onto; /* onto: the line so far */
};

static enum kt_code commit_plain(const struct kt_merge_run *run, const char *tree_of,
	const struct kt_oid *parent, struct kt_oid *out, struct kt_error *err)
{
	char *revision = kt_format("%s^{tree}", tree_of);
	struct kt_oid tree = {{0}};
	struct kt_git_commit_wish wish = {.tree = &tree,
		.parents = parent,
		.parents_len = parent == NULL ? 0 : 1,
		.message = "replay\n"};
	bool found = false;
	enum kt_code code = kt_git_resolve(&run->place, revision, &found, &tree, err);

	if (code == KT_E_OK)
		code = kt_git_commit(&run->place, &wish, out, err);
	free(revision);
	return code;
}

/* A replayed commit conflicts: nothing to resolve it in, but the whole may merge. A merge that has
 * begun keeps its strategy until it is given up. */
static void advise_merge(const struct kt_merge_run *run, struct kt_error *err)
{
	const char *slug = run->options->mission->slug;

	if (run->state == NULL)
		kt_error_next(err, "kitty merge --mission %s --strategy merge", slug);
	else
		kt_error_next(err,
			"kitty merge --mission %s --abort && kitty merge --mission %s --strategy "
			"merge",
			slug, slug);
}

/* merge-tree finds its own base: three commits made for the purpose give it the one that a
 * cherry-pick has. */
static enum kt_code pick(struct kt_merge_run *run, const struct replay *replay, struct kt_oid *tree,
	struct kt_error *err)
{
	struct kt_oid base = {{0}}, ours = {{0}}, theirs = {{0}};
	struct kt_merge_result merged = {.is_clean = false};
	struct kt_merge_side left = {run->options->mission->target_branch, replay->onto};
	struct kt_merge_side right = {run->options->mission->coordination_branch, replay->commit};
	enum kt_code code =
		commit_plain(run, kt_oid_format(&replay->parent).text, NULL, &base, err);

	if (code == KT_E_OK)
		code = commit_plain(run, kt_oid_format(&replay->onto).text, &base, &ours, err);
	if (code == KT_E_OK)
		code = commit_plain(run, kt_oid_format(&replay->commit).text, &base, &theirs, err);
	if (code == KT_E_OK)
		code = kt_merge_compute(run->place.cwd, &ours, &theirs,
			run->place.environment[0] == NULL ? NULL : run->place.environment, &merged,
			err);
	if (code == KT_E_OK && !merged.is_clean) {
		kt_merge_keep_conflict(run, &merged, &left, &right, err);
		advise_merge(run, err);
		code = err->code;
	}
	if (code == KT_E_OK)
		code = kt_git_tree_take(
			&run->place, &merged.tree, &replay->onto, "kitty-specs", tree, err);
	kt_merge_result_release(&merged);
	return code;
}

static enum kt_code has_code(const struct kt_merge_run *run, const struct replay *replay, bool *out,
	struct kt_error *err)
{
	struct kt_oid_text old_text = kt_oid_format(&replay->parent),
			   new_text = kt_oid_format(&replay->commit);
	const char *args[] = {"diff-tree", "-r", "-z", "--name-only", "--no-renames", old_text.text,
		new_text.text, NULL};
	struct kt_buffer paths = KT_BUFFER_INIT;
	enum kt_code code = kt_git_pipe(&run->place, args, NULL, &paths, err);

	*out = false;
	for (size_t at = 0; at < paths.len; at += strlen(paths.data + at) + 1)
		if (strncmp(paths.data + at, "kitty-specs/", 12) != 0)
			*out = true;
	kt_buffer_release(&paths);
	return code;
}

/* Author, date and message stay those of the original. */
static enum kt_code replay_commit(struct kt_merge_run *run, struct replay *replay,
	const struct kt_oid *tree, struct kt_error *err)
{
	struct kt_oid_text text = kt_oid_format(&replay->commit);
	const char *args[] = {
		"show", "-s", "--date=raw", "--format=%an <%ae>%n@%ad%n%B", text.text, NULL};
	char *shown = NULL, *date = NULL, *message = NULL;
	struct kt_git_commit_wish wish = {.tree = tree, .parents = &replay->onto, .parents_len = 1};
	struct kt_oid made = {{0}};
	enum kt_code code = kt_git_text(&run->place, args, &shown, NULL, err);

	if (code != KT_E_OK)
		return code;
	date = strchr(shown, '\n');
	message = date == NULL ? NULL : strchr(date + 1, '\n');
	if (message != NULL) {
		*date++ = '\0';
		*message++ = '\0';
		wish.author = shown;
		wish.date = date;
		wish.message = message;
		code = kt_git_commit(&run->place, &wish, &made, err);
	} else {
		code = kt_error_set(err, KT_E_GIT_FAILED, "commit %s cannot be read", text.text);
	}
	if (code == KT_E_OK)
		replay->onto = made;
	free(shown);
	return code;
}

static enum kt_code replay_one(
	struct kt_merge_run *run, struct replay *replay, struct kt_error *err)
{
	char *revision = kt_format("%s^1", kt_oid_format(&replay->commit).text);
	char *tree_now = kt_format("%s^{tree}", kt_oid_format(&replay->onto).text);
	struct kt_oid tree = {{0}}, now = {{0}};
	bool found = false, is_code = false;
	enum kt_code code = kt_git_resolve(&run->place, revision, &found, &replay->parent, err);

	if (code == KT_E_OK && found)
		code = has_code(run, replay, &is_code, err);
	if (code == KT_E_OK && is_code)
		code = pick(run, replay, &tree, err);
	if (code == KT_E_OK && is_code)
		code = kt_git_resolve(&run->place, tree_now, &found, &now, err);
	if (code == KT_E_OK && is_code && !kt_oid_equal(&tree, &now))
		code = replay_commit(run, replay, &tree, err);
	free(revision);
	free(tree_now);
	return code;
}

/* The lanes' commits one by one, then what makes the tree the verified one: the mission's files. */
enum kt_code kt_merge_replay(struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_oid_text tip = kt_oid_format(&run->tip), target = kt_oid_format(&run->before);
	const char *args[] = {"rev-list", "--reverse", "--topo-order", "--no-merges", tip.text,
		"--not", target.text, NULL};
	struct replay replay = {.onto = run->before};
	char *list = NULL, *message = NULL;
	struct kt_git_commit_wish wish = {
		.tree = &run->tree, .parents = &replay.onto, .parents_len = 1};
	enum kt_code code = kt_git_text(&run->place, args, &list, NULL, err);

	for (char *at = list; code == KT_E_OK && *at != '\0';) {
		size_t len = strcspn(at, "\n");
		char *id = kt_strndup(at, len);

		if (kt_oid_parse(id, &replay.commit))
			code = replay_one(run, &replay, err);
		free(id);
		at += len + (at[len] == '\n' ? 1 : 0);
	}
	if (code == KT_E_OK) {
		message = kt_format("chore: record mission '%s'\n\n%s\n\nCoordination: %s\n",
			run->options->mission->slug, kt_merge_title(run), tip.text);
		wish.message = message;
		code = kt_git_commit(&run->place, &wish, &run->result, err);
	}
	free(message);
	free(list);
	return code;
}
