/*
 * Lines for people. Runs in the supervisor. Must never wait for the reader: a terminal that is
 * stopped, or a pipe into a pager, must not hold up a mission.
 */
#include "supervisor/display.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/fd.h"
#include "ipc/utf8.h"

enum { PENDING_MAX = 256 << 10, PIECE = 2048, LINE_MAX_CHARACTERS = 2000, END_MS = 500 };

struct kt_display {
	int fd;
	bool is_live;
	struct kt_buffer pending; /* not taken by the reader yet */
	struct kt_buffer live;    /* the live lines as they stand */
	size_t live_lines;        /* drawn now */
};

struct kt_display *kt_display_new(int fd, bool is_live)
{
	struct kt_display *display = kt_alloc(sizeof *display);

	display->fd = fd;
	display->is_live = is_live;
	return display;
}

bool kt_display_is_live(const struct kt_display *display)
{
	return display->is_live;
}

/* A piece of at most PIPE_BUF bytes, after poll said there is room, does not block. */
static bool piece_write(struct kt_display *display, int timeout_ms)
{
	size_t len = display->pending.len < PIECE ? display->pending.len : PIECE;
	ssize_t written = 0;

	if (len == 0 || !kt_fd_wait(display->fd, POLLOUT, timeout_ms))
		return false;
	written = kt_fd_write_quietly(display->fd, display->pending.data, len);
	if (written < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* Nobody reads any more: the mission goes on without being watched. */
	kt_buffer_consume(&display->pending, written < 0 ? display->pending.len : (size_t)written);
	return true;
}

void kt_display_flush(struct kt_display *display)
{
	while (piece_write(display, 0))
		;
}

void kt_display_free(struct kt_display *display)
{
	if (display == NULL)
		return;
	kt_display_lanes(display, NULL, 0);
	while (piece_write(display, END_MS))
		;
	kt_buffer_release(&display->pending);
	kt_buffer_release(&display->live);
	free(display);
}

void kt_display_escape(const char *text, size_t max, struct kt_buffer *out)
{
	size_t left = strlen(text);

	for (size_t shown = 0; left > 0 && shown < max; shown++) {
		size_t len = kt_utf8_length(text, left);
		unsigned point = len == 0 ? 0xFFFD : kt_utf8_decode(text, len);

		if (len == 0)
			kt_buffer_puts(out, "\xEF\xBF\xBD");
		else if (point < 0x20 || (point >= 0x7F && point < 0xA0) ||
			 (point >= 0x202A && point <= 0x202E) ||
			 (point >= 0x2066 && point <= 0x2069))
			kt_buffer_putc(out, ' ');
		else
			kt_buffer_append(out, text, len);
		text += len == 0 ? 1 : len;
		left -= len == 0 ? 1 : len;
	}
}

static void duration_append(int64_t seconds, struct kt_buffer *out)
{
	if (seconds < 0)
		kt_buffer_printf(out, "%7s", "");
	else if (seconds < 3600)
		kt_buffer_printf(
			out, "%4lld:%02lld", (long long)(seconds / 60), (long long)(seconds % 60));
	else
		kt_buffer_printf(out, "%3lldh%02lldm", (long long)(seconds / 3600),
			(long long)(seconds / 60 % 60));
}

static const char *or_dash(const char *text)
{
	return text == NULL || text[0] == '\0' ? "-" : text;
}

void kt_display_format(const struct kt_display_lane *lane, size_t columns, struct kt_buffer *out)
{
	struct kt_buffer line = KT_BUFFER_INIT;

	kt_buffer_printf(&line, "%-8.24s %-6.12s %-12.16s %-10.16s ", lane->id, or_dash(lane->wp),
		or_dash(lane->status), or_dash(lane->agent));
	duration_append(lane->running_s, &line);
	kt_buffer_puts(&line, "  ");
	kt_display_escape(lane->output == NULL ? "" : lane->output, LINE_MAX_CHARACTERS, &line);
	kt_display_escape(kt_buffer_text(&line), columns, out);
	kt_buffer_release(&line);
}

/* Lines that do not fit the terminal cannot be taken away again. */
static void size_of(int fd, size_t *columns, size_t *lines)
{
	struct winsize size = {0};
	bool is_known = ioctl(fd, TIOCGWINSZ, &size) == 0;

	*columns = is_known && size.ws_col > 1 ? size.ws_col - 1U : 79;
	*lines = is_known && size.ws_row > 3 ? size.ws_row - 2U : 22;
}

size_t kt_display_columns(int fd)
{
	size_t columns = 0;
	size_t lines = 0;

	size_of(fd, &columns, &lines);
	return columns;
}

static void live_clear(struct kt_display *display)
{
	if (display->live_lines > 0)
		kt_buffer_printf(&display->pending, "\033[%zuA\r\033[J", display->live_lines);
	display->live_lines = 0;
}

static void live_draw(struct kt_display *display)
{
	const char *text = kt_buffer_text(&display->live);

	kt_buffer_append(&display->pending, text, display->live.len);
	for (const char *at = strchr(text, '\n'); at != NULL; at = strchr(at + 1, '\n'))
		display->live_lines++;
}

void kt_display_line(struct kt_display *display, const char *line)
{
	if (display->pending.len > PENDING_MAX)
		return;
	live_clear(display);
	kt_display_escape(line, LINE_MAX_CHARACTERS, &display->pending);
	kt_buffer_putc(&display->pending, '\n');
	live_draw(display);
	kt_display_flush(display);
}

void kt_display_lanes(struct kt_display *display, const struct kt_display_lane *lanes, size_t len)
{
	struct kt_buffer fresh = KT_BUFFER_INIT;
	size_t columns = 0;
	size_t lines = 0;

	if (!display->is_live || display->pending.len > PENDING_MAX)
		return;
	size_of(display->fd, &columns, &lines);
	for (size_t i = 0; i < len && i < lines; i++) {
		if (i + 1 == lines && len > lines)
			kt_buffer_printf(&fresh, "and %zu more", len - i);
		else
			kt_display_format(&lanes[i], columns, &fresh);
		kt_buffer_putc(&fresh, '\n');
	}
	if (fresh.len == display->live.len &&
		memcmp(kt_buffer_text(&fresh), kt_buffer_text(&display->live), fresh.len) == 0) {
		kt_buffer_release(&fresh);
		return;
	}
	live_clear(display);
	kt_buffer_release(&display->live);
	display->live = fresh;
	live_draw(display);
	kt_display_flush(display);
}
