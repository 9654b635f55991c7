/*
 * What the supervisor may send to the worker, and when: one row per message, with the states in
 * which it is allowed and the function that does it (worker.c). Everything else is refused with a
 * code and costs nothing but an answer.
 */
#ifndef KITTY_WORKER_INBOX_H
#define KITTY_WORKER_INBOX_H

#include <kitty/error.h>

struct kt_frame;
struct kt_worker;

enum kt_worker_state {
	KT_WORKER_GREETING, /* HELLO is sent */
	KT_WORKER_CLAIMING, /* by hand: CLAIM_LANE is sent */
	KT_WORKER_READY,    /* no agent */
	KT_WORKER_RUNNING,  /* one agent */
	KT_WORKER_LEAVING,  /* stopping the agent, then gone */
	KT_WORKER_STATES
};

typedef void (*kt_inbox_handler)(struct kt_worker *worker, struct kt_frame *frame);

/* The handler for a message in a state. Errors: KT_E_MESSAGE_UNEXPECTED. */
KT_MUST_CHECK enum kt_code kt_inbox_find(
	unsigned type, enum kt_worker_state state, kt_inbox_handler *out, struct kt_error *err);

/* The handlers, in worker.c. */
void kt_worker_on_hello(struct kt_worker *worker, struct kt_frame *frame);
void kt_worker_on_claim(struct kt_worker *worker, struct kt_frame *frame);
void kt_worker_on_run(struct kt_worker *worker, struct kt_frame *frame);
void kt_worker_on_kill(struct kt_worker *worker, struct kt_frame *frame);
void kt_worker_on_shutdown(struct kt_worker *worker, struct kt_frame *frame);
void kt_worker_on_lane_answer(struct kt_worker *worker, struct kt_frame *frame);

#endif
