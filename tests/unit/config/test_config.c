/* .kittify/config.yaml: every setting, every complaint. */
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
#include "supervisor/config/config.h"
#include "supervisor/config/settings.h"

static enum kt_code load(
	const char *text, struct kt_config **out, struct kt_buffer *problems, struct kt_error *err)
{
	char path[] = "/tmp/kitty-config-XXXXXX";
	int fd = mkstemp(path);
	enum kt_code code;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	code = kt_config_load(path, out, problems, err);
	unlink(path);
	return code;
}

/* The problems of a text, each without its file's name. */
static void complains(const char *text, const char *const *wanted)
{
	struct kt_buffer problems = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_config *config = NULL;
	size_t lines = 0, len = 0;

	assert_int_equal(load(text, &config, &problems, &err), KT_E_CONFIG_INVALID);
	assert_null(config);
	for (; wanted[len] != NULL; len++) {
		if (strstr(kt_buffer_text(&problems), wanted[len]) == NULL)
			fail_msg("no \"%s\" in:\n%s", wanted[len], kt_buffer_text(&problems));
	}
	for (const char *at = kt_buffer_text(&problems); *at != '\0'; at++)
		lines += *at == '\n';
	assert_int_equal(lines, len);
	kt_buffer_release(&problems);
}

#define COMPLAINS(text, ...) complains(text, (const char *const[]){__VA_ARGS__, NULL})

static struct kt_config *good(const char *text)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_config *config = NULL;

	if (load(text, &config, NULL, &err) != KT_E_OK)
		fail_msg("%s", err.detail);
	return config;
}

static void a_missing_file_means_the_defaults(void **state)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_config *config = NULL;

	(void)state;
	assert_int_equal(kt_config_load("/nonexistent/config.yaml", &config, NULL, &err), KT_E_OK);
	assert_int_equal(config->agents_len, 0);
	assert_null(config->default_agent);
	assert_int_equal(config->max_parallel, 0);
	assert_int_equal(config->hook_timeout_ms, 20000);
	assert_int_equal(config->agent_grace_ms, 5000);
	assert_int_equal(config->lane_commit_max_bytes, 10U << 20);
	assert_false(config->subtasks_required);
	assert_false(config->sign_bookkeeping);
	assert_null(config->review);
	assert_int_equal(config->review_rounds, 3);
	assert_false(config->review_self);
	assert_false(config->has_protected);
	assert_null(config->protected_branches[0]);
	kt_config_free(config);
}

static void every_setting_is_read(void **state)
{
	struct kt_config *config =
		good("kitty:\n"
		     "  agents:\n"
		     "    claude: {command: [claude, -p], prompt: stdin, timeout: 45m, "
		     "capacity: 2, environment: {NAME: value}}\n"
		     "    my_sh-2:\n"
		     "      command: [sh, '{prompt_file}']\n"
		     "      prompt: file\n"
		     "  default_agent: my_sh-2\n"
		     "  max_parallel: 4\n"
		     "  hook_timeout: 1m30s\n"
		     "  agent_grace: 500ms\n"
		     "  lane_commit_max: 512KiB\n"
		     "  subtasks: require\n"
		     "  sign: true\n"
		     "  review: claude\n"
		     "  review_rounds: 5\n"
		     "  review_self: true\n"
		     "protection:\n"
		     "  protected_branches: [main, 'release/*']\n");
	const struct kt_agent *agent = kt_config_find_agent(config, "claude");

	(void)state;
	assert_string_equal(agent->argv[1], "-p");
	assert_null(agent->argv[2]);
	assert_int_equal(agent->prompt_by, KT_PROMPT_STDIN);
	assert_int_equal(agent->timeout_s, 45 * 60);
	assert_int_equal(agent->capacity, 2);
	assert_string_equal(agent->environment[0], "NAME=value");
	agent = kt_config_find_agent(config, "my_sh-2");
	assert_int_equal(agent->prompt_by, KT_PROMPT_FILE);
	assert_int_equal(agent->timeout_s, 0);
	assert_int_equal(agent->capacity, 1);
	assert_null(agent->environment[0]);
	assert_null(kt_config_find_agent(config, "other"));
	assert_string_equal(config->default_agent, "my_sh-2");
	assert_int_equal(config->max_parallel, 4);
	assert_int_equal(config->hook_timeout_ms, 90000);
	assert_int_equal(config->agent_grace_ms, 500);
	assert_int_equal(config->lane_commit_max_bytes, 512U << 10);
	assert_true(config->subtasks_required);
	assert_true(config->sign_bookkeeping);
	assert_string_equal(config->review, "claude");
	assert_int_equal(config->review_rounds, 5);
	assert_true(config->review_self);
	assert_true(config->has_protected);
	assert_string_equal(config->protected_branches[1], "release/*");
	kt_config_free(config);
}

