/*
 * From an approved work package to the request that integrates it. Runs in commands and in the
 * supervisor. Pure but for reading one ref.
 */
#include "supervisor/merge_request.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/git/store.h"
#include "supervisor/transaction/request.h"

static const char PLANNING_LANE[] = "lane-planning";

/* The latest row that moved the WP to approved; gives; NULL: none. */
static struct kt_json *approving_row(const struct kt_log_facts *facts, const char *wp_id)
{
	const char *at = facts->log, *end = facts->log + facts->log_len;
	struct kt_json *found = NULL;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop == NULL ? end : stop) - at);
		struct kt_error ignored = KT_ERROR_INIT;
		struct kt_json *row = NULL;
		const char *to = NULL, *wp = NULL;

		if (memmem(at, len, "approved", 8) != NULL &&
			memmem(at, len, wp_id, strlen(wp_id)) != NULL &&
			kt_json_parse(at, len, KT_JSON_LAST_WINS, &row, &ignored) == KT_E_OK) {
			to = kt_json_get_string(row, "to_lane");
			wp = kt_json_get_string(row, "wp_id");
		}
		if (to != NULL && wp != NULL && strcmp(to, "approved") == 0 &&
			strcmp(wp, wp_id) == 0) {
			kt_json_free(found);
			found = row;
		} else {
			kt_json_free(row);
		}
		at += len + 1;
	}
	return found;
}

bool kt_approved_commit(const struct kt_log_facts *facts, const char *wp_id, struct kt_oid *out)
{
	struct kt_json *row = approving_row(facts, wp_id);
	const char *text =
		kt_json_get_string(kt_json_get(row, "policy_metadata"), "approved_commit");
	bool found = text != NULL && kt_oid_parse(text, out);

	kt_json_free(row);
	return found;
}

static enum kt_code lane_tip(const struct kt_log_facts *facts, const char *lane_id,
	struct kt_oid *out, struct kt_error *err)
{
	char *branch = kt_mission_lane_branch(facts->mission, lane_id);
	char *ref = kt_format("refs/heads/%s", branch);
	struct kt_store *store = NULL;
	enum kt_code code = kt_store_open(facts->repo, &store, err);

	if (code == KT_E_OK)
		code = kt_store_ref_read(store, ref, out, err);
	if (code == KT_E_DESTINATION_REF_NOT_FOUND)
		code = kt_error_set(err, KT_E_LANE_BRANCH_MISSING,
			"%s is gone and no commit was recorded at approval", branch);
	kt_store_close(store);
	free(ref);
	free(branch);
	return code;
}

enum kt_code kt_integration_commit(const struct kt_log_facts *facts, const char *wp_id,
	struct kt_oid *out, bool *is_recorded, struct kt_error *err)
{
	const struct kt_lane_plan *lane =
		facts->plan == NULL ? NULL : kt_lanes_of_wp(facts->plan->lanes, wp_id);

	if (lane == NULL)
		return kt_error_set(err, KT_E_LANE_NOT_FOUND, "%s has no lane", wp_id);
	*is_recorded = kt_approved_commit(facts, wp_id, out);
	if (*is_recorded || lane_tip(facts, lane->id, out, err) == KT_E_OK)
		return KT_E_OK;
	/* Approved by hand, without work: there is no commit to make a branch at. */
	if (err->code == KT_E_LANE_BRANCH_MISSING)
		kt_error_next(err,
			"kitty agent tasks move-task %s --to in_progress --reason 'there is no "
			"lane to integrate' --mission %s",
			wp_id, facts->mission->slug);
	return err->code;
}

/* The rules want the evidence of the review that approved it. */
static struct kt_json *evidence_of(const struct kt_json *row)
{
	const struct kt_json *given = kt_json_get(row, "evidence");
	const struct kt_json *result = kt_json_get(row, "review_result");
	struct kt_json *evidence = NULL, *review = NULL;
	const char *reference = kt_json_get_string(row, "review_ref");

	if (kt_json_is(kt_json_get(given, "review"), KT_JSON_OBJECT))
		return kt_json_copy(given);
	evidence = kt_json_new_object();
	review = kt_json_new_object();
	if (kt_json_is(result, KT_JSON_OBJECT)) {
		kt_json_set_string(review, "reviewer", kt_json_get_string(result, "reviewer"));
		kt_json_set_string(review, "verdict", kt_json_get_string(result, "verdict"));
		kt_json_set_string(review, "reference", kt_json_get_string(result, "reference"));
	} else {
		/* An override approved it: its actor and reason are what there is. */
		if (reference == NULL)
			reference = kt_json_get_string(row, "reason");
		kt_json_set_string(review, "reviewer", kt_json_get_string(row, "actor"));
		kt_json_set_string(review, "verdict", "approved");
		kt_json_set_string(review, "reference",
			reference == NULL ? kt_json_get_string(row, "event_id") : reference);
	}
	kt_json_set(evidence, "review", review);
	return evidence;
}

static struct kt_json *metadata_of(const struct kt_log_facts *facts)
{
	struct kt_json *metadata = kt_json_new_object();

	kt_json_set_string(metadata, "merge_phase", "lane_integrated");
	kt_json_set_string(metadata, "target_branch", facts->mission->target_branch);
	return metadata;
}

enum kt_code kt_integration_request(const struct kt_log_facts *facts, const char *wp_id,
	const char *actor, struct kt_json **request, bool *is_recorded, struct kt_error *err)
{
	const struct kt_lane_plan *lane =
		facts->plan == NULL ? NULL : kt_lanes_of_wp(facts->plan->lanes, wp_id);
	struct kt_wp_state state = {0};
	struct kt_json *row = NULL, *op = NULL, *wish = NULL;
	struct kt_oid commit = {{0}};
	bool is_planning = lane != NULL && strcmp(lane->id, PLANNING_LANE) == 0;
	enum kt_code code = KT_E_OK;

	*is_recorded = true;
	if (!kt_reducer_wp(facts->state, wp_id, &state) || state.status != KT_STATUS_APPROVED)
		return kt_error_set(err, KT_E_MERGE_NOT_READY, "%s is %s", wp_id,
			kt_status_name(state.wp_id == NULL ? KT_STATUS_GENESIS : state.status));
	if (!is_planning)
		code = kt_integration_commit(facts, wp_id, &commit, is_recorded, err);
	if (code != KT_E_OK)
		return code;
	KT_BUG_UNLESS(lane != NULL); /* the commit was found by it */
	row = approving_row(facts, wp_id);
	*request = kt_request_new("integrate");
	op = kt_request_add_move(*request, wp_id, KT_STATUS_DONE, actor);
	kt_json_set_string(op, "from", kt_status_name(KT_STATUS_APPROVED));
	kt_json_set(op, "evidence", evidence_of(row));
	kt_json_set(op, "policy_metadata", metadata_of(facts));
	if (is_planning)
		kt_json_set_string(op, "execution_mode", "direct_repo");
	wish = kt_json_new_object();
	kt_json_set_string(wish, "lane", lane->id);
	if (!is_planning)
		kt_json_set_string(wish, "commit", kt_oid_format(&commit).text);
	kt_json_set(*request, "integrate", wish);
	kt_json_free(row);
	return KT_E_OK;
}
