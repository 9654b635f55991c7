/*
 * Requests and outcomes as JSON: builders, the shape check, the one table of commit messages.
 * Runs in commands (which build) and in the writer (which checks). Must never decide legality: that
 * is admit.c's.
 */
#include "supervisor/transaction/request.h"

#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"
#include "supervisor/status/event.h"

enum member_type { TEXT, NAME, FLAG, OBJECT, STATUS, WP, ULID };

#define NAME_MAX_BYTES 200 /* of an actor */

/* One row per member an op may have: in which ops, and whether it must be there. */
struct member {
	const char *name;
	enum member_type type;
	const char *ops;      /* first letters of the ops that know it: m, a, l */
	const char *required; /* of those, the ops that need it */
};

static const struct member members[] = {
	{"op", TEXT, "mal", "mal"},
	{"wp", WP, "ma", "ma"},
	{"to", STATUS, "m", "m"},
	{"from", STATUS, "m", ""},
	{"actor", NAME, "ma", "a"},
	{"reason", TEXT, "m", ""},
	{"force", FLAG, "m", ""},
	{"if_needed", FLAG, "m", ""},
	{"review_ref", TEXT, "m", ""},
	{"execution_mode", TEXT, "m", ""},
	{"evidence", OBJECT, "m", ""},
	{"review_result", OBJECT, "m", ""},
	{"policy_metadata", OBJECT, "m", ""},
	{"delta", OBJECT, "a", "a"},
	{"event_type", TEXT, "l", "l"},
	{"aggregate_id", TEXT, "l", "l"},
	{"aggregate_type", TEXT, "l", "l"},
	{"payload", OBJECT, "l", "l"},
	{"event_id", ULID, "mal", ""},
};

static const struct member *member_find(const char *name)
{
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

/* An actor stands in commit messages, tables and prompts: one line of text, and something to see.
 */
static bool is_name(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > NAME_MAX_BYTES || text[0] == ' ' || text[len - 1] == ' ')
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	/* What was no UTF-8 has become the replacement character on its way here. */
	return strstr(text, "\xef\xbf\xbd") == NULL;
}

static bool has_type(const struct kt_json *value, enum member_type type)
{
	const char *text = kt_json_string(value);

	if (type == FLAG)
		return kt_json_is(value, KT_JSON_BOOL);
	if (type == OBJECT)
		return kt_json_is(value, KT_JSON_OBJECT) || kt_json_is(value, KT_JSON_NULL);
	if ((type == TEXT || type == NAME) && kt_json_is(value, KT_JSON_NULL))
		return true;
	if (text == NULL)
		return false;
	if (type == NAME)
		return is_name(text);
	if (type == STATUS)
		return kt_status_from_name(text) != KT_STATUS_NONE;
	if (type == WP)
		return kt_wp_id_is_valid(text);
	return type != ULID || kt_ulid_is_valid(text);
}

static enum kt_code check_member(const struct kt_json *value, char op, struct kt_error *err)
{
	const char *name = kt_json_key(value);
	const struct member *member = member_find(name);

	if (member == NULL || strchr(member->ops, op) == NULL)
		return kt_error_set(
			err, KT_E_INVALID_ARGUMENT, "unknown member '%.40s' in an op", name);
	if (!has_type(value, member->type))
		return kt_error_set(err, KT_E_INVALID_ARGUMENT, "'%s' has no valid form%s%.60s",
			name, kt_json_string(value) ? ": " : "",
			kt_json_string(value) ? kt_json_string(value) : "");
	return KT_E_OK;
}

