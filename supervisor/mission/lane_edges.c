/*
 * Which lane waits for which, and how many lanes stand before it. Used by kitty only. Pure.
 */
#include <stdlib.h>

#include "supervisor/mission/lane_compute.h"

static void find_edges(
	const struct kt_graph *graph, const size_t *group_of, struct kt_lane_set *set)
{
	for (size_t i = 0; i < set->len; i++)
		set->groups[i].depends = kt_alloc(set->len * sizeof(bool));
	for (size_t from = 0; from < graph->len; from++) {
		for (size_t to = 0; to < graph->len; to++) {
			size_t one = group_of[from], two = group_of[to];

			if (one != two && kt_graph_has(graph, from, to))
				set->groups[one].depends[two] = true;
		}
	}
}

/* Lanes can depend on each other in a circle after groups were joined: a lane met again counts 0.
 */
static long depth_of(const struct kt_lane_set *set, size_t index, bool *open)
{
	long depth = 0;

	if (open[index])
		return 0;
	open[index] = true;
	for (size_t other = 0; other < set->len; other++) {
		if (set->groups[index].depends[other]) {
			long below = 1 + depth_of(set, other, open);

			depth = below > depth ? below : depth;
		}
	}
	open[index] = false;
	return depth;
}

static bool has_circle(const struct kt_lane_set *set)
{
	struct kt_graph graph = {0, NULL, NULL};
	bool found = false;

	kt_graph_init(&graph, set->len);
	for (size_t i = 0; i < set->len; i++) {
		for (size_t other = 0; other < set->len; other++) {
			if (set->groups[i].depends[other])
				kt_graph_add(&graph, i, other);
		}
	}
	kt_graph_close(&graph);
	for (size_t i = 0; i < set->len; i++)
		found = found || kt_graph_reaches(&graph, i, i);
	kt_graph_release(&graph);
	return found;
}

/* One step of depths_by_rounds; has a lane moved? */
static bool raise_depths(struct kt_lane_set *set)
{
	bool has_changed = false;

	for (size_t i = 0; i < set->len * set->len; i++) {
		struct kt_lane_group *group = &set->groups[i / set->len];
		long below = set->groups[i % set->len].parallel_group + 1;

		if (!group->depends[i % set->len] || group->parallel_group >= below)
			continue;
		group->parallel_group = below;
		has_changed = true;
	}
	return has_changed;
}

/* Without circles: as many rounds as the longest way has steps. */
static void depths_by_rounds(struct kt_lane_set *set)
{
	bool is_moving = true;

	while (is_moving)
		is_moving = raise_depths(set);
}

#define CIRCLE_LANES_MAX 12 /* walking every path of a tangle takes exponential time */

static void find_depths(struct kt_lane_set *set)
{
	bool *open = kt_alloc((set->len + 1) * sizeof(*open));

	if (!has_circle(set)) {
		depths_by_rounds(set);
	} else if (set->len <= CIRCLE_LANES_MAX) {
		for (size_t i = 0; i < set->len; i++)
			set->groups[i].parallel_group = depth_of(set, i, open);
	}
	free(open);
}

void kt_lane_edges(const struct kt_graph *graph, const size_t *group_of, struct kt_lane_set *set)
{
	find_edges(graph, group_of, set);
	find_depths(set);
}
