/*
 * Closing. Runs in `kitty mission close`. Order: everything that must survive is durable first,
 * then worktrees, then branches, the coordination branch last: while it is there, a killed run can
 * be run again.
 */
#include "supervisor/close.h"

#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/close_private.h"
#include "supervisor/git/store.h"
#include "supervisor/git/worktree.h"
#include "supervisor/lease.h"
#include "supervisor/transaction/holder.h"
#include "supervisor/transaction/lock.h"
#include "supervisor/transaction/reader.h"
#include "supervisor/trash.h"

#define PASSES_MAX 3

/* ---- items ---- */

struct kt_json *kt_close_item(struct kt_json *items, const char *kind, const char *lane,
	const char *name, const char *result)
{
	struct kt_json *item = kt_json_new_object();

	kt_json_set_string(item, "kind", kind);
	kt_json_set_string(item, "lane", lane);
	kt_json_set_string(item, "name", name);
	kt_json_set_string(item, "result", result);
	kt_json_append(items, item);
	return item;
}

struct closing {
	const struct kt_close *wish; /* as the mission is found under the lock */
	struct kt_store *store;
	struct kt_json *items;
	size_t remaining;
	bool is_again; /* the second look: what is absent was told */
};

static void item_absent(
	const struct closing *c, const char *kind, const char *lane, const char *name)
{
	if (!c->is_again)
		(void)kt_close_item(c->items, kind, lane, name, "absent");
}

static void item_kept(
	struct closing *c, const char *kind, const char *lane, const char *name, const char *reason)
{
	struct kt_json *item = kt_close_item(c->items, kind, lane, name, "kept");

	kt_json_set_string(item, "reason", reason);
	c->remaining++;
}

static void item_kept_error(struct closing *c, const char *kind, const char *lane, const char *name,
	const struct kt_error *err)
{
	char *reason = kt_format("%s: %s", kt_error_text(err->code), err->detail);

	item_kept(c, kind, lane, name, reason);
	free(reason);
}

/* ---- lock and liveness ---- */

enum kt_code kt_close_lock(
	const struct kt_mission *mission, const char *command, int *fd, struct kt_error *err)
{
	enum kt_code code = kt_lock_wait(mission->lock_path, KT_LOCK_TIMEOUT_MS, fd, err);
	char *holder = NULL;

	if (code != KT_E_OK)
		return code;
	if (*fd >= 0)
		return kt_holder_write(mission, command, NULL, err);
	holder = kt_holder_describe(mission);
	code = kt_error_set(err, KT_E_BOOKKEEPING_LOCK_TIMEOUT, "held by %s", holder);
	free(holder);
	return code;
}

void kt_close_unlock(const struct kt_mission *mission, int fd)
{
	if (fd < 0)
		return;
	kt_holder_clear(mission);
	kt_lock_release(fd);
}

static enum kt_code running(
	const struct kt_mission *mission, const char *what, struct kt_error *err)
{
	(void)kt_error_set(err, KT_E_SUPERVISOR_RUNNING, "%s: %s", mission->slug, what);
	kt_error_next(err, "kitty stop --mission %s", mission->slug);
	return KT_E_SUPERVISOR_RUNNING;
}

enum kt_code kt_close_liveness(
	const struct kt_mission *mission, const struct kt_plan *plan, struct kt_error *err)
{
	struct kt_json *holder = kt_holder_read(mission);
	bool has_supervisor = kt_json_get_string(holder, "socket") != NULL;

	kt_json_free(holder);
	if (has_supervisor)
		return running(mission, "a supervisor runs", err);
	for (size_t i = 0; plan != NULL && i < plan->wps_len; i++) {
		struct kt_lease lease = {0};
		bool is_alive = kt_lease_read(mission, plan->wps[i].id, &lease) &&
				kt_lease_is_alive(&lease);

		kt_lease_release(&lease);
		if (is_alive)
			return running(mission, "an agent runs", err);
	}
	return KT_E_OK;
}

/* ---- worktrees ---- */

/* What would be lost with the worktree goes to the trash, or is a reason to keep it. */
static enum kt_code worktree_empty(
	struct closing *c, const char *path, const char *trash, bool *is_kept, struct kt_error *err)
{

	struct kt_buffer changes = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;

