/*
 * kitty agent status emit: one move of one work package, the low-level command on the write path.
 * Process: a command.
 */
#include <string.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/write.h"
#include "supervisor/transaction/request.h"

static const struct kt_option options[] = {
	{"to", 0, "STATUS", false, "where the work package goes"},
	{"actor", 0, "NAME", false, "who moves it"},
	{"from", 0, "STATUS", false, "where it is believed to be; a conflict when it is elsewhere"},
	{"reason", 0, "TEXT", false, "why"},
	KT_OPTION_EVENT_ID,
	{"review-ref", 0, "REF", false, "the review it refers to"},
	{"review-result", 0, "JSON", false, "{reviewer, verdict, reference}"},
	{"evidence", 0, "JSON", false, "{review: {...}, ...}"},
	{"policy-metadata", 0, "JSON", false, "free object kept with the event"},
	{"override-reason", 0, "TEXT", false,
		"named override: make a move that the rules do not know, for this reason"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

/* Options that become members of the op: as text, as a status, as JSON. */
static const struct {
	const char *option, *member;
	bool is_json;
} members[] = {
	{"reason", "reason", false},
	{"event-id", "event_id", false},
	{"review-ref", "review_ref", false},
	{"review-result", "review_result", true},
	{"evidence", "evidence", true},
	{"policy-metadata", "policy_metadata", true},
};

static enum kt_code member_set(
	struct kt_json *op, size_t row, const char *value, struct kt_error *err)
{
	struct kt_json *parsed = NULL;

	if (!members[row].is_json) {
		kt_json_set_string(op, members[row].member, value);
		return KT_E_OK;
	}
	if (kt_json_parse(value, strlen(value), KT_JSON_NO_DUPLICATES, &parsed, err) != KT_E_OK ||
		!kt_json_is(parsed, KT_JSON_OBJECT)) {
		kt_json_free(parsed);
		return kt_error_set(err, KT_E_INVALID_ARGUMENT, "--%s takes a JSON object",
			members[row].option);
	}
	kt_json_set(op, members[row].member, parsed);
	return KT_E_OK;
}

static enum kt_code override_set(
	const struct kt_invocation *invocation, struct kt_json *op, struct kt_error *err)
{
	const char *override = kt_invocation_value(invocation, "override-reason");

	if (override == NULL)
		return KT_E_OK;
	if (kt_invocation_has(invocation, "reason"))
		return kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"--override-reason is the reason; leave out --reason");
	kt_json_set_bool(op, "force", true);
	kt_json_set_string(op, "reason", override);
	return KT_E_OK;
}

static enum kt_code request_build(
	const struct kt_invocation *invocation, struct kt_json *request, struct kt_error *err)
{
	const char *actor = kt_invocation_value(invocation, "actor");
	const char *to_text = kt_invocation_value(invocation, "to");
	const char *from_text = kt_invocation_value(invocation, "from");
	enum kt_status to = KT_STATUS_NONE;
	enum kt_status from = KT_STATUS_NONE;
	struct kt_json *op = NULL;
	enum kt_code code = kt_wp_argument(invocation->arguments[0], err);

	if (code == KT_E_OK && (to_text == NULL || actor == NULL))
		code = kt_error_set(err, KT_E_USAGE, "--to STATUS and --actor NAME are needed");
	if (code == KT_E_OK)
		code = kt_status_argument("--to", to_text, &to, err);
	if (code == KT_E_OK && from_text != NULL)
		code = kt_status_argument("--from", from_text, &from, err);
	if (code != KT_E_OK)
		return code;
	op = kt_request_add_move(request, invocation->arguments[0], to, actor);
	if (from != KT_STATUS_NONE)
		kt_json_set_string(op, "from", kt_status_name(from));
	for (size_t i = 0; i < sizeof members / sizeof members[0] && code == KT_E_OK; i++)
		if (kt_invocation_has(invocation, members[i].option))
			code = member_set(
				op, i, kt_invocation_value(invocation, members[i].option), err);
	if (code == KT_E_OK)
		code = override_set(invocation, op, err);
	return code == KT_E_OK ? kt_request_check(request, err) : code;
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *request = kt_request_new("emit");
	struct kt_error err = KT_ERROR_INIT;
	int status = 0;

	if (request_build(invocation, request, &err) != KT_E_OK)
		status = kt_fail(invocation->json, &err);
	else if (kt_context_open_mission(
			 &context, kt_invocation_value(invocation, "mission"), &err) != KT_E_OK)
		status = kt_context_fail(&context, invocation->json, &err);
	else
		status = kt_submit_and_report(invocation, &context, request);
	kt_json_free(request);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_status_emit = {
	.summary = "move one work package: one event, one commit",
	.arguments = "WP --to STATUS --actor NAME",
	.help = "Prints the receipt once the event is committed on the coordination branch. A move "
		"of a\n"
		"work package that another actor holds, or that is not where --from says, is a "
		"conflict\n"
		"(exit 5); a move that the rules do not allow is refused (exit 4). After a "
		"rejection by a\n"
		"hook everything is as before (exit 8).",
	.options = options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
