/*
 * Healing, case by case: what can stand in the worktree when the lock is taken, and what becomes of
 * it. The branch decides; bytes that are on no branch are kept, never lost; history that somebody
 * edited is refused and left alone.
 */
#include <fcntl.h>

#include "unit/transaction/fixture.h"
#include "unit/transaction/seams.h"

#define BRANCH "kitty/mission-" SLUG
#define REF "refs/heads/" BRANCH
#define FOLDER COORD "/kitty-specs/" SLUG
#define QUARANTINE ".git/kitty/" SLUG "/quarantine"

static const char *claim(struct fixture *f)
{
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	return last_code(f);
}

static void reopen(struct fixture *f)
{
	kt_writer_free(f->writer);
	f->writer = NULL;
	open_writer(f, false);
}

/* Refused with that code; branch, log and snapshot are byte for byte what they were. */
static void expect_refused(struct fixture *f, const char *code)
{
	static const char state[] = "git rev-parse -q --verify " REF " || true; sha256sum " FOLDER
				    "/status.* 2>&1 || true";
	char *before = ask(f, "%s", state);

	assert_string_equal(claim(f), code);
	assert_ask(f, before, "%s", state);
	free(before);
}

static void a_deleted_coordination_branch_is_named(void **state)
{
	struct fixture *f = *state;

	shell(f, "git update-ref -d " REF);
	expect_refused(f, "COORDINATION_BRANCH_DELETED");
	assert_ask(f, "", "git branch --list '" BRANCH "'");
}

static void a_meta_json_that_nobody_can_read_stops_no_event(void **state)
{
	struct fixture *f = *state;

	shell(f, "cd " COORD " && echo '{' >kitty-specs/" SLUG
		 "/meta.json && git commit -qam torn && cd - >/dev/null");
	reopen(f);
	assert_string_equal(claim(f), "OK");
	expect_clean(f);
}

static void a_commit_that_shortens_the_log_is_refused(void **state)
{
	struct fixture *f = *state;

	shell(f, "cd " COORD " && sed -i '$d' kitty-specs/" SLUG
		 "/status.events.jsonl && git commit -qam shorter");
	expect_refused(f, "COORDINATION_FOREIGN_COMMIT");
}

static void a_committed_row_that_is_none_is_refused_with_the_way_to_see_it(void **state)
{
	struct fixture *f = *state;

	shell(f, "cd " COORD " && echo 'no row' >>kitty-specs/" SLUG
		 "/status.events.jsonl && git commit -qam garbage");
	reopen(f);
	expect_refused(f, "EVENT_INVALID");
	assert_non_null(strstr(kt_json_get_string(kt_json_get(f->last, "error"), "next_step"),
		"kitty verify --mission " SLUG));
}

/* What a power cut may leave of appended bytes. */
static void zeros_at_the_end_of_committed_rows_are_written_again(void **state)
{
	struct fixture *f = *state;

	shell(f, "size=$(stat -c %%s " LOG ") && truncate -s $((size - 40)) " LOG
		 " && truncate -s $size " LOG);
	assert_string_equal(claim(f), "OK");
	expect_clean(f);
}

static void zeros_with_anything_behind_them_are_an_edit(void **state)
{
	struct fixture *f = *state;

	shell(f, "size=$(stat -c %%s " LOG ") && truncate -s $((size - 40)) " LOG
		 " && truncate -s $((size - 1)) " LOG " && echo >>" LOG);
	expect_refused(f, "EVENT_LOG_EDITED");
}

static void a_log_that_is_a_link_is_refused_and_not_followed(void **state)
{
	struct fixture *f = *state;

	shell(f, "mv " LOG " ../elsewhere && ln -s $PWD/../elsewhere " LOG " && echo more "
		 ">>../elsewhere && sha256sum ../elsewhere >../sum");
	expect_refused(f, "EVENT_LOG_EDITED");
	shell(f, "sha256sum -c ../sum");
}

