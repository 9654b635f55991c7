/*
 * One work package: its rows in order, folded into a transition layer and an annotation layer
 * (5.1). Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "supervisor/status/reduce_private.h"

/* ---- sorted lists of rows ---- */

static size_t place_of(const struct kt_reducer *reducer, const struct row_list *list, int row)
{
	size_t low = 0, high = list->len;

	/* In-order logs end here at once; equal keys keep physical order. */
	if (high == 0 || kt_row_compare(reducer, list->rows[high - 1], row) <= 0)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (kt_row_compare(reducer, list->rows[middle], row) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void kt_row_list_insert(const struct kt_reducer *reducer, struct row_list *list, int row)
{
	size_t place = place_of(reducer, list, row);

	if (list->len == list->capacity) {
		list->capacity = list->capacity * 2 + 8;
		list->rows = kt_realloc_array(list->rows, list->capacity, sizeof *list->rows);
	}
	memmove(list->rows + place + 1, list->rows + place,
		(list->len - place) * sizeof *list->rows);
	list->rows[place] = row;
	list->len++;
}

void kt_row_list_remove(struct row_list *list, int row)
{
	size_t place = list->len;

	do {
		KT_BUG_UNLESS(place > 0);
		place--;
	} while (list->rows[place] != row);
	list->len--;
	memmove(list->rows + place, list->rows + place + 1,
		(list->len - place) * sizeof *list->rows);
}

/* ---- the transition layer ---- */

static void base_clear(struct base *base)
{
	free(base->actor);
	free(base->at);
	free(base->event_id);
	free(base->reason);
	free(base->claim_actor);
	kt_json_free(base->shell_pid);
	kt_json_free(base->shell_pid_created_at);
	kt_json_free(base->agent);
	kt_json_free(base->review_result);
	kt_json_free(base->claim_metadata);
	*base = (struct base){0};
}

static void replace_text(char **slot, const char *text)
{
	free(*slot);
	*slot = kt_strdup(text);
}

static void replace_json(struct kt_json **slot, const struct kt_json *value)
{
	kt_json_free(*slot);
	*slot = value == NULL ? kt_json_new_null() : kt_json_copy(value);
}

static bool is_rollback(const struct kt_event *event)
{
	const struct kt_json *review_ref = kt_json_get(event->row, "review_ref");

	if (event->to != KT_STATUS_IN_PROGRESS)
		return false;
	return event->from == KT_STATUS_IN_REVIEW ||
	       (event->from == KT_STATUS_FOR_REVIEW && review_ref != NULL &&
		       !kt_json_is(review_ref, KT_JSON_NULL));
}

/* A rollback at the same instant wins over what is no rollback; else the last in order wins. */
static bool accepts(const struct base *base, const struct kt_event *event)
{
	return !base->exists || !base->is_rollback || strcmp(base->at, event->at) != 0 ||
	       is_rollback(event);
}

static void fold_claim(struct base *base, const struct kt_event *event)
{
	const struct kt_json *metadata = kt_json_get(event->row, "policy_metadata");
	const struct kt_json *pid = kt_json_get(metadata, "shell_pid");
	const struct kt_json *created = kt_json_get(metadata, "shell_pid_created_at");
	const struct kt_json *agent = kt_json_get(metadata, "agent");

	if (pid != NULL && !kt_json_is(pid, KT_JSON_NULL))
		replace_json(&base->shell_pid, pid);
	if (created != NULL && !kt_json_is(created, KT_JSON_NULL))
		replace_json(&base->shell_pid_created_at, created);
	if (kt_json_is_truthy(agent))
		replace_json(&base->agent, agent);
	replace_text(&base->claim_actor, event->actor);
	kt_json_free(base->claim_metadata);
	base->claim_metadata = kt_json_is(metadata, KT_JSON_OBJECT) ? kt_json_copy(metadata) : NULL;
}

/* A launch takes up blocked work without a claim: its row names the worker that holds it all the
 * same. The snapshot has no word for that. */
static void fold_taking_up(struct base *base, const struct kt_event *event)
{
	const struct kt_json *metadata = kt_json_get(event->row, "policy_metadata");
	int64_t pid = 0;

	if (!kt_json_get_int(metadata, "shell_pid", &pid))
		return;
	if (base->claim_actor == NULL)
		replace_text(&base->claim_actor, event->actor);
	kt_json_free(base->claim_metadata);
	base->claim_metadata = kt_json_copy(metadata);
}

/* Only the four known members are kept, the path only when it is set. */
static struct kt_json *normalise_review_result(const struct kt_json *result)
{
	static const char *const keys[] = {"reviewer", "verdict", "reference", "feedback_path"};
	struct kt_json *copy = kt_json_new_object();

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const struct kt_json *value = kt_json_get(result, keys[i]);

		if (value != NULL && (i < 3 || !kt_json_is(value, KT_JSON_NULL)))
			kt_json_set(copy, keys[i], kt_json_copy(value));
	}
	return copy;
}

static void fold_review_result(struct base *base, const struct kt_event *event)
{
	const struct kt_json *result = kt_json_get(event->row, "review_result");

	if (kt_json_is_truthy(result)) {
		kt_json_free(base->review_result);
		base->review_result = normalise_review_result(result);
	} else if (event->from == KT_STATUS_IN_REVIEW) {
		replace_json(&base->review_result, NULL);
	}
}

static void fold_transition(struct base *base, const struct kt_event *event)
{
	if (!accepts(base, event))
		return;
	base->exists = true;
	base->status = event->to;
	base->is_rollback = is_rollback(event);
	base->force_count += event->force ? 1 : 0;
	replace_text(&base->actor, event->actor);
	replace_text(&base->at, event->at);
	replace_text(&base->event_id, event->event_id);
	replace_text(&base->reason, kt_json_get_string(event->row, "reason"));
	if (event->from == KT_STATUS_PLANNED && event->to == KT_STATUS_CLAIMED)
		fold_claim(base, event);
	else if (event->to == KT_STATUS_IN_PROGRESS && event->from != KT_STATUS_IN_REVIEW)
		fold_taking_up(base, event);
	fold_review_result(base, event);
}

/* ---- the annotation layer ---- */

static const char *const scalars[] = {"shell_pid", "shell_pid_created_at", "agent", "assignee",
	"role", "agent_profile", "agent_profile_version", "model", "provider", NULL};

static bool is_set(const struct kt_json *value)
{
	const char *text = kt_json_string(value);

	return value != NULL && !kt_json_is(value, KT_JSON_NULL) &&
	       (text == NULL || text[0] != '\0');
}

/* What the overlay has under a key is what was made for it here: no log puts anything else there.
 */
static struct kt_json *member(
	struct kt_json *object, const char *key, struct kt_json *(*make)(void))
{
	if (kt_json_get(object, key) == NULL)
		kt_json_set(object, key, make());
	return kt_json_get(object, key);
}

static void merge_subtasks(struct kt_json *overlay, const struct kt_json *subtasks)
{
	struct kt_json *merged = NULL;

	if (!kt_json_is(subtasks, KT_JSON_OBJECT))
		return;
	merged = member(overlay, "subtasks", kt_json_new_object);
	for (struct kt_json *s = kt_json_first(subtasks); s != NULL; s = kt_json_next(s))
		kt_json_set(merged, kt_json_key(s), kt_json_copy(s));
}

static bool holds(const struct kt_json *list, const struct kt_json *value)
{
	for (struct kt_json *item = kt_json_first(list); item != NULL; item = kt_json_next(item))
		if (kt_json_equal(item, value))
			return true;
	return false;
}

static void merge_refs(struct kt_json *overlay, const struct kt_json *delta)
{
	const struct kt_json *replace = kt_json_get(delta, "tracker_refs_replace");
	const struct kt_json *source = replace;
	struct kt_json *refs = NULL;

	if (kt_json_is(replace, KT_JSON_ARRAY))
		kt_json_set(overlay, "tracker_refs", kt_json_new_array());
	else
		source = kt_json_get(delta, "tracker_refs");
	if (!kt_json_is(source, KT_JSON_ARRAY))
		return;
	refs = member(overlay, "tracker_refs", kt_json_new_array);
	for (struct kt_json *ref = kt_json_first(source); ref != NULL; ref = kt_json_next(ref))
		if (!holds(refs, ref))
			kt_json_append(refs, kt_json_copy(ref));
}

static bool is_empty_review(const struct kt_json *review)
{
	for (struct kt_json *field = kt_json_first(review); field != NULL;
		field = kt_json_next(field))
		if (kt_json_is_truthy(field))
			return false;
	return true;
}

static void merge_review(struct kt_json *overlay, const struct kt_json *review)
{
	static const char *const keys[] = {"at", "actor", "wp_id", "reason"};
	struct kt_json *copy = NULL;

	if (!kt_json_is(review, KT_JSON_OBJECT))
		return;
	copy = kt_json_new_object();
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		kt_json_set(copy, keys[i], kt_json_copy(kt_json_get(review, keys[i])));
	if (is_empty_review(copy)) {
		kt_json_free(copy);
		copy = kt_json_new_null();
	}
	kt_json_set(overlay, "review", copy);
}

static void fold_annotation(struct wp *wp, const struct kt_event *event)
{
	const struct kt_json *delta = event->delta;
	const struct kt_json *note = kt_json_get(delta, "note");

	if (wp->overlay == NULL) {
		wp->overlay = kt_json_new_object();
		replace_text(&wp->overlay_actor, event->actor);
	}
	if (kt_json_is_truthy(kt_json_get(delta, "release_runtime_claim"))) {
		kt_json_set(wp->overlay, "agent", kt_json_new_null());
		kt_json_set(wp->overlay, "shell_pid", kt_json_new_null());
		kt_json_set(wp->overlay, "shell_pid_created_at", kt_json_new_null());
	}
	for (size_t i = 0; scalars[i] != NULL; i++)
		if (is_set(kt_json_get(delta, scalars[i])))
			kt_json_set(wp->overlay, scalars[i],
				kt_json_copy(kt_json_get(delta, scalars[i])));
	merge_subtasks(wp->overlay, kt_json_get(delta, "subtasks"));
	if (note != NULL && !kt_json_is(note, KT_JSON_NULL))
		kt_json_append(member(wp->overlay, "notes", kt_json_new_array), kt_json_copy(note));
	merge_refs(wp->overlay, delta);
	merge_review(wp->overlay, kt_json_get(delta, "review"));
}

/* ---- a WP ---- */

static void drop_cache(struct wp *wp)
{
	kt_json_free(wp->entry);
	wp->entry = NULL;
	kt_buffer_clear(&wp->text);
}

static void refold_transitions(const struct kt_reducer *reducer, struct wp *wp)
{
	struct kt_event event = {.kind = KT_EVENT_BLANK};

	wp->is_base_stale = false;
	base_clear(&wp->base);
	for (size_t i = 0; i < wp->transitions.len; i++) {
		kt_row_reread(reducer, wp->transitions.rows[i], &event);
		fold_transition(&wp->base, &event);
		kt_event_release(&event);
	}
}

static void refold_annotations(const struct kt_reducer *reducer, struct wp *wp)
{
	struct kt_event event = {.kind = KT_EVENT_BLANK};

	wp->is_overlay_stale = false;
	kt_json_free(wp->overlay);
	wp->overlay = NULL;
	for (size_t i = 0; i < wp->annotations.len; i++) {
		kt_row_reread(reducer, wp->annotations.rows[i], &event);
		fold_annotation(wp, &event);
		kt_event_release(&event);
	}
}

void kt_wp_refresh(const struct kt_reducer *reducer, struct wp *wp)
{
	if (wp->is_base_stale)
		refold_transitions(reducer, wp);
	if (wp->is_overlay_stale)
		refold_annotations(reducer, wp);
}

void kt_wp_add(struct kt_reducer *reducer, struct wp *wp, int row, const struct kt_event *event)
{
	bool is_move = event->kind == KT_EVENT_MOVE;
	struct row_list *list = is_move ? &wp->transitions : &wp->annotations;
	bool *is_stale = is_move ? &wp->is_base_stale : &wp->is_overlay_stale;

	drop_cache(wp);
	kt_row_list_insert(reducer, list, row);
	if (list->rows[list->len - 1] != row)
		*is_stale = true;
	if (*is_stale)
		return;
	if (is_move)
		fold_transition(&wp->base, event);
	else
		fold_annotation(wp, event);
}

void kt_wp_remove(struct kt_reducer *reducer, struct wp *wp, int row)
{
	bool is_move = reducer->rows[row].kind == KT_EVENT_MOVE;

	drop_cache(wp);
	kt_row_list_remove(is_move ? &wp->transitions : &wp->annotations, row);
	*(is_move ? &wp->is_base_stale : &wp->is_overlay_stale) = true;
}

bool kt_wp_is_known(const struct wp *wp)
{
	return wp->transitions.len > 0 || wp->annotations.len > 0;
}

static void set_if(struct kt_json *entry, const char *key, const struct kt_json *value)
{
	if (value != NULL)
		kt_json_set(entry, key, kt_json_copy(value));
}

struct kt_json *kt_wp_entry(const struct wp *wp)
{
	const struct base *base = &wp->base;
	struct kt_json *entry = kt_json_new_object();

	kt_json_set_string(entry, "actor", base->exists ? base->actor : wp->overlay_actor);
	kt_json_set_int(entry, "force_count", base->force_count);
	kt_json_set_string(entry, "lane",
		kt_status_name(base->exists ? base->status : KT_STATUS_UNINITIALIZED));
	kt_json_set_string(entry, "last_event_id", base->event_id);
	kt_json_set_string(entry, "last_transition_at", base->at);
	set_if(entry, "shell_pid", base->shell_pid);
	set_if(entry, "shell_pid_created_at", base->shell_pid_created_at);
	set_if(entry, "agent", base->agent);
	set_if(entry, "review_result", base->review_result);
	for (struct kt_json *m = kt_json_first(wp->overlay); m != NULL; m = kt_json_next(m))
		kt_json_set(entry, kt_json_key(m), kt_json_copy(m));
	return entry;
}

void kt_wp_free(struct wp *wp)
{
	drop_cache(wp);
	base_clear(&wp->base);
	kt_json_free(wp->overlay);
	kt_buffer_release(&wp->text);
	free(wp->overlay_actor);
	free(wp->transitions.rows);
	free(wp->annotations.rows);
	free(wp->id);
	free(wp);
}