static enum kt_code check_op(const struct kt_json *op, struct kt_error *err)
{
	const char *kind = kt_json_get_string(op, "op");
	struct kt_buffer size = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	if (kind == NULL || (strcmp(kind, "move") != 0 && strcmp(kind, "annotate") != 0 &&
				    strcmp(kind, "lifecycle") != 0))
		return kt_error_set(
			err, KT_E_INVALID_ARGUMENT, "an op is move, annotate or lifecycle");
	for (struct kt_json *m = kt_json_first(op); m != NULL && code == KT_E_OK;
		m = kt_json_next(m))
		code = check_member(m, kind[0], err);
	for (size_t i = 0; i < sizeof members / sizeof members[0] && code == KT_E_OK; i++)
		if (strchr(members[i].required, kind[0]) != NULL &&
			kt_json_get(op, members[i].name) == NULL)
			code = kt_error_set(err, KT_E_INVALID_ARGUMENT,
				"an op of kind %s needs '%s'", kind, members[i].name);
	if (code != KT_E_OK)
		return code;
	kt_json_write(op, KT_JSON_ROW, &size);
	/* The row adds a few hundred bytes of its own; half the limit keeps every written row below
	 * it. */
	if (size.len > KT_ROW_WRITE_MAX - 2048)
		code = kt_error_set(err, KT_E_LIMIT, "an event of %zu bytes; one row may have %u",
			size.len, KT_ROW_WRITE_MAX);
	kt_buffer_release(&size);
	return code;
}

static enum kt_code check_unique_ids(const struct kt_json *ops, struct kt_error *err)
{
	for (struct kt_json *op = kt_json_first(ops); op != NULL; op = kt_json_next(op)) {
		const char *id = kt_json_get_string(op, "event_id");

		for (struct kt_json *o = kt_json_next(op); id != NULL && o != NULL;
			o = kt_json_next(o)) {
			const char *other = kt_json_get_string(o, "event_id");

			if (other != NULL && strcmp(id, other) == 0)
				return kt_error_set(err, KT_E_DOUBLE_EVENT_ID, "%s", id);
		}
	}
	return KT_E_OK;
}

static enum kt_code check_file(const struct kt_json *file, struct kt_error *err)
{
	const char *path = kt_json_get_string(file, "path");
	const char *blob = kt_json_get_string(file, "blob");
	struct kt_oid oid = {{0}};

	if (path == NULL || blob == NULL || !kt_oid_parse(blob, &oid) || kt_json_size(file) != 2)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT, "a file is {path, blob}");
	if (strncmp(path, "kitty-specs/", 12) != 0 || strstr(path, "/../") != NULL ||
		strstr(path, "//") != NULL || strstr(path, "/./") != NULL)
		return kt_error_set(err, KT_E_SAFE_COMMIT_PATH_POLICY,
			"%.200s is not in the mission's folder", path);
	return KT_E_OK;
}

static bool is_commit_or_absent(const struct kt_json *wish, const char *name)
{
	const struct kt_json *value = kt_json_get(wish, name);
	struct kt_oid ignored = {{0}};

	return value == NULL ||
	       (kt_json_string(value) != NULL && kt_oid_parse(kt_json_string(value), &ignored));
}

/* A lane's merge goes with exactly one move to done; the target's (no lane) with no op at all. */
static enum kt_code check_integrate(const struct kt_json *wish, const struct kt_json *ops,
	const struct kt_json *files, struct kt_error *err)
{
	const struct kt_json *op = kt_json_first(ops);
	const char *to = kt_json_get_string(op, "to");

	if (wish == NULL)
		return KT_E_OK;
	if (!kt_json_is(wish, KT_JSON_OBJECT) || files != NULL ||
		!is_commit_or_absent(wish, "commit") || !is_commit_or_absent(wish, "resolution") ||
		(kt_json_get(wish, "commit") == NULL && kt_json_get(wish, "lane") == NULL))
		return kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"'integrate' is {commit, lane, resolution} without files");
	if (kt_json_get(wish, "lane") == NULL && kt_json_size(ops) == 0)
		return KT_E_OK;
	if (kt_json_get_string(wish, "lane") == NULL || kt_json_size(ops) != 1 || to == NULL ||
		strcmp(to, kt_status_name(KT_STATUS_DONE)) != 0)
		return kt_error_set(err, KT_E_INVALID_ARGUMENT,
			"an integration moves one work package of its lane to done");
	return KT_E_OK;
}

