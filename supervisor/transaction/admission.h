/*
 * One op while it is being admitted, for admit.c (which rows it adds) and admit_rules.c (whether it
 * may). Nobody else includes it.
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_ADMISSION_H
#define KITTY_SUPERVISOR_TRANSACTION_ADMISSION_H

#include "supervisor/transaction/writer_private.h"

struct kind;

struct admission {
	struct kt_writer *writer;
	struct pending *pending;
	const struct kt_json *op;
	const struct kind *kind;
	const char *wp_id, *actor;
	struct kt_wp_state wp; /* zero when the log does not know the WP */
	enum kt_status from;
	size_t repeated; /* ops that the log holds already */
};

/* Nothing (NULL) and an empty text are the same. */
bool kt_op_text_equal(const char *left, const char *right);

/* The member when it is an object; NULL: it is not. */
const struct kt_json *kt_op_object(const struct kt_json *op, const char *name);

/* A mission without lanes.json has no plan (NULL). One that cannot be read is no such mission: what
 * it would have forbidden must not pass. */
KT_MUST_CHECK enum kt_code kt_admission_plan(
	const struct admission *a, const struct kt_plan **out, struct kt_error *err);

/* Does the lane that asks own the op's WP? Errors: KT_E_LANE_FOREIGN_WP,
 * KT_E_TRANSITION_REJECTED. */
KT_MUST_CHECK enum kt_code kt_admission_check_lane(const struct admission *a, struct kt_error *err);

/* Fills wp and from. Errors: KT_E_WP_NOT_FOUND and those of kt_check_whole. */
KT_MUST_CHECK enum kt_code kt_admission_check_wp(struct admission *a, struct kt_error *err);

/* Is the WP claimed or in progress by somebody who is not the op's actor? After check_wp. */
bool kt_admission_is_held(const struct admission *a);

/* Is the WP what the caller takes it for? Errors: KT_E_WP_ALREADY_CLAIMED, KT_E_STATUS_CONFLICT. */
KT_MUST_CHECK enum kt_code kt_admission_check_belief(
	const struct admission *a, struct kt_error *err);

/* The state machine and its guards. Errors: KT_E_TRANSITION_REJECTED, KT_E_WP_NOT_FINALIZED and
 * those of kt_move_check. */
KT_MUST_CHECK enum kt_code kt_admission_check_move(
	const struct admission *a, enum kt_status to, const char *mode, struct kt_error *err);

#endif
