/*
 * finalize-tasks, the pure half: drafts to the files that will be committed. Used by kitty only.
 * Never writes a file: the caller commits first and then gives the drafts the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supervisor/config/frontmatter.h"
#include "supervisor/mission/drafts.h"
#include "supervisor/mission/lane_compute.h"
#include "supervisor/mission/meta.h"

/* Python's datetime.isoformat in UTC: six digits, or none when the microseconds are zero. */
static void format_time(long long now_us, char *text, size_t size)
{
	time_t seconds = (time_t)(now_us / 1000000);
	long micro = (long)(now_us % 1000000);
	struct tm parts;
	char head[32];

	KT_BUG_UNLESS(gmtime_r(&seconds, &parts) != NULL);
	(void)strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &parts);
	if (micro == 0)
		(void)snprintf(text, size, "%s+00:00", head);
	else
		(void)snprintf(text, size, "%s.%06ld+00:00", head, micro);
}

static void file_put(struct kt_drafts *drafts, const char *name, char *bytes, size_t len)
{
	struct kt_plan_file *file = kt_drafts_find(drafts, name);

	if (file == NULL) {
		drafts->files = kt_realloc_array(
			drafts->files, drafts->files_len + 1, sizeof(*drafts->files));
		file = &drafts->files[drafts->files_len++];
		file->path = kt_format("%s/%s", drafts->mission->folder, name);
	} else {
		free(file->bytes);
	}
	file->bytes = bytes;
	file->len = len;
}

static struct kt_json *edits_of(const struct kt_drafts *drafts, const struct kt_draft_wp *draft)
{
	struct kt_json *edits = kt_json_new_object();

	if (draft->from_tasks_md) {
		struct kt_json *ids = kt_json_new_array();

		for (char **id = draft->wp.dependencies; *id != NULL; id++)
			kt_json_append(ids, kt_json_new_string(*id));
		kt_json_set(edits, "dependencies", ids);
	}
	/* The target, whatever is checked out: that is the point of both keys. */
	kt_json_set_string(edits, "planning_base_branch", drafts->mission->target_branch);
	kt_json_set_string(edits, "merge_target_branch", drafts->mission->target_branch);
	return edits;
}

static void wp_edit(struct kt_drafts *drafts, struct kt_draft_wp *draft)
{
	struct kt_plan_file *file = &drafts->files[draft->file];
	struct kt_json *edits = edits_of(drafts, draft);
	struct kt_frontmatter front = {NULL, 0, NULL, NULL};
	struct kt_error inner = KT_ERROR_INIT;
	struct kt_buffer text = KT_BUFFER_INIT;

	if (kt_frontmatter_edit(file->bytes, file->len, edits, &text, &inner) != KT_E_OK ||
		kt_frontmatter_parse(kt_buffer_text(&text), text.len, &front, &inner) != KT_E_OK) {
		kt_drafts_problem(drafts, file->path, 1, "%s", inner.detail);
	} else {
		free(file->bytes);
		file->len = text.len;
		file->bytes = kt_buffer_take(&text);
		free(draft->wp.text);
		draft->wp.text = kt_strndup(file->bytes, file->len);
		draft->wp.text_len = file->len;
		draft->wp.body_offset = front.body_offset;
	}
	kt_frontmatter_release(&front);
	kt_buffer_release(&text);
	kt_json_free(edits);
}

static bool has_code_lane(const struct kt_lane_set *set)
{
	for (size_t i = 0; i < set->len; i++) {
		if (!set->groups[i].is_planning)
			return true;
	}
	return false;
}

/* From now on meta.json says where this mission's status lives; before, it was derived from what
 * was there. A legacy mission stays one: its lanes are in flight. */
static void topology_put(struct kt_drafts *drafts, const struct kt_lane_set *set)
{
	const struct kt_mission *mission = drafts->mission;
	enum kt_topology topology = mission->topology;
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *meta;

	if (kt_json_get(mission->meta, "topology") != NULL || topology == KT_TOPOLOGY_LEGACY)
		return;
	if (topology == KT_TOPOLOGY_SINGLE_BRANCH && has_code_lane(set))
		topology = KT_TOPOLOGY_LANES;
	meta = kt_json_copy(mission->meta);
	kt_json_set_string(meta, "topology", kt_topology_name(topology));
	kt_json_write(meta, KT_JSON_PRETTY_SORTED, &text);
	kt_buffer_putc(&text, '\n');
	kt_json_free(meta);
	file_put(drafts, "meta.json", text.data, text.len);
}

/* The text with the times of `previous` when nothing else differs from it: a second run changes
 * nothing. */
static char *lanes_text(const struct kt_drafts *drafts, const struct kt_lane_set *set,
	const struct kt_finalize_input *input)
{
	const struct kt_json *previous = drafts->previous == NULL ? NULL : drafts->previous->json;
	const char *kept_commit = kt_json_get_string(previous, "planning_commit_sha");
	bool has_frozen = input->frozen != NULL && input->frozen[0] != NULL;
	struct kt_lanes_header header = {.previous = previous,
		.computed_at = kt_json_get_string(previous, "computed_at"),
		.planning_commit = kept_commit};
	struct kt_error inner = KT_ERROR_INIT;
	struct kt_json *value = NULL;
	char now[64], *text;
	bool is_same;

	if (previous != NULL) {
		text = kt_lanes_text(drafts, set, &header);
		is_same = kt_json_parse(text, strlen(text), KT_JSON_LAST_WINS, &value, &inner) ==
				  KT_E_OK &&
			  kt_json_equal(value, previous);
		kt_json_free(value);
		if (is_same)
			return text;
		free(text);
	}
	format_time(input->now_us, now, sizeof(now));
	header.computed_at = now;
	/* Lanes that have begun were cut from the commit that was recorded then. */
	if (!has_frozen || kept_commit == NULL)
		header.planning_commit = input->planning_commit;
	return kt_lanes_text(drafts, set, &header);
}

