/*
 * Shared by the commands that write. Process: a command.
 */
#include "supervisor/cli/write.h"

#include "ipc/buffer.h"
#include "supervisor/cli/diagnostics.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"
#include "supervisor/mission/identity.h"

enum kt_code kt_status_argument(
	const char *option, const char *text, enum kt_status *out, struct kt_error *err)
{
	struct kt_buffer names = KT_BUFFER_INIT;
	enum kt_status status = kt_status_from_input(text);

	if (status != KT_STATUS_NONE) {
		*out = status;
		return KT_E_OK;
	}
	for (int i = 0; i < KT_STATUS_COUNT; i++)
		if (kt_status_is_displayed((enum kt_status)i))
			kt_buffer_printf(&names, " %s", kt_status_name((enum kt_status)i));
	(void)kt_error_set(err, KT_E_INVALID_ARGUMENT, "%s `%.40s` is no status; they are:%s",
		option, text, kt_buffer_text(&names));
	kt_buffer_release(&names);
	return KT_E_INVALID_ARGUMENT;
}

enum kt_code kt_wp_argument(const char *text, struct kt_error *err)
{
	if (kt_wp_id_is_valid(text))
		return KT_E_OK;
	return kt_error_set(
		err, KT_E_INVALID_ARGUMENT, "`%.40s` is no work package; ids look like WP01", text);
}

void kt_print_outcome(const struct kt_json *outcome)
{
	const struct kt_json *receipt = kt_json_get(outcome, "receipt");
	const struct kt_json *move = kt_json_first(kt_json_get(outcome, "moves"));

	for (; move != NULL; move = kt_json_next(move))
		kt_print("%s: %s -> %s [%s]\n", kt_json_get_string(move, "wp_id"),
			kt_json_get_string(move, "from_lane"), kt_json_get_string(move, "to_lane"),
			kt_json_get_string(move, "actor") == NULL
				? ""
				: kt_json_get_string(move, "actor"));
	kt_print("%s %.12s on %s\n",
		kt_json_get_bool(receipt, "is_noop", false) ? "recorded before in" : "committed",
		kt_json_get_string(receipt, "commit_sha"),
		kt_json_get_string(receipt, "destination_ref"));
}

int kt_submit_and_report(
	const struct kt_invocation *invocation, struct kt_context *context, struct kt_json *request)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *outcome = NULL;
	int status = KT_EXIT_OK;

	if (kt_submit(context, request, invocation->path, &outcome, &err) != KT_E_OK)
		status = kt_fail_outcome(invocation->json, outcome, &err);
	else if (invocation->json)
		kt_print_json(outcome);
	else
		kt_print_outcome(outcome);
	kt_json_free(outcome);
	return status;
}
