/*
 * Descriptor helpers. Both programs. Never changes a signal disposition, never closes what it
 * was not told to close.
 */
#include "ipc/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "ipc/clock.h"

void kt_fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

bool kt_fd_set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static bool is_sigpipe_pending(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

ssize_t kt_fd_write_quietly(int fd, const void *bytes, size_t len)
{
	const struct timespec no_time = {0, 0};
	bool was_pending = is_sigpipe_pending();
	sigset_t pipe_only, before;
	ssize_t written;
	int saved;

	(void)sigemptyset(&pipe_only);
	(void)sigaddset(&pipe_only, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	written = write(fd, bytes, len);
	saved = errno;
	/* Take our own SIGPIPE away again; one that was there before stays. */
	if (written < 0 && saved == EPIPE && !was_pending)
		while (sigtimedwait(&pipe_only, NULL, &no_time) < 0 && errno == EINTR)
			continue;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return written;
}

bool kt_fd_wait(int fd, short events, int timeout_ms)
{
	struct pollfd wait = {.fd = fd, .events = events};
	int64_t deadline = kt_clock_monotonic_ms() + timeout_ms;
	int left = timeout_ms;
	int ready;

	for (;;) {
		ready = poll(&wait, 1, left);
		if (ready > 0 || (ready < 0 && errno != EINTR))
			return ready > 0;
		if (timeout_ms < 0)
			continue;
		left = (int)(deadline - kt_clock_monotonic_ms());
		if (left <= 0)
			return false;
	}
}
