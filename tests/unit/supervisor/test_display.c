/*
 * The live lines of a launch on a terminal, byte for byte: drawn, drawn again below new lines, cut
 * to the terminal's size, taken away at the end.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buffer.h"
#include "ipc/fd.h"
#include "supervisor/display.h"

enum { PATIENCE_MS = 20000 };

/* A terminal of that size that changes nothing of what is written to it. */
struct terminal {
	int master, slave;
};

static struct terminal terminal_open(unsigned short columns, unsigned short lines)
{
	const struct winsize size = {.ws_col = columns, .ws_row = lines};
	struct terminal terminal = {posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), -1};
	struct termios modes;

	assert_true(terminal.master >= 0);
	assert_int_equal(grantpt(terminal.master), 0);
	assert_int_equal(unlockpt(terminal.master), 0);
	terminal.slave = open(ptsname(terminal.master),
		O_RDWR | O_NOCTTY | O_CLOEXEC); /* NOLINT(concurrency-mt-unsafe) */
	assert_true(terminal.slave >= 0);
	assert_int_equal(tcgetattr(terminal.slave, &modes), 0);
	modes.c_oflag &= ~(tcflag_t)OPOST;
	assert_int_equal(tcsetattr(terminal.slave, TCSANOW, &modes), 0);
	assert_int_equal(ioctl(terminal.slave, TIOCSWINSZ, &size), 0);
	return terminal;
}

static void terminal_close(struct terminal *terminal)
{
	(void)close(terminal->slave);
	(void)close(terminal->master);
}

/* Exactly these bytes are to be read, and nothing after them. */
static void expect_bytes(int fd, const char *expected)
{
	size_t wanted = strlen(expected);
	struct kt_buffer got = KT_BUFFER_INIT;

	while (got.len < wanted && kt_fd_wait(fd, POLLIN, PATIENCE_MS)) {
		char piece[4096];
		ssize_t len = read(fd, piece, sizeof piece);

		assert_true(len > 0);
		kt_buffer_append(&got, piece, (size_t)len);
	}
	assert_string_equal(kt_buffer_text(&got), expected);
	assert_false(kt_fd_wait(fd, POLLIN, 0));
	kt_buffer_release(&got);
}

#define LINE_A "lane-a   WP01   in_progress  claude        0:07  at work\n"
#define LINE_A_LATER "lane-a   WP01   in_progress  claude        1:08  at work\n"
#define LINE_B "lane-b   -      planned      -                   \n"
#define UP(lines) "\033[" lines "A\r\033[J"

static void live_lines_stay_below_what_is_said_and_go_at_the_end(void **state)
{
	struct kt_display_lane lanes[] = {
		{"lane-a", "WP01", "in_progress", "claude", "at work", 7},
		{"lane-b", NULL, "planned", "", NULL, -1},
	};
	struct terminal terminal = terminal_open(80, 24);
	struct kt_display *display = kt_display_new(terminal.slave, true);

	(void)state;
	assert_true(kt_display_is_live(display));
	kt_display_lanes(display, lanes, 2);
	expect_bytes(terminal.master, LINE_A LINE_B);
	kt_display_lanes(display, lanes, 2); /* nothing new: nothing is drawn */
	expect_bytes(terminal.master, "");
	kt_display_line(display, "lane-a: claimed");
	expect_bytes(terminal.master, UP("2") "lane-a: claimed\n" LINE_A LINE_B);
	lanes[0].running_s = 68;
	kt_display_lanes(display, lanes, 1);
	expect_bytes(terminal.master, UP("2") LINE_A_LATER);
	kt_display_free(display);
	expect_bytes(terminal.master, UP("1"));
	terminal_close(&terminal);
	kt_display_free(NULL);
}

static void lines_that_do_not_fit_the_terminal_are_counted(void **state)
{
	const struct kt_display_lane lanes[] = {
		{"lane-a", "WP01", "in_progress", "claude", "at work", 7},
		{"lane-b", "WP02", "in_progress", "claude", "at work", 8},
		{"lane-c", "WP03", "in_progress", "claude", "at work", 9},
		{"lane-d", "WP04", "in_progress", "claude", "at work", 10},
	};
	struct terminal terminal = terminal_open(17, 4);
	struct kt_display *display = kt_display_new(terminal.slave, true);

	(void)state;
	kt_display_lanes(display, lanes, 4);
	expect_bytes(terminal.master, "lane-a   WP01   \nand 3 more\n");
	kt_display_lanes(display, lanes + 2, 2);
	expect_bytes(terminal.master, UP("2") "lane-c   WP03   \nlane-d   WP04   \n");
	kt_display_free(display);
	expect_bytes(terminal.master, UP("2"));
	terminal_close(&terminal);
}

/* Some terminals say 0 x 0, a pipe says nothing. */
static void a_terminal_of_unknown_size_has_eighty_columns_and_twentyfour_lines(void **state)
{
	struct kt_display_lane lanes[30] = {{"lane-a", "WP01", "done", "claude", NULL, -1}};
	struct terminal terminal = terminal_open(0, 0);
	struct kt_display *display = kt_display_new(terminal.slave, true);
	struct kt_buffer expected = KT_BUFFER_INIT;
	char output[200];

	(void)state;
	memset(output, 'x', sizeof output - 1);
	output[sizeof output - 1] = '\0';
	lanes[0].output = output;
	for (size_t i = 1; i < 30; i++)
		lanes[i] = lanes[0];
	for (size_t i = 0; i < 21; i++) {
		kt_display_format(&lanes[i], 79, &expected);
		kt_buffer_putc(&expected, '\n');
	}
	assert_int_equal(expected.len, 21 * 80);
	kt_buffer_puts(&expected, "and 9 more\n");
	kt_display_lanes(display, lanes, 30);
	expect_bytes(terminal.master, kt_buffer_text(&expected));
	kt_display_free(display);
	expect_bytes(terminal.master, UP("22"));
	terminal_close(&terminal);
	kt_buffer_release(&expected);
}

static void a_stopped_terminal_holds_nobody_up_and_loses_old_pictures_only(void **state)
{
	struct kt_display_lane lane = {"lane-a", "WP01", "in_progress", "claude", "at work", 0};
	int ends[2];
	struct kt_display *display = NULL;
	size_t total = 0;
	char piece[4096];
	ssize_t len = 0;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	display = kt_display_new(ends[1], true);
	for (int i = 0; i < 20000; i++) {
		lane.running_s = i;
		kt_display_lanes(display, &lane, 1);
	}
	while ((len = read(ends[0], piece, sizeof piece)) > 0) {
		total += (size_t)len;
		kt_display_flush(display);
	}
	/* The pipe's 64 KiB and what is kept: not 20,000 lines of 60 bytes and more. */
	assert_in_range(total, 64 << 10, (64 << 10) + (260 << 10));
	lane.running_s = 3661;
	kt_display_lanes(display, &lane, 1);
	len = read(ends[0], piece, sizeof piece - 1);
	assert_true(len > 0);
	piece[len] = '\0';
	assert_string_equal(
		piece, UP("1") "lane-a   WP01   in_progress  claude       1h01m  at work\n");
	(void)close(ends[0]);
	kt_display_free(display);
	(void)close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_lines_stay_below_what_is_said_and_go_at_the_end),
		cmocka_unit_test(lines_that_do_not_fit_the_terminal_are_counted),
		cmocka_unit_test(
			a_terminal_of_unknown_size_has_eighty_columns_and_twentyfour_lines),
		cmocka_unit_test(a_stopped_terminal_holds_nobody_up_and_loses_old_pictures_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
