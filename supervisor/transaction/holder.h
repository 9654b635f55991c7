/*
 * Who holds a mission's lock, for people and for commands that look for a supervisor:
 * <run_dir>/holder, one JSON object. Informative only: the lock decides (a waiting spec-kitty
 * empties the lock file itself, so the facts stand beside it).
 */
#ifndef KITTY_SUPERVISOR_TRANSACTION_HOLDER_H
#define KITTY_SUPERVISOR_TRANSACTION_HOLDER_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/mission/mission.h"

/* Written by whoever has just taken the lock; socket is NULL for a command. */
KT_MUST_CHECK enum kt_code kt_holder_write(const struct kt_mission *mission, const char *command,
	const char *socket, struct kt_error *err);
void kt_holder_clear(const struct kt_mission *mission); /* only our own */

/* The holder, when its process is alive; NULL otherwise. Gives. */
struct kt_json *kt_holder_read(const struct kt_mission *mission);

/* "pid 4711 (kitty launch, 12 min)"; "another process" when nothing is known. Gives. */
char *kt_holder_describe(const struct kt_mission *mission);

#endif
