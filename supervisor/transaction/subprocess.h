/*
 * A child that a step machine waits for: started here, waited for by its pidfd elsewhere, its
 * output in memory. Output goes to an anonymous memory file, so nobody has to drain a pipe and a
 * background grandchild that keeps the descriptor delays nobody.
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_SUBPROCESS_H
#define KITTY_SUPERVISOR_TRANSACTION_SUBPROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include <kitty/error.h>

#include "ipc/buffer.h"
#include "ipc/child.h"

struct kt_subprocess {
	struct kt_child child;
	int output_fd;       /* -1: none */
	int64_t deadline_ms; /* monotonic */
	int64_t kill_at_ms;  /* after TERM; 0: not asked to stop yet */
	bool has_timed_out;
};

#define KT_SUBPROCESS_INIT \
	{ \
		KT_CHILD_INIT, -1, 0, 0, false \
	}

/* Makes output_fd, for starters that need it in their own spec (hooks). */
KT_MUST_CHECK enum kt_code kt_subprocess_prepare(
	struct kt_subprocess *process, struct kt_error *err);

/* Starts argv with the environment; stdout and stderr go to the memory file. */
KT_MUST_CHECK enum kt_code kt_subprocess_start(struct kt_subprocess *process,
	const char *const *argv, char *const *envp, const char *cwd, int timeout_ms,
	struct kt_error *err);

/* True when it has ended. Otherwise enforces deadline and output bound (TERM, later KILL, to its
 * group). */
bool kt_subprocess_poll(struct kt_subprocess *process, struct kt_child_status *status);

/* When to call poll again at the latest (monotonic ms). */
int64_t kt_subprocess_wake_ms(const struct kt_subprocess *process);

/* At most `max` bytes of what it printed. */
void kt_subprocess_output(const struct kt_subprocess *process, size_t max, struct kt_buffer *out);

/* Kills and reaps it if it runs; closes everything. */
void kt_subprocess_release(struct kt_subprocess *process);

#endif
