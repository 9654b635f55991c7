/*
 * The doctor's checks of what is committed: the log's history (through verify), the snapshot at the
 * tip, and whether every object is there. Read-only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/doctor_private.h"
#include "supervisor/verify.h"

static bool has_history(const struct kt_doctor *doctor)
{
	return doctor->mission->coordination_ref != NULL && !doctor->mission->is_closed &&
	       doctor->view_error.code != KT_E_COORDINATION_BRANCH_DELETED;
}

/* Back to the last good commit. What is set aside stays under refs/kitty/rescue/. */
static void way_back(struct kt_doctor *doctor, const char *commit)
{
	const struct kt_mission *mission = doctor->mission;
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid tip;
	struct kt_oid_text text;

	if (commit == NULL || kt_store_ref_read(doctor->store, mission->coordination_ref, &tip,
				      &ignored) != KT_E_OK)
		return;
	text = kt_oid_format(&tip);
	kt_doctor_next(doctor,
		"git -C '%s' update-ref refs/kitty/rescue/%s/coordination/%.12s %s && git -C '%s' "
		"update-ref -m 'back to the last good commit' %s %s^ %s && kitty agent worktree "
		"repair --mission %s",
		mission->repo_root, mission->slug, text.text, text.text, mission->repo_root,
		mission->coordination_ref, commit, text.text, mission->slug);
}

/* How many commits after the bad one would be set aside with it. */
static long long commits_after(struct kt_doctor *doctor, const char *commit)
{
	char *range = kt_format("%s..%s", commit, doctor->mission->coordination_ref);
	const char *const args[] = {"rev-list", "--count", "--first-parent", range, NULL};
	struct kt_buffer out = KT_BUFFER_INIT;
	long long count = kt_doctor_git(doctor, NULL, args, &out)
				  ? strtoll(kt_buffer_text(&out), NULL, 10)
				  : 0;

	kt_buffer_release(&out);
	free(range);
	return count;
}

static void breach_add(
	struct kt_doctor *doctor, enum kt_finding finding, const struct kt_json *check)
{
	const char *commit = kt_json_get_string(check, "commit");

	if (commit == NULL) {
		kt_doctor_add(doctor, finding, doctor->mission->coordination_branch, "%s",
			kt_json_get_string(check, "detail"));
		return;
	}
	kt_doctor_add(doctor, finding, doctor->mission->coordination_branch,
		"%s; %lld later commits would be set aside with it, kept under refs/kitty/rescue/",
		kt_json_get_string(check, "detail"), commits_after(doctor, commit));
	way_back(doctor, commit);
}

static const struct {
	const char *name;
	enum kt_finding finding;
} breaches[] = {
	{"append-only", KT_FINDING_LOG_REWRITTEN},
	{"ids", KT_FINDING_IDS_TWICE},
};

void kt_doctor_history(struct kt_doctor *doctor)
{
	struct kt_json *report = NULL;
	const struct kt_json *check;
	struct kt_error err = KT_ERROR_INIT;
	bool is_unreadable = doctor->view == NULL && doctor->view_error.code == KT_E_EVENT_INVALID;

	if (!has_history(doctor))
		return;
	if (kt_verify_run(doctor->repo, doctor->mission, NULL, NULL, &report, &err) != KT_E_OK)
		return; /* the check of objects says why */
	check = kt_json_first(kt_json_get(report, "checks"));
	for (; check != NULL; check = kt_json_next(check)) {
		const char *name = kt_json_get_string(check, "name");

		if (kt_json_get_bool(check, "ok", true))
			continue;
		for (size_t i = 0; i < sizeof breaches / sizeof breaches[0]; i++)
			if (strcmp(breaches[i].name, name) == 0)
				breach_add(doctor, breaches[i].finding, check);
		if (is_unreadable && strcmp(name, "snapshot") == 0)
			breach_add(doctor, KT_FINDING_LOG_UNREADABLE, check);
	}
	kt_json_free(report);
}

/* Only the tip's snapshot counts: the next commit writes it anew, old ones stay as they are. */
void kt_doctor_snapshot(struct kt_doctor *doctor)
{
	const struct kt_view *view = doctor->view;
	char number[32] = "", type[128] = "";
	struct kt_snapshot_identity identity = {number, type};
	struct kt_buffer wanted = KT_BUFFER_INIT;

	if (view == NULL || !has_history(doctor) || view->log_len == 0)
		return;
	kt_snapshot_identity_from_meta(view->meta, number, type);
	kt_reducer_snapshot(view->state, &identity, &wanted);
	if (wanted.len != view->snapshot_len ||
		memcmp(kt_buffer_text(&wanted), view->snapshot, wanted.len) != 0)
		kt_doctor_add(doctor, KT_FINDING_SNAPSHOT_DIFFERS, doctor->mission->snapshot_path,
			"the committed status.json is not the reduction of its log");
	kt_buffer_release(&wanted);
}

/* git does not walk past a commit that is not there: the first such one by first parents. */
static void missing_commit(struct kt_doctor *doctor, kt_path_cb each, void *arg)
{
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_oid at = {{0}}, parent = {{0}};

	(void)!kt_store_ref_read(doctor->store, doctor->mission->coordination_ref, &at, &ignored);
	while (!kt_oid_is_zero(&at) &&
		kt_store_commit_read(doctor->store, &at, &parent, NULL, NULL, &ignored) == KT_E_OK)
		at = parent;
	if (!kt_oid_is_zero(&at))
		each(kt_oid_format(&at).text, arg);
}

void kt_doctor_each_missing(struct kt_doctor *doctor, kt_path_cb each, void *arg)
{
	const struct kt_mission *mission = doctor->mission;
	char *target = kt_format("refs/heads/%s", mission->target_branch);
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_buffer out = KT_BUFFER_INIT;
	struct kt_oid oid;
	bool has_target = kt_store_ref_read(doctor->store, target, &oid, &ignored) == KT_E_OK;
	const char *args[] = {"rev-list", "--objects", "--missing=print", mission->coordination_ref,
		has_target ? "--not" : NULL, target, NULL};

	if (!kt_doctor_git(doctor, NULL, args, &out)) {
		missing_commit(doctor, each, arg);
		kt_buffer_clear(&out);
	}
	if (out.len > 0)
		for (char *line = out.data; line != NULL && *line != '\0';) {
			size_t len = strcspn(line, "\n");
			char *next = line + len + (line[len] == '\n' ? 1 : 0);

			line[len] = '\0';
			if (line[0] == '?')
				each(line + 1, arg);
			line = next;
		}
	kt_buffer_release(&out);
	free(target);
}

struct missing {
	size_t len;
	char first[41];
};

static void missing_count(const char *oid, void *arg)
{
	struct missing *missing = arg;

	if (missing->len++ == 0)
		(void)snprintf(missing->first, sizeof missing->first, "%.40s", oid);
}

void kt_doctor_objects(struct kt_doctor *doctor)
{
	struct missing missing = {0, ""};

	if (!has_history(doctor))
		return;
	kt_doctor_each_missing(doctor, missing_count, &missing);
	if (missing.len > 0)
		kt_doctor_add(doctor, KT_FINDING_OBJECTS_MISSING, missing.first,
			"%zu objects of %s are missing, the first is %s", missing.len,
			doctor->mission->coordination_branch, missing.first);
	else if (doctor->view == NULL && doctor->view_error.code == KT_E_GIT_FAILED) {
		kt_doctor_add(
			doctor, KT_FINDING_OBJECTS_MISSING, NULL, "%s", doctor->view_error.detail);
		kt_doctor_next(doctor, "git -C '%s' fsck", doctor->repo->primary);
	}
}
