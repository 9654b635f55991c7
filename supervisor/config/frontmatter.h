/*
 * The YAML frontmatter of tasks/WPnn-*.md, read and edited in place.
 *
 * Editing replaces or inserts only the lines of the named key; all other bytes of the file are
 * kept.
 */
#ifndef KITTY_SUPERVISOR_CONFIG_FRONTMATTER_H
#define KITTY_SUPERVISOR_CONFIG_FRONTMATTER_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>

struct kt_buffer;

struct kt_frontmatter {
	struct kt_json *values; /* the mapping as JSON: strings, arrays, objects, null (all scalars
				   as strings but null/bool/int) */
	size_t body_offset;     /* where the Markdown body starts in the text */
	struct kt_json *lines;  /* key -> 1-based line number in the file */
	struct kt_buffer *warnings; /* unknown keys: "LINE: text" lines; may be empty */
};

/* Errors: KT_E_WP_FILE_INVALID or KT_E_YAML_INVALID, "line L, column C: reason" in the detail.
 * Gives the contents. */
KT_MUST_CHECK enum kt_code kt_frontmatter_parse(
	const char *text, size_t len, struct kt_frontmatter *out, struct kt_error *err);
void kt_frontmatter_release(struct kt_frontmatter *frontmatter);

/* Sets top-level keys to string or list values in place, in the canonical form of 2.6; appends to
 * `out` the whole new file text. Unchanged values leave the bytes as they are. `values` is an
 * object: key -> string or array. */
KT_MUST_CHECK enum kt_code kt_frontmatter_edit(const char *text, size_t len,
	const struct kt_json *values, struct kt_buffer *out, struct kt_error *err);

#endif
