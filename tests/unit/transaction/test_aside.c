/*
 * The lane gate beside the transaction: a gate that hangs holds up its own lane and nobody else, in
 * whatever order the gates end, and a lane that moves meanwhile is judged again. The gate here is a
 * script that reads ../go-LANE, which a test makes a fifo to keep it waiting.
 */
#include <fcntl.h>
#include <poll.h>

#include "ipc/clock.h"
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"

#define REF "kitty/mission-" SLUG

static void write_gate(struct fixture *f, const char *before_the_answer)
{
	char *path = kt_path_join(f->box->root, "gate");
	char *text = kt_format("#!/bin/sh\n[ \"$2\" = lane-gate ] || exec %s/kitty \"$@\"\n"
			       "cd %s\necho \"$8\" >>../judged-$6\ncat ../go-$6\n%s\n"
			       "cat ../answer-$6\n",
		KITTY_BINARY_DIR, f->box->repo, before_the_answer);
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(
		kt_file_write_atomic(path, text, strlen(text), 0755, false, &err), KT_E_OK);
	free(text);
	free(path);
}

static void reopen(struct fixture *f, bool hold_lock)
{
	struct kt_error err = KT_ERROR_INIT;

	kt_writer_free(f->writer);
	open_writer(f, hold_lock);
	if (hold_lock)
		assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_OK);
}

static int setup_gates(void **state)
{
	struct fixture *f = NULL;

	if (setup(state) != 0)
		return -1;
	f = *state;
	shell(f, "cd " COORD "/kitty-specs/" SLUG " && for w in WP03 WP04; do sed s/WP01/$w/ "
		 "tasks/WP01-x.md >tasks/$w-x.md; done && sed -i 's/\"lanes\": \\[/&{\"lane_id\": "
		 "\"lane-c\", \"wp_ids\": [\"WP03\"]}, /; s/\\[\"WP01/&\", \"WP04/' lanes.json && "
		 "git add . && git commit -qm more");
	submit(f, move("WP03", KT_STATUS_PLANNED, "finalize-tasks"), NULL);
	submit(f, move("WP04", KT_STATUS_PLANNED, "finalize-tasks"), NULL);
	submit_starts(f);
	finish(f);
	shell(f, "for l in a b; do git branch -q " REF "-lane-$l; : >../go-lane-$l; "
		 "echo '{\"warnings\": []}' >../answer-lane-$l; done");
	write_gate(f, ":");
	stand_in(f, "gate");
	f->hook_timeout_ms = 600000;
	reopen(f, true);
	assert_int_equal(f->successes, 6);
	f->answers = f->successes = 0;
	return 0;
}

static struct kt_json *note(const char *wp, const char *text)
{
	struct kt_json *request = kt_request_new("note"), *delta = kt_json_new_object();

	kt_json_set_string(delta, "note", text);
	(void)kt_request_add_annotation(request, wp, "codex", delta);
	return request;
}

static struct kt_json *hand_over(const char *wp)
{
	return move(wp, KT_STATUS_FOR_REVIEW, "codex");
}

static void block(struct fixture *f, const char *lane)
{
	shell(f, "rm ../go-%s && mkfifo ../go-%s", lane, lane);
}

/* Waits until somebody reads the fifo, lets it go, and leaves a plain file for the next one. */
static void unblock(struct fixture *f, const char *lane)
{
	shell(f, ": >../go-%s; rm ../go-%s; : >../go-%s", lane, lane, lane);
}

static void drive_until(struct fixture *f, size_t answers)
{
	struct kt_wait wait = {-1, -1};

	while (f->answers < answers && !kt_writer_turn(f->writer, &wait)) {
		struct pollfd entry = {wait.fd, POLLIN, 0};
		int left = kt_clock_left_ms(wait.deadline_ms, kt_clock_monotonic_ms());

		if (f->answers < answers)
			(void)poll(&entry, 1, left);
	}
}

