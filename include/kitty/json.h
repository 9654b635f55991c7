/*
 * JSON values: cJSON behind a strict reader and a canonical writer. The only header through which
 * the project touches JSON.
 *
 * Reading: UTF-8 is checked, the whole input must be one value, nesting is bounded, NUL bytes and
 * lone surrogates are refused, and of duplicate keys the last one wins (or is refused, see flags).
 * Key look-up is case-sensitive. Integers keep their text, so 64-bit values survive; other numbers
 * become the text Python prints (1e5 is 100000.0); a number of more than 63 bytes or beyond a
 * double is refused. A tree holds only valid UTF-8 without NUL: kt_json_new_string turns other
 * bytes into U+FFFD.
 *
 * Writing: Python's json.dumps, byte for byte. Row dialect: one line, ", " and ": ", keys sorted by
 * code point, non-ASCII escaped. Pretty dialects: indent 2, sorted or insertion order, raw or
 * escaped.
 *
 * Ownership: parse/new/copy give; add/set take the child; get/at borrow from the parent.
 */
#ifndef KITTY_JSON_H
#define KITTY_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kitty/error.h>

struct kt_json; /* opaque */
struct kt_buffer;

enum kt_json_type {
	KT_JSON_NULL,
	KT_JSON_BOOL,
	KT_JSON_NUMBER,
	KT_JSON_STRING,
	KT_JSON_ARRAY,
	KT_JSON_OBJECT
};

enum kt_json_flags { KT_JSON_LAST_WINS = 0, KT_JSON_NO_DUPLICATES = 1 };

/* Errors: KT_E_JSON_INVALID, detail says byte offset and reason. Gives *out. */
KT_MUST_CHECK enum kt_code kt_json_parse(
	const char *text, size_t len, unsigned flags, struct kt_json **out, struct kt_error *err);

void kt_json_free(struct kt_json *value); /* NULL is fine */
struct kt_json *kt_json_copy(const struct kt_json *value);
bool kt_json_equal(const struct kt_json *left, const struct kt_json *right); /* key order ignored */

enum kt_json_type kt_json_type(const struct kt_json *value);
bool kt_json_is(const struct kt_json *value, enum kt_json_type type); /* NULL gives false */
bool kt_json_is_truthy(const struct kt_json *value); /* Python's bool(); NULL gives false */

struct kt_json *kt_json_new_null(void);
struct kt_json *kt_json_new_bool(bool value);
struct kt_json *kt_json_new_int(int64_t value);
struct kt_json *kt_json_new_double(double value);     /* shortest round-trip text */
struct kt_json *kt_json_new_string(const char *text); /* NULL gives a JSON null */
struct kt_json *kt_json_new_string_len(const char *text, size_t len);
struct kt_json *kt_json_new_array(void);
struct kt_json *kt_json_new_object(void);

/* Objects. set replaces a member of that name in place and takes value. */
void kt_json_set(struct kt_json *object, const char *key, struct kt_json *value);
void kt_json_set_string(struct kt_json *object, const char *key, const char *text); /* NULL: null */
void kt_json_set_int(struct kt_json *object, const char *key, int64_t value);
void kt_json_set_bool(struct kt_json *object, const char *key, bool value);
void kt_json_remove(struct kt_json *object, const char *key);
struct kt_json *kt_json_get(const struct kt_json *object, const char *key);    /* NULL: absent */
const char *kt_json_get_string(const struct kt_json *object, const char *key); /* NULL: no string */
bool kt_json_get_int(const struct kt_json *object, const char *key, int64_t *out);
bool kt_json_get_bool(const struct kt_json *object, const char *key, bool fallback);

/* Arrays. */
void kt_json_append(struct kt_json *array, struct kt_json *value);
size_t kt_json_size(const struct kt_json *value); /* members or elements; 0 for NULL and scalars */

/* Iteration over members or elements, in order: for (c = first; c; c = next). */
struct kt_json *kt_json_first(const struct kt_json *value);
struct kt_json *kt_json_next(const struct kt_json *value);
const char *kt_json_key(const struct kt_json *value); /* name of a member */

const char *kt_json_string(const struct kt_json *value); /* NULL when no string */
bool kt_json_int(const struct kt_json *value, int64_t *out);
/* As Python prints it; NULL: no number. */
const char *kt_json_number_text(const struct kt_json *value);

enum kt_json_style {
	KT_JSON_ROW,     /* log rows: one line, ", " ": ", sorted, escaped */
	KT_JSON_COMPACT, /* one line, ", " ": ", in order, raw UTF-8: our own --json, streams */
	KT_JSON_PRETTY_SORTED, /* status.json, meta.json: indent 2, sorted, raw UTF-8, no newline */
	KT_JSON_PRETTY_ORDERED, /* lanes.json: indent 2, in order, escaped, no newline */
	KT_JSON_PRETTY_RAW      /* --json on a terminal: indent 2, in order, raw UTF-8 */
};

/* Appends the text; the caller adds the final newline where the file has one. */
void kt_json_write(const struct kt_json *value, enum kt_json_style style, struct kt_buffer *out);

/* Appends one quoted string in the row dialect (escaped) or raw UTF-8. For writers without a tree.
 */
void kt_json_write_string(
	const char *text, size_t len, bool escape_non_ascii, struct kt_buffer *out);

#endif
