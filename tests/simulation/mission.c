/*
 * The mission of a seed: a repository's administrative files in memory, the plan as a commit, every
 * work package planned. Test program only; git itself is never run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "simulation/simulation.h"
#include "supervisor/git/commit.h"
#include "supervisor/git/sha1.h"
#include "supervisor/transaction/request.h"
#include "supervisor/transaction/writer.h"

#define SLUG "demo-01KSPTVW"
#define MISSION_ID "01KSPTVW000000000000000000"

const char *sim_wp(size_t i)
{
	static char names[SIM_WPS_MAX][8];

	(void)snprintf(names[i], sizeof names[i], "WP%02u", (unsigned)(i + 1) % 100);
	return names[i];
}

const char *sim_lane(size_t i)
{
	static const char *const names[SIM_LANES_MAX] = {"lane-a", "lane-b", "lane-c", "lane-d"};

	return names[i];
}

size_t sim_lane_index(const char *lane_id)
{
	for (size_t i = 0; i < SIM_LANES_MAX; i++)
		if (strcmp(sim_lane(i), lane_id) == 0)
			return i;
	return SIZE_MAX;
}

static void plan_decide(struct sim_plan *plan)
{
	plan->lanes_len = 1 + sim_below(SIM_LANES_MAX);
	plan->wps_len = plan->lanes_len + sim_below(4);
	plan->max_parallel = sim_chance(30) ? 1 + sim_below(2) : 0;
	plan->percent = sim_chance(20) ? 2 : 5 + (unsigned)sim_below(36);
	for (size_t i = 0; i < plan->wps_len; i++) {
		plan->lane_of[i] = i < plan->lanes_len ? i : sim_below(plan->lanes_len);
		plan->dependencies[i] = i > 0 && sim_chance(40) ? 1U << sim_below(i) : 0;
	}
}

static void file_write(const char *relative, const char *text)
{
	char *path = kt_format("%s/repo/%s", sim.root, relative);
	char *folder = kt_path_parent(path);
	struct kt_error err = KT_ERROR_INIT;

	if (kt_folder_make(folder, 0755, &err) != KT_E_OK ||
		kt_file_write_atomic(path, text, strlen(text), 0644, false, &err) != KT_E_OK)
		sim_broken("%s cannot be made: %s", path, err.detail);
	free(folder);
	free(path);
}

static const char meta[] =
	"{\n  \"created_at\": \"x\",\n  \"coordination_branch\": \"kitty/mission-" SLUG
	"\",\n  \"friendly_name\": \"Demo\",\n  \"mission_id\": \"" MISSION_ID
	"\",\n  \"mission_number\": null,\n  \"mission_slug\": \"" SLUG
	"\",\n  \"mission_type\": \"software-dev\",\n  \"slug\": \"demo\",\n  "
	"\"target_branch\": \"main\",\n  \"topology\": \"lanes_with_coord\"\n}\n";

static void repository_make(void)
{
	char *entry = kt_format("gitdir: %s/repo/.git/worktrees/" SLUG "-coord\n", sim.root);
	char *back = kt_format("%s/repo/.worktrees/" SLUG "-coord/.git\n", sim.root);

	file_write(".git/HEAD", "ref: refs/heads/main\n");
	file_write(".git/config", "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
				  "[user]\n\tname = sim\n\temail = sim@localhost\n");
	file_write(".git/objects/info/none", "");
	file_write(".git/refs/heads/none", "");
	file_write(
		".git/worktrees/" SLUG "-coord/HEAD", "ref: refs/heads/kitty/mission-" SLUG "\n");
	file_write(".git/worktrees/" SLUG "-coord/commondir", "../..\n");
	file_write(".git/worktrees/" SLUG "-coord/gitdir", back);
	file_write(".worktrees/" SLUG "-coord/.git", entry);
	file_write("kitty-specs/" SLUG "/meta.json", meta);
	free(back);
	free(entry);
}

/* An index without entries: header and checksum. */
static void index_make(void)
{
	static const char header[] = "DIRC\0\0\0\2\0\0\0";
	char *path = kt_format("%s/repo/.git/worktrees/" SLUG "-coord/index", sim.root);
	unsigned char bytes[sizeof header + sizeof(struct kt_oid)];
	struct kt_sha1 sha;
	struct kt_oid sum = {{0}};
	struct kt_error err = KT_ERROR_INIT;

	kt_sha1_init(&sha);
	kt_sha1_update(&sha, header, sizeof header);
	kt_sha1_final(&sha, &sum);
	memcpy(bytes, header, sizeof header);
	memcpy(bytes + sizeof header, sum.bytes, sizeof sum);
	if (kt_file_write_atomic(path, bytes, sizeof bytes, 0644, false, &err) != KT_E_OK)
		sim_broken("%s cannot be made: %s", path, err.detail);
	free(path);
}

