/*
 * An event log with anything in it: the reducer takes it or names a line, and a refused piece
 * leaves no trace: the snapshot is the same as before.
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer before = KT_BUFFER_INIT;
	struct kt_buffer after = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	size_t mark = kt_reducer_mark(reducer);

	snapshot(reducer, &before);
	if (kt_reducer_feed(reducer, (const char *)bytes, len, &err) == KT_E_OK)
		kt_reducer_rollback(reducer, mark);
	else
		KT_BUG_UNLESS(strncmp(err.detail, "line ", 5) == 0);
	snapshot(reducer, &after);
	KT_BUG_UNLESS(before.len == after.len && memcmp(before.data, after.data, before.len) == 0);
	kt_buffer_release(&before);
	kt_buffer_release(&after);
	kt_reducer_free(reducer);
	return 0;
}
