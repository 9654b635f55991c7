/* Frontmatter: reading, and editing that keeps every other byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/config/frontmatter.h"

static void reads_as(const char *text, const char *json, const char *body)
{
	struct kt_frontmatter front = {NULL, 0, NULL, NULL};
	struct kt_error err = KT_ERROR_INIT;
	struct kt_buffer out = KT_BUFFER_INIT;

	if (kt_frontmatter_parse(text, strlen(text), &front, &err) != KT_E_OK)
		fail_msg("%s", err.detail);
	kt_json_write(front.values, KT_JSON_COMPACT, &out);
	assert_string_equal(kt_buffer_text(&out), json);
	assert_string_equal(text + front.body_offset, body);
	kt_buffer_release(&out);
	kt_frontmatter_release(&front);
}

static void refused(const char *text, enum kt_code code, const char *detail)
{
	struct kt_frontmatter front = {NULL, 0, NULL, NULL};
	struct kt_error err = KT_ERROR_INIT;

	assert_int_equal(kt_frontmatter_parse(text, strlen(text), &front, &err), code);
	if (strstr(err.detail, detail) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, detail);
}

static void edits_to(const char *text, const char *values, const char *wanted)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_json *json = NULL;

	assert_int_equal(kt_json_parse(values, strlen(values), 0, &json, &err), KT_E_OK);
	if (kt_frontmatter_edit(text, strlen(text), json, &out, &err) != KT_E_OK)
		fail_msg("%s", err.detail);
	assert_string_equal(kt_buffer_text(&out), wanted);
	kt_buffer_release(&out);
	kt_json_free(json);
}

static void values_lists_and_body_are_read(void **state)
{
	(void)state;
	reads_as("---\nwork_package_id: WP01\ntitle: 'One: two'\nowned_files:\n- "
		 "src/**\n---\nBody\n",
		"{\"work_package_id\": \"WP01\", \"title\": \"One: two\", \"owned_files\": "
		"[\"src/**\"]}",
		"Body\n");
	reads_as("---\n---\n", "{}", "");
	reads_as("---\ntitle: x\n--- \n---\n", "{\"title\": \"x\"}", "---\n");
}

static void comma_texts_become_lists_where_lists_are_meant(void **state)
{
	(void)state;
	reads_as("---\ndependencies: WP01, WP02 ,\nrequirement_refs: FR-001\ntitle: a, b\n---\n",
		"{\"dependencies\": [\"WP01\", \"WP02\"], \"requirement_refs\": [\"FR-001\"], "
		"\"title\": \"a, b\"}",
		"");
}

static void byte_order_mark_and_carriage_returns_are_tolerated(void **state)
{
	(void)state;
	reads_as("\xef\xbb\xbf---\r\ntitle: x\r\nowned_files:\r\n- a\r\n---\r\nBody\r\n",
		"{\"title\": \"x\", \"owned_files\": [\"a\"]}", "Body\r\n");
}

static void lines_of_keys_are_those_of_the_file(void **state)
{
	const char *text = "---\n# note\ntitle: x\n\nsubtasks:\n- T001\ncolour: red\n---\n";
	struct kt_frontmatter front = {NULL, 0, NULL, NULL};
	struct kt_error err = KT_ERROR_INIT;
	int64_t line = 0;

	(void)state;
	assert_int_equal(kt_frontmatter_parse(text, strlen(text), &front, &err), KT_E_OK);
	assert_true(kt_json_get_int(front.lines, "title", &line));
	assert_int_equal(line, 3);
	assert_true(kt_json_get_int(front.lines, "subtasks", &line));
	assert_int_equal(line, 5);
	assert_string_equal(kt_buffer_text(front.warnings), "7: unknown key \"colour\"\n");
	kt_frontmatter_release(&front);
}

static void files_without_good_frontmatter_are_refused(void **state)
{
	(void)state;
	refused("title: x\n", KT_E_WP_FILE_INVALID, "line 1");
	refused("", KT_E_WP_FILE_INVALID, "line 1");
	refused("---\ntitle: x\n", KT_E_WP_FILE_INVALID, "no closing");
	refused("---\n- a\n---\n", KT_E_WP_FILE_INVALID, "line 2, column 1");
	refused("---\ntitle: x\n\tb: y\n---\n", KT_E_YAML_INVALID, "line 3, column 1");
	refused("---\ntitle: x\ntitle: y\n---\n", KT_E_YAML_INVALID, "line 3, column 1");
}

static void a_new_key_stands_where_the_canonical_order_has_it(void **state)
{
	(void)state;
	edits_to("---\nwork_package_id: WP01\ntitle: x\nsubtasks:\n- T001\nowned_files: "
		 "[]\n---\nB\n",
		"{\"planning_base_branch\": \"main\", \"merge_target_branch\": \"main\"}",
		"---\nwork_package_id: WP01\ntitle: x\nplanning_base_branch: main\n"
		"merge_target_branch: main\nsubtasks:\n- T001\nowned_files: []\n---\nB\n");
	edits_to("---\nowned_files: []\n---\n", "{\"title\": \"x\"}",
		"---\ntitle: x\nowned_files: []\n---\n");
	edits_to("---\n---\n", "{\"title\": \"x\"}", "---\ntitle: x\n---\n");
}

static void a_changed_key_changes_only_its_own_lines(void **state)
{
	(void)state;
	edits_to("---\ntitle: x   # why\ndependencies:\n  - WP01\n  - WP02\n\n# about the rest\n"
		 "colour: \"red\"\n---\nB\n",
		"{\"dependencies\": [\"WP03\"]}",
		"---\ntitle: x   # why\ndependencies:\n- WP03\n\n# about the rest\ncolour: "
		"\"red\"\n"
		"---\nB\n");
	edits_to("---\ndependencies: [WP01,\n  WP02]\ntitle: x\n---\n", "{\"dependencies\": []}",
		"---\ndependencies: []\ntitle: x\n---\n");
}

static void an_unchanged_value_keeps_its_notation(void **state)
{
	const char *text = "---\ndependencies: WP01, WP02\nmerge_target_branch:   \"main\"\n---\n";

	(void)state;
	edits_to(text,
		"{\"dependencies\": [\"WP01\", \"WP02\"], \"merge_target_branch\": \"main\"}",
		text);
}

static void carriage_returns_and_indents_are_kept(void **state)
{
	(void)state;
	edits_to("\xef\xbb\xbf---\r\ntitle: x\r\n---\r\nB\r\n",
		"{\"merge_target_branch\": \"main\"}",
		"\xef\xbb\xbf---\r\ntitle: x\r\nmerge_target_branch: main\r\n---\r\nB\r\n");
	edits_to("---\n  title: x\n---\n", "{\"dependencies\": [\"WP01\"]}",
		"---\n  title: x\n  dependencies:\n  - WP01\n---\n");
}

static void texts_are_quoted_when_a_reader_could_mistake_them(void **state)
{
	(void)state;
	edits_to("---\n---\n",
		"{\"subtasks\": [\"\", \"yes\", \"12\", \"1.5\", \"2024-01-01\", \"a: b\", "
		"\"it's\", "
		"\"- x\", \"a #b\", \"null\", \"T001\", \"src/**\", \"*.c\", \"a\\nb\"]}",
		"---\nsubtasks:\n- ''\n- 'yes'\n- '12'\n- '1.5'\n- '2024-01-01'\n- 'a: b'\n- it's\n"
		"- '- x'\n- 'a #b'\n- 'null'\n- T001\n- src/**\n- '*.c'\n- \"a\\nb\"\n---\n");
}

static void keys_on_one_line_cannot_be_edited(void **state)
{
	const char *text = "---\n{title: x, agent: y}\n---\n";
	struct kt_error err = KT_ERROR_INIT;
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_json *json = kt_json_new_object();

	(void)state;
	kt_json_set_string(json, "merge_target_branch", "main");
	assert_int_equal(
		kt_frontmatter_edit(text, strlen(text), json, &out, &err), KT_E_WP_FILE_INVALID);
	assert_int_equal(out.len, 0);
	kt_json_free(json);
	kt_buffer_release(&out);
}

static void what_would_not_read_back_is_not_written(void **state)
{
	const char *text = "---\ntitle: x\n...\n# end\n---\n";
	struct kt_error err = KT_ERROR_INIT;
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_json *json = kt_json_new_object();

	(void)state;
	kt_json_set_string(json, "merge_target_branch", "main");
	assert_int_equal(
		kt_frontmatter_edit(text, strlen(text), json, &out, &err), KT_E_WP_FILE_INVALID);
	assert_int_equal(out.len, 0);
	kt_json_free(json);
	kt_buffer_release(&out);
}

static void block_texts_with_hash_lines_survive_edits_beside_them(void **state)
{
	(void)state;
	edits_to("---\ntitle: x\ndescription: |\n  # a\n  b\nagent: y\n---\n",
		"{\"merge_target_branch\": \"main\"}",
		"---\ntitle: x\nmerge_target_branch: main\ndescription: |\n  # a\n  b\nagent: "
		"y\n---\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_lists_and_body_are_read),
		cmocka_unit_test(comma_texts_become_lists_where_lists_are_meant),
		cmocka_unit_test(byte_order_mark_and_carriage_returns_are_tolerated),
		cmocka_unit_test(lines_of_keys_are_those_of_the_file),
		cmocka_unit_test(files_without_good_frontmatter_are_refused),
		cmocka_unit_test(a_new_key_stands_where_the_canonical_order_has_it),
		cmocka_unit_test(a_changed_key_changes_only_its_own_lines),
		cmocka_unit_test(an_unchanged_value_keeps_its_notation),
		cmocka_unit_test(carriage_returns_and_indents_are_kept),
		cmocka_unit_test(texts_are_quoted_when_a_reader_could_mistake_them),
		cmocka_unit_test(keys_on_one_line_cannot_be_edited),
		cmocka_unit_test(what_would_not_read_back_is_not_written),
		cmocka_unit_test(block_texts_with_hash_lines_survive_edits_beside_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
