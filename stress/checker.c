/*
 * The part of the checker that looks at the repository as it lies: P3, P9, P13, P14, what
 * kitty-check says, and the verdicts themselves. Runs in kitty-stress after the mission. Must
 * change nothing.
 */
#include "stress/checker.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "stress/check_log.h"
#include "stress/record.h"
#include "stress/run.h"

const char *kt_promise_name(enum kt_promise promise)
{
	static const char *const names[KT_PROMISES] = {[KT_P1] = "P1",
		[KT_P2] = "P2",
		[KT_P3] = "P3",
		[KT_P4] = "P4",
		[KT_P5] = "P5",
		[KT_P6] = "P6",
		[KT_P7] = "P7",
		[KT_P8] = "P8",
		[KT_P9] = "P9",
		[KT_P13] = "P13",
		[KT_P14] = "P14"};

	return names[promise];
}

void kt_verdict_expect(
	struct kt_verdicts *verdicts, enum kt_promise promise, bool holds, const char *format, ...)
{
	struct kt_verdict *verdict = &verdicts->promises[promise];
	va_list args;

	verdict->checked++;
	if (holds)
		return;
	if (verdict->broken++ > 0)
		return;
	va_start(args, format);
	(void)vsnprintf(verdict->first, sizeof verdict->first, format, args);
	va_end(args);
}

bool kt_verdicts_all_hold(const struct kt_verdicts *verdicts)
{
	for (size_t i = 0; i < KT_PROMISES; i++)
		/* A run without sinks has nothing that P8 could be about. */
		if (verdicts->promises[i].broken || (!verdicts->promises[i].checked && i != KT_P8))
			return false;
	return true;
}

/* The command prints nothing and succeeds. */
static void expect_silent(struct kt_verdicts *verdicts, enum kt_promise promise, const char *cwd,
	const char *what, const char *script)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	int status = KT_TRY(cwd, &text, "sh", "-c", script);

	kt_verdict_expect(verdicts, promise, status == 0 && text.len == 0, "%s: %.200s", what,
		text.len ? text.data : "failed");
	kt_buffer_release(&text);
}

static void check_worktree(const struct kt_workspace *workspace, struct kt_verdicts *verdicts)
{
	const char *const paths[] = {workspace->log_path, workspace->snapshot_path};

	for (size_t i = 0; i < 2; i++) {
		struct kt_buffer committed = KT_BUFFER_INIT;
		struct kt_buffer working = KT_BUFFER_INIT;
		char *name = kt_format("%s:%s", workspace->branch, paths[i]);
		char *path = kt_format("%s/%s", workspace->worktree, paths[i]);
		bool is_there =
			kt_run_read_file(path, &working) &&
			KT_TRY(workspace->repo, &committed, "git", "cat-file", "blob", name) == 0;
		kt_verdict_expect(verdicts, KT_P3,
			is_there && working.len == committed.len &&
				memcmp(kt_buffer_text(&working), kt_buffer_text(&committed),
					working.len) == 0,
			"%s is not the tip's", path);
		kt_buffer_release(&committed);
		kt_buffer_release(&working);
		free(name);
		free(path);
	}
	expect_silent(verdicts, KT_P3, workspace->worktree,
		"git status in the coordination worktree", "git status --porcelain");
	expect_silent(verdicts, KT_P3, workspace->worktree, "index of the coordination worktree",
		"git diff-index --cached --name-status HEAD");
	expect_silent(verdicts, KT_P3, workspace->repo, "stale git locks",
		"find .git -name '*.lock' -not -path '.git/spec-kitty-locks/*' -not -path "
		"'.git/kitty/*'");
}

/* The lock file stays, unlocked. */
static void check_lock(const struct kt_workspace *workspace, struct kt_verdicts *verdicts)
{
	char *path = kt_format(
		"%s/.git/spec-kitty-locks/%s.status.lock", workspace->repo, workspace->slug);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	kt_verdict_expect(verdicts, KT_P3, fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0,
		"the mission's lock %s is gone or still held", path);
	if (fd >= 0)
		(void)close(fd);
	free(path);
}

static bool carries(int pid, const char *mark)
{
	char path[64];
	struct kt_buffer text = KT_BUFFER_INIT;
	bool found = false;

	(void)snprintf(path, sizeof path, "/proc/%d/environ", pid);
	if (kt_run_read_file(path, &text))
		found = memmem(kt_buffer_text(&text), text.len, mark, strlen(mark)) != NULL;
	kt_buffer_release(&text);
	return found;
}

size_t kt_marked_processes(const char *slug, int supervisor_pid, int *pids, size_t max)
{
	char *mark = supervisor_pid
			     ? kt_format("SPEC_KITTY_SUPERVISOR=%s:%d:", slug, supervisor_pid)
			     : kt_format("SPEC_KITTY_SUPERVISOR=%s:", slug);
	DIR *folder = opendir("/proc");
	struct dirent *entry = NULL;
	size_t count = 0;

	if (!folder)
		kt_run_die("/proc cannot be read");
	while ((entry = readdir(folder))) {
		int pid = (int)strtol(entry->d_name, NULL, 10);
		if (pid <= 0 || !carries(pid, mark))
			continue;
		if (pids && count < max)
			pids[count] = pid;
		count++;
	}
	(void)closedir(folder);
	free(mark);
	return count;
}

static void check_processes(const struct kt_workspace *workspace, struct kt_verdicts *verdicts)
{
	int pid = 0;
	size_t alive = kt_marked_processes(workspace->slug, 0, &pid, 1);

	kt_verdict_expect(verdicts, KT_P9, alive == 0,
		"%zu processes of the mission are alive after its end, one is %d", alive, pid);
}

