/*
 * What the writing commands share: arguments as statuses, the result of a request as text or JSON.
 */
#ifndef KITTY_SUPERVISOR_CLI_WRITE_H
#define KITTY_SUPERVISOR_CLI_WRITE_H

#include <kitty/error.h>
#include <kitty/json.h>
#include <kitty/status.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"

#define KT_OPERATOR "operator" /* actor of a person who gives no name */

/* A status that people may name. Errors: KT_E_INVALID_ARGUMENT listing the statuses. */
KT_MUST_CHECK enum kt_code kt_status_argument(
	const char *option, const char *text, enum kt_status *out, struct kt_error *err);

/* A work package's id as given. Errors: KT_E_INVALID_ARGUMENT. */
KT_MUST_CHECK enum kt_code kt_wp_argument(const char *text, struct kt_error *err);

/* Submits and prints: the outcome with --json, else a line per move and the commit. Gives the exit
 * status. */
int kt_submit_and_report(const struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json *request);

/* The lines for people. */
void kt_print_outcome(const struct kt_json *outcome);

#endif
