/*
 * Everything a child may have left behind: orphans that come to us because we are their subreaper,
 * descendants of any depth, and processes that only their environment still ties to us.
 *
 * Used by the worker and the supervisor (stop ladders) and by recovery at start. The ladder is:
 * group TERM, grace, group KILL (ipc/child.h), then kt_descendants_signal(SIGKILL) and
 * kt_orphans_reap until none is left, then the marker sweep.
 */
#ifndef KITTY_IPC_SUBREAPER_H
#define KITTY_IPC_SUBREAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <kitty/error.h>

/* Orphaned descendants become our children from now on. */
KT_MUST_CHECK enum kt_code kt_subreaper_enable(struct kt_error *err);

/*
 * Reaps children of this process that have ended, except those of kt_child_start (whoever started
 * them reaps them by their pidfd) and those in own. Never blocks. Returns how many it reaped.
 */
size_t kt_orphans_reap(const pid_t *own, size_t own_len);

/*
 * Orphans that a dead child of ours left us, told apart from those that our other children (a hook,
 * git) may have left on purpose: by when they came to us, not by their environment, which they may
 * have cleared.
 *
 *   kt_orphans_note now and then, while no such child is dying -> kt_orphans_kill when one died
 *
 * note: replaces what is known by the orphans that are ours now. kill: KILL to every orphan that is
 * not known, whose session is not this process's, and whose environment does not hold `spared`
 * ("NAME", of any value), and to all that descends from it; reaps what has ended. Returns how many
 * it signalled: call again until it is 0, for one may fork while we look.
 */
struct kt_orphans {
	struct kt_orphan {
		pid_t pid;
		uint64_t start_time;
	} * known;
	size_t len;
};
void kt_orphans_note(struct kt_orphans *orphans);
size_t kt_orphans_kill(const struct kt_orphans *orphans, const char *spared);
void kt_orphans_release(struct kt_orphans *orphans);

/* Both defined in child.c, the only file with wait calls. The first reaps one child if it has
 * ended. */
bool kt_orphan_reap(pid_t pid);
bool kt_child_is_started(pid_t pid); /* by kt_child_start, and not yet reaped */

/*
 * Signals every living descendant, deepest last, and returns how many there were. Signal 0 counts.
 * Zombies do not count. A process that forks faster than we look is caught by calling again.
 */
size_t kt_descendants_signal(int signal_number);
size_t kt_descendants_signal_of(pid_t root, int signal_number); /* root itself is spared */

/* Until every descendant that lives now has ended, or the time is over. */
void kt_descendants_await(int timeout_ms);

/* True when ancestor is pid's parent, its parent's parent, ...; also when they are the same. */
bool kt_process_descends_from(pid_t pid, pid_t ancestor);

/*
 * Calls on_process for each process of our user whose environment (as it was at its exec) holds
 * marker, "NAME=value", exactly. This process is left out. Returns how many there were.
 */
typedef void (*kt_process_cb)(pid_t pid, void *arg);
size_t kt_processes_with_marker(const char *marker, kt_process_cb on_process, void *arg);

#endif
