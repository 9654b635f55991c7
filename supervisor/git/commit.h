/*
 * The commit primitive: build, make durable, compare-and-swap. Nothing else in the project can
 * commit on a mission's behalf, so only supervisor/transaction and cli/safe_commit.c include this
 * (tests/rules/layers.txt).
 *
 * Calling sequence: kt_commit_build (any number, chained) -> kt_commit_barrier -> kt_commit_swap.
 * Until the swap nothing is visible. After KT_E_OK from the swap the commit is durable: it survives
 * a power cut. Any error from barrier or swap means: read the ref again and believe
 * it.
 */
#ifndef KITTY_SUPERVISOR_GIT_COMMIT_H
#define KITTY_SUPERVISOR_GIT_COMMIT_H

#include "ipc/child.h"
#include "supervisor/git/store.h"

struct kt_change {
	const char *path;  /* relative to the tree's root */
	const void *bytes; /* new content; NULL together with blob NULL is a bug: nothing is ever
			      deleted */
	size_t len;
	const struct kt_oid *blob; /* use this existing blob instead of bytes */
	/* Hint: the first shared_prefix bytes equal the content of blob `previous` (an appended
	 * log). A store may use it to write a delta; it may ignore it. */
	const struct kt_oid *previous;
	size_t shared_prefix;
};

struct kt_signature {
	const char *name, *email;
	long long seconds; /* since the epoch; time zone is UTC */
};

struct kt_commit_plan {
	const struct kt_oid
		*parents; /* first parent's tree is the base, unless base_tree is given */
	size_t parents_len;
	const struct kt_oid *base_tree; /* NULL: the first parent's tree */
	const struct kt_change *changes;
	size_t changes_len;
	struct kt_signature author, committer;
	const char *message;
};

/* Errors: KT_E_GIT_FAILED, KT_E_NO_SPACE, KT_E_READ_ONLY. blobs (changes_len ids) may be NULL. */
KT_MUST_CHECK enum kt_code kt_commit_build(struct kt_store *store,
	const struct kt_commit_plan *plan, struct kt_oid *commit, struct kt_oid *blobs,
	struct kt_error *err);

/* The trees, commits and taken over blobs of every barrier from now on are kept in that file, too,
 * from which `kitty doctor --fix` makes them again when they were taken away (journal.h). */
void kt_commit_journal(struct kt_store *store, const char *path);

/* Everything built since the last barrier reaches the disk. */
KT_MUST_CHECK enum kt_code kt_commit_barrier(struct kt_store *store, struct kt_error *err);

/* Forgets what was built since the last barrier (the objects may stay, unreachable). */
void kt_commit_forget(struct kt_store *store);

/* Moves ref from `old` to `new`, makes that durable, reads it back. A zero old: the ref must not
 * exist. Errors: KT_E_REF_MOVED (nothing of ours landed), KT_E_REF_LOCKED (after its bounded
 * retry), KT_E_GIT_FAILED. */
KT_MUST_CHECK enum kt_code kt_commit_swap(struct kt_store *store, const char *ref,
	const struct kt_oid *old_id, const struct kt_oid *new_id, const char *reflog_message,
	struct kt_error *err);

/*
 * The same through `git update-ref --stdin` in the user's profile, for repositories with a
 * reference-transaction hook, which may hang or refuse: start, wait for the child's pidfd with a
 * deadline of one's own, finish. output_fd (borrowed) gets what git and the hook print. Errors of
 * finish: as kt_commit_swap's, and KT_E_BOOKKEEPING_COMMIT_FAILED with the hook's output when it
 * refused or did not end in time.
 */
struct kt_ref_swap {
	const char *ref;
	const struct kt_oid *old_id, *new_id;
	const char *reflog_message;
};
KT_MUST_CHECK enum kt_code kt_commit_swap_start(const struct kt_repository *repo,
	const struct kt_ref_swap *swap, int output_fd, struct kt_child *out, struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_commit_swap_finish(struct kt_store *store,
	const struct kt_repository *repo, const struct kt_ref_swap *swap, const char *output,
	bool has_timed_out, struct kt_error *err);

/* What the ref holds, whoever moved it, reaches the disk: a writer may have been killed between its
 * move and its flush, and nothing may be promised on a ref that a power cut can take back. */
KT_MUST_CHECK enum kt_code kt_commit_settle(
	const struct kt_repository *repo, const char *ref, struct kt_error *err);

/* Path of the lock file that git and kitty take to move the ref; gives. Breaking a stale one is the
 * caller's. */
char *kt_ref_lock_path(const char *common_dir, const char *ref);

/* Id that `bytes` would have as a blob; pure. */
void kt_blob_hash(const void *bytes, size_t len, struct kt_oid *out);

#endif
