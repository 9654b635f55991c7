/*
 * A supervisor for the benchmark to talk to: lanes whose agents only wait, and a connection of a
 * client. Runs in kitty-bench. Must stop what it started.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kitty/json.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/client.h"
#include "ipc/message.h"
#include "stress/bench.h"
#include "stress/run.h"

enum { KT_BENCH_START_MS = 60000 };

struct kt_bench_supervisor {
	struct kt_child child;
	struct kt_client *client;
	size_t notes;
};

/* The address in the holder file, once the supervisor listens; gives, NULL: not yet. */
static char *find_socket(const struct kt_workspace *workspace)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	char *path = kt_format("%s/.git/kitty/%s/holder", workspace->repo, workspace->slug);
	struct kt_json *holder = NULL;
	struct kt_error err = KT_ERROR_INIT;
	char *socket = NULL;

	if (kt_run_read_file(path, &text) && kt_json_parse(kt_buffer_text(&text), text.len,
						     KT_JSON_LAST_WINS, &holder, &err) == KT_E_OK)
		socket = kt_strdup(kt_json_get_string(holder, "socket"));
	kt_json_free(holder);
	kt_buffer_release(&text);
	free(path);
	return socket;
}

/* All agents wait: the lanes are made and what `launch` writes is written. */
static bool are_agents_up(const struct kt_workspace *workspace, size_t lanes)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	const char *argv[] = {"kitty", "status", "--json", NULL};
	struct kt_json *report = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int64_t running = 0;

	if (kt_run_quiet(workspace->repo, &text, argv) == 0 &&
		kt_json_parse(kt_buffer_text(&text), text.len, KT_JSON_LAST_WINS, &report, &err) ==
			KT_E_OK)
		(void)kt_json_get_int(kt_json_get(report, "by_lane"), "in_progress", &running);
	kt_json_free(report);
	kt_buffer_release(&text);
	return (size_t)running >= lanes;
}

static void start(struct kt_bench_supervisor *supervisor, const struct kt_workspace *workspace,
	const char *lanes)
{
	const char *argv[] = {
		"kitty", "launch", "--lanes", lanes, "--", "sh", "-c", "exec sleep 3600", NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;

	spec.path = argv[0];
	spec.argv = argv;
	spec.cwd = workspace->repo;
	if (kt_child_start(&spec, &supervisor->child, &err) != KT_E_OK)
		kt_run_die("kitty launch: %s", err.detail);
}

static bool has_ended(struct kt_bench_supervisor *supervisor)
{
	struct kt_child_status status = {0};

	return kt_child_reap(&supervisor->child, &status);
}

static size_t count_lanes(const char *lanes)
{
	size_t count = 1;

	for (; *lanes; lanes++)
		count += *lanes == ',';
	return count;
}

struct kt_bench_supervisor *kt_bench_supervisor_start(
	const struct kt_workspace *workspace, const char *lanes)
{
	struct kt_bench_supervisor *supervisor = kt_alloc(sizeof *supervisor);
	struct kt_json *hello = kt_json_new_object();
	struct kt_error err = KT_ERROR_INIT;
	int64_t until = kt_run_now_ns() + (int64_t)KT_BENCH_START_MS * 1000000;
	char *socket = NULL;

	start(supervisor, workspace, lanes);
	while (!(socket = find_socket(workspace)) ||
		!are_agents_up(workspace, count_lanes(lanes))) {
		free(socket);
		if (kt_run_now_ns() > until || has_ended(supervisor))
			kt_run_die("the supervisor does not come up");
		kt_run_pause_ms(50);
	}
	kt_json_set_string(hello, "role", "client");
	kt_json_set_string(hello, "mission", workspace->slug);
	if (kt_client_open(socket, hello, &supervisor->client, &err) != KT_E_OK)
		kt_run_die("%s: %s", socket, err.detail);
	kt_json_free(hello);
	free(socket);
	return supervisor;
}

long kt_bench_supervisor_peak_kib(const struct kt_bench_supervisor *supervisor)
{
	char path[64];
	struct kt_buffer text = KT_BUFFER_INIT;
	const char *line = NULL;
	long kib = -1;

	(void)snprintf(path, sizeof path, "/proc/%d/status", supervisor->child.pid);
	if (kt_run_read_file(path, &text) && (line = strstr(kt_buffer_text(&text), "VmHWM:")))
		kib = strtol(line + strlen("VmHWM:"), NULL, 10);
	kt_buffer_release(&text);
	return kib;
}

static struct kt_json *annotation(const char *wp, size_t number, size_t len)
{
	struct kt_json *request = kt_json_new_object();
	struct kt_json *ops = kt_json_new_array();
	struct kt_json *op = kt_json_new_object();
	struct kt_json *delta = kt_json_new_object();
	struct kt_buffer note = KT_BUFFER_INIT;

	kt_buffer_printf(&note, "note %zu ", number);
	while (note.len < len)
		kt_buffer_putc(&note, (char)('a' + (note.len * 7 + number) % 26));
	kt_json_set_string(delta, "note", kt_buffer_text(&note));
	kt_json_set_string(op, "op", "annotate");
	kt_json_set_string(op, "wp", wp);
	kt_json_set_string(op, "actor", "bench");
	kt_json_set(op, "delta", delta);
	kt_json_append(ops, op);
	kt_json_set(request, "ops", ops);
	kt_buffer_release(&note);
	return request;
}

double kt_bench_supervisor_emit(struct kt_bench_supervisor *supervisor, const char *wp, size_t len)
{
	struct kt_json *request = annotation(wp, supervisor->notes++, len);
	struct kt_json *outcome = NULL;
	struct kt_error err = KT_ERROR_INIT;
	int64_t from = kt_run_now_ns();
	double spent = 0;

	if (kt_client_call(supervisor->client, KT_MSG_APPEND_REQUEST, request, 60000, &outcome,
		    &err) != KT_E_OK ||
		kt_message_error_decode(outcome, &err))
		kt_run_die("an event was refused: %s: %s", kt_error_text(err.code), err.detail);
	spent = (double)(kt_run_now_ns() - from) / 1e6;
	kt_json_free(outcome);
	kt_json_free(request);
	return spent;
}

void kt_bench_supervisor_stop(struct kt_bench_supervisor *supervisor)
{
	struct kt_child_status status = {0};

	kt_client_close(supervisor->client);
	kt_child_signal(&supervisor->child, SIGTERM, false);
	kt_child_wait(&supervisor->child, 30000, &status);
	kt_child_release(&supervisor->child);
	free(supervisor);
}
