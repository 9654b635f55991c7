/* libgit2, started when first needed, and its errors as ours. Private to supervisor/git. */
#ifndef KITTY_SUPERVISOR_GIT_LIBGIT2_START_H
#define KITTY_SUPERVISOR_GIT_LIBGIT2_START_H

#include <kitty/error.h>

void kt_libgit2_start(void);

/* KT_E_GIT_FAILED (or KT_E_NO_SPACE, KT_E_READ_ONLY) with libgit2's last message behind `what`. */
enum kt_code kt_libgit2_failure(struct kt_error *err, const char *what);

#endif
