/*
 * A deterministic simulation of the supervisor: one process, one thread, every choice by a seed.
 *
 * Real, the same object files as in `kitty`: the whole of kt_supervisor_run (start, loop, turn end,
 * stop, shutdown), dispatch, peers, jobs, reviews, scheduling, the lanes' table, restarts and
 * back-off, claims, integration, the bookkeeping of helpers and their deadlines; the writer's step
 * machine (lock, heal, gate, admission, build, swap, files, receipts); the channel and the frame
 * decoder, over real pipes and sockets whose other ends are in this very process; the publisher;
 * leases, holder and intent files, working log, snapshot and index, in a folder in memory.
 *
 * Simulated, put in place by the linker (tests/simulation/CMakeLists.txt lists the calls):
 *   loop.c      libevent: which of the ready events runs next is the seed's choice; timers fire
 *               because virtual time is moved there, nothing ever waits
 *   world.c     clocks, randomness, and whatever happens outside the supervisor
 *   process.c   children, kill, /proc: a table of processes with virtual pids
 *   store.c     objects and refs in memory; failing barriers and swaps, a swap that lands and
 * fails, an intruder's commits, kill -9 before and after the swap worker.c    kitty-worker and its
 * agent: frames in pieces, garbage, silence, deaths helper.c    `kitty internal ...` and git
 *   client.c    commands and watchers on the supervisor's socket
 *   check.c     the promises, after every single event
 *
 * A kill -9 of the supervisor is a jump out of the loop or out of the store: its memory is gone for
 * the next launch, its descriptors are closed, what was not behind a barrier is lost; files, refs
 * and processes stay. Not simulated: git hooks, the `git` side of lanes (tests/integration has
 * those), torn files and power loss below a rename (tests/crash has those).
 */
#ifndef KITTY_TESTS_SIMULATION_SIMULATION_H
#define KITTY_TESTS_SIMULATION_SIMULATION_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <kitty/attributes.h>
#include <kitty/json.h>

#include "ipc/buffer.h"
#include "ipc/frame.h"
#include "supervisor/git/store.h"
#include "supervisor/mission/mission.h"

struct kt_child_spec;
struct kt_supervisor;
struct event_base;

enum { SIM_LANES_MAX = 4, SIM_WPS_MAX = 8, SIM_ROOT_MAX = 64 };

/* Protections that --mutate takes away; every one must be noticed. */
enum sim_mutation {
	SIM_MUTATE_NOTHING,
	SIM_MUTATE_ACK_EARLY,    /* a request is acknowledged when it is submitted */
	SIM_MUTATE_FANOUT_EARLY, /* watchers are told what is not committed yet */
	SIM_MUTATE_SWAP_LATE,    /* the swap says "done" before the ref moves */
	SIM_MUTATE_NO_CAS,       /* the ref is set without comparing */
	SIM_MUTATE_NO_ID,        /* a caller's event id is thrown away */
	SIM_MUTATE_NO_SWEEP,     /* what a dead worker left is not looked for */
	SIM_MUTATE_NO_BARRIER,   /* the ref moves to what is not durable */
	SIM_MUTATE_NO_TIMER,     /* timers are never armed */
	SIM_MUTATION_COUNT
};
const char *sim_mutation_name(enum sim_mutation mutation);

/* What the seed decided about this world. */
struct sim_plan {
	size_t lanes_len, wps_len;
	size_t lane_of[SIM_WPS_MAX];        /* of each WP */
	unsigned dependencies[SIM_WPS_MAX]; /* bits: earlier WPs */
	size_t max_parallel;
	unsigned percent; /* how often something that can fail does */
};

struct sim {
	uint64_t seed, state;
	int64_t now_ms; /* virtual, monotonic */
	int64_t wall_skew_us;
	uint64_t hash; /* of the trace */
	uint64_t steps, faults, launches, crashes, commits;
	bool is_verbose, has_faults; /* has_faults: the phase in which things fail */
	enum sim_mutation mutation;
	struct sim_plan plan;

	char root[SIM_ROOT_MAX];
	struct kt_repository *repo;
	struct kt_mission *mission;
	struct kt_store *store; /* the inner one: what is durable */

	pid_t supervisor_pid;
	struct kt_supervisor *supervisor; /* as of the last writer that was made; NULL: none runs */
	bool is_running;                  /* inside kt_supervisor_run */
	jmp_buf killed;
	uint64_t kill_at_step; /* 0: not */
	int64_t give_up_ms;    /* liveness: the launch must have ended by then */
};
extern struct sim sim;

