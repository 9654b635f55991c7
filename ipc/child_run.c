/*
 * kt_child_run: one child from start to end with its input and output. Commands and tests; the
 * supervisor's loop must not call it, because it blocks.
 * The end is the child's exit, not the end of its output: see the header.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/clock.h"
#include "ipc/fd.h"

#define READ_SIZE 16384

enum kt_stream { KT_STREAM_IN, KT_STREAM_OUT, KT_STREAM_ERROR, KT_STREAM_CHILD, KT_STREAM_COUNT };

struct run {
	int own[3];    /* our ends of the pipes, -1: none or closed */
	int theirs[3]; /* the child's ends */
	struct kt_buffer *sinks[3];
	const char *input;
	size_t input_len, output_max;
	int64_t deadline_ms; /* -1: none */
};

static bool open_pipe(struct run *run, int which)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	run->own[which] = which == KT_STREAM_IN ? ends[1] : ends[0];
	run->theirs[which] = which == KT_STREAM_IN ? ends[0] : ends[1];
	return kt_fd_set_nonblocking(run->own[which]);
}

static bool open_pipes(struct run *run)
{
	if (run->input != NULL && !open_pipe(run, KT_STREAM_IN))
		return false;
	for (int i = KT_STREAM_OUT; i <= KT_STREAM_ERROR; i++)
		if (run->sinks[i] != NULL && !open_pipe(run, i))
			return false;
	return true;
}

static void close_all(int fds[3])
{
	for (int i = 0; i < 3; i++)
		kt_fd_close(&fds[i]);
}

/* A child that does not read its input is no failure: the rest is dropped. */
static void feed(struct run *run)
{
	ssize_t written = kt_fd_write_quietly(run->own[KT_STREAM_IN], run->input, run->input_len);

	if (written < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (written > 0) {
		run->input += written;
		run->input_len -= (size_t)written;
	}
	if (written < 0 || run->input_len == 0)
		kt_fd_close(&run->own[KT_STREAM_IN]);
}

/* One read; false when there is nothing (more) to read now. */
static bool collect(struct run *run, int which)
{
	char bytes[READ_SIZE];
	ssize_t len = read(run->own[which], bytes, sizeof bytes);
	struct kt_buffer *sink = run->sinks[which];

	if (len < 0 && errno == EINTR)
		return true;
	if (len <= 0) {
		if (len == 0 || errno != EAGAIN)
			kt_fd_close(&run->own[which]);
		return false;
	}
	if (sink->len < run->output_max) {
		size_t room = run->output_max - sink->len;

		kt_buffer_append(sink, bytes, (size_t)len < room ? (size_t)len : room);
	}
	return true;
}

static void drain(struct run *run)
{
	for (int i = KT_STREAM_OUT; i <= KT_STREAM_ERROR; i++) {
		/* Bounded: a background writer must not keep us here. */
		for (int reads = 0; run->own[i] >= 0 && reads < 64; reads++)
			if (!collect(run, i))
				break;
	}
}

/* Waits for the next thing to happen; false at the deadline. */
static bool wait_any(const struct run *run, struct pollfd polls[KT_STREAM_COUNT])
{
	int64_t left = -1;

	for (int i = 0; i < 3; i++)
		polls[i] = (struct pollfd){run->own[i], i == KT_STREAM_IN ? POLLOUT : POLLIN, 0};
	if (run->deadline_ms >= 0) {
		left = run->deadline_ms - kt_clock_monotonic_ms();
		if (left <= 0)
			return false;
	}
	if (poll(polls, KT_STREAM_COUNT, (int)left) < 0)
		for (int i = 0; i < KT_STREAM_COUNT; i++)
			polls[i].revents = 0;
	return true;
}

/* Moves bytes until the child has ended (true) or the deadline has passed. */
static bool pump(struct run *run, const struct kt_child *child)
{
	struct pollfd polls[KT_STREAM_COUNT] = {{0}};

	polls[KT_STREAM_CHILD] = (struct pollfd){child->pidfd, POLLIN, 0};
	while (wait_any(run, polls)) {
		if (polls[KT_STREAM_IN].revents != 0)
			feed(run);
		for (int i = KT_STREAM_OUT; i <= KT_STREAM_ERROR; i++)
			if (polls[i].revents != 0)
				(void)collect(run, i);
		if (polls[KT_STREAM_CHILD].revents != 0)
			return true;
	}
	return false;
}

static void prepare(struct kt_child_spec *spec, const struct run *run)
{
	if (run->theirs[KT_STREAM_IN] >= 0)
		spec->stdin_fd = run->theirs[KT_STREAM_IN];
	if (run->theirs[KT_STREAM_OUT] >= 0)
		spec->stdout_fd = run->theirs[KT_STREAM_OUT];
	if (run->theirs[KT_STREAM_ERROR] >= 0)
		spec->stderr_fd = run->theirs[KT_STREAM_ERROR];
}

/* NOLINTNEXTLINE(readability-function-size): nine parameters are what a whole run has */
enum kt_code kt_child_run(const struct kt_child_spec *spec, const void *input, size_t input_len,
	size_t output_max, struct kt_buffer *output, struct kt_buffer *errors, int timeout_ms,
	struct kt_child_status *status, struct kt_error *err)
{
	struct run run = {{-1, -1, -1}, {-1, -1, -1}, {NULL, output, errors}, input, input_len,
		output_max, timeout_ms < 0 ? -1 : kt_clock_monotonic_ms() + timeout_ms};
	struct kt_child child = KT_CHILD_INIT;
	struct kt_child_spec piped = *spec;
	enum kt_code code = KT_E_OK;

	if (!open_pipes(&run)) {
		code = kt_error_sys(err, KT_E_SPAWN_FAILED, errno, "pipes for %s", spec->path);
		goto out;
	}
	prepare(&piped, &run);
	code = kt_child_start(&piped, &child, err);
	close_all(run.theirs);
	if (code != KT_E_OK)
		goto out;
	kt_child_wait(&child, pump(&run, &child) ? -1 : 0, status);
	drain(&run);
	kt_child_release(&child);
out:
	close_all(run.own);
	close_all(run.theirs);
	return code;
}
