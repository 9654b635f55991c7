/*
 * Edits the frontmatter of a WP file in place. Used by kitty only. Never writes the YAML anew:
 * comments, quotes, line ends and unknown keys of the file stay as people wrote them.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/config/frontmatter.h"
#include "supervisor/config/frontmatter_text.h"

struct edit {
	const char *text;
	size_t len;
	struct kt_fences fences;
	struct kt_yaml *root;
	struct kt_error *err;
};

/* Offset of the file's 1-based line. */
static size_t line_offset(const struct edit *edit, long line)
{
	size_t at = 0;

	for (long i = 1; i < line; i++) {
		const char *end =
			at >= edit->len ? NULL : memchr(edit->text + at, '\n', edit->len - at);

		if (end == NULL)
			return edit->len;
		at = (size_t)(end - edit->text) + 1;
	}
	return at;
}

static size_t line_end(const struct edit *edit, size_t at)
{
	const char *end = at >= edit->len ? NULL : memchr(edit->text + at, '\n', edit->len - at);

	return end == NULL ? edit->len : (size_t)(end - edit->text) + 1;
}

/* Does the line at that offset begin with this node's key? libyaml knows more line breaks than we
 * do. */
static bool begins_with_key(const struct edit *edit, size_t at, const struct kt_yaml *node)
{
	size_t column = (size_t)node->key_column - 1, key_len = strlen(node->key);
	const char *line = edit->text + at;
	size_t room = edit->len - at;

	if (at >= edit->fences.yaml_offset + edit->fences.yaml_len || room < column + key_len + 1)
		return false;
	if (strspn(line, " ") != column)
		return false;
	line += column;
	if (*line == '"' || *line == '\'')
		line++;
	return strncmp(line, node->key, key_len) == 0;
}

static enum kt_code check_editable(const struct edit *edit)
{
	if (edit->root != NULL && edit->root->len == 0)
		return kt_error_set(edit->err, KT_E_WP_FILE_INVALID,
			"line %ld, column %ld: write one key per line, or kitty cannot edit it",
			edit->root->line, edit->root->column);
	for (size_t i = 0; edit->root != NULL && i < edit->root->len; i++) {
		const struct kt_yaml *node = edit->root->items[i];

		if (!begins_with_key(edit, line_offset(edit, node->key_line), node))
			return kt_error_set(edit->err, KT_E_WP_FILE_INVALID,
				"line %ld, column %ld: write one key per line, or kitty cannot "
				"edit it",
				node->key_line, node->key_column);
	}
	return KT_E_OK;
}

static bool is_blank_or_comment(const char *line, size_t len)
{
	while (len > 0 && (*line == ' ' || *line == '\t' || *line == '\r' || *line == '\n')) {
		line++;
		len--;
	}
	return len == 0 || *line == '#';
}

/* Bytes of the key at `index`, from its line to the last line that is its own. */
static void block_of(const struct edit *edit, size_t index, size_t *start, size_t *end)
{
	const struct kt_yaml *root = edit->root;
	size_t limit = edit->fences.yaml_offset + edit->fences.yaml_len;

	if (index + 1 < root->len)
		limit = line_offset(edit, root->items[index + 1]->key_line);
	*start = line_offset(edit, root->items[index]->key_line);
	*end = line_end(edit, *start);
	/* Blank lines and comments after the value belong to what follows. */
	for (size_t at = *end; at < limit; at = line_end(edit, at)) {
		if (!is_blank_or_comment(edit->text + at, line_end(edit, at) - at))
			*end = line_end(edit, at);
	}
}

/* Where a new key goes: behind the last key that is written before it. */
static size_t insertion_point(const struct edit *edit, const char *key)
{
	int rank = kt_frontmatter_key_rank(key), best = -1;
	size_t at = edit->fences.yaml_offset;

	for (size_t i = 0; edit->root != NULL && i < edit->root->len; i++) {
		int other = kt_frontmatter_key_rank(edit->root->items[i]->key);
		size_t start;

		if (other < rank && other > best) {
			best = other;
			block_of(edit, i, &start, &at);
		}
	}
	return at;
}

static bool has_word(const char *text, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

/* Would some reader take the plain text for something else than a text? */
static bool needs_quotes(const char *text)
{
	static const char *const words[] = {"y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No",
		"NO", "on", "On", "ON", "off", "Off", "OFF", "=", "<<", "---", "...", NULL};
	size_t len = strlen(text);

	if (len == 0 || kt_yaml_resolve(text) != KT_YAML_TEXT || has_word(text, words))
		return true;
	if (strchr("-?:,[]{}#&*!|>'\"%@` ", text[0]) != NULL)
		return true;
	if (text[len - 1] == ':' || text[len - 1] == ' ' || strstr(text, ": ") != NULL ||
		strstr(text, " #") != NULL)
		return true;
	/* Numbers, dates and times of any notation. */
	return strchr("0123456789+.", text[0]) != NULL &&
	       strspn(text, "0123456789abcdefABCDEFxXoO_:.+-TZ ") == len;
}

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 127)
			return true;
	}
	return false;
}

