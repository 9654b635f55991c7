/*
 * The world around the supervisor: choices, clocks, what happens when, and the trace. Test program
 * only. Must never ask anything but the seed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/clock.h"
#include "ipc/file.h"
#include "simulation/simulation.h"

enum { FD_KEPT = 512, WATCHES_MAX = 512, PAUSE_STEPS_MAX = 200000 };

#define WALL_START_US 1781000000000000

struct sim sim;

struct deed {
	int64_t at_ms;
	uint64_t number;
	sim_act act;
	void *arg;
};

struct watched {
	int fd;
	sim_act act;
	void *arg;
};

static struct deed *deeds;
static size_t deeds_len;
static uint64_t deeds_number;
static struct watched watched[WATCHES_MAX];
static size_t watched_len;
/* Filled by sim_world_ready: deeds first, then watches. */
static size_t ready[WATCHES_MAX * 4];
static size_t ready_deeds, ready_len;

/* ---- choices ---- */

static uint64_t next_random(void)
{
	uint64_t mixed = sim.state += 0x9E3779B97F4A7C15U;

	mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
	mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
	return mixed ^ (mixed >> 31);
}

uint64_t sim_below(uint64_t bound)
{
	return next_random() % bound;
}

bool sim_chance(unsigned percent)
{
	return sim_below(100) < percent;
}

bool sim_fault(unsigned percent)
{
	bool is_due = sim.has_faults && sim_below(1000) < (uint64_t)percent * sim.plan.percent;

	sim.faults += is_due ? 1 : 0;
	return is_due;
}

/* ---- trace ---- */

void sim_trace(const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	for (const char *at = line; *at != '\0'; at++)
		sim.hash = (sim.hash ^ (unsigned char)*at) * 0x100000001B3U;
	sim.hash = (sim.hash ^ (uint64_t)sim.now_ms) * 0x100000001B3U;
	if (sim.is_verbose)
		(void)printf("%10lld %s\n", (long long)sim.now_ms, line);
}

void sim_broken(const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	(void)printf("seed %llu: BROKEN after %llu steps, %lld virtual ms: %s\n",
		(unsigned long long)sim.seed, (unsigned long long)sim.steps, (long long)sim.now_ms,
		line);
	(void)printf("repeat: kitty-sim --seed %llu --verbose%s%s\n", (unsigned long long)sim.seed,
		sim.mutation == SIM_MUTATE_NOTHING ? "" : " --mutate ",
		sim.mutation == SIM_MUTATE_NOTHING ? "" : sim_mutation_name(sim.mutation));
	(void)fflush(stdout);
	sim_world_end();
	_exit(1);
}

/* ---- what happens ---- */

void sim_later(int64_t delay_ms, sim_act act, void *arg)
{
	deeds = kt_realloc_array(deeds, deeds_len + 1, sizeof *deeds);
	deeds[deeds_len++] = (struct deed){sim.now_ms + delay_ms, ++deeds_number, act, arg};
}

void sim_watch(int fd, sim_act act, void *arg)
{
	KT_BUG_UNLESS(watched_len < WATCHES_MAX);
	watched[watched_len++] = (struct watched){fd, act, arg};
}

void sim_unwatch(int fd)
{
	for (size_t i = 0; i < watched_len; i++)
		if (watched[i].fd == fd) {
			memmove(&watched[i], &watched[i + 1],
				(--watched_len - i) * sizeof watched[0]);
			return;
		}
}

void sim_forget(const void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < deeds_len; i++)
		if (deeds[i].arg != arg)
			deeds[kept++] = deeds[i];
	deeds_len = kept;
	kept = 0;
	for (size_t i = 0; i < watched_len; i++)
		if (watched[i].arg != arg)
			watched[kept++] = watched[i];
	watched_len = kept;
}

