/*
 * The inside of the doctor: what its files share. Nobody else includes it.
 *
 * doctor.c             tables, order, report    doctor_repository.c    git, files of the repository
 * doctor_coordination.c branch, worktree, files doctor_history.c       log, snapshot, objects
 * doctor_lanes.c       lanes                    doctor_processes.c     locks, holders, orphans
 * doctor_fix.c         the fixes that are not worktree repair
 */
#ifndef KITTY_SUPERVISOR_DOCTOR_PRIVATE_H
#define KITTY_SUPERVISOR_DOCTOR_PRIVATE_H

#include "ipc/buffer.h"
#include "supervisor/config/config.h"
#include "supervisor/doctor.h"
#include "supervisor/git/store.h"
#include "supervisor/transaction/reader.h"

enum kt_finding {
#define KT_FINDING(name, code, severity, fix, next_step) KT_FINDING_##name,
#include "supervisor/doctor.def"
#undef KT_FINDING
	KT_FINDING_COUNT
};

struct kt_doctor {
	const struct kt_doctor_options *options;
	const struct kt_repository *repo;
	struct kt_config *config; /* NULL: it is not valid */
	struct kt_mission **missions;
	size_t missions_len;
	struct kt_json *findings;

	/* Of the mission that is looked at; NULL for the checks of the repository. */
	const struct kt_mission *mission;
	struct kt_store *store;
	struct kt_view *view; /* NULL: the committed state cannot be read; view_error says why */
	struct kt_error view_error;
	bool is_supervised; /* a supervisor is alive: files may lag a moment behind the ref */
};

/* Adds a finding; subject may be NULL. */
void kt_doctor_add(struct kt_doctor *doctor, enum kt_finding finding, const char *subject,
	const char *format, ...) KT_PRINTF(4, 5);
/* Replaces the next step of the finding that was added last. */
void kt_doctor_next(struct kt_doctor *doctor, const char *format, ...) KT_PRINTF(2, 3);
/* The finding with that code, or KT_FINDING_COUNT. */
enum kt_finding kt_finding_from_code(const char *code);

/* Standard output of a git plumbing command in the primary checkout (cwd NULL) or elsewhere; false
 * when it failed. */
bool kt_doctor_git(
	struct kt_doctor *doctor, const char *cwd, const char *const *args, struct kt_buffer *out);

/* The checks; each adds what it finds. */
void kt_doctor_git_version(struct kt_doctor *doctor);
void kt_doctor_configuration(struct kt_doctor *doctor);
void kt_doctor_metas(struct kt_doctor *doctor);
void kt_doctor_tracked_worktrees(struct kt_doctor *doctor);
void kt_doctor_info_files(struct kt_doctor *doctor);
void kt_doctor_leftovers(struct kt_doctor *doctor);
void kt_doctor_policies(struct kt_doctor *doctor);
void kt_doctor_locks(struct kt_doctor *doctor);

void kt_doctor_branch(struct kt_doctor *doctor);
void kt_doctor_worktree(struct kt_doctor *doctor);
void kt_doctor_checkouts(struct kt_doctor *doctor); /* missions without a coordination branch */
void kt_doctor_hooks(struct kt_doctor *doctor);
void kt_doctor_history(struct kt_doctor *doctor);
void kt_doctor_snapshot(struct kt_doctor *doctor);
void kt_doctor_objects(struct kt_doctor *doctor);
void kt_doctor_decoys(struct kt_doctor *doctor);
void kt_doctor_twins(struct kt_doctor *doctor);
void kt_doctor_lanes(struct kt_doctor *doctor);
void kt_doctor_holder(struct kt_doctor *doctor);
void kt_doctor_orphans(struct kt_doctor *doctor);

/* What checks and fixes share. */
typedef void (*kt_path_cb)(const char *path, void *arg);
void kt_doctor_each_leftover(struct kt_doctor *doctor, kt_path_cb each, void *arg);
void kt_doctor_each_stale_lock(struct kt_doctor *doctor, kt_path_cb each, void *arg);
typedef void (*kt_orphan_cb)(long pid, const char *marker, void *arg);
void kt_doctor_each_orphan(struct kt_doctor *doctor, kt_orphan_cb each, void *arg);
/* Ids (40 hex) of objects of the coordination branch that are missing. */
void kt_doctor_each_missing(struct kt_doctor *doctor, kt_path_cb each, void *arg);
/* Makes of them what can be made again (doctor_objects.c). */
void kt_doctor_fix_objects(struct kt_doctor *doctor);
/* Socket of a holder that is dead; gives; NULL: none. *is_stale: there is a dead holder's file. */
char *kt_doctor_dead_holder(struct kt_doctor *doctor, bool *is_stale);

/* Takes the OWN fix of a finding; what it could not do is found again afterwards. */
void kt_doctor_fix(struct kt_doctor *doctor, enum kt_finding finding);

#endif
