/*
 * The policy gate. Runs inside the lock, before a byte is written. Must never look at what is
 * checked out.
 */
#include "supervisor/transaction/gate.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/buffer.h"
#include "supervisor/mission/identity.h"

bool kt_branch_is_protected(
	const struct kt_repository *repo, const char *branch, const char *const *globs)
{
	static const char *const fallback[] = {"main", "master", NULL};
	const char *const *names = globs != NULL ? globs : fallback;
	char *remote_default = NULL;
	bool is_protected = false;

	for (size_t i = 0; names[i] != NULL && !is_protected; i++)
		is_protected = fnmatch(names[i], branch, 0) == 0;
	if (is_protected || globs != NULL)
		return is_protected;
	remote_default = kt_repository_default_branch(repo);
	is_protected = remote_default != NULL && strcmp(remote_default, branch) == 0;
	free(remote_default);
	return is_protected;
}

static bool has_valid_shape(const char *destination)
{
	return strncmp(destination, "refs/", 5) != 0 && destination[0] != '-' &&
	       destination[0] != '/' && kt_branch_name_is_valid(destination);
}

struct remote_search {
	const char *branch;
	bool found;
};

static void on_remote_ref(const char *ref, const struct kt_oid *oid, void *arg)
{
	struct remote_search *search = arg;
	/* refs/remotes/<remote>/<branch>: the branch is what follows the remote's name. */
	const char *branch = strchr(ref + strlen("refs/remotes/"), '/');

	(void)oid;
	if (branch != NULL && strcmp(branch + 1, search->branch) == 0)
		search->found = true;
}

static enum kt_code check_exists(
	struct kt_store *store, const char *destination, struct kt_error *err)
{
	char *ref = kt_format("refs/heads/%s", destination);
	struct remote_search search = {destination, false};
	struct kt_oid oid = {{0}};
	enum kt_code code = kt_store_ref_read(store, ref, &oid, err);
	struct kt_error ignored = KT_ERROR_INIT;

	free(ref);
	if (code != KT_E_DESTINATION_REF_NOT_FOUND)
		return code;
	if (kt_store_ref_each(store, "refs/remotes/", on_remote_ref, &search, &ignored) ==
			KT_E_OK &&
		search.found)
		return kt_error_set(err, KT_E_DESTINATION_REF_NOT_LOCAL, "%s", destination);
	return kt_error_set(err, KT_E_DESTINATION_REF_NOT_FOUND, "%s", destination);
}

enum kt_code kt_gate_check(const struct kt_repository *repo, struct kt_store *store,
	const char *destination, const char *const *globs, struct kt_error *err)
{
	enum kt_code code = KT_E_OK;

	if (destination == NULL || !has_valid_shape(destination))
		return kt_error_set(err, KT_E_DESTINATION_REF_INVALID_SHAPE, "'%s'",
			destination == NULL ? "" : destination);
	code = check_exists(store, destination, err);
	if (code != KT_E_OK)
		return code;
	if (kt_branch_is_protected(repo, destination, globs))
		return kt_error_set(err, KT_E_PROTECTED_BRANCH_REFUSED,
			"bookkeeping may not be committed to %s", destination);
	return KT_E_OK;
}
