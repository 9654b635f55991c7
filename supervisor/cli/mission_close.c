/*
 * kitty mission close and mission restore. Process: a command.
 */
#include <stdlib.h>

#include "ipc/clock.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/close.h"
#include "supervisor/transaction/reader.h"
#include "supervisor/trash.h"

static const struct kt_option close_options[] = {
	{"discard", 0, NULL, false, "take away a mission that is not merged"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

static void items_print(const struct kt_json *report)
{
	const struct kt_json *item = kt_json_first(kt_json_get(report, "items"));

	for (; item != NULL; item = kt_json_next(item)) {
		const char *reason = kt_json_get_string(item, "reason");
		const char *trash = kt_json_get_string(item, "trash");

		kt_print("%-9s %-8s ", kt_json_get_string(item, "result"),
			kt_json_get_string(item, "kind"));
		kt_print_safe(stdout, kt_json_get_string(item, "name"));
		if (trash != NULL)
			kt_print("  (uncommitted files: %s)", trash);
		if (reason != NULL) {
			kt_print("  ");
			kt_print_safe(stdout, reason);
		}
		kt_print("\n");
	}
}

static void members_set(struct kt_json *report, const struct kt_mission *mission)
{
	kt_json_set_string(report, "mission_slug", mission->slug);
	kt_json_set_string(report, "target_branch", mission->target_branch);
}

static int close_report(
	const struct kt_invocation *invocation, struct kt_context *context, struct kt_json *report)
{
	const struct kt_mission *mission = context->mission;
	bool discard = kt_invocation_has(invocation, "discard");
	struct kt_error err = KT_ERROR_INIT;
	int64_t remaining = 0;

	members_set(report, mission);
	kt_json_set_bool(report, "discarded", discard);
	(void)kt_json_get_int(report, "remaining", &remaining);
	if (!invocation->json)
		items_print(report);
	if (remaining > 0) {
		(void)kt_error_set(&err, KT_E_CLOSE_INCOMPLETE, "%lld items of %s",
			(long long)remaining, mission->slug);
		return kt_fail_with(
			invocation->json, &err, invocation->json ? kt_json_copy(report) : NULL);
	}
	kt_json_set_string(report, "result", "success");
	if (invocation->json)
		kt_print_json(report);
	else if (discard)
		kt_print("%s is discarded; for %d days it can be had back with: kitty mission "
			 "restore --mission %s\n",
			mission->slug, KT_TRASH_DAYS, mission->slug);
	else
		kt_print("%s is closed\n", mission->slug);
	return KT_EXIT_OK;
}

/* Old trash goes out with the new; a failure there is no failure of the close. */
static void prune(const struct kt_context *context)
{
	struct kt_error err = KT_ERROR_INIT;
	size_t pruned = 0;

	if (kt_trash_prune(context->repo, kt_clock_wall_us() / 1000000, &pruned, &err) != KT_E_OK)
		kt_print_notice("warning: old trash could not be emptied: %s", err.detail);
	else if (pruned > 0)
		kt_print_notice("emptied the trash of %zu missions discarded more than %d days ago",
			pruned, KT_TRASH_DAYS);
}

static int run_close(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_view *view = NULL;
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_close wish = {.discard = kt_invocation_has(invocation, "discard")};
	int status = KT_EXIT_OK;
	enum kt_code code =
		kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err);

	if (code == KT_E_OK)
		code = kt_view_load(context.repo, context.mission, &view, &err);
	if (code == KT_E_OK) {
		wish.repo = context.repo;
		wish.mission = context.mission;
		wish.plan = view->plan;
		wish.tip = view->tip;
		code = kt_mission_close(&wish, &report, &err);
	}
	if (code == KT_E_OK) {
		prune(&context);
		status = close_report(invocation, &context, report);
	} else {
		status = kt_context_fail(&context, invocation->json, &err);
	}
	kt_json_free(report);
	kt_view_free(view);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_mission_close = {
	.summary =
		"remove a merged mission's worktrees and branches; --discard: a mission not merged",
	.arguments = "",
	.help = "Acts on the mission's own lanes and coordination branch, nothing else; the target "
		"is untouched.\n"
		"--discard keeps what it takes away under refs/kitty/trash/ for 30 days, files "
		"that "
		"were not\n"
		"committed included (ignored ones not): kitty mission restore brings it back.",
	.options = close_options,
	.run = run_close,
};

static const struct kt_option restore_options[] = {KT_OPTION_MISSION, KT_OPTION_END};

static int run_restore(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err) !=
			KT_E_OK ||
		kt_mission_restore(context.repo, context.mission, &report, &err) != KT_E_OK) {
		status = kt_context_fail(&context, invocation->json, &err);
	} else if (invocation->json) {
		members_set(report, context.mission);
		kt_json_set_string(report, "result", "success");
		kt_print_json(report);
	} else {
		items_print(report);
		kt_print("%s is back\n", context.mission->slug);
	}
	kt_json_free(report);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_mission_restore = {
	.summary = "bring a discarded mission back from the trash",
	.arguments = "--mission HANDLE",
	.options = restore_options,
	.run = run_restore,
};
