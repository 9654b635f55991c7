/*
 * Finding the supervisor's socket, or inside an agent the lane's. Process: a command. Never starts
 * a supervisor.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/client.h"
#include "ipc/message.h"
#include "supervisor/cli/submit.h"
#include "supervisor/transaction/reader.h"

/* The lane's socket, when this process belongs to an agent of this very mission. */
static const char *lane_socket(const struct kt_context *context)
{
	const char *mission = kt_environment_value("SPEC_KITTY_MISSION");
	const char *path = kt_environment_value("SPEC_KITTY_SOCKET");

	if (mission == NULL || path == NULL || strcmp(mission, context->mission->slug) != 0)
		return NULL;
	return path;
}

static enum kt_code client_open(struct kt_context *context, const char *path, const char *role,
	struct kt_client **out, struct kt_error *err)
{
	struct kt_json *hello = kt_json_new_object();
	enum kt_code code = KT_E_OK;

	kt_json_set_string(hello, "role", role);
	kt_json_set_string(hello, "mission", context->mission->slug);
	code = kt_client_open(path, hello, out, err);
	kt_json_free(hello);
	return code;
}

enum kt_code kt_supervisor_connect(
	struct kt_context *context, const char *role, struct kt_client **out, struct kt_error *err)
{
	const char *lane = strcmp(role, "client") == 0 ? lane_socket(context) : NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_json *holder = NULL;
	const char *path = NULL;
	enum kt_code code = KT_E_OK;

	if (lane != NULL && client_open(context, lane, "lane", out, &ignored) == KT_E_OK)
		return KT_E_OK;
	holder = kt_holder_read(context->mission);
	path = kt_json_get_string(holder, "socket");
	if (path != NULL)
		code = client_open(context, path, role, out, err);
	else
		code = kt_error_set(err, KT_E_SUPERVISOR_ABSENT, "%s", context->mission->slug);
	kt_json_free(holder);
	return code;
}

enum kt_code kt_supervisor_ask(struct kt_context *context, unsigned type,
	const struct kt_json *body, int timeout_ms, struct kt_json **answer, struct kt_error *err)
{
	struct kt_client *client = NULL;
	struct kt_json *got = NULL;
	enum kt_code code = kt_supervisor_connect(context, "client", &client, err);

	if (code == KT_E_OK)
		code = kt_client_call(client, type, body, timeout_ms, &got, err);
	if (code == KT_E_OK && kt_message_error_decode(got, err))
		code = err->code;
	kt_client_close(client);
	if (code == KT_E_OK)
		*answer = got;
	else
		kt_json_free(got);
	return code;
}
