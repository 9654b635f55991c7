/* Agents, also hostile ones, under the worker's agent process: what they see, what ends them, what
 * they leave behind. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/file.h"
#include "ipc/subreaper.h"
#include "worker/agent.h"

enum { GRACE_MS = 300, PATIENCE_MS = 10000 };

struct bench {
	char folder[64];
	struct event_base *base;
	struct kt_agent_process agent;
	struct kt_agent_end end;
	int ends;
	size_t outputs;
	struct kt_buffer log;
	struct event *timer;
};

static void on_output(void *arg)
{
	((struct bench *)arg)->outputs++;
}

static void on_end(const struct kt_agent_end *end, void *arg)
{
	struct bench *bench = arg;

	bench->end = *end;
	bench->ends++;
	(void)event_base_loopbreak(bench->base);
}

static int set_up(void **state)
{
	struct bench *bench = kt_alloc(sizeof(*bench));
	struct kt_error err = KT_ERROR_INIT;

	(void)strcpy(bench->folder, "/tmp/kitty-agent-XXXXXX");
	if (mkdtemp(bench->folder) == NULL || kt_subreaper_enable(&err) != KT_E_OK)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	bench->base = event_base_new();
	kt_agent_init(&bench->agent, bench->base, on_output, on_end, bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	struct kt_error err = KT_ERROR_INIT;

	kt_agent_release(&bench->agent);
	event_base_free(bench->base);
	kt_buffer_release(&bench->log);
	if (kt_folder_remove_tree(bench->folder, &err) != KT_E_OK)
		return -1;
	free(bench);
	return 0;
}

struct plan {
	const char *script;
	const char *input;
	size_t input_len;
	int64_t timeout_ms;
	int64_t stop_after_ms; /* 0: never */
};

static void on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	kt_agent_stop(&((struct bench *)arg)->agent, GRACE_MS);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail_msg("the agent did not end");
}

static void run(struct bench *bench, const struct plan *plan)
{
	const char *argv[] = {"/bin/bash", "-c", plan->script, NULL};
	/* The mark by which stray processes are found: nobody else's, two runs of this test at once
	 * would end one another's agents. */
	char *mark = kt_format("SPEC_KITTY_SOCKET=%s/socket", bench->folder);
	const char *envp[] = {"PATH=/usr/bin:/bin", mark, NULL};
	struct kt_agent_spec spec = {.argv = argv,
		.envp = envp,
		.cwd = bench->folder,
		.input = plan->input,
		.input_len = plan->input_len,
		.log_dir = bench->folder,
		.log_name = "agent.log",
		.marker = envp[1],
		.timeout_ms = plan->timeout_ms,
		.grace_ms = GRACE_MS};
	struct kt_error err = KT_ERROR_INIT;
	struct event *stop = evtimer_new(bench->base, on_stop_timer, bench);
	struct event *patience = evtimer_new(bench->base, on_patience, bench);
	char *path = kt_path_join(bench->folder, "agent.log");

	assert_int_equal(kt_agent_start(&bench->agent, &spec, &err), KT_E_OK);
	if (plan->stop_after_ms > 0)
		kt_agent_arm(stop, plan->stop_after_ms);
	kt_agent_arm(patience, PATIENCE_MS);
	(void)event_base_dispatch(bench->base);
	assert_int_equal(bench->ends, 1);
	assert_true(kt_agent_is_idle(&bench->agent));
	assert_int_equal(bench->end.left_over, 0);
	assert_int_equal(kt_descendants_signal(0), 0);
	assert_int_equal(kt_file_read(path, 20 << 20, &bench->log, &err), KT_E_OK);
	event_free(stop);
	event_free(patience);
	free(mark);
	free(path);
}

static void an_exit_status_and_both_outputs_come_through(void **state)
{
	struct bench *bench = *state;

	/* The pause: what is printed in the moment of the end is in the log, but not announced. */
	run(bench, &(struct plan){.script = "echo out; echo err >&2; sleep 0.3; exit 3"});
	assert_true(bench->end.status.exited);
	assert_int_equal(bench->end.status.exit_code, 3);
	assert_string_equal(bench->log.data, "out\nerr\n");
	assert_true(bench->outputs > 0);
}

