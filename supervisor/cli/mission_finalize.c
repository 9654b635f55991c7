/*
 * kitty agent mission finalize-tasks: drafts validated, lanes computed, everything committed to the
 * coordination branch in one commit. Process: a command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/diagnostics.h"
#include "supervisor/cli/finalize.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"

static const struct kt_option options[] = {
	{"validate-only", 0, NULL, false, "say what is wrong and what would change; write nothing"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

/* "FILE:LINE: text" lines as a list of {file, line, reason}. */
static struct kt_json *lines_to_json(const struct kt_buffer *lines)
{
	struct kt_json *list = kt_json_new_array();
	char *text = kt_strdup(lines == NULL ? "" : kt_buffer_text(lines));
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		struct kt_json *row = kt_json_new_object();
		char *reason = strstr(line, ": ");
		char *colon = NULL;

		if (reason != NULL)
			*reason = '\0';
		colon = reason == NULL ? NULL : strrchr(line, ':');
		if (colon != NULL)
			*colon = '\0';
		kt_json_set_string(row, "file", reason == NULL ? NULL : line);
		kt_json_set_int(row, "line", colon == NULL ? 0 : strtol(colon + 1, NULL, 10));
		kt_json_set_string(row, "reason", reason == NULL ? line : reason + 2);
		kt_json_append(list, row);
	}
	free(text);
	return list;
}

static int fail_plan(bool json, const struct kt_finalization *f, const struct kt_error *err)
{
	struct kt_json *extra = NULL;

	if (f->plan == NULL)
		return kt_fail(json, err);
	if (!json && f->plan->problems != NULL)
		(void)fputs(kt_buffer_text(f->plan->problems), stderr);
	extra = kt_json_new_object();
	kt_json_set(extra, "error", kt_error_json(err));
	kt_json_set(extra, "problems", lines_to_json(f->plan->problems));
	kt_json_set(extra, "warnings", lines_to_json(f->plan->warnings));
	return kt_fail_with(json, err, extra);
}

static struct kt_json *lanes_json(const struct kt_lanes *lanes)
{
	struct kt_json *json = kt_json_new_object();
	struct kt_json *ids = kt_json_new_array();
	const struct kt_json *planning = kt_json_get(lanes->json, "planning_artifact_wps");
	const struct kt_json *collapse = kt_json_get(lanes->json, "collapse_report");

	for (size_t i = 0; i < lanes->len; i++)
		kt_json_append(ids, kt_json_new_string(lanes->lanes[i].id));
	kt_json_set_bool(json, "computed", true);
	kt_json_set_int(json, "count", (int64_t)lanes->len);
	kt_json_set(json, "lane_ids", ids);
	kt_json_set(json, "planning_artifact_wps",
		planning == NULL ? kt_json_new_array() : kt_json_copy(planning));
	kt_json_set(json, "collapse_report",
		collapse == NULL ? kt_json_new_null() : kt_json_copy(collapse));
	return json;
}

static bool list_has(const struct kt_json *list, const char *text)
{
	for (const struct kt_json *item = kt_json_first(list); item != NULL;
		item = kt_json_next(item))
		if (strcmp(kt_json_string(item), text) == 0)
			return true;
	return false;
}

static struct kt_json *unchanged_wps(const struct kt_finalization *f)
{
	struct kt_json *list = kt_json_new_array();

	for (size_t i = 0; i < f->plan->plan->wps_len; i++)
		if (!list_has(f->modified, f->plan->plan->wps[i].id))
			kt_json_append(list, kt_json_new_string(f->plan->plan->wps[i].id));
	return list;
}

static struct kt_json *answer_new(const struct kt_finalization *f, const char *result)
{
	const struct kt_mission *mission = f->context->mission;
	struct kt_json *answer = kt_json_new_object();
	struct kt_json *bootstrap = kt_json_new_object();
	size_t total = f->plan->plan->wps_len;
	size_t seeded = kt_json_size(f->seeded);
	char *tasks = kt_format("%s/tasks", mission->draft_dir);

	kt_json_set_string(answer, "result", result);
	kt_json_set_string(answer, "mission_slug", mission->slug);
	kt_json_set_int(answer, "wp_count", (int64_t)total);
	kt_json_set_int(answer, "updated_wp_count", (int64_t)kt_json_size(f->modified));
	kt_json_set(answer, "modified_wps", kt_json_copy(f->modified));
	kt_json_set(answer, "unchanged_wps", unchanged_wps(f));
	kt_json_set_string(answer, "tasks_dir", tasks);
	kt_json_set_int(bootstrap, "total_wps", (int64_t)total);
	kt_json_set_int(bootstrap, "newly_seeded", (int64_t)seeded);
	kt_json_set_int(bootstrap, "already_initialized", (int64_t)(total - seeded));
	kt_json_set(answer, "bootstrap", bootstrap);
	kt_json_set(answer, "lanes", lanes_json(f->plan->plan->lanes));
	kt_json_set(answer, "files_committed", kt_json_copy(f->changed));
	kt_json_set(answer, "ownership_warnings", lines_to_json(f->plan->warnings));
	kt_json_set_string(answer, "planning_base_branch", mission->target_branch);
	kt_json_set_string(answer, "merge_target_branch", mission->target_branch);
	kt_json_set_string(answer, "spec_kitty_version", KITTY_VERSION);
	free(tasks);
	return answer;
}

