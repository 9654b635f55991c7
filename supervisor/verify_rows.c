/*
 * The rows of the newest log: ids and order. Part of `kitty verify`; pure but for its report.
 * Backdated rows and foreign id schemes are found in real logs (other programs wrote them): in what
 * the branch began with, and on branches that are not kitty's own, their order is a warning. A row
 * that came later to a coordination branch went through the writer, which stamps each row later
 * than all before it. One id may never stand twice.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/status/event.h"
#include "supervisor/verify_private.h"

struct row {
	char *id;
	size_t line, offset;
};

struct rows {
	struct row *rows;
	size_t len, capacity;
	size_t line; /* of the one that was read last */
	char *max_id;
	int64_t max_time;
	size_t late, late_line, unordered, unordered_line;
	size_t strict_from; /* offset from which on every row is later than all before it */
	size_t backdated, backdated_line, backdated_offset;
};

static void late_note(struct rows *rows, size_t line, size_t offset)
{
	if (rows->late++ == 0)
		rows->late_line = line;
	if (offset < rows->strict_from || rows->backdated++ > 0)
		return;
	rows->backdated_line = line;
	rows->backdated_offset = offset;
}

static void order_look(struct rows *rows, const struct kt_event *event, size_t line, size_t offset)
{
	const char *at =
		event->at != NULL ? event->at : kt_json_get_string(event->row, "timestamp");
	int64_t time = 0;

	if (at != NULL && kt_time_parse(at, &time)) {
		if (time <= rows->max_time)
			late_note(rows, line, offset);
		if (time > rows->max_time)
			rows->max_time = time;
	}
	if (event->event_id == NULL)
		return;
	if (rows->max_id != NULL && strcmp(event->event_id, rows->max_id) <= 0) {
		if (rows->unordered++ == 0)
			rows->unordered_line = line;
		return;
	}
	free(rows->max_id);
	rows->max_id = kt_strdup(event->event_id);
}

static void row_take(struct rows *rows, const struct kt_event *event, size_t line, size_t offset)
{
	const char *id = event->event_id != NULL ? event->event_id
						 : kt_json_get_string(event->row, "event_id");

	order_look(rows, event, line, offset);
	if (id == NULL)
		return;
	if (rows->len == rows->capacity) {
		rows->capacity = rows->capacity == 0 ? 256 : rows->capacity * 2;
		rows->rows = kt_realloc_array(rows->rows, rows->capacity, sizeof *rows->rows);
	}
	rows->rows[rows->len++] = (struct row){kt_strdup(id), line, offset};
}

static int row_compare(const void *left, const void *right)
{
	const struct row *one = left, *other = right;
	int order = strcmp(one->id, other->id);

	return order != 0 ? order : (one->line > other->line) - (one->line < other->line);
}

/* The commit that brought the byte at offset. */
static const struct kt_oid *commit_of(const struct kt_verify_walk *walk, size_t offset)
{
	const struct kt_history *history = walk->history;
	size_t found = history->len - 1;

	for (size_t at = history->len; at > 0 && walk->text_of[at - 1] == walk->text_of[found] &&
				       history->commits[at - 1].spots[0].size > offset;)
		found = --at;
	return &history->commits[found].id;
}

static void ids_check(
	struct kt_verify *verify, const struct kt_verify_walk *walk, struct rows *rows)
{
	if (rows->len > 1)
		qsort(rows->rows, rows->len, sizeof *rows->rows, row_compare);
	for (size_t i = 1; i < rows->len; i++) {
		const struct kt_oid *commit;

		if (strcmp(rows->rows[i].id, rows->rows[i - 1].id) != 0)
			continue;
		commit = commit_of(walk, rows->rows[i].offset);
		kt_verify_blame(verify, KT_VERIFY_IDS, commit);
		kt_verify_broken(verify, KT_VERIFY_IDS,
			"event id %.40s stands in line %zu and in line %zu (commit %s)",
			rows->rows[i].id, rows->rows[i - 1].line, rows->rows[i].line,
			kt_verify_short(commit));
	}
}

static void line_take(
	struct kt_verify *verify, struct rows *rows, const char *line, size_t len, size_t offset)
{
	struct kt_event event = {0};
	struct kt_error ignored = KT_ERROR_INIT;

	rows->line++;
	if (kt_event_decode(line, len, &event, &ignored) != KT_E_OK)
		return;
	if (event.kind != KT_EVENT_BLANK) {
		verify->events++;
		row_take(rows, &event, rows->line, offset);
	}
	kt_event_release(&event);
}

static void rows_read(struct kt_verify *verify, const struct kt_buffer *log, struct rows *rows)
{
	const char *bytes = kt_buffer_text(log), *end = bytes + log->len;

	for (const char *line = bytes; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *stop = newline == NULL ? end : newline;

		line_take(verify, rows, line, (size_t)(stop - line), (size_t)(line - bytes));
		line = newline == NULL ? end : newline + 1;
	}
}

/* Where the rows begin that kitty itself added: after what the oldest log held. */
static size_t strict_from(const struct kt_verify *verify, const struct kt_verify_walk *walk)
{
	const struct kt_history *history = walk->history;

	for (size_t i = 0; verify->is_coordination && i < history->len; i++)
		if (history->commits[i].spots[0].size > 0)
			return history->commits[i].spots[0].size;
	return SIZE_MAX;
}

static void backdated_check(
	struct kt_verify *verify, const struct kt_verify_walk *walk, const struct rows *rows)
{
	const struct kt_oid *commit = NULL;

	if (rows->backdated == 0)
		return;
	commit = commit_of(walk, rows->backdated_offset);
	kt_verify_blame(verify, KT_VERIFY_ORDER, commit);
	kt_verify_broken(verify, KT_VERIFY_ORDER,
		"the row in line %zu is not later than all before it (commit %s)",
		rows->backdated_line, kt_verify_short(commit));
}

void kt_verify_rows(struct kt_verify *verify, const struct kt_verify_walk *walk)
{
	size_t text =
		walk->history->len == 0 ? KT_VERIFY_NO_TEXT : walk->text_of[walk->history->len - 1];
	struct rows rows = {.max_time = INT64_MIN, .strict_from = strict_from(verify, walk)};

	if (text != KT_VERIFY_NO_TEXT)
		rows_read(verify, &walk->texts[text].bytes, &rows);
	ids_check(verify, walk, &rows);
	backdated_check(verify, walk, &rows);
	if (rows.late > rows.backdated)
		kt_verify_warn(verify, KT_VERIFY_ORDER,
			"%zu rows are not later than one before them (first: line %zu)", rows.late,
			rows.late_line);
	if (rows.unordered > 0)
		kt_verify_warn(verify, KT_VERIFY_ORDER,
			"%zu rows have a smaller id than one before them (first: line %zu)",
			rows.unordered, rows.unordered_line);
	for (size_t i = 0; i < rows.len; i++)
		free(rows.rows[i].id);
	free(rows.rows);
	free(rows.max_id);
}
