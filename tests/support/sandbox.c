/*
 * Repositories for tests. Runs in test programs only; touches nothing outside its own folder.
 */
#include "support/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/child.h"

#define OUTPUT_MAX (16U << 20)

static int run(
	const char *folder, const char *command, struct kt_buffer *out, struct kt_buffer *errors)
{
	const char *const argv[] = {"sh", "-c", command, NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_child_status status = {0};
	struct kt_error err = KT_ERROR_INIT;

	spec.path = "/bin/sh";
	spec.argv = argv;
	spec.cwd = folder;
	if (kt_child_run(&spec, NULL, 0, OUTPUT_MAX, out, errors, 60000, &status, &err) != KT_E_OK)
		fail_msg("cannot run %s: %s", command, err.detail);
	return status.exited ? status.exit_code : 128 + status.signal;
}

static KT_PRINTF(1, 0) char *format_command(const char *format, va_list args)
{
	struct kt_buffer command = KT_BUFFER_INIT;

	kt_buffer_vprintf(&command, format, args);
	return kt_buffer_take(&command);
}

/* A pipeline exits as its last command does, and "|| true" as nothing: a part that found no file or
 * no commit would pass for an empty answer. */
static bool part_failed(const char *errors)
{
	return strstr(errors, "fatal: ") != NULL ||
	       strstr(errors, "No such file or directory") != NULL;
}

static char *run_well(const struct kt_sandbox *box, const char *command)
{
	struct kt_buffer out = KT_BUFFER_INIT, errors = KT_BUFFER_INIT;
	int status = run(box->repo, command, &out, &errors);

	if (status != 0 || part_failed(kt_buffer_text(&errors)))
		fail_msg("exit %d of: %s\n%s%s", status, command, kt_buffer_text(&out),
			kt_buffer_text(&errors));
	if (out.len > 0 && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	kt_buffer_release(&errors);
	return kt_buffer_take(&out);
}

static void drop_git_variables(void)
{
	for (size_t i = 0; environ[i] != NULL;) {
		char *name = strncmp(environ[i], "GIT_", 4) != 0
				     ? NULL
				     : kt_strndup(environ[i], strcspn(environ[i], "="));

		if (name == NULL)
			i++;
		else
			(void)unsetenv(name);
		free(name);
	}
}

struct kt_sandbox *kt_sandbox_new_empty(void)
{
	struct kt_sandbox *box = kt_alloc(sizeof *box);
	const char *base = getenv("TMPDIR");
	char *name = kt_format("%s/kitty-test-XXXXXX", base == NULL ? "/tmp" : base);

	if (mkdtemp(name) == NULL)
		fail_msg("cannot make %s", name);
	box->root = realpath(name, NULL);
	box->repo = kt_format("%s/repo", box->root);
	drop_git_variables();
	(void)setenv("HOME", box->root, 1);
	(void)unsetenv("XDG_CONFIG_HOME");
	(void)setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
	(void)setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	if (run(box->root, "mkdir repo", NULL, NULL) != 0)
		fail_msg("cannot make %s", box->repo);
	free(name);
	return box;
}

struct kt_sandbox *kt_sandbox_new(void)
{
	struct kt_sandbox *box = kt_sandbox_new_empty();

	free(kt_sandbox_run(box,
		"git init -q -b main . && git config user.name Tester"
		" && git config user.email tester@example.com && echo hello >README"
		" && git add README && git commit -q -m start"));
	return box;
}

void kt_sandbox_free(struct kt_sandbox *box)
{
	char *command;

	if (box == NULL)
		return;
	command = kt_format("chmod -R u+w '%s' 2>/dev/null; rm -rf '%s'", box->root, box->root);
	(void)run("/", command, NULL, NULL);
	free(command);
	free(box->root);
	free(box->repo);
	free(box);
}

char *kt_sandbox_run(const struct kt_sandbox *box, const char *format, ...)
{
	va_list args;
	char *command, *output;

	va_start(args, format);
	command = format_command(format, args);
	va_end(args);
	output = run_well(box, command);
	free(command);
	return output;
}

int kt_sandbox_try(const struct kt_sandbox *box, struct kt_buffer *out, const char *format, ...)
{
	struct kt_buffer errors = KT_BUFFER_INIT;
	va_list args;
	char *command;
	int status;

	va_start(args, format);
	command = format_command(format, args);
	va_end(args);
	status = run(box->repo, command, out, &errors);
	if (out != NULL)
		kt_buffer_append(out, errors.data, errors.len);
	kt_buffer_release(&errors);
	free(command);
	return status;
}

void kt_sandbox_expect(const struct kt_sandbox *box, const char *output, const char *format, ...)
{
	va_list args;
	char *command, *real;

	va_start(args, format);
	command = format_command(format, args);
	va_end(args);
	real = run_well(box, command);
	if (strcmp(real, output) != 0)
		fail_msg("%s\ngives: %s\nexpected: %s", command, real, output);
	free(real);
	free(command);
}

char *kt_sandbox_path(const struct kt_sandbox *box, const char *relative)
{
	return kt_format("%s/%s", box->repo, relative);
}

void kt_sandbox_write(const struct kt_sandbox *box, const char *relative, const char *text)
{
	char *path = kt_sandbox_path(box, relative);
	char *folder = kt_strndup(path, (size_t)(strrchr(path, '/') - path));
	FILE *file;

	free(kt_sandbox_run(box, "mkdir -p '%s'", folder));
	file = fopen(path, "we");
	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
		fail_msg("cannot write %s", path);
	free(folder);
	free(path);
}

char *kt_sandbox_read(const struct kt_sandbox *box, const char *relative)
{
	char *path = kt_sandbox_path(box, relative);
	struct kt_buffer text = KT_BUFFER_INIT;
	FILE *file = fopen(path, "re");
	char piece[4096];
	size_t got;

	free(path);
	if (file == NULL)
		return NULL;
	while ((got = fread(piece, 1, sizeof piece, file)) > 0)
		kt_buffer_append(&text, piece, got);
	(void)fclose(file);
	return kt_buffer_take(&text);
}

bool kt_sandbox_has(const struct kt_sandbox *box, const char *relative)
{
	char *path = kt_sandbox_path(box, relative);
	bool found = access(path, F_OK) == 0;

	free(path);
	return found;
}
