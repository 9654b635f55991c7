/*
 * Private to dispatch*.c: one request on its way to its answer.
 */
#ifndef KITTY_SUPERVISOR_DISPATCH_PRIVATE_H
#define KITTY_SUPERVISOR_DISPATCH_PRIVATE_H

#include "supervisor/supervisor_private.h"

/* One request: from a connection, or from an agent's kitty through its worker. */
struct kt_call {
	struct kt_supervisor *supervisor;
	uint64_t peer;           /* serial; 0: through a worker */
	struct kt_lane_run *run; /* through a worker: its lane */
	uint64_t worker;         /* serial of that worker */
	const char *lane;        /* whose lane it is; NULL: none */
	unsigned type;
	uint64_t request_id;
	struct kt_json *body; /* borrowed from the frame; NULL once kept */
};

void kt_call_answer(const struct kt_call *call, const struct kt_json *body);
void kt_call_answer_error(const struct kt_call *call, const struct kt_error *err);

/* dispatch_lanes.c */
void kt_call_stop(struct kt_call *call);
void kt_call_claim_lane(struct kt_call *call);

#endif
