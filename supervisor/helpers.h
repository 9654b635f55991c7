/*
 * Helper processes: `kitty internal ...`, for everything that blocks on git. Started by the
 * supervisor, never waited for: the callback comes from the loop when the helper has ended. A
 * helper that passes its deadline is stopped and counts as failed.
 */
#ifndef KITTY_SUPERVISOR_HELPERS_H
#define KITTY_SUPERVISOR_HELPERS_H

#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>

struct event_base;
struct kt_helper;

struct kt_helpers {
	struct event_base *base; /* borrowed */
	const char *program, *cwd;
	int log_fd; /* their standard error; borrowed */
	struct kt_helper *running;
};

/* facts: what it printed, borrowed; NULL when err says why there is none. */
typedef void (*kt_helper_cb)(const struct kt_json *facts, const struct kt_error *err, void *arg);

/* args: NULL-terminated, after "internal". A helper that cannot be started calls back at once. */
void kt_helper_start(struct kt_helpers *helpers, const char *const *args, int timeout_ms,
	kt_helper_cb done, void *arg);

size_t kt_helpers_running(const struct kt_helpers *helpers);

/* Frees those that have called back: at the end of a turn. */
void kt_helpers_collect(struct kt_helpers *helpers);

/* Kills and reaps all; their callbacks get KT_E_INTERRUPTED. */
void kt_helpers_release(struct kt_helpers *helpers);

#endif
