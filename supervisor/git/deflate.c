/*
 * Compression of pack entries, level 1. For a log that only grows, the state of the compressor is
 * kept after a flush; finishing a copy of it gives the end of the stream, so a version costs its
 * new bytes only. Memory only.
 */
#include "supervisor/git/deflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#define LEVEL 1

struct kt_deflater {
	z_stream small;
	/* The growing log: `head` holds the compressed form of the first `len` bytes of blob `oid`.
	 */
	z_stream grown;
	bool has_grown;
	struct kt_oid oid;
	size_t len;
	struct kt_buffer head;
};

static void start(z_stream *stream)
{
	*stream = (z_stream){.zalloc = Z_NULL};
	/* Its only other failures are of the caller's making. */
	if (deflateInit(stream, LEVEL) != Z_OK)
		kt_out_of_memory();
}

struct kt_deflater *kt_deflater_new(void)
{
	struct kt_deflater *deflater = kt_alloc(sizeof *deflater);

	start(&deflater->small);
	return deflater;
}

static void drop_grown(struct kt_deflater *deflater)
{
	if (deflater->has_grown)
		(void)deflateEnd(&deflater->grown);
	deflater->has_grown = false;
	deflater->len = 0;
	kt_buffer_clear(&deflater->head);
}

void kt_deflater_free(struct kt_deflater *deflater)
{
	if (deflater == NULL)
		return;
	drop_grown(deflater);
	kt_buffer_release(&deflater->head);
	(void)deflateEnd(&deflater->small);
	free(deflater);
}

/* Feeds everything and collects everything, in pieces that zlib's counters can hold. */
static void feed(
	z_stream *stream, const char *bytes, size_t len, int last_flush, struct kt_buffer *out)
{
	const size_t piece_max = 1U << 30;
	bool is_last;

	do {
		size_t piece = len < piece_max ? len : piece_max;
		int state;

		is_last = piece == len;
		/* zlib never writes through next_in; its declaration is older than const. */
		stream->next_in = (Bytef *)(uintptr_t)bytes;
		stream->avail_in = (uInt)piece;
		do {
			kt_buffer_reserve(out, deflateBound(stream, stream->avail_in) + 64);
			stream->next_out = (Bytef *)out->data + out->len;
			stream->avail_out = (uInt)(out->capacity - out->len - 1);
			state = deflate(stream, is_last ? last_flush : Z_NO_FLUSH);
			KT_BUG_UNLESS(
				state == Z_OK || state == Z_STREAM_END || state == Z_BUF_ERROR);
			out->len = (size_t)((char *)stream->next_out - out->data);
		} while (stream->avail_out == 0 ||
			 (last_flush == Z_FINISH && is_last && state == Z_OK));
		bytes += piece;
		len -= piece;
	} while (!is_last);
	out->data[out->len] = '\0';
}

void kt_deflate(struct kt_deflater *deflater, const char *bytes, size_t len, struct kt_buffer *out)
{
	KT_BUG_UNLESS(deflateReset(&deflater->small) == Z_OK);
	feed(&deflater->small, bytes, len, Z_FINISH, out);
}

void kt_deflate_grown(struct kt_deflater *deflater, const struct kt_batch_object *object,
	const char *bytes, struct kt_buffer *out)
{
	z_stream ending;
	bool goes_on = deflater->has_grown && object->origin_len == deflater->len &&
		       kt_oid_equal(&object->origin, &deflater->oid);

	if (!goes_on) {
		drop_grown(deflater);
		start(&deflater->grown);
		deflater->has_grown = true;
	}
	feed(&deflater->grown, bytes + deflater->len, object->len - deflater->len, Z_SYNC_FLUSH,
		&deflater->head);
	deflater->oid = object->oid;
	deflater->len = object->len;
	kt_buffer_append(out, deflater->head.data, deflater->head.len);
	if (deflateCopy(&ending, &deflater->grown) != Z_OK)
		kt_out_of_memory();
	feed(&ending, "", 0, Z_FINISH, out);
	(void)deflateEnd(&ending);
}
