/*
 * The scenario of agents that try to leave something running (P9): every shape of escape at once,
 * one to a lane, ended by a stop, by kill -9 of the supervisor and by kill -9 of every worker. Runs
 * in kitty-stress. Finds what escaped by its command line, which holds this run's own folder: the
 * environment it may have cleared.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "stress/run.h"
#include "stress/scenario.h"

enum { GONE_MS = 10000, START_MS = 60000, END_MS = 60000, LOOK_MS = 50, MARKED_MAX = 512 };

/* What stays: it ignores whoever asks it to end. $L is its script. */
static const char LEAF[] = "trap '' TERM HUP INT\nwhile :; do /bin/sleep 0.2; done\n";

static const struct {
	const char *name, *script;
} shapes[] = {
	{"child", "sh $L &"},
	{"double fork", "(sh $L & ) &"},
	{"setsid", "setsid sh $L &"},
	{"setsid twice", "setsid sh -c \"setsid sh $L & exit 0\" &"},
	{"own group", "set -m; sh $L & set +m"},
	{"ignores TERM", "trap '' TERM HUP; sh $L &"},
	{"stops itself", "setsid sh -c \"kill -STOP \\$\\$; : $L\" &"},
	{"nohup", "nohup sh $L >/dev/null 2>&1 &"},
	{"closed descriptors", "setsid sh $L 0<&- 1>&- 2>&- 3>&- 4>&- &"},
	{"cleared environment", "env -i /bin/sh $L &"},
	{"cleared, setsid, closed", "env -i /usr/bin/setsid /bin/sh $L 0<&- 1>&- 2>&- &"},
	{"forks in a loop",
		"setsid sh -c \"trap '' TERM; n=0; while [ \\$n -lt 400 ]; do "
		"(exec sh ${L%.leaf}.short) & n=\\$((n+1)); sleep 0.01; done; exec sh $L\" &"},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

enum ending { BY_STOP, BY_SUPERVISOR, BY_WORKERS, ENDINGS };
static const char *const ending_names[ENDINGS] = {
	"kitty stop", "kill -9 of the supervisor", "kill -9 of every worker"};

static char *shape_path(const struct kt_scenario_run *run, size_t shape, const char *suffix)
{
	return kt_format("%s/shape%zu%s", run->workspace.folder, shape, suffix);
}

/* The agent of lane N lets shape N loose the first time, and does its work the second time. */
static char *write_agent(struct kt_scenario_run *run)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path = kt_format("%s/escape-agent", run->workspace.folder);

	kt_buffer_printf(&text,
		"#!/bin/sh\ncat >/dev/null\nF=%s\nN=${SPEC_KITTY_WP#WP}\n"
		"[ -e $F/again$N ] && { echo done >src/part$N.c; exit 0; }\n"
		">$F/again$N\ncase $N in\n",
		run->workspace.folder);
	for (size_t i = 0; i < SHAPES; i++) {
		char *leaf = shape_path(run, i, ".leaf");
		char *brief = shape_path(run, i, ".short");

		kt_run_write_file(leaf, LEAF, strlen(LEAF));
		kt_run_write_file(brief, "/bin/sleep 2\n", 13);
		kt_buffer_printf(&text, "%02zu) L=%s; %s ;;\n", i + 1, leaf, shapes[i].script);
		free(brief);
		free(leaf);
	}
	kt_buffer_puts(&text, "esac\n>$F/loose$N\nwhile :; do sleep 1; done\n");
	kt_run_write_file(path, text.data, text.len);
	(void)chmod(path, 0755);
	kt_buffer_release(&text);
	return path;
}

/* Living processes whose command line names the file, each sent the signal (0: none). */
static size_t signal_alive(const char *path, int signal_number)
{
	DIR *folder = opendir("/proc");
	size_t count = 0;

	for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		struct kt_buffer line = KT_BUFFER_INIT;
		char *file = kt_format("/proc/%s/cmdline", entry->d_name);

		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			kt_run_read_file(file, &line) &&
			memmem(kt_buffer_text(&line), line.len, path, strlen(path)))
			count += kill((pid_t)strtol(entry->d_name, NULL, 10), signal_number) == 0;
		kt_buffer_release(&line);
		free(file);
	}
	(void)closedir(folder);
	return count;
}

