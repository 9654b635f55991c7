/*
 * The journal of a mission's trees and commits, and of some blobs: their raw bytes, kept outside
 * the object store, so that objects which a prune or a hand took away can be made again with the
 * same ids. Of the blobs it has those that git wrote (a merge's, the plan's), up to
 * KT_JOURNAL_BLOB_MAX: the log and its snapshots are told again from the log itself.
 *
 * Written before the objects are, from the same bytes; never flushed and never read on the way of a
 * commit: it is for objects that were lost, not for power cuts. One file of text headers and raw
 * bytes ("commit LENGTH ID\n" BYTES "\n"), and the one before it: together they hold at least the
 * last KT_JOURNAL_BYTES.
 */
#ifndef KITTY_SUPERVISOR_GIT_JOURNAL_H
#define KITTY_SUPERVISOR_GIT_JOURNAL_H

#include "supervisor/git/batch.h"

enum { KT_JOURNAL_BYTES = 16 << 20, KT_JOURNAL_BLOB_MAX = 1 << 20 };

/* Under the mission's lock. What cannot be written costs the journal, never the commit. */
void kt_journal_append(const char *path, const struct kt_batch *batch);

struct kt_journal; /* opaque: what both files hold, by id */

/* Only records whose bytes have the id that their header says; a torn one is passed over. Gives;
 * never NULL. */
struct kt_journal *kt_journal_read(const char *path);
void kt_journal_free(struct kt_journal *journal);

struct kt_journal_object {
	struct kt_oid oid;
	char type[8]; /* "commit", "tree" or "blob" */
	const char *bytes;
	size_t len;
};
/* Borrows; NULL: it is not there. */
const struct kt_journal_object *kt_journal_find(
	const struct kt_journal *journal, const struct kt_oid *oid);

#endif
