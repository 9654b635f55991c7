/*
 * The benchmark's rows about events: one durable emit beside git, status beside rev-parse, the
 * gate, a transaction, a rollback. Runs in kitty-bench. Measures take turns, so that both sides
 * meet the same machine.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "stress/bench.h"
#include "stress/run.h"

#define KT_BENCH_LANES "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t"
#define KT_BENCH_WP "WP21" /* in no lane that runs */

enum { KT_BENCH_LOG_ROWS = 1000, KT_BENCH_ROUNDS = 30, KT_BENCH_BIG_LOG = 10 << 20 };

struct lab {
	struct kt_workspace workspace;
	char *git_repo; /* the baseline's */
	size_t moves;   /* of KT_BENCH_WP so far */
};

static void read_log(const struct kt_workspace *workspace, struct kt_buffer *out)
{
	char *name = kt_format("%s:%s", workspace->branch, workspace->log_path);

	KT_RUN_OUT(workspace->repo, out, "git", "cat-file", "blob", name);
	free(name);
}

size_t kt_bench_log_rows(const struct kt_workspace *workspace)
{
	struct kt_buffer log = KT_BUFFER_INIT;
	size_t rows = 0;

	read_log(workspace, &log);
	for (size_t i = 0; i < log.len; i++)
		rows += log.data[i] == '\n';
	kt_buffer_release(&log);
	return rows;
}

/* The baseline's repository: the same source files, the same log. */
static void make_git_repo(struct lab *lab)
{
	struct kt_buffer log = KT_BUFFER_INIT;
	char *path = NULL;

	lab->git_repo = kt_format("%s/git", lab->workspace.folder);
	path = kt_format("%s/log.jsonl", lab->git_repo);
	KT_RUN(lab->workspace.folder, "git", "clone", "-q", "--no-hardlinks", "-b", "main",
		lab->workspace.repo, lab->git_repo);
	KT_RUN(lab->git_repo, "git", "config", "user.name", "Bench");
	KT_RUN(lab->git_repo, "git", "config", "user.email", "bench@example.invalid");
	read_log(&lab->workspace, &log);
	kt_run_write_file(path, kt_buffer_text(&log), log.len);
	KT_RUN(lab->git_repo, "git", "add", "log.jsonl");
	KT_RUN(lab->git_repo, "git", "commit", "-q", "-m", "log");
	kt_buffer_release(&log);
	free(path);
}

static double git_commit_ms(const struct lab *lab)
{
	static const char ROW[] =
		"{\"actor\": \"bench\", \"at\": \"2026-01-01T00:00:00+00:00\", \"delta\": "
		"{\"note\": \"a row "
		"of the usual length, so that both logs grow alike\"}, \"event_id\": "
		"\"01ARZ3NDEKTSV4RRFFQ69G5FAV\", \"kind\": \"annotation\", \"wp_id\": \"WP21\"}\n";
	char *path = kt_format("%s/log.jsonl", lab->git_repo);
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	double spent = 0;

	if (fd < 0 || write(fd, ROW, sizeof ROW - 1) != (ssize_t)(sizeof ROW - 1))
		kt_run_die("%s", path);
	(void)close(fd);
	free(path);
	spent = KT_TIME(lab->git_repo, 0, "git", "add", "log.jsonl");
	return spent + KT_TIME(lab->git_repo, 0, "git", "commit", "-q", "-m", "chore: one row");
}

/* The next legal move of the benchmark's own work package: it is claimed, started, then blocked and
 * taken up again. */
static const char *next_status(struct lab *lab)
{
	size_t move = lab->moves++;

	if (move == 0)
		return "claimed";
	return move % 2 == 1 ? "in_progress" : "blocked";
}

static double emit_ms(struct lab *lab, int expected)
{
	return KT_TIME(lab->workspace.repo, expected, "kitty", "agent", "status", "emit",
		KT_BENCH_WP, "--to", next_status(lab), "--actor", "bench", "--reason", "measuring",
		"--mission", lab->workspace.slug);
}

static double status_ms(const struct lab *lab)
{
	return KT_TIME(lab->workspace.repo, 0, "kitty", "status", "--mission", lab->workspace.slug);
}

static void bench_emit(struct lab *lab, struct kt_bench_supervisor *supervisor)
{
	struct kt_samples request = {0};
	struct kt_samples command = {0};
	struct kt_samples git = {0};

	for (int i = 0; i < KT_BENCH_ROUNDS; i++) {
		kt_samples_add(&git, git_commit_ms(lab));
		kt_samples_add(&request, kt_bench_supervisor_emit(supervisor, KT_BENCH_WP, 60));
		kt_samples_add(&command, emit_ms(lab, 0));
	}
	kt_bench_add(&(struct kt_bench_row){.name = "one durable emit over a socket, 1,000 rows",
		.unit = "ms",
		.value = kt_samples_median(&request),
		.beside = "git add && git commit",
		.beside_value = kt_samples_median(&git),
		.limit = kt_samples_median(&git)});
	kt_bench_add(&(struct kt_bench_row){
		.name = "the same by `kitty agent status emit`, whole command",
		.unit = "ms",
		.value = kt_samples_median(&command),
		.beside = "git add && git commit",
		.beside_value = kt_samples_median(&git),
		.limit = kt_samples_median(&git)});
}

