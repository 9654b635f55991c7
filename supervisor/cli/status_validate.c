/*
 * kitty agent status validate: every row of a log that kitty refuses, with file, line and reason.
 * Process: a command. Never writes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/log_file.h"
#include "supervisor/cli/output.h"
#include "supervisor/status/event.h"
#include "supervisor/status/reduce.h"
#include "supervisor/transaction/reader.h"

static const struct kt_option options[] = {
	{"dir", 0, "MISSION_FOLDER", false, "folder to look at; no repository needed"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

struct findings {
	struct kt_json *problems, *warnings;
	size_t rows;
};

static void finding_add(struct kt_json *list, const char *file, size_t line, const char *reason)
{
	struct kt_json *finding = kt_json_new_object();

	kt_json_set_string(finding, "file", file);
	kt_json_set_int(finding, "line", (int64_t)line);
	kt_json_set_string(finding, "reason", reason);
	kt_json_append(list, finding);
}

static void row_check(
	struct findings *findings, const char *file, size_t number, const char *line, size_t len)
{
	struct kt_event event = {0};
	struct kt_error err = KT_ERROR_INIT;

	if (kt_event_decode(line, len, &event, &err) != KT_E_OK) {
		finding_add(findings->problems, file, number, err.detail);
		return;
	}
	findings->rows += event.kind != KT_EVENT_BLANK;
	kt_event_release(&event);
}

static void log_check(struct findings *findings, const char *file, const char *log, size_t len)
{
	const char *end = log + len;
	size_t number = 0;

	for (const char *line = log; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *stop = newline == NULL ? end : newline;

		row_check(findings, file, ++number, line, (size_t)(stop - line));
		if (newline == NULL)
			finding_add(
				findings->warnings, file, number, "the last row has no newline");
		line = stop + 1;
	}
}

/* The snapshot beside the log: stale is worth a warning, not a refusal. */
static void snapshot_check(struct findings *findings, const char *file, const struct kt_buffer *log,
	const struct kt_json *meta, const struct kt_buffer *snapshot)
{
	char number[32] = "";
	char type[128] = "";
	struct kt_snapshot_identity identity = {number, type};
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer expected = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	kt_snapshot_identity_from_meta(meta, number, type);
	if (kt_reducer_feed(reducer, kt_buffer_text(log), log->len, &err) == KT_E_OK) {
		kt_reducer_snapshot(reducer, &identity, &expected);
		if (expected.len != snapshot->len ||
			memcmp(expected.data, kt_buffer_text(snapshot), expected.len) != 0)
			finding_add(findings->warnings, file, 0,
				"the snapshot is not what the log says");
	}
	kt_buffer_release(&expected);
	kt_reducer_free(reducer);
}

struct folder {
	char *log_path, *snapshot_path, *meta_path;
	struct kt_buffer log, snapshot, meta_text;
	struct kt_json *meta;
	bool has_log, has_snapshot, has_meta;
};

static void folder_release(struct folder *folder)
{
	free(folder->log_path);
	free(folder->snapshot_path);
	free(folder->meta_path);
	kt_buffer_release(&folder->log);
	kt_buffer_release(&folder->snapshot);
	kt_buffer_release(&folder->meta_text);
	kt_json_free(folder->meta);
}

static enum kt_code folder_read(const char *dir, struct folder *folder, struct kt_error *err)
{
	enum kt_code code = kt_folder_check(dir, err);

	folder->log_path = kt_format("%s/%s", dir, KT_LOG_NAME);
	folder->snapshot_path = kt_format("%s/%s", dir, KT_SNAPSHOT_NAME);
	folder->meta_path = kt_format("%s/%s", dir, KT_META_NAME);
	if (code == KT_E_OK)
		code = kt_text_read(folder->log_path, &folder->log, &folder->has_log, err);
	if (code == KT_E_OK)
		code = kt_text_read(
			folder->snapshot_path, &folder->snapshot, &folder->has_snapshot, err);
	if (code == KT_E_OK)
		code = kt_text_read(folder->meta_path, &folder->meta_text, &folder->has_meta, err);
	return code;
}

