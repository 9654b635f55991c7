/*
 * Cursors, order, retries. Runs in commands and in kitty's helper processes. Must never move a
 * cursor past an event that its sink has not taken.
 */
#include "supervisor/fanout/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/file.h"
#include "ipc/patience.h"
#include "supervisor/fanout/outbox_private.h"

enum {
	STATE_MAX = 1 << 20,
	WHY_MAX = 320,
	LOCK_MS = 5000, /* patience with another process that delivers */
	PAUSE_MS = 200  /* before the first repetition; twice as long before each further one */
};

/* ---- time as text, for people ---- */

static void now_format(char *text, size_t size)
{
	time_t now = (time_t)(kt_clock_wall_us() / 1000000);
	struct tm parts;

	(void)gmtime_r(&now, &parts);
	(void)strftime(text, size, "%Y-%m-%dT%H:%M:%S+00:00", &parts);
}

/* ---- the cursor file ---- */

/* {"sinks": {name: {...}}}; an absent file is an empty one. Gives. */
static enum kt_code state_load(
	const struct kt_outbox *outbox, struct kt_json **out, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *state = NULL;
	enum kt_code code = KT_E_OK;

	if (kt_file_exists(outbox->state_path))
		code = kt_file_read(outbox->state_path, STATE_MAX, &text, err);
	if (code == KT_E_OK && text.len > 0)
		code = kt_json_parse(text.data, text.len, KT_JSON_LAST_WINS, &state, err);
	kt_buffer_release(&text);
	if (code != KT_E_OK)
		return code;
	if (!kt_json_is(kt_json_get(state, "sinks"), KT_JSON_OBJECT)) {
		kt_json_free(state);
		state = kt_json_new_object();
		kt_json_set(state, "sinks", kt_json_new_object());
	}
	*out = state;
	return KT_E_OK;
}

static enum kt_code state_save(
	const struct kt_outbox *outbox, const struct kt_json *state, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	kt_json_write(state, KT_JSON_PRETTY_SORTED, &text);
	kt_buffer_putc(&text, '\n');
	code = kt_file_write_atomic(outbox->state_path, text.data, text.len, 0600, true, err);
	kt_buffer_release(&text);
	return code;
}

static struct kt_json *entry_of(struct kt_json *state, const char *name)
{
	struct kt_json *sinks = kt_json_get(state, "sinks");

	if (!kt_json_is(kt_json_get(sinks, name), KT_JSON_OBJECT))
		kt_json_set(sinks, name, kt_json_new_object());
	return kt_json_get(sinks, name);
}

/* ---- rows ---- */

struct row {
	const char *text;
	size_t len;  /* without the newline */
	size_t next; /* offset of what follows */
};

static bool row_at(const struct kt_outbox *outbox, size_t offset, struct row *out)
{
	const char *end = NULL;

	if (offset >= outbox->log_len)
		return false;
	out->text = outbox->log + offset;
	end = memchr(out->text, '\n', outbox->log_len - offset);
	out->len = end == NULL ? outbox->log_len - offset : (size_t)(end - out->text);
	out->next = offset + out->len + (end == NULL ? 0 : 1);
	return true;
}

static struct kt_json *row_parse(const struct row *row)
{
	struct kt_json *event = NULL;
	struct kt_error ignored = KT_ERROR_INIT;

	if (kt_json_parse(row->text, row->len, KT_JSON_LAST_WINS, &event, &ignored) != KT_E_OK)
		return NULL;
	return event;
}

static bool has_id(const struct row *row, const char *id)
{
	struct kt_json *event = row_parse(row);
	const char *own = kt_json_get_string(event, "event_id");
	bool is_same = own != NULL && strcmp(own, id) == 0;

	kt_json_free(event);
	return is_same;
}

/*
 * Where the first row behind the cursor starts. The stored offset is a hint: the id decides. False:
 * the log does not hold the event that was delivered last.
 */
static bool cursor_find(const struct kt_outbox *outbox, const struct kt_json *entry, size_t *offset)
{
	const char *last = kt_json_get_string(entry, "last_event_id");
	int64_t hint = 0;
	struct row row;

	*offset = 0;
	if (last == NULL)
		return true;
	if (kt_json_get_int(entry, "offset", &hint) && hint >= 0 &&
		row_at(outbox, (size_t)hint, &row) && has_id(&row, last)) {
		*offset = row.next;
		return true;
	}
	for (size_t at = 0; row_at(outbox, at, &row); at = row.next) {
		if (has_id(&row, last)) {
			*offset = row.next;
			return true;
		}
	}
	return false;
}

