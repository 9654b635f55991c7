/*
 * Each call that the transaction makes on the mission's own files fails once, in every operation,
 * and in some of them so does every call after it.
 * Whatever failed, a request has exactly one answer; refused means that nothing of it is on the
 * branch; and the same request again, by the same writer or by a new one, is there exactly once,
 * with a clean worktree.
 */
#include "unit/transaction/own_io.h"

#define BRANCH "kitty/mission-" SLUG
#define BRANCH_LOG BRANCH ":kitty-specs/" SLUG "/status.events.jsonl"
#define FOLDER COORD "/kitty-specs/" SLUG

struct scenario {
	const char *once;  /* shell, before the first point */
	const char *each;  /* shell, before each point */
	const char *again; /* shell, before the same request again */
	bool is_signed;
	bool persists; /* every call after the failed one fails, too */
	bool is_late;  /* each point has a writer that must take the lock first */
};

static void open_scenario(struct fixture *f, const struct scenario *scenario)
{
	struct kt_writer_options options = {.repo = f->repo,
		.mission = f->mission,
		.hold_lock = true,
		.lock_timeout_ms = 5000,
		.hook_timeout_ms = 30000,
		.program = KITTY_BINARY_DIR "/kitty",
		.sign = scenario->is_signed,
		.on_notice = on_notice,
		.on_committed = on_committed,
		.arg = f};
	struct kt_error err = KT_ERROR_INIT;

	kt_writer_free(f->writer);
	f->writer = NULL;
	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_OK);
}

static void event_id(char out[32], long at)
{
	(void)snprintf(out, 32, "01KSPTVW0000000000FA%06u", (unsigned)at % 1000000);
}

static void submit_note(struct fixture *f, long at)
{
	struct kt_json *request = kt_request_new("note");
	struct kt_json *delta = kt_json_new_object(), *op = NULL;
	char id[32];

	event_id(id, at);
	kt_json_set_string(delta, "note", "once");
	op = kt_request_add_annotation(request, "WP01", "claude", delta);
	kt_json_set_string(op, "event_id", id);
	f->answers = f->successes = 0;
	submit(f, request, NULL);
}

static long count_rows(struct fixture *f, long at)
{
	char id[32], *text = NULL;
	long count = 0;

	event_id(id, at);
	text = ask(f, "git show " BRANCH_LOG " | grep -c %s || true", id);
	count = strtol(text, NULL, 10);
	free(text);
	return count;
}

static void fail_at(const struct fixture *f, long at, const char *what)
{
	struct kt_buffer last = KT_BUFFER_INIT;

	kt_json_write(f->last, KT_JSON_COMPACT, &last);
	fail_msg("point %ld, %s: %s: %s\n%s", at, io.struck, what, kt_buffer_text(&last),
		kt_buffer_text(&f->notices));
}

/* The answers that were given fit what is on the branch. */
static void check_answer(struct fixture *f, long at)
{
	long rows = count_rows(f, at), received = (long)f->successes;

	if (f->answers != 1)
		fail_at(f, at, "not exactly one answer");
	if (rows < received)
		fail_at(f, at, "acknowledged and not on the branch");
	if (rows > received && strcmp(last_code(f), "OUTCOME_UNKNOWN") != 0)
		fail_at(f, at, "refused and on the branch");
}

static void check_again(struct fixture *f, const struct scenario *scenario, long at)
{
	if (at % 2 == 0)
		open_scenario(f, scenario);
	if (scenario->again != NULL)
		shell(f, "%s", scenario->again);
	submit_note(f, at);
	finish(f);
	if (f->successes != 1)
		fail_at(f, at, "not accepted the second time");
	if (count_rows(f, at) != 1)
		fail_at(f, at, "not there exactly once");
	if (kt_sandbox_try(f->box, NULL,
		    "test -z \"$(git -C " COORD " status --porcelain)\" && git show " BRANCH_LOG
		    " | cmp -s - " LOG) != 0)
		fail_at(f, at, "the worktree is not clean");
}

static void each_call(void **state, const struct scenario *scenario)
{
	struct fixture *f = *state;
	bool is_struck = true;
	long at = 0;

	if (scenario->once != NULL)
		shell(f, "%s", scenario->once);
	open_scenario(f, scenario);
	while (is_struck) {
		at++;
		if (scenario->each != NULL)
			shell(f, "%s", scenario->each);
		if (scenario->is_late)
			open_scenario(f, scenario);
		kt_buffer_clear(&f->notices);
		submit_note(f, at);
		io.persists = scenario->persists;
		io_arm(at, EIO);
		finish(f);
		is_struck = io_disarm() != NULL;
		check_answer(f, at);
		check_again(f, scenario, at);
	}
	expect_clean(f);
	/* A clean pass at once would mean that the calls no longer come through here. */
	assert_true(at > 5);
	print_message("%ld points\n", at - 1);
}

/* ---- operations ---- */

#define HOOK(name, text) \
	"mkdir -p .git/hooks && printf '#!/bin/sh\\n" text "\\n' >.git/hooks/" name \
	" && chmod +x .git/hooks/" name " && "

static const struct scenario plain = {.once = NULL};
static const struct scenario damaged = {.each = "printf '{\"tail\": ' >>" LOG " && rm " FOLDER
						"/status.json && git -C " COORD
						" rm -q --cached kitty-specs/" SLUG "/status.json"};
static const struct scenario hooked = {
	.once = HOOK("pre-commit", "exit 0") HOOK("post-commit", "exit 0") "true"};
/* The hook refuses the first time; then the rows that it saw are taken back. */
#define REFUSED \
	.once = HOOK("pre-commit", \
		"! rm \"$(git rev-parse --git-common-dir)/refuse\" 2>/dev/null") "true", \
	.each = "touch .git/refuse", .again = "rm -f .git/refuse"
static const struct scenario refused = {REFUSED};
static const struct scenario refused_and_more = {REFUSED, .persists = true};
static const struct scenario late_and_more = {
	.each = "printf '{\"tail\": ' >>" LOG, .persists = true, .is_late = true};
static const struct scenario hooked_swap = {.once = HOOK("reference-transaction", "exit 0") "true"};
static const struct scenario signed_commit = {.is_signed = true,
	.once = "printf '#!/bin/sh\\ncat >/dev/null\\nprintf \"\\\\n[GNUPG:] SIG_CREATED \" >&2\\n"
		"printf -- \"-----BEGIN PGP SIGNATURE-----\\\\n\\\\nx\\\\n-----END PGP "
		"SIGNATURE-----\\\\n\"\\n' >../signer && chmod +x ../signer && "
		"git config gpg.program \"$PWD/../signer\" && git config user.signingKey x"};

#define OPERATION(scenario) \
	static void each_call_of_##scenario##_may_fail(void **state) \
	{ \
		each_call(state, &(scenario)); \
	}

OPERATION(plain)
OPERATION(damaged)
OPERATION(hooked)
OPERATION(refused)
OPERATION(refused_and_more)
OPERATION(late_and_more)
OPERATION(hooked_swap)
OPERATION(signed_commit)

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {TEST(each_call_of_plain_may_fail),
		TEST(each_call_of_damaged_may_fail), TEST(each_call_of_hooked_may_fail),
		TEST(each_call_of_refused_may_fail), TEST(each_call_of_refused_and_more_may_fail),
		TEST(each_call_of_late_and_more_may_fail), TEST(each_call_of_hooked_swap_may_fail),
		TEST(each_call_of_signed_commit_may_fail)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