static enum kt_code previous_read(
	struct kt_drafts *drafts, const struct kt_finalize_input *input, struct kt_error *err)
{
	if (input->previous_lanes == NULL)
		return KT_E_OK;
	return kt_lanes_parse(
		input->previous_lanes, strlen(input->previous_lanes), &drafts->previous, err);
}

static int compare_files(const void *left, const void *right)
{
	const struct kt_plan_file *left_file = left, *right_file = right;

	return strcmp(left_file->path, right_file->path);
}

/* Hands files and WPs over to the result. */
static enum kt_code result_fill(
	struct kt_drafts *drafts, char *lanes, struct kt_finalize *out, struct kt_error *err)
{
	struct kt_plan *plan = kt_alloc(sizeof(*plan));
	enum kt_code code = kt_lanes_parse(lanes, strlen(lanes), &plan->lanes, err);

	if (code != KT_E_OK) {
		kt_plan_free(plan);
		free(lanes);
		return code;
	}
	file_put(drafts, "lanes.json", lanes, strlen(lanes));
	plan->wps = kt_alloc((drafts->wps_len + 1) * sizeof(*plan->wps));
	for (size_t i = 0; i < drafts->wps_len; i++) {
		plan->wps[plan->wps_len++] = drafts->wps[i].wp;
		memset(&drafts->wps[i].wp, 0, sizeof(drafts->wps[i].wp));
	}
	qsort(drafts->files, drafts->files_len, sizeof(*drafts->files), compare_files);
	out->plan = plan;
	out->files = drafts->files;
	out->files_len = drafts->files_len;
	drafts->files = NULL;
	drafts->files_len = 0;
	return KT_E_OK;
}

static enum kt_code problems_code(const struct kt_drafts *drafts, struct kt_error *err)
{
	const char *text = kt_buffer_text(drafts->problems);
	size_t first = strcspn(text, "\n");

	if (drafts->problems_len == 0)
		return KT_E_OK;
	if (drafts->problems_len == 1)
		return kt_error_set(err, KT_E_TASKS_INVALID, "%.*s", (int)first, text);
	return kt_error_set(err, KT_E_TASKS_INVALID, "%.*s (and %zu more)", (int)first, text,
		drafts->problems_len - 1);
}

static enum kt_code compute(struct kt_drafts *drafts, const struct kt_finalize_input *input,
	struct kt_finalize *out, struct kt_error *err)
{
	struct kt_lane_set set = {NULL, 0, NULL, 0};
	char *lanes = NULL;
	enum kt_code code;

	for (size_t i = 0; i < drafts->wps_len; i++)
		wp_edit(drafts, &drafts->wps[i]);
	kt_lanes_compute(drafts, &set);
	code = problems_code(drafts, err);
	if (code == KT_E_OK) {
		topology_put(drafts, &set);
		lanes = lanes_text(drafts, &set, input);
		code = result_fill(drafts, lanes, out, err);
	}
	kt_lane_set_release(&set);
	return code;
}

enum kt_code kt_finalize_plan(
	const struct kt_finalize_input *input, struct kt_finalize **out, struct kt_error *err)
{
	struct kt_finalize *result = kt_alloc(sizeof(*result));
	struct kt_drafts drafts = {.mission = input->mission, .frozen = input->frozen};
	enum kt_code code;

	result->problems = kt_alloc(sizeof(*result->problems));
	result->warnings = kt_alloc(sizeof(*result->warnings));
	drafts.problems = result->problems;
	drafts.warnings = result->warnings;
	code = previous_read(&drafts, input, err);
	if (code == KT_E_OK)
		code = kt_drafts_read(&drafts, err);
	if (code == KT_E_OK) {
		kt_drafts_check(&drafts);
		code = problems_code(&drafts, err);
	}
	if (code == KT_E_OK)
		code = compute(&drafts, input, result, err);
	result->problems_len = drafts.problems_len;
	kt_drafts_release(&drafts);
	/* With problems the result is given too: the caller shows them all. */
	if (code == KT_E_OK || code == KT_E_TASKS_INVALID)
		*out = result;
	else
		kt_finalize_free(result);
	return code;
}

void kt_finalize_free(struct kt_finalize *finalize)
{
	if (finalize == NULL)
		return;
	for (size_t i = 0; i < finalize->files_len; i++) {
		free(finalize->files[i].path);
		free(finalize->files[i].bytes);
	}
	free(finalize->files);
	kt_plan_free(finalize->plan);
	kt_buffer_release(finalize->problems);
	kt_buffer_release(finalize->warnings);
	free(finalize->problems);
	free(finalize->warnings);
	free(finalize);
}