static void the_agent_has_three_descriptors(void **state)
{
	struct bench *bench = *state;

	run(bench,
		&(struct plan){
			.script = "for n in {0..99}; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; "
				  "done"});
	assert_string_equal(bench->log.data, "0 1 2 ");
}

/* The worker writes the score just after the start, so the agent waits for it here. */
static void the_agent_goes_first_when_memory_runs_out(void **state)
{
	struct bench *bench = *state;

	run(bench,
		&(struct plan){.script = "until read -r n </proc/$$/oom_score_adj && [ $n = 500 ]; "
					 "do sleep 0.01; done; echo $n"});
	assert_string_equal(bench->log.data, "500\n");
}

static void no_signal_is_ignored_or_blocked_in_the_agent(void **state)
{
	struct bench *bench = *state;
	const char *at = NULL;

	run(bench, &(struct plan){.script = "exec grep -E 'Sig(Blk|Ign)' /proc/self/status"});
	at = strstr(bench->log.data, "SigBlk:");
	assert_non_null(at);
	assert_true(strtoull(at + 7, NULL, 16) == 0);
	at = strstr(bench->log.data, "SigIgn:");
	assert_non_null(at);
	assert_true(strtoull(at + 7, NULL, 16) == 0);
}

static void the_agent_leads_a_session_of_its_own_in_its_folder(void **state)
{
	struct bench *bench = *state;

	run(bench, &(struct plan){.script = "read -r _ _ _ _ g s _ < /proc/$$/stat; "
					    "[ $g = $$ ] && [ $s = $$ ] && pwd"});
	bench->log.data[bench->log.len - 1] = '\0';
	assert_string_equal(bench->log.data, bench->folder);
}

static void a_prompt_of_a_megabyte_is_read_whole(void **state)
{
	struct bench *bench = *state;
	size_t len = 1 << 20;
	char *prompt = kt_alloc(len);

	memset(prompt, 'p', len);
	run(bench, &(struct plan){.script = "wc -c", .input = prompt, .input_len = len});
	assert_string_equal(bench->log.data, "1048576\n");
	free(prompt);
}

static void an_agent_that_never_reads_its_prompt_still_ends(void **state)
{
	struct bench *bench = *state;
	size_t len = 1 << 20;
	char *prompt = kt_alloc(len);

	run(bench,
		&(struct plan){.script = "echo busy; exit 0", .input = prompt, .input_len = len});
	assert_true(bench->end.status.exited);
	assert_int_equal(bench->end.status.exit_code, 0);
	free(prompt);
}

static void an_agent_that_closes_its_input_goes_on(void **state)
{
	struct bench *bench = *state;
	size_t len = 1 << 20;
	char *prompt = kt_alloc(len);

	run(bench, &(struct plan){.script = "exec <&-; sleep 0.2; echo on",
			   .input = prompt,
			   .input_len = len});
	assert_string_equal(bench->log.data, "on\n");
	free(prompt);
}

static void without_a_prompt_input_is_empty(void **state)
{
	struct bench *bench = *state;

	run(bench, &(struct plan){.script = "wc -c"});
	assert_string_equal(bench->log.data, "0\n");
}

static void a_background_child_that_holds_the_pipe_delays_nothing(void **state)
{
	struct bench *bench = *state;
	int64_t before = kt_clock_monotonic_ms();

	run(bench, &(struct plan){.script = "sleep 60 & echo done"});
	assert_true(kt_clock_monotonic_ms() - before < 20000);
	assert_true(bench->end.status.exited);
	assert_false(bench->end.is_stopped);
	assert_string_equal(bench->log.data, "done\n");
}

static void a_background_child_that_ignores_term_is_killed(void **state)
{
	struct bench *bench = *state;

	run(bench,
		&(struct plan){.script = "(trap '' TERM; while :; do sleep 1; done) & echo done"});
	assert_true(bench->end.status.exited);
	assert_int_equal(bench->end.status.exit_code, 0);
}

static void time_out_ends_an_agent_that_ignores_term(void **state)
{
	struct bench *bench = *state;

	run(bench, &(struct plan){.script = "trap '' TERM INT HUP; while :; do sleep 1; done",
			   .timeout_ms = 100});
	assert_true(bench->end.is_timed_out);
	assert_false(bench->end.is_stopped);
	assert_false(bench->end.status.exited);
	assert_int_equal(bench->end.status.signal, SIGKILL);
}