enum kt_code kt_request_check(const struct kt_json *request, struct kt_error *err)
{
	static const char *const known[] = {
		"ops", "message", "files", "operation", "integrate", NULL};
	const struct kt_json *ops = kt_json_get(request, "ops");
	const struct kt_json *files = kt_json_get(request, "files");
	enum kt_code code = KT_E_OK;

	if (!kt_json_is(request, KT_JSON_OBJECT) || !kt_json_is(ops, KT_JSON_ARRAY))
		return kt_error_set(
			err, KT_E_INVALID_ARGUMENT, "a request is an object with a list 'ops'");
	for (struct kt_json *m = kt_json_first(request); m != NULL; m = kt_json_next(m)) {
		size_t i = 0;

		while (known[i] != NULL && strcmp(known[i], kt_json_key(m)) != 0)
			i++;
		if (known[i] == NULL)
			return kt_error_set(err, KT_E_INVALID_ARGUMENT,
				"unknown member '%.40s' in a request", kt_json_key(m));
	}
	code = check_integrate(kt_json_get(request, "integrate"), ops, files, err);
	if (code != KT_E_OK)
		return code;
	if (kt_json_size(ops) == 0 && kt_json_size(files) == 0 &&
		kt_json_get(request, "integrate") == NULL)
		return kt_error_set(
			err, KT_E_SAFE_COMMIT_EMPTY_CHANGESET, "a request without ops or files");
	for (struct kt_json *op = kt_json_first(ops); op != NULL && code == KT_E_OK;
		op = kt_json_next(op))
		code = check_op(op, err);
	for (struct kt_json *f = kt_json_first(files); f != NULL && code == KT_E_OK;
		f = kt_json_next(f))
		code = check_file(f, err);
	return code == KT_E_OK ? check_unique_ids(ops, err) : code;
}

/* ---- builders ---- */

struct kt_json *kt_request_new(const char *operation)
{
	struct kt_json *request = kt_json_new_object();

	kt_json_set_string(request, "operation", operation);
	kt_json_set(request, "ops", kt_json_new_array());
	return request;
}

static struct kt_json *add_op(struct kt_json *request, const char *kind)
{
	struct kt_json *op = kt_json_new_object();

	kt_json_set_string(op, "op", kind);
	kt_json_append(kt_json_get(request, "ops"), op);
	return op;
}

struct kt_json *kt_request_add_move(
	struct kt_json *request, const char *wp_id, enum kt_status to, const char *actor)
{
	struct kt_json *op = add_op(request, "move");

	kt_json_set_string(op, "wp", wp_id);
	kt_json_set_string(op, "to", kt_status_name(to));
	kt_json_set_string(op, "actor", actor);
	return op;
}

struct kt_json *kt_request_add_annotation(
	struct kt_json *request, const char *wp_id, const char *actor, struct kt_json *delta)
{
	struct kt_json *op = add_op(request, "annotate");

	kt_json_set_string(op, "wp", wp_id);
	kt_json_set_string(op, "actor", actor);
	kt_json_set(op, "delta", delta);
	return op;
}

struct kt_json *kt_request_add_lifecycle(struct kt_json *request, const char *event_type,
	const char *aggregate_id, const char *aggregate_type, struct kt_json *payload)
{
	struct kt_json *op = add_op(request, "lifecycle");

	kt_json_set_string(op, "event_type", event_type);
	kt_json_set_string(op, "aggregate_id", aggregate_id);
	kt_json_set_string(op, "aggregate_type", aggregate_type);
	kt_json_set(op, "payload", payload);
	return op;
}

/* ---- commit messages: the one table ---- */

struct message_row {
	enum kt_status from, to; /* KT_STATUS_NONE: any */
	const char *format;      /* {wp} {from} {to} {actor} */
};

static const struct message_row message_rows[] = {
	{KT_STATUS_PLANNED, KT_STATUS_CLAIMED, "chore: {wp} claimed for implementation [{actor}]"},
	{KT_STATUS_CLAIMED, KT_STATUS_IN_PROGRESS, "chore: Start {wp} implementation [{actor}]"},
	{KT_STATUS_NONE, KT_STATUS_NONE, "chore: {wp} {from} -> {to} [{actor}]"},
};

