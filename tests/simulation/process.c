/*
 * Processes as the supervisor sees them: started, signalled, reaped, looked up. Test program only.
 * Their pids are above every real one, and no real process is ever started or signalled.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/fd.h"
#include "ipc/subreaper.h"
#include "simulation/simulation.h"

enum { PID_FIRST = 5000000, PEERS_MAX = 256 };

static struct sim_process *processes;
static pid_t last_pid;
static pid_t peers[PEERS_MAX];
static size_t peers_first, peers_last;

struct sim_process *sim_process_first(void)
{
	return processes;
}

struct sim_process *sim_process_find(pid_t pid)
{
	for (struct sim_process *at = processes; at != NULL; at = at->next)
		if (at->pid == pid)
			return at;
	return NULL;
}

struct sim_process *sim_process_new(enum sim_kind kind, pid_t parent)
{
	struct sim_process *process = kt_alloc(sizeof *process);

	*process = (struct sim_process){.next = processes,
		.pid = PID_FIRST + ++last_pid,
		.parent = parent,
		.start_time = (uint64_t)sim.now_ms,
		.kind = kind,
		.is_alive = true,
		.tell_fd = -1};
	processes = process;
	return process;
}

/* Orphans become the supervisor's when it lives, else init's. */
static void children_inherit(pid_t parent)
{
	struct sim_process *heir = sim_process_find(sim.supervisor_pid);

	for (struct sim_process *at = processes; at != NULL; at = at->next)
		if (at->parent == parent)
			at->parent = heir != NULL && heir->is_alive && heir->pid != parent
					     ? heir->pid
					     : 1;
}

void sim_process_end(struct sim_process *process, int exit_code, int signal_number)
{
	uint64_t one = 1;

	if (!process->is_alive)
		return;
	process->is_alive = false;
	process->exit_code = exit_code;
	process->signal = signal_number;
	sim_trace("process %d ends: %d/%d", (int)process->pid, exit_code, signal_number);
	if (process->tell_fd >= 0)
		(void)!write(process->tell_fd, &one, sizeof one);
	children_inherit(process->pid);
	if (process->on_gone != NULL)
		process->on_gone(process);
}

void sim_process_supervisor_died(void)
{
	struct sim_process *self = sim_process_find(sim.supervisor_pid);

	if (self != NULL)
		sim_process_end(self, 0, SIGKILL);
	peers_first = peers_last = 0;
}

void sim_processes_free(void)
{
	while (processes != NULL) {
		struct sim_process *process = processes;

		processes = process->next;
		kt_fd_close(&process->tell_fd);
		free(process->marker);
		free(process->lane);
		free(process);
	}
}

void sim_peer_push(pid_t pid)
{
	peers[peers_last++ % PEERS_MAX] = pid;
}

size_t sim_peers_waiting(void)
{
	return peers_last - peers_first;
}

/* ---- by the linker: children ---- */

enum kt_code __wrap_kt_child_start(
	const struct kt_child_spec *spec, struct kt_child *out, struct kt_error *err);
bool __wrap_kt_child_reap(struct kt_child *child, struct kt_child_status *out);
void __wrap_kt_child_wait(struct kt_child *child, int timeout_ms, struct kt_child_status *out);
void __wrap_kt_child_signal(const struct kt_child *child, int number, bool group);
void __wrap_kt_child_release(struct kt_child *child);
uint64_t __wrap_kt_process_start_time(pid_t pid);
bool __wrap_kt_process_is_alive(pid_t pid, uint64_t start_time);
pid_t __wrap_kt_process_parent(pid_t pid);
const char *__wrap_kt_boot_id(void);
enum kt_code __wrap_kt_subreaper_enable(struct kt_error *err);
size_t __wrap_kt_orphans_reap(const pid_t *own, size_t own_len);
bool __wrap_kt_orphan_reap(pid_t pid);
size_t __wrap_kt_descendants_signal(int number);
bool __wrap_kt_process_descends_from(pid_t pid, pid_t ancestor);
size_t __wrap_kt_processes_with_marker(const char *marker, kt_process_cb on_process, void *arg);
bool __wrap_kt_peer_credentials(int fd, pid_t *pid, uid_t *uid);
pid_t __wrap_getpid(void);
int __wrap_kill(pid_t pid, int number);

static char *variable_of(const struct kt_child_spec *spec, const char *start)
{
	for (const char *const *at = spec->envp; at != NULL && *at != NULL; at++)
		if (strncmp(*at, start, strlen(start)) == 0)
			return kt_strdup(*at);
	return NULL;
}

enum kt_code __wrap_kt_child_start(
	const struct kt_child_spec *spec, struct kt_child *out, struct kt_error *err)
{
	bool is_worker = strcmp(spec->argv[0], "kitty-worker") == 0;
	struct sim_process *process = NULL;
	int fd = -1;

	if (sim_fault(2))
		return kt_error_sys(err, KT_E_SPAWN_FAILED, EAGAIN, "%s", spec->argv[0]);
	process = sim_process_new(is_worker ? SIM_WORKER : SIM_HELPER, sim.supervisor_pid);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	KT_BUG_UNLESS(fd >= 0);
	process->tell_fd = sim_fd_keep(fd, false);
	process->marker = variable_of(spec, "SPEC_KITTY_SUPERVISOR=");
	*out = (struct kt_child){process->pid, fd, process->start_time};
	sim_trace("start %d: %s %s", (int)process->pid, spec->argv[0],
		spec->argv[1] == NULL || spec->argv[2] == NULL ? "" : spec->argv[2]);
	if (is_worker)
		sim_worker_start(process, spec);
	else
		sim_helper_start(process, spec);
	sim_kill_maybe(1);
	return KT_E_OK;
}