	*is_kept = false;
	if (c->wish->discard)
		return kt_trash_files(c->wish->repo, c->wish->mission, path, trash, is_kept, err);
	code = kt_worktree_work(path, &changes, err);
	if (code == KT_E_OK && changes.len > 0)
		code = kt_error_set(err, KT_E_GIT_FAILED, "files that are not committed: %.200s",
			kt_buffer_text(&changes));
	kt_buffer_release(&changes);
	return code;
}

/* Nothing is there any more, neither folder nor registration. */
static bool is_gone(const struct closing *c, const char *path)
{
	char *registration = kt_worktree_registration(c->wish->repo, path);
	bool gone = registration == NULL && !kt_file_exists(path);

	free(registration);
	return gone;
}

static void worktree_drop(struct closing *c, const char *lane, const char *path, const char *trash,
	const struct kt_worktree_facts *facts)
{
	struct kt_error err = KT_ERROR_INIT;
	struct kt_json *item = NULL;
	bool is_kept = false;
	bool is_begun = facts->is_linked && kt_worktree_removal_is_begun(path);
	enum kt_code code = KT_E_OK;

	if (facts->exists && facts->is_linked)
		code = worktree_empty(c, path, trash, &is_kept, &err);
	if (code == KT_E_OK)
		code = kt_worktree_remove(c->wish->repo, path, c->wish->discard || is_begun, &err);
	if (code == KT_E_OK && !is_gone(c, path))
		code = kt_error_set(&err, KT_E_GIT_FAILED, "%s is still there", path);
	if (code != KT_E_OK) {
		item_kept_error(c, "worktree", lane, path, &err);
		return;
	}
	item = kt_close_item(c->items, "worktree", lane, path, "removed");
	if (is_kept) {
		char *ref = kt_trash_ref(c->wish->mission, trash);

		kt_json_set_string(item, "trash", ref);
		free(ref);
	}
}

/* Under the lock: one that is being made at this moment looks like somebody else's. */
static bool worktree_look(
	struct closing *c, const char *lane, const char *path, struct kt_worktree_facts *facts)
{
	const struct kt_repository *repo = c->wish->repo;
	struct kt_error err = KT_ERROR_INIT;
	bool is_there = false;
	int lock = -1;

	if (kt_repository_lock(repo, KT_LOCK_TIMEOUT_MS, &lock, &err) != KT_E_OK) {
		item_kept_error(c, "worktree", lane, path, &err);
		return false;
	}
	is_there = !is_gone(c, path);
	if (is_there) {
		kt_worktree_removal_resume(repo, path);
		kt_worktree_inspect(repo, path, facts);
	} else {
		item_absent(c, "worktree", lane, path);
	}
	kt_repository_unlock(lock);
	return is_there;
}

static void worktree_close(struct closing *c, const char *lane, const char *path, const char *trash)
{
	struct kt_worktree_facts facts;
	char *reason = NULL;

	if (!worktree_look(c, lane, path, &facts))
		return;
	reason = kt_worktree_foreign_lock(&facts);
	if (reason != NULL)
		item_kept(c, "worktree", lane, path, reason);
	else
		worktree_drop(c, lane, path, trash, &facts);
	free(reason);
	kt_worktree_facts_release(&facts);
}

/* ---- branches ---- */

static enum kt_code branch_delete(
	const struct closing *c, const char *ref, const char *oid, struct kt_error *err)
{
	/* Compare and delete: a commit that came meanwhile is not lost. */
	const char *const args[] = {"update-ref", "-d", ref, oid, NULL};
	char *now = NULL;
	enum kt_code code = kt_trash_git(c->wish->repo->primary, args, NULL, NULL, err);

	if (code == KT_E_OK)
		code = kt_trash_read(c->wish->repo, ref, &now, err);
	if (code == KT_E_OK && now != NULL)
		code = kt_error_set(err, KT_E_GIT_FAILED, "%s is still there", ref);
	free(now);
	return code;
}

/* Kept in the trash, or contained in what was merged. */
static enum kt_code branch_secure(
	struct closing *c, const char *oid, const char *trash, struct kt_error *err)
{
	struct kt_oid tip = {{0}};
	bool is_contained = false;
	enum kt_code code = KT_E_OK;

	if (c->wish->discard)
		return kt_trash_keep(c->wish->repo, c->wish->mission, trash, oid, err);
	if (kt_oid_parse(oid, &tip))
		code = kt_store_is_ancestor(c->store, &tip, &c->wish->tip, &is_contained, err);
	if (code == KT_E_OK && !is_contained)
		code = kt_error_set(err, KT_E_MERGE_UNVERIFIED,
			"commits that the merged mission does not hold: %.12s", oid);
	return code;
}

