/*
 * Looking again for locks that have no event. Commands, helper processes, the supervisor. Must
 * never wait longer than it was told.
 */
#include "ipc/patience.h"

#include <poll.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "ipc/clock.h"

#define PAUSE_MAX_MS 50

struct kt_patience kt_patience_of(int64_t timeout_ms)
{
	return (struct kt_patience){kt_clock_monotonic_ms() + timeout_ms, 2};
}

/* Between half and the whole of it: who collided once shall not collide again. */
static int jittered(int pause_ms)
{
	struct timespec now = {0, 0};
	uint64_t spread = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	spread = (uint64_t)now.tv_nsec / 1000 ^ (uint64_t)getpid() * 7919;
	return pause_ms / 2 + (int)(spread % (uint64_t)(pause_ms / 2 + 1));
}

bool kt_patience_pause(struct kt_patience *patience)
{
	int64_t left = patience->until_ms - kt_clock_monotonic_ms();
	int pause = jittered(patience->pause_ms);

	if (left <= 0)
		return false;
	(void)poll(NULL, 0, left < pause ? (int)left : pause);
	patience->pause_ms =
		patience->pause_ms * 2 < PAUSE_MAX_MS ? patience->pause_ms * 2 : PAUSE_MAX_MS;
	return true;
}

bool kt_flock_within(int fd, int64_t timeout_ms)
{
	struct kt_patience patience = kt_patience_of(timeout_ms);
	bool is_locked = false;

	do
		is_locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
	while (!is_locked && kt_patience_pause(&patience));
	return is_locked;
}
