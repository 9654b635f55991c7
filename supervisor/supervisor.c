/*
 * The supervisor's start, its loop and its end. Runs in `kitty launch`. Must never wait for
 * anything but libevent once the loop has begun.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "ipc/buffer.h"
#include "ipc/clock.h"
#include "ipc/fd.h"
#include "ipc/file.h"
#include "ipc/log.h"
#include "ipc/subreaper.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/transaction/holder.h"

enum { LOG_MAX = 10 << 20, LOG_KEEP = 3, TICK_MS = 1000, CLOSE_MS = 2000 };

void kt_supervisor_say(
	struct kt_supervisor *supervisor, const struct kt_lane_run *lane, const char *format, ...)
{
	struct kt_buffer line = KT_BUFFER_INIT;
	va_list args;

	if (lane != NULL)
		kt_buffer_printf(&line, "%s: ", lane->id);
	va_start(args, format);
	kt_buffer_vprintf(&line, format, args);
	va_end(args);
	kt_display_line(supervisor->display, kt_buffer_text(&line));
	kt_log(KT_LOG_INFO, "%s", kt_buffer_text(&line));
	kt_buffer_release(&line);
}

/* ---- what is shown ---- */

static const char *shown_wp(
	const struct kt_supervisor *supervisor, const struct kt_lane_run *run, char **status)
{
	const struct kt_lane_plan *plan = kt_lanes_find(supervisor->plan->lanes, run->id);
	const char *wp = run->job.wp_id;

	for (char **id = plan == NULL ? NULL : plan->wp_ids; wp == NULL && id != NULL && *id;
		id++) {
		enum kt_status now = kt_sup_status(supervisor, *id, NULL);

		if (now != KT_STATUS_APPROVED && now != KT_STATUS_DONE && now != KT_STATUS_CANCELED)
			wp = *id;
	}
	*status = kt_strdup(
		wp == NULL ? "done" : kt_status_name(kt_sup_status(supervisor, wp, NULL)));
	return wp;
}

static void lanes_show(struct kt_supervisor *supervisor)
{
	struct kt_display_lane *rows = NULL;
	char **statuses = NULL;
	size_t len = 0;

	if (!kt_display_is_live(supervisor->display) || supervisor->plan == NULL)
		return;
	rows = kt_realloc_array(NULL, supervisor->lanes_len + 1, sizeof *rows);
	statuses = kt_realloc_array(NULL, supervisor->lanes_len + 1, sizeof *statuses);
	for (size_t i = 0; i < supervisor->lanes_len; i++) {
		struct kt_lane_run *run = supervisor->lanes[i];
		bool is_running = run->job.phase == KT_JOB_AGENT;

		if (!run->is_selected && run->lane.state == KT_LANE_STOPPED)
			continue;
		rows[len].id = run->id;
		rows[len].wp = shown_wp(supervisor, run, &statuses[len]);
		rows[len].status = statuses[len];
		rows[len].agent = run->job.actor;
		rows[len].output = run->last_output;
		rows[len].running_s =
			is_running ? (kt_clock_wall_us() - run->job.started_us) / 1000000 : -1;
		len++;
	}
	kt_display_lanes(supervisor->display, rows, len);
	while (len > 0)
		free(statuses[--len]);
	free(statuses);
	free(rows);
}

/* ---- stopping ---- */

void kt_supervisor_stop(struct kt_supervisor *supervisor, int signal_number)
{
	if (supervisor->is_stopping)
		return;
	supervisor->is_stopping = true;
	supervisor->stop_signal = signal_number;
	kt_supervisor_say(supervisor, NULL, "stopping: agents are asked to end");
	for (size_t i = 0; i < supervisor->lanes_len; i++)
		kt_lane_run_input(supervisor->lanes[i], KT_LANE_IN_STOP);
}

/* At once. */
static void kill_all(struct kt_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->lanes_len; i++)
		kt_lane_run_kill(supervisor->lanes[i]);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct kt_supervisor *supervisor = arg;

	(void)what;
	if (supervisor->is_stopping)
		kill_all(supervisor);
	else
		kt_supervisor_stop(supervisor, (int)number);
}

/* Zombies that nobody waits for: orphans of lanes whose worker was killed. The writer's and the
 * helpers' children are reaped within a turn, so what is there for two ticks is nobody's. */
