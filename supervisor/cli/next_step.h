/*
 * The step that an agent does next, decided from the committed state. Pure: reads what it is given.
 */
#ifndef KITTY_SUPERVISOR_CLI_NEXT_STEP_H
#define KITTY_SUPERVISOR_CLI_NEXT_STEP_H

#include <kitty/json.h>

#include "supervisor/transaction/reader.h"

enum kt_step_kind { KT_STEP_WORK, KT_STEP_ACCEPT, KT_STEP_BLOCKED, KT_STEP_TERMINAL };

struct kt_step {
	enum kt_step_kind kind;
	const char *action;     /* "implement", "review", "accept"; NULL: none */
	const struct kt_wp *wp; /* borrowed from the view; NULL: none */
	char *reason;           /* given; NULL: none */
};

/*
 * First match: the agent's own work; a planned work package whose dependencies are satisfied; one
 * to review; in_review: blocked; all done: terminal; all done or approved: accept; else blocked
 * with the reason. Release with kt_step_release.
 */
void kt_step_decide(const struct kt_view *view, const char *agent, struct kt_step *out);
void kt_step_release(struct kt_step *step);

/* {total_wps, done_wps, approved_wps, in_progress_wps, planned_wps, for_review_wps,
 * weighted_percentage}. Gives. */
struct kt_json *kt_step_progress(const struct kt_view *view);

/* The work package that the agent works on or reviews; NULL: none. */
const struct kt_wp *kt_step_current(
	const struct kt_view *view, const char *agent, enum kt_status *status);

#endif
