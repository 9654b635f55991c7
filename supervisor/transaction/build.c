/*
 * Build: a chain of commits in memory, one per request, on top of the tip (docs/decisions.md,
 * "Group commit"). Nothing is visible until the swap. One bad request never fails its neighbours.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/clock.h"
#include "supervisor/transaction/writer_private.h"

static const char fallback_name[] = "kitty";
static const char fallback_email[] = "kitty@localhost.invalid";

void kt_batch_discard(struct kt_writer *writer)
{
	struct kt_error ignored = KT_ERROR_INIT;

	kt_commit_forget(writer->store);
	kt_reducer_rollback(writer->state, writer->state_mark);
	kt_reducer_settle(writer->state);
	kt_buffer_release(&writer->new_log);
	kt_buffer_release(&writer->new_snapshot);
	if (writer->has_files && kt_identity_load(writer, &writer->tip, &ignored) != KT_E_OK)
		memset(&writer->log_stat, 0, sizeof writer->log_stat);
	writer->has_files = false;
	writer->built = 0;
	for (struct pending *p = writer->batch; p != NULL; p = p->next)
		p->is_built = false;
}

/* Gives the identity of bookkeeping commits: the user's, else one of kitty's own. */
static void identify(struct kt_writer *writer, char **name, char **email)
{
	*name = kt_repository_config_get(writer->options.repo, "user.name");
	*email = kt_repository_config_get(writer->options.repo, "user.email");
	if (*name == NULL || **name == '\0') {
		free(*name);
		*name = kt_strdup(fallback_name);
	}
	if (*email == NULL || **email == '\0') {
		free(*email);
		*email = kt_strdup(fallback_email);
	}
}

static size_t add_status_changes(
	struct kt_writer *writer, size_t rows_len, struct kt_change *changes)
{
	const struct kt_mission *mission = writer->options.mission;

	changes[0] = (struct kt_change){.path = mission->log_path,
		.bytes = kt_buffer_text(&writer->new_log),
		.len = writer->new_log.len};
	if (writer->built > 0 || writer->has_log) {
		changes[0].previous = &writer->new_log_blob;
		changes[0].shared_prefix = writer->new_log.len - rows_len;
	}
	changes[1] = (struct kt_change){.path = mission->snapshot_path,
		.bytes = kt_buffer_text(&writer->new_snapshot),
		.len = writer->new_snapshot.len};
	if (writer->built > 0 || writer->has_snapshot)
		changes[1].previous = &writer->new_snapshot_blob;
	return 2;
}

enum kt_code kt_commit_request(struct kt_writer *writer, struct pending *pending,
	const char *message, struct kt_oid *commit, struct kt_error *err)
{
	const struct kt_json *files = kt_json_get(pending->request, "files");
	size_t count = kt_json_size(files), len = 0;
	struct kt_change *changes = kt_alloc((count + 2) * sizeof *changes);
	struct kt_oid *oids = kt_alloc((count + 2) * sizeof *oids);
	struct kt_oid *blobs = kt_alloc((count + 2) * sizeof *blobs);
	struct kt_oid parents[2] = {writer->new_tip, writer->integrated.commit};
	struct kt_commit_plan plan = {
		.parents = parents, .parents_len = 1, .changes = changes, .message = message};
	char *name = NULL, *email = NULL;
	enum kt_code code = KT_E_OK;

	len = add_status_changes(writer, pending->rows.len, changes);
	for (struct kt_json *f = kt_json_first(files); f != NULL; f = kt_json_next(f), len++) {
		(void)kt_oid_parse(kt_json_get_string(f, "blob"), &oids[len]);
		changes[len] = (struct kt_change){
			.path = kt_json_get_string(f, "path"), .blob = &oids[len]};
	}
	plan.changes_len = len;
	if (writer->integrated.is_set && !writer->integrated.is_contained) {
		plan.parents_len = 2;
		plan.base_tree = &writer->integrated.tree;
	}
	identify(writer, &name, &email);
	plan.author = (struct kt_signature){name, email, kt_clock_wall_us() / 1000000};
	plan.committer = plan.author;
	code = kt_commit_build(writer->store, &plan, commit, blobs, err);
	if (code == KT_E_OK) {
		pending->log_blob = blobs[0];
		pending->snapshot_blob = blobs[1];
		pending->committed_at = plan.committer.seconds;
	}
	free(name);
	free(email);
	free(changes);
	free(oids);
	free(blobs);
	return code;
}

/* The snapshot's identity fields come from the meta.json of the same tree, which this request may
 * bring along. */
static enum kt_code preview_identity(
	struct kt_writer *writer, struct pending *pending, struct kt_error *err)
{
	struct kt_oid commit = {{0}};
	enum kt_code code = KT_E_OK;

	/* A merge changes more files than the row does: the worktree follows as after a plan
	 * change.
	 */
	if (writer->integrated.is_set && !writer->integrated.is_contained)
		writer->has_files = true;
	if (kt_json_get(pending->request, "files") == NULL)
		return KT_E_OK;
	writer->has_files = true;
	code = kt_commit_request(writer, pending, "preview", &commit, err);
	if (code == KT_E_OK)
		code = kt_identity_load(writer, &commit, err);
	kt_commit_forget(writer->store);
	return code;
}

static void take_snapshot(struct kt_writer *writer)
{
	const struct kt_snapshot_identity identity = {writer->number, writer->type};

	kt_buffer_clear(&writer->new_snapshot);
	kt_reducer_snapshot(writer->state, &identity, &writer->new_snapshot);
}

static enum kt_status first_from(const struct pending *pending)
{
	const struct kt_json *move = kt_json_first(pending->moves);

