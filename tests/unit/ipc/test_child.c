/*
 * ipc/child.c and child_run.c: descriptors, signals, deadlines and the end of a child.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/clock.h"
#include "ipc/fd.h"

static const char *shell_argv[] = {"sh", "-c", NULL, NULL};

static struct kt_child_spec shell(const char *script)
{
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;

	shell_argv[2] = script;
	spec.path = "/bin/sh";
	spec.argv = shell_argv;
	spec.new_group = true;
	return spec;
}

/* Runs a script and gives what it wrote. */
static char *output_of(const struct kt_child_spec *spec)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child_status status;

	assert_int_equal(
		kt_child_run(spec, NULL, 0, 65536, &out, NULL, 20000, &status, &err), KT_E_OK);
	return kt_buffer_take(&out);
}

static void assert_output(const struct kt_child_spec *spec, const char *expected)
{
	char *out = output_of(spec);

	assert_string_equal(out, expected);
	free(out);
}

static void run_collects_output_errors_and_status(void **state)
{
	struct kt_child_spec spec = shell("cat; echo bad >&2; exit 3");
	struct kt_buffer out = KT_BUFFER_INIT, errors = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child_status status;
	char text[64];

	(void)state;
	assert_int_equal(
		kt_child_run(&spec, "hello", 5, 100, &out, &errors, 20000, &status, &err), KT_E_OK);
	assert_string_equal(kt_buffer_text(&out), "hello");
	assert_string_equal(kt_buffer_text(&errors), "bad\n");
	assert_true(status.exited && status.exit_code == 3 && !status.timed_out);
	kt_child_describe(&status, text, sizeof text);
	assert_string_equal(text, "exit status 3");
	kt_buffer_release(&out);
	kt_buffer_release(&errors);
}

static void run_reads_and_drops_what_is_beyond_the_limit(void **state)
{
	struct kt_child_spec spec = shell("head -c 500000 /dev/zero | tr '\\0' x");
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child_status status;

	(void)state;
	assert_int_equal(
		kt_child_run(&spec, NULL, 0, 1000, &out, NULL, 20000, &status, &err), KT_E_OK);
	assert_int_equal(out.len, 1000);
	assert_true(status.exited && status.exit_code == 0);
	kt_buffer_release(&out);
}

static void run_survives_a_child_that_does_not_read_its_input(void **state)
{
	struct kt_child_spec spec = shell("exec <&-; sleep 0.1; exit 0");
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child_status status;
	char *input = calloc(1, 1 << 20);

	(void)state;
	assert_int_equal(
		kt_child_run(&spec, input, 1 << 20, 0, NULL, NULL, 20000, &status, &err), KT_E_OK);
	assert_true(status.exited && status.exit_code == 0);
	free(input);
}

static void run_carries_a_megabyte_both_ways(void **state)
{
	struct kt_child_spec spec = shell("cat");
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child_status status;
	char *input = calloc(1, 1 << 20);

	(void)state;
	assert_int_equal(
		kt_child_run(&spec, input, 1 << 20, 2 << 20, &out, NULL, 20000, &status, &err),
		KT_E_OK);
	assert_int_equal(out.len, 1 << 20);
	kt_buffer_release(&out);
	free(input);
}

static void run_ends_with_the_child_although_a_grandchild_holds_the_pipe(void **state)
{
	struct kt_child_spec spec = shell("sleep 20 & echo $!");
	int64_t start = kt_clock_monotonic_ms();
	char *out = output_of(&spec);

	(void)state;
	assert_true(kt_clock_monotonic_ms() - start < 10000);
	assert_int_equal(kill((pid_t)atoi(out), SIGKILL), 0); /* NOLINT(cert-err34-c) */
	free(out);
}

static void run_kills_the_whole_group_at_the_deadline(void **state)
{
	struct kt_child_spec spec = shell("sleep 30 & echo $!; wait");
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child_status status;
	char text[64];
	pid_t grandchild;

	(void)state;
	assert_int_equal(
		kt_child_run(&spec, NULL, 0, 100, &out, NULL, 300, &status, &err), KT_E_OK);
	assert_true(status.timed_out);
	kt_child_describe(&status, text, sizeof text);
	assert_string_equal(text, "timed out");
	grandchild = (pid_t)strtol(kt_buffer_text(&out), NULL, 10);
	for (int i = 0; i < 200 && kt_process_is_alive(grandchild, 0); i++)
		(void)usleep(10000);
	assert_false(kt_process_is_alive(grandchild, 0));
	kt_buffer_release(&out);
}

