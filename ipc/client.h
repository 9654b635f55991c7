/*
 * A blocking connection for commands: no event loop, every wait has an end. kitty's commands (to
 * the supervisor or, inside an agent, to the worker) and a worker started by hand.
 *
 *   kt_client_open -> kt_client_call ... (kt_client_receive ... for streams) -> kt_client_close
 */
#ifndef KITTY_IPC_CLIENT_H
#define KITTY_IPC_CLIENT_H

#include <stdbool.h>

#include <kitty/error.h>

#include "ipc/frame.h"

struct kt_client; /* opaque */
struct kt_json;

/*
 * Connects and says HELLO. hello is borrowed: an object with role, mission, ...; version and pid
 * are added. Errors: KT_E_SUPERVISOR_ABSENT (nobody listens, or no HELLO within
 * KT_HELLO_TIMEOUT_MS), KT_E_PEER_REFUSED, KT_E_PROTOCOL_VERSION, or the error the peer answered
 * with.
 */
KT_MUST_CHECK enum kt_code kt_client_open(const char *path, const struct kt_json *hello,
	struct kt_client **out, struct kt_error *err);
void kt_client_close(struct kt_client *client); /* NULL is fine */

const struct kt_json *kt_client_hello(
	const struct kt_client *client); /* the peer's answer; borrowed */

/*
 * Sends one request and waits for its answer (timeout_ms < 0: for ever); gives *answer. Borrows
 * body. An error body is an answer like any other: kt_message_error_decode tells. Pushed frames
 * that come in between are kept for kt_client_receive. Errors: KT_E_OUTCOME_UNKNOWN once the whole
 * request was sent and no answer came (broken, late or malformed): it may have been carried out;
 * KT_E_SUPERVISOR_ABSENT when it cannot have been. After an error only close is left.
 */
KT_MUST_CHECK enum kt_code kt_client_call(struct kt_client *client, unsigned type,
	const struct kt_json *body, int timeout_ms, struct kt_json **answer, struct kt_error *err);

/*
 * The next frame that is no answer: *has_frame is false when timeout_ms passed without one. The
 * caller releases it. Errors: KT_E_SUPERVISOR_ABSENT when the connection ended, KT_E_FRAME_...
 */
KT_MUST_CHECK enum kt_code kt_client_receive(struct kt_client *client, int timeout_ms,
	struct kt_frame *frame, bool *has_frame, struct kt_error *err);

/* For polling beside other descriptors; drain kt_client_receive with timeout 0 before each poll. */
int kt_client_fd(const struct kt_client *client);

/*
 * Gives the descriptor away and frees the client (CLAIM_LANE: the connection becomes a channel).
 * What was received beyond the last answer is appended to received, for kt_channel_feed.
 */
int kt_client_take_fd(struct kt_client *client, struct kt_buffer *received);

#endif
