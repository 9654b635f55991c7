/*
 * orchestrator-api: what only reads. Process: a command. Never writes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/api.h"
#include "supervisor/cli/start.h"

static const struct kt_option mission_options[] = {KT_OPTION_MISSION, KT_OPTION_END};
static const struct kt_option wp_options[] = {KT_OPTION_MISSION, KT_API_OPTION_WP, KT_OPTION_END};
static const char *const mission_needed[] = {"mission", NULL};
static const char *const wp_needed[] = {"mission", "wp", NULL};

/* ---- contract-version ---- */

/* "1.2.3" as numbers; false for another form. */
static bool version_parse(const char *text, unsigned parts[3])
{
	char *end = NULL;

	for (size_t i = 0; i < 3; i++) {
		if (*text < '0' || *text > '9')
			return false;
		parts[i] = (unsigned)strtoul(text, &end, 10);
		if (i < 2 && *end++ != '.')
			return false;
		text = end;
	}
	return true;
}

static bool is_older(const unsigned left[3], const unsigned right[3])
{
	for (size_t i = 0; i < 3; i++)
		if (left[i] != right[i])
			return left[i] < right[i];
	return false;
}

static enum kt_code contract_version(struct kt_api *api, struct kt_error *err)
{
	const char *provider = kt_api_value(api, "provider-version");
	unsigned given[3] = {0}, least[3] = {0};

	kt_json_set_string(api->data, "api_version", KT_API_CONTRACT);
	kt_json_set_string(api->data, "min_supported_provider_version", KT_API_CALLER_MIN);
	(void)version_parse(KT_API_CALLER_MIN, least);
	if (provider == NULL || (version_parse(provider, given) && !is_older(given, least)))
		return KT_E_OK;
	api->error_code = "CONTRACT_VERSION_MISMATCH";
	kt_json_set_string(api->data, "provider_version", provider);
	return kt_error_set(err, KT_E_INVALID_ARGUMENT,
		"provider version %.40s; %s or newer is supported", provider, KT_API_CALLER_MIN);
}

/* ---- mission-state, list-ready ---- */

static enum kt_code view_open(struct kt_api *api, struct kt_view **view, struct kt_error *err)
{
	enum kt_code code = kt_api_mission(api, err);

	if (code == KT_E_OK)
		code = kt_view_load(api->context.repo, api->context.mission, view, err);
	if (code == KT_E_OK)
		kt_api_identity(api, (*view)->meta);
	return code == KT_E_OK ? kt_api_plan_fill(api, *view, err) : code;
}

/* A work package without a row: not finalised. One made by hand is ready for a start, which
 * finalises it. */
static enum kt_status status_of(
	const struct kt_api *api, const struct kt_view *view, const char *wp_id)
{
	struct kt_wp_state state = {0};

	if (kt_reducer_wp(view->state, wp_id, &state) && state.has_transition)
		return state.status;
	return api->context.mission->coordination_branch == NULL ? KT_STATUS_PLANNED
								 : KT_STATUS_GENESIS;
}

static struct kt_json *strings_of(char *const *strings)
{
	struct kt_json *list = kt_json_new_array();

	for (; strings != NULL && *strings != NULL; strings++)
		kt_json_append(list, kt_json_new_string(*strings));
	return list;
}

/* The snapshot's own summary: status -> number of work packages. */
static struct kt_json *summary_of(const struct kt_view *view)
{
	struct kt_json *snapshot = NULL;
	struct kt_json *summary = NULL;
	struct kt_error ignored = KT_ERROR_INIT;

	if (view->snapshot_len > 0 && kt_json_parse(view->snapshot, view->snapshot_len,
					      KT_JSON_LAST_WINS, &snapshot, &ignored) == KT_E_OK)
		summary = kt_json_copy(kt_json_get(snapshot, "summary"));
	kt_json_free(snapshot);
	return summary == NULL ? kt_json_new_object() : summary;
}

static struct kt_json *wp_row(
	const struct kt_api *api, const struct kt_view *view, const struct kt_wp *wp)
{
	struct kt_json *row = kt_json_new_object();
	struct kt_wp_state state = {0};
	bool is_known = kt_reducer_wp(view->state, wp->id, &state);

	kt_json_set_string(row, "wp_id", wp->id);
	kt_json_set_string(row, "lane", kt_status_name(status_of(api, view, wp->id)));
	kt_json_set(row, "dependencies", strings_of(wp->dependencies));
	kt_json_set_string(row, "last_actor", is_known ? state.actor : NULL);
	return row;
}

static enum kt_code mission_state(struct kt_api *api, struct kt_error *err)
{
	struct kt_json *rows = kt_json_new_array();
	struct kt_view *view = NULL;
	enum kt_code code = view_open(api, &view, err);

	for (size_t i = 0; code == KT_E_OK && view->plan != NULL && i < view->plan->wps_len; i++)
		kt_json_append(rows, wp_row(api, view, &view->plan->wps[i]));
	if (code == KT_E_OK) {
		kt_json_set(api->data, "summary", summary_of(view));
		kt_json_set(api->data, "work_packages", rows);
	} else {
		kt_json_free(rows);
	}
	kt_view_free(view);
	return code;
}

