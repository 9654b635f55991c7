/*
 * The commit of safe-commit. Process: a command. It is made by `git commit` with an index of its
 * own (the branch's tree plus the declared paths), so that hooks run as always and the user's index
 * is read by nobody and written only for the declared paths, after the commit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "ipc/patience.h"
#include "supervisor/cli/safe_commit.h"
#include "supervisor/git/environment.h"

#define ATTEMPTS_MAX 4
#define INDEX_WAIT_MS 5000
/* Set for git and its hooks: the git dir whose safe-commit is waiting for them. */
#define IN_SAFE_COMMIT "SPEC_KITTY_IN_SAFE_COMMIT"

/* One try to commit on top of a commit. */
struct attempt {
	const char *index;
	char *before;   /* the branch's tip that the index was made from */
	bool is_beaten; /* another commit came first, and nothing of this one is left */
};

/* The tree that the branch has, then the declared paths as they lie there. */
static enum kt_code index_build(
	const struct kt_safe_commit *wish, const struct attempt *attempt, struct kt_error *err)
{
	const char *const read[] = {"read-tree", attempt->before, NULL};
	static const char *const update[] = {
		"update-index", "-z", "--add", "--remove", "--stdin", NULL};
	struct kt_buffer paths = KT_BUFFER_INIT;
	enum kt_code code = kt_safe_commit_git(wish, read, attempt->index, NULL, NULL, err);

	for (const struct kt_json *p = kt_json_first(wish->paths); p != NULL; p = kt_json_next(p))
		kt_buffer_append(&paths, kt_json_string(p), strlen(kt_json_string(p)) + 1);
	/* Ignored files, too: update-index knows no ignore rules. */
	if (code == KT_E_OK && paths.len > 0)
		code = kt_safe_commit_git(wish, update, attempt->index, &paths, NULL, err);
	kt_buffer_release(&paths);
	return code;
}

/* Paths that differ between two trees (or a tree and the index), all of them declared. */
static enum kt_code backstop_check(const struct kt_safe_commit *wish, const char *const *args,
	const char *index, size_t *changes, struct kt_error *err)
{
	struct kt_buffer out = KT_BUFFER_INIT;
	enum kt_code code = kt_safe_commit_git(wish, args, index, NULL, &out, err);

	*changes = 0;
	for (size_t at = 0; code == KT_E_OK && at < out.len; at += strlen(out.data + at) + 1) {
		(*changes)++;
		if (!kt_safe_commit_has_path(wish->paths, out.data + at))
			code = kt_error_set(
				err, KT_E_SAFE_COMMIT_BACKSTOP, "%.300s", out.data + at);
	}
	kt_buffer_release(&out);
	return code;
}

static enum kt_code commit_id(
	const struct kt_safe_commit *wish, const char *revision, char **out, struct kt_error *err)
{
	char *commit = kt_format("%s^{commit}", revision);
	const char *const args[] = {"rev-parse", "--verify", commit, NULL};
	struct kt_buffer text = KT_BUFFER_INIT;
	enum kt_code code = kt_safe_commit_git(wish, args, NULL, NULL, &text, err);

	if (code == KT_E_OK)
		*out = kt_strndup(kt_buffer_text(&text), strcspn(kt_buffer_text(&text), "\n"));
	kt_buffer_release(&text);
	free(commit);
	return code;
}

static bool is_parent(
	const struct kt_safe_commit *wish, const char *commit, const char *wanted, char **parent)
{
	char *revision = kt_format("%s^1", commit);
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_same = commit_id(wish, revision, parent, &ignored) == KT_E_OK &&
		       strcmp(*parent, wanted) == 0;

	free(revision);
	return is_same;
}

/* "[branch abbreviated] subject": what git says it has done, whatever HEAD is by now. */
static void summary_read(const char *text, char **branch, char **commit)
{
	const char *line = text[0] == '[' ? text : strstr(text, "\n[");
	const char *blank = NULL, *end = NULL;

	line += line != NULL && line[0] == '\n';
	blank = line == NULL ? NULL : strchr(line, ' ');
	end = blank == NULL ? NULL : strchr(blank, ']');
	if (end == NULL)
		return;
	*branch = kt_strndup(line + 1, (size_t)(blank - line - 1));
	*commit = kt_strndup(blank + 1, (size_t)(end - blank - 1));
}

/* In the user's own environment, as the user would: with hooks, without a signature. Gives *said,
 * what git printed. */
static enum kt_code commit_run(
	const struct kt_safe_commit *wish, const char *index, char **said, struct kt_error *err)
{
	const char *const args[] = {"commit", "--no-gpg-sign", "-m", wish->message, NULL};
	char *variable = kt_format("GIT_INDEX_FILE=%s", index);
	char *inside = kt_format(IN_SAFE_COMMIT "=%s", wish->context->repo->git_dir);
	const char *const environment[] = {variable, inside, NULL};
	struct kt_buffer out = KT_BUFFER_INIT, errors = KT_BUFFER_INIT;
	int status = 0;
	struct kt_git_call call = {.cwd = wish->context->repo->worktree,
		.args = args,
		.profile = KT_GIT_USER,
		.extra_env = environment,
		.out = &out,
		.errors = &errors,
		.exit_code = &status};
	enum kt_code code = kt_git_run(&call, err);

	if (code == KT_E_OK && status != 0)
		code = kt_error_set(err, KT_E_GIT_FAILED, "git commit: exit status %d: %.300s",
			status, errors.len > 0 ? kt_buffer_text(&errors) : kt_buffer_text(&out));
	if (code == KT_E_OK)
		*said = kt_strdup(kt_buffer_text(&out));
	kt_buffer_release(&out);
	kt_buffer_release(&errors);
	free(inside);
	free(variable);
	return code;
}

