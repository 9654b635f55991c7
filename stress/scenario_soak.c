/*
 * The soak: lanes at work for a given time under one supervisor, workers killed, watchers that do
 * not read, status loops and pack-refs beside them; once a second the memory, the descriptors and
 * the zombies of the supervisor and its workers are looked at. Runs in kitty-stress.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "stress/run.h"
#include "stress/scenario.h"

enum {
	PAUSE_MS = 2000, /* between two events of a lane: hours must not make gigabytes */
	QUICK_PAUSE_MS = 20,
	START_MS = 60000,
	END_MS = 120000,
	MARKED_MAX = 1024,
	ZOMBIE_LOOKS = 15, /* as many seconds may a dead child wait for its parent */
	DESCRIPTORS_MORE =
		32, /* than after the start: connections and git children of the moment */
	SLOPE_KIB_PER_HOUR = 1024, /* beyond what the log itself takes */
	LOG_COPIES = 6,            /* the log as bytes, as rows, as state */
	SETTLE_S = 600             /* a slope over less is noise */
};

struct sample {
	double seconds;
	long supervisor_kib, workers_kib, log_kib;
	size_t descriptors, worker_descriptors, zombies;
};

struct soak {
	struct kt_scenario_run *run;
	struct kt_child supervisor;
	struct sample *samples;
	size_t len;
	uint64_t random;
	size_t zombie_looks; /* one after another in which there was one */
	size_t most_zombie_looks;
};

/* ---- looking ---- */

static size_t count_descriptors(int pid)
{
	char path[64];
	DIR *folder = NULL;
	size_t count = 0;

	(void)snprintf(path, sizeof path, "/proc/%d/fd", pid);
	folder = opendir(path);
	for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder))
		count += entry->d_name[0] != '.';
	if (folder)
		(void)closedir(folder);
	return count;
}

/* state: of "State:"; parent: of "PPid:". False when it is gone. */
static bool look_at(int pid, char *state, int *parent, char name[32])
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char path[64];
	const char *at = NULL;
	bool is_there = false;

	(void)snprintf(path, sizeof path, "/proc/%d/status", pid);
	if (kt_run_read_file(path, &text) && (at = strstr(kt_buffer_text(&text), "State:"))) {
		*state = at[strlen("State:\t")];
		at = strstr(at, "PPid:");
		*parent = at ? (int)strtol(at + strlen("PPid:"), NULL, 10) : 0;
		(void)snprintf(name, 32, "%.31s", kt_buffer_text(&text) + strlen("Name:\t"));
		name[strcspn(name, "\n")] = '\0';
		is_there = true;
	}
	kt_buffer_release(&text);
	return is_there;
}

