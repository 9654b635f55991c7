/*
 * Private to supervisor/config: one YAML document as a tree with the place of every node.
 *
 * libyaml has no nesting limit and is quadratic in it, so size and depth are bounded here, in the
 * event loop. Aliases, anchors, tags, duplicate keys and further documents are refused.
 */
#ifndef KITTY_SUPERVISOR_CONFIG_YAML_TREE_H
#define KITTY_SUPERVISOR_CONFIG_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>

enum kt_yaml_kind { KT_YAML_SCALAR, KT_YAML_LIST, KT_YAML_MAP };

struct kt_yaml {
	enum kt_yaml_kind kind;
	long line, column;         /* 1-based; of the value */
	long key_line, key_column; /* of the key, for members of a map */
	char *key;                 /* members of a map; NULL elsewhere */
	char *text;                /* scalars */
	bool is_plain;             /* scalars without quotes */
	struct kt_yaml **items;    /* lists and maps */
	size_t len;
};

/* first_line: number of the text's first line in its file. *out is NULL for an empty document.
 * Gives. Errors: KT_E_YAML_INVALID, "line L, column C: reason". */
KT_MUST_CHECK enum kt_code kt_yaml_parse(
	const char *text, size_t len, long first_line, struct kt_yaml **out, struct kt_error *err);
void kt_yaml_free(struct kt_yaml *node);

struct kt_yaml *kt_yaml_find(
	const struct kt_yaml *map, const char *key); /* NULL: absent, or no map */
bool kt_yaml_is_null(const struct kt_yaml *node);    /* NULL, or a plain null, ~ or nothing */

enum kt_yaml_plain { KT_YAML_TEXT, KT_YAML_NULL, KT_YAML_TRUE, KT_YAML_FALSE, KT_YAML_INTEGER };

/* What a plain scalar of that text means to YAML 1.1 and 1.2 readers alike. */
enum kt_yaml_plain kt_yaml_resolve(const char *text);

/* Strings, arrays, objects; null, booleans and integers where they are plain. Gives. */
struct kt_json *kt_yaml_to_json(const struct kt_yaml *node);

#endif
