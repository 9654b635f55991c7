/*
 * orchestrator-api, contract 1.3.0: what programs that drive a mission from outside call. Every
 * command prints exactly one single-line envelope, on success and on failure:
 *
 *   {contract_version, command, timestamp, correlation_id, success, error_code, data}
 *
 * Exit status 0 or 1; 2 for what the command line says wrong. SPECIFY_REPO_ROOT names the
 * repository, here and nowhere else.
 */
#ifndef KITTY_SUPERVISOR_CLI_API_H
#define KITTY_SUPERVISOR_CLI_API_H

#include <kitty/error.h>
#include <kitty/json.h>
#include <kitty/status.h>

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"

#define KT_API_CONTRACT "1.3.0"
#define KT_API_CALLER_MIN "0.1.0"

struct kt_api {
	const struct kt_invocation *invocation;
	struct kt_context context;
	struct kt_json *data;   /* members of the answer; on failure `message` joins them */
	const char *error_code; /* set by the command: replaces the table's */
};

/* One command of the contract. */
struct kt_api_command {
	const char *name;            /* "list-ready" */
	const char *const *required; /* names of options, NULL-terminated */
	const char *refusal;         /* code of a failure that the table does not know */
	enum kt_code (*run)(struct kt_api *api, struct kt_error *err);
};

/* Runs it and prints the envelope; gives the exit status. */
int kt_api_run(const struct kt_invocation *invocation, const struct kt_api_command *command);

/* kt_command.fail of all of them: the usage envelope, exit status 2. */
int kt_api_fail_usage(const struct kt_error *err);

const char *kt_api_value(const struct kt_api *api, const char *option);

/* The mission of --mission. */
KT_MUST_CHECK enum kt_code kt_api_mission(struct kt_api *api, struct kt_error *err);

/* api_by_hand.c. A mission made by hand may have work packages but no lanes and no rows yet. The
 * plan that finalising would give, for queries: view->plan. */
struct kt_view;
KT_MUST_CHECK enum kt_code kt_api_plan_fill(
	struct kt_api *api, struct kt_view *view, struct kt_error *err);
/* The same for a start: finalises it. Both leave missions with a plan or a coordination branch
 * alone. Errors: those of kt_finalization_prepare and of the writer. */
KT_MUST_CHECK enum kt_code kt_api_finalize(struct kt_api *api, struct kt_error *err);

/* mission_slug, mission_number, mission_type. */
void kt_api_identity(struct kt_api *api, const struct kt_json *meta);

/* The contract's code for one of kitty's; `fallback` for those it does not know. Pure. */
const char *kt_api_code(enum kt_code code, const char *fallback);

/*
 * --policy as an object. Pure. text NULL: *out is NULL and, when `is_needed`, the code is
 * POLICY_METADATA_REQUIRED. *api_code is set on failure. Gives *out.
 */
KT_MUST_CHECK enum kt_code kt_api_policy(const char *text, bool is_needed, struct kt_json **out,
	const char **api_code, struct kt_error *err);

struct kt_start;
/* wp_id, workspace_path, prompt_path and, for a lane, lane_id, lane_branch, lane_base_ref. */
void kt_api_workspace(struct kt_api *api, const struct kt_start *start);

#define KT_API_OPTION_WP \
	{ \
		"wp", 0, "WP", false, "work package" \
	}
#define KT_API_OPTION_ACTOR \
	{ \
		"actor", 0, "NAME", false, "who does it" \
	}
#define KT_API_OPTION_POLICY \
	{ \
		"policy", 0, "JSON", false, "policy metadata of the orchestrator" \
	}

#endif
