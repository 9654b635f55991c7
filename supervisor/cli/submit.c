/*
 * One request to the one writer of a mission. Process: a command.
 */
#include "supervisor/cli/submit.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/client.h"
#include "ipc/clock.h"
#include "ipc/message.h"
#include "supervisor/cli/outbox.h"
#include "supervisor/cli/output.h"
#include "supervisor/status/event.h"
#include "supervisor/transaction/reader.h"
#include "supervisor/transaction/writer.h"

/* A queue of requests, each with a hook at its deadline. */
#define APPEND_TIMEOUT_MS 600000
/* How often a waiting command looks for a supervisor. */
#define HOLDER_CHECK_MS 250

static const char *first_event_id(const struct kt_json *request)
{
	return kt_json_get_string(kt_json_first(kt_json_get(request, "ops")), "event_id");
}

/* Ids that a repetition can name. The writer makes its own when it is in this process. The first
 * event's id tells the others: they are its successors. */
static void event_ids_mint(struct kt_json *request)
{
	const char *before = NULL;

	for (struct kt_json *op = kt_json_first(kt_json_get(request, "ops")); op != NULL;
		op = kt_json_next(op)) {
		unsigned char random[10];
		char id[27];

		if (kt_json_get(op, "event_id") == NULL) {
			kt_random_bytes(random, sizeof random);
			if (before == NULL || !kt_ulid_successor(before, id))
				kt_ulid_format((uint64_t)(kt_clock_wall_us() / 1000), random, id);
			kt_json_set_string(op, "event_id", id);
		}
		before = kt_json_get_string(op, "event_id");
	}
}

static enum kt_code send_once(struct kt_context *context, struct kt_json *request,
	struct kt_json **outcome, struct kt_error *err)
{
	struct kt_client *client = NULL;
	enum kt_code code = kt_supervisor_connect(context, "client", &client, err);

	if (code != KT_E_OK)
		return code;
	event_ids_mint(request);
	code = kt_client_call(
		client, KT_MSG_APPEND_REQUEST, request, APPEND_TIMEOUT_MS, outcome, err);
	kt_client_close(client);
	return code;
}

/* ---- the writer in this process ---- */

struct answer {
	struct kt_json *outcome;
};

static void on_outcome(const struct kt_json *outcome, void *arg)
{
	struct answer *answer = arg;

	kt_json_free(answer->outcome);
	answer->outcome = kt_json_copy(outcome);
}

static void on_notice(const char *line, void *arg)
{
	(void)arg;
	kt_print_notice("%s", line);
}

/* A supervisor has come to hold the lock that we wait for: it answers requests, the lock it keeps.
 */
static bool supervisor_appeared(const struct kt_context *context)
{
	struct kt_json *holder = kt_holder_read(context->mission);
	int64_t pid = 0;
	bool appeared = kt_json_get_string(holder, "socket") != NULL &&
			kt_json_get_int(holder, "pid", &pid) && pid != (int64_t)getpid();

	kt_json_free(holder);
	return appeared;
}

/* False: a supervisor holds the lock now, and nothing was written. */
static bool writer_drive(const struct kt_context *context, struct kt_writer *writer)
{
	int64_t check_at = kt_clock_monotonic_ms() + HOLDER_CHECK_MS;
	struct kt_wait wait = {-1, -1};

	while (!kt_writer_turn(writer, &wait)) {
		struct pollfd slot = {.fd = wait.fd, .events = POLLIN};
		int64_t now = kt_clock_monotonic_ms();
		int64_t until = wait.deadline_ms >= 0 && wait.deadline_ms < check_at
					? wait.deadline_ms
					: check_at;

		(void)poll(&slot, wait.fd >= 0 ? 1 : 0, until > now ? (int)(until - now) : 0);
		if (kt_clock_monotonic_ms() < check_at)
			continue;
		if (supervisor_appeared(context))
			return false;
		check_at = kt_clock_monotonic_ms() + HOLDER_CHECK_MS;
	}
	return true;
}

/* An agent that outlives its supervisor is still its lane. */
static const char *lane_of_agent(const struct kt_context *context)
{
	const char *mission = kt_environment_value("SPEC_KITTY_MISSION");
	const char *lane = kt_environment_value("SPEC_KITTY_LANE");

	if (mission == NULL || lane == NULL || kt_environment_value("SPEC_KITTY_SOCKET") == NULL ||
		strcmp(mission, context->mission->slug) != 0)
		return NULL;
	return lane;
}

