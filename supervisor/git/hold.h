/*
 * Commits that the git command made, held until a ref names them: everything that no ref leads to
 * yet goes into a pack of its own that neither `git prune` nor `git gc --prune=now` takes (keep.h).
 * For moves that git itself makes; what goes through commit.h is held there.
 *
 *   kt_hold_take -> git moves the ref -> kt_hold_end
 *
 * Blocking: for commands and helper processes, never in the supervisor's loop. A killed holder's
 * mark is swept by the next writer.
 */
#ifndef KITTY_SUPERVISOR_GIT_HOLD_H
#define KITTY_SUPERVISOR_GIT_HOLD_H

#include <kitty/error.h>

#include "supervisor/git/oid.h"
#include "supervisor/git/repository.h"

struct kt_hold; /* opaque */

/* Errors: KT_E_GIT_FAILED when something of it is gone already (nothing has happened then, the
 * caller may make it again), KT_E_NO_SPACE, KT_E_READ_ONLY. Gives. */
KT_MUST_CHECK enum kt_code kt_hold_take(const struct kt_repository *repo,
	const struct kt_oid *commit, struct kt_hold **out, struct kt_error *err);

/* The move came to `moved`, which is the answer, and *err is as the move left it, unless it was
 * KT_E_OK and this fails: it looks once more whether everything is there, and writes it again if
 * not. Frees; NULL is accepted. */
KT_MUST_CHECK enum kt_code kt_hold_end(
	struct kt_hold *hold, enum kt_code moved, struct kt_error *err);

#endif
