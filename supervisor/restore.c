/*
 * Bringing a discarded mission back from its trash. Runs in `kitty mission restore`. The trash is
 * emptied last: a killed run is run again.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/close_private.h"
#include "supervisor/lane_ops.h"
#include "supervisor/trash.h"

#define HEADS "heads/"

struct restoring {
	const struct kt_repository *repo;
	const struct kt_mission *mission; /* as it was resolved, closed */
	struct kt_mission *open;          /* resolved again when its branch is back */
	struct kt_json *items;
	struct kt_buffer refs; /* lines "name oid" below the mission's trash */
};

static enum kt_code refs_load(struct restoring *r, struct kt_error *err)
{
	char *folder = kt_trash_ref(r->mission, "");
	const char *const args[] = {
		"for-each-ref", "--format=%(refname) %(objectname)", folder, NULL};
	enum kt_code code = kt_trash_git(r->repo->primary, args, NULL, &r->refs, err);

	free(folder);
	return code;
}

/* One line: name below the mission's trash, and its commit. Gives *name. */
static const char *line_read(
	const struct restoring *r, const char *line, char **name, struct kt_oid_text *oid)
{
	char *folder = kt_trash_ref(r->mission, "");
	size_t skip = strlen(folder);
	size_t len = strcspn(line, " ");

	free(folder);
	if (line[0] == '\0' || len <= skip || strlen(line + len) < 41)
		return NULL;
	*name = kt_strndup(line + skip, len - skip);
	memcpy(oid->text, line + len + 1, 40);
	oid->text[40] = '\0';
	line += len + 41;
	return *line == '\n' ? line + 1 : line;
}

static enum kt_code branch_restore(struct restoring *r, const char *lane, const char *branch,
	const char *oid, struct kt_error *err)
{
	static const char none[] = "0000000000000000000000000000000000000000";
	char *ref = kt_format("refs/heads/%s", branch);
	const char *const args[] = {
		"update-ref", "-m", "kitty mission restore", ref, oid, none, NULL};
	char *now = NULL;
	enum kt_code code = kt_trash_read(r->repo, ref, &now, err);

	if (code == KT_E_OK && now != NULL && strcmp(now, oid) != 0)
		code = kt_error_set(
			err, KT_E_REF_MOVED, "%s is there with another commit, %.12s", branch, now);
	else if (code == KT_E_OK && now == NULL)
		code = kt_trash_git(r->repo->primary, args, NULL, NULL, err);
	if (code == KT_E_OK)
		(void)kt_close_item(
			r->items, "branch", lane, branch, now == NULL ? "restored" : "present");
	free(now);
	free(ref);
	return code;
}

typedef enum kt_code (*line_cb)(
	struct restoring *r, const char *name, const char *oid, struct kt_error *err);

static enum kt_code each_ref(struct restoring *r, line_cb act, struct kt_error *err)
{
	const char *line = kt_buffer_text(&r->refs);
	enum kt_code code = KT_E_OK;

	while (line != NULL && code == KT_E_OK) {
		char *name = NULL;
		struct kt_oid_text oid;

		line = line_read(r, line, &name, &oid);
		if (line != NULL)
			code = act(r, name, oid.text, err);
		free(name);
	}
	return code;
}

static enum kt_code on_branch(
	struct restoring *r, const char *name, const char *oid, struct kt_error *err)
{
	char *branch = NULL;
	enum kt_code code = KT_E_OK;

	if (strcmp(name, "coordination") == 0)
		return branch_restore(r, NULL, r->mission->coordination_branch, oid, err);
	if (strncmp(name, HEADS, strlen(HEADS)) != 0)
		return KT_E_OK;
	branch = kt_mission_lane_branch(r->mission, name + strlen(HEADS));
	code = branch_restore(r, name + strlen(HEADS), branch, oid, err);
	free(branch);
	return code;
}

static enum kt_code on_worktree(
	struct restoring *r, const char *name, const char *oid, struct kt_error *err)
{
	struct kt_json *facts = NULL;
	enum kt_code code = KT_E_OK;

