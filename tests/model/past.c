/*
 * Forgetting: what all have seen and nobody will ask for again is taken out of a state, which is
 * then the same state with a shorter history. For the acceptor, whose traces are long. Pure.
 */
#include <string.h>

#include "model/model.h"

bool kt_model_holds(const struct model_state *state, uint8_t event)
{
	for (int worker = 0; worker < MODEL_WORKERS; worker++) {
		const struct worker *self = &state->worker[worker];

		for (uint8_t i = 0; i < self->batch_len; i++)
			if (self->batch[i].event == event)
				return true;
		if (memchr(self->queue, event, self->queue_len) != NULL)
			return true;
	}
	return false;
}

/* Takes one item out of the past: what is left is the same model with a shorter history. */
static void drop_item(struct model_state *state, uint8_t position)
{
	uint8_t item = state->ref.item[position];

	memmove(state->ref.item + position, state->ref.item + position + 1,
		(size_t)(state->ref.len - position) - 1);
	state->ref.item[--state->ref.len] = 0;
	if (state->durable > position)
		state->durable--;
	for (int worker = 0; worker < MODEL_WORKERS; worker++)
		if (state->worker[worker].tip > position)
			state->worker[worker].tip--;
	if (item == FOREIGN)
		return;
	kt_sequence_drop(&state->file, item);
	kt_sequence_drop(&state->snapshot, item);
	kt_sequence_drop(&state->index, item);
}

/* An item may go when every writer that is under way knows it. */
static bool is_old(const struct model_state *state, uint8_t position)
{
	for (int worker = 0; worker < MODEL_WORKERS; worker++)
		if (state->worker[worker].step != AT_IDLE && state->worker[worker].tip <= position)
			return false;
	return true;
}

void kt_model_forget(struct model_state *state, uint8_t event)
{
	for (uint8_t i = 0; i < state->ref.len; i++)
		if (state->ref.item[i] == event) {
			drop_item(state, i);
			break;
		}
	state->acknowledged[event] = state->refused[event] = state->set_back[event] = 0;
	state->pending[event] = 0;
}

void kt_model_forget_foreign(struct model_state *state)
{
	for (uint8_t i = state->ref.len; i-- > 0;)
		if (state->ref.item[i] == FOREIGN && is_old(state, i))
			drop_item(state, i);
}
