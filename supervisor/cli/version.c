/*
 * kitty --version: the version and what the git here can do. Process: a command.
 */
#include "supervisor/cli/command.h"
#include "supervisor/cli/output.h"
#include "supervisor/git/environment.h"

static const char *git_support(bool found, int major, int minor)
{
	if (!found)
		return "not usable: install git 2.25 or newer";
	if (major > 2 || (major == 2 && minor >= 38))
		return "everything works";
	return "lanes and events work; integration and merge need git 2.38";
}

static int run(struct kt_invocation *invocation)
{
	struct kt_error err = KT_ERROR_INIT;
	int major = 0;
	int minor = 0;
	bool found = kt_git_version(&major, &minor, &err) == KT_E_OK;
	struct kt_json *answer = NULL;

	if (!invocation->json) {
		kt_print("kitty %s\n", KITTY_VERSION);
		kt_print("git %d.%d: %s\n", major, minor, git_support(found, major, minor));
		return KT_EXIT_OK;
	}
	answer = kt_json_new_object();
	kt_json_set_string(answer, "version", KITTY_VERSION);
	kt_json_set(answer, "git", kt_json_new_object());
	kt_json_set_int(kt_json_get(answer, "git"), "major", major);
	kt_json_set_int(kt_json_get(answer, "git"), "minor", minor);
	kt_json_set_bool(kt_json_get(answer, "git"), "supported", found);
	kt_json_set_string(kt_json_get(answer, "git"), "support", git_support(found, major, minor));
	kt_print_json(answer);
	kt_json_free(answer);
	return KT_EXIT_OK;
}

const struct kt_command kt_command_version = {
	.summary = "print the version, and what the git found here supports",
	.arguments = "",
	.run = run,
};