static size_t rows_from(const struct kt_outbox *outbox, size_t offset)
{
	size_t count = 0;
	struct row row;

	for (; row_at(outbox, offset, &row); offset = row.next)
		count += row.len > 0;
	return count;
}

/* ---- delivery ---- */

struct delivery {
	const struct kt_outbox *outbox;
	struct kt_json *state;
	int64_t until_ms; /* -1: no bound */
};

static void failure_set(
	struct kt_json *entry, const char *event_id, size_t attempts, const char *why)
{
	struct kt_json *failure = kt_json_new_object();
	char now[40];

	now_format(now, sizeof now);
	kt_json_set_string(failure, "at", now);
	kt_json_set_string(failure, "event_id", event_id);
	kt_json_set_int(failure, "attempts", (int64_t)attempts);
	kt_json_set_string(failure, "error", why);
	kt_json_set(entry, "last_failure", failure);
}

static void taken_set(struct kt_json *entry, const char *event_id, size_t offset)
{
	char now[40];
	int64_t total = 0;

	now_format(now, sizeof now);
	(void)kt_json_get_int(entry, "delivered", &total);
	kt_json_set_string(entry, "last_event_id", event_id);
	kt_json_set_int(entry, "offset", (int64_t)offset);
	kt_json_set_int(entry, "delivered", total + 1);
	kt_json_set_string(entry, "last_delivered_at", now);
	kt_json_set(entry, "last_failure", kt_json_new_null());
}

static bool is_late(const struct delivery *delivery)
{
	return delivery->until_ms >= 0 && kt_clock_monotonic_ms() >= delivery->until_ms;
}

/* With its retries. */
static bool event_send(const struct delivery *delivery, const struct kt_outbound *outbound,
	struct kt_json *entry, const char *event_id)
{
	char why[WHY_MAX] = "";
	size_t attempts = 0;
	int pause = PAUSE_MS;

	for (; attempts <= outbound->sink->retries; pause *= 2) {
		if (attempts > 0)
			(void)poll(NULL, 0, pause);
		if (attempts > 0 && is_late(delivery))
			break;
		attempts++;
		if (kt_outbound_send(outbound, why, sizeof why))
			return true;
	}
	failure_set(entry, event_id, attempts, why);
	return false;
}

/* One row; *delivered counts. False: this sink is done for now. */
static bool row_deliver(const struct delivery *delivery, const struct kt_sink *sink,
	struct kt_json *entry, size_t offset, const struct row *row)
{
	struct kt_json *event = row_parse(row);
	const char *event_id = kt_json_get_string(event, "event_id");
	struct kt_outbound outbound = {delivery->outbox, sink, row->text, row->len, event};
	bool was_taken = event_id != NULL && event_send(delivery, &outbound, entry, event_id);

	if (was_taken)
		taken_set(entry, event_id, offset);
	else if (event_id == NULL)
		failure_set(entry, NULL, 0, "a row of the log has no event id");
	kt_json_free(event);
	return was_taken;
}

/* The cursor is saved after every event: what was delivered twice at most is one event. */
static enum kt_code sink_deliver(const struct delivery *delivery, const struct kt_sink *sink,
	size_t *delivered, struct kt_error *err)
{
	struct kt_json *entry = entry_of(delivery->state, sink->name);
	size_t offset = 0;
	struct row row;
	bool is_open = cursor_find(delivery->outbox, entry, &offset);
	enum kt_code code = KT_E_OK;

	if (!is_open)
		failure_set(entry, kt_json_get_string(entry, "last_event_id"), 0,
			"the event delivered last is not in the log any more");
	while (is_open && code == KT_E_OK && row_at(delivery->outbox, offset, &row) &&
		!is_late(delivery)) {
		if (row.len > 0) {
			is_open = row_deliver(delivery, sink, entry, offset, &row);
			*delivered += is_open;
			code = state_save(delivery->outbox, delivery->state, err);
		}
		offset = row.next;
	}
	return code == KT_E_OK && kt_json_get(entry, "last_failure") != NULL && !is_open
		       ? state_save(delivery->outbox, delivery->state, err)
		       : code;
}

/* ---- the report ---- */

static void member_copy(
	struct kt_json *row, const char *name, const struct kt_json *entry, const char *key)
{
	const struct kt_json *value = kt_json_get(entry, key);

