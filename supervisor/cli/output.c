/*
 * Printing for every command. Process: every command; never the supervisor's loop.
 */
#include "supervisor/cli/output.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "supervisor/cli/advice.h"
#include "supervisor/cli/context.h"

static bool colour_allowed = true;
static const char *command_path; /* the command that runs; NULL: none yet */
static char *mission_slug;       /* what --mission said, in full; NULL: it was not given */

void kt_output_set_command(const char *path)
{
	command_path = path;
}

void kt_output_set_mission(const char *slug)
{
	free(mission_slug);
	mission_slug = slug == NULL ? NULL : kt_strdup(slug);
}

/* `kitty help` alone helps nobody who knows which command it is about. Gives. */
char *kt_next_step(const struct kt_error *err)
{
	const char *step = kt_error_next_step(err);

	if (command_path != NULL && strcmp(step, "kitty help") == 0)
		return kt_format("kitty help %s", command_path);
	return kt_advice_for(step, mission_slug);
}

void kt_print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
}

void kt_print_notice(const char *format, ...)
{
	va_list args;

	(void)fputs("kitty: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
}

void kt_print_json(const struct kt_json *object)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_json_write(object, isatty(STDOUT_FILENO) ? KT_JSON_PRETTY_RAW : KT_JSON_COMPACT, &text);
	kt_buffer_putc(&text, '\n');
	(void)fwrite(text.data, 1, text.len, stdout);
	kt_buffer_release(&text);
}

void kt_output_advise(struct kt_json *error)
{
	const char *step = kt_json_get_string(error, "next_step");
	char *advice = step == NULL ? NULL : kt_advice_for(step, mission_slug);

	if (advice != NULL)
		kt_json_set_string(error, "next_step", advice);
	free(advice);
}

struct kt_json *kt_error_json(const struct kt_error *err)
{
	struct kt_json *error = kt_json_new_object();
	char *next_step = kt_next_step(err);

	kt_json_set_string(error, "code", kt_error_text(err->code));
	kt_json_set_string(error, "message", kt_error_summary(err->code));
	kt_json_set_string(error, "detail", err->detail);
	kt_json_set_string(error, "next_step", next_step);
	free(next_step);
	return error;
}

/* Foreign text (paths, hook output) must not steer the terminal or break the line. */
void kt_print_safe(FILE *stream, const char *text)
{
	for (; *text != '\0'; text++)
		(void)fputc((unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text, stream);
}

int kt_fail_with(bool json, const struct kt_error *err, struct kt_json *extra)
{
	struct kt_json *object = extra == NULL ? kt_json_new_object() : extra;
	char *next_step = kt_next_step(err);

	if (json) {
		if (kt_json_get(object, "error") == NULL)
			kt_json_set(object, "error", kt_error_json(err));
		kt_output_advise(kt_json_get(object, "error"));
		kt_print_json(object);
	} else {
		(void)fflush(stdout);
		(void)fprintf(stderr, "kitty: %s%s", kt_error_summary(err->code),
			err->detail[0] == '\0' ? "" : ": ");
		kt_print_safe(stderr, err->detail);
		(void)fprintf(stderr, " [%s]\nnext: ", kt_error_text(err->code));
		kt_print_safe(stderr, next_step);
		(void)fputc('\n', stderr);
	}
	free(next_step);
	kt_json_free(object);
	return kt_error_exit(err->code);
}

int kt_fail(bool json, const struct kt_error *err)
{
	return kt_fail_with(json, err, NULL);
}

void kt_output_set_colour(bool allowed)
{
	colour_allowed = allowed;
}

bool kt_output_has_colour(void)
{
	const char *no_colour = kt_environment_value("NO_COLOR");

	return colour_allowed && (no_colour == NULL) && isatty(STDOUT_FILENO);
}

/* Of a pipe or a socket. Asked of the descriptor: which write of stdio failed, and why, is long
 * forgotten. */
static bool is_reader_gone(void)
{
	struct pollfd entry = {STDOUT_FILENO, POLLOUT, 0};

	return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLERR | POLLHUP)) != 0;
}

/* What would have happened at the first write, had it not had to wait until the work was done. */
static int end_by_sigpipe(void)
{
	(void)signal(SIGPIPE, SIG_DFL);
	(void)raise(SIGPIPE);
	return 128 + SIGPIPE; /* whoever started this process has it blocked */
}

int kt_output_finish(int status)
{
	bool failed = fflush(stdout) != 0 || ferror(stdout) != 0;

	if (failed && status == KT_EXIT_OK && is_reader_gone())
		return end_by_sigpipe();
	if (failed && status == KT_EXIT_OK) {
		(void)fputs("kitty: standard output could not be written [IO_ERROR]\n"
			    "next: check where the output goes, then run the command again\n",
			stderr);
		return KT_EXIT_FAILED;
	}
	return status;
}
