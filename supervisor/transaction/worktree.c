/*
 * The coordination worktree before and after a transaction: made when it is missing, asserted to be
 * on its branch, and brought to the tip by git's own two-tree read when more than the status files
 * changed. Git work that takes long runs in a child; nothing here waits for it.
 */
#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "supervisor/git/environment.h"
#include "supervisor/transaction/writer_private.h"

static enum turn fail(struct kt_writer *writer, const struct kt_error *err)
{
	kt_batch_fail(writer, err);
	writer->step = STEP_ANSWER;
	return TURN_NEXT;
}

static enum turn wait_for_child(struct kt_writer *writer)
{
	writer->wait =
		(struct kt_wait){writer->child.child.pidfd, kt_subprocess_wake_ms(&writer->child)};
	return TURN_WAIT;
}

/* The helper prints one JSON object; its error is the cause. */
static void explain_helper(struct kt_writer *writer, struct kt_error *err)
{
	struct kt_buffer output = KT_BUFFER_INIT;
	struct kt_json *answer = NULL;
	struct kt_error cause = KT_ERROR_INIT;

	kt_subprocess_output(&writer->child, 64 << 10, &output);
	if (kt_json_parse(kt_buffer_text(&output), output.len, KT_JSON_LAST_WINS, &answer,
		    &cause) == KT_E_OK &&
		kt_outcome_code(answer, &cause) != KT_E_OK) {
		*err = cause;
	} else {
		(void)kt_error_set(err, KT_E_BOOKKEEPING_WORKTREE_MISSING, "%s: %.300s",
			writer->to.worktree, kt_buffer_text(&output));
	}
	kt_json_free(answer);
	kt_buffer_release(&output);
}

static enum turn start_helper(struct kt_writer *writer)
{
	const struct kt_mission *mission = writer->options.mission;
	const char *const argv[] = {
		writer->program, "internal", "coordination", "--mission", mission->slug, NULL};
	struct kt_error err = KT_ERROR_INIT;

	if (kt_subprocess_start(&writer->child, argv, NULL, mission->repo_root, KT_GIT_TIMEOUT_MS,
		    &err) != KT_E_OK)
		return fail(writer, &err);
	return wait_for_child(writer);
}

/* A worktree that was there once and that this helper had to make again: somebody took it away. */
static void warn_if_remade(struct kt_writer *writer)
{
	struct kt_buffer output = KT_BUFFER_INIT;
	struct kt_json *answer = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid synced = {{0}};

	kt_subprocess_output(&writer->child, 64 << 10, &output);
	if (kt_synced_read(writer, &synced) &&
		kt_json_parse(kt_buffer_text(&output), output.len, KT_JSON_LAST_WINS, &answer,
			&ignored) == KT_E_OK &&
		kt_json_get_bool(answer, "created", false))
		kt_writer_notice(writer,
			"warning: the coordination worktree was missing; it was made again from %s",
			writer->to.branch);
	kt_json_free(answer);
	kt_buffer_release(&output);
}

static enum kt_code helper_ended(
	struct kt_writer *writer, const struct kt_child_status *status, struct kt_error *err)
{
	struct kt_oid tip = {{0}};

	if (status->timed_out || !status->exited || status->exit_code != 0)
		explain_helper(writer, err);
	else
		warn_if_remade(writer);
	kt_subprocess_release(&writer->child);
	if (err->code == KT_E_OK &&
		kt_store_ref_read(writer->store, writer->to.ref, &tip, err) == KT_E_OK)
		kt_synced_write(writer, &tip);
	return err->code;
}

static enum kt_code check_facts(
	struct kt_writer *writer, const struct kt_worktree_facts *facts, struct kt_error *err)
{
	if (facts->head == NULL || strcmp(facts->head, writer->to.ref) != 0) {
		(void)kt_error_set(err, KT_E_COORDINATION_WORKTREE_BRANCH_MISMATCH,
			"%s is on %s, not on %s", writer->to.worktree,
			facts->head == NULL ? "a detached HEAD" : facts->head, writer->to.branch);
		kt_error_next(err, "git -C '%s' switch %s", writer->to.worktree, writer->to.branch);
		return err->code;
	}
	if (facts->state[0] != '\0')
		return kt_error_set(err, KT_E_COORDINATION_WORKTREE_BUSY, "a %s in %s",
			facts->state, writer->to.worktree);
	return KT_E_OK;
}

/* Somebody's checkout is never made or repaired here, and policy speaks before its files are looked
 * at. Without a request there is nothing to do in it but what a killed writer left undone. */
static enum turn enter_checkout(struct kt_writer *writer)
{
	struct kt_error err = KT_ERROR_INIT;

	writer->step = STEP_ANSWER;
	if (writer->batch == NULL && !writer->heals_checkout)
		return TURN_NEXT;
	/* After a lost race the branch may be another one. */
	if (writer->attempts > 0 && kt_batch_address(writer, &err) != KT_E_OK)
		return fail(writer, &err);
	if (!kt_batch_is_refused(writer))
		writer->step = STEP_HEAL;
	return TURN_NEXT;
}

