/*
 * lanes.json, read. Used by kitty only. Never computes lanes (lane_compute.c does) and never
 * repairs a manifest: mission_branch is taken verbatim, unknown keys are ignored.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/names.h"
#include "supervisor/mission/plan.h"

#define LANES_BYTES_MAX (4U << 20)

static enum kt_code invalid(struct kt_error *err, const char *what)
{
	return kt_error_set(err, KT_E_LANES_INVALID, "lanes.json: %s", what);
}

/* An absent list is empty; anything else than texts is an error. */
static bool strings_read(const struct kt_json *value, char ***out)
{
	struct kt_list list = KT_LIST_INIT;

	if (value != NULL && !kt_json_is(value, KT_JSON_ARRAY))
		return false;
	for (struct kt_json *item = kt_json_first(value); item != NULL; item = kt_json_next(item)) {
		if (kt_json_string(item) == NULL) {
			kt_list_release(&list);
			return false;
		}
		kt_list_add(&list, kt_json_string(item));
	}
	*out = kt_list_take(&list);
	return true;
}

static void lane_release(struct kt_lane_plan *lane)
{
	free(lane->id);
	kt_strings_free(lane->wp_ids);
	kt_strings_free(lane->depends_on_lanes);
	kt_strings_free(lane->write_scope);
}

static enum kt_code lane_read(
	const struct kt_json *value, struct kt_lane_plan *lane, struct kt_error *err)
{
	const char *id = kt_json_get_string(value, "lane_id");
	int64_t group = 0;

	lane->id = kt_lane_id_parse(id);
	/* "a" is a handle, not an id: the manifest spells ids out. */
	if (lane->id == NULL || strcmp(lane->id, id) != 0)
		return invalid(err, "a lane has no valid lane_id");
	if (!kt_json_is(kt_json_get(value, "wp_ids"), KT_JSON_ARRAY) ||
		!strings_read(kt_json_get(value, "wp_ids"), &lane->wp_ids))
		return invalid(err, "a lane has no list wp_ids");
	if (!strings_read(kt_json_get(value, "depends_on_lanes"), &lane->depends_on_lanes) ||
		!strings_read(kt_json_get(value, "write_scope"), &lane->write_scope))
		return invalid(err, "depends_on_lanes and write_scope are lists of texts");
	for (char **wp = lane->wp_ids; *wp != NULL; wp++) {
		if (!kt_wp_id_is_valid(*wp))
			return invalid(err, "a lane names something that is no WP id");
	}
	if (kt_json_get_int(value, "parallel_group", &group))
		lane->parallel_group = (long)group;
	return KT_E_OK;
}

static enum kt_code lanes_check(const struct kt_lanes *lanes, struct kt_error *err)
{
	for (size_t i = 0; i < lanes->len; i++) {
		if (kt_lanes_find(lanes, lanes->lanes[i].id) != &lanes->lanes[i])
			return invalid(err, "two lanes have the same lane_id");
		for (char **wp = lanes->lanes[i].wp_ids; *wp != NULL; wp++) {
			if (kt_lanes_of_wp(lanes, *wp) != &lanes->lanes[i])
				return invalid(err, "a work package is in two lanes");
		}
	}
	return KT_E_OK;
}

static enum kt_code lanes_fill(struct kt_lanes *lanes, struct kt_error *err)
{
	static const char *const texts[] = {
		"mission_slug", "mission_branch", "target_branch", "computed_at", "computed_from"};
	const struct kt_json *array = kt_json_get(lanes->json, "lanes");
	int64_t version = 0;

	if (!kt_json_get_int(lanes->json, "version", &version) || version != 1)
		return invalid(err, "version is not 1");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (kt_json_get_string(lanes->json, texts[i]) == NULL)
			return kt_error_set(
				err, KT_E_LANES_INVALID, "lanes.json: no text %s", texts[i]);
	}
	if (!kt_json_is(array, KT_JSON_ARRAY))
		return invalid(err, "no list lanes");
	lanes->mission_branch = kt_strdup(kt_json_get_string(lanes->json, "mission_branch"));
	lanes->lanes = kt_alloc((kt_json_size(array) + 1) * sizeof(*lanes->lanes));
	for (struct kt_json *item = kt_json_first(array); item != NULL; item = kt_json_next(item)) {
		enum kt_code code = lane_read(item, &lanes->lanes[lanes->len++], err);

		if (code != KT_E_OK)
			return code;
	}
	return lanes_check(lanes, err);
}

enum kt_code kt_lanes_parse(
	const char *text, size_t len, struct kt_lanes **out, struct kt_error *err)
{
	struct kt_lanes *lanes;
	struct kt_error inner = KT_ERROR_INIT;
	enum kt_code code;

	if (len > LANES_BYTES_MAX)
		return invalid(err, "larger than 4 MiB");
	lanes = kt_alloc(sizeof(*lanes));
	if (kt_json_parse(text, len, KT_JSON_LAST_WINS, &lanes->json, &inner) != KT_E_OK)
		code = invalid(err, inner.detail);
	else if (!kt_json_is(lanes->json, KT_JSON_OBJECT))
		code = invalid(err, "not an object");
	else
		code = lanes_fill(lanes, err);
	if (code == KT_E_OK)
		*out = lanes;
	else
		kt_lanes_free(lanes);
	return code;
}

void kt_lanes_free(struct kt_lanes *lanes)
{
	if (lanes == NULL)
		return;
	for (size_t i = 0; i < lanes->len; i++)
		lane_release(&lanes->lanes[i]);
	free(lanes->lanes);
	free(lanes->mission_branch);
	kt_json_free(lanes->json);
	free(lanes);
}

const struct kt_lane_plan *kt_lanes_find(const struct kt_lanes *lanes, const char *lane_id)
{
	for (size_t i = 0; i < lanes->len; i++) {
		if (strcmp(lanes->lanes[i].id, lane_id) == 0)
			return &lanes->lanes[i];
	}
	return NULL;
}

const struct kt_lane_plan *kt_lanes_of_wp(const struct kt_lanes *lanes, const char *wp_id)
{
	for (size_t i = 0; i < lanes->len; i++) {
		if (kt_strings_have(lanes->lanes[i].wp_ids, wp_id))
			return &lanes->lanes[i];
	}
	return NULL;
}