size_t sim_world_ready(void)
{
	struct pollfd polls[WATCHES_MAX];

	ready_len = 0;
	for (size_t i = 0; i < deeds_len && ready_len < WATCHES_MAX * (size_t)2; i++)
		if (deeds[i].at_ms <= sim.now_ms)
			ready[ready_len++] = i;
	ready_deeds = ready_len;
	for (size_t i = 0; i < watched_len; i++)
		polls[i] = (struct pollfd){watched[i].fd, POLLIN, 0};
	if (watched_len > 0 && poll(polls, watched_len, 0) > 0)
		for (size_t i = 0; i < watched_len; i++)
			if (polls[i].revents != 0)
				ready[ready_len++] = i;
	return ready_len;
}

int64_t sim_world_next_ms(void)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < deeds_len; i++)
		next = deeds[i].at_ms < next ? deeds[i].at_ms : next;
	return next;
}

void sim_world_run(size_t which)
{
	size_t index = ready[which];

	if (which < ready_deeds) {
		struct deed deed = deeds[index];

		memmove(&deeds[index], &deeds[index + 1], (--deeds_len - index) * sizeof *deeds);
		deed.act(deed.arg);
	} else {
		watched[index].act(watched[index].arg);
	}
	sim_check_step();
}

static bool pause_step(int64_t until_ms)
{
	size_t count = sim_world_ready();
	int64_t next = 0;

	if (count > 0) {
		sim_world_run(sim_below(count));
		return true;
	}
	next = sim_world_next_ms();
	sim.now_ms = next < until_ms ? next : until_ms;
	return sim.now_ms < until_ms;
}

void sim_world_pause(int64_t until_ms)
{
	for (int i = 0; pause_step(until_ms); i++)
		if (i > PAUSE_STEPS_MAX)
			sim_broken("the world spins while the supervisor waits");
}

/* ---- descriptors ---- */

int sim_fd_keep(int fd, bool takes)
{
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, FD_KEPT);

	KT_BUG_UNLESS(kept >= 0);
	if (takes)
		(void)close(fd);
	return kept;
}

void sim_fds_close(void)
{
	(void)close_range(3, FD_KEPT - 1, 0);
}

/* ---- clocks, by the linker ---- */

int64_t __wrap_kt_clock_monotonic_ms(void);
int64_t __wrap_kt_clock_wall_us(void);
int __wrap_usleep(useconds_t us);
int __wrap_poll(struct pollfd *fds, nfds_t len, int timeout_ms);
int __real_poll(struct pollfd *fds, nfds_t len, int timeout_ms);

int64_t __wrap_kt_clock_monotonic_ms(void)
{
	return sim.now_ms;
}

int64_t __wrap_kt_clock_wall_us(void)
{
	return WALL_START_US + sim.now_ms * 1000 + sim.wall_skew_us;
}

int __wrap_usleep(useconds_t us)
{
	sim_world_pause(sim.now_ms + 1 + (int64_t)us / 1000);
	return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t len, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? INT64_MAX : sim.now_ms + timeout_ms;
	int count = __real_poll(fds, len, 0);

	while (count == 0 && sim.now_ms < end) {
		if (end == INT64_MAX && sim_world_next_ms() == INT64_MAX && sim_world_ready() == 0)
			sim_broken("the supervisor waits for something that will never come");
		(void)pause_step(end);
		count = __real_poll(fds, len, 0);
	}
	return count;
}

/* ---- begin and end ---- */

void sim_world_begin(uint64_t seed)
{
	sim.seed = seed;
	sim.state = seed * 0x2545F4914F6CDD1DU + 1;
	sim.hash = 0xCBF29CE484222325U;
	sim.now_ms = 1000000;
	kt_random_fix(seed + 1);
	(void)snprintf(sim.root, sizeof sim.root, "%s/kitty-sim.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	KT_BUG_UNLESS(mkdtemp(sim.root) != NULL);
}

void sim_world_end(void)
{
	struct kt_error ignored = KT_ERROR_INIT;

	if (sim.root[0] != '\0' && getenv("KITTY_SIM_KEEP") == NULL)
		(void)!kt_folder_remove_tree(sim.root, &ignored);
	sim.root[0] = '\0';
	free(deeds);
	deeds = NULL;
	deeds_len = watched_len = 0;
}