/* WPs and what became of them, in the order of the log, from the ninth row on. */
#define EXPECT_ORDER(f, expected) \
	assert_ask(f, expected, \
		"sed -n '9,$p' " LOG \
		" | sed 's/.*\"event_type\": *\"X\".*/X/;s/.*\"note\": *\"\\([a-z]*\\)\".*/\\1/;" \
		"s/.*\"to_lane\": *\"\\([a-z_]*\\)\".*\"wp_id\": *\"\\([A-Z0-9]*\\)\".*/\\2 " \
		"\\1/' " \
		"| paste -sd,")

static void a_gate_that_hangs_holds_up_its_own_lane_only(void **state)
{
	struct fixture *f = *state;
	struct kt_json *lifecycle = kt_request_new("test");

	(void)kt_request_add_lifecycle(lifecycle, "X", "a", "Mission", kt_json_new_object());
	block(f, "lane-a");
	submit(f, hand_over("WP01"), "lane-a");
	submit(f, note("WP01", "behind"), "lane-a");
	submit(f, note("WP04", "too"), "lane-a");
	submit(f, lifecycle, NULL);
	submit(f, note("WP02", "beside"), "lane-b");
	drive_until(f, 2);
	assert_string_equal(last_code(f), "OK");
	assert_int_equal(f->successes, 2);
	EXPECT_ORDER(f, "X,beside");
	submit(f, hand_over("WP02"), "lane-b");
	drive_until(f, 3);
	EXPECT_ORDER(f, "X,beside,WP02 for_review");
	unblock(f, "lane-a");
	finish(f);
	assert_int_equal(f->successes, 6);
	EXPECT_ORDER(f, "X,beside,WP02 for_review,WP01 for_review,behind,too");
	assert_ask(f, "1", "grep -c . ../judged-lane-a");
	expect_clean(f);
}

static void the_gate_that_ends_first_is_heard_first(void **state)
{
	struct fixture *f = *state;

	block(f, "lane-a");
	block(f, "lane-b");
	submit(f, hand_over("WP02"), "lane-b");
	submit(f, hand_over("WP01"), "lane-a");
	unblock(f, "lane-b");
	drive_until(f, 1);
	EXPECT_ORDER(f, "WP02 for_review");
	unblock(f, "lane-a");
	finish(f);
	assert_int_equal(f->successes, 2);
	EXPECT_ORDER(f, "WP02 for_review,WP01 for_review");
}

static struct kt_json *note_both(const char *one, const char *other)
{
	struct kt_json *request = kt_request_new("note");
	const char *const wps[] = {one, other};

	(void)kt_request_add_lifecycle(request, "X", "a", "Mission", kt_json_new_object());
	for (size_t i = 0; i < 2; i++) {
		struct kt_json *delta = kt_json_new_object();

		kt_json_set_string(delta, "note", "both");
		(void)kt_request_add_annotation(request, wps[i], "codex", delta);
	}
	return request;
}

/* Both lanes hand over, and both gates keep them waiting. */
static void hold_both(struct fixture *f)
{
	block(f, "lane-a");
	block(f, "lane-b");
	submit(f, hand_over("WP01"), NULL);
	submit(f, hand_over("WP02"), NULL);
}

/* What concerns two lanes waits behind both, and what comes after it waits with it. */
static void who_waits_behind_two_lanes_keeps_the_order_of_both(void **state)
{
	struct fixture *f = *state;

	hold_both(f);
	submit(f, note_both("WP01", "WP02"), NULL);
	submit(f, note("WP01", "one"), NULL);
	submit(f, note("WP02", "two"), NULL);
	submit(f, kt_request_new("bad"), NULL);
	drive_until(f, 1);
	assert_string_equal(last_code(f), "SAFE_COMMIT_EMPTY_CHANGESET");
	unblock(f, "lane-b");
	drive_until(f, 2);
	EXPECT_ORDER(f, "WP02 for_review");
	unblock(f, "lane-a");
	finish(f);
	assert_int_equal(f->successes, 5);
	EXPECT_ORDER(f, "WP02 for_review,WP01 for_review,X,both,both,one,two");
}

