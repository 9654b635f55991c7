/*
 * The bytes of status.json from the reduced state (5.2, 5.4). Pure and deterministic: no wall
 * clock. A WP's text is made once and kept until the WP changes, so one more event costs one WP,
 * not all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/status/reduce_private.h"

/* ---- identity ---- */

/* At most so many bytes of a text out of JSON, which is valid UTF-8: no character is cut in two. */
static size_t whole_characters(const char *text, size_t len)
{
	while (((unsigned char)text[len] & 0xC0) == 0x80)
		len--;
	return len;
}

static void trim_copy(const char *text, char *out, size_t size)
{
	size_t len = 0;

	text += strspn(text, " \t\r\n");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	if (len >= size)
		len = whole_characters(text, size - 1);
	memcpy(out, text, len);
	out[len] = '\0';
}

/* A number that does not fit is none: its first digits would be another number. */
static void copy_number(const char *digits, char number[32])
{
	while (digits[0] == '0' && digits[1] != '\0')
		digits++;
	if (strlen(digits) < 32)
		memcpy(number, digits, strlen(digits) + 1);
}

void kt_snapshot_identity_from_meta(const struct kt_json *meta, char number[32], char type[128])
{
	const struct kt_json *value = kt_json_get(meta, "mission_number");
	const char *text = kt_json_get_string(meta, "mission_type");
	const char *digits = kt_json_string(value);

	number[0] = type[0] = '\0';
	if (text != NULL)
		trim_copy(text, type, 128);
	if (kt_json_is(value, KT_JSON_NUMBER))
		copy_number(kt_json_number_text(value), number);
	else if (digits != NULL && digits[0] != '\0' &&
		 digits[strspn(digits, "0123456789")] == '\0')
		copy_number(digits, number);
}

static bool is_safe_segment(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || strchr("-_.", text[0]) != NULL || text[len - 1] == '.' ||
		strstr(text, "..") != NULL)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((text[i] < '0' || text[i] > '9') && (text[i] < 'A' || text[i] > 'Z') &&
			(text[i] < 'a' || text[i] > 'z') && strchr("-_.", text[i]) == NULL)
			return false;
	return true;
}

/* "012-name" -> "12" */
static void number_from_slug(const char *slug, char number[32])
{
	char digits[4] = "";

	if (strspn(slug, "0123456789") < 3 || slug[3] != '-' || slug[4] == '\0')
		return;
	memcpy(digits, slug, 3);
	copy_number(digits, number);
}

/* ---- first and last transition in sort order ---- */

static int first_transition(const struct kt_reducer *reducer)
{
	int first = -1;

	for (size_t i = 0; i < reducer->wps_len; i++) {
		const struct row_list *list = &reducer->wps[i]->transitions;

		if (list->len > 0 &&
			(first < 0 || kt_row_compare(reducer, list->rows[0], first) < 0))
			first = list->rows[0];
	}
	return first;
}

static int last_transition(const struct kt_reducer *reducer, size_t *count)
{
	int last = -1;

	*count = 0;
	for (size_t i = 0; i < reducer->wps_len; i++) {
		const struct row_list *list = &reducer->wps[i]->transitions;

		*count += list->len;
		if (list->len > 0 &&
			(last < 0 || kt_row_compare(reducer, list->rows[list->len - 1], last) > 0))
			last = list->rows[list->len - 1];
	}
	return last;
}

/* Kept until another row is the first: it may be a huge one. */
static const char *mission_slug(const struct kt_reducer *reducer)
{
	struct snapshot_cache *cache = reducer->cache;
	struct kt_event event = {.kind = KT_EVENT_BLANK};
	int first = first_transition(reducer);

	if (first < 0)
		return "";
	if (first == cache->slug_row)
		return kt_buffer_text(&cache->slug);
	kt_row_reread(reducer, first, &event);
	kt_buffer_clear(&cache->slug);
	if (is_safe_segment(event.mission_slug))
		kt_buffer_puts(&cache->slug, event.mission_slug);
	cache->slug_row = first;
	kt_event_release(&event);
	return kt_buffer_text(&cache->slug);
}

