/*
 * The frame codec. Both programs, fuzz target. Pure.
 * Must never allocate by a length it has not checked, nor read a field before its bytes are there.
 */
#include "ipc/frame.h"

#include <kitty/json.h>
#include <kitty/limits.h>

#define AT_LENGTH 0
#define AT_TYPE 4
#define AT_VERSION 6
#define AT_REQUEST 8

static void put_number(unsigned char *at, size_t size, uint64_t value)
{
	for (size_t i = size; i > 0; i--) {
		at[i - 1] = (unsigned char)(value & 0xFF);
		value >>= 8;
	}
}

static uint64_t get_number(const char *at, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | (unsigned char)at[i];
	return value;
}

void kt_frame_release(struct kt_frame *frame)
{
	kt_json_free(frame->body);
	frame->body = NULL;
}

enum kt_code kt_frame_encode(uint16_t type, uint64_t request_id, const struct kt_json *body,
	struct kt_buffer *out, struct kt_error *err)
{
	unsigned char header[KT_FRAME_HEADER] = {0};
	size_t start = out->len, len;

	kt_buffer_append(out, header, sizeof header);
	if (body == NULL)
		kt_buffer_puts(out, "{}");
	else
		kt_json_write(body, KT_JSON_COMPACT, out);
	len = out->len - start - sizeof header;
	if (len > KT_FRAME_MAX) {
		out->len = start;
		out->data[start] = '\0';
		return kt_error_set(err, KT_E_FRAME_TOO_LARGE,
			"message %u: %zu bytes, at most %u are allowed", type, len, KT_FRAME_MAX);
	}
	put_number((unsigned char *)out->data + start + AT_LENGTH, 4, len);
	put_number((unsigned char *)out->data + start + AT_TYPE, 2, type);
	put_number((unsigned char *)out->data + start + AT_VERSION, 2, KT_PROTOCOL_VERSION);
	put_number((unsigned char *)out->data + start + AT_REQUEST, 8, request_id);
	return KT_E_OK;
}

void kt_frame_decoder_release(struct kt_frame_decoder *decoder)
{
	kt_buffer_release(&decoder->pending);
}

void kt_frame_decoder_feed(struct kt_frame_decoder *decoder, const void *bytes, size_t len)
{
	if (decoder->failure == KT_E_OK)
		kt_buffer_append(&decoder->pending, bytes, len);
}

/* Version first: another version may give the other fields another meaning. */
static enum kt_code check_header(const char *header, struct kt_error *err)
{
	uint64_t version = get_number(header + AT_VERSION, 2);
	uint64_t len = get_number(header + AT_LENGTH, 4);

	if (version != KT_PROTOCOL_VERSION)
		return kt_error_set(err, KT_E_PROTOCOL_VERSION, "version %u, this is version %d",
			(unsigned)version, KT_PROTOCOL_VERSION);
	if (len > KT_FRAME_MAX)
		return kt_error_set(err, KT_E_FRAME_TOO_LARGE, "%u bytes, at most %u are allowed",
			(unsigned)len, KT_FRAME_MAX);
	return KT_E_OK;
}

static enum kt_code parse_body(
	const char *text, size_t len, struct kt_json **out, struct kt_error *err)
{
	struct kt_error reason = KT_ERROR_INIT;
	struct kt_json *body = NULL;

	if (kt_json_parse(text, len, KT_JSON_NO_DUPLICATES, &body, &reason) != KT_E_OK)
		return kt_error_set(err, KT_E_FRAME_INVALID, "%.400s", reason.detail);
	if (!kt_json_is(body, KT_JSON_OBJECT)) {
		kt_json_free(body);
		return kt_error_set(err, KT_E_FRAME_INVALID, "the body is no JSON object");
	}
	*out = body;
	return KT_E_OK;
}

static enum kt_code fail(struct kt_frame_decoder *decoder, enum kt_code code)
{
	decoder->failure = code;
	kt_buffer_release(&decoder->pending);
	return code;
}

enum kt_code kt_frame_decoder_next(struct kt_frame_decoder *decoder, struct kt_frame *out,
	bool *has_frame, struct kt_error *err)
{
	const char *header = kt_buffer_text(&decoder->pending);
	struct kt_json *body = NULL;
	enum kt_code code;
	size_t len;

	*has_frame = false;
	if (decoder->failure != KT_E_OK)
		return kt_error_set(err, decoder->failure, "an earlier frame was malformed");
	if (decoder->pending.len < KT_FRAME_HEADER)
		return KT_E_OK;
	code = check_header(header, err);
	if (code != KT_E_OK)
		return fail(decoder, code);
	len = (size_t)get_number(header + AT_LENGTH, 4);
	if (decoder->pending.len - KT_FRAME_HEADER < len)
		return KT_E_OK;
	code = parse_body(header + KT_FRAME_HEADER, len, &body, err);
	if (code != KT_E_OK)
		return fail(decoder, code);
	*out = (struct kt_frame){(uint16_t)get_number(header + AT_TYPE, 2),
		get_number(header + AT_REQUEST, 8), body};
	*has_frame = true;
	kt_buffer_consume(&decoder->pending, KT_FRAME_HEADER + len);
	return KT_E_OK;
}

size_t kt_frame_decoder_pending(const struct kt_frame_decoder *decoder)
{
	return decoder->pending.len;
}
