/*
 * The state machine: which move is legal, with which guards.
 * Held by tests/vectors/transitions.json, every row.
 */
#ifndef KITTY_SUPERVISOR_STATUS_TRANSITION_H
#define KITTY_SUPERVISOR_STATUS_TRANSITION_H

#include <stdbool.h>

#include <kitty/error.h>
#include <kitty/json.h>
#include <kitty/status.h>

struct kt_move {
	enum kt_status from, to;
	const char *actor, *reason, *review_ref, *workspace_context; /* NULL: not given */
	bool force;
	bool subtasks_complete;
	bool implementation_evidence;
	const struct kt_json *evidence, *review_result; /* NULL: not given */
};

/* Errors: KT_E_TRANSITION_REJECTED with the reason. Forced moves to or from uninitialized and to
 * genesis are refused. */
KT_MUST_CHECK enum kt_code kt_move_check(const struct kt_move *move, struct kt_error *err);

#endif