/* ---- retrospective (5.4) ---- */

struct retrospective {
	const char *status;
	struct kt_json *record_path, *mode; /* NULL: null */
	int64_t generated, applied, rejected;
};

static const struct {
	const char *name, *status;
} terminal_events[] = {
	{"retrospective.completed", "completed"},
	{"retrospective.skipped", "skipped"},
	{"retrospective.failed", "failed"},
};

static bool is_valid_mode(const struct kt_json *mode)
{
	const char *value = kt_json_get_string(mode, "value");
	const struct kt_json *signal = kt_json_get(mode, "source_signal");

	return value != NULL &&
	       (strcmp(value, "autonomous") == 0 || strcmp(value, "human_in_command") == 0) &&
	       kt_json_get(signal, "kind") != NULL && kt_json_get(signal, "evidence") != NULL;
}

static void take(struct kt_json **slot, const struct kt_json *value)
{
	kt_json_free(*slot);
	*slot = value == NULL ? NULL : kt_json_copy(value);
}

static void count_retrospective(struct retrospective *r, const struct kt_json *row)
{
	const char *name = kt_json_get_string(row, "event_name");
	const struct kt_json *payload = kt_json_get(row, "payload");

	for (size_t i = 0; i < sizeof terminal_events / sizeof terminal_events[0]; i++)
		if (strcmp(terminal_events[i].name, name) == 0) {
			r->status = terminal_events[i].status;
			take(&r->record_path, kt_json_get(payload, "record_path"));
		}
	if (strcmp(name, "retrospective.requested") == 0 &&
		is_valid_mode(kt_json_get(payload, "mode")))
		take(&r->mode, kt_json_get(payload, "mode"));
	r->generated += strcmp(name, "retrospective.proposal.generated") == 0;
	r->applied += strcmp(name, "retrospective.proposal.applied") == 0;
	r->rejected += strcmp(name, "retrospective.proposal.rejected") == 0;
}

static struct kt_json *retrospective_block(const struct kt_reducer *reducer)
{
	struct retrospective r = {.status = "pending"};
	struct kt_json *block = kt_json_new_object();
	int64_t pending = 0;

	for (size_t i = 0; i < reducer->retrospective.len; i++) {
		struct kt_event event = {.kind = KT_EVENT_BLANK};

		kt_row_reread(reducer, reducer->retrospective.rows[i], &event);
		count_retrospective(&r, event.row);
		kt_event_release(&event);
	}
	pending = r.generated - r.applied - r.rejected;
	kt_json_set_string(block, "status", r.status);
	kt_json_set(block, "record_path", r.record_path ? r.record_path : kt_json_new_null());
	kt_json_set(block, "mode", r.mode ? r.mode : kt_json_new_null());
	kt_json_set_int(block, "proposals_total", r.generated);
	kt_json_set_int(block, "proposals_applied", r.applied);
	kt_json_set_int(block, "proposals_rejected", r.rejected);
	kt_json_set_int(block, "proposals_pending", pending < 0 ? 0 : pending);
	return block;
}

/* ---- bytes ---- */

/* Appends text with every line but the first moved right. Strings hold no raw newlines. */
static void append_indented(const struct kt_buffer *text, const char *indent, struct kt_buffer *out)
{
	const char *at = kt_buffer_text(text), *end = at + text->len;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = newline == NULL ? (size_t)(end - at) : (size_t)(newline - at) + 1;

		kt_buffer_append(out, at, len);
		if (newline != NULL)
			kt_buffer_puts(out, indent);
		at += len;
	}
}

static void append_string(const char *key, const char *text, struct kt_buffer *out)
{
	kt_buffer_printf(out, "  \"%s\": ", key);
	if (text == NULL)
		kt_buffer_puts(out, "null");
	else
		kt_json_write_string(text, strlen(text), false, out);
	kt_buffer_puts(out, ",\n");
}

