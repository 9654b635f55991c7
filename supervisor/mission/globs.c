/*
 * Do two ownership patterns overlap? Pure, used by kitty only. Errs on the side of "yes": two
 * lanes that write the same file cost a merge, two WPs in one lane cost only time.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/mission/plan.h"

/* The pattern without one trailing wildcard and without slashes at the end. */
static char *prefix_of(const char *pattern)
{
	static const char *const tails[] = {"/**", "/*", "**", "*"};
	size_t len = strlen(pattern);

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		size_t tail = strlen(tails[i]);

		if (len >= tail && strcmp(pattern + len - tail, tails[i]) == 0) {
			len -= tail;
			break;
		}
	}
	while (len > 0 && pattern[len - 1] == '/')
		len--;
	return kt_strndup(pattern, len);
}

/* Does the pattern end in a wildcard that may go on inside a name ("src/a*")? */
static bool is_open_ended(const char *pattern)
{
	size_t len = strlen(pattern);

	return len >= 2 && pattern[len - 1] == '*' && pattern[len - 2] != '/' &&
	       !(pattern[len - 2] == '*' && (len == 2 || pattern[len - 3] == '/'));
}

/* Is `inner` the folder `outer` or something below it? Text prefixes count only at a path boundary.
 */
static bool contains(const char *outer, bool open_ended, const char *inner)
{
	size_t len = strlen(outer);

	if (strncmp(inner, outer, len) != 0)
		return false;
	return open_ended || inner[len] == '\0' || inner[len] == '/';
}

static const char *without_dot(const char *pattern)
{
	while (strncmp(pattern, "./", 2) == 0)
		pattern += 2;
	return pattern;
}

static bool has_wildcard(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

/* The folder part before the first wildcard: two patterns whose fixed parts part ways never meet.
 */
static size_t fixed_len(const char *pattern)
{
	return strcspn(pattern, "*?[");
}

static bool fixed_parts_agree(const char *left, const char *right)
{
	size_t left_len = fixed_len(left), right_len = fixed_len(right);
	size_t len = left_len < right_len ? left_len : right_len;

	return strncmp(left, right, len) == 0;
}

/* Both have wildcards in the middle ("src/<any>/a.c", "src/x/<any>.c"): the ends may still exclude
 * each other. */
static bool ends_agree(const char *left, const char *right)
{
	size_t left_len = strlen(left), right_len = strlen(right);

	while (left_len > 0 && right_len > 0) {
		char left_byte = left[--left_len], right_byte = right[--right_len];

		if (strchr("*?[]", left_byte) != NULL || strchr("*?[]", right_byte) != NULL)
			return true;
		if (left_byte != right_byte)
			return false;
	}
	return true;
}

static bool inner_wildcards_meet(const char *left, const char *right)
{
	if (!has_wildcard(left) || !has_wildcard(right))
		return false;
	return fixed_parts_agree(left, right) && ends_agree(left, right);
}

bool kt_globs_overlap(const char *left, const char *right)
{
	char *left_prefix, *right_prefix;
	bool overlap;

	left = without_dot(left);
	right = without_dot(right);
	if (strcmp(left, right) == 0)
		return true;
	left_prefix = prefix_of(left);
	right_prefix = prefix_of(right);
	/* An empty prefix is the whole tree. */
	overlap = left_prefix[0] == '\0' || right_prefix[0] == '\0' ||
		  contains(left_prefix, is_open_ended(left), right_prefix) ||
		  contains(right_prefix, is_open_ended(right), left_prefix) ||
		  fnmatch(left, right_prefix, 0) == 0 || fnmatch(right, left_prefix, 0) == 0 ||
		  inner_wildcards_meet(left, right);
	free(left_prefix);
	free(right_prefix);
	return overlap;
}
