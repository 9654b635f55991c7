/*
 * The supervisor of a mission: one process, one event loop, no threads. It holds the mission's lock
 * for its whole life, is the only writer of the coordination branch meanwhile, starts one worker
 * per lane and decides what runs next. `kitty launch` fills in a kt_launch and calls
 * kt_supervisor_run, which returns when nothing more can run or somebody stopped it.
 *
 * Which file does what:
 *   supervisor.c    start, loop, end        sup_writer.c   requests to the writer, commits
 *   lane_run.c      a lane's worker         job.c          a work package on its way
 *   peers.c         connections             dispatch.c     who may send what, and the answers
 *   sup_plan.c      plan and schedule       job_run.c      what the worker is told to start
 *   review.c        reviews in the log      job_outcome.c  what an agent's end means
 *   sup_claims.c    claims of the dead      job_review.c   a review on its way
 *   sup_integrate.c approved -> done        sup_outbox.c   outbound events
 */
#ifndef KITTY_SUPERVISOR_SUPERVISOR_H
#define KITTY_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/config/config.h"
#include "supervisor/mission/mission.h"

struct kt_launch_agent {
	const struct kt_agent *agent; /* borrowed */
	size_t capacity;
};

/* Everything is borrowed for the run. */
struct kt_launch {
	const struct kt_repository *repo;
	const struct kt_mission *mission;
	const struct kt_config *config;
	const char *const *lanes; /* NULL-terminated ids */
	const struct kt_launch_agent *agents;
	size_t agents_len;
	const struct kt_agent *reviewer; /* NULL: people review */
	size_t max_parallel;             /* 0: no bound */
	bool retry_blocked;
	bool json;           /* standard output stays free for the one object */
	const char *program; /* this program, for helpers */
	const char *worker;  /* kitty-worker */
	/* Told once, when the supervisor listens. May be NULL. */
	void (*on_ready)(void *arg);
	void *arg;
};

/*
 * KT_E_OK: it ran and ended; *summary is {"result": "success"|"incomplete"|"stopped",
 * "exit_status", "signal", "mission_slug", "commits": [{"message", "branch", "sha", "outcome"}],
 * "work_packages": [{"id", "lane_id", "lane", "agent", "reason"}], "waits": [text]}. Gives.
 * Errors: KT_E_SUPERVISOR_RUNNING, KT_E_BOOKKEEPING_LOCK_TIMEOUT, and what healing says.
 */
KT_MUST_CHECK enum kt_code kt_supervisor_run(
	const struct kt_launch *launch, struct kt_json **summary, struct kt_error *err);

#endif
