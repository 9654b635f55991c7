/*
 * A git that does something else for certain command lines, first in PATH of this process and so of
 * its children: what a git that fails or is killed in the middle looks like. Included after
 * fixture.h.
 *
 *   fake_git(f, "*\" read-tree \"*", "exit 1");   a pattern of sh's case, and what is done instead
 *   finish(f);
 *   fake_git_end();
 */
#ifndef KITTY_TESTS_UNIT_TRANSACTION_FAKE_GIT_H
#define KITTY_TESTS_UNIT_TRANSACTION_FAKE_GIT_H

#include "unit/transaction/fixture.h"

static char *path_before;

static inline void fake_git_end(void)
{
	assert_int_equal(setenv("PATH", path_before, 1), 0);
	free(path_before);
	path_before = NULL;
}

static inline void fake_git(struct fixture *f, const char *pattern, const char *action)
{
	char *path = NULL, *real = NULL, *text = NULL;

	if (path_before != NULL)
		fake_git_end();
	path_before = kt_strdup(getenv("PATH")); /* NOLINT(concurrency-mt-unsafe): no threads */
	real = ask(f, "mkdir -p ../bin && command -v git");
	text = kt_format("#!/bin/sh\ncase \" $* \" in\n%s) %s ;;\n*) exec %s \"$@\" ;;\nesac\n",
		pattern, action, real);
	write_file(f, "../bin/git", text);
	shell(f, "chmod +x ../bin/git");
	path = kt_format("%s/bin:%s", f->box->root, path_before);
	assert_int_equal(setenv("PATH", path, 1), 0);
	free(path);
	free(real);
	free(text);
}

#endif
