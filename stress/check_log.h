/*
 * The part of the checker that reads the log's history beside the agents' records: P1, P2, P4, P6.
 */
#ifndef KITTY_STRESS_CHECK_LOG_H
#define KITTY_STRESS_CHECK_LOG_H

#include "stress/checker.h"

void kt_check_log(const struct kt_workspace *workspace, struct kt_verdicts *verdicts);

#endif
