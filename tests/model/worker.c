/*
 * The model of one writer, what its steps have in common, and which of them comes when (step.h).
 * Pure.
 */
#include <string.h>

#include "model/step.h"

void kt_step_begin(const struct step *step, struct after *after)
{
	after->model = step->model;
	after->state = *step->from;
	after->self = &after->state.worker[step->worker];
}

void kt_step_emit(const struct step *step, const char *name, const struct after *after)
{
	const struct model_move move = {name, step->worker, step->from, &after->state};

	step->take(&move, step->arg);
}

/* Steps that change nothing are skipped by a coarse model: a kill there is a kill before or after.
 */
static enum model_step skip(enum model_step step, const struct worker *self)
{
	if (step == AT_WORKTREE)
		return AT_HEAL;
	if ((step == AT_GATE && self->batch_len > 0) || step == AT_JUDGE || step == AT_MERGE)
		return AT_BUILD;
	return step == AT_POST ? AT_IDLE : step;
}

void kt_step_go(struct after *after, enum model_step step, uint8_t phase)
{
	after->self->step = (uint8_t)(after->model->is_coarse ? skip(step, after->self) : step);
	after->self->phase = phase;
}

/* The simple kind: go on, nothing else changes. */
void kt_step_pass(const struct step *step, const char *name, enum model_step to)
{
	struct after after;

	kt_step_begin(step, &after);
	kt_step_go(&after, to, 0);
	kt_step_emit(step, name, &after);
}

void kt_step_decide(struct after *after, struct request *request, enum verdict verdict)
{
	request->verdict = (uint8_t)verdict;
	if (verdict == REFUSED || verdict == FAILED)
		after->state.set_back[request->event] = true;
}

void kt_step_decide_all(struct after *after, enum verdict verdict)
{
	for (uint8_t i = 0; i < after->self->batch_len; i++) {
		struct request *request = &after->self->batch[i];

		if (request->verdict == UNDECIDED || request->verdict == BUILT)
			kt_step_decide(after, request, verdict);
	}
}

uint8_t kt_step_count(const struct worker *self, enum verdict verdict)
{
	uint8_t found = 0;

	for (uint8_t i = 0; i < self->batch_len; i++)
		found = (uint8_t)(found + (self->batch[i].verdict == verdict));
	return found;
}

void kt_step_push_front(struct worker *self, uint8_t event)
{
	memmove(self->queue + 1, self->queue, self->queue_len);
	self->queue[0] = event;
	self->queue_len++;
}

void kt_step_drop_last(struct worker *self)
{
	self->batch_len--;
	memset(&self->batch[self->batch_len], 0, sizeof self->batch[0]);
}

void kt_step_committed(
	const struct model_state *state, const struct worker *self, struct sequence *out)
{
	kt_sequence_events(&state->ref, self->tip, out);
}

/* What the log will be when the chain has landed. */
void kt_step_with_built(
	const struct model_state *state, const struct worker *self, struct sequence *out)
{
	kt_step_committed(state, self, out);
	for (uint8_t i = 0; i < self->batch_len; i++)
		if (self->batch[i].verdict == BUILT)
			kt_sequence_add(out, self->batch[i].event);
}

/* Items of the ref up to our last commit; somebody else's may follow at once. */
uint8_t kt_step_landed_len(const struct worker *self)
{
	return (uint8_t)(self->tip + kt_step_count(self, BUILT));
}

bool kt_step_spend_error(struct model_state *state)
{
	if (state->left.errors == 0)
		return false;
	if (state->left.errors != UNLIMITED)
		state->left.errors--;
	return true;
}

/* A step of which nothing is left behind when it fails: the batch is told, the lock is kept. */
void kt_step_may_fail(const struct step *step, const char *name)
{
	struct after after;

	kt_step_begin(step, &after);
	if (!kt_step_spend_error(&after.state))
		return;
	kt_step_decide_all(&after, FAILED);
	kt_step_go(&after, AT_ANSWER, 0);
	kt_step_emit(step, name, &after);
}

void kt_step_unstage(struct after *after)
{
	struct sequence log;

	if (!after->self->is_staged)
		return;
	kt_step_committed(&after->state, after->self, &log);
	after->state.file = log;
	after->state.is_torn = false;
	after->state.snapshot = log;
	after->self->is_staged = false;
}

void kt_model_worker_moves(const struct model *model, const struct model_state *state, int worker,
	model_move_cb take, void *arg)
{
	static void (*const steps[STEPS])(const struct step *) = {
		[AT_IDLE] = kt_model_idle,
		[AT_LOCK] = kt_model_lock,
		[AT_WORKTREE] = kt_model_worktree,
		[AT_HEAL] = kt_model_heal,
		[AT_GATE] = kt_model_gate,
		[AT_JUDGE] = kt_model_judge,
		[AT_MERGE] = kt_model_merge,
		[AT_BUILD] = kt_model_build,
		[AT_HOOKS] = kt_model_hooks,
		[AT_SWAP] = kt_model_swap,
		[AT_FILES] = kt_model_files,
		[AT_ANSWER] = kt_model_answer,
		[AT_POST] = kt_model_post,
	};
	const struct step step = {model, state, worker, take, arg};
	enum model_step at = (enum model_step)state->worker[worker].step;

	if ((at == AT_IDLE || at == AT_POST) && !model->is_guided)
		kt_model_deliver(&step);
	if (steps[at] != NULL)
		steps[at](&step);
}
