/* The permit table of the worker's inbox. Pure. A message without a row here must never do
 * anything. */
#include "worker/inbox.h"

#include <stddef.h>

#include "ipc/message.h"

#define IN(state) (1U << KT_WORKER_##state)
#define ANY (IN(READY) | IN(RUNNING) | IN(LEAVING))

static const struct {
	unsigned type, states;
	kt_inbox_handler handler;
} ROWS[] = {
	{KT_MSG_HELLO_ANSWER, IN(GREETING), kt_worker_on_hello},
	{KT_MSG_CLAIM_LANE_ANSWER, IN(CLAIMING), kt_worker_on_claim},
	{KT_MSG_RUN_REQUEST, IN(READY), kt_worker_on_run},
	{KT_MSG_KILL_REQUEST, ANY, kt_worker_on_kill},
	{KT_MSG_SHUTDOWN_REQUEST, ANY, kt_worker_on_shutdown},
	{KT_MSG_LANE_ANSWER, ANY, kt_worker_on_lane_answer},
};

static const char *state_name(enum kt_worker_state state)
{
	static const char *const NAMES[KT_WORKER_STATES] = {
		"greeting", "claiming", "ready", "running", "leaving"};

	return NAMES[state];
}

enum kt_code kt_inbox_find(
	unsigned type, enum kt_worker_state state, kt_inbox_handler *out, struct kt_error *err)
{
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
		if (ROWS[i].type == type && (ROWS[i].states & (1U << state)) != 0) {
			*out = ROWS[i].handler;
			return KT_E_OK;
		}
	return kt_error_set(err, KT_E_MESSAGE_UNEXPECTED, "%s while the worker is %s",
		kt_message_name(type), state_name(state));
}
