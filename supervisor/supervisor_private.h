/*
 * The inside of the supervisor, for the files at this level that wire it together. Nobody else
 * includes it.
 *
 * Callbacks of libevent, of the writer and of helpers change plain data and submit requests; they
 * never turn the writer, never free the object that they belong to, and never wait. The end of each
 * turn of the loop (supervisor.c) turns the writer, flushes the watchers, frees what is closing,
 * schedules, and decides whether it is over.
 */
#ifndef KITTY_SUPERVISOR_SUPERVISOR_PRIVATE_H
#define KITTY_SUPERVISOR_SUPERVISOR_PRIVATE_H

#include <stdint.h>
#include <sys/types.h>

#include "ipc/channel.h"
#include "ipc/child.h"
#include "ipc/subreaper.h"
#include "supervisor/display.h"
#include "supervisor/fanout/publish.h"
#include "supervisor/git/store.h"
#include "supervisor/helpers.h"
#include "supervisor/lanes/lane.h"
#include "supervisor/lanes/schedule.h"
#include "supervisor/lease.h"
#include "supervisor/mission/plan.h"
#include "supervisor/status/reduce.h"
#include "supervisor/supervisor.h"
#include "supervisor/transaction/writer.h"

struct event;
struct event_base;

enum {
	KT_PEER_CALLS_MAX = 64,        /* requests of one connection that are not answered yet */
	KT_PEERS_MAX = 512,            /* connections */
	KT_SUMMARY_COMMITS_MAX = 2000, /* commits that the closing summary lists */
	KT_HAUNTED_MS = 12000,         /* patience with the worker of a supervisor that died */
	KT_CONSOLIDATE_EVERY = 50,     /* commits between two looks at the packs */
	KT_CONSOLIDATE_END_MS = 2000   /* patience with a consolidation at the end */
};

/* Where a work package is on its way through a lane. */
enum kt_job_phase {
	KT_JOB_NONE,
	KT_JOB_SYNC,    /* the lane is being brought up to date, before a claim or a review */
	KT_JOB_CLAIM,   /* planned -> claimed is being committed */
	KT_JOB_INSPECT, /* the lane is being looked at */
	KT_JOB_BEGIN,   /* -> in_progress is being committed */
	KT_JOB_START,   /* RUN was sent */
	KT_JOB_AGENT,   /* the agent runs */
	KT_JOB_COMMIT,  /* it ended; its work is being looked at and committed */
	KT_JOB_OUTCOME  /* for_review or blocked is being committed */
};

struct kt_job {
	enum kt_job_phase phase;
	uint64_t serial; /* answers to an older job are dropped */
	char *wp_id;
	char *actor;
	char *before; /* why it is not the first attempt; NULL: it is */
	char *since;  /* 40 hex: the lane's head before the agent began */
	bool is_review;
	long round;           /* of a review, from 1 */
	struct kt_json *seen; /* of a review: the lane before it, see supervisor/review_facts.h */
	char *difference;     /* what its reviewer changed in the lane; NULL: nothing */
	enum kt_schedule_verdict verdict;
	size_t agent; /* in the pool */
	bool has_agent;
	long attempt;
	pid_t agent_pid;
	int64_t started_us; /* wall clock */
	uint64_t run_id;
	struct kt_json *ended; /* body of EXITED */
};

struct kt_lane_run {
	struct kt_supervisor *supervisor;
	char *id, *branch, *worktree;
	struct kt_lane lane;
	bool is_selected; /* named by --lanes */
	bool is_held;     /* stopped by an operator, or given up: nothing starts here */
	char *trouble;    /* why it is held; NULL: an operator */
	unsigned conflicts;
	struct kt_child worker; /* pid 0: none, or by hand */
	pid_t worker_pid;
	uint64_t worker_start_time;
	struct event *worker_event, *timer;
	struct kt_channel *channel;
	struct kt_peer *peer; /* by hand: the connection that is the channel; NULL otherwise */
	uint64_t worker_serial;
	bool has_hello;
	char **hand_argv;         /* agent of a worker started by hand; NULL: the pool's */
	int64_t haunted_until_ms; /* an older supervisor's worker still stops here; 0: no */
	struct kt_job job;
	char *last_output;
};

