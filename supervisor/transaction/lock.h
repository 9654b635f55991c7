/*
 * The mission's lock: flock(2) on <common dir>/spec-kitty-locks/<slug>.status.lock, the very lock
 * that spec-kitty takes, so the two programs exclude one another. The file
 * is never deleted; the kernel releases the lock when the holder dies.
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_LOCK_H
#define KITTY_SUPERVISOR_TRANSACTION_LOCK_H

#include <stdbool.h>

#include <kitty/error.h>

/* One attempt, never waits. *fd is -1 while another process holds the lock (and the result
 * KT_E_OK). The descriptor is close-on-exec; closing it releases. Errors: KT_E_IO, KT_E_READ_ONLY,
 * KT_E_NO_SPACE. */
KT_MUST_CHECK enum kt_code kt_lock_try(const char *path, int *fd, struct kt_error *err);
/* Waits for it; *fd is -1 when another process had it all along. */
KT_MUST_CHECK enum kt_code kt_lock_wait(
	const char *path, int timeout_ms, int *fd, struct kt_error *err);
void kt_lock_release(int fd); /* -1 is fine */

#endif
