/*
 * What a re-run of kitty merge has to know and cannot see in refs and log: the strategy that was
 * chosen, the resolutions people made. Runs in the command. Must never decide whether a step is
 * done: refs and log do.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/file.h"
#include "supervisor/merge_private.h"

enum { STATE_MAX = 1 << 20 };

static char *state_path(const struct kt_mission *mission)
{
	return kt_path_join(mission->run_dir, "merge.json");
}

void kt_merge_state_load(struct kt_merge_run *run)
{
	char *path = state_path(run->options->mission);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error ignored = KT_ERROR_INIT;

	if (kt_file_read(path, STATE_MAX, &text, &ignored) != KT_E_OK ||
		kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &run->state,
			&ignored) != KT_E_OK)
		run->state = NULL;
	kt_buffer_release(&text);
	free(path);
}

enum kt_code kt_merge_state_save(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	char *path = state_path(mission);
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = kt_folder_make(mission->run_dir, 0700, err);

	if (run->state == NULL)
		run->state = kt_json_new_object();
	kt_json_set_string(run->state, "mission_id", mission->mission_id);
	kt_json_set_string(run->state, "mission_slug", mission->slug);
	kt_json_set_string(run->state, "target_branch", mission->target_branch);
	kt_json_set_string(run->state, "strategy", run->strategy);
	kt_json_write(run->state, KT_JSON_PRETTY_RAW, &text);
	kt_buffer_putc(&text, '\n');
	if (code == KT_E_OK)
		code = kt_file_write_atomic(path, text.data, text.len, 0600, true, err);
	kt_buffer_release(&text);
	free(path);
	return code;
}

void kt_merge_state_drop(const struct kt_mission *mission)
{
	char *path = state_path(mission);

	(void)unlink(path);
	free(path);
}

void kt_failpoint(const char *name)
{
#ifndef KITTY_FAILPOINTS
	(void)name;
#else
	const char *wanted =
		getenv("SPEC_KITTY_FAILPOINT"); /* NOLINT(concurrency-mt-unsafe): no threads */

	if (wanted != NULL && strcmp(wanted, name) == 0)
		(void)raise(SIGKILL);
#endif
}

void kt_merge_notice(const struct kt_merge_run *run, const char *format, ...)
{
	struct kt_buffer line = KT_BUFFER_INIT;
	va_list args;

	va_start(args, format);
	kt_buffer_vprintf(&line, format, args);
	va_end(args);
	if (run->options->on_notice != NULL)
		run->options->on_notice(kt_buffer_text(&line), run->options->arg);
	kt_buffer_release(&line);
}
