/*
 * What the lane operations share: names, facts, one-line questions to git, the lane's record. Runs
 * in short-lived helper processes and commands, never in the supervisor's loop. It must never open
 * a lane's index with libgit2: lanes are sparse, and only the git command knows that.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipc/clock.h"
#include "ipc/file.h"
#include "supervisor/lane_ops_private.h"

#define RECORD_MAX (64 << 10)

enum kt_code kt_lane_place_find(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *lane_id, struct kt_lane_place *out, struct kt_error *err)
{
	char *id = kt_lane_id_parse(lane_id);

	if (id == NULL ||
		strcmp(id, "lane-planning") == 0) { /* people work on that one, in their checkout */
		free(id);
		return kt_error_set(
			err, KT_E_LANE_NOT_FOUND, "\"%s\" is no lane with a worktree", lane_id);
	}
	memset(out, 0, sizeof(*out));
	out->id = id;
	out->branch = kt_mission_lane_branch(mission, id);
	out->ref = kt_format("refs/heads/%s", out->branch);
	out->worktree = kt_mission_lane_worktree(mission, id);
	kt_worktree_inspect(repo, out->worktree, &out->facts);
	return KT_E_OK;
}

void kt_lane_place_release(struct kt_lane_place *place)
{
	kt_worktree_facts_release(&place->facts);
	free(place->id);
	free(place->branch);
	free(place->ref);
	free(place->worktree);
	memset(place, 0, sizeof(*place));
}

static enum kt_code refuse_head(
	const struct kt_lane_place *place, const char *since, struct kt_error *err)
{
	struct kt_error ignored = KT_ERROR_INIT;
	const char *args[] = {"rev-list", "--count", "HEAD", "--not", place->ref, since, NULL};
	const char *head = place->facts.head != NULL ? place->facts.head : "detached HEAD";
	char *sha = NULL, *count = NULL;
	int exit_code = 0;

	if (kt_lane_revision(place->worktree, "HEAD", &sha, &ignored) != KT_E_OK)
		sha = NULL;
	if (kt_lane_git_text(place->worktree, args, &count, &exit_code, &ignored) != KT_E_OK)
		count = NULL;
	(void)kt_error_set(err, KT_E_LANE_HEAD_MISMATCH,
		"%s is on %s at %s, not on %s; commits there and not in the lane: %s",
		place->worktree, head, sha != NULL ? sha : "no commit", place->branch,
		count != NULL && exit_code == 0 ? count : "unknown");
	kt_error_next_git(err, place->worktree, "switch %s", place->branch);
	free(sha);
	free(count);
	return KT_E_LANE_HEAD_MISMATCH;
}

enum kt_code kt_lane_place_check(
	const struct kt_lane_place *place, const char *since, struct kt_error *err)
{
	if (!place->facts.exists || !place->facts.is_linked)
		return kt_error_set(err, KT_E_LANE_ALLOCATION_FAILED,
			"%s is not a worktree of this repository", place->worktree);
	if (place->facts.state != NULL && place->facts.state[0] != '\0')
		return kt_error_set(err, KT_E_LANE_BUSY, "a %s is under way in %s",
			place->facts.state, place->worktree);
	if (place->facts.head == NULL || strcmp(place->facts.head, place->ref) != 0)
		return refuse_head(place, since, err);
	return KT_E_OK;
}

/* exit_code is written through the call. NOLINTBEGIN(readability-non-const-parameter) */
enum kt_code kt_lane_git_text(
	const char *cwd, const char *const *args, char **out, int *exit_code, struct kt_error *err)
/* NOLINTEND(readability-non-const-parameter) */
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_git_call call = {.cwd = cwd,
		.args = args,
		.profile = KT_GIT_PLUMBING,
		.out = &text,
		.exit_code = exit_code};
	enum kt_code code = kt_git_run(&call, err);

	if (code == KT_E_OK) {
		while (text.len > 0 && text.data[text.len - 1] == '\n')
			text.data[--text.len] = '\0';
		*out = kt_buffer_take(&text);
	}
	kt_buffer_release(&text);
	return code;
}

enum kt_code kt_lane_revision(
	const char *cwd, const char *revision, char **out, struct kt_error *err)
{
	char *commit = kt_format("%s^{commit}", revision);
	const char *args[] = {"rev-parse", "--verify", "--quiet", commit, NULL};
	char *text = NULL;
	int exit_code = 0;
	enum kt_code code = kt_lane_git_text(cwd, args, &text, &exit_code, err);

	if (code == KT_E_OK && exit_code == 0 && strlen(text) == 40) {
		*out = text;
		text = NULL;
	} else if (code == KT_E_OK) {
		*out = NULL;
	}
	free(text);
	free(commit);
	return code;
}

/* Bookkeeping on a lane of a legacy mission is no work: commits that touch nothing but the status
 * files are passed over. Gives two pathspecs; NULL: the mission keeps no log in its lanes. */
static char **bookkeeping_left_out(const struct kt_mission *mission)
{
	char **specs = NULL;

	if (mission->coordination_ref != NULL || mission->topology != KT_TOPOLOGY_LEGACY)
		return NULL;
	specs = kt_alloc(3 * sizeof *specs);
	specs[0] = kt_format(":(top,exclude)%s", mission->log_path);
	specs[1] = kt_format(":(top,exclude)%s", mission->snapshot_path);
	return specs;
}

