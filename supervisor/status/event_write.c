/*
 * Writing rows with the bytes that spec-kitty would write. Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/status/event.h"

/* Facts about the machine and its user never enter the log (3.6). */
static const char *const private_keys[] = {
	"machine_name", "hostname", "workspace_path", "developer_name", "developer_email"};

static void sanitise(struct kt_json *value)
{
	for (size_t i = 0; i < sizeof private_keys / sizeof private_keys[0]; i++)
		if (kt_json_is(value, KT_JSON_OBJECT))
			kt_json_remove(value, private_keys[i]);
	if (!kt_json_is(value, KT_JSON_OBJECT) && !kt_json_is(value, KT_JSON_ARRAY))
		return;
	for (struct kt_json *child = kt_json_first(value); child != NULL;
		child = kt_json_next(child))
		sanitise(child);
}

/* The session times of 3.6 are keys of a row itself, and none of the rows below has them. */
static void write_row(struct kt_json *row, struct kt_buffer *out)
{
	sanitise(row);
	kt_json_write(row, KT_JSON_ROW, out);
	kt_buffer_putc(out, '\n');
	kt_json_free(row);
}

static void set_copy(struct kt_json *row, const char *key, const struct kt_json *value)
{
	kt_json_set(row, key, value == NULL ? kt_json_new_null() : kt_json_copy(value));
}

/* Empty lists are left out on write. */
static void drop_empty(struct kt_json *object, const char *key)
{
	const struct kt_json *list = kt_json_get(object, key);

	if (list != NULL && kt_json_size(list) == 0)
		kt_json_remove(object, key);
}

static struct kt_json *tidy_evidence(const struct kt_json *evidence)
{
	struct kt_json *copy = NULL;

	if (!kt_json_is_truthy(evidence))
		return kt_json_new_null();
	copy = kt_json_copy(evidence);
	for (struct kt_json *repo = kt_json_first(kt_json_get(copy, "repos")); repo != NULL;
		repo = kt_json_next(repo))
		drop_empty(repo, "files_touched");
	drop_empty(copy, "repos");
	drop_empty(copy, "verification");
	return copy;
}

void kt_move_row_encode(const struct kt_move_row *row, struct kt_buffer *out)
{
	struct kt_json *json = kt_json_new_object();

	kt_json_set_string(json, "event_id", row->event_id);
	kt_json_set_string(json, "mission_slug", row->mission_slug);
	kt_json_set_string(json, "wp_id", row->wp_id);
	kt_json_set_string(json, "from_lane", kt_status_name(row->from));
	kt_json_set_string(json, "to_lane", kt_status_name(row->to));
	kt_json_set_string(json, "at", row->at);
	kt_json_set_string(json, "actor", row->actor);
	kt_json_set_bool(json, "force", row->force);
	kt_json_set_string(json, "execution_mode", row->execution_mode);
	kt_json_set_string(json, "reason", row->reason);
	kt_json_set_string(json, "review_ref", row->review_ref);
	kt_json_set(json, "evidence", tidy_evidence(row->evidence));
	set_copy(json, "policy_metadata", row->policy_metadata);
	if (kt_json_is_truthy(row->review_result))
		set_copy(json, "review_result", row->review_result);
	if (row->mission_id != NULL)
		kt_json_set_string(json, "mission_id", row->mission_id);
	write_row(json, out);
}

/* ---- annotations: exactly the known keys, each of its type ---- */

enum delta_type { DELTA_TEXT, DELTA_INT, DELTA_STATUSES, DELTA_LIST, DELTA_REVIEW, DELTA_TRUE };

static const struct {
	const char *name;
	enum delta_type type;
} delta_keys[] = {
	{"shell_pid", DELTA_INT},
	{"subtasks", DELTA_STATUSES},
	{"note", DELTA_TEXT},
	{"tracker_refs", DELTA_LIST},
	{"tracker_refs_replace", DELTA_LIST},
	{"review", DELTA_REVIEW},
	{"shell_pid_created_at", DELTA_TEXT},
	{"agent", DELTA_TEXT},
	{"assignee", DELTA_TEXT},
	{"role", DELTA_TEXT},
	{"agent_profile", DELTA_TEXT},
	{"agent_profile_version", DELTA_TEXT},
	{"model", DELTA_TEXT},
	{"provider", DELTA_TEXT},
	{"release_runtime_claim", DELTA_TRUE},
};

static bool are_texts(const struct kt_json *container, bool must_be_statuses)
{
	for (struct kt_json *item = kt_json_first(container); item != NULL;
		item = kt_json_next(item))
		if (kt_json_string(item) == NULL ||
			(must_be_statuses &&
				kt_status_from_name(kt_json_string(item)) == KT_STATUS_NONE))
			return false;
	return true;
}

