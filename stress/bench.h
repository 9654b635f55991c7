/*
 * kitty-bench: single operations, beside git's own in the same run, as medians, with their budgets.
 * bench.c holds the rows and prints them; bench_*.c measure.
 */
#ifndef KITTY_STRESS_BENCH_H
#define KITTY_STRESS_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "stress/workspace.h"

struct kt_samples {
	double values[128]; /* milliseconds */
	size_t len;
};

void kt_samples_add(struct kt_samples *samples, double value); /* more than fit are dropped */
double kt_samples_median(struct kt_samples *samples);

/* One row of the table: `value` must not exceed `limit`. beside: what it was measured next to, or
 * NULL. */
struct kt_bench_row {
	const char *name, *unit, *beside;
	double value, beside_value, limit;
};
void kt_bench_add(const struct kt_bench_row *row);

/* How long the command takes, in milliseconds; it must end with `expected`. Output is dropped. */
double kt_bench_time(const char *cwd, int expected, const char *const *argv);
#define KT_TIME(cwd, expected, ...) \
	kt_bench_time(cwd, expected, (const char *const[]){__VA_ARGS__, NULL})

/* A supervisor over some lanes whose agents only wait, and a connection to it. */
struct kt_bench_supervisor;
struct kt_bench_supervisor *kt_bench_supervisor_start(
	const struct kt_workspace *workspace, const char *lanes);
long kt_bench_supervisor_peak_kib(const struct kt_bench_supervisor *supervisor);
/* One annotation with a note of that many bytes, until its receipt; milliseconds. */
double kt_bench_supervisor_emit(struct kt_bench_supervisor *supervisor, const char *wp, size_t len);
void kt_bench_supervisor_stop(struct kt_bench_supervisor *supervisor);

size_t kt_bench_log_rows(const struct kt_workspace *workspace);

void kt_bench_writes(const char *folder); /* emit, status, gate, transaction, memory, rollback */
void kt_bench_gate(const struct kt_workspace *workspace);
void kt_bench_verify(const char *folder);
void kt_bench_folders(const char *folder); /* mission create, coordination worktree, lanes */

#endif