	kt_json_set(row, name, value == NULL ? kt_json_new_null() : kt_json_copy(value));
}

static struct kt_json *row_report(
	const struct kt_outbox *outbox, const struct kt_sink *sink, struct kt_json *state)
{
	const struct kt_json *entry = entry_of(state, sink->name);
	struct kt_json *row = kt_json_new_object();
	size_t offset = 0;
	int64_t total = 0;

	kt_json_set_string(row, "name", sink->name);
	kt_json_set_string(row, "kind", sink->argv != NULL ? "command" : "file");
	member_copy(row, "cursor", entry, "last_event_id");
	(void)kt_json_get_int(entry, "delivered", &total);
	kt_json_set_int(row, "delivered_total", total);
	kt_json_set_int(row, "pending",
		cursor_find(outbox, entry, &offset) ? (int64_t)rows_from(outbox, offset) : -1);
	member_copy(row, "last_delivered_at", entry, "last_delivered_at");
	member_copy(row, "last_failure", entry, "last_failure");
	return row;
}

static struct kt_json *report_build(
	const struct kt_outbox *outbox, struct kt_json *state, const size_t *delivered, bool busy)
{
	struct kt_json *report = kt_json_new_object();
	struct kt_json *sinks = kt_json_new_array();

	for (size_t i = 0; i < outbox->sinks_len; i++) {
		struct kt_json *row = row_report(outbox, &outbox->sinks[i], state);

		kt_json_set_int(row, "delivered", delivered == NULL ? 0 : (int64_t)delivered[i]);
		kt_json_append(sinks, row);
	}
	kt_json_set(report, "sinks", sinks);
	kt_json_set_bool(report, "busy", busy);
	return report;
}

static enum kt_code log_load(struct kt_outbox *outbox, struct kt_error *err)
{
	return outbox->load(outbox->arg, &outbox->log, &outbox->log_len, err);
}

enum kt_code kt_outbox_status(
	const struct kt_outbox *wish, struct kt_json **report, struct kt_error *err)
{
	struct kt_outbox outbox = *wish;
	struct kt_json *state = NULL;
	enum kt_code code = state_load(&outbox, &state, err);

	if (code == KT_E_OK)
		code = log_load(&outbox, err);
	if (code == KT_E_OK)
		*report = report_build(&outbox, state, NULL, false);
	kt_json_free(state);
	return code;
}

/* Waits a while for another process, whose log may be older than ours. -1 and KT_E_OK: it still
 * delivers. */
static enum kt_code lock_take(const struct kt_outbox *outbox, int *fd, struct kt_error *err)
{
	*fd = open(outbox->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return kt_error_sys(
			err, kt_error_from_errno(errno), errno, "%s", outbox->lock_path);
	if (kt_flock_within(*fd, outbox->budget_ms > 0 ? outbox->budget_ms : LOCK_MS))
		return KT_E_OK;
	(void)close(*fd);
	*fd = -1;
	return KT_E_OK;
}

static enum kt_code deliver_all(const struct kt_outbox *outbox, struct delivery *delivery,
	size_t *delivered, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; i < outbox->sinks_len && code == KT_E_OK; i++)
		code = sink_deliver(delivery, &outbox->sinks[i], &delivered[i], err);
	return code;
}

enum kt_code kt_outbox_deliver(
	const struct kt_outbox *wish, struct kt_json **report, struct kt_error *err)
{
	struct kt_outbox outbox = *wish;
	struct delivery delivery = {&outbox, NULL, -1};
	size_t *delivered = kt_alloc((outbox.sinks_len + 1) * sizeof *delivered);
	char *folder = kt_path_parent(outbox.state_path);
	int lock = -1;
	enum kt_code code = kt_folder_make(folder, 0700, err);

	if (outbox.budget_ms > 0)
		delivery.until_ms = kt_clock_monotonic_ms() + outbox.budget_ms;
	if (code == KT_E_OK)
		code = lock_take(&outbox, &lock, err);
	if (code == KT_E_OK)
		code = state_load(&outbox, &delivery.state, err);
	if (code == KT_E_OK)
		code = log_load(&outbox, err);
	if (code == KT_E_OK && lock >= 0)
		code = deliver_all(&outbox, &delivery, delivered, err);
	if (code == KT_E_OK)
		*report = report_build(&outbox, delivery.state, delivered, lock < 0);
	if (lock >= 0)
		(void)close(lock);
	kt_json_free(delivery.state);
	free(delivered);
	free(folder);
	return code;
}
