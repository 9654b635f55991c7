/*
 * Groups WPs into lanes: kept lanes first, then union-find over overlapping ownership. Used by
 * kitty only. Pure; never moves a WP out of a lane it had.
 */
#include "supervisor/mission/lane_compute.h"

#include <stdlib.h>
#include <string.h>

#define NO_GROUP ((size_t)-1)

struct computation {
	struct kt_drafts *drafts;
	struct kt_lane_set *set;
	size_t *group_of; /* by WP; NO_GROUP: not placed yet */
	long next_number;
};

static const struct kt_wp *wp_at(const struct kt_drafts *drafts, size_t index)
{
	return &drafts->wps[index].wp;
}

char *kt_lane_id_of(size_t number)
{
	char letters[16];
	size_t at = sizeof(letters) - 1;

	/* Counting without a zero: a..z, aa..az, ba.. */
	letters[at] = '\0';
	for (number++; number > 0; number = (number - 1) / 26)
		letters[--at] = (char)('a' + (number - 1) % 26);
	return kt_format("lane-%s", letters + at);
}

long kt_lane_number_of(const char *lane_id)
{
	long number = 0;

	if (strcmp(lane_id, "lane-planning") == 0)
		return -1;
	for (const char *letter = lane_id + strlen("lane-"); *letter != '\0'; letter++)
		number = number * 26 + (*letter - 'a' + 1);
	return number - 1;
}

static size_t group_add(struct computation *computation, const char *id)
{
	struct kt_lane_set *set = computation->set;
	struct kt_lane_group *group;

	set->groups = kt_realloc_array(set->groups, set->len + 1, sizeof(*set->groups));
	group = &set->groups[set->len];
	memset(group, 0, sizeof(*group));
	group->id = kt_strdup(id);
	return set->len++;
}

static void place(struct computation *computation, size_t wp, size_t index)
{
	struct kt_lane_group *group = &computation->set->groups[index];

	group->wps = kt_realloc_array(group->wps, group->len + 1, sizeof(*group->wps));
	group->wps[group->len++] = wp;
	computation->group_of[wp] = index;
}

static size_t find_wp(const struct kt_drafts *drafts, const char *id)
{
	for (size_t i = 0; i < drafts->wps_len; i++) {
		if (strcmp(wp_at(drafts, i)->id, id) == 0)
			return i;
	}
	return drafts->wps_len;
}

static bool is_planning_id(const char *lane_id)
{
	return strcmp(lane_id, "lane-planning") == 0;
}

/* Lanes of the previous manifest with the WPs that still exist and still are of that kind. */
static void keep_lanes(struct computation *computation)
{
	const struct kt_lanes *previous = computation->drafts->previous;

	for (size_t i = 0; previous != NULL && i < previous->len; i++) {
		const struct kt_lane_plan *lane = &previous->lanes[i];
		size_t index = group_add(computation, lane->id);

		computation->set->groups[index].is_planning = is_planning_id(lane->id);
		if (kt_lane_number_of(lane->id) >= computation->next_number)
			computation->next_number = kt_lane_number_of(lane->id) + 1;
		for (char **id = lane->wp_ids; *id != NULL; id++) {
			size_t wp = find_wp(computation->drafts, *id);

			if (wp < computation->drafts->wps_len &&
				kt_wp_is_planning(wp_at(computation->drafts, wp)) ==
					is_planning_id(lane->id))
				place(computation, wp, index);
		}
	}
}

static void place_planning(struct computation *computation)
{
	size_t index = NO_GROUP;

	for (size_t i = 0; i < computation->set->len; i++) {
		if (computation->set->groups[i].is_planning)
			index = i;
	}
	for (size_t wp = 0; wp < computation->drafts->wps_len; wp++) {
		if (!kt_wp_is_planning(wp_at(computation->drafts, wp)) ||
			computation->group_of[wp] != NO_GROUP)
			continue;
		if (index == NO_GROUP) {
			index = group_add(computation, "lane-planning");
			computation->set->groups[index].is_planning = true;
		}
		place(computation, wp, index);
	}
}