static void an_agent_may_clean_up_within_its_grace(void **state)
{
	struct bench *bench = *state;

	run(bench, &(struct plan){
			   .script = "trap 'echo tidy; exit 5' TERM; while :; do sleep 0.05; done",
			   .stop_after_ms = 300});
	assert_true(bench->end.is_stopped);
	assert_true(bench->end.status.exited);
	assert_int_equal(bench->end.status.exit_code, 5);
	assert_non_null(strstr(bench->log.data, "tidy\n"));
}

/* Every shape must be gone when on_end comes; run() checks that no descendant is left. */
static void no_shape_escapes_a_stop(void **state)
{
	static const char *const SHAPES[] = {
		"sleep 60",
		"(setsid sleep 60 &) ; sleep 60",
		"setsid bash -c '(trap \"\" TERM; (while :; do sleep 1; done) & ) &' ; sleep 60",
		"nohup sleep 60 >/dev/null 2>&1 & disown; exec sleep 60",
		"exec 0<&- 1>&- 2>&-; (setsid env -i /bin/sleep 60 &); sleep 60",
		"kill -STOP $$; sleep 60",
		"trap '' TERM; kill -STOP $$; sleep 60",
		"trap 'setsid sleep 60 &' TERM; while :; do sleep 0.05; done",
		"set -m; sleep 60 & sleep 60 & wait",
		"for i in 1 2 3 4 5; do (trap '' TERM; while :; do sleep 0.01; done) & done; wait",
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < sizeof(SHAPES) / sizeof(SHAPES[0]); i++) {
		int64_t before = kt_clock_monotonic_ms();

		bench->ends = 0;
		run(bench, &(struct plan){.script = SHAPES[i], .stop_after_ms = 200});
		assert_true(bench->end.is_stopped);
		assert_true(kt_clock_monotonic_ms() - before < 20000);
	}
}

static void a_missing_program_is_a_spawn_failure_and_the_next_start_works(void **state)
{
	struct bench *bench = *state;
	const char *argv[] = {"no-such-program-here", NULL};
	const char *envp[] = {"PATH=/usr/bin:/bin", NULL};
	struct kt_agent_spec spec = {.argv = argv,
		.envp = envp,
		.cwd = bench->folder,
		.log_dir = bench->folder,
		.log_name = "agent.log",
		.grace_ms = GRACE_MS};
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_agent_start(&bench->agent, &spec, &err), KT_E_SPAWN_FAILED);
	assert_true(kt_agent_is_idle(&bench->agent));
	run(bench, &(struct plan){.script = "echo fine"});
	assert_string_equal(bench->log.data, "fine\n");
}

static void ten_megabytes_in_one_line_are_kept(void **state)
{
	struct bench *bench = *state;

	run(bench, &(struct plan){.script = "head -c 9000000 /dev/zero"});
	assert_int_equal(bench->log.len, 9000000);
}

#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(an_exit_status_and_both_outputs_come_through),
		BENCH_TEST(the_agent_has_three_descriptors),
		BENCH_TEST(the_agent_goes_first_when_memory_runs_out),
		BENCH_TEST(no_signal_is_ignored_or_blocked_in_the_agent),
		BENCH_TEST(the_agent_leads_a_session_of_its_own_in_its_folder),
		BENCH_TEST(a_prompt_of_a_megabyte_is_read_whole),
		BENCH_TEST(an_agent_that_never_reads_its_prompt_still_ends),
		BENCH_TEST(an_agent_that_closes_its_input_goes_on),
		BENCH_TEST(without_a_prompt_input_is_empty),
		BENCH_TEST(a_background_child_that_holds_the_pipe_delays_nothing),
		BENCH_TEST(a_background_child_that_ignores_term_is_killed),
		BENCH_TEST(time_out_ends_an_agent_that_ignores_term),
		BENCH_TEST(an_agent_may_clean_up_within_its_grace),
		BENCH_TEST(no_shape_escapes_a_stop),
		BENCH_TEST(a_missing_program_is_a_spawn_failure_and_the_next_start_works),
		BENCH_TEST(ten_megabytes_in_one_line_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
