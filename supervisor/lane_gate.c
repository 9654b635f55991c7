/*
 * Judging what a lane authored. Runs in commands, helper processes and the doctor; never in the
 * supervisor's loop, because it waits for git. Changes nothing.
 */
#include "supervisor/lane_gate.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/environment.h"
#include "supervisor/lane_ops_private.h"

#define SPECS "kitty-specs/"

struct gate {
	const struct kt_repository *repo;
	const struct kt_mission *mission;
	const char *lane;
	struct kt_oid_text fork, tip;
	const struct kt_lane_foreseen *foreseen; /* NULL: the tip is in the repository */
	struct kt_json *findings;
};

/* ---- fork point ---- */

static enum kt_code git_output(const struct kt_repository *repo, const char *const *args,
	struct kt_buffer *out, struct kt_error *err)
{
	struct kt_git_call call = {.cwd = repo->primary, .args = args, .out = out};

	return kt_git_run(&call, err);
}

/* git where it finds the tip. */
static enum kt_code gate_output(const struct gate *gate, const char *const *args,
	struct kt_buffer *out, struct kt_error *err)
{
	struct kt_git_call call = {.cwd = gate->repo->primary, .args = args, .out = out};

	if (gate->foreseen != NULL)
		call.extra_env = gate->foreseen->environment;
	return kt_git_run(&call, err);
}

enum kt_code kt_line_load(const struct kt_repository *repo, const char *tip, struct kt_line *out,
	struct kt_error *err)
{
	const char *const args[] = {"rev-list", "--first-parent", tip, "--", NULL};
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = git_output(repo, args, &text, err);

	*out = (struct kt_line){NULL, 0};
	if (code == KT_E_OK)
		out->commits = kt_realloc_array(NULL, text.len / 41 + 1, sizeof *out->commits);
	for (size_t at = 0; code == KT_E_OK && at + 41 <= text.len; at += 41) {
		text.data[at + 40] = '\0';
		if (kt_oid_parse(text.data + at, &out->commits[out->len]))
			out->len++;
	}
	kt_buffer_release(&text);
	return code;
}

void kt_line_release(struct kt_line *line)
{
	free(line->commits);
	*line = (struct kt_line){NULL, 0};
}

/* Whoever contains a commit of the line contains all older ones: bisection. */
enum kt_code kt_line_fork(const struct kt_line *line, struct kt_store *store,
	const struct kt_oid *tip, bool *found, struct kt_oid *fork, struct kt_error *err)
{
	size_t low = 0, high = line->len; /* the answer lies in [low, high] */

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		bool contains = kt_oid_equal(&line->commits[middle], tip);
		enum kt_code code = contains ? KT_E_OK
					     : kt_store_is_ancestor(store, &line->commits[middle],
						       tip, &contains, err);

		if (code != KT_E_OK)
			return code;
		if (contains)
			high = middle;
		else
			low = middle + 1;
	}
	*found = low < line->len;
	if (*found)
		*fork = line->commits[low];
	return KT_E_OK;
}

/* ---- judgement ---- */

const char *kt_lane_gate_kind(const char *mission_slug, const char *path)
{
	const char *rest, *name;
	size_t len;

	if (strncmp(path, SPECS, sizeof SPECS - 1) != 0)
		return strcmp(path, "kitty-specs") == 0 ? "planning" : NULL;
	rest = path + sizeof SPECS - 1;
	len = strcspn(rest, "/");
	name = rest[len] == '/' ? rest + len + 1 : "";
	if (strcmp(name, KT_LOG_NAME) == 0 || strcmp(name, KT_SNAPSHOT_NAME) == 0)
		return "status";
	if (rest[len] == '/' &&
		(strlen(mission_slug) != len || strncmp(rest, mission_slug, len) != 0))
		return "mission";
	return "planning";
}

/* The lane's newest commit that touched the path; its tip when only a merge did. */
static void commit_name(const struct gate *gate, const char *path, struct kt_json *finding)
{
	const char *const args[] = {"rev-list", "-1", "--no-merges", gate->tip.text, "--not",
		gate->fork.text, "--", path, NULL};
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;

	if (gate_output(gate, args, &text, &ignored) == KT_E_OK && text.len >= 40) {
		text.data[40] = '\0';
		kt_json_set_string(finding, "commit", text.data);
	} else {
		kt_json_set_string(finding, "commit", gate->tip.text);
	}
	kt_buffer_release(&text);
}

/* Back to the fork point's files, index and disk alike, and the sparse policy as it was. */
static char *take_back(const struct gate *gate)
{
	char *worktree = kt_mission_lane_worktree(gate->mission, gate->lane);
	char *command = kt_format("cd '%s' && git restore --source=%s -SW "
				  "--ignore-skip-worktree-bits -- kitty-specs && git commit -qnm "
				  "'Take back kitty-specs' && git sparse-checkout reapply",
		worktree, gate->fork.text);

	free(worktree);
	return command;
}

static void finding_add(struct gate *gate, const char *path)
{
	struct kt_json *finding = kt_json_new_object();
	char *next_step = take_back(gate);

	kt_json_set_string(finding, "lane", gate->lane);
	kt_json_set_string(finding, "kind", kt_lane_gate_kind(gate->mission->slug, path));
	kt_json_set_string(finding, "path", path);
	commit_name(gate, path, finding);
	kt_json_set_string(finding, "fork", gate->fork.text);
	kt_json_set_string(finding, "tip", gate->tip.text);
	kt_json_set_string(finding, "next_step", next_step);
	kt_json_append(gate->findings, finding);
	free(next_step);
}

