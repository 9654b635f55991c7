/*
 * Recursive descent over JSON's grammar without building anything. Both programs, fuzz target.
 * Must never read at or past text + len: the text need not end in NUL.
 */
#include "ipc/json_scan.h"

#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/json_tree.h"
#include "ipc/utf8.h"

static bool scan_value(struct kt_json_scan *scan);

static bool fail(struct kt_json_scan *scan, const char *reason)
{
	if (scan->reason == NULL)
		scan->reason = reason;
	return false;
}

/* The byte at the reading position, or -1 at the end. */
static int peek(const struct kt_json_scan *scan)
{
	return scan->at < scan->len ? (unsigned char)scan->text[scan->at] : -1;
}

static bool accept(struct kt_json_scan *scan, int byte)
{
	if (peek(scan) != byte)
		return false;
	scan->at++;
	return true;
}

static void skip_space(struct kt_json_scan *scan)
{
	int byte = peek(scan);

	while (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
		scan->at++;
		byte = peek(scan);
	}
}

static int hex_digit(int byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Four hexadecimal digits after \u; -1 when they are not there. */
static int scan_hex4(struct kt_json_scan *scan)
{
	int code = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(peek(scan));

		if (digit < 0)
			return -1;
		code = code * 16 + digit;
		scan->at++;
	}
	return code;
}

static bool scan_low_surrogate(struct kt_json_scan *scan)
{
	int code;

	if (!accept(scan, '\\') || !accept(scan, 'u'))
		return fail(scan, "a lone surrogate");
	code = scan_hex4(scan);
	return (code >= 0xDC00 && code <= 0xDFFF) || fail(scan, "a lone surrogate");
}

static bool scan_unicode_escape(struct kt_json_scan *scan)
{
	int code = scan_hex4(scan);

	if (code < 0)
		return fail(scan, "a \\u escape without four hexadecimal digits");
	if (code == 0)
		return fail(scan, "a NUL character in a string");
	if (code >= 0xD800 && code <= 0xDBFF)
		return scan_low_surrogate(scan);
	if (code >= 0xDC00 && code <= 0xDFFF)
		return fail(scan, "a lone surrogate");
	return true;
}

static bool scan_escape(struct kt_json_scan *scan)
{
	int byte = peek(scan);

	if (byte < 0 || strchr("\"\\/bfnrtu", byte) == NULL || byte == 0)
		return fail(scan, "an unknown escape in a string");
	scan->at++;
	return byte != 'u' || scan_unicode_escape(scan);
}

static bool scan_wide_character(struct kt_json_scan *scan)
{
	size_t step = kt_utf8_length(scan->text + scan->at, scan->len - scan->at);

	scan->at += step;
	return step > 0 || fail(scan, "invalid UTF-8");
}

/* The opening quote has been read. */
static bool scan_string(struct kt_json_scan *scan)
{
	for (;;) {
		int byte = peek(scan);

		while (byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\') {
			scan->at++;
			byte = peek(scan);
		}
		if (byte < 0)
			return fail(scan, "a string without an end");
		if (byte < ' ')
			return fail(scan, "a control character in a string");
		if (byte >= 0x80) {
			if (!scan_wide_character(scan))
				return false;
			continue;
		}
		scan->at++;
		if (byte == '"')
			return true;
		if (!scan_escape(scan))
			return false;
	}
}

static bool scan_digits(struct kt_json_scan *scan)
{
	size_t start = scan->at;

	while (peek(scan) >= '0' && peek(scan) <= '9')
		scan->at++;
	return scan->at > start || fail(scan, "a number without digits");
}

static void remember_number(struct kt_json_scan *scan, size_t start)
{
	if (scan->numbers_len == scan->numbers_max) {
		scan->numbers_max = scan->numbers_max * 2 + 16;
		scan->numbers =
			kt_realloc_array(scan->numbers, scan->numbers_max, sizeof *scan->numbers);
	}
	scan->numbers[scan->numbers_len].start = start;
	scan->numbers[scan->numbers_len].len = scan->at - start;
	scan->numbers_len++;
}

static bool scan_exponent(struct kt_json_scan *scan)
{
	if (!accept(scan, 'e') && !accept(scan, 'E'))
		return true;
	if (!accept(scan, '+'))
		(void)accept(scan, '-');
	return scan_digits(scan);
}

static bool scan_number(struct kt_json_scan *scan)
{
	size_t start = scan->at;

	(void)accept(scan, '-');
	if (!accept(scan, '0') && !scan_digits(scan))
		return false;
	if (accept(scan, '.') && !scan_digits(scan))
		return false;
	if (!scan_exponent(scan))
		return false;
	if (scan->at - start >= KT_NUMBER_TEXT_MAX)
		return fail(scan, "a number of more than 63 bytes");
	remember_number(scan, start);
	return true;
}

static bool scan_word(struct kt_json_scan *scan, const char *word)
{
	size_t len = strlen(word);

	if (scan->len - scan->at < len || memcmp(scan->text + scan->at, word, len) != 0)
		return fail(scan, "an unknown word");
	scan->at += len;
	return true;
}

static bool scan_member(struct kt_json_scan *scan)
{
	skip_space(scan);
	if (!accept(scan, '"'))
		return fail(scan, "a member without a name");
	if (!scan_string(scan))
		return false;
	skip_space(scan);
	return (accept(scan, ':') || fail(scan, "a member without a colon")) && scan_value(scan);
}

/* The opening bracket has been read; each reads one item. */
static bool scan_items(
	struct kt_json_scan *scan, int closing, bool (*each)(struct kt_json_scan *scan))
{
	if (++scan->depth > KT_JSON_DEPTH_MAX)
		return fail(scan, "nested too deeply");
	skip_space(scan);
	if (accept(scan, closing)) {
		scan->depth--;
		return true;
	}
	do {
		if (!each(scan))
			return false;
		skip_space(scan);
	} while (accept(scan, ','));
	scan->depth--;
	return accept(scan, closing) || fail(scan, "a comma or a closing bracket is missing");
}

static bool scan_value(struct kt_json_scan *scan)
{
	int byte;

	skip_space(scan);
	byte = peek(scan);
	if (byte == '-' || (byte >= '0' && byte <= '9'))
		return scan_number(scan);
	if (byte == 't')
		return scan_word(scan, "true");
	if (byte == 'f')
		return scan_word(scan, "false");
	if (byte == 'n')
		return scan_word(scan, "null");
	if (accept(scan, '"'))
		return scan_string(scan);
	if (accept(scan, '{'))
		return scan_items(scan, '}', scan_member);
	if (accept(scan, '['))
		return scan_items(scan, ']', scan_value);
	return fail(scan, byte < 0 ? "the end where a value is due" : "no value begins like this");
}

bool kt_json_scan(struct kt_json_scan *scan, const char *text, size_t len)
{
	*scan = (struct kt_json_scan){.text = text, .len = len};
	if (!scan_value(scan))
		return false;
	skip_space(scan);
	return scan->at == scan->len || fail(scan, "text after the value");
}

void kt_json_scan_release(struct kt_json_scan *scan)
{
	free(scan->numbers);
	scan->numbers = NULL;
}