static const char *message_format(enum kt_status from, enum kt_status to)
{
	size_t i = 0;

	while (message_rows[i].to != KT_STATUS_NONE &&
		(message_rows[i].from != from || message_rows[i].to != to))
		i++;
	return message_rows[i].format;
}

/* {name} in the format is replaced by the value of that name; values are names, value, name, value,
 * NULL. */
static char *fill(const char *format, const char *const *values)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	for (;;) {
		size_t len = strcspn(format, "{"), i = 0;

		kt_buffer_append(&text, format, len);
		format += len;
		if (*format == '\0')
			break;
		len = strcspn(format, "}") + 1;
		while (strlen(values[i]) + 2 != len ||
			strncmp(values[i], format + 1, len - 2) != 0) {
			i += 2;
			KT_BUG_UNLESS(values[i] != NULL);
		}
		kt_buffer_puts(&text, values[i + 1]);
		format += len;
	}
	return kt_buffer_take(&text);
}

static const struct kt_json *last_move(const struct kt_json *ops)
{
	const struct kt_json *found = NULL;

	for (struct kt_json *op = kt_json_first(ops); op != NULL; op = kt_json_next(op))
		if (strcmp(kt_json_get_string(op, "op"), "move") == 0)
			found = op;
	return found;
}

static char *annotation_message(const struct kt_json *op)
{
	const char *const values[] = {
		"wp", kt_json_get_string(op, "wp"), "actor", kt_json_get_string(op, "actor"), NULL};

	if (kt_json_get_string(op, "wp") == NULL)
		return kt_strdup("chore: lifecycle of the mission");
	return fill("chore: {wp} annotated [{actor}]", values);
}

char *kt_request_message(const struct kt_json *request, enum kt_status from)
{
	const struct kt_json *ops = kt_json_get(request, "ops");
	const struct kt_json *move = last_move(ops);
	const char *given = kt_json_get_string(request, "message");
	const char *actor = kt_json_get_string(move, "actor");
	enum kt_status to = KT_STATUS_NONE;

	if (given != NULL)
		return kt_strdup(given);
	if (move == NULL)
		return annotation_message(kt_json_first(ops));
	to = kt_status_from_name(kt_json_get_string(move, "to"));
	const char *const values[] = {"wp", kt_json_get_string(move, "wp"), "from",
		from == KT_STATUS_NONE ? "?" : kt_status_name(from), "to", kt_status_name(to),
		"actor", actor == NULL ? "unknown" : actor, NULL};
	return fill(message_format(from, to), values);
}

/* ---- outcomes ---- */

struct kt_json *kt_outcome_from_error(const struct kt_error *err)
{
	struct kt_json *outcome = kt_json_new_object();
	struct kt_json *error = kt_json_new_object();

	kt_json_set_string(error, "code", kt_error_text(err->code));
	kt_json_set_string(error, "message", kt_error_summary(err->code));
	kt_json_set_string(error, "detail", err->detail);
	kt_json_set_string(error, "next_step", kt_error_next_step(err));
	kt_json_set(outcome, "error", error);
	return outcome;
}

enum kt_code kt_outcome_code(const struct kt_json *outcome, struct kt_error *err)
{
	const struct kt_json *error = kt_json_get(outcome, "error");
	const char *detail = kt_json_get_string(error, "detail");
	const char *next_step = kt_json_get_string(error, "next_step");
	enum kt_code code = KT_E_OK;

	if (error == NULL && kt_json_is(kt_json_get(outcome, "receipt"), KT_JSON_OBJECT))
		return KT_E_OK;
	code = kt_error_from_text(kt_json_get_string(error, "code"));
	code = code == KT_E_OK ? KT_E_INTERNAL : code;
	(void)kt_error_set(err, code, "%s", detail == NULL ? "an answer without receipt" : detail);
	if (next_step != NULL)
		kt_error_next(err, "%s", next_step);
	return code;
}
