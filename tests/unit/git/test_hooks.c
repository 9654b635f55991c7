/*
 * Hooks found and started, the environments of git's children and of agents, the swap that a hook
 * may refuse.
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
#include "supervisor/git/commit.h"
#include "supervisor/git/consolidate.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/hooks.h"
#include "support/sandbox.h"

struct fixture {
	struct kt_sandbox *box;
	struct kt_repository *repo;
	struct kt_error err;
};

static int set_up(void **state)
{
	struct fixture *it = kt_alloc(sizeof *it);

	it->box = kt_sandbox_new();
	assert_int_equal(kt_repository_find(it->box->repo, &it->repo, &it->err), KT_E_OK);
	*state = it;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *it = *state;

	kt_repository_free(it->repo);
	kt_sandbox_free(it->box);
	free(it);
	return 0;
}

static void write_hook(struct fixture *it, const char *path, const char *text)
{
	kt_sandbox_write(it->box, path, text);
	free(kt_sandbox_run(it->box, "chmod +x '%s'", path));
}

static struct kt_hooks find_hooks(struct fixture *it, const char *worktree)
{
	struct kt_hooks hooks;

	assert_int_equal(kt_hooks_find(it->repo, worktree, &hooks, &it->err), KT_E_OK);
	return hooks;
}

static void only_executable_hooks_count(void **state)
{
	struct fixture *it = *state;
	struct kt_hooks hooks;

	kt_sandbox_write(it->box, ".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
	hooks = find_hooks(it, it->box->repo);
	assert_false(kt_hooks_any_before_commit(&hooks));
	kt_hooks_release(&hooks);
	write_hook(it, ".git/hooks/commit-msg", "#!/bin/sh\nexit 1\n");
	hooks = find_hooks(it, it->box->repo);
	assert_true(kt_hooks_any_before_commit(&hooks));
	assert_null(hooks.path[KT_HOOK_PRE_COMMIT]);
	kt_hooks_release(&hooks);
}

static void a_relative_hooks_path_lies_inside_each_worktree(void **state)
{
	struct fixture *it = *state;
	struct kt_hooks hooks;
	char *lane = kt_format("%s/lane", it->box->root), *wanted;

	write_hook(it, ".husky/pre-commit", "#!/bin/sh\nexit 0\n");
	free(kt_sandbox_run(it->box,
		"git add .husky && git commit -q -m husky"
		" && git config core.hooksPath .husky && git worktree add -q '%s'",
		lane));
	hooks = find_hooks(it, lane);
	wanted = kt_format("%s/.husky/pre-commit", lane);
	assert_string_equal(hooks.path[KT_HOOK_PRE_COMMIT], wanted);
	kt_hooks_release(&hooks);
	free(kt_sandbox_run(it->box,
		"git config extensions.worktreeConfig true && git -C '%s' config --worktree "
		"core.hooksPath /none",
		lane));
	hooks = find_hooks(it, lane);
	assert_false(kt_hooks_any_before_commit(&hooks));
	kt_hooks_release(&hooks);
	free(wanted);
	free(lane);
}

static int run_hook(struct fixture *it, const struct kt_hook_call *given, struct kt_buffer *output)
{
	struct kt_hooks hooks = find_hooks(it, it->box->repo);
	struct kt_hook_call call = *given;
	struct kt_child child = KT_CHILD_INIT;
	struct kt_child_status status = {0};
	char *path = kt_format("%s/output", it->box->root), *text;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	call.worktree = it->box->repo;
	call.git_dir = it->repo->git_dir;
	call.output_fd = fd;
	assert_int_equal(kt_hook_start(&hooks, &call, &child, &it->err), KT_E_OK);
	kt_child_wait(&child, 10000, &status);
	kt_child_release(&child);
	text = kt_sandbox_read(it->box, "../output");
	kt_buffer_puts(output, text);
	free(text);
	free(path);
	(void)close(fd);
	kt_hooks_release(&hooks);
	return status.exited ? status.exit_code : -1;
}

static void a_hook_sees_what_git_would_show_it(void **state)
{
	struct fixture *it = *state;
	struct kt_hook_call call = {.hook = KT_HOOK_PRE_COMMIT,
		.index_file = "/tmp/private-index",
		.author_name = "Ann",
		.author_email = "ann@example.com"};
	struct kt_buffer output = KT_BUFFER_INIT;
	char *wanted =
		kt_format("%s|%s/.git|/tmp/private-index|:||Ann|ann@example.com|Ann|unset|%ld\n",
			it->box->repo, it->box->repo, (long)getpid());

	write_hook(it, ".git/hooks/pre-commit",
		"#!/bin/sh\necho \"$PWD|$GIT_DIR|$GIT_INDEX_FILE|$GIT_EDITOR|${GIT_PREFIX-unset}|"
		"$GIT_AUTHOR_NAME|$GIT_AUTHOR_EMAIL|$GIT_COMMITTER_NAME|"
		"${GIT_LITERAL_PATHSPECS-unset}|$SPEC_KITTY_IN_HOOK\"; exit 7\n");
	(void)setenv("GIT_WORK_TREE", "/nowhere", 1);
	assert_int_equal(run_hook(it, &call, &output), 7);
	(void)unsetenv("GIT_WORK_TREE");
	assert_string_equal(kt_buffer_text(&output), wanted);
	free(wanted);
	kt_buffer_release(&output);
}

static void a_hook_without_interpreter_line_is_given_to_the_shell(void **state)
{
	struct fixture *it = *state;
	struct kt_hook_call call = {.hook = KT_HOOK_COMMIT_MSG, .message_file = "/tmp/message"};
	struct kt_buffer output = KT_BUFFER_INIT;

	write_hook(it, ".git/hooks/commit-msg", "echo \"got $1\"\nexit 3\n");
	assert_int_equal(run_hook(it, &call, &output), 3);
	assert_string_equal(kt_buffer_text(&output), "got /tmp/message\n");
	kt_buffer_release(&output);
}

static void a_missing_interpreter_is_a_spawn_failure(void **state)
{
	struct fixture *it = *state;
	struct kt_hook_call call = {.hook = KT_HOOK_PRE_COMMIT, .output_fd = KT_CHILD_NULL_FD};
	struct kt_child child = KT_CHILD_INIT;
	struct kt_hooks hooks;

	write_hook(it, ".git/hooks/pre-commit", "#!/nowhere/python\n");
	hooks = find_hooks(it, it->box->repo);
	call.worktree = it->box->repo;
	call.git_dir = it->repo->git_dir;
	assert_int_equal(kt_hook_start(&hooks, &call, &child, &it->err), KT_E_SPAWN_FAILED);
	kt_hooks_release(&hooks);
}

static const char *const git_names[] = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE",
	"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_PREFIX",
	"GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_GRAFT_FILE",
	"GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE", "GIT_INTERNAL_SUPER_PREFIX",
	"GIT_IMPLICIT_WORK_TREE", "GIT_AUTHOR_NAME", "GIT_COMMITTER_DATE", "GIT_EDITOR",
	"GIT_NAMESPACE", "GIT_CEILING_DIRECTORIES", "GIT_GLOB_PATHSPECS", "GIT_TRACE",
	"GIT_EXEC_PATH", "GIT_SSH", "GIT_SOMETHING_NEW"};

static const char *value_of(char **environment, const char *name)
{
	size_t len = strlen(name);

	for (; *environment != NULL; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return *environment + len + 1;
	return NULL;
}

static void no_git_variable_of_the_caller_reaches_a_child(void **state)
{
	char **environments[3];
	static const char *const extra[] = {"GIT_INDEX_FILE=mine", "SOME=thing", NULL};

	(void)state;
	for (size_t i = 0; i < sizeof git_names / sizeof git_names[0]; i++)
		(void)setenv(git_names[i], "caller", 1);
	(void)setenv("EDITOR", "ed", 1);
	(void)setenv("LC_ALL", "de_DE.UTF-8", 1);
	environments[0] = kt_git_environment(KT_GIT_PLUMBING, extra);
	environments[1] = kt_git_environment(KT_GIT_USER, extra);
	environments[2] = kt_agent_environment(extra);
	for (size_t i = 0; i < sizeof git_names / sizeof git_names[0]; i++)
		(void)unsetenv(git_names[i]);
	for (size_t e = 0; e < 3; e++) {
		for (size_t i = 0; environments[e][i] != NULL; i++)
			assert_null(strstr(environments[e][i], "=caller"));
		assert_string_equal(value_of(environments[e], "GIT_INDEX_FILE"), "mine");
		assert_string_equal(value_of(environments[e], "SOME"), "thing");
		assert_string_equal(value_of(environments[e], "GIT_CONFIG_GLOBAL"), "/dev/null");
		assert_non_null(value_of(environments[e], "PATH"));
	}
	assert_null(value_of(environments[0], "EDITOR"));
	assert_string_equal(value_of(environments[0], "LC_ALL"), "C");
	assert_string_equal(value_of(environments[0], "GIT_LITERAL_PATHSPECS"), "1");
	assert_string_equal(value_of(environments[1], "EDITOR"), "ed");
	assert_string_equal(value_of(environments[1], "LC_ALL"), "de_DE.UTF-8");
	assert_null(value_of(environments[1], "GIT_LITERAL_PATHSPECS"));
	assert_string_equal(value_of(environments[2], "GIT_CONFIG_COUNT"), "3");
	assert_string_equal(value_of(environments[2], "GIT_CONFIG_KEY_0"), "gc.auto");
	for (size_t e = 0; e < 3; e++)
		kt_environment_free(environments[e]);
	(void)unsetenv("EDITOR");
	(void)unsetenv("LC_ALL");
}

static void git_failures_carry_the_last_line(void **state)
{
	struct fixture *it = *state;
	static const char *const args[] = {"rev-parse", "--verify", "nothing", NULL};
	struct kt_git_call call = {.cwd = it->box->repo, .args = args};
	int status = 0, major = 0, minor = 0;

	assert_int_equal(kt_git_run(&call, &it->err), KT_E_GIT_FAILED);
	assert_non_null(strstr(it->err.detail, "Needed a single revision"));
	call.exit_code = &status;
	assert_int_equal(kt_git_run(&call, &it->err), KT_E_OK);
	assert_int_equal(status, 128);
	assert_int_equal(kt_git_version(&major, &minor, &it->err), KT_E_OK);
	assert_true(major >= 2);
}

/* NOLINTNEXTLINE(readability-function-size): a swap is what it is */
static enum kt_code swap_through_git(struct fixture *it, struct kt_store *store, const char *ref,
	const struct kt_oid *from, const struct kt_oid *to, int timeout_ms)
{
	const struct kt_ref_swap swap = {ref, from, to, "x"};
	struct kt_child child = KT_CHILD_INIT;
	struct kt_child_status status = {0};
	char *path = kt_sandbox_path(it->box, "../output");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char output[512] = "";

	assert_true(fd >= 0);
	assert_int_equal(kt_commit_swap_start(it->repo, &swap, fd, &child, &it->err), KT_E_OK);
	kt_child_wait(&child, timeout_ms, &status);
	kt_child_release(&child);
	assert_true(pread(fd, output, sizeof output - 1, 0) >= 0);
	(void)close(fd);
	free(path);
	return kt_commit_swap_finish(store, it->repo, &swap, output, status.timed_out, &it->err);
}

