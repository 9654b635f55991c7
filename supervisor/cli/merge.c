/*
 * kitty merge: integrates what is approved, brings the mission to its target, closes it. Process: a
 * command. The work is in supervisor/merge.h; here are the options and the words.
 */
#include "supervisor/merge.h"

#include <stdlib.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"

static const struct kt_option options[] = {
	KT_OPTION_MISSION,
	{"dry-run", 0, NULL, false, "say what the merge would do, and change nothing"},
	{"strategy", 0, "NAME", false, "merge (default), squash or rebase"},
	{"resume", 0, NULL, false, "go on with an unfinished merge"},
	{"abort", 0, NULL, false, "forget an unfinished merge; what is integrated stays"},
	{"interactive", 0, NULL, false, "on a conflict, open a worktree to resolve it in"},
	{"keep-worktrees", 0, NULL, false, "keep worktrees and branches"},
	KT_OPTION_END,
};

static enum kt_code submit(
	struct kt_json *request, struct kt_json **outcome, void *arg, struct kt_error *err)
{
	return kt_submit(arg, request, "merge", outcome, err);
}

static void on_notice(const char *line, void *arg)
{
	(void)arg;
	kt_print_notice("%s", line);
}

static const char *text_of(const struct kt_json *object, const char *key)
{
	const char *text = kt_json_get_string(object, key);

	return text == NULL ? "" : text;
}

static void print_report(const struct kt_json *report)
{
	const struct kt_json *target = kt_json_get(report, "target");
	bool dry_run = kt_json_get_bool(report, "dry_run", false);
	const char *verb = dry_run ? "would be integrated" : "lane_integrated";

	if (kt_json_get_bool(report, "is_noop", false)) {
		kt_print("%s is merged and closed already (%s)\n", text_of(report, "mission_slug"),
			text_of(report, "closed_ref"));
		return;
	}
	if (kt_json_get_bool(report, "aborted", false)) {
		kt_print("the unfinished merge of %s is forgotten; what was integrated stays\n",
			text_of(report, "mission_slug"));
		return;
	}
	for (const struct kt_json *w = kt_json_first(kt_json_get(report, "integrated")); w != NULL;
		w = kt_json_next(w))
		kt_print("%s: %s (%s %.12s)\n", text_of(w, "wp_id"), verb, text_of(w, "lane"),
			text_of(w, "commit"));
	if (kt_json_is(target, KT_JSON_OBJECT))
		kt_print("%s: %.12s %s %.12s (%s)\n", text_of(report, "target_branch"),
			text_of(target, "before"), dry_run ? "would get tree" : "->",
			dry_run ? text_of(target, "tree") : text_of(target, "after"),
			text_of(report, "strategy"));
	for (const struct kt_json *r = kt_json_first(kt_json_get(report, "removed")); r != NULL;
		r = kt_json_next(r))
		kt_print("%s %s\n", dry_run ? "would be removed:" : "removed", kt_json_string(r));
	if (kt_json_get_string(report, "closed_ref") != NULL)
		kt_print("closed: %s\n", text_of(report, "closed_ref"));
}

static void print_side(const char *role, const struct kt_json *side)
{
	(void)fprintf(
		stderr, "%s: %s %.12s\n", role, text_of(side, "name"), text_of(side, "commit"));
	for (const struct kt_json *c = kt_json_first(kt_json_get(side, "commits")); c != NULL;
		c = kt_json_next(c)) {
		(void)fputs("  ", stderr);
		kt_print_safe(stderr, kt_json_string(c));
		(void)fputc('\n', stderr);
	}
}

static void print_conflict(const struct kt_json *conflict)
{
	for (const struct kt_json *f = kt_json_first(kt_json_get(conflict, "files")); f != NULL;
		f = kt_json_next(f)) {
		(void)fputs("conflict: ", stderr);
		kt_print_safe(stderr, kt_json_string(f));
		(void)fputc('\n', stderr);
	}
	if (conflict != NULL) {
		print_side("ours", kt_json_get(conflict, "ours"));
		print_side("theirs", kt_json_get(conflict, "theirs"));
	}
}

static enum kt_code check_options(const struct kt_invocation *invocation, struct kt_error *err)
{
	bool abort = kt_invocation_has(invocation, "abort");

	if (abort && (kt_invocation_has(invocation, "resume") ||
			     kt_invocation_has(invocation, "dry-run") ||
			     kt_invocation_has(invocation, "interactive") ||
			     kt_invocation_value(invocation, "strategy") != NULL))
		return kt_error_set(err, KT_E_USAGE, "--abort goes with --mission only");
	return KT_E_OK;
}

static enum kt_code act(const struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json **report, struct kt_error *err)
{
	struct kt_merge_options wish = {.repo = context->repo,
		.mission = context->mission,
		.strategy = kt_invocation_value(invocation, "strategy"),
		.dry_run = kt_invocation_has(invocation, "dry-run"),
		.resume = kt_invocation_has(invocation, "resume"),
		.keep_worktrees = kt_invocation_has(invocation, "keep-worktrees"),
		.interactive = kt_invocation_has(invocation, "interactive"),
		.submit = submit,
		.on_notice = on_notice,
		.arg = context};

	if (kt_invocation_has(invocation, "abort"))
		return kt_merge_abort(context->repo, context->mission, report, err);
	if (kt_context_config(context, err) != KT_E_OK)
		return err->code;
	wish.sign = context->config->sign_bookkeeping;
	wish.owned_required = context->config->owned_required;
	wish.hook_timeout_ms = (int)context->config->hook_timeout_ms;
	return kt_merge(&wish, report, err);
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = check_options(invocation, &err);
	int status = KT_EXIT_OK;

	if (code == KT_E_OK)
		code = kt_context_mission(
			&context, kt_invocation_value(invocation, "mission"), &err);
	if (code != KT_E_OK) {
		status = kt_context_fail(&context, invocation->json, &err);
		goto out;
	}
	code = act(invocation, &context, &report, &err);
	if (code != KT_E_OK) {
		if (!invocation->json)
			print_conflict(kt_json_get(report, "conflict"));
		if (report != NULL)
			kt_json_remove(report, "result");
		status = kt_fail_with(invocation->json, &err, report);
		report = NULL;
	} else if (invocation->json) {
		kt_print_json(report);
	} else {
		print_report(report);
	}
out:
	kt_json_free(report);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_merge = {
	.summary = "integrate what is approved and bring the mission to its target",
	.arguments = "",
	.help = "Stage 1: every approved work package becomes done, its lane's commit merged in "
		"the "
		"same commit.\n"
		"Stage 2: the coordination branch is merged into the target, without a checkout; "
		"then the\n"
		"mission is closed: worktrees and branches go, refs/kitty/closed/ keeps the last "
		"commit.\n"
		"A conflict moves nothing (exit status 5). Killed anywhere, run it again.",
	.options = options,
	.run = run,
};
