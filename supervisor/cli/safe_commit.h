/*
 * Private to safe-commit: one commit of declared paths, made by git in an index of its own.
 */
#ifndef KITTY_SUPERVISOR_CLI_SAFE_COMMIT_H
#define KITTY_SUPERVISOR_CLI_SAFE_COMMIT_H

#include <stddef.h>

#include <kitty/error.h>
#include <kitty/json.h>

#include "ipc/buffer.h"
#include "supervisor/cli/context.h"

struct kt_safe_commit {
	struct kt_context *context;
	const char *destination; /* short branch name */
	const char *message;
	char *head;                /* full symbolic HEAD; NULL: detached */
	struct kt_json *paths;     /* relative to the worktree's top, each once */
	struct kt_json *expansion; /* {folder: [files]} */
	char *offending;           /* path that policy refuses; NULL: none */
	char *commit;              /* 40 hex digits once there is one */
	struct kt_json
		*unrecovered; /* paths whose index entries could not be brought along; NULL */
};

/* git in the user's worktree. `index` (may be NULL): a file in place of the user's index. `input`
 * and `out` may be NULL. Errors: KT_E_GIT_FAILED, KT_E_SPAWN_FAILED, KT_E_TIMEOUT. */
KT_MUST_CHECK enum kt_code kt_safe_commit_git(const struct kt_safe_commit *wish,
	const char *const *args, const char *index, const struct kt_buffer *input,
	struct kt_buffer *out, struct kt_error *err);

bool kt_safe_commit_has_path(const struct kt_json *paths, const char *path);

/*
 * Paths as given, folders to the changed files in them. Errors: KT_E_SAFE_COMMIT_PATH_POLICY
 * (offending is set), KT_E_INVALID_ARGUMENT (no such file, and git knows none).
 */
KT_MUST_CHECK enum kt_code kt_safe_commit_paths(struct kt_safe_commit *wish,
	const char *const *given, size_t given_len, struct kt_error *err);

/*
 * Commits exactly those paths as they lie in the worktree, with the user's hooks. The user's index
 * keeps everything else as it is, byte for byte of content; without a change nothing is committed
 * and `commit` stays NULL. Others that commit there meanwhile lose nothing: a second safe-commit
 * waits, and on top of a commit that came first it is made anew. Errors: KT_E_SAFE_COMMIT_BACKSTOP,
 * KT_E_SAFE_COMMIT_HEAD_MISMATCH (somebody switched meanwhile), KT_E_SAFE_COMMIT_RECOVERY_FAILED,
 * KT_E_REF_MOVED (beaten again and again), KT_E_TIMEOUT, KT_E_GIT_FAILED with what git or the hook
 * said.
 */
KT_MUST_CHECK enum kt_code kt_safe_commit_make(struct kt_safe_commit *wish, struct kt_error *err);

#endif