static void commit_set(struct kt_json *answer, const struct kt_json *outcome)
{
	const struct kt_json *receipt = kt_json_get(outcome, "receipt");
	const char *sha = kt_json_get_string(receipt, "commit_sha");
	struct kt_json *hashes = kt_json_new_array();

	kt_json_set_bool(answer, "commit_created", sha != NULL);
	kt_json_set_string(answer, "commit_hash", sha);
	if (sha != NULL) {
		struct kt_json *row = kt_json_new_object();

		kt_json_set_string(row, "branch", kt_json_get_string(receipt, "destination_ref"));
		kt_json_set_string(row, "hash", sha);
		kt_json_append(hashes, row);
		kt_json_set(answer, "receipt", kt_json_copy(receipt));
	}
	kt_json_set(answer, "commit_hashes", hashes);
}

static void lanes_print(const struct kt_lanes *lanes)
{
	for (size_t i = 0; i < lanes->len; i++) {
		kt_print("  %-10s", lanes->lanes[i].id);
		for (char **id = lanes->lanes[i].wp_ids; *id != NULL; id++)
			kt_print(" %s", *id);
		kt_print("\n");
	}
}

static void report_text(const struct kt_finalization *f, const struct kt_json *outcome)
{
	const struct kt_json *receipt = kt_json_get(outcome, "receipt");

	if (f->plan->warnings != NULL)
		(void)fputs(kt_buffer_text(f->plan->warnings), stderr);
	if (outcome == NULL) {
		kt_print("nothing changed: %s is finalised as it is; no commit was made\n",
			f->context->mission->slug);
		return;
	}
	kt_print("work packages: %zu, lanes: %zu\n", f->plan->plan->wps_len,
		f->plan->plan->lanes->len);
	lanes_print(f->plan->plan->lanes);
	kt_print("committed %.12s on %s (%zu files, %zu newly seeded)\n",
		kt_json_get_string(receipt, "commit_sha"),
		kt_json_get_string(receipt, "destination_ref"), kt_json_size(f->changed),
		kt_json_size(f->seeded));
}

static int validate_only(bool json, const struct kt_finalization *f)
{
	struct kt_json *answer = NULL;

	if (json) {
		answer = answer_new(f, "validation_passed");
		kt_json_set(answer, "would_modify", kt_json_copy(f->changed));
		kt_json_remove(answer, "files_committed");
		kt_print_json(answer);
		kt_json_free(answer);
		return KT_EXIT_OK;
	}
	kt_print("%zu work packages are valid; lanes:\n", f->plan->plan->wps_len);
	lanes_print(f->plan->plan->lanes);
	for (const struct kt_json *p = kt_json_first(f->changed); p != NULL; p = kt_json_next(p))
		kt_print("would commit %s\n", kt_json_string(p));
	return KT_EXIT_OK;
}

static int finalize(const struct kt_invocation *invocation, struct kt_finalization *f)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *outcome = NULL;
	struct kt_json *answer = NULL;
	int status = KT_EXIT_OK;

	if (f->request == NULL && kt_submit_nothing(f->context, invocation->path, &err) != KT_E_OK)
		return kt_fail(invocation->json, &err);
	if (f->request != NULL && kt_finalization_store(f, &err) != KT_E_OK)
		return kt_fail(invocation->json, &err);
	if (f->request != NULL &&
		kt_submit(f->context, f->request, invocation->path, &outcome, &err) != KT_E_OK) {
		status = kt_fail_outcome(invocation->json, outcome, &err);
		goto out;
	}
	if (kt_finalization_write_drafts(f, NULL, &err) != KT_E_OK) {
		kt_error_next(
			&err, "the commit is made; run the command again to update the drafts");
		status = kt_fail(invocation->json, &err);
		goto out;
	}
	if (invocation->json) {
		answer = answer_new(f, "success");
		commit_set(answer, outcome);
		kt_print_json(answer);
	} else {
		report_text(f, outcome);
	}
out:
	kt_json_free(answer);
	kt_json_free(outcome);
	return status;
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_finalization finalization = {0};
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (kt_context_open_mission(&context, kt_invocation_value(invocation, "mission"), &err) !=
		KT_E_OK)
		status = kt_context_fail(&context, invocation->json, &err);
	else if (kt_finalization_prepare(&context, &finalization, &err) != KT_E_OK)
		status = fail_plan(invocation->json, &finalization, &err);
	else if (kt_invocation_has(invocation, "validate-only"))
		status = validate_only(invocation->json, &finalization);
	else
		status = finalize(invocation, &finalization);
	kt_finalization_release(&finalization);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_mission_finalize = {
	.summary = "check the work packages, compute the lanes, commit the plan",
	.arguments = "",
	.help = "Reads the drafts in kitty-specs/<mission>/ of the primary checkout, names every "
		"problem with\n"
		"file and line, and commits the folder to the coordination branch in one commit. "
		"The drafts\n"
		"get the same bytes. Run again after edits to carry them over.",
	.options = options,
	.run = run,
};