static void a_reference_transaction_hook_may_refuse_the_swap(void **state)
{
	struct fixture *it = *state;
	struct kt_store *store = NULL;
	struct kt_change change = {.path = "x", .bytes = "1", .len = 1};
	struct kt_commit_plan plan = {.parents_len = 1,
		.changes = &change,
		.changes_len = 1,
		.author = {"a", "b", 1},
		.committer = {"a", "b", 1},
		.message = "m"};
	struct kt_oid tip, commit, zero = {{0}}, other = {{1}};

	assert_int_equal(kt_store_open(it->repo, &store, &it->err), KT_E_OK);
	assert_int_equal(kt_store_ref_read(store, "refs/heads/main", &tip, &it->err), KT_E_OK);
	plan.parents = &tip;
	assert_int_equal(kt_commit_build(store, &plan, &commit, NULL, &it->err), KT_E_OK);
	assert_int_equal(kt_commit_barrier(store, &it->err), KT_E_OK);
	write_hook(it, ".git/hooks/reference-transaction",
		"#!/bin/sh\n[ \"$1\" != prepared ] || { echo not today >&2; exit 1; }\n");
	assert_int_equal(swap_through_git(it, store, "refs/heads/main", &tip, &commit, 20000),
		KT_E_BOOKKEEPING_COMMIT_FAILED);
	assert_non_null(strstr(it->err.detail, "not today"));
	kt_sandbox_expect(it->box, kt_oid_format(&tip).text, "git rev-parse main");
	write_hook(it, ".git/hooks/reference-transaction", "#!/bin/sh\nsleep 9\n");
	assert_int_equal(swap_through_git(it, store, "refs/heads/main", &tip, &commit, 200),
		KT_E_BOOKKEEPING_COMMIT_FAILED);
	free(kt_sandbox_run(it->box, "rm -f .git/refs/heads/main.lock"));
	write_hook(it, ".git/hooks/reference-transaction", "#!/bin/sh\nexit 0\n");
	assert_int_equal(swap_through_git(it, store, "refs/heads/main", &other, &commit, 20000),
		KT_E_REF_MOVED);
	assert_int_equal(
		swap_through_git(it, store, "refs/heads/main", &tip, &commit, 20000), KT_E_OK);
	assert_int_equal(
		swap_through_git(it, store, "refs/heads/made", &zero, &commit, 20000), KT_E_OK);
	kt_sandbox_expect(it->box, kt_oid_format(&commit).text, "git rev-parse main");
	kt_store_close(store);
}

