/*
 * Every call by which the write path leaves its own files fails once, one after the other: the
 * request is refused and nothing of it is there, or it is committed; asked again it is there
 * exactly once, and the worktree is clean.
 */
#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"

#define REF "refs/heads/kitty/mission-" SLUG
#define ROWS "kitty-specs/" SLUG "/status.events.jsonl"

enum { POINTS_MAX = 400 };

struct operation {
	void (*prepare)(struct fixture *f); /* before each point; NULL: nothing */
	void (*run)(struct fixture *f, const char *id);
	bool hold_lock; /* the writer stays, as in the supervisor */
};

static struct kt_json *note(const char *wp, const char *id)
{
	struct kt_json *request = kt_request_new("note");
	struct kt_json *delta = kt_json_new_object(), *op = NULL;

	kt_json_set_string(delta, "note", "once");
	op = kt_request_add_annotation(request, wp, "claude", delta);
	if (id != NULL)
		kt_json_set_string(op, "event_id", id);
	return request;
}

/* Rows with that id on the branch, then whether the working log is the branch's, then what git
 * status says: one line. */
static char *observe(struct fixture *f, const char *id)
{
	return ask(f,
		"git show " REF ":" ROWS " >../rows; grep -c %s ../rows; cmp -s ../rows " LOG
		" && echo same; git -C " COORD " status --porcelain",
		id);
}

static void expect_there_once(struct fixture *f, const char *id, const char *struck)
{
	char *seen = observe(f, id);

	if (strcmp(seen, "1\nsame") != 0)
		fail_msg("after %s: %s", struck, seen);
	free(seen);
}

static const char *outcome_name(const struct fixture *f)
{
	return kt_json_get(f->last, "receipt") != NULL ? "OK" : last_code(f);
}

/* One point. NULL: the operation has fewer calls than that. */
static const char *fail_once(
	struct fixture *f, const struct operation *operation, const char *id, unsigned nth)
{
	const char *struck = NULL;
	char *seen = NULL, *code = NULL;

	if (operation->prepare != NULL)
		operation->prepare(f);
	kt_seam_fail(NULL, nth, KT_E_GIT_FAILED);
	operation->run(f, id);
	struck = kt_seam_end();
	code = kt_strdup(outcome_name(f));
	/* Refused means refused: only the branch could say otherwise, and it does not. */
	seen = observe(f, id);
	if (strcmp(code, "OUTCOME_UNKNOWN") != 0 &&
		seen[0] != (strcmp(code, "OK") == 0 ? '1' : '0'))
		fail_msg("%s after call %u (%s), and the branch says %s", code, nth,
			struck == NULL ? "none" : struck, seen);
	free(seen);
	free(code);
	if (!operation->hold_lock) {
		kt_writer_free(f->writer);
		open_writer(f, false);
	}
	operation->run(f, id);
	if (strcmp(outcome_name(f), "OK") != 0)
		fail_msg("again after call %u (%s): %s: %s", nth, struck == NULL ? "none" : struck,
			last_code(f), kt_json_get_string(kt_json_get(f->last, "error"), "detail"));
	expect_there_once(f, id, struck);
	return struck;
}

static void fail_everywhere(struct fixture *f, const struct operation *operation)
{
	const char *struck = "";
	unsigned nth = 1;

	kt_writer_free(f->writer);
	open_writer(f, operation->hold_lock);
	for (; struck != NULL && nth < POINTS_MAX; nth++) {
		char id[27];

		(void)snprintf(id, sizeof id, "01KSPTVW00000000000000%04u", nth);
		struck = fail_once(f, operation, id, nth);
	}
	assert_null(struck);
	assert_true(nth > 10);
	expect_clean(f);
}

static void run_note(struct fixture *f, const char *id)
{
	submit(f, note("WP01", id), NULL);
	finish(f);
}

static void each_call_of_a_command_may_fail(void **state)
{
	static const struct operation operation = {NULL, run_note, false};

	fail_everywhere(*state, &operation);
}

static void each_call_of_a_writer_that_stays_may_fail(void **state)
{
	static const struct operation operation = {NULL, run_note, true};

	fail_everywhere(*state, &operation);
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
	static const struct operation operation = {NULL, run_batch, true};

	fail_everywhere(*state, &operation);
}

static void with_damage(struct fixture *f)
{
	shell(f,
		"echo '{\"tail\": ' >> " LOG " && rm " COORD "/kitty-specs/" SLUG
		"/status.json && git -C " COORD " rm -q --cached kitty-specs/" SLUG "/status.json");
}

static void each_call_of_healing_may_fail(void **state)
{
	static const struct operation operation = {with_damage, run_note, false};

	fail_everywhere(*state, &operation);
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
	static const struct operation operation = {with_blob, run_plan_change, false};

	fail_everywhere(*state, &operation);
}

static void each_call_under_hooks_may_fail(void **state)
{
	static const struct operation operation = {NULL, run_note, true};
	struct fixture *f = *state;

	shell(f, "mkdir -p .git/hooks && printf '#!/bin/sh\\nexit 0\\n' >.git/hooks/pre-commit && "
		 "chmod +x .git/hooks/pre-commit && cp .git/hooks/pre-commit "
		 ".git/hooks/reference-transaction");
	f->hook_timeout_ms = 60000;
	fail_everywhere(f, &operation);
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
