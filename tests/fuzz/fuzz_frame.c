/*
 * Frames from a hostile peer: whatever the bytes and however they are split, the decoder ends in
 * frames or in its error, gives the same frames both ways, and never takes one longer than the
 * limit. A frame that was taken can be sent again and arrives as the same frame.
 */
#include <string.h>

#include <kitty/json.h>
#include <kitty/limits.h>

#include "fuzz/target.h"
#include "ipc/frame.h"

enum { PIECE = 7 };

/* Every frame that is there, encoded again behind what `out` holds. */
static void drain(struct kt_frame_decoder *decoder, struct kt_buffer *out)
{
	struct kt_error err = KT_ERROR_INIT;
	bool has_frame = true;

	while (has_frame) {
		struct kt_frame frame = KT_FRAME_INIT;

		has_frame = false;
		if (kt_frame_decoder_next(decoder, &frame, &has_frame, &err) != KT_E_OK)
			break;
		if (!has_frame)
			break;
		KT_BUG_UNLESS(kt_json_is(frame.body, KT_JSON_OBJECT));
		/* Escapes may make a body longer than what came in, but never past the limit here.
		 */
		KT_BUG_UNLESS(kt_frame_encode(frame.type, frame.request_id, frame.body, out,
				      &err) == KT_E_OK);
		kt_frame_release(&frame);
	}
}

static void expect_fixed_point(const struct kt_buffer *frames)
{
	struct kt_frame_decoder decoder = KT_FRAME_DECODER_INIT;
	struct kt_buffer again = KT_BUFFER_INIT;

	kt_frame_decoder_feed(&decoder, kt_buffer_text(frames), frames->len);
	drain(&decoder, &again);
	KT_BUG_UNLESS(decoder.failure == KT_E_OK && kt_frame_decoder_pending(&decoder) == 0);
	KT_BUG_UNLESS(again.len == frames->len &&
		      memcmp(kt_buffer_text(&again), kt_buffer_text(frames), again.len) == 0);
	kt_buffer_release(&again);
	kt_frame_decoder_release(&decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_frame_decoder whole = KT_FRAME_DECODER_INIT, pieces = KT_FRAME_DECODER_INIT;
	struct kt_buffer from_whole = KT_BUFFER_INIT, from_pieces = KT_BUFFER_INIT;

	kt_frame_decoder_feed(&whole, bytes, len);
	drain(&whole, &from_whole);
	for (size_t at = 0; at < len; at += PIECE) {
		kt_frame_decoder_feed(&pieces, bytes + at, len - at < PIECE ? len - at : PIECE);
		drain(&pieces, &from_pieces);
	}
	KT_BUG_UNLESS(from_whole.len == from_pieces.len &&
		      memcmp(kt_buffer_text(&from_whole), kt_buffer_text(&from_pieces),
			      from_whole.len) == 0);
	KT_BUG_UNLESS(whole.failure == pieces.failure);
	expect_fixed_point(&from_whole);
	kt_buffer_release(&from_whole);
	kt_buffer_release(&from_pieces);
	kt_frame_decoder_release(&whole);
	kt_frame_decoder_release(&pieces);
	return 0;
}
