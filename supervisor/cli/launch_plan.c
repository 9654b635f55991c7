/*
 * From the words of `kitty launch` to a struct kt_launch. Process: a command. Starts nothing.
 */
#include "supervisor/cli/launch_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "supervisor/cli/output.h"
#include "supervisor/preflight.h"
#include "supervisor/transaction/holder.h"

static const char PLANNING_LANE[] = "lane-planning";

/* ---- lanes ---- */

static enum kt_code lane_unknown(
	const struct kt_lanes *lanes, const struct kt_buffer *words, struct kt_error *err)
{
	struct kt_buffer known = KT_BUFFER_INIT;

	for (size_t i = 0; i < lanes->len; i++)
		if (strcmp(lanes->lanes[i].id, PLANNING_LANE) != 0)
			kt_buffer_printf(
				&known, "%s%s", known.len == 0 ? "" : ", ", lanes->lanes[i].id);
	(void)kt_error_set(err, KT_E_LANE_NOT_FOUND, "%.300s; the mission's lanes are: %s",
		words->len == 0 ? "``" : kt_buffer_text(words),
		known.len == 0 ? "none" : kt_buffer_text(&known));
	kt_buffer_release(&known);
	return KT_E_LANE_NOT_FOUND;
}

static void lane_add(struct kt_launch_plan *plan, size_t *len, const char *id)
{
	for (size_t i = 0; i < *len; i++)
		if (strcmp(plan->lanes[i], id) == 0)
			return;
	plan->lanes[(*len)++] = kt_strdup(id);
}

static void lanes_add_all(struct kt_launch_plan *plan, const struct kt_lanes *lanes)
{
	size_t len = 0;

	for (size_t i = 0; i < lanes->len; i++)
		if (strcmp(lanes->lanes[i].id, PLANNING_LANE) != 0)
			lane_add(plan, &len, lanes->lanes[i].id);
}

static enum kt_code lanes_read(const char *text, struct kt_launch_plan *plan, struct kt_error *err)
{
	const struct kt_lanes *lanes = plan->view->plan->lanes;
	enum kt_code code = KT_E_OK;
	struct kt_buffer unknown = KT_BUFFER_INIT;
	size_t len = 0;

	if (text == NULL)
		return kt_error_set(
			err, KT_E_USAGE, "--lanes a,b or --lanes all says which lanes to run");
	plan->lanes = kt_alloc((lanes->len + strlen(text) + 2) * sizeof(char *));
	if (strcmp(text, "all") == 0) {
		lanes_add_all(plan, lanes);
		return KT_E_OK;
	}
	while (*text != '\0') {
		char *word = kt_strndup(text, strcspn(text, ","));
		char *id = kt_lane_id_parse(word);

		if (id == NULL || kt_lanes_find(lanes, id) == NULL ||
			strcmp(id, PLANNING_LANE) == 0)
			kt_buffer_printf(&unknown, "%s`%.60s`", unknown.len == 0 ? "" : ", ", word);
		else
			lane_add(plan, &len, id);
		text += strcspn(text, ",");
		text += *text == ',' ? 1 : 0;
		free(id);
		free(word);
	}
	if (unknown.len > 0 || len == 0)
		code = lane_unknown(lanes, &unknown, err);
	kt_buffer_release(&unknown);
	return code;
}

/* ---- agents ---- */

static void agent_add(struct kt_launch_plan *plan, const struct kt_agent *agent, size_t capacity)
{
	struct kt_launch *launch = &plan->launch;

	/* Named twice: twice its capacity. */
	for (size_t i = 0; i < launch->agents_len; i++)
		if (plan->agents[i].agent == agent) {
			plan->agents[i].capacity += capacity;
			return;
		}
	plan->agents = kt_realloc_array(
		plan->agents, launch->agents_len + 1, sizeof(struct kt_launch_agent));
	plan->agents[launch->agents_len++] = (struct kt_launch_agent){agent, capacity};
	launch->agents = plan->agents;
}

static enum kt_code agent_unknown(
	const struct kt_config *config, const char *name, struct kt_error *err)
{
	struct kt_buffer known = KT_BUFFER_INIT;

	for (size_t i = 0; i < config->agents_len; i++)
		kt_buffer_printf(
			&known, "%s%s", known.len == 0 ? "" : ", ", config->agents[i].name);
	(void)kt_error_set(err, KT_E_AGENT_UNKNOWN, "`%.60s`; configured are: %s", name,
		known.len == 0 ? "none" : kt_buffer_text(&known));
	kt_buffer_release(&known);
	return KT_E_AGENT_UNKNOWN;
}

/* The command after --: its words are taken as they are; a path is meant from here, not from the
 * lane. */
