/*
 * Handing a write request to whoever writes the mission: the supervisor when one lives (through the
 * lane's worker inside a lane), else a writer in this very process. The caller cannot tell which
 * happened.
 */
#ifndef KITTY_SUPERVISOR_CLI_SUBMIT_H
#define KITTY_SUPERVISOR_CLI_SUBMIT_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/cli/context.h"

struct kt_client;

/*
 * KT_E_OK: *outcome is a success (transaction/request.h). Any other code: err says why, and
 * *outcome may hold the outcome with its further members (else NULL). Event ids are put into the
 * request before it leaves this process, so that sending it again after a broken connection is
 * exactly once; a request whose first op has one gets the successors for the others, so that the
 * one id repeats it all. KT_E_OUTCOME_UNKNOWN names that id. Gives *outcome.
 */
KT_MUST_CHECK enum kt_code kt_submit(struct kt_context *context, struct kt_json *request,
	const char *command, struct kt_json **outcome, struct kt_error *err);

/*
 * Takes the lock and heals, as every write does first, for a command that finds nothing left to
 * write: the run before it may have been killed between the commit and the files. A living
 * supervisor has done it already.
 */
KT_MUST_CHECK enum kt_code kt_submit_nothing(
	struct kt_context *context, const char *command, struct kt_error *err);

/*
 * A connection to the mission's supervisor after HELLO; for role "client" inside a lane, to the
 * lane's worker, which forwards. role: "client" or "watcher". Errors: KT_E_SUPERVISOR_ABSENT and
 * those of kt_client_open. Gives: kt_client_close.
 */
KT_MUST_CHECK enum kt_code kt_supervisor_connect(
	struct kt_context *context, const char *role, struct kt_client **out, struct kt_error *err);

/* Connects, asks one question, closes. An error answer is this call's error. timeout_ms < 0: for
 * ever. Gives *answer. */
KT_MUST_CHECK enum kt_code kt_supervisor_ask(struct kt_context *context, unsigned type,
	const struct kt_json *body, int timeout_ms, struct kt_json **answer, struct kt_error *err);

/* The report of `kitty status`: from the supervisor when one lives, else from the coordination
 * branch. Gives. */
KT_MUST_CHECK enum kt_code kt_report_get(
	struct kt_context *context, struct kt_json **out, struct kt_error *err);

#endif
