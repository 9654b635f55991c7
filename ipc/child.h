/*
 * Child processes: the one place that spawns and reaps (posix_spawn, pidfd). Used by both
 * programs. Descriptors not named here are closed in the child (closefrom), all signals are
 * default and unblocked, the working directory is set by the spawn.
 *
 * Life: kt_child_start -> (readable pidfd) -> kt_child_reap -> kt_child_release.
 * A child that was started is reaped exactly once, by its own pidfd; nobody waits for -1.
 */
#ifndef KITTY_IPC_CHILD_H
#define KITTY_IPC_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <kitty/error.h>

struct kt_buffer;

#define KT_CHILD_NULL_FD (-1) /* connect to /dev/null */

struct kt_child_spec {
	const char *path;        /* searched on the spec's own PATH when it holds no slash */
	const char *const *argv; /* NULL-terminated, argv[0] included */
	const char *const *envp; /* NULL-terminated; NULL inherits */
	const char *cwd;         /* NULL inherits */
	int stdin_fd, stdout_fd, stderr_fd; /* borrowed; KT_CHILD_NULL_FD: /dev/null */
	const int *pass_fds;                /* borrowed; appear as 3, 4, ... in the child */
	size_t pass_len;
	bool new_session; /* setsid: own session and group (agents, workers, hooks) */
	bool new_group;   /* own process group only */
	int nice;         /* added to the child's niceness; 0 leaves it */
};

#define KT_CHILD_SPEC_INIT \
	{ \
		.stdin_fd = KT_CHILD_NULL_FD, .stdout_fd = KT_CHILD_NULL_FD, \
		.stderr_fd = KT_CHILD_NULL_FD \
	}

struct kt_child {
	pid_t pid;           /* 0: none */
	int pidfd;           /* -1: none; becomes readable when the child has ended */
	uint64_t start_time; /* field 22 of /proc/PID/stat, to tell pid reuse */
};

#define KT_CHILD_INIT \
	{ \
		0, -1, 0 \
	}

struct kt_child_status {
	bool exited;    /* false: killed by a signal */
	int exit_code;  /* when exited */
	int signal;     /* when not */
	bool timed_out; /* the deadline passed and we killed it (kt_child_run) */
};

/* Errors: KT_E_SPAWN_FAILED with errno (ENOENT: no such program). */
KT_MUST_CHECK enum kt_code kt_child_start(
	const struct kt_child_spec *spec, struct kt_child *out, struct kt_error *err);

/* True and fills *out when the child has ended (never blocks). After true the child is gone. */
bool kt_child_reap(struct kt_child *child, struct kt_child_status *out);

/* Waits until it ends or the deadline passes; then TERM, grace, KILL to its group. Blocks. */
void kt_child_wait(struct kt_child *child, int timeout_ms, struct kt_child_status *out);

/* Sends a signal to the child itself by pidfd; group also reaches its process group. */
void kt_child_signal(const struct kt_child *child, int signal_number, bool group);

void kt_child_release(struct kt_child *child); /* closes the pidfd; must have been reaped */

/*
 * Runs to the end: input on stdin, output collected up to output_max bytes each (the rest is
 * read and dropped), killed at the deadline. Waits for *exit*, then drains what is there: a
 * background grandchild that holds the pipe does not delay the caller. out and errors may be NULL.
 * For commands and tests; the supervisor's loop uses kt_child_start and its pidfd instead.
 */
KT_MUST_CHECK enum kt_code kt_child_run(const struct kt_child_spec *spec, const void *input,
	size_t input_len, size_t output_max, struct kt_buffer *output, struct kt_buffer *errors,
	int timeout_ms, struct kt_child_status *status, struct kt_error *err);

/* "exit status 3", "killed by signal 9", "timed out". Writes at most size bytes. */
void kt_child_describe(const struct kt_child_status *status, char *text, size_t size);

/* Start time of any process (clock ticks since boot), 0 when there is none. */
uint64_t kt_process_start_time(pid_t pid);
pid_t kt_process_parent(pid_t pid); /* 0 when unknown */
bool kt_process_is_alive(pid_t pid, uint64_t start_time);
/* Waits for the end of any process, no child of ours; true when it has ended, or never was. */
bool kt_process_await(pid_t pid, uint64_t start_time, int timeout_ms);
const char *kt_boot_id(void); /* text of /proc/sys/kernel/random/boot_id, cached */

#endif
