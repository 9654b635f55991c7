/*
 * The shape of requests and the one table of commit messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/transaction/request.h"

static enum kt_code check_text(const char *text)
{
	struct kt_json *request = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code =
		kt_json_parse(text, strlen(text), KT_JSON_NO_DUPLICATES, &request, &err);

	if (code == KT_E_OK)
		code = kt_request_check(request, &err);
	kt_json_free(request);
	return code;
}

static void malformed_requests_are_refused_by_code(void **state)
{
	static const struct {
		const char *text;
		enum kt_code code;
	} rows[] = {
		{"[]", KT_E_INVALID_ARGUMENT},
		{"{}", KT_E_INVALID_ARGUMENT},
		{"{\"ops\": []}", KT_E_SAFE_COMMIT_EMPTY_CHANGESET},
		{"{\"ops\": [{}]}", KT_E_INVALID_ARGUMENT},
		{"{\"ops\": [{\"op\": \"explode\"}]}", KT_E_INVALID_ARGUMENT},
		{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\"}]}", KT_E_INVALID_ARGUMENT},
		{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP1\", \"to\": \"claimed\", \"actor\": "
		 "\"a\"}]}",
			KT_E_INVALID_ARGUMENT},
		{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"doing\", \"actor\": "
		 "\"a\"}]}",
			KT_E_INVALID_ARGUMENT},
		{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", \"lane\": "
		 "\"b\"}]}",
			KT_E_INVALID_ARGUMENT},
		{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", "
		 "\"event_id\": \"x\"}]}",
			KT_E_INVALID_ARGUMENT},
		{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", \"force\": "
		 "\"yes\"}]}",
			KT_E_INVALID_ARGUMENT},
		{"{\"ops\": [], \"lane\": \"a\"}", KT_E_INVALID_ARGUMENT},
		{"{\"ops\": [], \"files\": [{\"path\": \"src/x\", \"blob\": "
		 "\"0123456789012345678901234567890123456789\"}]}",
			KT_E_SAFE_COMMIT_PATH_POLICY},
		{"{\"ops\": [], \"files\": [{\"path\": \"kitty-specs/a/../../x\", \"blob\": "
		 "\"0123456789012345678901234567890123456789\"}]}",
			KT_E_SAFE_COMMIT_PATH_POLICY},
		{"{\"ops\": [{\"op\": \"annotate\", \"wp\": \"WP01\", \"actor\": \"a\", \"delta\": "
		 "{}, \"event_id\": "
		 "\"01KSPTVW00000000000000AAAA\"}, {\"op\": \"annotate\", \"wp\": \"WP01\", "
		 "\"actor\": \"a\", "
		 "\"delta\": {}, \"event_id\": \"01KSPTVW00000000000000AAAA\"}]}",
			KT_E_DOUBLE_EVENT_ID},
		{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", \"actor\": "
		 "\"a\"}]}",
			KT_E_OK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (check_text(rows[i].text) != rows[i].code)
			fail_msg("%s", rows[i].text);
}

/* Every rule of the shape has a row that keeps it and one that breaks it. */
static const struct {
	const char *text;
	enum kt_code code;
} shapes[] = {
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", \"actor\": "
	 "\"a\", \"evidence\": null, \"reason\": null}]}",
		KT_E_OK},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", \"actor\": "
	 "\"a\", \"evidence\": {}}]}",
		KT_E_OK},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", \"actor\": "
	 "\"a\", \"evidence\": \"x\"}]}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", \"actor\": "
	 "\"a\", \"reason\": 7}]}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", \"actor\": "
	 "\"a\", \"event_id\": null}]}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"annotate\", \"wp\": \"WP01\", \"actor\": \"a\", \"delta\": "
	 "{}, \"to\": \"claimed\"}]}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": 7}, {\"op\": \"move\", \"wp\": \"WP01\", \"to\": "
	 "\"claimed\", \"actor\": \"a\"}]}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", \"actor\": "
	 "\"a\", \"event_id\": \"01KSPTVW00000000000000AAAA\"}, {\"op\": \"move\", \"wp\": "
	 "\"WP01\", \"to\": \"claimed\", \"actor\": \"a\"}, {\"op\": \"move\", \"wp\": "
	 "\"WP01\", \"to\": \"claimed\", \"actor\": \"a\", \"event_id\": "
	 "\"01KSPTVW00000000000000AAAB\"}]}",
		KT_E_OK},
	{"{\"ops\": [], \"files\": [{\"path\": \"kitty-specs/a/x\"}]}", KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [], \"files\": [{\"blob\": "
	 "\"0123456789012345678901234567890123456789\"}]}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [], \"files\": [{\"path\": \"kitty-specs/a/x\", \"blob\": \"0123\"}]}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [], \"files\": [{\"path\": \"kitty-specs/a/x\", \"blob\": "
	 "\"0123456789012345678901234567890123456789\", \"mode\": \"x\"}]}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [], \"files\": [{\"path\": \"kitty-specs/a//x\", \"blob\": "
	 "\"0123456789012345678901234567890123456789\"}]}",
		KT_E_SAFE_COMMIT_PATH_POLICY},
	{"{\"ops\": [], \"files\": [{\"path\": \"kitty-specs/a/./x\", \"blob\": "
	 "\"0123456789012345678901234567890123456789\"}, {\"path\": \"kitty-specs/a/x\", "
	 "\"blob\": \"0123456789012345678901234567890123456789\"}]}",
		KT_E_SAFE_COMMIT_PATH_POLICY},
	{"{\"ops\": [], \"files\": [{\"path\": \"kitty-specs/a/x\", \"blob\": "
	 "\"0123456789012345678901234567890123456789\"}]}",
		KT_E_OK},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": 7}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"lane\": \"lane-a\", \"commit\": "
	 "\"0123456789012345678901234567890123456789\"}}",
		KT_E_OK},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"lane\": \"lane-a\", \"commit\": "
	 "\"0123456789012345678901234567890123456789\", \"resolution\": "
	 "\"0123456789012345678901234567890123456789\"}}",
		KT_E_OK},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"lane\": \"lane-a\"}}",
		KT_E_OK},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"lane\": \"lane-a\", \"commit\": "
	 "\"0123456789012345678901234567890123456789\"}, \"files\": []}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"lane\": \"lane-a\", \"commit\": 7}}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"lane\": \"lane-a\", \"commit\": \"OI\"}}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"lane\": \"lane-a\", \"commit\": "
	 "\"0123456789012345678901234567890123456789\", \"resolution\": \"x\"}}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {}}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [], \"integrate\": {\"commit\": "
	 "\"0123456789012345678901234567890123456789\"}}",
		KT_E_OK},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"commit\": "
	 "\"0123456789012345678901234567890123456789\"}}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"lane\": 7, \"commit\": "
	 "\"0123456789012345678901234567890123456789\"}}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}, {\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"done\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"lane\": \"lane-a\", \"commit\": "
	 "\"0123456789012345678901234567890123456789\"}}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"claimed\", \"actor\": "
	 "\"a\"}], \"integrate\": {\"lane\": \"lane-a\", \"commit\": "
	 "\"0123456789012345678901234567890123456789\"}}",
		KT_E_INVALID_ARGUMENT},
	{"{\"ops\": [{\"op\": \"annotate\", \"wp\": \"WP01\", \"actor\": \"a\", \"delta\": "
	 "{}}], \"integrate\": {\"lane\": \"lane-a\", \"commit\": "
	 "\"0123456789012345678901234567890123456789\"}}",
		KT_E_INVALID_ARGUMENT},
};

