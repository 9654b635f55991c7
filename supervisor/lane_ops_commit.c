/*
 * Committing what an agent left in its lane, by the git command, in the user's environment and with
 * the user's hooks. Runs in a short-lived helper process. It must never commit anything under
 * kitty-specs/, never change a file of the lane, and leave the index byte for byte as the agent
 * left it when the commit does not land. Whether it landed is told by the branch, not by git's exit
 * status: a killed git commit can have landed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/clock.h"
#include "ipc/file.h"
#include "ipc/patience.h"
#include "supervisor/lane_ops.h"
#include "supervisor/lane_ops_changes.h"
#include "supervisor/lane_ops_private.h"

#define INDEX_MAX (512 << 20)
#define PATIENCE_MS 2000 /* with a git that holds the index */
#define OUTPUT_TAIL 400

struct finish {
	const struct kt_repository *repo;
	const struct kt_lane_finish *wish;
	const struct kt_lane_place *place;
	struct kt_lane_changes changes;
	char *index_path, *lock_path;
	struct kt_buffer index; /* as the agent left it */
	mode_t index_mode;
	char *before;    /* the lane's tip before */
	char *committed; /* our commit; NULL: none */
};

/* ---- the index as it was
 * ---------------------------------------------------------------------------- */

static enum kt_code save_index(struct finish *finish, struct kt_error *err)
{
	struct kt_patience patience = kt_patience_of(PATIENCE_MS);
	struct stat facts = {0};

	while (access(finish->lock_path, F_OK) == 0)
		if (!kt_patience_pause(&patience))
			return kt_error_set(err, KT_E_LANE_COMMIT_FAILED,
				"another git process holds %s", finish->lock_path);
	if (stat(finish->index_path, &facts) != 0)
		return kt_error_sys(err, KT_E_LANE_COMMIT_FAILED, errno, "%s", finish->index_path);
	finish->index_mode = facts.st_mode & 07777;
	return kt_file_read(finish->index_path, INDEX_MAX, &finish->index, err);
}

static int open_lock(const struct finish *finish)
{
	struct kt_patience patience = kt_patience_of(PATIENCE_MS);
	int fd = -1;

	do
		fd = open(finish->lock_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			finish->index_mode);
	while (fd < 0 && errno == EEXIST && kt_patience_pause(&patience));
	return fd;
}

/* Puts the saved bytes back, under git's own lock. What went wrong is added to err's detail. */
static void restore_index(const struct finish *finish, struct kt_error *err)
{
	int fd = open_lock(finish);
	bool is_done = fd >= 0 && kt_file_write_all(fd, finish->index.data, finish->index.len) == 0;
	size_t used = strlen(err->detail);

	if (fd >= 0)
		is_done = close(fd) == 0 && is_done;
	if (is_done)
		is_done = rename(finish->lock_path, finish->index_path) == 0;
	else if (fd >= 0)
		(void)unlink(finish->lock_path);
	if (!is_done && used < sizeof(err->detail) - 1) {
		char *note = kt_format("; what was staged stays staged in %s", finish->index_path);

		(void)strncat(err->detail, note, sizeof(err->detail) - 1 - used);
		free(note);
	}
}

/* ---- what there is to commit
 * ---------------------------------------------------------------------- */

static enum kt_code read_changes(struct finish *finish, struct kt_error *err)
{
	static const char *const ARGS[] = {
		"status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames", NULL};
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_git_call call = {.cwd = finish->place->worktree,
		.args = ARGS,
		.profile = KT_GIT_PLUMBING,
		.out = &text};
	enum kt_code code = kt_git_run(&call, err);

	if (code == KT_E_OK &&
		!kt_lane_changes_parse(kt_buffer_text(&text), text.len, &finish->changes))
		code = kt_error_set(err, KT_E_LANE_COMMIT_FAILED,
			"git status in %s printed what kitty does not understand",
			finish->place->worktree);
	if (code == KT_E_OK && finish->changes.is_unmerged)
		code = kt_error_set(
			err, KT_E_LANE_BUSY, "%s holds unmerged paths", finish->place->worktree);
	kt_buffer_release(&text);
	return code;
}