/* A folder with a .git that is ours, or nothing at all, is all that the next steps have to know. */
enum turn kt_step_worktree(struct kt_writer *writer)
{
	struct kt_worktree_facts facts = {0};
	struct kt_child_status status = {0};
	struct kt_error err = KT_ERROR_INIT;
	bool is_helped = writer->child.child.pid > 0;

	if (!kt_destination_is_own(&writer->to))
		return enter_checkout(writer);
	if (is_helped) {
		if (!kt_subprocess_poll(&writer->child, &status))
			return wait_for_child(writer);
		if (helper_ended(writer, &status, &err) != KT_E_OK)
			return fail(writer, &err);
	}
	kt_worktree_inspect(writer->options.repo, writer->to.worktree, &facts);
	/* One whose making was killed has no HEAD to speak of yet; the helper makes it anew. */
	if (!facts.is_linked || kt_worktree_is_unfinished(facts.git_dir)) {
		kt_worktree_facts_release(&facts);
		if (!is_helped)
			return start_helper(writer);
		/* Taken away again at once, or never made: not to be tried without an end. */
		(void)kt_error_set(
			&err, KT_E_BOOKKEEPING_WORKTREE_MISSING, "%s", writer->to.worktree);
		return fail(writer, &err);
	}
	if (check_facts(writer, &facts, &err) == KT_E_OK) {
		free(writer->to.git_dir);
		writer->to.git_dir = kt_strdup(facts.git_dir);
		writer->step = STEP_HEAL;
	}
	kt_worktree_facts_release(&facts);
	return err.code == KT_E_OK ? TURN_NEXT : fail(writer, &err);
}

static enum turn start_sync(struct kt_writer *writer)
{
	struct kt_oid_text from = kt_oid_format(&writer->sync_from),
			   to = kt_oid_format(&writer->tip);
	const char *const argv[] = {"git", "-c", "core.hooksPath=/dev/null", "read-tree", "-m",
		"-u", from.text, to.text, NULL};
	char **environment = kt_git_environment(KT_GIT_PLUMBING, NULL);
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = kt_subprocess_start(
		&writer->child, argv, environment, writer->to.worktree, KT_GIT_TIMEOUT_MS, &err);

	kt_environment_free(environment);
	return code == KT_E_OK ? wait_for_child(writer) : fail(writer, &err);
}

/* git refused files, or was killed: the helper takes away what a killed sync left half-written and
 * reads again. */
static enum turn start_sync_helper(struct kt_writer *writer)
{
	const struct kt_mission *mission = writer->options.mission;
	struct kt_oid_text from = kt_oid_format(&writer->sync_from);
	const char *const argv[] = {writer->program, "internal", "coordination-sync", "--mission",
		mission->slug, "--since", from.text, NULL};
	struct kt_error err = KT_ERROR_INIT;

	if (kt_subprocess_start(&writer->child, argv, NULL, mission->repo_root, KT_GIT_TIMEOUT_MS,
		    &err) != KT_E_OK)
		return fail(writer, &err);
	writer->sync_is_helped = true;
	return wait_for_child(writer);
}

/* After the sync: what was committed stays committed, whatever the files say. */
static void sync_failed(struct kt_writer *writer)
{
	struct kt_buffer output = KT_BUFFER_INIT;
	struct kt_error err = KT_ERROR_INIT;

	kt_subprocess_output(&writer->child, 400, &output);
	while (output.len > 0 && strchr("\r\n ", output.data[output.len - 1]) != NULL)
		output.data[--output.len] = '\0';
	(void)kt_error_set(&err, KT_E_BOOKKEEPING_ROLLBACK_FAILED,
		"git could not bring %s to the tip: %s", writer->to.worktree,
		kt_buffer_text(&output));
	/* Whatever git refused to overwrite is somebody's: only they can move it. */
	kt_error_next(&err, "git -C '%s' status", writer->to.worktree);
	kt_writer_notice(writer, "warning: %s [%s]", err.detail, kt_error_text(err.code));
	kt_batch_fail(writer, &err);
	kt_buffer_release(&output);
}

enum turn kt_step_sync(struct kt_writer *writer)
{
	struct kt_child_status status = {0};

	if (writer->child.child.pid <= 0)
		return start_sync(writer);
	if (!kt_subprocess_poll(&writer->child, &status))
		return wait_for_child(writer);
	if (status.exited && status.exit_code == 0) {
		kt_synced_write(writer, &writer->tip);
	} else if (!writer->sync_is_helped) {
		kt_subprocess_release(&writer->child);
		return start_sync_helper(writer);
	} else {
		sync_failed(writer);
	}
	kt_subprocess_release(&writer->child);
	writer->sync_is_helped = false;
	kt_working_remember(writer);
	/* Before the build the batch is undecided; after the swap every request has its outcome. */
	writer->step = STEP_ANSWER;
	for (const struct pending *p = writer->batch; p != NULL; p = p->next)
		if (p->outcome == NULL)
			writer->step = STEP_GATE;
	return TURN_NEXT;
}