static bool wps_overlap(const struct kt_wp *left, const struct kt_wp *right)
{
	for (char **one = left->owned_files; *one != NULL; one++) {
		for (char **two = right->owned_files; *two != NULL; two++) {
			if (kt_globs_overlap(*one, *two))
				return true;
		}
	}
	return false;
}

static size_t root_of(size_t *parents, size_t node)
{
	while (parents[node] != node) {
		parents[node] = parents[parents[node]];
		node = parents[node];
	}
	return node;
}

static bool is_code(const struct kt_drafts *drafts, size_t wp)
{
	return !kt_wp_is_planning(wp_at(drafts, wp));
}

/* Joins new code WPs whose files overlap. The smaller index stays the root. */
static size_t *join_new(const struct computation *computation)
{
	const struct kt_drafts *drafts = computation->drafts;
	size_t *parents = kt_realloc_array(NULL, drafts->wps_len, sizeof(*parents));

	for (size_t right = 0; right < drafts->wps_len; right++) {
		parents[right] = right;
		if (!is_code(drafts, right) || computation->group_of[right] != NO_GROUP)
			continue;
		for (size_t left = 0; left < right; left++) {
			size_t one = root_of(parents, left), two = root_of(parents, right);

			if (one == two || !is_code(drafts, left) ||
				computation->group_of[left] != NO_GROUP ||
				!wps_overlap(wp_at(drafts, left), wp_at(drafts, right)))
				continue;
			parents[one > two ? one : two] = one > two ? two : one;
		}
	}
	return parents;
}

/* May the new WP run behind all that is in the kept lane, and does it share files with it? */
static bool fits_lane(
	const struct computation *computation, size_t wp, size_t index, bool *overlaps)
{
	const struct kt_drafts *drafts = computation->drafts;
	const struct kt_lane_group *group = &computation->set->groups[index];

	for (size_t i = 0; i < group->len; i++) {
		if (kt_graph_reaches(&drafts->graph, group->wps[i], wp))
			return false;
		if (wps_overlap(wp_at(drafts, group->wps[i]), wp_at(drafts, wp)))
			*overlaps = true;
	}
	return true;
}

/* The kept lane that takes all new WPs of one root; NO_GROUP: they get a lane of their own. */
static size_t kept_lane_for(
	const struct computation *computation, size_t *parents, size_t root, size_t kept)
{
	for (size_t index = 0; index < kept; index++) {
		bool overlaps = false, fits = !computation->set->groups[index].is_planning;

		for (size_t wp = root; fits && wp < computation->drafts->wps_len; wp++) {
			if (is_code(computation->drafts, wp) &&
				computation->group_of[wp] == NO_GROUP &&
				root_of(parents, wp) == root)
				fits = fits_lane(computation, wp, index, &overlaps);
		}
		if (fits && overlaps)
			return index;
	}
	return NO_GROUP;
}

static void sort_tail(struct computation *computation, size_t index, size_t from)
{
	struct kt_lane_group *group = &computation->set->groups[index];

	if (group->len > from)
		(void)kt_graph_sort(
			&computation->drafts->graph, group->wps + from, group->len - from);
}

static void place_code(struct computation *computation)
{
	struct kt_drafts *drafts = computation->drafts;
	size_t *parents = join_new(computation);
	size_t kept = computation->set->len;

	/* By ascending root, that is by smallest WP id: the letters follow that order. */
	for (size_t root = 0; root < drafts->wps_len; root++) {
		size_t index, from;

		if (!is_code(drafts, root) || computation->group_of[root] != NO_GROUP ||
			root_of(parents, root) != root)
			continue;
		index = kept_lane_for(computation, parents, root, kept);
		if (index == NO_GROUP) {
			char *id = kt_lane_id_of((size_t)computation->next_number++);

			index = group_add(computation, id);
			free(id);
		}
		from = computation->set->groups[index].len;
		for (size_t wp = root; wp < drafts->wps_len; wp++) {
			if (is_code(drafts, wp) && computation->group_of[wp] == NO_GROUP &&
				root_of(parents, wp) == root)
				place(computation, wp, index);
		}
		sort_tail(computation, index, from);
	}
	free(parents);
}

