/*
 * Drives the two competitors: kitty (one launch over all lanes, killed and launched again as often
 * as asked for), and the baseline (as many processes that append, `git add` and `git commit` under
 * a flock).
 */
#ifndef KITTY_STRESS_DRIVE_H
#define KITTY_STRESS_DRIVE_H

#include <stddef.h>
#include <stdint.h>

#include "stress/checker.h"
#include "stress/workspace.h"

struct kt_drive_result {
	int exit_code;          /* of the last launch; -1: killed by a signal that was not ours */
	size_t kills;           /* supervisors killed */
	long peak_rss_kib;      /* greatest VmHWM of a supervisor */
	int64_t slowest_end_ms; /* longest time from a kill until the last marked process was gone
				 */
};

/* P9 is judged here, while it happens: its verdict goes to `verdicts`. */
void kt_drive_kitty(const struct kt_workspace *workspace, size_t kills,
	struct kt_verdicts *verdicts, struct kt_drive_result *out);

/* Makes folder/baseline with the same files and log, and runs the same events through git. Gives
 * the folder of its records. */
char *kt_drive_baseline(const struct kt_workspace *workspace);

#endif
