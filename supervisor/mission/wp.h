/*
 * Private to supervisor/mission: one WP file, read.
 */
#ifndef KITTY_SUPERVISOR_MISSION_WP_H
#define KITTY_SUPERVISOR_MISSION_WP_H

#include "supervisor/mission/names.h"
#include "supervisor/mission/plan.h"

#define KT_PLAN_FILE_MAX (8U << 20) /* bytes of one file of a mission folder */

/* Is this the name of a WP file (tasks/ itself left out)? "WP01-name.md", "WP01.md". */
bool kt_wp_file_is(const char *name);
/* "WP01" of such a name; gives. */
char *kt_wp_file_id(const char *name);

/* Lists and scalars of a frontmatter value: a text is a list of one, null and absent are empty.
 * Gives. */
char **kt_frontmatter_strings(const struct kt_json *value);

/* Fills wp from a frontmatter's values; the text is copied. Fields that are not there become empty
 * (id, title) or their default: nothing is validated here. */
struct kt_frontmatter;
void kt_wp_fill(struct kt_wp *wp, const char *path, const char *text, size_t len,
	const struct kt_frontmatter *front);
void kt_wp_release(struct kt_wp *wp);

#endif
