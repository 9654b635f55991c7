/*
 * Reading one row of the log, by the order of rules that decides what a row is. Pure.
 */
#include "supervisor/status/event.h"

#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"

static enum kt_code invalid(struct kt_error *err, const char *what, const char *name)
{
	return kt_error_set(err, KT_E_EVENT_INVALID, "%s%.80s", what, name);
}

/* ---- actors ---- */

static const char *const actor_keys[] = {"role", "profile", "tool", "model"};

static enum kt_code read_actor_object(
	const struct kt_json *actor, const char **out, struct kt_error *err)
{
	const char *tool = kt_json_get_string(actor, "tool");
	const char *role = kt_json_get_string(actor, "role");

	if (kt_json_size(actor) != 4)
		return invalid(err, "an actor object has the keys role, profile, tool, model", "");
	for (size_t i = 0; i < 4; i++) {
		const struct kt_json *value = kt_json_get(actor, actor_keys[i]);

		if (!kt_json_is(value, KT_JSON_STRING) && !kt_json_is(value, KT_JSON_NULL))
			return invalid(err, "invalid actor key: ", actor_keys[i]);
	}
	*out = tool != NULL && tool[0] != '\0' ? tool : role != NULL ? role : "";
	return KT_E_OK;
}

/* Scalars other than text are turned into text, as Python's str() would. */
static enum kt_code read_actor(const struct kt_json *actor, const char **out, struct kt_error *err)
{
	if (kt_json_is(actor, KT_JSON_OBJECT))
		return read_actor_object(actor, out, err);
	if (actor == NULL || kt_json_is(actor, KT_JSON_ARRAY))
		return invalid(err, "no valid 'actor'", "");
	if (kt_json_is(actor, KT_JSON_STRING))
		*out = kt_json_string(actor);
	else if (kt_json_is(actor, KT_JSON_NUMBER))
		*out = kt_json_number_text(actor);
	else if (kt_json_is(actor, KT_JSON_BOOL))
		*out = kt_json_is_truthy(actor) ? "True" : "False";
	else
		*out = "None";
	return KT_E_OK;
}

/* ---- transition rows (3.2) ---- */

static enum kt_code check_keys(const struct kt_json *object, const char *const *keys,
	const char *where, struct kt_error *err)
{
	if (!kt_json_is(object, KT_JSON_OBJECT))
		return invalid(err, "no object: ", where);
	for (size_t i = 0; keys[i] != NULL; i++)
		if (kt_json_get(object, keys[i]) == NULL)
			return kt_error_set(
				err, KT_E_EVENT_INVALID, "'%s' is missing in %s", keys[i], where);
	return KT_E_OK;
}

static enum kt_code check_list(const struct kt_json *list, const char *const *keys,
	const char *where, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	if (list == NULL || kt_json_is(list, KT_JSON_NULL))
		return KT_E_OK;
	if (!kt_json_is(list, KT_JSON_ARRAY))
		return invalid(err, "no list: ", where);
	for (struct kt_json *item = kt_json_first(list); item != NULL && code == KT_E_OK;
		item = kt_json_next(item))
		code = check_keys(item, keys, where, err);
	return code;
}

static const char *const review_keys[] = {"reviewer", "verdict", "reference", NULL};

static enum kt_code check_evidence(const struct kt_json *evidence, struct kt_error *err)
{
	static const char *const repo_keys[] = {"repo", "branch", "commit", NULL};
	static const char *const verification_keys[] = {"command", "result", "summary", NULL};
	enum kt_code code = KT_E_OK;

	if (!kt_json_is_truthy(evidence))
		return KT_E_OK;
	if (!kt_json_is(evidence, KT_JSON_OBJECT))
		return invalid(err, "'evidence' is no object", "");
	code = check_keys(kt_json_get(evidence, "review"), review_keys, "evidence.review", err);
	if (code == KT_E_OK)
		code = check_list(kt_json_get(evidence, "repos"), repo_keys, "evidence.repos", err);
	if (code == KT_E_OK)
		code = check_list(kt_json_get(evidence, "verification"), verification_keys,
			"evidence.verification", err);
	return code;
}

