/*
 * libevent's calls as the supervisor uses them, on virtual time. Test program only. Which of the
 * ready events runs next, and how many before the loop returns, is the seed's choice.
 *
 * Kept of libevent's contract: an event that is not persistent is gone before its callback; adding
 * without a time leaves the time of a pending one; a persistent one with a time is armed again;
 * del takes back what was active; one-shot activation works without adding.
 */
#include <poll.h>
#include <stdlib.h>

#include <event2/event.h>

#include "ipc/buffer.h"
#include "simulation/simulation.h"

enum { EVENTS_MAX = 1024, SPIN_MAX = 20000 };

struct event_base {
	struct event *first;
};

struct event {
	struct event *next;
	struct event_base *base;
	evutil_socket_t fd;
	short wants, active;
	bool is_added, has_deadline;
	int64_t deadline_ms, period_ms;
	event_callback_fn call;
	void *arg;
};

static struct event_base *running;

struct event_base *event_base_new(void)
{
	running = kt_alloc(sizeof *running);
	return running;
}

void event_base_free(struct event_base *base)
{
	running = NULL;
	free(base);
}

struct event *event_new(
	struct event_base *base, evutil_socket_t fd, short wants, event_callback_fn call, void *arg)
{
	struct event *event = kt_alloc(sizeof *event);

	*event = (struct event){.next = base->first,
		.base = base,
		.fd = fd,
		.wants = wants,
		.call = call,
		.arg = arg};
	base->first = event;
	return event;
}

int event_add(struct event *event, const struct timeval *wait)
{
	event->is_added = true;
	if (wait == NULL || sim.mutation == SIM_MUTATE_NO_TIMER)
		return 0;
	event->period_ms = (int64_t)wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000;
	event->deadline_ms = sim.now_ms + event->period_ms;
	event->has_deadline = true;
	return 0;
}

int event_del(struct event *event)
{
	event->is_added = event->has_deadline = false;
	event->active = 0;
	return 0;
}

void event_free(struct event *event)
{
	struct event **at = &event->base->first;

	while (*at != event)
		at = &(*at)->next;
	*at = event->next;
	free(event);
}

void event_active(struct event *event, int what, short calls)
{
	(void)calls;
	event->active = (short)(event->active | what);
}

int event_pending(const struct event *event, short what, struct timeval *when)
{
	short pending = event->active;

	(void)when;
	if (event->is_added)
		pending = (short)(pending | (event->wants & (EV_READ | EV_WRITE | EV_SIGNAL)));
	if (event->has_deadline)
		pending = (short)(pending | EV_TIMEOUT);
	return pending & what;
}

void sim_loop_forget(void)
{
	/* Its memory belonged to the process that was killed. */
	running = NULL;
}

void sim_loop_signal(int number)
{
	for (struct event *at = running == NULL ? NULL : running->first; at != NULL; at = at->next)
		if (at->is_added && (at->wants & EV_SIGNAL) != 0 && at->fd == number)
			event_active(at, EV_SIGNAL, 1);
}

/* ---- what is ready ---- */

struct ready {
	struct event *event;
	short what;
};

static size_t descriptors_look(struct event_base *base, struct ready *out, size_t len)
{
	struct pollfd polls[EVENTS_MAX];
	struct event *of[EVENTS_MAX];
	nfds_t count = 0;

	for (struct event *at = base->first; at != NULL && count < EVENTS_MAX; at = at->next)
		if (at->is_added && at->fd >= 0 && (at->wants & (EV_READ | EV_WRITE)) != 0) {
			short asks = (short)((at->wants & EV_READ ? POLLIN : 0) |
					     (at->wants & EV_WRITE ? POLLOUT : 0));

			polls[count] = (struct pollfd){at->fd, asks, 0};
			of[count++] = at;
		}
	if (count == 0 || poll(polls, count, 0) <= 0)
		return len;
	for (nfds_t i = 0; i < count && len < EVENTS_MAX; i++)
		if (polls[i].revents != 0)
			out[len++] =
				(struct ready){of[i], (short)(of[i]->wants & (EV_READ | EV_WRITE))};
	return len;
}

static size_t look(struct event_base *base, struct ready *out)
{
	size_t len = 0;

	for (struct event *at = base->first; at != NULL && len < EVENTS_MAX; at = at->next) {
		if (at->active != 0)
			out[len++] = (struct ready){at, at->active};
		else if (at->has_deadline && at->deadline_ms <= sim.now_ms)
			out[len++] = (struct ready){at, EV_TIMEOUT};
	}
	return descriptors_look(base, out, len);
}

static int64_t next_deadline(const struct event_base *base)
{
	int64_t next = INT64_MAX;

	for (const struct event *at = base->first; at != NULL; at = at->next)
		if (at->has_deadline && at->deadline_ms < next)
			next = at->deadline_ms;
	return next;
}

static void run(struct event *event, short what)
{
	bool is_signal = (event->wants & EV_SIGNAL) != 0;

	event->active = 0;
	if ((event->wants & EV_PERSIST) == 0)
		(void)event_del(event);
	else if (event->has_deadline)
		event->deadline_ms = sim.now_ms + event->period_ms;
	if (is_signal)
		what = EV_SIGNAL;
	event->call(event->fd, what, event->arg);
}

/* ---- kill -9 ---- */

void sim_kill_now(void)
{
	sim_trace("the supervisor is killed");
	sim.crashes++;
	longjmp(sim.killed, 1);
}

void sim_kill_maybe(unsigned percent)
{
	if (sim.is_running && sim_fault(percent) && sim_chance(30))
		sim_kill_now();
}

/* ---- the loop ---- */

static void time_pass(const struct event_base *base)
{
	int64_t world = sim_world_next_ms();
	int64_t own = next_deadline(base);
	int64_t next = world < own ? world : own;

	if (next == INT64_MAX)
		sim_broken("nothing is left that could ever wake the supervisor");
	if (next > sim.now_ms)
		sim.now_ms = next;
	if (sim.now_ms > sim.give_up_ms)
		sim_broken("the launch does not come to an end");
}

static void step_begin(uint64_t *spin, int64_t *spin_ms)
{
	sim.steps++;
	if (sim.now_ms != *spin_ms)
		*spin = 0;
	*spin_ms = sim.now_ms;
	if (++*spin > SPIN_MAX)
		sim_broken("the loop spins without time passing");
	if (sim.kill_at_step != 0 && sim.steps >= sim.kill_at_step) {
		sim.kill_at_step = 0;
		sim_kill_now();
	}
	if (sim.has_faults && sim_chance(1))
		sim.now_ms += (int64_t)sim_below(30);
}

int event_base_loop(struct event_base *base, int flags)
{
	static uint64_t spin;
	static int64_t spin_ms;
	struct ready ready[EVENTS_MAX];

	(void)flags;
	for (bool has_run = false;;) {
		size_t own = 0;
		size_t outside = 0;
		uint64_t choice = 0;

		step_begin(&spin, &spin_ms);
		own = look(base, ready);
		if (has_run && (own == 0 || sim_chance(50)))
			return 0;
		outside = has_run ? 0 : sim_world_ready();
		if (own + outside == 0) {
			time_pass(base);
			continue;
		}
		choice = sim_below(own + outside);
		if (choice >= own) {
			sim_world_run(choice - own);
			continue;
		}
		run(ready[choice].event, ready[choice].what);
		sim_check_step();
		has_run = true;
	}
}
