/*
 * `git merge-tree`: its command line, its output. Runs in helpers and commands. Must never believe
 * an exit status alone: 1 is a conflict and a wrong revision alike.
 */
#include "supervisor/git/merge.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"

enum { MERGE_MAJOR = 2, MERGE_MINOR = 38, TREE_ID_LEN = 40, MESSAGE_PATHS_MAX = 10000 };

enum kt_code kt_merge_check_git(struct kt_error *err)
{
	int major = 0, minor = 0;
	enum kt_code code = kt_git_version(&major, &minor, err);

	if (code == KT_E_OK &&
		(major < MERGE_MAJOR || (major == MERGE_MAJOR && minor < MERGE_MINOR)))
		code = kt_error_set(err, KT_E_GIT_TOO_OLD_FOR_MERGE, "git is %d.%d", major, minor);
	return code;
}

void kt_merge_command(
	struct kt_merge_command *command, const struct kt_oid *ours, const struct kt_oid *theirs)
{
	command->ours = kt_oid_format(ours);
	command->theirs = kt_oid_format(theirs);
	command->args[0] = "merge-tree";
	command->args[1] = "--write-tree";
	command->args[2] = "-z";
	command->args[3] = "--name-only";
	command->args[4] = "--messages";
	command->args[5] = command->ours.text;
	command->args[6] = command->theirs.text;
	command->args[7] = NULL;
}

/* The NUL-ended string at *at, which moves on; NULL at the end. */
static const char *next_text(const char **at, const char *end)
{
	const char *start = *at;
	const char *stop = start < end ? memchr(start, '\0', (size_t)(end - start)) : NULL;

	if (stop == NULL)
		return NULL;
	*at = stop + 1;
	return start;
}

static void add_text(char ***list, size_t *len, const char *text)
{
	*list = kt_realloc_array(*list, *len + 2, sizeof **list);
	(*list)[(*len)++] = kt_strdup(text);
	(*list)[*len] = NULL;
}

static bool has_text(char *const *list, size_t len, const char *text)
{
	for (size_t i = 0; i < len; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

/* <number of paths> <path>... <kind> <text>, each NUL-ended. */
static void parse_messages(const char *at, const char *end, struct kt_merge_result *out)
{
	const char *text = NULL;
	size_t len = 0;

	while ((text = next_text(&at, end)) != NULL) {
		long paths = strtol(text, NULL, 10);

		for (long i = 0; i <= paths && paths <= MESSAGE_PATHS_MAX; i++)
			if (next_text(&at, end) == NULL)
				return;
		text = next_text(&at, end);
		if (text == NULL)
			return;
		if (strncmp(text, "Auto-merging ", 13) == 0)
			continue;
		add_text(&out->messages, &len, text);
		out->messages[len - 1][strcspn(text, "\n")] = '\0';
	}
}

enum kt_code kt_merge_parse(const char *output, size_t len, int exit_code,
	struct kt_merge_result *out, struct kt_error *err)
{
	struct kt_merge_result result = {.is_clean = exit_code == 0};
	const char *at = output, *end = output + len;
	const char *tree = next_text(&at, end), *path = NULL;

	if (exit_code > 1 || tree == NULL || strlen(tree) != TREE_ID_LEN ||
		!kt_oid_parse(tree, &result.tree))
		return kt_error_set(err, KT_E_GIT_FAILED,
			"git merge-tree: exit status %d without a tree", exit_code);
	result.files = kt_alloc(sizeof *result.files);
	result.messages = kt_alloc(sizeof *result.messages);
	while (!result.is_clean && (path = next_text(&at, end)) != NULL && path[0] != '\0')
		if (!has_text(result.files, result.files_len, path))
			add_text(&result.files, &result.files_len, path);
	if (!result.is_clean)
		parse_messages(at, end, &result);
	*out = result;
	return KT_E_OK;
}

static void free_list(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

void kt_merge_result_release(struct kt_merge_result *result)
{
	free_list(result->files);
	free_list(result->messages);
	*result = (struct kt_merge_result){.is_clean = false};
}

enum kt_code kt_merge_compute(const char *cwd, const struct kt_oid *ours,
	const struct kt_oid *theirs, const char *const *extra_env, struct kt_merge_result *out,
	struct kt_error *err)
{
	struct kt_merge_command command;
	struct kt_buffer text = KT_BUFFER_INIT, errors = KT_BUFFER_INIT;
	int exit_code = 0;
	struct kt_git_call call = {.cwd = cwd,
		.args = command.args,
		.profile = KT_GIT_PLUMBING,
		.extra_env = extra_env,
		.out = &text,
		.errors = &errors,
		.exit_code = &exit_code};
	enum kt_code code = kt_merge_check_git(err);

	kt_merge_command(&command, ours, theirs);
	if (code == KT_E_OK)
		code = kt_git_run(&call, err);
	if (code == KT_E_OK)
		code = kt_merge_parse(kt_buffer_text(&text), text.len, exit_code, out, err);
	if (code == KT_E_GIT_FAILED && errors.len > 0)
		code = kt_error_set(
			err, KT_E_GIT_FAILED, "git merge-tree: %.300s", kt_buffer_text(&errors));
	kt_buffer_release(&text);
	kt_buffer_release(&errors);
	return code;
}
