/*
 * The target where somebody has it checked out: git's own fast-forward, after looking whether
 * anything of theirs is in the way. Runs in kitty merge. Must never overwrite or delete a byte that
 * is not on the coordination branch already, nor touch the index or the stash by itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/refs.h"
#include "supervisor/merge_private.h"

#define SET_ASIDE \
	"merge-drafts" /* folder below run_dir: drafts between their removal and the fast-forward \
			*/

static struct kt_git_place place_in(const struct kt_merge_run *run)
{
	struct kt_git_place place = run->place;

	place.cwd = run->checkout;
	return place;
}

/* ---- what is in the way ---- */

/* Status letters of a path in `git status --porcelain=v1 -z`; 0 when it is not listed. */
static char local_kind(const struct kt_buffer *status, const char *path)
{
	for (size_t at = 0; at + 3 < status->len; at += strlen(status->data + at) + 1)
		if (strcmp(status->data + at + 3, path) == 0)
			return status->data[at];
	return '\0';
}

static bool is_tracked_change(char kind)
{
	return kind != '\0' && kind != '?' && kind != '!';
}

/* Is the file's content one that the coordination branch has, or had, at that path? */
static enum kt_code is_known_version(
	const struct kt_merge_run *run, const char *path, bool *out, struct kt_error *err)
{
	struct kt_git_place place = place_in(run);
	struct kt_oid_text tip = kt_oid_format(&run->tip);
	const char *hash[] = {"hash-object", "--no-filters", "--", path, NULL};
	const char *log[] = {"log", "--format=", "--raw", "--no-abbrev", "--no-renames", "-m",
		"--first-parent", tip.text, "--", path, NULL};
	char *own = NULL, *versions = NULL;
	enum kt_code code = kt_git_text(&place, hash, &own, NULL, err);

	if (code == KT_E_OK)
		code = kt_git_text(&place, log, &versions, NULL, err);
	if (code == KT_E_OK)
		*out = strlen(own) == 40 && strstr(versions, own) != NULL;
	free(own);
	free(versions);
	return code;
}

static bool is_draft_path(const struct kt_mission *mission, const char *path)
{
	size_t len = strlen(mission->folder);

	return strncmp(path, mission->folder, len) == 0 && path[len] == '/';
}

/* An untracked file where the result has one. */
static enum kt_code check_untracked(const struct kt_merge_run *run, const char *path,
	struct kt_buffer *drafts, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	char *full = kt_path_join(run->checkout, path);
	struct stat facts;
	bool is_known = false;
	enum kt_code code = KT_E_OK;

	if (lstat(full, &facts) != 0) {
		free(full);
		return KT_E_OK;
	}
	if (S_ISREG(facts.st_mode) && is_draft_path(mission, path))
		code = is_known_version(run, path, &is_known, err);
	if (code == KT_E_OK && is_known) {
		kt_buffer_append(drafts, path, strlen(path) + 1);
	} else if (code == KT_E_OK) {
		code = kt_error_set(err, KT_E_MERGE_CHECKOUT_BLOCKED,
			"%.200s in %s is untracked and not what the coordination branch holds",
			path, run->checkout);
		kt_error_next(err,
			is_draft_path(mission, path) ? "kitty agent mission finalize-tasks takes "
						       "the draft over; or move it away"
						     : "move %s/%s away",
			run->checkout, path);
	}
	free(full);
	return code;
}

/* Paths that change, with what stands in their way. drafts: NUL-ended paths that may be set aside.
 */
static enum kt_code look(
	const struct kt_merge_run *run, struct kt_buffer *drafts, struct kt_error *err)
{
	struct kt_git_place place = place_in(run);
	struct kt_oid_text before = kt_oid_format(&run->before),
			   after = kt_oid_format(&run->result);
	const char *diff[] = {"diff-tree", "-r", "-z", "--name-status", "--no-renames", before.text,
		after.text, NULL};
	const char *state[] = {
		"status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no", NULL};
	struct kt_buffer changes = KT_BUFFER_INIT, local = KT_BUFFER_INIT;
	enum kt_code code = kt_git_pipe(&place, diff, NULL, &changes, err);

	if (code == KT_E_OK)
		code = kt_git_pipe(&place, state, NULL, &local, err);
	for (size_t at = 0; code == KT_E_OK && at < changes.len;) {
		char letter = changes.data[at];
		const char *path = changes.data + at + strlen(changes.data + at) + 1;

		at = (size_t)(path - changes.data) + strlen(path) + 1;
		if (is_tracked_change(local_kind(&local, path))) {
			code = kt_error_set(err, KT_E_MERGE_CHECKOUT_BLOCKED,
				"%.200s has local changes in %s", path, run->checkout);
			kt_error_next_git(err, run->checkout, "status");
		} else if (letter == 'A') {
			code = check_untracked(run, path, drafts, err);
		}
	}
	kt_buffer_release(&changes);
	kt_buffer_release(&local);
	return code;
}

