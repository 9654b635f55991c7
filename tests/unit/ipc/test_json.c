/*
 * The JSON reader and writer. The expected texts of the writer were made with Python's json.dumps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <kitty/json.h>
#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/utf8.h"

static struct kt_json *parse_len(const char *text, size_t len)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *value = NULL;

	if (kt_json_parse(text, len, KT_JSON_LAST_WINS, &value, &err) != KT_E_OK)
		fail_msg("%s: %s", text, err.detail);
	return value;
}

static struct kt_json *parse(const char *text)
{
	return parse_len(text, strlen(text));
}

static void assert_written(const char *text, enum kt_json_style style, const char *expected)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_json *value = parse(text);

	kt_json_write(value, style, &out);
	assert_string_equal(kt_buffer_text(&out), expected);
	kt_buffer_release(&out);
	kt_json_free(value);
}

static void assert_refused(const char *text, size_t len, unsigned flags, const char *reason)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *value = NULL;
	/* An exact copy, so that a sanitizer sees every read past the end. */
	char *copy = malloc(len == 0 ? 1 : len);

	memcpy(copy, text, len);
	if (kt_json_parse(copy, len, flags, &value, &err) != KT_E_JSON_INVALID)
		fail_msg("accepted: %s", text);
	assert_null(value);
	if (strstr(err.detail, reason) == NULL)
		fail_msg("%s: %s", text, err.detail);
	free(copy);
}

static void every_malformed_text_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{"", "byte 0: the end where a value is due"},
		{"  ", "byte 2: the end"},
		{"{} {}", "byte 3: text after the value"},
		{"1,", "byte 1: text after the value"},
		{"[1,]", "no value begins like this"},
		{"[1 2]", "a comma or a closing bracket is missing"},
		{"[1", "a comma or a closing bracket is missing"},
		{"{\"a\":1,}", "a member without a name"},
		{"{a:1}", "a member without a name"},
		{"{\"a\" 1}", "a member without a colon"},
		{"{\"a\":}", "no value begins like this"},
		{"\"a", "a string without an end"},
		{"\"a\\\"", "a string without an end"},
		{"\"\\", "an unknown escape"},
		{"\"\\x41\"", "an unknown escape"},
		{"\"\\u12\"", "four hexadecimal digits"},
		{"\"\\u0000\"", "a NUL character"},
		{"{\"\\u0000\":1}", "a NUL character"},
		{"\"\\ud800\"", "a lone surrogate"},
		{"\"\\ud800x\"", "a lone surrogate"},
		{"\"\\ud800\\u0041\"", "a lone surrogate"},
		{"\"\\udc00\"", "a lone surrogate"},
		{"\"a\nb\"", "byte 2: a control character"},
		{"\"a\tb\"", "a control character"},
		{"\"\xff\"", "byte 1: invalid UTF-8"},
		{"\"\xc0\x80\"", "invalid UTF-8"},
		{"\"\xed\xa0\x80\"", "invalid UTF-8"},
		{"\"\xf4\x90\x80\x80\"", "invalid UTF-8"},
		{"\"\xe2\x82\"", "invalid UTF-8"},
		{"\xef\xbb\xbf{}", "no value begins like this"},
		{"01", "text after the value"},
		{"+1", "no value begins like this"},
		{".5", "no value begins like this"},
		{"1.", "a number without digits"},
		{"1e", "a number without digits"},
		{"-", "a number without digits"},
		{"1e400", "beyond the range"},
		{"-1E400", "beyond the range"},
		{"NaN", "no value begins like this"},
		{"Infinity", "no value begins like this"},
		{"nul", "an unknown word"},
		{"truE", "an unknown word"},
		{"'a'", "no value begins like this"},
		{"1111111111222222222233333333334444444444555555555566666666667777",
			"more than 63 bytes"},
		{"/* c */ 1", "no value begins like this"},
		{"\f1", "no value begins like this"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_refused(rows[i].text, strlen(rows[i].text), 0, rows[i].reason);
	assert_refused("\"a\0b\"", 5, 0, "a control character");
	assert_refused("1\0", 2, 0, "text after the value");
}

static void every_prefix_of_a_text_is_refused(void **state)
{
	static const char text[] =
		"{\"a\": [1, 2.5e3, null, {\"b\": \"x\\n\\ud83d\\ude00\xc3\xa9\"}]}";

	(void)state;
	for (size_t len = 0; len < strlen(text); len++)
		assert_refused(text, len, 0, "byte ");
	kt_json_free(parse(text));
}

