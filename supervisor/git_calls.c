/*
 * Short questions to git for merging. Runs in commands and helper processes. Must never move a ref
 * or touch a checkout: it reads, and adds objects that nothing names yet.
 */
#include "supervisor/git_calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/sign.h"
#include "supervisor/scratch_objects.h"

enum kt_code kt_git_place_init(struct kt_git_place *place, const struct kt_mission *mission,
	bool scratch, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	memset(place, 0, sizeof *place);
	place->cwd = kt_strdup(kt_folder_exists(mission->coord_worktree) ? mission->coord_worktree
									 : mission->repo_root);
	if (!scratch)
		return KT_E_OK;
	code = kt_scratch_objects_make(mission->common_dir, &place->objects, err);
	if (code != KT_E_OK)
		return code;
	place->variables[0] = kt_format("GIT_OBJECT_DIRECTORY=%s", place->objects);
	place->variables[1] =
		kt_format("GIT_ALTERNATE_OBJECT_DIRECTORIES=%s/objects", mission->common_dir);
	place->environment[0] = place->variables[0];
	place->environment[1] = place->variables[1];
	return KT_E_OK;
}

void kt_git_place_release(struct kt_git_place *place)
{
	struct kt_error ignored = KT_ERROR_INIT;

	if (place->objects != NULL)
		(void)!kt_folder_remove_tree(place->objects, &ignored);
	free(place->objects);
	free(place->variables[0]);
	free(place->variables[1]);
	free(place->cwd);
	memset(place, 0, sizeof *place);
}

static struct kt_git_call call_of(const struct kt_git_place *place, const char *const *args)
{
	return (struct kt_git_call){.cwd = place->cwd,
		.args = args,
		.profile = KT_GIT_PLUMBING,
		.extra_env = place->environment[0] == NULL ? NULL : place->environment};
}

/* exit_code is written through the call. NOLINTBEGIN(readability-non-const-parameter) */
enum kt_code kt_git_text(const struct kt_git_place *place, const char *const *args, char **out,
	int *exit_code, struct kt_error *err)
/* NOLINTEND(readability-non-const-parameter) */
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_git_call call = call_of(place, args);
	enum kt_code code = KT_E_OK;

	call.out = &text;
	call.exit_code = exit_code;
	code = kt_git_run(&call, err);
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	if (code == KT_E_OK && out != NULL)
		*out = kt_buffer_take(&text);
	kt_buffer_release(&text);
	return code;
}

enum kt_code kt_git_pipe(const struct kt_git_place *place, const char *const *args,
	const struct kt_buffer *input, struct kt_buffer *out, struct kt_error *err)
{
	struct kt_git_call call = call_of(place, args);

	if (input != NULL) {
		call.input = kt_buffer_text(input);
		call.input_len = input->len;
	}
	call.out = out;
	return kt_git_run(&call, err);
}

enum kt_code kt_git_resolve(const struct kt_git_place *place, const char *revision, bool *found,
	struct kt_oid *out, struct kt_error *err)
{
	const char *args[] = {"rev-parse", "--verify", "--quiet", revision, NULL};
	char *text = NULL;
	int exit_code = 0;
	enum kt_code code = kt_git_text(place, args, &text, &exit_code, err);

	if (code == KT_E_OK)
		*found = exit_code == 0 && kt_oid_parse(text, out);
	free(text);
	return code;
}

enum kt_code kt_git_is_ancestor(const struct kt_git_place *place, const struct kt_oid *ancestor,
	const struct kt_oid *descendant, bool *out, struct kt_error *err)
{
	struct kt_oid_text old_text = kt_oid_format(ancestor), new_text = kt_oid_format(descendant);
	const char *args[] = {"merge-base", "--is-ancestor", old_text.text, new_text.text, NULL};
	int exit_code = 0;
	enum kt_code code = kt_git_text(place, args, NULL, &exit_code, err);

	if (code == KT_E_OK && exit_code > 1)
		return kt_error_set(err, KT_E_GIT_FAILED, "git merge-base --is-ancestor %s %s",
			old_text.text, new_text.text);
	if (code == KT_E_OK)
		*out = exit_code == 0;
	return code;
}

/* ---- commits ---- */

