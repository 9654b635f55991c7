/*
 * Private to supervisor/mission: dependencies written in tasks.md.
 * They count only for a WP whose own file does not say anything about dependencies.
 */
#ifndef KITTY_SUPERVISOR_MISSION_TASKS_MD_H
#define KITTY_SUPERVISOR_MISSION_TASKS_MD_H

#include <stdbool.h>

#include "supervisor/mission/names.h"

/* Adds what the section of wp_id says, each id once; false when it says nothing ("none" is
 * something). */
bool kt_tasks_md_dependencies(const char *text, const char *wp_id, struct kt_list *out);

#endif
