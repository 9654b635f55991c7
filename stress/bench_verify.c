/*
 * The benchmark's row about `kitty verify`: the proof of a history of 2,000 commits, beside git
 * reading the same one. Runs in kitty-bench.
 */
#include "ipc/buffer.h"
#include "stress/bench.h"
#include "stress/run.h"

enum { KT_BENCH_HISTORY = 2000, KT_BENCH_VERIFY_ROUNDS = 5 };

static void make_history(const struct kt_workspace *workspace)
{
	struct kt_bench_supervisor *supervisor = kt_bench_supervisor_start(workspace, "a");

	for (size_t i = kt_bench_log_rows(workspace); i < KT_BENCH_HISTORY; i++)
		(void)kt_bench_supervisor_emit(supervisor, "WP01", 200);
	kt_bench_supervisor_stop(supervisor);
}

void kt_bench_verify(const char *folder)
{
	struct kt_workspace_size size = {.lanes = 1, .events = 1, .files = 10, .seed = 1};
	struct kt_workspace workspace = {0};
	struct kt_samples verify = {0}, git = {0};
	char *sub = kt_format("%s/verify", folder);

	kt_run_make_folder(sub);
	kt_workspace_make(&workspace, sub, &size);
	make_history(&workspace);
	for (int i = 0; i < KT_BENCH_VERIFY_ROUNDS; i++) {
		kt_samples_add(&git, KT_TIME(workspace.repo, 0, "git", "log", "-p", "--format=%H",
					     workspace.branch, "--", workspace.log_path));
		kt_samples_add(&verify,
			KT_TIME(workspace.repo, 0, "kitty", "verify", "--mission", workspace.slug));
	}
	kt_bench_add(&(struct kt_bench_row){.name = "kitty verify, 2,000 events",
		.unit = "ms",
		.value = kt_samples_median(&verify),
		.beside = "git log -p of the log",
		.beside_value = kt_samples_median(&git),
		.limit = 10000});
	kt_workspace_release(&workspace);
}
