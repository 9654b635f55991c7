/*
 * A signature for a commit that is built and stored, made by git in the user's environment
 * (gpg.format, user.signingKey and gpg.program are git's to read). Asynchronous: start, wait for
 * the child's pidfd with a deadline of one's own, finish.
 *
 * kt_commit_build -> kt_commit_barrier (git must see the tree) -> kt_sign_start ... kt_sign_finish
 * -> kt_commit_barrier (git's object is durable) -> kt_commit_swap.
 *
 * The signer has no terminal and its own session: one that wants a passphrase from a person fails
 * or runs into the deadline.
 */
#ifndef KITTY_SUPERVISOR_GIT_SIGN_H
#define KITTY_SUPERVISOR_GIT_SIGN_H

#include "ipc/child.h"
#include "supervisor/git/store.h"

/* For whoever runs `git commit-tree -S`: no terminal to ask on, and no window either. */
extern const char *const kt_sign_variables[];

/* output_fd (borrowed) gets what git and the signer print. Errors: KT_E_GIT_FAILED,
 * KT_E_SPAWN_FAILED. */
KT_MUST_CHECK enum kt_code kt_sign_start(struct kt_store *store, const char *worktree,
	const struct kt_oid *commit, int output_fd, struct kt_child *out, struct kt_error *err);

/* The signed commit: byte for byte the given one but for its signature, or KT_E_SIGNING_FAILED with
 * what the signer said. */
KT_MUST_CHECK enum kt_code kt_sign_finish(struct kt_store *store, const struct kt_oid *commit,
	const char *output, const struct kt_child_status *status, struct kt_oid *out,
	struct kt_error *err);

#endif