	return move == NULL ? KT_STATUS_NONE
			    : kt_status_from_name(kt_json_get_string(move, "from_lane"));
}

/* True when a commit was built for it. */
static bool build_one(struct kt_writer *writer, struct pending *pending, struct kt_error *err)
{
	size_t old_len = writer->new_log.len;
	size_t mark = kt_reducer_mark(writer->state);
	struct kt_oid commit = {{0}};
	enum kt_code code = kt_request_admit(writer, pending, err);

	if (code != KT_E_OK || pending->outcome != NULL)
		return false;
	if (pending->rows.len == 0 && kt_json_get(pending->request, "files") == NULL &&
		!(writer->integrated.is_set && !writer->integrated.is_contained)) {
		(void)!kt_pending_answer_unneeded(writer, pending, err);
		return false;
	}
	kt_buffer_append(&writer->new_log, pending->rows.data, pending->rows.len);
	take_snapshot(writer);
	code = preview_identity(writer, pending, err);
	if (code == KT_E_OK) {
		take_snapshot(writer);
		free(pending->message);
		pending->message = kt_request_message(pending->request, first_from(pending));
		code = kt_commit_request(writer, pending, pending->message, &commit, err);
	}
	if (code != KT_E_OK) {
		writer->new_log.len = old_len;
		kt_reducer_rollback(writer->state, mark);
		take_snapshot(writer);
		return false;
	}
	pending->commit = commit;
	pending->is_built = true;
	pending->log_end = writer->new_log.len;
	writer->new_tip = commit;
	writer->new_log_blob = pending->log_blob;
	writer->new_snapshot_blob = pending->snapshot_blob;
	writer->built++;
	return true;
}

void kt_batch_defer_after(struct kt_writer *writer, struct pending *last)
{
	struct pending *rest = NULL, *end = NULL;

	KT_BUG_UNLESS(last != NULL); /* a batch keeps its first request */
	end = rest = last->next;
	if (rest == NULL)
		return;
	while (end->next != NULL)
		end = end->next;
	last->next = NULL;
	end->next = writer->queue;
	if (writer->queue == NULL)
		writer->queue_end = &end->next;
	writer->queue = rest;
}

static void add_conflict_facts(struct kt_writer *writer, struct pending *pending)
{
	const struct kt_json *op = kt_json_first(kt_json_get(pending->request, "ops"));
	const char *wp_id = kt_json_get_string(op, "wp");
	struct kt_wp_state wp = {0};

	if (wp_id == NULL || !kt_reducer_wp(writer->state, wp_id, &wp))
		return;
	kt_json_set_string(pending->outcome, "wp_id", wp_id);
	kt_json_set_string(pending->outcome, "observed", kt_status_name(wp.status));
	kt_json_set_string(pending->outcome, "holder", wp.claim_actor ? wp.claim_actor : wp.actor);
}

static void start_batch(struct kt_writer *writer)
{
	kt_reducer_settle(writer->state);
	writer->state_mark = kt_reducer_mark(writer->state);
	writer->new_tip = writer->tip;
	writer->new_log_blob = writer->log_blob;
	writer->new_snapshot_blob = writer->snapshot_blob;
	writer->built = 0;
	writer->has_files = false;
	kt_buffer_clear(&writer->new_log);
	kt_buffer_append(&writer->new_log, kt_buffer_text(&writer->log), writer->log.len);
	take_snapshot(writer);
}

static void build_batch(struct kt_writer *writer, bool is_single)
{
	struct pending *previous = NULL;

	for (struct pending *p = writer->batch; p != NULL; previous = p, p = p->next) {
		struct kt_error err = KT_ERROR_INIT;
		bool is_built = false;

		/* A plan change is a batch of its own: what comes after it is judged by the new
		 * plan. */
		if (writer->built > 0 && kt_json_get(p->request, "files") != NULL) {
			kt_batch_defer_after(writer, previous);
			return;
		}
		is_built = p->outcome == NULL && build_one(writer, p, &err);
		if (err.code == KT_E_EVENT_ID_CONFLICT && writer->built > 0) {
			/* It may name an event of this very batch: after the commit its receipt can
			 * be found. */
			kt_batch_defer_after(writer, previous);
			return;
		}
		if (err.code != KT_E_OK) {
			kt_pending_fail(writer, p, &err);
			if (kt_error_exit(err.code) == KT_EXIT_CONFLICT)
				add_conflict_facts(writer, p);
		}
		if (is_built && (is_single || writer->has_files))
			kt_batch_defer_after(writer, p);
	}
}

/* Each of these hooks runs once per commit, and so does a signer: a commit is a batch of its own.
 */
static bool has_companions(const struct kt_writer *writer)
{
	return writer->options.sign || kt_hooks_any_before_commit(&writer->hooks) ||
	       writer->hooks.path[KT_HOOK_POST_COMMIT] != NULL;
}

enum turn kt_step_build(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;

	kt_hooks_release(&writer->hooks);
	if (kt_hooks_find(writer->options.repo, writer->to.worktree, &writer->hooks, &err) !=
		KT_E_OK) {
		kt_batch_fail(writer, &err);
		writer->step = STEP_ANSWER;
		return TURN_NEXT;
	}
	start_batch(writer);
	build_batch(writer, has_companions(writer));
	if (writer->built == 0) {
		kt_batch_discard(writer);
		writer->step = STEP_ANSWER;
	} else {
		writer->step = kt_hooks_any_before_commit(&writer->hooks)
				       ? STEP_HOOKS
				       : kt_step_before_swap(writer);
	}
	return TURN_NEXT;
}
