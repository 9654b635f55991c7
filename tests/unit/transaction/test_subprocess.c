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
#include <sys/resource.h>
#include <unistd.h>

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
		int left =
			kt_clock_left_ms(kt_subprocess_wake_ms(process), kt_clock_monotonic_ms());

		(void)kt_fd_wait(process->child.pidfd, POLLIN, left);
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

/* Asked to stop once; killed when its time to obey is over, and not before. */
static void one_that_does_not_obey_is_killed(void **state)
{
	struct kt_subprocess process = KT_SUBPROCESS_INIT;
	struct kt_child_status status = {0};
	struct kt_buffer output = KT_BUFFER_INIT;

	(void)state;
	start(&process, "trap '' TERM; echo deaf; exec sleep 1000");
	while (output.len == 0) {
		assert_false(kt_fd_wait(process.child.pidfd, POLLIN, 1));
		kt_subprocess_output(&process, 16, &output);
	}
	process.deadline_ms = 0;
	assert_false(kt_subprocess_poll(&process, &status));
	assert_true(process.has_timed_out && process.kill_at_ms > 0);
	process.kill_at_ms = INT64_MAX;
	assert_false(kt_subprocess_poll(&process, &status));
	assert_int_equal(kill(process.child.pid, 0), 0);
	process.kill_at_ms = 1;
	status = wait_for(&process);
	assert_true(status.timed_out && !status.exited && status.signal == SIGKILL);
	kt_buffer_release(&output);
	kt_subprocess_release(&process);
}

/* No descriptor is left for its output. */
static void one_without_a_place_for_its_output_does_not_start(void **state)
{
	const char *const argv[] = {"true", NULL};
	struct kt_subprocess process = KT_SUBPROCESS_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct rlimit before, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	(void)!kt_subprocess_start(&process, argv, NULL, NULL, LONG_MS, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(err.code, KT_E_SPAWN_FAILED);
	assert_int_equal(err.sys_errno, EMFILE);
	assert_int_equal(process.child.pid, 0);
	assert_int_equal(process.output_fd, -1);
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
		cmocka_unit_test(one_that_does_not_obey_is_killed),
		cmocka_unit_test(one_without_a_place_for_its_output_does_not_start),
		cmocka_unit_test(a_program_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
