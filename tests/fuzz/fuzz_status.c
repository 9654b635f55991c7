/*
 * `git status --porcelain=v2 -z` with anything in it, read by both readers: the one of the lanes
 * takes the whole text or says that it is none; what it takes record by record is what it takes as
 * a whole; nothing of kitty-specs/ is ever counted; no path is invented.
 */
#include <string.h>

#include "fuzz/target.h"
#include "supervisor/git/worktree.h"
#include "supervisor/lane_ops_changes.h"

static bool holds(const struct kt_buffer *list, const char *path)
{
	for (size_t at = 0; at < list->len; at += strlen(list->data + at) + 1)
		if (strcmp(list->data + at, path) == 0)
			return true;
	return false;
}

static size_t count(const struct kt_buffer *list)
{
	size_t paths = 0;

	for (size_t at = 0; at < list->len; at += strlen(list->data + at) + 1)
		paths++;
	return paths;
}

static void check_paths(const struct kt_lane_changes *changes, const struct kt_buffer *text)
{
	const struct kt_buffer *lists[] = {&changes->to_add, &changes->counted};
	struct kt_buffer all = KT_BUFFER_INIT;

	kt_worktree_changes_parse(text, &all);
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		for (size_t at = 0; at < lists[i]->len; at += strlen(lists[i]->data + at) + 1) {
			const char *path = lists[i]->data + at;

			KT_BUG_UNLESS(path[0] != '\0' && holds(&all, path));
			KT_BUG_UNLESS(strncmp(path, "kitty-specs/", 12) != 0);
			KT_BUG_UNLESS(holds(&changes->counted, path));
		}
	KT_BUG_UNLESS(count(&changes->counted) == changes->len);
	KT_BUG_UNLESS(count(&changes->unstage) == count(&changes->restage));
	kt_buffer_release(&all);
}

static void add(struct kt_buffer *sum, const struct kt_buffer *part)
{
	kt_buffer_append(sum, kt_buffer_text(part), part->len);
}

static bool is_same(const struct kt_buffer *left, const struct kt_buffer *right)
{
	return left->len == right->len &&
	       memcmp(kt_buffer_text(left), kt_buffer_text(right), left->len) == 0;
}

/* One record at a time. */
static void check_pieces(const struct kt_lane_changes *whole, const struct kt_buffer *text)
{
	struct kt_lane_changes sum = {0}, one = {0};

	for (size_t at = 0; at < text->len; at += strlen(text->data + at) + 1) {
		KT_BUG_UNLESS(
			kt_lane_changes_parse(text->data + at, strlen(text->data + at) + 1, &one));
		add(&sum.to_add, &one.to_add);
		add(&sum.counted, &one.counted);
		add(&sum.unstage, &one.unstage);
		add(&sum.restage, &one.restage);
		sum.is_unmerged = sum.is_unmerged || one.is_unmerged;
		kt_lane_changes_release(&one);
	}
	KT_BUG_UNLESS(
		is_same(&sum.to_add, &whole->to_add) && is_same(&sum.counted, &whole->counted) &&
		is_same(&sum.unstage, &whole->unstage) && is_same(&sum.restage, &whole->restage));
	KT_BUG_UNLESS(sum.is_unmerged == whole->is_unmerged);
	kt_lane_changes_release(&sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_lane_changes changes;

	kt_buffer_append(&text, bytes, len);
	if (kt_lane_changes_parse(kt_buffer_text(&text), text.len, &changes)) {
		check_paths(&changes, &text);
		check_pieces(&changes, &text);
	} else {
		struct kt_buffer ignored = KT_BUFFER_INIT;

		kt_worktree_changes_parse(&text, &ignored);
		KT_BUG_UNLESS(ignored.len <= text.len + 1);
		kt_buffer_release(&ignored);
	}
	kt_lane_changes_release(&changes);
	kt_buffer_release(&text);
	return 0;
}