static void passed_descriptors_arrive_as_3_4_5_in_order_and_no_other(void **state)
{
	int low[3], pass[3];
	struct kt_child_spec spec =
		shell("cat <&3; cat <&4; cat <&5; for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 100 101 "
		      "102 103 104 105; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done");
	char *out;

	(void)state;
	for (int i = 0; i < 3; i++) {
		int ends[2];

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		assert_int_equal(write(ends[1], &"abc"[i], 1), 1);
		(void)close(ends[1]);
		low[i] = ends[0];
	}
	/* Sources lie on targets in another order: each dup2 in place would overwrite the next. */
	assert_int_equal(dup2(low[0], 105), 105);
	assert_int_equal(dup2(low[1], 103), 103);
	assert_int_equal(dup2(low[2], 104), 104);
	for (int i = 0; i < 3; i++)
		(void)close(low[i]);
	assert_int_equal(dup2(105, 5), 5);
	assert_int_equal(dup2(103, 3), 3);
	assert_int_equal(dup2(104, 4), 4);
	pass[0] = 5;
	pass[1] = 3;
	pass[2] = 4;
	spec.pass_fds = pass;
	spec.pass_len = 3;
	out = output_of(&spec);
	assert_string_equal(out, "abc0 1 2 3 4 5 ");
	free(out);
	for (int fd = 3; fd <= 5; fd++) {
		(void)close(fd);
		(void)close(fd + 100);
	}
}

static void child_has_default_signals_and_an_empty_mask(void **state)
{
	/* glibc itself ignores its two internal signals, 32 and 33, in a spawned child. */
	const unsigned long long ordinary = 0x7FFFFFFF;
	struct kt_child_spec spec = shell("while read -r name mask; do case $name in "
					  "SigBlk:|SigIgn:) echo 0x$mask;; esac; "
					  "done </proc/$$/status");
	sigset_t all, before, after;
	char *out, *end;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	out = output_of(&spec);
	(void)sigprocmask(SIG_SETMASK, &before, &after);
	assert_int_equal(sigismember(&after, SIGUSR1), 1);
	(void)signal(SIGPIPE, SIG_DFL);
	assert_true((strtoull(out, &end, 16) & ordinary) == 0);
	assert_true((strtoull(end, NULL, 16) & ordinary) == 0);
	free(out);
}

static void child_starts_in_its_folder_with_its_own_environment_only(void **state)
{
	static const char *envp[] = {"ONE=1", "PATH=/usr/bin:/bin", NULL};
	static const char *argv[] = {"env", NULL};
	struct kt_child_spec spec = shell("pwd");

	(void)state;
	spec.cwd = "/proc";
	assert_output(&spec, "/proc\n");
	spec.path = "env";
	spec.argv = argv;
	spec.envp = envp;
	assert_output(&spec, "ONE=1\nPATH=/usr/bin:/bin\n");
}

static void a_new_session_is_led_by_the_child(void **state)
{
	struct kt_child_spec spec = shell("cut -d' ' -f1,5,6 /proc/$$/stat");
	char *out;
	long pid, group, session;
	char *end;

	(void)state;
	spec.new_session = true;
	out = output_of(&spec);
	pid = strtol(out, &end, 10);
	group = strtol(end, &end, 10);
	session = strtol(end, &end, 10);
	assert_true(pid > 0 && pid == group && pid == session);
	free(out);
}

static void nice_is_added_to_the_child_only(void **state)
{
	struct kt_child_spec spec = shell("sleep 0.2; cut -d' ' -f19 /proc/$$/stat");

	int own = getpriority(PRIO_PROCESS, 0);
	char *expected = kt_format("%d\n", own + 5 < 19 ? own + 5 : 19);

	(void)state;
	spec.nice = 5;
	assert_output(&spec, expected);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
	free(expected);
}

