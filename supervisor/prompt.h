/*
 * The prompt of a work package: what an agent is told. Pure.
 */
#ifndef KITTY_SUPERVISOR_PROMPT_H
#define KITTY_SUPERVISOR_PROMPT_H

#include "supervisor/mission/mission.h"
#include "supervisor/mission/plan.h"

struct kt_buffer;

struct kt_prompt {
	const struct kt_mission *mission;
	const struct kt_wp *wp;
	const char *lane_id, *branch, *worktree;
	long attempt;
	const char *before; /* what happened in earlier attempts; NULL: this is the first */
};

void kt_prompt_build(const struct kt_prompt *prompt, struct kt_buffer *out);

#endif
