/*
 * The benchmark's row about the policy gate, called as the transaction calls it, with its
 * repository and store opened anew each time. Runs in kitty-bench; the only part of the stress
 * folder that looks inside kitty.
 */
#include "ipc/buffer.h"
#include "stress/bench.h"
#include "stress/run.h"
#include "supervisor/transaction/gate.h"

static double gate_ms(const struct kt_workspace *workspace)
{
	struct kt_repository *repo = NULL;
	struct kt_store *store = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int64_t from = kt_run_now_ns();
	double spent = 0;

	if (kt_repository_find(workspace->repo, &repo, &err) != KT_E_OK ||
		kt_store_open(repo, &store, &err) != KT_E_OK ||
		kt_gate_check(repo, store, workspace->branch, NULL, &err) != KT_E_OK)
		kt_run_die("the gate refused: %s", err.detail);
	spent = (double)(kt_run_now_ns() - from) / 1e6;
	kt_store_close(store);
	kt_repository_free(repo);
	return spent;
}

void kt_bench_gate(const struct kt_workspace *workspace)
{
	struct kt_samples samples = {0};

	for (int i = 0; i < 100; i++)
		kt_samples_add(&samples, gate_ms(workspace));
	kt_bench_add(
		&(struct kt_bench_row){.name = "policy gate, repository opened for it, 1,000 rows",
			.unit = "ms",
			.value = kt_samples_median(&samples),
			.limit = 10});
}