/* The first gate ends first: those behind it go on waiting behind the second. */
static void those_behind_may_have_to_wait_again(void **state)
{
	struct fixture *f = *state;

	hold_both(f);
	submit(f, note_both("WP01", "WP02"), NULL);
	submit(f, note("WP02", "two"), NULL);
	unblock(f, "lane-a");
	drive_until(f, 1);
	EXPECT_ORDER(f, "WP01 for_review");
	unblock(f, "lane-b");
	finish(f);
	EXPECT_ORDER(f, "WP01 for_review,WP02 for_review,X,both,both,two");
}

/* Behind another lane's gate stands what came later: that is no reason to wait. */
static void nobody_waits_behind_what_came_later(void **state)
{
	struct fixture *f = *state;

	hold_both(f);
	submit(f, note_both("WP01", "WP03"), NULL);
	submit(f, note_both("WP02", "WP03"), NULL);
	submit(f, note("WP03", "three"), NULL);
	unblock(f, "lane-a");
	drive_until(f, 2);
	EXPECT_ORDER(f, "WP01 for_review,X,both,both");
	unblock(f, "lane-b");
	finish(f);
	EXPECT_ORDER(f, "WP01 for_review,X,both,both,WP02 for_review,X,both,both,three");
}

static void a_refusal_is_told_and_the_next_one_is_judged(void **state)
{
	struct fixture *f = *state, heard = {.writer = f->writer};

	write_gate(f, "[ $(grep -c . ../judged-$6) -gt 1 ] || { cat ../refusal; exit 1; }");
	shell(f, "echo '{\"error\": {\"code\": \"LANE_TOUCHES_KITTY_SPECS\", \"detail\": "
		 "\"x\"}}' >../refusal && echo '{\"warnings\": [\"careful\"]}' "
		 ">../answer-lane-a");
	submit(&heard, hand_over("WP01"), NULL);
	submit(f, note("WP01", "behind"), NULL);
	submit(f, hand_over("WP01"), NULL);
	drive_until(&heard, 1);
	assert_string_equal(last_code(&heard), "LANE_TOUCHES_KITTY_SPECS");
	kt_json_free(heard.last);
	finish(f);
	assert_int_equal(f->successes, 2);
	assert_int_equal(kt_json_size(kt_json_get(f->last, "warnings")), 1);
	EXPECT_ORDER(f, "behind,WP01 for_review");
}

#define COMMIT_IN_LANE \
	"git update-ref refs/heads/" REF "-lane-a $(git commit-tree -p " REF "-lane-a -m x " REF \
	"-lane-a^{tree})"

