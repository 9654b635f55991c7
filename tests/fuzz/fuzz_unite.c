/*
 * Logs of one mission with anything in them (separated by NUL; the first is the base): united, the
 * base stays in front byte for byte, every row of the others is there, none of its ids is added
 * twice, and uniting the result with the same logs again changes nothing. A refusal gives nothing.
 */
#include <string.h>

#include <kitty/json.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/transaction/legacy.h"

enum { LOGS_MAX = 4 };

static size_t split(const char *text, size_t len, struct kt_buffer logs[LOGS_MAX])
{
	size_t count = 0;

	for (size_t at = 0; count < LOGS_MAX && at <= len; count++) {
		const char *end = at < len ? memchr(text + at, '\0', len - at) : NULL;
		size_t part = end == NULL ? len - at : (size_t)(end - text) - at;

		kt_buffer_append(&logs[count], text + at, part);
		at += part + 1;
	}
	return count;
}

/* How often the line of that length stands in the text. */
static size_t count_line(const struct kt_buffer *text, const char *line, size_t len)
{
	size_t found = 0;

	for (size_t at = 0; at < text->len;) {
		const char *end = memchr(text->data + at, '\n', text->len - at);
		size_t part = end == NULL ? text->len - at : (size_t)(end - text->data) - at;

		if (part == len && memcmp(text->data + at, line, len) == 0)
			found++;
		at += part + 1;
	}
	return found;
}

static bool has_id(const struct kt_buffer *text, const char *line, size_t len)
{
	struct kt_json *row = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	bool found = false;

	if (kt_json_parse(line, len, KT_JSON_LAST_WINS, &row, &ignored) != KT_E_OK)
		return true; /* a blank line */
	if (kt_json_get_string(row, "event_id") == NULL)
		found = count_line(text, line, len) > 0;
	else
		found = true; /* another row with that id may have come first */
	kt_json_free(row);
	return found;
}

static void expect_rows(const struct kt_buffer *out, const struct kt_buffer *log)
{
	for (size_t at = 0; at < log->len;) {
		const char *end = memchr(log->data + at, '\n', log->len - at);
		size_t part = end == NULL ? log->len - at : (size_t)(end - log->data) - at;

		KT_BUG_UNLESS(has_id(out, log->data + at, part));
		at += part + 1;
	}
}

static void expect_same_again(
	const struct kt_buffer *out, const struct kt_buffer *sources, size_t len)
{
	struct kt_buffer again = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	KT_BUG_UNLESS(kt_logs_unite(out, sources, len, &again, &err) == KT_E_OK);
	KT_BUG_UNLESS(again.len == out->len &&
		      memcmp(kt_buffer_text(&again), kt_buffer_text(out), out->len) == 0);
	kt_buffer_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_buffer logs[LOGS_MAX] = {
		KT_BUFFER_INIT, KT_BUFFER_INIT, KT_BUFFER_INIT, KT_BUFFER_INIT};
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	size_t count = split((const char *)bytes, len, logs);

	if (kt_logs_unite(&logs[0], logs + 1, count - 1, &out, &err) == KT_E_OK) {
		KT_BUG_UNLESS(
			out.len >= logs[0].len &&
			memcmp(kt_buffer_text(&out), kt_buffer_text(&logs[0]), logs[0].len) == 0);
		for (size_t i = 1; i < count; i++)
			expect_rows(&out, &logs[i]);
		expect_same_again(&out, logs + 1, count - 1);
	} else {
		KT_BUG_UNLESS(out.len == 0 && err.detail[0] != '\0');
	}
	kt_buffer_release(&out);
	for (size_t i = 0; i < LOGS_MAX; i++)
		kt_buffer_release(&logs[i]);
	return 0;
}