static char *lanes_text(void)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_buffer_puts(&text,
		"{\"version\": 1, \"mission_slug\": \"" SLUG "\", \"mission_id\": \"" MISSION_ID
		"\", \"mission_branch\": \"kitty/mission-" SLUG
		"\", \"target_branch\": \"main\", \"lanes\": [");
	for (size_t lane = 0; lane < sim.plan.lanes_len; lane++) {
		const char *separator = "";

		kt_buffer_printf(&text, "%s{\"lane_id\": \"%s\", \"wp_ids\": [",
			lane == 0 ? "" : ", ", sim_lane(lane));
		for (size_t i = 0; i < sim.plan.wps_len; i++)
			if (sim.plan.lane_of[i] == lane) {
				kt_buffer_printf(&text, "%s\"%s\"", separator, sim_wp(i));
				separator = ", ";
			}
		kt_buffer_puts(&text, "]}");
	}
	kt_buffer_puts(&text,
		"], \"computed_at\": \"x\", \"computed_from\": \"dependency_graph+ownership\"}\n");
	return kt_buffer_take(&text);
}

static char *wp_text(size_t i)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_buffer_printf(&text, "---\nwork_package_id: %s\ntitle: T\ndependencies: [", sim_wp(i));
	for (size_t j = 0; j < i; j++)
		if ((sim.plan.dependencies[i] & (1U << j)) != 0)
			kt_buffer_puts(&text, sim_wp(j));
	kt_buffer_printf(
		&text, "]\nowned_files:\n- src/%s/**\nsubtasks: []\n---\nbody\n", sim_wp(i));
	return kt_buffer_take(&text);
}

/* The plan on the coordination branch, as finalize-tasks leaves it. */
static void plan_commit(void)
{
	char *texts[SIM_WPS_MAX + 2] = {kt_strdup(meta), lanes_text()};
	char *path = NULL;
	struct kt_oid tip = {{0}};

	tip = sim_commit_make(NULL, "README", "demo\n", "base", "refs/heads/main");
	tip = sim_commit_make(&tip, "kitty-specs/" SLUG "/meta.json", texts[0], "plan", NULL);
	tip = sim_commit_make(&tip, "kitty-specs/" SLUG "/lanes.json", texts[1], "plan", NULL);
	for (size_t i = 0; i < sim.plan.wps_len; i++) {
		path = kt_format("kitty-specs/" SLUG "/tasks/%s-x.md", sim_wp(i));
		texts[i + 2] = wp_text(i);
		tip = sim_commit_make(&tip, path, texts[i + 2], "plan", NULL);
		free(path);
	}
	(void)sim_commit_make(&tip, "kitty-specs/" SLUG "/spec.md", "spec\n", "plan",
		"refs/heads/kitty/mission-" SLUG);
	for (size_t i = 0; i < sim.plan.wps_len + 2; i++)
		free(texts[i]);
}

static void on_planned(const struct kt_json *outcome, void *arg)
{
	struct kt_error err = KT_ERROR_INIT;

	(void)arg;
	if (kt_outcome_code(outcome, &err) != KT_E_OK)
		sim_broken("a work package cannot be planned: %s", err.detail);
}

static void rows_write(void)
{
	struct kt_writer_options options = {
		.repo = sim.repo, .mission = sim.mission, .holder_command = "sim"};
	struct kt_writer *writer = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_writer_new(&options, &writer, &err) != KT_E_OK)
		sim_broken("no writer: %s", err.detail);
	for (size_t i = 0; i < sim.plan.wps_len; i++) {
		struct kt_json *request = kt_request_new("plan");

		(void)kt_request_add_move(request, sim_wp(i), KT_STATUS_PLANNED, "finalize-tasks");
		kt_writer_submit(writer, request, NULL, on_planned, NULL);
		kt_json_free(request);
	}
	kt_writer_finish(writer);
	kt_writer_free(writer);
}

void sim_mission_make(void)
{
	char *top = kt_format("%s/repo", sim.root);
	struct kt_error err = KT_ERROR_INIT;

	plan_decide(&sim.plan);
	repository_make();
	index_make();
	if (kt_repository_find(top, &sim.repo, &err) != KT_E_OK ||
		kt_mission_resolve(sim.repo, SLUG, top, &sim.mission, NULL, &err) != KT_E_OK)
		sim_broken("the mission is not found: %s", err.detail);
	plan_commit();
	rows_write();
	free(top);
}
