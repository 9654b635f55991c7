/*
 * The rules of --policy. Pure. Never lets a secret into the log.
 */
#include <string.h>
#include <strings.h>

#include "ipc/buffer.h"
#include "supervisor/cli/api.h"

static const char *const texts[] = {"orchestrator_id", "orchestrator_version", "agent_family",
	"approval_mode", "sandbox_mode", "network_mode", NULL};

static const char *const forbidden_flags[] = {"--full-auto", "--yolo",
	"--dangerously-bypass-approvals-and-sandbox", "--dangerously-skip-permissions", NULL};

static const char *const secret_words[] = {
	"token", "secret", "key", "password", "credential", NULL};

static enum kt_code invalid(struct kt_error *err, const char *what, const char *name)
{
	return kt_error_set(err, KT_E_INVALID_ARGUMENT, "--policy: %s%.60s", what, name);
}

static bool is_secret(const char *text)
{
	for (const char *const *word = secret_words; *word != NULL; word++)
		if (strcasestr(text, *word) != NULL)
			return true;
	return false;
}

/* Any text in the tree. */
static const char *secret_find(const struct kt_json *value)
{
	const char *found = NULL;

	if (kt_json_string(value) != NULL)
		return is_secret(kt_json_string(value)) ? kt_json_string(value) : NULL;
	for (const struct kt_json *child = kt_json_first(value); child != NULL && found == NULL;
		child = kt_json_next(child))
		found = secret_find(child);
	return found;
}

static enum kt_code flags_check(const struct kt_json *flags, struct kt_error *err)
{
	if (!kt_json_is(flags, KT_JSON_ARRAY))
		return invalid(err, "a list is wanted: ", "dangerous_flags");
	for (const struct kt_json *flag = kt_json_first(flags); flag != NULL;
		flag = kt_json_next(flag)) {
		const char *text = kt_json_string(flag);

		if (text == NULL)
			return invalid(err, "texts are wanted in ", "dangerous_flags");
		for (const char *const *bad = forbidden_flags; *bad != NULL; bad++)
			if (strcmp(text, *bad) == 0)
				return invalid(err, "this flag is not allowed: ", text);
	}
	return KT_E_OK;
}

static enum kt_code policy_check(const struct kt_json *policy, struct kt_error *err)
{
	const struct kt_json *restrictions = kt_json_get(policy, "tool_restrictions");
	enum kt_code code = KT_E_OK;

	if (!kt_json_is(policy, KT_JSON_OBJECT))
		return invalid(err, "a JSON object is wanted", "");
	for (const char *const *name = texts; *name != NULL; name++) {
		const char *text = kt_json_get_string(policy, *name);

		if (text == NULL || text[strspn(text, " \t\r\n")] == '\0')
			return invalid(err, "a text is wanted: ", *name);
	}
	code = flags_check(kt_json_get(policy, "dangerous_flags"), err);
	if (code != KT_E_OK)
		return code;
	if (restrictions != NULL && !kt_json_is(restrictions, KT_JSON_NULL) &&
		kt_json_string(restrictions) == NULL && !kt_json_is(restrictions, KT_JSON_ARRAY) &&
		!kt_json_is(restrictions, KT_JSON_OBJECT))
		return invalid(err, "a text, list or object is wanted: ", "tool_restrictions");
	/* The value itself is not repeated: it would get into logs. */
	if (secret_find(policy) != NULL)
		return invalid(err, "a value looks like a secret", "");
	return KT_E_OK;
}

enum kt_code kt_api_policy(const char *text, bool is_needed, struct kt_json **out,
	const char **api_code, struct kt_error *err)
{
	struct kt_json *policy = NULL;
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	*out = NULL;
	if (text == NULL && !is_needed)
		return KT_E_OK;
	if (text == NULL) {
		*api_code = "POLICY_METADATA_REQUIRED";
		return kt_error_set(err, KT_E_INVALID_ARGUMENT, "--policy is needed for this");
	}
	code = kt_json_parse(text, strlen(text), KT_JSON_LAST_WINS, &policy, &cause);
	code = code != KT_E_OK ? invalid(err, "no JSON: ", cause.detail)
			       : policy_check(policy, err);
	if (code == KT_E_OK) {
		*out = policy;
		return KT_E_OK;
	}
	*api_code = "POLICY_VALIDATION_FAILED";
	kt_json_free(policy);
	return code;
}
