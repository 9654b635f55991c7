/*
 * Repository, mission, lane and configuration of a command. Process: every command. Never writes.
 */
#include "supervisor/cli/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "supervisor/cli/output.h"

const char *kt_environment_value(const char *name)
{
	const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): no threads */

	return value == NULL || value[0] == '\0' ? NULL : value;
}

enum kt_code kt_context_open(struct kt_context *context, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	if (context->repo != NULL)
		return KT_E_OK;
	free(context->cwd);
	context->cwd = getcwd(NULL, 0);
	if (context->cwd == NULL)
		return kt_error_sys(
			err, KT_E_NOT_A_REPOSITORY, errno, "the current folder cannot be told");
	code = kt_repository_find(context->cwd, &context->repo, err);
	return code != KT_E_OK ? code : kt_repository_check(context->repo, err);
}

static enum kt_code resolve(struct kt_context *context, const char *handle, struct kt_error *err)
{
	kt_json_free(context->candidates);
	context->candidates = NULL;
	return kt_mission_resolve(
		context->repo, handle, context->cwd, &context->mission, &context->candidates, err);
}

enum kt_code kt_context_mission(
	struct kt_context *context, const char *handle, struct kt_error *err)
{
	const char *from_agent = kt_environment_value("SPEC_KITTY_MISSION");
	enum kt_code code = kt_context_open(context, err);

	if (code != KT_E_OK)
		return code;
	if (handle == NULL && from_agent != NULL) {
		struct kt_error ignored = KT_ERROR_INIT;

		/* The worktree one stands in says more than the environment does. */
		code = context->repo->is_linked ? resolve(context, NULL, &ignored)
						: KT_E_MISSION_NOT_FOUND;
		if (code != KT_E_OK)
			code = resolve(context, from_agent, err);
	} else {
		code = resolve(context, handle, err);
	}
	if (code == KT_E_OK && handle != NULL)
		kt_output_set_mission(context->mission->slug);
	if (code == KT_E_OK)
		context->lane = kt_mission_lane_at(context->mission, context->cwd);
	return code;
}

enum kt_code kt_context_open_mission(
	struct kt_context *context, const char *handle, struct kt_error *err)
{
	enum kt_code code = kt_context_mission(context, handle, err);

	return code != KT_E_OK ? code : kt_mission_check_open(context->mission, err);
}

enum kt_code kt_context_config(struct kt_context *context, struct kt_error *err)
{
	struct kt_buffer problems = KT_BUFFER_INIT;
	enum kt_code code = KT_E_OK;
	char *path = NULL;

	if (context->config != NULL)
		return KT_E_OK;
	path = kt_format("%s/.kittify/config.yaml", context->repo->primary);
	code = kt_config_load(path, &context->config, &problems, err);
	if (problems.len > 0)
		(void)fputs(kt_buffer_text(&problems), stderr);
	kt_buffer_release(&problems);
	free(path);
	return code;
}

void kt_context_release(struct kt_context *context)
{
	kt_config_free(context->config);
	kt_mission_free(context->mission);
	kt_repository_free(context->repo);
	kt_json_free(context->candidates);
	free(context->lane);
	free(context->cwd);
	*context = (struct kt_context)KT_CONTEXT_INIT;
}

int kt_context_fail(const struct kt_context *context, bool json, const struct kt_error *err)
{
	struct kt_json *extra = NULL;

	if (context->candidates != NULL) {
		extra = kt_json_new_object();
		kt_json_set(extra, "error", kt_error_json(err));
		kt_json_set(extra, "candidates", kt_json_copy(context->candidates));
	}
	return kt_fail_with(json, err, extra);
}

int kt_context_answer(struct kt_context *context, bool json, struct kt_json *answer,
	void (*as_text)(const struct kt_json *answer), const struct kt_error *failure)
{
	int status = kt_json_get_bool(answer, "ok", true) ? KT_EXIT_OK : KT_EXIT_FAILED;

	if (failure != NULL)
		status = kt_context_fail(context, json, failure);
	else if (json || as_text == NULL)
		kt_print_json(answer);
	else
		as_text(answer);
	kt_json_free(answer);
	kt_context_release(context);
	return status;
}
