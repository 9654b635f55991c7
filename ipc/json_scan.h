/*
 * The strict reader's first pass: is this text JSON, by RFC 8259 and our own bounds? cJSON, which
 * builds the tree afterwards, accepts too much (traps: invalid UTF-8, trailing garbage, raw
 * control characters, \u0000, lone surrogates). The pass remembers where the numbers stand.
 */
#ifndef KITTY_IPC_JSON_SCAN_H
#define KITTY_IPC_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct kt_json_span {
	size_t start;
	size_t len;
};

struct kt_json_scan {
	const char *text;
	size_t at; /* after a failure: where */
	size_t len;
	unsigned depth;
	const char *reason;           /* NULL: no failure */
	struct kt_json_span *numbers; /* in document order */
	size_t numbers_len, numbers_max;
};

/* True when the whole text is one JSON value. Release the scan in either case. */
bool kt_json_scan(struct kt_json_scan *scan, const char *text, size_t len);

void kt_json_scan_release(struct kt_json_scan *scan);

#endif
