/*
 * Requests set aside: a move to for_review waits for the lane gate's child beside the transaction,
 * so that a lane whose git is slow, or hangs, holds up nobody but itself. What is about the same
 * work package or the same lane waits behind it, in order. Runs in a supervisor's writer, which
 * knows the plan between its batches. Must never have the last word: the step in the transaction
 * asks whether the lane still is where it was judged (laneguard.c).
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/transaction/writer_private.h"

enum { ROUNDS_MAX = 3 }; /* of a lane that goes on while it is judged */

struct aside {
	struct aside *next;
	struct pending *first, **end; /* the first one is judged */
	struct kt_oid tip;
	struct kt_subprocess gate;
	int rounds;
};

/* ---- order ---- */

static const struct kt_lane_plan *lane_of(const struct kt_writer *writer, const char *wp_id)
{
	return writer->plan == NULL ? NULL : kt_lanes_of_wp(writer->plan->lanes, wp_id);
}

static bool is_about(
	const struct kt_writer *writer, const struct pending *pending, const char *wp_id)
{
	const struct kt_json *op = kt_json_first(kt_json_get(pending->request, "ops"));
	const struct kt_lane_plan *lane = lane_of(writer, wp_id);

	for (; op != NULL; op = kt_json_next(op)) {
		const char *own = kt_json_get_string(op, "wp");

		if (own != NULL &&
			(strcmp(own, wp_id) == 0 || (lane != NULL && lane_of(writer, own) == lane)))
			return true;
	}
	return false;
}

static bool is_behind(
	const struct kt_writer *writer, const struct pending *later, const struct pending *earlier)
{
	const struct kt_json *op = kt_json_first(kt_json_get(earlier->request, "ops"));

	for (; op != NULL && earlier->serial < later->serial; op = kt_json_next(op)) {
		const char *wp_id = kt_json_get_string(op, "wp");

		if (wp_id != NULL && is_about(writer, later, wp_id))
			return true;
	}
	return false;
}

/* The one that the request has to wait behind; NULL: none. */
static struct aside *find_before(const struct kt_writer *writer, const struct pending *pending)
{
	for (struct aside *aside = writer->asides; aside != NULL; aside = aside->next)
		for (const struct pending *p = aside->first; p != NULL; p = p->next)
			if (is_behind(writer, pending, p))
				return aside;
	return NULL;
}

/* ---- in ---- */

static void append(struct pending ***end, struct pending *pending)
{
	pending->next = NULL;
	**end = pending;
	*end = &pending->next;
}

static bool start(struct kt_writer *writer, struct aside *aside)
{
	const char *lane_id = NULL;
	struct kt_error ignored = KT_ERROR_INIT;

	return kt_lane_is_to_judge(writer, aside->first, &lane_id, &aside->tip) &&
	       kt_lane_judge_start(writer, &aside->gate, lane_id, &aside->tip,
		       kt_lane_judge_timeout_ms(writer), &ignored) == KT_E_OK;
}

/* False: there is nothing to judge, or the step in the transaction has to. */
static bool set_aside(struct kt_writer *writer, struct pending *pending)
{
	struct aside *aside = kt_alloc(sizeof *aside);

	aside->gate = (struct kt_subprocess)KT_SUBPROCESS_INIT;
	aside->end = &aside->first;
	append(&aside->end, pending);
	if (!start(writer, aside)) {
		free(aside);
		return false;
	}
	aside->next = writer->asides;
	writer->asides = aside;
	return true;
}

void kt_queue_add(struct kt_writer *writer, struct pending *pending)
{
	/* A command's writer knows nothing before it has the lock, and serves nobody else. */
	bool is_ready =
		writer->options.hold_lock && writer->state != NULL && pending->outcome == NULL;
	struct aside *before = NULL;
	struct kt_error ignored = KT_ERROR_INIT;

	if (is_ready) {
		(void)!kt_writer_plan(writer, &ignored); /* it may have changed since */
		before = find_before(writer, pending);
	}
	if (before != NULL)
		append(&before->end, pending);
	else if (!is_ready || !set_aside(writer, pending))
		append(&writer->queue_end, pending);
}

/* ---- out ---- */

/* True: it has passed, or is answered. */
static bool judge(
	struct kt_writer *writer, struct aside *aside, const struct kt_child_status *status)
{
	struct pending *pending = aside->first;

	kt_lane_judge_ended(writer, &aside->gate, pending, status);
	pending->has_judged_tip = pending->outcome == NULL;
	pending->judged_tip = aside->tip;
	return ++aside->rounds == ROUNDS_MAX || !start(writer, aside);
}

/* Those behind it first: whoever is told of a refusal may submit the next request at once. */
static void let_go(struct kt_writer *writer, struct aside *aside)
{
	struct pending *first = aside->first, *behind = first->next;

	free(aside);
	if (first->outcome == NULL)
		append(&writer->queue_end, first);
	while (behind != NULL) {
		struct pending *pending = behind;

		behind = pending->next;
		kt_queue_add(writer, pending);
	}
	if (first->outcome != NULL)
		kt_pending_answer(first);
}

static bool let_one_go(struct kt_writer *writer)
{
	struct kt_child_status status = {0};

	for (struct aside **at = &writer->asides; *at != NULL; at = &(*at)->next) {
		struct aside *aside = *at;

		if (!kt_subprocess_poll(&aside->gate, &status) || !judge(writer, aside, &status))
			continue;
		*at = aside->next;
		let_go(writer, aside);
		return true;
	}
	return false;
}

void kt_asides_look(struct kt_writer *writer)
{
	/* One by one: what is behind one of them may have to wait behind another. */
	while (let_one_go(writer))
		;
}

struct kt_wait kt_asides_wait(const struct kt_writer *writer)
{
	const struct aside *newest = writer->asides;

	if (newest == NULL)
		return (struct kt_wait){-1, -1};
	/* One descriptor: the older ones are looked at when the time has come, which is soon. */
	return (struct kt_wait){newest->gate.child.pidfd, kt_subprocess_wake_ms(&newest->gate)};
}

struct pending *kt_asides_end(struct kt_writer *writer)
{
	struct pending *all = NULL, **end = &all;

	while (writer->asides != NULL) {
		struct aside *aside = writer->asides;

		writer->asides = aside->next;
		kt_subprocess_release(&aside->gate);
		*end = aside->first;
		end = aside->end;
		free(aside);
	}
	return all;
}
