/*
 * Frames from a hostile peer: whatever the bytes and however they are split, the decoder ends in
 * frames or in its error, gives the same frames both ways, and never takes one longer than the
 * limit.
 */
#include <kitty/json.h>
#include <kitty/limits.h>

#include "fuzz/target.h"
#include "ipc/frame.h"

static size_t drain(struct kt_frame_decoder *decoder)
{
	struct kt_error err = KT_ERROR_INIT;
	bool has_frame = true;
	size_t count = 0;

	while (has_frame) {
		struct kt_frame frame = KT_FRAME_INIT;
		has_frame = false;
		if (kt_frame_decoder_next(decoder, &frame, &has_frame, &err) != KT_E_OK)
			break;
		if (has_frame) {
			KT_BUG_UNLESS(kt_json_is(frame.body, KT_JSON_OBJECT));
			kt_frame_release(&frame);
			count++;
		}
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_frame_decoder whole = KT_FRAME_DECODER_INIT;
	struct kt_frame_decoder pieces = KT_FRAME_DECODER_INIT;
	size_t count = 0;

	kt_frame_decoder_feed(&whole, bytes, len);
	count = drain(&whole);
	for (size_t at = 0; at < len; at += 7) {
		kt_frame_decoder_feed(&pieces, bytes + at, len - at < 7 ? len - at : 7);
		count -= drain(&pieces);
	}
	KT_BUG_UNLESS(count == 0);
	KT_BUG_UNLESS(whole.failure == pieces.failure);
	kt_frame_decoder_release(&whole);
	kt_frame_decoder_release(&pieces);
	return 0;
}