static void folder_check(struct folder *folder, struct findings *findings)
{
	struct kt_error err = KT_ERROR_INIT;

	log_check(findings, folder->log_path, kt_buffer_text(&folder->log), folder->log.len);
	if (!folder->has_log)
		finding_add(findings->warnings, folder->log_path, 0, "there is no event log");
	if (folder->has_meta &&
		(kt_json_parse(kt_buffer_text(&folder->meta_text), folder->meta_text.len,
			 KT_JSON_LAST_WINS, &folder->meta, &err) != KT_E_OK ||
			!kt_json_is(folder->meta, KT_JSON_OBJECT)))
		finding_add(findings->problems, folder->meta_path, 0,
			err.detail[0] == '\0' ? "not a JSON object" : err.detail);
	if (folder->has_snapshot && kt_json_size(findings->problems) == 0)
		snapshot_check(findings, folder->snapshot_path, &folder->log, folder->meta,
			&folder->snapshot);
}

static void findings_print(const struct kt_json *list, const char *prefix)
{
	for (const struct kt_json *f = kt_json_first(list); f != NULL; f = kt_json_next(f)) {
		int64_t line = 0;

		(void)kt_json_get_int(f, "line", &line);
		kt_print("%s%s:%lld: ", prefix, kt_json_get_string(f, "file"), (long long)line);
		kt_print_safe(stdout, kt_json_get_string(f, "reason"));
		kt_print("\n");
	}
}

static int findings_report(bool json, struct findings *findings, const char *where)
{
	size_t count = kt_json_size(findings->problems);
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *answer = NULL;
	int status = KT_EXIT_OK;

	if (!json) {
		findings_print(findings->warnings, "warning: ");
		findings_print(findings->problems, "");
	}
	if (count > 0) {
		(void)kt_error_set(&err, KT_E_EVENT_INVALID, "%.300s: %zu problem%s", where, count,
			count == 1 ? "" : "s");
		kt_error_next(&err, "correct the lines named above, or restore the file from git");
	}
	answer = kt_json_new_object();
	kt_json_set_bool(answer, "valid", count == 0);
	kt_json_set_int(answer, "rows", (int64_t)findings->rows);
	kt_json_set(answer, "problems", kt_json_copy(findings->problems));
	kt_json_set(answer, "warnings", kt_json_copy(findings->warnings));
	if (count > 0)
		return kt_fail_with(json, &err, answer);
	if (json)
		kt_print_json(answer);
	else
		kt_print("%s: %zu rows, valid\n", where, findings->rows);
	kt_json_free(answer);
	return status;
}

static int folder_validate(bool json, const char *dir)
{
	struct folder folder = {0};
	struct findings findings = {kt_json_new_array(), kt_json_new_array(), 0};
	struct kt_error err = KT_ERROR_INIT;
	int status = 0;

	if (folder_read(dir, &folder, &err) != KT_E_OK) {
		status = kt_fail(json, &err);
	} else {
		folder_check(&folder, &findings);
		status = findings_report(json, &findings, folder.log_path);
	}
	folder_release(&folder);
	kt_json_free(findings.problems);
	kt_json_free(findings.warnings);
	return status;
}

/* The committed log of a mission: the reader itself refuses what is not valid. */
static int mission_validate(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct findings findings = {kt_json_new_array(), kt_json_new_array(), 0};
	struct kt_view *view = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int status = 0;

	if (kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err) !=
			KT_E_OK ||
		kt_view_load(context.repo, context.mission, &view, &err) != KT_E_OK) {
		status = kt_context_fail(&context, invocation->json, &err);
	} else {
		log_check(&findings, context.mission->log_path, view->log, view->log_len);
		status = findings_report(invocation->json, &findings, context.mission->log_path);
	}
	kt_view_free(view);
	kt_json_free(findings.problems);
	kt_json_free(findings.warnings);
	kt_context_release(&context);
	return status;
}

static int run(struct kt_invocation *invocation)
{
	const char *dir = kt_invocation_value(invocation, "dir");

	return dir != NULL ? folder_validate(invocation->json, dir) : mission_validate(invocation);
}

const struct kt_command kt_command_status_validate = {
	.summary = "name every row of an event log that kitty refuses",
	.arguments = "[--dir MISSION_FOLDER]",
	.help = "Names file, line and reason. With --dir no repository is needed.",
	.options = options,
	.run = run,
};
