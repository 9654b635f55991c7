/*
 * Closing. Runs in `kitty mission close`. Order: everything that must survive is durable first,
 * then worktrees, then branches, the coordination branch last: while it is there, a killed run can
 * be run again.
 */
#include "supervisor/close.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/file.h"
#include "supervisor/close_private.h"
#include "supervisor/git/store.h"
#include "supervisor/git/worktree.h"
#include "supervisor/lease.h"
#include "supervisor/transaction/holder.h"
#include "supervisor/transaction/lock.h"
#include "supervisor/trash.h"

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
	const struct kt_close *wish;
	struct kt_store *store;
	struct kt_json *items;
	size_t remaining;
};

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
	int64_t until = kt_clock_monotonic_ms() + KT_LOCK_TIMEOUT_MS;
	enum kt_code code = KT_E_OK;
	char *holder = NULL;

	*fd = -1;
	do {
		code = kt_lock_try(mission->lock_path, fd, err);
		if (code == KT_E_OK && *fd < 0)
			(void)poll(NULL, 0, 20);
	} while (code == KT_E_OK && *fd < 0 && kt_clock_monotonic_ms() < until);
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

static void worktree_close(struct closing *c, const char *lane, const char *path, const char *trash)
{
	struct kt_worktree_facts facts;
	char *reason = NULL;

	if (is_gone(c, path)) {
		(void)kt_close_item(c->items, "worktree", lane, path, "absent");
		return;
	}
	kt_worktree_removal_resume(c->wish->repo, path);
	kt_worktree_inspect(c->wish->repo, path, &facts);
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
		(void)kt_close_item(c->items, "branch", lane, branch, "absent");
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
	for (size_t i = 0; lanes != NULL && i < lanes->len; i++) {
		const char *id = lanes->lanes[i].id;
		char *branch = kt_mission_lane_branch(c->wish->mission, id);
		char *trash = kt_format("heads/%s", id);

		if (strcmp(id, "lane-planning") != 0)
			branch_close(c, id, branch, trash);
		free(trash);
		free(branch);
	}
}

static void coordination_close(struct closing *c)
{
	const struct kt_mission *mission = c->wish->mission;

	if (mission->coordination_branch == NULL)
		return;
	worktree_close(c, NULL, mission->coord_worktree, "coord");
	/* The lanes' list stands on this branch: as long as something remains it is needed. */
	if (c->remaining > 0)
		item_kept(c, "branch", NULL, mission->coordination_branch,
			"something else of the mission remains");
	else
		branch_close(c, NULL, mission->coordination_branch, "coordination");
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
	lanes_close(c);
	coordination_close(c);
	*report = kt_json_new_object();
	kt_json_set(*report, "items", c->items);
	kt_json_set_int(*report, "remaining", (int64_t)c->remaining);
	c->items = NULL;
	return KT_E_OK;
}

enum kt_code kt_mission_close(
	const struct kt_close *wish, struct kt_json **report, struct kt_error *err)
{
	struct closing c = {wish, NULL, kt_json_new_array(), 0};
	int lock = -1;
	/* Asked before the lock, too: a supervisor keeps it for ever. */
	enum kt_code code = kt_close_liveness(wish->mission, wish->plan, err);

	if (code == KT_E_OK)
		code = kt_close_lock(wish->mission, "kitty mission close", &lock, err);
	if (code == KT_E_OK)
		code = close_locked(&c, report, err);
	kt_close_unlock(wish->mission, lock);
	kt_store_close(c.store);
	kt_json_free(c.items);
	return code;
}
