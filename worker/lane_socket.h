/*
 * The lane socket: where the agent's own kitty commands come in. Worker only.
 *
 * A client says HELLO first, which is answered here; what it asks then is handed to on_request, and
 * the owner answers it by client and request number, now or later. A client that misbehaves costs
 * its own connection.
 */
#ifndef KITTY_WORKER_LANE_SOCKET_H
#define KITTY_WORKER_LANE_SOCKET_H

#include <stdint.h>
#include <sys/types.h>

#include <kitty/error.h>
#include <kitty/json.h>

struct event_base;
struct kt_lane_socket; /* opaque */

struct kt_lane_call {
	uint64_t client, request;
	unsigned type;
	const struct kt_json *body; /* borrowed */
	pid_t peer_pid;
};

struct kt_lane_socket_callbacks {
	void (*on_request)(const struct kt_lane_call *call, void *arg);
	void (*on_gone)(uint64_t client, void *arg); /* its answers are not wanted any more */
};

struct kt_lane_socket_spec {
	const char *identity;  /* any text that only this lane has */
	struct kt_json *hello; /* the answer to HELLO; taken, also on failure */
	struct kt_lane_socket_callbacks callbacks;
	void *arg;
};

/* Listens. Gives. */
KT_MUST_CHECK enum kt_code kt_lane_socket_open(struct event_base *base,
	const struct kt_lane_socket_spec *spec, struct kt_lane_socket **out, struct kt_error *err);
const char *kt_lane_socket_path(const struct kt_lane_socket *socket); /* borrowed */

/* Answers; a client that is gone is no error. body is borrowed. */
void kt_lane_socket_answer(
	struct kt_lane_socket *socket, const struct kt_lane_call *call, const struct kt_json *body);
void kt_lane_socket_refuse(struct kt_lane_socket *socket, const struct kt_lane_call *call,
	const struct kt_error *failure);

/* Closes all and removes the socket's file. NULL is fine. */
void kt_lane_socket_close(struct kt_lane_socket *socket);

#endif