static enum kt_code read_text(
	const struct kt_json *row, const char *key, const char **out, struct kt_error *err)
{
	*out = kt_json_get_string(row, key);
	return *out != NULL
		       ? KT_E_OK
		       : kt_error_set(err, KT_E_EVENT_INVALID, "'%s' is missing or no text", key);
}

static enum kt_code read_status(
	const struct kt_json *row, const char *key, enum kt_status *out, struct kt_error *err)
{
	const char *name = NULL;
	enum kt_code code = read_text(row, key, &name, err);

	if (code != KT_E_OK)
		return code;
	*out = kt_status_from_name(name);
	return *out != KT_STATUS_NONE ? KT_E_OK
				      : kt_error_set(err, KT_E_EVENT_INVALID,
						"'%.40s' is not a valid status", name);
}

static enum kt_code decode_move(
	const struct kt_json *row, struct kt_event *event, struct kt_error *err)
{
	const struct kt_json *result = kt_json_get(row, "review_result");
	enum kt_code code = read_text(row, "event_id", &event->event_id, err);

	event->kind = KT_EVENT_MOVE;
	if (code == KT_E_OK)
		code = read_text(row, "wp_id", &event->wp_id, err);
	if (code == KT_E_OK)
		code = read_status(row, "from_lane", &event->from, err);
	if (code == KT_E_OK)
		code = read_status(row, "to_lane", &event->to, err);
	if (code == KT_E_OK)
		code = read_text(row, "at", &event->at, err);
	if (code == KT_E_OK)
		code = read_actor(kt_json_get(row, "actor"), &event->actor, err);
	if (code == KT_E_OK && (kt_json_get(row, "force") == NULL))
		code = invalid(err, "'force' is missing", "");
	if (code == KT_E_OK && kt_json_get(row, "execution_mode") == NULL)
		code = invalid(err, "'execution_mode' is missing", "");
	if (code == KT_E_OK)
		code = check_evidence(kt_json_get(row, "evidence"), err);
	if (code == KT_E_OK && kt_json_is_truthy(result))
		code = check_keys(result, review_keys, "review_result", err);
	event->force = kt_json_is_truthy(kt_json_get(row, "force"));
	event->mission_slug = kt_json_get_string(row, "mission_slug");
	if (event->mission_slug == NULL)
		event->mission_slug = kt_json_get_string(row, "feature_slug");
	if (event->mission_slug == NULL)
		event->mission_slug = "";
	return code;
}

/* ---- annotation rows (3.3) ---- */

static enum kt_code check_subtasks(const struct kt_json *subtasks, struct kt_error *err)
{
	if (subtasks == NULL || kt_json_is(subtasks, KT_JSON_NULL))
		return KT_E_OK;
	if (!kt_json_is(subtasks, KT_JSON_OBJECT))
		return invalid(err, "'subtasks' is no object", "");
	for (struct kt_json *s = kt_json_first(subtasks); s != NULL; s = kt_json_next(s))
		if (kt_status_from_name(kt_json_string(s)) == KT_STATUS_NONE)
			return invalid(err, "no valid status of subtask ", kt_json_key(s));
	return KT_E_OK;
}

static enum kt_code check_delta(const struct kt_json *delta, struct kt_error *err)
{
	static const char *const delta_review_keys[] = {"at", "actor", "wp_id", "reason", NULL};
	const struct kt_json *review = kt_json_get(delta, "review");
	enum kt_code code = KT_E_OK;

	if (!kt_json_is(delta, KT_JSON_OBJECT))
		return invalid(err, "'delta' is missing or no object", "");
	code = check_subtasks(kt_json_get(delta, "subtasks"), err);
	if (code == KT_E_OK && review != NULL && !kt_json_is(review, KT_JSON_NULL))
		code = check_keys(review, delta_review_keys, "delta.review", err);
	return code;
}

