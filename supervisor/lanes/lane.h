/*
 * The life of a lane's worker as a table: states x inputs -> next state and what to do. Supervisor
 * only. Pure: no clock, no processes, no libevent; time is an argument, and whoever calls does what
 * the action says.
 *
 *   kt_lane_init -> kt_lane_input (whenever something happened) -> do the action -> ...
 *
 * Ready only after HELLO. A worker that dies is started again after a back-off that doubles; the
 * third death within a minute gives the lane up, and other lanes go on. So does the third worker in
 * a row that fell silent at work, however far apart: a silence lasts longer than the minute.
 */
#ifndef KITTY_SUPERVISOR_LANES_LANE_H
#define KITTY_SUPERVISOR_LANES_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kt_lane_state {
	KT_LANE_STOPPED,   /* no worker, and none is coming */
	KT_LANE_PREPARING, /* the worktree is being made or checked */
	KT_LANE_STARTING,  /* the worker was started, or has connected, and owes HELLO */
	KT_LANE_READY,     /* the worker waits for a work package */
	KT_LANE_RUNNING,   /* a work package is on its way through it */
	KT_LANE_DRAINING,  /* asked to end */
	KT_LANE_DEAD,      /* the worker is gone; what it left is being stopped */
	KT_LANE_BACKOFF,   /* waits before the next start */
	KT_LANE_STATE_COUNT
};

enum kt_lane_input {
	KT_LANE_IN_START,          /* there is work for the lane */
	KT_LANE_IN_PREPARED,       /* its worktree is there */
	KT_LANE_IN_PREPARE_FAILED, /* and will not be */
	KT_LANE_IN_HELLO,          /* the worker said HELLO with our version */
	KT_LANE_IN_ADOPT,          /* a worker that was started by hand takes the lane */
	KT_LANE_IN_RUN,            /* a work package begins */
	KT_LANE_IN_IDLE,           /* it is through */
	KT_LANE_IN_STOP,           /* no more work here */
	/* HELLO, the answer to RUN or the agent's end is late, draining takes too long, or the
	 * back-off is over. */
	KT_LANE_IN_TIMER,
	KT_LANE_IN_GONE,  /* the worker ended */
	KT_LANE_IN_SWEPT, /* nothing that it started is left */
	/* What SWEPT becomes; not for callers. */
	KT_LANE_IN_SWEPT_AGAIN,
	KT_LANE_IN_SWEPT_LIMIT,
	KT_LANE_INPUT_COUNT
};

enum kt_lane_action {
	KT_LANE_DO_NOTHING,
	KT_LANE_DO_PREPARE,  /* make the worktree; answer PREPARED or PREPARE_FAILED */
	KT_LANE_DO_SPAWN,    /* start the worker, arm the timer for its HELLO */
	KT_LANE_DO_SHUTDOWN, /* SHUTDOWN to the worker, arm the timer for the grace */
	KT_LANE_DO_KILL,     /* KILL to the worker's group */
	KT_LANE_DO_SWEEP,    /* stop what the worker left; answer SWEPT */
	KT_LANE_DO_WAIT,     /* arm the timer with kt_lane_delay_ms */
	KT_LANE_DO_GIVE_UP,  /* too many deaths, or no worktree: its work package is blocked */
	KT_LANE_DO_IGNORE    /* the input means nothing in this state */
};

enum { KT_LANE_DEATHS_MAX = 3, KT_LANE_DEATHS_WINDOW_MS = 60000, KT_LANE_SILENCES_MAX = 3 };
enum { KT_LANE_DELAY_MIN_MS = 1000, KT_LANE_DELAY_MAX_MS = 30000 };

struct kt_lane {
	enum kt_lane_state state;
	bool is_wanted;  /* a dead worker is replaced */
	bool is_by_hand; /* its worker was not started by us and is never replaced */
	int64_t deaths[KT_LANE_DEATHS_MAX]; /* monotonic ms of the latest, ring */
	size_t deaths_len;                  /* all that there were */
	size_t silences;                    /* workers killed for silence since one did its work */
};

void kt_lane_init(struct kt_lane *lane);

/* now_ms: monotonic. */
enum kt_lane_action kt_lane_input(struct kt_lane *lane, enum kt_lane_input input, int64_t now_ms);

/* Deaths within the window that ends now. */
size_t kt_lane_recent_deaths(const struct kt_lane *lane, int64_t now_ms);

/* How long to wait before the next start. */
int64_t kt_lane_delay_ms(const struct kt_lane *lane, int64_t now_ms);

/* "ready", ... */
const char *kt_lane_state_name(enum kt_lane_state state);

#endif
