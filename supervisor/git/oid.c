/*
 * Object ids and their text. Pure; used by every part of kitty.
 */
#include "supervisor/git/oid.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

struct kt_oid_text kt_oid_format(const struct kt_oid *oid)
{
	struct kt_oid_text out;

	for (size_t i = 0; i < sizeof oid->bytes; i++) {
		out.text[2 * i] = digits[oid->bytes[i] >> 4];
		out.text[2 * i + 1] = digits[oid->bytes[i] & 15];
	}
	out.text[40] = '\0';
	return out;
}

static int digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

bool kt_oid_parse(const char *text, struct kt_oid *out)
{
	struct kt_oid oid;

	for (size_t i = 0; i < sizeof oid.bytes; i++) {
		int high = digit_value(text[2 * i]);
		int low = high < 0 ? -1 : digit_value(text[2 * i + 1]);

		if (low < 0)
			return false;
		oid.bytes[i] = (unsigned char)(high << 4 | low);
	}
	if (text[40] != '\0')
		return false;
	*out = oid;
	return true;
}

bool kt_oid_equal(const struct kt_oid *left, const struct kt_oid *right)
{
	return memcmp(left->bytes, right->bytes, sizeof left->bytes) == 0;
}

bool kt_oid_is_zero(const struct kt_oid *oid)
{
	static const struct kt_oid zero;

	return kt_oid_equal(oid, &zero);
}
