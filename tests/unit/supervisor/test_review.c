/*
 * Reviews without processes: rounds in the log, feedback, the reviewer's prompt, what a review
 * changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/prompt.h"
#include "supervisor/review.h"
#include "supervisor/review_facts.h"

#define ROW(wp, from, to, rest) \
	"{\"actor\": \"critic\", \"from_lane\": \"" from "\", \"reason\": \"fix it\", " rest \
	"\"to_lane\": \"" to "\", \"wp_id\": \"" wp "\"}\n"
#define CHANGES(path) \
	"\"review_result\": {\"feedback_path\": \"" path "\", \"verdict\": " \
	"\"changes_requested\"}, "

/* ---- the log ---- */

static void rounds_are_the_reviews_of_the_wp_that_asked_for_changes(void **state)
{
	static const char log[] = ROW("WP01", "in_review", "in_progress", CHANGES("/a"))
		ROW("WP02", "in_review", "in_progress", CHANGES("/b")) ROW("WP01", "in_review",
			"approved", "\"review_result\": {\"verdict\": \"approved\"}, ")
			ROW("WP01", "in_progress", "for_review", CHANGES("/c"))
				ROW("WP01", "in_review", "blocked", CHANGES("/d"))
					ROW("WP01", "blocked", "in_progress", "");
	struct kt_review_history history = {0, NULL};

	(void)state;
	kt_review_history_read(log, sizeof log - 1, "WP01", &history);
	assert_int_equal(history.rounds, 2);
	assert_string_equal(
		kt_json_get_string(kt_json_get(history.last, "review_result"), "feedback_path"),
		"/d");
	kt_review_history_release(&history);
	kt_review_history_read(log, sizeof log - 1, "WP03", &history);
	assert_int_equal(history.rounds, 0);
	assert_null(history.last);
	kt_review_history_read("", 0, "WP01", &history);
	assert_int_equal(history.rounds, 0);
}

/* ---- feedback ---- */

static void feedback_is_cut_between_characters(void **state)
{
	static const char *const wanted[] = {"", "a", "a", "a\xC3\xA4", "a\xC3\xA4z"};

	(void)state;
	for (size_t max = 0; max < 5; max++) {
		char *cut = kt_feedback_cut("a\xC3\xA4z", 4, max);

		assert_string_equal(cut, wanted[max]);
		free(cut);
	}
}

static char *kept(const char *folder, const char *printed, size_t len)
{
	char *log = kt_format("%s/log", folder);
	char *path = kt_format("%s/feedback/WP01-1.md", folder);
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_buffer again = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	(void)unlink(log);
	if (printed != NULL)
		assert_int_equal(
			kt_file_write_atomic(log, printed, len, 0600, false, &err), KT_E_OK);
	assert_int_equal(kt_feedback_keep(log, path, &text, &err), KT_E_OK);
	assert_int_equal(kt_file_read(path, 4UL * KT_FEEDBACK_FILE_MAX, &again, &err), KT_E_OK);
	assert_int_equal(again.len, text.len);
	assert_memory_equal(again.data, text.data, text.len);
	kt_buffer_release(&again);
	free(log);
	free(path);
	return kt_buffer_take(&text);
}

static void what_a_reviewer_printed_is_kept(void **state)
{
	char folder[] = "/tmp/kitty-review-XXXXXX";
	char *large = kt_alloc(3UL * KT_FEEDBACK_FILE_MAX);
	struct kt_error err = KT_ERROR_INIT;
	char *text = NULL;

	(void)state;
	assert_non_null(mkdtemp(folder));
	text = kept(folder, "two\0words\n", 10);
	assert_string_equal(text, "two words\n");
	free(text);
	text = kept(folder, " \n", 2);
	assert_non_null(strstr(text, "without saying which"));
	free(text);
	text = kept(folder, NULL, 0);
	assert_non_null(strstr(text, "without saying which"));
	free(text);
	memset(large, 'x', 3UL * KT_FEEDBACK_FILE_MAX);
	text = kept(folder, large, 3UL * KT_FEEDBACK_FILE_MAX);
	assert_non_null(strstr(text, "cut here; all of it: /tmp/kitty-review-"));
	assert_true(strlen(text) < KT_FEEDBACK_FILE_MAX + 65536U);
	free(text);
	free(large);
	assert_int_equal(kt_folder_remove_tree(folder, &err), KT_E_OK);
}

static struct kt_json *row_with(const char *path)
{
	struct kt_json *row = kt_json_new_object();
	struct kt_json *result = kt_json_new_object();

	kt_json_set_string(row, "reason", "from the row");
	kt_json_set_string(result, "feedback_path", path);
	kt_json_set(row, "review_result", result);
	return row;
}

