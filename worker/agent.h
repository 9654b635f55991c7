/*
 * The agent's process: started in a session of its own, fed, listened to, timed, stopped, swept.
 * Worker only; one at a time.
 *
 * Life: kt_agent_init -> kt_agent_start -> on_output... -> on_end -> (kt_agent_start again) ->
 * kt_agent_release. on_end comes once per start, after the agent and everything that it started are
 * gone, and after what they had printed is in the log.
 *
 * The stop ladder: TERM (and CONT) to the agent's group and to every descendant, grace, then KILL
 * to the same until nothing is left; orphans come to us because the worker is their subreaper, and
 * are reaped as they end. What carries the agent's marker in its environment without descending
 * from us is stopped likewise. The ladder also runs after an agent ended by itself: its background
 * processes end with it. Nothing of this blocks.
 */
#ifndef KITTY_WORKER_AGENT_H
#define KITTY_WORKER_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kitty/error.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "worker/output.h"

struct event;
struct event_base;

struct kt_agent_spec {
	const char *const *argv, *const *envp; /* NULL-terminated; envp is the whole environment */
	const char *cwd;
	const char *input; /* for standard input; NULL: /dev/null */
	size_t input_len;
	const char *log_dir, *log_name;
	const char *marker; /* "NAME=value" in envp that no other lane's agent has; NULL: none */
	int64_t timeout_ms; /* 0: none */
	int grace_ms;
};

struct kt_agent_end {
	struct kt_child_status status;
	bool is_timed_out, is_stopped; /* why we stopped it; both false: it ended by itself */
	size_t left_over; /* processes that even KILL did not end in time (stuck in the kernel) */
};

typedef void (*kt_agent_output_cb)(void *arg);
typedef void (*kt_agent_end_cb)(const struct kt_agent_end *end, void *arg);

enum kt_agent_stage { KT_AGENT_IDLE, KT_AGENT_RUNNING, KT_AGENT_TERM, KT_AGENT_KILL };

/* Members are private to worker/agent*.c, but for `output` (read it) and `child.pid`. */
struct kt_agent_process {
	struct event_base *base;
	kt_agent_output_cb on_output;
	kt_agent_end_cb on_end;
	void *arg;
	enum kt_agent_stage stage;
	struct kt_child child;
	bool is_child_gone; /* reaped; status is valid */
	struct kt_agent_end end;
	struct kt_output output;
	struct kt_buffer input;
	size_t input_at;
	int input_fd, output_fd;
	char *marker;
	int grace_ms;
	int64_t kill_at_ms, give_up_at_ms; /* monotonic */
	struct event *child_event, *input_event, *output_event, *timeout_event, *ladder_event;
};

/* Borrows base and arg until kt_agent_release. */
void kt_agent_init(struct kt_agent_process *agent, struct event_base *base,
	kt_agent_output_cb on_output, kt_agent_end_cb on_end, void *arg);

/* Errors: KT_E_SPAWN_FAILED, KT_E_IO, KT_E_NO_SPACE. Must be idle. */
KT_MUST_CHECK enum kt_code kt_agent_start(
	struct kt_agent_process *agent, const struct kt_agent_spec *spec, struct kt_error *err);

/* Starts the ladder; on_end tells when it is through. Nothing when idle. Called again it can only
 * shorten the grace. */
void kt_agent_stop(struct kt_agent_process *agent, int grace_ms);

bool kt_agent_is_idle(const struct kt_agent_process *agent);

/* Must be idle. */
void kt_agent_release(struct kt_agent_process *agent);

/* For agent.c and agent_stop.c. */
void kt_agent_ladder_begin(struct kt_agent_process *agent);
void kt_agent_ladder_step(struct kt_agent_process *agent); /* ends in kt_agent_finish some time */
void kt_agent_finish(struct kt_agent_process *agent);
void kt_agent_arm(struct event *event, int64_t delay_ms);

#endif
