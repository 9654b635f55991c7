/*
 * Legacy missions: lanes exist, no coordination branch, and meta.json says nothing of the topology
 * (in flight since before it was stored). Each lane's branch carries the rows of its work packages;
 * the mission's state is the union of all these logs, for reading only
 * (docs/requirements.md, FR-017 and FR-027).
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_LEGACY_H
#define KITTY_SUPERVISOR_TRANSACTION_LEGACY_H

#include <kitty/error.h>

#include "ipc/buffer.h"
#include "supervisor/git/repository.h"
#include "supervisor/git/store.h"
#include "supervisor/mission/mission.h"
#include "supervisor/mission/plan.h"

/* The quickstart's words. */
#define KT_LEGACY_WARNING "Legacy topology; bookkeeping will land on the lane branch."

/* True once per mission and repository: records (outside all worktrees) that it said so. */
bool kt_legacy_warns_now(const struct kt_mission *mission);

/* The commit that holds the plan: the primary checkout's, else the target's. Errors:
 * KT_E_MISSION_NOT_FINALIZED when neither has lanes.json. */
KT_MUST_CHECK enum kt_code kt_legacy_plan_commit(const struct kt_repository *repo,
	struct kt_store *store, const struct kt_mission *mission, struct kt_oid *out,
	struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_legacy_plan(const struct kt_repository *repo, struct kt_store *store,
	const struct kt_mission *mission, struct kt_plan **out, struct kt_error *err);

/* The branches (full ref names) that carry rows: target, the primary checkout's, the lanes'; each
 * once, existing ones only. Gives; kt_strings_free. */
KT_MUST_CHECK enum kt_code kt_legacy_refs(const struct kt_repository *repo, struct kt_store *store,
	const struct kt_mission *mission, char ***out, struct kt_error *err);

/*
 * The rows of all these logs, each event once, ordered by (at, event_id). When one log holds all
 * the others as prefixes it is the union, byte for byte. Errors: KT_E_EVENT_INVALID naming the
 * branch.
 */
KT_MUST_CHECK enum kt_code kt_legacy_union(const struct kt_repository *repo, struct kt_store *store,
	const struct kt_mission *mission, struct kt_buffer *out, struct kt_error *err);

/* The same for logs at hand: sources_len texts; out starts with base (may be empty), whose rows
 * stay where they are. Errors: KT_E_EVENT_INVALID. */
KT_MUST_CHECK enum kt_code kt_logs_unite(const struct kt_buffer *base,
	const struct kt_buffer *sources, size_t sources_len, struct kt_buffer *out,
	struct kt_error *err);

#endif