static void a_lane_that_went_on_is_judged_again(void **state)
{
	struct fixture *f = *state;

	write_gate(f, "[ -e ../moved ] || { : >../moved; " COMMIT_IN_LANE "; }");
	submit(f, hand_over("WP01"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "2", "sort -u ../judged-lane-a | grep -c .");
	assert_ask(f, "same",
		"[ $(tail -n 1 ../judged-lane-a) = $(git rev-parse " REF "-lane-a) ] && echo same");
}

/* Three times beside the transaction, once in it: that has an end, and then it is the lane's own
 * doing. */
static void a_lane_that_never_stands_still_is_judged_in_the_transaction(void **state)
{
	struct fixture *f = *state;

	write_gate(f, COMMIT_IN_LANE);
	submit(f, hand_over("WP01"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "4", "grep -c . ../judged-lane-a");
	EXPECT_ORDER(f, "WP01 for_review");
}

static void a_gate_that_does_not_start_is_started_again_in_the_transaction(void **state)
{
	struct fixture *f = *state;

	kt_seam_fail("kt_child_start", 1, KT_E_SPAWN_FAILED);
	submit(f, hand_over("WP01"), NULL);
	assert_string_equal(kt_seam_end(), "kt_child_start");
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "1", "grep -c . ../judged-lane-a");
	kt_seam_fail_from("kt_child_start", 1, KT_E_SPAWN_FAILED);
	submit(f, hand_over("WP02"), NULL);
	finish(f);
	assert_string_equal(kt_seam_end(), "kt_child_start");
	assert_string_equal(last_code(f), "SPAWN_FAILED");
}

/* A command's writer asks when it has the lock, for as long as its hooks may take, or the default.
 */
static void a_command_asks_in_the_transaction(void **state)
{
	struct fixture *f = *state;
	struct kt_writer_options options = {
		.repo = f->repo, .mission = f->mission, .program = f->program};
	struct kt_error err = KT_ERROR_INIT;
	struct kt_wait wait = {-1, -1};

	reopen(f, false);
	block(f, "lane-a");
	submit(f, hand_over("WP01"), NULL);
	assert_false(kt_writer_turn(f->writer, &wait));
	assert_false(kt_writer_turn(f->writer, &wait));
	unblock(f, "lane-a");
	finish(f);
	assert_string_equal(last_code(f), "OK");
	kt_writer_free(f->writer);
	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_OK);
	submit(f, hand_over("WP02"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "2", "cat ../judged-lane-? | grep -c .");
}

static void intrude(struct fixture *f)
{
	shell(f, "git update-ref refs/heads/" REF " $(git commit-tree -p " REF " -m x " REF
		 "^{tree})");
}

/* The plan is read again after somebody else's commit; without it work packages can be compared. */
static void without_a_plan_the_same_work_package_still_waits(void **state)
{
	struct fixture *f = *state;

	kt_seam_fail("kt_plan_load", 1, KT_E_GIT_FAILED);
	submit(f, note("WP01", "first"), NULL);
	assert_string_equal(kt_seam_end(), "kt_plan_load");
	block(f, "lane-a");
	submit(f, hand_over("WP01"), NULL);
	intrude(f);
	drive_until(f, 1);
	kt_seam_fail_from("kt_plan_load", 1, KT_E_GIT_FAILED);
	submit(f, note("WP01", "behind"), NULL);
	submit(f, note("WP02", "beside"), NULL);
	assert_string_equal(kt_seam_end(), "kt_plan_load");
	drive_until(f, 2);
	unblock(f, "lane-a");
	finish(f);
	assert_int_equal(f->successes, 4);
	EXPECT_ORDER(f, "first,beside,WP01 for_review,behind");
}

static void a_writer_that_ends_ends_its_gates_and_tells_everybody(void **state)
{
	struct fixture *f = *state;

	block(f, "lane-a");
	submit(f, hand_over("WP01"), NULL);
	submit(f, note("WP01", "behind"), NULL);
	kt_writer_free(f->writer);
	f->writer = NULL;
	assert_int_equal(f->answers, 2);
	assert_string_equal(last_code(f), "INTERRUPTED");
	EXPECT_ORDER(f, "");
}

static void a_gate_that_hangs_for_too_long_is_a_refusal(void **state)
{
	struct fixture *f = *state, heard = {.writer = f->writer};

	f->hook_timeout_ms = 100;
	reopen(f, true);
	block(f, "lane-a");
	heard.writer = f->writer;
	submit(&heard, hand_over("WP01"), NULL);
	submit(f, note("WP01", "behind"), NULL);
	finish(f);
	assert_string_equal(last_code(&heard), "TIMED_OUT");
	kt_json_free(heard.last);
	EXPECT_ORDER(f, "behind");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_gates, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_gate_that_hangs_holds_up_its_own_lane_only),
		TEST(the_gate_that_ends_first_is_heard_first),
		TEST(who_waits_behind_two_lanes_keeps_the_order_of_both),
		TEST(those_behind_may_have_to_wait_again),
		TEST(nobody_waits_behind_what_came_later),
		TEST(a_refusal_is_told_and_the_next_one_is_judged),
		TEST(a_lane_that_went_on_is_judged_again),
		TEST(a_lane_that_never_stands_still_is_judged_in_the_transaction),
		TEST(a_gate_that_does_not_start_is_started_again_in_the_transaction),
		TEST(a_command_asks_in_the_transaction),
		TEST(without_a_plan_the_same_work_package_still_waits),
		TEST(a_writer_that_ends_ends_its_gates_and_tells_everybody),
		TEST(a_gate_that_hangs_for_too_long_is_a_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
