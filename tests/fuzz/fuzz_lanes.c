/*
 * A lanes.json with anything in it: refused with a reason, or each lane is found by its id, each
 * work package is in exactly one lane, and its JSON, written again, reads as the same lanes.
 */
#include <string.h>

#include "fuzz/target.h"
#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"
#include "supervisor/mission/names.h"
#include "supervisor/mission/plan.h"

static void check_lane(const struct kt_lanes *lanes, const struct kt_lane_plan *lane)
{
	KT_BUG_UNLESS(strncmp(lane->id, "lane-", 5) == 0 && kt_segment_is_safe(lane->id));
	KT_BUG_UNLESS(kt_lanes_find(lanes, lane->id) == lane);
	for (char **wp = lane->wp_ids; *wp != NULL; wp++)
		KT_BUG_UNLESS(kt_wp_id_is_valid(*wp) && kt_lanes_of_wp(lanes, *wp) == lane);
}

static void check_again(const struct kt_lanes *lanes)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_lanes *again = NULL;
	struct kt_error err = KT_ERROR_INIT;

	kt_json_write(lanes->json, KT_JSON_PRETTY_ORDERED, &text);
	KT_BUG_UNLESS(kt_lanes_parse(text.data, text.len, &again, &err) == KT_E_OK);
	KT_BUG_UNLESS(again->len == lanes->len);
	KT_BUG_UNLESS(strcmp(again->mission_branch, lanes->mission_branch) == 0);
	for (size_t i = 0; i < lanes->len; i++) {
		const struct kt_lane_plan *one = &lanes->lanes[i], *other = &again->lanes[i];

		KT_BUG_UNLESS(strcmp(one->id, other->id) == 0 &&
			      one->parallel_group == other->parallel_group);
		KT_BUG_UNLESS(kt_strings_len(one->wp_ids) == kt_strings_len(other->wp_ids));
	}
	kt_lanes_free(again);
	kt_buffer_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct kt_lanes *lanes = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_lanes_parse((const char *)bytes, len, &lanes, &err) != KT_E_OK) {
		KT_BUG_UNLESS(
			lanes == NULL && err.code == KT_E_LANES_INVALID && err.detail[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < lanes->len; i++)
		check_lane(lanes, &lanes->lanes[i]);
	check_again(lanes);
	kt_lanes_free(lanes);
	return 0;
}
