/*
 * Time and randomness, behind functions so that a test can fix them.
 */
#ifndef KITTY_IPC_CLOCK_H
#define KITTY_IPC_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t kt_clock_wall_us(void);      /* microseconds since 1970, UTC */
int64_t kt_clock_monotonic_ms(void); /* for deadlines; never jumps */
/* From now until the deadline, as poll(2) wants it: 0 when it has passed. */
int kt_clock_left_ms(int64_t deadline_ms, int64_t now_ms);
void kt_random_bytes(void *out, size_t len); /* from the kernel; aborts when it has none */

/*
 * For tests: every later kt_clock_wall_us gives wall_us, and adds step_us each time. A negative
 * wall_us gives the real clock back. Only the wall clock: deadlines stay real.
 */
void kt_clock_fix(int64_t wall_us, int64_t step_us);

/* For tests: kt_random_bytes gives the bytes of a generator seeded so; 0 gives the kernel's back.
 */
void kt_random_fix(uint64_t seed);

#endif