/* The branch was set back to where no row was yet: the rows in the worktree are kept. */
static void rows_of_a_branch_without_a_log_are_kept_in_quarantine(void **state)
{
	struct fixture *f = *state;

	shell(f, "cp " LOG " ../rows && git update-ref " REF " " REF "~2 && git -C " COORD
		 " read-tree HEAD");
	reopen(f);
	shell(f, "rm -rf " QUARANTINE);
	submit(f, move("WP02", KT_STATUS_PLANNED, "finalize-tasks"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	shell(f, "cmp ../rows " QUARANTINE "/*-status.events.tail");
	expect_clean(f);
}

/* An empty log and an empty snapshot are nobody's. */
static void empty_files_of_a_branch_without_a_log_go(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;

	shell(f, "git update-ref " REF " " REF "~2 && git -C " COORD " read-tree HEAD && : >" LOG
		 " && : >" FOLDER "/status.json && rm -rf " QUARANTINE);
	reopen(f);
	assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_OK);
	assert_ask(f, "", "ls " FOLDER "/status.* 2>/dev/null || true");
	assert_ask(f, "", "ls " QUARANTINE " 2>/dev/null || true");
}

static void a_branch_that_has_only_the_snapshot_is_healed(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;

	shell(f, "cd " COORD " && git rm -q kitty-specs/" SLUG
		 "/status.events.jsonl && git commit -qm 'no log' && echo edited >kitty-specs/" SLUG
		 "/status.json");
	reopen(f);
	assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_OK);
	assert_ask(f, "", "git -C " COORD " status --porcelain");
	assert_ask(f, "no", "test -e " LOG " || echo no");
}

static void a_snapshot_with_one_other_byte_is_written_again(void **state)
{
	struct fixture *f = *state;

	shell(f, "printf x | dd of=" FOLDER
		 "/status.json bs=1 seek=3 conv=notrunc status=none && cp " FOLDER
		 "/status.json ../edited");
	reopen(f);
	assert_string_equal(claim(f), "OK");
	expect_clean(f);
	shell(f, "! cmp -s ../edited " FOLDER "/status.json");
}

static void half_written_copies_of_a_killed_writer_go_and_nothing_else(void **state)
{
	struct fixture *f = *state;

	shell(f, "cd " FOLDER " && touch status.json.4711.tmp status.notes other.tmp");
	reopen(f);
	assert_string_equal(claim(f), "OK");
	assert_ask(f, "other.tmp\nstatus.notes",
		"cd " FOLDER
		" && ls status.json.4711.tmp status.notes other.tmp 2>/dev/null || true");
}

static void the_lock_cannot_be_had_by_a_writer_that_cannot_heal(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;

	shell(f, "sed -i '1s/planned/PLANNED/' " LOG);
	reopen(f);
	assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_LOG_EDITED);
}

/* A second fault while the first is dealt with: the tail is not cut before it is kept. */
static void a_tail_that_cannot_be_kept_stays(void **state)
{
	struct fixture *f = *state;

	shell(f, "printf tail >>" LOG " && sha256sum " LOG " >../sum");
	kt_seam_fail("kt_file_write_atomic", 1, KT_E_NO_SPACE);
	assert_string_not_equal(claim(f), "OK");
	assert_string_equal(kt_seam_end(), "kt_file_write_atomic");
	shell(f, "sha256sum -c ../sum");
	assert_string_equal(claim(f), "OK");
	expect_clean(f);
}

static void a_branch_without_a_meta_json_has_a_snapshot_all_the_same(void **state)
{
	struct fixture *f = *state;

	shell(f, "cd " COORD " && git rm -q kitty-specs/" SLUG "/meta.json && git commit -qm gone");
	reopen(f);
	assert_string_equal(claim(f), "OK");
	expect_clean(f);
}

static void a_branch_without_the_mission_needs_no_folder(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;

	shell(f, "cd " COORD " && git rm -qr kitty-specs && git commit -qm none");
	reopen(f);
	assert_int_equal(kt_writer_acquire(f->writer, &err), KT_E_OK);
	assert_ask(f, "",
		"git -C " COORD " status --porcelain && ls -d " FOLDER " 2>/dev/null || true");
}

/* ---- a writer that stays looks again ---- */

static void a_snapshot_that_was_edited_under_a_writer_is_written_again(void **state)
{
	struct fixture *f = *state;

	shell(f, "echo edited >" FOLDER "/status.json");
	assert_string_equal(claim(f), "OK");
	expect_clean(f);
}

static void other_permissions_are_looked_at_and_left(void **state)
{
	struct fixture *f = *state;

	shell(f, "chmod 600 " LOG);
	assert_string_equal(claim(f), "OK");
	assert_ask(f, "600", "stat -c %%a " LOG);
	expect_clean(f);
}

