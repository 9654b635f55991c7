/*
 * One YAML document as a tree, from libyaml's events. Used by kitty only.
 * Never uses libyaml's own document loader: it recurses without a limit and follows aliases.
 */
#include "supervisor/config/yaml_tree.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"

struct builder {
	struct kt_yaml *open[KT_YAML_DEPTH_MAX]; /* lists and maps that are not closed yet */
	size_t depth;
	struct kt_yaml *root;
	char *key; /* read, its value is still to come */
	long key_line, key_column;
	long line_offset;
	bool is_done, has_document;
	struct kt_error *err;
};

static enum kt_code refuse(struct builder *builder, yaml_mark_t mark, const char *reason)
{
	return kt_error_set(builder->err, KT_E_YAML_INVALID, "line %ld, column %ld: %s",
		(long)mark.line + builder->line_offset, (long)mark.column + 1, reason);
}

static struct kt_yaml *node_new(struct builder *builder, enum kt_yaml_kind kind, yaml_mark_t mark)
{
	struct kt_yaml *node = kt_alloc(sizeof(*node));

	node->kind = kind;
	node->line = (long)mark.line + builder->line_offset;
	node->column = (long)mark.column + 1;
	return node;
}

void kt_yaml_free(struct kt_yaml *node)
{
	if (node == NULL)
		return;
	for (size_t i = 0; i < node->len; i++)
		kt_yaml_free(node->items[i]);
	free(node->items);
	free(node->key);
	free(node->text);
	free(node);
}

static struct kt_yaml *innermost(const struct builder *builder)
{
	return builder->depth == 0 ? NULL : builder->open[builder->depth - 1];
}

static void attach(struct builder *builder, struct kt_yaml *node)
{
	struct kt_yaml *parent = innermost(builder);

	if (parent == NULL) {
		builder->root = node;
		return;
	}
	if (parent->kind == KT_YAML_MAP) {
		node->key = builder->key;
		node->key_line = builder->key_line;
		node->key_column = builder->key_column;
		builder->key = NULL;
	}
	/* Grown in powers of two: 64 KiB of text can hold 30,000 elements. */
	if ((parent->len & (parent->len - 1)) == 0)
		parent->items = kt_realloc_array(parent->items,
			parent->len == 0 ? 1 : 2 * parent->len, sizeof(struct kt_yaml *));
	parent->items[parent->len++] = node;
}

static bool is_key_expected(const struct builder *builder)
{
	const struct kt_yaml *parent = innermost(builder);

	return parent != NULL && parent->kind == KT_YAML_MAP && builder->key == NULL;
}

static enum kt_code on_scalar(struct builder *builder, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct kt_yaml *node;

	if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
		return refuse(builder, event->start_mark, "anchors and tags are not supported");
	if (memchr(value, '\0', len) != NULL)
		return refuse(builder, event->start_mark, "a NUL byte");
	if (is_key_expected(builder)) {
		builder->key = kt_strndup(value, len);
		builder->key_line = (long)event->start_mark.line + builder->line_offset;
		builder->key_column = (long)event->start_mark.column + 1;
		return KT_E_OK;
	}
	node = node_new(builder, KT_YAML_SCALAR, event->start_mark);
	node->text = kt_strndup(value, len);
	node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	attach(builder, node);
	return KT_E_OK;
}

static enum kt_code on_open(
	struct builder *builder, const yaml_event_t *event, enum kt_yaml_kind kind)
{
	bool is_list = kind == KT_YAML_LIST;
	const yaml_char_t *anchor =
		is_list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
	const yaml_char_t *tag =
		is_list ? event->data.sequence_start.tag : event->data.mapping_start.tag;
	struct kt_yaml *node;

	if (anchor != NULL || tag != NULL)
		return refuse(builder, event->start_mark, "anchors and tags are not supported");
	if (builder->depth == KT_YAML_DEPTH_MAX)
		return refuse(builder, event->start_mark, "nested too deeply");
	if (is_key_expected(builder))
		return refuse(builder, event->start_mark, "a key must be a text");
	node = node_new(builder, kind, event->start_mark);
	attach(builder, node);
	builder->open[builder->depth++] = node;
	return KT_E_OK;
}

static int compare_keys(const void *left, const void *right)
{
	const struct kt_yaml *left_node = *(struct kt_yaml *const *)left;
	const struct kt_yaml *right_node = *(struct kt_yaml *const *)right;
	int order = strcmp(left_node->key, right_node->key);

	if (order != 0)
		return order;
	if (left_node->key_line != right_node->key_line)
		return left_node->key_line < right_node->key_line ? -1 : 1;
	return left_node->key_column < right_node->key_column ? -1 : 1;
}

/* The second of two equal keys; NULL when there is none. By sorting: linear search would be
 * quadratic. */
static const struct kt_yaml *find_duplicate(const struct kt_yaml *map)
{
	struct kt_yaml **sorted = kt_realloc_array(NULL, map->len, sizeof(struct kt_yaml *));
	const struct kt_yaml *found = NULL;

	if (map->len > 0)
		memcpy(sorted, map->items, map->len * sizeof(struct kt_yaml *));
	qsort(sorted, map->len, sizeof(struct kt_yaml *), compare_keys);
	for (size_t i = 1; i < map->len; i++) {
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0 &&
			(found == NULL || sorted[i]->key_line < found->key_line))
			found = sorted[i];
	}
	free(sorted);
	return found;
}

static enum kt_code on_close(struct builder *builder)
{
	const struct kt_yaml *node = innermost(builder);
	const struct kt_yaml *twin;