/* Roles of a connection. */
enum kt_role {
	KT_ROLE_NEW = 1,
	KT_ROLE_CLIENT = 2,
	KT_ROLE_WATCHER = 4,
	KT_ROLE_LANE = 8,
	KT_ROLE_WORKER = 16
};

struct kt_peer {
	struct kt_peer *next;
	struct kt_supervisor *supervisor;
	struct kt_channel *channel;
	uint64_t serial;
	enum kt_role role;
	pid_t pid;
	char *lane; /* the lane it belongs to, by its process; NULL: none */
	struct kt_lane_run *is_worker_of;
	bool is_closing;
	int64_t hello_deadline_ms;
	unsigned calls; /* not answered yet */
	bool is_paused;
	bool waits_for_stop; /* a STOP of lanes, or of everything */
	uint64_t stop_id;
	struct kt_json *stop_lanes; /* NULL: everything */
};

struct kt_supervisor {
	const struct kt_launch *launch;
	struct event_base *base;
	struct event *signals[3], *tick, *listen_event, *writer_event, *turn_event;
	int64_t started_us;
	char *marker; /* SPEC_KITTY_SUPERVISOR=slug:pid:start */
	char *bin_dir;
	int log_fd;

	struct kt_writer *writer;
	bool has_requests; /* submitted since the last turn of the writer */
	bool is_writer_idle;
	int writer_fd; /* of writer_event; -1: only a timer */
	uint64_t consolidated_at;
	struct kt_child consolidation;

	struct kt_store *store;
	struct kt_plan *plan;
	bool plan_is_stale;
	struct kt_lane_run **lanes;
	size_t lanes_len;
	struct kt_pool pool;
	bool wants_schedule;
	struct kt_json *tried;           /* {WP: true}: blocked ones that this launch ran again */
	struct kt_json *review_failures; /* {WP: n} of this launch */
	struct kt_json *released;        /* {WP: true}: claims that this launch gave back */
	bool looks_for_claims;           /* a claim of a dead launch may be there */
	bool wants_integration, is_integrating;
	char *integrating;                 /* the WP */
	struct kt_json *integration_waits; /* {WP: why it stays approved} */

	char *socket_path;
	int listener;
	struct kt_peer *peers;
	size_t peers_len;
	uint64_t serial;
	struct kt_publisher *publisher;

	struct kt_orphans orphans; /* ours, and of no worker that died */

	struct kt_helpers helpers;
	bool is_outbox_running, has_delivered;
	uint64_t outbox_commits; /* made when it was started last */
	int64_t outbox_again_ms; /* a sink failed: not before this time; 0: none */
	struct kt_display *display;
	struct kt_json *commits;
	size_t commits_left_out;

	bool is_stopping, is_over;
	bool is_stop_by_command;
	int stop_signal;
	int64_t close_deadline_ms;
};

/* ---- supervisor.c ---- */
void kt_supervisor_stop(struct kt_supervisor *supervisor, int signal_number); /* in order */
/* A line for people and for the log. lane may be NULL. */
void kt_supervisor_say(struct kt_supervisor *supervisor, const struct kt_lane_run *lane,
	const char *format, ...) KT_PRINTF(3, 4);

/* ---- sup_writer.c ---- */
KT_MUST_CHECK enum kt_code kt_sup_writer_open(
	struct kt_supervisor *supervisor, struct kt_error *err);
/* lane: as in kt_writer_submit. Takes request. */
void kt_sup_submit(struct kt_supervisor *supervisor, struct kt_json *request, const char *lane,
	kt_outcome_cb done, void *arg);
void kt_sup_writer_drive(struct kt_supervisor *supervisor);
/* Every outcome passes here, for the summary. */
void kt_sup_record(struct kt_supervisor *supervisor, const struct kt_json *outcome);
/* What the agent committed in its lane, and what kitty committed there for it: [{sha, message}]. */
void kt_sup_record_lane_commits(struct kt_supervisor *supervisor, const struct kt_lane_run *run,
	const struct kt_json *list);
void kt_sup_flush(struct kt_supervisor *supervisor); /* rows to watchers */
void kt_sup_consolidate(struct kt_supervisor *supervisor);
void kt_sup_consolidate_end(struct kt_supervisor *supervisor);

