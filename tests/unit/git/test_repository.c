/*
 * Finding and refusing repositories, git's configuration, the repository lock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/git/gitconfig.h"
#include "supervisor/git/repository.h"
#include "supervisor/git/store.h"
#include "support/sandbox.h"

static int set_up(void **state)
{
	*state = kt_sandbox_new();
	return 0;
}

static int tear_down(void **state)
{
	kt_sandbox_free(*state);
	return 0;
}

static struct kt_repository *find(const char *path)
{
	struct kt_repository *repo = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_repository_find(path, &repo, &err) != KT_E_OK)
		fail_msg("%s: %s %s", path, kt_error_text(err.code), err.detail);
	return repo;
}

static void expect_refusal(const struct kt_sandbox *box, enum kt_code wanted)
{
	struct kt_repository *repo = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = kt_repository_find(box->repo, &repo, &err);

	if (code == KT_E_OK)
		code = kt_repository_check(repo, &err);
	assert_string_equal(kt_error_text(code), kt_error_text(wanted));
	kt_repository_free(repo);
}

static void the_primary_is_found_from_every_subfolder(void **state)
{
	struct kt_sandbox *box = *state;
	struct kt_repository *repo;
	char *path = kt_sandbox_path(box, "a/b"), *git_dir = kt_sandbox_path(box, ".git");
	char *inside = kt_sandbox_path(box, ".git/refs");

	free(kt_sandbox_run(box, "mkdir -p a/b"));
	(void)setenv("GIT_DIR", "/nowhere", 1);
	repo = find(path);
	(void)unsetenv("GIT_DIR");
	assert_string_equal(repo->primary, box->repo);
	assert_string_equal(repo->worktree, box->repo);
	assert_string_equal(repo->common_dir, git_dir);
	assert_string_equal(repo->git_dir, git_dir);
	assert_false(repo->is_linked);
	kt_repository_free(repo);
	repo = find(inside);
	assert_string_equal(repo->worktree, box->repo);
	kt_repository_free(repo);
	free(inside);
	free(git_dir);
	free(path);
}

static void a_linked_worktree_knows_its_primary(void **state)
{
	struct kt_sandbox *box = *state;
	struct kt_repository *repo;
	char *path, *head;

	free(kt_sandbox_run(
		box, "git worktree add -q '../l i n k' -b side && mkdir '../l i n k/sub'"));
	path = kt_format("%s/l i n k/sub", box->root);
	repo = find(path);
	assert_true(repo->is_linked);
	assert_string_equal(repo->primary, box->repo);
	head = kt_head_read(repo->git_dir);
	assert_string_equal(head, "refs/heads/side");
	assert_string_equal(kt_repository_state(repo->git_dir), "");
	free(kt_sandbox_run(box, ": >'%s/MERGE_HEAD'", repo->git_dir));
	assert_string_equal(kt_repository_state(repo->git_dir), "merge");
	free(head);
	free(path);
	kt_repository_free(repo);
}

static void a_submodule_and_a_separate_git_dir_are_repositories(void **state)
{
	struct kt_sandbox *box = *state;
	struct kt_repository *repo;
	char *path = kt_sandbox_path(box, "sub");

	free(kt_sandbox_run(box, "git -c protocol.file.allow=always submodule --quiet add ./ sub"));
	repo = find(path);
	assert_string_equal(repo->primary, path);
	kt_repository_free(repo);
	free(path);
	path = kt_format("%s/apart", box->root);
	free(kt_sandbox_run(box, "git init -q --separate-git-dir ../apart.git ../apart"));
	repo = find(path);
	assert_string_equal(repo->primary, path);
	kt_repository_free(repo);
	free(path);
}

static void no_repository_is_told_apart_from_a_bare_one(void **state)
{
	struct kt_sandbox *box = *state;
	struct kt_repository *repo = NULL;
	struct kt_error err = KT_ERROR_INIT;
	char *bare = kt_format("%s/bare.git", box->root);

	assert_int_equal(kt_repository_find("/proc", &repo, &err), KT_E_NOT_A_REPOSITORY);
	assert_int_equal(kt_repository_find("/nowhere/at/all", &repo, &err), KT_E_NOT_A_REPOSITORY);
	free(kt_sandbox_run(box, "git clone -q --bare . ../bare.git"));
	assert_int_equal(kt_repository_find(bare, &repo, &err), KT_E_REPO_BARE);
	free(kt_sandbox_run(box,
		"git -C ../bare.git config extensions.worktreeConfig true && cd ../bare.git"
		" && git config --unset core.bare && git config -f config.worktree core.bare "
		"true"));
	assert_int_equal(kt_repository_find(bare, &repo, &err), KT_E_REPO_BARE);
	free(bare);
}

static void each_unsupported_shape_has_its_code(void **state)
{
	static const struct {
		const char *setting;
		enum kt_code code;
	} rows[] = {
		{"core.bare true", KT_E_REPO_BARE},
		{"extensions.objectformat sha256", KT_E_REPO_SHA256},
		{"extensions.objectFormat sha1", KT_E_OK},
		{"extensions.refstorage reftable", KT_E_REPO_REFTABLE},
		{"extensions.relativeWorktrees true", KT_E_REPO_EXTENSION},
		{"extensions.fromTheFuture true", KT_E_REPO_EXTENSION},
		{"extensions.worktreeConfig true", KT_E_OK},
		{"extensions.preciousObjects true", KT_E_OK},
		{"extensions.partialClone origin", KT_E_OK},
		{"core.repositoryformatversion 2", KT_E_REPO_EXTENSION},
	};
	struct kt_sandbox *box = *state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		free(kt_sandbox_run(box,
			"cp .git/config saved && git config -f .git/config "
			"core.repositoryformatversion 1"
			" && git config -f .git/config %s",
			rows[i].setting));
		expect_refusal(box, rows[i].code);
		free(kt_sandbox_run(box, "mv saved .git/config"));
	}
}

static void a_repository_without_commits_is_refused(void **state)
{
	struct kt_sandbox *box = kt_sandbox_new_empty();

	(void)state;
	free(kt_sandbox_run(box, "git init -q ."));
	expect_refusal(box, KT_E_REPO_EMPTY);
	kt_sandbox_free(box);
}

static void a_foreign_owner_needs_safe_directory(void **state)
{
	struct kt_sandbox *box = *state;
	char *config = kt_format("%s/gitconfig", box->root);

	if (geteuid() != 0)
		skip();
	free(kt_sandbox_run(box, "chown -R 12345 ."));
	expect_refusal(box, KT_E_REPO_OWNER);
	(void)setenv("SUDO_UID", "12345", 1);
	expect_refusal(box, KT_E_OK);
	(void)unsetenv("SUDO_UID");
	free(kt_sandbox_run(box, "git config -f .git/config safe.directory '*'"));
	expect_refusal(box, KT_E_REPO_OWNER);
	(void)setenv("GIT_CONFIG_GLOBAL", config, 1);
	free(kt_sandbox_run(box, "git config -f '%s' safe.directory /elsewhere", config));
	expect_refusal(box, KT_E_REPO_OWNER);
	free(kt_sandbox_run(
		box, "git config -f '%s' --add safe.directory '%s'", config, box->repo));
	expect_refusal(box, KT_E_OK);
	free(kt_sandbox_run(box, "git config -f '%s' --add safe.directory ''", config));
	expect_refusal(box, KT_E_REPO_OWNER);
	free(kt_sandbox_run(box, "git config -f '%s' --add safe.directory '*'", config));
	expect_refusal(box, KT_E_OK);
	free(config);
}

static void expect_config(const struct kt_sandbox *box, const char *key, const char *value)
{
	struct kt_repository *repo = find(box->repo);
	char *real = kt_repository_config_get(repo, key);

	if (value == NULL)
		assert_null(real);
	else
		assert_string_equal(real == NULL ? "(unset)" : real, value);
	free(real);
	kt_repository_free(repo);
}

static void configuration_is_read_as_git_reads_it(void **state)
{
	struct kt_sandbox *box = *state;
	char *global = kt_format("%s/global", box->root);

	(void)setenv("GIT_CONFIG_GLOBAL", global, 1);
	kt_sandbox_write(box, "../global",
		"\xef\xbb\xbf[user]\n\tname = \"A B\" # comment\n[x \"Sub Case\"]\nKey=v \\\n w ; "
		"c\n"
		"[x]\n flag\n quoted = \"a\\\"b\\tc\" d\n[includeIf \"gitdir:**/repo/.git\"]\n"
		"\tpath = included\n[includeIf \"gitdir:/other/\"]\n\tpath = other\n"
		"[includeIf \"onbranch:ma*\"]\n\tpath = onbranch\n[user]\n\temail = "
		"g@example.com\n");
	kt_sandbox_write(box, "../included", "[y]\n\tone = 1\n");
	kt_sandbox_write(box, "../other", "[y]\n\ttwo = 2\n");
	kt_sandbox_write(box, "../onbranch", "[y]\n\tthree = 3\n");
	expect_config(box, "user.name", "Tester");
	expect_config(box, "user.email", "tester@example.com");
	free(kt_sandbox_run(box, "git config --unset user.name && git config --unset user.email"));
	expect_config(box, "user.name", "A B");
	expect_config(box, "user.email", "g@example.com");
	expect_config(box, "x.Sub Case.key", "v  w");
	expect_config(box, "x.flag", "true");
	expect_config(box, "x.quoted", "a\"b\tc d");
	expect_config(box, "y.one", "1");
	expect_config(box, "y.two", NULL);
	expect_config(box, "y.three", "3");
	kt_sandbox_expect(box, "v  w", "git config 'x.Sub Case.key'");
	kt_sandbox_expect(box, "1", "git config y.one");
	kt_sandbox_expect(box, "3", "git config y.three");
	kt_sandbox_write(box, "../global", "[user]\n\tname = kept\n[broken\nname = lost\n");
	expect_config(box, "user.name", "kept");
	kt_sandbox_write(box, "../global", "");
	free(kt_sandbox_run(box,
		"git config extensions.worktreeConfig true && git config --worktree user.name W"));
	expect_config(box, "user.name", "W");
	free(global);
}

