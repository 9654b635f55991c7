/*
 * kitty watch: committed events as they come, without loss or duplicate. Process: a command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/client.h"
#include "ipc/message.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"
#include "supervisor/transaction/reader.h"

enum { ANSWER_TIMEOUT_MS = 30000 };

static const struct kt_option options[] = {
	{"since", 0, "EVENT_ID", false, "first what was committed after this event"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

struct watch {
	struct kt_client *client;
	bool json;
	int64_t seq; /* bytes of the log that were shown or skipped */
};

static const char *text_of(const struct kt_json *object, const char *key)
{
	const char *text = kt_json_get_string(object, key);

	return text == NULL ? "" : text;
}

static const char *actor_of(const struct kt_json *row)
{
	const struct kt_json *actor = kt_json_get(row, "actor");

	return kt_json_is(actor, KT_JSON_OBJECT) ? text_of(actor, "tool") : text_of(row, "actor");
}

/* A `done` row that integration wrote is called what it is. */
static const char *shown_status(const struct kt_json *row)
{
	const char *phase = text_of(kt_json_get(row, "policy_metadata"), "merge_phase");

	return strcmp(phase, "lane_integrated") == 0 ? "lane_integrated" : text_of(row, "to_lane");
}

static void row_print_text(const struct kt_json *row)
{
	const char *at = kt_json_get_string(row, "at");
	const char *reason = text_of(row, "reason");

	kt_print("%s ", at == NULL ? text_of(row, "timestamp") : at);
	if (kt_json_get_string(row, "to_lane") != NULL)
		kt_print("%s %s -> %s [%s]", text_of(row, "wp_id"), text_of(row, "from_lane"),
			shown_status(row), actor_of(row));
	else if (strcmp(text_of(row, "kind"), "annotation") == 0)
		kt_print("%s annotated [%s]", text_of(row, "wp_id"), actor_of(row));
	else
		kt_print("%s %s",
			kt_json_get_string(row, "event_type") == NULL ? text_of(row, "event_name")
								      : text_of(row, "event_type"),
			text_of(row, "aggregate_id"));
	if (reason[0] != '\0') {
		kt_print(": ");
		kt_print_safe(stdout, reason);
	}
	kt_print("\n");
}

static void row_print(const struct watch *watch, const char *commit, const char *text)
{
	struct kt_json *row = NULL;
	struct kt_json *line = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_buffer out = KT_BUFFER_INIT;

	if (kt_json_parse(text, strlen(text), KT_JSON_LAST_WINS, &row, &ignored) != KT_E_OK)
		return;
	if (!watch->json) {
		row_print_text(row);
		kt_json_free(row);
		return;
	}
	line = kt_json_new_object();
	kt_json_set_string(line, "type", "event");
	kt_json_set_string(line, "commit", commit);
	if (strcmp(shown_status(row), "lane_integrated") == 0)
		kt_json_set_string(line, "phase", "lane_integrated");
	kt_json_set(line, "event", row);
	/* One line per event, also on a terminal. */
	kt_json_write(line, KT_JSON_COMPACT, &out);
	kt_print("%s\n", kt_buffer_text(&out));
	kt_buffer_release(&out);
	kt_json_free(line);
}

static void event_print(struct watch *watch, const struct kt_json *body)
{
	const struct kt_json *rows = kt_json_get(body, "rows");

	for (const struct kt_json *at = kt_json_first(rows); at != NULL; at = kt_json_next(at))
		row_print(watch, kt_json_get_string(body, "commit"), kt_json_string(at));
	(void)kt_json_get_int(body, "seq", &watch->seq);
	(void)fflush(stdout);
}

/* since: an id, or NULL for from_seq (-1: from now on). */
static enum kt_code subscribe(
	struct watch *watch, const char *since, int64_t from_seq, struct kt_error *err)
{
	struct kt_json *body = kt_json_new_object();
	struct kt_json *answer = NULL;
	enum kt_code code = KT_E_OK;

	kt_json_set_string(body, "since", since);
	if (from_seq >= 0)
		kt_json_set_int(body, "seq", from_seq);
	kt_json_set_bool(body, "snapshot", false);
	code = kt_client_call(
		watch->client, KT_MSG_WATCH_REQUEST, body, ANSWER_TIMEOUT_MS, &answer, err);
	if (code == KT_E_OK && kt_message_error_decode(answer, err))
		code = err->code;
	if (code == KT_E_OK)
		(void)kt_json_get_int(answer, "seq", &watch->seq);
	kt_json_free(answer);
	kt_json_free(body);
	return code;
}

