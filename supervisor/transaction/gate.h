/*
 * The policy gate: may this branch receive a bookkeeping commit? Judges an explicit destination in
 * short form, never the current checkout, and is the only place that decides
 * (docs/requirements.md, FR-019).
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_GATE_H
#define KITTY_SUPERVISOR_TRANSACTION_GATE_H

#include <stdbool.h>

#include <kitty/error.h>

#include "supervisor/git/store.h"

/* globs: configured patterns, NULL-terminated; NULL: main, master and the local origin/HEAD. */
bool kt_branch_is_protected(
	const struct kt_repository *repo, const char *branch, const char *const *globs);

/* Errors: KT_E_DESTINATION_REF_INVALID_SHAPE, _NOT_LOCAL, _NOT_FOUND,
 * KT_E_PROTECTED_BRANCH_REFUSED; the detail names the ref. */
KT_MUST_CHECK enum kt_code kt_gate_check(const struct kt_repository *repo, struct kt_store *store,
	const char *destination, const char *const *globs, struct kt_error *err);

#endif
