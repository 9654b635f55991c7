/*
 * Refs as files (loose and packed), by git's own lock-file protocol. Private to supervisor/git;
 * reftable repositories are refused before anybody comes here. Full names only ("refs/heads/x"):
 * HEAD is never moved.
 */
#ifndef KITTY_SUPERVISOR_GIT_REFS_H
#define KITTY_SUPERVISOR_GIT_REFS_H

#include <stdbool.h>

#include <kitty/error.h>

#include "supervisor/git/store_ops.h"

/* A full name that git's check-ref-format would accept, so that it can be joined to a path. */
bool kt_refs_name_is_good(const char *ref);

/* Loose, else packed; symbolic refs followed. 0; ENOENT: no such ref; any other errno: nobody
 * knows, its file cannot be read. */
int kt_refs_find(const char *common_dir, const char *ref, struct kt_oid *out);

/* The same where it makes no difference why there is no answer. */
bool kt_refs_read(const char *common_dir, const char *ref, struct kt_oid *out);

/* Sorted by name; each ref once. */
void kt_refs_each(const char *common_dir, const char *prefix, kt_ref_cb each, void *arg);

/* The same two questions to the text of a packed-refs file; peeled ids and comments are passed
 * over. */
bool kt_packed_refs_find(const char *text, const char *ref, struct kt_oid *out);
void kt_packed_refs_each(const char *text, const char *prefix, kt_ref_cb each, void *arg);

/* Lock, compare, write, fsync, rename, fsync of the folder, read back. Errors: KT_E_REF_MOVED,
 * KT_E_REF_LOCKED, KT_E_NO_SPACE, KT_E_READ_ONLY, KT_E_GIT_FAILED. After any error: read the ref
 * and believe it. */
KT_MUST_CHECK enum kt_code kt_refs_move(
	const char *common_dir, const struct kt_ref_move *move, struct kt_error *err);

/* fsync of the loose file and of its folder, or of packed-refs, after somebody else moved the ref.
 */
KT_MUST_CHECK enum kt_code kt_refs_sync(
	const char *common_dir, const char *ref, struct kt_error *err);

/* KT_E_NO_SPACE, KT_E_READ_ONLY or KT_E_GIT_FAILED, by errno. */
enum kt_code kt_git_failure(struct kt_error *err, int sys_errno, const char *what);

#endif
