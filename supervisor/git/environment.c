/*
 * Environment and command line of git children, in one place. Commands, supervisor and its helpers.
 * No GIT_* variable of the caller's may ever reach a child: inside a git hook they name another
 * repository.
 */
#include "supervisor/git/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kitty/limits.h>

#include "ipc/buffer.h"

#define OUTPUT_MAX (64U << 20)
#define OLDEST_MAJOR 2
#define OLDEST_MINOR 25

/* A trailing * stands for any rest of the name. */
static const char *const plumbing_names[] = {"PATH", "HOME", "XDG_*", "TMPDIR", "SSH_AUTH_SOCK",
	"USER", "LOGNAME", "SUDO_UID", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM",
	"GIT_CONFIG_NOSYSTEM", NULL};

static const char *const kept_git_names[] = {
	"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", NULL};

static const char *const plumbing_variables[] = {"LC_ALL=C", "GIT_TERMINAL_PROMPT=0",
	"GIT_EDITOR=false", "GIT_OPTIONAL_LOCKS=0", "GIT_LITERAL_PATHSPECS=1",
	"GIT_NO_REPLACE_OBJECTS=1", "GIT_PAGER=cat", NULL};

static const char *const agent_variables[] = {"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=gc.auto",
	"GIT_CONFIG_VALUE_0=0", "GIT_CONFIG_KEY_1=gc.autoDetach", "GIT_CONFIG_VALUE_1=false",
	"GIT_CONFIG_KEY_2=maintenance.auto", "GIT_CONFIG_VALUE_2=false", NULL};

static const char *const no_names[] = {NULL};

static const char *const plumbing_options[] = {"-c", "core.fsync=objects,reference", "-c",
	"core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "commit.gpgsign=false",
	"-c", "gc.auto=0", "-c", "maintenance.auto=false", NULL};

static const char *const user_options[] = {"-c", "gc.auto=0", "-c", "maintenance.auto=false", NULL};

static bool is_named(const char *variable, const char *const *names)
{
	size_t len = strcspn(variable, "=");

	for (; *names != NULL; names++) {
		size_t wanted = strlen(*names);
		bool open = wanted > 0 && (*names)[wanted - 1] == '*';

		if (open ? len >= wanted - 1 && strncmp(variable, *names, wanted - 1) == 0
			 : len == wanted && strncmp(variable, *names, wanted) == 0)
			return true;
	}
	return false;
}

struct list {
	char **strings;
	size_t len;
};

/* Sets one variable, replacing an earlier one of that name. Takes the string. */
static void list_set(struct list *list, char *variable)
{
	size_t name_len = strcspn(variable, "=") + 1;

	for (size_t i = 0; i < list->len; i++)
		if (strncmp(list->strings[i], variable, name_len) == 0) {
			free(list->strings[i]);
			list->strings[i] = variable;
			return;
		}
	list->strings = kt_realloc_array(list->strings, list->len + 2, sizeof *list->strings);
	list->strings[list->len++] = variable;
	list->strings[list->len] = NULL;
}

static void list_add_all(struct list *list, const char *const *variables)
{
	for (; variables != NULL && *variables != NULL; variables++)
		list_set(list, kt_strdup(*variables));
}

/* The caller's environment, filtered. */
static struct list inherit(bool only_plumbing)
{
	struct list list = {kt_realloc_array(NULL, 1, sizeof(char *)), 0};

	list.strings[0] = NULL;
	for (char **at = environ; at != NULL && *at != NULL; at++) {
		bool is_git = strncmp(*at, "GIT_", 4) == 0;

		if (strchr(*at, '=') == NULL)
			continue;
		if (only_plumbing ? is_named(*at, plumbing_names)
				  : !is_git || is_named(*at, kept_git_names))
			list_set(&list, kt_strdup(*at));
	}
	return list;
}

char **kt_git_environment(enum kt_git_profile profile, const char *const *extra)
{
	struct list list = inherit(profile == KT_GIT_PLUMBING);

	list_add_all(&list, profile == KT_GIT_PLUMBING ? plumbing_variables : no_names);
	list_add_all(&list, extra);
	return list.strings;
}

char **kt_agent_environment(const char *const *extra)
{
	struct list list = inherit(false);

	list_add_all(&list, agent_variables);
	list_add_all(&list, extra);
	return list.strings;
}

void kt_environment_free(char **environment)
{
	for (char **at = environment; at != NULL && *at != NULL; at++)
		free(*at);
	free(environment);
}

/* "git", the profile's options, the call's own. Gives the array, not the strings. */
static const char **command_line(const struct kt_git_call *call)
{
	const char *const *options =
		call->profile == KT_GIT_PLUMBING ? plumbing_options : user_options;
	const char **argv;
	size_t len = 1, at = 0;

	for (size_t i = 0; options[i] != NULL; i++)
		len++;
	for (size_t i = 0; call->args[i] != NULL; i++)
		len++;
	argv = kt_realloc_array(NULL, len + 1, sizeof *argv);
	argv[at++] = "git";
	for (size_t i = 0; options[i] != NULL; i++)
		argv[at++] = options[i];
	for (size_t i = 0; call->args[i] != NULL; i++)
		argv[at++] = call->args[i];
	argv[at] = NULL;
	return argv;
}

