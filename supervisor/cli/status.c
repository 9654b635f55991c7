/*
 * kitty status: the state of every work package and lane. Process: a command. Never writes; asks
 * the supervisor when one lives (which saves starting libgit2), else reads the coordination branch
 * itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/message.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"
#include "supervisor/display.h"
#include "supervisor/lease.h"
#include "supervisor/report.h"
#include "supervisor/transaction/reader.h"

#define ANSWER_TIMEOUT_MS 5000
#define COLUMNS_BEFORE_TITLE 45
#define TITLE_MIN 12

static const struct kt_option options[] = {
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

/* NULL when there is no supervisor or it does not answer: then the branch is read. */
static struct kt_json *report_ask(struct kt_context *context)
{
	struct kt_json *question = kt_json_new_object();
	struct kt_json *answer = NULL;
	struct kt_error ignored = KT_ERROR_INIT;
	enum kt_code code = kt_supervisor_ask(
		context, KT_MSG_STATUS_REQUEST, question, ANSWER_TIMEOUT_MS, &answer, &ignored);

	kt_json_free(question);
	return code == KT_E_OK ? answer : NULL;
}

static enum kt_code report_read(
	struct kt_context *context, struct kt_json **out, struct kt_error *err)
{
	struct kt_view *view = NULL;
	enum kt_code code = kt_view_load(context->repo, context->mission, &view, err);

	if (code == KT_E_OK)
		*out = kt_report_build(context->mission, view->plan, view->state, &view->tip, NULL);
	kt_view_free(view);
	return code;
}

/* Started by a launch, not handed over, and the worker is dead: the status alone would look as if
 * somebody were at work. */
static bool is_interrupted(const struct kt_context *context, const struct kt_json *wp)
{
	static const char *const at_work[] = {"claimed", "in_progress", "in_review"};
	const char *status = kt_json_get_string(wp, "lane");
	struct kt_lease lease = {0};
	bool is_at_work = false;
	bool is_dead = false;

	for (size_t i = 0; status != NULL && i < sizeof at_work / sizeof at_work[0]; i++)
		is_at_work |= strcmp(at_work[i], status) == 0;
	if (!is_at_work || !kt_lease_read(context->mission, kt_json_get_string(wp, "id"), &lease))
		return false;
	is_dead = !kt_lease_is_alive(&lease);
	kt_lease_release(&lease);
	return is_dead;
}

/* A running supervisor sees to its own; without one, what waits for the next launch is named. */
static void interrupted_set(const struct kt_context *context, struct kt_json *report)
{
	struct kt_json *list = kt_json_new_array();
	int64_t pid = 0;
	bool is_alone = !kt_json_get_int(kt_json_get(report, "supervisor"), "pid", &pid);

	for (const struct kt_json *wp = kt_json_first(kt_json_get(report, "work_packages"));
		is_alone && wp != NULL; wp = kt_json_next(wp))
		if (is_interrupted(context, wp))
			kt_json_append(list, kt_json_copy(kt_json_get(wp, "id")));
	kt_json_set(report, "interrupted", list);
}

enum kt_code kt_report_get(struct kt_context *context, struct kt_json **out, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	*out = report_ask(context);
	if (*out == NULL)
		code = report_read(context, out, err);
	if (code == KT_E_OK)
		interrupted_set(context, *out);
	return code;
}

/* ---- text ---- */

struct paint {
	const char *status, *start;
};

static const struct paint paints[] = {
	{"in_progress", "\033[33m"},
	{"claimed", "\033[33m"},
	{"for_review", "\033[36m"},
	{"in_review", "\033[36m"},
	{"approved", "\033[32m"},
	{"done", "\033[32m"},
	{"blocked", "\033[31m"},
};

static const char *paint_of(const char *status)
{
	for (size_t i = 0; kt_output_has_colour() && i < sizeof paints / sizeof paints[0]; i++)
		if (strcmp(paints[i].status, status) == 0)
			return paints[i].start;
	return "";
}

static const char *text_of(const struct kt_json *object, const char *key, const char *fallback)
{
	const char *text = kt_json_get_string(object, key);

	return text == NULL ? fallback : text;
}

static void safe(const char *text)
{
	kt_print_safe(stdout, text);
}

/* Characters of UTF-8: every byte but those that continue one. */
static size_t characters(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xC0U) != 0x80U;
	return count;
}

/* What follows a title. */
static void tail_append(const struct kt_json *wp, struct kt_buffer *tail)
{
	const struct kt_json *wait = kt_json_first(kt_json_get(wp, "waits_for"));
	const char *reason = kt_json_get_string(wp, "reason");

	for (; wait != NULL; wait = kt_json_next(wait))
		kt_buffer_printf(tail, "  waits: %s", kt_json_string(wait));
	if (strcmp(text_of(wp, "lane", ""), "blocked") == 0 && reason != NULL)
		kt_buffer_printf(tail, "  reason: %s", reason);
}

/* On a terminal a long title gives way, so that a work package takes one line where it can;
 * elsewhere nothing is shortened. */
