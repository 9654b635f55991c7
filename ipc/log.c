/*
 * The log lines of both programs. Never writes to standard output, never fails the caller: a
 * line that cannot be written is lost.
 */
#include "ipc/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/fd.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static const char *program_name = "kitty", *lane_id;
static enum kt_log_level chosen = KT_LOG_WARN;
static bool is_chosen;

void kt_log_open(const char *program, const char *lane)
{
	program_name = program;
	lane_id = lane;
}

static void choose_by_environment(void)
{
	const char *text = getenv("SPEC_KITTY_LOG"); /* NOLINT(concurrency-mt-unsafe): no threads */

	is_chosen = true;
	for (unsigned i = 0; text != NULL && i < sizeof level_names / sizeof level_names[0]; i++)
		if (strcmp(text, level_names[i]) == 0)
			chosen = (enum kt_log_level)i;
}

bool kt_log_is_on(enum kt_log_level level)
{
	if (!is_chosen)
		choose_by_environment();
	return level <= chosen;
}

/* JSON's quoting serves: one line, printable ASCII, and readers know it. */
static void add_text(struct kt_buffer *line, const char *key, const char *text)
{
	kt_buffer_printf(line, " %s=", key);
	kt_json_write_string(text, strlen(text), true, line);
}

KT_PRINTF(3, 0)
static void start_line(
	struct kt_buffer *line, enum kt_log_level level, const char *format, va_list args)
{
	int64_t now = kt_clock_monotonic_ms();
	struct kt_buffer text = KT_BUFFER_INIT;

	kt_buffer_printf(line, "time=%" PRId64 ".%03d level=%s program=%s pid=%d", now / 1000,
		(int)(now % 1000), level_names[level], program_name, (int)getpid());
	if (lane_id != NULL)
		kt_buffer_printf(line, " lane=%s", lane_id);
	kt_buffer_vprintf(&text, format, args);
	add_text(line, "msg", kt_buffer_text(&text));
	kt_buffer_release(&text);
}

static void write_line(struct kt_buffer *line)
{
	kt_buffer_putc(line, '\n');
	(void)kt_fd_write_quietly(STDERR_FILENO, line->data, line->len);
	kt_buffer_release(line);
}

void kt_log(enum kt_log_level level, const char *format, ...)
{
	struct kt_buffer line = KT_BUFFER_INIT;
	va_list args;

	if (!kt_log_is_on(level))
		return;
	va_start(args, format);
	start_line(&line, level, format, args);
	va_end(args);
	write_line(&line);
}

void kt_log_failure(enum kt_log_level level, const struct kt_error *err, const char *format, ...)
{
	struct kt_buffer line = KT_BUFFER_INIT;
	va_list args;

	if (!kt_log_is_on(level))
		return;
	va_start(args, format);
	start_line(&line, level, format, args);
	va_end(args);
	kt_buffer_printf(&line, " code=%s", kt_error_text(err->code));
	if (err->sys_errno != 0)
		kt_buffer_printf(&line, " errno=%d", err->sys_errno);
	add_text(&line, "why", err->detail);
	write_line(&line);
}
