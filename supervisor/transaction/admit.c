/*
 * Admission: is this request legal on the state as it stands, and which rows does it add?
 * Runs inside the lock, after healing. Must leave the reducer untouched when
 * it refuses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/clock.h"
#include "supervisor/status/event.h"
#include "supervisor/transaction/admission.h"
#include "supervisor/transaction/stamp.h"

/* One row per kind of op. */
struct kind {
	const char *name;
	/* Of an op and a row that name one WP and one actor. */
	bool (*is_same)(const struct kt_json *op, const struct kt_json *row);
	enum kt_code (*admit)(struct admission *, struct kt_error *);
};

/* ---- events that are there already ---- */

/* Same content: what the caller chose is what the row says. Time and `from` are the writer's. */
static bool is_same_move(const struct kt_json *op, const struct kt_json *row)
{
	return kt_op_text_equal(kt_json_get_string(op, "to"), kt_json_get_string(row, "to_lane")) &&
	       kt_op_text_equal(
		       kt_json_get_string(op, "reason"), kt_json_get_string(row, "reason")) &&
	       kt_json_get_bool(op, "force", false) == kt_json_get_bool(row, "force", false);
}

static bool is_same_annotation(const struct kt_json *op, const struct kt_json *row)
{
	return kt_json_equal(kt_json_get(op, "delta"), kt_json_get(row, "delta"));
}

static bool is_same_lifecycle(const struct kt_json *op, const struct kt_json *row)
{
	static const char *const names[] = {"event_type", "aggregate_id", "aggregate_type"};
	bool is_same = kt_json_equal(kt_json_get(op, "payload"), kt_json_get(row, "payload"));

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		is_same &= kt_op_text_equal(
			kt_json_get_string(op, names[i]), kt_json_get_string(row, names[i]));
	return is_same;
}

static bool is_row_same(const struct admission *a, size_t offset, size_t len)
{
	const struct kt_buffer *log = &a->writer->new_log;
	struct kt_json *row = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_same = false;

	/* The reducer took it from there, and no request has one id twice. */
	KT_BUG_UNLESS(offset + len <= log->len);
	KT_BUG_UNLESS(kt_json_parse(log->data + offset, len, KT_JSON_LAST_WINS, &row, &ignored) ==
		      KT_E_OK);
	is_same = kt_op_text_equal(a->wp_id, kt_json_get_string(row, "wp_id")) &&
		  kt_op_text_equal(a->actor, kt_json_get_string(row, "actor")) &&
		  a->kind->is_same(a->op, row);
	kt_json_free(row);
	return is_same;
}

/* True when the op names an event that the log holds; *err is set when it holds other content. */
static bool is_repeated(struct admission *a, struct kt_error *err)
{
	const char *id = kt_json_get_string(a->op, "event_id");
	size_t offset = 0, len = 0;

	if (id == NULL || !kt_reducer_find_event(a->writer->state, id, &offset, &len))
		return false;
	if (!is_row_same(a, offset, len))
		(void)kt_error_set(err, KT_E_EVENT_ID_CONFLICT, "%s", id);
	a->repeated++;
	return true;
}

/* ---- rows ---- */

/* A log that others wrote may lack its last newline: without it the first new row would be glued to
 * theirs, and nobody could read either. */
static enum kt_code end_foreign_row(struct admission *a, struct kt_error *err)
{
	const struct kt_buffer *log = &a->writer->new_log;
	enum kt_code code = KT_E_OK;

	if (log->len == 0 || log->data[log->len - 1] == '\n' || a->pending->rows.len > 0)
		return KT_E_OK;
	code = kt_reducer_feed(a->writer->state, "\n", 1, err);
	if (code == KT_E_OK)
		kt_buffer_putc(&a->pending->rows, '\n');
	return code;
}

static enum kt_code feed_row(struct admission *a, const struct kt_buffer *row, const char *event_id,
	struct kt_error *err)
{
	enum kt_code code = end_foreign_row(a, err);

	if (code == KT_E_OK)
		code = kt_reducer_feed(a->writer->state, row->data, row->len, err);
	if (code != KT_E_OK)
		return code;
	kt_buffer_append(&a->pending->rows, row->data, row->len);
	kt_json_append(a->pending->event_ids, kt_json_new_string(event_id));
	return KT_E_OK;
}

static const char *chosen_id(const struct admission *a, const char *at, char minted[27])
{
	const char *given = kt_json_get_string(a->op, "event_id");

	if (given != NULL)
		return given;
	kt_stamp_event_id(a->writer->state, at, minted);
	return minted;
}

