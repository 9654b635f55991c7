/*
 * The order of kitty merge's steps. Runs in the command. Must never move anything before the whole
 * was predicted, nor skip the look at what is done already.
 */
#include "supervisor/merge.h"

#include <stdlib.h>
#include <string.h>

#include <kitty/limits.h>

#include "ipc/file.h"
#include "supervisor/merge_private.h"
#include "supervisor/transaction/holder.h"
#include "supervisor/transaction/lock.h"
#include "supervisor/transaction/writer.h"

enum { MOVES_MAX = 3 };

/* ---- the strategy: chosen once, kept by the record ---- */

static const char *const strategies[] = {"merge", "squash", "rebase", NULL};

static enum kt_code choose_strategy(struct kt_merge_run *run, struct kt_error *err)
{
	const char *recorded = kt_json_get_string(run->state, "strategy");
	const char *wanted = run->options->strategy;
	size_t i = 0;

	if (run->options->resume && run->state == NULL)
		return kt_error_set(err, KT_E_MERGE_NO_STATE, "of %s", run->options->mission->slug);
	if (wanted != NULL && recorded != NULL && strcmp(wanted, recorded) != 0 &&
		!run->options->dry_run) {
		(void)kt_error_set(
			err, KT_E_MERGE_STATE, "it was begun with --strategy %s", recorded);
		kt_error_next(err, "kitty merge --mission %s --resume, or --abort first",
			run->options->mission->slug);
		return KT_E_MERGE_STATE;
	}
	if (wanted == NULL)
		wanted = recorded == NULL ? strategies[0] : recorded;
	while (strategies[i] != NULL && strcmp(strategies[i], wanted) != 0)
		i++;
	run->strategy = strategies[i];
	return run->strategy != NULL
		       ? KT_E_OK
		       : kt_error_set(err, KT_E_INVALID_ARGUMENT,
				 "--strategy `%.40s` is none of merge, squash, rebase", wanted);
}

/* ---- stage 1 ---- */

void kt_merge_add_integrated(struct kt_merge_run *run, const char *wp_id,
	const struct kt_json *request, bool is_recorded)
{
	const struct kt_json *wish = kt_json_get(request, "integrate");
	struct kt_json *row = kt_json_new_object();

	kt_json_set_string(row, "wp_id", wp_id);
	kt_json_set_string(row, "lane", kt_json_get_string(wish, "lane"));
	kt_json_set_string(row, "commit", kt_json_get_string(wish, "commit"));
	kt_json_set_bool(row, "recorded", is_recorded);
	kt_json_append(kt_json_get(run->report, "integrated"), row);
	if (!is_recorded)
		kt_merge_notice(run,
			"warning: no commit was recorded when %s was approved; its lane's tip "
			"%.12s "
			"is taken",
			wp_id, kt_json_get_string(wish, "commit"));
}

static void add_resolution(struct kt_merge_run *run, const char *wp_id, struct kt_json *wish)
{
	struct kt_oid commit = {{0}}, resolution = {{0}};
	const char *text = kt_json_get_string(wish, "commit");

	if (text != NULL && kt_oid_parse(text, &commit) &&
		kt_merge_resolution(run, wp_id, &commit, NULL, &resolution))
		kt_json_set_string(wish, "resolution", kt_oid_format(&resolution).text);
}

static void keep_conflict(struct kt_merge_run *run, const char *wp_id, const struct kt_json *wish,
	const struct kt_json *facts)
{
	const struct kt_json *conflict = kt_json_get(facts, "conflict");

	if (conflict == NULL)
		return;
	kt_json_set(run->report, "conflict", kt_json_copy(conflict));
	kt_json_set_string(kt_json_get(run->report, "conflict"), "stage", "lane");
	kt_json_set_string(kt_json_get(run->report, "conflict"), "wp_id", wp_id);
	free(run->conflict_key);
	run->conflict_key = kt_strdup(wp_id);
	(void)kt_oid_parse(kt_json_get_string(wish, "commit"), &run->conflict_ours);
	(void)kt_oid_parse(
		kt_json_get_string(kt_json_get(conflict, "ours"), "commit"), &run->conflict_theirs);
}

