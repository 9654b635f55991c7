/*
 * Reads a file of logs ("LENGTH\n" and that many bytes, one after another) and prints the snapshot
 * of each in the same form, reduced by supervisor/status. Test program; differential/reduce.pl
 * compares. Must never repair what it reads: a log that is refused ends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/status/reduce.h"

enum { FILE_LIMIT = 256 << 20 };

static bool one(const char *bytes, size_t len)
{
	static const struct kt_snapshot_identity nobody = {NULL, NULL};
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer snapshot = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool is_good = kt_reducer_feed(reducer, bytes, len, &err) == KT_E_OK;

	if (is_good) {
		kt_reducer_snapshot(reducer, &nobody, &snapshot);
		is_good = printf("%zu\n", snapshot.len) > 0 &&
			  fwrite(snapshot.data, 1, snapshot.len, stdout) == snapshot.len;
	} else {
		(void)fprintf(stderr, "refused: %s\n%.*s", err.detail, (int)len, bytes);
	}
	kt_reducer_free(reducer);
	kt_buffer_release(&snapshot);
	return is_good;
}

/* The length that a log starts with; *at moves to its first byte. */
static bool length_take(const char **at, const char *end, size_t *len)
{
	char *after = NULL;

	*len = strtoul(*at, &after, 10);
	if (after == *at || *after != '\n' || *len > (size_t)(end - after - 1))
		return false;
	*at = after + 1;
	return true;
}

int main(int argc, char **argv)
{
	struct kt_buffer file = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	bool is_good = argc == 2 && kt_file_read(argv[1], FILE_LIMIT, &file, &err) == KT_E_OK;
	const char *at = kt_buffer_text(&file), *end = at + file.len;
	size_t len = 0;

	while (is_good && at < end) {
		is_good = length_take(&at, end, &len) && one(at, len);
		at += len;
	}
	kt_buffer_release(&file);
	return is_good && fflush(stdout) == 0 ? 0 : 1;
}
