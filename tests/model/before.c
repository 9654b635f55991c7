/*
 * The model of one writer, up to the chain of commits, step by step as
 * supervisor/transaction/writer.c goes them: each function is the step of that name there; what a
 * kill can tell apart is a phase of its own. Pure.
 */
#include <string.h>

#include "model/step.h"

/* ---- idle, lock ---- */

void kt_model_idle(const struct step *step)
{
	struct after after;
	struct worker *self = NULL;
	uint8_t limit = 0;

	kt_step_begin(step, &after);
	self = after.self;
	if (self->queue_len == 0 && !self->asks) {
		if (after.state.lock == step->worker) {
			after.state.lock = NOBODY;
			kt_step_emit(step, "release the lock", &after);
		}
		return;
	}
	limit = self->singles > 0 && self->queue_len > 0 ? 1 : self->queue_len;
	for (uint8_t i = 0; i < limit; i++)
		self->batch[self->batch_len++] = (struct request){self->queue[i], UNDECIDED};
	memmove(self->queue, self->queue + limit, (size_t)(self->queue_len - limit));
	memset(self->queue + self->queue_len - limit, 0, limit);
	self->queue_len = (uint8_t)(self->queue_len - limit);
	self->attempts = 0;
	kt_step_go(&after, AT_LOCK, 0);
	kt_step_emit(step, "take the batch", &after);
}

/* Whoever has the lock breaks what a dead writer left; only an intent tells the two apart. */
static void break_stale(const struct step *step, struct model_state *state)
{
	bool is_known = state->intent == DEAD && step->model->off != NO_INTENT;

	if (state->ref_lock == DEAD && is_known)
		state->ref_lock = FREE;
	if (state->ref_lock == ORPHAN && is_known && step->model->off == BREAKS_LIVING_LOCK)
		state->ref_lock = FREE;
	if (state->intent == DEAD)
		state->intent = FREE;
}

void kt_model_lock(const struct step *step)
{
	struct after after;
	bool is_free = step->from->lock == NOBODY || step->from->lock == step->worker;

	kt_step_begin(step, &after);
	if (is_free || step->model->off == NO_LOCK) {
		if (step->from->lock != step->worker)
			break_stale(step, &after.state);
		after.state.lock = (uint8_t)step->worker;
		kt_step_go(&after, AT_WORKTREE, 0);
		kt_step_emit(step, "take the lock", &after);
		return;
	}
	if (after.state.left.timeouts == 0)
		return;
	if (after.state.left.timeouts != UNLIMITED)
		after.state.left.timeouts--;
	kt_step_decide_all(&after, FAILED);
	kt_step_go(&after, AT_ANSWER, 0);
	kt_step_emit(step, "give up waiting for the lock", &after);
}

void kt_model_worktree(const struct step *step)
{
	kt_step_pass(step, "worktree is there", AT_HEAL);
	kt_step_may_fail(step, "worktree fails");
}

/* ---- heal ---- */

static void enter_gate(const struct step *step, struct after *after, const char *name)
{
	struct sequence log;

	kt_step_committed(&after->state, after->self, &log);
	if (after->state.is_torn || !kt_sequence_equal(&after->state.file, &log) ||
		!kt_sequence_equal(&after->state.snapshot, &log) ||
		!kt_sequence_equal(&after->state.index, &log))
		after->state.broken = P3;
	if (after->state.ref_lock == DEAD)
		after->state.broken = P10;
	kt_step_go(after, AT_GATE, 0);
	kt_step_emit(step, name, after);
}

void kt_model_heal(const struct step *step)
{
	struct after after;
	struct sequence log;

	kt_step_begin(step, &after);
	kt_step_committed(&after.state, after.self, &log);
	switch (after.self->phase) {
	case 0: /* read the tip; what a killed writer moved may not be on the disk yet */
		after.self->tip = after.state.ref.len;
		after.self->is_healed = true;
		if (step->model->off != NO_FLUSH_OF_WHAT_WAS_FOUND)
			after.state.durable = after.state.ref.len;
		kt_step_go(&after, AT_HEAL, 1);
		kt_step_emit(step, "read the tip", &after);
		if (!step->model->is_coarse)
			kt_step_may_fail(step, "reading the tip fails");
		return;
	case 1:
		if (step->model->off != NO_HEAL) {
			after.state.file = log;
			after.state.is_torn = false;
		}
		kt_step_go(&after, AT_HEAL, 2);
		kt_step_emit(step, "heal the log", &after);
		return;
	case 2:
		if (step->model->off != NO_HEAL)
			after.state.snapshot = log;
		kt_step_go(&after, AT_HEAL, 3);
		kt_step_emit(step, "heal the snapshot", &after);
		return;
	default:
		if (step->model->off != NO_HEAL)
			after.state.index = log;
		enter_gate(step, &after, "heal the index");
	}
}

