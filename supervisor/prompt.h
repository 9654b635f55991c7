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

/* What a reviewer is told. */
struct kt_review_prompt {
	const struct kt_prompt *place; /* its attempt and before are not used */
	const char *implementer;       /* NULL: unknown */
	const char *fork, *tip;        /* 40 hex; fork NULL: everything is the lane's */
	long round, rounds_max;
	const char *feedback; /* of the round before; NULL: none */
};

void kt_prompt_review_build(const struct kt_review_prompt *prompt, struct kt_buffer *out);

/* The parts that both prompts have. text: the work package's, without its frontmatter. */
const char *kt_prompt_text(const struct kt_wp *wp);
void kt_prompt_acceptance_append(const char *text, struct kt_buffer *out);
void kt_prompt_strings_append(
	const char *label, char *const *strings, const char *separator, struct kt_buffer *out);

#endif
