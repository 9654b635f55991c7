/*
 * kitty launch: the supervisor of a mission, in the foreground, or with --detach in a session of
 * its own. Process: the command, which becomes the supervisor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/fd.h"
#include "ipc/file.h"
#include "ipc/message.h"
#include "supervisor/cli/launch_plan.h"
#include "supervisor/cli/output.h"

/* How the detached process knows that somebody waits for it to be ready. */
static const char READY_NAME[] = "SPEC_KITTY_READY_FD";

enum { READY_FD = 3, READY_MAX = 16 << 10 };

static const struct kt_option options[] = {
	{"lanes", 0, "a,b|all", false, "the lanes to run"},
	{"agent", 0, "NAME", true,
		"an agent of the configuration; several are a pool. With a command: its name"},
	{"review", 0, "NAME", false,
		"an agent of the configuration that reviews what the others hand over"},
	{"no-review", 0, NULL, false,
		"nobody reviews in this launch, whatever the configuration says"},
	{"max-parallel", 0, "N", false, "lanes that run at once (the configuration's bound)"},
	{"retry-blocked", 0, NULL, false, "run blocked work packages again, once each"},
	{"detach", 0, NULL, false, "return once the supervisor listens; it goes on by itself"},
	KT_OPTION_MISSION,
	KT_OPTION_END,
};

/* ---- the closing summary ---- */

static const char *text_of(const struct kt_json *object, const char *key)
{
	const char *text = kt_json_get_string(object, key);

	return text == NULL ? "-" : text;
}

static void commits_print(const struct kt_json *summary)
{
	const struct kt_json *commits = kt_json_get(summary, "commits");
	int64_t left_out = 0;

	if (kt_json_size(commits) == 0)
		return;
	kt_print("\nCommits recorded:\n");
	for (const struct kt_json *c = kt_json_first(commits); c != NULL; c = kt_json_next(c)) {
		kt_print("- %s ", text_of(c, "branch"));
		kt_print_safe(stdout, text_of(c, "message"));
		kt_print(" %s\n",
			strcmp(text_of(c, "outcome"), "committed") == 0 ? "✓" : "✗ rejected");
	}
	if (kt_json_get_int(summary, "commits_left_out", &left_out) && left_out > 0)
		kt_print("- and %lld more\n", (long long)left_out);
}

static void packages_print(const struct kt_json *summary)
{
	const struct kt_json *wps = kt_json_get(summary, "work_packages");

	kt_print("\nWork packages:\n");
	for (const struct kt_json *wp = kt_json_first(wps); wp != NULL; wp = kt_json_next(wp)) {
		const char *reason = kt_json_get_string(wp, "reason");

		kt_print("  %-6s %-12s %-8s %s", text_of(wp, "id"), text_of(wp, "lane"),
			text_of(wp, "lane_id"), text_of(wp, "agent"));
		if (reason != NULL && strcmp(text_of(wp, "lane"), "blocked") == 0) {
			kt_print("  ");
			kt_print_safe(stdout, reason);
		}
		kt_print("\n");
	}
}

static void summary_print(const struct kt_json *summary)
{
	const struct kt_json *waits = kt_json_get(summary, "waits");

	commits_print(summary);
	packages_print(summary);
	if (kt_json_size(waits) > 0)
		kt_print("\nWaiting:\n");
	for (const struct kt_json *at = kt_json_first(waits); at != NULL; at = kt_json_next(at)) {
		kt_print("  ");
		kt_print_safe(stdout, kt_json_string(at));
		kt_print("\n");
	}
}

/* ---- being ready ---- */

struct readiness {
	int fd; /* -1: nobody waits */
};

static void ready_tell(struct readiness *readiness, struct kt_json *facts)
{
	struct kt_buffer text = KT_BUFFER_INIT;

	if (readiness->fd >= 0) {
		kt_json_write(facts, KT_JSON_COMPACT, &text);
		kt_buffer_putc(&text, '\n');
		(void)kt_fd_write_quietly(readiness->fd, text.data, text.len);
		kt_fd_close(&readiness->fd);
	}
	kt_buffer_release(&text);
	kt_json_free(facts);
}

static void on_ready(void *arg)
{
	struct kt_json *facts = kt_json_new_object();

	kt_json_set_int(facts, "pid", getpid());
	ready_tell(arg, facts);
}

