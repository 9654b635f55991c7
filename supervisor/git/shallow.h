/* Ancestry in a shallow clone. Private to supervisor/git. */
#ifndef KITTY_SUPERVISOR_GIT_SHALLOW_H
#define KITTY_SUPERVISOR_GIT_SHALLOW_H

#include <stdbool.h>

#include <git2.h>

#include <kitty/error.h>

#include "supervisor/git/oid.h"

enum kt_shallow_answer {
	KT_SHALLOW_NOT, /* the repository is not shallow: nothing was asked */
	KT_SHALLOW_UNRELATED,
	KT_SHALLOW_ANCESTOR,
};

/* Whether `ancestor` is reached from `descendant`, `descendant` itself left out, when the commits
 * that <common dir>/shallow names have no parents. */
KT_MUST_CHECK enum kt_code kt_shallow_is_ancestor(git_odb *odb, const char *common_dir,
	const struct kt_oid *ancestor, const struct kt_oid *descendant,
	enum kt_shallow_answer *answer, struct kt_error *err);

#endif
