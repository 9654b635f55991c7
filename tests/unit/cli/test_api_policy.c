/* --policy of orchestrator-api, and how kitty's codes become the contract's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/cli/api.h"

#define GOOD \
	"\"orchestrator_id\":\"o\",\"orchestrator_version\":\"1\",\"agent_family\":\"claude\"," \
	"\"approval_mode\":\"auto\",\"sandbox_mode\":\"none\",\"network_mode\":\"off\""

static const char *judge(const char *text, bool is_needed)
{
	struct kt_json *policy = NULL;
	const char *code = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_api_policy(text, is_needed, &policy, &code, &err) == KT_E_OK)
		assert_null(code);
	else
		assert_null(policy);
	kt_json_free(policy);
	return code == NULL ? "ok" : code;
}

static void a_policy_is_required_where_the_contract_says_so(void **state)
{
	(void)state;
	assert_string_equal(judge(NULL, false), "ok");
	assert_string_equal(judge(NULL, true), "POLICY_METADATA_REQUIRED");
}

static void a_complete_policy_is_taken(void **state)
{
	(void)state;
	assert_string_equal(judge("{" GOOD ",\"dangerous_flags\":[]}", true), "ok");
	assert_string_equal(judge("{" GOOD ",\"dangerous_flags\":[\"--verbose\"],"
				  "\"tool_restrictions\":\"read-only\"}",
				    true),
		"ok");
	assert_string_equal(
		judge("{" GOOD ",\"dangerous_flags\":[],\"tool_restrictions\":null}", true), "ok");
}

static void an_incomplete_or_dangerous_policy_is_refused(void **state)
{
	static const char *const bad[] = {"", "no json", "[]", "\"text\"", "{}", "{" GOOD "}",
		"{" GOOD ",\"dangerous_flags\":\"--x\"}", "{" GOOD ",\"dangerous_flags\":[1]}",
		"{" GOOD ",\"dangerous_flags\":[\"--full-auto\"]}",
		"{" GOOD ",\"dangerous_flags\":[\"--yolo\"]}",
		"{" GOOD ",\"dangerous_flags\":[\"--dangerously-bypass-approvals-and-sandbox\"]}",
		"{" GOOD ",\"dangerous_flags\":[\"--dangerously-skip-permissions\"]}",
		"{" GOOD ",\"dangerous_flags\":[],\"tool_restrictions\":7}",
		"{" GOOD ",\"dangerous_flags\":[],\"orchestrator_id\":\" \"}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(judge(bad[i], true), "POLICY_VALIDATION_FAILED") != 0)
			fail_msg("taken: %s", bad[i]);
}

static void a_value_that_looks_like_a_secret_is_refused_and_not_repeated(void **state)
{
	static const char *const words[] = {
		"my-token-77", "SECRET77", "api_Key_77", "PassWord77", "credentials77"};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char *text =
			kt_format("{" GOOD ",\"dangerous_flags\":[],\"extra\":[\"%s\"]}", words[i]);
		struct kt_json *policy = NULL;
		const char *code = NULL;
		struct kt_error err = KT_ERROR_INIT;

		assert_int_not_equal(kt_api_policy(text, true, &policy, &code, &err), KT_E_OK);
		assert_string_equal(code, "POLICY_VALIDATION_FAILED");
		assert_null(strstr(err.detail, "77"));
		free(text);
	}
}

static void codes_become_the_contract_s(void **state)
{
	(void)state;
	assert_string_equal(kt_api_code(KT_E_WP_ALREADY_CLAIMED, "X"), "WP_ALREADY_CLAIMED");
	assert_string_equal(kt_api_code(KT_E_LANE_HEAD_MISMATCH, "X"), "LANE_ALLOCATION_FAILED");
	assert_string_equal(kt_api_code(KT_E_MISSION_AMBIGUOUS_SELECTOR, "X"), "MISSION_NOT_FOUND");
	assert_string_equal(kt_api_code(KT_E_IO, "HISTORY_COMMIT_FAILED"), "HISTORY_COMMIT_FAILED");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_is_required_where_the_contract_says_so),
		cmocka_unit_test(a_complete_policy_is_taken),
		cmocka_unit_test(an_incomplete_or_dangerous_policy_is_refused),
		cmocka_unit_test(a_value_that_looks_like_a_secret_is_refused_and_not_repeated),
		cmocka_unit_test(codes_become_the_contract_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
