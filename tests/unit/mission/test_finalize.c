/* finalize-tasks, the pure half: problems, edits, lanes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/mission/meta.h"
#include "supervisor/mission/names.h"
#include "supervisor/mission/plan.h"
#include "support/sandbox.h"

#define FOLDER "kitty-specs/pay-01J6XW9K"
#define META \
	"{\"mission_id\": \"01J6XW9KQT7M0YB3N4R5CQZ2EX\", \"mission_slug\": \"pay-01J6XW9K\", " \
	"\"target_branch\": \"main\", \"topology\": \"lanes_with_coord\", " \
	"\"coordination_branch\": \"kitty/mission-pay-01J6XW9K\"}"
#define TIP "0123456789012345678901234567890123456789"

struct fixture {
	struct kt_sandbox *box;
	struct kt_mission *mission;
	struct kt_finalize_input input;
	struct kt_finalize *result;
	struct kt_error err;
};

static void set_up(struct fixture *fixture)
{
	struct kt_repository repo = {0};
	struct kt_json *meta = NULL;

	memset(fixture, 0, sizeof(*fixture));
	fixture->box = kt_sandbox_new_empty();
	repo.primary = fixture->box->repo;
	repo.common_dir = kt_format("%s/.git", fixture->box->repo);
	assert_int_equal(
		kt_meta_parse("pay-01J6XW9K", META, strlen(META), &meta, &fixture->err), KT_E_OK);
	assert_int_equal(kt_mission_from_meta(&repo, "pay-01J6XW9K", meta, false, &fixture->mission,
				 &fixture->err),
		KT_E_OK);
	free(repo.common_dir);
	kt_sandbox_write(fixture->box, FOLDER "/meta.json", META);
	fixture->input.mission = fixture->mission;
	fixture->input.planning_commit = TIP;
	fixture->input.now_us = 1700000000123456;
}

static void tear_down(struct fixture *fixture)
{
	kt_finalize_free(fixture->result);
	kt_mission_free(fixture->mission);
	kt_sandbox_free(fixture->box);
}

/* One WP file in its shortest form; `more` are further frontmatter lines. */
static void wp(struct fixture *fixture, const char *id, const char *owned, const char *dependencies,
	const char *more)
{
	char *path = kt_format(FOLDER "/tasks/%s-x.md", id);
	char *text = kt_format("---\nwork_package_id: %s\ntitle: T\ndependencies: %s\nowned_files: "
			       "%s\n%s---\nBody\n",
		id, dependencies, owned, more);

	kt_sandbox_write(fixture->box, path, text);
	free(path);
	free(text);
}

static enum kt_code run(struct fixture *fixture)
{
	kt_finalize_free(fixture->result);
	fixture->result = NULL;
	return kt_finalize_plan(&fixture->input, &fixture->result, &fixture->err);
}

static const struct kt_plan_file *file(const struct fixture *fixture, const char *name)
{
	for (size_t i = 0; i < fixture->result->files_len; i++) {
		const char *path = fixture->result->files[i].path;

		if (strncmp(path, FOLDER "/", strlen(FOLDER) + 1) == 0 &&
			strcmp(path + strlen(FOLDER) + 1, name) == 0)
			return &fixture->result->files[i];
	}
	return NULL;
}

static void finalises(struct fixture *fixture)
{
	if (run(fixture) != KT_E_OK)
		fail_msg("%s", fixture->result == NULL ? fixture->err.detail
						       : kt_buffer_text(fixture->result->problems));
}

/* "lane-a: WP01 WP02 <lane-b @1; ..." */
static void lanes_are(struct fixture *fixture, const char *wanted)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	const struct kt_lanes *lanes = fixture->result->plan->lanes;

	for (size_t i = 0; i < lanes->len; i++) {
		kt_buffer_printf(&text, "%s%s:", i == 0 ? "" : "; ", lanes->lanes[i].id);
		for (char **id = lanes->lanes[i].wp_ids; *id != NULL; id++)
			kt_buffer_printf(&text, " %s", *id);
		for (char **id = lanes->lanes[i].depends_on_lanes; *id != NULL; id++)
			kt_buffer_printf(&text, " <%s", *id);
		kt_buffer_printf(&text, " @%ld", lanes->lanes[i].parallel_group);
	}
	assert_string_equal(kt_buffer_text(&text), wanted);
	kt_buffer_release(&text);
}

