/*
 * A log with anything in it, line by line with a detour through undo: the state in the end is
 * the state of a reducer that was given all lines at once. (fuzz_log.c asks only what a refused
 * piece leaves behind.)
 */
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/status/reduce.h"

static void snapshot(const struct kt_reducer *reducer, struct kt_buffer *out)
{
	const struct kt_snapshot_identity identity = {NULL, NULL};

	kt_buffer_clear(out);
	kt_reducer_snapshot(reducer, &identity, out);
}

static enum kt_code feed(struct kt_reducer *reducer, const char *bytes, size_t len)
{
	struct kt_error err = KT_ERROR_INIT;

	return kt_reducer_feed(reducer, bytes, len, &err);
}

static void expect_same(const struct kt_reducer *reducer, const char *bytes, size_t len)
{
	struct kt_reducer *whole = kt_reducer_new();
	struct kt_buffer left = KT_BUFFER_INIT;
	struct kt_buffer right = KT_BUFFER_INIT;

	KT_BUG_UNLESS(feed(whole, bytes, len) == KT_E_OK);
	snapshot(reducer, &left);
	snapshot(whole, &right);
	KT_BUG_UNLESS(left.len == right.len && memcmp(left.data, right.data, left.len) == 0);
	kt_buffer_release(&left);
	kt_buffer_release(&right);
	kt_reducer_free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *text = (const char *)bytes;
	struct kt_reducer *reducer = kt_reducer_new();

	for (size_t at = 0; at < len;) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t line = newline == NULL ? len - at : (size_t)(newline - text) + 1 - at;
		size_t mark = kt_reducer_mark(reducer);

		if (feed(reducer, text + at, line) != KT_E_OK)
			break;
		kt_reducer_rollback(reducer, mark);
		KT_BUG_UNLESS(kt_reducer_bytes(reducer) == at);
		KT_BUG_UNLESS(feed(reducer, text + at, line) == KT_E_OK);
		at += line;
	}
	/* Every prefix comes along as an input of its own. */
	if (kt_reducer_bytes(reducer) > 0)
		expect_same(reducer, text, kt_reducer_bytes(reducer));
	kt_reducer_free(reducer);
	return 0;
}
