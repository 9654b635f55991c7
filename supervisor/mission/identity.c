/*
 * Names of missions, branches, worktrees. Pure functions, used by kitty only.
 * Never opens a file and never repairs a bad name: a bad name is refused by the caller.
 */
#include "supervisor/mission/identity.h"

#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "supervisor/mission/names.h"

#define MISSION_PREFIX "kitty/mission-"

static bool is_crockford(char byte)
{
	return byte != '\0' && strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", byte) != NULL;
}

static bool is_crockford_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!is_crockford(text[i]))
			return false;
	}
	return text[len] == '\0';
}

static bool is_lower_or_digit(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_alnum(char byte)
{
	return is_lower_or_digit(byte) || (byte >= 'A' && byte <= 'Z');
}

bool kt_slug_is_valid(const char *slug)
{
	size_t len = slug == NULL ? 0 : strlen(slug);

	if (len == 0 || len > KT_SLUG_MAX || slug[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		bool is_dash = slug[i] == '-' && i > 0 && slug[i - 1] != '-';

		if (!is_lower_or_digit(slug[i]) && !is_dash)
			return false;
	}
	return true;
}

bool kt_segment_is_safe(const char *text)
{
	size_t len = text == NULL ? 0 : strlen(text);

	if (len == 0 || len > KT_SEGMENT_MAX || !is_alnum(text[0]) || text[len - 1] == '.')
		return false;
	if (strstr(text, "..") != NULL)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(text[i]) && strchr("-_.", text[i]) == NULL)
			return false;
	}
	return true;
}

bool kt_wp_id_is_valid(const char *text)
{
	size_t len = text == NULL ? 0 : strlen(text);

	if (len < 4 || len > KT_WP_ID_MAX || strncmp(text, "WP", 2) != 0)
		return false;
	for (size_t i = 2; i < len; i++) {
		if (!is_digit(text[i]))
			return false;
	}
	return true;
}

bool kt_is_ulid(const char *text)
{
	/* 26 characters hold 130 bits: the first may not be above 7. Backfilled ids keep to that
	 * too. */
	return text != NULL && strlen(text) == 26 && text[0] <= '7' && is_crockford_text(text, 26);
}

bool kt_is_mid8(const char *text)
{
	return text != NULL && strlen(text) == 8 && is_crockford_text(text, 8);
}

static bool is_ref_component(const char *text, size_t len)
{
	/* 255 is the file system's limit for one name, and git adds ".lock" to it. */
	if (len == 0 || len > 250 || text[0] == '.' || text[len - 1] == '.')
		return false;
	if (len >= 5 && strncmp(text + len - 5, ".lock", 5) == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte <= ' ' || byte == 127 || strchr("~^:?*[\\", byte) != NULL)
			return false;
	}
	return true;
}

bool kt_branch_name_is_valid(const char *short_name)
{
	size_t len = short_name == NULL ? 0 : strlen(short_name);

	if (len == 0 || len > 1000 || short_name[0] == '-' || strcmp(short_name, "@") == 0)
		return false;
	/* A short name that looks like a full or a special one is read in two ways by git. */
	if (strcmp(short_name, "HEAD") == 0 || strncmp(short_name, "refs/", 5) == 0)
		return false;
	if (strstr(short_name, "..") != NULL || strstr(short_name, "@{") != NULL)
		return false;
	for (const char *at = short_name;;) {
		size_t part = strcspn(at, "/");

		if (!is_ref_component(at, part))
			return false;
		if (at[part] == '\0')
			return true;
		at += part + 1;
	}
}

const char *kt_name_tail8(const char *slug)
{
	const char *dash = strrchr(slug, '-');

	return dash != NULL && dash != slug && kt_is_mid8(dash + 1) ? dash + 1 : NULL;
}

char *kt_name_human(const char *slug)
{
	const char *tail = kt_name_tail8(slug);

	return tail == NULL ? kt_strdup(slug) : kt_strndup(slug, (size_t)(tail - 1 - slug));
}

static bool has_mid8(const char *slug, const char *mid8)
{
	const char *tail = kt_name_tail8(slug);

	return tail != NULL && strcmp(tail, mid8) == 0;
}

static const char *without_number(const char *slug)
{
	bool has_number = is_digit(slug[0]) && is_digit(slug[1]) && is_digit(slug[2]) &&
			  slug[3] == '-' && slug[4] != '\0';

	return has_number ? slug + 4 : slug;
}

char *kt_name_strip_number(const char *slug)
{
	return kt_strdup(without_number(slug));
}

char *kt_name_dir(const char *slug, const char *mid8)
{
	if (has_mid8(slug, mid8))
		return kt_strdup(slug);
	return kt_format("%s-%s", without_number(slug), mid8);
}

char *kt_name_coord_dir(const char *slug, const char *mid8)
{
	if (mid8[0] == '\0' || has_mid8(slug, mid8))
		return kt_strdup(slug);
	return kt_format("%s-%s", slug, mid8);
}

char *kt_name_mission_branch(const char *slug, const char *mission_id)
{
	const char *bare = without_number(slug);
	char mid8[9] = "";

	if (mission_id == NULL || strlen(mission_id) < 8)
		return kt_format(MISSION_PREFIX "%s", kt_name_tail8(slug) != NULL ? bare : slug);
	memcpy(mid8, mission_id, 8);
	if (has_mid8(bare, mid8))
		return kt_format(MISSION_PREFIX "%s", bare);
	return kt_format(MISSION_PREFIX "%s-%s", bare, mid8);
}

char *kt_name_coord_branch(const char *slug, const char *mid8)
{
	char *dir = kt_name_coord_dir(slug, mid8);
	char *branch = kt_format(MISSION_PREFIX "%s", dir);

	free(dir);
	return branch;
}

char *kt_name_lane_branch(const char *mission_branch, const char *lane_id)
{
	return kt_format("%s-%s", mission_branch, lane_id);
}
