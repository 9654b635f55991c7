/*
 * The diagnostic of a rejected commit, word for word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/cli/diagnostics.h"

static struct kt_json *rejected(const char *hook)
{
	struct kt_json *outcome = kt_json_new_object();
	struct kt_json *move = kt_json_new_object();

	kt_json_set_string(move, "wp_id", "WP03");
	kt_json_set_string(move, "from_lane", "planned");
	kt_json_set_string(move, "to_lane", "claimed");
	kt_json_set_string(
		outcome, "destination_ref", "kitty/mission-checkout-upsell-flow-01J6XW9K");
	kt_json_set_string(
		outcome, "rejected_message", "chore: WP03 claimed for implementation [claude]");
	kt_json_set_string(outcome, "rejected_by", hook);
	kt_json_set(outcome, "rolled_back_transition", move);
	kt_json_set_string(
		outcome, "next_step", "Fix the pre-commit hook configuration and re-run.");
	return outcome;
}

static void assert_block(const struct kt_json *outcome, const char *expected)
{
	struct kt_buffer block = KT_BUFFER_INIT;

	kt_diagnostic_block(outcome, &block);
	assert_string_equal(kt_buffer_text(&block), expected);
	kt_buffer_release(&block);
}

static void the_block_is_the_seeds(void **state)
{
	struct kt_json *outcome = rejected("pre-commit");

	assert_block(outcome,
		"Tracking commit 'chore: WP03 claimed for implementation [claude]' was rejected by "
		"pre-commit hook on branch kitty/mission-checkout-upsell-flow-01J6XW9K.\n"
		"Lane transition planned → claimed for WP03 has been rolled back.\n"
		"status.events.jsonl restored to pre-emit state.\n"
		"Next step: Fix the pre-commit hook configuration and re-run.\n");
	kt_json_free(outcome);
	(void)state;
}

static void a_rejection_by_git_itself_names_no_hook(void **state)
{
	struct kt_json *outcome = rejected("git");

	kt_json_set(outcome, "rolled_back_transition", kt_json_new_null());
	assert_block(outcome,
		"Tracking commit 'chore: WP03 claimed for implementation [claude]' was rejected by "
		"git on branch kitty/mission-checkout-upsell-flow-01J6XW9K.\n"
		"status.events.jsonl restored to pre-emit state.\n"
		"Next step: Fix the pre-commit hook configuration and re-run.\n");
	kt_json_free(outcome);
	(void)state;
}

static void without_a_roll_back_there_is_no_block(void **state)
{
	struct kt_json *outcome = kt_json_new_object();

	assert_block(outcome, "");
	assert_block(NULL, "");
	kt_json_free(outcome);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_block_is_the_seeds),
		cmocka_unit_test(a_rejection_by_git_itself_names_no_hook),
		cmocka_unit_test(without_a_roll_back_there_is_no_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