static void orphans_reap(struct kt_supervisor *supervisor)
{
	pid_t own[KT_PEERS_MAX];
	size_t len = 0;

	if (kt_helpers_running(&supervisor->helpers) > 0 || !supervisor->is_writer_idle ||
		supervisor->has_requests)
		return;
	for (size_t i = 0; i < supervisor->lanes_len && len < KT_PEERS_MAX - 1; i++)
		if (supervisor->lanes[i]->worker.pid > 0)
			own[len++] = supervisor->lanes[i]->worker.pid;
	if (supervisor->consolidation.pid > 0)
		own[len++] = supervisor->consolidation.pid;
	(void)kt_orphans_reap(own, len);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct kt_supervisor *supervisor = arg;

	(void)fd;
	(void)what;
	orphans_reap(supervisor);
	kt_lane_orphans_note(supervisor);
	if (supervisor->looks_for_claims)
		supervisor->wants_schedule = true;
	kt_sup_consolidate(supervisor);
}

/* ---- the end of each turn ---- */

static bool is_all_stopped(const struct kt_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->lanes_len; i++)
		if (supervisor->lanes[i]->lane.state != KT_LANE_STOPPED ||
			supervisor->lanes[i]->job.phase != KT_JOB_NONE)
			return false;
	return true;
}

static bool is_quiet(const struct kt_supervisor *supervisor)
{
	return supervisor->is_writer_idle && !supervisor->has_requests &&
	       kt_helpers_running(&supervisor->helpers) == 0;
}

static void end_decide(struct kt_supervisor *supervisor)
{
	if (!supervisor->is_stopping && is_quiet(supervisor) && kt_sup_is_done(supervisor)) {
		supervisor->is_stopping = true;
		for (size_t i = 0; i < supervisor->lanes_len; i++)
			kt_lane_run_input(supervisor->lanes[i], KT_LANE_IN_STOP);
	}
	if (supervisor->is_stopping && is_all_stopped(supervisor) && is_quiet(supervisor))
		supervisor->is_over = true;
}

static void turn_end(struct kt_supervisor *supervisor)
{
	struct kt_error err = KT_ERROR_INIT;

	kt_sup_writer_drive(supervisor);
	kt_helpers_collect(&supervisor->helpers);
	if (supervisor->plan_is_stale && kt_sup_plan_load(supervisor, &err) != KT_E_OK)
		kt_log_failure(KT_LOG_ERROR, &err, "the plan cannot be read again");
	if (supervisor->wants_schedule && !supervisor->is_stopping)
		kt_sup_schedule(supervisor);
	if (supervisor->wants_integration && !supervisor->is_stopping)
		kt_sup_integrate(supervisor);
	/* What was decided may have submitted: at most one more turn, then the loop looks around.
	 */
	if (supervisor->has_requests)
		event_active(supervisor->turn_event, EV_TIMEOUT, 1);
	kt_sup_flush(supervisor);
	kt_sup_outbox(supervisor);
	kt_dispatch_stopped(supervisor, false);
	kt_peers_collect(supervisor);
	lanes_show(supervisor);
	kt_display_flush(supervisor->display);
	end_decide(supervisor);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	/* Only there to wake the loop: the work is done at the end of the turn. */
	(void)fd;
	(void)what;
	(void)arg;
}

static void run_loop(struct kt_supervisor *supervisor)
{
	turn_end(supervisor);
	while (!supervisor->is_over) {
		if (event_base_loop(supervisor->base, EVLOOP_ONCE) < 0)
			return;
		turn_end(supervisor);
	}
}

/* ---- start and end ---- */

static enum kt_code events_open(struct kt_supervisor *supervisor, struct kt_error *err)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	struct timeval second = {TICK_MS / 1000, 0};

	supervisor->base = event_base_new();
	if (supervisor->base == NULL)
		return kt_error_set(err, KT_E_OUT_OF_MEMORY, "libevent");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < 3; i++) {
		supervisor->signals[i] =
			evsignal_new(supervisor->base, numbers[i], on_signal, supervisor);
		(void)event_add(supervisor->signals[i], NULL);
	}
	supervisor->tick = event_new(supervisor->base, -1, EV_PERSIST, on_tick, supervisor);
	supervisor->turn_event = event_new(supervisor->base, -1, 0, on_turn, supervisor);
	(void)event_add(supervisor->tick, &second);
	return kt_subreaper_enable(err);
}