static void write_scalar(struct kt_buffer *out, const char *text)
{
	if (has_control(text)) {
		/* JSON's quotes are YAML's double quotes. */
		kt_json_write_string(text, strlen(text), true, out);
		return;
	}
	if (!needs_quotes(text)) {
		kt_buffer_puts(out, text);
		return;
	}
	kt_buffer_putc(out, '\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			kt_buffer_putc(out, '\'');
		kt_buffer_putc(out, *text);
	}
	kt_buffer_putc(out, '\'');
}

static void write_indent(const struct edit *edit, struct kt_buffer *out)
{
	long column = edit->root == NULL ? 1 : edit->root->items[0]->key_column;

	for (long i = 1; i < column; i++)
		kt_buffer_putc(out, ' ');
}

static void write_block(const struct edit *edit, const char *key, const struct kt_json *value,
	struct kt_buffer *out)
{
	const char *newline = edit->fences.has_crlf ? "\r\n" : "\n";
	const struct kt_json *item;

	write_indent(edit, out);
	kt_buffer_printf(out, "%s:", key);
	if (kt_json_is(value, KT_JSON_ARRAY)) {
		kt_buffer_printf(out, "%s%s", kt_json_size(value) == 0 ? " []" : "", newline);
		for (item = kt_json_first(value); item != NULL; item = kt_json_next(item)) {
			write_indent(edit, out);
			kt_buffer_puts(out, "- ");
			write_scalar(out, kt_json_string(item) == NULL ? "" : kt_json_string(item));
			kt_buffer_puts(out, newline);
		}
		return;
	}
	kt_buffer_putc(out, ' ');
	write_scalar(out, kt_json_string(value) == NULL ? "" : kt_json_string(value));
	kt_buffer_puts(out, newline);
}

static bool is_unchanged(const struct kt_yaml *node, const struct kt_json *value)
{
	struct kt_json *now = kt_frontmatter_value(node);
	bool is_equal = kt_json_equal(now, value);

	kt_json_free(now);
	return is_equal;
}

static void replace(const struct edit *edit, const char *key, const struct kt_json *value,
	struct kt_buffer *out)
{
	size_t start = 0, end = 0, index = 0;

	while (edit->root != NULL && index < edit->root->len &&
		strcmp(edit->root->items[index]->key, key) != 0)
		index++;
	if (edit->root == NULL || index == edit->root->len) {
		start = insertion_point(edit, key);
		end = start;
	} else if (is_unchanged(edit->root->items[index], value)) {
		kt_buffer_append(out, edit->text, edit->len);
		return;
	} else {
		block_of(edit, index, &start, &end);
	}
	kt_buffer_append(out, edit->text, start);
	write_block(edit, key, value, out);
	kt_buffer_append(out, edit->text + end, edit->len - end);
}

/* YAML has forms that lines do not show (document marks, other line breaks), so the result has to
 * prove itself: it reads back, with the new value. */
static enum kt_code check_result(const struct kt_buffer *text, const char *key,
	const struct kt_json *value, struct kt_error *err)
{
	struct kt_fences fences = {0};
	struct kt_yaml *root = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	const struct kt_yaml *node = NULL;
	bool is_good = kt_frontmatter_read(kt_buffer_text(text), text->len, &fences, &root,
			       &ignored) == KT_E_OK;

	node = kt_yaml_find(root, key);
	is_good = is_good && node != NULL && is_unchanged(node, value);
	kt_yaml_free(root);
	if (is_good)
		return KT_E_OK;
	return kt_error_set(err, KT_E_WP_FILE_INVALID,
		"line 1, column 1: the frontmatter's form is not one that kitty can edit; take out "
		"what is no "
		"\"key: value\", or write %s yourself",
		key);
}

static enum kt_code edit_one(const struct kt_buffer *text, const char *key,
	const struct kt_json *value, struct kt_buffer *out, struct kt_error *err)
{
	struct edit edit = {.text = kt_buffer_text(text), .len = text->len, .err = err};
	enum kt_code code = kt_frontmatter_read(edit.text, edit.len, &edit.fences, &edit.root, err);

	if (code == KT_E_OK)
		code = check_editable(&edit);
	if (code == KT_E_OK) {
		replace(&edit, key, value, out);
		code = check_result(out, key, value, err);
	}
	kt_yaml_free(edit.root);
	return code;
}

/* One key at a time, each on the text that the one before it left: places never need to be shifted.
 */
enum kt_code kt_frontmatter_edit(const char *text, size_t len, const struct kt_json *values,
	struct kt_buffer *out, struct kt_error *err)
{
	struct kt_buffer now = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	kt_buffer_append(&now, text, len);
	for (struct kt_json *value = kt_json_first(values); value != NULL && code == KT_E_OK;
		value = kt_json_next(value)) {
		struct kt_buffer next = KT_BUFFER_INIT;

		code = edit_one(&now, kt_json_key(value), value, &next, err);
		kt_buffer_release(&now);
		now = next;
	}
	if (code == KT_E_OK)
		kt_buffer_append(out, kt_buffer_text(&now), now.len);
	kt_buffer_release(&now);
	return code;
}
