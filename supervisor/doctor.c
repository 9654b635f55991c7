/*
 * The doctor's tables, the order of the checks, and the report. Runs in `kitty doctor`. Must never
 * write unless it was asked to fix, and never believe a fix: what is fixed is what a second look
 * does not find again.
 */
#include "supervisor/doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/doctor_private.h"
#include "supervisor/git/environment.h"
#include "supervisor/transaction/holder.h"
#include "supervisor/worktree_repair.h"

enum severity { ERROR, WARNING, NOTE };
enum fix { NONE, REPAIR, OWN };

static const char *const severity_names[] = {"error", "warning", "note"};
static const char *const total_names[] = {"errors", "warnings", "notes"};

static const struct {
	const char *code;
	enum severity severity;
	enum fix fix;
	const char *next_step;
} rows[] = {
#define KT_FINDING(name, code, severity, fix, next_step) {code, severity, fix, next_step},
#include "supervisor/doctor.def"
#undef KT_FINDING
};

static void (*const repository_checks[])(struct kt_doctor *) = {
	kt_doctor_git_version,
	kt_doctor_configuration,
	kt_doctor_metas,
	kt_doctor_tracked_worktrees,
	kt_doctor_info_files,
	kt_doctor_leftovers,
	kt_doctor_policies,
	kt_doctor_locks,
};

static void (*const mission_checks[])(struct kt_doctor *) = {
	kt_doctor_branch,
	kt_doctor_worktree,
	kt_doctor_checkouts,
	kt_doctor_hooks,
	kt_doctor_objects,
	kt_doctor_history,
	kt_doctor_snapshot,
	kt_doctor_decoys,
	kt_doctor_twins,
	kt_doctor_lanes,
	kt_doctor_holder,
	kt_doctor_orphans,
};

/* ---- findings ---- */

static void fill(struct kt_buffer *out, const char *text, const char *name, const char *value)
{
	const char *at;

	while ((at = strstr(text, name)) != NULL) {
		kt_buffer_append(out, text, (size_t)(at - text));
		kt_buffer_puts(out, value);
		text = at + strlen(name);
	}
	kt_buffer_puts(out, text);
}

static char *next_step_build(const struct kt_doctor *doctor, const char *format)
{
	struct kt_buffer one = KT_BUFFER_INIT, other = KT_BUFFER_INIT;

	fill(&one, format, "{mission}", doctor->mission == NULL ? "" : doctor->mission->slug);
	fill(&other, kt_buffer_text(&one), "{root}", doctor->repo->primary);
	kt_buffer_clear(&one);
	fill(&one, kt_buffer_text(&other), "{common}", doctor->repo->common_dir);
	kt_buffer_release(&other);
	return kt_buffer_take(&one);
}

void kt_doctor_add(struct kt_doctor *doctor, enum kt_finding finding, const char *subject,
	const char *format, ...)
{
	struct kt_json *object = kt_json_new_object();
	char *next_step = next_step_build(doctor, rows[finding].next_step);
	struct kt_buffer evidence = KT_BUFFER_INIT;
	va_list args;

	va_start(args, format);
	kt_buffer_vprintf(&evidence, format, args);
	va_end(args);
	kt_json_set_string(object, "code", rows[finding].code);
	kt_json_set_string(object, "severity", severity_names[rows[finding].severity]);
	kt_json_set_string(
		object, "mission", doctor->mission == NULL ? NULL : doctor->mission->slug);
	kt_json_set_string(object, "subject", subject);
	kt_json_set_string(object, "evidence", kt_buffer_text(&evidence));
	kt_json_set_string(object, "next_step", next_step);
	kt_json_set_bool(object, "fixed", false);
	kt_json_append(doctor->findings, object);
	kt_buffer_release(&evidence);
	free(next_step);
}

void kt_doctor_next(struct kt_doctor *doctor, const char *format, ...)
{
	struct kt_json *last = kt_json_first(doctor->findings);
	struct kt_buffer text = KT_BUFFER_INIT;
	va_list args;

	while (last != NULL && kt_json_next(last) != NULL)
		last = kt_json_next(last);
	va_start(args, format);
	kt_buffer_vprintf(&text, format, args);
	va_end(args);
	if (last != NULL)
		kt_json_set_string(last, "next_step", kt_buffer_text(&text));
	kt_buffer_release(&text);
}

