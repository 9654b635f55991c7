/*
 * Several logs of one mission as one: each event once, ordered by (at, event_id). Used for legacy
 * missions only, by readers and by merge. Must never change a row's bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/status/event.h"
#include "supervisor/transaction/legacy.h"

struct row {
	const char *text; /* in its source, newline left out */
	size_t len;
	char *id; /* event_id; the row's own text where it has none */
	int64_t at;
	size_t order; /* of appearance: what is equal in everything keeps it */
};

struct rows {
	struct row *items;
	size_t len, capacity;
};

static void rows_release(struct rows *rows)
{
	for (size_t i = 0; i < rows->len; i++)
		free(rows->items[i].id);
	free(rows->items);
}

static enum kt_code row_read(const char *text, size_t len, struct row *row, struct kt_error *err)
{
	struct kt_json *json = NULL;
	struct kt_error cause = KT_ERROR_INIT;
	const char *id = NULL, *at = NULL;

	if (kt_json_parse(text, len, KT_JSON_LAST_WINS, &json, &cause) != KT_E_OK)
		return kt_error_set(err, KT_E_EVENT_INVALID, "%s: %.*s", cause.detail,
			(int)(len > 80 ? 80 : len), text);
	if (!kt_json_is(json, KT_JSON_OBJECT)) {
		kt_json_free(json);
		return kt_error_set(err, KT_E_EVENT_INVALID, "a row is no object: %.*s",
			(int)(len > 80 ? 80 : len), text);
	}
	id = kt_json_get_string(json, "event_id");
	at = kt_json_get_string(json, "at");
	if (at == NULL)
		at = kt_json_get_string(json, "timestamp");
	*row = (struct row){.text = text, .len = len};
	row->id = id != NULL ? kt_strdup(id) : kt_strndup(text, len);
	if (at == NULL || !kt_time_parse(at, &row->at))
		row->at = 0;
	kt_json_free(json);
	return KT_E_OK;
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r", text[i]) == NULL)
			return false;
	return true;
}

static enum kt_code row_add(struct rows *rows, const char *at, size_t len, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	if (is_blank(at, len))
		return KT_E_OK;
	if (rows->len == rows->capacity) {
		rows->capacity = rows->capacity * 2 + 64;
		rows->items = kt_realloc_array(rows->items, rows->capacity, sizeof *rows->items);
	}
	code = row_read(at, len, &rows->items[rows->len], err);
	if (code == KT_E_OK) {
		rows->items[rows->len].order = rows->len;
		rows->len++;
	}
	return code;
}

static enum kt_code rows_add(struct rows *rows, const struct kt_buffer *log, struct kt_error *err)
{
	const char *at = kt_buffer_text(log), *end = at + log->len;
	enum kt_code code = KT_E_OK;

	while (code == KT_E_OK && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline == NULL ? end : newline) - at);

		code = row_add(rows, at, len, err);
		at += len + 1;
	}
	return code;
}

static int by_id(const void *left, const void *right)
{
	const struct row *one = left, *other = right;
	int order = strcmp(one->id, other->id);

	return order != 0 ? order : (one->order > other->order) - (one->order < other->order);
}

static int by_time(const void *left, const void *right)
{
	const struct row *one = left, *other = right;
	int order = (one->at > other->at) - (one->at < other->at);

	return order != 0 ? order : by_id(left, right);
}

/* Of rows with one id the first to appear stays. */
static void drop_doubles(struct rows *rows)
{
	size_t kept = 0;

	if (rows->len > 1)
		qsort(rows->items, rows->len, sizeof *rows->items, by_id);
	for (size_t i = 0; i < rows->len; i++) {
		if (kept > 0 && strcmp(rows->items[kept - 1].id, rows->items[i].id) == 0)
			free(rows->items[i].id);
		else
			rows->items[kept++] = rows->items[i];
	}
	rows->len = kept;
	if (rows->len > 1)
		qsort(rows->items, rows->len, sizeof *rows->items, by_time);
}

/* Of whole rows: half a row that begins like another one is none of its beginnings. The second one
 * is not the shorter one. */
static bool is_prefix(const struct kt_buffer *shorter, const struct kt_buffer *longer)
{
	size_t len = shorter->len;

	if (memcmp(kt_buffer_text(shorter), kt_buffer_text(longer), len) != 0)
		return false;
	return len == 0 || len == longer->len || longer->data[len - 1] == '\n' ||
	       longer->data[len] == '\n';
}

/* The one log that starts with every other one; NULL: there is none. */
static const struct kt_buffer *find_whole(
	const struct kt_buffer *base, const struct kt_buffer *sources, size_t len)
{
	const struct kt_buffer *longest = base;

	for (size_t i = 0; i < len; i++)
		if (sources[i].len > longest->len)
			longest = &sources[i];
	for (size_t i = 0; i < len; i++)
		if (!is_prefix(&sources[i], longest))
			return NULL;
	return is_prefix(base, longest) ? longest : NULL;
}

static void append_row(struct kt_buffer *out, const struct row *row)
{
	if (out->len > 0 && out->data[out->len - 1] != '\n')
		kt_buffer_putc(out, '\n');
	kt_buffer_append(out, row->text, row->len);
	kt_buffer_putc(out, '\n');
}

enum kt_code kt_logs_unite(const struct kt_buffer *base, const struct kt_buffer *sources,
	size_t sources_len, struct kt_buffer *out, struct kt_error *err)
{
	const struct kt_buffer *whole = find_whole(base, sources, sources_len);
	struct rows rows = {NULL, 0, 0};
	size_t base_rows = 0;
	enum kt_code code = KT_E_OK;

	if (whole != NULL) {
		kt_buffer_append(out, kt_buffer_text(whole), whole->len);
		return KT_E_OK;
	}
	code = rows_add(&rows, base, err);
	base_rows = rows.len;
	for (size_t i = 0; code == KT_E_OK && i < sources_len; i++)
		code = rows_add(&rows, &sources[i], err);
	if (code == KT_E_OK) {
		drop_doubles(&rows);
		kt_buffer_append(out, kt_buffer_text(base), base->len);
	}
	for (size_t i = 0; code == KT_E_OK && i < rows.len; i++)
		if (rows.items[i].order >= base_rows)
			append_row(out, &rows.items[i]);
	rows_release(&rows);
	return code;
}
