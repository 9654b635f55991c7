/*
 * The reducer: lines in, state out, incremental, with undo. Pure: no clock, no files, no logging.
 * Runs in the writer, in every query and in the checkers; there is no second reducer.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/status/reduce_private.h"

enum { FIRST_TABLE_SIZE = 256 };

struct kt_reducer *kt_reducer_new(void)
{
	struct kt_reducer *reducer = kt_alloc(sizeof *reducer);

	reducer->table_size = FIRST_TABLE_SIZE;
	reducer->table = kt_realloc_array(NULL, reducer->table_size, sizeof *reducer->table);
	memset(reducer->table, 0xff, reducer->table_size * sizeof *reducer->table);
	reducer->cache = kt_alloc(sizeof *reducer->cache);
	reducer->cache->slug_row = -1;
	return reducer;
}

static void row_release(struct row *row)
{
	free(row->event_id);
	free(row->at);
}

void kt_reducer_free(struct kt_reducer *reducer)
{
	if (reducer == NULL)
		return;
	for (size_t i = 0; i < reducer->rows_len; i++)
		row_release(&reducer->rows[i]);
	for (size_t i = 0; i < reducer->wps_len; i++)
		kt_wp_free(reducer->wps[i]);
	kt_buffer_release(&reducer->bytes);
	kt_buffer_release(&reducer->cache->slug);
	kt_buffer_release(&reducer->cache->retrospective);
	free(reducer->cache);
	free(reducer->rows);
	free(reducer->table);
	free(reducer->wps);
	free(reducer->retrospective.rows);
	free(reducer->marks);
	free(reducer);
}

/* ---- rows ---- */

static const char *text_of(const char *text)
{
	return text == NULL ? "" : text;
}

int kt_row_compare(const struct kt_reducer *reducer, int left, int right)
{
	const struct row *a = &reducer->rows[left], *b = &reducer->rows[right];
	int order = strcmp(text_of(a->at), text_of(b->at));

	return order != 0 ? order : strcmp(text_of(a->event_id), text_of(b->event_id));
}

void kt_row_reread(const struct kt_reducer *reducer, int row, struct kt_event *event)
{
	const struct row *place = &reducer->rows[row];
	struct kt_error err = KT_ERROR_INIT;

	KT_BUG_UNLESS(kt_event_decode(reducer->bytes.data + place->offset, place->len, event,
			      &err) == KT_E_OK);
}

/* ---- the table of ids: newest first in a chain, so that undo pops heads ---- */

static size_t hash_of(const char *text)
{
	size_t hash = 1469598103934665603ULL;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211ULL;
	return hash;
}

static int *slot_of(const struct kt_reducer *reducer, const char *event_id)
{
	return &reducer->table[hash_of(event_id) & (reducer->table_size - 1)];
}

/* The first row of that id, of any kind or of transitions; -1: none. */
static int find_id(const struct kt_reducer *reducer, const char *event_id, bool is_move_wanted)
{
	int found = -1;

	for (int row = *slot_of(reducer, event_id); row >= 0; row = reducer->rows[row].next)
		if (strcmp(reducer->rows[row].event_id, event_id) == 0 &&
			(!is_move_wanted || reducer->rows[row].kind == KT_EVENT_MOVE))
			found = row;
	return found;
}

static void name_row(struct kt_reducer *reducer, int row)
{
	int *slot = slot_of(reducer, reducer->rows[row].event_id);

	reducer->rows[row].next = *slot;
	reducer->rows[row].is_named = true;
	*slot = row;
}

static void grow_table(struct kt_reducer *reducer)
{
	if (reducer->rows_len * 2 < reducer->table_size)
		return;
	reducer->table_size *= 4;
	reducer->table =
		kt_realloc_array(reducer->table, reducer->table_size, sizeof *reducer->table);
	memset(reducer->table, 0xff, reducer->table_size * sizeof *reducer->table);
	for (size_t i = 0; i < reducer->rows_len; i++)
		if (reducer->rows[i].is_named)
			name_row(reducer, (int)i);
}

/* ---- work packages ---- */

