/*
 * finalize-tasks, the writing half: what kt_finalize_plan computed becomes one request (files,
 * lifecycle rows, seeds), and the drafts get the same bytes afterwards.
 */
#ifndef KITTY_SUPERVISOR_CLI_FINALIZE_H
#define KITTY_SUPERVISOR_CLI_FINALIZE_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/cli/context.h"
#include "supervisor/git/store.h"
#include "supervisor/mission/plan.h"
#include "supervisor/transaction/reader.h"

struct kt_finalization {
	struct kt_context *context;
	struct kt_view *view;
	struct kt_store *store;
	struct kt_finalize *plan;
	struct kt_json *changed;  /* repo-relative paths whose bytes differ from the branch's */
	struct kt_json *seeded;   /* ids of WPs that get their first row */
	struct kt_json *modified; /* ids of WPs whose file changes */
	struct kt_json *request;  /* NULL: nothing to commit */
};

/* Reads everything and computes. Errors: KT_E_TASKS_INVALID with plan->problems filled in, and
 * others. */
KT_MUST_CHECK enum kt_code kt_finalization_prepare(
	struct kt_context *context, struct kt_finalization *out, struct kt_error *err);
void kt_finalization_release(struct kt_finalization *finalization);

/* Puts the changed files into the object store and names them in the request. */
KT_MUST_CHECK enum kt_code kt_finalization_store(
	struct kt_finalization *finalization, struct kt_error *err);

/* Gives the drafts the committed bytes; appends the paths it wrote to *written (may be NULL). */
KT_MUST_CHECK enum kt_code kt_finalization_write_drafts(
	struct kt_finalization *finalization, struct kt_json *written, struct kt_error *err);

/* Adds the lifecycle rows that the log does not hold yet (finalize_rows.c). */
void kt_finalization_add_lifecycle(struct kt_finalization *finalization, struct kt_json *request);

#endif