/* ---- world.c ---- */
void sim_world_begin(uint64_t seed);
void sim_world_end(void);
uint64_t sim_below(uint64_t bound); /* 0 .. bound - 1; bound > 0 */
bool sim_chance(unsigned percent);
/* Something that fails now and then; counted; never when the faults are over. */
bool sim_fault(unsigned percent);
void sim_trace(const char *format, ...) KT_PRINTF(1, 2);
/* A promise is broken: says so with the line that repeats it, and ends the program. */
_Noreturn void sim_broken(const char *format, ...) KT_PRINTF(1, 2);

/* Something happens outside after delay_ms. owner: sim_forget takes it back. */
typedef void (*sim_act)(void *arg);
void sim_later(int64_t delay_ms, sim_act act, void *arg);
/* Calls back whenever fd can be read, until sim_unwatch. */
void sim_watch(int fd, sim_act act, void *arg);
void sim_unwatch(int fd);
void sim_forget(const void *arg);
/* What could happen now; the time of the next thing (INT64_MAX: none); and one of them happens. */
size_t sim_world_ready(void);
int64_t sim_world_next_ms(void);
void sim_world_run(size_t which);
void sim_world_pause(int64_t until_ms); /* the world goes on until then while the caller waits */
/* A descriptor of the world, which does not die with the supervisor. Takes fd, when it is to. */
int sim_fd_keep(int fd, bool takes);
void sim_fds_close(void); /* all others, as the kernel does for a dead process */

/* ---- loop.c ---- */
void sim_loop_forget(void); /* after a kill */
void sim_loop_signal(int number);
void sim_kill_now(void); /* kill -9 of the supervisor; does not return */
void sim_kill_maybe(unsigned percent);

/* ---- process.c ---- */
enum sim_kind { SIM_SUPERVISOR, SIM_WORKER, SIM_AGENT, SIM_HELPER, SIM_CLIENT };
struct sim_process {
	struct sim_process *next;
	pid_t pid, parent;
	uint64_t start_time;
	enum sim_kind kind;
	char *marker, *lane; /* what its environment says; may be NULL */
	bool is_alive, is_reaped;
	int exit_code, signal; /* signal 0: exited */
	int tell_fd;           /* eventfd: readable when it has ended */
	void *model;
	void (*on_signal)(struct sim_process *process, int number); /* not KILL */
	void (*on_gone)(struct sim_process *process);
};
struct sim_process *sim_process_new(enum sim_kind kind, pid_t parent);
void sim_process_end(struct sim_process *process, int exit_code, int signal_number);
struct sim_process *sim_process_find(pid_t pid);
struct sim_process *sim_process_first(void);
void sim_process_supervisor_died(void);
void sim_processes_free(void);
/* The pid that the next accepted connection belongs to, in the order of connecting. */
void sim_peer_push(pid_t pid);
size_t sim_peers_waiting(void); /* connected and not accepted */

/* ---- store.c ---- */
void sim_store_begin(void);
void sim_store_settle(void); /* a swap that was only promised happens */
void sim_store_lost(void);   /* after a kill: objects that no barrier saw */
/* A commit on top of parent; path gets the text. The commit is durable and named by ref if given.
 */
struct kt_oid sim_commit_make(const struct kt_oid *parent, const char *path, const char *text,
	const char *message, const char *ref);
bool sim_ref(const char *ref, struct kt_oid *out);

/* ---- worker.c, helper.c, client.c ---- */
void sim_worker_start(struct sim_process *process, const struct kt_child_spec *spec);
void sim_helper_start(struct sim_process *process, const struct kt_child_spec *spec);
void sim_helper_write(int fd, const struct kt_json *facts);
void sim_clients_begin(void); /* for this launch */
void sim_clients_supervisor_died(void);
void sim_clients_end(void);
bool sim_clients_have_seen(const struct kt_buffer *log); /* all rows, once, in order */

/* ---- mission.c ---- */
void sim_mission_make(void);
const char *sim_wp(size_t i);
const char *sim_lane(size_t i);
size_t sim_lane_index(const char *lane_id); /* SIZE_MAX: none */

/* ---- check.c ---- */
void sim_check_begin(void);
void sim_check_end(void);
void sim_check_moved(const struct kt_oid *from, const struct kt_oid *to); /* the durable ref */
void sim_check_step(void);
void sim_check_acknowledged(const char *event_id);
void sim_check_row(const char *row); /* somebody was told of it */
void sim_check_live(void);           /* after the last launch */
const struct kt_buffer *sim_check_log(void);
bool sim_check_has_id(const char *event_id);

#endif