/* kitty and git must agree on the value; NULL: unset. */
static void expect_both(const struct kt_sandbox *box, const char *key, const char *value)
{
	char *command = kt_format("git config --get '%s' || true", key);

	expect_config(box, key, value);
	kt_sandbox_expect(box, value == NULL ? "" : value, "%s", command);
	free(command);
}

static void the_users_files_are_found_where_git_finds_them(void **state)
{
	struct kt_sandbox *box = *state;
	char *elsewhere = kt_format("%s/xdg", box->root);
	char *system = kt_format("%s/system", box->root);

	(void)unsetenv("GIT_CONFIG_GLOBAL");
	free(kt_sandbox_run(box, "mkdir -p ../.config/git ../xdg/git"));
	kt_sandbox_write(box, "../.config/git/config", "[z]\n\tplace = config\n\tonly = config\n");
	kt_sandbox_write(box, "../xdg/git/config", "[z]\n\tplace = xdg\n\tonly = xdg\n");
	kt_sandbox_write(box, "../system", "[z]\n\tplace = system\n\tmachine = yes\n");
	expect_both(box, "z.place", "config");
	kt_sandbox_write(box, "../.gitconfig", "[z]\n\tplace = home\n[include]\n\tpath = ~/more\n");
	kt_sandbox_write(box, "../more", "[z]\n\tmore = more\n");
	expect_both(box, "z.place", "home");
	expect_both(box, "z.only", "config");
	expect_both(box, "z.more", "more");
	(void)setenv("XDG_CONFIG_HOME", elsewhere, 1);
	expect_both(box, "z.place", "home");
	expect_both(box, "z.only", "xdg");
	(void)setenv("XDG_CONFIG_HOME", "", 1);
	expect_both(box, "z.only", "config");
	(void)unsetenv("HOME");
	expect_both(box, "z.only", NULL);
	(void)setenv("XDG_CONFIG_HOME", elsewhere, 1);
	expect_both(box, "z.place", "xdg");
	(void)setenv("GIT_CONFIG_SYSTEM", system, 1);
	expect_both(box, "z.machine", NULL);
	(void)setenv("GIT_CONFIG_NOSYSTEM", "false", 1);
	expect_both(box, "z.machine", "yes");
	expect_both(box, "z.place", "xdg");
	(void)unsetenv("GIT_CONFIG_SYSTEM");
	(void)unsetenv("XDG_CONFIG_HOME");
	free(elsewhere);
	free(system);
}

