/*
 * Starts, watches and kills what the harness measures. Runs in kitty-stress. Must kill supervisors
 * only, by their own pid: that the rest ends is what is being tested.
 */
#include "stress/drive.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "stress/record.h"
#include "stress/run.h"

enum {
	KT_DRIVE_TICK_MS = 10,
	KT_DRIVE_END_LIMIT_MS = 10000, /* P9 */
	KT_DRIVE_RECORD_BYTES = 133    /* of one acknowledged event in a record */
};

struct drive {
	const struct kt_workspace *workspace;
	struct kt_verdicts *verdicts;
	struct kt_drive_result *result;
	struct kt_child supervisor;
	int log_fd;
	uint64_t random;
	size_t *kill_at; /* progress in bytes of records, sorted */
	size_t kills;
	/* The killed supervisor whose processes are still being watched; 0: none. */
	int ending_pid;
	int64_t ending_since_ns;
};

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
	(void)number;
	is_interrupted = 1;
}

/* Ctrl-C reaches only this program: it passes the wish to end on, and then ends. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

static void end_if_interrupted(struct drive *drive)
{
	struct kt_child_status status = {0};

	if (!is_interrupted)
		return;
	kt_child_signal(&drive->supervisor, SIGTERM, false);
	kt_child_wait(&drive->supervisor, KT_DRIVE_END_LIMIT_MS, &status);
	kt_run_die("interrupted");
}

static void set_number(const char *name, unsigned long long value)
{
	char text[32];

	(void)snprintf(text, sizeof text, "%llu", value);
	(void)setenv(name, text, 1);
}

/* What kitty-stress-agent reads. together: how many agents wait for one another at the start; 0:
 * none. */
static void set_agent_environment(
	const struct kt_workspace *workspace, const char *records, size_t together)
{
	(void)setenv("SPEC_KITTY_STRESS_RECORDS", records, 1);
	set_number("SPEC_KITTY_STRESS_EVENTS", workspace->events);
	set_number("SPEC_KITTY_STRESS_SEED", workspace->seed);
	set_number("SPEC_KITTY_STRESS_TOGETHER", together);
}

