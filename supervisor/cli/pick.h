/*
 * Which work package comes next: one readiness rule for `next`, `agent action` and `agent context
 * resolve`, so that what a query shows is what the command does.
 */
#ifndef KITTY_SUPERVISOR_CLI_PICK_H
#define KITTY_SUPERVISOR_CLI_PICK_H

#include <kitty/error.h>

#include "supervisor/cli/context.h"
#include "supervisor/transaction/reader.h"

/*
 * The first for `action`. implement: the agent's own claimed or running one, else, in file order, a
 * planned one with its dependencies satisfied. review: the agent's own in_review one, else one in
 * for_review. agent NULL: nobody's in particular. NULL: none.
 */
const struct kt_wp *kt_pick(const struct kt_view *view, const char *action, const char *agent);

/* Why there is none: dependencies_not_satisfied, all_wps_in_progress, not_finalized,
 * no_planned_wps, no_wp_files, no_reviewable_wps. */
const char *kt_pick_reason(const struct kt_view *view, const char *action);

/* wp_id as given (normalised), else the first. Errors: KT_E_INVALID_ARGUMENT, KT_E_WP_NOT_FOUND
 * (with the reason). Gives *out. */
KT_MUST_CHECK enum kt_code kt_pick_wp(struct kt_context *context, const char *action,
	const char *wp_id, const char *agent, char **out, struct kt_error *err);

#endif
