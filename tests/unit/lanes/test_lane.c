/*
 * The table of a lane's life, on a clock of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/lanes/lane.h"

static struct kt_lane ready_lane(void)
{
	struct kt_lane lane;

	kt_lane_init(&lane);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_START, 0), KT_LANE_DO_PREPARE);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_PREPARED, 0), KT_LANE_DO_SPAWN);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_HELLO, 0), KT_LANE_DO_NOTHING);
	assert_int_equal(lane.state, KT_LANE_READY);
	return lane;
}

static enum kt_lane_action die(struct kt_lane *lane, int64_t now_ms)
{
	assert_int_equal(kt_lane_input(lane, KT_LANE_IN_GONE, now_ms), KT_LANE_DO_SWEEP);
	return kt_lane_input(lane, KT_LANE_IN_SWEPT, now_ms);
}

static void come_back(struct kt_lane *lane, int64_t now_ms)
{
	assert_int_equal(kt_lane_input(lane, KT_LANE_IN_TIMER, now_ms), KT_LANE_DO_PREPARE);
	assert_int_equal(kt_lane_input(lane, KT_LANE_IN_PREPARED, now_ms), KT_LANE_DO_SPAWN);
	assert_int_equal(kt_lane_input(lane, KT_LANE_IN_HELLO, now_ms), KT_LANE_DO_NOTHING);
}

static void a_lane_is_ready_only_after_hello(void **state)
{
	struct kt_lane lane;

	(void)state;
	kt_lane_init(&lane);
	(void)kt_lane_input(&lane, KT_LANE_IN_START, 0);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_RUN, 0), KT_LANE_DO_IGNORE);
	(void)kt_lane_input(&lane, KT_LANE_IN_PREPARED, 0);
	assert_int_equal(lane.state, KT_LANE_STARTING);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_RUN, 0), KT_LANE_DO_IGNORE);
	(void)kt_lane_input(&lane, KT_LANE_IN_HELLO, 0);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_RUN, 0), KT_LANE_DO_NOTHING);
	assert_int_equal(lane.state, KT_LANE_RUNNING);
	(void)kt_lane_input(&lane, KT_LANE_IN_IDLE, 0);
	assert_int_equal(lane.state, KT_LANE_READY);
}

static void a_worker_without_hello_is_killed_and_replaced(void **state)
{
	struct kt_lane lane;

	(void)state;
	kt_lane_init(&lane);
	(void)kt_lane_input(&lane, KT_LANE_IN_START, 0);
	(void)kt_lane_input(&lane, KT_LANE_IN_PREPARED, 0);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_TIMER, 5000), KT_LANE_DO_KILL);
	assert_int_equal(die(&lane, 5001), KT_LANE_DO_WAIT);
	assert_int_equal(lane.state, KT_LANE_BACKOFF);
}

static void a_lane_without_worktree_is_given_up(void **state)
{
	struct kt_lane lane;

	(void)state;
	kt_lane_init(&lane);
	(void)kt_lane_input(&lane, KT_LANE_IN_START, 0);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_PREPARE_FAILED, 0), KT_LANE_DO_GIVE_UP);
	assert_int_equal(lane.state, KT_LANE_STOPPED);
}

static void the_back_off_doubles_and_the_third_death_within_a_minute_gives_up(void **state)
{
	struct kt_lane lane = ready_lane();

	(void)state;
	assert_int_equal(die(&lane, 1000), KT_LANE_DO_WAIT);
	assert_int_equal(kt_lane_delay_ms(&lane, 1000), 1000);
	come_back(&lane, 2000);
	assert_int_equal(die(&lane, 3000), KT_LANE_DO_WAIT);
	assert_int_equal(kt_lane_delay_ms(&lane, 3000), 2000);
	come_back(&lane, 5000);
	assert_int_equal(die(&lane, 60999), KT_LANE_DO_GIVE_UP);
	assert_int_equal(lane.state, KT_LANE_STOPPED);
}

static void deaths_that_are_a_minute_apart_never_give_up(void **state)
{
	struct kt_lane lane = ready_lane();
	int64_t now = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		now += 30001;
		assert_int_equal(die(&lane, now), KT_LANE_DO_WAIT);
		come_back(&lane, now + 2000);
	}
}

static void a_lane_that_was_asked_to_stop_is_not_started_again(void **state)
{
	struct kt_lane lane = ready_lane();

	(void)state;
	(void)kt_lane_input(&lane, KT_LANE_IN_RUN, 0);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_STOP, 0), KT_LANE_DO_SHUTDOWN);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_STOP, 0), KT_LANE_DO_NOTHING);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_TIMER, 8000), KT_LANE_DO_KILL);
	assert_int_equal(die(&lane, 8001), KT_LANE_DO_NOTHING);
	assert_int_equal(lane.state, KT_LANE_STOPPED);
	assert_int_equal(kt_lane_recent_deaths(&lane, 8001), 0);
}

static void a_lane_in_back_off_stops_at_once(void **state)
{
	struct kt_lane lane = ready_lane();

	(void)state;
	(void)die(&lane, 10);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_STOP, 20), KT_LANE_DO_NOTHING);
	assert_int_equal(lane.state, KT_LANE_STOPPED);
}

static void a_worker_that_falls_silent_at_work_is_killed_and_replaced(void **state)
{
	struct kt_lane lane;

	(void)state;
	kt_lane_init(&lane);
	(void)kt_lane_input(&lane, KT_LANE_IN_START, 0);
	(void)kt_lane_input(&lane, KT_LANE_IN_PREPARED, 0);
	(void)kt_lane_input(&lane, KT_LANE_IN_HELLO, 0);
	(void)kt_lane_input(&lane, KT_LANE_IN_RUN, 0);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_TIMER, 30000), KT_LANE_DO_KILL);
	assert_int_equal(lane.state, KT_LANE_DRAINING);
	assert_int_equal(die(&lane, 30001), KT_LANE_DO_WAIT);
	assert_int_equal(lane.state, KT_LANE_BACKOFF);
}

static void the_third_worker_in_a_row_that_falls_silent_gives_its_lane_up(void **state)
{
	struct kt_lane lane = ready_lane();
	int64_t now = 0;

	(void)state;
	for (int i = 1; i <= KT_LANE_SILENCES_MAX; i++) {
		now += INT64_C(2) * KT_LANE_DEATHS_WINDOW_MS;
		(void)kt_lane_input(&lane, KT_LANE_IN_RUN, now);
		assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_TIMER, now), KT_LANE_DO_KILL);
		assert_int_equal(die(&lane, now),
			i < KT_LANE_SILENCES_MAX ? KT_LANE_DO_WAIT : KT_LANE_DO_GIVE_UP);
		if (i < KT_LANE_SILENCES_MAX)
			come_back(&lane, now);
	}
	assert_int_equal(lane.state, KT_LANE_STOPPED);
	(void)kt_lane_input(&lane, KT_LANE_IN_START, now);
	assert_int_equal(lane.silences, 0);
}

static void a_worker_that_does_its_work_makes_earlier_silences_forgotten(void **state)
{
	struct kt_lane lane = ready_lane();
	int64_t now = 0;

	(void)state;
	for (int i = 0; i < 2 * KT_LANE_SILENCES_MAX; i++) {
		now += INT64_C(2) * KT_LANE_DEATHS_WINDOW_MS;
		(void)kt_lane_input(&lane, KT_LANE_IN_RUN, now);
		(void)kt_lane_input(&lane, KT_LANE_IN_IDLE, now);
		(void)kt_lane_input(&lane, KT_LANE_IN_RUN, now);
		assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_TIMER, now), KT_LANE_DO_KILL);
		assert_int_equal(die(&lane, now), KT_LANE_DO_WAIT);
		come_back(&lane, now);
	}
}

static void a_worker_by_hand_is_never_replaced(void **state)
{
	struct kt_lane lane;

	(void)state;
	kt_lane_init(&lane);
	(void)kt_lane_input(&lane, KT_LANE_IN_ADOPT, 0);
	assert_int_equal(kt_lane_input(&lane, KT_LANE_IN_ADOPT, 0), KT_LANE_DO_IGNORE);
	(void)kt_lane_input(&lane, KT_LANE_IN_HELLO, 0);
	assert_int_equal(lane.state, KT_LANE_READY);
	assert_int_equal(die(&lane, 5), KT_LANE_DO_NOTHING);
	assert_int_equal(lane.state, KT_LANE_STOPPED);
	assert_false(lane.is_by_hand);
}

static void every_state_takes_every_input(void **state)
{
	(void)state;
	for (int i = 0; i < KT_LANE_STATE_COUNT; i++)
		for (int k = 0; k < KT_LANE_IN_SWEPT_AGAIN; k++) {
			struct kt_lane lane = {.state = (enum kt_lane_state)i};
			enum kt_lane_action action = kt_lane_input(&lane, (enum kt_lane_input)k, 0);

			assert_in_range(lane.state, 0, KT_LANE_STATE_COUNT - 1);
			if (action == KT_LANE_DO_IGNORE)
				assert_int_equal(lane.state, i);
			assert_non_null(kt_lane_state_name(lane.state));
		}
}

/*
 * The same worker again and again: it lives for `life_ms` after each HELLO, and comes back when the
 * back-off is over. How often is it started until the lane is given up; 0: never, in a hundred.
 */
