/*
 * Which events move-task asks for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/cli/move_plan.h"
#include "supervisor/transaction/request.h"

static const struct kt_json *op_at(const struct kt_json *request, size_t index)
{
	const struct kt_json *op = kt_json_first(kt_json_get(request, "ops"));

	while (op != NULL && index-- > 0)
		op = kt_json_next(op);
	return op;
}

static void assert_op(const struct kt_json *op, const char *from, const char *to, const char *actor)
{
	assert_string_equal(kt_json_get_string(op, "from"), from);
	assert_string_equal(kt_json_get_string(op, "to"), to);
	assert_string_equal(kt_json_get_string(op, "actor"), actor);
}

static enum kt_code build(const struct kt_move_plan *plan, struct kt_json **request)
{
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	*request = kt_request_new("move-task");
	code = kt_move_plan_build(plan, *request, &err);
	if (code == KT_E_OK)
		assert_int_equal(kt_request_check(*request, &err), KT_E_OK);
	return code;
}

static void forward_moves_write_every_status_between(void **state)
{
	struct kt_move_plan plan = {.wp_id = "WP01",
		.from = KT_STATUS_PLANNED,
		.to = KT_STATUS_FOR_REVIEW,
		.agent = "claude",
		.note = "ready"};
	struct kt_json *request = NULL;

	assert_int_equal(build(&plan, &request), KT_E_OK);
	assert_int_equal(kt_json_size(kt_json_get(request, "ops")), 3);
	assert_op(op_at(request, 0), "planned", "claimed", "claude");
	assert_op(op_at(request, 1), "claimed", "in_progress", "claude");
	assert_op(op_at(request, 2), "in_progress", "for_review", "claude");
	assert_string_equal(kt_json_get_string(op_at(request, 2), "reason"), "ready");
	assert_null(kt_json_get(op_at(request, 0), "reason"));
	assert_string_equal(
		kt_json_get_string(kt_json_get(op_at(request, 0), "policy_metadata"), "agent"),
		"claude");
	kt_json_free(request);
	(void)state;
}

static void approval_carries_a_review(void **state)
{
	struct kt_move_plan plan = {.wp_id = "WP01",
		.from = KT_STATUS_FOR_REVIEW,
		.to = KT_STATUS_APPROVED,
		.holder = "claude",
		.reviewer = "Ada",
		.approval_ref = "PR 7"};
	const struct kt_json *review = NULL;
	struct kt_json *request = NULL;

	assert_int_equal(build(&plan, &request), KT_E_OK);
	assert_int_equal(kt_json_size(kt_json_get(request, "ops")), 2);
	assert_op(op_at(request, 0), "for_review", "in_review", "Ada");
	assert_op(op_at(request, 1), "in_review", "approved", "Ada");
	review = kt_json_get(op_at(request, 1), "review_result");
	assert_string_equal(kt_json_get_string(review, "verdict"), "approved");
	assert_string_equal(kt_json_get_string(review, "reference"), "PR 7");
	kt_json_free(request);
	(void)state;
}

static void work_sent_back_from_review_carries_the_verdict(void **state)
{
	struct kt_move_plan plan = {.wp_id = "WP01",
		.from = KT_STATUS_FOR_REVIEW,
		.to = KT_STATUS_IN_PROGRESS,
		.reviewer = "Ada",
		.reason = "tests are missing"};
	struct kt_json *request = NULL;

	assert_int_equal(build(&plan, &request), KT_E_OK);
	assert_op(op_at(request, 0), "for_review", "in_review", "Ada");
	assert_op(op_at(request, 1), "in_review", "in_progress", "Ada");
	assert_string_equal(
		kt_json_get_string(kt_json_get(op_at(request, 1), "review_result"), "verdict"),
		"changes_requested");
	kt_json_free(request);
	(void)state;
}

static void moves_back_need_a_reason(void **state)
{
	struct kt_move_plan plan = {
		.wp_id = "WP01", .from = KT_STATUS_IN_PROGRESS, .to = KT_STATUS_PLANNED};
	struct kt_json *request = NULL;

	assert_int_equal(build(&plan, &request), KT_E_INVALID_ARGUMENT);
	kt_json_free(request);
	(void)state;
}

static void done_is_refused(void **state)
{
	struct kt_move_plan plan = {
		.wp_id = "WP01", .from = KT_STATUS_APPROVED, .to = KT_STATUS_DONE};
	struct kt_json *request = NULL;

	assert_int_equal(build(&plan, &request), KT_E_TRANSITION_REJECTED);
	kt_json_free(request);
	(void)state;
}

static void the_holder_moves_its_own_work(void **state)
{
	struct kt_move_plan plan = {.wp_id = "WP01",
		.from = KT_STATUS_IN_PROGRESS,
		.to = KT_STATUS_BLOCKED,
		.holder = "codex",
		.reason = "no network"};
	struct kt_json *request = NULL;

	assert_int_equal(build(&plan, &request), KT_E_OK);
	assert_op(op_at(request, 0), "in_progress", "blocked", "codex");
	kt_json_free(request);
	(void)state;
}

static void an_override_is_one_forced_move_with_its_reason(void **state)
{
	struct kt_move_plan plan = {.wp_id = "WP01",
		.from = KT_STATUS_PLANNED,
		.to = KT_STATUS_FOR_REVIEW,
		.override_reason = "done by hand"};
	struct kt_json *request = NULL;

	assert_int_equal(build(&plan, &request), KT_E_OK);
	assert_int_equal(kt_json_size(kt_json_get(request, "ops")), 1);
	assert_true(kt_json_get_bool(op_at(request, 0), "force", false));
	assert_string_equal(kt_json_get_string(op_at(request, 0), "reason"), "done by hand");
	kt_json_free(request);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward_moves_write_every_status_between),
		cmocka_unit_test(approval_carries_a_review),
		cmocka_unit_test(work_sent_back_from_review_carries_the_verdict),
		cmocka_unit_test(moves_back_need_a_reason),
		cmocka_unit_test(done_is_refused),
		cmocka_unit_test(the_holder_moves_its_own_work),
		cmocka_unit_test(an_override_is_one_forced_move_with_its_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
