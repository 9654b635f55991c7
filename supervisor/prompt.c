/*
 * The text of a prompt. Runs in the supervisor. Reads nothing: the work package's text comes from
 * the plan as it is committed.
 */
#include "supervisor/prompt.h"

#include <string.h>
#include <strings.h>

#include "ipc/buffer.h"

static void head_append(const struct kt_prompt *prompt, struct kt_buffer *out)
{
	const struct kt_mission *mission = prompt->mission;

	kt_buffer_printf(out, "# %s: %s\n\n", prompt->wp->id,
		prompt->wp->title == NULL ? "" : prompt->wp->title);
	kt_buffer_printf(out,
		"You work on work package %s of the mission %s. Do what it asks, completely, and "
		"nothing else.\n\n",
		prompt->wp->id, mission->slug);
	kt_buffer_puts(out, "## Where you are\n\n");
	kt_buffer_printf(out, "- lane: %s, a git worktree of your own\n", prompt->lane_id);
	kt_buffer_printf(out, "- folder: %s (the current one)\n", prompt->worktree);
	kt_buffer_printf(out, "- branch: %s\n", prompt->branch);
	kt_buffer_printf(out,
		"- the mission's specification: %s/%s/spec.md; its plan: plan.md beside it\n",
		kt_mission_files_root(mission), mission->folder);
	kt_buffer_printf(out, "- this work package: %s/%s/%s\n\n", kt_mission_files_root(mission),
		mission->folder, prompt->wp->path);
}

static void before_append(const struct kt_prompt *prompt, struct kt_buffer *out)
{
	if (prompt->before == NULL)
		return;
	kt_buffer_puts(out, "## What happened before\n\n");
	kt_buffer_printf(out,
		"This is attempt %ld. %s\nWork exists in the lane already: look at `git log` and "
		"`git status`, and go on from there.\n\n",
		prompt->attempt, prompt->before);
}

void kt_prompt_strings_append(
	const char *label, char *const *strings, const char *separator, struct kt_buffer *out)
{
	if (strings == NULL || strings[0] == NULL)
		return;
	kt_buffer_printf(out, "- %s: ", label);
	for (size_t i = 0; strings[i] != NULL; i++)
		kt_buffer_printf(out, "%s%s", i == 0 ? "" : separator, strings[i]);
	kt_buffer_putc(out, '\n');
}

static void rules_append(const struct kt_prompt *prompt, struct kt_buffer *out)
{
	kt_buffer_puts(out, "## Rules\n\n"
			    "- Work only in this folder. Commit your work here, on this branch, in "
			    "small commits.\n"
			    "- Change nothing under kitty-specs/: kitty alone writes it.\n"
			    "- No `git stash`, no switching of branches, no rebase, no push: other "
			    "agents work in this repository.\n"
			    "- Exit with status 0 when the work is done, with another one when you "
			    "cannot do it.\n");
	kt_prompt_strings_append(
		"files that belong to this work package", prompt->wp->owned_files, ", ", out);
	kt_prompt_strings_append("subtasks", prompt->wp->subtasks, ", ", out);
	kt_buffer_puts(out, "\n## Commands you may use here\n\n"
			    "- `kitty agent tasks status`: what state everything is in\n");
	kt_buffer_printf(out,
		"- `kitty agent tasks mark-status TASK --wp %s --status done`: a subtask is done\n"
		"- `kitty agent tasks move-task %s --to blocked --reason \"...\"`: you need "
		"somebody's help\n"
		"- `kitty agent tasks move-task %s --to for_review`: the work is ready to be "
		"reviewed\n"
		"\nWhen you exit with status 0 and there is work, kitty commits what is left in "
		"the folder and moves %s to for_review by itself.\n\n",
		prompt->wp->id, prompt->wp->id, prompt->wp->id, prompt->wp->id);
}

/* "acceptance" in a heading, whatever its case. */
static bool is_acceptance(const char *line, size_t len)
{
	static const char word[] = "acceptance";

	for (size_t i = 0; i + sizeof word - 1 <= len; i++)
		if (strncasecmp(line + i, word, sizeof word - 1) == 0)
			return true;
	return false;
}

/* Sections of the work package whose heading speaks of acceptance, once more and by name: that is
 * what the work is measured by. */
void kt_prompt_acceptance_append(const char *text, struct kt_buffer *out)
{
	bool is_inside = false;
	bool has_any = false;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		if (text[0] == '#')
			is_inside = is_acceptance(text, len);
		else if (is_inside && !has_any && len > 0) {
			kt_buffer_puts(out, "## What it is measured by\n\n");
			has_any = true;
		}
		if (is_inside && text[0] != '#' && (has_any || len > 0)) {
			kt_buffer_append(out, text, len);
			kt_buffer_putc(out, '\n');
		}
		text += text[len] == '\n' ? len + 1 : len;
	}
	if (has_any)
		kt_buffer_putc(out, '\n');
}

const char *kt_prompt_text(const struct kt_wp *wp)
{
	const char *text = wp->text == NULL ? "" : wp->text;

	return wp->body_offset <= wp->text_len ? text + wp->body_offset : text;
}

void kt_prompt_build(const struct kt_prompt *prompt, struct kt_buffer *out)
{
	const char *body = kt_prompt_text(prompt->wp);

	head_append(prompt, out);
	before_append(prompt, out);
	rules_append(prompt, out);
	kt_prompt_acceptance_append(body, out);
	kt_buffer_puts(out, "## The work package\n\n");
	kt_buffer_puts(out, body);
	if (out->len > 0 && out->data[out->len - 1] != '\n')
		kt_buffer_putc(out, '\n');
}