static enum kt_code command_read(const struct kt_invocation *invocation,
	const struct kt_context *context, struct kt_launch_plan *plan, struct kt_error *err)
{
	const char *name = kt_invocation_nth(invocation, "agent", 0);
	const char *base = NULL;
	size_t len = 0;

	if (invocation->rest[0] == NULL)
		return kt_error_set(err, KT_E_USAGE, "a command must follow --");
	if (kt_invocation_nth(invocation, "agent", 1) != NULL)
		return kt_error_set(
			err, KT_E_USAGE, "with a command after --, at most one --agent names it");
	while (invocation->rest[len] != NULL)
		len++;
	plan->command_argv = kt_alloc((len + 1) * sizeof(char *));
	for (size_t i = 0; i < len; i++)
		plan->command_argv[i] = kt_strdup(invocation->rest[i]);
	if (strchr(plan->command_argv[0], '/') != NULL && plan->command_argv[0][0] != '/') {
		free(plan->command_argv[0]);
		plan->command_argv[0] = kt_format("%s/%s", context->cwd, invocation->rest[0]);
	}
	base = strrchr(invocation->rest[0], '/');
	plan->command = (struct kt_agent){
		.name = kt_strdup(name != NULL   ? name
				  : base != NULL ? base + 1
						 : invocation->rest[0]),
		.argv = plan->command_argv,
		.prompt_by = KT_PROMPT_STDIN,
	};
	for (size_t i = 0; i < len; i++)
		if (strstr(plan->command_argv[i], "{prompt_file}") != NULL)
			plan->command.prompt_by = KT_PROMPT_FILE;
	/* One command, any number of lanes. */
	agent_add(plan, &plan->command, SIZE_MAX / 2);
	return KT_E_OK;
}

static enum kt_code agents_read(const struct kt_invocation *invocation,
	const struct kt_context *context, struct kt_launch_plan *plan, struct kt_error *err)
{
	const struct kt_config *config = context->config;
	const struct kt_agent *agent = NULL;
	const char *name = NULL;

	if (invocation->rest != NULL)
		return command_read(invocation, context, plan, err);
	for (size_t i = 0; (name = kt_invocation_nth(invocation, "agent", i)) != NULL; i++) {
		agent = kt_config_find_agent(config, name);
		if (agent == NULL)
			return agent_unknown(config, name, err);
		agent_add(plan, agent, agent->capacity);
	}
	if (plan->launch.agents_len > 0)
		return KT_E_OK;
	if (config->default_agent != NULL)
		agent = kt_config_find_agent(config, config->default_agent);
	else if (config->agents_len > 0)
		agent = &config->agents[0];
	if (agent != NULL) {
		agent_add(plan, agent, agent->capacity);
		return KT_E_OK;
	}
	(void)kt_error_set(err, KT_E_AGENT_UNKNOWN, "no agent is configured and no command given");
	kt_error_next(err,
		"kitty launch --lanes %.60s -- COMMAND, or add an agent to "
		".kittify/config.yaml",
		kt_invocation_value(invocation, "lanes") == NULL
			? "all"
			: kt_invocation_value(invocation, "lanes"));
	return KT_E_AGENT_UNKNOWN;
}

/* ---- the reviewer ---- */

/* An agent that implements does not review, unless the configuration allows it: a work package of
 * its own would be left over, or reviewed by its author. */
static enum kt_code reviewer_check(
	const struct kt_launch_plan *plan, const struct kt_config *config, struct kt_error *err)
{
	const struct kt_agent *reviewer = plan->launch.reviewer;

	for (size_t i = 0; i < plan->launch.agents_len && !config->review_self; i++)
		if (strcmp(plan->agents[i].agent->name, reviewer->name) == 0)
			return kt_error_set(err, KT_E_REVIEW_OWN_WORK, "%s implements and reviews",
				reviewer->name);
	return KT_E_OK;
}

static enum kt_code reviewer_read(const struct kt_invocation *invocation,
	const struct kt_config *config, struct kt_launch_plan *plan, struct kt_error *err)
{
	const char *name = kt_invocation_value(invocation, "review");

	if (name != NULL && kt_invocation_has(invocation, "no-review"))
		return kt_error_set(err, KT_E_USAGE, "--review and --no-review exclude each other");
	if (name == NULL && !kt_invocation_has(invocation, "no-review"))
		name = config->review;
	if (name == NULL)
		return KT_E_OK;
	plan->launch.reviewer = kt_config_find_agent(config, name);
	return plan->launch.reviewer == NULL ? agent_unknown(config, name, err)
					     : reviewer_check(plan, config, err);
}

/* ---- programs, bounds, a supervisor that runs already ---- */

