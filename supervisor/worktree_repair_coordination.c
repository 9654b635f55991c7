/*
 * The coordination worktree, repaired: healed by the writer where that is enough, else kept under
 * refs/kitty/rescue/ and made anew from the branch. Part of worktree repair. Must never move the
 * branch.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/file.h"
#include "supervisor/lane_ops_private.h"
#include "supervisor/rescue.h"
#include "supervisor/transaction/reader.h"
#include "supervisor/transaction/writer.h"
#include "supervisor/worktree_repair_private.h"

#define LOCK_WAIT_MS 5000

static enum kt_code acquire(struct repair *repair, struct kt_error *err)
{
	struct kt_writer_options options = {.repo = repair->options->repo,
		.mission = repair->options->mission,
		.holder_command = repair->options->holder_command,
		.lock_timeout_ms = LOCK_WAIT_MS,
		.protected_branches = repair->options->protected_branches,
		.on_notice = repair->options->on_notice,
		.arg = repair->options->arg};
	struct kt_writer *writer = NULL;
	enum kt_code code = kt_writer_new(&options, &writer, err);

	if (code == KT_E_OK)
		code = kt_writer_acquire(writer, err);
	kt_writer_free(writer);
	return code;
}

/* Committed rows were changed in the checked-out log: that file is kept aside, and made again from
 * the branch. */
static enum kt_code edited_log_move(struct repair *repair, struct kt_error *err)
{
	const struct kt_mission *mission = repair->options->mission;
	char *path = kt_path_join(mission->coord_worktree, mission->log_path), *moved_to = NULL;
	enum kt_code code = kt_rescue_file(mission, "coordination", path, &moved_to, err);

	if (code == KT_E_OK)
		kt_repair_did(repair, "moved the edited log to %s", moved_to);
	free(moved_to);
	free(path);
	return code;
}

static enum kt_code coordination_heal(struct repair *repair, struct kt_error *err)
{
	enum kt_code code = acquire(repair, err);

	if (code != KT_E_LOG_EDITED)
		return code;
	*err = (struct kt_error)KT_ERROR_INIT;
	code = edited_log_move(repair, err);
	return code == KT_E_OK ? acquire(repair, err) : code;
}

/* Everything in it is kept, then it is made anew from the branch. */
static enum kt_code coordination_remake(
	struct repair *repair, const struct kt_worktree_facts *facts, struct kt_error *err)
{
	const struct kt_mission *mission = repair->options->mission;
	const char *path = mission->coord_worktree;
	char *parent = NULL, *ref = NULL;
	enum kt_code code =
		kt_lane_revision(facts->is_linked ? path : repair->options->repo->primary,
			facts->is_linked ? "HEAD" : mission->coordination_ref, &parent, err);

	if (code == KT_E_OK && parent != NULL && facts->is_linked && facts->head == NULL)
		code = kt_rescue_commit(mission, repair->subject, parent, &ref, err);
	if (code == KT_E_OK && ref != NULL)
		kt_repair_did(repair, "kept its detached commit as %s", ref);
	if (code == KT_E_OK)
		code = kt_repair_keep_files(repair, path, parent, err);
	if (code == KT_E_OK)
		code = kt_repair_take_away(repair, path, facts->is_linked, err);
	if (code == KT_E_OK)
		code = coordination_heal(repair, err);
	if (code == KT_E_OK)
		kt_repair_did(repair, "made %s again from %s", path, mission->coordination_branch);
	free(ref);
	free(parent);
	return code;
}

static enum kt_code dirt_find(
	struct repair *repair, struct kt_buffer *changes, struct kt_error *err)
{
	kt_buffer_clear(changes);
	return kt_worktree_changes(repair->options->mission->coord_worktree, changes, err);
}

/* Gone: made again when it was made before; the first write makes it otherwise. */
static enum kt_code coordination_return(struct repair *repair, struct kt_error *err)
{
	const struct kt_mission *mission = repair->options->mission;
	enum kt_code code = KT_E_OK;

	repair->problem = "it is gone";
	if (!kt_coordination_was_made(mission))
		return KT_E_OK;
	code = acquire(repair, err);
	if (code == KT_E_OK)
		kt_repair_did(repair, "made %s again", mission->coord_worktree);
	return code;
}

/* On its branch with nothing under way: the writer heals the status files; what is still not the
 * branch's then is somebody's, and is kept. */
static enum kt_code coordination_clean(
	struct repair *repair, const struct kt_worktree_facts *facts, struct kt_error *err)
{
	struct kt_buffer changes = KT_BUFFER_INIT;
	bool was_dirty;
	enum kt_code code = dirt_find(repair, &changes, err);

	repair->problem = "it is not as the coordination branch is";
	was_dirty = changes.len > 0;
	/* An index that git cannot read is healed as well. */
	if (code == KT_E_GIT_FAILED) {
		*err = (struct kt_error)KT_ERROR_INIT;
		code = KT_E_OK;
		was_dirty = true;
	}
	if (code == KT_E_OK)
		code = coordination_heal(repair, err);
	if (code == KT_E_OK)
		code = dirt_find(repair, &changes, err);
	if (code == KT_E_OK && changes.len > 0)
		code = coordination_remake(repair, facts, err);
	else if (code == KT_E_OK && was_dirty)
		kt_repair_did(repair, "brought its files to the branch");
	kt_buffer_release(&changes);
	return code;
}

static const char *coordination_problem(
	const struct kt_mission *mission, const struct kt_worktree_facts *facts)
{
	if (!facts->is_linked)
		return "it is no worktree of this repository";
	if (facts->state[0] != '\0')
		return "a merge or rebase is under way in it";
	if (facts->head == NULL || strcmp(facts->head, mission->coordination_ref) != 0)
		return "it is not on the coordination branch";
	return NULL;
}

enum kt_code kt_repair_coordination(struct repair *repair, struct kt_error *err)
{
	const struct kt_mission *mission = repair->options->mission;
	struct kt_worktree_facts facts;
	enum kt_code code = KT_E_OK;

	kt_worktree_inspect(repair->options->repo, mission->coord_worktree, &facts);
	repair->problem = coordination_problem(mission, &facts);
	if (!kt_file_exists(mission->coord_worktree))
		code = coordination_return(repair, err);
	else if (repair->problem != NULL)
		code = coordination_remake(repair, &facts, err);
	else
		code = coordination_clean(repair, &facts, err);
	kt_worktree_facts_release(&facts);
	return code;
}
