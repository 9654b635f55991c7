/*
 * The moment after the ref has moved, seen from inside: fsync goes through this test (linker's
 * --wrap), so that it can tell what was flushed and in which order, and act where another process
 * could. Most of tests/mutations is caught here.
 */
#include <fcntl.h>

#include <kitty/limits.h>

#include "supervisor/git/commit.h"
#include "supervisor/git/refs.h"
#include "unit/transaction/fixture.h"

#define ID "01KSPTVW00000000000000FASH"
#define REF "refs/heads/kitty/mission-" SLUG

static struct {
	const struct fixture *intrude; /* somebody else, at the next flush of the ref's folder */
	const char *intrusion;         /* what they do there */
	const char *replaced;          /* this lock file is replaced before it is locked */
	const char *by;                /* where the link in its place leads to; NULL: a file */
	bool is_unknown;               /* the next fstat fails */
	const struct fixture *pruned;  /* where git prunes when an index of a pack is flushed, */
	unsigned prunes;               /* so many times */
	size_t flushes;                /* of the ref's folder */
	bool is_recording;
	struct kt_buffer flushed; /* names at that moment, one a line, in order */
} plan;

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names */
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	char link[64], path[4096];
	static const char folder[] = "/refs/heads/kitty";
	const struct fixture *f = plan.intrude;
	ssize_t len;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof path);
	if (plan.is_recording && len > 0)
		kt_buffer_printf(&plan.flushed, "%.*s\n", (int)len, path);
	if (plan.prunes > 0 && len > 0 && memmem(path, (size_t)len, "/tmp_idx_kitty_", 15)) {
		plan.prunes--;
		shell(plan.pruned, "git prune --expire=now");
	}
	if (len < (ssize_t)sizeof folder ||
		memcmp(path + len - (sizeof folder - 1), folder, sizeof folder - 1) != 0)
		return __real_fsync(fd);
	plan.flushes++;
	plan.intrude = NULL;
	if (f != NULL)
		shell(f, "%s", plan.intrusion);
	return __real_fsync(fd);
}

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation)
{
	const char *path = plan.replaced;

	plan.replaced = NULL;
	if (path != NULL) {
		assert_int_equal(unlink(path), 0);
		if (plan.by != NULL)
			assert_int_equal(symlink(plan.by, path), 0);
		else
			(void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	}
	return __real_flock(fd, operation);
}

int __real_fstat(int fd, struct stat *facts);
int __wrap_fstat(int fd, struct stat *facts);
int __wrap_fstat(int fd, struct stat *facts)
{
	bool is_unknown = plan.is_unknown;

	plan.is_unknown = false;
	return is_unknown ? -1 : __real_fstat(fd, facts);
}

int __real_syncfs(int fd);
int __wrap_syncfs(int fd);
int __wrap_syncfs(int fd)
{
	if (plan.is_recording)
		kt_buffer_puts(&plan.flushed, "whole file system\n");
	return __real_syncfs(fd);
}

/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

static void record(void)
{
	kt_buffer_clear(&plan.flushed);
	plan.is_recording = true;
}

static void record_end(void)
{
	plan.is_recording = false;
	kt_buffer_release(&plan.flushed);
}

/* The line that holds `text` and ends in `end`; its place. Fails when nothing of that name was
 * flushed. */
static size_t flushed(const char *text, const char *end)
{
	const char *all = kt_buffer_text(&plan.flushed);
	size_t end_len = strlen(end);

	for (const char *line = all; *line != '\0'; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");
		const char *at = strstr(line, text);

		if (at != NULL && at < line + len && len >= end_len &&
			memcmp(line + len - end_len, end, end_len) == 0)
			return (size_t)(line - all);
	}
	fail_msg("no flush of %s...%s among:\n%s", text, end, all);
	return 0;
}

static struct kt_json *note(const char *id)
{
	struct kt_json *request = kt_request_new("note");
	struct kt_json *delta = kt_json_new_object(), *op = NULL;

	kt_json_set_string(delta, "note", "once");
	op = kt_request_add_annotation(request, "WP01", "claude", delta);
	if (id != NULL)
		kt_json_set_string(op, "event_id", id);
	return request;
}

/* A kill between the move and its flush leaves a ref that a power cut can still take back. */
static void what_a_killed_writer_moved_is_flushed_before_it_is_acknowledged(void **state)
{
	struct fixture *f = *state;

	submit(f, note(ID), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	kt_writer_free(f->writer);
	open_writer(f, false);
	plan.flushes = 0;
	record();
	submit(f, note(ID), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_true(kt_json_get_bool(kt_json_get(f->last, "receipt"), "is_noop", false));
	assert_true(plan.flushes > 0);
	(void)flushed("/" REF, "/mission-" SLUG);
	record_end();
}

/* The same when git has packed the ref in the meantime. */
static void a_packed_ref_is_flushed_as_well(void **state)
{
	struct fixture *f = *state;

	submit(f, note(ID), NULL);
	finish(f);
	kt_writer_free(f->writer);
	shell(f, "git pack-refs --all && test ! -e .git/" REF);
	open_writer(f, false);
	submit(f, note(ID), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
}

/* The ref is not what was written, and yet it was: one commit further. Building again would write
 * the row twice, under two ids. */
static void a_foreign_commit_at_once_on_top_is_no_failed_swap(void **state)
{
	struct fixture *f = *state;

	plan.intrude = f;
	plan.intrusion =
		"git update-ref " REF " $(git commit-tree -p " REF " -m intruder " REF "^{tree})";
	submit(f, note(NULL), NULL);
	finish(f);
	assert_null(plan.intrude);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "1",
		"git show " REF ":kitty-specs/" SLUG "/status.events.jsonl | grep -c '\"once\"'");
	assert_ask(f, "intruder", "git log -1 --format=%%s " REF);
	/* And the files follow. */
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	expect_clean(f);
}

/* Under their temporary names: a name must never be durable before what it names. */
static void objects_are_flushed_before_the_ref_and_the_ref_before_its_folder(void **state)
{
	struct fixture *f = *state;
	size_t pack, index, packs, ref, folder;

	record();
	submit(f, note(NULL), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	pack = flushed("/objects/pack/tmp_pack_", "");
	index = flushed("/objects/pack/tmp_idx_", "");
	packs = flushed("/objects/pack", "/objects/pack");
	ref = flushed("/" REF ".lock", ".lock");
	folder = flushed("/refs/heads/kitty", "/refs/heads/kitty");
	assert_true(pack < packs && index < packs && packs < ref && ref < folder);
	record_end();
}

static struct kt_json *with_file(struct kt_json *request, const char *path, const char *blob)
{
	struct kt_json *files = kt_json_new_array(), *file = kt_json_new_object();

	kt_json_set_string(file, "path", path);
	kt_json_set_string(file, "blob", blob);
	kt_json_append(files, file);
	kt_json_set(request, "files", files);
	return request;
}

/* git leaves its objects to the page cache; a merge that names a lane's must not outlive them. */
static void objects_of_git_are_flushed_before_a_merge_names_them(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;
	char *tip = ask(f, "git rev-parse " REF), *lane = ask(f, "git rev-parse HEAD");
	struct kt_oid parents[2], commit;
	struct kt_commit_plan wish = {.parents = parents,
		.parents_len = 2,
		.author = {"Ann", "ann@example.com", 1700000000},
		.committer = {"Ann", "ann@example.com", 1700000000},
		.message = "merge\n"};
	struct kt_store *store = NULL;

	assert_true(kt_oid_parse(tip, &parents[0]) && kt_oid_parse(lane, &parents[1]));
	assert_int_equal(kt_store_open(f->repo, &store, &err), KT_E_OK);
	assert_int_equal(kt_commit_build(store, &wish, &commit, NULL, &err), KT_E_OK);
	record();
	assert_int_equal(kt_commit_barrier(store, &err), KT_E_OK);
	assert_int_equal(kt_commit_swap(store, REF, &parents[0], &commit, "merge", &err), KT_E_OK);
	assert_true(flushed("whole", "file system") < flushed("/" REF ".lock", ".lock"));
	record_end();
	kt_store_close(store);
	free(tip);
	free(lane);
}

/* What git wrote loose is anybody's to prune until the ref has moved: it comes into our pack. */
static void a_blob_of_git_is_in_the_pack_of_the_commit_that_names_it(void **state)
{
	struct fixture *f = *state;
	char *blob = ask(f, "echo plan | git hash-object -w --stdin");

	submit(f, with_file(note(NULL), "kitty-specs/" SLUG "/notes.md", blob), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	free(ask(f, "git prune-packed"));
	assert_ask(f, "", "ls .git/objects/%.2s/%s 2>/dev/null | cat", blob, blob + 2);
	assert_ask(f, "plan", "git cat-file blob %s", blob);
	free(blob);
}

/* A prune takes temporary files of any age: the pack is written again, for a while. */
static void a_pack_whose_files_are_pruned_under_way_is_written_again(void **state)
{
	struct fixture *f = *state;
	char *before = ask(f, "git rev-parse " REF), *after = NULL;

	plan.pruned = f;
	plan.prunes = 4;
	submit(f, note(NULL), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_int_equal(plan.prunes, 0);
	after = ask(f, "git rev-parse " REF);
	assert_string_not_equal(before, after);
	plan.prunes = 100;
	submit(f, note(NULL), NULL);
	finish(f);
	plan.prunes = 0;
	assert_string_equal(last_code(f), "BOOKKEEPING_COMMIT_FAILED");
	assert_ask(f, after, "git rev-parse " REF);
	expect_clean(f);
	free(before);
	free(after);
}

static void a_blob_that_was_pruned_fails_its_request_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	char *blob = ask(f, "echo plan | git hash-object -w --stdin");
	char *before = ask(f, "git prune --expire=now && git rev-parse " REF);

	submit(f, with_file(note(NULL), "kitty-specs/" SLUG "/notes.md", blob), NULL);
	finish(f);
	assert_string_equal(last_code(f), "GIT_FAILED");
	assert_ask(f, before, "git rev-parse " REF);
	expect_clean(f);
	free(before);
	free(blob);
}

/* A new folder is an entry of its parent. */
static void folders_of_a_new_ref_are_flushed_in_their_parents(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_ref_move create = {.ref = "refs/new/deep/name"};
	char *tip = ask(f, "git rev-parse HEAD");

	assert_true(kt_oid_parse(tip, &create.to));
	record();
	assert_int_equal(kt_refs_move(f->repo->common_dir, &create, &err), KT_E_OK);
	(void)flushed("/.git/refs", "/.git/refs");
	(void)flushed("/.git/refs/new", "/refs/new");
	(void)flushed("/.git/refs/new/deep", "/refs/new/deep");
	record_end();
	free(tip);
}

/* What is cut off is durable in quarantine first, and the cut itself before rows come over it. */
static void a_tail_is_flushed_in_quarantine_before_the_log_is_cut(void **state)
{
	struct fixture *f = *state;
	size_t kept, folder, cut;

	shell(f, "echo tail >>" LOG);
	record();
	submit(f, note(NULL), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	kept = flushed("-status.events.tail", ".tmp");
	folder = flushed("/quarantine", "/quarantine");
	cut = flushed("/status.events.jsonl", "/status.events.jsonl");
	assert_true(kept < folder && folder < cut);
	record_end();
}

/* ---- what else may happen in between ---- */

/* A receipt for what is on no branch would be a lie. */
static void a_ref_that_was_set_back_at_once_is_moved_again(void **state)
{
	struct fixture *f = *state;

	plan.intrude = f;
	plan.intrusion = "git update-ref " REF " " REF "~1";
	submit(f, note(NULL), NULL);
	finish(f);
	assert_null(plan.intrude);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "1",
		"git show " REF ":kitty-specs/" SLUG "/status.events.jsonl | grep -c '\"once\"'");
}

static void hook_install(const struct fixture *f, const char *name, const char *text)
{
	shell(f,
		"mkdir -p .git/hooks && printf '#!/bin/sh\\n%%s\\n' '%s' >.git/hooks/%s && "
		"chmod +x .git/hooks/%s",
		text, name, name);
}

/* The worktree was right when it was looked at; a hook has time to change it until the swap. */
static void a_head_that_a_hook_moved_is_refused(void **state)
{
	struct fixture *f = *state;
	char *before = ask(f, "git rev-parse " REF);

	shell(f, "git branch -q other " REF);
	hook_install(f, "pre-commit", "git symbolic-ref HEAD refs/heads/other");
	submit(f, note(NULL), NULL);
	finish(f);
	assert_string_equal(last_code(f), "SAFE_COMMIT_HEAD_MISMATCH");
	assert_ask(f, before, "git rev-parse " REF);
	free(before);
}

/* A git that dies after the ref has moved has moved it; one that dies before says nothing, too. */
static void neither_gits_words_nor_its_exit_status_decide(void **state)
{
	struct fixture *f = *state;
	char *before = NULL;

	hook_install(f, "reference-transaction",
		"[ \"$1\" != committed ] || { echo trouble >&2; kill -9 $PPID; }");
	submit(f, note(NULL), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "1",
		"git show " REF ":kitty-specs/" SLUG "/status.events.jsonl | grep -c '\"once\"'");
	before = ask(f, "git rev-parse " REF);
	hook_install(f, "reference-transaction", "[ \"$1\" != prepared ] || kill -9 $PPID");
	submit(f, note(NULL), NULL);
	finish(f);
	assert_string_not_equal(last_code(f), "OK");
	assert_ask(f, before, "git rev-parse " REF);
	free(before);
}

static void a_lock_on_a_file_that_was_replaced_is_none(void **state)
{
	struct fixture *f = *state;
	struct kt_error err = KT_ERROR_INIT;
	int fd = -1, other = -1;

	kt_writer_free(f->writer);
	f->writer = NULL;
	plan.replaced = f->mission->lock_path;
	assert_int_equal(kt_lock_try(f->mission->lock_path, &fd, &err), KT_E_OK);
	assert_int_equal(fd, -1);
	assert_int_equal(kt_lock_try(f->mission->lock_path, &fd, &err), KT_E_OK);
	assert_true(fd >= 0);
	assert_int_equal(kt_lock_try(f->mission->lock_path, &other, &err), KT_E_OK);
	assert_int_equal(other, -1);
	kt_lock_release(fd);
	/* Who waits opens what stands there now, and has it. */
	plan.replaced = f->mission->lock_path;
	assert_int_equal(
		kt_lock_wait(f->mission->lock_path, KT_LOCK_TIMEOUT_MS, &fd, &err), KT_E_OK);
	assert_true(fd >= 0);
	assert_null(plan.replaced);
	assert_int_equal(kt_lock_try(f->mission->lock_path, &other, &err), KT_E_OK);
	assert_int_equal(other, -1);
	kt_lock_release(fd);
}

/* Another file in its place, none at all, or nobody can say: who holds that lock keeps nobody out.
 */
static void a_lock_on_what_nobody_else_would_open_is_none(void **state)
{
	static const char *const places[] = {"/proc/self/stat", "nowhere"};
	struct fixture *f = *state;
	const char *path = f->mission->lock_path;
	struct kt_error err = KT_ERROR_INIT;
	int fd = -1;

	kt_writer_free(f->writer);
	f->writer = NULL;
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		plan.replaced = path;
		plan.by = places[i];
		assert_int_equal(kt_lock_try(path, &fd, &err), KT_E_OK);
		assert_int_equal(fd, -1);
		/* A link is not followed to somebody else's file. */
		assert_int_equal(kt_lock_try(path, &fd, &err), KT_E_IO);
		assert_int_equal(fd, -1);
		assert_int_equal(unlink(path), 0);
	}
	plan.by = NULL;
	plan.is_unknown = true;
	assert_int_equal(kt_lock_try(path, &fd, &err), KT_E_OK);
	assert_int_equal(fd, -1);
	assert_false(plan.is_unknown);
	kt_lock_release(fd);
	assert_int_equal(kt_lock_try(path, &fd, &err), KT_E_OK);
	assert_true(fd >= 0);
	kt_lock_release(fd);
}

static void a_closed_mission_has_no_writer(void **state)
{
	struct fixture *f = *state;
	struct kt_writer_options options = {.repo = f->repo, .mission = f->mission};
	struct kt_error err = KT_ERROR_INIT;

	kt_writer_free(f->writer);
	f->writer = NULL;
	f->mission->is_closed = true;
	assert_int_equal(kt_writer_new(&options, &f->writer, &err), KT_E_MISSION_NOT_FOUND);
	assert_null(f->writer);
}

/* Nor the status files, which only rows change. */
static void files_of_another_mission_are_refused(void **state)
{
	static const char *const paths[] = {"kitty-specs/other-01KSPTVX/meta.json",
		"kitty-specs/" SLUG "2/meta.json", "kitty-specs/" SLUG "/status.events.jsonl",
		"kitty-specs/" SLUG "/status.json"};
	struct fixture *f = *state;
	char *blob = ask(f, "echo plan | git hash-object -w --stdin");

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		submit(f, with_file(note(NULL), paths[i], blob), NULL);
		finish(f);
		assert_string_equal(last_code(f), "SAFE_COMMIT_PATH_POLICY");
	}
	free(blob);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_killed_writer_moved_is_flushed_before_it_is_acknowledged),
		TEST(a_packed_ref_is_flushed_as_well),
		TEST(a_foreign_commit_at_once_on_top_is_no_failed_swap),
		TEST(objects_are_flushed_before_the_ref_and_the_ref_before_its_folder),
		TEST(objects_of_git_are_flushed_before_a_merge_names_them),
		TEST(a_blob_of_git_is_in_the_pack_of_the_commit_that_names_it),
		TEST(a_pack_whose_files_are_pruned_under_way_is_written_again),
		TEST(a_blob_that_was_pruned_fails_its_request_and_nothing_else),
		TEST(folders_of_a_new_ref_are_flushed_in_their_parents),
		TEST(a_tail_is_flushed_in_quarantine_before_the_log_is_cut),
		TEST(a_ref_that_was_set_back_at_once_is_moved_again),
		TEST(a_head_that_a_hook_moved_is_refused),
		TEST(neither_gits_words_nor_its_exit_status_decide),
		TEST(a_lock_on_a_file_that_was_replaced_is_none),
		TEST(a_lock_on_what_nobody_else_would_open_is_none),
		TEST(a_closed_mission_has_no_writer),
		TEST(files_of_another_mission_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
