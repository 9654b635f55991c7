/*
 * The stop ladder of an agent: see the header. Runs in the worker's loop, one short step at a time.
 * It must never signal a process that neither descends from this worker nor carries the agent's
 * marker, and never end while something that can still be killed is left.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>

#include <event2/event.h>

#include "ipc/clock.h"
#include "ipc/subreaper.h"
#include "worker/agent.h"

#define STEP_MS 20
#define GIVE_UP_MS 3000

struct sweep {
	int signal_number;
	size_t count;
};

static void on_marked(pid_t pid, void *arg)
{
	struct sweep *sweep = arg;

	if (kill(pid, sweep->signal_number) == 0 && kt_process_is_alive(pid, 0))
		sweep->count++;
}

static size_t signal_marked(const struct kt_agent_process *agent, int signal_number)
{
	struct sweep sweep = {.signal_number = signal_number};

	if (agent->marker != NULL)
		(void)kt_processes_with_marker(agent->marker, on_marked, &sweep);
	return sweep.count;
}

static void signal_all(const struct kt_agent_process *agent, int signal_number)
{
	if (!agent->is_child_gone)
		kt_child_signal(&agent->child, signal_number, true);
	(void)kt_descendants_signal(signal_number);
	(void)signal_marked(agent, signal_number);
}

void kt_agent_ladder_begin(struct kt_agent_process *agent)
{
	int64_t now = kt_clock_monotonic_ms();

	agent->stage = KT_AGENT_TERM;
	agent->kill_at_ms = now + agent->grace_ms;
	(void)event_del(agent->timeout_event);
	signal_all(agent, SIGTERM);
	signal_all(agent, SIGCONT); /* a stopped process takes TERM only when it goes on */
}

static void reap(struct kt_agent_process *agent)
{
	size_t own_len = agent->is_child_gone ? 0 : 1;

	if (!agent->is_child_gone && kt_child_reap(&agent->child, &agent->end.status))
		agent->is_child_gone = true;
	(void)kt_orphans_reap(&agent->child.pid, own_len);
}

static size_t count_left(const struct kt_agent_process *agent)
{
	size_t left = kt_descendants_signal(0) + (agent->is_child_gone ? 0 : 1);

	return left > 0 ? left : signal_marked(agent, 0);
}

void kt_agent_ladder_step(struct kt_agent_process *agent)
{
	int64_t now = kt_clock_monotonic_ms();
	size_t left = 0;

	if (agent->stage == KT_AGENT_IDLE)
		return;
	reap(agent);
	left = count_left(agent);
	if (left > 0 && agent->stage == KT_AGENT_TERM && now >= agent->kill_at_ms) {
		agent->stage = KT_AGENT_KILL;
		agent->give_up_at_ms = now + GIVE_UP_MS;
	}
	if (left > 0 && agent->stage == KT_AGENT_KILL) {
		signal_all(agent, SIGKILL); /* again and again: it may fork while we look */
		reap(agent);
		left = count_left(agent);
	}
	if (left > 0 && (agent->stage == KT_AGENT_TERM || now < agent->give_up_at_ms)) {
		kt_agent_arm(agent->ladder_event, STEP_MS);
		return;
	}
	agent->end.left_over = left;
	kt_agent_finish(agent);
}
