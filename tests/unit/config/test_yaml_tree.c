/* The YAML reader against hostile and ordinary texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "supervisor/config/yaml_tree.h"

static void refused(const char *text, const char *detail)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_yaml *root = NULL;

	assert_int_equal(kt_yaml_parse(text, strlen(text), 1, &root, &err), KT_E_YAML_INVALID);
	if (strstr(err.detail, detail) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, detail);
	assert_null(root);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void scalars_keep_their_text_and_place(void **state)
{
	const char *text = "a: one\nb:\n  - 7\n  - '7'\n  - ~\nc: {d: true}\n";
	struct kt_error err = KT_ERROR_INIT;
	struct kt_yaml *root = NULL;
	struct kt_json *json;
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	assert_int_equal(kt_yaml_parse(text, strlen(text), 1, &root, &err), KT_E_OK);
	assert_string_equal(kt_yaml_find(root, "a")->text, "one");
	assert_int_equal(kt_yaml_find(root, "b")->items[1]->line, 4);
	assert_int_equal(kt_yaml_find(root, "b")->items[1]->column, 5);
	assert_int_equal(kt_yaml_find(root, "c")->key_line, 6);
	json = kt_yaml_to_json(root);
	kt_json_write(json, KT_JSON_ROW, &out);
	assert_string_equal(kt_buffer_text(&out),
		"{\"a\": \"one\", \"b\": [7, \"7\", null], \"c\": {\"d\": true}}");
	kt_buffer_release(&out);
	kt_json_free(json);
	kt_yaml_free(root);
}

static void an_empty_text_is_no_document(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_yaml *root = NULL;

	(void)state;
	assert_int_equal(kt_yaml_parse("", 0, 1, &root, &err), KT_E_OK);
	assert_null(root);
	assert_int_equal(kt_yaml_parse("# only this\n", 12, 1, &root, &err), KT_E_OK);
	assert_null(root);
}

static void every_refusal_names_line_and_column(void **state)
{
	(void)state;
	refused("a: 1\n\tb: 2\n", "line 2, column 1");
	refused("a: 1\na: 2\n", "line 2, column 1: the key \"a\" is there twice");
	refused("x:\n  a: 1\n  b: 1\n  a: 3\n", "line 4, column 3");
	refused("a: &x 1\nb: *x\n", "line 1, column 4: anchors");
	refused("b: *x\n", "line 1, column 4: aliases");
	refused("a: !!python/object 1\n", "tags");
	refused("a: 1\n---\nb: 2\n", "more than one document");
	refused("a: [1, 2\n", "line 2");
	refused("? [a, b]\n: 1\n", "a key must be a text");
	refused("a: \xff\xfe\n", "line");
	refused("a: \"\\0\"\n", "NUL");
}

static void the_first_line_shifts_all_places(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_yaml *root = NULL;

	(void)state;
	assert_int_equal(kt_yaml_parse("a: 1\na: 2\n", 10, 2, &root, &err), KT_E_YAML_INVALID);
	assert_non_null(strstr(err.detail, "line 3, column 1"));
}

static void sixteen_thousand_brackets_are_refused_at_once(void **state)
{
	char *text = malloc(16001);
	double start;

	(void)state;
	memset(text, '[', 16000);
	text[16000] = '\0';
	start = seconds();
	refused(text, "nested too deeply");
	assert_true(seconds() - start < 0.05);
	free(text);
}

static void deep_block_nesting_is_refused(void **state)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	(void)state;
	for (int i = 0; i < 40; i++)
		kt_buffer_printf(&text, "%*sa:\n", i, "");
	refused(kt_buffer_text(&text), "nested too deeply");
	kt_buffer_release(&text);
}

static void sixty_four_kibibytes_are_read_and_one_more_is_refused(void **state)
{
	size_t max = 64U << 10;
	char *text = malloc(max + 1);
	struct kt_error err = KT_ERROR_INIT;
	struct kt_yaml *root = NULL;

	(void)state;
	memset(text, 'x', max + 1);
	text[1] = ':';
	text[2] = ' ';
	assert_int_equal(kt_yaml_parse(text, max, 1, &root, &err), KT_E_OK);
	kt_yaml_free(root);
	root = NULL;
	assert_int_equal(kt_yaml_parse(text, max + 1, 1, &root, &err), KT_E_YAML_INVALID);
	free(text);
}

static void many_keys_are_checked_for_twins_quickly(void **state)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_yaml *root = NULL;
	double start;

	(void)state;
	for (int i = 0; i < 7000; i++)
		kt_buffer_printf(&text, "k%d:\n", i);
	start = seconds();
	assert_int_equal(kt_yaml_parse(text.data, text.len, 1, &root, &err), KT_E_OK);
	assert_int_equal(root->len, 7000);
	assert_true(seconds() - start < 1.0);
	kt_yaml_free(root);
	kt_buffer_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_keep_their_text_and_place),
		cmocka_unit_test(an_empty_text_is_no_document),
		cmocka_unit_test(every_refusal_names_line_and_column),
		cmocka_unit_test(the_first_line_shifts_all_places),
		cmocka_unit_test(sixteen_thousand_brackets_are_refused_at_once),
		cmocka_unit_test(deep_block_nesting_is_refused),
		cmocka_unit_test(sixty_four_kibibytes_are_read_and_one_more_is_refused),
		cmocka_unit_test(many_keys_are_checked_for_twins_quickly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