/* git reads HEAD once more for the parent: on top of another commit than the index was made from,
 * ours would silently undo what came between. */
static enum kt_code take_back(const struct kt_safe_commit *wish, struct attempt *attempt,
	const char *branch, const char *commit, const char *parent, struct kt_error *err)
{
	char *ref = kt_format("refs/heads/%s", branch);
	const char *const undo[] = {"update-ref", "-m", "kitty safe-commit: taken back", ref,
		parent == NULL ? "" : parent, commit, NULL};
	struct kt_error ignored = KT_ERROR_INIT;
	bool is_undone = parent != NULL &&
			 kt_safe_commit_git(wish, undo, NULL, NULL, NULL, &ignored) == KT_E_OK;

	if (!is_undone) {
		(void)kt_error_set(err, KT_E_SAFE_COMMIT_BACKSTOP,
			"%.12s on %.100s undoes a commit that came at the same time", commit,
			branch);
		kt_error_next(err, "git revert %.12s", commit);
	} else if (strcmp(branch, wish->destination) != 0) {
		(void)kt_error_set(err, KT_E_SAFE_COMMIT_HEAD_MISMATCH,
			"HEAD went to %.100s, not %s", branch, wish->destination);
	} else {
		attempt->is_beaten = true;
		(void)kt_error_set(err, KT_E_REF_MOVED, "%s", wish->destination);
	}
	free(ref);
	return err->code;
}

/* Which commit is ours, and is it what it was meant to be? */
static enum kt_code landed_check(struct kt_safe_commit *wish, struct attempt *attempt,
	const char *said, struct kt_error *err)
{
	char *branch = NULL, *short_id = NULL, *commit = NULL, *head = NULL, *parent = NULL;
	enum kt_code code = commit_id(wish, "HEAD", &head, err);
	bool is_right = code == KT_E_OK && is_parent(wish, head, attempt->before, &parent);

	summary_read(said, &branch, &short_id);
	/* A hook may have amended it. */
	if (is_right && (branch == NULL || strcmp(branch, wish->destination) == 0)) {
		wish->commit = kt_strdup(head);
		goto out;
	}
	if (code != KT_E_OK)
		goto out;
	if (branch == NULL || short_id == NULL) {
		code = kt_error_set(err, KT_E_GIT_FAILED, "git made no commit");
		goto out;
	}
	code = commit_id(wish, short_id, &commit, err);
	if (code != KT_E_OK)
		goto out;
	free(parent);
	parent = NULL;
	if (is_parent(wish, commit, attempt->before, &parent) &&
		strcmp(branch, wish->destination) == 0)
		wish->commit = kt_strdup(commit);
	else
		code = take_back(wish, attempt, branch, commit, parent, err);
out:
	free(branch);
	free(short_id);
	free(commit);
	free(head);
	free(parent);
	return code;
}

/* A hook that staged more than was declared does not get it committed. */
static enum kt_code result_check(
	const struct kt_safe_commit *wish, const char *before, struct kt_error *err)
{
	const char *const args[] = {
		"diff-tree", "-r", "-z", "--name-only", "--no-renames", before, wish->commit, NULL};
	const char *const undo[] = {"update-ref", "-m", "kitty safe-commit: taken back", wish->head,
		before, wish->commit, NULL};
	struct kt_error ignored = KT_ERROR_INIT;
	size_t changes = 0;
	enum kt_code code = backstop_check(wish, args, NULL, &changes, err);

	if (code == KT_E_SAFE_COMMIT_BACKSTOP &&
		kt_safe_commit_git(wish, undo, NULL, NULL, NULL, &ignored) != KT_E_OK)
		kt_error_next(err, "git reset --soft %.12s", before);
	return code;
}

/* Whoever refreshes an index holds its lock for an instant. */
static enum kt_code index_update(
	const struct kt_safe_commit *wish, const struct kt_buffer *lines, struct kt_error *err)
{
	static const char *const update[] = {"update-index", "-z", "--index-info", NULL};
	char *lock = kt_format("%s/index.lock", wish->context->repo->git_dir);
	struct kt_patience patience = kt_patience_of(INDEX_WAIT_MS);
	enum kt_code code = KT_E_OK;

	do {
		*err = (struct kt_error)KT_ERROR_INIT;
		code = kt_safe_commit_git(wish, update, NULL, lines, NULL, err);
	} while (code != KT_E_OK && kt_file_exists(lock) && kt_patience_pause(&patience));
	free(lock);
	return code;
}

