/*
 * Sorting `git status` records. Pure functions of the lane operations; used by helper processes. A
 * path comes out byte for byte as it went in: names may hold anything but NUL.
 */
#include "supervisor/lane_ops_changes.h"

#include <string.h>

/* "1 XY sub mH mI mW hH hI path": the fields before the path. */
enum {
	KT_FIELD_XY,
	KT_FIELD_SUB,
	KT_FIELD_HEAD_MODE,
	KT_FIELD_INDEX_MODE,
	KT_FIELD_WORK_MODE,
	KT_FIELD_HEAD_ID,
	KT_FIELD_INDEX_ID,
	KT_FIELD_COUNT
};

struct span {
	const char *at;
	size_t len;
};

static bool is_guarded(const char *path)
{
	static const char FOLDER[] = "kitty-specs";
	size_t len = sizeof(FOLDER) - 1;

	return strncmp(path, FOLDER, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static void put_path(struct kt_buffer *out, const char *path)
{
	kt_buffer_append(out, path, strlen(path) + 1);
}

static void put_index_info(
	struct kt_buffer *out, const struct span *mode, const struct span *id, const char *path)
{
	kt_buffer_append(out, mode->at, mode->len);
	kt_buffer_putc(out, ' ');
	kt_buffer_append(out, id->at, id->len);
	kt_buffer_putc(out, '\t');
	put_path(out, path);
}

/* Splits the fixed fields; gives the path behind them, or NULL. */
static const char *split(const char *record, struct span fields[KT_FIELD_COUNT])
{
	const char *at = record + 2;

	for (size_t i = 0; i < KT_FIELD_COUNT; i++) {
		const char *end = strchr(at, ' ');

		if (end == NULL || end == at)
			return NULL;
		fields[i] = (struct span){at, (size_t)(end - at)};
		at = end + 1;
	}
	return *at != '\0' && fields[KT_FIELD_XY].len == 2 && fields[KT_FIELD_SUB].len == 4 ? at
											    : NULL;
}

static bool take_tracked(const char *record, struct kt_lane_changes *out)
{
	struct span field[KT_FIELD_COUNT] = {{0}};
	const char *path = split(record, field);
	char staged = '.', unstaged = '.';

	if (path == NULL)
		return false;
	staged = field[KT_FIELD_XY].at[0];
	unstaged = field[KT_FIELD_XY].at[1];
	/* A submodule with dirty content but its old commit cannot be recorded from outside. */
	if (field[KT_FIELD_SUB].at[0] == 'S' && field[KT_FIELD_SUB].at[1] != 'C')
		unstaged = '.';
	if (is_guarded(path)) {
		if (staged != '.') {
			put_index_info(&out->unstage, &field[KT_FIELD_HEAD_MODE],
				&field[KT_FIELD_HEAD_ID], path);
			put_index_info(&out->restage, &field[KT_FIELD_INDEX_MODE],
				&field[KT_FIELD_INDEX_ID], path);
		}
		return true;
	}
	if (unstaged != '.')
		put_path(&out->to_add, path);
	if (unstaged != '.' || staged != '.') {
		put_path(&out->counted, path);
		out->len++;
	}
	return true;
}

static bool take_untracked(const char *record, struct kt_lane_changes *out)
{
	const char *path = record + 2;
	size_t len = strlen(path);

	if (len == 0)
		return false;
	/* A nested repository shows as a folder; adding it would record a link to commits that
	 * nobody else has. */
	if (is_guarded(path) || path[len - 1] == '/')
		return true;
	put_path(&out->to_add, path);
	put_path(&out->counted, path);
	out->len++;
	return true;
}

static bool take(const char *record, struct kt_lane_changes *out)
{
	if (record[0] == '\0' || record[1] != ' ')
		return false;
	if (record[0] == '1')
		return take_tracked(record, out);
	if (record[0] == '?')
		return take_untracked(record, out);
	if (record[0] == 'u')
		out->is_unmerged = true;
	return record[0] == 'u' || record[0] == '#' || record[0] == '!';
}

bool kt_lane_changes_parse(const char *text, size_t len, struct kt_lane_changes *out)
{
	memset(out, 0, sizeof(*out));
	if (len > 0 && text[len - 1] != '\0')
		return false;
	for (size_t at = 0; at < len; at += strlen(text + at) + 1)
		if (!take(text + at, out))
			return false;
	return true;
}

void kt_lane_changes_release(struct kt_lane_changes *changes)
{
	kt_buffer_release(&changes->to_add);
	kt_buffer_release(&changes->counted);
	kt_buffer_release(&changes->unstage);
	kt_buffer_release(&changes->restage);
}
