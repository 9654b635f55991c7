/*
 * The lane as a review finds it and leaves it. Runs in a helper process; the comparison, which is
 * pure, in the supervisor. Must never write anything.
 */
#include "supervisor/review_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "supervisor/git/sha1.h"
#include "supervisor/git/store.h"
#include "supervisor/lane_gate.h"
#include "supervisor/lane_ops.h"

/* ---- where the lane forked ---- */

static enum kt_code fork_of(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *tip_text, struct kt_json *facts, struct kt_error *err)
{
	char *base = mission->coordination_ref != NULL
			     ? kt_strdup(mission->coordination_ref)
			     : kt_format("refs/heads/%s", mission->target_branch);
	struct kt_store *store = NULL;
	struct kt_line line = {NULL, 0};
	struct kt_oid tip = {{0}};
	struct kt_oid fork = {{0}};
	bool is_found = false;
	enum kt_code code = kt_store_open(repo, &store, err);

	if (code == KT_E_OK && (tip_text == NULL || !kt_oid_parse(tip_text, &tip)))
		code = kt_error_set(err, KT_E_LANE_BRANCH_MISSING, "the lane's branch has no tip");
	if (code == KT_E_OK)
		code = kt_line_load(repo, base, &line, err);
	if (code == KT_E_OK)
		code = kt_line_fork(&line, store, &tip, &is_found, &fork, err);
	if (code == KT_E_OK)
		kt_json_set_string(facts, "fork", is_found ? kt_oid_format(&fork).text : NULL);
	kt_line_release(&line);
	kt_store_close(store);
	free(base);
	return code;
}

/* ---- the files ---- */

static void content_digest(int fd, struct kt_sha1 *sha)
{
	char piece[65536];
	ssize_t len = 0;

	while ((len = read(fd, piece, sizeof piece)) > 0 || (len < 0 && errno == EINTR))
		if (len > 0)
			kt_sha1_update(sha, piece, (size_t)len);
}

static void file_digest(const char *worktree, const char *name, struct kt_sha1 *sha)
{
	char *path = kt_format("%s/%s", worktree, name);
	struct stat facts = {0};
	char link[4096];
	ssize_t len = 0;
	int fd = -1;

	kt_sha1_update(sha, name, strlen(name) + 1);
	if (lstat(path, &facts) != 0) {
		kt_sha1_update(sha, "gone", 4);
	} else if (S_ISLNK(facts.st_mode)) {
		len = readlink(path, link, sizeof link);
		kt_sha1_update(sha, link, len > 0 ? (size_t)len : 0);
	} else if (S_ISREG(facts.st_mode)) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0)
			content_digest(fd, sha);
	}
	kt_sha1_update(sha, &facts.st_mode, sizeof facts.st_mode);
	if (fd >= 0)
		(void)close(fd);
	free(path);
}

static void files_digest(const char *worktree, struct kt_json *facts)
{
	struct kt_sha1 sha;
	struct kt_oid digest = {{0}};

	kt_sha1_init(&sha);
	for (const struct kt_json *at = kt_json_first(kt_json_get(facts, "dirty")); at != NULL;
		at = kt_json_next(at))
		if (kt_json_string(at) != NULL)
			file_digest(worktree, kt_json_string(at), &sha);
	kt_sha1_final(&sha, &digest);
	kt_json_set_string(facts, "files", kt_oid_format(&digest).text);
}

enum kt_code kt_review_facts(const struct kt_repository *repo, const struct kt_mission *mission,
	const char *lane_id, struct kt_json **facts, struct kt_error *err)
{
	struct kt_json *own = NULL;
	char *id = kt_lane_id_parse(lane_id);
	char *worktree = NULL;
	enum kt_code code = id == NULL ? kt_error_set(err, KT_E_LANE_NOT_FOUND, "%.60s", lane_id)
				       : kt_lane_inspect(repo, mission, id, NULL, &own, err);

	if (code == KT_E_OK)
		code = fork_of(repo, mission, kt_json_get_string(own, "branch_tip"), own, err);
	if (code == KT_E_OK) {
		worktree = kt_mission_lane_worktree(mission, id);
		files_digest(worktree, own);
		*facts = own;
		own = NULL;
	}
	kt_json_free(own);
	free(worktree);
	free(id);
	return code;
}

/* ---- before and after ---- */

static bool is_same(const struct kt_json *before, const struct kt_json *after, const char *key)
{
	const char *left = kt_json_get_string(before, key);
	const char *right = kt_json_get_string(after, key);

	return left == right || (left != NULL && right != NULL && strcmp(left, right) == 0);
}

static bool holds(const struct kt_json *list, const char *text)
{
	for (const struct kt_json *at = kt_json_first(list); at != NULL; at = kt_json_next(at))
		if (kt_json_string(at) != NULL && strcmp(kt_json_string(at), text) == 0)
			return true;
	return false;
}

/* A path that is in one list only; else the first; NULL: both are empty. */
static const char *path_named(const struct kt_json *before, const struct kt_json *after)
{
	for (const struct kt_json *at = kt_json_first(after); at != NULL; at = kt_json_next(at))
		if (kt_json_string(at) != NULL && !holds(before, kt_json_string(at)))
			return kt_json_string(at);
	for (const struct kt_json *at = kt_json_first(before); at != NULL; at = kt_json_next(at))
		if (kt_json_string(at) != NULL && !holds(after, kt_json_string(at)))
			return kt_json_string(at);
	return kt_json_string(kt_json_first(after));
}

char *kt_review_difference(const struct kt_json *before, const struct kt_json *after)
{
	static const char *const refs[] = {"head", "head_ref", "branch_tip", "state"};
	const char *path = NULL;

	for (size_t i = 0; i < sizeof refs / sizeof refs[0]; i++)
		if (!is_same(before, after, refs[i]))
			return kt_format("%s was %s and is %s", refs[i],
				kt_json_get_string(before, refs[i]) == NULL
					? "none"
					: kt_json_get_string(before, refs[i]),
				kt_json_get_string(after, refs[i]) == NULL
					? "none"
					: kt_json_get_string(after, refs[i]));
	if (is_same(before, after, "files") &&
		kt_json_equal(kt_json_get(before, "dirty"), kt_json_get(after, "dirty")))
		return NULL;
	path = path_named(kt_json_get(before, "dirty"), kt_json_get(after, "dirty"));
	return kt_format("the file %s", path == NULL ? "?" : path);
}