static enum kt_code prepare_request(
	struct kt_merge_run *run, const char *wp_id, struct kt_json **request, struct kt_error *err)
{
	struct kt_log_facts facts = kt_merge_facts(run);
	bool is_recorded = true;
	enum kt_code code =
		kt_integration_request(&facts, wp_id, KT_MERGE_ACTOR, request, &is_recorded, err);

	if (code == KT_E_OK) {
		add_resolution(run, wp_id, kt_json_get(*request, "integrate"));
		kt_merge_add_integrated(run, wp_id, *request, is_recorded);
	}
	return code;
}

/* The commit that the integration would make, in the temporary object folder. */
static enum kt_code predict_commit(
	struct kt_merge_run *run, const struct kt_json *facts, struct kt_error *err)
{
	struct kt_oid parents[2] = {run->tip}, tree = {{0}};
	struct kt_git_commit_wish wish = {.tree = &tree,
		.parents = parents,
		.parents_len = 2,
		.message = "predicted integration\n"};

	if (kt_json_get_bool(facts, "contained", false) ||
		!kt_oid_parse(kt_json_get_string(facts, "tree"), &tree) ||
		!kt_oid_parse(kt_json_get_string(facts, "merged"), &parents[1]))
		return KT_E_OK;
	return kt_git_commit(&run->place, &wish, &run->tip, err);
}

/* The other side may be a work package that is not integrated yet: the lane cannot merge it before.
 */
static void advise_order(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_json *first = kt_json_first(kt_json_get(run->report, "integrated"));

	if (kt_json_next(first) == NULL)
		return;
	kt_error_next(err, "kitty merge --mission %s --interactive", run->options->mission->slug);
	kt_json_append(kt_json_get(kt_json_get(run->report, "conflict"), "resolve"),
		kt_json_new_string(err->next_step));
}

static enum kt_code predict_wp(struct kt_merge_run *run, const char *wp_id, struct kt_error *err)
{
	struct kt_json *request = NULL, *facts = NULL, *wish = NULL;
	struct kt_integration integration = {.repo = run->options->repo,
		.onto = run->tip,
		.owners = run->options->owned_required ? run->view->plan : NULL};
	enum kt_code code = prepare_request(run, wp_id, &request, err);

	if (code != KT_E_OK)
		return code;
	wish = kt_json_get(request, "integrate");
	integration.lane_id = kt_json_get_string(wish, "lane");
	if (kt_json_get_string(wish, "resolution") != NULL)
		(void)kt_oid_parse(kt_json_get_string(wish, "resolution"), &integration.resolution);
	if (kt_json_get_string(wish, "commit") != NULL &&
		kt_oid_parse(kt_json_get_string(wish, "commit"), &integration.commit)) {
		code = kt_integration_compute(
			&run->place, run->options->mission, &integration, &facts, err);
		if (code == KT_E_OK)
			code = predict_commit(run, facts, err);
		else
			keep_conflict(run, wp_id, wish, facts);
		if (code == KT_E_MERGE_CONFLICT)
			advise_order(run, err);
	}
	kt_json_free(facts);
	kt_json_free(request);
	return code;
}

static enum kt_code integrate_wp(struct kt_merge_run *run, const char *wp_id, struct kt_error *err)
{
	struct kt_json *request = NULL, *outcome = NULL;
	enum kt_code code = prepare_request(run, wp_id, &request, err);

	if (code == KT_E_OK)
		code = run->options->submit(request, &outcome, run->options->arg, err);
	if (code != KT_E_OK)
		keep_conflict(run, wp_id, kt_json_get(request, "integrate"), outcome);
	kt_json_free(outcome);
	kt_json_free(request);
	kt_failpoint("merge-integrated-one");
	return code;
}

