/*
 * The writer's queue: batches, locks that are held elsewhere, ends before the end, and who is told
 * what.
 */
#include <poll.h>

#include <kitty/limits.h>

#include "supervisor/transaction/holder.h"
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"

#define REF "kitty/mission-" SLUG

static struct kt_json *note(const char *text)
{
	struct kt_json *request = kt_request_new("note"), *delta = kt_json_new_object();

	kt_json_set_string(delta, "note", text);
	(void)kt_request_add_annotation(request, "WP01", "claude", delta);
	return request;
}

static void count_run(const struct kt_json *outcome, void *arg)
{
	(void)outcome;
	((int *)arg)[0]++;
}

static void count_drop(void *arg)
{
	((int *)arg)[1]++;
}

/* Whoever asked is told, and effects are dropped, also when the writer ends first. */
static void a_writer_that_ends_answers_everybody(void **state)
{
	struct fixture *f = *state;
	int counts[2] = {0, 0};
	const struct kt_effect rows[] = {
		{count_run, count_drop, counts}, {count_run, NULL, counts}};
	const struct kt_effects effects = {rows, 2};
	struct kt_json *bad = kt_request_new("bad"), *good = note("one");
	char *before = ask(f, "git rev-parse " REF);

	kt_writer_submit_with_effects(f->writer, good, NULL, on_outcome, f, &effects);
	kt_writer_submit(f->writer, good, NULL, NULL, NULL);
	submit(f, bad, NULL);
	kt_writer_free(f->writer);
	f->writer = NULL;
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->successes, 0);
	assert_string_equal(last_code(f), "SAFE_COMMIT_EMPTY_CHANGESET");
	assert_int_equal(counts[0], 0);
	assert_int_equal(counts[1], 1);
	assert_ask(f, before, "git rev-parse " REF);
	kt_writer_free(NULL);
	kt_json_free(good);
	free(before);
}

static void a_writer_needs_a_store(void **state)
{
	struct fixture *f = *state;
	struct kt_writer_options options = {.repo = f->repo, .mission = f->mission};
	struct kt_writer *writer = NULL;
	struct kt_error err = KT_ERROR_INIT;

	kt_seam_fail("kt_store_open", 1, KT_E_GIT_FAILED);
	assert_int_equal(kt_writer_new(&options, &writer, &err), KT_E_GIT_FAILED);
	assert_null(writer);
	(void)kt_seam_end();
}

/* More than one batch holds: nobody waits for ever, and the order stays. */
static void a_long_queue_is_several_batches_in_order(void **state)
{
	struct fixture *f = *state;
	size_t count = KT_BATCH_MAX + 3;

	submit(f, kt_request_new("bad"), NULL);
	for (size_t i = 0; i < count; i++) {
		char text[32];

		(void)snprintf(text, sizeof text, "note %05zu", i);
		submit(f, note(text), NULL);
	}
	finish(f);
	assert_int_equal(f->answers, count + 1);
	assert_int_equal(f->successes, count);
	assert_ask(f, "sorted", "grep -o 'note [0-9]*' " LOG " | LC_ALL=C sort -c && echo sorted");
	expect_clean(f);
}

/* Listeners are optional: the rows are written all the same. */
static void nobody_has_to_listen(void **state)
{
	struct fixture *f = *state;
	struct kt_writer_options options = {.repo = f->repo, .mission = f->mission};
	struct kt_error err = KT_ERROR_INIT;

	kt_writer_free(f->writer);
	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_OK);
	shell(f, "echo tail >>" LOG);
	submit(f, note("heard by nobody"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	expect_clean(f);
}

static int hold(struct fixture *f)
{
	struct kt_error err = KT_ERROR_INIT;
	int fd = -1;

	kt_writer_free(f->writer);
	f->writer = NULL;
	assert_int_equal(kt_lock_try(f->mission->lock_path, &fd, &err), KT_E_OK);
	assert_true(fd >= 0);
	return fd;
}

/* Without a limit of the caller's the default one counts: the writer asks again until then. */
static void a_lock_that_is_given_back_in_time_is_taken(void **state)
{
	struct fixture *f = *state;
	struct kt_writer_options options = {.repo = f->repo, .mission = f->mission};
	struct kt_error err = KT_ERROR_INIT;
	struct kt_wait wait = {-1, -1};
	int fd = hold(f);

	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_OK);
	submit(f, note("late"), NULL);
	assert_false(kt_writer_turn(f->writer, &wait));
	assert_true(wait.fd < 0 && wait.deadline_ms > 0);
	assert_null(f->last == NULL ? NULL : kt_json_get(f->last, "error"));
	kt_lock_release(fd);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	expect_clean(f);
}

