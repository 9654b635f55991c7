/*
 * The scenarios about beginnings: many lanes made at once, two supervisors started at once. Runs in
 * kitty-stress. Must start every process as a user would, by a command.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "stress/run.h"
#include "stress/scenario.h"

enum { COMMAND_MS = 240000, DECIDED_MS = 30000, ENDED_MS = 15000, PAUSE_MS = 40 };

/* ---- lane creations ---- */

static void start_implement(struct kt_scenario_run *run, size_t number, struct kt_child *child)
{
	char *wp = kt_workspace_wp(number);
	char *name = kt_format("--agent=a%zu", number);
	char *log = kt_format("%s/implement.log", run->workspace.folder);
	const char *argv[] = {"kitty", "implement", wp, name, NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	spec.path = argv[0];
	spec.argv = argv;
	spec.cwd = run->workspace.repo;
	spec.stdout_fd = fd;
	spec.stderr_fd = fd;
	if (fd < 0 || kt_child_start(&spec, child, &err) != KT_E_OK)
		kt_run_die("kitty implement: %s", err.detail);
	(void)close(fd);
	free(log);
	free(name);
	free(wp);
}

static size_t count_in(const struct kt_buffer *text, const char *wanted)
{
	size_t count = 0;

	for (const char *at = kt_buffer_text(text); (at = strstr(at, wanted)); at += strlen(wanted))
		count++;
	return count;
}

/* Every lane has its worktree, on its own branch, and there is no branch without one. */
static void expect_lanes(struct kt_scenario_run *run)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *branch = kt_format("branch refs/heads/%s-lane-", run->workspace.branch);
	char *pattern = kt_format("refs/heads/%s-lane-*", run->workspace.branch);
	size_t worktrees = 0;

	KT_RUN_OUT(run->workspace.repo, &text, "git", "worktree", "list", "--porcelain");
	worktrees = count_in(&text, branch);
	kt_scenario_expect(run, worktrees == run->workspace.lanes, "%zu lane worktrees, not %zu",
		worktrees, run->workspace.lanes);
	kt_scenario_expect(run, count_in(&text, "prunable") == 0, "a worktree is broken");
	kt_buffer_clear(&text);
	KT_RUN_OUT(
		run->workspace.repo, &text, "git", "for-each-ref", "--format=%(refname)", pattern);
	kt_scenario_expect(run, count_in(&text, "refs/heads/") == worktrees,
		"%zu lane branches for %zu worktrees", count_in(&text, "refs/heads/"), worktrees);
	kt_buffer_release(&text);
	free(pattern);
	free(branch);
}

void kt_scenario_creations(struct kt_scenario_run *run)
{
	struct kt_child *children = kt_alloc(run->size.lanes * sizeof *children);

	for (run->done = 0; run->done < run->size.rounds; run->done++) {
		kt_scenario_open(run, run->size.lanes, 0);
		for (size_t i = 0; i < run->size.lanes; i++)
			start_implement(run, i, &children[i]);
		for (size_t i = 0; i < run->size.lanes; i++) {
			int exit_code = -1;
			bool has_ended = kt_scenario_wait(&children[i], COMMAND_MS, &exit_code);

			if (!has_ended)
				kt_run_die("kitty implement does not end");
			kt_scenario_expect(run, exit_code == 0,
				"round %zu: one of %zu lanes made at once failed with status %d",
				run->done + 1, run->size.lanes, exit_code);
		}
		expect_lanes(run);
		kt_scenario_check(run);
	}
	free(children);
}

/* ---- two supervisors ---- */

/* How the round before ends its winner, and what is done to the next one's lock. */
enum ending { BY_TERM, BY_KILL, LOCK_DELETED, ENDINGS };

static const char *const ending_names[ENDINGS] = {"in order", "kill -9", "lock file deleted"};