static enum kt_code programs_find(struct kt_launch_plan *plan, struct kt_error *err)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
	char *slash = NULL;

	if (len <= 0)
		return kt_error_set(err, KT_E_INTERNAL, "/proc/self/exe cannot be read");
	path[len] = '\0';
	plan->program = kt_strdup(path);
	slash = strrchr(path, '/');
	if (slash != NULL)
		*slash = '\0';
	plan->worker = kt_format("%s/kitty-worker", path);
	plan->launch.program = plan->program;
	plan->launch.worker = plan->worker;
	return KT_E_OK;
}

static enum kt_code bounds_read(const struct kt_invocation *invocation,
	const struct kt_context *context, struct kt_launch_plan *plan, struct kt_error *err)
{
	long bound = 0;
	enum kt_code code = kt_invocation_number(
		invocation, "max-parallel", (long)context->config->max_parallel, &bound, err);

	plan->launch.max_parallel = (size_t)bound;
	return code;
}

static enum kt_code running_check(const struct kt_context *context, struct kt_error *err)
{
	struct kt_json *holder = kt_holder_read(context->mission);
	enum kt_code code = KT_E_OK;
	char *text = NULL;

	if (kt_json_get_string(holder, "socket") != NULL) {
		text = kt_holder_describe(context->mission);
		code = kt_error_set(err, KT_E_SUPERVISOR_RUNNING, "%s", text);
	}
	free(text);
	kt_json_free(holder);
	return code;
}

static enum kt_code preflight(struct kt_launch_plan *plan, struct kt_error *err)
{
	struct kt_buffer problems = KT_BUFFER_INIT;
	struct kt_buffer warnings = KT_BUFFER_INIT;
	enum kt_code code =
		kt_preflight(&plan->launch, &plan->view->tip, &problems, &warnings, err);

	if (warnings.len > 0)
		(void)fprintf(stderr, "kitty: %s", kt_buffer_text(&warnings));
	kt_buffer_release(&problems);
	kt_buffer_release(&warnings);
	return code;
}

/* Lanes that work side by side need a branch that only the supervisor writes. */
static enum kt_code check_topology(const struct kt_mission *mission, struct kt_error *err)
{
	if (mission->coordination_branch != NULL)
		return KT_E_OK;
	(void)kt_error_set(err, KT_E_MISSION_TOPOLOGY_UNSUPPORTED,
		"launch needs one, and %s has none (docs/migration.md tells how to move it)",
		mission->slug);
	kt_error_next(err, "kitty implement WP01 --mission %s", mission->slug);
	return err->code;
}

static enum kt_code place_read(const struct kt_invocation *invocation, struct kt_context *context,
	struct kt_launch_plan *plan, struct kt_error *err)
{
	enum kt_code code =
		kt_context_open_mission(context, kt_invocation_value(invocation, "mission"), err);

	if (code == KT_E_OK)
		code = kt_context_config(context, err);
	if (code == KT_E_OK)
		code = running_check(context, err);
	if (code == KT_E_OK)
		code = check_topology(context->mission, err);
	if (code == KT_E_OK)
		code = kt_view_load(context->repo, context->mission, &plan->view, err);
	if (code == KT_E_OK && plan->view->plan == NULL)
		code = kt_error_set(err, KT_E_MISSION_NOT_FINALIZED, "%s", context->mission->slug);
	return code;
}

enum kt_code kt_launch_plan_make(const struct kt_invocation *invocation, struct kt_context *context,
	struct kt_launch_plan *out, struct kt_error *err)
{
	enum kt_code code = place_read(invocation, context, out, err);

	if (code == KT_E_OK)
		code = lanes_read(kt_invocation_value(invocation, "lanes"), out, err);
	if (code == KT_E_OK)
		code = agents_read(invocation, context, out, err);
	if (code == KT_E_OK)
		code = reviewer_read(invocation, context->config, out, err);
	if (code == KT_E_OK)
		code = bounds_read(invocation, context, out, err);
	if (code == KT_E_OK)
		code = programs_find(out, err);
	out->launch.repo = context->repo;
	out->launch.mission = context->mission;
	out->launch.config = context->config;
	out->launch.lanes = (const char *const *)out->lanes;
	out->launch.retry_blocked = kt_invocation_has(invocation, "retry-blocked");
	out->launch.json = invocation->json;
	return code == KT_E_OK ? preflight(out, err) : code;
}

void kt_launch_plan_release(struct kt_launch_plan *plan)
{
	for (char **at = plan->lanes; at != NULL && *at != NULL; at++)
		free(*at);
	for (char **at = plan->command_argv; at != NULL && *at != NULL; at++)
		free(*at);
	free(plan->lanes);
	free(plan->command_argv);
	free(plan->command.name);
	free(plan->agents);
	free(plan->program);
	free(plan->worker);
	kt_view_free(plan->view);
}
