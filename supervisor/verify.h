/*
 * kitty verify: walks a mission's committed history and proves what kitty promises about it
 * (promises P2 to P6 and P14). Anybody may run it at any time: it reads only, from the
 * coordination branch (or refs/kitty/closed/<slug>), and from the working log for P3.
 *
 * A log's version is proved by its id: the id of the first n bytes of a later version equals the
 * blob's, so no version is ever unpacked. Snapshots are proved the same way, against the bytes of
 * the incremental reducer.
 */
#ifndef KITTY_SUPERVISOR_VERIFY_H
#define KITTY_SUPERVISOR_VERIFY_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/mission.h"

/* May be NULL. Called now and then; done of total commits. */
typedef void (*kt_verify_progress)(size_t done, size_t total, void *arg);

/*
 * report: {"mission", "ref", "tip", "commits", "events", "checks": [{"promise", "name", "ok",
 * "detail", "commit": sha|null, "warnings": [..]}], "ok"}. A broken promise is a check that is not
 * ok, never an error; errors are what keeps the walk from being made at all:
 * KT_E_COORDINATION_BRANCH_DELETED, KT_E_GIT_FAILED, ... Gives.
 */
KT_MUST_CHECK enum kt_code kt_verify_run(const struct kt_repository *repo,
	const struct kt_mission *mission, kt_verify_progress progress, void *arg,
	struct kt_json **report, struct kt_error *err);

#endif
