/* The worker's state, shared by worker.c (life), worker_agent.c (the agent's side), worker_lane.c
 * (what the agent's kitty asks). */
#ifndef KITTY_WORKER_WORKER_PRIVATE_H
#define KITTY_WORKER_WORKER_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "worker/agent.h"
#include "worker/inbox.h"
#include "worker/lane_socket.h"
#include "worker/requests.h"
#include "worker/run.h"
#include "worker/worker.h"

struct event;
struct event_base;
struct kt_channel;

enum {
	KT_WORKER_KILLS_MAX = 16,  /* KILL requests that wait for one agent's end */
	KT_WORKER_OUTPUT_MS = 200, /* OUTPUT at most this often */
	KT_WORKER_FLUSH_MS = 1500  /* last bytes to a supervisor that may be gone */
};

struct kt_worker {
	const struct kt_worker_options *options;
	struct event_base *base;
	struct kt_channel *channel; /* NULL before it is open */
	enum kt_worker_state state;
	struct kt_requests requests;
	struct kt_lane_socket *lane_socket; /* NULL before HELLO */
	struct kt_agent_process agent;
	struct kt_run *run; /* what the agent runs; NULL: no agent */
	char *mission, *worktree, *log_dir;
	int grace_ms;
	uint64_t kills[KT_WORKER_KILLS_MAX];
	size_t kills_len;
	uint64_t shutdown_request;
	bool has_shutdown, is_connected;
	bool has_new_output; /* since the last OUTPUT */
	struct event *hello_timer, *output_timer, *leave_timer;
	struct event *signals[3];
	struct kt_error failure; /* why the worker ends; KT_E_OK: in order */
};

/* Sends to the supervisor; what cannot be sent is logged. body is taken. */
void kt_worker_send(
	struct kt_worker *worker, unsigned type, uint64_t request, struct kt_json *body);

void kt_worker_leave_when_idle(struct kt_worker *worker);

/* worker_agent.c */
void kt_worker_agent_init(struct kt_worker *worker);
void kt_worker_agent_release(struct kt_worker *worker);

/* worker_lane.c */
KT_MUST_CHECK enum kt_code kt_worker_lane_open(
	struct kt_worker *worker, const char *identity, struct kt_error *err);
void kt_worker_lane_refuse_all(struct kt_worker *worker); /* the supervisor is gone */

#endif
