/*
 * UTF-8 checks by the table of RFC 3629, section 4. Both programs, and the fuzz targets.
 * Pure: never allocates, never reads past the length it was given.
 */
#include "ipc/utf8.h"

/* Which second byte may follow which first byte; later bytes are always 80..BF. */
static const struct lead {
	unsigned char first, last, low, high;
	size_t len;
} leads[] = {
	{0xC2, 0xDF, 0x80, 0xBF, 2},
	{0xE0, 0xE0, 0xA0, 0xBF, 3},
	{0xE1, 0xEC, 0x80, 0xBF, 3},
	{0xED, 0xED, 0x80, 0x9F, 3},
	{0xEE, 0xEF, 0x80, 0xBF, 3},
	{0xF0, 0xF0, 0x90, 0xBF, 4},
	{0xF1, 0xF3, 0x80, 0xBF, 4},
	{0xF4, 0xF4, 0x80, 0x8F, 4},
};

static size_t tail_length(const unsigned char *bytes, size_t left, const struct lead *lead)
{
	if (left < lead->len || bytes[1] < lead->low || bytes[1] > lead->high)
		return 0;
	for (size_t i = 2; i < lead->len; i++)
		if ((bytes[i] & 0xC0) != 0x80)
			return 0;
	return lead->len;
}

size_t kt_utf8_length(const char *text, size_t left)
{
	const unsigned char *bytes = (const unsigned char *)text;

	if (bytes[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++)
		if (bytes[0] >= leads[i].first && bytes[0] <= leads[i].last)
			return tail_length(bytes, left, &leads[i]);
	return 0;
}

unsigned kt_utf8_decode(const char *text, size_t len)
{
	static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	const unsigned char *bytes = (const unsigned char *)text;
	unsigned code = bytes[0] & masks[len];

	for (size_t i = 1; i < len; i++)
		code = code << 6 | (bytes[i] & 0x3FU);
	return code;
}
