/*
 * Waiting: for a lock that has no event, and for the end of a process that is no child of ours.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/child.h"
#include "ipc/clock.h"
#include "ipc/patience.h"

/* A shell that runs the script, says "x", and waits for the end of its input, which is given. */
static int shell_start(struct kt_child *child, const char *script, const char *argument)
{
	const char *argv[] = {"sh", "-c", script, "sh", argument, NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;
	int in[2], out[2];
	char byte = 0;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	spec.path = "/bin/sh";
	spec.argv = argv;
	spec.stdin_fd = in[0];
	spec.stdout_fd = out[1];
	assert_int_equal(kt_child_start(&spec, child, &err), KT_E_OK);
	(void)close(in[0]);
	(void)close(out[1]);
	assert_int_equal(read(out[0], &byte, 1), 1);
	(void)close(out[0]);
	return in[1];
}

static void reap(struct kt_child *child)
{
	struct kt_child_status status;

	kt_child_wait(child, 10000, &status);
	kt_child_release(child);
}

static void patience_ends_when_it_was_told_to(void **state)
{
	struct kt_patience patience = kt_patience_of(0);
	int64_t begin = kt_clock_monotonic_ms();
	int pauses = 0;

	(void)state;
	assert_false(kt_patience_pause(&patience));
	patience = kt_patience_of(60);
	while (kt_patience_pause(&patience))
		pauses++;
	assert_true(pauses >= 2);
	assert_true(kt_clock_monotonic_ms() - begin >= 60);
	assert_false(kt_patience_pause(&patience));
}

static void a_lock_is_taken_when_its_holder_is_gone(void **state)
{
	char path[] = "/tmp/kitty-patience-XXXXXX";
	int fd = mkstemp(path);
	struct kt_child holder;
	int keeps_open =
		shell_start(&holder, "exec 9<>\"$1\"; flock 9; printf x; read -r line", path);

	(void)state;
	assert_true(fd >= 0);
	assert_false(kt_flock_within(fd, 0));
	assert_false(kt_flock_within(fd, 20));
	/* The holder's end releases it, whenever that comes. */
	(void)close(keeps_open);
	assert_true(kt_flock_within(fd, 10000));
	reap(&holder);
	(void)close(fd);
	(void)unlink(path);
}

static void the_end_of_any_process_is_waited_for(void **state)
{
	struct kt_child child;
	int keeps_open = shell_start(&child, "printf x; read -r line", NULL);

	(void)state;
	assert_false(kt_process_await(child.pid, child.start_time, 0));
	assert_false(kt_process_await(child.pid, 0, 10));
	/* Another process's start time: that one has ended long ago. */
	assert_true(kt_process_await(child.pid, child.start_time + 1, 0));
	(void)close(keeps_open);
	assert_true(kt_process_await(child.pid, child.start_time, 10000));
	reap(&child);
	assert_true(kt_process_await(0, 0, 0));
	assert_true(kt_process_await(-1, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patience_ends_when_it_was_told_to),
		cmocka_unit_test(a_lock_is_taken_when_its_holder_is_gone),
		cmocka_unit_test(the_end_of_any_process_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