static bool is_among(const int *pids, size_t len, int pid)
{
	for (size_t i = 0; i < len; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static void add_worker(struct sample *sample, int pid)
{
	size_t descriptors = count_descriptors(pid);

	sample->workers_kib += kt_scenario_memory_kib(pid, "VmRSS:");
	if (descriptors > sample->worker_descriptors)
		sample->worker_descriptors = descriptors;
}

static void look_at_processes(struct soak *soak, struct sample *sample)
{
	int own[MARKED_MAX];
	size_t len = 1;
	DIR *folder = opendir("/proc");
	char state = 0;
	char name[32];
	int parent = 0;

	/* Workers have lower numbers than their zombies nearly always; else the next look sees it.
	 */
	own[0] = soak->supervisor.pid;
	for (struct dirent *entry = folder ? readdir(folder) : NULL; entry;
		entry = readdir(folder)) {
		int pid = (int)strtol(entry->d_name, NULL, 10);

		if (pid <= 0 || !look_at(pid, &state, &parent, name))
			continue;
		if (parent == own[0] && strcmp(name, "kitty-worker") == 0 && state != 'Z') {
			add_worker(sample, pid);
			if (len < MARKED_MAX)
				own[len++] = pid;
		}
		sample->zombies += state == 'Z' && is_among(own, len, parent);
	}
	if (folder)
		(void)closedir(folder);
}

static void look(struct soak *soak, double seconds)
{
	struct sample *sample = NULL;

	soak->samples = kt_realloc_array(soak->samples, soak->len + 1, sizeof *soak->samples);
	sample = &soak->samples[soak->len++];
	*sample = (struct sample){.seconds = seconds};
	sample->supervisor_kib = kt_scenario_memory_kib(soak->supervisor.pid, "VmRSS:");
	sample->descriptors = count_descriptors(soak->supervisor.pid);
	sample->log_kib = (long)(kt_scenario_progress(soak->run) / 1024) * 3;
	look_at_processes(soak, sample);
	soak->zombie_looks = sample->zombies ? soak->zombie_looks + 1 : 0;
	if (soak->zombie_looks > soak->most_zombie_looks)
		soak->most_zombie_looks = soak->zombie_looks;
}

/* ---- faults ---- */

static void kill_a_worker(struct soak *soak)
{
	static int pids[MARKED_MAX];
	int workers[MARKED_MAX];
	size_t len = kt_marked_processes(soak->run->workspace.slug, 0, pids, MARKED_MAX);
	size_t kept = 0;
	char state = 0;
	char name[32];
	int parent = 0;

	for (size_t i = 0; i < len && i < MARKED_MAX; i++)
		if (look_at(pids[i], &state, &parent, name) && strcmp(name, "kitty-worker") == 0)
			workers[kept++] = pids[i];
	if (kept > 0)
		(void)kill((pid_t)workers[kt_run_random(&soak->random) % kept], SIGKILL);
}

static void look_by_command(struct soak *soak)
{
	(void)KT_TRY(soak->run->workspace.repo, NULL, "sh", "-c",
		"kitty status --json >/dev/null; kitty ps --json >/dev/null; kitty verify "
		">/dev/null");
}

static void pack_refs(struct soak *soak)
{
	(void)KT_TRY(soak->run->workspace.repo, NULL, "git", "pack-refs", "--all", "--prune");
}

static void watch_and_leave(struct soak *soak)
{
	(void)KT_TRY(soak->run->workspace.repo, NULL, "sh", "-c",
		"timeout -s KILL 1 kitty watch --json >/dev/null; :");
}

static void (*const faults[])(struct soak *) = {
	kill_a_worker, look_by_command, pack_refs, watch_and_leave};

/* ---- judging ---- */

/* KiB per hour, by least squares, of what the supervisor holds beyond copies of its log; over the
 * second half, for what comes first is growth to a working size. */
static double slope(const struct soak *soak)
{
	size_t first = soak->len / 2;
	double n = (double)(soak->len - first);
	double sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;

	for (size_t i = first; i < soak->len; i++) {
		const struct sample *sample = &soak->samples[i];
		double y = (double)(sample->supervisor_kib - LOG_COPIES * sample->log_kib);

		sum_x += sample->seconds;
		sum_y += y;
		sum_xx += sample->seconds * sample->seconds;
		sum_xy += sample->seconds * y;
	}
	if (n < 3 || n * sum_xx - sum_x * sum_x <= 0)
		return 0;
	return (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x) * 3600;
}

static void judge(struct soak *soak)
{
	struct kt_scenario_run *run = soak->run;
	const struct sample *first = &soak->samples[soak->len / 8];
	const struct sample *last = &soak->samples[soak->len - 1];
	double kib_per_hour = slope(soak);

	if (run->size.seconds >= SETTLE_S)
		kt_scenario_expect(run, kib_per_hour < SLOPE_KIB_PER_HOUR,
			"the supervisor grows by %.0f KiB an hour beyond its log", kib_per_hour);
	kt_scenario_expect(run, last->descriptors <= first->descriptors + DESCRIPTORS_MORE,
		"the supervisor's descriptors grew from %zu to %zu", first->descriptors,
		last->descriptors);
	kt_scenario_expect(run,
		last->worker_descriptors <= first->worker_descriptors + DESCRIPTORS_MORE,
		"a worker's descriptors grew from %zu to %zu", first->worker_descriptors,
		last->worker_descriptors);
	kt_scenario_expect(run, soak->most_zombie_looks < ZOMBIE_LOOKS,
		"zombies stood for %zu seconds", soak->most_zombie_looks);
	kt_scenario_note(run,
		"supervisor %ld -> %ld KiB (log %ld -> %ld KiB; %+.0f KiB an hour beyond)",
		first->supervisor_kib, last->supervisor_kib, first->log_kib, last->log_kib,
		kib_per_hour);
	kt_scenario_note(run,
		"descriptors %zu -> %zu, of a worker at most %zu -> %zu; workers %ld -> %ld KiB",
		first->descriptors, last->descriptors, first->worker_descriptors,
		last->worker_descriptors, first->workers_kib, last->workers_kib);
	kt_scenario_note(run, "zombies for at most %zu s", soak->most_zombie_looks);
}

void kt_scenario_soak(struct kt_scenario_run *run)
{
	struct soak soak = {.run = run, .random = run->size.seed};
	int64_t began = kt_run_now_ns();
	double seconds = 0;
	int exit_code = -1;
	bool has_ended = false;

	kt_scenario_open(run, run->size.lanes, 0);
	kt_scenario_endless(run, run->size.is_quick ? QUICK_PAUSE_MS : PAUSE_MS);
	kt_scenario_launch(run, &soak.supervisor);
	kt_scenario_expect(
		run, kt_scenario_wait_progress(run, 1, START_MS), "the lanes do not begin");
	while (!has_ended && seconds < (double)run->size.seconds) {
		look(&soak, seconds);
		/* A fault every three seconds; a worker dies every twelfth. */
		if (soak.len % 3 == 0)
			faults[run->done++ % (sizeof faults / sizeof *faults)](&soak);
		has_ended = kt_scenario_wait(&soak.supervisor, 1000, &exit_code);
		seconds = (double)(kt_run_now_ns() - began) / 1e9;
	}
	kt_scenario_expect(run, !has_ended, "the supervisor ended by itself, status %d", exit_code);
	judge(&soak);
	kt_scenario_finish(run);
	if (!has_ended && !kt_scenario_wait(&soak.supervisor, END_MS, &exit_code))
		kt_run_die("the launch does not end");
	kt_scenario_expect(run, kt_scenario_complete(run), "the mission does not end");
	kt_scenario_check(run);
	free(soak.samples);
}