static void remember_move(const struct admission *a, enum kt_status to)
{
	struct kt_json *move = kt_json_new_object();

	kt_json_set_string(move, "wp_id", a->wp_id);
	kt_json_set_string(move, "from_lane", kt_status_name(a->from));
	kt_json_set_string(move, "to_lane", kt_status_name(to));
	kt_json_set_string(move, "actor", a->actor);
	kt_json_append(a->pending->moves, move);
}

/* What is integrated later is the commit that was approved, not a moving tip: the row names it.
 * *out stays: the caller named it, or the WP has no lane branch. */
static enum kt_code find_approval(
	const struct admission *a, struct kt_json **out, struct kt_error *err)
{
	const struct kt_json *given = kt_op_object(a->op, "policy_metadata");
	const struct kt_plan *plan = NULL;
	const struct kt_lane_plan *lane = NULL;
	struct kt_error cause = KT_ERROR_INIT;
	struct kt_oid tip = {{0}};

	if (kt_json_get_string(given, "approved_commit") != NULL)
		return KT_E_OK;
	if (kt_admission_plan(a, &plan, err) != KT_E_OK)
		return err->code;
	if (plan != NULL)
		lane = kt_lanes_of_wp(plan->lanes, a->wp_id);
	if (lane == NULL || strcmp(lane->id, "lane-planning") == 0)
		return KT_E_OK;
	/* A branch that cannot be read is not one that is not there: the row would bind nobody. */
	if (kt_writer_lane_tip(a->writer, lane->id, &tip, &cause) != KT_E_OK) {
		if (cause.code != KT_E_DESTINATION_REF_NOT_FOUND)
			*err = cause;
		return err->code;
	}
	*out = given != NULL ? kt_json_copy(given) : kt_json_new_object();
	kt_json_set_string(*out, "approved_commit", kt_oid_format(&tip).text);
	return KT_E_OK;
}

static enum kt_code write_move(
	struct admission *a, enum kt_status to, const char *mode, struct kt_error *err)
{
	const struct kt_mission *mission = a->writer->options.mission;
	char at[33], minted[27];
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_move_row row = {.mission_slug = mission->slug,
		.mission_id = mission->mission_id[0] != '\0' ? mission->mission_id : NULL,
		.wp_id = a->wp_id,
		.from = a->from,
		.to = to,
		.actor = a->actor,
		.force = kt_json_get_bool(a->op, "force", false),
		.execution_mode = mode,
		.reason = kt_json_get_string(a->op, "reason"),
		.review_ref = kt_json_get_string(a->op, "review_ref"),
		.evidence = kt_op_object(a->op, "evidence"),
		.policy_metadata = kt_op_object(a->op, "policy_metadata"),
		.review_result = kt_op_object(a->op, "review_result")};
	struct kt_json *approval = NULL;
	enum kt_code code = KT_E_OK;

	if (to == KT_STATUS_APPROVED && find_approval(a, &approval, err) != KT_E_OK)
		return err->code;
	if (approval != NULL)
		row.policy_metadata = approval;
	kt_stamp_at(a->writer->state, at);
	row.at = at;
	row.event_id = chosen_id(a, at, minted);
	kt_move_row_encode(&row, &text);
	kt_json_free(approval);
	remember_move(a, to);
	code = feed_row(a, &text, row.event_id, err);
	kt_buffer_release(&text);
	return code;
}

/* The same actor claiming again: what it asks for is the case, and the receipt of that commit
 * proves it. */
static bool is_own_claim(const struct admission *a, enum kt_status to)
{
	return to == KT_STATUS_CLAIMED && !kt_json_get_bool(a->op, "force", false) &&
	       (a->from == KT_STATUS_CLAIMED || a->from == KT_STATUS_IN_PROGRESS) &&
	       !kt_admission_is_held(a) &&
	       kt_json_size(kt_json_get(a->pending->request, "ops")) == 1;
}

static enum kt_code admit_move(struct admission *a, struct kt_error *err)
{
	enum kt_status to = kt_status_from_name(kt_json_get_string(a->op, "to"));
	const char *mode = kt_json_get_string(a->op, "execution_mode");
	enum kt_code code = kt_admission_check_wp(a, err);

	mode = mode == NULL ? "worktree" : mode;
	if (code != KT_E_OK)
		return code;
	if (kt_json_get_bool(a->op, "if_needed", false) && a->from == to)
		return KT_E_OK;
	if (is_own_claim(a, to))
		return kt_pending_repeat(a->writer, a->pending, a->wp.last_event_id, err);
	code = kt_admission_check_belief(a, err);
	if (code == KT_E_OK)
		code = kt_admission_check_move(a, to, mode, err);
	return code == KT_E_OK ? write_move(a, to, mode, err) : code;
}