static void conditions_of_includes_hold_as_in_git(void **state)
{
	static const struct {
		const char *condition;
		bool holds;
	} rows[] = {
		{"gitdir:~/repo/", true},
		{"gitdir:~/rep", false},
		{"gitdir:./repo/", true},
		{"gitdir:./other/", false},
		{"gitdir:repo/", true},
		{"gitdir:REPO/", false},
		{"gitdir/i:REPO/", true},
		{"gitdir/i:~/REPO/.GIT", true},
		{"gitdir:~/r?po/.git", true},
		{"gitdir:~?repo/.git", false},
		{"gitdir:~/*/.git", true},
		{"gitdir:~/*", false},
		{"gitdir:~/**", true},
		{"onbranch:main", true},
		{"onbranch:ma?n", true},
		{"onbranch:main/", false},
		{"onbranch:m", false},
		{"hasconfig:x", false},
	};
	struct kt_sandbox *box = *state;
	char *global = kt_format("%s/global", box->root);

	(void)setenv("GIT_CONFIG_GLOBAL", global, 1);
	kt_sandbox_write(box, "../included", "[y]\n\tone = 1\n");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *text =
			kt_format("[includeIf \"%s\"]\n\tpath = included\n", rows[i].condition);

		kt_sandbox_write(box, "../global", text);
		print_message("%s\n", rows[i].condition);
		expect_both(box, "y.one", rows[i].holds ? "1" : NULL);
		free(text);
	}
	free(kt_sandbox_run(box, "git checkout -q --detach"));
	kt_sandbox_write(box, "../global", "[includeIf \"onbranch:**\"]\n\tpath = included\n");
	expect_both(box, "y.one", NULL);
	free(global);
}