static void the_template_is_valid_and_says_the_defaults(void **state)
{
	struct kt_config *config = good(kt_config_template());

	(void)state;
	assert_int_equal(config->agents_len, 1);
	assert_string_equal(config->default_agent, "claude");
	assert_int_equal(config->hook_timeout_ms, 20000);
	assert_int_equal(config->lane_commit_max_bytes, 10U << 20);
	assert_false(config->has_protected);
	assert_ptr_equal(kt_config_template(), kt_config_template());
	kt_config_free(config);
}

static void keys_of_other_programs_are_left_alone(void **state)
{
	struct kt_config *config =
		good("agents:\n  available: [claude]\nmerge: {strategy: squash}\n"
		     "kitty:\nproject: {uuid: 7}\n");

	(void)state;
	assert_int_equal(config->agents_len, 0);
	kt_config_free(config);
}

static void an_empty_protection_list_protects_nothing(void **state)
{
	struct kt_config *config = good("protection: {protected_branches: []}\n");

	(void)state;
	assert_true(config->has_protected);
	assert_null(config->protected_branches[0]);
	kt_config_free(config);
	COMPLAINS("protection: {protected_branches: main}\n", ":1:34: protected_branches: a list");
	COMPLAINS("protection:\n  protected_branches:\n", ":2:");
	COMPLAINS("protection: [main]\n", ":1:13: protection: a map");
}

static void all_problems_are_told_at_once(void **state)
{
	(void)state;
	COMPLAINS("kitty:\n"
		  "  agents:\n"
		  "    Bad Name: {command: [x]}\n"
		  "    a: {command: [], prompt: mail, timeout: 5, capacity: 0}\n"
		  "    b: {prompt: stdin, colour: red}\n"
		  "    c: {command: [x], prompt: file}\n"
		  "    d: text\n"
		  "    e: {command: [x], environment: {GIT_DIR: /x, '1A': y}}\n"
		  "  default_agent: nobody\n"
		  "  max_parallel: many\n"
		  "  hook_timeout: 2h\n"
		  "  subtasks: perhaps\n"
		  "  sign: 'true'\n"
		  "  colour: red\n"
		  "  lane_commit_max: 10 parsecs\n"
		  "  review: no-one\n"
		  "  review_rounds: 0\n"
		  "  review_self: perhaps\n",
		":3:5: \"Bad Name\" is no name", ":4:30: prompt: \"mail\"",
		":4:45: timeout: a time", ":4:58: capacity: \"0\" is out of bounds",
		":4:8: the command of the agent \"a\" is empty",
		":5:5: the agent \"b\" has no command", ":5:24: unknown key \"colour\" in an agent",
		":6:8: the agent \"c\" has prompt: file", ":7:8: an agent is a map",
		":8:46: environment", ":8:56: environment",
		":9:18: default_agent: there is no agent \"nobody\"",
		":10:17: max_parallel: a whole number",
		":11:17: hook_timeout: \"2h\" is out of bounds", ":12:13: subtasks: \"perhaps\"",
		":13:9: sign: true or false", ":14:3: unknown key \"colour\" in kitty",
		":15:20: lane_commit_max: a size",
		":16:11: review: there is no agent \"no-one\" in agents",
		":17:18: review_rounds: \"0\" is out of bounds",
		":18:16: review_self: true or false");
}

static void bad_yaml_is_told_with_line_and_column(void **state)
{
	(void)state;
	COMPLAINS("kitty:\n\tsign: true\n", ":2:1: ");
	COMPLAINS("- a\n", ":1:1: a map of keys");
	COMPLAINS("kitty: [1]\n", ":1:8: kitty: a map");
}

