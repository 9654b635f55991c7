/*
 * The coordination branch as git tells it: its commits, oldest first, and files at each of them,
 * read through one `git cat-file --batch`. Knows nothing of kitty.
 */
#ifndef KITTY_STRESS_HISTORY_H
#define KITTY_STRESS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "ipc/child.h"

struct kt_buffer;

struct kt_history {
	char (*commits)[41]; /* first parents, oldest first */
	size_t len;
	struct kt_child git; /* cat-file --batch */
	int to, from;        /* pipes to it and from it */
	struct kt_buffer *rest;
};

void kt_history_open(const char *repo, const char *branch, struct kt_history *out);
void kt_history_close(struct kt_history *history);

/* False when the commit has no such file. Replaces what `out` holds. */
bool kt_history_read(
	struct kt_history *history, const char *commit, const char *path, struct kt_buffer *out);

#endif