/* ---- the view ---- */

enum kt_code kt_merge_view_load(struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_view *fresh = NULL;
	enum kt_code code = kt_view_load(run->options->repo, run->options->mission, &fresh, err);

	if (code != KT_E_OK)
		return code;
	kt_view_free(run->view);
	run->view = fresh;
	run->tip = fresh->tip;
	return KT_E_OK;
}

static enum kt_code count_one(struct kt_merge_run *run, const char *wp_id, struct kt_error *err)
{
	(void)wp_id;
	(void)run;
	return kt_error_set(err, KT_E_MERGE_NOT_READY, "open");
}

static bool is_all_done(struct kt_merge_run *run)
{
	struct kt_error ignored = KT_ERROR_INIT;

	return kt_merge_each_approved(run, count_one, &ignored) == KT_E_OK;
}

/* ---- prediction ---- */

void kt_merge_report_target(struct kt_merge_run *run)
{
	struct kt_json *target = kt_json_new_object();

	kt_json_set_string(target, "before", kt_oid_format(&run->before).text);
	kt_json_set_string(
		target, "after", run->options->dry_run ? NULL : kt_oid_format(&run->result).text);
	kt_json_set_string(target, "tree", kt_oid_format(&run->tree).text);
	kt_json_set_string(target, "checkout", run->checkout);
	kt_json_set(run->report, "target", target);
}

static enum kt_code predict(struct kt_merge_run *run, struct kt_error *err)
{
	struct kt_git_place real = run->place;
	struct kt_oid tip = run->tip;
	enum kt_code code = kt_git_place_init(&run->place, run->options->mission, true, err);

	if (code == KT_E_OK && run->options->dry_run)
		code = kt_merge_scratch_foresee(run, err);
	if (code == KT_E_OK)
		code = kt_merge_each_approved(run, predict_wp, err);
	if (code == KT_E_OK)
		code = kt_merge_result_make(run, err);
	if (code == KT_E_OK)
		code = kt_checkout_check(run, err);
	kt_failpoint("merge-predicted");
	if (code == KT_E_OK)
		kt_merge_report_target(run);
	if (code == KT_E_OK && run->options->dry_run)
		code = kt_merge_tear_down(run, err);
	kt_git_place_release(&run->place);
	run->place = real;
	run->tip = tip;
	return code;
}

/* ---- stage 2 and the end, under the mission's lock ---- */

enum kt_code kt_merge_lock(const struct kt_mission *mission, int *fd, struct kt_error *err)
{
	enum kt_code code = kt_lock_wait(mission->lock_path, KT_LOCK_TIMEOUT_MS, fd, err);
	char *holder = NULL;

	if (code == KT_E_OK && *fd < 0) {
		holder = kt_holder_describe(mission);
		code = kt_error_set(err, KT_E_BOOKKEEPING_LOCK_TIMEOUT, "by %s", holder);
		free(holder);
	}
	return code == KT_E_OK ? kt_holder_write(mission, "kitty merge", NULL, err) : code;
}

static enum kt_code move_target(struct kt_merge_run *run, struct kt_error *err)
{
	enum kt_code code = KT_E_REF_MOVED;

	for (int i = 0; code == KT_E_REF_MOVED && i < MOVES_MAX; i++) {
		*err = (struct kt_error)KT_ERROR_INIT;
		code = kt_merge_result_make(run, err);
		if (code == KT_E_OK)
			code = kt_checkout_check(run, err);
		if (code != KT_E_OK)
			return code;
		kt_failpoint("merge-computed");
		code = kt_merge_target_move(run, err);
	}
	if (code == KT_E_OK)
		kt_merge_report_target(run);
	kt_failpoint("merge-moved");
	return code;
}

