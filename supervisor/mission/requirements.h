/*
 * Private to supervisor/mission: requirement_refs of WPs against the ids that spec.md declares
 * (FR-001, ...).
 */
#ifndef KITTY_SUPERVISOR_MISSION_REQUIREMENTS_H
#define KITTY_SUPERVISOR_MISSION_REQUIREMENTS_H

#include "supervisor/mission/drafts.h"

/* Nothing to check when spec.md declares no FR-nnn. An unknown reference is a problem, an unmapped
 * FR a warning. */
void kt_requirements_check(struct kt_drafts *drafts);

#endif