static void ready_add(const struct kt_api *api, const struct kt_view *view, const struct kt_wp *wp,
	struct kt_json *rows)
{
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_json *row = NULL;

	if (status_of(api, view, wp->id) != KT_STATUS_PLANNED ||
		kt_dependencies_check(view, wp, &ignored) != KT_E_OK)
		return;
	row = kt_json_new_object();
	kt_json_set_string(row, "wp_id", wp->id);
	kt_json_set_string(row, "lane", kt_status_name(KT_STATUS_PLANNED));
	kt_json_set_bool(row, "dependencies_satisfied", true);
	kt_json_append(rows, row);
}

static enum kt_code list_ready(struct kt_api *api, struct kt_error *err)
{
	struct kt_json *rows = kt_json_new_array();
	struct kt_view *view = NULL;
	enum kt_code code = view_open(api, &view, err);

	if (code == KT_E_OK && api->context.mission->is_discarded)
		code = kt_mission_check_open(api->context.mission, err);
	for (size_t i = 0; code == KT_E_OK && view->plan != NULL && i < view->plan->wps_len; i++)
		ready_add(api, view, &view->plan->wps[i], rows);
	if (code == KT_E_OK)
		kt_json_set(api->data, "ready_work_packages", rows);
	else
		kt_json_free(rows);
	kt_view_free(view);
	return code;
}

/* ---- resolve-workspace ---- */

static enum kt_code resolve_workspace(struct kt_api *api, struct kt_error *err)
{
	struct kt_start start = {0};
	enum kt_code code = kt_api_mission(api, err);

	if (code == KT_E_OK)
		code = kt_start_open(&start, &api->context, kt_api_value(api, "wp"), err);
	if (code == KT_E_OK) {
		kt_api_identity(api, start.view->meta);
		kt_start_place(&start);
		kt_api_workspace(api, &start);
	}
	kt_start_release(&start);
	return code;
}

/* ---- the tables ---- */

static const struct kt_option version_options[] = {
	{"provider-version", 0, "VERSION", false, "version of the program that calls"},
	KT_OPTION_END};

static const struct kt_api_command version_command = {
	"contract-version", NULL, "CONTRACT_VERSION_MISMATCH", contract_version};
static const struct kt_api_command state_command = {
	"mission-state", mission_needed, "STATUS_READ_PATH_NOT_FOUND", mission_state};
static const struct kt_api_command ready_command = {
	"list-ready", mission_needed, "STATUS_READ_PATH_NOT_FOUND", list_ready};
static const struct kt_api_command workspace_command = {
	"resolve-workspace", wp_needed, "STATUS_READ_PATH_NOT_FOUND", resolve_workspace};

static int run_version(struct kt_invocation *invocation)
{
	return kt_api_run(invocation, &version_command);
}

static int run_state(struct kt_invocation *invocation)
{
	return kt_api_run(invocation, &state_command);
}

static int run_ready(struct kt_invocation *invocation)
{
	return kt_api_run(invocation, &ready_command);
}

static int run_workspace(struct kt_invocation *invocation)
{
	return kt_api_run(invocation, &workspace_command);
}

static int run_group(struct kt_invocation *invocation)
{
	struct kt_error err = KT_ERROR_INIT;

	if (invocation->arguments_len == 0)
		(void)kt_error_set(&err, KT_E_USAGE, "orchestrator-api is called with a command");
	else
		(void)kt_error_set(&err, KT_E_USAGE, "there is no command `orchestrator-api %.60s`",
			invocation->arguments[0]);
	return kt_api_fail_usage(&err);
}

const struct kt_command kt_command_api = {
	.summary = "for programs that drive a mission: contract " KT_API_CONTRACT,
	.arguments = "COMMAND",
	.max_arguments = KT_ARGUMENTS_MAX,
	.fail = kt_api_fail_usage,
	.run = run_group,
};

const struct kt_command kt_command_api_contract_version = {
	.summary = "the contract's version, and whether the caller fits it",
	.arguments = "",
	.options = version_options,
	.fail = kt_api_fail_usage,
	.run = run_version,
};

const struct kt_command kt_command_api_mission_state = {
	.summary = "every work package's status",
	.arguments = "--mission HANDLE",
	.options = mission_options,
	.fail = kt_api_fail_usage,
	.run = run_state,
};

const struct kt_command kt_command_api_list_ready = {
	.summary = "work packages that can be started now",
	.arguments = "--mission HANDLE",
	.options = mission_options,
	.fail = kt_api_fail_usage,
	.run = run_ready,
};

const struct kt_command kt_command_api_resolve_workspace = {
	.summary = "where a work package is worked on",
	.arguments = "--mission HANDLE --wp WP",
	.options = wp_options,
	.fail = kt_api_fail_usage,
	.run = run_workspace,
};
