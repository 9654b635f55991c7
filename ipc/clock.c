/*
 * Clocks and random bytes. Both programs. The only file that reads a clock or asks for
 * randomness; a test can fix both, nothing else does.
 */
#include "ipc/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <kitty/attributes.h>

static int64_t fixed_us = -1, fixed_step_us;
static uint64_t fixed_seed;

static struct timespec read_clock(clockid_t clock)
{
	struct timespec now;

	KT_BUG_UNLESS(clock_gettime(clock, &now) == 0);
	return now;
}

int64_t kt_clock_wall_us(void)
{
	struct timespec now;
	int64_t wall_us = fixed_us;

	if (fixed_us >= 0) {
		fixed_us += fixed_step_us;
		return wall_us;
	}
	now = read_clock(CLOCK_REALTIME);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t kt_clock_monotonic_ms(void)
{
	struct timespec now = read_clock(CLOCK_MONOTONIC);

	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int kt_clock_left_ms(int64_t deadline_ms, int64_t now_ms)
{
	return deadline_ms > now_ms ? (int)(deadline_ms - now_ms) : 0;
}

void kt_clock_fix(int64_t wall_us, int64_t step_us)
{
	fixed_us = wall_us;
	fixed_step_us = step_us;
}

void kt_random_fix(uint64_t seed)
{
	fixed_seed = seed;
}

/* splitmix64: enough for tests that want the same ids again. */
static unsigned char fixed_byte(void)
{
	uint64_t mixed = fixed_seed += 0x9E3779B97F4A7C15U;

	mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
	mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
	return (unsigned char)(mixed >> 56);
}

void kt_random_bytes(void *out, size_t len)
{
	unsigned char *bytes = out;
	size_t done = 0;

	while (fixed_seed != 0 && done < len)
		bytes[done++] = fixed_byte();
	while (done < len) {
		ssize_t got = getrandom(bytes + done, len - done, 0);

		KT_BUG_UNLESS(got > 0 || errno == EINTR);
		done += got > 0 ? (size_t)got : 0;
	}
}
