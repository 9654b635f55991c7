/*
 * What stands beside the coordination branch: lanes that may not write status files (P14), and the
 * working copy that must be the committed log (P3). Part of `kitty verify`; reads only. A running
 * supervisor may be between its commit and its files: P3 is asked again for a while before it
 * counts as broken.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/file.h"
#include "supervisor/checkouts.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/worktree.h"
#include "supervisor/lane_gate.h"
#include "supervisor/transaction/holder.h"
#include "supervisor/verify_private.h"

#define LOG_MAX (1U << 30)
#define ASK_AGAIN_TIMES 40
#define ASK_AGAIN_MS 50

/* ---- lanes ---- */

struct lanes {
	struct kt_verify *verify;
	struct kt_line line;
	enum kt_code code;
	struct kt_error *err;
};

static void authored_name(struct lanes *lanes, const char *who, const struct kt_oid *fork,
	const struct kt_oid *tip, const char *path)
{
	struct kt_oid_text from = kt_oid_format(fork), to = kt_oid_format(tip);
	const char *const args[] = {
		"rev-list", "-1", "--no-merges", to.text, "--not", from.text, "--", path, NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_git_call call = {.cwd = lanes->verify->repo->primary, .args = args, .out = &out};
	bool is_named = kt_git_run(&call, &ignored) == KT_E_OK && out.len >= 40;

	kt_verify_broken(lanes->verify, KT_VERIFY_LANES, "%s: commit %.12s writes %s", who,
		is_named ? out.data : to.text, path);
	kt_buffer_release(&out);
}

static enum kt_code blob_compare(struct lanes *lanes, const struct kt_oid *fork,
	const struct kt_oid *tip, const char *path, bool *same)
{
	struct kt_store *store = lanes->verify->store;
	struct kt_oid left = {{0}}, right = {{0}};
	bool has_left = false, has_right = false;
	enum kt_code code =
		kt_store_blob_read(store, fork, path, &has_left, &left, NULL, lanes->err);

	if (code == KT_E_OK)
		code = kt_store_blob_read(store, tip, path, &has_right, &right, NULL, lanes->err);
	*same = has_left == has_right && (!has_left || kt_oid_equal(&left, &right));
	return code;
}

static void tip_check(struct lanes *lanes, const char *who, const struct kt_oid *tip)
{
	const struct kt_mission *mission = lanes->verify->mission;
	const char *const paths[] = {mission->log_path, mission->snapshot_path};
	struct kt_oid fork;
	bool found = false, same = true;

	if (lanes->code == KT_E_OK)
		lanes->code = kt_line_fork(
			&lanes->line, lanes->verify->store, tip, &found, &fork, lanes->err);
	for (size_t i = 0; lanes->code == KT_E_OK && found && i < 2; i++) {
		lanes->code = blob_compare(lanes, &fork, tip, paths[i], &same);
		if (lanes->code == KT_E_OK && !same)
			authored_name(lanes, who, &fork, tip, paths[i]);
	}
}

static void on_lane(const char *ref, const struct kt_oid *oid, void *arg)
{
	tip_check(arg, ref + strlen("refs/heads/"), oid);
}

/* What was integrated is a second parent: its lane may be gone by now. */
static void integrated_check(struct lanes *lanes, const struct kt_history *history)
{
	struct kt_line whole = lanes->line;

	for (size_t i = 1; i < history->len && lanes->code == KT_E_OK; i++) {
		const struct kt_history_commit *commit = &history->commits[i];
		char who[64] = "";

		if (commit->parents_len < 2)
			continue;
		(void)snprintf(who, sizeof who, "merged by %s", kt_verify_short(&commit->id));
		/* Judged against the line as it was before the merge. */
		lanes->line.commits = whole.commits + (history->len - i);
		lanes->line.len = i;
		tip_check(lanes, who, &commit->parents[1]);
	}
	lanes->line = whole;
}

enum kt_code kt_verify_lanes(
	struct kt_verify *verify, const struct kt_verify_walk *walk, struct kt_error *err)
{
	const struct kt_history *history = walk->history;
	struct lanes lanes = {.verify = verify, .code = KT_E_OK, .err = err};
	char *branch = kt_mission_lane_branch(verify->mission, "lane-a");
	char *prefix = kt_format("refs/heads/%.*s", (int)strlen(branch) - 1, branch);
	enum kt_code code = KT_E_OK;

	lanes.line.commits = kt_realloc_array(NULL, history->len + 1, sizeof(struct kt_oid));
	for (size_t i = history->len; i > 0; i--)
		lanes.line.commits[lanes.line.len++] = history->commits[i - 1].id;
	code = kt_store_ref_each(verify->store, prefix, on_lane, &lanes, err);
	if (code == KT_E_OK) {
		integrated_check(&lanes, history);
		code = lanes.code;
	}
	kt_line_release(&lanes.line);
	free(prefix);
	free(branch);
	return code;
}

/* ---- working copy ---- */

static bool bytes_equal(const struct kt_buffer *left, const struct kt_buffer *right)
{
	return left->len == right->len &&
	       memcmp(kt_buffer_text(left), kt_buffer_text(right), left->len) == 0;
}

static enum kt_code file_compare(
	struct kt_verify *verify, const char *relative, struct kt_buffer *why, struct kt_error *err)
{
	char *path = kt_format("%s/%s", verify->mission->coord_worktree, relative);
	struct kt_buffer file = KT_BUFFER_INIT, blob = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid tip;
	bool found = false;
	bool is_read = kt_file_read(path, LOG_MAX, &file, &ignored) == KT_E_OK;
	enum kt_code code =
		kt_store_ref_read(verify->store, verify->mission->coordination_ref, &tip, err);

	if (code == KT_E_OK)
		code = kt_store_blob_read(verify->store, &tip, relative, &found, NULL, &blob, err);
	if (code == KT_E_OK && (is_read != found || (found && !bytes_equal(&file, &blob))))
		kt_buffer_printf(
			why, "%s is not what %s holds", path, verify->mission->coordination_branch);
	kt_buffer_release(&file);
	kt_buffer_release(&blob);
	free(path);
	return code;
}

static enum kt_code working_look(
	struct kt_verify *verify, struct kt_buffer *why, struct kt_error *err)
{
	const struct kt_mission *mission = verify->mission;
	struct kt_buffer changes = KT_BUFFER_INIT;
	enum kt_code code;

	kt_buffer_clear(why);
	code = file_compare(verify, mission->log_path, why, err);
	if (code == KT_E_OK && why->len == 0)
		code = file_compare(verify, mission->snapshot_path, why, err);
	if (code == KT_E_OK && why->len == 0)
		code = kt_worktree_changes(mission->coord_worktree, &changes, err);
	if (code == KT_E_OK && changes.len > 0)
		kt_buffer_printf(why, "%s is not clean: %s", mission->coord_worktree, changes.data);
	kt_buffer_release(&changes);
	return code;
}

static void on_difference(const struct kt_destination *where, const char *path, void *arg)
{
	kt_verify_broken(arg, KT_VERIFY_WORKING, "%s/%s is not what %s holds", where->worktree,
		path, where->branch);
}

enum kt_code kt_verify_working(struct kt_verify *verify, struct kt_error *err)
{
	const struct kt_mission *mission = verify->mission;
	struct kt_buffer why = KT_BUFFER_INIT;
	struct kt_worktree_facts facts;
	enum kt_code code = KT_E_OK;

	if (mission->coordination_ref == NULL)
		return kt_checkouts_each_difference(
			verify->repo, mission, on_difference, verify, err);
	if (mission->is_closed)
		return KT_E_OK;
	kt_worktree_inspect(verify->repo, mission->coord_worktree, &facts);
	if (facts.is_linked) {
		code = working_look(verify, &why, err);
		for (int i = 0; code == KT_E_OK && why.len > 0 && i < ASK_AGAIN_TIMES; i++) {
			struct kt_json *holder = kt_holder_read(mission);

			if (holder == NULL && i > 0)
				break;
			kt_json_free(holder);
			(void)poll(NULL, 0, ASK_AGAIN_MS);
			code = working_look(verify, &why, err);
		}
	}
	if (code == KT_E_OK && why.len > 0)
		kt_verify_broken(verify, KT_VERIFY_WORKING, "%s", kt_buffer_text(&why));
	kt_worktree_facts_release(&facts);
	kt_buffer_release(&why);
	return code;
}