/* Until the supervisor ends. A snapshot instead of a backlog means that we were slow: what was left
 * out is asked for again, so nothing is missing. */
static enum kt_code follow(struct watch *watch, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	while (code == KT_E_OK && !ferror(stdout)) {
		struct kt_frame frame = KT_FRAME_INIT;
		bool has_frame = false;

		code = kt_client_receive(watch->client, -1, &frame, &has_frame, err);
		if (code == KT_E_OK && has_frame && frame.type == KT_MSG_EVENT)
			event_print(watch, frame.body);
		else if (code == KT_E_OK && has_frame && frame.type == KT_MSG_SNAPSHOT)
			code = subscribe(watch, NULL, watch->seq, err);
		kt_frame_release(&frame);
	}
	return code;
}

/* What is committed and was not shown, from the branch. since: the event after which to begin;
 * NULL: where the stream ended. */
static enum kt_code committed_print(
	struct watch *watch, struct kt_context *context, const char *since, struct kt_error *err)
{
	struct kt_view *view = NULL;
	size_t at = (size_t)watch->seq;
	size_t len = 0;
	enum kt_code code = kt_view_load(context->repo, context->mission, &view, err);

	if (code == KT_E_OK && since != NULL &&
		!kt_reducer_find_event(view->state, since, &at, &len))
		code = kt_error_set(
			err, KT_E_INVALID_ARGUMENT, "the log holds no event %.40s", since);
	for (at += len; code == KT_E_OK && at < view->log_len;) {
		const char *newline = memchr(view->log + at, '\n', view->log_len - at);
		size_t end = newline == NULL ? view->log_len : (size_t)(newline - view->log);
		char *row = kt_strndup(view->log + at, end - at);

		row_print(watch, NULL, row);
		free(row);
		at = end + 1;
	}
	(void)fflush(stdout);
	kt_view_free(view);
	return code;
}

/* The connection ended: the supervisor has, or it gave us up for being slow. Either way the stream
 * goes on where it was. */
static enum kt_code follow_all(
	struct watch *watch, struct kt_context *context, struct kt_error *err)
{
	struct kt_error absent = KT_ERROR_INIT;
	enum kt_code code = follow(watch, err);

	while (code == KT_E_SUPERVISOR_ABSENT && !ferror(stdout)) {
		kt_client_close(watch->client);
		watch->client = NULL;
		if (kt_supervisor_connect(context, "watcher", &watch->client, &absent) != KT_E_OK)
			return committed_print(watch, context, NULL, err);
		code = subscribe(watch, NULL, watch->seq, err);
		if (code == KT_E_OK)
			code = follow(watch, err);
	}
	return code;
}

static enum kt_code watch_run(
	struct watch *watch, struct kt_context *context, const char *since, struct kt_error *err)
{
	struct kt_error absent = KT_ERROR_INIT;
	enum kt_code code = kt_supervisor_connect(context, "watcher", &watch->client, &absent);

	if (code == KT_E_SUPERVISOR_ABSENT && since != NULL) {
		code = committed_print(watch, context, since, err);
		if (code == KT_E_OK)
			*err = absent;
		return code == KT_E_OK ? absent.code : code;
	}
	if (code != KT_E_OK) {
		*err = absent;
		return code;
	}
	code = subscribe(watch, since, -1, err);
	return code == KT_E_OK ? follow_all(watch, context, err) : code;
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct watch watch = {.json = invocation->json};
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err) !=
			KT_E_OK ||
		watch_run(&watch, &context, kt_invocation_value(invocation, "since"), &err) !=
			KT_E_OK)
		status = kt_context_fail(&context, invocation->json, &err);
	kt_client_close(watch.client);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_watch = {
	.summary = "show events as they are committed",
	.arguments = "[--since EVENT_ID]",
	.help = "Streams committed events, in the log's order, without loss or duplicate, until "
		"the "
		"supervisor\n"
		"ends. With --since it begins after that event. Without a supervisor it says so "
		"(exit 7), after\n"
		"what is committed since the event. With --json, one object per line.",
	.options = options,
	.is_stream = true,
	.run = run,
};
