/*
 * Where a command stands: repository, mission, lane, configuration. The one place in the commands
 * that finds them, always from the current folder, never from GIT_* variables.
 *
 *   struct kt_context context = KT_CONTEXT_INIT;
 *   kt_context_open -> kt_context_mission -> ... -> kt_context_release (fine at any point)
 */
#ifndef KITTY_SUPERVISOR_CLI_CONTEXT_H
#define KITTY_SUPERVISOR_CLI_CONTEXT_H

#include <kitty/error.h>
#include <kitty/json.h>

#include "supervisor/config/config.h"
#include "supervisor/git/repository.h"
#include "supervisor/mission/mission.h"

struct kt_context {
	char *cwd; /* physical path of the current folder */
	struct kt_repository *repo;
	struct kt_mission *mission; /* after kt_context_mission */
	struct kt_config *config;   /* after kt_context_config */
	char *lane;                 /* lane whose worktree one stands in; NULL: none */
	struct kt_json *candidates; /* of an ambiguous handle, for the error object */
};

#define KT_CONTEXT_INIT \
	{ \
		NULL, NULL, NULL, NULL, NULL, NULL \
	}

/* Finds the repository and refuses shapes that kitty does not support. */
KT_MUST_CHECK enum kt_code kt_context_open(struct kt_context *context, struct kt_error *err);

/*
 * handle: --mission, or NULL. Without one: the mission of the worktree one stands in, else
 * SPEC_KITTY_MISSION (an agent's environment), else the only open mission. Opens the context when
 * it is not open yet.
 */
KT_MUST_CHECK enum kt_code kt_context_mission(
	struct kt_context *context, const char *handle, struct kt_error *err);

/* The same for a command that is about to write: a closed mission is refused. */
KT_MUST_CHECK enum kt_code kt_context_open_mission(
	struct kt_context *context, const char *handle, struct kt_error *err);

/* Loads .kittify/config.yaml of the primary checkout; problems go to standard error, all of them.
 */
KT_MUST_CHECK enum kt_code kt_context_config(struct kt_context *context, struct kt_error *err);

void kt_context_release(struct kt_context *context);

/* Reports the error like kt_fail, with the candidates of an ambiguous handle; gives the exit
 * status. */
int kt_context_fail(const struct kt_context *context, bool json, const struct kt_error *err);

/*
 * The end of a command that answers with one object: prints it as JSON, else by as_text (NULL: only
 * JSON), or reports failure unless that is NULL; frees both. An answer with "ok": false is exit 1.
 * Takes context's contents and answer (may be NULL with a failure). Gives the exit status.
 */
int kt_context_answer(struct kt_context *context, bool json, struct kt_json *answer,
	void (*as_text)(const struct kt_json *answer), const struct kt_error *failure);

/* A variable of the environment; NULL when it is not set or empty. Borrows. */
const char *kt_environment_value(const char *name);

#endif
