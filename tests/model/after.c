/*
 * The model of one writer, from the hooks on, step by step as supervisor/transaction/writer.c goes
 * them: each function is the step of that name there; what a kill can tell apart is a phase of its
 * own. Pure.
 */
#include <string.h>

#include "model/step.h"

enum { ATTEMPTS_MAX = 5 };

/* ---- hooks: the rows stand in the files while they are judged ---- */

void kt_model_hooks(const struct step *step)
{
	struct after after;
	struct sequence next;

	kt_step_begin(step, &after);
	kt_step_with_built(&after.state, after.self, &next);
	switch (after.self->phase) {
	case 0:
		after.self->is_staged = true;
		after.state.is_torn = true;
		kt_step_go(&after, AT_HOOKS, 1);
		kt_step_emit(step, "stage half the row", &after);
		return;
	case 1:
		after.state.is_torn = false;
		after.state.file = next;
		kt_step_go(&after, AT_HOOKS, 2);
		kt_step_emit(step, "stage the row", &after);
		return;
	case 2:
		after.state.snapshot = next;
		kt_step_go(&after, AT_HOOKS, 3);
		kt_step_emit(step, "stage the snapshot", &after);
		return;
	case 3:
		kt_step_go(&after, AT_SWAP, 0);
		kt_step_emit(step, "the hooks agree", &after);
		kt_step_begin(step, &after);
		kt_step_decide_all(&after, REFUSED);
		kt_step_go(&after, AT_HOOKS, 4);
		kt_step_emit(step, "a hook refuses", &after);
		return;
	case 4: /* the log is cut before the snapshot gets its old bytes */
		kt_step_committed(&after.state, after.self, &next);
		after.state.file = next;
		kt_step_go(&after, AT_HOOKS, 5);
		kt_step_emit(step, "cut the log", &after);
		return;
	default:
		kt_step_unstage(&after);
		kt_step_go(&after, AT_ANSWER, 0);
		kt_step_emit(step, "restore the snapshot", &after);
	}
}

/* ---- swap ---- */

static void drop_locks(const struct step *step, struct after *after)
{
	if (after->state.ref_lock == step->worker)
		after->state.ref_lock = FREE;
	if (after->state.intent == step->worker)
		after->state.intent = FREE;
}

/* The undecided ones go back to be tried one by one, or, if it was one alone, are rolled back. */
static void swap_failed(const struct step *step, struct after *after, const char *name)
{
	struct worker *self = after->self;
	uint8_t built = kt_step_count(self, BUILT), kept = 0;

	drop_locks(step, after);
	kt_step_unstage(after);
	kt_step_go(after, AT_ANSWER, 0);
	if (built <= 1) {
		kt_step_decide_all(after, REFUSED);
		kt_step_emit(step, name, after);
		return;
	}
	for (uint8_t i = self->batch_len; i-- > 0;)
		if (self->batch[i].verdict == BUILT)
			kt_step_push_front(self, self->batch[i].event);
	for (uint8_t i = 0; i < self->batch_len; i++)
		if (self->batch[i].verdict != BUILT)
			self->batch[kept++] = self->batch[i];
	while (self->batch_len > kept)
		kt_step_drop_last(self);
	self->singles = (uint8_t)(built + 1);
	kt_step_emit(step, name, after);
}

static void moved(const struct step *step, struct after *after)
{
	if (after->self->attempts >= ATTEMPTS_MAX) {
		swap_failed(step, after, "the ref moves too often");
		return;
	}
	after->self->attempts++;
	drop_locks(step, after);
	kt_step_unstage(after);
	for (uint8_t i = 0; i < after->self->batch_len; i++)
		if (after->self->batch[i].verdict == BUILT)
			after->self->batch[i].verdict = UNDECIDED;
	kt_step_go(after, AT_WORKTREE, 0);
	kt_step_emit(step, "the ref has moved", after);
}

static void land(const struct step *step, struct after *after)
{
	struct worker *self = after->self;
	bool is_behind = self->tip != after->state.ref.len;

	/* Somebody's commit is overwritten. */
	if (is_behind)
		after->state.broken = P4;
	kt_sequence_cut(&after->state.ref, self->tip);
	for (uint8_t i = 0; i < self->batch_len; i++) {
		if (self->batch[i].verdict != BUILT)
			continue;
		if (kt_sequence_has(&after->state.ref, self->batch[i].event))
			after->state.broken = P2;
		if (self->batch[i].event == 0 && kt_sequence_has(&after->state.ref, 1) &&
			!after->state.set_back[0] && !step->model->is_guided)
			after->state.broken = P6;
		kt_sequence_add(&after->state.ref, self->batch[i].event);
	}
	if (after->state.ref_lock == step->worker)
		after->state.ref_lock = FREE;
}

/* The lock file becomes the ref, or the ref is not what was read. */
static void swap_rename(const struct step *step)
{
	struct after after;

	kt_step_begin(step, &after);
	if (after.self->tip != after.state.ref.len && step->model->off != NO_COMPARE) {
		moved(step, &after);
		return;
	}
	land(step, &after);
	kt_step_go(&after, AT_SWAP, 3);
	kt_step_emit(step, "rename the lock over the ref", &after);
	/* The child that moved it is killed, or says so: the ref decides, not its exit status. */
	kt_step_begin(step, &after);
	if (!kt_step_spend_error(&after.state))
		return;
	land(step, &after);
	if (step->model->off == EXIT_CODE_DECIDES) {
		swap_failed(step, &after, "the ref moved, the call failed");
		return;
	}
	kt_step_go(&after, AT_SWAP, 3);
	kt_step_emit(step, "the ref moved, the call failed", &after);
}