/* A log that has grown large makes room: .1 is the newest of the old ones. */
static void log_rotate(const char *path)
{
	struct stat facts;

	if (stat(path, &facts) != 0 || facts.st_size < LOG_MAX)
		return;
	for (int i = LOG_KEEP; i > 0; i--) {
		char *from = i == 1 ? kt_strdup(path) : kt_format("%s.%d", path, i - 1);
		char *to = kt_format("%s.%d", path, i);

		(void)rename(from, to);
		free(from);
		free(to);
	}
}

/* <run_dir>/supervisor.log takes our own log and what workers and helpers say. */
static enum kt_code log_open(struct kt_supervisor *supervisor, struct kt_error *err)
{
	const struct kt_mission *mission = supervisor->launch->mission;
	char *path = kt_format("%s/supervisor.log", mission->run_dir);
	enum kt_code code = kt_folder_make(mission->run_dir, 0700, err);

	if (code == KT_E_OK) {
		log_rotate(path);
		supervisor->log_fd =
			open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
		if (supervisor->log_fd < 0)
			code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%.300s", path);
	}
	free(path);
	return code;
}

/* A folder with this program under both its names, first on every agent's PATH. */
static enum kt_code bin_make(struct kt_supervisor *supervisor, struct kt_error *err)
{
	static const char *const names[] = {"kitty", "spec-kitty"};
	enum kt_code code = KT_E_OK;

	supervisor->bin_dir = kt_format("%s/bin", supervisor->launch->mission->run_dir);
	code = kt_folder_make(supervisor->bin_dir, 0700, err);
	for (size_t i = 0; code == KT_E_OK && i < 2; i++) {
		char *link = kt_format("%s/%s", supervisor->bin_dir, names[i]);
		char *fresh = kt_format("%s.%ld", link, (long)getpid());

		(void)unlink(fresh);
		if (symlink(supervisor->launch->program, fresh) != 0 || rename(fresh, link) != 0)
			code = kt_error_sys(err, kt_error_from_errno(errno), errno, "%.300s", link);
		free(link);
		free(fresh);
	}
	return code;
}

static void pool_fill(struct kt_supervisor *supervisor)
{
	const struct kt_launch *launch = supervisor->launch;

	/* One more: a reviewer that is no implementer. */
	supervisor->pool.agents =
		kt_alloc((launch->agents_len + 2) * sizeof *supervisor->pool.agents);
	supervisor->pool.len = launch->agents_len;
	supervisor->pool.max_parallel = launch->max_parallel;
	for (size_t i = 0; i < launch->agents_len; i++)
		supervisor->pool.agents[i] = (struct kt_pool_agent){
			launch->agents[i].agent->name, launch->agents[i].capacity, 0, false};
	for (size_t i = 0; i < launch->agents_len; i++)
		if (launch->agents[i].agent == launch->reviewer)
			return;
	if (launch->reviewer != NULL)
		supervisor->pool.agents[supervisor->pool.len++] = (struct kt_pool_agent){
			launch->reviewer->name, launch->reviewer->capacity, 0, true};
}

static enum kt_code open_all(struct kt_supervisor *supervisor, struct kt_error *err)
{
	const struct kt_launch *launch = supervisor->launch;
	enum kt_code code = KT_E_OK;

	supervisor->marker = kt_format("SPEC_KITTY_SUPERVISOR=%s:%ld:%llu", launch->mission->slug,
		(long)getpid(), (unsigned long long)kt_process_start_time(getpid()));
	code = kt_sup_writer_open(supervisor, err);
	/* Until the mission's lock is ours the log may be another supervisor's. */
	if (code == KT_E_OK)
		code = log_open(supervisor, err);
	if (code == KT_E_OK)
		code = kt_store_open(launch->repo, &supervisor->store, err);
	if (code == KT_E_OK)
		code = bin_make(supervisor, err);
	if (code == KT_E_OK)
		code = events_open(supervisor, err);
	if (code == KT_E_OK)
		code = kt_sup_plan_load(supervisor, err);
	if (code == KT_E_OK)
		code = kt_sup_listen(supervisor, err);
	if (code == KT_E_OK)
		code = kt_holder_write(
			launch->mission, "kitty launch", supervisor->socket_path, err);
	supervisor->helpers = (struct kt_helpers){supervisor->base, launch->program,
		launch->mission->repo_root, supervisor->log_fd, NULL};
	return code;
}

/* Standard error belongs to the log while the supervisor runs: helpers, libevent and our own log
 * lines would tear the live lines. Gives the descriptor to show things on. */