static enum kt_code writer_open(struct kt_context *context, const char *holder,
	struct kt_writer **writer, struct kt_error *err)
{
	struct kt_writer_options options = {.repo = context->repo,
		.mission = context->mission,
		.holder_command = holder,
		.on_notice = on_notice};
	enum kt_code code = kt_context_config(context, err);

	if (code != KT_E_OK)
		return code;
	options.hook_timeout_ms = (int)context->config->hook_timeout_ms;
	options.sign = context->config->sign_bookkeeping;
	if (context->config->has_protected)
		options.protected_branches =
			(const char *const *)context->config->protected_branches;
	return kt_writer_new(&options, writer, err);
}

/* *outcome stays NULL when a supervisor took over. */
static enum kt_code write_here(struct kt_context *context, const struct kt_json *request,
	const char *command, struct kt_json **outcome, struct kt_error *err)
{
	struct answer answer = {NULL};
	struct kt_writer *writer = NULL;
	char *holder = kt_format("kitty %s", command);
	enum kt_code code = writer_open(context, holder, &writer, err);

	if (code == KT_E_OK) {
		kt_writer_submit(writer, request, lane_of_agent(context), on_outcome, &answer);
		if (writer_drive(context, writer)) {
			*outcome = answer.outcome;
			answer.outcome = NULL;
		}
	}
	kt_writer_free(writer);
	kt_json_free(answer.outcome);
	free(holder);
	return code;
}

enum kt_code kt_submit_nothing(
	struct kt_context *context, const char *command, struct kt_error *err)
{
	struct kt_writer *writer = NULL;
	char *holder = kt_format("kitty %s", command);
	enum kt_code code = KT_E_OK;

	if (!supervisor_appeared(context))
		code = writer_open(context, holder, &writer, err);
	if (code == KT_E_OK && writer != NULL)
		code = kt_writer_acquire(writer, err);
	kt_writer_free(writer);
	free(holder);
	return code;
}

/* ---- both ways ---- */

static enum kt_code hook_check(struct kt_error *err)
{
	const char *in_hook = kt_environment_value("SPEC_KITTY_IN_HOOK");

	if (in_hook == NULL)
		return KT_E_OK;
	return kt_error_set(err, KT_E_HOOK_REENTRY,
		"this process runs inside a hook of a bookkeeping commit (pid %.20s)", in_hook);
}

static enum kt_code deliver(struct kt_context *context, struct kt_json *request,
	const char *command, struct kt_json **outcome, struct kt_error *err)
{
	struct kt_error first = KT_ERROR_INIT;
	enum kt_code code = send_once(context, request, outcome, &first);

	/* The answer was lost: the same ids again are the same request. */
	if (code == KT_E_OUTCOME_UNKNOWN)
		code = send_once(context, request, outcome, &first);
	if (code == KT_E_SUPERVISOR_ABSENT) {
		code = write_here(context, request, command, outcome, err);
		if (code == KT_E_OK && *outcome == NULL)
			return send_once(context, request, outcome, err);
		/* The receipt is there and the lock is free. */
		if (code == KT_E_OK && kt_json_get(*outcome, "receipt") != NULL)
			kt_outbox_after_commit(context);
		return code;
	}
	if (code != KT_E_OK)
		*err = first;
	return code;
}

static void warnings_print(const struct kt_json *outcome)
{
	const struct kt_json *list = kt_json_get(outcome, "warnings");

	for (const struct kt_json *w = kt_json_first(list); w != NULL; w = kt_json_next(w))
		if (kt_json_string(w) != NULL)
			kt_print_notice("warning: %s", kt_json_string(w));
}

/* Whoever asks again must be able to say which event it was. */
static void unknown_name(
	const struct kt_json *request, const struct kt_json *outcome, struct kt_error *err)
{
	const char *id = first_event_id(request);
	struct kt_error cause = *err;

	if (id == NULL)
		id = kt_json_string(kt_json_first(kt_json_get(outcome, "event_ids")));
	if (err->code == KT_E_OUTCOME_UNKNOWN && id != NULL)
		(void)kt_error_set(
			err, KT_E_OUTCOME_UNKNOWN, "%.400s (event id %s)", cause.detail, id);
}

enum kt_code kt_submit(struct kt_context *context, struct kt_json *request, const char *command,
	struct kt_json **outcome, struct kt_error *err)
{
	enum kt_code code = hook_check(err);

	*outcome = NULL;
	if (first_event_id(request) != NULL)
		event_ids_mint(request);
	if (code == KT_E_OK)
		code = deliver(context, request, command, outcome, err);
	if (code == KT_E_OK)
		code = kt_outcome_code(*outcome, err);
	if (code == KT_E_OK)
		warnings_print(*outcome);
	else
		unknown_name(request, *outcome, err);
	return code;
}