static void swap_flush(const struct step *step)
{
	struct after after;

	kt_step_begin(step, &after);
	if (step->model->off != NO_FLUSH && after.state.durable < kt_step_landed_len(after.self))
		after.state.durable = kt_step_landed_len(after.self);
	/* Read back: ours, or ours below a foreign commit that came at once. */
	if (step->model->off == READ_BACK_EXACTLY &&
		after.state.ref.len != kt_step_landed_len(after.self)) {
		moved(step, &after);
	} else {
		kt_step_go(&after, AT_FILES, 0);
		kt_step_emit(step, "flush the ref, read it back", &after);
	}
	kt_step_begin(step, &after);
	if (!kt_step_spend_error(&after.state))
		return;
	drop_locks(step, &after);
	after.self->is_staged = false;
	kt_step_decide_all(
		&after, step->model->off == NO_READ_BACK_AFTER_ERROR ? REFUSED : UNKNOWN);
	kt_step_go(&after, AT_ANSWER, 0);
	kt_step_emit(step, "the flush fails", &after);
}

void kt_model_swap(const struct step *step)
{
	struct after after;

	kt_step_begin(step, &after);
	if (after.self->phase == 2) {
		swap_rename(step);
		return;
	}
	if (after.self->phase == 3) {
		swap_flush(step);
		return;
	}
	if (after.self->phase == 0) {
		after.state.intent = (uint8_t)step->worker;
		kt_step_go(&after, AT_SWAP, 1);
		kt_step_emit(step, "write the intent", &after);
	} else if (after.state.ref_lock == FREE) {
		after.state.ref_lock = (uint8_t)step->worker;
		kt_step_go(&after, AT_SWAP, 2);
		kt_step_emit(step, "lock the ref", &after);
	}
	kt_step_begin(step, &after);
	if (after.state.ref_lock == DEAD || after.state.ref_lock == ORPHAN ||
		kt_step_spend_error(&after.state))
		swap_failed(step, &after, "the ref cannot be locked");
}

/* ---- files, answer ---- */

void kt_model_files(const struct step *step)
{
	struct after after;
	struct sequence next;

	kt_step_begin(step, &after);
	kt_step_with_built(&after.state, after.self, &next);
	switch (after.self->phase) {
	case 0:
		if (!after.self->is_staged)
			after.state.is_torn = true;
		kt_step_go(&after, AT_FILES, 1);
		kt_step_emit(step, "append half the rows", &after);
		return;
	case 1:
		after.state.is_torn = false;
		after.state.file = next;
		kt_step_go(&after, AT_FILES, 2);
		kt_step_emit(step, "append the rows", &after);
		return;
	case 2:
		after.state.snapshot = next;
		kt_step_go(&after, AT_FILES, 3);
		kt_step_emit(step, "write the snapshot", &after);
		return;
	default:
		after.state.index = next;
		after.self->tip = kt_step_landed_len(after.self);
		for (uint8_t i = 0; i < after.self->batch_len; i++)
			if (after.self->batch[i].verdict == BUILT)
				after.self->batch[i].verdict = COMMITTED;
		after.self->is_staged = false;
		drop_locks(step, &after);
		kt_step_go(&after, AT_ANSWER, 0);
		kt_step_emit(step, "write the index", &after);
	}
}

/* What the client hears, and whether it is true. */
static void tell(struct model_state *state, const struct request *request, uint8_t minted)
{
	bool is_there = kt_sequence_has(&state->ref, request->event);

	if (state->pending[request->event] > 0)
		state->pending[request->event]--;
	if (request->verdict == COMMITTED || request->verdict == REPEATED) {
		state->acknowledged[request->event] = true;
		if (!is_there)
			state->broken = P1;
	} else if (request->verdict == REFUSED) {
		state->refused[request->event] = true;
		if (is_there && !state->late[request->event])
			state->broken = P2;
	} else if (request->verdict == UNKNOWN && request->event == minted) {
		state->is_lost = true;
	}
}

void kt_model_answer(const struct step *step)
{
	struct after after;
	struct worker *self = NULL;

	kt_step_begin(step, &after);
	self = after.self;
	if (self->batch_len > 0) {
		tell(&after.state, &self->batch[0], step->model->minted);
		memmove(self->batch, self->batch + 1,
			(size_t)(self->batch_len - 1) * sizeof self->batch[0]);
		kt_step_drop_last(self);
		kt_step_emit(step, "answer", &after);
		return;
	}
	self->asks = false;
	if (self->singles > 0)
		self->singles--;
	kt_step_go(&after, AT_POST, 0);
	kt_step_emit(step, "all are answered", &after);
}

void kt_model_post(const struct step *step)
{
	kt_step_pass(step, "post-commit", AT_IDLE);
}

/* ---- outbound effects, from the committed log and a durable cursor ---- */

void kt_model_deliver(const struct step *step)
{
	struct after after;
	struct sequence log;
	uint8_t event = 0;

	kt_step_begin(step, &after);
	if (after.state.lock != step->worker || !after.self->is_healed)
		return;
	kt_step_committed(&after.state, after.self, &log);
	if (after.state.cursor >= log.len)
		return;
	event = log.item[after.state.cursor];
	if (kt_sequence_has(&after.state.outside, event)) {
		after.state.cursor++;
		kt_step_emit(step, "save the cursor", &after);
		return;
	}
	/* Before a power cut can take it, it is no committed event. */
	if (after.self->tip > after.state.durable || !kt_sequence_has(&after.state.ref, event))
		after.state.broken = P8;
	kt_sequence_add(&after.state.outside, event);
	kt_step_emit(step, "deliver", &after);
}
