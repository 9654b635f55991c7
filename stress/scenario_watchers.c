/*
 * The scenario of bad watchers (P11): ones that read nothing, one byte a second, are stopped,
 * half-closed, dead or send nonsense, while lanes send long events. Runs in kitty-stress, which is
 * the watcher itself where no command behaves so badly.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kitty/json.h>
#include <kitty/limits.h>

#include "ipc/buffer.h"
#include "ipc/child.h"
#include "ipc/client.h"
#include "ipc/fd.h"
#include "ipc/message.h"
#include "stress/run.h"
#include "stress/scenario.h"

enum {
	WATCHERS_MAX = 20,
	NOTE_BYTES = 24000,
	TICK_MS = 20,
	ANSWER_MS = 30000,
	START_MS = 60000,
	DELAY_MS = 2000,          /* P11 */
	MEMORY_NOISE_KIB = 32768, /* one copy more or less of the log, and how the heap lies */
	WATCHER_KIB = 5 * 1024    /* KT_QUEUE_BYTES_MAX and a row */
};

struct watcher {
	int fd;
	struct kt_child command; /* a `kitty watch` */
};

struct watched {
	struct kt_scenario_run *run;
	struct watcher watchers[WATCHERS_MAX];
	size_t len;
	int64_t read_at_ns;
};

/* ---- kinds ---- */

static char *socket_path(const struct kt_scenario_run *run)
{
	struct kt_buffer text = KT_BUFFER_INIT;
	struct kt_json *holder = NULL;
	struct kt_error err = KT_ERROR_INIT;
	const char *path = NULL;
	char *result = NULL;
	char *file = kt_format("%s/.git/kitty/%s/holder", run->workspace.repo, run->workspace.slug);

	if (kt_run_read_file(file, &text) && kt_json_parse(kt_buffer_text(&text), text.len,
						     KT_JSON_LAST_WINS, &holder, &err) == KT_E_OK)
		path = kt_json_get_string(holder, "socket");
	result = path ? kt_strdup(path) : NULL;
	kt_json_free(holder);
	kt_buffer_release(&text);
	free(file);
	return result;
}

/* A connection that asked for everything from now on. */
static int subscribe(const struct kt_scenario_run *run)
{
	struct kt_buffer received = KT_BUFFER_INIT;
	struct kt_json *hello = kt_json_new_object();
	struct kt_json *wish = kt_json_new_object();
	struct kt_json *answer = NULL;
	struct kt_client *client = NULL;
	struct kt_error err = KT_ERROR_INIT;
	char *path = socket_path(run);
	int fd = -1;

	kt_json_set_string(hello, "role", "client");
	kt_json_set_string(hello, "mission", run->workspace.slug);
	kt_json_set_bool(wish, "snapshot", false);
	if (!path || kt_client_open(path, hello, &client, &err) != KT_E_OK ||
		kt_client_call(client, KT_MSG_WATCH_REQUEST, wish, ANSWER_MS, &answer, &err) !=
			KT_E_OK)
		kt_run_die("no watcher: %s", err.detail);
	fd = kt_client_take_fd(client, &received);
	kt_buffer_release(&received);
	kt_json_free(answer);
	kt_json_free(wish);
	kt_json_free(hello);
	free(path);
	return fd;
}

static void begin_connection(struct watched *watched, struct watcher *watcher)
{
	watcher->fd = subscribe(watched->run);
}

static void begin_half_closed(struct watched *watched, struct watcher *watcher)
{
	begin_connection(watched, watcher);
	(void)shutdown(watcher->fd, SHUT_WR);
}

