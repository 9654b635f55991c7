/*
 * Outbound effects of a mission: the sinks of the configuration and the cursors in the mission's
 * run folder.
 */
#ifndef KITTY_SUPERVISOR_CLI_OUTBOX_H
#define KITTY_SUPERVISOR_CLI_OUTBOX_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/cli/context.h"

/* After a receipt, by the process that committed: what is pending goes out, within a bounded time.
 * Failures are a line on standard error and stay visible in `kitty outbox`: the commit stands. Does
 * nothing without sinks. */
void kt_outbox_after_commit(struct kt_context *context);

#endif
