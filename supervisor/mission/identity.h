/*
 * Identity and names, pure functions.
 */
#ifndef KITTY_SUPERVISOR_MISSION_IDENTITY_H
#define KITTY_SUPERVISOR_MISSION_IDENTITY_H

#include <stdbool.h>

bool kt_slug_is_valid(const char *slug);   /* ^[a-z0-9]+(-[a-z0-9]+)*$, bounded */
bool kt_segment_is_safe(const char *text); /* one safe path segment */
bool kt_wp_id_is_valid(const char *text);  /* ^WP\d{2,}$ */
bool kt_is_ulid(const char *text);
bool kt_is_mid8(const char *text); /* eight Crockford characters, upper case */
bool kt_branch_name_is_valid(
	const char *short_name); /* one validator: git's rules plus ours (no leading dash, ...) */

/* All give. */
char *kt_name_strip_number(const char *slug);                           /* "012-x" -> "x" */
char *kt_name_dir(const char *slug, const char *mid8);                  /* dir_name */
char *kt_name_coord_dir(const char *slug, const char *mid8);            /* coord_dir */
char *kt_name_mission_branch(const char *slug, const char *mission_id); /* mission_id NULL: none */
char *kt_name_coord_branch(const char *slug, const char *mid8);
char *kt_name_lane_branch(const char *mission_branch, const char *lane_id);

#endif
