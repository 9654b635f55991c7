/*
 * kitty mission sync: the target has moved; its tip is merged into the coordination branch, as one
 * commit with the mission's own status files. Process: a command. The writer makes the commit.
 */
#include <stdlib.h>

#include "ipc/buffer.h"
#include "supervisor/cli/command.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/diagnostics.h"
#include "supervisor/cli/output.h"
#include "supervisor/cli/submit.h"
#include "supervisor/git/store.h"
#include "supervisor/transaction/request.h"

static const struct kt_option options[] = {KT_OPTION_MISSION, KT_OPTION_END};

static enum kt_code target_tip(
	const struct kt_context *context, struct kt_oid *out, struct kt_error *err)
{
	char *ref = kt_format("refs/heads/%s", context->mission->target_branch);
	struct kt_store *store = NULL;
	enum kt_code code = kt_store_open(context->repo, &store, err);

	if (code == KT_E_OK)
		code = kt_store_ref_read(store, ref, out, err);
	if (code == KT_E_DESTINATION_REF_NOT_FOUND)
		code = kt_error_set(
			err, KT_E_TARGET_BRANCH_NOT_FOUND, "%s", context->mission->target_branch);
	kt_store_close(store);
	free(ref);
	return code;
}

static struct kt_json *request_new(const struct kt_context *context, const struct kt_oid *tip)
{
	struct kt_json *request = kt_request_new("mission-sync");
	struct kt_json *wish = kt_json_new_object();
	char *message = kt_format("chore: merge %s into mission '%s'",
		context->mission->target_branch, context->mission->slug);

	kt_json_set_string(wish, "commit", kt_oid_format(tip).text);
	kt_json_set(request, "integrate", wish);
	kt_json_set_string(request, "message", message);
	free(message);
	return request;
}

static void print_synced(const struct kt_context *context, const struct kt_json *outcome)
{
	const struct kt_json *receipt = kt_json_get(outcome, "receipt");

	if (kt_json_get_bool(receipt, "is_noop", false))
		kt_print("%s holds %s already\n", context->mission->coordination_branch,
			context->mission->target_branch);
	else
		kt_print("%s is merged into %s: %.12s\n", context->mission->target_branch,
			context->mission->coordination_branch,
			kt_json_get_string(receipt, "commit_sha"));
}

static int run(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *request = NULL, *outcome = NULL;
	struct kt_oid tip = {{0}};
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code =
		kt_context_open_mission(&context, kt_invocation_value(invocation, "mission"), &err);
	int status = KT_EXIT_OK;

	if (code == KT_E_OK && context.mission->coordination_branch == NULL)
		code = kt_error_set(&err, KT_E_MISSION_TOPOLOGY_UNSUPPORTED,
			"there is nothing to bring %s to", context.mission->target_branch);
	if (code == KT_E_OK)
		code = target_tip(&context, &tip, &err);
	if (code != KT_E_OK) {
		status = kt_context_fail(&context, invocation->json, &err);
		goto out;
	}
	request = request_new(&context, &tip);
	if (kt_submit(&context, request, invocation->path, &outcome, &err) != KT_E_OK)
		status = kt_fail_outcome(invocation->json, outcome, &err);
	else if (invocation->json)
		kt_print_json(outcome);
	else
		print_synced(&context, outcome);
out:
	kt_json_free(outcome);
	kt_json_free(request);
	kt_context_release(&context);
	return status;
}

const struct kt_command kt_command_mission_sync = {
	.summary = "merge the moved target into the coordination branch",
	.arguments = "",
	.help = "One commit with two parents; the status files stay the mission's own. A conflict "
		"moves "
		"nothing.",
	.options = options,
	.run = run,
};
