/*
 * kitty logs: what the agents of a lane printed. Process: a command. Reads files; needs no
 * supervisor, never writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/fd.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/output.h"

/* How often to look without being told: what another machine writes to a shared disk makes no event
 * here, and neither does anything where there is no descriptor left for them. */
enum { LOOK_MS = 1000, LOOK_BLINDLY_MS = 150 };
enum { LINES_STANDARD = 100, PIECE = 64 << 10, LINE_MAX_BYTES = 256 << 10 };

static const struct kt_option options[] = {
	{"follow", 'f', NULL, false, "go on as more comes; ends with Ctrl-C"},
	{"lines", 'n', "N", false, "the last N lines (100)"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

struct tail {
	char *current; /* the link that names the newest log */
	const char *lane;
	bool json;
	int fd;
	char *name; /* what the link says */
	off_t at;
	struct kt_buffer line; /* begun, not ended */
};

static void line_print(struct tail *tail, const char *line, size_t len)
{
	char *text = kt_strndup(line, len);
	struct kt_json *row = NULL;

	if (tail->json) {
		row = kt_json_new_object();
		kt_json_set_string(row, "lane", tail->lane);
		kt_json_set_string(row, "file", tail->name);
		kt_json_set_string(row, "line", text);
		kt_print_json(row);
		kt_json_free(row);
	} else {
		kt_print("%s\n", text);
	}
	free(text);
}

static void bytes_take(struct tail *tail, const char *bytes, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(bytes, '\n', len);
		size_t part = newline == NULL ? len : (size_t)(newline - bytes);

		kt_buffer_append(&tail->line, bytes, part);
		if (newline != NULL || tail->line.len > LINE_MAX_BYTES) {
			line_print(tail, kt_buffer_text(&tail->line), tail->line.len);
			kt_buffer_clear(&tail->line);
		}
		bytes += newline == NULL ? part : part + 1;
		len -= newline == NULL ? part : part + 1;
	}
}

static void line_end(struct tail *tail)
{
	if (tail->line.len > 0)
		line_print(tail, kt_buffer_text(&tail->line), tail->line.len);
	kt_buffer_clear(&tail->line);
}

static void rest_read(struct tail *tail)
{
	char *piece = kt_alloc(PIECE);
	ssize_t len = 0;

	while (tail->fd >= 0 && (len = pread(tail->fd, piece, PIECE, tail->at)) > 0) {
		bytes_take(tail, piece, (size_t)len);
		tail->at += len;
	}
	free(piece);
	(void)fflush(stdout);
}

/* Where the last `lines` lines begin. */
static off_t tail_start(int fd, long lines)
{
	off_t at = lseek(fd, 0, SEEK_END);
	char *piece = kt_alloc(PIECE);
	bool is_last = true;
	off_t start = 0;

	while (at > 0 && lines > 0) {
		off_t from = at > PIECE ? at - PIECE : 0;
		ssize_t len = pread(fd, piece, (size_t)(at - from), from);

		for (ssize_t i = len - 1; i >= 0 && lines > 0; i--) {
			/* The newline that ends the file ends no further line. */
			if (piece[i] == '\n' && !(is_last && from + i + 1 == at) && --lines == 0)
				start = from + i + 1;
			if (piece[i] == '\n' && is_last)
				is_last = false;
		}
		is_last = false;
		at = len <= 0 ? 0 : from;
	}
	free(piece);
	return start;
}

/* Opens the newest log when it is another one than before. */
static bool log_switch(struct tail *tail)
{
	char target[PATH_MAX];
	ssize_t len = readlink(tail->current, target, sizeof target - 1);
	struct stat open_one = {0};
	struct stat newest = {0};

	if (len <= 0)
		return false;
	target[len] = '\0';
	if (tail->fd >= 0 && fstat(tail->fd, &open_one) == 0 && stat(tail->current, &newest) == 0 &&
		open_one.st_ino == newest.st_ino)
		return false;
	rest_read(tail);
	line_end(tail);
	kt_fd_close(&tail->fd);
	free(tail->name);
	tail->name = kt_strdup(target);
	tail->fd = open(tail->current, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	tail->at = 0;
	return tail->fd >= 0;
}

/* Events for the lane's folder, and for those above it, which may have to be made first: told of
 * the upper ones first, none is made unnoticed. */
static void watch_arm(int events, const struct kt_context *context, const char *lane)
{
	const char *run_dir = context->mission->run_dir;
	char *all = kt_format("%s/logs", run_dir);
	char *folder = kt_format("%s/%s", all, lane);

	(void)inotify_add_watch(events, run_dir, IN_CREATE | IN_ONLYDIR);
	(void)inotify_add_watch(events, all, IN_CREATE | IN_ONLYDIR);
	(void)inotify_add_watch(events, folder, IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_ONLYDIR);
	free(folder);
	free(all);
}

/* Until something happened there. False: nobody reads any more. */
static bool watch_wait(int events)
{
	struct pollfd wait[] = {{events, POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
	char told[4096];

	(void)poll(wait, 2, events >= 0 ? LOOK_MS : LOOK_BLINDLY_MS);
	while (events >= 0 && read(events, told, sizeof told) > 0)
		continue;
	return wait[1].revents == 0 && !ferror(stdout);
}

static void follow(struct tail *tail, const struct kt_context *context)
{
	int events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	do {
		if (events >= 0)
			watch_arm(events, context, tail->lane);
		(void)log_switch(tail);
		rest_read(tail);
	} while (watch_wait(events));
	kt_fd_close(&events);
}

static enum kt_code lane_find(const struct kt_invocation *invocation, struct kt_context *context,
	char **lane, struct kt_error *err)
{
	enum kt_code code =
		kt_context_mission(context, kt_invocation_value(invocation, "mission"), err);

	if (code != KT_E_OK)
		return code;
	if (invocation->arguments_len > 0)
		*lane = kt_lane_id_parse(invocation->arguments[0]);
	else if (context->lane != NULL)
		*lane = kt_strdup(context->lane);
	else
		return kt_error_set(err, KT_E_USAGE, "name the lane: kitty logs LANE");
	if (*lane != NULL)
		return KT_E_OK;
	return kt_error_set(err, KT_E_LANE_NOT_FOUND, "`%.40s`", invocation->arguments[0]);
}

static enum kt_code show(const struct kt_invocation *invocation, const struct kt_context *context,
	const char *lane, struct kt_error *err)
{
	bool follows = kt_invocation_has(invocation, "follow");
	struct tail tail = {.lane = lane, .json = invocation->json, .fd = -1};
	long lines = 0;
	enum kt_code code = kt_invocation_number(invocation, "lines", LINES_STANDARD, &lines, err);

	if (code != KT_E_OK)
		return code;
	tail.current = kt_format("%s/logs/%s/current", context->mission->run_dir, lane);
	if (log_switch(&tail)) {
		tail.at = lines == 0 ? lseek(tail.fd, 0, SEEK_END) : tail_start(tail.fd, lines);
		rest_read(&tail);
	} else if (!follows) {
		code = kt_error_set(err, KT_E_LANE_NOT_FOUND, "no agent has run in %s yet", lane);
	}
	if (follows && code == KT_E_OK)
		follow(&tail, context);
	line_end(&tail);
	kt_fd_close(&tail.fd);
	kt_buffer_release(&tail.line);
	free(tail.name);
	free(tail.current);
	return code;
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_error err = KT_ERROR_INIT;
	char *lane = NULL;
	int status = KT_EXIT_OK;

	if (lane_find(invocation, &context, &lane, &err) != KT_E_OK ||
		show(invocation, &context, lane, &err) != KT_E_OK)
		status = kt_context_fail(&context, invocation->json, &err);
	free(lane);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_logs = {
	.summary = "show what the agents of a lane printed",
	.arguments = "[-f] [-n N] [LANE]",
	.help = "The newest log of the lane; inside a lane's worktree its name may be left out. "
		"With "
		"-f it goes\n"
		"on, also into the logs of later attempts. With --json, one object per line.",
	.options = options,
	.max_arguments = 1,
	.is_stream = true,
	.run = run,
};
