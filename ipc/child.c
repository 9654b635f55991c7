/*
 * Spawning, signalling and reaping. Both programs; the only file with posix_spawn and wait calls.
 * Must never wait for -1, never signal a group that is not the child's own, and leave the
 * caller's signal mask and dispositions as they are (SIGCHLD set to "ignore" excepted: see start).
 */
#include "ipc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/fd.h"
#include "ipc/subreaper.h"

#define STANDARD_FDS 3

/*
 * Children that were started and not yet reaped, so that the reaping of orphans can leave them
 * alone even when their owner is another folder's step machine.
 */
static struct {
	pid_t *all;
	size_t len, max;
} started;

static void remember_child(pid_t pid)
{
	if (started.len == started.max) {
		started.max = started.max * 2 + 16;
		started.all = kt_realloc_array(started.all, started.max, sizeof *started.all);
	}
	started.all[started.len++] = pid;
}

/* Frees the list with its last child: a process that ends with none leaks nothing. */
static void forget_child(pid_t pid)
{
	for (size_t i = 0; i < started.len; i++)
		if (started.all[i] == pid) {
			started.all[i] = started.all[--started.len];
			break;
		}
	if (started.len == 0) {
		free(started.all);
		started.all = NULL;
		started.max = 0;
	}
}

bool kt_child_is_started(pid_t pid)
{
	for (size_t i = 0; i < started.len; i++)
		if (started.all[i] == pid)
			return true;
	return false;
}

static const char *const *spec_environment(const struct kt_child_spec *spec)
{
	return spec->envp != NULL ? spec->envp : (const char *const *)environ;
}

static const char *search_path(const struct kt_child_spec *spec)
{
	for (const char *const *entry = spec_environment(spec); *entry != NULL; entry++)
		if (strncmp(*entry, "PATH=", 5) == 0)
			return *entry + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

/* 0 when candidate can be executed, else why not. It is meant relative to the child's folder. */
static int check_program(const struct kt_child_spec *spec, const char *candidate)
{
	struct stat found;
	char *path = candidate[0] == '/' || spec->cwd == NULL
			     ? kt_strdup(candidate)
			     : kt_format("%s/%s", spec->cwd, candidate);
	int failure = 0;

	if (stat(path, &found) != 0)
		failure = errno;
	else if (!S_ISREG(found.st_mode) || access(path, X_OK) != 0)
		failure = EACCES;
	free(path);
	return failure;
}

/* Gives the path of the program, or NULL with errno. posix_spawnp would search the parent's PATH.
 */
static char *find_program(const struct kt_child_spec *spec)
{
	const char *at = search_path(spec);
	int failure = ENOENT;

	if (strchr(spec->path, '/') != NULL)
		return kt_strdup(spec->path);
	for (bool is_last = false; !is_last; at++) {
		size_t len = strcspn(at, ":");
		char *candidate = kt_format(
			"%.*s/%s", len == 0 ? 1 : (int)len, len == 0 ? "." : at, spec->path);
		int why = check_program(spec, candidate);

		if (why == 0)
			return candidate;
		free(candidate);
		if (why == EACCES)
			failure = EACCES;
		at += len;
		is_last = *at == '\0';
	}
	errno = failure;
	return NULL;
}

/*
 * The child's descriptors: copies above all targets first, so that no dup2 can overwrite a source
 * that a later one needs, then the copies moved down to 0, 1, 2, 3, ...
 */
struct plan {
	int *copies;
	size_t len;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
};

static int source_fd(const struct kt_child_spec *spec, size_t target)
{
	const int standard[STANDARD_FDS] = {spec->stdin_fd, spec->stdout_fd, spec->stderr_fd};

	return target < STANDARD_FDS ? standard[target] : spec->pass_fds[target - STANDARD_FDS];
}

static int copy_fd(int source, int lowest)
{
	int null_fd = -1, copy;

	if (source == KT_CHILD_NULL_FD)
		source = null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	copy = fcntl(source, F_DUPFD_CLOEXEC, lowest);
	kt_fd_close(&null_fd);
	return copy;
}

static int plan_descriptors(struct plan *plan, const struct kt_child_spec *spec)
{
	int failure = 0;

	plan->copies = kt_realloc_array(NULL, STANDARD_FDS + spec->pass_len, sizeof *plan->copies);
	for (size_t i = 0; i < STANDARD_FDS + spec->pass_len && failure == 0; i++) {
		int copy = copy_fd(source_fd(spec, i), (int)(STANDARD_FDS + spec->pass_len));

		if (copy < 0)
			return errno;
		plan->copies[plan->len++] = copy;
		failure = posix_spawn_file_actions_adddup2(&plan->actions, copy, (int)i);
	}
	if (failure == 0)
		failure = posix_spawn_file_actions_addclosefrom_np(
			&plan->actions, (int)(STANDARD_FDS + spec->pass_len));
	if (failure == 0 && spec->cwd != NULL)
		failure = posix_spawn_file_actions_addchdir_np(&plan->actions, spec->cwd);
	return failure;
}

static int plan_attributes(struct plan *plan, const struct kt_child_spec *spec)
{
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	sigset_t all, none;
	int failure;

	if (spec->new_session)
		flags |= POSIX_SPAWN_SETSID;
	else if (spec->new_group)
		flags |= POSIX_SPAWN_SETPGROUP;
	/* sigfillset() leaves out the C library's own two signals; the child would ignore them. */
	memset(&all, 0xff, sizeof all);
	(void)sigemptyset(&none);
	failure = posix_spawnattr_setsigdefault(&plan->attributes, &all);
	if (failure == 0)
		failure = posix_spawnattr_setsigmask(&plan->attributes, &none);
	return failure != 0 ? failure : posix_spawnattr_setflags(&plan->attributes, flags);
}

static int plan_init(struct plan *plan, const struct kt_child_spec *spec)
{
	int failure;

	*plan = (struct plan){0};
	KT_BUG_UNLESS(posix_spawn_file_actions_init(&plan->actions) == 0);
	KT_BUG_UNLESS(posix_spawnattr_init(&plan->attributes) == 0);
	failure = plan_descriptors(plan, spec);
	return failure != 0 ? failure : plan_attributes(plan, spec);
}

static void plan_release(struct plan *plan)
{
	for (size_t i = 0; i < plan->len; i++)
		kt_fd_close(&plan->copies[i]);
	free(plan->copies);
	(void)posix_spawn_file_actions_destroy(&plan->actions);
	(void)posix_spawnattr_destroy(&plan->attributes);
}

/* A parent may have handed us SIGCHLD ignored; then the kernel would reap our children unasked. */
static void keep_exit_statuses(void)
{
	struct sigaction now;

	if (sigaction(SIGCHLD, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
		(void)signal(SIGCHLD, SIG_DFL);
}

static int spawn(const struct kt_child_spec *spec, const char *program, pid_t *pid)
{
	struct plan plan;
	int failure = plan_init(&plan, spec);

	keep_exit_statuses();
	if (failure == 0) /* the interface lacks a const that it keeps */
		failure = posix_spawn(pid, program, &plan.actions, &plan.attributes,
			(char *const *)(uintptr_t)spec->argv,
			(char *const *)(uintptr_t)spec_environment(spec));
	plan_release(&plan);
	return failure;
}

static void lower_priority(pid_t pid, int nice_added)
{
	int now;

	errno = 0;
	now = getpriority(PRIO_PROCESS, (id_t)pid);
	if (nice_added != 0 && errno == 0)
		(void)setpriority(PRIO_PROCESS, (id_t)pid, now + nice_added);
}

/* Without a pidfd the child could not be reaped by the rules: end it at once. */
static enum kt_code give_up(pid_t pid, struct kt_error *err)
{
	int failure = errno;
	siginfo_t info;

	(void)kill(pid, SIGKILL);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) != 0 && errno == EINTR)
		continue;
	return kt_error_sys(err, KT_E_SPAWN_FAILED, failure, "pidfd_open");
}

enum kt_code kt_child_start(
	const struct kt_child_spec *spec, struct kt_child *out, struct kt_error *err)
{
	char *program = find_program(spec);
	pid_t pid = 0;
	int failure, pidfd;

	if (program == NULL)
		failure = errno;
	else
		failure = spawn(spec, program, &pid);
	free(program);
	if (failure != 0)
		return kt_error_sys(err, KT_E_SPAWN_FAILED, failure, "%s", spec->path);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return give_up(pid, err);
	remember_child(pid);
	lower_priority(pid, spec->nice);
	*out = (struct kt_child){pid, pidfd, kt_process_start_time(pid)};
	return KT_E_OK;
}

bool kt_child_reap(struct kt_child *child, struct kt_child_status *out)
{
	siginfo_t info = {0};
	int result;

	do
		result = waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG);
	while (result != 0 && errno == EINTR);
	KT_BUG_UNLESS(result == 0);
	if (info.si_pid == 0)
		return false;
	*out = (struct kt_child_status){.exited = info.si_code == CLD_EXITED};
	if (out->exited)
		out->exit_code = info.si_status;
	else
		out->signal = info.si_status;
	forget_child(child->pid);
	child->pid = 0;
	return true;
}

