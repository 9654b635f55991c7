/* Decoding RUN: how the prompt reaches the agent, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "worker/run.h"

#define RUN(rest) \
	"{\"wp\":\"WP01\",\"attempt\":2,\"cwd\":\"/lane\",\"log\":\"WP01-2.log\"," rest "}"
#define LISTS "\"argv\":[\"a\",\"b={prompt_file}\"],\"environment\":[\"PATH=/bin\"]"

static enum kt_code decode(const char *text, struct kt_run **run)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *body = NULL;
	enum kt_code code = KT_E_OK;

	assert_int_equal(kt_json_parse(text, strlen(text), 0, &body, &err), KT_E_OK);
	code = kt_run_decode(body, "/run/lane.sock", run, &err);
	kt_json_free(body);
	return code;
}

static void a_prompt_goes_to_standard_input_by_default(void **state)
{
	struct kt_run *run = NULL;

	(void)state;
	assert_int_equal(
		decode(RUN(LISTS ",\"prompt\":\"do it\",\"timeout_ms\":5"), &run), KT_E_OK);
	assert_string_equal(run->input, "do it");
	assert_string_equal(run->argv[1], "b={prompt_file}");
	assert_null(run->argv[2]);
	assert_int_equal(run->attempt, 2);
	assert_int_equal(run->timeout_ms, 5);
	kt_run_free(run);
}

static void a_prompt_can_be_the_last_argument(void **state)
{
	struct kt_run *run = NULL;

	(void)state;
	assert_int_equal(
		decode(RUN(LISTS ",\"prompt\":\"do it\",\"prompt_by\":\"argument\""), &run),
		KT_E_OK);
	assert_null(run->input);
	assert_string_equal(run->argv[2], "do it");
	assert_null(run->argv[3]);
	kt_run_free(run);
}

static void a_prompt_file_takes_its_placeholder(void **state)
{
	struct kt_run *run = NULL;

	(void)state;
	assert_int_equal(decode(RUN(LISTS ",\"prompt\":\"x\",\"prompt_by\":\"file\",\"prompt_"
					  "file\":\"/p/WP01.md\""),
				 &run),
		KT_E_OK);
	assert_null(run->input);
	assert_string_equal(run->argv[1], "b=/p/WP01.md");
	assert_null(run->argv[2]);
	kt_run_free(run);
}

static void the_lane_socket_is_told_by_the_worker(void **state)
{
	struct kt_run *run = NULL;

	(void)state;
	assert_int_equal(decode(RUN(LISTS), &run), KT_E_OK);
	assert_string_equal(run->environment[1], "SPEC_KITTY_SOCKET=/run/lane.sock");
	assert_null(run->environment[2]);
	assert_ptr_equal(run->marker, run->environment[1]);
	kt_run_free(run);
	assert_int_equal(
		decode(RUN("\"argv\":[\"a\"],\"environment\":[\"SPEC_KITTY_SOCKET=/old\",\"A=b\"]"),
			&run),
		KT_E_OK);
	assert_string_equal(run->environment[0], "SPEC_KITTY_SOCKET=/run/lane.sock");
	assert_string_equal(run->environment[1], "A=b");
	kt_run_free(run);
}

static void incomplete_requests_are_refused(void **state)
{
	static const char *const TEXTS[] = {
		"{}",
		RUN("\"argv\":[],\"environment\":[]"),
		RUN("\"argv\":[\"\"],\"environment\":[]"),
		RUN("\"argv\":[\"a\",1],\"environment\":[]"),
		RUN("\"argv\":[\"a\"]"),
		RUN("\"argv\":\"a\",\"environment\":[]"),
		RUN("\"argv\":[\"a\"],\"environment\":[\"no equals sign\"]"),
		RUN(LISTS ",\"prompt_by\":\"telepathy\""),
		RUN(LISTS ",\"prompt_by\":\"argument\""),
		RUN(LISTS ",\"prompt_by\":\"file\""),
		RUN(LISTS ",\"timeout_ms\":-1"),
		"{\"wp\":\"WP01\",\"attempt\":1,\"cwd\":\"lane\",\"log\":\"x\"," LISTS "}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
		struct kt_run *run = NULL;
		enum kt_code code = decode(TEXTS[i], &run);

		assert_true(code == KT_E_INVALID_ARGUMENT);
		assert_null(run);
	}
}

static void the_prompt_file_is_for_the_user_alone(void **state)
{
	char folder[] = "/tmp/kitty-run-XXXXXX";
	struct kt_error err = KT_ERROR_INIT;
	struct kt_run run = {0};
	struct stat facts;

	(void)state;
	assert_non_null(mkdtemp(folder));
	run.prompt = kt_strdup("secret");
	run.prompt_file = kt_format("%s/prompts/WP01.md", folder);
	assert_int_equal(kt_run_write_prompt(&run, &err), KT_E_OK);
	assert_int_equal(stat(run.prompt_file, &facts), 0);
	assert_int_equal(facts.st_mode & 07777, 0600);
	assert_int_equal(facts.st_size, 6);
	free(run.prompt);
	free(run.prompt_file);
	assert_int_equal(kt_folder_remove_tree(folder, &err), KT_E_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prompt_goes_to_standard_input_by_default),
		cmocka_unit_test(a_prompt_can_be_the_last_argument),
		cmocka_unit_test(a_prompt_file_takes_its_placeholder),
		cmocka_unit_test(the_lane_socket_is_told_by_the_worker),
		cmocka_unit_test(incomplete_requests_are_refused),
		cmocka_unit_test(the_prompt_file_is_for_the_user_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
