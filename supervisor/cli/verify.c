/*
 * kitty verify: the history of a mission, proved. Process: a command. Never writes.
 */
#include "supervisor/verify.h"

#include <stdio.h>
#include <unistd.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"

static const struct kt_option options[] = {
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

static void on_progress(size_t done, size_t total, void *arg)
{
	(void)arg;
	(void)fprintf(stderr, "\rverifying: %zu of %zu commits", done, total);
	if (done == total)
		(void)fputs("\r\033[K", stderr);
	(void)fflush(stderr);
}

static void warnings_print(const struct kt_json *check)
{
	const struct kt_json *warning = kt_json_first(kt_json_get(check, "warnings"));

	for (; warning != NULL; warning = kt_json_next(warning))
		kt_print("      warning: %s\n", kt_json_string(warning));
}

static void report_print(const struct kt_json *report)
{
	const struct kt_json *check = kt_json_first(kt_json_get(report, "checks"));
	int64_t commits = 0, events = 0;

	(void)kt_json_get_int(report, "commits", &commits);
	(void)kt_json_get_int(report, "events", &events);
	kt_print("%s: %lld commits, %lld events\n", kt_json_get_string(report, "mission"),
		(long long)commits, (long long)events);
	for (; check != NULL; check = kt_json_next(check)) {
		kt_print("  %-4s %-4s%-14s", kt_json_get_bool(check, "ok", false) ? "ok" : "NO",
			kt_json_get_string(check, "promise"), kt_json_get_string(check, "name"));
		kt_print_safe(stdout, kt_json_get_string(check, "detail"));
		kt_print("\n");
		warnings_print(check);
	}
	kt_print("%s\n", kt_json_get_bool(report, "ok", false) ? "every promise holds"
							       : "a promise is broken");
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *report = NULL;
	bool shows_progress = !invocation->json && isatty(STDERR_FILENO);
	int status = KT_EXIT_OK;

	if (kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err) !=
			KT_E_OK ||
		kt_verify_run(context.repo, context.mission, shows_progress ? on_progress : NULL,
			NULL, &report, &err) != KT_E_OK) {
		status = kt_context_fail(&context, invocation->json, &err);
	} else {
		if (invocation->json)
			kt_print_json(report);
		else
			report_print(report);
		if (!kt_json_get_bool(report, "ok", false))
			status = KT_EXIT_FAILED;
	}
	kt_json_free(report);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_verify = {
	.summary = "prove that the committed history keeps kitty's promises",
	.arguments = "[--mission HANDLE]",
	.help = "Walks the coordination branch, or what is left of it after the mission was "
		"closed: "
		"each\n"
		"log a byte prefix of the next, every status.json the reduction of its log, ids "
		"unique,\n"
		"no status file written by a lane, the checked-out log the committed one. Exit 1 "
		"when a\n"
		"promise is broken. Writes nothing.",
	.options = options,
	.run = run,
};
