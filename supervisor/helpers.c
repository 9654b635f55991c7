/*
 * Children that do what blocks. Runs in the supervisor. Must never wait for one, but for the moment
 * that a killed one takes to go away at the very end.
 */
#include "supervisor/helpers.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/message.h"
#include "supervisor/transaction/subprocess.h"

enum { OUTPUT_MAX = 1 << 20, ARGS_MAX = 32 };

struct kt_helper {
	struct kt_helper *next;
	struct kt_subprocess process;
	struct event *event;
	kt_helper_cb done;
	void *arg;
	char *name;
	bool has_ended;
};

static void helper_tell(
	struct kt_helper *helper, const struct kt_json *facts, const struct kt_error *err)
{
	helper->has_ended = true;
	helper->done(facts, err, helper->arg);
}

static void helper_judge(struct kt_helper *helper, const struct kt_child_status *status)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *facts = NULL;
	struct kt_error err = KT_ERROR_INIT;
	struct kt_error ignored = KT_ERROR_INIT;
	char how[64];

	kt_subprocess_output(&helper->process, OUTPUT_MAX, &text);
	kt_child_describe(status, how, sizeof how);
	if (status->timed_out)
		(void)kt_error_set(&err, KT_E_TIMEOUT, "kitty internal %s", helper->name);
	else if (kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &facts,
			 &ignored) != KT_E_OK ||
		 !kt_json_is(facts, KT_JSON_OBJECT))
		(void)kt_error_set(&err, KT_E_GIT_FAILED, "kitty internal %s ended with %s",
			helper->name, how);
	else if (!kt_message_error_decode(facts, &err) && (!status->exited || status->exit_code))
		(void)kt_error_set(&err, KT_E_GIT_FAILED, "kitty internal %s ended with %s",
			helper->name, how);
	helper_tell(helper, err.code == KT_E_OK ? facts : NULL, err.code == KT_E_OK ? NULL : &err);
	kt_json_free(facts);
	kt_buffer_release(&text);
}

static void helper_arm(struct kt_helper *helper)
{
	int64_t left = kt_subprocess_wake_ms(&helper->process) - kt_clock_monotonic_ms();
	struct timeval wait = {left < 0 ? 0 : (time_t)(left / 1000),
		left < 0 ? 0 : (suseconds_t)(left % 1000) * 1000};

	(void)event_add(helper->event, &wait);
}

static void on_helper(evutil_socket_t fd, short what, void *arg)
{
	struct kt_helper *helper = arg;
	struct kt_child_status status = {false, 0, 0, false};

	(void)fd;
	(void)what;
	if (kt_subprocess_poll(&helper->process, &status))
		helper_judge(helper, &status);
	else
		helper_arm(helper);
}

static enum kt_code spawn(struct kt_helpers *helpers, struct kt_helper *helper,
	const char *const *args, int timeout_ms, struct kt_error *err)
{
	const char *argv[ARGS_MAX] = {"kitty", "internal"};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	size_t len = 2;
	enum kt_code code = kt_subprocess_prepare(&helper->process, err);

	if (code != KT_E_OK)
		return code;
	for (size_t i = 0; args[i] != NULL && len + 1 < ARGS_MAX; i++)
		argv[len++] = args[i];
	argv[len] = NULL;
	spec.path = helpers->program;
	spec.argv = argv;
	spec.cwd = helpers->cwd;
	spec.stdout_fd = helper->process.output_fd;
	spec.stderr_fd = helpers->log_fd;
	spec.new_session = true;
	helper->process.deadline_ms = kt_clock_monotonic_ms() + timeout_ms;
	return kt_child_start(&spec, &helper->process.child, err);
}

void kt_helper_start(struct kt_helpers *helpers, const char *const *args, int timeout_ms,
	kt_helper_cb done, void *arg)
{
	struct kt_helper *helper = kt_alloc(sizeof *helper);
	struct kt_error err = KT_ERROR_INIT;

	helper->process = (struct kt_subprocess)KT_SUBPROCESS_INIT;
	helper->done = done;
	helper->arg = arg;
	helper->name = kt_strdup(args[0]);
	helper->next = helpers->running;
	helpers->running = helper;
	if (spawn(helpers, helper, args, timeout_ms, &err) != KT_E_OK) {
		helper_tell(helper, NULL, &err);
		return;
	}
	helper->event =
		event_new(helpers->base, helper->process.child.pidfd, EV_READ, on_helper, helper);
	helper_arm(helper);
}

size_t kt_helpers_running(const struct kt_helpers *helpers)
{
	size_t len = 0;

	for (const struct kt_helper *at = helpers->running; at != NULL; at = at->next)
		len += at->has_ended ? 0 : 1;
	return len;
}

static void helper_free(struct kt_helper *helper)
{
	if (helper->event != NULL)
		event_free(helper->event);
	kt_subprocess_release(&helper->process);
	free(helper->name);
	free(helper);
}

void kt_helpers_collect(struct kt_helpers *helpers)
{
	for (struct kt_helper **at = &helpers->running; *at != NULL;) {
		struct kt_helper *helper = *at;

		if (!helper->has_ended) {
			at = &helper->next;
			continue;
		}
		*at = helper->next;
		helper_free(helper);
	}
}

void kt_helpers_release(struct kt_helpers *helpers)
{
	while (helpers->running != NULL) {
		struct kt_helper *helper = helpers->running;
		struct kt_error err = KT_ERROR_INIT;

		helpers->running = helper->next;
		if (!helper->has_ended) {
			(void)kt_error_set(
				&err, KT_E_INTERRUPTED, "kitty internal %s", helper->name);
			helper_tell(helper, NULL, &err);
		}
		helper_free(helper);
	}
}
