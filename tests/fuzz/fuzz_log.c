/*
 * An event log with anything in it: the reducer takes it or names a line, and a refused piece
 * leaves no trace: the snapshot is the same as before, and it goes on as if it had never seen it.
 */
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/status/reduce.h"

static void snapshot(const struct kt_reducer *reducer, struct kt_buffer *out)
{
	struct kt_snapshot_identity identity = {NULL, NULL};

	kt_reducer_snapshot(reducer, &identity, out);
}

/* Line by line up to the first that is refused; gives the bytes that were taken. */
static size_t good_part(struct kt_reducer *reducer, const char *text, size_t len)
{
	struct kt_error err = KT_ERROR_INIT;
	const char *newline = NULL;
	size_t at = 0;

	while ((newline = memchr(text + at, '\n', len - at)) != NULL) {
		size_t line = (size_t)(newline - text) + 1 - at;

		if (kt_reducer_feed(reducer, text + at, line, &err) != KT_E_OK)
			break;
		at += line;
	}
	return at;
}

static void feed_bad(struct kt_reducer *reducer, const char *text, size_t len)
{
	struct kt_error err = KT_ERROR_INIT;
	size_t mark = kt_reducer_mark(reducer), before = kt_reducer_bytes(reducer);

	if (kt_reducer_feed(reducer, text, len, &err) == KT_E_OK)
		kt_reducer_rollback(reducer, mark);
	else
		KT_BUG_UNLESS(strncmp(err.detail, "line ", 5) == 0);
	KT_BUG_UNLESS(kt_reducer_bytes(reducer) == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer before = KT_BUFFER_INIT, after = KT_BUFFER_INIT;
	size_t good = good_part(reducer, (const char *)bytes, len);

	snapshot(reducer, &before);
	feed_bad(reducer, (const char *)bytes + good, len - good);
	snapshot(reducer, &after);
	KT_BUG_UNLESS(before.len == after.len && memcmp(before.data, after.data, before.len) == 0);
	kt_buffer_release(&before);
	kt_buffer_release(&after);
	kt_reducer_free(reducer);
	return 0;
}
