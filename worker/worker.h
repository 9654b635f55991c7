/*
 * kitty-worker: one process per lane, between the supervisor and the lane's agent.
 *
 * Started by the supervisor it speaks on descriptors 3 (in) and 4 (out); started by hand it finds
 * the supervisor's socket, claims a lane, and that connection is the lane from then on. Either way:
 * HELLO, then RUN after RUN, until SHUTDOWN or until the connection ends. When it ends, however it
 * ends, the agent is stopped and the worker is gone within ten seconds.
 */
#ifndef KITTY_WORKER_WORKER_H
#define KITTY_WORKER_WORKER_H

#include <stdbool.h>

#include <kitty/error.h>

struct kt_worker_options {
	const char *mission;     /* slug from the supervisor; any handle, or NULL, by hand */
	const char *lane;        /* lane-a */
	bool has_channel;        /* descriptors 3 and 4 */
	const char *const *argv; /* by hand: the agent's command, NULL-terminated */
};

/* Blocks until the worker is done. KT_E_OK after SHUTDOWN, a signal, or (with a channel) the end of
 * the connection. */
KT_MUST_CHECK enum kt_code kt_worker_run(
	const struct kt_worker_options *options, struct kt_error *err);

/* "a" or "lane-a" -> "lane-a" (gives); NULL when it is no lane's name. */
char *kt_worker_lane_id(const char *text);

#endif
