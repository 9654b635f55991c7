/*
 * kitty agent status materialize: the snapshot of a log, printed. Process: a command. Never writes
 * a file.
 */
#include <stdio.h>
#include <stdlib.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/log_file.h"
#include "supervisor/cli/output.h"
#include "supervisor/status/reduce.h"
#include "supervisor/transaction/reader.h"

static const struct kt_option options[] = {
	{"dir", 0, "MISSION_FOLDER", false,
		"folder with status.events.jsonl and meta.json; no repository needed"},
	{"stdout", 0, NULL, false, "print the snapshot (the only form: nothing is ever written)"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

static void snapshot_print(const struct kt_reducer *reducer, const struct kt_json *meta)
{
	char number[32] = "";
	char type[128] = "";
	struct kt_snapshot_identity identity = {number, type};
	struct kt_buffer snapshot = KT_BUFFER_INIT;

	kt_snapshot_identity_from_meta(meta, number, type);
	kt_reducer_snapshot(reducer, &identity, &snapshot);
	(void)fwrite(snapshot.data, 1, snapshot.len, stdout);
	kt_buffer_release(&snapshot);
}

static enum kt_code meta_read(const char *dir, struct kt_json **meta, struct kt_error *err)
{
	char *path = kt_format("%s/%s", dir, KT_META_NAME);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error inner = KT_ERROR_INIT;
	bool found = false;
	enum kt_code code = kt_text_read(path, &text, &found, err);

	if (code == KT_E_OK && found &&
		kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, meta, &inner) !=
			KT_E_OK)
		code = kt_error_set(err, KT_E_META_INVALID, "%.300s: %.150s", path, inner.detail);
	kt_buffer_release(&text);
	free(path);
	return code;
}

static enum kt_code folder_materialize(const char *dir, struct kt_error *err)
{
	char *path = kt_format("%s/%s", dir, KT_LOG_NAME);
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct kt_error inner = KT_ERROR_INIT;
	struct kt_json *meta = NULL;
	bool found = false;
	enum kt_code code = kt_folder_check(dir, err);

	if (code == KT_E_OK)
		code = kt_text_read(path, &log, &found, err);
	if (code == KT_E_OK)
		code = meta_read(dir, &meta, err);
	if (code == KT_E_OK &&
		kt_reducer_feed(reducer, kt_buffer_text(&log), log.len, &inner) != KT_E_OK)
		code = kt_error_set(err, inner.code, "%.200s: %.250s", path, inner.detail);
	if (code == KT_E_EVENT_INVALID)
		kt_error_next(err, "kitty agent status validate --dir %.180s", dir);
	if (code == KT_E_OK)
		snapshot_print(reducer, meta);
	kt_json_free(meta);
	kt_buffer_release(&log);
	kt_reducer_free(reducer);
	free(path);
	return code;
}

static int mission_materialize(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_view *view = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int status = 0;

	if (kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err) !=
			KT_E_OK ||
		kt_view_load(context.repo, context.mission, &view, &err) != KT_E_OK)
		status = kt_context_fail(&context, invocation->json, &err);
	else
		snapshot_print(view->state, view->meta);
	kt_view_free(view);
	kt_context_release(&context);
	return status;
}

static int run(struct kt_invocation *invocation)
{
	const char *dir = kt_invocation_value(invocation, "dir");
	struct kt_error err = KT_ERROR_INIT;

	if (dir == NULL)
		return mission_materialize(invocation);
	if (folder_materialize(dir, &err) != KT_E_OK)
		return kt_fail(invocation->json, &err);
	return KT_EXIT_OK;
}

const struct kt_command kt_command_status_materialize = {
	.summary = "print the snapshot (status.json) of an event log",
	.arguments = "[--dir MISSION_FOLDER] --stdout",
	.help = "With --dir, the log of that folder, inside a repository or not; a missing or "
		"empty log is\n"
		"an empty mission. Without it, the committed log of the mission. Writes nothing.",
	.options = options,
	.run = run,
};
