/*
 * The changes of a lane as `git status --porcelain=v2 -z --no-renames` tells them, sorted into what
 * kitty commits for an agent and what it leaves alone (kitty-specs/, dirty submodules, nested
 * repositories). Pure; no git, no files.
 */
#ifndef KITTY_SUPERVISOR_LANE_OPS_CHANGES_H
#define KITTY_SUPERVISOR_LANE_OPS_CHANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "ipc/buffer.h"

struct kt_lane_changes {
	struct kt_buffer to_add;  /* NUL-ended paths whose worktree side differs from the index, and
				     new files */
	struct kt_buffer counted; /* NUL-ended paths of everything that our commit will hold */
	/* Paths under kitty-specs/ that the agent staged, in the form of `git update-index -z
	 * --index-info`. */
	struct kt_buffer unstage; /* ... as HEAD has them */
	struct kt_buffer restage; /* ... as the agent staged them */
	size_t len;               /* paths in `counted` */
	bool is_unmerged;
};

/* False when the text is not what git prints. release also after false. */
bool kt_lane_changes_parse(const char *text, size_t len, struct kt_lane_changes *out);
void kt_lane_changes_release(struct kt_lane_changes *changes);

#endif
