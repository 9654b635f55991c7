/*
 * kitty stop: ends the supervisor, or single lanes of it. Process: a command.
 */
#include <stdlib.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/client.h"
#include "ipc/message.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"

enum { GONE_MS = 10000 };

static const struct kt_option options[] = {KT_OPTION_MISSION, KT_OPTION_END};

static struct kt_json *question(const struct kt_invocation *invocation)
{
	struct kt_json *body = kt_json_new_object();
	struct kt_json *lanes = kt_json_new_array();

	for (size_t i = 0; i < invocation->arguments_len; i++)
		kt_json_append(lanes, kt_json_new_string(invocation->arguments[i]));
	if (invocation->arguments_len > 0)
		kt_json_set(body, "lanes", lanes);
	else
		kt_json_free(lanes);
	return body;
}

static enum kt_code stop(const struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json **answer, struct kt_error *err)
{
	struct kt_client *client = NULL;
	struct kt_json *body = question(invocation);
	int64_t pid = 0;
	int64_t start_time = 0;
	enum kt_code code = kt_supervisor_connect(context, "client", &client, err);

	if (code == KT_E_OK) {
		(void)kt_json_get_int(kt_client_hello(client), "pid", &pid);
		(void)kt_json_get_int(kt_client_hello(client), "start_time", &start_time);
		code = kt_client_call(client, KT_MSG_STOP_REQUEST, body, -1, answer, err);
	}
	if (code == KT_E_OK && kt_message_error_decode(*answer, err))
		code = err->code;
	/* A supervisor that is killed meanwhile is stopped, too. */
	if (invocation->arguments_len == 0 && pid > 0 &&
		(code == KT_E_OK || code == KT_E_OUTCOME_UNKNOWN)) {
		code = KT_E_OK;
		/* The answer comes a moment before the process is gone. */
		if (!kt_process_await((pid_t)pid, (uint64_t)start_time, GONE_MS))
			code = kt_error_set(
				err, KT_E_TIMEOUT, "pid %lld is still there", (long long)pid);
	}
	kt_client_close(client);
	kt_json_free(body);
	return code;
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *answer = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;
	enum kt_code code =
		kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err);

	if (code == KT_E_OK)
		code = stop(invocation, &context, &answer, &err);
	if (code != KT_E_OK)
		status = kt_context_fail(&context, invocation->json, &err);
	else if (invocation->json && answer != NULL)
		kt_print_json(answer);
	else if (invocation->json)
		kt_print("{\"result\": \"success\"}\n");
	else if (invocation->arguments_len == 0)
		kt_print("supervisor of %s stopped\n", context.mission->slug);
	else
		for (size_t i = 0; i < invocation->arguments_len; i++)
			kt_print("%s stopped\n", invocation->arguments[i]);
	kt_json_free(answer);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_stop = {
	.summary = "stop the supervisor, or single lanes",
	.arguments = "[LANE...]",
	.help = "In order: no new work, agents are asked to end (TERM, grace, KILL), receipts go "
		"out. "
		"Work\n"
		"packages stay where they are; `kitty launch` goes on with them. Returns when all "
		"of "
		"it is gone.",
	.options = options,
	.max_arguments = KT_ARGUMENTS_MAX,
	.run = run,
};
