/*
 * `agent worktree repair`: brings a mission's worktrees back to what they must be, by the table of
 * lane_table.h. Append-only: no committed row is ever touched, no branch is moved, and unfinished
 * files are kept under refs/kitty/rescue/ before anything is taken away. Running it twice does
 * nothing the second time. Refused while a supervisor runs: it owns the worktrees.
 */
#ifndef KITTY_SUPERVISOR_WORKTREE_REPAIR_H
#define KITTY_SUPERVISOR_WORKTREE_REPAIR_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/mission.h"

struct kt_repair_options {
	const struct kt_repository *repo;
	const struct kt_mission *mission;
	const char *holder_command;                     /* "kitty agent worktree repair" */
	const char *const *protected_branches;          /* as the writer's */
	void (*on_notice)(const char *line, void *arg); /* may be NULL */
	void *arg;
};

/*
 * report: {"mission", "actions": [{"subject": "coordination"|"lane-a", "problem", "done": [text],
 * "rescue": ref|null, "ok", "error": {..}|absent}], "changed": bool, "ok": bool}. What could not be
 * repaired is an action that is not ok. Errors: KT_E_SUPERVISOR_RUNNING and what keeps the mission
 * from being looked at. Gives.
 */
KT_MUST_CHECK enum kt_code kt_worktree_repair(
	const struct kt_repair_options *options, struct kt_json **report, struct kt_error *err);

#endif
