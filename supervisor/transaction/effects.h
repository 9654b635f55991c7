/*
 * Deferred outbound effects: registered with a request, run
 * after its receipt, never after a rejection or a roll-back. Sinks come later; this is the
 * interface and its queue.
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_EFFECTS_H
#define KITTY_SUPERVISOR_TRANSACTION_EFFECTS_H

#include "supervisor/transaction/request.h"
#include "supervisor/transaction/writer.h"

/* Runs once with the success outcome of the request it was deferred on. A failing effect is the
 * effect's affair. */
typedef void (*kt_effect_cb)(const struct kt_json *outcome, void *arg);

/* Submits like kt_writer_submit; each effect runs, in order, after `done` was told of a success.
 * drop (may be NULL) runs instead when the request failed, so that the owner of arg can release it.
 */
struct kt_effect {
	kt_effect_cb run;
	void (*drop)(void *arg);
	void *arg;
};
struct kt_effects {
	const struct kt_effect *rows; /* borrowed: copied */
	size_t len;
};
void kt_writer_submit_with_effects(struct kt_writer *writer, const struct kt_json *request,
	const char *lane, kt_outcome_cb done, void *arg, const struct kt_effects *effects);

#endif
