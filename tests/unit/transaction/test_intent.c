/*
 * Locks of git's that stand when the mission's lock is taken: whose they are is told by the record
 * of a dead writer, by their age, and by the git processes that stand in the repository. A lock
 * that somebody may still hold is left alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "ipc/child.h"
#include "unit/transaction/uncoordinated.h"

#define REF "refs/heads/kitty/mission-" SLUG
#define REF_LOCK ".git/" REF ".lock"
#define INDEX_LOCK ".git/worktrees/" SLUG "-coord/index.lock"
#define RUN_DIR ".git/kitty/" SLUG
#define INTENT RUN_DIR "/intent"
#define NOBODY "0123456789012345678901234567890123456789"

static bool has_no_proc;

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names */
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
	if (!has_no_proc || strcmp(path, "/proc") != 0)
		return __real_opendir(path);
	errno = EMFILE;
	return NULL;
}
/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

static int setup_single(void **state)
{
	return setup_uncoordinated(state, ",\\n  \"topology\": \"single_branch\"");
}

/* Nobody holds the mission's lock; what is left behind now is a dead writer's. */
static void end_writer(struct fixture *f)
{
	kt_writer_free(f->writer);
	f->writer = NULL;
	kt_buffer_clear(&f->notices);
}

/* This process, but at another time: dead. */
static void write_dead_intent(struct fixture *f, const char *boot)
{
	char *text = kt_format("%ld 1 %s " NOBODY "\n", (long)getpid(), boot);

	write_file(f, INTENT, text);
	free(text);
}

/* Taken by whoever wrote the record; so late that it is not old yet however slow the machine is. */
static void leave_lock(struct fixture *f, const char *path)
{
	shell(f, ": >%s && touch -r " INTENT " -d '8 seconds' %s", path, path);
}

static void acquire(struct fixture *f)
{
	struct kt_error err = KT_ERROR_INIT;

	if (f->writer == NULL)
		open_writer(f, true);
	if (kt_writer_acquire(f->writer, &err) != KT_E_OK)
		fail_msg("%s", err.detail);
}

static bool is_there(struct fixture *f, const char *path)
{
	return kt_sandbox_try(f->box, NULL, "test -e %s", path) == 0;
}

static bool is_told(struct fixture *f, const char *path)
{
	const char *name = strncmp(path, "../", 3) == 0 ? path + 3 : path;

	return strstr(kt_buffer_text(&f->notices), "removed the stale lock") != NULL &&
	       strstr(kt_buffer_text(&f->notices), name) != NULL;
}

static void expect_broken(struct fixture *f, const char *path)
{
	assert_false(is_there(f, path));
	assert_true(is_told(f, path));
}

static void expect_left(struct fixture *f, const char *path)
{
	assert_true(is_there(f, path));
	assert_false(is_told(f, path));
}

/* ---- the record ---- */

static void locks_of_a_dead_writer_are_broken_at_once(void **state)
{
	struct fixture *f = *state;
	const char *const boots[] = {kt_boot_id(), "another-boot"};

	for (size_t i = 0; i < 2; i++) {
		end_writer(f);
		write_dead_intent(f, boots[i]);
		leave_lock(f, REF_LOCK);
		leave_lock(f, INDEX_LOCK);
		acquire(f);
		expect_broken(f, REF_LOCK);
		expect_broken(f, INDEX_LOCK);
		assert_ask(f, "", "cat " INTENT);
	}
	expect_clean(f);
}

static void half_a_record_names_nobody(void **state)
{
	static const char *const records[] = {"", "4711", "4711 1", "4711 1 boot", "x"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
		end_writer(f);
		write_file(f, INTENT, records[i]);
		leave_lock(f, REF_LOCK);
		acquire(f);
		expect_left(f, REF_LOCK);
	}
}

static void a_living_writers_lock_is_left(void **state)
{
	struct fixture *f = *state;
	char *text = kt_format("%ld %llu %s " NOBODY "\n", (long)getpid(),
		(unsigned long long)kt_process_start_time(getpid()), kt_boot_id());

	end_writer(f);
	write_file(f, INTENT, text);
	leave_lock(f, REF_LOCK);
	acquire(f);
	expect_left(f, REF_LOCK);
	free(text);
}

