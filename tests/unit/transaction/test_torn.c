/*
 * What a crash or a power loss leaves of the copies and records around the branch: found by
 * tests/crash, kept here one by one.
 */
#include "unit/transaction/fixture.h"

#define GIT_DIR ".git/worktrees/" SLUG "-coord"
#define RUN_DIR ".git/kitty/" SLUG

static void reopen(struct fixture *f)
{
	kt_writer_free(f->writer);
	f->writer = NULL;
	open_writer(f, false);
}

static void claim_succeeds(struct fixture *f)
{
	reopen(f);
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	if (kt_json_get(f->last, "receipt") == NULL)
		fail_msg("%s: %s", last_code(f),
			kt_json_get_string(kt_json_get(f->last, "error"), "detail"));
	expect_clean(f);
}

static void an_index_of_zeros_is_made_anew(void **state)
{
	struct fixture *f = *state;

	shell(f, "size=$(stat -c %%s " GIT_DIR "/index) && rm " GIT_DIR
		 "/index && truncate -s $size " GIT_DIR "/index");
	claim_succeeds(f);
	assert_ask(f, "yes", "test -f " GIT_DIR "/index.damaged && echo yes");
}

static void an_empty_index_is_made_anew(void **state)
{
	struct fixture *f = *state;

	shell(f, ": >" GIT_DIR "/index");
	claim_succeeds(f);
}

static void half_a_synced_record_over_the_old_one_is_no_record(void **state)
{
	struct fixture *f = *state;

	shell(f, "record=" RUN_DIR "/synced; rest=$(tail -c +21 $record); printf "
		 "'00000000000000000000%%s' \"$rest\" >$record");
	claim_succeeds(f);
}

static void a_torn_tail_is_cut(void **state)
{
	struct fixture *f = *state;

	shell(f, "printf '{\"torn\": ' >>" LOG);
	claim_succeeds(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_index_of_zeros_is_made_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_index_is_made_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(
			half_a_synced_record_over_the_old_one_is_no_record, setup, teardown),
		cmocka_unit_test_setup_teardown(a_torn_tail_is_cut, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
