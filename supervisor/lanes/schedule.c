/*
 * The next step of a lane, and the pool of agents. Runs in the supervisor. Pure: decides, never
 * acts.
 */
#include "supervisor/lanes/schedule.h"

#include <string.h>

#include "ipc/buffer.h"

/* Per status: is the lane through with it, is a dependency on it satisfied, what is it waiting for
 * when the lane waits for it. */
static const struct {
	bool is_through, satisfies, is_handed_over;
	const char *needs;
} facts[KT_STATUS_COUNT] = {
	[KT_STATUS_GENESIS] = {false, false, false, "finalize-tasks"},
	[KT_STATUS_UNINITIALIZED] = {false, false, false, "finalize-tasks"},
	[KT_STATUS_PLANNED] = {false, false, false, "its turn"},
	[KT_STATUS_CLAIMED] = {false, false, false, "whoever claimed it"},
	[KT_STATUS_IN_PROGRESS] = {false, false, false, "whoever works on it"},
	[KT_STATUS_FOR_REVIEW] = {false, false, true, "a review"},
	[KT_STATUS_IN_REVIEW] = {false, false, true, "its reviewer"},
	[KT_STATUS_APPROVED] = {true, true, true, NULL},
	[KT_STATUS_DONE] = {true, true, true, NULL},
	[KT_STATUS_BLOCKED] = {false, false, false, "a person, or a launch with --retry-blocked"},
	[KT_STATUS_CANCELED] = {true, false, true, NULL},
};

bool kt_schedule_is_handed_over(enum kt_status status)
{
	return facts[status].is_handed_over;
}

/* The first dependency of wp that is not satisfied; its own index when all are. */
static size_t dependency_open(const struct kt_schedule_wp *wps, size_t wp)
{
	for (size_t i = 0; i < wps[wp].dependencies_len; i++)
		if (!facts[wps[wps[wp].dependencies[i]].status].satisfies)
			return wps[wp].dependencies[i];
	return wp;
}

static enum kt_schedule_verdict verdict_of(const struct kt_schedule_wp *wp)
{
	bool is_ours = wp->holder == KT_HOLDER_LAUNCH;

	if (wp->status == KT_STATUS_PLANNED)
		return KT_NEXT_CLAIM;
	if (wp->status == KT_STATUS_CLAIMED || wp->status == KT_STATUS_IN_PROGRESS)
		return is_ours ? KT_NEXT_RESUME : KT_NEXT_WAIT;
	if (wp->status == KT_STATUS_BLOCKED && wp->may_retry)
		return KT_NEXT_RETRY;
	if (wp->review == KT_REVIEW_READY &&
		(wp->status == KT_STATUS_FOR_REVIEW ||
			(wp->status == KT_STATUS_IN_REVIEW && is_ours)))
		return KT_NEXT_REVIEW;
	return KT_NEXT_WAIT;
}

struct kt_schedule_step kt_schedule_next(
	const struct kt_schedule_wp *wps, const struct kt_schedule_lane *lane)
{
	struct kt_schedule_step step = {KT_NEXT_FINISHED, 0, 0};
	size_t i = 0;

	while (i < lane->wps_len && facts[wps[lane->wps[i]].status].is_through)
		i++;
	if (i == lane->wps_len)
		return step;
	step.wp = step.waits_for = lane->wps[i];
	step.verdict = lane->is_busy ? KT_NEXT_BUSY : verdict_of(&wps[step.wp]);
	if (!kt_schedule_can_start(&step))
		return step;
	/* What is written can be reviewed, whatever became of its dependencies. */
	if (step.verdict != KT_NEXT_REVIEW)
		step.waits_for = dependency_open(wps, step.wp);
	if (step.waits_for != step.wp || lane->is_stopped)
		step.verdict = KT_NEXT_WAIT;
	return step;
}

bool kt_schedule_can_start(const struct kt_schedule_step *step)
{
	return step->verdict == KT_NEXT_CLAIM || step->verdict == KT_NEXT_RESUME ||
	       step->verdict == KT_NEXT_RETRY || step->verdict == KT_NEXT_REVIEW;
}

static const char *needs_of(const struct kt_schedule_wp *wp)
{
	if (wp->status == KT_STATUS_FOR_REVIEW && wp->review == KT_REVIEW_OWN_WORK)
		return "another reviewer than the one who implemented it";
	if (wp->status == KT_STATUS_FOR_REVIEW && wp->review == KT_REVIEW_GIVEN_UP)
		return "a review: its reviewer failed";
	return facts[wp->status].needs == NULL ? "nothing" : facts[wp->status].needs;
}

char *kt_schedule_describe(const struct kt_schedule_wp *wps, const struct kt_schedule_lane *lane,
	const struct kt_schedule_step *step)
{
	const struct kt_schedule_wp *wp = &wps[step->wp];
	const struct kt_schedule_wp *other = &wps[step->waits_for];

	if (step->verdict != KT_NEXT_WAIT)
		return NULL;
	if (step->wp != step->waits_for)
		return kt_format("%s waits for %s, which is %s (%s)", wp->id, other->id,
			other->status_name,
			facts[other->status].needs == NULL ? "canceled"
							   : facts[other->status].needs);
	if (lane->is_stopped && (wp->status == KT_STATUS_PLANNED || wp->holder == KT_HOLDER_LAUNCH))
		return kt_format("%s is %s and waits for the next launch: its lane was stopped",
			wp->id, wp->status_name);
	return kt_format("%s is %s and waits for %s", wp->id, wp->status_name, needs_of(wp));
}

static size_t pool_used(const struct kt_pool *pool)
{
	size_t used = 0;

	for (size_t i = 0; i < pool->len; i++)
		used += pool->agents[i].used;
	return used;
}

static bool agent_take(struct kt_pool *pool, size_t index, size_t *agent)
{
	if (pool->agents[index].used >= pool->agents[index].capacity)
		return false;
	pool->agents[index].used++;
	*agent = index;
	return true;
}

bool kt_pool_take(struct kt_pool *pool, const char *preferred, size_t *agent)
{
	if (pool->max_parallel != 0 && pool_used(pool) >= pool->max_parallel)
		return false;
	for (size_t i = 0; preferred != NULL && i < pool->len; i++)
		if (!pool->agents[i].is_reviewer && strcmp(pool->agents[i].name, preferred) == 0)
			return agent_take(pool, i, agent);
	for (size_t i = 0; i < pool->len; i++) {
		size_t index = (pool->next + i) % pool->len;

		if (!pool->agents[index].is_reviewer && agent_take(pool, index, agent)) {
			pool->next = (index + 1) % pool->len;
			return true;
		}
	}
	return false;
}

bool kt_pool_take_named(struct kt_pool *pool, const char *name, size_t *agent)
{
	if (pool->max_parallel != 0 && pool_used(pool) >= pool->max_parallel)
		return false;
	for (size_t i = 0; i < pool->len; i++)
		if (strcmp(pool->agents[i].name, name) == 0)
			return agent_take(pool, i, agent);
	return false;
}

void kt_pool_give_back(struct kt_pool *pool, size_t agent)
{
	KT_BUG_UNLESS(pool->agents[agent].used > 0);
	pool->agents[agent].used--;
}
