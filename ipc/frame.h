/*
 * The frame: what travels between kitty's processes. Pure: bytes to frames and back, no descriptor.
 *
 *   u32 length of the body, u16 message type, u16 protocol version, u64 request id   (all
 * big-endian) then `length` bytes: one JSON object
 *
 * Encode appends a whole frame to a buffer. Decoding: feed bytes as they come, take frames until
 * there is none. A malformed frame fails the decoder for good; the connection it came from must be
 * closed, because there is no telling where the next frame would begin.
 */
#ifndef KITTY_IPC_FRAME_H
#define KITTY_IPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kitty/error.h>

#include "ipc/buffer.h"

struct kt_json;

#define KT_FRAME_HEADER 16 /* bytes */
#define KT_PROTOCOL_VERSION 1

struct kt_frame {
	uint16_t type; /* a number of messages.def; unknown ones are decoded, too */
	uint64_t request_id;
	struct kt_json *body; /* an object, owned by the frame */
};

#define KT_FRAME_INIT \
	{ \
		0, 0, NULL \
	}

void kt_frame_release(struct kt_frame *frame); /* frees the body */

/*
 * Appends one frame. body is borrowed; NULL is an empty object.
 * Errors: KT_E_FRAME_TOO_LARGE (nothing was appended).
 */
KT_MUST_CHECK enum kt_code kt_frame_encode(uint16_t type, uint64_t request_id,
	const struct kt_json *body, struct kt_buffer *out, struct kt_error *err);

struct kt_frame_decoder {
	struct kt_buffer pending; /* at most one frame and what came with it */
	enum kt_code failure;     /* KT_E_OK as long as all went well */
};

#define KT_FRAME_DECODER_INIT \
	{ \
		KT_BUFFER_INIT, KT_E_OK \
	}

void kt_frame_decoder_release(struct kt_frame_decoder *decoder);
void kt_frame_decoder_feed(struct kt_frame_decoder *decoder, const void *bytes, size_t len);

/*
 * Takes the next whole frame: *has_frame tells whether there was one; the caller releases it.
 * Errors: KT_E_FRAME_INVALID, KT_E_FRAME_TOO_LARGE, KT_E_PROTOCOL_VERSION, now and ever after.
 */
KT_MUST_CHECK enum kt_code kt_frame_decoder_next(struct kt_frame_decoder *decoder,
	struct kt_frame *out, bool *has_frame, struct kt_error *err);

/* Bytes of a frame that is not complete; at end-of-file they are discarded, never half applied. */
size_t kt_frame_decoder_pending(const struct kt_frame_decoder *decoder);

#endif