static enum kt_code judge(struct gate *gate, struct kt_error *err)
{
	const char *const args[] = {"diff-tree", "-r", "-z", "--no-renames", "--name-only",
		gate->fork.text, gate->tip.text, "--", "kitty-specs", NULL};
	struct kt_buffer paths = KT_BUFFER_INIT;
	enum kt_code code = gate_output(gate, args, &paths, err);

	for (size_t at = 0; code == KT_E_OK && at < paths.len; at += strlen(paths.data + at) + 1)
		if (kt_lane_gate_kind(gate->mission->slug, paths.data + at) != NULL)
			finding_add(gate, paths.data + at);
	kt_buffer_release(&paths);
	return code;
}

/* A foreseen commit contains what its parents contain: the newer of their forks is its own. */
static enum kt_code newest_fork(const struct kt_line *line, struct kt_store *store,
	const struct kt_oid parents[2], bool *found, struct kt_oid *fork, struct kt_error *err)
{
	size_t newest = line->len;
	enum kt_code code = KT_E_OK;

	*found = false;
	for (size_t i = 0; i < 2 && code == KT_E_OK; i++) {
		struct kt_oid own = {{0}};
		bool has_fork = false;
		size_t at = 0;

		code = kt_line_fork(line, store, &parents[i], &has_fork, &own, err);
		while (has_fork && !kt_oid_equal(&line->commits[at], &own))
			at++;
		if (!has_fork || at >= newest)
			continue;
		newest = at;
		*fork = own;
		*found = true;
	}
	return code;
}

static enum kt_code fork_find(
	struct gate *gate, const struct kt_oid *tip, bool *found, struct kt_error *err)
{
	const struct kt_mission *mission = gate->mission;
	char *base = mission->coordination_ref != NULL
			     ? kt_strdup(mission->coordination_ref)
			     : kt_format("refs/heads/%s", mission->target_branch);
	struct kt_store *store = NULL;
	struct kt_line line = {NULL, 0};
	struct kt_oid fork = {{0}};
	enum kt_code code = kt_store_open(gate->repo, &store, err);

	if (code == KT_E_OK)
		code = kt_line_load(gate->repo, base, &line, err);
	if (code == KT_E_OK && gate->foreseen == NULL)
		code = kt_line_fork(&line, store, tip, found, &fork, err);
	else if (code == KT_E_OK)
		code = newest_fork(&line, store, gate->foreseen->parents, found, &fork, err);
	gate->fork = kt_oid_format(&fork);
	kt_line_release(&line);
	kt_store_close(store);
	free(base);
	return code;
}

/* A legacy mission keeps its status files in the lanes: only other missions' files are forbidden
 * there. */
static void keep_foreign_only(struct gate *gate)
{
	struct kt_json *kept = kt_json_new_array();
	char *own = kt_format("%s/", gate->mission->folder);
	struct kt_json *finding = kt_json_first(gate->findings);

	for (; finding != NULL; finding = kt_json_next(finding))
		if (strncmp(kt_json_get_string(finding, "path"), own, strlen(own)) != 0)
			kt_json_append(kept, kt_json_copy(finding));
	kt_json_free(gate->findings);
	gate->findings = kept;
	free(own);
}

static enum kt_code gate_run(struct gate *gate, const struct kt_oid *tip, struct kt_json **findings,
	struct kt_error *err)
{
	const struct kt_mission *mission = gate->mission;
	bool found = false;
	enum kt_code code = KT_E_OK;

	gate->tip = kt_oid_format(tip);
	gate->findings = kt_json_new_array();
	code = fork_find(gate, tip, &found, err);
	if (code == KT_E_OK && !found)
		code = kt_error_set(err, KT_E_LANE_ALLOCATION_FAILED,
			"%s of %s has no history in common with the mission", gate->tip.text,
			gate->lane);
	if (code == KT_E_OK)
		code = judge(gate, err);
	if (code == KT_E_OK) {
		if (mission->coordination_ref == NULL && mission->topology == KT_TOPOLOGY_LEGACY)
			keep_foreign_only(gate);
		*findings = gate->findings;
		gate->findings = NULL;
	}
	kt_json_free(gate->findings);
	return code;
}

enum kt_code kt_lane_gate_commit(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *lane, const char *commit, struct kt_json **findings, struct kt_error *err)
{
	struct gate gate = {.repo = repo, .mission = mission, .lane = lane};
	struct kt_oid tip;

	if (strlen(commit) != 40 || !kt_oid_parse(commit, &tip))
		return kt_error_set(err, KT_E_INVALID_ARGUMENT, "\"%s\" is no commit id", commit);
	return gate_run(&gate, &tip, findings, err);
}

enum kt_code kt_lane_gate_foreseen(const struct kt_repository *repo,
	const struct kt_mission *mission, const char *lane, const struct kt_lane_foreseen *foreseen,
	struct kt_json **findings, struct kt_error *err)
{
	struct gate gate = {.repo = repo, .mission = mission, .lane = lane, .foreseen = foreseen};

	return gate_run(&gate, &foreseen->commit, findings, err);
}

enum kt_code kt_lane_gate(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *lane, struct kt_json **findings, struct kt_error *err)
{
	struct kt_lane_place place = {0};
	char *tip = NULL;
	enum kt_code code = kt_lane_place_find(repo, mission, lane, &place, err);

	if (code != KT_E_OK)
		return code;
	code = kt_lane_revision(repo->primary, place.ref, &tip, err);
	if (code == KT_E_OK && tip == NULL)
		*findings = kt_json_new_array();
	else if (code == KT_E_OK)
		code = kt_lane_gate_commit(repo, mission, place.id, tip, findings, err);
	free(tip);
	kt_lane_place_release(&place);
	return code;
}
