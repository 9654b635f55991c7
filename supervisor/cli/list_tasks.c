/*
 * kitty agent tasks list-tasks: the work packages, by status. Process: a command. Never writes.
 */
#include <string.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"
#include "supervisor/cli/write.h"

static const struct kt_option options[] = {
	{"lane", 0, "STATUS", false, "only those in this status"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

static struct kt_json *task_of(const struct kt_json *wp)
{
	struct kt_json *task = kt_json_new_object();
	static const char *const members[][2] = {{"work_package_id", "id"}, {"title", "title"},
		{"lane", "lane"}, {"lane_id", "lane_id"}, {"agent", "agent"}, {"path", "file"},
		{"dependencies", "dependencies"}, {"waits_for", "waits_for"}};

	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		const struct kt_json *value = kt_json_get(wp, members[i][1]);

		kt_json_set(task, members[i][0],
			value == NULL ? kt_json_new_null() : kt_json_copy(value));
	}
	return task;
}

static struct kt_json *tasks_of(const struct kt_json *report, const char *status)
{
	struct kt_json *tasks = kt_json_new_array();
	const struct kt_json *wp = kt_json_first(kt_json_get(report, "work_packages"));

	for (; wp != NULL; wp = kt_json_next(wp))
		if (status == NULL || strcmp(status, kt_json_get_string(wp, "lane")) == 0)
			kt_json_append(tasks, task_of(wp));
	return tasks;
}

static void report(
	const struct kt_invocation *invocation, const struct kt_json *status, const char *lane)
{
	struct kt_json *answer = kt_json_new_object();
	struct kt_json *tasks = tasks_of(status, lane);

	kt_json_set_string(answer, "mission_slug", kt_json_get_string(status, "mission_slug"));
	kt_json_set_int(answer, "count", (int64_t)kt_json_size(tasks));
	kt_json_set(answer, "tasks", tasks);
	if (invocation->json)
		kt_print_json(answer);
	for (const struct kt_json *t = kt_json_first(tasks); !invocation->json && t != NULL;
		t = kt_json_next(t)) {
		kt_print("%-5s %-12s ", kt_json_get_string(t, "work_package_id"),
			kt_json_get_string(t, "lane"));
		kt_print_safe(stdout, kt_json_get_string(t, "title") == NULL
					      ? ""
					      : kt_json_get_string(t, "title"));
		kt_print("\n");
	}
	kt_json_free(answer);
}

static int run(struct kt_invocation *invocation)
{
	const char *lane = kt_invocation_value(invocation, "lane");
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *status_report = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_status wanted = KT_STATUS_NONE;
	enum kt_code code = KT_E_OK;
	int status = KT_EXIT_OK;

	if (lane != NULL)
		code = kt_status_argument("--lane", lane, &wanted, &err);
	if (code == KT_E_OK)
		code = kt_context_mission(
			&context, kt_invocation_value(invocation, "mission"), &err);
	if (code == KT_E_OK)
		code = kt_report_get(&context, &status_report, &err);
	if (code == KT_E_OK)
		report(invocation, status_report, lane == NULL ? NULL : kt_status_name(wanted));
	else
		status = kt_context_fail(&context, invocation->json, &err);
	kt_json_free(status_report);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_list_tasks = {
	.summary = "list the work packages, or those in one status",
	.arguments = "",
	.options = options,
	.run = run,
};
