/*
 * The holder file: a hint that anybody may read at any time, half-written, old or foreign. It names
 * a process only when that very process lives.
 */
#include "ipc/child.h"
#include "ipc/clock.h"
#include "supervisor/transaction/holder.h"
#include "unit/transaction/fixture.h"

#define HOLDER ".git/kitty/" SLUG "/holder"

static int setup_free(void **state)
{
	struct fixture *f = NULL;

	if (setup(state) != 0)
		return -1;
	f = *state;
	kt_writer_free(f->writer);
	f->writer = NULL;
	return 0;
}

/* {"boot_id": ..., "pid": ..., "start_time": ..., "since": ...} of this process, changed. */
static void write_holder(struct fixture *f, const char *dropped, const char *name, int64_t value)
{
	static const char *const keys[] = {"boot_id", "pid", "start_time", "since", "command"};
	struct kt_json *holder = kt_json_new_object(), *kept = kt_json_new_object();
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_json_set_string(holder, "boot_id", kt_boot_id());
	kt_json_set_int(holder, "pid", getpid());
	kt_json_set_int(holder, "start_time", (int64_t)kt_process_start_time(getpid()));
	kt_json_set_int(holder, "since", kt_clock_wall_us() / 1000000);
	kt_json_set_string(holder, "command", "kitty launch");
	if (name != NULL)
		kt_json_set_int(holder, name, value);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (dropped == NULL || strcmp(keys[i], dropped) != 0)
			kt_json_set(kept, keys[i], kt_json_copy(kt_json_get(holder, keys[i])));
	kt_json_write(kept, KT_JSON_COMPACT, &text);
	write_file(f, HOLDER, kt_buffer_text(&text));
	kt_buffer_release(&text);
	kt_json_free(holder);
	kt_json_free(kept);
}

static void expect_described(struct fixture *f, const char *rest)
{
	char *expected = kt_format("pid %ld (%s", (long)getpid(), rest);
	char *text = kt_holder_describe(f->mission);

	assert_string_equal(text, expected);
	free(expected);
	free(text);
}

static void expect_nobody(struct fixture *f)
{
	char *text = kt_holder_describe(f->mission);

	assert_null(kt_holder_read(f->mission));
	assert_string_equal(text, "another process");
	free(text);
}

static void what_does_not_name_a_living_process_names_nobody(void **state)
{
	static const char *const needed[] = {"boot_id", "pid", "start_time"};
	struct fixture *f = *state;

	expect_nobody(f);
	write_file(f, HOLDER, "{\"boot_id\": \"");
	expect_nobody(f);
	write_file(f, HOLDER, "{\"boot_id\": \"of another start\", \"pid\": 1}");
	expect_nobody(f);
	for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
		write_holder(f, needed[i], NULL, 0);
		expect_nobody(f);
	}
	write_holder(f, NULL, "pid", 0);
	expect_nobody(f);
	/* Its number was given away again. */
	write_holder(f, NULL, "start_time", 1);
	expect_nobody(f);
}

static void a_living_holder_is_told_with_its_age(void **state)
{
	struct fixture *f = *state;
	int64_t now = kt_clock_wall_us() / 1000000;
	char *text = NULL;

	write_holder(f, NULL, "since", now - 3600);
	expect_described(f, "kitty launch, 60 min)");
	write_holder(f, "command", "since", now - 7200);
	expect_described(f, "kitty, 120 min)");
	write_holder(f, NULL, NULL, 0);
	text = kt_holder_describe(f->mission);
	assert_string_equal(text + strlen(text) - 3, " s)");
	free(text);
}

static void only_ones_own_holder_file_is_cleared(void **state)
{
	struct fixture *f = *state;

	kt_holder_clear(f->mission);
	write_holder(f, NULL, "pid", 1);
	kt_holder_clear(f->mission);
	assert_true(kt_sandbox_has(f->box, HOLDER));
	write_holder(f, "pid", NULL, 0);
	kt_holder_clear(f->mission);
	assert_true(kt_sandbox_has(f->box, HOLDER));
	write_holder(f, NULL, NULL, 0);
	kt_holder_clear(f->mission);
	assert_false(kt_sandbox_has(f->box, HOLDER));
}

static void a_holder_file_that_cannot_be_written_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;

	shell(f, "rm -rf .git/kitty && : >.git/kitty");
	assert_int_not_equal(kt_holder_write(f->mission, "test", NULL, &err), KT_E_OK);
	assert_int_not_equal(err.code, KT_E_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_free, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_does_not_name_a_living_process_names_nobody),
		TEST(a_living_holder_is_told_with_its_age),
		TEST(only_ones_own_holder_file_is_cleared),
		TEST(a_holder_file_that_cannot_be_written_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
