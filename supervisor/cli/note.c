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
	struct kt_json *op = NULL;
	int64_t at = kt_clock_wall_us();
	char now[33];
	char *line = NULL;
	enum kt_code code = KT_E_OK;

	if (note->event_id != NULL && kt_ulid_is_valid(note->event_id))
		at = (int64_t)kt_ulid_time(note->event_id) * 1000;
	kt_time_format(at / 1000000 * 1000000, now);
	line = kt_format("- [%.19sZ] %s: %s", now, note->actor, note->text);
	kt_json_set_string(delta, "note", line);
	op = kt_request_add_annotation(request, note->wp_id, note->actor, delta);
	if (note->event_id != NULL)
		kt_json_set_string(op, "event_id", note->event_id);
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
