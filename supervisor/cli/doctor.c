/*
 * kitty doctor: what is wrong, the evidence, and the command that puts it right. Process: a
 * command. Writes only with --fix.
 */
#include "supervisor/doctor.h"

#include <stdio.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"

static const struct kt_option options[] = {
	KT_OPTION_MISSION,
	{"fix", 0, NULL, false, "take the fixes that lose nothing; without it nothing is written"},
	KT_OPTION_END,
};

static void on_notice(const char *line, void *arg)
{
	(void)arg;
	kt_print_notice("%s", line);
}

static void finding_print(const struct kt_json *finding)
{
	const char *mission = kt_json_get_string(finding, "mission");
	bool is_fixed = kt_json_get_bool(finding, "fixed", false);

	kt_print("%-7s %s%s%s\n  ", is_fixed ? "fixed" : kt_json_get_string(finding, "severity"),
		kt_json_get_string(finding, "code"), mission == NULL ? "" : "  ",
		mission == NULL ? "" : mission);
	kt_print_safe(stdout, kt_json_get_string(finding, "evidence"));
	if (!is_fixed) {
		kt_print("\n  next: ");
		kt_print_safe(stdout, kt_json_get_string(finding, "next_step"));
	}
	kt_print("\n");
}

static void report_print(const struct kt_json *report)
{
	const struct kt_json *finding = kt_json_first(kt_json_get(report, "findings"));
	size_t missions = kt_json_size(kt_json_get(report, "missions"));
	int64_t errors = 0, warnings = 0, notes = 0;

	for (; finding != NULL; finding = kt_json_next(finding))
		finding_print(finding);
	(void)kt_json_get_int(report, "errors", &errors);
	(void)kt_json_get_int(report, "warnings", &warnings);
	(void)kt_json_get_int(report, "notes", &notes);
	if (errors + warnings + notes == 0)
		kt_print("nothing wrong: %zu %s looked at\n", missions,
			missions == 1 ? "mission" : "missions");
	else
		kt_print("%lld errors, %lld warnings, %lld notes\n", (long long)errors,
			(long long)warnings, (long long)notes);
}

/* A shape that kitty does not work with is a finding, not a failure of the doctor. */
static int shape_report(const struct kt_invocation *invocation, const struct kt_error *err)
{
	struct kt_json *report = kt_json_new_object(), *list = kt_json_new_array();
	struct kt_json *finding = kt_json_new_object();

	kt_json_set_string(finding, "code", kt_error_text(err->code));
	kt_json_set_string(finding, "severity", "error");
	kt_json_set_string(finding, "mission", NULL);
	kt_json_set_string(finding, "subject", NULL);
	kt_json_set_string(finding, "evidence",
		err->detail[0] == '\0' ? kt_error_summary(err->code) : err->detail);
	kt_json_set_string(finding, "next_step", kt_error_next_step(err));
	kt_json_set_bool(finding, "fixed", false);
	kt_json_append(list, finding);
	kt_json_set(report, "missions", kt_json_new_array());
	kt_json_set(report, "findings", list);
	kt_json_set_int(report, "errors", 1);
	kt_json_set_int(report, "warnings", 0);
	kt_json_set_int(report, "notes", 0);
	kt_json_set_bool(report, "ok", false);
	if (invocation->json)
		kt_print_json(report);
	else
		report_print(report);
	kt_json_free(report);
	return KT_EXIT_FAILED;
}

static bool is_shape(enum kt_code code)
{
	return code == KT_E_REPO_SHA256 || code == KT_E_REPO_REFTABLE ||
	       code == KT_E_REPO_EXTENSION || code == KT_E_REPO_OWNER || code == KT_E_REPO_BARE ||
	       code == KT_E_REPO_UNSUPPORTED_PLACE;
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_doctor_options wish = {.on_notice = on_notice};
	const char *handle = kt_invocation_value(invocation, "mission");
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *report = NULL;
	enum kt_code code = kt_context_open(&context, &err);

	if (is_shape(code)) {
		kt_context_release(&context);
		return shape_report(invocation, &err);
	}
	if (code == KT_E_OK && handle != NULL)
		code = kt_context_mission(&context, handle, &err);
	if (code == KT_E_OK) {
		wish.repo = context.repo;
		wish.mission = context.mission;
		wish.fix = kt_invocation_has(invocation, "fix");
		code = kt_doctor_run(&wish, &report, &err);
	}
	return kt_context_answer(
		&context, invocation->json, report, report_print, code == KT_E_OK ? NULL : &err);
}

const struct kt_command kt_command_doctor = {
	.summary = "find what is wrong with a repository's missions, and how to put it right",
	.arguments = "[--mission HANDLE] [--fix]",
	.help = "Without --mission, every open one. Each finding has a code, the evidence, and a "
		"command\n"
		"that can be pasted. Reads only; with --fix it takes the fixes that lose nothing: "
		"no "
		"row\n"
		"of a log is ever touched. Exit 1 when errors are left.",
	.options = options,
	.run = run,
};
