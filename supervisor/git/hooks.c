/*
 * Which hooks a commit would run, and starting one by its path with git's environment for it.
 * Supervisor and commands; waiting is the transaction's. Must never start a hook inside kitty's own
 * session or with the caller's GIT_* variables.
 */
#include "supervisor/git/hooks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/files.h"
#include "supervisor/git/gitconfig.h"

static const char *const names[KT_HOOK_COUNT] = {
	[KT_HOOK_PRE_COMMIT] = "pre-commit",
	[KT_HOOK_PREPARE_COMMIT_MSG] = "prepare-commit-msg",
	[KT_HOOK_COMMIT_MSG] = "commit-msg",
	[KT_HOOK_POST_COMMIT] = "post-commit",
	[KT_HOOK_REFERENCE_TRANSACTION] = "reference-transaction",
};

static bool is_executable(const char *path)
{
	struct stat facts;

	return stat(path, &facts) == 0 && S_ISREG(facts.st_mode) && access(path, X_OK) == 0;
}

static void on_hooks_path(const char *key, const char *value, void *arg)
{
	char **folder = arg;

	if (strcmp(key, "core.hookspath") != 0)
		return;
	free(*folder);
	*folder = value == NULL ? NULL : kt_gitconfig_path(value);
}

/* Relative to the worktree, which is where git runs the hooks of a commit. */
static char *hooks_folder(const struct kt_repository *repo, const char *worktree)
{
	char *git_dir = kt_worktree_git_dir(worktree);
	struct kt_repository there = *repo;
	char *configured = NULL, *folder;

	/* The worktree's own config.worktree counts, and its branch for includeIf. */
	if (git_dir != NULL)
		there.git_dir = git_dir;
	kt_gitconfig_all(&there, on_hooks_path, &configured);
	if (configured == NULL || configured[0] == '\0')
		folder = kt_format("%s/hooks", repo->common_dir);
	else if (configured[0] == '/')
		folder = kt_strdup(configured);
	else
		folder = kt_format("%s/%s", worktree, configured);
	free(configured);
	free(git_dir);
	return folder;
}

enum kt_code kt_hooks_find(const struct kt_repository *repo, const char *worktree,
	struct kt_hooks *out, struct kt_error *err)
{
	char *folder = hooks_folder(repo, worktree);

	(void)err;
	for (size_t i = 0; i < KT_HOOK_COUNT; i++) {
		out->path[i] = kt_format("%s/%s", folder, names[i]);
		if (!is_executable(out->path[i])) {
			free(out->path[i]);
			out->path[i] = NULL;
		}
	}
	free(folder);
	return KT_E_OK;
}

void kt_hooks_release(struct kt_hooks *hooks)
{
	for (size_t i = 0; i < KT_HOOK_COUNT; i++) {
		free(hooks->path[i]);
		hooks->path[i] = NULL;
	}
}

bool kt_hooks_any_before_commit(const struct kt_hooks *hooks)
{
	return hooks->path[KT_HOOK_PRE_COMMIT] != NULL ||
	       hooks->path[KT_HOOK_PREPARE_COMMIT_MSG] != NULL ||
	       hooks->path[KT_HOOK_COMMIT_MSG] != NULL;
}

/* Variables that git sets for the hooks of a commit, and ours. */
struct variables {
	char *owned[16];
	const char *list[17];
	size_t len;
};

static void set(struct variables *variables, const char *name, const char *value)
{
	if (value == NULL)
		return;
	variables->owned[variables->len] = kt_format("%s=%s", name, value);
	variables->list[variables->len] = variables->owned[variables->len];
	variables->list[++variables->len] = NULL;
}

static void variables_init(struct variables *variables, const struct kt_hook_call *call)
{
	char *path = kt_format("%s/index", call->git_dir);
	char *pid = kt_format("%ld", (long)getpid());
	const struct {
		const char *name, *value;
	} rows[] = {
		{"GIT_DIR", call->git_dir},
		{"GIT_INDEX_FILE", call->index_file == NULL ? path : call->index_file},
		{"GIT_EDITOR", ":"},
		{"GIT_PREFIX", ""},
		{"GIT_AUTHOR_NAME", call->author_name},
		{"GIT_AUTHOR_EMAIL", call->author_email},
		{"GIT_COMMITTER_NAME", call->author_name},
		{"GIT_COMMITTER_EMAIL", call->author_email},
		{"SPEC_KITTY_IN_HOOK", pid},
	};

	*variables = (struct variables){.len = 0};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		set(variables, rows[i].name, rows[i].value);
	free(pid);
	free(path);
}

enum kt_code kt_hook_start(const struct kt_hooks *hooks, const struct kt_hook_call *call,
	struct kt_child *out, struct kt_error *err)
{
	const char *path = hooks->path[call->hook];
	bool takes_message =
		call->hook == KT_HOOK_PREPARE_COMMIT_MSG || call->hook == KT_HOOK_COMMIT_MSG;
	const char *const shell_argv[] = {"sh", path, takes_message ? call->message_file : NULL,
		call->hook == KT_HOOK_PREPARE_COMMIT_MSG ? "message" : NULL, NULL};
	const char *const *argv = shell_argv + 1;
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct variables variables;
	char **environment;
	enum kt_code code;

	KT_BUG_UNLESS(path != NULL);
	variables_init(&variables, call);
	environment = kt_git_environment(KT_GIT_USER, variables.list);
	spec.path = path;
	spec.argv = argv;
	spec.envp = (const char *const *)environment;
	spec.cwd = call->worktree;
	spec.stdout_fd = spec.stderr_fd = call->output_fd;
	spec.new_session = true;
	code = kt_child_start(&spec, out, err);
	if (code != KT_E_OK && err->sys_errno == ENOEXEC) {
		/* No first line that names an interpreter: git gives such a hook to the shell. */
		spec.path = "/bin/sh";
		spec.argv = shell_argv;
		code = kt_child_start(&spec, out, err);
	}
	kt_environment_free(environment);
	for (size_t i = 0; i < variables.len; i++)
		free(variables.owned[i]);
	return code;
}
