/*
 * kitty agent tasks add-history: a note in a work package's history. Process: a command (people,
 * and agents in their lane).
 */
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/diagnostics.h"
#include "supervisor/cli/note.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/start.h"
#include "supervisor/cli/write.h"

static const struct kt_option options[] = {
	{"note", 0, "TEXT", false, "what is noted"},
	{"agent", 0, "NAME", false, "who notes it (who holds the work package, when not given)"},
	KT_OPTION_EVENT_ID,
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

static enum kt_code add(struct kt_invocation *invocation, struct kt_context *context,
	struct kt_json **outcome, struct kt_error *err)
{
	const char *wp_id = invocation->arguments[0];
	const char *note = kt_invocation_value(invocation, "note");
	const char *actor = kt_invocation_value(invocation, "agent");
	struct kt_start start = {0};
	enum kt_code code = kt_wp_argument(wp_id, err);

	if (code == KT_E_OK && note == NULL)
		code = kt_error_set(err, KT_E_USAGE, "--note TEXT is needed");
	if (code == KT_E_OK)
		code = kt_context_open_mission(
			context, kt_invocation_value(invocation, "mission"), err);
	if (code == KT_E_OK)
		code = kt_start_open(&start, context, wp_id, err);
	if (code == KT_E_OK) {
		if (actor == NULL)
			actor = kt_wp_holder(&start.state);
		code = kt_note_add(context,
			&(struct kt_note){invocation->path, wp_id,
				actor == NULL ? KT_OPERATOR : actor, note,
				kt_invocation_value(invocation, "event-id")},
			outcome, err);
	}
	kt_start_release(&start);
	return code;
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *outcome = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int status = KT_EXIT_OK;

	if (add(invocation, &context, &outcome, &err) != KT_E_OK) {
		status = outcome != NULL ? kt_fail_outcome(invocation->json, outcome, &err)
					 : kt_context_fail(&context, invocation->json, &err);
	} else if (invocation->json) {
		kt_json_set_string(outcome, "wp_id", invocation->arguments[0]);
		kt_print_json(outcome);
	} else {
		kt_print_outcome(outcome);
	}
	kt_json_free(outcome);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_add_history = {
	.summary = "add a note to a work package's history",
	.arguments = "WP --note TEXT",
	.options = options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
