/*
 * The model of what surrounds the writers: clients that send and send again, a foreign git, kills
 * and power cuts; and the promises that hold in every state. Pure.
 */
#include <string.h>

#include "model/model.h"

void kt_model_init(struct model_state *state, const struct budget *budget)
{
	memset(state, 0, sizeof *state);
	state->lock = NOBODY;
	state->ref_lock = state->intent = FREE;
	state->left = *budget;
}

struct surroundings {
	const struct model *model;
	const struct model_state *from;
	model_move_cb take;
	void *arg;
};

static void emit(
	const struct surroundings *around, const char *name, const struct model_state *state)
{
	const struct model_move move = {name, -1, around->from, state};

	around->take(&move, around->arg);
}

static bool spend(uint8_t *left)
{
	if (*left == 0)
		return false;
	if (*left != UNLIMITED)
		--*left;
	return true;
}

/* ---- clients ---- */

static bool has_request(const struct worker *worker, uint8_t event)
{
	for (uint8_t i = 0; i < worker->batch_len; i++)
		if (worker->batch[i].event == event)
			return true;
	return memchr(worker->queue, event, worker->queue_len) != NULL;
}

void kt_model_submit(struct model_state *state, int worker, uint8_t event)
{
	struct worker *self = &state->worker[worker];

	self->queue[self->queue_len++] = event;
	state->pending[event]++;
}

/* Events 0 and 1 are of one lane, which sends 1 behind 0, on the same channel or after the answer.
 */
static bool is_in_order(const struct model_state *state, const struct worker *self, uint8_t event)
{
	return event != 1 || state->acknowledged[0] || state->refused[0] || has_request(self, 0);
}

static void submit(const struct surroundings *around, int worker, uint8_t event)
{
	struct model_state state = *around->from;
	const struct worker *self = &state.worker[worker];

	if (state.acknowledged[event] || state.refused[event] ||
		self->queue_len + self->batch_len > MODEL_EVENTS ||
		!is_in_order(&state, self, event))
		return;
	if (event == around->model->minted && (state.is_lost || state.pending[event] > 0))
		return;
	/* A client that has lost patience asks somebody else, or the same one once more. */
	if (state.pending[event] > 0 && !spend(&state.left.doubles))
		return;
	kt_model_submit(&state, worker, event);
	emit(around, "submit", &state);
}

static void start(const struct surroundings *around, int worker)
{
	struct model_state state = *around->from;
	struct worker *self = &state.worker[worker];

	/* A supervisor starts: it heals without a request, and delivers what is left. */
	if (self->step != AT_IDLE || self->asks || self->queue_len > 0 || state.lock == worker)
		return;
	if (state.cursor == state.ref.len && !state.is_torn && state.intent == FREE)
		return;
	self->asks = true;
	emit(around, "a supervisor starts", &state);
}

/* ---- kills and power ---- */

static void lose(struct model_state *state, int worker)
{
	struct worker *self = &state->worker[worker];

	for (uint8_t event = 0; event < MODEL_EVENTS; event++) {
		uint8_t lost = 0;

		for (uint8_t i = 0; i < self->queue_len; i++)
			lost = (uint8_t)(lost + (self->queue[i] == event));
		for (uint8_t i = 0; i < self->batch_len; i++)
			lost = (uint8_t)(lost + (self->batch[i].event == event));
		state->pending[event] = (uint8_t)(state->pending[event] - lost);
	}
	memset(self, 0, sizeof *self);
}

void kt_model_crash(struct model_state *state, int worker)
{
	lose(state, worker);
	if (state->lock == worker)
		state->lock = NOBODY;
	if (state->ref_lock == worker)
		state->ref_lock = DEAD;
	if (state->intent == worker)
		state->intent = DEAD;
}

/* Its client cannot ask again: the id was the writer's. */
static void remember_lost(const struct surroundings *around, struct model_state *state)
{
	uint8_t minted = around->model->minted;

	if (minted < MODEL_EVENTS && state->pending[minted] < around->from->pending[minted])
		state->is_lost = true;
}

static void crash(const struct surroundings *around, int worker)
{
	struct model_state state = *around->from;
	static const struct worker idle;

	if (memcmp(&state.worker[worker], &idle, sizeof idle) == 0 || !spend(&state.left.crashes))
		return;
	kt_model_crash(&state, worker);
	remember_lost(around, &state);
	emit(around, "kill", &state);
}

/* Where git moves the ref (a reference-transaction hook), the child has the ref's lock and goes on.
 */
static void crash_without_child(const struct surroundings *around, int worker)
{
	struct model_state state = *around->from;
	const struct worker self = state.worker[worker];

	if (self.step != AT_SWAP || state.ref_lock != worker || state.has_orphan ||
		!spend(&state.left.crashes))
		return;
	kt_model_crash(&state, worker);
	remember_lost(around, &state);
	state.ref_lock = ORPHAN;
	state.has_orphan = true;
	state.orphan_tip = self.tip;
	for (uint8_t i = 0; i < self.batch_len; i++)
		if (self.batch[i].verdict == BUILT)
			kt_sequence_add(&state.orphan_adds, self.batch[i].event);
	emit(around, "kill, git goes on", &state);
}