static enum kt_code check_size(const struct finish *finish, struct kt_error *err)
{
	const struct kt_buffer *paths = &finish->changes.counted;
	const char *largest = "";
	long long sum = 0, most = -1;

	for (size_t at = 0; at < paths->len; at += strlen(paths->data + at) + 1) {
		char *path = kt_format("%s/%s", finish->place->worktree, paths->data + at);
		struct stat facts = {0};
		long long size = lstat(path, &facts) == 0 && !S_ISDIR(facts.st_mode)
					 ? (long long)facts.st_size
					 : 0;

		free(path);
		sum += size;
		if (size > most) {
			most = size;
			largest = paths->data + at;
		}
	}
	if (finish->wish->max_bytes <= 0 || sum <= finish->wish->max_bytes)
		return KT_E_OK;
	return kt_error_set(err, KT_E_LANE_TOO_LARGE,
		"%lld bytes in %zu files of %s, at most %lld; the largest is %.200s (%lld bytes)",
		sum, finish->changes.len, finish->place->worktree, finish->wish->max_bytes, largest,
		most);
}

/* ---- staging and committing
 * ----------------------------------------------------------------------- */

/* The end of what git and the hooks printed, on one line, for the error's detail. */
static enum kt_code fail_with_output(
	const char *what, int exit_code, const struct kt_buffer *output, struct kt_error *err)
{
	const char *text = kt_buffer_text(output);
	size_t len = strlen(text);
	char tail[OUTPUT_TAIL + 1];

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	if (len > OUTPUT_TAIL) {
		text += len - OUTPUT_TAIL;
		len = OUTPUT_TAIL;
		while (len > 0 && ((unsigned char)*text & 0xc0) == 0x80) {
			text++;
			len--;
		}
	}
	memcpy(tail, text, len);
	tail[len] = '\0';
	for (char *at = tail; *at != '\0'; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	return kt_error_set(
		err, KT_E_LANE_COMMIT_FAILED, "%s: exit status %d: %s", what, exit_code, tail);
}

/* A git call in the user's environment; anything but success is KT_E_LANE_COMMIT_FAILED. */
static enum kt_code user_git(const struct finish *finish, const char *what, const char *const *args,
	const struct kt_buffer *input, struct kt_error *err)
{
	struct kt_buffer output = KT_BUFFER_INIT;
	int exit_code = 0;
	struct kt_git_call call = {.cwd = finish->place->worktree,
		.args = args,
		.profile = KT_GIT_USER,
		.input = input != NULL ? input->data : NULL,
		.input_len = input != NULL ? input->len : 0,
		.errors = &output,
		.exit_code = &exit_code};
	enum kt_code code = kt_git_run(&call, err);

	if (code == KT_E_TIMEOUT) /* killed: the lock it held is nobody's now */
		(void)unlink(finish->lock_path);
	if (code != KT_E_OK)
		err->code = KT_E_LANE_COMMIT_FAILED;
	else if (exit_code != 0)
		(void)fail_with_output(what, exit_code, &output, err);
	code = code != KT_E_OK || exit_code != 0 ? KT_E_LANE_COMMIT_FAILED : KT_E_OK;
	kt_buffer_release(&output);
	return code;
}

static enum kt_code stage(const struct finish *finish, struct kt_error *err)
{
	static const char *const ADD[] = {"--literal-pathspecs", "add", "-A",
		"--pathspec-from-file=-", "--pathspec-file-nul", NULL};
	static const char *const UNSTAGE[] = {"update-index", "-z", "--index-info", NULL};
	enum kt_code code = KT_E_OK;

	if (finish->changes.to_add.len > 0)
		code = user_git(finish, "git add", ADD, &finish->changes.to_add, err);
	if (code == KT_E_OK && finish->changes.unstage.len > 0)
		code = user_git(finish, "git update-index", UNSTAGE, &finish->changes.unstage, err);
	return code;
}

/* Agent's name as git accepts it in an identity. Gives "claude <claude@agents.kitty.invalid>". */
static char *author_of(const char *agent)
{
	struct kt_buffer name = KT_BUFFER_INIT, mail = KT_BUFFER_INIT;
	char *author = NULL;

	for (const char *at = agent; *at != '\0'; at++) {
		unsigned char byte = (unsigned char)*at;
		bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
				(byte >= '0' && byte <= '9') || strchr("._-", byte) != NULL;

		if (byte >= ' ' && byte != '<' && byte != '>')
			kt_buffer_putc(&name, *at);
		kt_buffer_append(&mail, is_plain ? at : "-", 1);
	}
	if (strspn(kt_buffer_text(&name), " .,:;\"'\\") == name.len) { /* git would call it empty */
		kt_buffer_clear(&name);
		kt_buffer_clear(&mail);
		kt_buffer_puts(&name, "agent");
		kt_buffer_puts(&mail, "agent");
	}
	author = kt_format("--author=%s <%s@agents.kitty.invalid>", name.data, mail.data);
	kt_buffer_release(&name);
	kt_buffer_release(&mail);
	return author;
}

static void put_message(const struct kt_lane_finish *wish, struct kt_buffer *out)
{
	kt_buffer_puts(out, wish->wp_id);
	if (wish->wp_title != NULL && wish->wp_title[0] != '\0') {
		kt_buffer_puts(out, ": ");
		for (const char *at = wish->wp_title; *at != '\0'; at++)
			kt_buffer_append(out, *at == '\n' || *at == '\r' ? " " : at, 1);
	}
	kt_buffer_printf(out, "\n\nCommitted by kitty for the agent %s, which left these files.\n",
		wish->agent);
}

static bool has_identity(const struct kt_repository *repo)
{
	char *name = kt_repository_config_get(repo, "user.name");
	char *mail = kt_repository_config_get(repo, "user.email");
	bool is_complete = name != NULL && mail != NULL && name[0] != '\0' && mail[0] != '\0';

	free(name);
	free(mail);
	return is_complete;
}

static enum kt_code run_commit(const struct finish *finish, struct kt_error *err)
{
	const char *args[24] = {"-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c",
		"core.fsync=objects,reference"};
	size_t len = 6;
	char *author = author_of(finish->wish->agent);
	struct kt_buffer message = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	if (!has_identity(finish->repo)) {
		args[len++] = "-c";
		args[len++] = "user.name=kitty";
		args[len++] = "-c";
		args[len++] = "user.email=kitty@kitty.invalid";
	}
	args[len++] = "commit";
	args[len++] = "--quiet";
	args[len++] = "--cleanup=whitespace";
	args[len++] = author;
	args[len++] = "--file=-";
	put_message(finish->wish, &message);
	code = user_git(finish, "git commit", args, &message, err);
	kt_buffer_release(&message);
	free(author);
	return code;
}

/* The branch decides: our commit landed when the lane's tip is a child of the one before. */
static enum kt_code read_landed(struct finish *finish, struct kt_error *err)
{
	char *parent = kt_format("%s^1", finish->place->ref);
	char *tip = NULL, *below = NULL;
	enum kt_code code =
		kt_lane_revision(finish->place->worktree, finish->place->ref, &tip, err);

	if (code == KT_E_OK)
		code = kt_lane_revision(finish->place->worktree, parent, &below, err);
	if (code == KT_E_OK && tip != NULL && below != NULL && strcmp(below, finish->before) == 0) {
		finish->committed = tip;
		tip = NULL;
	}
	free(parent);
	free(tip);
	free(below);
	return code;
}

static enum kt_code commit_staged(struct finish *finish, struct kt_error *err)
{
	static const char *const DIFF[] = {"diff", "--cached", "--quiet", NULL};
	static const char *const RESTAGE[] = {"update-index", "-z", "--index-info", NULL};
	struct kt_error refusal = KT_ERROR_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	char *text = NULL;
	int exit_code = 0;
	enum kt_code code = kt_lane_git_text(finish->place->worktree, DIFF, &text, &exit_code, err);

	free(text);
	if (code != KT_E_OK || exit_code == 0) { /* only line ends or times differed */
		restore_index(finish, err);
		return code;
	}
	code = run_commit(finish, &refusal);
	if (read_landed(finish, err) != KT_E_OK)
		return err->code;
	if (finish->committed == NULL) {
		if (code == KT_E_OK)
			(void)kt_error_set(&refusal, KT_E_LANE_COMMIT_FAILED,
				"git commit said nothing, and %s has not moved",
				finish->place->branch);
		restore_index(finish, &refusal);
		*err = refusal;
		return KT_E_LANE_COMMIT_FAILED;
	}
	if (finish->changes.restage.len > 0)
		(void)!user_git(
			finish, "git update-index", RESTAGE, &finish->changes.restage, &ignored);
	return KT_E_OK;
}

static enum kt_code commit_leftovers(struct finish *finish, struct kt_error *err)
{
	enum kt_code code = check_size(finish, err);

	if (code == KT_E_OK)
		code = save_index(finish, err);
	if (code != KT_E_OK)
		return code;
	code = stage(finish, err);
	if (code != KT_E_OK) {
		restore_index(finish, err);
		return code;
	}
	return commit_staged(finish, err);
}

/* ---- the operation
 * -------------------------------------------------------------------------------- */

static enum kt_code report(const struct finish *finish, const struct kt_mission *mission,
	struct kt_json **facts, struct kt_error *err)
{
	char *head = NULL;
	long long commits = 0;
	struct kt_json *out = NULL;
	enum kt_code code =
		kt_lane_revision(finish->place->worktree, finish->place->ref, &head, err);

	if (code == KT_E_OK)
		code = kt_lane_count_commits(
			finish->place, mission, finish->wish->since, &commits, err);
	if (code != KT_E_OK)
		goto out;
	if (commits == 0 && finish->committed != NULL)
		commits = 1; /* no `since` given */
	out = kt_json_new_object();
	kt_json_set_string(out, "head", head);
	kt_json_set_int(out, "commits", commits);
	kt_json_set_string(out, "committed", finish->committed);
	kt_json_set_bool(out, "has_work", commits > 0);
	kt_json_set(out, "lane_commits",
		kt_lane_list_commits(finish->place, mission, finish->wish->since));
	kt_json_set(
		out, "elsewhere", kt_lane_commits_elsewhere(finish->place, finish->wish->since));
	kt_lane_record_write(mission, finish->place, NULL, head);
	*facts = out;
out:
	free(head);
	return code;
}

static void release(struct finish *finish)
{
	kt_lane_changes_release(&finish->changes);
	kt_buffer_release(&finish->index);
	free(finish->index_path);
	free(finish->lock_path);
	free(finish->before);
	free(finish->committed);
}

static enum kt_code run(struct finish *finish, const struct kt_mission *mission,
	struct kt_json **facts, struct kt_error *err)
{
	enum kt_code code = kt_lane_place_check(finish->place, finish->wish->since, err);

	if (code != KT_E_OK)
		return code;
	finish->index_path = kt_format("%s/index", finish->place->facts.git_dir);
	finish->lock_path = kt_format("%s/index.lock", finish->place->facts.git_dir);
	code = kt_lane_revision(finish->place->worktree, "HEAD", &finish->before, err);
	if (code == KT_E_OK && finish->before == NULL)
		code = kt_error_set(err, KT_E_LANE_HEAD_MISMATCH, "branch %s of %s has no commit",
			finish->place->branch, finish->place->worktree);
	if (code == KT_E_OK)
		code = read_changes(finish, err);
	if (code == KT_E_OK && finish->changes.len > 0)
		code = commit_leftovers(finish, err);
	return code == KT_E_OK ? report(finish, mission, facts, err) : code;
}

enum kt_code kt_lane_commit(const struct kt_repository *repo, const struct kt_mission *mission,
	const struct kt_lane_finish *wish, struct kt_json **facts, struct kt_error *err)
{
	struct kt_lane_place place = {0};
	struct finish finish = {.repo = repo, .wish = wish, .place = &place};
	struct kt_oid parsed = {{0}};
	enum kt_code code = kt_lane_place_find(repo, mission, wish->lane_id, &place, err);

	if (code == KT_E_OK && wish->since != NULL && !kt_oid_parse(wish->since, &parsed))
		code = kt_error_set(
			err, KT_E_INVALID_ARGUMENT, "\"%s\" is no commit id", wish->since);
	if (code == KT_E_OK)
		code = run(&finish, mission, facts, err);
	release(&finish);
	kt_lane_place_release(&place);
	return code;
}