static void branch_close(struct closing *c, const char *lane, const char *branch, const char *trash)
{
	char *ref = kt_format("refs/heads/%s", branch);
	char *elsewhere = kt_branch_checked_out_at(c->wish->repo, branch, NULL);
	struct kt_error err = KT_ERROR_INIT;
	char *oid = NULL;
	enum kt_code code = kt_trash_read(c->wish->repo, ref, &oid, &err);

	if (code == KT_E_OK && oid == NULL) {
		item_absent(c, "branch", lane, branch);
		goto out;
	}
	if (code == KT_E_OK && elsewhere != NULL)
		code = kt_error_set(
			&err, KT_E_BRANCH_CHECKED_OUT_ELSEWHERE, "%s in %s", branch, elsewhere);
	if (code == KT_E_OK)
		code = branch_secure(c, oid, trash, &err);
	if (code == KT_E_OK)
		code = branch_delete(c, ref, oid, &err);
	if (code == KT_E_OK)
		(void)kt_close_item(c->items, "branch", lane, branch, "removed");
	else
		item_kept_error(c, "branch", lane, branch, &err);
out:
	free(oid);
	free(elsewhere);
	free(ref);
}

/* Under the lock: a worktree that came back since goes first, with the next pass. */
static void lane_branch_close(struct closing *c, const char *id)
{
	const struct kt_mission *mission = c->wish->mission;
	char *branch = kt_mission_lane_branch(mission, id);
	char *worktree = kt_mission_lane_worktree(mission, id);
	char *trash = kt_format("heads/%s", id);
	struct kt_error err = KT_ERROR_INIT;
	int lock = -1;

	if (kt_repository_lock(c->wish->repo, KT_LOCK_TIMEOUT_MS, &lock, &err) != KT_E_OK)
		item_kept_error(c, "branch", id, branch, &err);
	else if (c->remaining > 0 || mission->coordination_branch == NULL || is_gone(c, worktree))
		branch_close(c, id, branch, trash);
	kt_repository_unlock(lock);
	free(trash);
	free(worktree);
	free(branch);
}

static void lanes_close(struct closing *c)
{
	const struct kt_lanes *lanes = c->wish->plan == NULL ? NULL : c->wish->plan->lanes;

	/* Worktrees first: git keeps a branch that is checked out. */
	for (size_t i = 0; lanes != NULL && i < lanes->len; i++) {
		const char *id = lanes->lanes[i].id;
		char *path = kt_mission_lane_worktree(c->wish->mission, id);

		if (strcmp(id, "lane-planning") != 0)
			worktree_close(c, id, path, id);
		free(path);
	}
	for (size_t i = 0; lanes != NULL && i < lanes->len; i++)
		if (strcmp(lanes->lanes[i].id, "lane-planning") != 0)
			lane_branch_close(c, lanes->lanes[i].id);
}

/* Of a command that began before the mission was closed. */
static bool has_come_back(const struct closing *c)
{
	const struct kt_mission *mission = c->wish->mission;
	const struct kt_lanes *lanes = c->wish->plan == NULL ? NULL : c->wish->plan->lanes;
	bool is_there = !is_gone(c, mission->coord_worktree);

	for (size_t i = 0; !is_there && lanes != NULL && i < lanes->len; i++) {
		char *path = kt_mission_lane_worktree(mission, lanes->lanes[i].id);

		is_there = strcmp(lanes->lanes[i].id, "lane-planning") != 0 && !is_gone(c, path);
		free(path);
	}
	return is_there;
}

/* Nobody makes a worktree of the mission without this branch, nor without the lock that is held
 * here: what is not there now does not come any more. False: something came. */
static bool coordination_branch_close(struct closing *c)
{
	const char *branch = c->wish->mission->coordination_branch;
	struct kt_error err = KT_ERROR_INIT;
	bool is_alone = false;
	int lock = -1;

	if (kt_repository_lock(c->wish->repo, KT_LOCK_TIMEOUT_MS, &lock, &err) != KT_E_OK) {
		item_kept_error(c, "branch", NULL, branch, &err);
		return true;
	}
	is_alone = !has_come_back(c);
	if (is_alone)
		branch_close(c, NULL, branch, "coordination");
	kt_repository_unlock(lock);
	return is_alone;
}

