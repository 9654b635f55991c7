/*
 * What all scenarios share: a repository, launches, waiting, the promises' check. Runs in
 * kitty-stress. Must leave no process and, without --keep, no file behind.
 */
#include "stress/scenario.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "stress/record.h"
#include "stress/run.h"

enum { ENDLESS_EVENTS = 100000, LAUNCHES_MAX = 6, LAUNCH_MS = 900000, LOOK_MS = 10 };

/* ---- remarks ---- */

void kt_scenario_expect(struct kt_scenario_run *run, bool holds, const char *format, ...)
{
	va_list args;

	run->facts.checked++;
	if (holds || run->facts.broken++ > 0)
		return;
	va_start(args, format);
	(void)vsnprintf(run->facts.first, sizeof run->facts.first, format, args);
	va_end(args);
}

void kt_scenario_note(struct kt_scenario_run *run, const char *format, ...)
{
	char line[400];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	kt_buffer_printf(run->notes, "%s\n", line);
}

/* ---- the repository ---- */

static void set_number(const char *name, unsigned long long value)
{
	char text[32];

	(void)snprintf(text, sizeof text, "%llu", value);
	(void)setenv(name, text, 1);
}

void kt_scenario_close(struct kt_scenario_run *run)
{
	if (!run->has_workspace)
		return;
	if (run->size.keeps)
		(void)fprintf(stderr, "kept: %s\n", run->workspace.folder);
	else
		(void)KT_TRY(NULL, NULL, "rm", "-rf", run->workspace.folder);
	kt_run_doom(NULL);
	kt_workspace_release(&run->workspace);
	run->has_workspace = false;
}

void kt_scenario_open(struct kt_scenario_run *run, size_t lanes, size_t events)
{
	struct kt_workspace_size size = {lanes, events, 20, run->size.seed};
	char *folder = NULL;

	kt_scenario_close(run);
	folder = kt_workspace_folder(run->name);
	if (!run->size.keeps)
		kt_run_doom(folder);
	kt_workspace_make(&run->workspace, folder, &size);
	run->has_workspace = true;
	(void)setenv("SPEC_KITTY_STRESS_RECORDS", run->workspace.records, 1);
	set_number("SPEC_KITTY_STRESS_EVENTS", events);
	set_number("SPEC_KITTY_STRESS_SEED", run->size.seed);
	set_number("SPEC_KITTY_STRESS_TOGETHER", 0);
	(void)unsetenv("SPEC_KITTY_STRESS_UNTIL");
	(void)unsetenv("SPEC_KITTY_STRESS_PAUSE_MS");
	(void)unsetenv("SPEC_KITTY_STRESS_PATIENT");
}

static char *finish_path(const struct kt_scenario_run *run)
{
	return kt_format("%s/finish", run->workspace.folder);
}

void kt_scenario_endless(struct kt_scenario_run *run, unsigned pause_ms)
{
	char *path = finish_path(run);

	run->workspace.events = ENDLESS_EVENTS;
	set_number("SPEC_KITTY_STRESS_EVENTS", ENDLESS_EVENTS);
	set_number("SPEC_KITTY_STRESS_PAUSE_MS", pause_ms);
	(void)setenv("SPEC_KITTY_STRESS_UNTIL", path, 1);
	(void)setenv("SPEC_KITTY_STRESS_PATIENT", "1", 1);
	free(path);
}

void kt_scenario_finish(struct kt_scenario_run *run)
{
	char *path = finish_path(run);

	kt_run_write_file(path, "", 0);
	free(path);
}

static void slowest_take(struct kt_scenario_run *run)
{
	for (size_t i = 0; i < run->workspace.lanes; i++) {
		char *wp = kt_workspace_wp(i);
		struct kt_record record;

		kt_record_read(run->workspace.records, wp, &record);
		for (size_t k = 0; k < record.len; k++) {
			const struct kt_record_event *event = &record.events[k];
			double ms = (double)(event->acknowledged_ns - event->submitted_ns) / 1e6;

			if (event->submissions == 1 && event->commit[0] && ms > run->slowest_ms)
				run->slowest_ms = ms;
		}
		kt_record_release(&record);
		free(wp);
	}
}

void kt_scenario_check(struct kt_scenario_run *run)
{
	kt_check(&run->workspace, &run->verdicts);
	kt_speed_measure(&run->workspace, run->workspace.records, &run->speed);
	slowest_take(run);
}

/* ---- launches ---- */

void kt_scenario_launch(struct kt_scenario_run *run, struct kt_child *supervisor)
{
	char *bin = kt_workspace_bin();
	char *agent = kt_format("%s/kitty-stress-agent", bin);
	char *log = kt_format("%s/launch.log", run->workspace.folder);
	const char *argv[] = {
		"kitty", "launch", "--lanes", "all", "--retry-blocked", "--", agent, NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		kt_run_die("%s cannot be written", log);
	spec.path = argv[0];
	spec.argv = argv;
	spec.cwd = run->workspace.repo;
	spec.stdout_fd = fd;
	spec.stderr_fd = fd;
	spec.new_group = true;
	if (kt_child_start(&spec, supervisor, &err) != KT_E_OK)
		kt_run_die("kitty launch: %s", err.detail);
	(void)close(fd);
	free(log);
	free(agent);
	free(bin);
}

bool kt_scenario_wait(struct kt_child *child, int timeout_ms, int *exit_code)
{
	struct pollfd wait = {.fd = child->pidfd, .events = POLLIN};
	struct kt_child_status status = {0};

	if (poll(&wait, 1, timeout_ms) <= 0 || !kt_child_reap(child, &status))
		return false;
	*exit_code = status.exited ? status.exit_code : -1;
	kt_child_release(child);
	return true;
}

bool kt_scenario_complete(struct kt_scenario_run *run)
{
	for (int i = 0; i < LAUNCHES_MAX; i++) {
		struct kt_child supervisor = KT_CHILD_INIT;
		int exit_code = -1;

		kt_scenario_launch(run, &supervisor);
		if (!kt_scenario_wait(&supervisor, LAUNCH_MS, &exit_code))
			kt_run_die("a launch does not end");
		if (exit_code == 0)
			return true;
	}
	return false;
}

size_t kt_scenario_progress(const struct kt_scenario_run *run)
{
	size_t bytes = 0;

	for (size_t i = 0; i < run->workspace.lanes; i++) {
		char *wp = kt_workspace_wp(i);
		char *path = kt_record_path(run->workspace.records, wp);
		struct stat facts;

		if (stat(path, &facts) == 0)
			bytes += (size_t)facts.st_size;
		free(path);
		free(wp);
	}
	return bytes;
}

bool kt_scenario_wait_progress(const struct kt_scenario_run *run, size_t bytes, int timeout_ms)
{
	size_t wanted = kt_scenario_progress(run) + bytes;
	int64_t until = kt_run_now_ns() + (int64_t)timeout_ms * 1000000;

	while (kt_scenario_progress(run) < wanted) {
		if (kt_run_now_ns() > until)
			return false;
		kt_run_pause_ms(LOOK_MS);
	}
	return true;
}

long kt_scenario_memory_kib(int pid, const char *field)
{
	char path[64];
	struct kt_buffer text = KT_BUFFER_INIT;
	const char *line = NULL;
	long kib = 0;

	(void)snprintf(path, sizeof path, "/proc/%d/status", pid);
	if (kt_run_read_file(path, &text) && (line = strstr(kt_buffer_text(&text), field)))
		kib = strtol(line + strlen(field), NULL, 10);
	kt_buffer_release(&text);
	return kib;
}