static enum kt_code decode_annotation(
	const struct kt_json *row, struct kt_event *event, struct kt_error *err)
{
	enum kt_code code = read_text(row, "event_id", &event->event_id, err);

	event->kind = KT_EVENT_ANNOTATION;
	if (code == KT_E_OK && !kt_ulid_is_valid(event->event_id))
		code = invalid(err, "no valid event id: ", event->event_id);
	if (code == KT_E_OK)
		code = read_text(row, "wp_id", &event->wp_id, err);
	if (code == KT_E_OK)
		code = read_text(row, "at", &event->at, err);
	if (code == KT_E_OK)
		code = read_actor(kt_json_get(row, "actor"), &event->actor, err);
	event->delta = kt_json_get(row, "delta");
	return code == KT_E_OK ? check_delta(event->delta, err) : code;
}

/* ---- what a row is ---- */

static bool is_retrospective_type(const char *type)
{
	static const char *const types[] = {
		"RetrospectiveCaptured", "RetrospectiveCaptureFailed", "RetrospectiveSkipped"};

	for (size_t i = 0; type != NULL && i < sizeof types / sizeof types[0]; i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

/* Skipped rows still have an id and a time: the writer stays behind them in order. */
static enum kt_code decode_skipped(
	const struct kt_json *row, enum kt_event_kind kind, struct kt_event *event)
{
	event->kind = kind;
	event->event_id = kt_json_get_string(row, "event_id");
	event->at = kt_json_get_string(row, "at");
	if (event->at == NULL)
		event->at = kt_json_get_string(row, "timestamp");
	return KT_E_OK;
}

static enum kt_code classify(
	const struct kt_json *row, struct kt_event *event, struct kt_error *err)
{
	const struct kt_json *kind = kt_json_get(row, "kind");
	const char *name = kt_json_get_string(row, "event_name");

	if (kind != NULL && !kt_json_is(kind, KT_JSON_NULL)) {
		const char *text = kt_json_string(kind);

		if (text != NULL && strcmp(text, "annotation") == 0)
			return decode_annotation(row, event, err);
		return invalid(err, "unknown event kind ", text == NULL ? "(no text)" : text);
	}
	if (name != NULL && strncmp(name, "retrospective.", 14) == 0)
		return decode_skipped(row, KT_EVENT_RETROSPECTIVE, event);
	if (is_retrospective_type(kt_json_get_string(row, "type")) ||
		kt_json_get(row, "event_type") != NULL)
		return decode_skipped(row, KT_EVENT_SKIPPED, event);
	return decode_move(row, event, err);
}

static size_t trim(const char **line, size_t len)
{
	while (len > 0 && strchr(" \t\r\n\v\f", (*line)[0]) != NULL && (*line)[0] != '\0') {
		(*line)++;
		len--;
	}
	while (len > 0 && (*line)[len - 1] != '\0' &&
		strchr(" \t\r\n\v\f", (*line)[len - 1]) != NULL)
		len--;
	return len;
}

enum kt_code kt_event_decode(
	const char *line, size_t len, struct kt_event *out, struct kt_error *err)
{
	struct kt_event event = {.kind = KT_EVENT_BLANK};
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	len = trim(&line, len);
	if (len == 0) {
		*out = event;
		return KT_E_OK;
	}
	if (len > KT_ROW_READ_MAX)
		return invalid(err, "a row beyond the limit of 16 MiB", "");
	if (kt_json_parse(line, len, KT_JSON_LAST_WINS, &event.row, &cause) != KT_E_OK)
		return invalid(err, "invalid JSON: ", cause.detail);
	if (!kt_json_is(event.row, KT_JSON_OBJECT))
		code = invalid(err, "expected a JSON object", "");
	if (code == KT_E_OK)
		code = classify(event.row, &event, err);
	if (code != KT_E_OK) {
		kt_json_free(event.row);
		return code;
	}
	*out = event;
	return KT_E_OK;
}

void kt_event_release(struct kt_event *event)
{
	kt_json_free(event->row);
	*event = (struct kt_event){.kind = KT_EVENT_BLANK};
}
