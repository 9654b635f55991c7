/*
 * The end of the harness, however it comes: nothing that it started outlives it, and no file.
 * Runs in kitty-stress, partly in a signal handler: there only what may be called in one. Must
 * signal its own children only, whose pids are taken until somebody waits for them.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "stress/run.h"

enum { GRACE_MS = 30000, STEP_MS = 20 };

static char *doomed;
static pid_t owner;
static char children_path[64];

/* What is dead and was not waited for has state Z. */
static bool is_alive(pid_t pid)
{
	char path[64], text[512];
	int fd = -1;
	ssize_t len = 0;
	const char *end = NULL;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		(void)close(fd);
	text[len > 0 ? len : 0] = '\0';
	end = strrchr(text, ')');
	return end != NULL && end[1] == ' ' && end[2] != 'Z';
}

/* Sends the signal (0: none) to every child that lives. How many there are. */
static int children_signal(int number)
{
	char text[4096];
	int fd = open(children_path, O_RDONLY | O_CLOEXEC), alive = 0;
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text);
	pid_t pid = 0;

	for (ssize_t i = 0; i < len; i++) {
		if (text[i] >= '0' && text[i] <= '9') {
			pid = pid * 10 + (text[i] - '0');
			continue;
		}
		if (pid > 0 && is_alive(pid)) {
			(void)kill(pid, number);
			alive++;
		}
		pid = 0;
	}
	if (fd >= 0)
		(void)close(fd);
	return alive;
}

static bool children_wait(int timeout_ms)
{
	for (int waited = 0; waited < timeout_ms; waited += STEP_MS) {
		if (children_signal(0) == 0)
			return true;
		(void)poll(NULL, 0, STEP_MS);
	}
	return false;
}

static void children_end(void)
{
	/* A child that was stopped hears TERM only when it goes on. */
	(void)children_signal(SIGTERM);
	(void)children_signal(SIGCONT);
	if (children_wait(GRACE_MS))
		return;
	(void)children_signal(SIGKILL);
	(void)children_wait(GRACE_MS);
}

static void at_exit(void)
{
	if (getpid() != owner)
		return;
	children_end();
	if (doomed != NULL)
		(void)KT_TRY(NULL, NULL, "rm", "-rf", doomed);
	free(doomed);
	doomed = NULL;
}

/* The folder stays: nothing that removes it may be called here. */
static void on_signal(int number)
{
	children_end();
	_exit(128 + number);
}

void kt_run_end_children_at_exit(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};

	owner = getpid();
	(void)snprintf(
		children_path, sizeof children_path, "/proc/self/task/%d/children", (int)owner);
	(void)atexit(at_exit);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		(void)sigaction(numbers[i], &action, NULL);
}

void kt_run_doom(const char *folder)
{
	free(doomed);
	doomed = folder == NULL ? NULL : kt_strdup(folder);
}
