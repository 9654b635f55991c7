/*
 * A write request and its outcome. The request is a JSON object from the caller to the writer, the
 * same over a socket and inside one process, so there is one schema and one check:
 *
 *   {"ops": [op, ...], "message": text?, "files": [{"path", "blob"}]?, "operation": text?}
 *   op = {"op": "move", "wp", "to", "actor", "from"?, "reason"?, "force"?, "review_ref"?,
 * "evidence"?, "review_result"?, "policy_metadata"?, "execution_mode"?, "event_id"?, "if_needed"?}
 *      | {"op": "annotate", "wp", "actor", "delta", "event_id"?}
 *      | {"op": "lifecycle", "event_type", "aggregate_id", "aggregate_type", "payload",
 * "event_id"?}
 *
 *   beside them: "integrate": {"lane", "commit", "resolution"?} with one move to done: the commit
 * (the one recorded at approval) is merged in the very commit that holds the row, lane-planning has
 * none; or {"commit"} alone without ops: the target's tip is merged (mission sync). A conflict's
 * outcome has a member "conflict" (supervisor/integrate.h).
 *
 * All ops of a request land in one commit, or none does. `from` is what the caller believes; a
 * mismatch is a conflict. `message` replaces the table's commit message. `files` (finalize-tasks
 * only, never from a lane) names blobs already in the object store, paths inside the mission's
 * folder, never the status files. `if_needed` true: an op whose target status holds already is left
 * out instead of being an error.
 *
 * Outcome, success: {"result": "success", "receipt": {"commit_sha", "committed_at",
 * "destination_ref", "worktree_root", "event_ids": [...], "is_noop"}, "moves": [{"wp_id",
 * "from_lane", "to_lane", "actor"}], "message": text}. Failure: {"error": {"code", "message",
 * "detail", "next_step"}} and, after a roll-back, the diagnostic's members beside it: error_code,
 * destination_ref, rejected_message, rejected_reason, rolled_back_transition {wp_id, from_lane,
 * to_lane}, next_step; a conflict has holder / observed.
 *
 * A pending event is an id and nothing more; a receipt is proof of a commit. They are two types on
 * purpose.
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_REQUEST_H
#define KITTY_SUPERVISOR_TRANSACTION_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>
#include <kitty/status.h>

#include "supervisor/git/oid.h"

struct kt_pending_event {
	char event_id[27];
};

struct kt_receipt {
	struct kt_oid commit;
	long long committed_at; /* seconds since the epoch */
	const char *destination_ref;
	const char *worktree_root;
	const struct kt_json *event_ids;
	bool is_noop; /* nothing had to be written; commit is where the events landed before */
};

/* Shape only (keys, types, sizes, WP ids, event ids); legality is the writer's. Errors:
 * KT_E_INVALID_ARGUMENT, KT_E_LIMIT, KT_E_DOUBLE_EVENT_ID. */
KT_MUST_CHECK enum kt_code kt_request_check(const struct kt_json *request, struct kt_error *err);

/* Builders, so that no command spells the keys. The request is given; add takes nothing but borrows
 * texts. */
struct kt_json *kt_request_new(const char *operation);
/* The new op, owned by the request: set more members on it with kt_json_set*. */
struct kt_json *kt_request_add_move(
	struct kt_json *request, const char *wp_id, enum kt_status to, const char *actor);
struct kt_json *kt_request_add_annotation(
	struct kt_json *request, const char *wp_id, const char *actor, struct kt_json *delta);
struct kt_json *kt_request_add_lifecycle(struct kt_json *request, const char *event_type,
	const char *aggregate_id, const char *aggregate_type, struct kt_json *payload);

/* Commit message of a request: its own, else the one table's (docs/decisions.md). Gives. from:
 * status before. */
char *kt_request_message(const struct kt_json *request, enum kt_status from);

/* Outcome -> code: KT_E_OK for a success, else the error's; fills err from the outcome's error
 * object. */
enum kt_code kt_outcome_code(const struct kt_json *outcome, struct kt_error *err);
struct kt_json *kt_outcome_from_error(const struct kt_error *err); /* gives */

#endif