/* The first WP of the group that depends on one behind it; group->len: none. */
static size_t misplaced(const struct kt_graph *graph, const struct kt_lane_group *group)
{
	for (size_t i = 0; i < group->len; i++) {
		for (size_t later = i + 1; later < group->len; later++) {
			if (kt_graph_reaches(graph, group->wps[i], group->wps[later]))
				return i;
		}
	}
	return group->len;
}

static bool has_frozen(const struct kt_drafts *drafts, const struct kt_lane_group *group)
{
	for (size_t i = 0; i < group->len; i++) {
		if (kt_drafts_is_frozen(drafts, wp_at(drafts, group->wps[i])->id))
			return true;
	}
	return false;
}

/* Edited dependencies may contradict the order that a kept lane has. */
static void check_order(struct computation *computation)
{
	struct kt_drafts *drafts = computation->drafts;

	for (size_t i = 0; i < computation->set->len; i++) {
		struct kt_lane_group *group = &computation->set->groups[i];
		size_t at = misplaced(&drafts->graph, group);

		if (at == group->len)
			continue;
		if (!has_frozen(drafts, group))
			(void)kt_graph_sort(&drafts->graph, group->wps, group->len);
		at = misplaced(&drafts->graph, group);
		if (at < group->len && drafts->previous != NULL)
			kt_drafts_problem(drafts,
				kt_draft_path(drafts, &drafts->wps[group->wps[at]]),
				kt_draft_line(&drafts->wps[group->wps[at]], "dependencies"),
				"%s now depends on a work package that runs after it in %s",
				wp_at(drafts, group->wps[at])->id, group->id);
	}
}

static bool may_run(const struct kt_graph *graph, const bool *done, size_t wp)
{
	for (size_t to = 0; to < graph->len; to++) {
		if (!done[to] && kt_graph_has(graph, wp, to))
			return false;
	}
	return true;
}

/* Runs what the lane can run now; how many WPs that was. */
static size_t run_lane(
	const struct kt_graph *graph, const struct kt_lane_group *group, size_t *next, bool *done)
{
	size_t count = 0;

	while (*next < group->len && may_run(graph, done, group->wps[*next])) {
		done[group->wps[(*next)++]] = true;
		count++;
	}
	return count;
}

/* Do all lanes come to their end, each running its WPs in order as dependencies allow? */
static bool runs_through(const struct computation *computation)
{
	const struct kt_drafts *drafts = computation->drafts;
	const struct kt_lane_set *set = computation->set;
	bool *done = kt_alloc(drafts->wps_len * sizeof(*done));
	size_t *next = kt_alloc((set->len + 1) * sizeof(*next));
	size_t count = 0, before;

	do {
		before = count;
		for (size_t i = 0; i < set->len; i++)
			count += run_lane(&drafts->graph, &set->groups[i], &next[i], done);
	} while (count > before);
	free(done);
	free(next);
	return count == drafts->wps_len;
}

/* Two lanes can wait for one another although no WP does. The order of all WPs together never does
 * that. */
static void order_globally(struct computation *computation)
{
	struct kt_drafts *drafts = computation->drafts;
	size_t *all = kt_realloc_array(NULL, drafts->wps_len, sizeof(*all));

	for (size_t i = 0; i < drafts->wps_len; i++)
		all[i] = i;
	if (kt_graph_sort(&drafts->graph, all, drafts->wps_len)) {
		for (size_t i = 0; i < computation->set->len; i++)
			computation->set->groups[i].len = 0;
		for (size_t i = 0; i < drafts->wps_len; i++) {
			struct kt_lane_group *group =
				&computation->set->groups[computation->group_of[all[i]]];

			group->wps[group->len++] = all[i];
		}
	}
	free(all);
}

