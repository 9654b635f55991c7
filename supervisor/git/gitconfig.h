/*
 * git's configuration, read without git and without libgit2 (start-up: kitty's queries read a few
 * keys in well under a millisecond). Read-only. Private to supervisor/git.
 *
 * Keys come as "core.hookspath", "remote.Origin.url": section and name in lower case, subsection as
 * written. Later values win over earlier ones, as in git; list-valued keys are the caller's to
 * collect.
 */
#ifndef KITTY_SUPERVISOR_GIT_GITCONFIG_H
#define KITTY_SUPERVISOR_GIT_GITCONFIG_H

#include <stdbool.h>

struct kt_repository;

/* value is NULL for a key without "=" (true). */
typedef void (*kt_gitconfig_cb)(const char *key, const char *value, void *arg);

/* One file, includes not followed. False when it cannot be read or is malformed. */
bool kt_gitconfig_file(const char *path, kt_gitconfig_cb each, void *arg);

/* The same for a file's text, up to its first NUL. What stands before a malformed place was given.
 */
bool kt_gitconfig_text(const char *text, kt_gitconfig_cb each, void *arg);

/* System, global, local and (with extensions.worktreeConfig) worktree scope, in git's order,
 * includes followed (include.path; includeIf gitdir, gitdir/i, onbranch). GIT_CONFIG_GLOBAL,
 * GIT_CONFIG_SYSTEM and GIT_CONFIG_NOSYSTEM count; GIT_CONFIG_COUNT and other GIT_* variables do
 * not. */
void kt_gitconfig_all(const struct kt_repository *repo, kt_gitconfig_cb each, void *arg);

/* System and global scope only: where safe.directory counts. */
void kt_gitconfig_protected(const struct kt_repository *repo, kt_gitconfig_cb each, void *arg);

bool kt_gitconfig_is_true(const char *value); /* NULL, true, yes, on, non-zero number */
/* "~/x" with HOME put in; other paths as they are. Gives. */
char *kt_gitconfig_path(const char *value);

#endif