static void all_close(struct closing *c)
{
	const struct kt_mission *mission = c->wish->mission;
	bool is_done = false;

	for (int i = 0; i < PASSES_MAX && !is_done; i++) {
		c->is_again = i > 0;
		lanes_close(c);
		if (mission->coordination_branch == NULL)
			return;
		worktree_close(c, NULL, mission->coord_worktree, "coord");
		/* The lanes' list stands on this branch: as long as something remains it is needed.
		 */
		if (c->remaining > 0)
			break;
		is_done = coordination_branch_close(c);
	}
	if (!is_done)
		item_kept(c, "branch", NULL, mission->coordination_branch,
			"something else of the mission remains");
}

/* ---- the whole ---- */

static enum kt_code closed_read(const struct kt_close *wish, char **oid, struct kt_error *err)
{
	char *ref = kt_format("refs/kitty/closed/%s", wish->mission->slug);
	enum kt_code code = kt_trash_read(wish->repo, ref, oid, err);

	free(ref);
	return code;
}

/* The mission is closed, durably, before anything of it goes away. */
static enum kt_code closed_write(const struct kt_close *wish, struct kt_error *err)
{
	struct kt_oid_text tip = kt_oid_format(&wish->tip);
	char *ref = kt_format("refs/kitty/closed/%s", wish->mission->slug);
	const char *const args[] = {"update-ref", "-m", "kitty mission close", ref, tip.text, NULL};
	enum kt_code code = kt_trash_git(wish->repo->primary, args, NULL, NULL, err);

	free(ref);
	return code;
}

static enum kt_code prepare(const struct kt_close *wish, struct kt_error *err)
{
	struct kt_oid_text tip = kt_oid_format(&wish->tip);
	char *closed = NULL;
	enum kt_code code = kt_close_liveness(wish->mission, wish->plan, err);

	if (code != KT_E_OK)
		return code;
	if (wish->discard) {
		code = kt_trash_open(wish->repo, wish->mission, err);
		if (code == KT_E_OK && !wish->mission->is_closed &&
			wish->mission->coordination_branch != NULL)
			code = kt_trash_keep(
				wish->repo, wish->mission, "coordination", tip.text, err);
		if (code == KT_E_OK && !wish->mission->is_closed &&
			wish->mission->coordination_branch != NULL)
			code = closed_write(wish, err);
		return code;
	}
	code = closed_read(wish, &closed, err);
	if (code == KT_E_OK && closed == NULL) {
		(void)kt_error_set(err, KT_E_MISSION_NOT_MERGED, "%s", wish->mission->slug);
		kt_error_next(err,
			"kitty merge --mission %s, or: kitty mission close --discard --mission %s",
			wish->mission->slug, wish->mission->slug);
		code = KT_E_MISSION_NOT_MERGED;
	}
	free(closed);
	return code;
}

static enum kt_code close_locked(struct closing *c, struct kt_json **report, struct kt_error *err)
{
	enum kt_code code = prepare(c->wish, err);

	if (code == KT_E_OK)
		code = kt_store_open(c->wish->repo, &c->store, err);
	if (code != KT_E_OK)
		return code;
	all_close(c);
	*report = kt_json_new_object();
	kt_json_set(*report, "items", c->items);
	kt_json_set_int(*report, "remaining", (int64_t)c->remaining);
	c->items = NULL;
	return KT_E_OK;
}

enum kt_code kt_mission_close(
	const struct kt_close *wish, struct kt_json **report, struct kt_error *err)
{
	struct kt_close now = *wish;
	struct closing c = {.wish = &now, .items = kt_json_new_array()};
	struct kt_mission *mission = NULL;
	struct kt_view *view = NULL;
	int lock = -1;
	/* Asked before the lock, too: a supervisor keeps it for ever. */
	enum kt_code code = kt_close_liveness(wish->mission, wish->plan, err);

	if (code == KT_E_OK)
		code = kt_close_lock(wish->mission, "kitty mission close", &lock, err);
	/* Whoever had the lock before may have committed, closed or restored. */
	if (code == KT_E_OK)
		code = kt_mission_resolve(
			wish->repo, wish->mission->slug, wish->repo->primary, &mission, NULL, err);
	if (code == KT_E_OK)
		code = kt_view_load(wish->repo, mission, &view, err);
	if (code == KT_E_OK) {
		now.mission = mission;
		now.plan = view->plan;
		now.tip = view->tip;
		code = close_locked(&c, report, err);
	}
	kt_close_unlock(wish->mission, lock);
	kt_view_free(view);
	kt_mission_free(mission);
	kt_store_close(c.store);
	kt_json_free(c.items);
	return code;
}
