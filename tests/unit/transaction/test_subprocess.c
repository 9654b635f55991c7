/*
 * Children that the step machine waits for: what they print is bounded, and none outlives the one
 * who gave it up.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/fd.h"
#include "supervisor/transaction/subprocess.h"

enum { LONG_MS = 600000 };

static void start(struct kt_subprocess *process, const char *command)
{
	const char *const argv[] = {"sh", "-c", command, NULL};
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_subprocess_start(process, argv, NULL, NULL, LONG_MS, &err), KT_E_OK);
}

static struct kt_child_status wait_for(struct kt_subprocess *process)
{
	struct kt_child_status status = {0};

	while (!kt_subprocess_poll(process, &status)) {
		int64_t left = kt_subprocess_wake_ms(process) - kt_clock_monotonic_ms();

		(void)kt_fd_wait(process->child.pidfd, POLLIN, left > 0 ? (int)left : 0);
	}
	return status;
}

static void what_a_child_printed_can_be_read(void **state)
{
	struct kt_subprocess process = KT_SUBPROCESS_INIT;
	struct kt_child_status status;
	struct kt_buffer output = KT_BUFFER_INIT;

	(void)state;
	start(&process, "echo out; echo err >&2; exit 3");
	status = wait_for(&process);
	assert_true(status.exited && status.exit_code == 3 && !status.timed_out);
	kt_subprocess_output(&process, 6, &output);
	assert_string_equal(kt_buffer_text(&output), "out\ner");
	kt_buffer_release(&output);
	kt_subprocess_release(&process);
}

static void one_that_never_started_printed_nothing(void **state)
{
	struct kt_subprocess process = KT_SUBPROCESS_INIT;
	struct kt_buffer output = KT_BUFFER_INIT;

	(void)state;
	kt_subprocess_output(&process, 100, &output);
	assert_int_equal(output.len, 0);
	kt_subprocess_release(&process);
}

static void one_that_is_given_up_is_gone(void **state)
{
	struct kt_subprocess process = KT_SUBPROCESS_INIT;
	pid_t pid = 0;

	(void)state;
	start(&process, "exec sleep 1000");
	pid = process.child.pid;
	kt_subprocess_release(&process);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(process.output_fd, -1);
}

/* Memory is not given away to a child that prints without end. */
static void one_that_prints_without_end_is_stopped(void **state)
{
	struct kt_subprocess process = KT_SUBPROCESS_INIT;
	struct kt_child_status status;

	(void)state;
	start(&process, "exec yes");
	status = wait_for(&process);
	assert_true(status.timed_out && !status.exited);
	kt_subprocess_release(&process);
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
	const char *const argv[] = {"/nowhere/at/all", NULL};
	struct kt_subprocess process = KT_SUBPROCESS_INIT;
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	assert_int_equal(
		kt_subprocess_start(&process, argv, NULL, NULL, LONG_MS, &err), KT_E_SPAWN_FAILED);
	assert_int_equal(process.output_fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_child_printed_can_be_read),
		cmocka_unit_test(one_that_never_started_printed_nothing),
		cmocka_unit_test(one_that_is_given_up_is_gone),
		cmocka_unit_test(one_that_prints_without_end_is_stopped),
		cmocka_unit_test(a_program_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