static unsigned starts_until_given_up(int64_t life_ms)
{
	struct kt_lane lane = ready_lane();
	int64_t now = 0;

	for (unsigned starts = 1; starts <= 100; starts++) {
		now += life_ms;
		if (die(&lane, now) == KT_LANE_DO_GIVE_UP) {
			assert_int_equal(lane.state, KT_LANE_STOPPED);
			assert_false(lane.is_wanted);
			return starts;
		}
		now += kt_lane_delay_ms(&lane, now);
		come_back(&lane, now);
	}
	return 0;
}

static void the_time_a_worker_lives_decides_whether_its_lane_is_given_up(void **state)
{
	/* Between the first and the third death lie two lives and back-offs of 1 s and 2 s: what
	 * ends a lane must lie within 60,000 ms. */
	static const struct {
		int64_t life_ms;
		unsigned starts;
	} cases[] = {{0, 3}, {900, 3}, {1100, 3}, {20000, 3}, {28499, 3}, {29500, 0}, {30001, 0},
		{59999, 0}, {60000, 0}, {61000, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(starts_until_given_up(cases[i].life_ms), cases[i].starts);
}

static void a_lane_that_was_given_up_leaves_its_neighbour_alone_and_forgets_after_a_minute(
	void **state)
{
	struct kt_lane broken = ready_lane();
	struct kt_lane other = ready_lane();

	(void)state;
	(void)die(&broken, 0);
	come_back(&broken, 1000);
	(void)die(&broken, 1000);
	come_back(&broken, 3000);
	assert_int_equal(die(&broken, 3000), KT_LANE_DO_GIVE_UP);
	assert_int_equal(other.state, KT_LANE_READY);
	assert_int_equal(kt_lane_recent_deaths(&other, 3000), 0);
	assert_int_equal(kt_lane_recent_deaths(&broken, 59999), 3);
	assert_int_equal(kt_lane_recent_deaths(&broken, 63000), 0);
	/* Started again on purpose, it has its three lives again. */
	assert_int_equal(kt_lane_input(&broken, KT_LANE_IN_START, 63000), KT_LANE_DO_PREPARE);
	(void)kt_lane_input(&broken, KT_LANE_IN_PREPARED, 63000);
	(void)kt_lane_input(&broken, KT_LANE_IN_HELLO, 63000);
	assert_int_equal(die(&broken, 63001), KT_LANE_DO_WAIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lane_is_ready_only_after_hello),
		cmocka_unit_test(a_worker_without_hello_is_killed_and_replaced),
		cmocka_unit_test(a_lane_without_worktree_is_given_up),
		cmocka_unit_test(the_back_off_doubles_and_the_third_death_within_a_minute_gives_up),
		cmocka_unit_test(deaths_that_are_a_minute_apart_never_give_up),
		cmocka_unit_test(a_lane_that_was_asked_to_stop_is_not_started_again),
		cmocka_unit_test(a_lane_in_back_off_stops_at_once),
		cmocka_unit_test(a_worker_that_falls_silent_at_work_is_killed_and_replaced),
		cmocka_unit_test(the_third_worker_in_a_row_that_falls_silent_gives_its_lane_up),
		cmocka_unit_test(a_worker_that_does_its_work_makes_earlier_silences_forgotten),
		cmocka_unit_test(a_worker_by_hand_is_never_replaced),
		cmocka_unit_test(the_time_a_worker_lives_decides_whether_its_lane_is_given_up),
		cmocka_unit_test(
			a_lane_that_was_given_up_leaves_its_neighbour_alone_and_forgets_after_a_minute),
		cmocka_unit_test(every_state_takes_every_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