static void nesting_ends_at_its_limit(void **state)
{
	char text[2 * KT_JSON_DEPTH_MAX + 3];

	(void)state;
	memset(text, '[', KT_JSON_DEPTH_MAX);
	memset(text + KT_JSON_DEPTH_MAX, ']', KT_JSON_DEPTH_MAX);
	kt_json_free(parse_len(text, (size_t)2 * KT_JSON_DEPTH_MAX));
	memset(text, '[', KT_JSON_DEPTH_MAX + 1);
	memset(text + KT_JSON_DEPTH_MAX + 1, ']', KT_JSON_DEPTH_MAX + 1);
	assert_refused(text, 2 * KT_JSON_DEPTH_MAX + 2, 0, "nested too deeply");
}

static void the_last_of_duplicate_keys_wins_in_the_first_ones_place(void **state)
{
	char many[4096] = "{";
	struct kt_json *value;
	int64_t number = 0;

	(void)state;
	assert_written(
		"{\"a\":1,\"b\":2,\"a\":3,\"a\":4}", KT_JSON_COMPACT, "{\"a\": 4, \"b\": 2}");
	assert_written("{\"x\":{\"a\":1,\"a\":[2]},\"A\":1,\"a\":2}", KT_JSON_COMPACT,
		"{\"x\": {\"a\": [2]}, \"A\": 1, \"a\": 2}");
	for (int i = 0; i < 90; i++)
		(void)snprintf(
			many + strlen(many), 32, "%s\"k%d\": %d", i == 0 ? "" : ", ", i % 30, i);
	many[strlen(many)] = '}';
	value = parse(many);
	assert_int_equal(kt_json_size(value), 30);
	assert_string_equal(kt_json_key(kt_json_first(value)), "k0");
	assert_true(kt_json_get_int(value, "k7", &number));
	assert_int_equal(number, 67);
	kt_json_free(value);
	assert_refused(many, strlen(many), KT_JSON_NO_DUPLICATES, "the key \"k0\" twice");
	assert_refused("{\"a\":1,\"\\u0061\":2}", 18, KT_JSON_NO_DUPLICATES, "twice");
}

