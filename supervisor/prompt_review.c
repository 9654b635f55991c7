/*
 * The text of a reviewer's prompt. Runs in the supervisor. Reads nothing: the work package's text
 * comes from the plan as it is committed.
 */
#include "ipc/buffer.h"
#include "supervisor/prompt.h"

static void head_append(const struct kt_review_prompt *prompt, struct kt_buffer *out)
{
	const struct kt_wp *wp = prompt->place->wp;

	kt_buffer_printf(out, "# Review of %s: %s\n\n", wp->id, wp->title == NULL ? "" : wp->title);
	kt_buffer_printf(out,
		"You review work package %s of the mission %s%s%s. This is round %ld of at most "
		"%ld.\n\n",
		wp->id, prompt->place->mission->slug,
		prompt->implementer == NULL ? "" : ", which was implemented by ",
		prompt->implementer == NULL ? "" : prompt->implementer, prompt->round,
		prompt->rounds_max);
}

static void range_append(const struct kt_review_prompt *prompt, struct kt_buffer *out)
{
	const struct kt_prompt *place = prompt->place;
	const struct kt_mission *mission = place->mission;

	kt_buffer_puts(out, "## What to review\n\n");
	kt_buffer_printf(out, "- folder: %s (the current one), lane %s, branch %s\n",
		place->worktree, place->lane_id, place->branch);
	if (prompt->fork != NULL)
		kt_buffer_printf(out,
			"- what the lane authored: %s..%s\n- `git log --oneline %s..%s` and `git "
			"diff %s %s` show it\n",
			prompt->fork, prompt->tip, prompt->fork, prompt->tip, prompt->fork,
			prompt->tip);
	else
		kt_buffer_printf(
			out, "- what the lane authored: everything up to %s\n", prompt->tip);
	kt_prompt_strings_append(
		"files that belong to this work package", place->wp->owned_files, ", ", out);
	kt_buffer_printf(out, "- the mission's specification: %s/%s/spec.md\n\n",
		kt_mission_files_root(mission), mission->folder);
}

static void rules_append(struct kt_buffer *out)
{
	kt_buffer_puts(out,
		"## Your verdict is your exit status\n\n"
		"- 0: the work is approved.\n"
		"- 1: changes are needed. What you print is handed to the implementer word for "
		"word: say what\n"
		"  is wrong, where, and what would be right.\n"
		"- anything else: you could not judge; nothing is approved.\n\n"
		"Change nothing here: no file, no commit, no branch. A review that changed "
		"something does not count. Builds and tests may write files that git ignores. "
		"`kitty` moves the work package by itself.\n\n");
}

void kt_prompt_review_build(const struct kt_review_prompt *prompt, struct kt_buffer *out)
{
	const char *body = kt_prompt_text(prompt->place->wp);

	head_append(prompt, out);
	range_append(prompt, out);
	rules_append(out);
	if (prompt->feedback != NULL) {
		kt_buffer_puts(out, "## What the round before asked for\n\n");
		kt_buffer_puts(out, prompt->feedback);
		kt_buffer_puts(out, "\n");
	}
	kt_prompt_acceptance_append(body, out);
	kt_buffer_puts(out, "## The work package\n\n");
	kt_buffer_puts(out, body);
	if (out->len > 0 && out->data[out->len - 1] != '\n')
		kt_buffer_putc(out, '\n');
}
