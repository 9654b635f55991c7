/*
 * The benchmark's rows about folders: making missions, the coordination worktree and lanes in large
 * repositories. Runs in kitty-bench. Everything goes through the kitty program, whole commands with
 * their start-up.
 */
#include <stdio.h>
#include <stdlib.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "stress/bench.h"
#include "stress/run.h"

static char *subfolder(const char *folder, const char *name)
{
	char *path = kt_format("%s/%s", folder, name);

	kt_run_make_folder(path);
	return path;
}

/* mission_slug of the mission that was just made; gives. */
static char *create_mission(const char *repo, const char *name, struct kt_samples *samples)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *facts = NULL;
	struct kt_error err = KT_ERROR_INIT;
	char *slug = NULL;
	int64_t from = kt_run_now_ns();

	KT_RUN_OUT(repo, &text, "kitty", "agent", "mission", "create", name, "--json");
	kt_samples_add(samples, (double)(kt_run_now_ns() - from) / 1e6);
	if (kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &facts, &err) !=
		KT_E_OK)
		kt_run_die("mission create: %s", err.detail);
	slug = kt_strdup(kt_json_get_string(facts, "mission_slug"));
	kt_json_free(facts);
	kt_buffer_release(&text);
	return slug;
}

static void bench_missions(const char *folder)
{
	struct kt_workspace_size size = {.lanes = 2, .events = 1, .files = 10000, .seed = 1};
	struct kt_samples create = {0};
	struct kt_samples worktree = {0};
	struct kt_workspace workspace;

	kt_workspace_make(&workspace, subfolder(folder, "missions"), &size);
	for (int i = 0; i < 5; i++) {
		char *name = kt_format("mission-%c", 'a' + i);
		char *slug = create_mission(workspace.repo, name, &create);
		kt_samples_add(&worktree, KT_TIME(workspace.repo, 0, "kitty", "internal",
						  "coordination", "--mission", slug));
		free(slug);
		free(name);
	}
	kt_bench_add(&(struct kt_bench_row){.name = "mission create, 10,000 files",
		.unit = "ms",
		.value = kt_samples_median(&create),
		.limit = 2000});
	kt_bench_add(&(struct kt_bench_row){.name = "first coordination worktree, 10,000 files",
		.unit = "ms",
		.value = kt_samples_median(&worktree),
		.limit = 1000});
	kt_workspace_release(&workspace);
}

static void bench_lanes(const char *folder)
{
	struct kt_workspace_size size = {.lanes = 5, .events = 1, .files = 5000, .seed = 1};
	struct kt_samples lanes = {0};
	struct kt_workspace workspace;

	kt_workspace_make(&workspace, subfolder(folder, "lanes"), &size);
	for (int i = 0; i < 5; i++) {
		char *lane = kt_format("lane-%c", 'a' + i);
		kt_samples_add(
			&lanes, KT_TIME(workspace.repo, 0, "kitty", "internal", "lane-prepare",
					"--mission", workspace.slug, "--lane", lane));
		free(lane);
	}
	kt_bench_add(&(struct kt_bench_row){.name = "lane creation, 5,000 files",
		.unit = "ms",
		.value = kt_samples_median(&lanes),
		.limit = 2000});
	kt_workspace_release(&workspace);
}

void kt_bench_folders(const char *folder)
{
	bench_missions(folder);
	bench_lanes(folder);
}