static enum kt_code drop_resolutions(struct kt_merge_run *run, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	for (const struct kt_json *row = kt_json_first(kt_json_get(run->state, "resolutions"));
		row != NULL && code == KT_E_OK; row = kt_json_next(row)) {
		char *ref = kt_format(
			"refs/kitty/merge/%s/%s", run->options->mission->slug, kt_json_key(row));
		const char *args[] = {"update-ref", "-d", ref, NULL};

		code = kt_git_text(&run->place, args, NULL, NULL, err);
		free(ref);
	}
	return code;
}

static enum kt_code finish_locked(struct kt_merge_run *run, struct kt_error *err)
{
	bool landed = false;
	enum kt_code code = kt_merge_view_load(run, err);

	if (code == KT_E_OK && !is_all_done(run))
		code = kt_error_set(
			err, KT_E_REF_MOVED, "a work package changed its status meanwhile");
	if (code == KT_E_OK)
		code = kt_merge_check_contained(run, err);
	if (code == KT_E_OK)
		code = kt_merge_has_landed(run, &landed, err);
	if (code == KT_E_OK && !landed)
		code = move_target(run, err);
	if (code == KT_E_OK)
		code = drop_resolutions(run, err);
	return code == KT_E_OK ? kt_merge_close(run, err) : code;
}

static enum kt_code finish(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_mission *mission = run->options->mission;
	int fd = -1;
	enum kt_code code = kt_merge_lock(mission, &fd, err);

	if (code == KT_E_OK)
		code = finish_locked(run, err);
	if (code == KT_E_OK)
		kt_merge_state_drop(mission);
	if (fd >= 0)
		kt_holder_clear(mission);
	kt_lock_release(fd);
	return code;
}

/* ---- the whole ---- */

static void clear_integrated(struct kt_merge_run *run)
{
	kt_json_set(run->report, "integrated", kt_json_new_array());
}

static enum kt_code merge_really(struct kt_merge_run *run, struct kt_error *err)
{
	enum kt_code code = kt_merge_state_save(run, err);

	clear_integrated(run);
	if (code == KT_E_OK)
		code = kt_merge_each_approved(run, integrate_wp, err);
	kt_failpoint("merge-integrated");
	if (code == KT_E_OK)
		code = finish(run, err);
	if (code == KT_E_MERGE_CONFLICT && run->options->interactive && run->conflict_key != NULL)
		code = kt_merge_scratch_open(
			run, run->conflict_key, &run->conflict_ours, &run->conflict_theirs, err);
	return code;
}

void kt_merge_heal(const struct kt_merge_run *run)
{
	const struct kt_merge_options *options = run->options;
	const struct kt_writer_options wish = {.repo = options->repo,
		.mission = options->mission,
		.holder_command = "kitty merge"};
	struct kt_writer *writer = NULL;
	struct kt_error err = KT_ERROR_INIT;

	/* What else is wrong the merge itself will meet, and say. */
	if (kt_writer_new(&wish, &writer, &err) == KT_E_OK &&
		kt_writer_acquire(writer, &err) == KT_E_INDEX_LOCKED)
		kt_merge_notice(run, "warning: a worktree that lags stays so: %s", err.detail);
	kt_writer_free(writer);
}

static enum kt_code merge(struct kt_merge_run *run, struct kt_error *err)
{
	const struct kt_merge_options *options = run->options;
	bool landed = false;
	enum kt_code code = choose_strategy(run, err);

	if (code == KT_E_OK && !options->dry_run) {
		kt_checkout_restore(options->mission);
		kt_merge_heal(run);
		code = kt_merge_scratch_finish(run, err);
	}
	if (code == KT_E_OK)
		code = kt_merge_view_load(run, err);
	if (code == KT_E_OK)
		code = kt_merge_preflight(run, err);
	if (code == KT_E_OK && is_all_done(run))
		code = kt_merge_has_landed(run, &landed, err);
	kt_json_set_string(run->report, "strategy", run->strategy);
	/* An interactive run wants the real commits of a conflict; it stops at the same places. */
	if (code == KT_E_OK && !landed && (options->dry_run || !options->interactive))
		code = predict(run, err);
	if (code == KT_E_OK && landed && options->dry_run)
		return kt_merge_tear_down(run, err);
	return code != KT_E_OK || options->dry_run ? code : merge_really(run, err);
}