static void consolidation_makes_one_pack_and_loses_nothing(void **state)
{
	struct fixture *it = *state;
	struct kt_child child = KT_CHILD_INIT;
	struct kt_child_status status = {0};
	char *orphan = kt_sandbox_run(it->box, "echo lost | git hash-object -w --stdin");

	free(kt_sandbox_run(it->box,
		"for i in 1 2 3 4 5 6; do git commit -q --allow-empty -m $i"
		" && git rev-parse HEAD | git pack-objects -q .git/objects/pack/pack; done"));
	free(kt_sandbox_run(it->box,
		"echo %s | git pack-objects -q .git/objects/pack/pack && git prune-packed",
		orphan));
	assert_true(kt_consolidate_is_due(it->repo, 6));
	assert_int_equal(kt_consolidate_start(it->repo, &child, &it->err), KT_E_OK);
	kt_child_wait(&child, 20000, &status);
	kt_child_release(&child);
	assert_true(status.exited && status.exit_code == 0);
	assert_false(kt_consolidate_is_due(it->repo, 2));
	kt_sandbox_expect(it->box, "lost", "git cat-file -p %s", orphan);
	kt_sandbox_expect(it->box, "", "git fsck --strict --no-dangling 2>&1");
	free(orphan);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(only_executable_hooks_count),
		TEST(a_relative_hooks_path_lies_inside_each_worktree),
		TEST(a_hook_sees_what_git_would_show_it),
		TEST(a_hook_without_interpreter_line_is_given_to_the_shell),
		TEST(a_missing_interpreter_is_a_spawn_failure),
		TEST(no_git_variable_of_the_caller_reaches_a_child),
		TEST(git_failures_carry_the_last_line),
		TEST(a_reference_transaction_hook_may_refuse_the_swap),
		TEST(consolidation_makes_one_pack_and_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
