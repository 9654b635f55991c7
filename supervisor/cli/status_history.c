/*
 * kitty agent status history: who moved what, when, with which override. Process: a command. Never
 * writes; reads the committed log.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/write.h"
#include "supervisor/status/event.h"
#include "supervisor/transaction/reader.h"

static const struct kt_option options[] = {
	{"wp", 0, "WP", false, "only this work package"},
	{"since", 0, "TIME", false, "only from this time on (ISO 8601), or after this event id"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

struct filter {
	const char *wp;
	const char *since_id; /* rows after this one */
	int64_t since;        /* microseconds; INT64_MIN: all */
	bool was_seen;        /* since_id */
};

/* The status as people and readers of existing logs know it: a done row of an integration says so.
 */
static const char *event_name(const struct kt_event *event)
{
	const struct kt_json *metadata = kt_json_get(event->row, "policy_metadata");
	const char *phase = kt_json_get_string(metadata, "merge_phase");

	if (event->kind == KT_EVENT_MOVE)
		return phase != NULL && strcmp(phase, "lane_integrated") == 0 ? phase
									      : "transition";
	if (event->kind == KT_EVENT_ANNOTATION)
		return "annotation";
	return kt_json_get_string(event->row, "event_type");
}

static void member_copy(struct kt_json *row, const char *name, const struct kt_json *from)
{
	const struct kt_json *value = kt_json_get(from, name);

	kt_json_set(row, name, value == NULL ? kt_json_new_null() : kt_json_copy(value));
}

/* A forced row is an override: its reason is why somebody went round the rules. */
static struct kt_json *override_of(const struct kt_event *event)
{
	struct kt_json *given = NULL;

	if (event->kind != KT_EVENT_MOVE || !event->force)
		return kt_json_new_null();
	given = kt_json_new_object();
	kt_json_set_string(given, "actor", event->actor);
	member_copy(given, "reason", event->row);
	return given;
}

static struct kt_json *entry_of(const struct kt_event *event)
{
	static const char *const members[] = {"reason", "review_ref", "evidence", "review_result",
		"policy_metadata", "execution_mode"};
	struct kt_json *row = kt_json_new_object();
	bool is_move = event->kind == KT_EVENT_MOVE;

	kt_json_set_string(row, "event", event_name(event));
	kt_json_set_string(row, "event_id", event->event_id);
	kt_json_set_string(row, "at",
		event->at != NULL ? event->at : kt_json_get_string(event->row, "timestamp"));
	kt_json_set_string(row, "wp_id", event->wp_id);
	kt_json_set_string(row, "from_lane", is_move ? kt_status_name(event->from) : NULL);
	kt_json_set_string(row, "to_lane", is_move ? kt_status_name(event->to) : NULL);
	kt_json_set_string(row, "actor",
		event->actor != NULL ? event->actor : kt_json_get_string(event->row, "actor"));
	kt_json_set_bool(row, "force", is_move && event->force);
	kt_json_set(row, "override", override_of(event));
	for (size_t i = 0; is_move && i < sizeof members / sizeof members[0]; i++)
		member_copy(row, members[i], event->row);
	if (event->kind == KT_EVENT_ANNOTATION)
		member_copy(row, "delta", event->row);
	return row;
}

static bool is_wanted(struct filter *filter, const struct kt_event *event)
{
	const char *id = event->event_id != NULL ? event->event_id
						 : kt_json_get_string(event->row, "event_id");
	const char *at =
		event->at != NULL ? event->at : kt_json_get_string(event->row, "timestamp");
	int64_t time = 0;

	if (filter->since_id != NULL && !filter->was_seen) {
		filter->was_seen = id != NULL && strcmp(id, filter->since_id) == 0;
		return false;
	}
	if (filter->wp != NULL && (event->wp_id == NULL || strcmp(filter->wp, event->wp_id) != 0))
		return false;
	return filter->since == INT64_MIN ||
	       (at != NULL && kt_time_parse(at, &time) && time >= filter->since);
}

/* In the plan, or in the log of a plan that has changed since. */
static bool is_known_wp(const struct kt_view *view, const char *wp_id)
{
	struct kt_wp_state state = {0};

	return kt_reducer_wp(view->state, wp_id, &state) ||
	       (view->plan != NULL && kt_plan_find_wp(view->plan, wp_id) != NULL);
}

static enum kt_code history_build(const struct kt_view *view, struct filter *filter,
	struct kt_json *out, struct kt_error *err)
{
	const char *at = view->log;
	const char *end = view->log + view->log_len;
	enum kt_code code = KT_E_OK;