/* One byte in place, and the time set back: only a fraction of a second tells. */
static void an_edit_that_hides_its_time_is_seen(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		char *path = kt_path_join(f->box->repo, LOG);
		struct stat facts = {0};
		struct timespec times[2];

		assert_int_equal(stat(path, &facts), 0);
		shell(f, "printf X | dd of=" LOG " bs=1 seek=5 conv=notrunc status=none");
		times[0] = times[1] = facts.st_mtim;
		times[1].tv_sec -= i;
		times[1].tv_nsec = i == 0 ? facts.st_mtim.tv_nsec ^ 1 : facts.st_mtim.tv_nsec;
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
		expect_refused(f, "EVENT_LOG_EDITED");
		shell(f, "git -C " COORD " restore kitty-specs/" SLUG "/status.events.jsonl");
		assert_string_equal(claim(f), "OK");
		free(path);
	}
	expect_clean(f);
}

static const char *set_subtask(struct fixture *f, const char *value)
{
	struct kt_json *request = kt_request_new("note"), *delta = kt_json_new_object();
	struct kt_json *subtasks = kt_json_new_object();

	kt_json_set_string(subtasks, "T001", value);
	kt_json_set(delta, "subtasks", subtasks);
	(void)kt_request_add_annotation(request, "WP01", "claude", delta);
	submit(f, request, NULL);
	finish(f);
	return last_code(f);
}

static void a_snapshot_of_the_same_length_is_another_one(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(set_subtask(f, "planned"), "OK");
	assert_string_equal(set_subtask(f, "blocked"), "OK");
	assert_string_equal(set_subtask(f, "planned"), "OK");
	expect_clean(f);
}

/* ---- rows that a hook refused ---- */

static void install_refusal(struct fixture *f, const char *text)
{
	shell(f,
		"mkdir -p .git/hooks && printf '#!/bin/sh\n%%s\nexit 1\n' '%s' "
		">.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit",
		text);
}

static void a_refused_first_row_leaves_no_log(void **state)
{
	struct fixture *f = *state;

	shell(f, "git update-ref " REF " " REF "~2 && git -C " COORD " reset -q --hard");
	reopen(f);
	install_refusal(f, "true");
	submit(f, move("WP02", KT_STATUS_PLANNED, "finalize-tasks"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "BOOKKEEPING_COMMIT_FAILED");
	assert_ask(f, "", "ls " FOLDER "/status.* 2>/dev/null || true");
	assert_ask(f, "", "git -C " COORD " status --porcelain");
}

static void committed_rows_that_a_hook_changed_are_put_back(void **state)
{
	struct fixture *f = *state;

	install_refusal(f, "printf X | dd of=kitty-specs/" SLUG
			   "/status.events.jsonl bs=1 seek=5 conv=notrunc status=none");
	expect_refused(f, "BOOKKEEPING_COMMIT_FAILED");
	expect_clean(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_deleted_coordination_branch_is_named),
		TEST(a_meta_json_that_nobody_can_read_stops_no_event),
		TEST(a_commit_that_shortens_the_log_is_refused),
		TEST(a_committed_row_that_is_none_is_refused_with_the_way_to_see_it),
		TEST(zeros_at_the_end_of_committed_rows_are_written_again),
		TEST(zeros_with_anything_behind_them_are_an_edit),
		TEST(a_log_that_is_a_link_is_refused_and_not_followed),
		TEST(rows_of_a_branch_without_a_log_are_kept_in_quarantine),
		TEST(empty_files_of_a_branch_without_a_log_go),
		TEST(a_branch_that_has_only_the_snapshot_is_healed),
		TEST(a_snapshot_with_one_other_byte_is_written_again),
		TEST(half_written_copies_of_a_killed_writer_go_and_nothing_else),
		TEST(the_lock_cannot_be_had_by_a_writer_that_cannot_heal),
		TEST(a_tail_that_cannot_be_kept_stays),
		TEST(a_branch_without_a_meta_json_has_a_snapshot_all_the_same),
		TEST(a_branch_without_the_mission_needs_no_folder),
		TEST(a_snapshot_that_was_edited_under_a_writer_is_written_again),
		TEST(other_permissions_are_looked_at_and_left),
		TEST(an_edit_that_hides_its_time_is_seen),
		TEST(a_snapshot_of_the_same_length_is_another_one),
		TEST(a_refused_first_row_leaves_no_log),
		TEST(committed_rows_that_a_hook_changed_are_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
