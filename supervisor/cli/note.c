/*
 * Notes, for add-history and orchestrator-api. Process: a command.
 */
#include "supervisor/cli/note.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "supervisor/cli/submit.h"
#include "supervisor/status/event.h"
#include "supervisor/transaction/request.h"

enum kt_code kt_note_add(struct kt_context *context, const struct kt_note *note,
	struct kt_json **outcome, struct kt_error *err)
{
	struct kt_json *request = kt_request_new(note->command);
	struct kt_json *delta = kt_json_new_object();
	char now[33];
	char *line = NULL;
	enum kt_code code = KT_E_OK;

	kt_time_format(kt_clock_wall_us() / 1000000 * 1000000, now);
	line = kt_format("- [%.19sZ] %s: %s", now, note->actor, note->text);
	kt_json_set_string(delta, "note", line);
	(void)kt_request_add_annotation(request, note->wp_id, note->actor, delta);
	if (note->text[strspn(note->text, " \t\r\n")] == '\0')
		code = kt_error_set(err, KT_E_INVALID_ARGUMENT, "the note is empty");
	if (code == KT_E_OK)
		code = kt_request_check(request, err);
	if (code == KT_E_OK)
		code = kt_submit(context, request, note->command, outcome, err);
	kt_json_free(request);
	free(line);
	return code;
}
