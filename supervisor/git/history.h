/*
 * The first-parent history of a ref, as `kitty verify` and the doctor look at it: for each commit
 * what stands at a few paths, with sizes, and without reading the blobs. Read-only; commands only.
 *
 *   kt_history_load -> commits[0 .. len - 1], oldest first -> kt_history_blob ... ->
 * kt_history_free
 */
#ifndef KITTY_SUPERVISOR_GIT_HISTORY_H
#define KITTY_SUPERVISOR_GIT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

#include "supervisor/git/oid.h"
#include "supervisor/git/repository.h"

struct kt_buffer;

#define KT_HISTORY_PATHS_MAX 3

struct kt_history_spot {
	bool found;
	struct kt_oid oid;
	size_t size; /* of the blob; only for the first path */
};

struct kt_history_commit {
	struct kt_oid id, tree;
	struct kt_oid parents[2]; /* the first two */
	size_t parents_len;
	struct kt_history_spot spots[KT_HISTORY_PATHS_MAX];
};

struct kt_history {
	struct kt_history_commit *commits; /* oldest first */
	size_t len;
	void *odb; /* private */
};

/*
 * folder: where the paths lie ("kitty-specs/x"); names: NULL-terminated, at most
 * KT_HISTORY_PATHS_MAX file names in it. Walks from tip along first parents until no older commit
 * has any of the files (what was deleted and made again is followed to its beginning); that last
 * commit without them is commits[0] when there is one. Errors: KT_E_GIT_FAILED naming the object
 * that is missing or corrupt. Gives.
 */
KT_MUST_CHECK enum kt_code kt_history_load(const struct kt_repository *repo,
	const struct kt_oid *tip, const char *folder, const char *const *names,
	struct kt_history **out, struct kt_error *err);
void kt_history_free(struct kt_history *history);

/* Appends the blob; its content is checked against its id. */
KT_MUST_CHECK enum kt_code kt_history_blob(struct kt_history *history, const struct kt_oid *oid,
	struct kt_buffer *out, struct kt_error *err);

/* Is the id that of the first len bytes, as a blob? Pure. */
bool kt_history_is_prefix(const struct kt_oid *oid, const char *bytes, size_t len);

#endif