static size_t exclusions_add(const char **args, size_t len, char *const *specs)
{
	if (specs == NULL)
		return len;
	args[len++] = "--";
	args[len++] = ":(top)";
	args[len++] = specs[0];
	args[len++] = specs[1];
	return len;
}

enum kt_code kt_lane_count_commits(const struct kt_lane_place *place,
	const struct kt_mission *mission, const char *since, long long *out, struct kt_error *err)
{
	const char *args[14] = {"--no-literal-pathspecs", "rev-list", "--count", "--no-merges",
		place->ref, "--not"};
	size_t len = 6;
	char *text = NULL, **specs = NULL;
	enum kt_code code = KT_E_OK;

	if (since == NULL) {
		*out = 0;
		return KT_E_OK;
	}
	specs = bookkeeping_left_out(mission);
	args[len++] = since;
	if (mission->coordination_ref != NULL)
		args[len++] = mission->coordination_ref;
	len = exclusions_add(args, len, specs);
	args[len] = NULL;
	code = kt_lane_git_text(place->worktree, args, &text, NULL, err);
	if (code == KT_E_OK)
		*out = strtoll(text, NULL, 10);
	kt_strings_free(specs);
	free(text);
	return code;
}

/* "<sha>\t<subject>" as a row; the "commit <sha>" lines of rev-list are passed over. */
static void commit_line_add(char *line, struct kt_json *list)
{
	char *tab = strchr(line, '\t');
	struct kt_json *row = NULL;

	if (tab == NULL)
		return;
	*tab = '\0';
	row = kt_json_new_object();
	kt_json_set_string(row, "sha", line);
	kt_json_set_string(row, "message", tab + 1);
	kt_json_append(list, row);
}

struct kt_json *kt_lane_list_commits(
	const struct kt_lane_place *place, const struct kt_mission *mission, const char *since)
{
	const char *args[16] = {"--no-literal-pathspecs", "rev-list", "--reverse", "--no-merges",
		"--max-count=100", "--format=%H%x09%s", place->ref, "--not"};
	char **specs = bookkeeping_left_out(mission);
	size_t len = 8;
	struct kt_json *list = kt_json_new_array();
	struct kt_error ignored = KT_ERROR_INIT;
	char *text = NULL;
	char *rest = NULL;

	if (since == NULL)
		goto out;
	args[len++] = since;
	if (mission->coordination_ref != NULL)
		args[len++] = mission->coordination_ref;
	len = exclusions_add(args, len, specs);
	args[len] = NULL;
	if (kt_lane_git_text(place->worktree, args, &text, NULL, &ignored) == KT_E_OK)
		for (char *line = strtok_r(text, "\n", &rest); line != NULL;
			line = strtok_r(NULL, "\n", &rest))
			commit_line_add(line, list);
out:
	kt_strings_free(specs);
	free(text);
	return list;
}

/* ---- record of a lane --------------------------------------------------------------------------
 */

static char *record_path(const struct kt_mission *mission, const char *lane_id)
{
	return kt_format("%s/lanes/%s.json", mission->run_dir, lane_id);
}

static struct kt_json *record_read(const struct kt_mission *mission, const char *lane_id)
{
	char *path = record_path(mission, lane_id);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *record = NULL;

	if (kt_file_read(path, RECORD_MAX, &text, &err) == KT_E_OK &&
		kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &record, &err) !=
			KT_E_OK)
		record = NULL;
	kt_buffer_release(&text);
	free(path);
	return record;
}

char *kt_lane_record_tip(const struct kt_mission *mission, const char *lane_id)
{
	struct kt_json *record = record_read(mission, lane_id);
	const char *tip = kt_json_get_string(record, "last_tip");
	char *copy = kt_strdup(tip != NULL ? tip : kt_json_get_string(record, "fork"));

	kt_json_free(record);
	return copy;
}

static struct kt_json *record_new(const struct kt_lane_place *place, const char *fork)
{
	struct kt_json *record = kt_json_new_object();
	time_t now = (time_t)(kt_clock_wall_us() / 1000000);
	struct tm parts = {0};
	char text[32] = "";

	if (gmtime_r(&now, &parts) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	kt_json_set_string(record, "branch", place->branch);
	kt_json_set_string(record, "fork", fork);
	kt_json_set_string(record, "worktree", place->worktree);
	kt_json_set_string(record, "created_at", text);
	return record;
}

void kt_lane_record_write(const struct kt_mission *mission, const struct kt_lane_place *place,
	const char *fork, const char *tip)
{
	struct kt_json *record = record_read(mission, place->id);
	const char *old_tip = kt_json_get_string(record, "last_tip");
	char *path = record_path(mission, place->id);
	char *folder = kt_format("%s/lanes", mission->run_dir);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;

	if (record != NULL && fork == NULL && old_tip != NULL && strcmp(old_tip, tip) == 0)
		goto out;
	if (record == NULL || fork != NULL) {
		kt_json_free(record);
		record = record_new(place, fork != NULL ? fork : tip);
	}
	kt_json_set_string(record, "last_tip", tip);
	kt_json_write(record, KT_JSON_PRETTY_RAW, &text);
	kt_buffer_putc(&text, '\n');
	if (kt_folder_make(folder, 0700, &ignored) == KT_E_OK)
		(void)!kt_file_write_atomic(path, text.data, text.len, 0600, false, &ignored);
out:
	kt_buffer_release(&text);
	kt_json_free(record);
	free(folder);
	free(path);
}