static void bench_status(const struct lab *lab, const char *name, double times)
{
	struct kt_samples status = {0};
	struct kt_samples git = {0};

	for (int i = 0; i < KT_BENCH_ROUNDS; i++) {
		kt_samples_add(&git, KT_TIME(lab->workspace.repo, 0, "git", "rev-parse", "HEAD"));
		kt_samples_add(&status, status_ms(lab));
	}
	kt_bench_add(&(struct kt_bench_row){.name = name,
		.unit = "ms",
		.value = kt_samples_median(&status),
		.beside = "git rev-parse HEAD",
		.beside_value = kt_samples_median(&git),
		.limit = times * kt_samples_median(&git)});
}

static void bench_with_supervisor(struct lab *lab)
{
	struct kt_bench_supervisor *supervisor =
		kt_bench_supervisor_start(&lab->workspace, KT_BENCH_LANES);

	while (kt_bench_log_rows(&lab->workspace) < KT_BENCH_LOG_ROWS)
		for (size_t i = kt_bench_log_rows(&lab->workspace); i < KT_BENCH_LOG_ROWS; i++)
			(void)kt_bench_supervisor_emit(supervisor, KT_BENCH_WP, 200);
	make_git_repo(lab);
	bench_status(lab, "kitty status with a supervisor, 1,000 events", 5);
	bench_emit(lab, supervisor);
	kt_bench_add(
		&(struct kt_bench_row){.name = "supervisor's peak memory, 20 lanes, 1,000 rows",
			.unit = "MiB",
			.value = (double)kt_bench_supervisor_peak_kib(supervisor) / 1024,
			.limit = 30});
	kt_bench_supervisor_stop(supervisor);
}

static void bench_transaction(struct lab *lab)
{
	struct kt_samples samples = {0};

	for (int i = 0; i < KT_BENCH_ROUNDS; i++)
		kt_samples_add(&samples, emit_ms(lab, 0));
	kt_bench_add(&(struct kt_bench_row){
		.name = "one transaction without a supervisor, whole command, 1,000 rows",
		.unit = "ms",
		.value = kt_samples_median(&samples),
		.limit = 250});
}

static int64_t wall_ns(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* From the moment the hook has said no to the end of the command. */
static double rollback_ms(struct lab *lab, const char *stamp_path)
{
	struct kt_buffer stamp = KT_BUFFER_INIT;
	int64_t end = 0;
	double spent = 0;

	(void)emit_ms(lab, 8);
	end = wall_ns();
	lab->moves--;
	if (!kt_run_read_file(stamp_path, &stamp))
		kt_run_die("the hook did not run");
	spent = (double)(end - strtoll(kt_buffer_text(&stamp), NULL, 10)) / 1e6;
	kt_buffer_release(&stamp);
	return spent;
}

static void grow_log(struct lab *lab)
{
	struct kt_bench_supervisor *supervisor = kt_bench_supervisor_start(&lab->workspace, "a");
	struct kt_buffer log = KT_BUFFER_INIT;

	read_log(&lab->workspace, &log);
	for (size_t size = log.len; size < KT_BENCH_BIG_LOG; size += 60000)
		(void)kt_bench_supervisor_emit(supervisor, KT_BENCH_WP, 60000);
	kt_bench_supervisor_stop(supervisor);
	kt_buffer_release(&log);
}

static void bench_rollback(struct lab *lab)
{
	struct kt_samples samples = {0};
	char *stamp = kt_format("%s/stamp", lab->workspace.folder);
	char *hook = kt_format("%s/.git/hooks/pre-commit", lab->workspace.repo);
	char *script = kt_format("#!/bin/sh\ndate +%%s%%N >'%s'\nexit 1\n", stamp);

	grow_log(lab);
	kt_run_write_file(hook, script, strlen(script));
	if (chmod(hook, 0755) != 0)
		kt_run_die("%s", hook);
	for (int i = 0; i < 9; i++)
		kt_samples_add(&samples, rollback_ms(lab, stamp));
	(void)unlink(hook);
	kt_bench_add(&(struct kt_bench_row){.name = "rollback after a hook's refusal, log of 10 MB",
		.unit = "ms",
		.value = kt_samples_median(&samples),
		.limit = 100});
	free(script);
	free(hook);
	free(stamp);
}

void kt_bench_writes(const char *folder)
{
	struct kt_workspace_size size = {.lanes = 21, .events = 1, .files = 100, .seed = 1};
	struct lab lab = {.moves = 0};
	char *sub = kt_format("%s/writes", folder);

	kt_run_make_folder(sub);
	kt_workspace_make(&lab.workspace, sub, &size);
	bench_with_supervisor(&lab);
	bench_status(&lab, "kitty status without a supervisor, 1,000 events", 15);
	bench_transaction(&lab);
	kt_bench_gate(&lab.workspace);
	bench_rollback(&lab);
	kt_workspace_release(&lab.workspace);
	free(lab.git_repo);
}
