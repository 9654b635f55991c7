/*
 * Short questions to git for the merging code: revisions, ancestry, trees, commits. Blocking: for
 * commands and the supervisor's helper processes only, never in the supervisor's loop.
 *
 * A place says where git runs and where new objects go: into the repository, or (a dry run) into a
 * folder of their own, so that nothing of the repository is written.
 */
#ifndef KITTY_SUPERVISOR_GIT_CALLS_H
#define KITTY_SUPERVISOR_GIT_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include <kitty/error.h>

#include "ipc/buffer.h"
#include "supervisor/git/oid.h"
#include "supervisor/mission/mission.h"

struct kt_git_place {
	char *cwd;     /* the coordination worktree when it is there, else the primary checkout */
	bool sign;     /* the commits that are made in the repository */
	char *objects; /* NULL: the repository's own object store */
	char *variables[2];
	const char *environment[3];
};

/* scratch: objects go to a folder of their own (scratch_objects.h), which release removes. */
KT_MUST_CHECK enum kt_code kt_git_place_init(struct kt_git_place *place,
	const struct kt_mission *mission, bool scratch, struct kt_error *err);
void kt_git_place_release(struct kt_git_place *place);

/* Output without its last line ends. exit_code NULL: other than 0 is KT_E_GIT_FAILED. Gives *out
 * (may be NULL: not wanted). */
KT_MUST_CHECK enum kt_code kt_git_text(const struct kt_git_place *place, const char *const *args,
	char **out, int *exit_code, struct kt_error *err);
/* The same with bytes in and out. */
KT_MUST_CHECK enum kt_code kt_git_pipe(const struct kt_git_place *place, const char *const *args,
	const struct kt_buffer *input, struct kt_buffer *out, struct kt_error *err);

/* The object a revision names ("SHA^{commit}", "SHA:kitty-specs"); *found false when there is none.
 */
KT_MUST_CHECK enum kt_code kt_git_resolve(const struct kt_git_place *place, const char *revision,
	bool *found, struct kt_oid *out, struct kt_error *err);
KT_MUST_CHECK enum kt_code kt_git_is_ancestor(const struct kt_git_place *place,
	const struct kt_oid *ancestor, const struct kt_oid *descendant, bool *out,
	struct kt_error *err);

/* An unreferenced commit by kitty's identity. date: "@SECONDS +0000" or NULL for now. */
struct kt_git_commit_wish {
	const struct kt_oid *tree, *parents;
	size_t parents_len;
	const char *message;
	const char *author; /* "Name <mail>" and */
	const char *date;   /* when, to keep a replayed commit's; NULL: the user, now */
};
KT_MUST_CHECK enum kt_code kt_git_commit(const struct kt_git_place *place,
	const struct kt_git_commit_wish *wish, struct kt_oid *out, struct kt_error *err);

/* `tree` with the entry `path` replaced by what `from` has there (or dropped when it has none).
 * path: a name in the root. */
KT_MUST_CHECK enum kt_code kt_git_tree_take(const struct kt_git_place *place,
	const struct kt_oid *tree, const struct kt_oid *from, const char *path, struct kt_oid *out,
	struct kt_error *err);

/* `tree` with one file put in place. */
KT_MUST_CHECK enum kt_code kt_git_tree_put(const struct kt_git_place *place,
	const struct kt_oid *tree, const char *path, const struct kt_buffer *bytes,
	struct kt_oid *out, struct kt_error *err);

#endif