/* The last line that says something. */
static const char *last_line(struct kt_buffer *text)
{
	const char *slash;

	while (text->len > 0 && strchr("\n\r ", text->data[text->len - 1]) != NULL)
		text->data[--text->len] = '\0';
	slash = text->len == 0 ? NULL : strrchr(text->data, '\n');
	return slash == NULL ? kt_buffer_text(text) : slash + 1;
}

static enum kt_code judge(const struct kt_git_call *call, const struct kt_child_status *status,
	struct kt_buffer *errors, struct kt_error *err)
{
	char ending[64];

	kt_child_describe(status, ending, sizeof ending);
	if (status->timed_out)
		return kt_error_set(err, KT_E_TIMEOUT, "git %s: %s", call->args[0], ending);
	if (call->exit_code != NULL && status->exited) {
		*call->exit_code = status->exit_code;
		return KT_E_OK;
	}
	if (status->exited && status->exit_code == 0)
		return KT_E_OK;
	return kt_error_set(
		err, KT_E_GIT_FAILED, "git %s: %s (%s)", call->args[0], last_line(errors), ending);
}

/* What git children have in common; argv and environment are borrowed. */
static struct kt_child_spec spec_of(
	const struct kt_git_call *call, const char *const *argv, char **environment)
{
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;

	spec.path = "git";
	spec.argv = argv;
	spec.envp = (const char *const *)environment;
	spec.cwd = call->cwd;
	spec.new_group = !call->no_terminal;
	spec.new_session = call->no_terminal;
	return spec;
}

enum kt_code kt_git_run(const struct kt_git_call *call, struct kt_error *err)
{
	struct kt_child_status status = {0};
	struct kt_buffer own = KT_BUFFER_INIT;
	struct kt_buffer *errors = call->errors == NULL ? &own : call->errors;
	const char **argv = command_line(call);
	char **environment = kt_git_environment(call->profile, call->extra_env);
	struct kt_child_spec spec = spec_of(call, argv, environment);
	enum kt_code code;

	code = kt_child_run(&spec, call->input, call->input_len, OUTPUT_MAX, call->out, errors,
		call->timeout_ms == 0 ? KT_GIT_TIMEOUT_MS : call->timeout_ms, &status, err);
	if (code == KT_E_OK)
		code = judge(call, &status, errors, err);
	kt_environment_free(environment);
	free(argv);
	kt_buffer_release(&own);
	return code;
}

enum kt_code kt_git_start(const struct kt_git_call *call,
	const struct kt_git_descriptors *descriptors, struct kt_child *out, struct kt_error *err)
{
	const char **argv = command_line(call);
	char **environment = kt_git_environment(call->profile, call->extra_env);
	struct kt_child_spec spec = spec_of(call, argv, environment);
	enum kt_code code;

	spec.stdin_fd = descriptors->input;
	spec.stdout_fd = descriptors->output;
	spec.stderr_fd = descriptors->errors;
	spec.nice = descriptors->nice;
	code = kt_child_start(&spec, out, err);
	kt_environment_free(environment);
	free(argv);
	return code;
}

static bool parse_version(const char *text, int *major, int *minor)
{
	static const char prefix[] = "git version ";
	char *end = NULL;
	long first, second;

	if (strncmp(text, prefix, sizeof prefix - 1) != 0)
		return false;
	first = strtol(text + sizeof prefix - 1, &end, 10);
	if (*end != '.' || first < 1 || first > 1000)
		return false;
	second = strtol(end + 1, NULL, 10);
	if (second < 0 || second > 1000)
		return false;
	*major = (int)first;
	*minor = (int)second;
	return true;
}

enum kt_code kt_git_version(int *major, int *minor, struct kt_error *err)
{
	static int known_major, known_minor;
	static const char *const args[] = {"--version", NULL};
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_git_call call = {.cwd = "/", .args = args, .out = &text, .timeout_ms = 10000};
	struct kt_error cause = KT_ERROR_INIT;
	enum kt_code code = KT_E_OK;

	if (known_major == 0) {
		if (kt_git_run(&call, &cause) != KT_E_OK)
			code = kt_error_set(err, KT_E_GIT_MISSING, "%s", cause.detail);
		else if (!parse_version(kt_buffer_text(&text), &known_major, &known_minor))
			code = kt_error_set(
				err, KT_E_GIT_MISSING, "git says: %.80s", kt_buffer_text(&text));
	}
	kt_buffer_release(&text);
	if (code != KT_E_OK)
		return code;
	if (known_major < OLDEST_MAJOR ||
		(known_major == OLDEST_MAJOR && known_minor < OLDEST_MINOR))
		return kt_error_set(
			err, KT_E_GIT_TOO_OLD, "git is %d.%d", known_major, known_minor);
	*major = known_major;
	*minor = known_minor;
	return KT_E_OK;
}