static void has_problems(struct fixture *fixture, size_t count, const char *const *wanted)
{
	assert_int_equal(run(fixture), KT_E_TASKS_INVALID);
	for (; *wanted != NULL; wanted++) {
		if (strstr(kt_buffer_text(fixture->result->problems), *wanted) == NULL)
			fail_msg("no \"%s\" in:\n%s", *wanted,
				kt_buffer_text(fixture->result->problems));
	}
	if (fixture->result->problems_len != count)
		fail_msg("%zu problems:\n%s", fixture->result->problems_len,
			kt_buffer_text(fixture->result->problems));
}

#define PROBLEMS(fixture, count, ...) \
	has_problems(fixture, count, (const char *const[]){__VA_ARGS__, NULL})

static void independent_wps_get_a_lane_each(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[src/a/**]", "[]", "");
	wp(&f, "WP02", "[src/b/**]", "[]", "");
	finalises(&f);
	lanes_are(&f, "lane-a: WP01 @0; lane-b: WP02 @0");
	tear_down(&f);
}

static void lanes_json_has_the_exact_bytes(void **state)
{
	struct fixture f;
	const struct kt_plan_file *lanes;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[src/a/**]", "[]", "");
	wp(&f, "WP02", "[src/a/x.c, src/b]", "[WP01]", "");
	finalises(&f);
	lanes = file(&f, "lanes.json");
	assert_string_equal(lanes->bytes,
		"{\n  \"version\": 1,\n  \"mission_slug\": \"pay-01J6XW9K\",\n"
		"  \"mission_id\": \"01J6XW9KQT7M0YB3N4R5CQZ2EX\",\n"
		"  \"mission_branch\": \"kitty/mission-pay-01J6XW9K\",\n"
		"  \"target_branch\": \"main\",\n  \"lanes\": [\n    {\n"
		"      \"lane_id\": \"lane-a\",\n      \"wp_ids\": [\n        \"WP01\",\n"
		"        \"WP02\"\n      ],\n      \"write_scope\": [\n        \"src/a/**\",\n"
		"        \"src/a/x.c\",\n        \"src/b\"\n      ],\n"
		"      \"predicted_surfaces\": [],\n      \"depends_on_lanes\": [],\n"
		"      \"parallel_group\": 0\n    }\n  ],\n"
		"  \"computed_at\": \"2023-11-14T22:13:20.123456+00:00\",\n"
		"  \"computed_from\": \"dependency_graph+ownership\",\n"
		"  \"planning_artifact_wps\": [],\n  \"planning_commit_sha\": \"" TIP "\",\n"
		"  \"collapse_report\": {\n    \"events\": [\n      {\n        \"wp_a\": "
		"\"WP01\",\n"
		"        \"wp_b\": \"WP02\",\n        \"rule\": \"write_scope_overlap\",\n"
		"        \"evidence\": \"src/a/** overlaps src/a/x.c; WP02 depends on WP01\"\n"
		"      }\n    ],\n    \"total_merges\": 1,\n    \"independent_wps_collapsed\": 0,\n"
		"    \"by_rule\": {\n      \"write_scope_overlap\": 1\n    }\n  }\n}\n");
	tear_down(&f);
}

static void dependencies_alone_make_edges_not_lanes(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[a]", "[WP03]", "");
	wp(&f, "WP02", "[b]", "[WP01]", "");
	wp(&f, "WP03", "[c]", "[]", "");
	finalises(&f);
	lanes_are(&f, "lane-c: WP03 @0; lane-a: WP01 <lane-c @1; lane-b: WP02 <lane-a @2");
	tear_down(&f);
}

static void a_lane_runs_in_topological_order_with_ties_by_id(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[src/**]", "[WP04]", "");
	wp(&f, "WP02", "[src/b]", "[WP01]", "");
	wp(&f, "WP03", "[src/c]", "[WP01]", "");
	wp(&f, "WP04", "[src/d]", "[]", "");
	finalises(&f);
	lanes_are(&f, "lane-a: WP04 WP01 WP02 WP03 @0");
	tear_down(&f);
}

static void planning_wps_share_one_lane(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[]", "[]", "execution_mode: planning_artifact\n");
	wp(&f, "WP02", "[src]", "[WP01]", "");
	wp(&f, "WP03", "[kitty-specs/x]", "[]", "execution_mode: planning_artifact\n");
	finalises(&f);
	lanes_are(&f, "lane-planning: WP01 WP03 @0; lane-a: WP02 <lane-planning @1");
	assert_non_null(strstr(file(&f, "lanes.json")->bytes, "\"planning\""));
	tear_down(&f);
}

static void thirty_wps_get_thirty_lanes(void **state)
{
	struct fixture f;
	char id[16], owned[16];

	(void)state;
	set_up(&f);
	for (int i = 1; i <= 30; i++) {
		(void)snprintf(id, sizeof(id), "WP%02d", i);
		(void)snprintf(owned, sizeof(owned), "[f%02d]", i);
		wp(&f, id, owned, "[]", "");
	}
	finalises(&f);
	assert_int_equal(f.result->plan->lanes->len, 30);
	assert_string_equal(kt_lanes_of_wp(f.result->plan->lanes, "WP26")->id, "lane-z");
	assert_string_equal(kt_lanes_of_wp(f.result->plan->lanes, "WP27")->id, "lane-aa");
	assert_string_equal(kt_lanes_of_wp(f.result->plan->lanes, "WP30")->id, "lane-ad");
	tear_down(&f);
}

static void names_that_only_begin_alike_do_not_overlap(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[src/a]", "[]", "");
	wp(&f, "WP02", "[src/ab.c]", "[]", "");
	finalises(&f);
	assert_int_equal(f.result->plan->lanes->len, 2);
	tear_down(&f);
}

static void the_target_is_written_whatever_is_checked_out(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	free(kt_sandbox_run(f.box, "git init -q -b prep/x ."));
	wp(&f, "WP01", "[a]", "[]", "");
	finalises(&f);
	assert_string_equal(file(&f, "tasks/WP01-x.md")->bytes,
		"---\nwork_package_id: WP01\ntitle: T\ndependencies: []\nplanning_base_branch: "
		"main\n"
		"merge_target_branch: main\nowned_files: [a]\n---\nBody\n");
	tear_down(&f);
}

static void a_second_run_gives_the_same_bytes(void **state)
{
	struct fixture f;
	char *lanes, *text;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[src/**]", "[]", "");
	wp(&f, "WP02", "[src/x]", "[WP01]", "");
	kt_sandbox_write(f.box, FOLDER "/tasks/WP03-crlf.md",
		"\xef\xbb\xbf---\r\nwork_package_id: WP03\r\ntitle: T\r\nowned_files:\r\n- y\r\n"
		"---\r\nBody\r\n");
	finalises(&f);
	lanes = kt_strdup(file(&f, "lanes.json")->bytes);
	text = kt_strdup(file(&f, "tasks/WP03-crlf.md")->bytes);
	assert_non_null(strstr(text, "merge_target_branch: main\r\n"));
	for (size_t i = 0; i < f.result->files_len; i++)
		kt_sandbox_write(f.box, f.result->files[i].path, f.result->files[i].bytes);
	f.input.previous_lanes = lanes;
	f.input.now_us += 5000000;
	f.input.planning_commit = "9999999999999999999999999999999999999999";
	finalises(&f);
	assert_string_equal(file(&f, "lanes.json")->bytes, lanes);
	assert_string_equal(file(&f, "tasks/WP03-crlf.md")->bytes, text);
	tear_down(&f);
	free(lanes);
	free(text);
}

static void kept_lanes_keep_their_ids_and_new_wps_join_or_get_new_ones(void **state)
{
	static const char *const frozen[] = {"WP02", NULL};
	struct fixture f;
	char *lanes;

	(void)state;
	set_up(&f);
	wp(&f, "WP02", "[src/b/**]", "[]", "");
	wp(&f, "WP03", "[src/c/**]", "[]", "");
	finalises(&f);
	lanes_are(&f, "lane-a: WP02 @0; lane-b: WP03 @0");
	lanes = kt_strdup(file(&f, "lanes.json")->bytes);
	f.input.previous_lanes = lanes;
	f.input.frozen = frozen;
	f.input.now_us += 1000000;
	f.input.planning_commit = "9999999999999999999999999999999999999999";
	wp(&f, "WP01", "[src/a/**]", "[]", "");
	wp(&f, "WP04", "[src/b/x.c]", "[WP02]", "");
	finalises(&f);
	lanes_are(&f, "lane-a: WP02 WP04 @0; lane-b: WP03 @0; lane-c: WP01 @0");
	/* Work has begun: the commit that it was planned on stays. */
	assert_non_null(strstr(file(&f, "lanes.json")->bytes, TIP));
	assert_non_null(strstr(file(&f, "lanes.json")->bytes, "2023-11-14T22:13:21.123456+00:00"));
	tear_down(&f);
	free(lanes);
}

static void started_work_cannot_be_taken_away(void **state)
{
	static const char *const frozen[] = {"WP01", "WP02", NULL};
	struct fixture f;
	char *lanes;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[src/**]", "[]", "");
	wp(&f, "WP02", "[src/x]", "[WP01]", "");
	wp(&f, "WP03", "[other]", "[]", "");
	finalises(&f);
	lanes = kt_strdup(file(&f, "lanes.json")->bytes);
	f.input.previous_lanes = lanes;
	f.input.frozen = frozen;
	free(kt_sandbox_run(f.box, "rm " FOLDER "/tasks/WP03-x.md"));
	wp(&f, "WP01", "[src/**]", "[WP02]", "");
	wp(&f, "WP02", "[src/x]", "[]", "");
	PROBLEMS(&f, 1, "tasks/WP01-x.md:4: WP01 now depends on a work package that runs after it");
	free(kt_sandbox_run(f.box, "rm " FOLDER "/tasks/WP02-x.md"));
	wp(&f, "WP01", "[src/**]", "[]", "execution_mode: planning_artifact\n");
	PROBLEMS(&f, 2, "WP02 has been started, and its file is gone",
		"tasks/WP01-x.md:6: WP01 has been started: its execution_mode cannot change");
	tear_down(&f);
	free(lanes);
}

static void all_problems_are_told_with_file_and_line(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[a]", "[WP02]", "");
	wp(&f, "WP02", "[b]", "[WP03]", "");
	wp(&f, "WP03", "[c]", "[WP01, WP09, WP03]", "");
	wp(&f, "WP04", "[kitty-specs/pay/**, /etc/x, ../y]", "[]", "");
	wp(&f, "WP05", "[d/**]", "[]", "");
	wp(&f, "WP06", "[d/e.c]", "[]", "authoritative_surface: src/\n");
	kt_sandbox_write(f.box, FOLDER "/tasks/WP07-x.md", "---\nwork_package_id: WP08\n---\n");
	kt_sandbox_write(f.box, FOLDER "/tasks/WP05-again.md",
		"---\nwork_package_id: WP05\ntitle: T\nowned_files: [zz]\n---\n");
	kt_sandbox_write(f.box, FOLDER "/tasks/WP10-bad.md", "---\ntitle: x\n\tb: 1\n---\n");
	free(kt_sandbox_run(f.box, "ln -s /etc/passwd " FOLDER "/research.md"));
	PROBLEMS(&f, 14, "tasks/WP01-x.md:4: a cycle: WP01 -> WP02 -> WP03 -> WP01",
		"tasks/WP03-x.md:4: the dependency \"WP09\" is no work package",
		"tasks/WP03-x.md:4: WP03 depends on itself",
		"tasks/WP04-x.md:5: INVALID_WP_OWNED_FILES_KITTY_SPECS",
		"tasks/WP04-x.md:5: \"/etc/x\" is no path",
		"tasks/WP04-x.md:5: \"../y\" is no path",
		"tasks/WP06-x.md:5: WP06 owns \"d/e.c\" and WP05 owns \"d/**\"",
		"tasks/WP06-x.md:6: authoritative_surface",
		"tasks/WP07-x.md:2: WP08 is in a file named for WP07", "tasks/WP07-x.md:1: title",
		"tasks/WP07-x.md:1: owned_files is missing",
		"tasks/WP05-x.md:2: WP05 is also the id of tasks/WP05-again.md",
		"tasks/WP10-bad.md:3: column 1", "research.md:1: a symbolic link");
	assert_null(f.result->plan);
	tear_down(&f);
}

static void a_mission_without_work_packages_is_a_problem(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	kt_sandbox_write(f.box, FOLDER "/tasks/README.md", "x\n");
	PROBLEMS(&f, 1, "there is no work package file");
	tear_down(&f);
}

static void codebase_wide_work_may_overlap(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "['**']", "[]", "scope: codebase-wide\n");
	wp(&f, "WP02", "[src]", "[]", "");
	finalises(&f);
	lanes_are(&f, "lane-a: WP01 WP02 @0");
	tear_down(&f);
}

static void dependencies_come_from_tasks_md_when_the_file_has_none(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[a]", "[]", "");
	kt_sandbox_write(f.box, FOLDER "/tasks/WP02-x.md",
		"---\nwork_package_id: WP02\ntitle: T\nowned_files: [b]\n---\n");
	kt_sandbox_write(f.box, FOLDER "/tasks/WP03-x.md",
		"---\nwork_package_id: WP03\ntitle: T\nowned_files: [c]\n---\n");
	kt_sandbox_write(f.box, FOLDER "/tasks.md",
		"# Tasks\n## WP01: one\nDepends on WP02\n```\n## WP02\nDepends on WP03\n```\n"
		"## Work Package 2\n- **Dependencies**: WP01\n### Notes\n"
		"## WP03 three\n### Dependencies\n- WP01 first\n- WP02\n\n## Other\n- WP09\n");
	finalises(&f);
	lanes_are(&f, "lane-a: WP01 @0; lane-b: WP02 <lane-a @1; lane-c: WP03 <lane-a <lane-b @2");
	assert_non_null(
		strstr(file(&f, "tasks/WP03-x.md")->bytes, "dependencies:\n- WP01\n- WP02\n"));
	tear_down(&f);
}

static void every_file_of_the_folder_is_carried_but_the_status(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[a]", "[]", "colour: red\n");
	kt_sandbox_write(f.box, FOLDER "/status.json", "{}");
	kt_sandbox_write(f.box, FOLDER "/status.events.jsonl", "");
	kt_sandbox_write(f.box, FOLDER "/contracts/a.yaml", "x");
	kt_sandbox_write(f.box, FOLDER "/tasks/.gitkeep", "");
	finalises(&f);
	assert_int_equal(f.result->files_len, 5);
	assert_non_null(file(&f, "contracts/a.yaml"));
	assert_non_null(file(&f, "tasks/.gitkeep"));
	assert_null(file(&f, "status.json"));
	assert_non_null(
		strstr(kt_buffer_text(f.result->warnings), "WP01-x.md:6: unknown key \"colour\""));
	assert_non_null(
		strstr(kt_buffer_text(f.result->warnings), "WP01-x.md:5: \"a\" does not exist"));
	tear_down(&f);
}

static void requirements_are_checked_when_the_spec_declares_them(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	wp(&f, "WP01", "[a]", "[]", "requirement_refs: FR-001, FR-009, NFR-002\n");
	kt_sandbox_write(f.box, FOLDER "/spec.md", "nothing yet: NFR-002\n");
	finalises(&f);
	kt_sandbox_write(f.box, FOLDER "/spec.md", "- **FR-001** x\n- FR-002 y\n- NFR-002\n");
	PROBLEMS(&f, 1, "WP01-x.md:6: the requirement \"FR-009\" is not in spec.md");
	assert_non_null(
		strstr(kt_buffer_text(f.result->warnings), "no work package refers to FR-002"));
	tear_down(&f);
}

static void lanes_never_wait_for_each_other_in_a_circle_of_wps(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	/* By id alone lane-a would run WP01 first, which waits for WP03, which stands behind WP02,
	 * which waits for WP04, which stands behind WP01. */
	wp(&f, "WP01", "[a/x]", "[WP03]", "scope: codebase-wide\n");
	wp(&f, "WP02", "[b/x]", "[WP04]", "scope: codebase-wide\n");
	wp(&f, "WP03", "[b/**]", "[]", "scope: codebase-wide\n");
	wp(&f, "WP04", "[a/**]", "[]", "scope: codebase-wide\n");
	finalises(&f);
	lanes_are(&f, "lane-a: WP01 WP04 <lane-b @2; lane-b: WP03 WP02 <lane-a @2");
	tear_down(&f);
}

static void lanes_json_is_read_strictly(void **state)
{
	static const char *const bad[] = {"", "[]", "{}", "{\"version\": 2}",
		"{\"version\":1,\"mission_slug\":\"x\",\"mission_branch\":\"b\",\"target_branch\":"
		"\"t\","
		"\"computed_at\":\"\",\"computed_from\":\"\",\"lanes\":[{\"lane_id\":\"../"
		"a\",\"wp_ids\":[]}]}",
		"{\"version\":1,\"mission_slug\":\"x\",\"mission_branch\":\"b\",\"target_branch\":"
		"\"t\","
		"\"computed_at\":\"\",\"computed_from\":\"\",\"lanes\":[{\"lane_id\":\"lane-a\","
		"\"wp_ids\":["
		"\"WP01\",\"WP01\"]},{\"lane_id\":\"lane-a\",\"wp_ids\":[]}]}"};
	static const char good[] =
		"{\"target_branch\":\"t\",\"version\":1,\"mission_slug\":\"x\",\"mission_branch\":"
		"\"kitty/mission-x-A-A\",\"computed_at\":\"\",\"computed_from\":\"\",\"new\":1,"
		"\"lanes\":[{\"lane_id\":\"lane-aa\",\"wp_ids\":[\"WP01\"],\"path_base\":1}]}";
	struct kt_lanes *lanes = NULL;
	struct kt_error err = KT_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
			kt_lanes_parse(bad[i], strlen(bad[i]), &lanes, &err), KT_E_LANES_INVALID);
	assert_int_equal(kt_lanes_parse(good, strlen(good), &lanes, &err), KT_E_OK);
	assert_string_equal(lanes->mission_branch, "kitty/mission-x-A-A");
	assert_non_null(kt_lanes_find(lanes, "lane-aa"));
	assert_null(kt_lanes_of_wp(lanes, "WP02"));
	kt_lanes_free(lanes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(independent_wps_get_a_lane_each),
		cmocka_unit_test(lanes_json_has_the_exact_bytes),
		cmocka_unit_test(dependencies_alone_make_edges_not_lanes),
		cmocka_unit_test(a_lane_runs_in_topological_order_with_ties_by_id),
		cmocka_unit_test(planning_wps_share_one_lane),
		cmocka_unit_test(thirty_wps_get_thirty_lanes),
		cmocka_unit_test(names_that_only_begin_alike_do_not_overlap),
		cmocka_unit_test(the_target_is_written_whatever_is_checked_out),
		cmocka_unit_test(a_second_run_gives_the_same_bytes),
		cmocka_unit_test(kept_lanes_keep_their_ids_and_new_wps_join_or_get_new_ones),
		cmocka_unit_test(started_work_cannot_be_taken_away),
		cmocka_unit_test(all_problems_are_told_with_file_and_line),
		cmocka_unit_test(a_mission_without_work_packages_is_a_problem),
		cmocka_unit_test(codebase_wide_work_may_overlap),
		cmocka_unit_test(dependencies_come_from_tasks_md_when_the_file_has_none),
		cmocka_unit_test(every_file_of_the_folder_is_carried_but_the_status),
		cmocka_unit_test(requirements_are_checked_when_the_spec_declares_them),
		cmocka_unit_test(lanes_never_wait_for_each_other_in_a_circle_of_wps),
		cmocka_unit_test(lanes_json_is_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