static void the_default_branch_is_origins_head(void **state)
{
	struct kt_sandbox *box = *state;
	struct kt_repository *repo = find(box->repo);
	char *branch = kt_repository_default_branch(repo);

	assert_null(branch);
	free(kt_sandbox_run(
		box, "git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/trunk/x"));
	branch = kt_repository_default_branch(repo);
	assert_string_equal(branch, "trunk/x");
	free(branch);
	kt_repository_free(repo);
}

static void the_lock_excludes_and_names_its_holder(void **state)
{
	struct kt_sandbox *box = *state;
	struct kt_repository *repo = find(box->repo);
	struct kt_error err = KT_ERROR_INIT;
	char *pid = kt_format("pid %ld ", (long)getpid());
	int first = -1, second = -1;

	assert_int_equal(kt_repository_lock(repo, 100, &first, &err), KT_E_OK);
	assert_int_equal(kt_repository_lock(repo, 60, &second, &err), KT_E_TIMEOUT);
	assert_non_null(strstr(err.detail, pid));
	kt_repository_unlock(first);
	assert_int_equal(kt_repository_lock(repo, 0, &second, &err), KT_E_OK);
	kt_repository_unlock(second);
	free(pid);
	kt_repository_free(repo);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_primary_is_found_from_every_subfolder),
		TEST(a_linked_worktree_knows_its_primary),
		TEST(a_submodule_and_a_separate_git_dir_are_repositories),
		TEST(no_repository_is_told_apart_from_a_bare_one),
		TEST(each_unsupported_shape_has_its_code),
		cmocka_unit_test(a_repository_without_commits_is_refused),
		TEST(a_foreign_owner_needs_safe_directory),
		TEST(configuration_is_read_as_git_reads_it),
		TEST(the_users_files_are_found_where_git_finds_them),
		TEST(conditions_of_includes_hold_as_in_git),
		TEST(the_default_branch_is_origins_head),
		TEST(the_lock_excludes_and_names_its_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
