/*
 * The scenario of foreign writers: what other programs and people do in the same repository while
 * lanes work. Runs in kitty-stress; every deed is a shell line of git's own commands.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "stress/run.h"
#include "stress/scenario.h"

enum { PAUSE_MS = 10, START_MS = 60000, END_MS = 120000, SETTLED_BYTES = 400 };

/* $BRANCH and $COORD name the coordination branch and worktree; in the primary checkout. */
static const struct {
	const char *name, *script;
} deeds[] = {
	{"gc", "git gc -q"},
	{"gc --prune=now", "git gc -q --prune=now"},
	{"prune", "git prune --expire=now"},
	{"pack-refs", "git pack-refs --all --prune"},
	{"status", "GIT_OPTIONAL_LOCKS=1; export GIT_OPTIONAL_LOCKS; for i in 1 2 3 4 5; do "
		   "git status >/dev/null; git -C \"$COORD\" status >/dev/null; done"},
	/* By plumbing: the intruder keeps what he found, and moves the ref only from there. */
	{"commit", "for i in 1 2 3 4 5 6 7 8 9 10; do tip=$(git rev-parse \"$BRANCH\") && "
		   "blob=$(echo $$ | git hash-object -w --stdin) && "
		   "tree=$({ git ls-tree \"$tip\"; printf '100644 blob %s\\tintruder-%s\\n' "
		   "$blob $$; } | git mktree) && "
		   "new=$(git commit-tree -p \"$tip\" -m intruder \"$tree\") && "
		   "git update-ref \"refs/heads/$BRANCH\" \"$new\" \"$tip\" 2>/dev/null && exit 0; "
		   "done; exit 0"},
	{"checkout", "git -C \"$COORD\" checkout -q --detach && sleep 0.05; "
		     "git -C \"$COORD\" checkout -q -f \"$BRANCH\" || :"},
	{"rm -rf", "rm -rf \"$COORD\""},
};

static void deeds_do(struct kt_scenario_run *run, size_t deed)
{
	struct kt_buffer said = KT_BUFFER_INIT;
	const char *const argv[] = {"sh", "-c", deeds[deed].script, NULL};
	size_t failed = 0;

	(void)setenv("BRANCH", run->workspace.branch, 1);
	(void)setenv("COORD", run->workspace.worktree, 1);
	for (size_t i = 0; i < run->size.rounds; i++) {
		if (kt_run_quiet(run->workspace.repo, &said, argv) != 0)
			failed++;
		/* The lanes get on in between: what is disturbed is work, not waiting. */
		kt_scenario_expect(run, kt_scenario_wait_progress(run, SETTLED_BYTES, END_MS),
			"%s, round %zu: the lanes stand still", deeds[deed].name, i + 1);
		run->done++;
	}
	kt_scenario_note(run, "%-15s %zu rounds, %zu of them git itself gave up", deeds[deed].name,
		run->size.rounds, failed);
	kt_buffer_release(&said);
}

/* One launch that all of deeds[first..last) fall upon. */
static void disturb(struct kt_scenario_run *run, size_t first, size_t last)
{
	struct kt_child supervisor = KT_CHILD_INIT;
	int exit_code = -1;

	kt_scenario_open(run, run->size.lanes, 0);
	kt_scenario_endless(run, PAUSE_MS);
	kt_scenario_launch(run, &supervisor);
	kt_scenario_expect(run, kt_scenario_wait_progress(run, SETTLED_BYTES, START_MS),
		"%s: the lanes do not begin", deeds[first].name);
	for (size_t deed = first; deed < last; deed++)
		deeds_do(run, deed);
	kt_scenario_finish(run);
	if (!kt_scenario_wait(&supervisor, END_MS, &exit_code))
		kt_run_die("%s: the launch does not end", deeds[first].name);
	kt_scenario_expect(
		run, kt_scenario_complete(run), "%s: the mission does not end", deeds[first].name);
	kt_scenario_check(run);
}

void kt_scenario_foreign(struct kt_scenario_run *run)
{
	size_t len = sizeof deeds / sizeof *deeds;

	for (size_t i = 0; i < len && !run->size.is_quick; i++)
		disturb(run, i, i + 1);
	if (run->size.is_quick)
		disturb(run, 0, len);
}