	while (at < end && code == KT_E_OK) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		size_t len = line_end == NULL ? (size_t)(end - at) : (size_t)(line_end - at);
		struct kt_event event = {0};

		code = kt_event_decode(at, len, &event, err);
		if (code == KT_E_OK && event.kind != KT_EVENT_BLANK && is_wanted(filter, &event))
			kt_json_append(out, entry_of(&event));
		kt_event_release(&event);
		at += len + 1;
	}
	if (code == KT_E_OK && filter->wp != NULL && !is_known_wp(view, filter->wp))
		return kt_error_set(err, KT_E_WP_NOT_FOUND, "%s", filter->wp);
	if (code == KT_E_OK && filter->since_id != NULL && !filter->was_seen)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"--since: the log holds no event %s", filter->since_id);
	return code;
}

static enum kt_code filter_read(
	const struct kt_invocation *invocation, struct filter *filter, struct kt_error *err)
{
	const char *since = kt_invocation_value(invocation, "since");
	char *midnight = NULL;
	bool is_time = false;

	filter->since = INT64_MIN;
	filter->wp = kt_invocation_value(invocation, "wp");
	if (filter->wp != NULL && kt_wp_argument(filter->wp, err) != KT_E_OK)
		return err->code;
	if (since == NULL)
		return KT_E_OK;
	if (kt_ulid_is_valid(since)) {
		filter->since_id = since;
		return KT_E_OK;
	}
	midnight = kt_format("%sT00:00:00Z", since);
	is_time = kt_time_parse(since, &filter->since) || kt_time_parse(midnight, &filter->since);
	free(midnight);
	return is_time ? KT_E_OK
		       : kt_error_set(err, KT_E_INVALID_ARGUMENT,
				 "--since takes a time like 2026-11-21T08:00:00Z or an event id, "
				 "not `%.60s`",
				 since);
}

static void line_print(const struct kt_json *entry)
{
	const struct kt_json *override = kt_json_get(entry, "override");
	const char *from = kt_json_get_string(entry, "from_lane");
	const char *event = kt_json_get_string(entry, "event");
	const char *wp = kt_json_get_string(entry, "wp_id");
	const char *actor = kt_json_get_string(entry, "actor");
	const char *reason = kt_json_get_string(entry, "reason");
	const char *note = kt_json_get_string(kt_json_get(entry, "delta"), "note");
	bool is_forced = kt_json_is(override, KT_JSON_OBJECT);

	kt_print("%.19s  %-5s ",
		kt_json_get_string(entry, "at") == NULL ? "-" : kt_json_get_string(entry, "at"),
		wp == NULL ? "-" : wp);
	if (from == NULL)
		kt_print("%s", event == NULL ? "?" : event);
	else if (strcmp(event, "lane_integrated") == 0)
		kt_print("%s (%s -> %s)", event, from, kt_json_get_string(entry, "to_lane"));
	else
		kt_print("%s -> %s", from, kt_json_get_string(entry, "to_lane"));
	kt_print(" [");
	kt_print_safe(stdout, actor == NULL ? "-" : actor);
	kt_print("]%s", is_forced ? "  OVERRIDE" : "");
	if (reason == NULL || reason[0] == '\0')
		reason = note;
	if (reason != NULL && reason[0] != '\0') {
		kt_print(": ");
		kt_print_safe(stdout, reason);
	}
	kt_print("\n");
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_view *view = NULL;
	struct kt_json *answer = kt_json_new_object();
	struct kt_json *events = kt_json_new_array();
	struct kt_error err = KT_ERROR_INIT;
	struct filter filter = {0};
	enum kt_code code = filter_read(invocation, &filter, &err);
	int status = KT_EXIT_OK;

	kt_json_set(answer, "events", events);
	if (code == KT_E_OK)
		code = kt_context_mission(
			&context, kt_invocation_value(invocation, "mission"), &err);
	if (code == KT_E_OK)
		code = kt_view_load(context.repo, context.mission, &view, &err);
	if (code == KT_E_OK)
		code = history_build(view, &filter, events, &err);
	if (code != KT_E_OK) {
		status = kt_context_fail(&context, invocation->json, &err);
	} else if (invocation->json) {
		kt_json_set_string(answer, "mission_slug", context.mission->slug);
		kt_json_set_int(answer, "count", (int64_t)kt_json_size(events));
		kt_print_json(answer);
	} else {
		for (const struct kt_json *e = kt_json_first(events); e != NULL;
			e = kt_json_next(e))
			line_print(e);
	}
	kt_json_free(answer);
	kt_view_free(view);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_status_history = {
	.summary = "who moved what, when, and with which override",
	.arguments = "",
	.options = options,
	.run = run,
};
