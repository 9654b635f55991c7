/*
 * Waiting for a lock that tells nobody when it goes. flock(2) has no descriptor that becomes
 * readable and no deadline, git's lock files have no owner to ask: so whoever waits for one looks
 * again, soon at first, then less often, and not in step with the others that wait. This is the
 * only place that does so; what has an event (a process's end, a file's growth) is waited for by
 * it.
 *
 *   struct kt_patience patience = kt_patience_of(timeout_ms);
 *   while (!(done = try()) && kt_patience_pause(&patience))
 *           continue;
 */
#ifndef KITTY_IPC_PATIENCE_H
#define KITTY_IPC_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct kt_patience {
	int64_t until_ms; /* on the monotonic clock */
	int pause_ms;     /* the next one, at the most */
};

struct kt_patience kt_patience_of(int64_t timeout_ms);
/* False, at once, when the time is over; else a pause within it. */
bool kt_patience_pause(struct kt_patience *patience);

/* An exclusive flock on fd within the time; false when another holds it all along. */
bool kt_flock_within(int fd, int64_t timeout_ms);

#endif