/* Who commits when git knows nobody. */
static size_t add_identity(const struct kt_git_place *place, const char *role, bool is_author,
	const struct kt_git_commit_wish *wish, char **variables)
{
	static const char *const get_name[] = {"config", "user.name", NULL};
	static const char *const get_mail[] = {"config", "user.email", NULL};
	struct kt_error ignored = KT_ERROR_INIT;
	const char *mail_start = wish->author == NULL ? NULL : strstr(wish->author, " <");
	char *name = NULL, *mail = NULL;
	int exit_code = 0;

	if (is_author && mail_start != NULL) {
		name = kt_strndup(wish->author, (size_t)(mail_start - wish->author));
		mail = kt_strndup(mail_start + 2, strcspn(mail_start + 2, ">"));
	} else {
		(void)!kt_git_text(place, get_name, &name, &exit_code, &ignored);
		(void)!kt_git_text(place, get_mail, &mail, &exit_code, &ignored);
	}
	variables[0] =
		kt_format("GIT_%s_NAME=%s", role, name == NULL || name[0] == '\0' ? "kitty" : name);
	variables[1] = kt_format("GIT_%s_EMAIL=%s", role,
		mail == NULL || mail[0] == '\0' ? "kitty@localhost.invalid" : mail);
	free(name);
	free(mail);
	return 2;
}

/* What a dry run makes is thrown away. */
static bool is_signed(const struct kt_git_place *place)
{
	return place->sign && place->objects == NULL;
}

/* The user's profile, where the keys are; with nobody to ask. */
static void ask_signature(struct kt_git_call *call, const char **variables)
{
	for (size_t i = 0; kt_sign_variables[i] != NULL; i++)
		variables[i] = kt_sign_variables[i];
	call->profile = KT_GIT_USER;
	call->no_terminal = true;
	call->timeout_ms = KT_HOOK_TIMEOUT_MS;
}

static enum kt_code signing_failed(struct kt_error *err)
{
	struct kt_error cause = *err;

	return kt_error_set(err, KT_E_SIGNING_FAILED, "%s", cause.detail);
}

enum kt_code kt_git_commit(const struct kt_git_place *place, const struct kt_git_commit_wish *wish,
	struct kt_oid *out, struct kt_error *err)
{
	struct kt_oid_text tree = kt_oid_format(wish->tree);
	struct kt_oid_text *parents =
		kt_realloc_array(NULL, wish->parents_len + 1, sizeof *parents);
	const char **args = kt_realloc_array(NULL, wish->parents_len * 2 + 8, sizeof *args);
	char *variables[8] = {NULL};
	const char *environment[16] = {NULL};
	size_t len = 0, count = 0;
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_git_call call = call_of(place, args);
	enum kt_code code = KT_E_OK;

	args[len++] = "commit-tree";
	if (is_signed(place))
		args[len++] = "-S";
	args[len++] = tree.text;
	for (size_t i = 0; i < wish->parents_len; i++) {
		parents[i] = kt_oid_format(&wish->parents[i]);
		args[len++] = "-p";
		args[len++] = parents[i].text;
	}
	args[len] = NULL;
	count = add_identity(place, "AUTHOR", true, wish, variables);
	count += add_identity(place, "COMMITTER", false, wish, variables + count);
	if (wish->date != NULL)
		variables[count++] = kt_format("GIT_AUTHOR_DATE=%s", wish->date);
	for (size_t i = 0; i < count; i++)
		environment[i] = variables[i];
	for (size_t i = 0; place->environment[i] != NULL; i++)
		environment[count + i] = place->environment[i];
	call.extra_env = environment;
	if (is_signed(place))
		ask_signature(&call, environment + count);
	call.input = wish->message;
	call.input_len = strlen(wish->message);
	call.out = &text;
	code = kt_git_run(&call, err);
	if (code != KT_E_OK && is_signed(place))
		code = signing_failed(err);
	if (code == KT_E_OK) {
		kt_buffer_puts(&text, "");
		if (text.len > 0)
			text.data[--text.len] = '\0';
		if (!kt_oid_parse(kt_buffer_text(&text), out))
			code = kt_error_set(err, KT_E_GIT_FAILED, "git commit-tree gave no commit");
	}
	for (size_t i = 0; i < count; i++)
		free(variables[i]);
	kt_buffer_release(&text);
	free(parents);
	free(args);
	return code;
}

/* ---- trees ---- */