static void bury_orphan(struct model_state *state)
{
	if (state->ref_lock == ORPHAN)
		state->ref_lock = FREE;
	state->has_orphan = false;
	state->orphan_tip = 0;
	memset(&state->orphan_adds, 0, sizeof state->orphan_adds);
}

static void land_late(struct model_state *state)
{
	for (uint8_t i = 0; i < state->orphan_adds.len; i++) {
		kt_sequence_add(&state->ref, state->orphan_adds.item[i]);
		state->late[state->orphan_adds.item[i]] = true;
	}
}

/* It renames what stands at the lock's name: its own lock, or, had that been broken, the next
 * writer's, in which there may be nothing yet. */
static void orphan_ends(const struct surroundings *around)
{
	struct model_state state = *around->from;

	if (!state.has_orphan)
		return;
	bury_orphan(&state);
	emit(around, "the git that was left gives up", &state);
	state = *around->from;
	if (state.ref_lock == ORPHAN && state.ref.len == state.orphan_tip)
		land_late(&state);
	else if (state.ref_lock < MODEL_WORKERS)
		state.broken = P4;
	bury_orphan(&state);
	emit(around, "the git that was left moves the ref", &state);
}

/* What was not flushed may be gone: of the ref each possible part, of the files the last row. */
static void cut_power(const struct surroundings *around, uint8_t ref_len, bool files_lose)
{
	struct model_state state = *around->from;

	if (!spend(&state.left.power_cuts))
		return;
	for (int worker = 0; worker < MODEL_WORKERS; worker++)
		kt_model_crash(&state, worker);
	remember_lost(around, &state);
	/* Its lock may stand there: a lock older than the machine's start is nobody's. */
	bury_orphan(&state);
	kt_sequence_cut(&state.ref, ref_len);
	state.durable = ref_len;
	if (files_lose && state.file.len > 0) {
		kt_sequence_cut(&state.file, (uint8_t)(state.file.len - 1));
		state.is_torn = true;
	}
	if (files_lose)
		kt_sequence_cut(&state.index, 0);
	emit(around, "power cut", &state);
}

void kt_model_foreign(struct model_state *state)
{
	kt_sequence_add(&state->ref, FOREIGN);
}

/* Another git commits on the branch; it takes the ref's lock for it. */
static void foreign(const struct surroundings *around)
{
	struct model_state state = *around->from;

	if (state.ref_lock != FREE || !spend(&state.left.foreign_moves))
		return;
	kt_model_foreign(&state);
	emit(around, "a foreign commit", &state);
}

void kt_model_outside_moves(
	const struct model *model, const struct model_state *state, model_move_cb take, void *arg)
{
	const struct surroundings around = {model, state, take, arg};

	for (int worker = 0; worker < MODEL_WORKERS; worker++) {
		for (uint8_t event = 0; event < MODEL_EVENTS; event++)
			submit(&around, worker, event);
		start(&around, worker);
		crash(&around, worker);
		crash_without_child(&around, worker);
	}
	for (uint8_t len = state->durable; len <= state->ref.len; len++) {
		cut_power(&around, len, false);
		cut_power(&around, len, true);
	}
	foreign(&around);
	orphan_ends(&around);
}

/* ---- what holds always ---- */

static bool is_prefix(const struct sequence *shorter, const struct sequence *longer)
{
	return shorter->len <= longer->len &&
	       memcmp(shorter->item, longer->item, shorter->len) == 0;
}

enum promise kt_model_check(const struct model_state *state)
{
	struct sequence log;

	if (state->broken != ALL_KEPT)
		return (enum promise)state->broken;
	kt_sequence_events(&state->ref, state->ref.len, &log);
	for (uint8_t event = 0; event < MODEL_EVENTS; event++)
		if (state->acknowledged[event] && !kt_sequence_has(&log, event))
			return P1;
	for (uint8_t i = 0; i < log.len; i++)
		if (memchr(log.item + i + 1, log.item[i], (size_t)(log.len - i) - 1) != NULL)
			return P2;
	return is_prefix(&state->outside, &log) ? ALL_KEPT : P8;
}

bool kt_model_is_busy(const struct model_state *state)
{
	for (int worker = 0; worker < MODEL_WORKERS; worker++)
		if (state->worker[worker].step != AT_IDLE || state->worker[worker].queue_len > 0)
			return true;
	return false;
}

const char *kt_model_promise_name(enum promise promise)
{
	static const char *const names[PROMISES] = {
		"all kept", "P1", "P2", "P3", "P4", "P6", "P8", "P10"};

	return names[promise];
}

const char *kt_model_step_name(enum model_step step)
{
	static const char *const names[STEPS] = {"idle", "lock", "worktree", "heal", "sync", "gate",
		"judge", "merge", "build", "hooks", "swap", "files", "answer", "post"};

	return names[step];
}
