/*
 * Outbound effects while a supervisor runs: `kitty internal outbox` as a helper process, one at a
 * time, after commits. Runs in the supervisor's loop, which never waits for it; the end of the
 * supervisor does, because a running helper is not quiet.
 */
#include "ipc/clock.h"
#include "ipc/log.h"
#include "supervisor/supervisor_private.h"

enum {
	OUTBOX_TIMEOUT_MS = 120000,
	OUTBOX_AGAIN_MS = 30000 /* after a sink did not take an event */
};

static bool has_failure(const struct kt_json *facts)
{
	for (const struct kt_json *sink = kt_json_first(kt_json_get(facts, "sinks")); sink != NULL;
		sink = kt_json_next(sink)) {
		const struct kt_json *failure = kt_json_get(sink, "last_failure");
		const char *name = kt_json_get_string(sink, "name");
		const char *error = kt_json_get_string(failure, "error");

		if (!kt_json_is(failure, KT_JSON_OBJECT))
			continue;
		kt_log(KT_LOG_WARN, "sink %s did not take an event: %s", name == NULL ? "?" : name,
			error == NULL ? "" : error);
		return true;
	}
	return false;
}

static void on_delivered(const struct kt_json *facts, const struct kt_error *err, void *arg)
{
	struct kt_supervisor *supervisor = arg;

	supervisor->is_outbox_running = false;
	if (facts == NULL)
		kt_log_failure(KT_LOG_WARN, err, "outbound events could not be delivered");
	if (facts == NULL || has_failure(facts))
		supervisor->outbox_again_ms = kt_clock_monotonic_ms() + OUTBOX_AGAIN_MS;
	else
		supervisor->outbox_again_ms = 0;
}

void kt_sup_outbox(struct kt_supervisor *supervisor)
{
	const char *const args[] = {"outbox", "--mission", supervisor->launch->mission->slug, NULL};
	uint64_t commits = kt_writer_commits(supervisor->writer);
	bool is_due = !supervisor->has_delivered || commits != supervisor->outbox_commits;

	if (supervisor->launch->config->sinks_len == 0 || supervisor->is_outbox_running)
		return;
	/* A sink in trouble is tried again now and then, also without a new commit. */
	if (supervisor->outbox_again_ms > 0)
		is_due = kt_clock_monotonic_ms() >= supervisor->outbox_again_ms;
	if (!is_due)
		return;
	supervisor->has_delivered = true;
	supervisor->outbox_commits = commits;
	supervisor->is_outbox_running = true;
	kt_helper_start(&supervisor->helpers, args, OUTBOX_TIMEOUT_MS, on_delivered, supervisor);
}
