/*
 * What a launch is to do, from the command line, the configuration and the mission: lanes, agents,
 * programs. Read before anything starts.
 */
#ifndef KITTY_SUPERVISOR_CLI_LAUNCH_PLAN_H
#define KITTY_SUPERVISOR_CLI_LAUNCH_PLAN_H

#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/supervisor.h"
#include "supervisor/transaction/reader.h"

struct kt_launch_plan {
	struct kt_launch
		launch; /* filled in; borrows from what stands below and from the context */
	struct kt_view *view;
	char **lanes;
	struct kt_launch_agent *agents;
	struct kt_agent command; /* of `-- COMMAND` */
	char **command_argv;
	char *program, *worker;
};

/* Errors: KT_E_LANE_NOT_FOUND naming the known ones, KT_E_AGENT_UNKNOWN, KT_E_PREFLIGHT_FAILED,
 * KT_E_SUPERVISOR_RUNNING, and those of reading mission and configuration. */
KT_MUST_CHECK enum kt_code kt_launch_plan_make(const struct kt_invocation *invocation,
	struct kt_context *context, struct kt_launch_plan *out, struct kt_error *err);
void kt_launch_plan_release(struct kt_launch_plan *plan);

#endif
