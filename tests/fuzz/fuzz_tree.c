/*
 * A tree object with anything in it: what is read entry by entry is what stands there, byte for
 * byte, and every first entry of a name is the one that is found.
 */
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/git/tree.h"

static void check_entry(const struct kt_buffer *tree, const struct kt_tree_entry *entry)
{
	struct kt_tree_entry found;

	KT_BUG_UNLESS(entry->name_len > 0 && entry->name[entry->name_len] == '\0');
	KT_BUG_UNLESS(memchr(entry->name, '\0', entry->name_len) == NULL);
	KT_BUG_UNLESS(kt_tree_find(tree, entry->name, entry->name_len, &found));
	KT_BUG_UNLESS(found.name <= entry->name && found.name_len == entry->name_len);
	KT_BUG_UNLESS(memcmp(found.name, entry->name, entry->name_len) == 0);
	if (found.name == entry->name)
		KT_BUG_UNLESS(found.mode == entry->mode && kt_oid_equal(&found.oid, &entry->oid));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_buffer tree = KT_BUFFER_INIT;
	const char *start = NULL, *at = NULL, *end = NULL;
	struct kt_tree_entry entry;

	kt_buffer_append(&tree, bytes, len);
	start = at = kt_buffer_text(&tree);
	end = at + tree.len;
	while (true) {
		const char *before = at;

		if (!kt_tree_next(&at, end, &entry)) {
			KT_BUG_UNLESS(at == before);
			break;
		}
		KT_BUG_UNLESS(at > before && at <= end);
		KT_BUG_UNLESS(entry.name + entry.name_len + 1 + sizeof entry.oid.bytes == at);
		KT_BUG_UNLESS(memcmp(at - 20, entry.oid.bytes, 20) == 0);
		check_entry(&tree, &entry);
	}
	KT_BUG_UNLESS(at >= start && !kt_tree_find(&tree, "", 0, &entry));
	kt_buffer_release(&tree);
	return 0;
}
