/*
 * Keeping what would otherwise be lost. Runs in repair and doctor --fix. Must never write to a
 * lane's own index, branch or HEAD, and never delete a file that is in no commit.
 */
#include "supervisor/rescue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/file.h"
#include "supervisor/git/environment.h"
#include "supervisor/git/hold.h"

/* "20261121T020304.000005Z": sorts by time, good in a ref's name. */
static char *stamp(void)
{
	int64_t now = kt_clock_wall_us();
	time_t seconds = (time_t)(now / 1000000);
	struct tm parts = {0};
	char text[32] = "";

	if (gmtime_r(&seconds, &parts) != NULL)
		(void)strftime(text, sizeof text, "%Y%m%dT%H%M%S", &parts);
	return kt_format("%s.%06dZ", text, (int)(now % 1000000));
}

/* git with a private index over a folder that may have no git dir of its own. */
struct desk {
	const struct kt_mission *mission;
	const char *folder;
	char *git_dir, *work_tree, *index, *index_path;
	const char *environment[9];
};

static void desk_open(struct desk *desk, const struct kt_mission *mission, const char *folder)
{
	*desk = (struct desk){.mission = mission, .folder = folder};
	desk->index_path = kt_format("%s/rescue.%d.index", mission->run_dir, (int)getpid());
	desk->git_dir = kt_format("GIT_DIR=%s", mission->common_dir);
	desk->work_tree = kt_format("GIT_WORK_TREE=%s", folder);
	desk->index = kt_format("GIT_INDEX_FILE=%s", desk->index_path);
	desk->environment[0] = desk->git_dir;
	desk->environment[1] = desk->work_tree;
	desk->environment[2] = desk->index;
	desk->environment[3] = "GIT_AUTHOR_NAME=kitty";
	desk->environment[4] = "GIT_AUTHOR_EMAIL=kitty@localhost";
	desk->environment[5] = "GIT_COMMITTER_NAME=kitty";
	desk->environment[6] = "GIT_COMMITTER_EMAIL=kitty@localhost";
	(void)unlink(desk->index_path);
}

static void desk_close(struct desk *desk)
{
	(void)unlink(desk->index_path);
	free(desk->git_dir);
	free(desk->work_tree);
	free(desk->index);
	free(desk->index_path);
}

/* First line of the output, or NULL when it is empty; gives. out may be NULL. */
static enum kt_code desk_git(
	struct desk *desk, const char *const *args, char **out, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_git_call call = {
		.cwd = desk->folder, .args = args, .extra_env = desk->environment, .out = &text};
	enum kt_code code = kt_git_run(&call, err);

	if (code == KT_E_OK && out != NULL)
		*out = text.len == 0 ? NULL
				     : kt_strndup(text.data, strcspn(kt_buffer_text(&text), "\n"));
	kt_buffer_release(&text);
	return code;
}

/* One path as the parent has it; nothing when it has none. */
static enum kt_code entry_restore(
	struct desk *desk, const char *parent, const char *path, struct kt_error *err)
{
	const char *const list[] = {"ls-tree", parent, "--", path, NULL};
	const char *put[] = {"update-index", "--add", "--cacheinfo", NULL, NULL};
	char *entry = NULL, *info = NULL;
	enum kt_code code = desk_git(desk, list, &entry, err);

	/* "100644 blob <id>\tpath" */
	if (code == KT_E_OK && entry != NULL && strlen(entry) > 52) {
		info = kt_format("100644,%.40s,%s", entry + 12, path);
		put[3] = info;
		code = desk_git(desk, put, NULL, err);
	}
	free(info);
	free(entry);
	return code;
}

/* What the sparse policy keeps off the disk is not deleted: it stays as the parent has it. */
static enum kt_code absent_restore(struct desk *desk, const char *parent, struct kt_error *err)
{
	char **absent = kt_mission_absent_paths(desk->mission);
	enum kt_code code = KT_E_OK;

	for (size_t i = 0; code == KT_E_OK && absent[i] != NULL; i++) {
		char *path = kt_path_join(desk->folder, absent[i]);

		if (!kt_file_exists(path))
			code = entry_restore(desk, parent, absent[i], err);
		free(path);
	}
	kt_strings_free(absent);
	return code;
}

static enum kt_code tree_write(
	struct desk *desk, const char *parent, char **tree, struct kt_error *err)
{
	const char *const read[] = {"read-tree", parent, NULL};
	static const char *const add[] = {
		"-c", "core.sparseCheckout=false", "add", "--all", "--", ".", NULL};
	static const char *const write[] = {"write-tree", NULL};
	enum kt_code code = parent == NULL ? KT_E_OK : desk_git(desk, read, NULL, err);

	if (code == KT_E_OK)
		code = desk_git(desk, add, NULL, err);
	if (code == KT_E_OK && parent != NULL)
		code = absent_restore(desk, parent, err);
	if (code == KT_E_OK)
		code = desk_git(desk, write, tree, err);
	return code;
}

static enum kt_code tree_of(
	struct desk *desk, const char *parent, char **tree, struct kt_error *err)
{
	char *revision = kt_format("%s^{tree}", parent);
	const char *const args[] = {"rev-parse", "--verify", revision, NULL};
	enum kt_code code = desk_git(desk, args, tree, err);