enum kt_code kt_checkout_check(struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_buffer drafts = KT_BUFFER_INIT;
	enum kt_code code = run->checkout == NULL ? KT_E_OK : look(run, &drafts, err);

	kt_buffer_release(&drafts);
	return code;
}

/* ---- setting drafts aside ---- */

/* The list beside the files names where they came from: "<checkout>\0path\0path\0". */
static enum kt_code set_aside(
	const struct kt_merge_run *run, const struct kt_buffer *drafts, struct kt_error *err)
{
	char *folder = kt_path_join(run->options->mission->run_dir, SET_ASIDE);
	char *list = kt_path_join(folder, "list");
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = kt_folder_make(folder, 0700, err);
	size_t number = 0;

	kt_buffer_append(&text, run->checkout, strlen(run->checkout) + 1);
	kt_buffer_append(&text, kt_buffer_text(drafts), drafts->len);
	if (code == KT_E_OK)
		code = kt_file_write_atomic(list, text.data, text.len, 0600, true, err);
	for (size_t at = 0; code == KT_E_OK && at < drafts->len;
		at += strlen(drafts->data + at) + 1, number++) {
		char *from = kt_path_join(run->checkout, drafts->data + at);
		char *to = kt_format("%s/%zu", folder, number);

		if (rename(from, to) != 0)
			code = kt_error_sys(err, KT_E_MERGE_CHECKOUT_BLOCKED, errno,
				"%.200s cannot be set aside", from);
		free(from);
		free(to);
	}
	kt_buffer_release(&text);
	free(list);
	free(folder);
	return code;
}

static void put_back(const char *folder, const struct kt_buffer *list)
{
	const char *checkout = list->data;
	size_t number = 0;

	for (size_t at = strlen(checkout) + 1; at < list->len;
		at += strlen(list->data + at) + 1, number++) {
		char *from = kt_format("%s/%zu", folder, number);
		char *to = kt_path_join(checkout, list->data + at);
		char *parent = kt_path_parent(to);
		struct kt_error ignored = KT_ERROR_INIT;

		/* What is there by now came with the fast-forward, or is somebody's. */
		if (kt_folder_make(parent, 0755, &ignored) == KT_E_OK && !kt_file_exists(to))
			(void)rename(from, to);
		free(parent);
		free(from);
		free(to);
	}
}

void kt_checkout_restore(const struct kt_mission *mission)
{
	char *folder = kt_path_join(mission->run_dir, SET_ASIDE);
	char *path = kt_path_join(folder, "list");
	struct kt_buffer list = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;

	if (kt_file_read(path, 1 << 24, &list, &ignored) == KT_E_OK && list.len > 0)
		put_back(folder, &list);
	(void)!kt_folder_remove_tree(folder, &ignored);
	kt_buffer_release(&list);
	free(path);
	free(folder);
}

/* ---- the move ---- */

static bool has_moved(const struct kt_merge_run *run)
{
	struct kt_oid now = {{0}};

	return kt_refs_read(run->options->repo->common_dir, run->target_ref, &now) &&
	       !kt_oid_equal(&now, &run->before);
}

static enum kt_code fast_forward(struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_oid_text after = kt_oid_format(&run->result);
	const char *args[] = {"merge", "--ff-only", "--no-autostash", "--no-verify-signatures",
		"-q", after.text, NULL};
	struct kt_buffer errors = KT_BUFFER_INIT;
	int exit_code = 0;
	const struct kt_merge_move move = {
		.args = args, .errors = &errors, .exit_code = &exit_code};
	enum kt_code code = kt_merge_git_move(run, &move, err);

	/* The ref decides, not the exit status. */
	if (code != KT_E_OK || exit_code == 0 || has_moved(run)) {
		kt_buffer_release(&errors);
		return code;
	}
	if (kt_merge_hook_refused(run, &errors, err)) {
		kt_merge_hook_undo(run);
		code = err->code;
	} else {
		code = kt_error_set(err, KT_E_MERGE_CHECKOUT_BLOCKED,
			"git would not fast-forward %s: %.300s", run->checkout,
			kt_buffer_text(&errors));
		kt_error_next_git(err, run->checkout, "status");
	}
	kt_buffer_release(&errors);
	return code;
}

enum kt_code kt_checkout_advance(struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_buffer drafts = KT_BUFFER_INIT;
	enum kt_code code = look(run, &drafts, err);

	if (code == KT_E_OK)
		code = kt_merge_hook_ask(run, err);
	if (code == KT_E_OK && drafts.len > 0)
		code = set_aside(run, &drafts, err);
	kt_failpoint("merge-drafts-aside");
	if (code == KT_E_OK)
		code = fast_forward(run, err);
	/* After the fast-forward every path is taken, and nothing goes back. */
	kt_checkout_restore(run->options->mission);
	kt_buffer_release(&drafts);
	return code;
}
