/*
 * The moment after the ref has moved, seen from inside: fsync goes through this test (linker's
 * --wrap), so that it can tell what was flushed, and act where another process could. Both cases
 * are findings of the model (tests/model).
 */
#include "unit/transaction/fixture.h"

#define ID "01KSPTVW00000000000000FASH"
#define REF "refs/heads/kitty/mission-" SLUG

static struct {
	const struct fixture *intrude; /* a foreign commit at the next flush of the ref's folder */
	size_t flushes;                /* of the ref's folder */
} plan;

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names */
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	char link[64], path[4096];
	static const char folder[] = "/refs/heads/kitty";
	const struct fixture *f = plan.intrude;
	ssize_t len;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof path);
	if (len < (ssize_t)sizeof folder ||
		memcmp(path + len - (sizeof folder - 1), folder, sizeof folder - 1) != 0)
		return __real_fsync(fd);
	plan.flushes++;
	plan.intrude = NULL;
	if (f != NULL)
		shell(f, "git update-ref " REF " $(git commit-tree -p " REF " -m intruder " REF
			 "^{tree})");
	return __real_fsync(fd);
}

/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

static struct kt_json *note(const char *id)
{
	struct kt_json *request = kt_request_new("note");
	struct kt_json *delta = kt_json_new_object(), *op = NULL;

	kt_json_set_string(delta, "note", "once");
	op = kt_request_add_annotation(request, "WP01", "claude", delta);
	if (id != NULL)
		kt_json_set_string(op, "event_id", id);
	return request;
}

/* A kill between the move and its flush leaves a ref that a power cut can still take back. */
static void what_a_killed_writer_moved_is_flushed_before_it_is_acknowledged(void **state)
{
	struct fixture *f = *state;

	submit(f, note(ID), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	kt_writer_free(f->writer);
	open_writer(f, false);
	plan.flushes = 0;
	submit(f, note(ID), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_true(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
	assert_true(plan.flushes > 0);
}

/* The same when git has packed the ref in the meantime. */
static void a_packed_ref_is_flushed_as_well(void **state)
{
	struct fixture *f = *state;

	submit(f, note(ID), NULL);
	finish(f);
	kt_writer_free(f->writer);
	shell(f, "git pack-refs --all && test ! -e .git/" REF);
	open_writer(f, false);
	submit(f, note(ID), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
}

/* The ref is not what was written, and yet it was: one commit further. Building again would write
 * the row twice, under two ids. */
static void a_foreign_commit_at_once_on_top_is_no_failed_swap(void **state)
{
	struct fixture *f = *state;

	plan.intrude = f;
	submit(f, note(NULL), NULL);
	finish(f);
	assert_null(plan.intrude);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "1",
		"git show " REF ":kitty-specs/" SLUG "/status.events.jsonl | grep -c '\"once\"'");
	assert_ask(f, "intruder", "git log -1 --format=%%s " REF);
	/* And the files follow. */
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	expect_clean(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_killed_writer_moved_is_flushed_before_it_is_acknowledged),
		TEST(a_packed_ref_is_flushed_as_well),
		TEST(a_foreign_commit_at_once_on_top_is_no_failed_swap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
