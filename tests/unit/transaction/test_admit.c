/*
 * What is refused although every single row would do: half a request, done without an integration,
 * a move from inside a hook.
 */
#include "unit/transaction/fixture.h"

static void half_of_a_refused_request_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct kt_json *both = move("WP01", KT_STATUS_CLAIMED, "a");

	(void)kt_request_add_move(both, "WP02", KT_STATUS_APPROVED, "a");
	submit(f, both, NULL);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "b"), NULL);
	finish(f);
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->successes, 1);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "1", "grep -c '\"claimed\"' " LOG);
	expect_clean(f);
}

static struct kt_json *approving(const char *wp, enum kt_status to)
{
	struct kt_json *request = move(wp, to, "codex");
	struct kt_json *evidence = kt_json_new_object(), *review = kt_json_new_object();

	kt_json_set_string(review, "reviewer", "codex");
	kt_json_set_string(review, "verdict", "approved");
	kt_json_set_string(review, "reference", "r1");
	kt_json_set(evidence, "review", review);
	kt_json_set(kt_json_first(kt_json_get(request, "ops")), "evidence", evidence);
	return request;
}

static void done_without_an_integration_is_refused(void **state)
{
	struct fixture *f = *state;

	submit(f, move("WP01", KT_STATUS_CLAIMED, "codex"), NULL);
	submit(f, move("WP01", KT_STATUS_IN_PROGRESS, "codex"), NULL);
	submit(f, approving("WP01", KT_STATUS_APPROVED), NULL);
	finish(f);
	assert_int_equal(f->successes, 3);
	submit(f, approving("WP01", KT_STATUS_DONE), NULL);
	finish(f);
	assert_string_equal(last_code(f), "TRANSITION_REJECTED");
	assert_ask(f, "0", "grep -c '\"done\"' " LOG " || true");
	expect_clean(f);
}

/* Waiting for the lock would be waiting for itself. */
static void below_a_hook_of_its_own_commit_nothing_is_written(void **state)
{
	struct fixture *f = *state;

	kt_writer_free(f->writer);
	open_writer(f, false);
	assert_int_equal(setenv("SPEC_KITTY_IN_HOOK", "1", 1), 0);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "a"), NULL);
	finish(f);
	assert_int_equal(unsetenv("SPEC_KITTY_IN_HOOK"), 0);
	assert_string_equal(last_code(f), "HOOK_REENTRY_REFUSED");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "a"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(half_of_a_refused_request_leaves_nothing),
		TEST(below_a_hook_of_its_own_commit_nothing_is_written),
		TEST(done_without_an_integration_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