/* ---- sup_outbox.c ---- */
/* At the end of a turn: starts the delivery of what was committed since the last one. */
void kt_sup_outbox(struct kt_supervisor *supervisor);

/* ---- sup_claims.c ---- */
/* Gives back what a launch that died held and this one does not resume. */
void kt_sup_claims_release(struct kt_supervisor *supervisor);

/* ---- sup_integrate.c ---- */
/* Starts the integration of the next approved WP, one at a time. */
void kt_sup_integrate(struct kt_supervisor *supervisor);
/* Appends what could not be integrated. */
void kt_sup_integration_waits(const struct kt_supervisor *supervisor, struct kt_json *waits);

/* ---- sup_plan.c ---- */
KT_MUST_CHECK enum kt_code kt_sup_plan_load(struct kt_supervisor *supervisor, struct kt_error *err);
void kt_sup_schedule(struct kt_supervisor *supervisor);
/* Nothing runs and nothing can start. */
bool kt_sup_is_done(struct kt_supervisor *supervisor);
struct kt_lane_run *kt_sup_lane_find(const struct kt_supervisor *supervisor, const char *lane_id);
/* The WP's status now; KT_STATUS_GENESIS when the log does not know it. */
enum kt_status kt_sup_status(
	const struct kt_supervisor *supervisor, const char *wp_id, struct kt_wp_state *state);
struct kt_json *kt_sup_summary(struct kt_supervisor *supervisor); /* gives */
/* Named by --lanes, or run by hand. */
bool kt_sup_takes_work(const struct kt_lane_run *run);

/* ---- lane_run.c, lane_worker.c, lane_sweep.c ---- */
struct kt_lane_run *kt_lane_run_new(struct kt_supervisor *supervisor, const char *lane_id);
void kt_lane_run_free(struct kt_lane_run *run);
void kt_lane_run_input(struct kt_lane_run *run, enum kt_lane_input input);
void kt_lane_run_frame(struct kt_lane_run *run, struct kt_frame *frame);
void kt_lane_run_hold(struct kt_lane_run *run, const char *trouble); /* NULL: an operator */
void kt_lane_run_kill(struct kt_lane_run *run); /* KILL to worker and agent, now */
/* The channel of a worker that was started by hand ended. */
void kt_lane_run_peer_gone(struct kt_lane_run *run);
/* Is the worker of a supervisor that died still stopping its agent there? Then the lane asks for a
 * schedule again when it is gone. */
bool kt_lane_run_is_haunted(struct kt_lane_run *run);
KT_MUST_CHECK enum kt_code kt_lane_worker_start(struct kt_lane_run *run, struct kt_error *err);
/* Kills what carries the marker and belongs to the lane. */
size_t kt_lane_sweep(const char *marker, const char *lane_id);
/* Nothing of ours outlives us: kills whatever still descends from this process or carries the
 * marker, until none is left. */
void kt_lane_sweep_all(const char *marker);
/* Once a second: which orphans are ours and of no worker that died. */
void kt_lane_orphans_note(struct kt_supervisor *supervisor);
void kt_lane_run_arm(struct kt_lane_run *run, int64_t delay_ms);
void kt_lane_run_disarm(struct kt_lane_run *run);
struct kt_json *kt_lane_run_json(const struct kt_lane_run *run); /* for PS; gives */

/* ---- job.c, job_run.c, job_outcome.c ---- */
void kt_job_start(struct kt_lane_run *run, const struct kt_schedule_step *step, const char *wp_id,
	size_t agent);
void kt_job_worker_gone(struct kt_lane_run *run);
void kt_job_run_answer(struct kt_lane_run *run, const struct kt_frame *frame);
void kt_job_ended(struct kt_lane_run *run, struct kt_json *body); /* takes body */
void kt_job_finish(struct kt_lane_run *run); /* gives the agent back; the lane is free */
/* A sync point (lane_sync.h): point is "claim" or "review"; done gets the lane's call back in phase
 * KT_JOB_SYNC. */
