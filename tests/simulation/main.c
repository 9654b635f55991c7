/*
 * kitty-sim: seeds through the simulation (simulation.h). Each seed is a mission, a few launches in
 * which everything goes wrong, some of them killed, and one in which nothing does: after it every
 * work package is done. Test program only.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/fd.h"
#include "simulation/simulation.h"
#include "supervisor/config/config.h"
#include "supervisor/supervisor.h"

enum {
	LAUNCHES_MAX = 4,
	KILL_STEPS = 900,
	PAUSE_MS = 9000,
	LAUNCH_MS = 48 * 3600 * 1000,
	AGENT_S = 900
};

static const char *const mutations[SIM_MUTATION_COUNT] = {"nothing", "ack-early", "fanout-early",
	"swap-late", "no-cas", "no-id", "no-sweep", "no-barrier", "no-timer"};

const char *sim_mutation_name(enum sim_mutation mutation)
{
	return mutations[mutation];
}

/* What the seeds did together; shared with the children. */
struct totals {
	uint64_t hash, steps, faults, launches, crashes, commits, virtual_ms;
};

/* ---- one launch ---- */

static enum kt_code launch(struct kt_json **summary, struct kt_error *err)
{
	static char names[2][16] = {"claude", "reviewer"};
	static char *argv[] = {names[0], NULL};
	static char *none[] = {NULL};
	static const struct kt_agent agents[] = {
		{names[0], argv, KT_PROMPT_STDIN, AGENT_S, 8, none},
		{names[1], argv, KT_PROMPT_STDIN, AGENT_S, 8, none}};
	const struct kt_launch_agent pool[] = {{&agents[0], 8}};
	const char *lanes[SIM_LANES_MAX + 1] = {NULL};
	struct kt_config *config = NULL;
	struct kt_launch wish = {.repo = sim.repo,
		.mission = sim.mission,
		.lanes = lanes,
		.agents = pool,
		.agents_len = 1,
		.json = true,
		.program = "/proc/self/exe",
		.worker = "kitty-worker",
		.max_parallel = sim.plan.max_parallel};
	char *path = kt_format("%s/no-config", sim.root);
	enum kt_code code = kt_config_load(path, &config, NULL, err);

	free(path);
	KT_BUG_UNLESS(code == KT_E_OK);
	for (size_t i = 0, len = 0; i < sim.plan.lanes_len; i++)
		if (!sim.has_faults || !sim_chance(15))
			lanes[len++] = sim_lane(i);
	wish.config = config;
	wish.reviewer = !sim.has_faults || sim_chance(75) ? &agents[1] : NULL;
	wish.retry_blocked = !sim.has_faults || sim_chance(40);
	code = kt_supervisor_run(&wish, summary, err);
	kt_config_free(config);
	return code;
}

/* Nothing that this supervisor started may be alive (P9). */
static void left_check(void)
{
	for (const struct sim_process *at = sim_process_first(); at != NULL; at = at->next)
		if (at->is_alive && (at->kind == SIM_WORKER || at->kind == SIM_AGENT) &&
			at->start_time >= sim_process_find(sim.supervisor_pid)->start_time)
			sim_broken("process %d outlives its supervisor", (int)at->pid);
}

static void quiet(bool is_quiet, int *kept)
{
	int null = -1;

	if (sim.is_verbose && getenv("KITTY_SIM_STDERR") != NULL)
		return;
	if (is_quiet) {
		*kept = sim_fd_keep(STDERR_FILENO, false);
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		(void)dup2(null, STDERR_FILENO);
		kt_fd_close(&null);
	} else {
		(void)dup2(*kept, STDERR_FILENO);
		kt_fd_close(kept);
	}
}

static void supervisor_died(void)
{
	sim_store_settle();
	sim_loop_forget();
	sim_clients_supervisor_died();
	sim_process_supervisor_died();
	sim.supervisor = NULL;
}

static void launch_once(void)
{
	static struct kt_json *summary; /* survives the jump */
	static int kept;
	static volatile enum kt_code code;
	struct kt_error err = KT_ERROR_INIT;

	summary = NULL;
	kept = -1;
	code = KT_E_OK;
	sim.launches++;
	sim.supervisor_pid = sim_process_new(SIM_SUPERVISOR, 1)->pid;
	sim.give_up_ms = sim.now_ms + LAUNCH_MS;
	sim.kill_at_step = sim_fault(40) ? sim.steps + 1 + sim_below(KILL_STEPS) : 0;
	sim_trace("launch %llu%s", (unsigned long long)sim.launches,
		sim.has_faults ? "" : ", nothing fails any more");
	quiet(true, &kept);
	sim.is_running = true;
	sim_clients_begin();
	if (setjmp(sim.killed) == 0) {
		code = launch(&summary, &err);
		sim.is_running = false;
		sim_trace("ended: %s", code == KT_E_OK ? kt_json_get_string(summary, "result")
						       : kt_error_text(code));
		if (code == KT_E_OK)
			left_check();
	} else {
		sim.is_running = false;
		sim_store_lost();
		sim_fds_close();
	}
	quiet(false, &kept);
	supervisor_died();
	kt_json_free(summary);
	if (!sim.has_faults && code != KT_E_OK)
		sim_broken("a launch without faults fails: %s", err.detail);
}