static void begin_nonsense(struct watched *watched, struct watcher *watcher)
{
	char noise[4096];

	begin_connection(watched, watcher);
	memset(noise, 0xff, sizeof noise);
	(void)send(watcher->fd, noise, sizeof noise, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void begin_command(struct watched *watched, struct watcher *watcher)
{
	const char *argv[] = {"kitty", "watch", "--json", NULL};
	struct kt_child_spec spec = KT_CHILD_SPEC_INIT;
	struct kt_error err = KT_ERROR_INIT;

	spec.path = argv[0];
	spec.argv = argv;
	spec.cwd = watched->run->workspace.repo;
	if (kt_child_start(&spec, &watcher->command, &err) != KT_E_OK)
		kt_run_die("kitty watch: %s", err.detail);
	kt_run_pause_ms(TICK_MS);
}

static void begin_stopped(struct watched *watched, struct watcher *watcher)
{
	begin_command(watched, watcher);
	kt_child_signal(&watcher->command, SIGSTOP, false);
}

static void begin_dead(struct watched *watched, struct watcher *watcher)
{
	begin_command(watched, watcher);
	kt_child_signal(&watcher->command, SIGKILL, false);
}

static const struct {
	const char *name;
	void (*begin)(struct watched *watched, struct watcher *watcher);
	bool trickles;
} kinds[] = {
	{"0 B/s", begin_connection, false},
	{"1 B/s", begin_connection, true},
	{"SIGSTOP", begin_stopped, false},
	{"half-closed", begin_half_closed, false},
	{"dead", begin_dead, false},
	{"nonsense", begin_nonsense, false},
};

/* ---- a case ---- */

static void trickle(struct watched *watched)
{
	char byte = 0;

	if (kt_run_now_ns() - watched->read_at_ns < 1000000000)
		return;
	watched->read_at_ns = kt_run_now_ns();
	for (size_t i = 0; i < watched->len; i++)
		(void)recv(watched->watchers[i].fd, &byte, 1, MSG_DONTWAIT);
}

static void watchers_end(struct watched *watched)
{
	for (size_t i = 0; i < watched->len; i++) {
		struct watcher *watcher = &watched->watchers[i];
		int exit_code = 0;

		kt_fd_close(&watcher->fd);
		if (watcher->command.pid == 0)
			continue;
		kt_child_signal(&watcher->command, SIGKILL, false);
		(void)kt_scenario_wait(&watcher->command, ANSWER_MS, &exit_code);
	}
}

/* One launch with `count` watchers of a kind, from its first event to its end. */
static long watch_until_end(struct watched *watched, size_t kind, size_t count)
{
	struct kt_child supervisor = KT_CHILD_INIT;
	long peak_kib = 0;
	int exit_code = -1;

	kt_scenario_launch(watched->run, &supervisor);
	kt_scenario_expect(watched->run, kt_scenario_wait_progress(watched->run, 1, START_MS),
		"%s: the lanes do not begin", kinds[kind].name);
	for (; watched->len < count; watched->len++) {
		watched->watchers[watched->len] = (struct watcher){-1, KT_CHILD_INIT};
		kinds[kind].begin(watched, &watched->watchers[watched->len]);
	}
	while (!kt_scenario_wait(&supervisor, TICK_MS, &exit_code)) {
		long kib = kt_scenario_memory_kib(supervisor.pid, "VmHWM:");

		peak_kib = kib > peak_kib ? kib : peak_kib;
		if (kinds[kind].trickles)
			trickle(watched);
	}
	kt_scenario_expect(watched->run, exit_code == 0, "%s: the launch ended with status %d",
		kinds[kind].name, exit_code);
	return peak_kib;
}

/* What the same load takes without a watcher: a watcher may cost no more than its share beyond it,
 * however big the log and however busy the machine. */
struct baseline {
	long peak_kib;
	double slowest_ms;
};

static struct baseline watch(struct kt_scenario_run *run, size_t kind, size_t count)
{
	struct watched watched = {.run = run};
	struct baseline seen = {0, 0};

	kt_scenario_open(run, run->size.lanes, run->size.events);
	(void)setenv("SPEC_KITTY_STRESS_PAUSE_MS", "5", 1);
	run->slowest_ms = 0;
	seen.peak_kib = watch_until_end(&watched, kind, count);
	watchers_end(&watched);
	kt_scenario_check(run);
	seen.slowest_ms = run->slowest_ms;
	kt_scenario_note(run, "%2zu x %-12s memory %ld KiB, slowest acknowledgement %.0f ms", count,
		count == 0 ? "nobody" : kinds[kind].name, seen.peak_kib, seen.slowest_ms);
	return seen;
}

static void watch_and_judge(
	struct kt_scenario_run *run, size_t kind, size_t count, const struct baseline *baseline)
{
	struct baseline seen = watch(run, kind, count);
	long bound = baseline->peak_kib + MEMORY_NOISE_KIB + (long)count * WATCHER_KIB;

	kt_scenario_expect(run, seen.peak_kib < bound,
		"%zu x %s: the supervisor took %ld KiB, without watchers %ld", count,
		kinds[kind].name, seen.peak_kib, baseline->peak_kib);
	kt_scenario_expect(run, seen.slowest_ms < baseline->slowest_ms + DELAY_MS,
		"%zu x %s: an acknowledgement took %.0f ms, without watchers %.0f", count,
		kinds[kind].name, seen.slowest_ms, baseline->slowest_ms);
	run->done++;
}

void kt_scenario_watchers(struct kt_scenario_run *run)
{
	static const size_t counts[] = {1, WATCHERS_MAX};
	struct baseline baseline;
	char bytes[16];

	(void)snprintf(bytes, sizeof bytes, "%d", run->size.is_quick ? NOTE_BYTES / 8 : NOTE_BYTES);
	(void)setenv("SPEC_KITTY_STRESS_NOTE_BYTES", bytes, 1);
	baseline = watch(run, 0, 0);
	for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
		for (size_t i = 0; i < 2 && run->done < run->size.rounds; i++)
			if (!run->size.is_quick || i == kind % 2)
				watch_and_judge(run, kind, counts[i], &baseline);
	(void)unsetenv("SPEC_KITTY_STRESS_NOTE_BYTES");
}
