/*
 * Running git and kitty, reading and writing whole files, time and numbers, for the stress
 * programs. Runs in kitty-stress, kitty-stress-agent and kitty-bench. Never touches a repository by
 * itself.
 */
#include "stress/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"

enum { KT_RUN_TIMEOUT_MS = 3600000, KT_RUN_OUTPUT_MAX = 1 << 30 };

/* The harness is one thread and sets its environment before it starts anything. */
static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		kt_run_die("cannot set %s", name);
}

void kt_run_setup(const char *home, const char *bin)
{
	const char *old_path = getenv("PATH");
	char *path = kt_format("%s:%s", bin, old_path ? old_path : "/usr/bin:/bin");

	set("PATH", path);
	set("HOME", home);
	set("GIT_CONFIG_NOSYSTEM", "1");
	set("GIT_OPTIONAL_LOCKS", "0");
	set("GIT_TERMINAL_PROMPT", "0");
	free(path);
}

static int run(const char *cwd, struct kt_buffer *output, struct kt_buffer *errors,
	const char *const *argv)
{
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_child_status status = {0};
	struct kt_error err = KT_ERROR_INIT;

	spec.path = argv[0];
	spec.argv = argv;
	spec.cwd = cwd;
	if (kt_child_run(&spec, NULL, 0, KT_RUN_OUTPUT_MAX, output, errors, KT_RUN_TIMEOUT_MS,
		    &status, &err) != KT_E_OK)
		kt_buffer_printf(errors, "%s: %s\n", argv[0], err.detail);
	return status.exited ? status.exit_code : -1;
}

int kt_run_quiet(const char *cwd, struct kt_buffer *output, const char *const *argv)
{
	struct kt_buffer errors = KT_BUFFER_INIT;
	int result = run(cwd, output, &errors, argv);

	kt_buffer_puts(output, kt_buffer_text(&errors));
	kt_buffer_release(&errors);
	return result;
}

int kt_run_status(const char *cwd, struct kt_buffer *output, const char *const *argv)
{
	struct kt_buffer errors = KT_BUFFER_INIT;
	int result = run(cwd, output, &errors, argv);

	if (result != 0)
		(void)fputs(kt_buffer_text(&errors), stderr);
	kt_buffer_release(&errors);
	return result;
}

void kt_run_must(const char *cwd, struct kt_buffer *output, const char *const *argv)
{
	struct kt_buffer line = KT_BUFFER_INIT;
	int status = kt_run_status(cwd, output, argv);

	if (status == 0)
		return;
	for (size_t i = 0; argv[i]; i++)
		kt_buffer_printf(&line, "%s%s", i ? " " : "", argv[i]);
	kt_run_die("status %d of: %s", status, kt_buffer_text(&line));
}

void kt_run_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)fputs("stress: ", stderr);
	(void)vfprintf(stderr, format, args);
	(void)fputc('\n', stderr);
	va_end(args);
	exit(2);
}

bool kt_run_read_file(const char *path, struct kt_buffer *output)
{
	char block[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	if (fd < 0)
		return false;
	while ((got = read(fd, block, sizeof block)) > 0)
		kt_buffer_append(output, block, (size_t)got);
	(void)close(fd);
	return got == 0;
}

void kt_run_write_file(const char *path, const void *bytes, size_t len)
{
	const char *rest = bytes;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		kt_run_die("%s: %s", path, strerrorname_np(errno));
	while (len > 0) {
		ssize_t done = write(fd, rest, len);
		if (done < 0)
			kt_run_die("%s: %s", path, strerrorname_np(errno));
		rest += done;
		len -= (size_t)done;
	}
	(void)close(fd);
}

void kt_run_make_folder(const char *path)
{
	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		kt_run_die("%s: %s", path, strerrorname_np(errno));
}

void kt_run_chomp(struct kt_buffer *buffer)
{
	while (buffer->len > 0 && buffer->data[buffer->len - 1] == '\n')
		buffer->data[--buffer->len] = '\0';
}

int64_t kt_run_now_ns(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void kt_run_pause_ms(int64_t milliseconds)
{
	struct timespec pause = {milliseconds / 1000, (milliseconds % 1000) * 1000000};

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

/* splitmix64 */
uint64_t kt_run_random(uint64_t *state)
{
	uint64_t mixed = (*state += 0x9e3779b97f4a7c15ULL);

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
	return mixed ^ (mixed >> 31);
}
