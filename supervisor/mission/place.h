/*
 * Private to supervisor/mission: paths compared by components, never by prefixes of names.
 */
#ifndef KITTY_SUPERVISOR_MISSION_PLACE_H
#define KITTY_SUPERVISOR_MISSION_PLACE_H

#include "supervisor/mission/mission.h"

/* Name of the folder directly below `folder` on the way to `path`; gives; NULL when path is not
 * below. */
char *kt_path_component_below(const char *folder, const char *path);
char *kt_path_real(const char *path); /* gives; the text itself when there is nothing at it */

/* The worktree folder's name under .worktrees/ that holds path; gives or NULL. */
char *kt_mission_worktree_name(const struct kt_mission *mission, const char *path);

#endif