	KT_BUG_UNLESS(node != NULL);
	builder->depth--;
	twin = node->kind == KT_YAML_MAP ? find_duplicate(node) : NULL;
	if (twin == NULL)
		return KT_E_OK;
	return kt_error_set(builder->err, KT_E_YAML_INVALID,
		"line %ld, column %ld: the key \"%.80s\" is there twice", twin->key_line,
		twin->key_column, twin->key);
}

static enum kt_code on_event(struct builder *builder, const yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		return on_scalar(builder, event);
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return on_open(builder, event, KT_YAML_LIST);
	if (event->type == YAML_MAPPING_START_EVENT)
		return on_open(builder, event, KT_YAML_MAP);
	if (event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT)
		return on_close(builder);
	if (event->type == YAML_ALIAS_EVENT)
		return refuse(builder, event->start_mark, "aliases are not supported");
	if (event->type == YAML_DOCUMENT_START_EVENT) {
		if (builder->has_document)
			return refuse(builder, event->start_mark, "more than one document");
		builder->has_document = true;
	}
	builder->is_done = event->type == YAML_STREAM_END_EVENT;
	return KT_E_OK;
}

static enum kt_code parse_failed(struct builder *builder, const yaml_parser_t *parser)
{
	const char *problem = parser->problem == NULL ? "not valid YAML" : parser->problem;
	yaml_mark_t mark = parser->problem_mark;

	if (parser->error == YAML_MEMORY_ERROR)
		kt_out_of_memory();
	/* The reader (bad UTF-8, control characters) knows an offset only; the scanner stands near
	 * it. */
	if (parser->error == YAML_READER_ERROR)
		mark = parser->mark;
	return refuse(builder, mark, problem);
}

static enum kt_code run(struct builder *builder, yaml_parser_t *parser)
{
	while (!builder->is_done) {
		yaml_event_t event;
		enum kt_code code;

		if (!yaml_parser_parse(parser, &event))
			return parse_failed(builder, parser);
		code = on_event(builder, &event);
		yaml_event_delete(&event);
		if (code != KT_E_OK)
			return code;
	}
	return KT_E_OK;
}

enum kt_code kt_yaml_parse(
	const char *text, size_t len, long first_line, struct kt_yaml **out, struct kt_error *err)
{
	struct builder builder = {.line_offset = first_line, .err = err};
	yaml_parser_t parser;
	enum kt_code code;

	if (len > KT_YAML_MAX)
		return kt_error_set(err, KT_E_YAML_INVALID,
			"line %ld, column 1: larger than %u bytes", first_line, KT_YAML_MAX);
	if (yaml_parser_initialize(&parser) != 1)
		kt_out_of_memory();
	/* Fixed, or a byte order mark would choose UTF-16. */
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	code = run(&builder, &parser);
	yaml_parser_delete(&parser);
	free(builder.key);
	if (code == KT_E_OK)
		*out = builder.root;
	else
		kt_yaml_free(builder.root);
	return code;
}

struct kt_yaml *kt_yaml_find(const struct kt_yaml *map, const char *key)
{
	if (map == NULL || map->kind != KT_YAML_MAP)
		return NULL;
	for (size_t i = 0; i < map->len; i++) {
		if (strcmp(map->items[i]->key, key) == 0)
			return map->items[i];
	}
	return NULL;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

enum kt_yaml_plain kt_yaml_resolve(const char *text)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"true", "True", "TRUE", NULL};
	static const char *const falses[] = {"false", "False", "FALSE", NULL};
	const char *digits = text[0] == '-' ? text + 1 : text;
	size_t len = strspn(digits, "0123456789");

	if (is_one_of(text, nulls))
		return KT_YAML_NULL;
	if (is_one_of(text, trues))
		return KT_YAML_TRUE;
	if (is_one_of(text, falses))
		return KT_YAML_FALSE;
	/* A leading zero is octal to some readers and decimal to others: it stays a text. */
	if (len == 0 || len > 18 || digits[len] != '\0' || (digits[0] == '0' && len > 1))
		return KT_YAML_TEXT;
	return KT_YAML_INTEGER;
}

bool kt_yaml_is_null(const struct kt_yaml *node)
{
	if (node == NULL)
		return true;
	return node->kind == KT_YAML_SCALAR && node->is_plain &&
	       kt_yaml_resolve(node->text) == KT_YAML_NULL;
}

static struct kt_json *scalar_to_json(const struct kt_yaml *node)
{
	enum kt_yaml_plain plain = node->is_plain ? kt_yaml_resolve(node->text) : KT_YAML_TEXT;

	if (plain == KT_YAML_NULL)
		return kt_json_new_null();
	if (plain == KT_YAML_TRUE || plain == KT_YAML_FALSE)
		return kt_json_new_bool(plain == KT_YAML_TRUE);
	if (plain == KT_YAML_INTEGER)
		return kt_json_new_int(strtoll(node->text, NULL, 10));
	return kt_json_new_string(node->text);
}

struct kt_json *kt_yaml_to_json(const struct kt_yaml *node)
{
	struct kt_json *container;

	if (node == NULL)
		return kt_json_new_null();
	if (node->kind == KT_YAML_SCALAR)
		return scalar_to_json(node);
	container = node->kind == KT_YAML_LIST ? kt_json_new_array() : kt_json_new_object();
	for (size_t i = 0; i < node->len; i++) {
		struct kt_json *element = kt_yaml_to_json(node->items[i]);

		if (node->kind == KT_YAML_LIST)
			kt_json_append(container, element);
		else
			kt_json_set(container, node->items[i]->key, element);
	}
	return container;
}
