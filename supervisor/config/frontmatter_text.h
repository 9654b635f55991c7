/*
 * Private to supervisor/config: where the frontmatter stands in a file, and what its keys are.
 */
#ifndef KITTY_SUPERVISOR_CONFIG_FRONTMATTER_TEXT_H
#define KITTY_SUPERVISOR_CONFIG_FRONTMATTER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "supervisor/config/yaml_tree.h"

struct kt_fences {
	size_t yaml_offset, yaml_len; /* between the two fences */
	size_t body_offset;
	bool has_crlf;
};

/* Finds the two "---" lines and parses what is between. *root is NULL for nothing. Gives. */
KT_MUST_CHECK enum kt_code kt_frontmatter_read(const char *text, size_t len,
	struct kt_fences *fences, struct kt_yaml **root, struct kt_error *err);

/* Position in the order of writing; -1 for an unknown key. */
int kt_frontmatter_key_rank(const char *key);

/* The value as the parser reports it: lists given as one text are split on commas. Gives. */
struct kt_json *kt_frontmatter_value(const struct kt_yaml *node);

#endif