static void a_missing_program_is_an_error_with_its_errno(void **state)
{
	static const char *argv[] = {"no-such-program-anywhere", NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child child = KT_CHILD_INIT;

	(void)state;
	spec.argv = argv;
	spec.path = argv[0];
	assert_int_equal(kt_child_start(&spec, &child, &err), KT_E_SPAWN_FAILED);
	assert_int_equal(err.sys_errno, ENOENT);
	spec.path = "/no/such/program";
	assert_int_equal(kt_child_start(&spec, &child, &err), KT_E_SPAWN_FAILED);
	assert_int_equal(err.sys_errno, ENOENT);
	spec.path = "/etc/passwd";
	assert_int_equal(kt_child_start(&spec, &child, &err), KT_E_SPAWN_FAILED);
	assert_int_equal(err.sys_errno, EACCES);
	assert_int_equal(child.pidfd, -1);
}

static void a_child_is_reaped_once_after_its_pidfd_became_readable(void **state)
{
	struct kt_child_spec spec = shell("read line");
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child child = KT_CHILD_INIT;
	struct kt_child_status status;
	int ends[2];
	char text[64];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	spec.stdin_fd = ends[0];
	assert_int_equal(kt_child_start(&spec, &child, &err), KT_E_OK);
	assert_false(kt_child_reap(&child, &status));
	assert_true(kt_process_is_alive(child.pid, child.start_time));
	assert_false(kt_process_is_alive(child.pid, child.start_time + 1));
	assert_int_equal(kt_process_parent(child.pid), getpid());
	kt_child_signal(&child, SIGUSR1, false);
	assert_true(kt_fd_wait(child.pidfd, POLLIN, 5000));
	assert_true(kt_child_reap(&child, &status));
	assert_true(!status.exited && status.signal == SIGUSR1);
	kt_child_describe(&status, text, sizeof text);
	assert_string_equal(text, "killed by signal 10");
	kt_child_release(&child);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void an_ignored_sigchld_from_our_parent_loses_no_status(void **state)
{
	struct kt_child_spec spec = shell("exit 7");
	struct kt_error err = KT_ERROR_INIT;
	struct kt_child_status status;

	(void)state;
	(void)signal(SIGCHLD, SIG_IGN);
	assert_int_equal(
		kt_child_run(&spec, NULL, 0, 0, NULL, NULL, 20000, &status, &err), KT_E_OK);
	assert_true(status.exited && status.exit_code == 7);
}

static void a_hundred_runs_leave_no_descriptor_open(void **state)
{
	struct kt_child_spec spec = shell("echo x");
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_output(&spec, "x\n");
	(void)close(before);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(before, after);
	(void)close(after);
}

static void a_quiet_write_to_a_closed_pipe_fails_without_a_signal(void **state)
{
	sigset_t pending;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)close(ends[0]);
	assert_int_equal(kt_fd_write_quietly(ends[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(sigpending(&pending), 0);
	assert_int_equal(sigismember(&pending, SIGPIPE), 0);
	kt_fd_close(&ends[1]);
	assert_int_equal(ends[1], -1);
}

static void the_boot_id_is_one_line_of_36_bytes(void **state)
{
	(void)state;
	assert_int_equal(strlen(kt_boot_id()), 36);
	assert_null(strchr(kt_boot_id(), '\n'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passed_descriptors_arrive_as_3_4_5_in_order_and_no_other),
		cmocka_unit_test(run_collects_output_errors_and_status),
		cmocka_unit_test(run_reads_and_drops_what_is_beyond_the_limit),
		cmocka_unit_test(run_survives_a_child_that_does_not_read_its_input),
		cmocka_unit_test(run_carries_a_megabyte_both_ways),
		cmocka_unit_test(run_ends_with_the_child_although_a_grandchild_holds_the_pipe),
		cmocka_unit_test(run_kills_the_whole_group_at_the_deadline),
		cmocka_unit_test(child_has_default_signals_and_an_empty_mask),
		cmocka_unit_test(child_starts_in_its_folder_with_its_own_environment_only),
		cmocka_unit_test(a_new_session_is_led_by_the_child),
		cmocka_unit_test(nice_is_added_to_the_child_only),
		cmocka_unit_test(a_missing_program_is_an_error_with_its_errno),
		cmocka_unit_test(a_child_is_reaped_once_after_its_pidfd_became_readable),
		cmocka_unit_test(an_ignored_sigchld_from_our_parent_loses_no_status),
		cmocka_unit_test(a_hundred_runs_leave_no_descriptor_open),
		cmocka_unit_test(a_quiet_write_to_a_closed_pipe_fails_without_a_signal),
		cmocka_unit_test(the_boot_id_is_one_line_of_36_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
