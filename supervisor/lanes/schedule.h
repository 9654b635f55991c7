/*
 * What a lane does next: a pure function of the plan, the statuses and the lanes. Supervisor only.
 *
 * A lane works on its WPs in order; the next one starts once the one before it is approved, done or
 * canceled and its dependencies are approved or done. A WP that is for_review is reviewed in its
 * lane when the launch has a reviewer. WPs that a person holds, that wait for a person's review or
 * that are blocked are waited for.
 */
#ifndef KITTY_SUPERVISOR_LANES_SCHEDULE_H
#define KITTY_SUPERVISOR_LANES_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/status.h>

enum kt_schedule_holder {
	KT_HOLDER_NOBODY,
	KT_HOLDER_LAUNCH, /* a launch claimed it: its worker is gone, or is this lane's */
	KT_HOLDER_OTHER   /* a person, or a process that lives */
};

/* Who reviews a WP in this launch. */
enum kt_schedule_review {
	KT_REVIEW_BY_PEOPLE, /* the launch has no reviewer */
	KT_REVIEW_READY,
	KT_REVIEW_OWN_WORK, /* the reviewer is who implemented it */
	KT_REVIEW_GIVEN_UP  /* its reviewer failed too often */
};

struct kt_schedule_wp {
	const char *id;
	enum kt_status status;
	const char *status_name;        /* of it, for people: this folder links no table of names */
	enum kt_schedule_holder holder; /* of a claimed, in_progress or in_review one */
	enum kt_schedule_review review; /* of a for_review or in_review one */
	bool may_retry;                 /* a blocked one that this launch has not tried yet */
	const size_t *dependencies;     /* indices of WPs */
	size_t dependencies_len;
};

struct kt_schedule_lane {
	const size_t *wps; /* indices, in the lane's order */
	size_t wps_len;
	bool is_busy;    /* a WP is on its way through it */
	bool is_stopped; /* an operator stopped it, or it was given up: nothing starts here */
};

enum kt_schedule_verdict {
	KT_NEXT_FINISHED, /* every WP is approved, done or canceled */
	KT_NEXT_BUSY,
	KT_NEXT_CLAIM,  /* planned: claim and run */
	KT_NEXT_RESUME, /* claimed or in progress by a launch: run again */
	KT_NEXT_RETRY,  /* blocked: back to in progress, and run again */
	KT_NEXT_REVIEW, /* for_review, or in_review by a launch that is gone: run the reviewer */
	KT_NEXT_WAIT
};

struct kt_schedule_step {
	enum kt_schedule_verdict verdict;
	size_t wp;        /* all but FINISHED: the WP it is about */
	size_t waits_for; /* WAIT: the WP that keeps it; the same as wp when it keeps itself */
};

struct kt_schedule_step kt_schedule_next(
	const struct kt_schedule_wp *wps, const struct kt_schedule_lane *lane);

bool kt_schedule_can_start(
	const struct kt_schedule_step *step); /* CLAIM, RESUME, RETRY or REVIEW */

/* "WP02 waits for WP01, which is for_review (a review)"; gives; NULL when it does not wait. */
char *kt_schedule_describe(const struct kt_schedule_wp *wps, const struct kt_schedule_lane *lane,
	const struct kt_schedule_step *step);

/* Is it for_review or later, as the exit status of launch counts it? */
bool kt_schedule_is_handed_over(enum kt_status status);

/*
 * The agents of a launch. A lane takes the next free one, in turn.
 */
struct kt_pool_agent {
	const char *name;
	size_t capacity, used;
	bool is_reviewer; /* implements nothing: taken by name only */
};

struct kt_pool {
	struct kt_pool_agent *agents;
	size_t len;
	size_t next;         /* where the search begins */
	size_t max_parallel; /* 0: no bound */
};

/* preferred: name of the agent that worked on it before, or NULL; taken when it is in the pool (the
 * WP then waits for it), else any. False: none is free, or the bound is reached. */
bool kt_pool_take(struct kt_pool *pool, const char *preferred, size_t *agent);
/* That one and no other. */
bool kt_pool_take_named(struct kt_pool *pool, const char *name, size_t *agent);
void kt_pool_give_back(struct kt_pool *pool, size_t agent);

#endif