enum kt_finding kt_finding_from_code(const char *code)
{
	size_t i = 0;

	while (i < KT_FINDING_COUNT && strcmp(rows[i].code, code) != 0)
		i++;
	return (enum kt_finding)i;
}

bool kt_doctor_git(
	struct kt_doctor *doctor, const char *cwd, const char *const *args, struct kt_buffer *out)
{
	struct kt_git_call call = {
		.cwd = cwd == NULL ? doctor->repo->primary : cwd, .args = args, .out = out};
	struct kt_error ignored = KT_ERROR_INIT;

	return kt_git_run(&call, &ignored) == KT_E_OK;
}

/* ---- one look ---- */

static void mission_open(struct kt_doctor *doctor, const struct kt_mission *mission)
{
	struct kt_error ignored = KT_ERROR_INIT;
	struct kt_json *holder = kt_holder_read(mission);

	doctor->mission = mission;
	doctor->is_supervised = holder != NULL;
	kt_json_free(holder);
	doctor->view_error = (struct kt_error)KT_ERROR_INIT;
	if (kt_view_load(doctor->repo, mission, &doctor->view, &doctor->view_error) != KT_E_OK)
		doctor->view = NULL;
	if (kt_store_open(doctor->repo, &doctor->store, &ignored) != KT_E_OK)
		doctor->store = NULL;
}

static void mission_close(struct kt_doctor *doctor)
{
	kt_view_free(doctor->view);
	kt_store_close(doctor->store);
	doctor->view = NULL;
	doctor->store = NULL;
	doctor->mission = NULL;
}

static void look(struct kt_doctor *doctor)
{
	doctor->findings = kt_json_new_array();
	for (size_t i = 0; i < sizeof repository_checks / sizeof repository_checks[0]; i++)
		repository_checks[i](doctor);
	for (size_t at = 0; at < doctor->missions_len; at++) {
		mission_open(doctor, doctor->missions[at]);
		for (size_t i = 0; i < sizeof mission_checks / sizeof mission_checks[0]; i++)
			if (doctor->store != NULL)
				mission_checks[i](doctor);
		mission_close(doctor);
	}
}

/* ---- fixing ---- */

