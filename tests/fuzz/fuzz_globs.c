/*
 * Two ownership patterns with anything in them (separated by a newline): who overlaps whom does not
 * depend on the order, everything overlaps itself, and what is below a folder that it names.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/mission/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *text = (const char *)bytes;
	const char *newline = len == 0 ? NULL : memchr(text, '\n', len);
	size_t first = newline == NULL ? len / 2 : (size_t)(newline - text);
	size_t rest = newline == NULL ? first : first + 1;
	char *left = kt_strndup(text, first), *right = kt_strndup(text + rest, len - rest);
	char *below = kt_format("%s/**", left), *dotted = kt_format("./%s", left);

	KT_BUG_UNLESS(kt_globs_overlap(left, left) && kt_globs_overlap(right, right));
	KT_BUG_UNLESS(kt_globs_overlap(left, right) == kt_globs_overlap(right, left));
	KT_BUG_UNLESS(kt_globs_overlap(dotted, right) == kt_globs_overlap(left, right));
	KT_BUG_UNLESS(kt_globs_overlap(left, below) && kt_globs_overlap("**", left));
	free(left);
	free(right);
	free(below);
	free(dotted);
	return 0;
}
