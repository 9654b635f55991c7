/* Ancestry in a shallow clone. Private to supervisor/git. */
#ifndef KITTY_SUPERVISOR_GIT_SHALLOW_H
#define KITTY_SUPERVISOR_GIT_SHALLOW_H

#include <stdbool.h>

#include <git2.h>

#include <kitty/error.h>

#include "supervisor/git/oid.h"

/* Whether `ancestor` is reached from `descendant`, `descendant` itself left out, when the commits
 * that <common dir>/shallow names have no parents. *is_shallow false (and KT_E_OK): there is no
 * such file, nothing was asked. */
KT_MUST_CHECK enum kt_code kt_shallow_is_ancestor(git_odb *odb, const char *common_dir,
	const struct kt_oid *ancestor, const struct kt_oid *descendant, bool *is_shallow, bool *out,
	struct kt_error *err);

#endif