static void append_retrospective(const struct kt_reducer *reducer, struct kt_buffer *out)
{
	struct kt_buffer *kept = &reducer->cache->retrospective;
	struct kt_json *block = NULL;
	struct kt_buffer text = KT_BUFFER_INIT;

	if (reducer->retrospective.len == 0)
		return;
	if (kept->len == 0) {
		block = retrospective_block(reducer);
		kt_json_write(block, KT_JSON_PRETTY_SORTED, &text);
		append_indented(&text, "  ", kept);
		kt_buffer_release(&text);
		kt_json_free(block);
	}
	kt_buffer_puts(out, "  \"retrospective\": ");
	kt_buffer_append(out, kept->data, kept->len);
	kt_buffer_puts(out, ",\n");
}

static void append_summary(const struct kt_reducer *reducer, struct kt_buffer *out)
{
	/* The nine displayed statuses in the order of their names. */
	static const enum kt_status order[] = {KT_STATUS_APPROVED, KT_STATUS_BLOCKED,
		KT_STATUS_CANCELED, KT_STATUS_CLAIMED, KT_STATUS_DONE, KT_STATUS_FOR_REVIEW,
		KT_STATUS_IN_PROGRESS, KT_STATUS_IN_REVIEW, KT_STATUS_PLANNED};
	size_t counts[KT_STATUS_COUNT] = {0};

	for (size_t i = 0; i < reducer->wps_len; i++) {
		kt_wp_refresh(reducer, reducer->wps[i]);
		if (reducer->wps[i]->base.exists)
			counts[reducer->wps[i]->base.status]++;
	}
	kt_buffer_puts(out, "  \"summary\": {");
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
		kt_buffer_printf(out, "%s\n    \"%s\": %zu", i > 0 ? "," : "",
			kt_status_name(order[i]), counts[order[i]]);
	kt_buffer_puts(out, "\n  },\n");
}

static void append_wp(const struct kt_reducer *reducer, struct wp *wp, struct kt_buffer *out)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	if (wp->text.len == 0) {
		kt_wp_refresh(reducer, wp);
		if (wp->entry == NULL)
			wp->entry = kt_wp_entry(wp);
		kt_json_write(wp->entry, KT_JSON_PRETTY_SORTED, &text);
		append_indented(&text, "    ", &wp->text);
		kt_buffer_release(&text);
	}
	kt_buffer_puts(out, "\n    ");
	kt_json_write_string(wp->id, strlen(wp->id), false, out);
	kt_buffer_puts(out, ": ");
	kt_buffer_append(out, wp->text.data, wp->text.len);
}

static void append_wps(const struct kt_reducer *reducer, struct kt_buffer *out)
{
	bool has_any = false;

	kt_buffer_puts(out, "  \"work_packages\": {");
	for (size_t i = 0; i < reducer->wps_len; i++) {
		if (!kt_wp_is_known(reducer->wps[i]))
			continue;
		if (has_any)
			kt_buffer_putc(out, ',');
		append_wp(reducer, reducer->wps[i], out);
		has_any = true;
	}
	kt_buffer_puts(out, has_any ? "\n  }\n}\n" : "}\n}\n");
}

void kt_reducer_snapshot(const struct kt_reducer *reducer,
	const struct kt_snapshot_identity *identity, struct kt_buffer *out)
{
	const char *slug = mission_slug(reducer);
	char number[32] = "";
	size_t count = 0;
	int last = last_transition(reducer, &count);
	const struct row *row = last < 0 ? NULL : &reducer->rows[last];

	if (identity->mission_number != NULL && identity->mission_number[0] != '\0')
		(void)snprintf(number, sizeof number, "%s", identity->mission_number);
	else
		number_from_slug(slug, number);
	kt_buffer_printf(out, "{\n  \"event_count\": %zu,\n", count);
	append_string("last_event_id", row == NULL ? NULL : row->event_id, out);
	append_string("materialized_at", row == NULL ? "" : row->at, out);
	append_string("mission_number", number, out);
	append_string("mission_slug", slug, out);
	append_string("mission_type", identity->mission_type ? identity->mission_type : "", out);
	append_retrospective(reducer, out);
	append_summary(reducer, out);
	append_wps(reducer, out);
}
