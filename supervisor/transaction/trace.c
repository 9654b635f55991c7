/*
 * The trace: one line per step that a writer has ended, appended to the file that SPEC_KITTY_TRACE
 * names. tests/model/accept reads it and says whether what happened is a path of the model of the
 * transaction. Runs in whatever process has a writer; must never fail or delay a transaction: no
 * file, no trace.
 *
 *   <pid> <step> <next step> <tip> <new tip> [<event id>[,<event id>...]:<verdict>]...
 *
 * Verdicts: - none yet, b built, o committed, n committed before, e refused or failed.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/transaction/writer_private.h"

static const char *const names[STEP_COUNT] = {
	[STEP_IDLE] = "idle",
	[STEP_LOCK] = "lock",
	[STEP_WORKTREE] = "worktree",
	[STEP_HEAL] = "heal",
	[STEP_SYNC] = "sync",
	[STEP_GATE] = "gate",
	[STEP_JUDGE] = "judge",
	[STEP_MERGE] = "merge",
	[STEP_BUILD] = "build",
	[STEP_HOOKS] = "hooks",
	[STEP_SIGN] = "hooks", /* to the model: one more program that may refuse */
	[STEP_SWAP] = "swap",
	[STEP_FILES] = "files",
	[STEP_ANSWER] = "answer",
	[STEP_POST] = "post",
};

int kt_trace_open(void)
{
	const char *path =
		getenv("SPEC_KITTY_TRACE"); /* NOLINT(concurrency-mt-unsafe): no threads */

	return path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static char verdict_of(const struct pending *p)
{
	const struct kt_json *receipt = kt_json_get(p->outcome, "receipt");

	if (p->outcome == NULL)
		return p->is_built ? 'b' : '-';
	if (receipt == NULL)
		return 'e';
	return kt_json_get_bool(receipt, "is_noop", false) ? 'n' : 'o';
}

/* The ids that the writer chose or, before that, those that the request brought along. */
static void put_request(struct kt_buffer *line, const struct pending *p)
{
	const struct kt_json *ids = p->event_ids;
	size_t before = 0;

	kt_buffer_putc(line, ' ');
	before = line->len;
	for (struct kt_json *id = kt_json_first(ids); id != NULL; id = kt_json_next(id))
		kt_buffer_printf(line, "%s%s", line->len > before ? "," : "", kt_json_string(id));
	ids = before == line->len ? kt_json_get(p->request, "ops") : NULL;
	for (struct kt_json *op = kt_json_first(ids); op != NULL; op = kt_json_next(op))
		if (kt_json_get_string(op, "event_id") != NULL)
			kt_buffer_printf(line, "%s%s", line->len > before ? "," : "",
				kt_json_get_string(op, "event_id"));
	kt_buffer_printf(line, ":%c", verdict_of(p));
}

void kt_trace_step(const struct kt_writer *writer, enum step ended)
{
	struct kt_buffer line = KT_BUFFER_INIT;

	if (writer->trace_fd < 0 || names[writer->step] == names[ended])
		return;
	kt_buffer_printf(&line, "%ld %s %s %s %s", (long)getpid(), names[ended],
		names[writer->step], kt_oid_format(&writer->tip).text,
		kt_oid_format(&writer->new_tip).text);
	for (const struct pending *p = writer->batch; p != NULL; p = p->next)
		put_request(&line, p);
	kt_buffer_putc(&line, '\n');
	/* One write is one line, whoever else appends. */
	(void)!write(writer->trace_fd, line.data, line.len);
	kt_buffer_release(&line);
}
