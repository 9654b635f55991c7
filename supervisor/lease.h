/*
 * Leases: <run_dir>/claims/<WP>.json says which worker runs which work package, since when, from
 * which commit. Written before an agent starts, removed when its outcome is recorded; the next
 * supervisor finds there what was interrupted. Supervisor only.
 */
#ifndef KITTY_SUPERVISOR_LEASE_H
#define KITTY_SUPERVISOR_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <kitty/error.h>

#include "supervisor/mission/mission.h"

struct kt_buffer;

struct kt_lease {
	char *wp, *lane;
	long attempt;
	pid_t worker_pid;
	uint64_t worker_start_time;
	char *boot_id;
	char *since_head; /* 40 hex: the lane's head before the first attempt */
	char *marker;     /* SPEC_KITTY_SUPERVISOR=... of its processes */
	bool is_review;   /* of a reviewer, not of an implementer */
	bool has_ended;   /* the WP is blocked: kept only so that a retry knows where it began */
};

KT_MUST_CHECK enum kt_code kt_lease_write(
	const struct kt_mission *mission, const struct kt_lease *lease, struct kt_error *err);
void kt_lease_remove(const struct kt_mission *mission, const char *wp_id);

/* The attempt is over without being handed over. */
void kt_lease_end(const struct kt_mission *mission, const char *wp_id);

/* False when there is none, or none that can be read. Fills *out: release it. */
bool kt_lease_read(const struct kt_mission *mission, const char *wp_id, struct kt_lease *out);
void kt_lease_release(struct kt_lease *lease);

/* The file's bytes: one JSON object and a newline; parse is kt_lease_read without the file. */
void kt_lease_format(const struct kt_lease *lease, struct kt_buffer *out);
bool kt_lease_parse(const char *text, size_t len, const char *wp_id, struct kt_lease *out);

/* Is it under way, and does its worker live? */
bool kt_lease_is_alive(const struct kt_lease *lease);

#endif
