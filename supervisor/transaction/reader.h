/*
 * Reading a mission's state without writing: from committed bytes, never from a working copy,
 * which may lag or be edited: the coordination ref; without one, the branch that the primary
 * checkout has checked out; for a legacy mission, the union of its branches' logs. Works on a
 * read-only file system, with or without a supervisor.
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_READER_H
#define KITTY_SUPERVISOR_TRANSACTION_READER_H

#include <kitty/error.h>

#include "supervisor/mission/mission.h"
#include "supervisor/mission/plan.h"
#include "supervisor/status/reduce.h"
#include "supervisor/transaction/holder.h"

struct kt_view {
	struct kt_oid tip;
	struct kt_reducer *state;
	char *log; /* the committed log */
	size_t log_len;
	char *snapshot; /* status.json as committed; "" when there is none */
	size_t snapshot_len;
	struct kt_json *meta; /* meta.json in the same tree; else the mission's */
	struct kt_plan *plan; /* NULL before finalisation */
};

/* Errors: KT_E_COORDINATION_BRANCH_DELETED, KT_E_EVENT_INVALID, KT_E_GIT_FAILED. An absent log is
 * an empty one. */
KT_MUST_CHECK enum kt_code kt_view_load(const struct kt_repository *repo,
	const struct kt_mission *mission, struct kt_view **out, struct kt_error *err);
void kt_view_free(struct kt_view *view);

/* Has this repository had the mission's coordination worktree before? If it is missing then,
 * somebody took it away. */
bool kt_coordination_was_made(const struct kt_mission *mission);

#endif