static size_t wp_place(const struct kt_reducer *reducer, const char *wp_id)
{
	size_t low = 0, high = reducer->wps_len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(reducer->wps[middle]->id, wp_id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct wp *wp_find(const struct kt_reducer *reducer, const char *wp_id)
{
	size_t place = wp_place(reducer, wp_id);

	return place < reducer->wps_len && strcmp(reducer->wps[place]->id, wp_id) == 0
		       ? reducer->wps[place]
		       : NULL;
}

static struct wp *wp_find_or_add(struct kt_reducer *reducer, const char *wp_id)
{
	size_t place = wp_place(reducer, wp_id);
	struct wp *wp = wp_find(reducer, wp_id);

	if (wp != NULL)
		return wp;
	if (reducer->wps_len == reducer->wps_capacity) {
		reducer->wps_capacity = reducer->wps_capacity * 2 + 16;
		reducer->wps =
			kt_realloc_array(reducer->wps, reducer->wps_capacity, sizeof(struct wp *));
	}
	wp = kt_alloc(sizeof *wp);
	wp->id = kt_strdup(wp_id);
	memmove(reducer->wps + place + 1, reducer->wps + place,
		(reducer->wps_len - place) * sizeof(struct wp *));
	reducer->wps[place] = wp;
	reducer->wps_len++;
	return wp;
}

/* ---- feeding ---- */

static void raise_maxima(struct kt_reducer *reducer, const struct row *row)
{
	int64_t time = 0;

	if (row->at != NULL && (reducer->max_at == NULL || strcmp(row->at, reducer->max_at) > 0))
		reducer->max_at = row->at;
	if (row->at != NULL && kt_time_parse(row->at, &time) && time > reducer->max_time)
		reducer->max_time = time;
	if (row->event_id != NULL &&
		(reducer->max_event_id == NULL || strcmp(row->event_id, reducer->max_event_id) > 0))
		reducer->max_event_id = row->event_id;
}

static int add_row(
	struct kt_reducer *reducer, const struct kt_event *event, size_t offset, size_t len)
{
	int number = (int)reducer->rows_len;
	struct row *row = NULL;
	bool is_move = event->kind == KT_EVENT_MOVE;
	bool is_repeated =
		event->event_id != NULL && find_id(reducer, event->event_id, is_move) >= 0;

	KT_BUG_UNLESS(reducer->rows_len < INT_MAX);
	if (reducer->rows_len == reducer->rows_capacity) {
		reducer->rows_capacity = reducer->rows_capacity * 2 + 64;
		reducer->rows = kt_realloc_array(
			reducer->rows, reducer->rows_capacity, sizeof *reducer->rows);
	}
	row = &reducer->rows[reducer->rows_len++];
	*row = (struct row){.offset = offset,
		.len = len,
		.event_id = kt_strdup(event->event_id),
		.at = kt_strdup(event->at),
		.kind = event->kind,
		/* Only transitions are told apart by id; annotations are not (3.5). */
		.is_duplicate = is_move && is_repeated,
		.next = -1};
	if (event->event_id != NULL && !is_repeated)
		name_row(reducer, number);
	grow_table(reducer);
	raise_maxima(reducer, &reducer->rows[number]);
	return number;
}

static void apply(struct kt_reducer *reducer, int row, const struct kt_event *event)
{
	if (event->kind == KT_EVENT_RETROSPECTIVE) {
		kt_row_list_insert(reducer, &reducer->retrospective, row);
		kt_buffer_clear(&reducer->cache->retrospective);
	}
	if ((event->kind != KT_EVENT_MOVE && event->kind != KT_EVENT_ANNOTATION) ||
		reducer->rows[row].is_duplicate)
		return;
	reducer->rows[row].wp = wp_find_or_add(reducer, event->wp_id);
	kt_wp_add(reducer, reducer->rows[row].wp, row, event);
}

static enum kt_code feed_line(
	struct kt_reducer *reducer, size_t offset, size_t len, struct kt_error *err)
{
	struct kt_event event = {.kind = KT_EVENT_BLANK};
	struct kt_error cause = KT_ERROR_INIT;

	reducer->lines++;
	if (kt_event_decode(reducer->bytes.data + offset, len, &event, &cause) != KT_E_OK)
		return kt_error_set(
			err, KT_E_EVENT_INVALID, "line %zu: %s", reducer->lines, cause.detail);
	if (event.kind != KT_EVENT_BLANK) {
		reducer->count++;
		apply(reducer, add_row(reducer, &event, offset, len), &event);
	}
	kt_event_release(&event);
	return KT_E_OK;
}

/* Read again from its start, both would be one line that is no row. */
static bool is_glued(const struct kt_reducer *reducer, const char *bytes, size_t len)
{
	size_t end = reducer->bytes.len;

	return len > 0 && end > 0 && reducer->bytes.data[end - 1] != '\n' && bytes[0] != '\n' &&
	       bytes[0] != '\r';
}

/* The newline that the last line lacked ends that line; it is no blank line of its own. */
static size_t end_last_line(struct kt_reducer *reducer, const char *bytes, size_t len)
{
	size_t end = reducer->bytes.len;
	struct row *last = reducer->rows_len == 0 ? NULL : &reducer->rows[reducer->rows_len - 1];

	if (len == 0 || bytes[0] != '\n' || end == 0 || reducer->bytes.data[end - 1] == '\n')
		return 0;
	if (last != NULL && last->offset + last->len == end)
		last->len++;
	return 1;
}

enum kt_code kt_reducer_feed(
	struct kt_reducer *reducer, const char *bytes, size_t len, struct kt_error *err)
{
	size_t mark = kt_reducer_mark(reducer), at = reducer->bytes.len, end = at + len;
	enum kt_code code = KT_E_OK;

	if (is_glued(reducer, bytes, len))
		return kt_error_set(err, KT_E_EVENT_INVALID,
			"line %zu: the row before has no newline", reducer->lines);
	at += end_last_line(reducer, bytes, len);
	kt_buffer_append(&reducer->bytes, bytes, len);
	while (at < end && code == KT_E_OK) {
		const char *newline = memchr(reducer->bytes.data + at, '\n', end - at);
		size_t line = newline == NULL ? end - at
					      : (size_t)(newline - reducer->bytes.data) - at + 1;

		code = feed_line(reducer, at, line, err);
		at += line;
	}
	if (code != KT_E_OK)
		kt_reducer_rollback(reducer, mark);
	else
		reducer->marks_len = mark;
	return code;
}

/* ---- undo ---- */

size_t kt_reducer_mark(struct kt_reducer *reducer)
{
	if (reducer->marks_len == reducer->marks_capacity) {
		reducer->marks_capacity = reducer->marks_capacity * 2 + 8;
		reducer->marks = kt_realloc_array(
			reducer->marks, reducer->marks_capacity, sizeof *reducer->marks);
	}
	reducer->marks[reducer->marks_len] =
		(struct mark){reducer->rows_len, reducer->bytes.len, reducer->lines, reducer->count,
			reducer->max_at, reducer->max_event_id, reducer->max_time};
	return reducer->marks_len++;
}

/* Rows leave in reverse order: each is the head of its chain, and the last of nothing else matters.
 */
static void pop_row(struct kt_reducer *reducer)
{
	int number = (int)reducer->rows_len - 1;
	struct row *row = &reducer->rows[number];

	if (row->is_named)
		*slot_of(reducer, row->event_id) = row->next;
	if (row->kind == KT_EVENT_RETROSPECTIVE) {
		kt_row_list_remove(&reducer->retrospective, number);
		kt_buffer_clear(&reducer->cache->retrospective);
	}
	if (reducer->cache->slug_row == number)
		reducer->cache->slug_row = -1;
	if (row->wp != NULL)
		kt_wp_remove(reducer, row->wp, number);
	row_release(row);
	reducer->rows_len--;
}

void kt_reducer_rollback(struct kt_reducer *reducer, size_t mark)
{
	struct mark to = {0};
	struct row *last = NULL;

	KT_BUG_UNLESS(mark < reducer->marks_len);
	to = reducer->marks[mark];
	reducer->marks_len = mark;
	while (reducer->rows_len > to.rows)
		pop_row(reducer);
	reducer->bytes.len = to.bytes;
	reducer->lines = to.lines;
	reducer->count = to.count;
	reducer->max_at = to.max_at;
	reducer->max_event_id = to.max_event_id;
	reducer->max_time = to.max_time;
	last = reducer->rows_len == 0 ? NULL : &reducer->rows[reducer->rows_len - 1];
	if (last != NULL && last->offset + last->len > to.bytes)
		last->len = to.bytes - last->offset;
}

void kt_reducer_settle(struct kt_reducer *reducer)
{
	reducer->marks_len = 0;
}

/* ---- questions ---- */

static void describe(const struct kt_reducer *reducer, struct wp *wp, struct kt_wp_state *out)
{
	const struct base *base = &wp->base;

	kt_wp_refresh(reducer, wp);
	if (wp->entry == NULL)
		wp->entry = kt_wp_entry(wp);
	*out = (struct kt_wp_state){.wp_id = wp->id,
		.status = base->exists ? base->status : KT_STATUS_UNINITIALIZED,
		.actor = base->exists ? base->actor : wp->overlay_actor,
		.last_transition_at = base->at,
		.last_event_id = base->event_id,
		.entry = wp->entry,
		.has_transition = base->exists,
		.claim_actor = base->claim_actor,
		.claim_metadata = base->claim_metadata,
		.last_reason = base->reason};
}

bool kt_reducer_wp(const struct kt_reducer *reducer, const char *wp_id, struct kt_wp_state *out)
{
	struct wp *wp = wp_find(reducer, wp_id);

	if (wp == NULL || !kt_wp_is_known(wp))
		return false;
	describe(reducer, wp, out);
	return true;
}

void kt_reducer_each_wp(const struct kt_reducer *reducer, kt_wp_cb each, void *arg)
{
	struct kt_wp_state state;

	for (size_t i = 0; i < reducer->wps_len; i++) {
		if (!kt_wp_is_known(reducer->wps[i]))
			continue;
		describe(reducer, reducer->wps[i], &state);
		each(&state, arg);
	}
}

bool kt_reducer_find_event(
	const struct kt_reducer *reducer, const char *event_id, size_t *offset, size_t *len)
{
	int row = find_id(reducer, event_id, false);

	if (row < 0)
		return false;
	*offset = reducer->rows[row].offset;
	*len = reducer->rows[row].len;
	return true;
}

const char *kt_reducer_max_at(const struct kt_reducer *reducer)
{
	return reducer->max_at;
}

int64_t kt_reducer_max_time(const struct kt_reducer *reducer)
{
	return reducer->max_time;
}

const char *kt_reducer_max_event_id(const struct kt_reducer *reducer)
{
	return reducer->max_event_id;
}

size_t kt_reducer_rows(const struct kt_reducer *reducer)
{
	return reducer->count;
}

size_t kt_reducer_bytes(const struct kt_reducer *reducer)
{
	return reducer->bytes.len;
}
