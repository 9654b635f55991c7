/*
 * Admission: is this request legal on the state as it stands, and which rows does it add?
 * (architecture.md, 3.4) Runs inside the lock, after healing. Must leave the reducer untouched when
 * it refuses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/clock.h"
#include "supervisor/status/event.h"
#include "supervisor/status/transition.h"
#include "supervisor/transaction/stamp.h"
#include "supervisor/transaction/writer_private.h"

struct admission;

/* One row per kind of op. */
struct kind {
	const char *name;
	/* Of an op and a row that name one WP and one actor. */
	bool (*is_same)(const struct kt_json *op, const struct kt_json *row);
	enum kt_code (*admit)(struct admission *, struct kt_error *);
};

/* One op while it is being admitted. */
struct admission {
	struct kt_writer *writer;
	struct pending *pending;
	const struct kt_json *op;
	const struct kind *kind;
	const char *wp_id, *actor;
	struct kt_wp_state wp; /* zero when the log does not know the WP */
	enum kt_status from;
	size_t repeated; /* ops that the log holds already */
};

/* ---- events that are there already ---- */

static bool text_equal(const char *left, const char *right)
{
	return strcmp(left == NULL ? "" : left, right == NULL ? "" : right) == 0;
}

/* Same content: what the caller chose is what the row says. Time and `from` are the writer's. */
static bool is_same_move(const struct kt_json *op, const struct kt_json *row)
{
	return text_equal(kt_json_get_string(op, "to"), kt_json_get_string(row, "to_lane")) &&
	       text_equal(kt_json_get_string(op, "reason"), kt_json_get_string(row, "reason")) &&
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
		is_same &= text_equal(
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
	is_same = text_equal(a->wp_id, kt_json_get_string(row, "wp_id")) &&
		  text_equal(a->actor, kt_json_get_string(row, "actor")) &&
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

/* ---- who may do it ---- */

static enum kt_code check_lane(const struct admission *a, struct kt_error *err)
{
	const struct kt_lane_plan *lane = NULL;
	enum kt_code code = KT_E_OK;

	if (a->pending->lane == NULL)
		return KT_E_OK;
	code = kt_writer_plan(a->writer, err);
	if (code != KT_E_OK)
		return code;
	lane = a->wp_id == NULL ? NULL : kt_lanes_of_wp(a->writer->plan->lanes, a->wp_id);
	if (lane == NULL || strcmp(lane->id, a->pending->lane) != 0)
		return kt_error_set(err, KT_E_LANE_FOREIGN_WP, "%s asked for %s, which is %s's",
			a->pending->lane, a->wp_id == NULL ? "a lifecycle row" : a->wp_id,
			lane == NULL ? "nobody" : lane->id);
	if (kt_json_get_bool(a->op, "force", false))
		return kt_error_set(
			err, KT_E_TRANSITION_REJECTED, "a lane may not override the rules");
	return KT_E_OK;
}

/* A mission without lanes.json has no plan (NULL). One that cannot be read is no such mission: what
 * it would have forbidden must not pass. */
static enum kt_code find_plan(
	const struct admission *a, const struct kt_plan **out, struct kt_error *err)
{
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = kt_writer_plan(a->writer, &cause);

	*out = code == KT_E_OK ? a->writer->plan : NULL;
	if (code == KT_E_OK || code == KT_E_MISSION_NOT_FINALIZED)
		return KT_E_OK;
	*err = cause;
	return code;
}

static enum kt_code check_wp(struct admission *a, struct kt_error *err)
{
	const struct kt_plan *plan = NULL;
	bool is_known = kt_reducer_wp(a->writer->state, a->wp_id, &a->wp);

	if (a->writer->to.kind == KT_DESTINATION_LANE &&
		kt_check_whole(a->writer, a->wp_id, err) != KT_E_OK)
		return err->code;
	a->from = is_known && a->wp.has_transition ? a->wp.status : KT_STATUS_GENESIS;
	/* finalize-tasks brings the plan along with the first rows of its WPs. */
	if (is_known || kt_json_get(a->pending->request, "files") != NULL)
		return KT_E_OK;
	if (find_plan(a, &plan, err) != KT_E_OK)
		return err->code;
	if (plan == NULL || kt_plan_find_wp(plan, a->wp_id) == NULL)
		return kt_error_set(err, KT_E_WP_NOT_FOUND, "%s in %s", a->wp_id,
			a->writer->options.mission->slug);
	return KT_E_OK;
}

/* Names that spec-kitty writes when nobody gave one: such a claim keeps nobody out. */
static bool is_nobody(const char *actor)
{
	return actor == NULL || actor[0] == '\0' || strcmp(actor, "implement-command") == 0 ||
	       strcmp(actor, "unknown") == 0;
}

/* Who holds it: the claimer, and whoever moved it to in_progress after it was blocked or sent back.
 */
static bool is_held_by_another(const struct admission *a)
{
	if (a->from != KT_STATUS_CLAIMED && a->from != KT_STATUS_IN_PROGRESS)
		return false;
	if (is_nobody(a->wp.actor) && is_nobody(a->wp.claim_actor))
		return false;
	return a->actor == NULL ||
	       (!text_equal(a->actor, a->wp.actor) && !text_equal(a->actor, a->wp.claim_actor));
}

static enum kt_code check_belief(const struct admission *a, struct kt_error *err)
{
	const char *believed = kt_json_get_string(a->op, "from");
	bool is_forced = kt_json_get_bool(a->op, "force", false);

	if (!is_forced && is_held_by_another(a))
		return kt_error_set(err, KT_E_WP_ALREADY_CLAIMED, "%s is %s, held by %s", a->wp_id,
			kt_status_name(a->from),
			a->wp.claim_actor ? a->wp.claim_actor : a->wp.actor);
	if (believed != NULL && kt_status_from_name(believed) != a->from)
		return kt_error_set(err, KT_E_STATUS_CONFLICT, "%s is %s, not %s", a->wp_id,
			kt_status_name(a->from), believed);
	return KT_E_OK;
}

/* ---- guards ---- */

/* Without a plan there is no roster: an empty list counts as complete. */
static enum kt_code check_subtasks(
	const struct admission *a, bool *are_complete, struct kt_error *err)
{
	const struct kt_json *done = kt_json_get(a->wp.entry, "subtasks");
	const struct kt_plan *plan = NULL;
	const struct kt_wp *wp = NULL;
	enum kt_code code = find_plan(a, &plan, err);

	*are_complete = true;
	if (plan != NULL)
		wp = kt_plan_find_wp(plan, a->wp_id);
	for (size_t i = 0; wp != NULL && wp->subtasks[i] != NULL; i++)
		*are_complete &= text_equal(kt_json_get_string(done, wp->subtasks[i]), "done");
	return code;
}

static const struct kt_json *object_or_null(const struct kt_json *op, const char *name)
{
	const struct kt_json *value = kt_json_get(op, name);

	return kt_json_is(value, KT_JSON_OBJECT) ? value : NULL;
}

static enum kt_code check_move(
	const struct admission *a, enum kt_status to, const char *mode, struct kt_error *err)
{
	char *context = NULL;
	bool are_complete = true;
	struct kt_move move = {.from = a->from,
		.to = to,
		.actor = a->actor,
		.reason = kt_json_get_string(a->op, "reason"),
		.review_ref = kt_json_get_string(a->op, "review_ref"),
		.force = kt_json_get_bool(a->op, "force", false),
		.implementation_evidence = a->wp.has_transition,
		.evidence = object_or_null(a->op, "evidence"),
		.review_result = object_or_null(a->op, "review_result")};
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	if (a->from == KT_STATUS_IN_PROGRESS && to == KT_STATUS_FOR_REVIEW && !move.force)
		code = check_subtasks(a, &are_complete, err);
	if (code != KT_E_OK)
		return code;
	context = kt_format("%s:%s", mode, a->writer->to.worktree);
	move.workspace_context = context;
	move.subtasks_complete = are_complete;
	code = kt_move_check(&move, &cause);
	free(context);
	if (code != KT_E_OK)
		return kt_error_set(err, code, "%s: %s", a->wp_id, cause.detail);
	/* A WP is done when its lane is integrated; the row alone would be a lie (architecture.md,
	 * 8). */
	if (to == KT_STATUS_DONE && !move.force && !kt_is_integration(a->pending))
		return kt_check_contained(a->writer, a->wp_id, err);
	if (a->from == KT_STATUS_GENESIS && to != KT_STATUS_PLANNED && to != KT_STATUS_CANCELED)
		return kt_error_set(err, KT_E_WP_NOT_FINALIZED, "%s", a->wp_id);
	return KT_E_OK;
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
	const struct kt_json *given = object_or_null(a->op, "policy_metadata");
	const struct kt_plan *plan = NULL;
	const struct kt_lane_plan *lane = NULL;
	struct kt_error cause = KT_ERROR_INIT;
	struct kt_oid tip = {{0}};

	if (kt_json_get_string(given, "approved_commit") != NULL)
		return KT_E_OK;
	if (find_plan(a, &plan, err) != KT_E_OK)
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
		.evidence = object_or_null(a->op, "evidence"),
		.policy_metadata = object_or_null(a->op, "policy_metadata"),
		.review_result = object_or_null(a->op, "review_result")};
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
	       !is_held_by_another(a) && kt_json_size(kt_json_get(a->pending->request, "ops")) == 1;
}

static enum kt_code admit_move(struct admission *a, struct kt_error *err)
{
	enum kt_status to = kt_status_from_name(kt_json_get_string(a->op, "to"));
	const char *mode = kt_json_get_string(a->op, "execution_mode");
	enum kt_code code = check_wp(a, err);

	mode = mode == NULL ? "worktree" : mode;
	if (code != KT_E_OK)
		return code;
	if (kt_json_get_bool(a->op, "if_needed", false) && a->from == to)
		return KT_E_OK;
	if (is_own_claim(a, to))
		return kt_pending_repeat(a->writer, a->pending, a->wp.last_event_id, err);
	code = check_belief(a, err);
	if (code == KT_E_OK)
		code = check_move(a, to, mode, err);
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
	enum kt_code code = check_wp(a, err);

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
	code = check_lane(a, err);
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
