/*
 * The parts of a launch that need no processes: prompt, leases, live lines, looking for programs.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/file.h"
#include "supervisor/display.h"
#include "supervisor/lease.h"
#include "supervisor/preflight.h"
#include "supervisor/prompt.h"

static char text_of_wp[] =
	"---\nwork_package_id: WP01\n---\n\n# Count\n\nCount words.\n\n## Acceptance "
	"criteria\n\n`make check` passes.\n\n## Notes\n\nNone.\n";

static char *prompt_of(long attempt, const char *before)
{
	char *owned[] = {(char[]){"src/count.c"}, NULL};
	char *subtasks[] = {(char[]){"T001"}, NULL};
	struct kt_mission mission = {.slug = (char[]){"words"},
		.folder = (char[]){"kitty-specs/words"},
		.coordination_branch = (char[]){"kitty/mission-words"},
		.coord_worktree = (char[]){"/r/.worktrees/words-coord"}};
	struct kt_wp wp = {.id = (char[]){"WP01"},
		.title = (char[]){"Count the words"},
		.path = (char[]){"tasks/WP01-count.md"},
		.text = text_of_wp,
		.text_len = sizeof text_of_wp - 1,
		.owned_files = owned,
		.subtasks = subtasks,
		.body_offset = 30};
	struct kt_prompt prompt = {
		&mission, &wp, "lane-a", "kitty/lane-a", "/r/.worktrees/words-a", attempt, before};
	struct kt_buffer out = KT_BUFFER_INIT;

	kt_prompt_build(&prompt, &out);
	return kt_buffer_take(&out);
}

static void a_prompt_says_what_where_and_how(void **state)
{
	char *text = prompt_of(1, NULL);

	(void)state;
	assert_non_null(strstr(text, "# WP01: Count the words"));
	assert_non_null(strstr(text, "/r/.worktrees/words-a"));
	assert_non_null(strstr(text, "kitty/lane-a"));
	assert_non_null(strstr(text, "/r/.worktrees/words-coord/kitty-specs/words/spec.md"));
	assert_non_null(strstr(text, "src/count.c"));
	assert_non_null(strstr(text, "kitty agent tasks move-task WP01"));
	assert_non_null(strstr(text, "Count words."));
	assert_null(strstr(text, "work_package_id"));
	assert_null(strstr(text, "What happened before"));
	free(text);
}

static void a_prompt_names_the_acceptance_by_itself(void **state)
{
	char *text = prompt_of(1, NULL);
	char *acceptance = strstr(text, "## What it is measured by");
	char *package = strstr(text, "## The work package");

	(void)state;
	assert_non_null(acceptance);
	assert_non_null(package);
	assert_true(acceptance < package);
	assert_non_null(strstr(acceptance, "`make check` passes."));
	assert_true(strstr(acceptance, "`make check` passes.") < package);
	free(text);
}

static void a_later_attempt_is_told_that_work_exists(void **state)
{
	char *text = prompt_of(3, "The attempt before ended blocked: exit status 3.");

	(void)state;
	assert_non_null(strstr(
		text, "This is attempt 3. The attempt before ended blocked: exit status 3."));
	assert_non_null(strstr(text, "Work exists"));
	free(text);
}

/* ---- leases ---- */

static void a_lease_comes_back_as_it_was_written(void **state)
{
	char folder[] = "/tmp/kitty-lease-XXXXXX";
	struct kt_mission mission = {.run_dir = mkdtemp(folder)};
	struct kt_error err = KT_ERROR_INIT;
	struct kt_lease lease = {.wp = (char[]){"WP07"},
		.lane = (char[]){"lane-a"},
		.attempt = 4,
		.worker_pid = getpid(),
		.worker_start_time = kt_process_start_time(getpid()),
		.since_head = (char[]){"0123456789012345678901234567890123456789"},
		.marker = (char[]){"A=b"}};
	struct kt_lease back = {0};

	(void)state;
	lease.boot_id = kt_strdup(kt_boot_id());
	assert_false(kt_lease_read(&mission, "WP07", &back));
	assert_int_equal(kt_lease_write(&mission, &lease, &err), KT_E_OK);
	assert_true(kt_lease_read(&mission, "WP07", &back));
	assert_string_equal(back.since_head, lease.since_head);
	assert_string_equal(back.marker, "A=b");
	assert_int_equal(back.attempt, 4);
	assert_true(kt_lease_is_alive(&back));
	kt_lease_release(&back);
	kt_lease_end(&mission, "WP07");
	assert_true(kt_lease_read(&mission, "WP07", &back));
	assert_true(back.has_ended);
	assert_false(kt_lease_is_alive(&back));
	kt_lease_release(&back);
	kt_lease_remove(&mission, "WP07");
	assert_false(kt_lease_read(&mission, "WP07", &back));
	free(lease.boot_id);
	assert_int_equal(kt_folder_remove_tree(folder, &err), KT_E_OK);
}

