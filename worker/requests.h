/*
 * Requests that the worker has sent to the supervisor and that are not answered yet: its own, and
 * those of the agent's kitty that it passes on. Pure; no descriptors.
 *
 * Numbers are dense, start at 1 and are never reused. The number in a client's own frame means
 * something only together with the client; that is why it is mapped.
 */
#ifndef KITTY_WORKER_REQUESTS_H
#define KITTY_WORKER_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KT_REQUESTS_MAX = 256 }; /* in flight; more are refused */

struct kt_request {
	uint64_t number; /* towards the supervisor */
	uint64_t client; /* of the lane socket; 0: the worker itself, or the client is gone */
	uint64_t client_request; /* the number in the client's frame */
	unsigned type;           /* of messages.def, as the client sent it */
};

struct kt_requests {
	struct kt_request *all;
	size_t len;
	uint64_t last_number;
};

void kt_requests_release(struct kt_requests *requests);

/* The number for the frame to the supervisor; 0 when too many are in flight. */
uint64_t kt_requests_add(
	struct kt_requests *requests, uint64_t client, uint64_t client_request, unsigned type);

/* An answer came: takes its request out. False when there is no such request. */
bool kt_requests_take(struct kt_requests *requests, uint64_t number, struct kt_request *out);

/* The oldest one, whatever it is; false when there is none. For the end of the connection. */
bool kt_requests_take_oldest(struct kt_requests *requests, struct kt_request *out);

/* A client went away: its answers will come, and nobody wants them. */
void kt_requests_forget_client(struct kt_requests *requests, uint64_t client);

size_t kt_requests_of_client(const struct kt_requests *requests, uint64_t client);

#endif