/* The declared paths in the user's index become what was committed; nothing else is written. */
static enum kt_code index_follow(struct kt_safe_commit *wish, struct kt_error *err)
{
	struct kt_buffer lines = KT_BUFFER_INIT;
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	for (const struct kt_json *p = kt_json_first(wish->paths); p != NULL && code == KT_E_OK;
		p = kt_json_next(p)) {
		const char *const tree[] = {
			"ls-tree", "-z", wish->commit, "--", kt_json_string(p), NULL};

		/* Mode 0 first: also a path that was in conflict is one entry afterwards. */
		kt_buffer_printf(&lines, "0 %040d\t%s", 0, kt_json_string(p));
		kt_buffer_putc(&lines, '\0');
		code = kt_safe_commit_git(wish, tree, NULL, NULL, &lines, &cause);
	}
	if (code == KT_E_OK && lines.len > 0)
		code = index_update(wish, &lines, &cause);
	kt_buffer_release(&lines);
	if (code == KT_E_OK)
		return KT_E_OK;
	wish->unrecovered = kt_json_copy(wish->paths);
	(void)kt_error_set(err, KT_E_SAFE_COMMIT_RECOVERY_FAILED,
		"committed %.12s, but the index does not know it yet: %s", wish->commit,
		cause.detail);
	kt_error_next(err, "git reset -q -- the files named above");
	return KT_E_SAFE_COMMIT_RECOVERY_FAILED;
}

/* git refused: because HEAD is not what it was when git began? */
static bool is_beaten(const struct kt_safe_commit *wish, const struct attempt *attempt)
{
	struct kt_error ignored = KT_ERROR_INIT;
	char *now = NULL;
	bool has_moved = commit_id(wish, "HEAD", &now, &ignored) == KT_E_OK &&
			 strcmp(now, attempt->before) != 0;

	free(now);
	return has_moved;
}

static enum kt_code commit_with(
	struct kt_safe_commit *wish, struct attempt *attempt, struct kt_error *err)
{
	const char *const staged[] = {"diff-index", "--cached", "-z", "--name-only", "--no-renames",
		attempt->before, NULL};
	size_t changes = 0;
	char *said = NULL;
	enum kt_code code = index_build(wish, attempt, err);

	if (code == KT_E_OK)
		code = backstop_check(wish, staged, attempt->index, &changes, err);
	if (code != KT_E_OK || changes == 0)
		return code;
	code = commit_run(wish, attempt->index, &said, err);
	if (code == KT_E_OK)
		code = landed_check(wish, attempt, said, err);
	else
		attempt->is_beaten = is_beaten(wish, attempt);
	free(said);
	if (code != KT_E_OK)
		return code;
	code = result_check(wish, attempt->before, err);
	if (code == KT_E_OK)
		return index_follow(wish, err);
	free(wish->commit);
	wish->commit = NULL;
	return code;
}

static enum kt_code commit_try(
	struct kt_safe_commit *wish, const char *index, bool *is_beaten, struct kt_error *err)
{
	struct attempt attempt = {.index = index};
	enum kt_code code = commit_id(wish, "HEAD", &attempt.before, err);

	if (code == KT_E_OK)
		code = commit_with(wish, &attempt, err);
	*is_beaten = attempt.is_beaten;
	free(attempt.before);
	return code;
}

/* One at a time in a worktree; a git of the user's that commits at the same moment is met by trying
 * again, and so is one in a hook of this very commit, which would wait for itself. */
static enum kt_code lock_take(const struct kt_safe_commit *wish, int *fd, struct kt_error *err)
{
	const char *folder = wish->context->repo->git_dir;
	const char *inside = getenv(IN_SAFE_COMMIT); /* NOLINT(concurrency-mt-unsafe) */

	if (inside != NULL && strcmp(inside, folder) == 0)
		return KT_E_OK;
	*fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return kt_error_sys(err, kt_error_from_errno(errno), errno, "%s", folder);
	if (kt_flock_within(*fd, KT_LOCK_TIMEOUT_MS))
		return KT_E_OK;
	(void)close(*fd);
	return kt_error_set(err, KT_E_TIMEOUT, "another safe-commit is at work in %s", folder);
}

enum kt_code kt_safe_commit_make(struct kt_safe_commit *wish, struct kt_error *err)
{
	/* In the git folder of this worktree: on its file system, and nobody commits it. */
	char *index = kt_format(
		"%s/kitty-safe-commit-%ld.index", wish->context->repo->git_dir, (long)getpid());
	bool is_beaten = true;
	int lock = -1;
	enum kt_code code = lock_take(wish, &lock, err);

	if (code != KT_E_OK)
		goto out;
	for (int i = 0; i < ATTEMPTS_MAX && is_beaten; i++) {
		*err = (struct kt_error)KT_ERROR_INIT;
		code = commit_try(wish, index, &is_beaten, err);
		(void)unlink(index);
	}
	if (is_beaten)
		code = kt_error_set(err, KT_E_REF_MOVED, "%s", wish->destination);
	if (lock >= 0)
		(void)close(lock);
out:
	free(index);
	return code;
}