static void check_checkout(const struct kt_workspace *workspace, struct kt_verdicts *verdicts)
{
	char *now = kt_format("%s/now", workspace->folder);

	kt_run_make_folder(now);
	kt_workspace_photograph(workspace->repo, now);
	for (size_t i = 0; kt_workspace_parts[i]; i++) {
		struct kt_buffer old = KT_BUFFER_INIT;
		struct kt_buffer new = KT_BUFFER_INIT;
		char *old_path = kt_format("%s/%s", workspace->before, kt_workspace_parts[i]);
		char *new_path = kt_format("%s/%s", now, kt_workspace_parts[i]);
		bool are_there =
			kt_run_read_file(old_path, &old) && kt_run_read_file(new_path, &new);
		kt_verdict_expect(verdicts, KT_P13,
			are_there && old.len ==
					     new.len &&memcmp(kt_buffer_text(&old),
						     kt_buffer_text(&new), old.len) == 0,
			"the user's %s changed (%s, %s)", kt_workspace_parts[i], old_path,
			new_path);
		kt_buffer_release(&old);
		kt_buffer_release(&new);
		free(old_path);
		free(new_path);
	}
	free(now);
}

static void check_lanes(const struct kt_workspace *workspace, struct kt_verdicts *verdicts)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *pattern = kt_format("refs/heads/%s-lane-*", workspace->branch);
	size_t lanes = 0;
	char *end = NULL;

	KT_RUN_OUT(workspace->repo, &text, "git", "for-each-ref", "--format=%(refname)", pattern);
	for (char *line = text.data; line && (end = strchr(line, '\n')); line = end + 1) {
		char *script = NULL;
		*end = '\0';
		lanes++;
		script = kt_format("git log --format= --name-only refs/heads/%s..%s -- '%s' '%s'",
			workspace->branch, line, workspace->log_path, workspace->snapshot_path);
		expect_silent(verdicts, KT_P14, workspace->repo, line, script);
		free(script);
	}
	kt_verdict_expect(verdicts, KT_P14, lanes == workspace->lanes,
		"%zu lane branches, %zu expected", lanes, workspace->lanes);
	expect_silent(verdicts, KT_P14, workspace->repo, "git fsck",
		"git fsck --full --strict --no-dangling --no-progress 2>&1");
	kt_buffer_release(&text);
	free(pattern);
}

/* Agents write down when they find another one in their lane. */
static void check_overlaps(const struct kt_workspace *workspace, struct kt_verdicts *verdicts)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path = kt_format("%s/overlaps", workspace->records);

	(void)kt_run_read_file(path, &text);
	kt_verdict_expect(verdicts, KT_P6, text.len == 0, "two agents at once: %.200s",
		kt_buffer_text(&text));
	kt_buffer_release(&text);
	free(path);
}

/* Every acknowledgement of the agents' records, one line each: what kitty-check is told. Gives. */
static char *write_acknowledged(const struct kt_workspace *workspace)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path = kt_format("%s/acknowledged", workspace->folder);

	for (size_t i = 0; i < workspace->lanes; i++) {
		char *wp = kt_workspace_wp(i);
		struct kt_record record;

		kt_record_read(workspace->records, wp, &record);
		for (size_t k = 0; k < record.len; k++)
			if (record.events[k].commit[0] != '\0')
				kt_buffer_printf(&text, "%s %s %s\n", record.events[k].event_id,
					record.events[k].commit, wp);
		kt_record_release(&record);
		free(wp);
	}
	kt_run_write_file(path, kt_buffer_text(&text), text.len);
	kt_buffer_release(&text);
	return path;
}

static void take_verdict(
	struct kt_verdicts *verdicts, enum kt_promise promise, const struct kt_json *one)
{
	struct kt_verdict *verdict = &verdicts->promises[promise];
	const char *first = kt_json_get_string(one, "first");
	int64_t facts = 0, broken = 0;

	(void)kt_json_get_int(one, "facts", &facts);
	(void)kt_json_get_int(one, "broken", &broken);
	verdict->checked += (size_t)facts;
	if (broken > 0 && verdict->broken == 0)
		(void)snprintf(verdict->first, sizeof verdict->first, "%s", first ? first : "");
	verdict->broken += (size_t)broken;
}

static void check_repository(const struct kt_workspace *workspace, struct kt_verdicts *verdicts)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;
	char *acknowledged = write_acknowledged(workspace);
	int status = KT_TRY(workspace->repo, &text, "kitty-check", workspace->repo, workspace->slug,
		"--acknowledged", acknowledged, "--json");

	if (status < 0 || status > 1 ||
		kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &report, &err) !=
			KT_E_OK)
		kt_run_die("kitty-check ended with status %d", status);
	for (int i = 0; i < KT_PROMISES; i++)
		take_verdict(verdicts, (enum kt_promise)i,
			kt_json_get(kt_json_get(report, "promises"),
				kt_promise_name((enum kt_promise)i)));
	kt_json_free(report);
	kt_buffer_release(&text);
	free(acknowledged);
}

void kt_check(const struct kt_workspace *workspace, struct kt_verdicts *verdicts)
{
	check_processes(workspace, verdicts);
	check_worktree(workspace, verdicts);
	check_lock(workspace, verdicts);
	check_checkout(workspace, verdicts);
	check_lanes(workspace, verdicts);
	check_overlaps(workspace, verdicts);
	check_repository(workspace, verdicts);
	kt_check_log(workspace, verdicts);
}