/* The record speaks of the locks of its own time only. */
static void locks_of_another_time_are_judged_by_their_age(void **state)
{
	struct fixture *f = *state;

	end_writer(f);
	write_dead_intent(f, kt_boot_id());
	leave_lock(f, REF_LOCK);
	leave_lock(f, INDEX_LOCK);
	shell(f, "touch -d '1 hour ago' " REF_LOCK " && touch -d '1 hour' " INDEX_LOCK);
	acquire(f);
	expect_broken(f, REF_LOCK);
	expect_left(f, INDEX_LOCK);
}

static void what_cannot_be_removed_is_not_told(void **state)
{
	struct fixture *f = *state;

	end_writer(f);
	shell(f, "mkdir " REF_LOCK " && touch -d '1 hour ago' " REF_LOCK);
	acquire(f);
	expect_left(f, REF_LOCK);
}

static void a_missing_worktree_has_no_lock(void **state)
{
	struct fixture *f = *state;

	end_writer(f);
	shell(f, "git worktree remove --force " COORD);
	write_dead_intent(f, kt_boot_id());
	leave_lock(f, REF_LOCK);
	acquire(f);
	expect_broken(f, REF_LOCK);
	expect_clean(f);
}

/* ---- git processes ---- */

struct git {
	struct kt_child child;
	int input, output;
};

/* It has read that line and answered it: it runs, under its own name. */
static void git_start(struct git *git, const char *const *argv, const char *cwd, const char *line)
{
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;
	int in[2], out[2];
	char answer[256];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	spec.path = "git";
	spec.argv = argv;
	spec.cwd = cwd;
	spec.stdin_fd = in[0];
	spec.stdout_fd = out[1];
	git->child = (struct kt_child)KT_CHILD_INIT;
	assert_int_equal(kt_child_start(&spec, &git->child, &err), KT_E_OK);
	git->input = in[1];
	(void)close(in[0]);
	(void)close(out[1]);
	assert_int_equal(kt_file_write_all(git->input, line, strlen(line)), 0);
	assert_true(read(out[0], answer, sizeof answer) > 0);
	git->output = out[0];
}

static void git_end(struct git *git)
{
	struct kt_child_status status = {0};

	kt_child_signal(&git->child, SIGKILL, false);
	kt_child_wait(&git->child, 60000, &status);
	kt_child_release(&git->child);
	(void)close(git->input);
	(void)close(git->output);
}

static const char *const mover[] = {"git", "update-ref", "--stdin", NULL};
static const char *const bystander[] = {"git", "cat-file", "--batch", NULL};

/* The record is kept as long as it explains a lock. */
static void expect_held_until_it_ends(struct fixture *f, const char *lock, const char *cwd)
{
	struct git git;

	end_writer(f);
	write_dead_intent(f, kt_boot_id());
	leave_lock(f, lock);
	git_start(&git, mover, cwd, "start\n");
	acquire(f);
	expect_left(f, lock);
	assert_ask(f, NOBODY, "cut -d ' ' -f 4 " INTENT);
	git_end(&git);
	acquire(f);
	expect_broken(f, lock);
	assert_ask(f, "", "cat " INTENT);
}

static void a_lock_that_a_child_of_the_dead_holds_is_left_until_it_ends(void **state)
{
	struct fixture *f = *state;

	expect_held_until_it_ends(f, REF_LOCK, f->box->repo);
	expect_held_until_it_ends(f, INDEX_LOCK, f->box->repo);
	expect_clean(f);
}

static void a_git_that_moves_nothing_holds_no_dead_writers_lock(void **state)
{
	struct fixture *f = *state;
	struct git git;

	end_writer(f);
	write_dead_intent(f, kt_boot_id());
	leave_lock(f, REF_LOCK);
	leave_lock(f, INDEX_LOCK);
	/* An old one of nobody's may be its own. */
	shell(f, "touch -d '1 hour ago' " INDEX_LOCK);
	git_start(&git, bystander, f->box->repo, "nothing\n");
	acquire(f);
	expect_broken(f, REF_LOCK);
	expect_left(f, INDEX_LOCK);
	git_end(&git);
}

static void a_git_elsewhere_holds_nothing_here(void **state)
{
	struct fixture *f = *state;
	char *other = kt_path_join(f->box->root, "other");
	struct git git;

	end_writer(f);
	shell(f, "git init -q ../other && : >" REF_LOCK " && touch -d '1 hour ago' " REF_LOCK);
	git_start(&git, mover, other, "start\n");
	acquire(f);
	expect_broken(f, REF_LOCK);
	git_end(&git);
	free(other);
}

