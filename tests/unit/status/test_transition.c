/*
 * The guards of moves where no row of tests/vectors/transitions.json looks: reviews that are
 * incomplete, contradict one another or do not approve, and statuses that do not exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/status/transition.h"

static struct kt_json *json(const char *text)
{
	struct kt_json *value = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (text != NULL &&
		kt_json_parse(text, strlen(text), KT_JSON_NO_DUPLICATES, &value, &err) != KT_E_OK)
		fail_msg("%s: %s", text, err.detail);
	return value;
}

/* why: NULL when the move is legal. */
struct row {
	enum kt_status from, to;
	const char *evidence, *result, *review_ref, *why;
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct kt_json *evidence = json(rows[i].evidence), *result = json(rows[i].result);
		const struct kt_move move = {.from = rows[i].from,
			.to = rows[i].to,
			.actor = "a",
			.review_ref = rows[i].review_ref,
			.evidence = evidence,
			.review_result = result};
		struct kt_error err = KT_ERROR_INIT;
		enum kt_code code = kt_move_check(&move, &err);

		if (code != (rows[i].why == NULL ? KT_E_OK : KT_E_TRANSITION_REJECTED))
			fail_msg("row %zu: code %d: %s", i, (int)code, err.detail);
		if (rows[i].why != NULL)
			assert_string_equal(err.detail, rows[i].why);
		kt_json_free(evidence);
		kt_json_free(result);
	}
}

#define TRIPLE(reviewer, verdict, reference) \
	"{\"reviewer\": \"" reviewer "\", \"verdict\": \"" verdict \
	"\", \"reference\": \"" reference "\"}"
#define EVIDENCE(review) "{\"review\": " review "}"
#define YES TRIPLE("r", "approved", "x")
#define NO TRIPLE("r", "changes_requested", "x")
#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void an_approval_needs_a_complete_review_that_approves(void **state)
{
	static const char incomplete[] = "this move needs the evidence of a review";
	static const struct row rows[] = {
		{KT_STATUS_APPROVED, KT_STATUS_DONE, EVIDENCE(YES), NULL, NULL, NULL},
		{KT_STATUS_APPROVED, KT_STATUS_DONE, EVIDENCE(NO), NULL, NULL,
			"the review does not approve"},
		{KT_STATUS_APPROVED, KT_STATUS_DONE, EVIDENCE(TRIPLE("r", "Approved", "x")), NULL,
			NULL, "the review does not approve"},
		{KT_STATUS_APPROVED, KT_STATUS_DONE, NULL, NULL, NULL, incomplete},
		{KT_STATUS_APPROVED, KT_STATUS_DONE, "[]", NULL, NULL, incomplete},
		{KT_STATUS_APPROVED, KT_STATUS_DONE, EVIDENCE("\"approved\""), NULL, NULL,
			incomplete},
		{KT_STATUS_APPROVED, KT_STATUS_DONE, EVIDENCE(TRIPLE(" ", "approved", "x")), NULL,
			NULL, incomplete},
		{KT_STATUS_APPROVED, KT_STATUS_DONE,
			"{\"review\": {\"reviewer\": \"r\", \"verdict\": true, \"reference\": "
			"\"x\"}}",
			NULL, NULL, incomplete},
	};

	(void)state;
	CHECK(rows);
}

static void a_review_that_ends_names_one_result_everywhere(void **state)
{
	static const struct row rows[] = {
		{KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED, EVIDENCE(YES), YES, "x", NULL},
		{KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED, NULL, YES, NULL, NULL},
		{KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED, NULL, NULL, NULL,
			"this move needs a review result"},
		{KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED, NULL, NO, NULL,
			"the review result does not approve"},
		{KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED, EVIDENCE(NO), YES, NULL,
			"the review does not approve"},
		{KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED, "{}", YES, NULL,
			"this move needs the evidence of a review"},
		{KT_STATUS_IN_REVIEW, KT_STATUS_APPROVED, NULL, YES, "y",
			"the review reference is not the review result's"},
		{KT_STATUS_IN_REVIEW, KT_STATUS_DONE, EVIDENCE(TRIPLE("other", "approved", "x")),
			YES, NULL, "the evidence is not the review result's"},
		{KT_STATUS_IN_REVIEW, KT_STATUS_PLANNED, NULL, NO, "x", NULL},
		{KT_STATUS_IN_REVIEW, KT_STATUS_PLANNED, EVIDENCE(NO), NO, NULL, NULL},
		{KT_STATUS_IN_REVIEW, KT_STATUS_PLANNED, EVIDENCE("{\"reviewer\": \"r\"}"), NO,
			NULL, "the evidence is not the review result's"},
		{KT_STATUS_IN_REVIEW, KT_STATUS_PLANNED, EVIDENCE("null"), NO, NULL,
			"the evidence is not the review result's"},
		{KT_STATUS_IN_REVIEW, KT_STATUS_IN_PROGRESS, NULL, "{\"verdict\": \"approved\"}",
			NULL, "this move needs a review result"},
		{KT_STATUS_IN_REVIEW, KT_STATUS_IN_PROGRESS, NULL, NO, "",
			"the review reference is not the review result's"},
	};

	(void)state;
	CHECK(rows);
}

static void there_is_no_way_from_or_to_what_is_no_status(void **state)
{
	static const char why[] = "there is no such status";
	static const struct row rows[] = {
		{KT_STATUS_NONE, KT_STATUS_PLANNED, NULL, NULL, NULL, why},
		{KT_STATUS_PLANNED, KT_STATUS_NONE, NULL, NULL, NULL, why},
		{KT_STATUS_COUNT, KT_STATUS_PLANNED, NULL, NULL, NULL, why},
		{KT_STATUS_PLANNED, KT_STATUS_COUNT, NULL, NULL, NULL, why},
		{KT_STATUS_PLANNED, KT_STATUS_PLANNED, NULL, NULL, NULL,
			"there is no way from planned to planned"},
	};

	(void)state;
	CHECK(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_approval_needs_a_complete_review_that_approves),
		cmocka_unit_test(a_review_that_ends_names_one_result_everywhere),
		cmocka_unit_test(there_is_no_way_from_or_to_what_is_no_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
