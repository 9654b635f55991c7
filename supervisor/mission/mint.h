/*
 * Private to supervisor/mission: a new mission's id, and what its folder holds at first.
 */
#ifndef KITTY_SUPERVISOR_MISSION_MINT_H
#define KITTY_SUPERVISOR_MISSION_MINT_H

#include <stdint.h>

#include "supervisor/mission/create.h"
#include "supervisor/mission/names.h"

/* A ULID of that time; gives. */
char *kt_mission_id_mint(int64_t time_ms);
/* First millisecond whose ids begin with another mid8 (it resolves 1024 ms). */
int64_t kt_mission_id_next_window(int64_t time_ms);
/* The first millisecond whose ids begin with this mid8. */
int64_t kt_mission_id_window(const char *mid8);

struct kt_birth {
	const struct kt_mission_request *request;
	const char *target;     /* branch */
	const char *mission_id; /* ULID */
	int64_t now_us;
};

/* Writes the drafts into `dir` (which exists and is empty), meta.json last. Adds the names to
 * `files`. */
KT_MUST_CHECK enum kt_code kt_scaffold_write(
	const struct kt_birth *birth, const char *dir, struct kt_error *err);

/* Names of all files that kt_scaffold_write makes, meta.json last; NULL-terminated. */
const char *const *kt_scaffold_names(void);

#endif
