/* Requests in flight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ipc/message.h"
#include "worker/inbox.h"
#include "worker/requests.h"

static void numbers_are_dense_and_never_reused(void **state)
{
	struct kt_requests requests = {0};
	struct kt_request taken;

	(void)state;
	assert_int_equal(kt_requests_add(&requests, 7, 70, KT_MSG_APPEND_REQUEST), 1);
	assert_int_equal(kt_requests_add(&requests, 7, 71, KT_MSG_APPEND_REQUEST), 2);
	assert_true(kt_requests_take(&requests, 2, &taken));
	assert_int_equal(kt_requests_add(&requests, 7, 72, KT_MSG_APPEND_REQUEST), 3);
	kt_requests_release(&requests);
}

static void an_answer_finds_the_client_that_asked(void **state)
{
	struct kt_requests requests = {0};
	struct kt_request taken;

	(void)state;
	(void)kt_requests_add(&requests, 1, 5, KT_MSG_STATUS_REQUEST);
	(void)kt_requests_add(&requests, 2, 5, KT_MSG_APPEND_REQUEST);
	assert_true(kt_requests_take(&requests, 2, &taken));
	assert_int_equal(taken.client, 2);
	assert_int_equal(taken.client_request, 5);
	assert_int_equal(taken.type, KT_MSG_APPEND_REQUEST);
	assert_false(kt_requests_take(&requests, 2, &taken));
	assert_false(kt_requests_take(&requests, 99, &taken));
	kt_requests_release(&requests);
}

static void answers_to_a_client_that_left_are_recognised_and_dropped(void **state)
{
	struct kt_requests requests = {0};
	struct kt_request taken;

	(void)state;
	(void)kt_requests_add(&requests, 4, 1, KT_MSG_APPEND_REQUEST);
	(void)kt_requests_add(&requests, 4, 2, KT_MSG_APPEND_REQUEST);
	assert_int_equal(kt_requests_of_client(&requests, 4), 2);
	kt_requests_forget_client(&requests, 4);
	assert_int_equal(kt_requests_of_client(&requests, 4), 0);
	assert_true(kt_requests_take(&requests, 1, &taken));
	assert_int_equal(taken.client, 0);
	kt_requests_release(&requests);
}

static void there_is_a_bound(void **state)
{
	struct kt_requests requests = {0};
	struct kt_request taken;

	(void)state;
	for (int i = 0; i < KT_REQUESTS_MAX; i++)
		assert_int_not_equal(kt_requests_add(&requests, 1, 1, KT_MSG_PS_REQUEST), 0);
	assert_int_equal(kt_requests_add(&requests, 1, 1, KT_MSG_PS_REQUEST), 0);
	assert_true(kt_requests_take_oldest(&requests, &taken));
	assert_int_equal(taken.number, 1);
	assert_int_not_equal(kt_requests_add(&requests, 1, 1, KT_MSG_PS_REQUEST), 0);
	kt_requests_release(&requests);
}

static void the_inbox_permits_by_state_and_refuses_the_rest(void **state)
{
	static const struct {
		unsigned type;
		enum kt_worker_state state;
		enum kt_code code;
	} ROWS[] = {
		{KT_MSG_HELLO_ANSWER, KT_WORKER_GREETING, KT_E_OK},
		{KT_MSG_HELLO_ANSWER, KT_WORKER_READY, KT_E_MESSAGE_UNEXPECTED},
		{KT_MSG_RUN_REQUEST, KT_WORKER_READY, KT_E_OK},
		{KT_MSG_RUN_REQUEST, KT_WORKER_RUNNING, KT_E_MESSAGE_UNEXPECTED},
		{KT_MSG_RUN_REQUEST, KT_WORKER_GREETING, KT_E_MESSAGE_UNEXPECTED},
		{KT_MSG_RUN_REQUEST, KT_WORKER_LEAVING, KT_E_MESSAGE_UNEXPECTED},
		{KT_MSG_KILL_REQUEST, KT_WORKER_LEAVING, KT_E_OK},
		{KT_MSG_SHUTDOWN_REQUEST, KT_WORKER_RUNNING, KT_E_OK},
		{KT_MSG_APPEND_REQUEST, KT_WORKER_READY, KT_E_MESSAGE_UNEXPECTED},
		{9999, KT_WORKER_READY, KT_E_MESSAGE_UNEXPECTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct kt_error err = KT_ERROR_INIT;
		kt_inbox_handler handler = NULL;

		assert_int_equal(
			kt_inbox_find(ROWS[i].type, ROWS[i].state, &handler, &err), ROWS[i].code);
		assert_int_equal(handler != NULL, ROWS[i].code == KT_E_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_dense_and_never_reused),
		cmocka_unit_test(an_answer_finds_the_client_that_asked),
		cmocka_unit_test(answers_to_a_client_that_left_are_recognised_and_dropped),
		cmocka_unit_test(there_is_a_bound),
		cmocka_unit_test(the_inbox_permits_by_state_and_refuses_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