	(void)oid;
	if (strncmp(name, HEADS, strlen(HEADS)) != 0)
		return KT_E_OK;
	code = kt_lane_prepare(r->repo, r->open, name + strlen(HEADS), &facts, err);
	if (code == KT_E_OK)
		(void)kt_close_item(r->items, "worktree", name + strlen(HEADS),
			kt_json_get_string(facts, "worktree"),
			kt_json_get_bool(facts, "created", false) ? "restored" : "present");
	kt_json_free(facts);
	return code;
}

/* Files that were not committed lie in the worktree again, not committed. */
static enum kt_code on_files(
	struct restoring *r, const char *name, const char *oid, struct kt_error *err)
{
	char *lane = kt_lane_id_parse(name);
	char *worktree = NULL;
	char *source = kt_format("--source=%s", oid);
	const char *const args[] = {"restore", source, "--worktree", "--", ".", NULL};
	enum kt_code code = KT_E_OK;

	if (lane != NULL && strncmp(name, "lane-", 5) == 0) {
		worktree = kt_mission_lane_worktree(r->mission, lane);
		code = kt_trash_git(worktree, args, NULL, NULL, err);
		if (code == KT_E_OK)
			(void)kt_close_item(r->items, "files", lane, worktree, "restored");
	}
	free(source);
	free(worktree);
	free(lane);
	return code;
}

static enum kt_code reopen(struct restoring *r, struct kt_error *err)
{
	char *closed = kt_format("refs/kitty/closed/%s", r->mission->slug);
	const char *const args[] = {"update-ref", "-d", closed, NULL};
	bool was_created = false;
	enum kt_code code = kt_trash_git(r->repo->primary, args, NULL, NULL, err);

	free(closed);
	if (code == KT_E_OK)
		code = kt_mission_resolve(
			r->repo, r->mission->slug, r->repo->primary, &r->open, NULL, err);
	if (code == KT_E_OK && r->open->coordination_branch != NULL) {
		code = kt_coordination_prepare(r->repo, r->open, &was_created, err);
		if (code == KT_E_OK)
			(void)kt_close_item(r->items, "worktree", NULL, r->open->coord_worktree,
				was_created ? "restored" : "present");
	}
	return code;
}

static enum kt_code restore_locked(struct restoring *r, struct kt_error *err)
{
	char *manifest = kt_trash_ref(r->mission, "manifest");
	char *found = NULL;
	enum kt_code code = kt_trash_read(r->repo, manifest, &found, err);

	if (code == KT_E_OK && found == NULL)
		code = kt_error_set(err, KT_E_TRASH_NOT_FOUND, "%s", r->mission->slug);
	if (code == KT_E_OK)
		code = refs_load(r, err);
	if (code == KT_E_OK)
		code = each_ref(r, on_branch, err);
	if (code == KT_E_OK)
		code = reopen(r, err);
	if (code == KT_E_OK)
		code = each_ref(r, on_worktree, err);
	if (code == KT_E_OK)
		code = each_ref(r, on_files, err);
	if (code == KT_E_OK)
		code = kt_trash_empty(r->repo, r->mission->slug, err);
	free(found);
	free(manifest);
	return code;
}

enum kt_code kt_mission_restore(const struct kt_repository *repo, const struct kt_mission *mission,
	struct kt_json **report, struct kt_error *err)
{
	struct restoring r = {repo, mission, NULL, kt_json_new_array(), KT_BUFFER_INIT};
	int lock = -1;
	enum kt_code code = kt_close_liveness(mission, NULL, err);

	if (code == KT_E_OK)
		code = kt_close_lock(mission, "kitty mission restore", &lock, err);
	if (code == KT_E_OK)
		code = restore_locked(&r, err);
	if (code == KT_E_OK) {
		*report = kt_json_new_object();
		kt_json_set(*report, "items", r.items);
		r.items = NULL;
	}
	kt_close_unlock(mission, lock);
	kt_mission_free(r.open);
	kt_buffer_release(&r.refs);
	kt_json_free(r.items);
	return code;
}