static enum kt_code admit_annotation(struct admission *a, struct kt_error *err)
{
	char at[33], minted[27];
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_annotation_row row = {.wp_id = a->wp_id,
		.at = at,
		.actor = a->actor,
		.delta = kt_json_get(a->op, "delta")};
	enum kt_code code = kt_admission_check_wp(a, err);

	if (code != KT_E_OK)
		return code;
	kt_stamp_at(a->writer->state, at);
	row.event_id = chosen_id(a, at, minted);
	code = kt_annotation_row_encode(&row, &text, err);
	if (code == KT_E_OK)
		code = feed_row(a, &text, row.event_id, err);
	kt_buffer_release(&text);
	return code;
}

static enum kt_code admit_lifecycle(struct admission *a, struct kt_error *err)
{
	char at[33], minted[27];
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_lifecycle_row row = {.event_type = kt_json_get_string(a->op, "event_type"),
		.aggregate_id = kt_json_get_string(a->op, "aggregate_id"),
		.aggregate_type = kt_json_get_string(a->op, "aggregate_type"),
		.timestamp = at,
		.payload = kt_json_get(a->op, "payload")};
	enum kt_code code = KT_E_OK;

	kt_stamp_at(a->writer->state, at);
	row.event_id = chosen_id(a, at, minted);
	kt_lifecycle_row_encode(&row, &text);
	code = feed_row(a, &text, row.event_id, err);
	kt_buffer_release(&text);
	return code;
}

static const struct kind kinds[] = {
	{"move", is_same_move, admit_move},
	{"annotate", is_same_annotation, admit_annotation},
	{"lifecycle", is_same_lifecycle, admit_lifecycle},
};

static enum kt_code admit_op(struct admission *a, struct kt_error *err)
{
	const char *kind = kt_json_get_string(a->op, "op");
	struct kt_error other = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;
	size_t i = 0;

	a->wp_id = kt_json_get_string(a->op, "wp");
	a->actor = kt_json_get_string(a->op, "actor");
	a->wp = (struct kt_wp_state){0};
	while (strcmp(kinds[i].name, kind) != 0)
		i++;
	a->kind = &kinds[i];
	code = kt_admission_check_lane(a, err);
	if (code != KT_E_OK)
		return code;
	if (is_repeated(a, &other)) {
		if (other.code != KT_E_OK)
			*err = other;
		return other.code;
	}
	return a->kind->admit(a, err);
}

static enum kt_code check_files(const struct admission *a, struct kt_error *err)
{
	const struct kt_mission *mission = a->writer->options.mission;
	const struct kt_json *files = kt_json_get(a->pending->request, "files");
	size_t len = strlen(mission->folder);

	if (files != NULL && a->pending->lane != NULL)
		return kt_error_set(err, KT_E_LANE_FOREIGN_WP, "a lane may not change the plan");
	for (struct kt_json *f = kt_json_first(files); f != NULL; f = kt_json_next(f)) {
		const char *path = kt_json_get_string(f, "path");

		if (strncmp(path, mission->folder, len) != 0 || path[len] != '/' ||
			strcmp(path, mission->log_path) == 0 ||
			strcmp(path, mission->snapshot_path) == 0)
			return kt_error_set(err, KT_E_SAFE_COMMIT_PATH_POLICY, "%.200s", path);
	}
	return KT_E_OK;
}

enum kt_code kt_request_admit(
	struct kt_writer *writer, struct pending *pending, struct kt_error *err)
{
	struct admission a = {.writer = writer, .pending = pending};
	const struct kt_json *ops = kt_json_get(pending->request, "ops");
	size_t mark = kt_reducer_mark(writer->state);
	enum kt_code code = check_files(&a, err);

	kt_json_free(pending->moves);
	kt_json_free(pending->event_ids);
	pending->moves = kt_json_new_array();
	pending->event_ids = kt_json_new_array();
	kt_buffer_clear(&pending->rows);
	for (a.op = kt_json_first(ops); a.op != NULL && code == KT_E_OK; a.op = kt_json_next(a.op))
		code = admit_op(&a, err);
	if (code == KT_E_OK && a.repeated > 0 && pending->rows.len > 0)
		code = kt_error_set(err, KT_E_EVENT_ID_CONFLICT,
			"some events of this request are committed, others are not");
	if (code == KT_E_OK && a.repeated > 0 && a.repeated == kt_json_size(ops)) {
		for (struct kt_json *op = kt_json_first(ops); op != NULL; op = kt_json_next(op))
			kt_json_append(
				pending->event_ids, kt_json_copy(kt_json_get(op, "event_id")));
		code = kt_pending_repeat(
			writer, pending, kt_json_get_string(kt_json_first(ops), "event_id"), err);
	}
	if (code != KT_E_OK)
		kt_reducer_rollback(writer->state, mark);
	return code;
}
