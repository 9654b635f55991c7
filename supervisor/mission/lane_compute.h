/*
 * Private to supervisor/mission: which WPs share a lane.
 * Deterministic; pure.
 *
 * Lanes that were there before keep their id, their WPs and their order. A new WP joins such a lane
 * when their owned files overlap (at its end), else it gets a new lane; ids are never used a second
 * time.
 */
#ifndef KITTY_SUPERVISOR_MISSION_LANE_COMPUTE_H
#define KITTY_SUPERVISOR_MISSION_LANE_COMPUTE_H

#include "supervisor/mission/drafts.h"

struct kt_lane_group {
	char *id;    /* NULL until it is named */
	size_t *wps; /* indexes into the drafts' WPs, in running order */
	size_t len;
	bool is_planning;
	bool *depends; /* [other group's index] */
	long parallel_group;
};

struct kt_lane_set {
	struct kt_lane_group *groups;
	size_t len;
	struct kt_json *collapse_events; /* array */
	size_t independent_collapsed;
};

/* Contradictions between kept lanes and new dependencies become problems. */
void kt_lanes_compute(struct kt_drafts *drafts, struct kt_lane_set *out);
/* Fills depends and parallel_group of every group; group_of: the group of each WP. */
void kt_lane_edges(const struct kt_graph *graph, const size_t *group_of, struct kt_lane_set *set);
void kt_lane_set_release(struct kt_lane_set *set);

/* "lane-a" for 0, "lane-z" for 25, "lane-aa" for 26; gives. And back; -1 for a lane without a
 * number. */
char *kt_lane_id_of(size_t number);
long kt_lane_number_of(const char *lane_id);

/* lanes.json of a computed set; `previous` may be NULL. Gives text with its final newline. */
struct kt_lanes_header {
	const char *computed_at, *planning_commit;
	const struct kt_json *previous; /* NULL: none */
};
char *kt_lanes_text(const struct kt_drafts *drafts, const struct kt_lane_set *set,
	const struct kt_lanes_header *header);

#endif
