/*
 * An explicit-state model of the transaction (supervisor/transaction): what several writers, their
 * clients, git, a foreign git and a failing machine can do to one mission's log, in steps as small
 * as a kill can tell apart. explore.c goes through every state and asserts the promises; accept.c
 * checks that a trace of the real writer is a path of the same steps.
 *
 * A request is one event. A sequence holds events by number; FOREIGN stands for a commit of
 * somebody else that leaves the status files alone.
 */
#ifndef KITTY_TESTS_MODEL_MODEL_H
#define KITTY_TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef MODEL_WORKERS
#define MODEL_WORKERS 2
#endif
#ifndef MODEL_EVENTS
#define MODEL_EVENTS 3
#endif

#ifndef MODEL_FOREIGN
#define MODEL_FOREIGN 2
#endif

enum {
	FOREIGN_MAX = MODEL_FOREIGN,
	SEQUENCE_MAX = MODEL_EVENTS + FOREIGN_MAX + 1,
	FOREIGN = 0xff, /* an item of a sequence */
	NOBODY = 0xff,  /* lock */
	FREE = 0xff,    /* ref lock and intent: not there */
	DEAD = 0xfe,    /* ref lock and intent: of a process that is gone */
	ORPHAN = 0xfd,  /* ref lock: of a git that outlives the writer that started it */
	UNLIMITED = 0xff
};

struct sequence {
	uint8_t len;
	uint8_t item[SEQUENCE_MAX];
};

/* Where a writer is. The names are those of the steps of the trace. */
enum model_step {
	AT_IDLE,
	AT_LOCK,
	AT_WORKTREE,
	AT_HEAL,
	AT_SYNC,
	AT_GATE,
	AT_JUDGE,
	AT_MERGE,
	AT_BUILD,
	AT_HOOKS,
	AT_SWAP,
	AT_FILES,
	AT_ANSWER,
	AT_POST,
	STEPS
};

/* What a request of the batch has come to. */
enum verdict { UNDECIDED, BUILT, COMMITTED, REPEATED, REFUSED, FAILED, UNKNOWN };

struct request {
	uint8_t event;
	uint8_t verdict;
};

struct worker {
	uint8_t step, phase; /* the phase counts within a step, from 0 */
	uint8_t tip;         /* items of the ref that it knows; valid while is_healed */
	bool is_healed;
	bool is_staged; /* the files hold the rows that the hooks judge */
	bool asks;      /* lock and heal without a request: a supervisor's start */
	uint8_t attempts;
	uint8_t singles; /* batches to go one by one */
	uint8_t queue_len, batch_len;
	uint8_t queue[MODEL_EVENTS + 1];
	struct request batch[MODEL_EVENTS + 1];
};

struct budget {
	uint8_t crashes, power_cuts, foreign_moves, doubles, errors, timeouts, refusals;
};

struct model_state {
	struct sequence ref;
	uint8_t durable; /* first items of ref that a power cut cannot take */
	struct sequence file, snapshot, index;
	bool is_torn; /* the file ends in half a row */
	uint8_t lock, ref_lock, intent;
	/* A git child that a killed writer left behind at the swap: it may land yet, or give up. */
	bool has_orphan;
	uint8_t orphan_tip;
	struct sequence orphan_adds;
	uint8_t late[MODEL_EVENTS]; /* landed that way: what a second try heard was true of itself
				     */
	struct sequence outside;    /* what was delivered, in order, without repetitions */
	uint8_t cursor;             /* durable: events that need not be delivered again */
	uint8_t pending[MODEL_EVENTS]; /* at how many places a client waits for an answer */
	uint8_t acknowledged[MODEL_EVENTS], refused[MODEL_EVENTS]; /* flags */
	/* Refused or failed once, whether or not the client has heard: what its lane sent behind it
	 * may come first. */
	uint8_t set_back[MODEL_EVENTS];
	struct worker worker[MODEL_WORKERS];
	struct budget left;
	bool is_lost;   /* the minted event's client got no answer: it will not ask again */
	uint8_t broken; /* enum promise */
};

enum promise { ALL_KEPT, P1, P2, P3, P4, P6, P8, P10, PROMISES };

/* One protection off. */
enum sabotage {
	NONE,
	NO_LOCK,
	NO_HEAL,
	NO_COMPARE,
	NO_FLUSH,
	NO_FLUSH_OF_WHAT_WAS_FOUND,
	NO_ID_CHECK,
	RECEIPT_BEFORE_SWAP,
	EXIT_CODE_DECIDES,
	NO_READ_BACK_AFTER_ERROR,
	READ_BACK_EXACTLY,
	NO_INTENT,
	BREAKS_LIVING_LOCK,
	EFFECT_BEFORE_COMMIT,
	SABOTAGES
};

struct model {
	bool has_hooks;
	bool is_coarse; /* for exploring: steps that change nothing are not there */
	/* The event of a client that leaves the id to the writer: a second try would get another
	 * one, so the client never sends it again and the writer must not build it twice. NOBODY:
	 * none. */
	uint8_t minted;
	enum sabotage off;
	/* For the acceptor: what the rules refuse at the next build is known (one bit for each
	 * request of the batch), and how many requests stay in the batch (a merge and a change of
	 * the plan go alone); events have no lanes, nothing is delivered. */
	bool is_guided;
	uint64_t refused;
	uint8_t keep;
};

/* One step from `from` to `to`. */
struct model_move {
	const char *name;
	int worker; /* -1: the surroundings */
	const struct model_state *from, *to;
};
typedef void (*model_move_cb)(const struct model_move *move, void *arg);

void kt_model_init(struct model_state *state, const struct budget *budget);

/* Every step that this worker can take by itself. */
void kt_model_worker_moves(const struct model *model, const struct model_state *state, int worker,
	model_move_cb take, void *arg);
/* Everything that clients, foreign git, kill and power can do. */
void kt_model_outside_moves(
	const struct model *model, const struct model_state *state, model_move_cb take, void *arg);

/* Parts of the latter, for the acceptor. */
void kt_model_submit(struct model_state *state, int worker, uint8_t event);
void kt_model_crash(struct model_state *state, int worker);
void kt_model_foreign(struct model_state *state);

/* past.c: does a queue or a batch hold the event; out with it; out with old foreign commits. */
bool kt_model_holds(const struct model_state *state, uint8_t event);
void kt_model_forget(struct model_state *state, uint8_t event);
void kt_model_forget_foreign(struct model_state *state);

/* What must hold in every state. */
enum promise kt_model_check(const struct model_state *state);
/* Is something under way or waiting? */
bool kt_model_is_busy(const struct model_state *state);
const char *kt_model_promise_name(enum promise promise);
const char *kt_model_step_name(enum model_step step);

/* Sequences. */
bool kt_sequence_has(const struct sequence *sequence, uint8_t item);
void kt_sequence_add(struct sequence *sequence, uint8_t item);
void kt_sequence_cut(struct sequence *sequence, uint8_t len);
void kt_sequence_events(const struct sequence *ref, uint8_t len, struct sequence *out);
bool kt_sequence_equal(const struct sequence *left, const struct sequence *right);
void kt_sequence_drop(struct sequence *sequence, uint8_t item);

#endif
