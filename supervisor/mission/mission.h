/*
 * A mission, found by the one resolver of the project. No other code
 * builds a path to a status file, a worktree or a branch name of a mission.
 *
 * kt_mission_resolve looks, in this order of authority, at the primary checkout's kitty-specs/, the
 * mission branches (kitty/mission-...), and the closed ones (refs/kitty/closed/...), whatever is
 * checked out. It never writes.
 */
#ifndef KITTY_SUPERVISOR_MISSION_MISSION_H
#define KITTY_SUPERVISOR_MISSION_MISSION_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/git/repository.h"
#include "supervisor/git/store.h"

/* The names, for those who are given a folder (--dir) or meet the files in a tree; who knows the
 * mission takes its paths from the struct below. */
#define KT_LOG_NAME "status.events.jsonl"
#define KT_SNAPSHOT_NAME "status.json"
#define KT_META_NAME "meta.json"

enum kt_topology {
	KT_TOPOLOGY_LANES_WITH_COORD, /* what kitty makes */
	KT_TOPOLOGY_COORD,            /* coordination branch, no lanes */
	KT_TOPOLOGY_LANES,
	KT_TOPOLOGY_SINGLE_BRANCH,
	KT_TOPOLOGY_LEGACY /* lanes, no topology, no coordination branch */
};

struct kt_mission {
	char *mission_id;          /* ULID, 26 characters; "" for a folder made by hand */
	char *mid8;                /* first 8 of it */
	char *slug;                /* mission_slug: folder name under kitty-specs/ */
	char *target_branch;       /* short */
	char *coordination_branch; /* short; NULL without one */
	enum kt_topology topology;
	struct kt_json *meta; /* parsed meta.json, as resolved */

	/* Paths, absolute unless said otherwise. */
	char *repo_root; /* primary checkout */
	char *common_dir;
	char *folder;         /* repo-relative: kitty-specs/<slug> */
	char *log_path;       /* repo-relative: kitty-specs/<slug>/status.events.jsonl */
	char *snapshot_path;  /* repo-relative: kitty-specs/<slug>/status.json */
	char *draft_dir;      /* primary checkout's copy of the folder */
	char *coord_worktree; /* .worktrees/<slug>-coord */
	char *run_dir; /* <common>/kitty/<slug>: holder, socket, logs, quarantine, outbox cursor */
	char *lock_path;        /* <common>/spec-kitty-locks/<slug>.status.lock */
	char *coordination_ref; /* refs/heads/<coordination_branch>, or, when is_closed,
				   refs/kitty/closed/<slug>; NULL without one */
	bool is_closed;    /* only refs/kitty/closed/<slug> is left: readers use coordination_ref as
			      always, writers refuse */
	bool is_discarded; /* not by a merge: the trash holds what kitty mission restore brings
			      back; is_closed too, when there was a coordination branch */
};

void kt_mission_free(struct kt_mission *mission);

/* A command has met KT_E_COORDINATION_BRANCH_DELETED: when another process closed or discarded the
 * mission since it was resolved, that is the error. Any other one stays. Gives err->code. */
KT_MUST_CHECK enum kt_code kt_mission_gone(
	const struct kt_repository *repo, const struct kt_mission *mission, struct kt_error *err);

/*
 * handle: ULID, mid8 or slug; NULL: the mission of the worktree that `cwd` stands in, else the only
 * open one. store may be NULL: then only what files tell is looked at first, and the object store
 * is opened only when the answer is not there. Errors: KT_E_MISSION_NOT_FOUND,
 * KT_E_MISSION_AMBIGUOUS_SELECTOR (candidates in the detail and, if not NULL, in *candidates as a
 * JSON array: gives), KT_E_META_INVALID, KT_E_MISSION_TOPOLOGY_INVALID.
 */
KT_MUST_CHECK enum kt_code kt_mission_resolve(const struct kt_repository *repo, const char *handle,
	const char *cwd, struct kt_mission **out, struct kt_json **candidates,
	struct kt_error *err);

/* For whoever is about to write: KT_E_MISSION_NOT_FOUND for a closed mission; a discarded one's
 * names the way back. */
KT_MUST_CHECK enum kt_code kt_mission_check_open(
	const struct kt_mission *mission, struct kt_error *err);

/* Every mission the repository knows, sorted by slug; gives an array of len pointers. */
KT_MUST_CHECK enum kt_code kt_mission_list(const struct kt_repository *repo,
	struct kt_mission ***out, size_t *len, struct kt_error *err);

/* Names of a lane (id "lane-a"). Give. */
char *kt_mission_lane_branch(const struct kt_mission *mission, const char *lane_id);
char *kt_mission_lane_worktree(const struct kt_mission *mission, const char *lane_id);
/* The worktree whose copy of the mission's folder is the committed one: the coordination worktree;
 * without a coordination branch the primary checkout. Borrows. */
const char *kt_mission_files_root(const struct kt_mission *mission);
/* NULL-terminated sparse patterns of a lane (7.3) and the paths that must be absent; give, free
 * with kt_strings_free. */
char **kt_mission_sparse_patterns(const struct kt_mission *mission);
char **kt_mission_absent_paths(const struct kt_mission *mission);
void kt_strings_free(char **strings);

/* "a" or "lane-a" -> "lane-a" (gives); NULL when it is no lane id ([a-z]+ after "lane-";
 * lane-planning too). */
char *kt_lane_id_parse(const char *text);

/* The lane whose worktree holds `path`, for this mission; gives "lane-a" or NULL. By exact worktree
 * paths, never by prefixes of names. */
char *kt_mission_lane_at(const struct kt_mission *mission, const char *path);

#endif
