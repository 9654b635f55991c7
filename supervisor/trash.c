/*
 * The trash as refs. Runs in commands. Never deletes what it has not read back under its new name.
 */
#include "supervisor/trash.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/hold.h"

#define PREFIX "refs/kitty/trash/"
#define INDEX_MAX (256U << 20)

static const char *const identity[] = {"GIT_AUTHOR_NAME=kitty", "GIT_AUTHOR_EMAIL=kitty@localhost",
	"GIT_COMMITTER_NAME=kitty", "GIT_COMMITTER_EMAIL=kitty@localhost", NULL};

char *kt_trash_ref(const struct kt_mission *mission, const char *name)
{
	return kt_format(PREFIX "%s/%s", mission->slug, name);
}

enum kt_code kt_trash_git(const char *cwd, const char *const *args, const char *const *environment,
	struct kt_buffer *out, struct kt_error *err)
{
	struct kt_git_call call = {.cwd = cwd, .args = args, .extra_env = environment, .out = out};
	enum kt_code code = kt_git_run(&call, err);

	while (code == KT_E_OK && out != NULL && out->len > 0 && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	return code;
}

enum kt_code kt_trash_read(
	const struct kt_repository *repo, const char *ref, char **oid, struct kt_error *err)
{
	const char *const args[] = {"for-each-ref", "--format=%(refname) %(objectname)", ref, NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	enum kt_code code = kt_trash_git(repo->primary, args, NULL, &out, err);
	size_t len = strlen(ref);
	const char *line = kt_buffer_text(&out);

	*oid = NULL;
	while (code == KT_E_OK && *line != '\0' && *oid == NULL) {
		/* The pattern fits folders of refs, too. */
		if (strncmp(line, ref, len) == 0 && line[len] == ' ')
			*oid = kt_strndup(line + len + 1, strcspn(line + len + 1, "\n"));
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	kt_buffer_release(&out);
	return code;
}

static enum kt_code ref_set(
	const struct kt_repository *repo, const char *ref, const char *oid, struct kt_error *err)
{
	const char *const args[] = {"update-ref", "-m", "kitty mission close", ref, oid, NULL};
	struct kt_hold *hold = NULL;
	struct kt_oid commit = {{0}};
	char *now = NULL;
	enum kt_code code = KT_E_OK;

	if (kt_oid_parse(oid, &commit))
		code = kt_hold_take(repo, &commit, &hold, err);
	if (code == KT_E_OK)
		code = kt_trash_git(repo->primary, args, identity, NULL, err);
	code = kt_hold_end(hold, code, err);
	if (code == KT_E_OK)
		code = kt_trash_read(repo, ref, &now, err);
	if (code == KT_E_OK && (now == NULL || strcmp(now, oid) != 0))
		code = kt_error_set(err, KT_E_GIT_FAILED, "%s is not %s", ref, oid);
	free(now);
	return code;
}

enum kt_code kt_trash_keep(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *name, const char *oid, struct kt_error *err)
{
	char *ref = kt_trash_ref(mission, name);
	enum kt_code code = ref_set(repo, ref, oid, err);

	free(ref);
	return code;
}

static enum kt_code commit_new(const char *cwd, const char *tree, const char *parent,
	const char *message, struct kt_buffer *out, struct kt_error *err)
{
	const char *args[] = {"commit-tree", tree, "-m", message, NULL, NULL, NULL};

	if (parent != NULL) {
		args[4] = "-p";
		args[5] = parent;
	}
	return kt_trash_git(cwd, args, identity, out, err);
}

enum kt_code kt_trash_open(
	const struct kt_repository *repo, const struct kt_mission *mission, struct kt_error *err)
{
	static const char *const tree_args[] = {"mktree", NULL};
	struct kt_buffer tree = KT_BUFFER_INIT, commit = KT_BUFFER_INIT;
	char *ref = kt_trash_ref(mission, "manifest");
	char *message = kt_format("%s was discarded", mission->slug);
	char *existing = NULL;
	enum kt_code code = kt_trash_read(repo, ref, &existing, err);

	if (code == KT_E_OK && existing == NULL) {
		code = kt_trash_git(repo->primary, tree_args, NULL, &tree, err);
		if (code == KT_E_OK)
			code = commit_new(
				repo->primary, kt_buffer_text(&tree), NULL, message, &commit, err);
		if (code == KT_E_OK)
			code = ref_set(repo, ref, kt_buffer_text(&commit), err);
	}
	kt_buffer_release(&tree);
	kt_buffer_release(&commit);
	free(existing);
	free(message);
	free(ref);
	return code;
}

/* ---- files that were not committed ---- */

/* The worktree's index, to stage in without touching it. */
static enum kt_code index_copy(const char *worktree, const char *copy, struct kt_error *err)
{
	char *git_dir = kt_worktree_git_dir(worktree);
	char *index = git_dir == NULL ? NULL : kt_format("%s/index", git_dir);
	struct kt_buffer bytes = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	if (index == NULL)
		code = kt_error_set(err, KT_E_GIT_FAILED, "%s has no git folder", worktree);
	else if (kt_file_exists(index))
		code = kt_file_read(index, INDEX_MAX, &bytes, err);
	if (code == KT_E_OK && bytes.len > 0)
		code = kt_file_write_atomic(copy, bytes.data, bytes.len, 0600, false, err);
	kt_buffer_release(&bytes);
	free(index);
	free(git_dir);
	return code;
}

/* Everything as it lies there becomes a tree. */
static enum kt_code tree_of_files(
	const char *worktree, const char *index, struct kt_buffer *tree, struct kt_error *err)
{
	char *variable = kt_format("GIT_INDEX_FILE=%s", index);
	const char *const environment[] = {variable, NULL};
	const char *add[] = {"add", "-A", "--sparse", NULL};
	static const char *const write[] = {"write-tree", NULL};
	int major = 0, minor = 0;
	enum kt_code code = kt_git_version(&major, &minor, err);

	if (code == KT_E_OK && (major < 2 || (major == 2 && minor < 34)))
		add[2] = NULL;
	if (code == KT_E_OK)
		code = kt_trash_git(worktree, add, environment, NULL, err);
	if (code == KT_E_OK)
		code = kt_trash_git(worktree, write, environment, tree, err);
	free(variable);
	return code;
}

/* A discard that was killed while git took the worktree away comes back to what was left of it:
 * when nothing but deletions sets it apart from what is in the trash, the trash is right. */
static enum kt_code is_remains(const char *worktree, const char *kept, const char *tree,
	bool *answer, struct kt_error *err)
{
	const char *const args[] = {"diff-tree", "-r", "--no-renames", "--diff-filter=d",
		"--name-only", kept, tree, NULL};
	struct kt_buffer changes = KT_BUFFER_INIT;
	enum kt_code code = kt_trash_git(worktree, args, NULL, &changes, err);

	*answer = code == KT_E_OK && changes.len == 0;
	kt_buffer_release(&changes);
	return code;
}

/* On top of HEAD, unless the tree is HEAD's own. *commit stays empty then. */
static enum kt_code files_commit(const struct kt_mission *mission, const char *worktree,
	const char *tree, struct kt_buffer *commit, struct kt_error *err)
{
	static const char *const head_args[] = {"rev-parse", "HEAD^{commit}", "HEAD^{tree}", NULL};
	struct kt_buffer head = KT_BUFFER_INIT;
	char *message = kt_format("Uncommitted files of %s", mission->slug);
	enum kt_code code = kt_trash_git(worktree, head_args, NULL, &head, err);

	if (code == KT_E_OK && head.len != 81)
		code = kt_error_set(err, KT_E_GIT_FAILED, "HEAD of %s", worktree);
	if (code == KT_E_OK && strcmp(kt_buffer_text(&head) + 41, tree) != 0) {
		char *parent = kt_strndup(kt_buffer_text(&head), 40);

		code = commit_new(worktree, tree, parent, message, commit, err);
		free(parent);
	}
	kt_buffer_release(&head);
	free(message);
	return code;
}

enum kt_code kt_trash_files(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *worktree, const char *name, bool *is_kept, struct kt_error *err)
{
	char *index = kt_format("%s/trash-%ld.index", mission->run_dir, (long)getpid());
	struct kt_buffer tree = KT_BUFFER_INIT, commit = KT_BUFFER_INIT;
	char *ref = kt_trash_ref(mission, name), *kept = NULL;
	enum kt_code code = kt_folder_make(mission->run_dir, 0700, err);

	*is_kept = false;
	if (code == KT_E_OK)
		code = index_copy(worktree, index, err);
	if (code == KT_E_OK)
		code = tree_of_files(worktree, index, &tree, err);
	if (code == KT_E_OK)
		code = kt_trash_read(repo, ref, &kept, err);
	if (code == KT_E_OK && kept != NULL)
		code = is_remains(worktree, kept, kt_buffer_text(&tree), is_kept, err);
	if (code == KT_E_OK && !*is_kept)
		code = files_commit(mission, worktree, kt_buffer_text(&tree), &commit, err);
	if (code == KT_E_OK && commit.len > 0) {
		code = kt_trash_keep(repo, mission, name, kt_buffer_text(&commit), err);
		*is_kept = code == KT_E_OK;
	}
	(void)unlink(index);
	kt_buffer_release(&tree);
	kt_buffer_release(&commit);
	free(index);
	free(kept);
	free(ref);
	return code;
}

/* ---- emptying ---- */

static enum kt_code ref_delete(
	const struct kt_repository *repo, const char *ref, struct kt_error *err)
{
	const char *const args[] = {"update-ref", "-d", ref, NULL};

	return kt_trash_git(repo->primary, args, NULL, NULL, err);
}

enum kt_code kt_trash_empty(
	const struct kt_repository *repo, const char *slug, struct kt_error *err)
{
	char *folder = kt_format(PREFIX "%s/", slug);
	char *manifest = kt_format(PREFIX "%s/manifest", slug);
	const char *const args[] = {"for-each-ref", "--format=%(refname)", folder, NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	enum kt_code code = kt_trash_git(repo->primary, args, NULL, &out, err);
	const char *line = kt_buffer_text(&out);

	while (code == KT_E_OK && *line != '\0') {
		char *ref = kt_strndup(line, strcspn(line, "\n"));

		if (strcmp(ref, manifest) != 0)
			code = ref_delete(repo, ref, err);
		line += strcspn(line, "\n");
		line += *line == '\n';
		free(ref);
	}
	if (code == KT_E_OK)
		code = ref_delete(repo, manifest, err);
	kt_buffer_release(&out);
	free(manifest);
	free(folder);
	return code;
}

/* One line "refs/kitty/trash/<slug>/manifest SECONDS". */
static enum kt_code prune_line(const struct kt_repository *repo, const char *line, long long oldest,
	size_t *pruned, struct kt_error *err)
{
	const char *rest = line + strlen(PREFIX);
	const char *date = strchr(line, ' ');
	char *slug = kt_strndup(rest, strcspn(rest, "/"));
	enum kt_code code = KT_E_OK;

	if (date != NULL && strtoll(date + 1, NULL, 10) < oldest) {
		code = kt_trash_empty(repo, slug, err);
		*pruned += code == KT_E_OK;
	}
	free(slug);
	return code;
}

enum kt_code kt_trash_prune(
	const struct kt_repository *repo, long long now, size_t *pruned, struct kt_error *err)
{
	static const char *const args[] = {"for-each-ref",
		"--format=%(refname) %(committerdate:unix)", PREFIX "*/manifest", NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	enum kt_code code = kt_trash_git(repo->primary, args, NULL, &out, err);
	const char *line = kt_buffer_text(&out);

	*pruned = 0;
	while (code == KT_E_OK && *line != '\0') {
		code = prune_line(repo, line, now - KT_TRASH_DAYS * 86400LL, pruned, err);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	kt_buffer_release(&out);
	return code;
}