static void a_file_that_is_too_large_is_refused(void **state)
{
	char *text = malloc(70001);
	struct kt_error err = KT_ERROR_INIT;
	struct kt_config *config = NULL;

	(void)state;
	memset(text, '#', 70000);
	text[70000] = '\0';
	assert_int_equal(load(text, &config, NULL, &err), KT_E_CONFIG_INVALID);
	assert_non_null(strstr(err.detail, "larger than"));
	free(text);
}

static void durations_and_sizes_need_their_unit(void **state)
{
	static const struct {
		const char *text;
		long long value;
	} good_durations[] = {{"0", 0}, {"0s", 0}, {"30s", 30000}, {"5m", 300000}, {"1h", 3600000},
		{"1h30m", 5400000}, {"250ms", 250}};
	static const char *const bad[] = {"", "5", "s", "-5s", "5 s", "5s ", "1d", "5S",
		"99999999999999h", "1.5h", "5sm", "999999999999h"};
	long long value;

	(void)state;
	for (size_t i = 0; i < sizeof(good_durations) / sizeof(good_durations[0]); i++) {
		assert_true(kt_duration_parse(good_durations[i].text, &value));
		assert_int_equal(value, good_durations[i].value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (kt_duration_parse(bad[i], &value))
			fail_msg("\"%s\" is taken for a duration", bad[i]);
	}
	assert_true(kt_bytes_parse("10MiB", &value));
	assert_int_equal(value, 10 << 20);
	assert_true(kt_bytes_parse("64KiB", &value));
	assert_false(kt_bytes_parse("10", &value));
	assert_false(kt_bytes_parse("10mib", &value));
}

static void sinks_are_read_with_their_defaults(void **state)
{
	struct kt_config *config =
		good("kitty:\n"
		     "  sinks:\n"
		     "    - {name: chat, kind: command, command: [./notify, -x]}\n"
		     "    - name: journal\n"
		     "      kind: file\n"
		     "      path: out/events.jsonl\n"
		     "      timeout: 3s\n"
		     "      retries: 0\n");

	(void)state;
	assert_int_equal(config->sinks_len, 2);
	assert_string_equal(config->sinks[0].name, "chat");
	assert_false(config->sinks[0].is_file);
	assert_string_equal(config->sinks[0].argv[1], "-x");
	assert_int_equal(config->sinks[0].timeout_ms, 10000);
	assert_int_equal(config->sinks[0].retries, 2);
	assert_true(config->sinks[1].is_file);
	assert_string_equal(config->sinks[1].path, "out/events.jsonl");
	assert_int_equal(config->sinks[1].timeout_ms, 3000);
	assert_int_equal(config->sinks[1].retries, 0);
	kt_config_free(config);
}

static void sinks_that_cannot_work_are_told(void **state)
{
	(void)state;
	COMPLAINS("kitty:\n  sinks: {a: b}\n", ":2:10: sinks: a list of at most");
	COMPLAINS("kitty:\n  sinks:\n  - {kind: command, command: [x]}\n", "a sink has no name");
	COMPLAINS("kitty:\n  sinks:\n  - {name: a}\n", "has no command");
	COMPLAINS("kitty:\n  sinks:\n  - {name: a, command: []}\n", "has no command");
	COMPLAINS("kitty:\n  sinks:\n  - {name: a, kind: file}\n", "has no path");
	COMPLAINS("kitty:\n  sinks:\n  - {name: a, kind: file, path: x, command: [y]}\n",
		"`command` does not belong to it");
	COMPLAINS("kitty:\n  sinks:\n  - {name: a, kind: file, path: x}\n"
		  "  - {name: a, kind: file, path: y}\n",
		"another sink's");
	COMPLAINS("kitty:\n  sinks:\n  - {name: a, kind: file, path: x, retries: 99}\n", "retries");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_file_means_the_defaults),
		cmocka_unit_test(every_setting_is_read),
		cmocka_unit_test(the_template_is_valid_and_says_the_defaults),
		cmocka_unit_test(keys_of_other_programs_are_left_alone),
		cmocka_unit_test(an_empty_protection_list_protects_nothing),
		cmocka_unit_test(all_problems_are_told_at_once),
		cmocka_unit_test(bad_yaml_is_told_with_line_and_column),
		cmocka_unit_test(a_file_that_is_too_large_is_refused),
		cmocka_unit_test(durations_and_sizes_need_their_unit),
		cmocka_unit_test(sinks_are_read_with_their_defaults),
		cmocka_unit_test(sinks_that_cannot_work_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
