/*
 * Every call by which the write path leaves its own files fails once, one after the other: the
 * request is refused and nothing of it is there, or it is committed; asked again it is there
 * exactly once, and the worktree is clean.
 */
#include "unit/transaction/everywhere.h"

static void run_note(struct fixture *f, const char *id)
{
	submit(f, note("WP01", id), NULL);
	finish(f);
}

static void each_call_of_a_command_may_fail(void **state)
{
	static const struct operation operation = {.run = run_note, .hold_lock = false};

	fail_everywhere(*state, &operation);
	expect_clean(*state);
}

static void each_call_of_a_writer_that_stays_may_fail(void **state)
{
	static const struct operation operation = {.run = run_note, .hold_lock = true};

	fail_everywhere(*state, &operation);
	expect_clean(*state);
}

/* The neighbours fail or pass as they like; the one that is looked at is the last. */
static void run_batch(struct fixture *f, const char *id)
{
	submit(f, note("WP02", NULL), NULL);
	submit(f, note("WP02", NULL), NULL);
	run_note(f, id);
}

static void each_call_of_a_batch_may_fail(void **state)
{
	static const struct operation operation = {.run = run_batch, .hold_lock = true};

	fail_everywhere(*state, &operation);
	expect_clean(*state);
}

static void with_damage(struct fixture *f)
{
	shell(f,
		"echo '{\"tail\": ' >> " LOG " && rm " COORD "/kitty-specs/" SLUG
		"/status.json && git -C " COORD " rm -q --cached kitty-specs/" SLUG "/status.json");
}

static void each_call_of_healing_may_fail(void **state)
{
	static const struct operation operation = {
		.prepare = with_damage, .run = run_note, .hold_lock = false};

	fail_everywhere(*state, &operation);
	expect_clean(*state);
}

/* Another content every time. */
static void with_blob(struct fixture *f)
{
	static unsigned count;
	char *blob = ask(f, "echo plan %u | git hash-object -w --stdin | tee ../blob", ++count);

	free(blob);
}

static void run_plan_change(struct fixture *f, const char *id)
{
	struct kt_json *request = note("WP01", id), *files = kt_json_new_array();
	struct kt_json *file = kt_json_new_object();
	char *blob = kt_sandbox_read(f->box, "../blob");

	assert_non_null(blob);
	blob[strcspn(blob, "\n")] = '\0';
	kt_json_set_string(file, "path", "kitty-specs/" SLUG "/notes.md");
	kt_json_set_string(file, "blob", blob);
	kt_json_append(files, file);
	kt_json_set(request, "files", files);
	submit(f, request, NULL);
	finish(f);
	free(blob);
}

static void each_call_of_a_plan_change_may_fail(void **state)
{
	static const struct operation operation = {
		.prepare = with_blob, .run = run_plan_change, .hold_lock = false};

	fail_everywhere(*state, &operation);
	expect_clean(*state);
}

static void each_call_under_hooks_may_fail(void **state)
{
	static const struct operation operation = {.run = run_note, .hold_lock = true};
	struct fixture *f = *state;

	shell(f, "mkdir -p .git/hooks && printf '#!/bin/sh\\nexit 0\\n' >.git/hooks/pre-commit && "
		 "chmod +x .git/hooks/pre-commit && cp .git/hooks/pre-commit "
		 ".git/hooks/reference-transaction");
	f->hook_timeout_ms = 60000;
	fail_everywhere(f, &operation);
	expect_clean(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_call_of_a_command_may_fail),
		TEST(each_call_of_a_writer_that_stays_may_fail),
		TEST(each_call_of_a_batch_may_fail),
		TEST(each_call_of_healing_may_fail),
		TEST(each_call_of_a_plan_change_may_fail),
		TEST(each_call_under_hooks_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