/* The index of the one that lives; the other one has ended with *exit_code. -1: both live. */
static int wait_for_winner(struct kt_child pair[2], int *exit_code)
{
	struct pollfd wait[2] = {{pair[0].pidfd, POLLIN, 0}, {pair[1].pidfd, POLLIN, 0}};
	int loser = 0;

	if (poll(wait, 2, DECIDED_MS) <= 0)
		return -1;
	loser = wait[0].revents ? 0 : 1;
	if (!kt_scenario_wait(&pair[loser], 0, exit_code))
		return -1;
	return 1 - loser;
}

static void end(struct kt_scenario_run *run, struct kt_child *supervisor, enum ending how)
{
	int exit_code = 0;

	kt_child_signal(supervisor, how == BY_KILL ? SIGKILL : SIGTERM, false);
	if (kt_scenario_wait(supervisor, ENDED_MS, &exit_code))
		return;
	kt_scenario_expect(run, false, "a supervisor does not end within %d ms", ENDED_MS);
	kt_child_signal(supervisor, SIGKILL, false);
	(void)kt_scenario_wait(supervisor, ENDED_MS, &exit_code);
}

/* The one that holds the mission is the one that lives. */
static void expect_holder(struct kt_scenario_run *run, int pid)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *script =
		kt_format("kitty ps --json | tr ',{' '\\n\\n' | grep -m1 '\"pid\": *%d\\b'", pid);
	int status = KT_TRY(run->workspace.repo, &text, "sh", "-c", script);

	kt_scenario_expect(
		run, status == 0, "the winner %d is not the supervisor that answers", pid);
	kt_buffer_release(&text);
	free(script);
}

/* Somebody deletes the lock file under a living supervisor: a third one must be refused still. */
static void delete_lock(struct kt_scenario_run *run)
{
	struct kt_child third = KT_CHILD_INIT;
	char *path = kt_format("%s/.git/spec-kitty-locks/%s.status.lock", run->workspace.repo,
		run->workspace.slug);
	int exit_code = 0;

	(void)unlink(path);
	kt_scenario_launch(run, &third);
	if (!kt_scenario_wait(&third, DECIDED_MS, &exit_code)) {
		kt_scenario_expect(run, false, "with the lock file deleted two supervisors run");
		end(run, &third, BY_KILL);
	} else {
		kt_scenario_expect(run, exit_code != 0, "the third supervisor says it succeeded");
	}
	free(path);
}

static void race(struct kt_scenario_run *run, enum ending how)
{
	struct kt_child pair[2] = {KT_CHILD_INIT, KT_CHILD_INIT};
	int exit_code = 0;
	int winner = 0;

	kt_scenario_launch(run, &pair[0]);
	kt_scenario_launch(run, &pair[1]);
	winner = wait_for_winner(pair, &exit_code);
	kt_scenario_expect(run, winner >= 0, "round %zu: both supervisors live", run->done + 1);
	if (winner < 0) {
		end(run, &pair[0], BY_KILL);
		end(run, &pair[1], BY_KILL);
		return;
	}
	kt_scenario_expect(run, exit_code != 0, "the loser says it succeeded");
	/* Its lanes work: so it is wholly there. */
	kt_scenario_expect(run, kt_scenario_wait_progress(run, 1, DECIDED_MS),
		"round %zu (%s): the winner's lanes do nothing", run->done + 1, ending_names[how]);
	expect_holder(run, pair[winner].pid);
	if (how == LOCK_DELETED)
		delete_lock(run);
	end(run, &pair[winner], how);
}

void kt_scenario_supervisors(struct kt_scenario_run *run)
{
	kt_scenario_open(run, run->size.lanes, 0);
	kt_scenario_endless(run, PAUSE_MS);
	for (run->done = 0; run->done < run->size.rounds; run->done++)
		race(run, (enum ending)(run->done % ENDINGS));
	kt_scenario_finish(run);
	kt_scenario_expect(run, kt_scenario_complete(run), "the mission does not come to its end");
	kt_scenario_check(run);
}