static int output_redirect(struct kt_supervisor *supervisor, int *saved_stderr)
{
	int shown =
		fcntl(supervisor->launch->json ? STDERR_FILENO : STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	*saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return shown;
}

static bool is_terminal(int fd)
{
	const char *terminal = getenv("TERM");

	return isatty(fd) && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

static void events_close(struct kt_supervisor *supervisor)
{
	struct event *all[] = {supervisor->signals[0], supervisor->signals[1],
		supervisor->signals[2], supervisor->tick, supervisor->turn_event,
		supervisor->listen_event, supervisor->writer_event};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i] != NULL)
			event_free(all[i]);
	if (supervisor->base != NULL)
		event_base_free(supervisor->base);
}

static void close_all(struct kt_supervisor *supervisor)
{
	kt_helpers_release(&supervisor->helpers);
	kt_sup_consolidate_end(supervisor);
	if (supervisor->socket_path != NULL)
		kt_lane_sweep_all(supervisor->marker);
	kt_dispatch_stopped(supervisor, true);
	kt_peers_finish(supervisor);
	if (supervisor->socket_path != NULL)
		(void)unlink(supervisor->socket_path);
	kt_fd_close(&supervisor->listener);
	if (supervisor->writer != NULL && supervisor->socket_path != NULL)
		kt_holder_clear(supervisor->launch->mission);
	kt_writer_free(supervisor->writer);
	kt_peers_free(supervisor);
	for (size_t i = 0; i < supervisor->lanes_len; i++)
		kt_lane_run_free(supervisor->lanes[i]);
	kt_publisher_free(supervisor->publisher);
	kt_plan_free(supervisor->plan);
	kt_store_close(supervisor->store);
	events_close(supervisor);
	kt_json_free(supervisor->tried);
	kt_orphans_release(&supervisor->orphans);
	kt_json_free(supervisor->review_failures);
	kt_json_free(supervisor->released);
	kt_json_free(supervisor->integration_waits);
	free(supervisor->integrating);
	kt_json_free(supervisor->commits);
	kt_fd_close(&supervisor->log_fd);
	free(supervisor->lanes);
	free(supervisor->pool.agents);
	free(supervisor->socket_path);
	free(supervisor->bin_dir);
	free(supervisor->marker);
}

static void redirect_back(int *saved_stderr)
{
	if (*saved_stderr >= 0)
		(void)dup2(*saved_stderr, STDERR_FILENO);
	kt_fd_close(saved_stderr);
}

static void supervise(struct kt_supervisor *supervisor, struct kt_json **summary)
{
	kt_log_open("kitty launch", NULL);
	(void)dup2(supervisor->log_fd, STDERR_FILENO);
	if (supervisor->launch->on_ready != NULL)
		supervisor->launch->on_ready(supervisor->launch->arg);
	supervisor->wants_schedule = supervisor->wants_integration = true;
	supervisor->looks_for_claims = true;
	run_loop(supervisor);
	*summary = kt_sup_summary(supervisor);
}

enum kt_code kt_supervisor_run(
	const struct kt_launch *launch, struct kt_json **summary, struct kt_error *err)
{
	struct kt_supervisor *supervisor = kt_alloc(sizeof *supervisor);
	enum kt_code code = KT_E_OK;
	int saved_stderr = -1;
	int shown = -1;

	supervisor->launch = launch;
	supervisor->log_fd = supervisor->listener = supervisor->writer_fd = -1;
	supervisor->consolidation = (struct kt_child)KT_CHILD_INIT;
	supervisor->is_writer_idle = true;
	supervisor->started_us = kt_clock_wall_us();
	supervisor->tried = kt_json_new_object();
	supervisor->review_failures = kt_json_new_object();
	supervisor->released = kt_json_new_object();
	supervisor->integration_waits = kt_json_new_object();
	supervisor->commits = kt_json_new_array();
	pool_fill(supervisor);
	shown = output_redirect(supervisor, &saved_stderr);
	supervisor->display = kt_display_new(shown, is_terminal(shown));
	code = open_all(supervisor, err);
	if (code == KT_E_OK)
		supervise(supervisor, summary);
	kt_display_lanes(supervisor->display, NULL, 0);
	close_all(supervisor);
	kt_display_free(supervisor->display);
	redirect_back(&saved_stderr);
	kt_fd_close(&shown);
	free(supervisor);
	return code;
}
