/*
 * Unfinished files of a lane that is beyond saving, kept as a commit under
 * refs/kitty/rescue/<slug>/<lane>/<time>. Made with a private index by git's plumbing, so that
 * neither the lane's index nor its branch is touched. Commands only.
 */
#ifndef KITTY_SUPERVISOR_RESCUE_H
#define KITTY_SUPERVISOR_RESCUE_H

#include <kitty/error.h>

#include "supervisor/mission/mission.h"

/*
 * Everything in the folder that git does not ignore, on top of `parent` (40 hex digits; NULL: a
 * root commit). *ref NULL: the folder holds nothing that parent does not hold. lane:
 * "lane-a" or "coordination". Gives *ref.
 */
KT_MUST_CHECK enum kt_code kt_rescue_folder(const struct kt_mission *mission, const char *lane,
	const char *folder, const char *parent, char **ref, struct kt_error *err);

/* Keeps a commit that is on no branch. Gives *ref. */
KT_MUST_CHECK enum kt_code kt_rescue_commit(const struct kt_mission *mission, const char *lane,
	const char *commit, char **ref, struct kt_error *err);

/* Takes the folder away: moved to <run_dir>/rescue/ when it holds ignored files (they are in no
 * commit), else deleted. *moved_to NULL: deleted. Gives *moved_to. */
KT_MUST_CHECK enum kt_code kt_rescue_clear(const struct kt_mission *mission, const char *lane,
	const char *folder, char **moved_to, struct kt_error *err);

/* Moves one file to <run_dir>/quarantine/; gives its new path. */
KT_MUST_CHECK enum kt_code kt_rescue_file(const struct kt_mission *mission, const char *lane,
	const char *path, char **moved_to, struct kt_error *err);

#endif
