/*
 * The object store, reading side: refs, blobs, trees at a commit. Opaque bytes behind a small table
 * of operations, the project's only vtable: tests plug in a memory store that fails on demand.
 * Writing sits in commit.h, which only the transaction (and safe-commit) may include.
 */
#ifndef KITTY_SUPERVISOR_GIT_STORE_H
#define KITTY_SUPERVISOR_GIT_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

#include "supervisor/git/oid.h"
#include "supervisor/git/repository.h"

struct kt_buffer;
struct kt_store; /* opaque; holds its ops table first */

KT_MUST_CHECK enum kt_code kt_store_open(
	const struct kt_repository *repo, struct kt_store **out, struct kt_error *err);
void kt_store_close(struct kt_store *store);

/* Full ref names only. Errors: KT_E_DESTINATION_REF_NOT_FOUND; KT_E_IO when it cannot be read: then
 * it may be there. */
KT_MUST_CHECK enum kt_code kt_store_ref_read(
	struct kt_store *store, const char *ref, struct kt_oid *out, struct kt_error *err);

/* Calls back for each ref with that prefix ("refs/heads/kitty/mission-"), sorted by name. */
typedef void (*kt_ref_cb)(const char *ref, const struct kt_oid *oid, void *arg);
KT_MUST_CHECK enum kt_code kt_store_ref_each(struct kt_store *store, const char *prefix,
	kt_ref_cb each, void *arg, struct kt_error *err);

/* The blob at path in a commit's tree. *found false (and KT_E_OK) when there is none. oid may be
 * NULL. content may be NULL to ask only for the id. */
KT_MUST_CHECK enum kt_code kt_store_blob_read(struct kt_store *store, const struct kt_oid *commit,
	const char *path, bool *found, struct kt_oid *oid, struct kt_buffer *content,
	struct kt_error *err);

/* Calls back for every blob below a folder of a commit's tree: path relative to the tree's root. */
typedef void (*kt_tree_cb)(const char *path, unsigned mode, const struct kt_oid *oid, void *arg);
KT_MUST_CHECK enum kt_code kt_store_tree_each(struct kt_store *store, const struct kt_oid *commit,
	const char *folder, kt_tree_cb each, void *arg, struct kt_error *err);

KT_MUST_CHECK enum kt_code kt_store_is_ancestor(struct kt_store *store,
	const struct kt_oid *ancestor, const struct kt_oid *descendant, bool *out,
	struct kt_error *err);

/* First parent, or zero oid for a root; committer time in seconds and message may be NULL. */
KT_MUST_CHECK enum kt_code kt_store_commit_read(struct kt_store *store, const struct kt_oid *commit,
	struct kt_oid *parent, long long *committed_at, struct kt_buffer *message,
	struct kt_error *err);

#endif