void kt_model_gate(const struct step *step)
{
	struct after after;

	if (step->from->worker[step->worker].batch_len > 0) {
		kt_step_pass(step, "gate", AT_JUDGE);
		kt_step_may_fail(step, "policy refuses");
		return;
	}
	kt_step_begin(step, &after);
	kt_step_go(&after, AT_ANSWER, 0);
	kt_step_emit(step, "healed without a request", &after);
}

/* ---- build ---- */

/* The rest of the batch, from index i on, goes back to the front of the queue. */
static void defer_from(struct worker *self, uint8_t i)
{
	while (self->batch_len > i) {
		kt_step_push_front(self, self->batch[self->batch_len - 1].event);
		kt_step_drop_last(self);
	}
}

/* The lane gate: some of the batch may go no further, the others do. In the exhaustive model a
 * refusal here is one of the build's: nothing happens between the two. */
void kt_model_judge(const struct step *step)
{
	struct after after;

	kt_step_begin(step, &after);
	for (uint8_t i = 0; step->model->is_guided && i < after.self->batch_len; i++)
		if ((step->model->refused >> i & 1) != 0 &&
			after.self->batch[i].verdict == UNDECIDED)
			kt_step_decide(&after, &after.self->batch[i], REFUSED);
	kt_step_go(&after, AT_MERGE, 0);
	kt_step_emit(step, "judge", &after);
}

void kt_model_merge(const struct step *step)
{
	struct after after;

	kt_step_begin(step, &after);
	if (step->model->is_guided)
		defer_from(after.self, step->model->keep);
	kt_step_go(&after, AT_BUILD, 0);
	kt_step_emit(step, "merge", &after);
	kt_step_may_fail(step, "merge conflicts");
}

/* Admits requests in order. Those of the mask are refused by their content. */
static void admit(const struct step *step, struct after *after, uint64_t refused)
{
	struct worker *self = after->self;
	struct sequence log, chain;

	kt_step_committed(&after->state, self, &log);
	for (uint8_t i = 0; i < self->batch_len; i++) {
		struct request *request = &self->batch[i];

		if (step->model->is_guided && i >= step->model->keep) {
			defer_from(self, i);
			return;
		}
		if (request->verdict != UNDECIDED) /* in a round before the ref moved */
			continue;
		kt_step_with_built(&after->state, self, &chain);
		if (step->model->off == NO_ID_CHECK || request->event == step->model->minted ||
			!kt_sequence_has(&chain, request->event)) {
			kt_step_decide(after, request, (refused >> i & 1) != 0 ? REFUSED : BUILT);
		} else if ((refused >> i & 1) != 0) { /* that id, with other content */
			kt_step_decide(after, request, FAILED);
		} else if (kt_sequence_has(&log, request->event)) {
			request->verdict = REPEATED;
		} else { /* the same id twice in one batch: after the commit it is a repetition */
			defer_from(self, i);
			return;
		}
		if (request->verdict == BUILT && step->model->has_hooks) {
			defer_from(self, (uint8_t)(i + 1));
			return;
		}
	}
}

static void leave_build(const struct step *step, uint64_t refused)
{
	struct after after;
	uint8_t built = 0, rejected = 0;

	kt_step_begin(step, &after);
	rejected = kt_step_count(after.self, REFUSED);
	admit(step, &after, refused);
	built = kt_step_count(after.self, BUILT);
	rejected = (uint8_t)(kt_step_count(after.self, REFUSED) - rejected);
	if (rejected > 0 && after.state.left.refusals < rejected)
		return;
	if (after.state.left.refusals != UNLIMITED)
		after.state.left.refusals = (uint8_t)(after.state.left.refusals - rejected);
	if (built == 0)
		kt_step_go(&after, AT_ANSWER, 0);
	else
		kt_step_go(&after, step->model->has_hooks ? AT_HOOKS : AT_SWAP, 0);
	if (built > 0 && step->model->off == RECEIPT_BEFORE_SWAP)
		for (uint8_t i = 0; i < after.self->batch_len; i++)
			if (after.self->batch[i].verdict == BUILT)
				after.state.acknowledged[after.self->batch[i].event] = true;
	if (built > 0 && step->model->off == EFFECT_BEFORE_COMMIT) {
		kt_sequence_add(&after.state.outside, after.self->batch[0].event);
		after.state.broken = P8;
	}
	kt_step_emit(step, "build", &after);
}

void kt_model_build(const struct step *step)
{
	const struct worker *self = &step->from->worker[step->worker];

	if (step->model->is_guided) {
		leave_build(step, step->model->refused);
		return;
	}
	/* Which of the batch the rules refuse: every choice while there are refusals left. */
	for (unsigned refused = 0; refused < 1U << self->batch_len; refused++) {
		if (refused != 0 && step->from->left.refusals == 0)
			break;
		leave_build(step, refused);
	}
	if (step->model->is_coarse)
		kt_step_may_fail(step, "a step before fails");
}