static bool wait_for_shapes(const struct kt_scenario_run *run, const char *name)
{
	int64_t until = kt_run_now_ns() + (int64_t)START_MS * 1000000;
	size_t there = 0;

	while (there < SHAPES && kt_run_now_ns() < until) {
		char *path = kt_format("%s/%s%02zu", run->workspace.folder, name, there + 1);
		struct stat facts;

		if (stat(path, &facts) == 0)
			there++;
		else
			kt_run_pause_ms(LOOK_MS);
		free(path);
	}
	return there == SHAPES;
}

static void kill_workers(const struct kt_scenario_run *run)
{
	static int pids[MARKED_MAX];
	size_t len = kt_marked_processes(run->workspace.slug, 0, pids, MARKED_MAX);

	for (size_t i = 0; i < len && i < MARKED_MAX; i++) {
		struct kt_buffer name = KT_BUFFER_INIT;
		char *path = kt_format("/proc/%d/comm", pids[i]);

		if (kt_run_read_file(path, &name) &&
			strcmp(kt_buffer_text(&name), "kitty-worker\n") == 0)
			(void)kill((pid_t)pids[i], SIGKILL);
		kt_buffer_release(&name);
		free(path);
	}
}

/* Each shape is gone within ten seconds, while the supervisor of BY_WORKERS lives on. */
static void expect_gone(struct kt_scenario_run *run, enum ending how)
{
	int64_t until = kt_run_now_ns() + (int64_t)GONE_MS * 1000000;

	for (size_t i = 0; i < SHAPES; i++) {
		char *path = shape_path(run, i, ".leaf");
		size_t alive = signal_alive(path, 0);

		while (alive > 0 && kt_run_now_ns() < until) {
			kt_run_pause_ms(LOOK_MS);
			alive = signal_alive(path, 0);
		}
		kt_scenario_expect(run, alive == 0, "%s: %zu of `%s` live on after ten seconds",
			ending_names[how], alive, shapes[i].name);
		if (alive > 0) /* not ours to leave behind either */
			(void)signal_alive(path, SIGKILL);
		run->done++;
		free(path);
	}
}

static void start(struct kt_scenario_run *run, const char *agent, struct kt_child *supervisor)
{
	const char *argv[] = {
		"kitty", "launch", "--lanes", "all", "--retry-blocked", "--", agent, NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;

	spec.path = argv[0];
	spec.argv = argv;
	spec.cwd = run->workspace.repo;
	spec.new_group = true;
	if (kt_child_start(&spec, supervisor, &err) != KT_E_OK)
		kt_run_die("kitty launch: %s", err.detail);
}

static void escape(struct kt_scenario_run *run, enum ending how)
{
	struct kt_child supervisor = KT_CHILD_INIT;
	char *agent = NULL;
	int exit_code = -1;

	kt_scenario_open(run, SHAPES, 0);
	agent = write_agent(run);
	start(run, agent, &supervisor);
	if (!wait_for_shapes(run, "loose"))
		kt_run_die("the agents do not begin");
	for (size_t i = 0; i < SHAPES; i++) {
		char *path = shape_path(run, i, ".leaf");
		/* It was started, and may not have come to its exec yet. */
		for (int n = 0; n < GONE_MS / LOOK_MS && signal_alive(path, 0) == 0; n++)
			kt_run_pause_ms(LOOK_MS);
		kt_scenario_expect(
			run, signal_alive(path, 0) > 0, "`%s` never ran", shapes[i].name);
		free(path);
	}
	if (how == BY_STOP)
		(void)KT_TRY(run->workspace.repo, NULL, "sh", "-c", "kitty stop >/dev/null");
	else if (how == BY_SUPERVISOR)
		kt_child_signal(&supervisor, SIGKILL, false);
	else
		kill_workers(run);
	expect_gone(run, how);
	if (!kt_scenario_wait(&supervisor, END_MS, &exit_code))
		kt_run_die("%s: the launch does not end", ending_names[how]);
	/* The second attempt of every lane does its work. */
	start(run, agent, &supervisor);
	kt_scenario_expect(run, kt_scenario_wait(&supervisor, END_MS, &exit_code) && exit_code == 0,
		"%s: the next launch ends with status %d", ending_names[how], exit_code);
	kt_scenario_check(run);
	free(agent);
}

void kt_scenario_escapes(struct kt_scenario_run *run)
{
	for (int how = 0; how < ENDINGS && run->done < run->size.rounds * SHAPES; how++)
		escape(run, (enum ending)(run->size.is_quick ? BY_WORKERS : how));
}
