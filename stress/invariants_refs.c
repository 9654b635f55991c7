/*
 * What lies around the log: git's locks and half-written files (P3), objects (P2), refs and
 * worktrees (P7). Runs in kitty-check, with the git command and `find`; changes nothing.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "stress/invariants_private.h"
#include "stress/run.h"

/* The script prints nothing and succeeds. */
static void expect_silent(
	struct kt_invariants_walk *walk, enum kt_promise promise, const char *what, char *script)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	const char *argv[] = {"sh", "-c", script, NULL};
	int status = kt_run_quiet(walk->job->repo, &text, argv);

	kt_verdict_expect(walk->verdicts, promise, status == 0 && text.len == 0,
		"%s (status %d): %.250s", what, status, kt_buffer_text(&text));
	kt_buffer_release(&text);
	free(script);
}

/* The mission's lock file stays: free, or held by a process that lives. */
static void check_lock(struct kt_invariants_walk *walk)
{
	char *path = kt_format("%s/spec-kitty-locks/%s.status.lock", walk->common_dir, walk->slug);
	char *holder = kt_format("%s/kitty/%s/holder", walk->common_dir, walk->slug);
	struct kt_buffer text = KT_BUFFER_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		bool is_free = flock(fd, LOCK_SH | LOCK_NB) == 0;

		kt_verdict_expect(walk->verdicts, KT_P3,
			is_free || (kt_run_read_file(holder, &text) && text.len > 0),
			"the mission's lock %s is held and nobody says by whom", path);
		(void)close(fd);
	}
	kt_buffer_release(&text);
	free(path);
	free(holder);
}

static void check_leftovers(struct kt_invariants_walk *walk)
{
	expect_silent(walk, KT_P3, "stale git locks",
		kt_format("find '%s' -name '*.lock' -not -path '*/spec-kitty-locks/*' -not -path "
			  "'*/objects/*' -not -path '%s/kitty/*'",
			walk->common_dir, walk->common_dir));
	expect_silent(walk, KT_P3, "half-written files of the mission",
		kt_format("top=$(git rev-parse --path-format=absolute --git-common-dir)/..; find "
			  "\"$top/kitty-specs\" \"$top/.kittify\" \"$top\"/.worktrees/*-coord "
			  "-name '*.tmp' 2>/dev/null; true"));
	expect_silent(walk, KT_P2, "git fsck",
		kt_strdup("git fsck --full --strict --no-dangling --no-progress"));
}

/* Every tip that the branch's reflog says it moved away from is on the branch now: it only ever
 * moved forward. (What it was to become may never have landed: the reflog is written first.) */
static void check_reflog(struct kt_invariants_walk *walk)
{
	if (strncmp(walk->ref, "refs/heads/", 11) != 0)
		return;
	expect_silent(walk, KT_P7, "tips of the coordination branch that it has no more",
		kt_format("grep -aoE '^[0-9a-f]{40}' '%s/logs/%s' 2>/dev/null | grep -v '^0*$' | "
			  "sort -u | git "
			  "rev-list --stdin --not '%s' --",
			walk->common_dir, walk->ref, walk->ref));
}

/* Another branch may hold the mission's log only as the coordination branch (or, without one, a
 * branch that holds rows) had it at some time. */
static void check_other_branches(struct kt_invariants_walk *walk)
{
	expect_silent(walk, KT_P7, "a log that the coordination branch never had",
		kt_format("had=$(git log --format= --raw --no-abbrev -m --first-parent %s -- "
			  "'%s' | cut -d' ' -f4); git for-each-ref --format='%%(refname)' "
			  "refs/heads | while read -r ref; do id=$(git rev-parse -q --verify "
			  "\"$ref:%s\") || continue; case $had in *\"$id\"*) ;; *) echo "
			  "\"$ref\";; esac; done",
			walk->refs, walk->log_path, walk->log_path));
}

/* Worktrees of the mission have their own branch checked out. */
static void check_worktrees(struct kt_invariants_walk *walk)
{
	expect_silent(walk, KT_P7, "worktrees with another branch than theirs",
		kt_format(
			"git worktree list --porcelain | awk -v slug='%s' '"
			"/^worktree /{n=split($2, part, \"/\"); name=part[n]; want=\"\"; if "
			"(index(name, slug \"-lane-\")==1) want=\"refs/heads/kitty/mission-\" "
			"name; else if (name==slug \"-coord\") want=\"refs/heads/kitty/mission-\" "
			"slug} /^(branch|detached)/{if (want!=\"\" && $2!=want) print name, $0}'",
			walk->slug));
}

void kt_invariants_refs(struct kt_invariants_walk *walk)
{
	check_lock(walk);
	check_leftovers(walk);
	check_reflog(walk);
	check_other_branches(walk);
	check_worktrees(walk);
}
