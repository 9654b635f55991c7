/*
 * The third layer: git's children under strace, which injects at system calls, so that nothing that
 * libc does inside itself is missed. A shim named git, first in PATH, counts the invocations and
 * traces the one that is meant. Skipped where ptrace is not allowed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enumerate.h"

enum { PROCESSES_MAX = 64, NAME_MAX_LEN = 32 };

static const char calls[] =
	"openat,write,pwrite64,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,"
	"rmdir,ftruncate,symlink,symlinkat,chmod,fchmod,fsync,fdatasync";

char *kt_strace_open(const struct kt_scene *scene)
{
	char *shim = kt_format("%s/shim", scene->box);
	char *script = kt_format(
		"strace -qq -o /dev/null -e trace=none true 2>/dev/null || exit 3\nmkdir -p %s\n"
		"real=$(command -v git)\ncat >%s/git <<EOT\n#!/bin/sh\n"
		"n=\\$((\\$(cat %s/count) + 1))\necho \\$n >%s/count\n"
		"if [ ! -s %s/order ]; then exec strace -f -qq -o %s/trace.\\$n -e trace=%s $real "
		"\"\\$@\"; fi\n"
		"read -r which call number what <%s/order\n"
		"[ \\$n = \\$which ] || exec $real \"\\$@\"\n"
		"exec strace -f -qq -o %s/struck -e trace=\\$call -e "
		"inject=\\$call:\\$what:when=\\$number $real \"\\$@\"\nEOT\nchmod +x %s/git",
		shim, shim, shim, shim, shim, shim, calls, shim, shim, shim);
	int status = kt_scene_script(scene, script, NULL);

	free(script);
	if (status == 0)
		return shim;
	free(shim);
	return NULL;
}

static void reset(const struct kt_scene *scene, const char *shim, const char *order)
{
	char *script = kt_format("cd %s && rm -f trace.* struck && echo 0 >count && printf '%%s' "
				 "'%s' >order",
		shim, order);

	(void)kt_scene_script(scene, script, NULL);
	free(script);
}

/* ---- counting ---- */

struct tally {
	long pid;
	char name[NAME_MAX_LEN];
	long count;
};

struct reading {
	struct kt_strace_points *out;
	int invocation;
	struct tally tallies[PROCESSES_MAX * 20];
	size_t len;
};

static long occurrence(struct reading *reading, long pid, const char *name)
{
	for (size_t i = 0; i < reading->len; i++)
		if (reading->tallies[i].pid == pid && strcmp(reading->tallies[i].name, name) == 0)
			return ++reading->tallies[i].count;
	if (reading->len == sizeof reading->tallies / sizeof reading->tallies[0])
		return 0;
	reading->tallies[reading->len].pid = pid;
	(void)snprintf(reading->tallies[reading->len].name, NAME_MAX_LEN, "%s", name);
	reading->tallies[reading->len++].count = 1;
	return 1;
}

/* Reading opens and output to pipes are counted by strace and interest nobody. */
static bool changes(const char *name, const char *arguments)
{
	if (strcmp(name, "openat") == 0)
		return strstr(arguments, "O_CREAT") != NULL ||
		       strstr(arguments, "O_WRONLY") != NULL || strstr(arguments, "O_RDWR") != NULL;
	if (strcmp(name, "write") == 0)
		return strtol(arguments, NULL, 10) > 2;
	return true;
}

static void point_add(struct reading *reading, const char *name, long number)
{
	struct kt_strace_points *out = reading->out;
	char *order = kt_format("%d %s %ld", reading->invocation, name, number);

	for (size_t i = 0; i < out->len; i++)
		if (strcmp(out->orders[i], order) == 0) {
			free(order);
			return;
		}
	out->orders = kt_realloc_array(out->orders, out->len + 1, sizeof *out->orders);
	out->orders[out->len++] = order;
}

static void line_read(struct reading *reading, const char *line)
{
	char name[NAME_MAX_LEN];
	char *rest = NULL;
	long pid = strtol(line, &rest, 10), number = 0;
	size_t len = 0;

	rest += strspn(rest, " ");
	len = strcspn(rest, "(");
	if (rest[len] != '(' || len >= sizeof name || len == 0)
		return;
	(void)snprintf(name, sizeof name, "%.*s", (int)len, rest);
	number = occurrence(reading, pid, name);
	if (number > 0 && changes(name, rest + len + 1) && strstr(rest, "/dev/null") == NULL)
		point_add(reading, name, number);
}

static bool trace_read(const char *shim, int invocation, struct kt_strace_points *out)
{
	char *path = kt_format("%s/trace.%d", shim, invocation);
	FILE *trace = fopen(path, "re");
	struct reading *reading = kt_alloc(sizeof *reading);
	char *line = NULL;
	size_t size = 0;

	reading->out = out;
	reading->invocation = invocation;
	while (trace != NULL && getline(&line, &size, trace) > 0)
		line_read(reading, line);
	if (trace != NULL)
		(void)fclose(trace);
	free(line);
	free(reading);
	free(path);
	return trace != NULL;
}

void kt_strace_count(const struct kt_scene *scene, const char *shim, struct kt_strace_points *out)
{
	kt_scene_restore(scene);
	reset(scene, shim, "");
	(void)kt_scene_run(scene, scene->operation->run, shim);
	for (int i = 1; trace_read(shim, i, out); i++)
		;
}

struct kt_scene_end kt_strace_run(const struct kt_scene *scene, const char *shim, const char *order,
	const char *inject, bool *struck)
{
	char *whole = kt_format("%s %s", order, inject);
	char *test =
		kt_format("grep -q -e INJECTED -e killed -e SIGKILL %s/struck 2>/dev/null", shim);
	struct kt_scene_end end;

	reset(scene, shim, whole);
	end = kt_scene_run(scene, scene->operation->run, shim);
	*struck = kt_scene_script(scene, test, NULL) == 0;
	free(whole);
	free(test);
	return end;
}

void kt_strace_release(struct kt_strace_points *points)
{
	for (size_t i = 0; i < points->len; i++)
		free(points->orders[i]);
	free(points->orders);
	*points = (struct kt_strace_points){NULL, 0};
}
