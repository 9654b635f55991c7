/*
 * The inside of worktree repair: lanes in worktree_repair.c, the coordination worktree in
 * worktree_repair_coordination.c. Nobody else includes it.
 */
#ifndef KITTY_SUPERVISOR_WORKTREE_REPAIR_PRIVATE_H
#define KITTY_SUPERVISOR_WORKTREE_REPAIR_PRIVATE_H

#include "supervisor/worktree_repair.h"

struct repair {
	const struct kt_repair_options *options;
	struct kt_json *actions;
	struct kt_json *action; /* the one under way; NULL: nothing was done for the subject yet */
	const char *subject, *problem;
	bool is_changed, is_ok;
};

/* Adds a line to what was done for the subject. */
void kt_repair_did(struct repair *repair, const char *format, ...) KT_PRINTF(2, 3);
/* The unfinished files of a folder become a rescue commit on top of `parent` (may be NULL). */
KT_MUST_CHECK enum kt_code kt_repair_keep_files(
	struct repair *repair, const char *folder, const char *parent, struct kt_error *err);
/* Folder and registration go away; what is in no commit is moved aside. `was_linked`: it was a
 * worktree when the decision was made; one that only became one since then stays. */
KT_MUST_CHECK enum kt_code kt_repair_take_away(
	struct repair *repair, const char *path, bool was_linked, struct kt_error *err);

KT_MUST_CHECK enum kt_code kt_repair_coordination(struct repair *repair, struct kt_error *err);

#endif
