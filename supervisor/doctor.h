/*
 * kitty doctor: is this repository as kitty left it? Every finding has a code, evidence, and a
 * command that can be pasted as it stands. Read-only without `fix`; a fix is append-only and never
 * touches a row of a log. The findings' table is doctor.def; the checks are the table in doctor.c.
 */
#ifndef KITTY_SUPERVISOR_DOCTOR_H
#define KITTY_SUPERVISOR_DOCTOR_H

#include <stdbool.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/mission.h"

struct kt_doctor_options {
	const struct kt_repository *repo;
	const struct kt_mission *mission; /* NULL: every open mission */
	bool fix;
	void (*on_notice)(const char *line, void *arg); /* what a fix heals; may be NULL */
	void *arg;
};

/*
 * report: {"missions": [slugs], "findings": [{"code", "severity": "error"|"warning"|"note",
 * "mission": slug|null, "subject": text|null, "evidence", "next_step", "fixed": bool}], "errors",
 * "warnings", "notes" (those that are not fixed), "ok": no errors are left}. Gives.
 */
KT_MUST_CHECK enum kt_code kt_doctor_run(
	const struct kt_doctor_options *options, struct kt_json **report, struct kt_error *err);

#endif