static void launch(struct drive *drive)
{
	char *bin = kt_workspace_bin();
	char *agent = kt_format("%s/kitty-stress-agent", bin);
	const char *argv[] = {"kitty", "launch", "--lanes", "all", "--", agent, NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;

	spec.path = argv[0];
	spec.argv = argv;
	spec.cwd = drive->workspace->repo;
	spec.stdout_fd = drive->log_fd;
	spec.stderr_fd = drive->log_fd;
	spec.new_group = true;
	if (kt_child_start(&spec, &drive->supervisor, &err) != KT_E_OK)
		kt_run_die("kitty launch: %s", err.detail);
	free(agent);
	free(bin);
}

static void note_memory(struct drive *drive)
{
	char path[64];
	struct kt_buffer text = KT_BUFFER_INIT;
	const char *line = NULL;
	long kib = 0;

	(void)snprintf(path, sizeof path, "/proc/%d/status", drive->supervisor.pid);
	if (kt_run_read_file(path, &text) && (line = strstr(kt_buffer_text(&text), "VmHWM:")))
		kib = strtol(line + strlen("VmHWM:"), NULL, 10);
	if (kib > drive->result->peak_rss_kib)
		drive->result->peak_rss_kib = kib;
	kt_buffer_release(&text);
}

static size_t progress(const struct kt_workspace *workspace)
{
	size_t bytes = 0;

	for (size_t i = 0; i < workspace->lanes; i++) {
		char *wp = kt_workspace_wp(i);
		char *path = kt_record_path(workspace->records, wp);
		struct stat facts;
		if (stat(path, &facts) == 0)
			bytes += (size_t)facts.st_size;
		free(path);
		free(wp);
	}
	return bytes;
}

static int by_size(const void *left, const void *right)
{
	const size_t *a = left;
	const size_t *b = right;

	return (*a > *b) - (*a < *b);
}

static void plan_kills(struct drive *drive, size_t kills)
{
	size_t total = drive->workspace->lanes * drive->workspace->events * KT_DRIVE_RECORD_BYTES;

	drive->kills = kills;
	drive->kill_at = kt_alloc((kills + 1) * sizeof *drive->kill_at);
	for (size_t i = 0; i < kills; i++)
		drive->kill_at[i] = kt_run_random(&drive->random) % (total * 9 / 10 + 1);
	qsort(drive->kill_at, kills, sizeof *drive->kill_at, by_size);
}

/* P9: looks whether the killed supervisor's processes are gone; true when nothing is left to watch.
 */
static bool watch_ending(struct drive *drive)
{
	int pid = 0;
	int64_t since_ms = (kt_run_now_ns() - drive->ending_since_ns) / 1000000;
	size_t alive = 0;

	if (!drive->ending_pid)
		return true;
	alive = kt_marked_processes(drive->workspace->slug, drive->ending_pid, &pid, 1);
	if (alive > 0 && since_ms <= KT_DRIVE_END_LIMIT_MS)
		return false;
	kt_verdict_expect(drive->verdicts, KT_P9, alive == 0,
		"%zu processes of supervisor %d live %lld ms after its kill, one is %d", alive,
		drive->ending_pid, (long long)since_ms, pid);
	if (since_ms > drive->result->slowest_end_ms)
		drive->result->slowest_end_ms = since_ms;
	drive->ending_pid = 0;
	return true;
}

static void end_watch(struct drive *drive)
{
	while (!watch_ending(drive))
		kt_run_pause_ms(KT_DRIVE_TICK_MS);
}

/* Kills the supervisor at a random moment and launches again: every second time at once, while the
 * old workers are still stopping their agents, else after the last of them is gone. */
static void kill_and_relaunch(struct drive *drive)
{
	struct kt_child_status status = {0};

	end_watch(drive);
	kt_run_pause_ms((int64_t)(kt_run_random(&drive->random) % 40));
	note_memory(drive);
	drive->ending_pid = drive->supervisor.pid;
	drive->ending_since_ns = kt_run_now_ns();
	kt_child_signal(&drive->supervisor, SIGKILL, false);
	kt_child_wait(&drive->supervisor, 10000, &status);
	kt_child_release(&drive->supervisor);
	drive->result->kills++;
	if (drive->result->kills % 2 == 0)
		end_watch(drive);
	launch(drive);
}

static bool wait_a_tick(struct drive *drive, struct kt_child_status *status)
{
	struct pollfd wait = {.fd = drive->supervisor.pidfd, .events = POLLIN};

	if (poll(&wait, 1, KT_DRIVE_TICK_MS) < 0)
		end_if_interrupted(drive);
	return kt_child_reap(&drive->supervisor, status);
}

void kt_drive_kitty(const struct kt_workspace *workspace, size_t kills,
	struct kt_verdicts *verdicts, struct kt_drive_result *out)
{
	struct drive drive = {.workspace = workspace, .verdicts = verdicts, .result = out};
	struct kt_child_status status = {0};
	char *log = kt_format("%s/launch.log", workspace->folder);

	memset(out, 0, sizeof *out);
	drive.random = workspace->seed ^ 0x6b696c6cU;
	drive.log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (drive.log_fd < 0)
		kt_run_die("%s cannot be written", log);
	catch_signals();
	plan_kills(&drive, kills);
	set_agent_environment(workspace, workspace->records, kills ? 0 : workspace->lanes);
	launch(&drive);
	for (unsigned tick = 0; !wait_a_tick(&drive, &status); tick++) {
		if (tick % 8 == 0) {
			note_memory(&drive);
			(void)watch_ending(&drive);
		}
		if (out->kills < drive.kills && progress(workspace) >= drive.kill_at[out->kills])
			kill_and_relaunch(&drive);
	}
	out->exit_code = status.exited ? status.exit_code : -1;
	kt_child_release(&drive.supervisor);
	end_watch(&drive);
	/* A supervisor that ended by itself leaves nothing either. */
	kt_run_pause_ms(200);
	(void)close(drive.log_fd);
	free(drive.kill_at);
	free(log);
}

static void make_baseline_repository(const struct kt_workspace *workspace, const char *repo)
{
	struct kt_buffer log = KT_BUFFER_INIT;
	char *path = kt_format("%s/log.jsonl", repo);

	KT_RUN(workspace->folder, "git", "clone", "-q", "--no-hardlinks", "-b", "main",
		workspace->repo, repo);
	KT_RUN(repo, "git", "config", "user.name", "Stress");
	KT_RUN(repo, "git", "config", "user.email", "stress@example.invalid");
	KT_RUN(repo, "git", "config", "gc.autoDetach", "false");
	if (!kt_run_read_file(workspace->start_log, &log))
		kt_run_die("%s is gone", workspace->start_log);
	kt_run_write_file(path, kt_buffer_text(&log), log.len);
	KT_RUN(repo, "git", "add", "log.jsonl");
	KT_RUN(repo, "git", "commit", "-q", "-m", "The log as it was");
	kt_buffer_release(&log);
	free(path);
}

static void start_writer(const char *repo, const char *wp, struct kt_child *child)
{
	char *bin = kt_workspace_bin();
	char *agent = kt_format("%s/kitty-stress-agent", bin);
	const char *argv[] = {agent, "--baseline", repo, wp, NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;

	spec.path = agent;
	spec.argv = argv;
	spec.cwd = repo;
	spec.stdout_fd = STDOUT_FILENO;
	spec.stderr_fd = STDERR_FILENO;
	if (kt_child_start(&spec, child, &err) != KT_E_OK)
		kt_run_die("%s: %s", agent, err.detail);
	free(agent);
	free(bin);
}

char *kt_drive_baseline(const struct kt_workspace *workspace)
{
	char *repo = kt_format("%s/baseline", workspace->folder);
	char *records = kt_format("%s/baseline-records", workspace->folder);
	struct kt_child *children = kt_alloc(workspace->lanes * sizeof *children);

	make_baseline_repository(workspace, repo);
	kt_run_make_folder(records);
	set_agent_environment(workspace, records, workspace->lanes);
	for (size_t i = 0; i < workspace->lanes; i++) {
		char *wp = kt_workspace_wp(i);
		start_writer(repo, wp, &children[i]);
		free(wp);
	}
	for (size_t i = 0; i < workspace->lanes; i++) {
		struct kt_child_status status = {0};
		kt_child_wait(&children[i], 3600 * 1000, &status);
		kt_child_release(&children[i]);
		if (!status.exited || status.exit_code != 0)
			kt_run_die("a process of the baseline failed");
	}
	free(children);
	free(repo);
	return records;
}
