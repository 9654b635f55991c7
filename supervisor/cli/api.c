/*
 * The envelope of orchestrator-api, and how its commands start and fail. Process: a command.
 * Prints exactly one line on standard output whatever happens.
 */
#include "supervisor/cli/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "supervisor/cli/output.h"
#include "supervisor/status/event.h"

static const struct {
	enum kt_code code;
	const char *text;
} codes[] = {
	{KT_E_USAGE, "USAGE_ERROR"},
	{KT_E_MISSION_NOT_FOUND, "MISSION_NOT_FOUND"},
	{KT_E_MISSION_AMBIGUOUS_SELECTOR, "MISSION_NOT_FOUND"},
	{KT_E_FEATURE_CONTEXT_UNRESOLVED, "MISSION_NOT_FOUND"},
	{KT_E_NOT_A_REPOSITORY, "MISSION_NOT_FOUND"},
	{KT_E_STATUS_READ_PATH_NOT_FOUND, "STATUS_READ_PATH_NOT_FOUND"},
	{KT_E_COORDINATION_BRANCH_DELETED, "STATUS_READ_PATH_NOT_FOUND"},
	{KT_E_WP_NOT_FOUND, "WP_NOT_FOUND"},
	{KT_E_WP_ALREADY_CLAIMED, "WP_ALREADY_CLAIMED"},
	{KT_E_DEPENDENCIES_NOT_SATISFIED, "DEPENDENCIES_NOT_SATISFIED"},
	{KT_E_TRANSITION_REJECTED, "TRANSITION_REJECTED"},
	{KT_E_STATUS_CONFLICT, "TRANSITION_REJECTED"},
	{KT_E_WP_NOT_FINALIZED, "TRANSITION_REJECTED"},
	{KT_E_LANE_ALLOCATION_FAILED, "LANE_ALLOCATION_FAILED"},
	{KT_E_LANE_HEAD_MISMATCH, "LANE_ALLOCATION_FAILED"},
	{KT_E_LANE_BRANCH_MISSING, "LANE_ALLOCATION_FAILED"},
	{KT_E_LANE_BUSY, "LANE_ALLOCATION_FAILED"},
	{KT_E_LANE_NOT_FOUND, "LANE_ALLOCATION_FAILED"},
	{KT_E_BRANCH_CHECKED_OUT_ELSEWHERE, "LANE_ALLOCATION_FAILED"},
	{KT_E_BOOKKEEPING_WORKTREE_MISSING, "LANE_ALLOCATION_FAILED"},
};

const char *kt_api_code(enum kt_code code, const char *fallback)
{
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].code == code)
			return codes[i].text;
	return fallback;
}

/* One line always, also on a terminal. Takes data. */
static void envelope_print(const char *command, const char *error_code, struct kt_json *data)
{
	struct kt_json *envelope = kt_json_new_object();
	struct kt_buffer text = KT_BUFFER_INIT;
	unsigned char random[16];
	char name[64], now[33], correlation[38] = "corr-";

	(void)snprintf(name, sizeof name, "orchestrator-api.%s", command);
	kt_time_format(kt_clock_wall_us(), now);
	kt_random_bytes(random, sizeof random);
	for (size_t i = 0; i < sizeof random; i++)
		(void)snprintf(correlation + 5 + 2 * i, 3, "%02x", random[i]);
	kt_json_set_string(envelope, "contract_version", KT_API_CONTRACT);
	kt_json_set_string(envelope, "command", name);
	kt_json_set_string(envelope, "timestamp", now);
	kt_json_set_string(envelope, "correlation_id", correlation);
	kt_json_set_bool(envelope, "success", error_code == NULL);
	kt_json_set_string(envelope, "error_code", error_code);
	kt_json_set(envelope, "data", data);
	kt_json_write(envelope, KT_JSON_COMPACT, &text);
	kt_print("%s\n", kt_buffer_text(&text));
	kt_buffer_release(&text);
	kt_json_free(envelope);
}

static void message_set(struct kt_json *data, const struct kt_error *err)
{
	char *message = kt_format("%s%s%s", kt_error_summary(err->code),
		err->detail[0] == '\0' ? "" : ": ", err->detail);
	char *next_step = kt_next_step(err);

	kt_json_set_string(data, "message", message);
	kt_json_set_string(data, "kitty_code", kt_error_text(err->code));
	kt_json_set_string(data, "next_step", next_step);
	free(next_step);
	free(message);
}

int kt_api_fail_usage(const struct kt_error *err)
{
	struct kt_json *data = kt_json_new_object();

	message_set(data, err);
	envelope_print("unknown", "USAGE_ERROR", data);
	return KT_EXIT_USAGE;
}

const char *kt_api_value(const struct kt_api *api, const char *option)
{
	return kt_invocation_value(api->invocation, option);
}

enum kt_code kt_api_mission(struct kt_api *api, struct kt_error *err)
{
	return kt_context_mission(&api->context, kt_api_value(api, "mission"), err);
}

void kt_api_identity(struct kt_api *api, const struct kt_json *meta)
{
	const struct kt_json *number = kt_json_get(meta, "mission_number");

	kt_json_set_string(api->data, "mission_slug", api->context.mission->slug);
	kt_json_set(api->data, "mission_number",
		number == NULL ? kt_json_new_null() : kt_json_copy(number));
	kt_json_set_string(api->data, "mission_type", kt_json_get_string(meta, "mission_type"));
}

static enum kt_code required_check(
	const struct kt_api *api, const struct kt_api_command *command, struct kt_error *err)
{
	for (const char *const *name = command->required; name != NULL && *name != NULL; name++)
		if (!kt_invocation_has(api->invocation, *name))
			return kt_error_set(err, KT_E_USAGE, "--%s is needed", *name);
	return KT_E_OK;
}

/* The repository an orchestrator means, wherever it was started. */
static enum kt_code root_enter(struct kt_error *err)
{
	const char *root = kt_environment_value("SPECIFY_REPO_ROOT");

	if (root == NULL || chdir(root) == 0)
		return KT_E_OK;
	return kt_error_sys(err, KT_E_NOT_A_REPOSITORY, errno, "SPECIFY_REPO_ROOT is %.200s", root);
}

int kt_api_run(const struct kt_invocation *invocation, const struct kt_api_command *command)
{
	struct kt_api api = {invocation, KT_CONTEXT_INIT, kt_json_new_object(), NULL};
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = required_check(&api, command, &err);
	int status = code == KT_E_OK ? KT_EXIT_OK : KT_EXIT_FAILED;

	if (code == KT_E_OK)
		code = root_enter(&err);
	if (code == KT_E_OK)
		code = command->run(&api, &err);
	if (code == KT_E_USAGE) {
		kt_json_free(api.data);
		status = kt_api_fail_usage(&err);
	} else if (code != KT_E_OK) {
		message_set(api.data, &err);
		envelope_print(command->name,
			api.error_code != NULL ? api.error_code
					       : kt_api_code(code, command->refusal),
			api.data);
		status = KT_EXIT_FAILED;
	} else {
		envelope_print(command->name, NULL, api.data);
	}
	kt_context_release(&api.context);
	return status;
}
