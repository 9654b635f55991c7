/* What the hook-driven swap needs of the real store. Private to supervisor/git. */
#ifndef KITTY_SUPERVISOR_GIT_GIT_STORE_H
#define KITTY_SUPERVISOR_GIT_GIT_STORE_H

#include "supervisor/git/store_ops.h"

/* After a ref moved: are the objects of the last barrier still there? If not, they are written
 * again. */
KT_MUST_CHECK enum kt_code kt_git_store_settle(struct kt_store *store, struct kt_error *err);

#endif