static void a_torn_or_foreign_lease_is_none(void **state)
{
	static const char foreign[] = "{\"wp\": \"WP02\", \"lane\": \"lane-a\", \"attempt\": 1, "
				      "\"worker_pid\": 1, \"worker_start_time\": 1, "
				      "\"since_head\": "
				      "\"0123456789012345678901234567890123456789\"}";
	static const char option[] = "{\"wp\": \"WP01\", \"lane\": \"lane-a\", \"attempt\": 1, "
				     "\"worker_pid\": 1, \"worker_start_time\": 1, "
				     "\"since_head\": \"--upload-pack=x\"}";
	static const char *const texts[] = {"", "{", "{}", "[1]", foreign, option};
	char folder[] = "/tmp/kitty-lease-XXXXXX";
	struct kt_mission mission = {.run_dir = mkdtemp(folder)};
	char *claims = kt_format("%s/claims", folder);
	char *path = kt_format("%s/WP01.json", claims);
	struct kt_error err = KT_ERROR_INIT;
	struct kt_lease lease = {0};

	(void)state;
	assert_int_equal(kt_folder_make(claims, 0700, &err), KT_E_OK);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_int_equal(
			kt_file_write_atomic(path, texts[i], strlen(texts[i]), 0600, false, &err),
			KT_E_OK);
		assert_false(kt_lease_read(&mission, "WP01", &lease));
	}
	assert_int_equal(kt_folder_remove_tree(folder, &err), KT_E_OK);
	free(path);
	free(claims);
}

/* ---- display ---- */

static void foreign_output_cannot_steer_the_terminal(void **state)
{
	struct kt_buffer out = KT_BUFFER_INIT;

	(void)state;
	kt_display_escape("a\033[2Jb\tc\xC2\x9B"
			  "d\xFF"
			  "e\xE2\x80\xAE"
			  "f\n",
		100, &out);
	assert_string_equal(kt_buffer_text(&out), "a [2Jb c d\xEF\xBF\xBD"
						  "e f ");
	kt_buffer_release(&out);
}

static void a_live_line_is_no_wider_than_the_terminal(void **state)
{
	struct kt_display_lane lane = {"lane-a", "WP01", "in_progress", "claude",
		"\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4", 3725};
	struct kt_buffer out = KT_BUFFER_INIT;
	size_t characters = 0;

	(void)state;
	kt_display_format(&lane, 58, &out);
	for (size_t i = 0; i < out.len; i++)
		characters += ((unsigned char)out.data[i] & 0xC0) != 0x80;
	assert_int_equal(characters, 58);
	assert_non_null(strstr(out.data, "1h02m"));
	kt_buffer_release(&out);
}

static void lines_reach_a_pipe_and_a_reader_that_is_gone_does_no_harm(void **state)
{
	int ends[2];
	char got[64] = "";
	struct kt_display *display = NULL;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	display = kt_display_new(ends[1], false);
	kt_display_line(display, "lane-a: WP01\033 planned");
	assert_true(read(ends[0], got, sizeof got - 1) > 0);
	assert_string_equal(got, "lane-a: WP01  planned\n");
	(void)close(ends[0]);
	kt_display_line(display, "nobody reads this");
	kt_display_free(display);
	(void)close(ends[1]);
}

static void a_reader_that_takes_nothing_holds_nobody_up(void **state)
{
	int ends[2];
	struct kt_display *display = NULL;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	display = kt_display_new(ends[1], false);
	for (int i = 0; i < 100000; i++)
		kt_display_line(display, "a line that nobody reads, again and again and again");
	(void)close(ends[0]);
	kt_display_free(display);
	(void)close(ends[1]);
}

/* ---- programs ---- */

static void programs_are_found_on_path_or_where_they_are_named(void **state)
{
	(void)state;
	assert_true(kt_program_exists("sh", "/nowhere:/bin", "/"));
	assert_false(kt_program_exists("sh", "/nowhere", "/"));
	assert_false(kt_program_exists("sh", NULL, "/"));
	assert_true(kt_program_exists("/bin/sh", NULL, "/"));
	assert_true(kt_program_exists("bin/sh", NULL, "/"));
	assert_false(kt_program_exists("/bin", NULL, "/"));
	assert_false(kt_program_exists("/etc/passwd", NULL, "/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prompt_says_what_where_and_how),
		cmocka_unit_test(a_prompt_names_the_acceptance_by_itself),
		cmocka_unit_test(a_later_attempt_is_told_that_work_exists),
		cmocka_unit_test(a_lease_comes_back_as_it_was_written),
		cmocka_unit_test(a_torn_or_foreign_lease_is_none),
		cmocka_unit_test(foreign_output_cannot_steer_the_terminal),
		cmocka_unit_test(a_live_line_is_no_wider_than_the_terminal),
		cmocka_unit_test(lines_reach_a_pipe_and_a_reader_that_is_gone_does_no_harm),
		cmocka_unit_test(a_reader_that_takes_nothing_holds_nobody_up),
		cmocka_unit_test(programs_are_found_on_path_or_where_they_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