	free(revision);
	return code;
}

static enum kt_code commit_make(struct desk *desk, const char *lane, const char *tree,
	const char *parent, char **commit, struct kt_error *err)
{
	char *message = kt_format("Unfinished files of %s of %s", lane, desk->mission->slug);
	const char *const with[] = {"commit-tree", tree, "-p", parent, "-m", message, NULL};
	const char *const without[] = {"commit-tree", tree, "-m", message, NULL};
	enum kt_code code = desk_git(desk, parent == NULL ? without : with, commit, err);

	free(message);
	return code;
}

enum kt_code kt_rescue_commit(const struct kt_mission *mission, const char *lane,
	const char *commit, char **ref, struct kt_error *err)
{
	char *time_text = stamp();
	char *name = kt_format("refs/kitty/rescue/%s/%s/%s", mission->slug, lane, time_text);
	const char *const args[] = {"update-ref", "-m", "kitty: rescue", name, commit,
		"0000000000000000000000000000000000000000", NULL};
	struct kt_git_call call = {.cwd = mission->repo_root, .args = args};
	struct kt_repository *repo = NULL;
	struct kt_hold *hold = NULL;
	struct kt_oid oid = {{0}};
	enum kt_code code = kt_repository_find(mission->repo_root, &repo, err);

	if (code == KT_E_OK && kt_oid_parse(commit, &oid))
		code = kt_hold_take(repo, &oid, &hold, err);
	if (code == KT_E_OK)
		code = kt_git_run(&call, err);
	code = kt_hold_end(hold, code, err);
	kt_repository_free(repo);
	free(time_text);
	if (code == KT_E_OK) {
		*ref = name;
		name = NULL;
	}
	free(name);
	return code;
}

enum kt_code kt_rescue_folder(const struct kt_mission *mission, const char *lane,
	const char *folder, const char *parent, char **ref, struct kt_error *err)
{
	static const char empty_tree[] = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
	struct desk desk;
	char *tree = NULL, *before = NULL, *commit = NULL;
	enum kt_code code = kt_folder_make(mission->run_dir, 0700, err);

	*ref = NULL;
	if (code != KT_E_OK || !kt_folder_exists(folder))
		return code;
	desk_open(&desk, mission, folder);
	code = tree_write(&desk, parent, &tree, err);
	if (code == KT_E_OK && parent != NULL)
		code = tree_of(&desk, parent, &before, err);
	if (code == KT_E_OK && tree != NULL &&
		strcmp(tree, before == NULL ? empty_tree : before) != 0) {
		code = commit_make(&desk, lane, tree, parent, &commit, err);
		if (code == KT_E_OK)
			code = kt_rescue_commit(mission, lane, commit, ref, err);
	}
	desk_close(&desk);
	free(commit);
	free(before);
	free(tree);
	return code;
}

/* ---- taking away ---- */

static enum kt_code has_ignored(
	const struct kt_mission *mission, const char *folder, bool *out, struct kt_error *err)
{
	static const char *const args[] = {
		"ls-files", "--others", "--ignored", "--exclude-standard", "--directory", NULL};
	struct desk desk;
	char *first = NULL;
	enum kt_code code;

	desk_open(&desk, mission, folder);
	code = desk_git(&desk, args, &first, err);
	*out = first != NULL;
	desk_close(&desk);
	free(first);
	return code;
}

static enum kt_code move_aside(const struct kt_mission *mission, const char *shelf,
	const char *name, const char *path, char **moved_to, struct kt_error *err)
{
	char *folder = kt_path_join(mission->run_dir, shelf), *time_text = stamp();
	char *place = kt_format("%s/%s-%s", folder, name, time_text);
	enum kt_code code = kt_folder_make(folder, 0700, err);

	if (code == KT_E_OK && rename(path, place) != 0)
		code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%s", path);
	if (code == KT_E_OK) {
		*moved_to = place;
		place = NULL;
	}
	free(place);
	free(time_text);
	free(folder);
	return code;
}

enum kt_code kt_rescue_clear(const struct kt_mission *mission, const char *lane, const char *folder,
	char **moved_to, struct kt_error *err)
{
	bool keeps = false;
	enum kt_code code = KT_E_OK;

	*moved_to = NULL;
	if (!kt_folder_exists(folder)) /* a file, or nothing */
		return kt_file_exists(folder)
			       ? move_aside(mission, "rescue", lane, folder, moved_to, err)
			       : KT_E_OK;
	code = has_ignored(mission, folder, &keeps, err);
	if (code != KT_E_OK)
		return code;
	return keeps ? move_aside(mission, "rescue", lane, folder, moved_to, err)
		     : kt_folder_remove_tree(folder, err);
}

enum kt_code kt_rescue_file(const struct kt_mission *mission, const char *lane, const char *path,
	char **moved_to, struct kt_error *err)
{
	char *name = kt_format("%s-%s", lane, strrchr(path, '/') + 1);
	enum kt_code code = move_aside(mission, "quarantine", name, path, moved_to, err);

	free(name);
	return code;
}
