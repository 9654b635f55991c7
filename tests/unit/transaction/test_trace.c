/*
 * The trace of a writer's steps, line by line: what tests/model/accept reads.
 */
#include "unit/transaction/fixture.h"

#define TRACE "../trace"
#define FIRST "01KSPTVW00000000000000TRA1"
#define SECOND "01KSPTVW00000000000000TRA2"

/* A writer that traces. */
static int setup_trace(void **state)
{
	struct fixture *f = NULL;
	char *path = NULL;

	if (setup(state) != 0)
		return -1;
	f = *state;
	path = kt_path_join(f->box->root, "trace");
	kt_writer_free(f->writer);
	assert_int_equal(setenv("SPEC_KITTY_TRACE", path, 1), 0);
	open_writer(f, false);
	assert_int_equal(unsetenv("SPEC_KITTY_TRACE"), 0);
	free(path);
	return 0;
}

static struct kt_json *claim(const char *wp, const char *event_id)
{
	struct kt_json *request = move(wp, KT_STATUS_CLAIMED, "claude");

	if (event_id != NULL)
		kt_json_set_string(
			kt_json_first(kt_json_get(request, "ops")), "event_id", event_id);
	return request;
}

/* Requests of the line that left that step, without process and commits. */
static void expect_step(struct fixture *f, const char *step, const char *expected)
{
	assert_ask(f, expected, "awk '$2 == \"%s\" {$1 = $4 = $5 = \"\"; print}' " TRACE, step);
}

static void each_step_is_a_line_with_every_request_and_its_verdict(void **state)
{
	struct fixture *f = *state;
	struct kt_json *both = claim("WP01", FIRST);
	char *pid = kt_format("%ld", (long)getpid());

	kt_json_set_string(
		kt_request_add_move(both, "WP02", KT_STATUS_CLAIMED, "claude"), "event_id", SECOND);
	submit(f, both, NULL);
	submit(f, move("WP01", KT_STATUS_APPROVED, "codex"), NULL);
	finish(f);
	assert_ask(f, pid, "cut -d' ' -f1 " TRACE " | sort -u");
	expect_step(f, "idle", " idle lock   " FIRST "," SECOND ":- :-");
	expect_step(f, "build", " build swap   " FIRST "," SECOND ":b :e");
	expect_step(f, "files", " files answer   " FIRST "," SECOND ":o :e");
	expect_step(f, "post", " post idle  ");
	assert_ask(f, "swapped",
		"awk '$2 == \"build\" {print $4, $5}' " TRACE
		" | grep -q \"^$(git rev-parse kitty/mission-" SLUG "~1) $(git rev-parse "
		"kitty/mission-" SLUG ")$\" && echo swapped");
	/* No step is left out: each line goes on where the one before it ended. */
	assert_ask(f, "idle",
		"awk 'NR > 1 && $2 != at {print NR \": \" $2 \" after \" at} {at = $3} END {print "
		"at}' " TRACE);
	free(pid);
}

static void what_was_committed_before_is_told_from_what_is_committed_now(void **state)
{
	struct fixture *f = *state;

	submit(f, claim("WP01", FIRST), NULL);
	finish(f);
	shell(f, ": >" TRACE);
	submit(f, claim("WP01", FIRST), NULL);
	finish(f);
	expect_step(f, "build", " build answer   " FIRST ":n");
	shell(f, ": >" TRACE);
	submit(f, claim("WP02", NULL), NULL);
	finish(f);
	/* The writer's own choice of an id is known from the build on. */
	expect_step(f, "gate", " gate judge   :-");
	assert_ask(f, "1",
		"awk '$2 == \"swap\"' " TRACE " | grep -c \" $(tail -1 " LOG
		" | sed 's/.*\"event_id\": \"\\([^\"]*\\)\".*/\\1/'):b$\"");
}

/* A trace is a help, not a duty. */
static void a_trace_that_cannot_be_written_stops_nothing(void **state)
{
	struct fixture *f = *state;

	kt_writer_free(f->writer);
	assert_int_equal(setenv("SPEC_KITTY_TRACE", "/nowhere/at/all", 1), 0);
	open_writer(f, false);
	assert_int_equal(unsetenv("SPEC_KITTY_TRACE"), 0);
	submit(f, claim("WP01", NULL), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	expect_clean(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_trace, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_step_is_a_line_with_every_request_and_its_verdict),
		TEST(what_was_committed_before_is_told_from_what_is_committed_now),
		TEST(a_trace_that_cannot_be_written_stops_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
