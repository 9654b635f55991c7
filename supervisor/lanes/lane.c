/*
 * The table of a lane's life. Runs in the supervisor. Must never touch a process, a file or a
 * clock: what is to be done is the result.
 */
#include "supervisor/lanes/lane.h"

struct arrow {
	bool exists;
	enum kt_lane_state next;
	enum kt_lane_action action;
};

#define TO(state_, action_) \
	{ \
		true, KT_LANE_##state_, KT_LANE_DO_##action_ \
	}

static const struct arrow arrows[KT_LANE_STATE_COUNT][KT_LANE_INPUT_COUNT] =
	{
		[KT_LANE_STOPPED] =
			{
				[KT_LANE_IN_START] = TO(PREPARING, PREPARE),
				[KT_LANE_IN_ADOPT] = TO(STARTING, NOTHING),
				[KT_LANE_IN_STOP] = TO(STOPPED, NOTHING),
			},
		[KT_LANE_PREPARING] =
			{
				[KT_LANE_IN_PREPARED] = TO(STARTING, SPAWN),
				[KT_LANE_IN_PREPARE_FAILED] = TO(STOPPED, GIVE_UP),
				[KT_LANE_IN_STOP] = TO(STOPPED, NOTHING),
			},
		[KT_LANE_STARTING] =
			{
				[KT_LANE_IN_HELLO] = TO(READY, NOTHING),
				[KT_LANE_IN_STOP] = TO(DRAINING, KILL),
				[KT_LANE_IN_TIMER] = TO(DRAINING, KILL),
				[KT_LANE_IN_GONE] = TO(DEAD, SWEEP),
			},
		[KT_LANE_READY] =
			{
				[KT_LANE_IN_RUN] = TO(RUNNING, NOTHING),
				[KT_LANE_IN_STOP] = TO(DRAINING, SHUTDOWN),
				[KT_LANE_IN_GONE] = TO(DEAD, SWEEP),
			},
		[KT_LANE_RUNNING] =
			{
				[KT_LANE_IN_IDLE] = TO(READY, NOTHING),
				[KT_LANE_IN_TIMER] = TO(DRAINING, KILL),
				[KT_LANE_IN_STOP] = TO(DRAINING, SHUTDOWN),
				[KT_LANE_IN_GONE] = TO(DEAD, SWEEP),
			},
		[KT_LANE_DRAINING] =
			{
				[KT_LANE_IN_IDLE] = TO(DRAINING, NOTHING),
				[KT_LANE_IN_TIMER] = TO(DRAINING, KILL),
				[KT_LANE_IN_STOP] = TO(DRAINING, NOTHING),
				[KT_LANE_IN_GONE] = TO(DEAD, SWEEP),
			},
		[KT_LANE_DEAD] =
			{
				[KT_LANE_IN_IDLE] = TO(DEAD, NOTHING),
				[KT_LANE_IN_STOP] = TO(DEAD, NOTHING),
				[KT_LANE_IN_SWEPT] = TO(STOPPED, NOTHING),
				[KT_LANE_IN_SWEPT_AGAIN] = TO(BACKOFF, WAIT),
				[KT_LANE_IN_SWEPT_LIMIT] = TO(STOPPED, GIVE_UP),
			},
		[KT_LANE_BACKOFF] =
			{
				[KT_LANE_IN_TIMER] = TO(PREPARING, PREPARE),
				[KT_LANE_IN_STOP] = TO(STOPPED, NOTHING),
			},
};

static const char *const names[KT_LANE_STATE_COUNT] = {
	"stopped", "preparing", "starting", "ready", "running", "draining", "dead", "backoff"};

const char *kt_lane_state_name(enum kt_lane_state state)
{
	return names[state];
}

void kt_lane_init(struct kt_lane *lane)
{
	*lane = (struct kt_lane){.state = KT_LANE_STOPPED};
}

size_t kt_lane_recent_deaths(const struct kt_lane *lane, int64_t now_ms)
{
	size_t kept = lane->deaths_len < KT_LANE_DEATHS_MAX ? lane->deaths_len : KT_LANE_DEATHS_MAX;
	size_t recent = 0;

	for (size_t i = 0; i < kept; i++)
		if (now_ms - lane->deaths[i] < KT_LANE_DEATHS_WINDOW_MS)
			recent++;
	return recent;
}

int64_t kt_lane_delay_ms(const struct kt_lane *lane, int64_t now_ms)
{
	size_t deaths = kt_lane_recent_deaths(lane, now_ms);
	int64_t delay = KT_LANE_DELAY_MIN_MS;

	for (size_t i = 1; i < deaths && delay < KT_LANE_DELAY_MAX_MS; i++)
		delay *= 2;
	return delay < KT_LANE_DELAY_MAX_MS ? delay : KT_LANE_DELAY_MAX_MS;
}

/* A worker that we asked to end, or that somebody else started, is not mourned. */
static enum kt_lane_input swept_means(const struct kt_lane *lane, int64_t now_ms)
{
	if (!lane->is_wanted || lane->is_by_hand)
		return KT_LANE_IN_SWEPT;
	if (kt_lane_recent_deaths(lane, now_ms) < KT_LANE_DEATHS_MAX &&
		lane->silences < KT_LANE_SILENCES_MAX)
		return KT_LANE_IN_SWEPT_AGAIN;
	return KT_LANE_IN_SWEPT_LIMIT;
}

/* The input's effect on what is wanted, whatever the state. */
static void wishes_update(struct kt_lane *lane, enum kt_lane_input input, int64_t now_ms)
{
	if (input == KT_LANE_IN_START)
		lane->is_wanted = true;
	if (input == KT_LANE_IN_STOP)
		lane->is_wanted = false;
	if (input == KT_LANE_IN_ADOPT)
		lane->is_by_hand = true;
	if (input == KT_LANE_IN_GONE && lane->is_wanted)
		lane->deaths[lane->deaths_len++ % KT_LANE_DEATHS_MAX] = now_ms;
	if (input == KT_LANE_IN_TIMER && lane->state == KT_LANE_RUNNING)
		lane->silences++;
	if (input == KT_LANE_IN_START ||
		(input == KT_LANE_IN_IDLE && lane->state == KT_LANE_RUNNING))
		lane->silences = 0;
}

enum kt_lane_action kt_lane_input(struct kt_lane *lane, enum kt_lane_input input, int64_t now_ms)
{
	const struct arrow *arrow = NULL;

	if (input == KT_LANE_IN_SWEPT)
		input = swept_means(lane, now_ms);
	arrow = &arrows[lane->state][input];
	if (!arrow->exists)
		return KT_LANE_DO_IGNORE;
	wishes_update(lane, input, now_ms);
	lane->state = arrow->next;
	if (lane->state == KT_LANE_STOPPED) {
		lane->is_by_hand = false;
		lane->is_wanted = false;
	}
	return arrow->action;
}