void kt_child_signal(const struct kt_child *child, int signal_number, bool group)
{
	if (child->pid == 0)
		return;
	/* Not yet reaped, so neither the pid nor the group's number can be another's by now. */
	if (group && getpgid(child->pid) == child->pid)
		(void)kill(-child->pid, signal_number);
	(void)syscall(SYS_pidfd_send_signal, child->pidfd, signal_number, NULL, 0);
}

void kt_child_wait(struct kt_child *child, int timeout_ms, struct kt_child_status *out)
{
	bool is_late = !kt_fd_wait(child->pidfd, POLLIN, timeout_ms);

	if (is_late) {
		kt_child_signal(child, SIGTERM, true);
		(void)kt_fd_wait(child->pidfd, POLLIN, KT_AGENT_GRACE_MS);
		/* Also when the leader is gone: the rest of its group may have stayed. */
		kt_child_signal(child, SIGKILL, true);
		(void)kt_fd_wait(child->pidfd, POLLIN, -1);
	}
	while (!kt_child_reap(child, out))
		(void)kt_fd_wait(child->pidfd, POLLIN, -1);
	out->timed_out = is_late;
}

void kt_child_release(struct kt_child *child)
{
	KT_BUG_UNLESS(child->pid == 0);
	kt_fd_close(&child->pidfd);
}

void kt_child_describe(const struct kt_child_status *status, char *text, size_t size)
{
	if (status->timed_out)
		(void)snprintf(text, size, "timed out");
	else if (status->exited)
		(void)snprintf(text, size, "exit status %d", status->exit_code);
	else
		(void)snprintf(text, size, "killed by signal %d", status->signal);
}

bool kt_orphan_reap(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid == pid;
}