bool __wrap_kt_child_reap(struct kt_child *child, struct kt_child_status *out)
{
	struct sim_process *process = sim_process_find(child->pid);

	if (process == NULL || process->is_alive)
		return false;
	KT_BUG_UNLESS(!process->is_reaped);
	process->is_reaped = true;
	*out = (struct kt_child_status){
		process->signal == 0, process->exit_code, process->signal, false};
	child->pid = 0;
	return true;
}

void __wrap_kt_child_wait(struct kt_child *child, int timeout_ms, struct kt_child_status *out)
{
	struct sim_process *process = sim_process_find(child->pid);
	int64_t end = sim.now_ms + timeout_ms;

	KT_BUG_UNLESS(process != NULL);
	while (process->is_alive && sim.now_ms < end)
		sim_world_pause(sim.now_ms + 1);
	if (process->is_alive)
		sim_process_end(process, 0, SIGKILL);
	(void)__wrap_kt_child_reap(child, out);
}

void __wrap_kt_child_signal(const struct kt_child *child, int number, bool group)
{
	(void)group;
	if (child->pid > 0)
		(void)__wrap_kill(child->pid, number);
}

void __wrap_kt_child_release(struct kt_child *child)
{
	kt_fd_close(&child->pidfd);
	*child = (struct kt_child)KT_CHILD_INIT;
}

int __wrap_kill(pid_t pid, int number)
{
	struct sim_process *process = sim_process_find(pid < 0 ? -pid : pid);

	if (process == NULL || !process->is_alive) {
		errno = ESRCH;
		return -1;
	}
	if (number == SIGKILL)
		sim_process_end(process, 0, SIGKILL);
	else if (number != 0 && process->on_signal != NULL)
		process->on_signal(process, number);
	return 0;
}

/* ---- by the linker: /proc ---- */

pid_t __wrap_getpid(void)
{
	return sim.supervisor_pid;
}

uint64_t __wrap_kt_process_start_time(pid_t pid)
{
	const struct sim_process *process = sim_process_find(pid);

	return process != NULL && process->is_alive ? process->start_time : 0;
}

bool __wrap_kt_process_is_alive(pid_t pid, uint64_t start_time)
{
	const struct sim_process *process = sim_process_find(pid);

	return process != NULL && process->is_alive &&
	       (start_time == 0 || process->start_time == start_time);
}

pid_t __wrap_kt_process_parent(pid_t pid)
{
	const struct sim_process *process = sim_process_find(pid);

	return process == NULL ? 0 : process->parent;
}

const char *__wrap_kt_boot_id(void)
{
	return "00000000-0000-4000-8000-000000000000";
}

bool __wrap_kt_process_descends_from(pid_t pid, pid_t ancestor)
{
	for (const struct sim_process *at = sim_process_find(pid); at != NULL;
		at = sim_process_find(at->parent))
		if (at->pid == ancestor)
			return true;
	return false;
}

static bool carries(const struct sim_process *process, const char *marker)
{
	if (process->marker != NULL && strcmp(process->marker, marker) == 0)
		return true;
	return process->lane != NULL && strncmp(marker, "SPEC_KITTY_LANE=", 16) == 0 &&
	       strcmp(marker + 16, process->lane) == 0;
}

size_t __wrap_kt_processes_with_marker(const char *marker, kt_process_cb on_process, void *arg)
{
	size_t len = 0;

	if (sim.mutation == SIM_MUTATE_NO_SWEEP)
		return 0;
	for (struct sim_process *at = processes; at != NULL; at = at->next)
		if (at->is_alive && at->pid != sim.supervisor_pid && carries(at, marker)) {
			on_process(at->pid, arg);
			len++;
		}
	return len;
}

enum kt_code __wrap_kt_subreaper_enable(struct kt_error *err)
{
	(void)err;
	return KT_E_OK;
}

size_t __wrap_kt_orphans_reap(const pid_t *own, size_t own_len)
{
	(void)own;
	(void)own_len;
	return 0;
}

bool __wrap_kt_orphan_reap(pid_t pid)
{
	(void)pid;
	return true;
}

size_t __wrap_kt_descendants_signal(int number)
{
	size_t len = 0;

	for (struct sim_process *at = processes; at != NULL; at = at->next)
		if (at->is_alive && at->pid != sim.supervisor_pid &&
			__wrap_kt_process_descends_from(at->pid, sim.supervisor_pid)) {
			(void)__wrap_kill(at->pid, number);
			len++;
		}
	return len;
}

bool __wrap_kt_peer_credentials(int fd, pid_t *pid, uid_t *uid)
{
	(void)fd;
	*uid = geteuid();
	*pid = peers_first < peers_last ? peers[peers_first++ % PEERS_MAX] : 1;
	return true;
}
