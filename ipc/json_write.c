/*
 * Tree to text, byte for byte as Python's json.dumps writes it. Both programs.
 * Pure: never changes the tree (sorting happens in an array of pointers beside it).
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/json_tree.h"
#include "ipc/utf8.h"

/* One row per enum kt_json_style. */
static const struct style {
	bool is_indented, is_sorted, is_escaped;
} styles[] = {
	[KT_JSON_ROW] = {false, true, true},
	[KT_JSON_COMPACT] = {false, false, false},
	[KT_JSON_PRETTY_SORTED] = {true, true, false},
	[KT_JSON_PRETTY_ORDERED] = {true, false, true},
	[KT_JSON_PRETTY_RAW] = {true, false, false},
};

struct writer {
	const struct style *style;
	struct kt_buffer *out;
	unsigned depth;
};

static void write_value(struct writer *writer, const struct kt_json *value);

/* The two-character escapes; 0 where there is none. */
static const char short_escapes[128] = {
	['"'] = '"',
	['\\'] = '\\',
	['\n'] = 'n',
	['\r'] = 'r',
	['\t'] = 't',
	['\b'] = 'b',
	['\f'] = 'f',
};

static void write_code_point(struct kt_buffer *out, unsigned code)
{
	if (code > 0xFFFF) {
		code -= 0x10000;
		kt_buffer_printf(
			out, "\\u%04x\\u%04x", 0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF));
	} else {
		kt_buffer_printf(out, "\\u%04x", code);
	}
}

/* One character that cannot be copied as it is; returns its length in bytes. */
static size_t write_special(struct kt_buffer *out, const char *text, size_t left, bool is_escaped)
{
	unsigned char byte = (unsigned char)*text;
	size_t len = kt_utf8_length(text, left);

	if (len == 0)
		kt_buffer_puts(out, is_escaped ? "\\ufffd" : "\xEF\xBF\xBD");
	else if (byte < 0x80 && short_escapes[byte] != 0)
		kt_buffer_append(out, (char[]){'\\', short_escapes[byte]}, 2);
	else if (is_escaped || byte < ' ')
		write_code_point(out, kt_utf8_decode(text, len));
	else
		kt_buffer_append(out, text, len);
	return len == 0 ? 1 : len;
}

/* Python leaves DEL alone in raw text and escapes it where it escapes all that is not printable
 * ASCII. */
static bool is_plain(unsigned char byte, bool is_escaped)
{
	return byte >= ' ' && byte != '"' && byte != '\\' && byte < (is_escaped ? 0x7F : 0x80);
}

void kt_json_write_string(
	const char *text, size_t len, bool escape_non_ascii, struct kt_buffer *out)
{
	kt_buffer_putc(out, '"');
	for (size_t at = 0; at < len;) {
		size_t run = at;

		while (run < len && is_plain((unsigned char)text[run], escape_non_ascii))
			run++;
		kt_buffer_append(out, text + at, run - at);
		at = run;
		if (at < len)
			at += write_special(out, text + at, len - at, escape_non_ascii);
	}
	kt_buffer_putc(out, '"');
}

static void write_text(struct writer *writer, const char *text)
{
	kt_json_write_string(text, strlen(text), writer->style->is_escaped, writer->out);
}

static void write_break(struct writer *writer)
{
	if (!writer->style->is_indented)
		return;
	kt_buffer_putc(writer->out, '\n');
	for (unsigned i = 0; i < writer->depth; i++)
		kt_buffer_append(writer->out, "  ", 2);
}

static void write_item(struct writer *writer, const struct kt_json *item, bool is_first)
{
	if (!is_first)
		kt_buffer_puts(writer->out, writer->style->is_indented ? "," : ", ");
	write_break(writer);
	if (kt_json_key(item) != NULL) {
		write_text(writer, kt_json_key(item));
		kt_buffer_append(writer->out, ": ", 2);
	}
	write_value(writer, item);
}

struct member {
	const struct kt_json *value;
};

static int compare_keys(const void *left, const void *right)
{
	const struct member *a = left, *b = right;

	return strcmp(kt_json_key(a->value), kt_json_key(b->value));
}

static bool has_sorted_keys(const struct kt_json *object)
{
	for (struct kt_json *c = kt_json_first(object); c != NULL; c = kt_json_next(c))
		if (kt_json_next(c) != NULL &&
			strcmp(kt_json_key(c), kt_json_key(kt_json_next(c))) > 0)
			return false;
	return true;
}

static void write_sorted(struct writer *writer, const struct kt_json *object)
{
	size_t count = kt_json_size(object), len = 0;
	struct member *members = kt_realloc_array(NULL, count, sizeof *members);

	for (struct kt_json *c = kt_json_first(object); c != NULL; c = kt_json_next(c))
		members[len++].value = c;
	qsort(members, len, sizeof *members, compare_keys);
	for (size_t i = 0; i < len; i++)
		write_item(writer, members[i].value, i == 0);
	free(members);
}

static void write_container(
	struct writer *writer, const struct kt_json *value, const char *brackets)
{
	bool is_object = brackets[0] == '{';

	kt_buffer_putc(writer->out, brackets[0]);
	writer->depth++;
	if (is_object && writer->style->is_sorted && !has_sorted_keys(value))
		write_sorted(writer, value);
	else
		for (struct kt_json *c = kt_json_first(value); c != NULL; c = kt_json_next(c))
			write_item(writer, c, c == kt_json_first(value));
	writer->depth--;
	if (kt_json_first(value) != NULL)
		write_break(writer);
	kt_buffer_putc(writer->out, brackets[1]);
}

static void write_value(struct writer *writer, const struct kt_json *value)
{
	switch (kt_json_type(value)) {
	case KT_JSON_NULL:
		kt_buffer_puts(writer->out, "null");
		break;
	case KT_JSON_BOOL:
		kt_buffer_puts(writer->out, kt_json_is_truthy(value) ? "true" : "false");
		break;
	case KT_JSON_NUMBER:
		kt_buffer_puts(writer->out, kt_json_number_text(value));
		break;
	case KT_JSON_STRING:
		write_text(writer, kt_json_string(value));
		break;
	case KT_JSON_ARRAY:
		write_container(writer, value, "[]");
		break;
	case KT_JSON_OBJECT:
		write_container(writer, value, "{}");
		break;
	}
}

void kt_json_write(const struct kt_json *value, enum kt_json_style style, struct kt_buffer *out)
{
	struct writer writer = {&styles[style], out, 0};

	write_value(&writer, value);
}
