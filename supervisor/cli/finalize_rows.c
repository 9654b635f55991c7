/*
 * The lifecycle rows of a mission (MissionCreated ... TasksCompleted), all written by
 * finalize-tasks in its one commit; each at most once. Process: a command. Builds a request, writes
 * nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "supervisor/cli/finalize.h"
#include "supervisor/status/event.h"
#include "supervisor/transaction/request.h"

#define FINALIZE_ACTOR "finalize-tasks"

/* What is there already: "MissionCreated", "WPCreated WP01", ... */
static struct kt_json *known_rows(const struct kt_view *view)
{
	struct kt_json *known = kt_json_new_object();
	const char *end = view->log + view->log_len;

	for (const char *line = view->log; line != NULL && line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((newline == NULL ? end : newline) - line);
		struct kt_json *row = NULL;
		struct kt_error ignored = KT_ERROR_INIT;
		const char *type = NULL;
		const char *wp = NULL;

		if (memmem(line, len, "\"event_type\"", 12) != NULL &&
			kt_json_parse(line, len, KT_JSON_LAST_WINS, &row, &ignored) == KT_E_OK)
			type = kt_json_get_string(row, "event_type");
		if (type != NULL) {
			char *key = NULL;

			wp = kt_json_get_string(kt_json_get(row, "payload"), "wp_id");
			key = kt_format(
				"%s%s%s", type, wp == NULL ? "" : " ", wp == NULL ? "" : wp);
			kt_json_set_bool(known, key, true);
			free(key);
		}
		kt_json_free(row);
		line = newline == NULL ? end : newline + 1;
	}
	return known;
}

/* Lifecycle payloads end their times in Z. */
static void time_format_z(char out[33])
{
	char *offset = NULL;

	kt_time_format(kt_clock_wall_us(), out);
	offset = strstr(out, "+00:00");
	if (offset != NULL)
		memcpy(offset, "Z", sizeof "Z");
}

struct rows {
	struct kt_finalization *finalization;
	const struct kt_mission *mission;
	struct kt_json *request, *known;
	char at[33];
};

static void number_set(const struct rows *rows, struct kt_json *payload)
{
	const struct kt_json *number = kt_json_get(rows->mission->meta, "mission_number");

	kt_json_set(payload, "mission_number",
		number == NULL ? kt_json_new_null() : kt_json_copy(number));
}

static void mission_created_add(struct rows *rows)
{
	static const char *const copied[] = {
		"mission_type", "friendly_name", "purpose_tldr", "purpose_context", "created_at"};
	struct kt_json *payload = NULL;

	if (kt_json_get(rows->known, "MissionCreated") != NULL)
		return;
	payload = kt_json_new_object();
	kt_json_set_string(payload, "mission_id",
		rows->mission->mission_id[0] == '\0' ? NULL : rows->mission->mission_id);
	kt_json_set_string(payload, "mission_slug", rows->mission->slug);
	number_set(rows, payload);
	kt_json_set_string(payload, "target_branch", rows->mission->target_branch);
	kt_json_set_int(payload, "wp_count", 0);
	for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++)
		kt_json_set_string(
			payload, copied[i], kt_json_get_string(rows->mission->meta, copied[i]));
	(void)kt_request_add_lifecycle(
		rows->request, "MissionCreated", rows->mission->slug, "Mission", payload);
}

/* One phase row; artifact (may be NULL) must be among the files for the row to make sense. */
static void phase_add(
	struct rows *rows, const char *type, const char *artifact, const char *summary)
{
	const struct kt_finalize *plan = rows->finalization->plan;
	char *path = artifact == NULL ? NULL : kt_format("%s/%s", rows->mission->folder, artifact);
	bool found = artifact == NULL;
	struct kt_json *payload = NULL;

	for (size_t i = 0; !found && i < plan->files_len; i++)
		found = strcmp(plan->files[i].path, path) == 0;
	if (!found || kt_json_get(rows->known, type) != NULL) {
		free(path);
		return;
	}
	payload = kt_json_new_object();
	kt_json_set_string(payload, "mission_slug", rows->mission->slug);
	number_set(rows, payload);
	kt_json_set_string(payload, "actor", FINALIZE_ACTOR);
	kt_json_set_string(payload, "at", rows->at);
	if (path != NULL)
		kt_json_set_string(payload, "artifact_path", path);
	if (summary != NULL)
		kt_json_set_string(payload, "summary", summary);
	if (strcmp(type, "TasksCompleted") == 0)
		kt_json_set_int(payload, "wp_count", (int64_t)plan->plan->wps_len);
	(void)kt_request_add_lifecycle(
		rows->request, type, rows->mission->slug, "Mission", payload);
	free(path);
}

static void wp_created_add(struct rows *rows, const struct kt_wp *wp)
{
	char *key = kt_format("WPCreated %s", wp->id);
	bool is_known = kt_json_get(rows->known, key) != NULL;
	struct kt_json *payload = NULL;
	struct kt_json *depends_on = NULL;
	char *path = NULL;

	free(key);
	if (is_known)
		return;
	payload = kt_json_new_object();
	depends_on = kt_json_new_array();
	path = kt_format("%s/%s", rows->mission->folder, wp->path);
	for (char **id = wp->dependencies; id != NULL && *id != NULL; id++)
		kt_json_append(depends_on, kt_json_new_string(*id));
	kt_json_set_string(payload, "mission_slug", rows->mission->slug);
	number_set(rows, payload);
	kt_json_set_string(payload, "wp_id", wp->id);
	kt_json_set_string(payload, "wp_title", wp->title);
	kt_json_set_string(payload, "wp_path", path);
	kt_json_set(payload, "depends_on", depends_on);
	kt_json_set_string(payload, "actor", FINALIZE_ACTOR);
	kt_json_set_string(payload, "created_at", rows->at);
	(void)kt_request_add_lifecycle(rows->request, "WPCreated", wp->id, "WorkPackage", payload);
	free(path);
}

void kt_finalization_add_lifecycle(struct kt_finalization *finalization, struct kt_json *request)
{
	struct rows rows = {.finalization = finalization,
		.mission = finalization->context->mission,
		.request = request,
		.known = known_rows(finalization->view)};
	const struct kt_plan *plan = finalization->plan->plan;

	time_format_z(rows.at);
	mission_created_add(&rows);
	phase_add(&rows, "SpecifyStarted", "spec.md", NULL);
	phase_add(&rows, "SpecifyCompleted", "spec.md", "specification committed");
	phase_add(&rows, "PlanStarted", "plan.md", NULL);
	phase_add(&rows, "PlanCompleted", "plan.md", "plan committed");
	phase_add(&rows, "TasksStarted", NULL, NULL);
	for (size_t i = 0; i < plan->wps_len; i++)
		wp_created_add(&rows, &plan->wps[i]);
	phase_add(&rows, "TasksCompleted", NULL, "work packages finalised");
	kt_json_free(rows.known);
}
