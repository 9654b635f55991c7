/*
 * Inside the model of one writer: a step being taken, and what the steps have in common. before.c
 * has the steps up to the chain of commits, after.c those from the swap on; worker.c knows which is
 * which.
 */
#ifndef KITTY_TESTS_MODEL_STEP_H
#define KITTY_TESTS_MODEL_STEP_H

#include "model/model.h"

/* A step being taken: the state after it, to be changed and handed over. */
struct step {
	const struct model *model;
	const struct model_state *from;
	int worker;
	model_move_cb take;
	void *arg;
};

struct after {
	const struct model *model;
	struct model_state state;
	struct worker *self;
};

void kt_step_begin(const struct step *step, struct after *after);
void kt_step_emit(const struct step *step, const char *name, const struct after *after);
void kt_step_go(struct after *after, enum model_step step, uint8_t phase);
void kt_step_pass(const struct step *step, const char *name, enum model_step to);
void kt_step_decide(struct after *after, struct request *request, enum verdict verdict);
void kt_step_decide_all(struct after *after, enum verdict verdict);
uint8_t kt_step_count(const struct worker *self, enum verdict verdict);
void kt_step_push_front(struct worker *self, uint8_t event);
void kt_step_drop_last(struct worker *self);
void kt_step_committed(
	const struct model_state *state, const struct worker *self, struct sequence *out);
void kt_step_with_built(
	const struct model_state *state, const struct worker *self, struct sequence *out);
uint8_t kt_step_landed_len(const struct worker *self);
bool kt_step_spend_error(struct model_state *state);
void kt_step_may_fail(const struct step *step, const char *name);
void kt_step_unstage(struct after *after);

/* before.c */
void kt_model_idle(const struct step *step);
void kt_model_lock(const struct step *step);
void kt_model_worktree(const struct step *step);
void kt_model_heal(const struct step *step);
void kt_model_gate(const struct step *step);
void kt_model_judge(const struct step *step);
void kt_model_merge(const struct step *step);
void kt_model_build(const struct step *step);

/* after.c */
void kt_model_hooks(const struct step *step);
void kt_model_swap(const struct step *step);
void kt_model_files(const struct step *step);
void kt_model_answer(const struct step *step);
void kt_model_post(const struct step *step);
void kt_model_deliver(const struct step *step);

#endif
