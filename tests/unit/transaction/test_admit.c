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

static void done_without_an_integration_is_refused(void **state)
{
	struct fixture *f = *state;

	submit(f, move("WP01", KT_STATUS_CLAIMED, "codex"), NULL);
	submit(f, move("WP01", KT_STATUS_IN_PROGRESS, "codex"), NULL);
	submit(f, reviewed("WP01", KT_STATUS_APPROVED, "codex"), NULL);
	finish(f);
	assert_int_equal(f->successes, 3);
	submit(f, reviewed("WP01", KT_STATUS_DONE, "codex"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "TRANSITION_REJECTED");
	assert_ask(f, "0", "grep -c '\"to_lane\": \"done\"' " LOG " || true");
	assert_ask(f, "1", "grep -c '\"to_lane\": \"approved\"' " LOG);
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

/* ---- who may do it ---- */

static const char *code_from(struct fixture *f, struct kt_json *request, const char *lane)
{
	submit(f, request, lane);
	finish(f);
	return last_code(f);
}

static struct kt_json *with_flag(struct kt_json *request, const char *name)
{
	kt_json_set_bool(op_of(request), name, true);
	return request;
}

static struct kt_json *with_text(struct kt_json *request, const char *name, const char *text)
{
	kt_json_set_string(op_of(request), name, text);
	return request;
}

static struct kt_json *lifecycle(const char *type)
{
	struct kt_json *request = kt_request_new("test");

	(void)kt_request_add_lifecycle(request, type, SLUG, "Mission", kt_json_new_object());
	return request;
}

static struct kt_json *note(const char *wp, const char *text)
{
	struct kt_json *request = kt_request_new("note"), *delta = kt_json_new_object();

	kt_json_set_string(delta, "note", text);
	(void)kt_request_add_annotation(request, wp, "claude", delta);
	return request;
}

static char *log_sum(struct fixture *f)
{
	return ask(f, "git rev-parse kitty/mission-" SLUG " && sha256sum <" LOG);
}

static void a_lane_may_neither_speak_for_others_nor_override(void **state)
{
	struct fixture *f = *state;
	char *before = log_sum(f), *after = NULL;
	struct kt_json *plan = note("WP01", "n"), *files = kt_json_new_array();

	kt_json_set(plan, "files", files);
	assert_string_equal(code_from(f, lifecycle("MissionStarted"), "lane-a"), "LANE_FOREIGN_WP");
	assert_string_equal(
		code_from(f, move("WP09", KT_STATUS_CLAIMED, "a"), "lane-a"), "LANE_FOREIGN_WP");
	assert_string_equal(
		code_from(f, with_flag(move("WP01", KT_STATUS_CLAIMED, "a"), "force"), "lane-a"),
		"TRANSITION_REJECTED");
	assert_string_equal(code_from(f, plan, "lane-a"), "LANE_FOREIGN_WP");
	after = log_sum(f);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

/* A claim as spec-kitty writes it; the actor is given as JSON. */
static void claim_by_hand(struct fixture *f, const char *actor)
{
	kt_writer_free(f->writer);
	open_writer(f, false);
	assert_string_equal(code_from(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL), "OK");
	kt_writer_free(f->writer);
	shell(f,
		"cd " COORD
		" && sed -i '$ s/\"actor\": \"claude\"/\"actor\": %s/' kitty-specs/" SLUG
		"/status.events.jsonl && git commit -qam 'by hand'",
		actor);
	open_writer(f, false);
}

static void a_claim_without_a_name_keeps_nobody_out(void **state)
{
	static const char *const nobodies[] = {"\"\"", "\"implement-command\"", "\"unknown\""};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof nobodies / sizeof nobodies[0]; i++) {
		claim_by_hand(f, nobodies[i]);
		assert_string_equal(
			code_from(f, move("WP01", KT_STATUS_IN_PROGRESS, "codex"), NULL), "OK");
		assert_string_equal(
			code_from(f, move("WP01", KT_STATUS_FOR_REVIEW, "claude"), NULL),
			"WP_ALREADY_CLAIMED");
		assert_string_equal(code_from(f, move("WP01", KT_STATUS_FOR_REVIEW, NULL), NULL),
			"WP_ALREADY_CLAIMED");
		assert_string_equal(
			code_from(f,
				with_text(with_flag(move("WP01", KT_STATUS_PLANNED, "x"), "force"),
					"reason", "again"),
				NULL),
			"OK");
	}
	expect_clean(f);
}

/* Taken up again by a named override, without a claim: held all the same. */
static void whoever_took_it_up_by_override_holds_it(void **state)
{
	struct fixture *f = *state;
	struct kt_json *forced = move("WP01", KT_STATUS_CLAIMED, "claude");

	assert_string_equal(
		code_from(
			f, with_text(move("WP01", KT_STATUS_BLOCKED, "x"), "reason", "wait"), NULL),
		"OK");
	assert_string_equal(
		code_from(f, with_text(with_flag(forced, "force"), "reason", "go"), NULL), "OK");
	assert_string_equal(code_from(f, move("WP01", KT_STATUS_IN_PROGRESS, "codex"), NULL),
		"WP_ALREADY_CLAIMED");
	assert_non_null(strstr(
		kt_json_get_string(kt_json_get(f->last, "error"), "detail"), "held by claude"));
}

static void a_belief_that_is_not_so_is_a_conflict(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(
		code_from(f, with_text(move("WP01", KT_STATUS_CLAIMED, "a"), "from", "claimed"),
			NULL),
		"STATUS_CONFLICT");
	assert_string_equal(kt_json_get_string(f->last, "observed"), "planned");
	assert_string_equal(
		code_from(f, with_text(move("WP01", KT_STATUS_CLAIMED, "a"), "from", "planned"),
			NULL),
		"OK");
}

static void what_is_so_already_needs_no_row(void **state)
{
	struct fixture *f = *state;
	char *before = log_sum(f), *after = NULL;

	assert_string_equal(
		code_from(f, with_flag(move("WP01", KT_STATUS_PLANNED, "a"), "if_needed"), NULL),
		"OK");
	assert_true(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
	after = log_sum(f);
	assert_string_equal(after, before);
	assert_string_equal(
		code_from(f,
			with_text(with_flag(move("WP01", KT_STATUS_CLAIMED, "a"), "if_needed"),
				"execution_mode", "direct_repo"),
			NULL),
		"OK");
	assert_ask(f, "1", "tail -n 1 " LOG " | grep -c direct_repo");
	free(before);
	free(after);
}

static void a_claim_is_repeated_only_alone_and_unforced(void **state)
{
	struct fixture *f = *state;
	struct kt_json *both = move("WP01", KT_STATUS_CLAIMED, "a");

	assert_string_equal(code_from(f, move("WP01", KT_STATUS_CLAIMED, "a"), NULL), "OK");
	(void)kt_request_add_move(both, "WP02", KT_STATUS_CLAIMED, "a");
	assert_string_not_equal(code_from(f, both, NULL), "OK");
	assert_string_equal(code_from(f, move("WP01", KT_STATUS_IN_PROGRESS, "a"), NULL), "OK");
	assert_string_equal(code_from(f, move("WP01", KT_STATUS_CLAIMED, "a"), NULL), "OK");
	assert_true(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
	assert_string_equal(
		code_from(f,
			with_text(with_flag(move("WP01", KT_STATUS_CLAIMED, "a"), "force"),
				"reason", "anew"),
			NULL),
		"OK");
	assert_false(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
}

#define ID(n) "01KSPTVW00000000000000AAA" n

static struct kt_json *with_id(struct kt_json *request, const char *id)
{
	return with_text(request, "event_id", id);
}

/* Repeated with its id, each kind of row is the same row; another content is not. */
static void each_kind_of_row_is_repeated_by_its_id(void **state)
{
	struct fixture *f = *state;
	struct kt_json *forced = with_id(move("WP01", KT_STATUS_CLAIMED, "a"), ID("A"));

	assert_string_equal(
		code_from(f, with_id(lifecycle("MissionStarted"), ID("H")), NULL), "OK");
	assert_string_equal(
		code_from(f, with_id(lifecycle("MissionStarted"), ID("H")), NULL), "OK");
	assert_string_equal(code_from(f, with_id(lifecycle("MissionEnded"), ID("H")), NULL),
		"EVENT_ID_CONFLICT");
	assert_string_equal(code_from(f, with_id(note("WP01", "one"), ID("N")), NULL), "OK");
	assert_string_equal(code_from(f, with_id(note("WP01", "one"), ID("N")), NULL), "OK");
	assert_string_equal(
		code_from(f, with_id(note("WP01", "two"), ID("N")), NULL), "EVENT_ID_CONFLICT");
	assert_string_equal(
		code_from(f, with_id(note("WP01", "one"), ID("H")), NULL), "EVENT_ID_CONFLICT");
	assert_string_equal(code_from(f, with_id(lifecycle("MissionStarted"), ID("N")), NULL),
		"EVENT_ID_CONFLICT");
	assert_string_equal(
		code_from(f, with_id(move("WP01", KT_STATUS_CLAIMED, "a"), ID("A")), NULL), "OK");
	assert_string_equal(
		code_from(f,
			with_text(with_id(move("WP01", KT_STATUS_CLAIMED, "a"), ID("A")), "reason",
				"r"),
			NULL),
		"EVENT_ID_CONFLICT");
	assert_string_equal(
		code_from(f, with_id(move("WP01", KT_STATUS_BLOCKED, "a"), ID("A")), NULL),
		"EVENT_ID_CONFLICT");
	assert_string_equal(
		code_from(f, with_id(move("WP01", KT_STATUS_CLAIMED, "b"), ID("A")), NULL),
		"EVENT_ID_CONFLICT");
	assert_string_equal(code_from(f, with_flag(forced, "force"), NULL), "EVENT_ID_CONFLICT");
	assert_ask(f, "1 1 1",
		"echo $(grep -c " ID("H") " " LOG ") $(grep -c " ID("N") " " LOG ") $(grep -c " ID(
			"A") " " LOG ")");
	expect_clean(f);
}

static void half_repeated_and_half_new_is_a_conflict(void **state)
{
	struct fixture *f = *state;
	struct kt_json *both = with_id(note("WP01", "one"), ID("N"));
	struct kt_json *delta = kt_json_new_object();
	char *before = NULL, *after = NULL;

	assert_string_equal(code_from(f, with_id(note("WP01", "one"), ID("N")), NULL), "OK");
	before = log_sum(f);
	kt_json_set_string(delta, "note", "two");
	(void)kt_request_add_annotation(both, "WP02", "claude", delta);
	assert_string_equal(code_from(f, both, NULL), "EVENT_ID_CONFLICT");
	after = log_sum(f);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

/* ---- what the plan says ---- */

static void add_to_plan(struct fixture *f, const char *wp, const char *more)
{
	shell(f,
		"cd " COORD " && printf -- '---\nwork_package_id: %s\ntitle: T\ndependencies: "
		"[]\nowned_files:\n- x/**\n%s---\nbody\n' >kitty-specs/" SLUG "/tasks/%s-x.md && "
		"git add -A && git commit -qm plan",
		wp, more, wp);
}

static void a_work_package_that_was_never_finalised_is_not_claimed(void **state)
{
	struct fixture *f = *state;
	struct kt_json *forced = move("WP03", KT_STATUS_CLAIMED, "a");

	add_to_plan(f, "WP03", "subtasks: []\\n");
	assert_string_equal(
		code_from(f, with_text(with_flag(forced, "force"), "reason", "now"), NULL),
		"WP_NOT_FINALIZED");
	/* A note does not change that. */
	assert_string_equal(code_from(f, note("WP03", "soon"), NULL), "OK");
	forced = move("WP03", KT_STATUS_CLAIMED, "a");
	assert_string_equal(
		code_from(f, with_text(with_flag(forced, "force"), "reason", "now"), NULL),
		"WP_NOT_FINALIZED");
	assert_string_equal(
		code_from(
			f, with_text(move("WP03", KT_STATUS_CANCELED, "a"), "reason", "no"), NULL),
		"OK");
	expect_clean(f);
}

static void work_with_open_subtasks_is_not_for_review(void **state)
{
	struct fixture *f = *state;
	struct kt_json *request = kt_request_new("test"), *delta = kt_json_new_object();
	struct kt_json *subtasks = kt_json_new_object();

	add_to_plan(f, "WP01", "subtasks: [T001, T002]\\n");
	assert_string_equal(code_from(f, move("WP01", KT_STATUS_CLAIMED, "a"), NULL), "OK");
	assert_string_equal(code_from(f, move("WP01", KT_STATUS_IN_PROGRESS, "a"), NULL), "OK");
	assert_string_equal(
		code_from(f, move("WP01", KT_STATUS_FOR_REVIEW, "a"), NULL), "TRANSITION_REJECTED");
	kt_json_set_string(subtasks, "T001", "done");
	kt_json_set_string(subtasks, "T002", "done");
	kt_json_set(delta, "subtasks", subtasks);
	(void)kt_request_add_annotation(request, "WP01", "a", delta);
	assert_string_equal(code_from(f, request, NULL), "OK");
	assert_string_equal(code_from(f, move("WP01", KT_STATUS_FOR_REVIEW, "a"), NULL), "OK");
}

static void an_annotation_that_says_nothing_is_refused(void **state)
{
	struct fixture *f = *state;
	struct kt_json *request = kt_request_new("test");

	(void)kt_request_add_annotation(request, "WP01", "a", kt_json_new_object());
	assert_string_equal(code_from(f, request, NULL), "EVENT_INVALID");
}

/* ---- approvals name a commit ---- */

static void approve(struct fixture *f, const char *wp, const char *metadata)
{
	struct kt_json *request = reviewed(wp, KT_STATUS_APPROVED, "codex"),
		       *policy = kt_json_new_object();

	if (metadata != NULL) {
		kt_json_set_string(policy, metadata, "0123456789012345678901234567890123456789");
		kt_json_set(op_of(request), "policy_metadata", policy);
	} else {
		kt_json_free(policy);
	}
	assert_string_equal(code_from(f, move(wp, KT_STATUS_CLAIMED, "codex"), NULL), "OK");
	assert_string_equal(code_from(f, move(wp, KT_STATUS_IN_PROGRESS, "codex"), NULL), "OK");
	assert_string_equal(code_from(f, request, NULL), "OK");
}

static void an_approval_names_the_tip_of_the_lane_unless_it_names_a_commit(void **state)
{
	struct fixture *f = *state;
	char *tip = NULL;

	shell(f, "git branch -q kitty/mission-" SLUG "-lane-a && git branch -q kitty/mission-" SLUG
		 "-lane-b");
	tip = ask(f, "git rev-parse kitty/mission-" SLUG "-lane-a");
	approve(f, "WP01", "approved_by");
	assert_ask(f, "1", "tail -n 1 " LOG " | grep approved_by | grep -c %s", tip);
	approve(f, "WP02", "approved_commit");
	assert_ask(f, "\"approved_commit\": \"0123456789012345678901234567890123456789\"",
		"tail -n 1 " LOG " | grep -oE '\"approved_commit\": [^,}]*|%s'", tip);
	free(tip);
}

static void an_approval_without_a_lane_names_no_commit(void **state)
{
	struct fixture *f = *state;

	add_to_plan(f, "WP03", "subtasks: []\\n");
	shell(f, "cd " COORD "/kitty-specs/" SLUG " && sed -i "
		 "'s/{\"lane_id\": \"lane-b\"/{\"lane_id\": \"lane-planning\"/' lanes.json && git "
		 "commit -qam lanes");
	assert_string_equal(
		code_from(f, move("WP03", KT_STATUS_PLANNED, "finalize-tasks"), NULL), "OK");
	approve(f, "WP01", NULL); /* its lane has no branch yet */
	approve(f, "WP02", NULL); /* planning */
	approve(f, "WP03", NULL); /* in no lane */
	assert_ask(f, "0", "grep -c approved_commit " LOG " || true");
	assert_ask(f, "3", "grep -c '\"to_lane\": \"approved\"' " LOG);
	expect_clean(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lane_may_neither_speak_for_others_nor_override),
		TEST(a_claim_without_a_name_keeps_nobody_out),
		TEST(whoever_took_it_up_by_override_holds_it),
		TEST(a_belief_that_is_not_so_is_a_conflict),
		TEST(what_is_so_already_needs_no_row),
		TEST(a_claim_is_repeated_only_alone_and_unforced),
		TEST(each_kind_of_row_is_repeated_by_its_id),
		TEST(half_repeated_and_half_new_is_a_conflict),
		TEST(a_work_package_that_was_never_finalised_is_not_claimed),
		TEST(work_with_open_subtasks_is_not_for_review),
		TEST(an_annotation_that_says_nothing_is_refused),
		TEST(an_approval_names_the_tip_of_the_lane_unless_it_names_a_commit),
		TEST(an_approval_without_a_lane_names_no_commit),
		TEST(half_of_a_refused_request_leaves_nothing),
		TEST(below_a_hook_of_its_own_commit_nothing_is_written),
		TEST(done_without_an_integration_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
