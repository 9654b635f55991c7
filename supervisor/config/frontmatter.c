/*
 * Reads the frontmatter of a WP file. Used by kitty only. Never changes the text
 * (frontmatter_edit.c does) and never drops an unknown key silently: it becomes a warning.
 */
#include "supervisor/config/frontmatter.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/config/frontmatter_text.h"

struct known_key {
	const char *name;
	bool is_split;
};

static const struct known_key known_keys[] = {
#define KT_KEY(name) {name, false},
#define KT_SPLIT_KEY(name) {name, true},
#include "supervisor/config/frontmatter_keys.def"
};

#define KNOWN_LEN (sizeof(known_keys) / sizeof(known_keys[0]))

int kt_frontmatter_key_rank(const char *key)
{
	for (size_t i = 0; i < KNOWN_LEN; i++) {
		if (strcmp(known_keys[i].name, key) == 0)
			return (int)i;
	}
	return -1;
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Length of the line at text, its line feed included. */
static size_t line_len(const char *text, size_t len)
{
	const char *end = len == 0 ? NULL : memchr(text, '\n', len);

	return end == NULL ? len : (size_t)(end - text) + 1;
}

static bool is_fence(const char *line, size_t len)
{
	while (len > 0 && is_blank(line[len - 1]))
		len--;
	while (len > 0 && is_blank(*line)) {
		line++;
		len--;
	}
	return len == 3 && memcmp(line, "---", 3) == 0;
}

static enum kt_code fences_find(
	const char *text, size_t len, struct kt_fences *fences, struct kt_error *err)
{
	size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	size_t line = line_len(text + at, len - at);

	if (!is_fence(text + at, line))
		return kt_error_set(err, KT_E_WP_FILE_INVALID,
			"line 1, column 1: the file does not begin with a line ---");
	fences->has_crlf = line >= 2 && text[at + line - 2] == '\r';
	at += line;
	fences->yaml_offset = at;
	while (at < len) {
		line = line_len(text + at, len - at);
		if (is_fence(text + at, line)) {
			fences->yaml_len = at - fences->yaml_offset;
			fences->body_offset = at + line;
			return KT_E_OK;
		}
		at += line;
	}
	return kt_error_set(err, KT_E_WP_FILE_INVALID,
		"line 1, column 1: the frontmatter has no closing line ---");
}

enum kt_code kt_frontmatter_read(const char *text, size_t len, struct kt_fences *fences,
	struct kt_yaml **root, struct kt_error *err)
{
	struct kt_yaml *node = NULL;
	enum kt_code code = fences_find(text, len, fences, err);

	if (code != KT_E_OK)
		return code;
	code = kt_yaml_parse(text + fences->yaml_offset, fences->yaml_len, 2, &node, err);
	if (code != KT_E_OK)
		return code;
	if (kt_yaml_is_null(node)) {
		kt_yaml_free(node);
		node = NULL;
	} else if (node->kind != KT_YAML_MAP) {
		code = kt_error_set(err, KT_E_WP_FILE_INVALID,
			"line %ld, column %ld: the frontmatter is not a map of keys", node->line,
			node->column);
		kt_yaml_free(node);
		return code;
	}
	*root = node;
	return KT_E_OK;
}

static struct kt_json *split_commas(const char *text)
{
	struct kt_json *array = kt_json_new_array();

	while (*text != '\0') {
		size_t part = strcspn(text, ",");
		const char *start = text;
		size_t len = part;

		while (len > 0 && is_blank(*start)) {
			start++;
			len--;
		}
		while (len > 0 && is_blank(start[len - 1]))
			len--;
		if (len > 0)
			kt_json_append(array, kt_json_new_string_len(start, len));
		text += part + (text[part] == ',' ? 1 : 0);
	}
	return array;
}

struct kt_json *kt_frontmatter_value(const struct kt_yaml *node)
{
	int rank = node->key == NULL ? -1 : kt_frontmatter_key_rank(node->key);
	bool is_text = node->kind == KT_YAML_SCALAR && !kt_yaml_is_null(node);

	if (rank >= 0 && known_keys[rank].is_split && is_text)
		return split_commas(node->text);
	return kt_yaml_to_json(node);
}

enum kt_code kt_frontmatter_parse(
	const char *text, size_t len, struct kt_frontmatter *out, struct kt_error *err)
{
	struct kt_fences fences = {0, 0, 0, false};
	struct kt_yaml *root = NULL;
	enum kt_code code = kt_frontmatter_read(text, len, &fences, &root, err);

	if (code != KT_E_OK)
		return code;
	out->values = kt_json_new_object();
	out->lines = kt_json_new_object();
	out->warnings = kt_alloc(sizeof(*out->warnings));
	out->body_offset = fences.body_offset;
	for (size_t i = 0; root != NULL && i < root->len; i++) {
		const struct kt_yaml *node = root->items[i];

		if (kt_frontmatter_key_rank(node->key) < 0) {
			kt_buffer_printf(out->warnings, "%ld: unknown key \"%.60s\"\n",
				node->key_line, node->key);
			continue;
		}
		kt_json_set(out->values, node->key, kt_frontmatter_value(node));
		kt_json_set_int(out->lines, node->key, node->key_line);
	}
	kt_yaml_free(root);
	return KT_E_OK;
}

void kt_frontmatter_release(struct kt_frontmatter *frontmatter)
{
	kt_json_free(frontmatter->values);
	kt_json_free(frontmatter->lines);
	if (frontmatter->warnings != NULL)
		kt_buffer_release(frontmatter->warnings);
	free(frontmatter->warnings);
	memset(frontmatter, 0, sizeof(*frontmatter));
}
