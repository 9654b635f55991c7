/*
 * What a lane does next, and which agent it gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "supervisor/lanes/schedule.h"

enum { FIRST, SECOND, OTHER, WPS };

static const size_t in_lane[] = {FIRST, SECOND};
static const size_t on_other[] = {OTHER};

static struct kt_schedule_wp wps[WPS];
static struct kt_schedule_lane lane;

static int board_set(void **state)
{
	(void)state;
	for (size_t i = 0; i < WPS; i++)
		wps[i] = (struct kt_schedule_wp){
			.status = KT_STATUS_PLANNED, .status_name = "planned"};
	wps[FIRST].id = "WP01";
	wps[SECOND].id = "WP02";
	wps[OTHER].id = "WP03";
	lane = (struct kt_schedule_lane){in_lane, 2, false, false};
	return 0;
}

static void expect_next(enum kt_schedule_verdict verdict, size_t wp)
{
	struct kt_schedule_step step = kt_schedule_next(wps, &lane);

	assert_int_equal(step.verdict, verdict);
	assert_int_equal(step.wp, wp);
}

static void expect_text(const char *text)
{
	struct kt_schedule_step step = kt_schedule_next(wps, &lane);
	char *got = kt_schedule_describe(wps, &lane, &step);

	assert_non_null(got);
	assert_string_equal(got, text);
	free(got);
}

static void set(size_t wp, enum kt_status status, const char *name)
{
	wps[wp].status = status;
	wps[wp].status_name = name;
}

static void the_first_planned_one_is_claimed(void **state)
{
	(void)state;
	expect_next(KT_NEXT_CLAIM, FIRST);
}

static void the_second_waits_until_the_first_is_approved_done_or_canceled(void **state)
{
	static const enum kt_status through[] = {
		KT_STATUS_APPROVED, KT_STATUS_DONE, KT_STATUS_CANCELED};

	(void)state;
	set(FIRST, KT_STATUS_FOR_REVIEW, "for_review");
	expect_next(KT_NEXT_WAIT, FIRST);
	expect_text("WP01 is for_review and waits for a review");
	for (size_t i = 0; i < 3; i++) {
		set(FIRST, through[i], "");
		expect_next(KT_NEXT_CLAIM, SECOND);
	}
}

static void a_dependency_satisfies_when_approved_or_done_but_not_when_canceled(void **state)
{
	(void)state;
	wps[FIRST].dependencies = on_other;
	wps[FIRST].dependencies_len = 1;
	set(OTHER, KT_STATUS_IN_REVIEW, "in_review");
	expect_next(KT_NEXT_WAIT, FIRST);
	expect_text("WP01 waits for WP03, which is in_review (its reviewer)");
	set(OTHER, KT_STATUS_CANCELED, "canceled");
	expect_next(KT_NEXT_WAIT, FIRST);
	expect_text("WP01 waits for WP03, which is canceled (canceled)");
	set(OTHER, KT_STATUS_APPROVED, "approved");
	expect_next(KT_NEXT_CLAIM, FIRST);
}

static void what_a_dead_launch_left_is_resumed(void **state)
{
	(void)state;
	set(FIRST, KT_STATUS_CLAIMED, "claimed");
	wps[FIRST].holder = KT_HOLDER_LAUNCH;
	expect_next(KT_NEXT_RESUME, FIRST);
	set(FIRST, KT_STATUS_IN_PROGRESS, "in_progress");
	expect_next(KT_NEXT_RESUME, FIRST);
}

static void what_a_person_holds_is_waited_for(void **state)
{
	(void)state;
	set(FIRST, KT_STATUS_IN_PROGRESS, "in_progress");
	wps[FIRST].holder = KT_HOLDER_OTHER;
	expect_next(KT_NEXT_WAIT, FIRST);
	expect_text("WP01 is in_progress and waits for whoever works on it");
}

static void a_blocked_one_is_retried_only_when_that_is_asked_for(void **state)
{
	(void)state;
	set(FIRST, KT_STATUS_BLOCKED, "blocked");
	expect_next(KT_NEXT_WAIT, FIRST);
	expect_text("WP01 is blocked and waits for a person, or a launch with --retry-blocked");
	wps[FIRST].may_retry = true;
	expect_next(KT_NEXT_RETRY, FIRST);
}

static void a_busy_lane_starts_nothing(void **state)
{
	(void)state;
	lane.is_busy = true;
	expect_next(KT_NEXT_BUSY, FIRST);
}

static void a_stopped_lane_starts_nothing(void **state)
{
	(void)state;
	lane.is_stopped = true;
	expect_next(KT_NEXT_WAIT, FIRST);
	expect_text("WP01 is planned and waits for the next launch: its lane was stopped");
}

static void a_lane_whose_work_is_through_is_finished(void **state)
{
	(void)state;
	set(FIRST, KT_STATUS_DONE, "done");
	set(SECOND, KT_STATUS_CANCELED, "canceled");
	expect_next(KT_NEXT_FINISHED, 0);
}

static void handed_over_means_for_review_or_later(void **state)
{
	(void)state;
	assert_true(kt_schedule_is_handed_over(KT_STATUS_FOR_REVIEW));
	assert_true(kt_schedule_is_handed_over(KT_STATUS_IN_REVIEW));
	assert_true(kt_schedule_is_handed_over(KT_STATUS_APPROVED));
	assert_true(kt_schedule_is_handed_over(KT_STATUS_DONE));
	assert_true(kt_schedule_is_handed_over(KT_STATUS_CANCELED));
	assert_false(kt_schedule_is_handed_over(KT_STATUS_IN_PROGRESS));
	assert_false(kt_schedule_is_handed_over(KT_STATUS_BLOCKED));
}

static void a_lane_takes_the_next_free_agent(void **state)
{
	struct kt_pool_agent agents[] = {{"claude", 2, 0, false}, {"codex", 1, 0, false}};
	struct kt_pool pool = {agents, 2, 0, 0};
	size_t taken = 9;

	(void)state;
	assert_true(kt_pool_take(&pool, NULL, &taken));
	assert_int_equal(taken, 0);
	assert_true(kt_pool_take(&pool, NULL, &taken));
	assert_int_equal(taken, 1);
	assert_true(kt_pool_take(&pool, NULL, &taken));
	assert_int_equal(taken, 0);
	assert_false(kt_pool_take(&pool, NULL, &taken));
	kt_pool_give_back(&pool, 1);
	assert_true(kt_pool_take(&pool, NULL, &taken));
	assert_int_equal(taken, 1);
}

static void work_goes_back_to_the_agent_that_had_it(void **state)
{
	struct kt_pool_agent agents[] = {{"claude", 1, 1, false}, {"codex", 1, 0, false}};
	struct kt_pool pool = {agents, 2, 0, 0};
	size_t taken = 9;

	(void)state;
	assert_false(kt_pool_take(&pool, "claude", &taken));
	assert_true(kt_pool_take(&pool, "somebody-else", &taken));
	assert_int_equal(taken, 1);
}

static void the_bound_holds_for_the_whole_pool(void **state)
{
	struct kt_pool_agent agents[] = {{"claude", 9, 0, false}, {"codex", 9, 0, false}};
	struct kt_pool pool = {agents, 2, 0, 2};
	size_t taken = 0;

	(void)state;
	assert_true(kt_pool_take(&pool, NULL, &taken));
	assert_true(kt_pool_take(&pool, NULL, &taken));
	assert_false(kt_pool_take(&pool, NULL, &taken));
}

static void a_review_starts_when_the_launch_has_a_reviewer(void **state)
{
	(void)state;
	set(FIRST, KT_STATUS_FOR_REVIEW, "for_review");
	expect_next(KT_NEXT_WAIT, FIRST);
	wps[FIRST].review = KT_REVIEW_READY;
	expect_next(KT_NEXT_REVIEW, FIRST);
	lane.is_stopped = true;
	expect_next(KT_NEXT_WAIT, FIRST);
	lane.is_stopped = false;
	lane.is_busy = true;
	expect_next(KT_NEXT_BUSY, FIRST);
}

static void a_review_waits_for_no_dependency(void **state)
{
	(void)state;
	wps[FIRST].dependencies = on_other;
	wps[FIRST].dependencies_len = 1;
	set(FIRST, KT_STATUS_FOR_REVIEW, "for_review");
	set(OTHER, KT_STATUS_BLOCKED, "blocked");
	wps[FIRST].review = KT_REVIEW_READY;
	expect_next(KT_NEXT_REVIEW, FIRST);
}

static void only_a_review_of_a_launch_is_taken_up_again(void **state)
{
	(void)state;
	set(FIRST, KT_STATUS_IN_REVIEW, "in_review");
	wps[FIRST].review = KT_REVIEW_READY;
	wps[FIRST].holder = KT_HOLDER_OTHER;
	expect_next(KT_NEXT_WAIT, FIRST);
	expect_text("WP01 is in_review and waits for its reviewer");
	wps[FIRST].holder = KT_HOLDER_LAUNCH;
	expect_next(KT_NEXT_REVIEW, FIRST);
}

static void why_nobody_reviews_is_said(void **state)
{
	(void)state;
	set(FIRST, KT_STATUS_FOR_REVIEW, "for_review");
	expect_text("WP01 is for_review and waits for a review");
	wps[FIRST].review = KT_REVIEW_OWN_WORK;
	expect_next(KT_NEXT_WAIT, FIRST);
	expect_text("WP01 is for_review and waits for another reviewer than the one who "
		    "implemented it");
	wps[FIRST].review = KT_REVIEW_GIVEN_UP;
	expect_next(KT_NEXT_WAIT, FIRST);
	expect_text("WP01 is for_review and waits for a review: its reviewer failed");
}

static void a_reviewer_implements_nothing_and_counts_for_the_bound(void **state)
{
	struct kt_pool_agent agents[] = {{"claude", 9, 0, false}, {"critic", 1, 0, true}};
	struct kt_pool pool = {agents, 2, 0, 3};
	size_t taken = 9;

	(void)state;
	assert_true(kt_pool_take(&pool, "critic", &taken));
	assert_int_equal(taken, 0);
	assert_true(kt_pool_take_named(&pool, "critic", &taken));
	assert_int_equal(taken, 1);
	assert_false(kt_pool_take_named(&pool, "critic", &taken));
	assert_false(kt_pool_take_named(&pool, "nobody", &taken));
	assert_true(kt_pool_take(&pool, NULL, &taken));
	assert_int_equal(taken, 0);
	kt_pool_give_back(&pool, 1);
	assert_true(kt_pool_take(&pool, NULL, &taken));
	assert_int_equal(taken, 0);
	assert_false(kt_pool_take_named(&pool, "critic", &taken));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, board_set)
	const struct CMUnitTest tests[] = {
		TEST(the_first_planned_one_is_claimed),
		TEST(the_second_waits_until_the_first_is_approved_done_or_canceled),
		TEST(a_dependency_satisfies_when_approved_or_done_but_not_when_canceled),
		TEST(what_a_dead_launch_left_is_resumed),
		TEST(what_a_person_holds_is_waited_for),
		TEST(a_blocked_one_is_retried_only_when_that_is_asked_for),
		TEST(a_busy_lane_starts_nothing),
		TEST(a_stopped_lane_starts_nothing),
		TEST(a_lane_whose_work_is_through_is_finished),
		TEST(handed_over_means_for_review_or_later),
		TEST(a_lane_takes_the_next_free_agent),
		TEST(work_goes_back_to_the_agent_that_had_it),
		TEST(the_bound_holds_for_the_whole_pool),
		TEST(a_review_starts_when_the_launch_has_a_reviewer),
		TEST(a_review_waits_for_no_dependency),
		TEST(only_a_review_of_a_launch_is_taken_up_again),
		TEST(why_nobody_reviews_is_said),
		TEST(a_reviewer_implements_nothing_and_counts_for_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