static void numbers_are_written_as_python_prints_them(void **state)
{
	static const struct {
		const char *text, *written;
	} rows[] = {
		{"0", "0"},
		{"-0", "0"},
		{"-0.0", "-0.0"},
		{"1e5", "100000.0"},
		{"9007199254740993", "9007199254740993"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"18446744073709551616", "18446744073709551616"},
		{"100000000000000000000000000000", "100000000000000000000000000000"},
		{"1e15", "1000000000000000.0"},
		{"1e16", "1e+16"},
		{"1E+22", "1e+22"},
		{"0.0001", "0.0001"},
		{"0.00001", "1e-05"},
		{"1.50", "1.5"},
		{"0.1", "0.1"},
		{"0.30000000000000004", "0.30000000000000004"},
		{"123456789012345680.0", "1.2345678901234568e+17"},
		{"5e-324", "5e-324"},
		{"1.7976931348623157e308", "1.7976931348623157e+308"},
		{"1e-400", "0.0"},
		{"5.684341886080801e-14", "5.684341886080801e-14"},
		{"5.2829453113566525e+269", "5.282945311356653e+269"}, /* a power of two */
		{"7.2911220195563975e-304", "7.291122019556398e-304"},
		{"12.0e1", "120.0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_written(rows[i].text, KT_JSON_ROW, rows[i].written);
}

static void the_row_dialect_sorts_and_escapes(void **state)
{
	(void)state;
	assert_written(
		"{\"b\":[],\"a\":{\"z\":1,\"y\":{}},\"B\":[1,true,false,null],"
		"\"\xc3\xa9\":\"\xf0\x9f\x98\x80/\x7f\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u2028\"}",
		KT_JSON_ROW,
		"{\"B\": [1, true, false, null], \"a\": {\"y\": {}, \"z\": 1}, \"b\": [], "
		"\"\\u00e9\": \"\\ud83d\\ude00/\\u007f\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u2028\"}");
}

static void keys_sort_by_code_point_not_by_utf_16(void **state)
{
	(void)state;
	/* U+1F600 comes after U+FFFD although its first surrogate is smaller. */
	assert_written("{\"\xf0\x9f\x98\x80\":1,\"\xef\xbf\xbd\":2}", KT_JSON_ROW,
		"{\"\\ufffd\": 2, \"\\ud83d\\ude00\": 1}");
}

static void the_other_dialects_differ_in_order_escapes_and_breaks(void **state)
{
	static const char text[] = "{\"b\":[1,[],{\"d\":{},\"c\":2}],\"a\":\"\xc3\xa9\x7f\"}";

	(void)state;
	assert_written(text, KT_JSON_COMPACT,
		"{\"b\": [1, [], {\"d\": {}, \"c\": 2}], \"a\": \"\xc3\xa9\x7f\"}");
	assert_written(text, KT_JSON_PRETTY_SORTED,
		"{\n  \"a\": \"\xc3\xa9\x7f\",\n  \"b\": [\n    1,\n    [],\n    {\n      \"c\": "
		"2,\n"
		"      \"d\": {}\n    }\n  ]\n}");
	assert_written(text, KT_JSON_PRETTY_ORDERED,
		"{\n  \"b\": [\n    1,\n    [],\n    {\n      \"d\": {},\n      \"c\": 2\n    }\n  "
		"],\n"
		"  \"a\": \"\\u00e9\\u007f\"\n}");
	assert_written(text, KT_JSON_PRETTY_RAW,
		"{\n  \"b\": [\n    1,\n    [],\n    {\n      \"d\": {},\n      \"c\": 2\n    }\n  "
		"],\n"
		"  \"a\": \"\xc3\xa9\x7f\"\n}");
	assert_written("[]", KT_JSON_PRETTY_SORTED, "[]");
}

static void lookups_are_case_sensitive_and_typed(void **state)
{
	struct kt_json *value = parse("{\"Name\":\"x\",\"n\":3,\"f\":3.0,\"t\":true,\"l\":[1,2]}");
	int64_t number = 7;

	(void)state;
	assert_null(kt_json_get(value, "name"));
	assert_string_equal(kt_json_get_string(value, "Name"), "x");
	assert_null(kt_json_get_string(value, "n"));
	assert_true(kt_json_get_int(value, "n", &number) && number == 3);
	assert_false(kt_json_get_int(value, "f", &number));
	assert_false(kt_json_get_int(value, "Name", &number));
	assert_true(kt_json_get_bool(value, "t", false));
	assert_true(kt_json_get_bool(value, "n", true));
	assert_int_equal(kt_json_size(kt_json_get(value, "l")), 2);
	assert_int_equal(kt_json_size(NULL), 0);
	assert_null(kt_json_get(NULL, "x"));
	assert_false(kt_json_is(NULL, KT_JSON_NULL));
	assert_string_equal(kt_json_number_text(kt_json_get(value, "f")), "3.0");
	kt_json_free(value);
}

static void integers_beyond_64_bits_are_no_int(void **state)
{
	struct kt_json *value = parse("[9223372036854775807,9223372036854775808]");
	int64_t number = 0;

	(void)state;
	assert_true(kt_json_int(kt_json_first(value), &number));
	assert_true(number == INT64_MAX);
	assert_false(kt_json_int(kt_json_next(kt_json_first(value)), &number));
	kt_json_free(value);
}

static void set_replaces_in_place_and_remove_takes_out(void **state)
{
	struct kt_json *value = kt_json_new_object(), *copy;
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	kt_json_set_int(value, "a", INT64_MIN);
	kt_json_set_string(value, "b", NULL);
	kt_json_set_bool(value, "c", true);
	kt_json_set_string(value, "a", "new");
	kt_json_set(value, "l", kt_json_new_array());
	kt_json_append(kt_json_get(value, "l"), kt_json_new_double(0.1));
	kt_json_remove(value, "b");
	kt_json_remove(value, "absent");
	kt_json_remove(value, "a");
	kt_json_set_int(value, "z", 1);
	copy = kt_json_copy(value);
	kt_json_append(kt_json_get(copy, "l"), kt_json_new_int(2));
	kt_json_set_int(copy, "y", 1);
	kt_json_write(copy, KT_JSON_COMPACT, &out);
	assert_string_equal(
		kt_buffer_text(&out), "{\"c\": true, \"l\": [0.1, 2], \"z\": 1, \"y\": 1}");
	assert_int_equal(kt_json_size(value), 3);
	kt_buffer_release(&out);
	kt_json_free(copy);
	kt_json_free(value);
}

static void equality_ignores_key_order_but_not_types(void **state)
{
	static const struct {
		const char *left, *right;
		bool equal;
	} rows[] = {
		{"{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1}", true},
		{"{\"a\":1}", "{\"b\":1}", false},
		{"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
		{"[1,2]", "[2,1]", false},
		{"1", "1.0", true},
		{"1", "true", false},
		{"9007199254740993", "9007199254740992", false},
		{"null", "false", false},
		{"\"a\"", "\"A\"", false},
		{"[]", "{}", false},
		{"true", "true", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct kt_json *left = parse(rows[i].left), *right = parse(rows[i].right);

		assert_int_equal(kt_json_equal(left, right), rows[i].equal);
		kt_json_free(left);
		kt_json_free(right);
	}
}

static void truth_is_pythons(void **state)
{
	static const char *const no[] = {"null", "false", "0", "0.0", "-0.0", "\"\"", "[]", "{}"};
	static const char *const yes[] = {"true", "1", "0.1", "\"0\"", "[0]", "{\"a\":null}"};

	(void)state;
	assert_false(kt_json_is_truthy(NULL));
	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
		struct kt_json *value = parse(no[i]);

		assert_false(kt_json_is_truthy(value));
		kt_json_free(value);
	}
	for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
		struct kt_json *value = parse(yes[i]);

		assert_true(kt_json_is_truthy(value));
		kt_json_free(value);
	}
}

static void foreign_bytes_become_replacement_characters(void **state)
{
	struct kt_json *value = kt_json_new_string_len("a\xff\0b\xc3\xa9", 6);
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	assert_string_equal(kt_json_string(value), "a\xef\xbf\xbd\xef\xbf\xbd"
						   "b\xc3\xa9");
	kt_json_write_string("\xff\0x", 3, true, &out);
	kt_json_write_string("\xff\0x", 3, false, &out);
	assert_string_equal(kt_buffer_text(&out), "\"\\ufffd\\u0000x\"\"\xef\xbf\xbd\\u0000x\"");
	kt_buffer_release(&out);
	kt_json_free(value);
}

static void utf8_validity_follows_the_rfc(void **state)
{
	(void)state;
	assert_int_equal(kt_utf8_length("a", 1), 1);
	assert_int_equal(kt_utf8_length("\xc2\x80", 2), 2);
	assert_int_equal(kt_utf8_length("\xe0\xa0\x80", 3), 3);
	assert_int_equal(kt_utf8_length("\xef\xbf\xbf", 3), 3);
	assert_int_equal(kt_utf8_length("\xf4\x8f\xbf\xbf", 4), 4);
	assert_int_equal(kt_utf8_length("\xf4\x8f\xbf\xbf", 3), 0);
	assert_int_equal(kt_utf8_length("\xc1\xbf", 2), 0);
	assert_int_equal(kt_utf8_length("\xe0\x9f\xbf", 3), 0);
	assert_int_equal(kt_utf8_length("\xf0\x8f\xbf\xbf", 4), 0);
	assert_int_equal(kt_utf8_length("\x80", 1), 0);
	assert_int_equal(kt_utf8_decode("\xf0\x9f\x98\x80", 4), 0x1F600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_malformed_text_is_refused_with_its_reason),
		cmocka_unit_test(every_prefix_of_a_text_is_refused),
		cmocka_unit_test(nesting_ends_at_its_limit),
		cmocka_unit_test(the_last_of_duplicate_keys_wins_in_the_first_ones_place),
		cmocka_unit_test(numbers_are_written_as_python_prints_them),
		cmocka_unit_test(the_row_dialect_sorts_and_escapes),
		cmocka_unit_test(keys_sort_by_code_point_not_by_utf_16),
		cmocka_unit_test(the_other_dialects_differ_in_order_escapes_and_breaks),
		cmocka_unit_test(lookups_are_case_sensitive_and_typed),
		cmocka_unit_test(integers_beyond_64_bits_are_no_int),
		cmocka_unit_test(set_replaces_in_place_and_remove_takes_out),
		cmocka_unit_test(equality_ignores_key_order_but_not_types),
		cmocka_unit_test(truth_is_pythons),
		cmocka_unit_test(foreign_bytes_become_replacement_characters),
		cmocka_unit_test(utf8_validity_follows_the_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
