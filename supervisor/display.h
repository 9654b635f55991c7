/*
 * What `kitty launch` shows while it runs. On a terminal: lines that stay, and below them one live
 * line per lane, drawn again as things change. Elsewhere: only lines. Writing never waits: what the
 * reader does not take is kept up to a bound, then dropped.
 */
#ifndef KITTY_SUPERVISOR_DISPLAY_H
#define KITTY_SUPERVISOR_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kt_buffer;
struct kt_display; /* opaque */

struct kt_display_lane {
	const char *id, *wp, *status, *agent, *output; /* NULL: nothing to show */
	int64_t running_s;                             /* -1: no agent runs */
};

/* fd: borrowed. is_live: a terminal that takes cursor movements. */
struct kt_display *kt_display_new(int fd, bool is_live);
void kt_display_free(struct kt_display *display); /* takes the live lines away; waits a moment */

void kt_display_line(struct kt_display *display, const char *line); /* one line, made safe */
bool kt_display_is_live(const struct kt_display *display);
void kt_display_lanes(struct kt_display *display, const struct kt_display_lane *lanes, size_t len);
void kt_display_flush(struct kt_display *display);

/* How wide a line may be on the terminal fd; 79 when that is not known. */
size_t kt_display_columns(int fd);

/* One live line, at most `columns` wide. Pure. Appends. */
void kt_display_format(const struct kt_display_lane *lane, size_t columns, struct kt_buffer *out);

/* Appends text without anything that steers a terminal: control characters become spaces, bytes
 * that are not UTF-8 become U+FFFD. At most max characters. */
void kt_display_escape(const char *text, size_t max, struct kt_buffer *out);

#endif