static void feedback_comes_from_its_file_else_from_the_row(void **state)
{
	static const char *const without[] = {NULL, "relative.md", "/nonexistent/file", "/tmp"};
	char folder[] = "/tmp/kitty-review-XXXXXX";
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *row = NULL;
	char *path = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
		row = row_with(without[i]);
		kt_feedback_append(row, &out);
		assert_string_equal(kt_buffer_text(&out), "from the row\n");
		kt_buffer_clear(&out);
		kt_json_free(row);
	}
	assert_non_null(mkdtemp(folder));
	path = kt_format("%s/f.md", folder);
	assert_int_equal(
		kt_file_write_atomic(path, "from the file", 13, 0600, false, &err), KT_E_OK);
	row = row_with(path);
	kt_feedback_append(row, &out);
	assert_string_equal(kt_buffer_text(&out), "from the file\n");
	kt_json_free(row);
	kt_buffer_release(&out);
	free(path);
	assert_int_equal(kt_folder_remove_tree(folder, &err), KT_E_OK);
}

/* ---- what a review changed ---- */

static struct kt_json *facts(const char *head, const char *files, const char *dirty)
{
	struct kt_json *json = kt_json_new_object();
	struct kt_json *list = kt_json_new_array();

	kt_json_set_string(json, "head_ref", "refs/heads/l");
	kt_json_set_string(json, "head", head);
	kt_json_set_string(json, "branch_tip", head);
	kt_json_set_string(json, "state", "");
	kt_json_set_string(json, "files", files);
	if (dirty != NULL)
		kt_json_append(list, kt_json_new_string(dirty));
	kt_json_set(json, "dirty", list);
	return json;
}

static void expect_difference(struct kt_json *after, const char *wanted)
{
	struct kt_json *before = facts("1", "f", "old.txt");
	char *got = kt_review_difference(before, after);

	if (wanted == NULL)
		assert_null(got);
	else
		assert_string_equal(got, wanted);
	free(got);
	kt_json_free(before);
	kt_json_free(after);
}

static void a_review_that_changed_the_lane_is_noticed(void **state)
{
	struct kt_json *detached = facts("1", "f", "old.txt");

	(void)state;
	expect_difference(facts("1", "f", "old.txt"), NULL);
	expect_difference(facts("2", "f", "old.txt"), "head was 1 and is 2");
	expect_difference(facts("1", "g", "old.txt"), "the file old.txt");
	expect_difference(facts("1", "g", "new.txt"), "the file new.txt");
	expect_difference(facts("1", "g", NULL), "the file old.txt");
	kt_json_set_string(detached, "head_ref", NULL);
	expect_difference(detached, "head_ref was refs/heads/l and is none");
}

/* ---- the prompt ---- */

static void a_reviewer_is_told_what_to_look_at_and_how_to_answer(void **state)
{
	static char text[] = "# Count\n\n## Acceptance\n\n`make check` passes.\n";
	struct kt_mission mission = {.slug = (char[]){"words"},
		.folder = (char[]){"kitty-specs/words"},
		.coord_worktree = (char[]){"/r/.worktrees/words-coord"}};
	struct kt_wp wp = {.id = (char[]){"WP01"},
		.title = (char[]){"Count"},
		.text = text,
		.text_len = sizeof text - 1};
	struct kt_prompt place = {&mission, &wp, "lane-a", "kitty/lane-a", "/r/a", 1, NULL};
	struct kt_review_prompt prompt = {&place, "claude", "1111", "2222", 2, 3, "rename it"};
	struct kt_buffer out = KT_BUFFER_INIT;
	static const char *const wanted[] = {"# Review of WP01: Count",
		"which was implemented by claude", "round 2 of at most 3", "1111..2222",
		"git diff 1111 2222", "rename it", "What it is measured by", "`make check` passes.",
		"- 0: the work is approved.", "Change nothing here"};

	(void)state;
	kt_prompt_review_build(&prompt, &out);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		assert_non_null(strstr(kt_buffer_text(&out), wanted[i]));
	kt_buffer_clear(&out);
	prompt.implementer = prompt.fork = prompt.feedback = NULL;
	kt_prompt_review_build(&prompt, &out);
	assert_null(strstr(kt_buffer_text(&out), "implemented by"));
	assert_null(strstr(kt_buffer_text(&out), "round before"));
	assert_non_null(strstr(kt_buffer_text(&out), "everything up to 2222"));
	kt_buffer_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_are_the_reviews_of_the_wp_that_asked_for_changes),
		cmocka_unit_test(feedback_is_cut_between_characters),
		cmocka_unit_test(what_a_reviewer_printed_is_kept),
		cmocka_unit_test(feedback_comes_from_its_file_else_from_the_row),
		cmocka_unit_test(a_review_that_changed_the_lane_is_noticed),
		cmocka_unit_test(a_reviewer_is_told_what_to_look_at_and_how_to_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