static enum kt_code parse_id(struct kt_buffer *text, struct kt_oid *out, struct kt_error *err)
{
	while (text->len > 0 && text->data[text->len - 1] == '\n')
		text->data[--text->len] = '\0';
	return kt_oid_parse(kt_buffer_text(text), out)
		       ? KT_E_OK
		       : kt_error_set(err, KT_E_GIT_FAILED, "git gave no object id");
}

/* One tree object with its entry `name` replaced by the line of ls-tree, or dropped (NULL). */
static enum kt_code replace_entry(const struct kt_git_place *place, const struct kt_oid *tree,
	const char *name, const char *line, struct kt_oid *out, struct kt_error *err)
{
	struct kt_oid_text base = kt_oid_format(tree);
	const char *all[] = {"ls-tree", "-z", base.text, NULL};
	const char *make[] = {"mktree", "-z", NULL};
	struct kt_buffer text = KT_BUFFER_INIT, lines = KT_BUFFER_INIT, id = KT_BUFFER_INIT;
	enum kt_code code = kt_git_pipe(place, all, NULL, &text, err);

	for (size_t at = 0; code == KT_E_OK && at < text.len; at += strlen(text.data + at) + 1) {
		const char *found = strchr(text.data + at, '\t');

		if (found != NULL && strcmp(found + 1, name) != 0)
			kt_buffer_append(&lines, text.data + at, strlen(text.data + at) + 1);
	}
	if (line != NULL)
		kt_buffer_append(&lines, line, strlen(line) + 1);
	if (code == KT_E_OK)
		code = kt_git_pipe(place, make, &lines, &id, err);
	if (code == KT_E_OK)
		code = parse_id(&id, out, err);
	kt_buffer_release(&text);
	kt_buffer_release(&lines);
	kt_buffer_release(&id);
	return code;
}

enum kt_code kt_git_tree_take(const struct kt_git_place *place, const struct kt_oid *tree,
	const struct kt_oid *from, const char *path, struct kt_oid *out, struct kt_error *err)
{
	struct kt_oid_text other = kt_oid_format(from);
	const char *one[] = {"ls-tree", "-z", other.text, path, NULL};
	struct kt_buffer line = KT_BUFFER_INIT;
	enum kt_code code = kt_git_pipe(place, one, NULL, &line, err);

	if (code == KT_E_OK)
		code = replace_entry(place, tree, path, line.len > 0 ? line.data : NULL, out, err);
	kt_buffer_release(&line);
	return code;
}

/* The tree at `folder` inside `tree`; it must be there. */
static enum kt_code subtree(const struct kt_git_place *place, const struct kt_oid *tree,
	const char *folder, struct kt_oid *out, struct kt_error *err)
{
	char *revision = kt_format("%s:%s", kt_oid_format(tree).text, folder);
	bool found = false;
	enum kt_code code = kt_git_resolve(place, revision, &found, out, err);

	if (code == KT_E_OK && !found)
		code = kt_error_set(err, KT_E_GIT_FAILED, "there is no %s in the tree", folder);
	free(revision);
	return code;
}

enum kt_code kt_git_tree_put(const struct kt_git_place *place, const struct kt_oid *tree,
	const char *path, const struct kt_buffer *bytes, struct kt_oid *out, struct kt_error *err)
{
	const char *hash[] = {"hash-object", "-w", "--stdin", NULL};
	struct kt_buffer id = KT_BUFFER_INIT;
	struct kt_oid current = {{0}}, parent = {{0}};
	char *folder = kt_strdup(path), *slash = NULL;
	const char *mode = "100644 blob";
	enum kt_code code = kt_git_pipe(place, hash, bytes, &id, err);

	if (code == KT_E_OK)
		code = parse_id(&id, &current, err);
	/* From the file upwards: each folder gets its new child. */
	while (code == KT_E_OK && (slash = strrchr(folder, '/')) != NULL) {
		char *line = kt_format("%s %s\t%s", mode, kt_oid_format(&current).text, slash + 1);

		*slash = '\0';
		code = subtree(place, tree, folder, &parent, err);
		if (code == KT_E_OK)
			code = replace_entry(place, &parent, slash + 1, line, &current, err);
		mode = "040000 tree";
		free(line);
	}
	if (code == KT_E_OK) {
		char *line = kt_format("%s %s\t%s", mode, kt_oid_format(&current).text, folder);

		code = replace_entry(place, tree, folder, line, out, err);
		free(line);
	}
	kt_buffer_release(&id);
	free(folder);
	return code;
}
