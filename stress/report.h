/*
 * The numbers of a run, from the agents' records and from git, and how they are shown.
 */
#ifndef KITTY_STRESS_REPORT_H
#define KITTY_STRESS_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "stress/checker.h"
#include "stress/drive.h"
#include "stress/workspace.h"

struct kt_speed {
	size_t requests;       /* acknowledged */
	size_t resubmitted;    /* sent more than once, because of a kill */
	double per_second;     /* from the first submission to the last acknowledgement */
	double p50_ms, p99_ms; /* submission to acknowledgement, of those sent once */
};

/* From every agent's record below `records`. */
void kt_speed_measure(
	const struct kt_workspace *workspace, const char *records, struct kt_speed *out);

struct kt_report {
	const struct kt_workspace *workspace;
	const struct kt_verdicts *verdicts;
	const struct kt_drive_result *drive;
	struct kt_speed kitty, baseline;
	bool has_baseline;
	size_t batches,
		largest_batch; /* moves of the coordination branch, and commits in the largest */
	long growth_kib, baseline_growth_kib; /* of .git */
};

/* Batches, from the coordination branch's reflog: one line per move of the ref. */
void kt_report_batches(struct kt_report *report);
long kt_report_disk_kib(const char *folder);

void kt_report_print(const struct kt_report *report);
void kt_report_print_json(const struct kt_report *report);

#endif
