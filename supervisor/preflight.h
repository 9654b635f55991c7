/*
 * What must be there before a launch starts anything; every problem at once. Runs in `kitty
 * launch`, before the supervisor: it may block on git.
 */
#ifndef KITTY_SUPERVISOR_PREFLIGHT_H
#define KITTY_SUPERVISOR_PREFLIGHT_H

#include <kitty/error.h>

#include "supervisor/mission/plan.h"
#include "supervisor/supervisor.h"

struct kt_buffer;

/* Lines of text, one per finding. Errors: KT_E_PREFLIGHT_FAILED with the problems, joined, in the
 * detail. tip: the coordination branch's. */
KT_MUST_CHECK enum kt_code kt_preflight(const struct kt_launch *launch, const struct kt_oid *tip,
	struct kt_buffer *problems, struct kt_buffer *warnings, struct kt_error *err);

/* Is the program there? A name without slash is looked for on PATH; one with a slash is taken from
 * `folder` when it is relative. */
bool kt_program_exists(const char *name, const char *path, const char *folder);

#endif