void kt_job_sync(struct kt_lane_run *run, const char *point, kt_helper_cb done);
void kt_job_trouble(struct kt_lane_run *run, const char *what, const struct kt_error *err);
/* Moves the WP to blocked with the reason, whatever its status; then the job is over. */
void kt_job_block(struct kt_lane_run *run, const char *reason);
void kt_job_agent_start(struct kt_lane_run *run);
/* A request did not come through: somebody else was faster, or the lane stops here. */
void kt_job_request_failed(struct kt_lane_run *run, const char *what, const struct kt_error *err);
/* A lane that is asked to end starts nothing more; true: the job is over. */
bool kt_job_is_called_off(struct kt_lane_run *run);
KT_MUST_CHECK enum kt_code kt_job_lease_take(const struct kt_lane_run *run, struct kt_error *err);
struct kt_json *kt_job_claim_metadata(const struct kt_lane_run *run); /* gives */
/* Why the lane is in no state to be worked in; NULL: it is. facts and err of lane-inspect. Gives.
 */
char *kt_job_lane_refusal(
	const struct kt_lane_run *run, const struct kt_json *facts, const struct kt_error *err);
/* One more than the logs NAME-1.log, ... that the lane has. */
long kt_job_attempt_next(const struct kt_lane_run *run, const char *name);
const struct kt_agent *kt_job_agent(const struct kt_lane_run *run); /* NULL: by hand */
/* "exit status 3", "timed out after 45m". */
struct kt_buffer;
void kt_job_describe_end(const struct kt_lane_run *run, struct kt_buffer *out);
/* What it adds to the exit status by which an agent says that trying again is of no use. */
#define KT_JOB_PERMANENT " (permanent failure)"
bool kt_job_is_permanent(const char *reason); /* of a blocked WP, or of a failed review; or NULL */
const char *kt_job_phase_name(enum kt_job_phase phase);

/* ---- job_review.c ---- */
void kt_review_start(struct kt_lane_run *run, const char *wp_id, size_t agent);
void kt_review_judge(struct kt_lane_run *run);
/* The reviewer gave no verdict: the WP returns to for_review; then the job is over. */
void kt_review_failed(struct kt_lane_run *run, const char *reason);
struct kt_prompt;
void kt_review_prompt(
	const struct kt_lane_run *run, const struct kt_prompt *place, struct kt_buffer *out);
/* What the last review asked for, for the implementer's prompt; NULL: nothing. Gives. */
char *kt_review_feedback(const struct kt_supervisor *supervisor, const char *wp_id);
/* Who reviews the WP in this launch. */
enum kt_schedule_review kt_review_of(
	const struct kt_supervisor *supervisor, const char *wp_id, const struct kt_wp_state *state);

/* The arg of a callback for a job; dropped when the job is over. */
struct kt_job_call {
	struct kt_lane_run *run;
	uint64_t serial;
};
struct kt_job_call *kt_job_call_new(struct kt_lane_run *run);
/* Frees the call; the run when its job is still the same and in that phase, else NULL. */
struct kt_lane_run *kt_job_call_take(struct kt_job_call *call, enum kt_job_phase phase);

/* ---- peers.c, dispatch.c ---- */
KT_MUST_CHECK enum kt_code kt_sup_listen(struct kt_supervisor *supervisor, struct kt_error *err);
void kt_peer_close(struct kt_peer *peer); /* freed at the end of the turn */
void kt_peers_collect(struct kt_supervisor *supervisor);
void kt_peers_finish(struct kt_supervisor *supervisor); /* sends what is queued, then closes */
void kt_peers_free(struct kt_supervisor *supervisor);
struct kt_peer *kt_peer_find(const struct kt_supervisor *supervisor, uint64_t serial);
void kt_peer_count(struct kt_peer *peer, int change); /* of calls; pauses and resumes */
void kt_dispatch_peer(struct kt_peer *peer, struct kt_frame *frame);
void kt_dispatch_lane(struct kt_lane_run *run, struct kt_frame *frame); /* LANE_REQUEST */
/* Answers STOP requests whose lanes have stopped. */
void kt_dispatch_stopped(struct kt_supervisor *supervisor, bool is_over);
struct kt_json *kt_sup_report(const struct kt_supervisor *supervisor); /* STATUS; gives */

#endif