static struct readiness readiness_take(void)
{
	struct readiness readiness = {-1};

	if (getenv(READY_NAME) != NULL) {
		/* Agents must not inherit it. */
		(void)unsetenv(READY_NAME);
		readiness.fd = READY_FD;
		(void)fcntl(READY_FD, F_SETFD, FD_CLOEXEC);
	}
	return readiness;
}

/* ---- in the foreground ---- */

static int supervise(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_launch_plan plan = {0};
	struct readiness readiness = readiness_take();
	struct kt_json *summary = NULL;
	struct kt_error err = KT_ERROR_INIT;
	enum kt_code code = kt_launch_plan_make(invocation, &context, &plan, &err);
	int64_t status = KT_EXIT_OK;

	plan.launch.on_ready = on_ready;
	plan.launch.arg = &readiness;
	if (code == KT_E_OK)
		code = kt_supervisor_run(&plan.launch, &summary, &err);
	if (code != KT_E_OK) {
		ready_tell(&readiness, kt_message_error_encode(&err));
		status = kt_context_fail(&context, invocation->json, &err);
	} else {
		(void)kt_json_get_int(summary, "exit_status", &status);
		if (invocation->json)
			kt_print_json(summary);
		else
			summary_print(summary);
	}
	kt_fd_close(&readiness.fd);
	kt_json_free(summary);
	kt_launch_plan_release(&plan);
	kt_context_release(&context);
	return (int)status;
}

/* ---- detached ---- */

static const char **argv_again(
	const struct kt_invocation *invocation, char **made, size_t *made_len)
{
	size_t rest = 0;
	size_t len = 0;
	const char **argv = NULL;

	while (invocation->rest != NULL && invocation->rest[rest] != NULL)
		rest++;
	argv = kt_realloc_array(NULL, invocation->given_len + rest + 4, sizeof *argv);
	argv[len++] = "kitty";
	argv[len++] = "launch";
	for (size_t i = 0; i < invocation->given_len; i++) {
		const struct kt_given *given = &invocation->given[i];

		if (strcmp(given->option->name, "detach") == 0)
			continue;
		made[*made_len] = given->value == NULL
					  ? kt_format("--%s", given->option->name)
					  : kt_format("--%s=%s", given->option->name, given->value);
		argv[len++] = made[(*made_len)++];
	}
	if (invocation->rest != NULL)
		argv[len++] = "--";
	for (size_t i = 0; i < rest; i++)
		argv[len++] = invocation->rest[i];
	argv[len] = NULL;
	return argv;
}

static char **environment_again(char *ready)
{
	size_t len = 0;
	char **out = NULL;

	while (environ[len] != NULL)
		len++;
	out = kt_realloc_array(NULL, len + 2, sizeof *out);
	memcpy(out, environ, len * sizeof *out);
	out[len] = ready;
	out[len + 1] = NULL;
	return out;
}

static enum kt_code detached_start(const struct kt_invocation *invocation, int log_fd, int ready_fd,
	struct kt_child *child, struct kt_error *err)
{
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	char **made = kt_alloc((invocation->given_len + 1) * sizeof *made);
	size_t made_len = 0;
	const char **argv = argv_again(invocation, made, &made_len);
	char *ready = kt_format("%s=%d", READY_NAME, READY_FD);
	char **environment = environment_again(ready);
	enum kt_code code = KT_E_OK;
	char program[4096];
	ssize_t len = 0;

	len = readlink("/proc/self/exe", program, sizeof program - 1);
	program[len > 0 ? len : 0] = '\0';
	spec.path = program;
	spec.argv = argv;
	spec.envp = (const char *const *)environment;
	spec.stdout_fd = spec.stderr_fd = log_fd;
	spec.pass_fds = &ready_fd;
	spec.pass_len = 1;
	spec.new_session = true;
	code = kt_child_start(&spec, child, err);
	while (made_len > 0)
		free(made[--made_len]);
	free(made);
	free(environment);
	free(ready);
	free(argv);
	return code;
}

