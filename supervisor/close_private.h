/*
 * Shared by close.c and restore.c only.
 */
#ifndef KITTY_SUPERVISOR_CLOSE_PRIVATE_H
#define KITTY_SUPERVISOR_CLOSE_PRIVATE_H

#include "supervisor/close.h"

/* A new item of the list; borrowed. */
struct kt_json *kt_close_item(struct kt_json *items, const char *kind, const char *lane,
	const char *name, const char *result);

/* The mission's lock, as the writer takes it. */
KT_MUST_CHECK enum kt_code kt_close_lock(
	const struct kt_mission *mission, const char *command, int *fd, struct kt_error *err);
void kt_close_unlock(const struct kt_mission *mission, int fd);

/* Errors: KT_E_SUPERVISOR_RUNNING. */
KT_MUST_CHECK enum kt_code kt_close_liveness(
	const struct kt_mission *mission, const struct kt_plan *plan, struct kt_error *err);

#endif
