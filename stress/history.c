/*
 * Reads a branch's history through the git command. Runs in kitty-stress, after the mission. Must
 * not link libgit2: the checker has to see what any git sees.
 */
#include "stress/history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "stress/run.h"

static void read_commits(const char *repo, const char *branch, struct kt_history *out)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	KT_RUN_OUT(repo, &text, "git", "rev-list", "--first-parent", "--reverse", branch, "--");
	out->commits = kt_realloc_array(NULL, text.len / 41 + 1, sizeof *out->commits);
	for (size_t at = 0; at + 41 <= text.len; at += 41) {
		memcpy(out->commits[out->len], text.data + at, 40);
		out->commits[out->len++][40] = '\0';
	}
	kt_buffer_release(&text);
}

void kt_history_open(const char *repo, const char *branch, struct kt_history *out)
{
	const char *argv[] = {"git", "cat-file", "--batch", NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;
	int in[2] = {-1, -1};
	int back[2] = {-1, -1};

	memset(out, 0, sizeof *out);
	read_commits(repo, branch, out);
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0)
		kt_run_die("no pipes");
	spec.path = argv[0];
	spec.argv = argv;
	spec.cwd = repo;
	spec.stdin_fd = in[0];
	spec.stdout_fd = back[1];
	if (kt_child_start(&spec, &out->git, &err) != KT_E_OK)
		kt_run_die("git cat-file: %s", err.detail);
	(void)close(in[0]);
	(void)close(back[1]);
	out->to = in[1];
	out->from = back[0];
	out->rest = kt_alloc(sizeof *out->rest);
}

void kt_history_close(struct kt_history *history)
{
	struct kt_child_status status = {0};

	(void)close(history->to);
	(void)close(history->from);
	kt_child_wait(&history->git, 10000, &status);
	kt_child_release(&history->git);
	kt_buffer_release(history->rest);
	free(history->rest);
	free(history->commits);
	memset(history, 0, sizeof *history);
}

static void fill(struct kt_history *history, size_t len)
{
	char block[65536];

	while (history->rest->len < len) {
		ssize_t got = read(history->from, block, sizeof block);
		if (got <= 0)
			kt_run_die("git cat-file ended");
		kt_buffer_append(history->rest, block, (size_t)got);
	}
}

bool kt_history_read(
	struct kt_history *history, const char *commit, const char *path, struct kt_buffer *out)
{
	char *name = kt_format("%s:%s\n", commit, path);
	char *end = NULL;
	size_t head = 0;
	size_t size = 0;
	bool found = false;

	kt_buffer_clear(out);
	if (write(history->to, name, strlen(name)) != (ssize_t)strlen(name))
		kt_run_die("git cat-file ended");
	do
		fill(history, history->rest->len + 1);
	while (!(end = memchr(history->rest->data, '\n', history->rest->len)));
	*end = '\0';
	head = (size_t)(end - history->rest->data) + 1;
	if (strlen(history->rest->data) > 46 &&
		memcmp(history->rest->data + 40, " blob ", 6) == 0) {
		size = strtoul(history->rest->data + 46, NULL, 10);
		fill(history, head + size + 1);
		kt_buffer_append(out, history->rest->data + head, size);
		head += size + 1;
		found = true;
	}
	kt_buffer_consume(history->rest, head);
	free(name);
	return found;
}
