/*
 * Stage 2 and the repository's reference-transaction hook: the target moves as git would move it,
 * so the hook has its say, and what it refuses is not moved. Runs in kitty merge. Must never run
 * another hook of the user's, nor leave a checkout behind that its branch does not know.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/hooks.h"
#include "supervisor/merge_private.h"

enum { ARGS_MAX = 32 };

/* Where git runs, and finds the hooks' configuration. */
static const char *place_of(const struct kt_merge_run *run)
{
	return run->checkout != NULL ? run->checkout : run->place.cwd;
}

/* The path of the hook; NULL: there is none. Gives. */
static char *hook_find(const struct kt_merge_run *run)
{
	struct kt_hooks hooks = {{NULL}};
	struct kt_error ignored = KT_ERROR_INIT;
	char *path = NULL;

	if (kt_hooks_find(run->options->repo, place_of(run), &hooks, &ignored) == KT_E_OK)
		path = kt_strdup(hooks.path[KT_HOOK_REFERENCE_TRANSACTION]);
	kt_hooks_release(&hooks);
	return path;
}

/* A folder with this hook and no other. It starts the user's own file by its own path, and leaves a
 * mark when that says no. Gives. */
static enum kt_code folder_make(
	const struct kt_merge_run *run, const char *hook, char **out, struct kt_error *err)
{
	char *folder = kt_path_join(run->options->mission->run_dir, "merge-hooks");
	char *file = kt_path_join(folder, "reference-transaction");
	char *word = kt_shell_word(hook);
	char *text = kt_format("#!/bin/sh\n%s \"$@\" && exit 0\ncode=$?\n"
			       "case $1 in committed | aborted) ;; *) : >\"${0%%/*}/refused\" ;; "
			       "esac\nexit $code\n",
		word);
	enum kt_code code = kt_folder_make(folder, 0700, err);

	if (code == KT_E_OK)
		code = kt_file_write_atomic(file, text, strlen(text), 0700, false, err);
	if (code == KT_E_OK)
		*out = folder;
	else
		free(folder);
	free(text);
	free(word);
	free(file);
	return code;
}

static enum kt_code run_hooked(struct kt_merge_run *run, const char *hook,
	const struct kt_merge_move *move, struct kt_error *err)
{
	char *folder = NULL, *option = NULL, *mark = NULL;
	char *variable = kt_format("SPEC_KITTY_IN_HOOK=%ld", (long)getpid());
	const char *extra[] = {variable, NULL};
	const char *args[ARGS_MAX] = {"-c", "core.fsync=objects,reference", "-c", NULL};
	struct kt_git_call call = {.cwd = place_of(run),
		.args = args,
		.profile = KT_GIT_USER,
		.extra_env = extra,
		.input = move->input,
		.input_len = move->input == NULL ? 0 : strlen(move->input),
		.errors = move->errors,
		.exit_code = move->exit_code,
		.timeout_ms = run->options->hook_timeout_ms};
	enum kt_code code = folder_make(run, hook, &folder, err);

	if (code == KT_E_OK) {
		option = kt_format("core.hooksPath=%s", folder);
		args[3] = option;
		for (size_t i = 0; move->args[i] != NULL && i + 5 < ARGS_MAX; i++)
			args[i + 4] = move->args[i];
		code = kt_git_run(&call, err);
		/* Too late is a no, unless the ref says otherwise: the caller looks. */
		mark = kt_path_join(folder, "refused");
		run->hook_has_refused = code == KT_E_TIMEOUT || kt_file_exists(mark);
		if (code == KT_E_TIMEOUT) {
			*err = (struct kt_error)KT_ERROR_INIT;
			code = KT_E_OK;
			*move->exit_code = 1;
			kt_buffer_puts(move->errors, "it did not end in time");
		}
		(void)!kt_folder_remove_tree(folder, err);
	}
	free(folder);
	free(option);
	free(mark);
	free(variable);
	return code;
}

enum kt_code kt_merge_git_move(
	struct kt_merge_run *run, const struct kt_merge_move *move, struct kt_error *err)
{
	char *hook = hook_find(run);
	struct kt_git_call plain = {.cwd = place_of(run),
		.args = move->args,
		.profile = KT_GIT_PLUMBING,
		.errors = move->errors,
		.exit_code = move->exit_code};
	enum kt_code code =
		hook == NULL ? kt_git_run(&plain, err) : run_hooked(run, hook, move, err);

	free(hook);
	return code;
}

/* ---- what a refusal means ---- */

bool kt_merge_hook_refused(
	const struct kt_merge_run *run, const struct kt_buffer *errors, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;

	if (!run->hook_has_refused)
		return false;
	(void)kt_error_set(err, KT_E_BOOKKEEPING_COMMIT_FAILED,
		"the reference-transaction hook refused to move %s: %.300s", mission->target_branch,
		kt_buffer_text(errors));
	kt_error_next(
		err, "correct the hook, then: kitty merge --mission %s --resume", mission->slug);
	return true;
}

/* ---- a checkout, which git moves before it asks the hook ---- */

enum kt_code kt_merge_hook_ask(struct kt_merge_run *run, struct kt_error *err)
{
	static const char *const args[] = {"update-ref", "--stdin", NULL};
	char *hook = hook_find(run);
	char *input = kt_format("start\nupdate HEAD %s %s\nprepare\nabort\n",
		kt_oid_format(&run->result).text, kt_oid_format(&run->before).text);
	struct kt_buffer errors = KT_BUFFER_INIT;
	int exit_code = 0;
	const struct kt_merge_move move = {
		.args = args, .input = input, .errors = &errors, .exit_code = &exit_code};
	enum kt_code code = hook == NULL ? KT_E_OK : run_hooked(run, hook, &move, err);

	if (code == KT_E_OK && kt_merge_hook_refused(run, &errors, err))
		code = err->code;
	kt_buffer_release(&errors);
	free(input);
	free(hook);
	return code;
}

void kt_merge_hook_undo(const struct kt_merge_run *run)
{
	struct kt_oid_text before = kt_oid_format(&run->before),
			   after = kt_oid_format(&run->result);
	const char *args[] = {"read-tree", "-m", "-u", after.text, before.text, NULL};
	struct kt_git_call call = {.cwd = run->checkout, .args = args, .profile = KT_GIT_PLUMBING};
	struct kt_error ignored = KT_ERROR_INIT;

	/* What is as it was stays; what somebody else changed is refused, and stays too. */
	(void)!kt_git_run(&call, &ignored);
}