static void each_member_has_its_own_shape(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		if (check_text(shapes[i].text) != shapes[i].code)
			fail_msg("%s", shapes[i].text);
}

static enum kt_code check_actor(const char *actor)
{
	struct kt_json *request = kt_request_new("emit");
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	(void)kt_request_add_move(request, "WP01", KT_STATUS_CLAIMED, actor);
	code = kt_request_check(request, &err);
	kt_json_free(request);
	return code;
}

static void an_actor_is_one_line_of_text(void **state)
{
	static const char *const refused[] = {
		"", " ", "a\nb", "a\tb", "a\r", "a\x1b[31m", "\x7f", "\xff\xfe", " a", "a "};
	static const char *const taken[] = {
		"claude", "Jane Doe <j@example.com>", "a [b]", "J\xc3\xbcrgen", "../.."};
	char long_name[302];

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		assert_int_equal(check_actor(refused[i]), KT_E_INVALID_ARGUMENT);
	for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
		assert_int_equal(check_actor(taken[i]), KT_E_OK);
	memset(long_name, 'a', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	assert_int_equal(check_actor(long_name), KT_E_INVALID_ARGUMENT);
}

static void an_event_above_64_kib_is_refused(void **state)
{
	struct kt_json *request = kt_request_new("note");
	struct kt_json *delta = kt_json_new_object();
	char *note = kt_alloc(65536 + 1);
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	memset(note, 'x', 65536);
	kt_json_set_string(delta, "note", note);
	(void)kt_request_add_annotation(request, "WP01", "a", delta);
	assert_int_equal(kt_request_check(request, &err), KT_E_LIMIT);
	kt_json_free(request);
	free(note);
}

static void expect_message(enum kt_status from, enum kt_status to, const char *expected)
{
	struct kt_json *request = kt_request_new("move");
	char *message = NULL;

	(void)kt_request_add_move(request, "WP01", to, "claude");
	message = kt_request_message(request, from);
	assert_string_equal(message, expected);
	free(message);
	kt_json_free(request);
}

static void commit_messages_are_the_quickstarts(void **state)
{
	(void)state;
	expect_message(KT_STATUS_PLANNED, KT_STATUS_CLAIMED,
		"chore: WP01 claimed for implementation [claude]");
	expect_message(KT_STATUS_CLAIMED, KT_STATUS_IN_PROGRESS,
		"chore: Start WP01 implementation [claude]");
	expect_message(
		KT_STATUS_PLANNED, KT_STATUS_CANCELED, "chore: WP01 planned -> canceled [claude]");
	expect_message(KT_STATUS_IN_PROGRESS, KT_STATUS_FOR_REVIEW,
		"chore: WP01 in_progress -> for_review [claude]");
}

static char *message_of(const char *text, enum kt_status from)
{
	struct kt_json *request = NULL;
	struct kt_error err = KT_ERROR_INIT;
	char *message = NULL;

	assert_int_equal(
		kt_json_parse(text, strlen(text), KT_JSON_NO_DUPLICATES, &request, &err), KT_E_OK);
	message = kt_request_message(request, from);
	kt_json_free(request);
	return message;
}

/* The message is for people: what is not known is said to be unknown. */
static void a_message_never_lacks_a_word(void **state)
{
	char *nobody =
		message_of("{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": \"blocked\"}]}",
			KT_STATUS_NONE);
	char *lifecycle = message_of("{\"ops\": [{\"op\": \"lifecycle\"}]}", KT_STATUS_NONE);
	char *last = message_of("{\"ops\": [{\"op\": \"move\", \"wp\": \"WP01\", \"to\": "
				"\"claimed\", \"actor\": \"a\"}, {\"op\": \"annotate\", \"wp\": "
				"\"WP02\", \"actor\": \"b\"}]}",
		KT_STATUS_PLANNED);

	(void)state;
	assert_string_equal(nobody, "chore: WP01 ? -> blocked [unknown]");
	assert_string_equal(lifecycle, "chore: lifecycle of the mission");
	assert_string_equal(last, "chore: WP01 claimed for implementation [a]");
	free(nobody);
	free(lifecycle);
	free(last);
}

static void an_actor_in_braces_is_not_a_placeholder(void **state)
{
	struct kt_json *request = kt_request_new("move");
	char *message = NULL;

	(void)state;
	(void)kt_request_add_move(request, "WP01", KT_STATUS_CLAIMED, "{wp}");
	message = kt_request_message(request, KT_STATUS_PLANNED);
	assert_string_equal(message, "chore: WP01 claimed for implementation [{wp}]");
	free(message);
	kt_json_free(request);
}

static void an_outcome_carries_its_code_over_the_wire(void **state)
{
	struct kt_error err = KT_ERROR_INIT, back = KT_ERROR_INIT;
	struct kt_json *outcome = NULL;

	(void)state;
	(void)kt_error_set(&err, KT_E_WP_ALREADY_CLAIMED, "WP01 is claimed, held by claude");
	outcome = kt_outcome_from_error(&err);
	assert_int_equal(kt_outcome_code(outcome, &back), KT_E_WP_ALREADY_CLAIMED);
	assert_string_equal(back.detail, err.detail);
	kt_json_free(outcome);
}

/* What comes over a socket may be anything: without a receipt there is no success. */
static void an_answer_without_a_receipt_is_a_failure(void **state)
{
	static const struct {
		const char *text, *detail;
		enum kt_code code;
	} rows[] = {
		{"{\"receipt\": {}}", "", KT_E_OK},
		{"{}", "an answer without receipt", KT_E_INTERNAL},
		{"{\"receipt\": 7}", "an answer without receipt", KT_E_INTERNAL},
		{"{\"receipt\": {}, \"error\": {\"code\": \"OK\"}}", "an answer without receipt",
			KT_E_INTERNAL},
		{"{\"error\": {\"code\": \"WP_NOT_FOUND\", \"detail\": \"WP09\"}}", "WP09",
			KT_E_WP_NOT_FOUND},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_json *outcome = NULL;
		struct kt_error err = KT_ERROR_INIT, ignored = KT_ERROR_INIT;

		assert_int_equal(kt_json_parse(rows[i].text, strlen(rows[i].text),
					 KT_JSON_NO_DUPLICATES, &outcome, &ignored),
			KT_E_OK);
		assert_int_equal(kt_outcome_code(outcome, &err), rows[i].code);
		assert_string_equal(err.detail, rows[i].detail);
		kt_json_free(outcome);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_requests_are_refused_by_code),
		cmocka_unit_test(each_member_has_its_own_shape),
		cmocka_unit_test(a_message_never_lacks_a_word),
		cmocka_unit_test(an_answer_without_a_receipt_is_a_failure),
		cmocka_unit_test(an_actor_is_one_line_of_text),
		cmocka_unit_test(an_event_above_64_kib_is_refused),
		cmocka_unit_test(commit_messages_are_the_quickstarts),
		cmocka_unit_test(an_actor_in_braces_is_not_a_placeholder),
		cmocka_unit_test(an_outcome_carries_its_code_over_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