/* It will serve the caller through its socket, so waiting for its lock makes no sense. */
static void a_supervisor_that_holds_the_lock_is_named_at_once(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_writer_options options = {
		.repo = f->repo, .mission = f->mission, .lock_timeout_ms = 600000};
	int fd = hold(f);

	assert_int_equal(
		kt_holder_write(f->mission, "kitty launch", "/nowhere/socket", &err), KT_E_OK);
	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_OK);
	submit(f, note("never"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "SUPERVISOR_RUNNING");
	kt_lock_release(fd);
}

static void the_lock_alone_heals_and_says_why_it_cannot(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;

	shell(f, "echo tail >>" LOG);
	assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_OK);
	assert_non_null(strstr(kt_buffer_text(&f->notices), "quarantine"));
	expect_clean(f);
	shell(f, "sed -i 's/WP02/WP03/' " LOG);
	assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_LOG_EDITED);
	assert_int_equal(err.code, KT_E_LOG_EDITED);
}

/* A request that was refused by its shape does not keep the lock away from whoever asked for it. */
static void the_lock_is_had_beside_a_refused_request(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;

	shell(f, "echo tail >>" LOG);
	submit(f, kt_request_new("bad"), NULL);
	assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_OK);
	assert_string_equal(last_code(f), "SAFE_COMMIT_EMPTY_CHANGESET");
	assert_int_equal(f->answers, 1);
	assert_non_null(strstr(kt_buffer_text(&f->notices), "quarantine"));
	expect_clean(f);
}

/* The names of a bookkeeping commit: the user's, or a fallback where there is none. */
static void a_commit_has_a_name_without_a_configured_user(void **state)
{
	struct fixture *f = *state;

	shell(f, "git config user.name '' && git config user.email ''");
	submit(f, note("anonymous"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "kitty <kitty@localhost.invalid>", "git log -1 --format='%%an <%%ae>' " REF);
	shell(f, "git config --unset user.name && git config --unset user.email");
	submit(f, note("anonymous"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "kitty <kitty@localhost.invalid>", "git log -1 --format='%%cn <%%ce>' " REF);
}

/* Turns until that hook runs, and lets it go on: it reads the fifo. */
static void expect_hook(struct fixture *f, const char *name, size_t waiting)
{
	struct kt_wait wait = {-1, -1};
	size_t others = 0;
	const char *runs = NULL;

	while (runs == NULL || strcmp(runs, name) != 0) {
		struct pollfd entry = {0};

		assert_false(kt_writer_turn(f->writer, &wait));
		runs = kt_writer_hook(f->writer, &others);
		entry = (struct pollfd){wait.fd, POLLIN, 0};
		if (runs == NULL)
			(void)poll(&entry, 1, 50);
	}
	assert_int_equal(others, waiting);
	shell(f, ": >../go-%s", name);
}

/* Hooks see one commit at a time: who waits can ask for what. */
static void a_hook_is_named_while_it_runs(void **state)
{
	struct fixture *f = *state;
	size_t others = 7;

	kt_writer_free(f->writer);
	f->hook_timeout_ms = 600000;
	open_writer(f, true);
	shell(f, "for h in pre-commit post-commit; do mkfifo ../go-$h; printf '#!/bin/sh\ncat "
		 "%%s/go-%%s\n' \"$(dirname \"$PWD\")\" $h >.git/hooks/$h; chmod +x "
		 ".git/hooks/$h; done");
	assert_null(kt_writer_hook(f->writer, &others));
	assert_int_equal(others, 0);
	submit(f, note("one"), NULL);
	submit(f, note("two"), NULL);
	expect_hook(f, "pre-commit", 1);
	expect_hook(f, "post-commit", 1);
	shell(f, "rm .git/hooks/pre-commit .git/hooks/post-commit");
	finish(f);
	assert_int_equal(f->successes, 2);
	expect_clean(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_writer_that_ends_answers_everybody),
		TEST(a_writer_needs_a_store),
		TEST(a_long_queue_is_several_batches_in_order),
		TEST(nobody_has_to_listen),
		TEST(a_lock_that_is_given_back_in_time_is_taken),
		TEST(a_supervisor_that_holds_the_lock_is_named_at_once),
		TEST(the_lock_alone_heals_and_says_why_it_cannot),
		TEST(a_hook_is_named_while_it_runs),
		TEST(the_lock_is_had_beside_a_refused_request),
		TEST(a_commit_has_a_name_without_a_configured_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
