/*
 * Orphans, descendants and marked processes: what a child leaves behind is found and ended.
 */
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
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/clock.h"
#include "ipc/subreaper.h"

/* Starts a shell and gives the number it prints first: the pid of what it left behind. */
static pid_t start_and_read(const char *script, const char *const *envp, struct kt_child *child)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;
	char text[32] = "";
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	spec.path = "/bin/sh";
	spec.argv = argv;
	spec.envp = envp;
	spec.stdout_fd = ends[1];
	spec.new_session = true;
	assert_int_equal(kt_child_start(&spec, child, &err), KT_E_OK);
	(void)close(ends[1]);
	assert_true(read(ends[0], text, sizeof text - 1) > 0);
	(void)close(ends[0]);
	return (pid_t)strtol(text, NULL, 10);
}

static void reap(struct kt_child *child)
{
	struct kt_child_status status;

	kt_child_wait(child, 10000, &status);
	kt_child_release(child);
}

/* Kills until nothing is left, as a stop ladder does. */
static size_t sweep(void)
{
	int64_t deadline = kt_clock_monotonic_ms() + 10000;
	size_t reaped = 0;

	while (kt_descendants_signal(SIGKILL) > 0 && kt_clock_monotonic_ms() < deadline) {
		(void)usleep(2000);
		reaped += kt_orphans_reap(NULL, 0);
	}
	return reaped + kt_orphans_reap(NULL, 0);
}

static void an_orphan_in_its_own_session_comes_to_us_and_is_ended(void **state)
{
	struct kt_child child = KT_CHILD_INIT;
	pid_t orphan =
		start_and_read("setsid sh -c 'echo $$; exec sleep 60' & exit 0", NULL, &child);

	(void)state;
	reap(&child);
	assert_true(kt_process_is_alive(orphan, 0));
	assert_int_equal(kt_process_parent(orphan), getpid());
	assert_int_equal(kt_descendants_signal(0), 1);
	assert_int_equal(sweep(), 1);
	assert_false(kt_process_is_alive(orphan, 0));
	assert_int_equal(kt_descendants_signal(0), 0);
}

static void a_fork_tree_with_term_ignored_is_ended_whole(void **state)
{
	struct kt_child child = KT_CHILD_INIT;

	(void)state;
	(void)start_and_read("trap '' TERM; for i in 1 2 3; do (setsid sh -c "
			     "'trap \"\" TERM; sleep 60 & sleep 60 & wait' &) ; done; "
			     "sleep 0.2; echo $$; exit 0",
		NULL, &child);
	reap(&child);
	assert_true(kt_descendants_signal(SIGTERM) >= 9);
	(void)usleep(20000);
	assert_true(kt_descendants_signal(0) > 0);
	assert_true(sweep() >= 3);
	assert_int_equal(kt_descendants_signal(0), 0);
}

static void children_of_ours_are_left_to_their_pidfd(void **state)
{
	struct kt_child child = KT_CHILD_INIT;
	struct kt_child_status status;
	struct pollfd wait;

	(void)state;
	(void)start_and_read("echo $$; exit 5", NULL, &child);
	wait = (struct pollfd){child.pidfd, POLLIN, 0};
	assert_int_equal(poll(&wait, 1, 10000), 1);
	assert_int_equal(kt_orphans_reap(&child.pid, 1), 0);
	assert_int_equal(kt_orphans_reap(NULL, 0), 0);
	assert_true(kt_child_reap(&child, &status));
	assert_int_equal(status.exit_code, 5);
	kt_child_release(&child);
}

static void descent_is_told_from_parents(void **state)
{
	struct kt_child child = KT_CHILD_INIT;
	pid_t grandchild = start_and_read("sh -c 'echo $$; exec sleep 60'; :", NULL, &child);

	(void)state;
	assert_true(kt_process_descends_from(grandchild, child.pid));
	assert_true(kt_process_descends_from(grandchild, getpid()));
	assert_true(kt_process_descends_from(grandchild, grandchild));
	assert_false(kt_process_descends_from(child.pid, grandchild));
	assert_false(kt_process_descends_from(0, getpid()));
	assert_int_equal(kt_descendants_signal_of(child.pid, SIGKILL), 1);
	reap(&child);
}

static void remember(pid_t pid, void *arg)
{
	*(pid_t *)arg = pid;
}

static void a_marker_in_the_environment_finds_exactly_its_processes(void **state)
{
	char marker[64], longer[80];
	const char *envp[] = {"PATH=/usr/bin:/bin", marker, NULL};
	struct kt_child child = KT_CHILD_INIT;
	pid_t marked, found = 0;

	(void)state;
	(void)snprintf(marker, sizeof marker, "SPEC_KITTY_TEST=%d", (int)getpid());
	(void)snprintf(longer, sizeof longer, "%sx", marker);
	marked = start_and_read("echo $$; exec sleep 60", envp, &child);
	assert_int_equal(kt_processes_with_marker(marker, remember, &found), 1);
	assert_int_equal(found, marked);
	assert_int_equal(kt_processes_with_marker(longer, remember, &found), 0);
	marker[strlen(marker) - 1] = '\0';
	assert_int_equal(kt_processes_with_marker(marker, remember, &found), 0);
	kt_child_signal(&child, SIGKILL, true);
	reap(&child);
}

static void orphans_of_a_dead_child_are_ended_and_those_we_knew_are_spared(void **state)
{
	struct kt_orphans orphans = {NULL, 0};
	const char *in_hook[] = {"PATH=/usr/bin:/bin", "SPEC_KITTY_IN_HOOK=7", NULL};
	struct kt_child child = KT_CHILD_INIT;
	const char *leave =
		"env -i /usr/bin/setsid /bin/sh -c 'echo $$; exec /bin/sleep 60' & exit 0";
	pid_t known, of_hook, left;

	(void)state;
	known = start_and_read(leave, NULL, &child);
	reap(&child);
	kt_orphans_note(&orphans);
	of_hook = start_and_read("setsid sh -c 'echo $$; exec sleep 60' & exit 0", in_hook, &child);
	reap(&child);
	left = start_and_read(leave, NULL, &child);
	reap(&child);
	assert_int_equal(kt_orphans_kill(&orphans, "SPEC_KITTY_IN_HOOK"), 1);
	for (int i = 0; i < 5000 && kt_process_is_alive(left, 0); i++)
		(void)usleep(2000);
	assert_false(kt_process_is_alive(left, 0));
	assert_true(kt_process_is_alive(known, 0));
	assert_true(kt_process_is_alive(of_hook, 0));
	assert_int_equal(kt_orphans_kill(&orphans, "SPEC_KITTY_IN_HOOK"), 0);
	kt_orphans_release(&orphans);
	assert_int_equal(kt_orphans_kill(&orphans, "SPEC_KITTY_IN_HOOK"), 1);
	(void)sweep();
}

static int become_subreaper(void **state)
{
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	return kt_subreaper_enable(&err) == KT_E_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_orphan_in_its_own_session_comes_to_us_and_is_ended),
		cmocka_unit_test(a_fork_tree_with_term_ignored_is_ended_whole),
		cmocka_unit_test(children_of_ours_are_left_to_their_pidfd),
		cmocka_unit_test(descent_is_told_from_parents),
		cmocka_unit_test(orphans_of_a_dead_child_are_ended_and_those_we_knew_are_spared),
		cmocka_unit_test(a_marker_in_the_environment_finds_exactly_its_processes),
	};

	return cmocka_run_group_tests(tests, become_subreaper, NULL);
}
