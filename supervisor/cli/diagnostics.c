/*
 * The diagnostic of a rejected commit. Process: every command that writes.
 */
#include "supervisor/cli/diagnostics.h"

#include <stdio.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/cli/output.h"

static const char *text_of(const struct kt_json *object, const char *key, const char *fallback)
{
	const char *text = kt_json_get_string(object, key);

	return text == NULL || text[0] == '\0' ? fallback : text;
}

void kt_diagnostic_block(const struct kt_json *outcome, struct kt_buffer *out)
{
	const struct kt_json *move = kt_json_get(outcome, "rolled_back_transition");
	const char *hook = text_of(outcome, "rejected_by", "git");
	bool is_git = strcmp(hook, "git") == 0;

	if (kt_json_get_string(outcome, "rejected_message") == NULL)
		return;
	kt_buffer_printf(out, "Tracking commit '%s' was rejected by %s%s on branch %s.\n",
		text_of(outcome, "rejected_message", ""), hook, is_git ? "" : " hook",
		text_of(outcome, "destination_ref", ""));
	if (kt_json_is(move, KT_JSON_OBJECT))
		kt_buffer_printf(out, "Lane transition %s → %s for %s has been rolled back.\n",
			text_of(move, "from_lane", "?"), text_of(move, "to_lane", "?"),
			text_of(move, "wp_id", "?"));
	kt_buffer_puts(out, "status.events.jsonl restored to pre-emit state.\n");
	kt_buffer_printf(
		out, "Next step: %s\n", text_of(outcome, "next_step", "Run the command again."));
}

int kt_fail_outcome(bool json, const struct kt_json *outcome, const struct kt_error *err)
{
	struct kt_buffer block = KT_BUFFER_INIT;

	if (json)
		return kt_fail_with(true, err, outcome == NULL ? NULL : kt_json_copy(outcome));
	kt_diagnostic_block(outcome, &block);
	if (block.len == 0) {
		kt_buffer_release(&block);
		return kt_fail(false, err);
	}
	(void)fflush(stdout);
	(void)fputs(kt_buffer_text(&block), stderr);
	(void)fprintf(stderr, "kitty: %s: ", kt_error_summary(err->code));
	kt_print_safe(stderr, err->detail[0] != '\0'
				      ? err->detail
				      : text_of(outcome, "rejected_reason", "no reason was given"));
	(void)fprintf(stderr, " [%s]\n", kt_error_text(err->code));
	kt_buffer_release(&block);
	return kt_error_exit(err->code);
}
