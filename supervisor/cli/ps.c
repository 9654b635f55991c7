/*
 * kitty ps: the supervisor, its workers and agents. Process: a command. Never writes.
 */
#include <stdio.h>
#include <time.h>

#include "ipc/message.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"

enum { ANSWER_TIMEOUT_MS = 5000 };

static const struct kt_option options[] = {KT_OPTION_MISSION, KT_OPTION_END};

static const char *text_of(const struct kt_json *object, const char *key)
{
	const char *text = kt_json_get_string(object, key);

	return text == NULL ? "-" : text;
}

static void number_print(const struct kt_json *object, const char *key, int width)
{
	int64_t number = 0;

	if (kt_json_get_int(object, key, &number))
		kt_print("%*lld ", width, (long long)number);
	else
		kt_print("%*s ", width, "-");
}

static void time_print(const struct kt_json *object)
{
	int64_t since = 0;
	long long seconds = 0;

	if (!kt_json_get_int(object, "since", &since)) {
		kt_print("%8s ", "-");
		return;
	}
	seconds = (long long)time(NULL) - (long long)since;
	kt_print("%5lld:%02lld ", seconds / 60, seconds % 60);
}

static void text_print(const struct kt_json *answer)
{
	const struct kt_json *supervisor = kt_json_get(answer, "supervisor");
	int64_t pid = 0;

	(void)kt_json_get_int(supervisor, "pid", &pid);
	kt_print("supervisor of %s, pid %lld%s\n", text_of(supervisor, "mission"), (long long)pid,
		kt_json_get_bool(supervisor, "stopping", false) ? ", stopping" : "");
	kt_print("%-10s %-10s %8s %8s %-6s %-12s %8s %s\n", "LANE", "STATE", "WORKER", "AGENT",
		"WP", "WHO", "TIME", "OUTPUT");
	for (const struct kt_json *lane = kt_json_first(kt_json_get(answer, "lanes")); lane != NULL;
		lane = kt_json_next(lane)) {
		kt_print("%-10s %-10s ", text_of(lane, "lane_id"), text_of(lane, "state"));
		number_print(lane, "worker_pid", 8);
		number_print(lane, "agent_pid", 8);
		kt_print("%-6s %-12s ", text_of(lane, "wp"), text_of(lane, "agent"));
		time_print(lane);
		kt_print_safe(stdout, text_of(lane, "last_output"));
		kt_print("\n");
	}
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *answer = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code =
		kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err);

	if (code == KT_E_OK)
		code = kt_supervisor_ask(
			&context, KT_MSG_PS_REQUEST, NULL, ANSWER_TIMEOUT_MS, &answer, &err);
	return kt_context_answer(
		&context, invocation->json, answer, text_print, code == KT_E_OK ? NULL : &err);
}

const struct kt_command kt_command_ps = {
	.summary = "show the supervisor, its workers and agents",
	.arguments = "",
	.options = options,
	.run = run,
};
