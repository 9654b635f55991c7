/*
 * The request that integrates one approved work package, from the committed log: the commit
 * recorded at approval, the review as evidence, the row's `lane_integrated` marker. Reads only. For
 * `kitty merge`, `move-task --to done` and the supervisor.
 */
#ifndef KITTY_SUPERVISOR_MERGE_REQUEST_H
#define KITTY_SUPERVISOR_MERGE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/git/oid.h"
#include "supervisor/git/repository.h"
#include "supervisor/mission/plan.h"
#include "supervisor/status/reduce.h"

#define KT_MERGE_ACTOR "merge" /* who integrates when nobody says otherwise */

struct kt_log_facts {
	const struct kt_repository *repo;
	const struct kt_mission *mission;
	const struct kt_reducer *state;
	const struct kt_plan *plan;
	const char *log;
	size_t log_len;
};

/* The commit of the WP's latest approving row; false: no such row, or it names none. */
bool kt_approved_commit(const struct kt_log_facts *facts, const char *wp_id, struct kt_oid *out);

/* What is to be integrated: the recorded commit, else the lane's tip (*is_recorded tells). Errors:
 * KT_E_LANE_BRANCH_MISSING when there is neither, KT_E_LANE_NOT_FOUND. */
KT_MUST_CHECK enum kt_code kt_integration_commit(const struct kt_log_facts *facts,
	const char *wp_id, struct kt_oid *out, bool *is_recorded, struct kt_error *err);

/* Errors: KT_E_MERGE_NOT_READY when the WP is not approved, and those above. Gives *request. */
KT_MUST_CHECK enum kt_code kt_integration_request(const struct kt_log_facts *facts,
	const char *wp_id, const char *actor, struct kt_json **request, bool *is_recorded,
	struct kt_error *err);

#endif