static void title_print(const char *title, const char *tail)
{
	size_t used = COLUMNS_BEFORE_TITLE + characters(tail);
	size_t columns = isatty(STDOUT_FILENO) ? kt_display_columns(STDOUT_FILENO) : SIZE_MAX;
	size_t room = columns > used + TITLE_MIN ? columns - used : TITLE_MIN;
	struct kt_buffer shown = KT_BUFFER_INIT;

	if (characters(title) > room) {
		kt_display_escape(title, room - 1, &shown);
		kt_buffer_puts(&shown, "\xE2\x80\xA6");
	} else {
		kt_buffer_puts(&shown, title);
	}
	safe(kt_buffer_text(&shown));
	kt_buffer_release(&shown);
}

static void wp_print(const struct kt_json *wp)
{
	const char *status = text_of(wp, "lane", "?");
	const char *start = paint_of(status);
	struct kt_buffer tail = KT_BUFFER_INIT;

	tail_append(wp, &tail);
	kt_print("  %-5s %s%-12s%s %-10s %-12s ", text_of(wp, "id", "?"), start, status,
		start[0] == '\0' ? "" : "\033[0m", text_of(wp, "lane_id", "-"),
		text_of(wp, "agent", "-"));
	title_print(text_of(wp, "title", ""), kt_buffer_text(&tail));
	safe(kt_buffer_text(&tail));
	kt_print("\n");
	kt_buffer_release(&tail);
}

/* Only printed where there is something to go on with. */
static void interrupted_print(const struct kt_json *report)
{
	const struct kt_json *list = kt_json_get(report, "interrupted");

	if (kt_json_size(list) == 0)
		return;
	kt_print("interrupted, nobody works on it:");
	for (const struct kt_json *id = kt_json_first(list); id != NULL; id = kt_json_next(id))
		kt_print(" %s", kt_json_string(id));
	kt_print("\ngo on: kitty launch --lanes all --mission %s\n",
		text_of(kt_json_get(report, "mission"), "slug", "?"));
}

static void lane_print(const struct kt_json *lane)
{
	const char *output = kt_json_get_string(lane, "last_output");

	if (kt_json_get_string(lane, "running_wp") == NULL)
		return;
	kt_print("  %-10s runs %s with %s", text_of(lane, "lane_id", "?"),
		text_of(lane, "running_wp", "?"), text_of(lane, "agent", "?"));
	if (output != NULL && output[0] != '\0') {
		kt_print(": ");
		safe(output);
	}
	kt_print("\n");
}

static void supervisor_print(const struct kt_json *supervisor)
{
	const char *hook = kt_json_get_string(supervisor, "hook");
	int64_t pid = 0, waiting = 0;

	if (!kt_json_get_int(supervisor, "pid", &pid))
		return;
	kt_print("supervisor pid %lld\n", (long long)pid);
	(void)kt_json_get_int(supervisor, "waiting", &waiting);
	if (hook != NULL)
		kt_print("the %s hook runs; %lld more request%s wait%s for it\n", hook,
			(long long)waiting, waiting == 1 ? "" : "s", waiting == 1 ? "s" : "");
}

static void report_print(const struct kt_json *report)
{
	const struct kt_json *mission = kt_json_get(report, "mission");
	const struct kt_json *wps = kt_json_get(report, "work_packages");
	struct kt_buffer done = KT_BUFFER_INIT;

	kt_print("mission %s  (target %s)\n", text_of(mission, "slug", "?"),
		text_of(mission, "target_branch", "?"));
	kt_print("branch  %s  %.12s\n",
		text_of(mission, "coordination_branch", "(no coordination branch)"),
		text_of(mission, "tip", ""));
	if (kt_json_get_bool(mission, "discarded", false))
		kt_print("discarded: kitty mission restore --mission %s\n",
			text_of(mission, "slug", "?"));
	else if (kt_json_get_bool(mission, "closed", false))
		kt_print("closed\n");
	supervisor_print(kt_json_get(report, "supervisor"));
	if (kt_json_size(wps) == 0)
		kt_print("no work packages yet: kitty agent mission finalize-tasks\n");
	for (const struct kt_json *wp = kt_json_first(wps); wp != NULL; wp = kt_json_next(wp))
		wp_print(wp);
	for (const struct kt_json *lane = kt_json_first(kt_json_get(report, "lanes")); lane != NULL;
		lane = kt_json_next(lane))
		lane_print(lane);
	interrupted_print(report);
	if (kt_json_size(wps) > 0) {
		kt_json_write(kt_json_get(report, "weighted_percentage"), KT_JSON_COMPACT, &done);
		kt_print("progress %s%%\n", kt_buffer_text(&done));
	}
	kt_buffer_release(&done);
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code =
		kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err);

	if (code == KT_E_OK)
		code = kt_report_get(&context, &report, &err);
	return kt_context_answer(
		&context, invocation->json, report, report_print, code == KT_E_OK ? NULL : &err);
}

const struct kt_command kt_command_status = {
	.summary = "the status of every work package and lane",
	.arguments = "",
	.help = "The same answer from the primary checkout, a lane, the coordination worktree or "
		"any folder\n"
		"below them, with and without a running supervisor. Work that a launch left behind "
		"is named\n"
		"as interrupted. On a terminal long titles are shortened.",
	.options = options,
	.run = run,
};