/* The git dir may lie beside the checkout; whoever stands in it stands in the repository. */
static void a_git_in_a_git_dir_elsewhere_is_at_work_here(void **state)
{
	struct fixture *f = *state;
	char *git_dir = kt_path_join(f->box->root, "elsewhere");
	struct kt_error err = KT_ERROR_INIT;
	struct git git;

	end_writer(f);
	shell(f, "mv .git ../elsewhere && echo \"gitdir: $PWD/../elsewhere\" >.git && git worktree "
		 "repair && : >../elsewhere/" REF ".lock && touch -d '1 hour ago' ../elsewhere/" REF
		 ".lock");
	kt_repository_free(f->repo);
	assert_int_equal(kt_repository_find(f->box->repo, &f->repo, &err), KT_E_OK);
	kt_mission_free(f->mission);
	assert_int_equal(
		kt_mission_resolve(f->repo, SLUG, f->box->repo, &f->mission, NULL, &err), KT_E_OK);
	git_start(&git, bystander, git_dir, "nothing\n");
	acquire(f);
	expect_left(f, "../elsewhere/" REF ".lock");
	git_end(&git);
	end_writer(f);
	acquire(f);
	expect_broken(f, "../elsewhere/" REF ".lock");
	free(git_dir);
}

/* Then nobody knows whether a git is at work. */
static void without_proc_no_lock_is_broken(void **state)
{
	struct fixture *f = *state;

	end_writer(f);
	write_dead_intent(f, kt_boot_id());
	leave_lock(f, REF_LOCK);
	has_no_proc = true;
	acquire(f);
	has_no_proc = false;
	expect_left(f, REF_LOCK);
	acquire(f);
	expect_broken(f, REF_LOCK);
}

/* ---- somebody's checkout ---- */

static void a_dead_writers_locks_in_a_checkout_are_broken_and_the_record_heals(void **state)
{
	struct fixture *f = *state;

	end_writer(f);
	write_dead_intent(f, kt_boot_id());
	leave_lock(f, ".git/index.lock");
	leave_lock(f, ".git/refs/heads/work.lock");
	acquire(f);
	expect_broken(f, ".git/index.lock");
	expect_broken(f, ".git/refs/heads/work.lock");
	assert_ask(f, "", "cat " INTENT);
	assert_ask(f, "", "git status --porcelain --untracked-files=no");
}

/* A person may take as long as they like; a system that is gone holds nothing. */
static void a_persons_lock_is_left_unless_it_is_from_before_the_boot(void **state)
{
	struct fixture *f = *state;

	end_writer(f);
	shell(f, ": >.git/index.lock && : >.git/refs/heads/work.lock && touch -d 2001-01-01 "
		 ".git/refs/heads/work.lock");
	acquire(f);
	expect_left(f, ".git/index.lock");
	expect_broken(f, ".git/refs/heads/work.lock");
}

/* ---- the other record ---- */

static void a_synced_record_of_one_id_is_read_and_written_anew(void **state)
{
	struct fixture *f = *state;

	end_writer(f);
	shell(f, "git rev-parse " REF " | tr -d '\\n' >" RUN_DIR "/synced");
	acquire(f);
	assert_ask(f, "40", "stat -c %%s " RUN_DIR "/synced");
	submit(f, move("WP01", KT_STATUS_CLAIMED, "claude"), NULL);
	finish(f);
	assert_string_equal(last_code(f), "OK");
	assert_ask(f, "same",
		"tip=$(git rev-parse " REF ") && test \"$tip $tip\" = \"$(cat " RUN_DIR
		"/synced)\" && echo same");
	expect_clean(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SINGLE(name) cmocka_unit_test_setup_teardown(name, setup_single, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(locks_of_a_dead_writer_are_broken_at_once),
		TEST(half_a_record_names_nobody),
		TEST(a_living_writers_lock_is_left),
		TEST(locks_of_another_time_are_judged_by_their_age),
		TEST(what_cannot_be_removed_is_not_told),
		TEST(a_missing_worktree_has_no_lock),
		TEST(a_lock_that_a_child_of_the_dead_holds_is_left_until_it_ends),
		TEST(a_git_that_moves_nothing_holds_no_dead_writers_lock),
		TEST(a_git_elsewhere_holds_nothing_here),
		TEST(a_git_in_a_git_dir_elsewhere_is_at_work_here),
		TEST(without_proc_no_lock_is_broken),
		SINGLE(a_dead_writers_locks_in_a_checkout_are_broken_and_the_record_heals),
		SINGLE(a_persons_lock_is_left_unless_it_is_from_before_the_boot),
		TEST(a_synced_record_of_one_id_is_read_and_written_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