static struct kt_json *report_new(const struct kt_merge_options *options)
{
	struct kt_json *report = kt_json_new_object();

	kt_json_set_string(report, "result", "success");
	kt_json_set_bool(report, "dry_run", options->dry_run);
	kt_json_set_string(report, "mission_slug", options->mission->slug);
	kt_json_set_string(report, "target_branch", options->mission->target_branch);
	kt_json_set_string(report, "strategy", options->strategy);
	kt_json_set(report, "integrated", kt_json_new_array());
	kt_json_set(report, "target", kt_json_new_null());
	kt_json_set(report, "removed", kt_json_new_array());
	kt_json_set(report, "kept", kt_json_new_array());
	kt_json_set(report, "closed_ref", kt_json_new_null());
	return report;
}

enum kt_code kt_merge_alone(
	const struct kt_merge_options *options, struct kt_json **report, struct kt_error *err)
{
	struct kt_merge_run run = {.options = options, .report = report_new(options)};
	enum kt_code code = KT_E_OK;

	*report = run.report;
	if (options->mission->is_closed)
		return kt_merge_closed(&run, err);
	code = kt_mission_check_open(options->mission, err);
	if (code != KT_E_OK)
		return code;
	run.target_ref = kt_format("refs/heads/%s", options->mission->target_branch);
	kt_merge_state_load(&run);
	code = kt_git_place_init(&run.place, options->mission, false, err);
	run.place.sign = options->sign;
	if (code == KT_E_OK)
		code = options->mission->coordination_branch != NULL ? merge(&run, err)
								     : kt_merge_plain(&run, err);
	kt_git_place_release(&run.place);
	kt_view_free(run.view);
	kt_json_free(run.state);
	free(run.conflict_key);
	free(run.target_ref);
	free(run.checkout);
	return code;
}

enum kt_code kt_merge_abort_alone(const struct kt_repository *repo,
	const struct kt_mission *mission, struct kt_json **report, struct kt_error *err)
{
	struct kt_merge_options options = {.repo = repo, .mission = mission};
	struct kt_merge_run run = {.options = &options};
	bool landed = false;
	enum kt_code code = KT_E_OK;

	*report = NULL;
	kt_merge_state_load(&run);
	if (run.state == NULL)
		return kt_error_set(err, KT_E_MERGE_NO_STATE, "of %s", mission->slug);
	run.target_ref = kt_format("refs/heads/%s", mission->target_branch);
	code = kt_git_place_init(&run.place, mission, false, err);
	if (code == KT_E_OK)
		code = kt_merge_view_load(&run, err);
	if (code == KT_E_OK && is_all_done(&run))
		code = kt_merge_has_landed(&run, &landed, err);
	if (code == KT_E_OK && landed) {
		code = kt_error_set(err, KT_E_MERGE_STATE, "%s holds the mission already",
			mission->target_branch);
		kt_error_next(err, "kitty merge --mission %s --resume", mission->slug);
	}
	if (code == KT_E_OK) {
		kt_checkout_restore(mission);
		kt_merge_scratch_drop(repo, mission);
		code = drop_resolutions(&run, err);
		kt_merge_state_drop(mission);
		*report = kt_json_new_object();
		kt_json_set_string(*report, "result", "success");
		kt_json_set_bool(*report, "aborted", true);
		kt_json_set_string(*report, "mission_slug", mission->slug);
	}
	kt_git_place_release(&run.place);
	kt_view_free(run.view);
	kt_json_free(run.state);
	free(run.target_ref);
	return code;
}
