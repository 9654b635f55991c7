/*
 * The status report: what waits for what, progress, and the supervisor's part merged in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/report.h"

static char wp1[] = "WP01", wp2[] = "WP02", wp3[] = "WP03", lane_a[] = "lane-a",
	    lane_b[] = "lane-b";
static char *no_strings[] = {NULL};
static char *depends_on_wp1[] = {wp1, NULL};
static char *in_lane_a[] = {wp1, wp3, NULL};
static char *in_lane_b[] = {wp2, NULL};
static char title[] = "Title";
static char path[] = "tasks/WP.md";

static struct kt_wp wps[] = {
	{.id = wp1, .title = title, .path = path, .dependencies = no_strings},
	{.id = wp2, .title = title, .path = path, .dependencies = depends_on_wp1},
	{.id = wp3, .title = title, .path = path, .dependencies = no_strings},
};
static struct kt_lane_plan lane_plans[] = {
	{.id = lane_a, .wp_ids = in_lane_a, .depends_on_lanes = no_strings},
	{.id = lane_b, .wp_ids = in_lane_b, .depends_on_lanes = no_strings},
};
static struct kt_lanes lanes = {.lanes = lane_plans, .len = 2};
static const struct kt_plan plan = {.wps = wps, .wps_len = 3, .lanes = &lanes};

static char slug[] = "upsell-01J6XW9K", root[] = "/repo", id[] = "01J6XW9KQT7M0YB3N4R5CQZ2EX",
	    mid8[] = "01J6XW9K", target[] = "main", branch[] = "kitty/mission-upsell-01J6XW9K";
static const struct kt_mission mission = {.slug = slug,
	.repo_root = root,
	.mission_id = id,
	.mid8 = mid8,
	.target_branch = target,
	.coordination_branch = branch};

static struct kt_reducer *state_of(const char *wp1_status)
{
	struct kt_reducer *reducer = kt_reducer_new();
	struct kt_buffer log = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	static const char *const ids[] = {"WP01", "WP02", "WP03"};

	for (size_t i = 0; i < 3; i++)
		kt_buffer_printf(&log,
			"{\"actor\": \"finalize-tasks\", \"at\": \"2026-01-01T00:00:0%zu+00:00\", "
			"\"event_id\": \"01ARZ3NDEKTSV4RRFFQ69G5FA%zu\", \"execution_mode\": "
			"\"worktree\", "
			"\"force\": false, \"from_lane\": \"genesis\", \"mission_slug\": "
			"\"upsell-01J6XW9K\", "
			"\"to_lane\": \"planned\", \"wp_id\": \"%s\"}\n",
			i, i, ids[i]);
	kt_buffer_printf(&log,
		"{\"actor\": \"claude\", \"at\": \"2026-01-01T00:00:09+00:00\", "
		"\"event_id\": \"01ARZ3NDEKTSV4RRFFQ69G5FA9\", \"execution_mode\": \"worktree\", "
		"\"force\": true, \"from_lane\": \"planned\", \"mission_slug\": "
		"\"upsell-01J6XW9K\", "
		"\"policy_metadata\": {\"agent\": \"claude\", \"shell_pid\": 7}, \"reason\": "
		"\"why\", "
		"\"to_lane\": \"%s\", \"wp_id\": \"WP01\"}\n",
		wp1_status);
	assert_int_equal(kt_reducer_feed(reducer, log.data, log.len, &err), KT_E_OK);
	kt_buffer_release(&log);
	return reducer;
}

static const struct kt_json *at(const struct kt_json *list, size_t index)
{
	const struct kt_json *item = kt_json_first(list);

	while (item != NULL && index-- > 0)
		item = kt_json_next(item);
	return item;
}

static const char *waits(const struct kt_json *report, size_t wp)
{
	return kt_json_string(kt_json_first(
		kt_json_get(at(kt_json_get(report, "work_packages"), wp), "waits_for")));
}

static void dependencies_and_the_lane_before_are_waited_for(void **state)
{
	struct kt_reducer *reducer = state_of("claimed");
	struct kt_json *report = kt_report_build(&mission, &plan, reducer, NULL, NULL);
	const struct kt_json *first = at(kt_json_get(report, "work_packages"), 0);
	int64_t count = 0;

	assert_string_equal(waits(report, 1), "WP01 is claimed");
	assert_string_equal(waits(report, 2), "WP01 is claimed");
	assert_null(waits(report, 0));
	assert_string_equal(kt_json_get_string(first, "lane"), "claimed");
	assert_string_equal(kt_json_get_string(first, "reason"), "why");
	assert_string_equal(kt_json_get_string(kt_json_get(first, "holder"), "actor"), "claude");
	assert_true(kt_json_get_int(kt_json_get(report, "by_lane"), "planned", &count));
	assert_int_equal(count, 2);
	assert_true(kt_json_is(kt_json_get(report, "supervisor"), KT_JSON_NULL));
	kt_json_free(report);
	kt_reducer_free(reducer);
	(void)state;
}

static void an_approved_work_package_lets_the_others_go(void **state)
{
	struct kt_reducer *reducer = state_of("approved");
	struct kt_json *report = kt_report_build(&mission, &plan, reducer, NULL, NULL);
	struct kt_buffer text = KT_BUFFER_INIT;

	assert_null(waits(report, 1));
	assert_null(waits(report, 2));
	kt_json_write(kt_json_get(report, "weighted_percentage"), KT_JSON_COMPACT, &text);
	assert_string_equal(kt_buffer_text(&text), "26.7");
	kt_buffer_release(&text);
	kt_json_free(report);
	kt_reducer_free(reducer);
	(void)state;
}

static void what_the_supervisor_knows_is_merged_by_lane(void **state)
{
	static const char live_text[] = "{\"supervisor\": {\"pid\": 42}, \"lanes\": [{\"lane_id\": "
					"\"lane-b\", \"state\": \"READY\", "
					"\"agent\": \"codex\", \"agent_pid\": 43, \"wp\": "
					"\"WP02\", \"last_output\": \"hello\"}]}";
	struct kt_reducer *reducer = state_of("claimed");
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *live = NULL;
	struct kt_json *report = NULL;
	const struct kt_json *lane = NULL;
	int64_t pid = 0;

	assert_int_equal(kt_json_parse(live_text, sizeof live_text - 1, 0, &live, &err), KT_E_OK);
	report = kt_report_build(&mission, &plan, reducer, NULL, live);
	lane = at(kt_json_get(report, "lanes"), 1);
	assert_string_equal(kt_json_get_string(lane, "running_wp"), "WP02");
	assert_string_equal(kt_json_get_string(lane, "last_output"), "hello");
	assert_true(kt_json_get_int(lane, "pid", &pid));
	assert_int_equal(pid, 43);
	assert_true(kt_json_is(
		kt_json_get(at(kt_json_get(report, "lanes"), 0), "agent"), KT_JSON_NULL));
	assert_true(kt_json_get_int(kt_json_get(report, "supervisor"), "pid", &pid));
	kt_json_free(report);
	kt_json_free(live);
	kt_reducer_free(reducer);
	(void)state;
}

static void without_a_plan_the_log_speaks_alone(void **state)
{
	struct kt_reducer *reducer = state_of("blocked");
	struct kt_json *report = kt_report_build(&mission, NULL, reducer, NULL, NULL);

	assert_int_equal(kt_json_size(kt_json_get(report, "work_packages")), 3);
	assert_int_equal(kt_json_size(kt_json_get(report, "lanes")), 0);
	kt_json_free(report);
	kt_reducer_free(reducer);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dependencies_and_the_lane_before_are_waited_for),
		cmocka_unit_test(an_approved_work_package_lets_the_others_go),
		cmocka_unit_test(what_the_supervisor_knows_is_merged_by_lane),
		cmocka_unit_test(without_a_plan_the_log_speaks_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
