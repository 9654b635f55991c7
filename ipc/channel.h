/*
 * Frames over a socket or a pair of pipes, driven by libevent. Supervisor and worker.
 *
 *   channel = kt_channel_new(base, fd, fd, &callbacks, arg);
 *   kt_channel_send(channel, KT_MSG_..., id, body, &err);   any time, also inside callbacks
 *   kt_channel_free(channel);                               any time, also inside its own callbacks
 *
 * The frame a callback gets is borrowed; it may keep the body by setting frame->body to NULL.
 * on_closed is called once, with code KT_E_OK after an end-of-file, and nothing is called after it;
 * the channel stays valid until it is freed. Bytes of an incomplete frame are discarded.
 *
 * Output waits in a queue of at most KT_QUEUE_BYTES_MAX bytes. A send that does not fit is refused
 * whole (KT_E_LIMIT) and the channel stays usable: whoever sends to slow readers sends something
 * smaller instead. A peer that reads nothing for KT_QUEUE_AGE_MS while bytes wait is given up
 * (KT_E_LIMIT in on_closed).
 *
 * Back-pressure: while a channel is paused, no frame is handed out and nothing is read from the
 * peer. A malformed frame closes the channel, after one attempt to tell the peer why.
 */
#ifndef KITTY_IPC_CHANNEL_H
#define KITTY_IPC_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kitty/error.h>

#include "ipc/frame.h"

struct event_base;
struct kt_channel; /* opaque */
struct kt_json;

struct kt_channel_callbacks {
	void (*on_frame)(struct kt_channel *channel, struct kt_frame *frame, void *arg);
	void (*on_closed)(struct kt_channel *channel, const struct kt_error *err, void *arg);
};

/* Takes both descriptors (they may be one) and makes them non-blocking; copies the callbacks. */
struct kt_channel *kt_channel_new(struct event_base *base, int read_fd, int write_fd,
	const struct kt_channel_callbacks *callbacks, void *arg);

/* Closes and frees. Inside a callback of this channel it frees after the callback. NULL is fine. */
void kt_channel_free(struct kt_channel *channel);

/* Borrows body; NULL is {}. Errors: KT_E_LIMIT, KT_E_FRAME_TOO_LARGE, KT_E_IO when it is closed. */
KT_MUST_CHECK enum kt_code kt_channel_send(struct kt_channel *channel, unsigned type,
	uint64_t request_id, const struct kt_json *body, struct kt_error *err);

/* Sends failure as an error body; what cannot be sent is dropped. */
void kt_channel_send_error(struct kt_channel *channel, unsigned type, uint64_t request_id,
	const struct kt_error *failure);

uint64_t kt_channel_next_id(struct kt_channel *channel); /* 1, 2, ...: ids for own requests */

/* Bytes of the peer that somebody else read before the channel was made. Handed out on the next
 * turn. */
void kt_channel_feed(struct kt_channel *channel, const void *bytes, size_t len);

/* Reads no more, sends what is queued, then closes (on_closed with KT_E_OK). */
void kt_channel_finish(struct kt_channel *channel);

void kt_channel_pause(struct kt_channel *channel);
void kt_channel_resume(struct kt_channel *channel);

size_t kt_channel_queued(const struct kt_channel *channel); /* bytes */
bool kt_channel_is_closed(const struct kt_channel *channel);

/* Another age than KT_QUEUE_AGE_MS, or another number of bytes than KT_QUEUE_BYTES_MAX. */
void kt_channel_set_limits(struct kt_channel *channel, size_t queue_bytes, int age_ms);

#endif