static bool has_delta_type(const struct kt_json *value, enum delta_type type)
{
	int64_t number = 0;

	if (type == DELTA_TEXT)
		return kt_json_is(value, KT_JSON_STRING);
	if (type == DELTA_INT)
		return kt_json_int(value, &number);
	if (type == DELTA_STATUSES)
		return kt_json_is(value, KT_JSON_OBJECT) && are_texts(value, true);
	if (type == DELTA_LIST)
		return kt_json_is(value, KT_JSON_ARRAY) && are_texts(value, false);
	if (type == DELTA_TRUE)
		return kt_json_is(value, KT_JSON_BOOL) && kt_json_is_truthy(value);
	return kt_json_size(value) == 4 && kt_json_get_string(value, "at") != NULL &&
	       kt_json_get_string(value, "actor") != NULL &&
	       kt_json_get_string(value, "wp_id") != NULL &&
	       kt_json_get_string(value, "reason") != NULL;
}

static enum kt_code check_delta_member(const struct kt_json *member, struct kt_error *err)
{
	for (size_t i = 0; i < sizeof delta_keys / sizeof delta_keys[0]; i++) {
		if (strcmp(delta_keys[i].name, kt_json_key(member)) != 0)
			continue;
		return has_delta_type(member, delta_keys[i].type)
			       ? KT_E_OK
			       : kt_error_set(err, KT_E_EVENT_INVALID,
					 "'%s' of a delta has another type", kt_json_key(member));
	}
	return kt_error_set(
		err, KT_E_EVENT_INVALID, "a delta has no key '%.40s'", kt_json_key(member));
}

static bool is_wp_id(const char *text)
{
	size_t digits = 0;

	if (text == NULL || strncmp(text, "WP", 2) != 0)
		return false;
	digits = strspn(text + 2, "0123456789");
	return digits > 0 && text[2 + digits] == '\0';
}

/* Empty texts (but for a note's) are normalised to absent. */
static struct kt_json *tidy_delta(const struct kt_json *delta)
{
	struct kt_json *copy = kt_json_copy(delta);

	for (size_t i = 0; i < sizeof delta_keys / sizeof delta_keys[0]; i++) {
		const char *text = kt_json_get_string(copy, delta_keys[i].name);

		if (text != NULL && text[0] == '\0' && strcmp(delta_keys[i].name, "note") != 0)
			kt_json_remove(copy, delta_keys[i].name);
	}
	return copy;
}

enum kt_code kt_annotation_row_encode(
	const struct kt_annotation_row *row, struct kt_buffer *out, struct kt_error *err)
{
	struct kt_json *json = NULL, *delta = NULL;
	enum kt_code code = KT_E_OK;

	if (!is_wp_id(row->wp_id) || !kt_ulid_is_valid(row->event_id))
		return kt_error_set(err, KT_E_EVENT_INVALID, "no valid work package or event id");
	if (!kt_json_is(row->delta, KT_JSON_OBJECT))
		return kt_error_set(err, KT_E_EVENT_INVALID, "a delta is an object");
	for (struct kt_json *m = kt_json_first(row->delta); m != NULL && code == KT_E_OK;
		m = kt_json_next(m))
		code = check_delta_member(m, err);
	if (code != KT_E_OK)
		return code;
	delta = tidy_delta(row->delta);
	if (kt_json_size(delta) == 0) {
		kt_json_free(delta);
		return kt_error_set(
			err, KT_E_EVENT_INVALID, "an annotation needs something to say");
	}
	json = kt_json_new_object();
	kt_json_set_string(json, "event_id", row->event_id);
	kt_json_set_string(json, "kind", "annotation");
	kt_json_set_string(json, "wp_id", row->wp_id);
	kt_json_set_string(json, "at", row->at);
	kt_json_set_string(json, "actor", row->actor);
	kt_json_set(json, "delta", delta);
	write_row(json, out);
	return KT_E_OK;
}

void kt_lifecycle_row_encode(const struct kt_lifecycle_row *row, struct kt_buffer *out)
{
	struct kt_json *json = kt_json_new_object();

	kt_json_set_string(json, "aggregate_id", row->aggregate_id);
	kt_json_set_string(json, "aggregate_type", row->aggregate_type);
	kt_json_set_string(json, "event_id", row->event_id);
	kt_json_set_string(json, "event_type", row->event_type);
	set_copy(json, "payload", row->payload);
	kt_json_set_string(json, "project_slug", row->project_slug);
	kt_json_set_string(json, "project_uuid", row->project_uuid);
	kt_json_set_string(json, "schema_version", "5.0.0");
	kt_json_set_string(json, "timestamp", row->timestamp);
	write_row(json, out);
}
