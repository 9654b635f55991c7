/*
 * kitty outbox, and delivery after a commit. Process: a command, or the supervisor's helper
 * (`kitty internal outbox`). Never runs inside the mission's lock.
 */
#include "supervisor/cli/outbox.h"

#include <stdlib.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/output.h"
#include "supervisor/fanout/outbox.h"
#include "supervisor/transaction/reader.h"

enum {
	AFTER_COMMIT_MS = 10000, /* a command that committed does not stay longer than this */
	HELPER_MS = 60000
};

static struct kt_sink *sinks_build(const struct kt_config *config)
{
	struct kt_sink *sinks = kt_alloc((config->sinks_len + 1) * sizeof *sinks);

	for (size_t i = 0; i < config->sinks_len; i++) {
		const struct kt_sink_config *from = &config->sinks[i];

		sinks[i] = (struct kt_sink){from->name, (const char *const *)from->argv, from->path,
			from->timeout_ms, from->retries};
	}
	return sinks;
}

/* The committed log at this moment. */
struct committed {
	struct kt_context *context;
	struct kt_view *view;
};

static enum kt_code log_load(void *arg, const char **log, size_t *len, struct kt_error *err)
{
	struct committed *committed = arg;
	struct kt_context *context = committed->context;
	enum kt_code code = kt_view_load(context->repo, context->mission, &committed->view, err);

	if (code == KT_E_OK) {
		*log = committed->view->log;
		*len = committed->view->log_len;
	}
	return code;
}

/* Looks (budget_ms < 0) or delivers. */
static enum kt_code outbox_run(
	struct kt_context *context, int budget_ms, struct kt_json **report, struct kt_error *err)
{
	const struct kt_mission *mission = context->mission;
	struct committed committed = {context, NULL};
	struct kt_sink *sinks = sinks_build(context->config);
	char *state = kt_format("%s/outbox.json", mission->run_dir);
	char *lock = kt_format("%s/outbox.flock", mission->run_dir);
	struct kt_outbox outbox = {.sinks = sinks,
		.sinks_len = context->config->sinks_len,
		.state_path = state,
		.lock_path = lock,
		.folder = context->repo->primary,
		.mission_slug = mission->slug,
		.mission_id = mission->mission_id,
		.load = log_load,
		.arg = &committed,
		.budget_ms = budget_ms};
	enum kt_code code = budget_ms < 0 ? kt_outbox_status(&outbox, report, err)
					  : kt_outbox_deliver(&outbox, report, err);

	kt_view_free(committed.view);
	free(sinks);
	free(state);
	free(lock);
	return code;
}

static void failures_tell(const struct kt_json *report)
{
	for (const struct kt_json *sink = kt_json_first(kt_json_get(report, "sinks")); sink != NULL;
		sink = kt_json_next(sink)) {
		const char *error = kt_json_get_string(kt_json_get(sink, "last_failure"), "error");

		if (error != NULL)
			kt_print_notice("warning: sink %s did not take an event: %s; see: kitty "
					"outbox",
				kt_json_get_string(sink, "name"), error);
	}
}

void kt_outbox_after_commit(struct kt_context *context)
{
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;

	if (kt_context_config(context, &err) != KT_E_OK || context->config->sinks_len == 0)
		return;
	if (outbox_run(context, AFTER_COMMIT_MS, &report, &err) == KT_E_OK)
		failures_tell(report);
	else
		kt_print_notice("warning: outbound events wait: %s", err.detail);
	kt_json_free(report);
}

/* ---- kitty outbox ---- */

static const struct kt_option options[] = {
	{"deliver", 0, NULL, false, "deliver what is pending now"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

static void sink_print(const struct kt_json *sink)
{
	const struct kt_json *failure = kt_json_get(sink, "last_failure");
	const char *cursor = kt_json_get_string(sink, "cursor");
	const char *error = kt_json_get_string(failure, "error");
	int64_t pending = 0, total = 0, attempts = 0;

	(void)kt_json_get_int(sink, "pending", &pending);
	(void)kt_json_get_int(sink, "delivered_total", &total);
	kt_print("%-16s %-8s delivered %-6lld pending %-6lld at %s\n",
		kt_json_get_string(sink, "name"), kt_json_get_string(sink, "kind"),
		(long long)total, (long long)pending, cursor == NULL ? "the start" : cursor);
	if (error == NULL)
		return;
	(void)kt_json_get_int(failure, "attempts", &attempts);
	kt_print("  last failure %s, %lld attempts: ", kt_json_get_string(failure, "at"),
		(long long)attempts);
	kt_print_safe(stdout, error);
	kt_print("\n");
}

static bool has_failure(const struct kt_json *report)
{
	for (const struct kt_json *sink = kt_json_first(kt_json_get(report, "sinks")); sink != NULL;
		sink = kt_json_next(sink))
		if (kt_json_is(kt_json_get(sink, "last_failure"), KT_JSON_OBJECT))
			return true;
	return false;
}

static void report_print(bool json, const struct kt_json *report)
{
	const struct kt_json *sinks = kt_json_get(report, "sinks");

	if (json) {
		kt_print_json(report);
		return;
	}
	if (kt_json_size(sinks) == 0)
		kt_print("no sinks; name them under `sinks:` in the kitty: section of "
			 ".kittify/config.yaml\n");
	for (const struct kt_json *s = kt_json_first(sinks); s != NULL; s = kt_json_next(s))
		sink_print(s);
	if (kt_json_get_bool(report, "busy", false))
		kt_print("another process delivers at the moment\n");
}

static int run_with(struct kt_invocation *invocation, int budget_ms, bool json)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err) !=
			KT_E_OK ||
		kt_context_config(&context, &err) != KT_E_OK ||
		outbox_run(&context, budget_ms, &report, &err) != KT_E_OK) {
		status = kt_context_fail(&context, json, &err);
	} else {
		report_print(json, report);
		if (budget_ms >= 0 && has_failure(report))
			status = KT_EXIT_FAILED;
	}
	kt_json_free(report);
	kt_context_release(&context);
	return status;
}

static int run(struct kt_invocation *invocation)
{
	return run_with(
		invocation, kt_invocation_has(invocation, "deliver") ? 0 : -1, invocation->json);
}

const struct kt_command kt_command_outbox = {
	.summary = "outbound events: what each sink got, what waits, what failed",
	.arguments = "",
	.help = "Sinks stand in the kitty: section of .kittify/config.yaml. Committed events go to "
		"each in\n"
		"order, at least once, after the commit. A sink that fails holds its own events "
		"back and no\n"
		"others; --deliver tries again now and exits 1 when a sink does not take an event.",
	.options = options,
	.run = run,
};

static const struct kt_option internal_options[] = {KT_OPTION_MISSION, KT_OPTION_END};

static int run_internal(struct kt_invocation *invocation)
{
	/* A failing sink is a fact, not a failed helper. */
	int status = run_with(invocation, HELPER_MS, true);

	return status == KT_EXIT_FAILED ? KT_EXIT_OK : status;
}

const struct kt_command kt_command_internal_outbox = {
	.summary = "deliver outbound events for the supervisor",
	.arguments = "",
	.options = internal_options,
	.is_hidden = true,
	.run = run_internal,
};