/* ---- one seed ---- */

static void run_seed(uint64_t seed, struct totals *totals)
{
	int64_t began = 0;

	sim_world_begin(seed);
	began = sim.now_ms;
	(void)setenv("XDG_RUNTIME_DIR", sim.root, 1);
	(void)setenv("HOME", sim.root, 1);
	(void)setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	sim_check_begin();
	sim_store_begin();
	sim_mission_make();
	sim.has_faults = true;
	for (size_t i = 1 + sim_below(LAUNCHES_MAX); i > 0; i--) {
		launch_once();
		sim_world_pause(sim.now_ms + (int64_t)sim_below(PAUSE_MS));
	}
	sim.has_faults = false;
	launch_once();
	sim_check_live();
	totals->hash ^= sim.hash;
	totals->steps += sim.steps;
	totals->faults += sim.faults;
	totals->launches += sim.launches;
	totals->crashes += sim.crashes;
	totals->commits += sim.commits;
	totals->virtual_ms += (uint64_t)(sim.now_ms - began);
	sim_processes_free();
	sim_clients_end();
	sim_check_end();
	kt_mission_free(sim.mission);
	kt_repository_free(sim.repo);
	sim_world_end();
}

/* ---- many ---- */

static bool run_in_child(uint64_t seed, struct totals *totals)
{
	pid_t pid = 0;
	int status = 0;

	(void)fflush(stdout);
	pid = fork();
	KT_BUG_UNLESS(pid >= 0);
	if (pid == 0) {
		run_seed(seed, totals);
		(void)fflush(stdout);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	if (WIFSIGNALED(status))
		(void)printf("seed %llu: BROKEN: killed by signal %d\nrepeat: kitty-sim --seed "
			     "%llu --verbose\n",
			(unsigned long long)seed, WTERMSIG(status), (unsigned long long)seed);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void totals_print(const struct totals *totals, uint64_t passed, uint64_t failed)
{
	(void)printf(
		"%llu seeds held, %llu broke a promise; %llu steps, %llu faults, %llu launches, "
		"%llu kills of the supervisor, %llu commits, %llu virtual hours; trace "
		"%016llx\n",
		(unsigned long long)passed, (unsigned long long)failed,
		(unsigned long long)totals->steps, (unsigned long long)totals->faults,
		(unsigned long long)totals->launches, (unsigned long long)totals->crashes,
		(unsigned long long)totals->commits,
		(unsigned long long)(totals->virtual_ms / 3600000),
		(unsigned long long)totals->hash);
}

static int run_seeds(uint64_t first, uint64_t last)
{
	struct totals *totals = mmap(
		NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool is_control = sim.mutation != SIM_MUTATE_NOTHING;
	uint64_t passed = 0;
	uint64_t failed = 0;

	KT_BUG_UNLESS(totals != MAP_FAILED);
	/* Of a control one seed is enough. */
	for (uint64_t seed = first; seed <= last && !(is_control && failed > 0); seed++)
		if (run_in_child(seed, totals))
			passed++;
		else
			failed++;
	totals_print(totals, passed, failed);
	return failed == 0 ? 0 : 1;
}

static int usage(void)
{
	(void)fputs("usage: kitty-sim [--seed N | --seeds A-B] [--verbose] [--mutate NAME]\n"
		    "       kitty-sim --mutations\n",
		stderr);
	return 2;
}

static bool mutation_take(const char *name)
{
	for (int i = 1; i < SIM_MUTATION_COUNT; i++)
		if (strcmp(mutations[i], name) == 0) {
			sim.mutation = (enum sim_mutation)i;
			return true;
		}
	return false;
}

static int mutations_print(void)
{
	for (int i = 1; i < SIM_MUTATION_COUNT; i++)
		(void)puts(mutations[i]);
	return 0;
}

/* "3-17" */
static bool range_take(const char *text, unsigned long long *first, unsigned long long *last)
{
	char *end = NULL;

	*first = strtoull(text, &end, 10);
	if (end == text || *end != '-')
		return false;
	text = end + 1;
	*last = strtoull(text, &end, 10);
	return end != text && *end == '\0';
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'r'}, {"verbose", no_argument, NULL, 'v'},
		{"mutate", required_argument, NULL, 'm'}, {"mutations", no_argument, NULL, 'l'},
		{NULL, 0, NULL, 0}};
	unsigned long long first = 1, last = 20;
	int option = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			first = last = strtoull(optarg, NULL, 10);
		else if (option == 'r' && !range_take(optarg, &first, &last))
			return usage();
		else if (option == 'v')
			sim.is_verbose = true;
		else if (option == 'l')
			return mutations_print();
		else if (option == '?' || (option == 'm' && !mutation_take(optarg)))
			return usage();
	}
	if (first > last)
		return usage();
	return run_seeds(first, last);
}