static void drop_empty(struct computation *computation)
{
	struct kt_lane_set *set = computation->set;
	size_t kept = 0;

	for (size_t i = 0; i < set->len; i++) {
		if (set->groups[i].len == 0) {
			free(set->groups[i].id);
			free(set->groups[i].wps);
			continue;
		}
		for (size_t wp = 0; wp < set->groups[i].len; wp++)
			computation->group_of[set->groups[i].wps[wp]] = kept;
		set->groups[kept++] = set->groups[i];
	}
	set->len = kept;
}

static struct kt_json *evidence_of(const struct kt_drafts *drafts, size_t left, size_t right)
{
	const struct kt_wp *one = wp_at(drafts, left), *two = wp_at(drafts, right);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *value;

	for (char **a = one->owned_files; *a != NULL; a++) {
		for (char **b = two->owned_files; *b != NULL; b++) {
			if (kt_globs_overlap(*a, *b))
				kt_buffer_printf(&text, "%s%s overlaps %s",
					text.len == 0 ? "" : "; ", *a, *b);
		}
	}
	if (kt_graph_has(&drafts->graph, left, right))
		kt_buffer_printf(&text, "; %s depends on %s", one->id, two->id);
	if (kt_graph_has(&drafts->graph, right, left))
		kt_buffer_printf(&text, "; %s depends on %s", two->id, one->id);
	value = kt_json_new_string(kt_buffer_text(&text));
	kt_buffer_release(&text);
	return value;
}

static void collapse_add(struct computation *computation, size_t left, size_t right)
{
	const struct kt_drafts *drafts = computation->drafts;
	struct kt_json *event = kt_json_new_object();

	kt_json_set_string(event, "wp_a", wp_at(drafts, left)->id);
	kt_json_set_string(event, "wp_b", wp_at(drafts, right)->id);
	kt_json_set_string(event, "rule", "write_scope_overlap");
	kt_json_set(event, "evidence", evidence_of(drafts, left, right));
	kt_json_append(computation->set->collapse_events, event);
	if (!kt_graph_is_ordered(&drafts->graph, left, right))
		computation->set->independent_collapsed++;
}

/* Which overlaps brought WPs of one lane together: told anew each time, so that it does not depend
 * on history. */
static void report_collapses(struct computation *computation)
{
	const struct kt_drafts *drafts = computation->drafts;
	size_t *parents = kt_realloc_array(NULL, drafts->wps_len, sizeof(*parents));

	for (size_t i = 0; i < drafts->wps_len; i++)
		parents[i] = i;
	for (size_t left = 0; left < drafts->wps_len; left++) {
		for (size_t right = left + 1; right < drafts->wps_len; right++) {
			size_t one = root_of(parents, left), two = root_of(parents, right);

			if (one == two ||
				computation->group_of[left] != computation->group_of[right] ||
				!is_code(drafts, left) ||
				!wps_overlap(wp_at(drafts, left), wp_at(drafts, right)))
				continue;
			parents[one > two ? one : two] = one > two ? two : one;
			collapse_add(computation, left, right);
		}
	}
	free(parents);
}

void kt_lanes_compute(struct kt_drafts *drafts, struct kt_lane_set *out)
{
	struct computation computation = {.drafts = drafts, .set = out};

	computation.group_of =
		kt_realloc_array(NULL, drafts->wps_len, sizeof(*computation.group_of));
	for (size_t i = 0; i < drafts->wps_len; i++)
		computation.group_of[i] = NO_GROUP;
	out->collapse_events = kt_json_new_array();
	keep_lanes(&computation);
	place_planning(&computation);
	place_code(&computation);
	drop_empty(&computation);
	check_order(&computation);
	if (drafts->previous == NULL && !runs_through(&computation))
		order_globally(&computation);
	kt_lane_edges(&drafts->graph, computation.group_of, out);
	report_collapses(&computation);
	free(computation.group_of);
}

void kt_lane_set_release(struct kt_lane_set *set)
{
	for (size_t i = 0; i < set->len; i++) {
		free(set->groups[i].id);
		free(set->groups[i].wps);
		free(set->groups[i].depends);
	}
	free(set->groups);
	kt_json_free(set->collapse_events);
	memset(set, 0, sizeof(*set));
}
