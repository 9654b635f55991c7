/*
 * A note in a work package's history: an annotation row, "- [time] actor: text".
 */
#ifndef KITTY_SUPERVISOR_CLI_NOTE_H
#define KITTY_SUPERVISOR_CLI_NOTE_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/cli/context.h"

struct kt_note {
	const char *command; /* in whose name it is submitted */
	const char *wp_id, *actor, *text;
	const char *event_id; /* NULL: a new one; given, its time is the note's, so that the same
				 again is the same note */
};

/* Submits it. Errors: KT_E_INVALID_ARGUMENT (an empty note) and the writer's. Gives *outcome (may
 * be NULL). */
KT_MUST_CHECK enum kt_code kt_note_add(struct kt_context *context, const struct kt_note *note,
	struct kt_json **outcome, struct kt_error *err);

#endif