static bool text_equal(const char *left, const char *right)
{
	return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

static void repair(struct kt_doctor *doctor, const struct kt_mission *mission)
{
	struct kt_repair_options options = {.repo = doctor->repo,
		.mission = mission,
		.holder_command = "kitty doctor --fix",
		.on_notice = doctor->options->on_notice,
		.arg = doctor->options->arg};
	struct kt_json *report = NULL;
	struct kt_error ignored = KT_ERROR_INIT;

	if (doctor->config != NULL && doctor->config->has_protected)
		options.protected_branches =
			(const char *const *)doctor->config->protected_branches;
	if (kt_worktree_repair(&options, &report, &ignored) != KT_E_OK &&
		doctor->options->on_notice != NULL)
		doctor->options->on_notice(ignored.detail, doctor->options->arg);
	kt_json_free(report);
}

/* Each fix once per mission. */
static void fixes_take(struct kt_doctor *doctor, const struct kt_mission *mission)
{
	bool taken[KT_FINDING_COUNT] = {false};
	bool is_repaired = false;
	struct kt_json *finding = kt_json_first(doctor->findings);

	for (; finding != NULL; finding = kt_json_next(finding)) {
		enum kt_finding kind = kt_finding_from_code(kt_json_get_string(finding, "code"));

		if (kind == KT_FINDING_COUNT || taken[kind] ||
			!text_equal(kt_json_get_string(finding, "mission"),
				mission == NULL ? NULL : mission->slug))
			continue;
		taken[kind] = true;
		if (rows[kind].fix == OWN)
			kt_doctor_fix(doctor, kind);
		else if (rows[kind].fix == REPAIR && mission != NULL && !is_repaired) {
			repair(doctor, mission);
			is_repaired = true;
		}
	}
}

static bool is_found_again(const struct kt_json *now, const struct kt_json *finding)
{
	static const char *const keys[] = {"code", "mission", "subject"};
	const struct kt_json *other = kt_json_first(now);

	for (; other != NULL; other = kt_json_next(other)) {
		bool same = true;

		for (size_t i = 0; same && i < 3; i++)
			same = text_equal(kt_json_get_string(other, keys[i]),
				kt_json_get_string(finding, keys[i]));
		if (same)
			return true;
	}
	return false;
}

static void fix_all(struct kt_doctor *doctor)
{
	struct kt_json *before = doctor->findings, *finding;

	fixes_take(doctor, NULL);
	for (size_t at = 0; at < doctor->missions_len; at++) {
		mission_open(doctor, doctor->missions[at]);
		fixes_take(doctor, doctor->missions[at]);
		mission_close(doctor);
	}
	look(doctor);
	for (finding = kt_json_first(before); finding != NULL; finding = kt_json_next(finding)) {
		struct kt_json *fixed;

		if (is_found_again(doctor->findings, finding))
			continue;
		fixed = kt_json_copy(finding);
		kt_json_set_bool(fixed, "fixed", true);
		kt_json_append(doctor->findings, fixed);
	}
	kt_json_free(before);
}

/* ---- report ---- */

static struct kt_json *report_build(const struct kt_doctor *doctor)
{
	struct kt_json *report = kt_json_new_object(), *missions = kt_json_new_array();
	const struct kt_json *finding = kt_json_first(doctor->findings);
	int64_t totals[3] = {0, 0, 0};

	for (size_t i = 0; i < doctor->missions_len; i++)
		kt_json_append(missions, kt_json_new_string(doctor->missions[i]->slug));
	for (; finding != NULL; finding = kt_json_next(finding))
		for (size_t i = 0; i < 3 && !kt_json_get_bool(finding, "fixed", false); i++)
			totals[i] += text_equal(
				kt_json_get_string(finding, "severity"), severity_names[i]);
	kt_json_set(report, "missions", missions);
	kt_json_set(report, "findings", kt_json_copy(doctor->findings));
	for (size_t i = 0; i < 3; i++)
		kt_json_set_int(report, total_names[i], totals[i]);
	kt_json_set_bool(report, "ok", totals[0] == 0);
	return report;
}

static enum kt_code missions_find(struct kt_doctor *doctor, struct kt_error *err)
{
	struct kt_mission **all = NULL;
	size_t len = 0;
	enum kt_code code = kt_mission_list(doctor->repo, &all, &len, err);

	if (code != KT_E_OK)
		return code;
	doctor->missions = kt_realloc_array(NULL, len + 1, sizeof(struct kt_mission *));
	for (size_t i = 0; i < len; i++) {
		const struct kt_mission *wanted = doctor->options->mission;

		if (wanted == NULL ? !all[i]->is_closed : strcmp(wanted->slug, all[i]->slug) == 0)
			doctor->missions[doctor->missions_len++] = all[i];
		else
			kt_mission_free(all[i]);
	}
	free(all);
	return KT_E_OK;
}

enum kt_code kt_doctor_run(
	const struct kt_doctor_options *options, struct kt_json **report, struct kt_error *err)
{
	struct kt_doctor doctor = {.options = options, .repo = options->repo};
	char *path = kt_format("%s/.kittify/config.yaml", options->repo->primary);
	struct kt_error ignored = KT_ERROR_INIT;
	enum kt_code code = missions_find(&doctor, err);

	if (kt_config_load(path, &doctor.config, NULL, &ignored) != KT_E_OK)
		doctor.config = NULL;
	if (code == KT_E_OK) {
		look(&doctor);
		if (options->fix)
			fix_all(&doctor);
		*report = report_build(&doctor);
	}
	for (size_t i = 0; i < doctor.missions_len; i++)
		kt_mission_free(doctor.missions[i]);
	free(doctor.missions);
	kt_config_free(doctor.config);
	kt_json_free(doctor.findings);
	free(path);
	return code;
}