/* What the detached process says first: that it listens, or why not. */
static enum kt_code ready_wait(int fd, const char *log, struct kt_json **out, struct kt_error *err)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_error parse_error = KT_ERROR_INIT;
	char piece[1024];
	ssize_t len = 0;
	enum kt_code code = KT_E_OK;

	while ((len = read(fd, piece, sizeof piece)) > 0 || (len < 0 && errno == EINTR))
		if (len > 0 && text.len < READY_MAX)
			kt_buffer_append(&text, piece, (size_t)len);
	if (text.len == 0 ||
		kt_json_parse(text.data, text.len, KT_JSON_LAST_WINS, out, &parse_error) != KT_E_OK)
		code = kt_error_set(
			err, KT_E_SPAWN_FAILED, "the supervisor ended at once; see %s", log);
	else if (kt_message_error_decode(*out, err))
		code = err->code;
	kt_buffer_release(&text);
	return code;
}

static enum kt_code detach(const struct kt_invocation *invocation, const char *log,
	struct kt_json **facts, struct kt_error *err)
{
	struct kt_child child = KT_CHILD_INIT;
	int ready[2] = {-1, -1};
	int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	enum kt_code code = KT_E_OK;

	if (log_fd < 0 || pipe2(ready, O_CLOEXEC) != 0)
		code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%.300s", log);
	if (code == KT_E_OK)
		code = detached_start(invocation, log_fd, ready[1], &child, err);
	kt_fd_close(&ready[1]);
	kt_fd_close(&log_fd);
	if (code == KT_E_OK)
		code = ready_wait(ready[0], log, facts, err);
	kt_fd_close(&ready[0]);
	/* Not reaped when it lives on: it becomes init's when this process ends. */
	kt_fd_close(&child.pidfd);
	return code;
}

static int run_detached(struct kt_invocation *invocation)
{
	struct kt_context context = KT_CONTEXT_INIT;
	struct kt_json *facts = NULL;
	struct kt_error err = KT_ERROR_INIT;
	char *log = NULL;
	int64_t pid = 0;
	int status = KT_EXIT_OK;
	enum kt_code code =
		kt_context_mission(&context, kt_invocation_value(invocation, "mission"), &err);

	if (code == KT_E_OK)
		code = kt_folder_make(context.mission->run_dir, 0700, &err);
	if (code == KT_E_OK) {
		log = kt_format("%s/supervisor.log", context.mission->run_dir);
		code = detach(invocation, log, &facts, &err);
	}
	if (code != KT_E_OK) {
		status = kt_context_fail(&context, invocation->json, &err);
	} else if (invocation->json) {
		kt_json_set_string(facts, "result", "success");
		kt_json_set_string(facts, "mission_slug", context.mission->slug);
		kt_json_set_string(facts, "log", log);
		kt_print_json(facts);
	} else {
		(void)kt_json_get_int(facts, "pid", &pid);
		kt_print("supervisor of %s runs, pid %lld\nlog: %s\n", context.mission->slug,
			(long long)pid, log);
	}
	kt_json_free(facts);
	free(log);
	kt_context_release(&context);
	return status;
}

static int run(struct kt_invocation *invocation)
{
	return kt_invocation_has(invocation, "detach") ? run_detached(invocation)
						       : supervise(invocation);
}

const struct kt_command kt_command_launch = {
	.summary = "run agents in lanes until nothing more can run",
	.arguments = "--lanes a,b|all [-- COMMAND ARG...]",
	.help = "Starts the mission's supervisor: one worker per lane, one agent at a time in "
		"each. "
		"Agents come\n"
		"from the kitty: section of .kittify/config.yaml, or are the command after --, "
		"which "
		"gets the\n"
		"prompt on standard input ({prompt_file} in its arguments is replaced by the "
		"prompt's path).\n"
		"With --review NAME (or review: in the configuration) that agent reviews each work "
		"package in its\n"
		"lane: exit 0 approves, exit 1 asks for changes, which the next attempt is told; "
		"anything else\n"
		"approves nothing. What is approved is integrated. --no-review leaves the reviews "
		"to "
		"people.\n"
		"Ends when nothing more can run: exit 0 when every work package of the lanes is "
		"for_review or\n"
		"later, else 1, saying what waits for whom. Ctrl-C and `kitty stop` end it in "
		"order; launching\n"
		"again goes on where it was, also after a crash.",
	.options = options,
	.takes_rest = true,
	.run = run,
};
